package pubsub

import (
	"context"

	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// ownerGet answers requests for a node's configuration (XEP-0060 §8.2.1) and for the defaults (§8.3).
func (p *PubSub) ownerGet(ctx context.Context, r *feature.Request) (feature.Reply, error) {
	for _, c := range r.Payload.Children {
		switch {
		case c.Is(OwnerNS, "configure"):
			return p.showConfig(ctx, r, c.Attr("node"))
		case c.Is(OwnerNS, "default"):
			d := defaults()
			var b xml.Builder
			b.Start(OwnerNS, "pubsub").Start("", "default").Raw(d.form("form", configForm))
			return feature.Reply{Payload: b.Bytes()}, nil
		case c.Is(OwnerNS, "affiliations"), c.Is(OwnerNS, "subscriptions"):
			return feature.Reply{}, unsupported("manage-subscriptions")
		}
	}
	return feature.Reply{}, stanza.BadRequest("<configure/> or <default/> is expected")
}

func (p *PubSub) showConfig(ctx context.Context, r *feature.Request, name string) (feature.Reply, error) {
	if name == "" {
		return feature.Reply{}, nodeIDRequired() // XEP-0060 §8.2.3.3
	}
	if err := p.own(ctx, r, name); err != nil {
		return feature.Reply{}, err
	}
	n, err := loadNode(ctx, p.DB, r.To, name)
	if err != nil {
		return feature.Reply{}, err
	}
	if n == nil {
		return feature.Reply{}, stanza.ItemNotFound("there is no such node")
	}
	var b xml.Builder
	b.Start(OwnerNS, "pubsub").Start("", "configure", "node", name).Raw(n.form("form", configForm))
	return feature.Reply{Payload: b.Bytes()}, nil
}

// ownerSet configures (XEP-0060 §8.2.4), deletes (§8.4) and purges (§8.5) a node.
func (p *PubSub) ownerSet(ctx context.Context, r *feature.Request) (feature.Reply, error) {
	for _, c := range r.Payload.Children {
		name := c.Attr("node")
		switch {
		case !c.Is(OwnerNS, "configure") && !c.Is(OwnerNS, "delete") && !c.Is(OwnerNS, "purge"):
			continue
		case name == "":
			return feature.Reply{}, nodeIDRequired()
		}
		if err := p.own(ctx, r, name); err != nil {
			return feature.Reply{}, err
		}
		switch c.Name.Local {
		case "configure":
			return p.configure(ctx, r, name, c)
		case "delete":
			return p.clear(ctx, r, name, "delete", deleteNode)
		default:
			return p.clear(ctx, r, name, "purge", purge)
		}
	}
	return feature.Reply{}, stanza.BadRequest("<configure/>, <delete/> or <purge/> is expected")
}

func (p *PubSub) configure(ctx context.Context, r *feature.Request, name string, c *xml.Element) (feature.Reply, error) {
	x := c.Child(formNS, "x")
	if x == nil {
		return feature.Reply{}, stanza.BadRequest("a configuration comes as a data form")
	}
	if x.Attr("type") == "cancel" { // XEP-0060 §8.2.4
		return feature.Reply{}, nil
	}
	var then func()
	_, err := p.changed(ctx, r.To, name, func(tx *store.Tx, n *node) (err error) {
		if err := submit(&n.config, x, configForm); err != nil {
			return err
		}
		if err = saveNode(ctx, tx, r.To, n, p.Clock.Now()); err == nil {
			then, err = p.follow(ctx, tx, r.To, name, false) // fewer items may be left
		}
		return err
	})
	return feature.Reply{Then: then}, err
}

// clear empties a node, or deletes it.
func (p *PubSub) clear(ctx context.Context, r *feature.Request, name, what string,
	do func(ctx context.Context, tx *store.Tx, account jid.JID, name string) error) (feature.Reply, error) {
	var then func()
	n, err := p.changed(ctx, r.To, name, func(tx *store.Tx, _ *node) (err error) {
		if err = do(ctx, tx, r.To, name); err == nil {
			then, err = p.follow(ctx, tx, r.To, name, false)
		}
		return err
	})
	if err != nil {
		return feature.Reply{}, err
	}
	return feature.Reply{Then: func() {
		p.tell(ctx, r, n, what)
		then()
	}}, nil
}

// tell announces that a node or all its items are gone (XEP-0060 §8.4.2, §8.5.2).
func (p *PubSub) tell(ctx context.Context, r *feature.Request, n *node, what string) {
	if n.deletes {
		var b xml.Builder
		p.announce(ctx, r.To, n, b.Empty("", what, "node", n.name).Bytes())
	}
}
