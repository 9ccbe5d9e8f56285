package pubsub

import (
	"context"
	"fmt"
	"time"

	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// maxSubscriptions is the most nodes that one account may subscribe to. Contacts are told without: their capabilities ask.
const maxSubscriptions = 1000

// subscriber reads the JID that a request to subscribe or unsubscribe is for; it must be the sender's own (XEP-0060 §6.1.3.1).
func subscriber(r *feature.Request, el *xml.Element) (jid.JID, error) {
	j, err := jid.Parse(el.Attr("jid"))
	if err != nil || j.Bare() != r.From.Bare() {
		return jid.JID{}, stanza.BadRequest("one subscribes one's own address").WithApp(ErrorsNS, "invalid-jid")
	}
	return j, nil
}

// subscribe is XEP-0060 §6.1. Whom the access model admits may be told of a node without being a contact, as clients of OMEMO
// want for device lists.
func (p *PubSub) subscribe(ctx context.Context, r *feature.Request, el *xml.Element) (feature.Reply, error) {
	name := el.Attr("node")
	if name == "" {
		return feature.Reply{}, nodeIDRequired()
	}
	who, err := subscriber(r, el)
	if err != nil {
		return feature.Reply{}, err
	}
	n, err := loadNode(ctx, p.DB, r.To, name)
	if err != nil {
		return feature.Reply{}, err
	}
	if err := p.admit(ctx, n, r.To, r.From.Bare()); err != nil {
		return feature.Reply{}, err
	}
	var last []item
	err = p.DB.Write(ctx, func(tx *store.Tx) (err error) {
		if err = saveSubscription(ctx, tx, r.To, name, who, p.Clock.Now()); err != nil {
			return err
		}
		if n.sendLast != "never" {
			last, err = items(ctx, tx, r.To, name, 1)
		}
		return err
	})
	if err != nil {
		return feature.Reply{}, err
	}
	var b xml.Builder
	b.Start(NS, "pubsub").Empty("", "subscription", "node", name, "jid", who.String(), "subscription", "subscribed")
	return feature.Reply{Payload: b.Bytes(), Then: func() {
		switch { // XEP-0060 §6.1.7
		case len(last) == 0:
		case r.Session != nil:
			r.Session.Out.Push(event(r.To, r.Session.JID, itemsEvent(n, last)))
		default:
			p.Router.Deliver(context.WithoutCancel(ctx), r.From, event(r.To, r.From, itemsEvent(n, last)))
		}
	}}, nil
}

// unsubscribe is XEP-0060 §6.2.
func (p *PubSub) unsubscribe(ctx context.Context, r *feature.Request, el *xml.Element) (feature.Reply, error) {
	name := el.Attr("node")
	if name == "" {
		return feature.Reply{}, nodeIDRequired()
	}
	who, err := subscriber(r, el)
	if err != nil {
		return feature.Reply{}, err
	}
	return feature.Reply{}, p.DB.Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `DELETE FROM pubsub_subscription WHERE account = $1 AND node = $2 AND jid = $3`, r.To.String(), name, who.String())
		if err != nil {
			return fmt.Errorf("pubsub: unsubscribing: %w", err)
		}
		if n == 0 {
			return stanza.UnexpectedRequest("").WithType(stanza.Cancel).WithApp(ErrorsNS, "not-subscribed") // XEP-0060 §6.2.3.2
		}
		return nil
	})
}

// subscriptions tells the sender's own subscriptions at this account (XEP-0060 §5.6).
func (p *PubSub) subscriptions(ctx context.Context, r *feature.Request, el *xml.Element) (feature.Reply, error) {
	var b xml.Builder
	b.Start(NS, "pubsub").Start("", "subscriptions", "node", el.Attr("node"))
	err := store.Each(ctx, p.DB, "pubsub: listing subscriptions", func(row store.Scanner) error {
		var node, who string
		err := row.Scan(&node, &who)
		if want := el.Attr("node"); err == nil && (want == "" || want == node) {
			b.Empty("", "subscription", "node", node, "jid", who, "subscription", "subscribed")
		}
		return err
	}, `SELECT node, jid FROM pubsub_subscription WHERE subscriber = $1 AND account = $2 ORDER BY node, jid`, r.From.Bare().String(), r.To.String())
	return feature.Reply{Payload: b.Bytes()}, err
}

func saveSubscription(ctx context.Context, tx *store.Tx, account jid.JID, name string, who jid.JID, now time.Time) error {
	var have int
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM pubsub_subscription WHERE subscriber = $1`, who.Bare().String()).Scan(&have); err != nil {
		return fmt.Errorf("pubsub: counting subscriptions: %w", err)
	}
	if have >= maxSubscriptions {
		return stanza.PolicyViolation(fmt.Sprintf("an account may subscribe to at most %d nodes", maxSubscriptions)).
			WithApp(ErrorsNS, "too-many-subscriptions") // XEP-0060 §6.1.3.9
	}
	_, err := tx.Exec(ctx, `INSERT INTO pubsub_subscription (account, node, jid, subscriber, created) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (account, node, jid) DO NOTHING`, account.String(), name, who.String(), who.Bare().String(), store.Time(now))
	if err != nil {
		return fmt.Errorf("pubsub: subscribing: %w", err)
	}
	return nil
}

// subscribers are the sessions whose account or full JID has subscribed to the node and is still admitted, and the addresses on other servers
// that have.
func (p *PubSub) subscribers(ctx context.Context, owner jid.JID, n *node) (sessions []*feature.Session, elsewhere []jid.JID, err error) {
	who, err := store.Column[jid.JID](ctx, p.DB, "pubsub: reading subscriptions",
		`SELECT jid FROM pubsub_subscription WHERE account = $1 AND node = $2`, owner.String(), n.name)
	if err != nil {
		return nil, nil, err
	}
	for _, j := range who {
		if p.admit(ctx, n, owner, j.Bare()) != nil {
			continue
		}
		if !p.Router.Local(j) {
			elsewhere = append(elsewhere, j)
			continue
		}
		for _, s := range p.Router.Sessions(j.Bare()) {
			if s.Available() && (j.IsBare() || s.JID == j) {
				sessions = append(sessions, s)
			}
		}
	}
	return sessions, elsewhere, nil
}
