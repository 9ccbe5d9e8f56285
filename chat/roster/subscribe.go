package roster

import (
	"context"
	"fmt"

	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// presence takes the four types that manage subscriptions (RFC 6121 §3).
func (r *Roster) presence(ctx context.Context, e *feature.Envelope) (bool, error) {
	switch e.Stanza.Type {
	case stanza.Subscribe, stanza.Subscribed, stanza.Unsubscribe, stanza.Unsubscribed:
	case stanza.Unavailable:
		if e.Session != nil && e.To.IsZero() {
			r.forget(ctx, e.Session) // it is asked again when it is back
		}
		return false, nil
	default:
		return false, nil
	}
	if e.To.IsZero() {
		return true, stanza.BadRequest("a presence of type " + string(e.Stanza.Type) + " needs a 'to'")
	}
	from, to := e.From.Bare(), e.To.Bare() // RFC 6121 §3.1.2: a full JID is read as its bare JID
	if from == to {
		return true, nil // everyone sees their own presence
	}
	if e.Stanza.Type == stanza.Subscribe && !r.Router.Reaches(to) {
		return true, stanza.RemoteServerNotFound("this server does not talk to other servers") // RFC 6121 §3.1.2
	}
	err := r.DB.Write(ctx, func(tx *store.Tx) error {
		w := r.begin(ctx, tx)
		if r.Router.Local(from) && from.Local() != "" {
			if err := w.outbound(ctx, from, to, e.Stanza); err != nil {
				return err
			}
		} else if err := w.inbound(ctx, to, from, e.Stanza); err != nil {
			return err
		}
		return w.drain(ctx)
	})
	if err != nil {
		return true, fmt.Errorf("roster: %s: %w", e.Stanza.Type, err)
	}
	return true, nil
}

// work is one change of the roster and what it causes. The effects run after the commit, in the order of the commits: so pushes keep the
// order of the versions (RFC 6121 §2.6.3). The replies on someone's behalf are worked off in the same transaction, after what caused them.
type work struct {
	r       *Roster
	tx      *store.Tx
	effects []func(context.Context)
	replies []reply
}

type reply struct {
	from, to jid.JID
	st       *stanza.Stanza
	own      bool // the sender's side changes too, as if its client had sent it
}

func (r *Roster) begin(ctx context.Context, tx *store.Tx) *work {
	w := &work{r: r, tx: tx}
	ctx = context.WithoutCancel(ctx)
	tx.AfterCommit(func() {
		for _, f := range w.effects {
			f(ctx)
		}
	})
	return w
}

func (w *work) then(f func(context.Context)) { w.effects = append(w.effects, f) }

func (w *work) drain(ctx context.Context) error {
	for len(w.replies) > 0 {
		p := w.replies[0]
		w.replies = w.replies[1:]
		send := w.route
		if p.own {
			send = w.outbound
		}
		if err := send(ctx, p.from, p.to, p.st); err != nil {
			return err
		}
		if p.st.Type == stanza.Subscribed {
			w.then(func(ctx context.Context) { w.r.sharer.Show(ctx, p.from, p.to) }) // RFC 6121 §3.1.5
		}
	}
	return nil
}

// outbound is the user's side of what the user sends (RFC 6121 §3.1.2, §3.1.5, §3.2.2, §3.3.2, §3.4.2).
func (w *work) outbound(ctx context.Context, user, contact jid.JID, st *stanza.Stanza) error {
	was, err := w.r.Item(ctx, w.tx, user, contact)
	if err != nil {
		return err
	}
	step := Outbound(was.State, string(st.Type))
	now := was
	now.State = step.Next
	now.Listed = was.Listed || st.Type == stanza.Subscribe || now.State.Has(Approved) || now.State.Has(From)
	if err := w.keep(ctx, user, was, &now); err != nil {
		return err
	}
	if was.State.Has(From) && !now.State.Has(From) {
		w.then(func(ctx context.Context) { w.r.sharer.Hide(ctx, user, contact) }) // while still subscribed (RFC 6121 §3.2.2)
	}
	if step.Pass {
		if err := w.route(ctx, user, contact, st); err != nil {
			return err
		}
	}
	w.push(user, was, now)
	if !was.State.Has(From) && now.State.Has(From) {
		w.then(func(ctx context.Context) { w.r.sharer.Show(ctx, user, contact) })
		if now.State.Has(To) && !w.r.Router.Local(contact) { // what its clients want to be told (XEP-0163 §4.3) stands in presence that came before they might be
			w.then(func(ctx context.Context) {
				w.r.Router.Deliver(ctx, contact, stanza.New(stanza.Presence, stanza.Probe, user, contact, ""))
			})
		}
	}
	return nil
}

// inbound is the user's side of what a contact sends (RFC 6121 §3.1.3, §3.1.6, §3.2.3, §3.3.3). What an account does not expect,
// and what is sent to one that does not exist, is dropped without a word: no one learns which it was (RFC 6121 §8.5.1).
func (w *work) inbound(ctx context.Context, user, contact jid.JID, st *stanza.Stanza) error {
	if ok, err := w.r.Router.Exists(ctx, user); err != nil || !ok {
		return err
	}
	if w.r.Blocker.Blocked(ctx, user, contact) {
		return nil // XEP-0191 §3.3
	}
	was, err := w.r.Item(ctx, w.tx, user, contact)
	if err != nil {
		return err
	}
	welcome, err := w.welcome(ctx, was, user, contact, st)
	if err != nil {
		return err
	}
	known := was.State
	if welcome {
		known |= Approved
	}
	step := Inbound(known, string(st.Type))
	now := was
	now.State = step.Next
	if welcome {
		now.State = now.State&^Approved | was.State&Approved
	}
	if now.State.Has(In) && !was.State.Has(In) {
		if _, waiting, err := w.r.count(ctx, w.tx, user); err != nil || waiting >= w.r.c.MaxRequests {
			return err // a flood of requests must not fill the store (RFC 6121 §3.1.3)
		}
		now.request, now.asked = requestOf(st, contact, user), store.Time(w.r.Clock.Now())
	}
	if err := w.keep(ctx, user, was, &now); err != nil {
		return err
	}
	if step.Pass {
		w.then(func(context.Context) { w.r.deliver(user, st.WithHead(contact, user, st.ID, st.Type)) })
	}
	w.push(user, was, now)
	if was.State.Has(From) && !now.State.Has(From) {
		w.then(func(ctx context.Context) { w.r.sharer.Hide(ctx, user, contact) })
	}
	if step.Reply != "" {
		w.replies = append(w.replies, reply{from: user, to: contact, st: stanza.New(stanza.Presence, stanza.Type(step.Reply), user, contact, "")})
	}
	if welcome {
		w.replies = append(w.replies, reply{from: user, to: contact, st: stanza.New(stanza.Presence, stanza.Subscribe, user, contact, ""), own: true})
	}
	return nil
}

// route hands a subscription stanza to the contact's side: here in the same transaction, or to another domain after it.
func (w *work) route(ctx context.Context, from, to jid.JID, st *stanza.Stanza) error {
	out := st.WithHead(from, to, st.ID, st.Type)
	if w.r.Router.Local(to) {
		return w.inbound(ctx, to, from, out)
	}
	w.then(func(ctx context.Context) { w.r.Router.Deliver(ctx, to, out) })
	return nil
}

// keep writes an item if it changed.
func (w *work) keep(ctx context.Context, user jid.JID, was Item, now *Item) error {
	if !now.State.Has(In) {
		now.request, now.asked = nil, 0
	}
	if now.State == was.State && now.Listed == was.Listed {
		return nil
	}
	if now.Listed && !was.Listed {
		if listed, _, err := w.r.count(ctx, w.tx, user); err != nil {
			return err
		} else if listed >= w.r.c.MaxItems {
			return tooMany(w.r.c.MaxItems)
		}
	}
	return w.r.save(ctx, w.tx, user, now, visible(was, *now))
}

// visible reports whether clients see a difference: only then the roster has a new version (RFC 6121 §2.6.3).
func visible(was, now Item) bool {
	const shown = To | From | Out | Approved
	return now.Listed != was.Listed || now.Listed && now.State&shown != was.State&shown
}

// push has the item pushed to all interested sessions if clients see a difference.
func (w *work) push(user jid.JID, was, now Item) {
	if visible(was, now) {
		w.then(func(context.Context) { w.r.push(user, now) })
	}
}

// requestOf is a subscription request as it is kept: the complete stanza (RFC 6121 §3.1.3), within a limit.
func requestOf(st *stanza.Stanza, from, to jid.JID) *stanza.Stanza {
	if st.Size() > maxRequest {
		return stanza.New(stanza.Presence, stanza.Subscribe, from, to, st.ID)
	}
	return st.WithHead(from, to, st.ID, stanza.Subscribe)
}

// deliver gives a subscription stanza to the sessions that can show it: a request to all available ones (RFC 6121 §3.1.3), an answer to
// all interested ones (RFC 6121 §3.1.6, §3.2.3, §3.3.3).
func (r *Roster) deliver(user jid.JID, st *stanza.Stanza) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.Router.Sessions(user) {
		if st.Type != stanza.Subscribe {
			if s.Roster.Load() {
				s.Out.Push(st)
			}
		} else if _, ok := r.asked[s]; ok && s.Available() {
			s.Out.Push(st)
		}
	}
}

// after delivers the requests that wait to a session that has become available (RFC 6121 §3.1.3). The look takes its place in the order
// of the commits, and from there on the session gets new requests at once: each comes once.
func (r *Roster) after(ctx context.Context, e *feature.Envelope) {
	if e.Session == nil || !e.Initial {
		return
	}
	s, account := e.Session, e.Session.JID.Bare()
	err := r.DB.Write(ctx, func(tx *store.Tx) error {
		waiting, err := r.waiting(ctx, tx, account)
		tx.AfterCommit(func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.asked[s] = struct{}{}
			for _, st := range waiting {
				s.Out.Push(st)
			}
		})
		return err
	})
	if err != nil {
		r.Log.Error("delivering subscription requests", "err", err)
	}
}

// waiting are the requests that the account has not answered, oldest first, without those of people it has blocked since.
func (r *Roster) waiting(ctx context.Context, q store.Reader, account jid.JID) (l []*stanza.Stanza, err error) {
	stored, err := store.Column[[]byte](ctx, q, "roster: reading requests", `SELECT request FROM roster_item WHERE account = $1 AND asked > 0 ORDER BY asked, contact`, account.String())
	for _, b := range stored {
		st, err := stanza.Decode(b)
		if err != nil {
			return nil, fmt.Errorf("roster: a stored request: %w", err)
		}
		if !r.Blocker.Blocked(ctx, account, st.From) {
			l = append(l, st)
		}
	}
	return l, err
}

// tooMany is the answer to one contact over the limit (XEP-0205 §4.8).
func tooMany(limit int) error {
	return stanza.UnexpectedRequest(fmt.Sprintf("the roster is full: it has %d contacts", limit)).WithApp("urn:xmpp:errors", "too-many-stanzas")
}

func pushXML(i Item, ver int64, removed bool) []byte {
	var b xml.Builder
	b.Start(Space, "query").Attr("ver", version(ver))
	if removed {
		b.Empty("", "item", "jid", i.Contact.String(), "subscription", "remove")
	} else {
		appendItem(&b, i)
	}
	return b.Bytes()
}
