package roster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"

	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// version writes a roster version; clients treat it as opaque (RFC 6121 §2.1.1).
func version(n int64) string { return strconv.FormatInt(n, 36) }

func appendItem(b *xml.Builder, i Item) {
	b.Start("", "item", "jid", i.Contact.String(), "name", i.Name, "subscription", i.State.Subscription())
	if i.State.Has(Out) {
		b.Attr("ask", "subscribe")
	}
	if i.State.Has(Approved) {
		b.Attr("approved", "true")
	}
	for _, g := range i.Groups {
		b.Leaf("", "group", g)
	}
	b.End()
}

// get answers with the roster (RFC 6121 §2.1.4), or with nothing and the changes as pushes when the client's version is known and
// nothing was removed since (RFC 6121 §2.6.3). From then on the session gets roster pushes: what is committed before is in the answer, what
// is committed later is pushed, and neither is both, since the look and the beginning stand in the order of the commits.
func (r *Roster) get(ctx context.Context, q *feature.Request) (feature.Reply, error) {
	if len(q.Payload.Children) > 0 {
		return feature.Reply{}, stanza.BadRequest("a roster get has no items")
	}
	known, versioned := int64(0), q.Payload.HasAttr("ver")
	if n, err := strconv.ParseInt(q.Payload.Attr("ver"), 36, 64); err == nil && n > 0 {
		known = n
	}
	var whole bool
	var ver int64
	var items []Item
	err := r.DB.Write(ctx, func(tx *store.Tx) (err error) { // it writes nothing: it takes its place in the queue
		var removed int64
		if ver, removed, err = r.version(ctx, tx, q.From.Bare()); err != nil {
			return err
		}
		whole = known == 0 || known > ver || known < removed
		since := known
		if whole {
			since = -1
		}
		if items, err = r.since(ctx, tx, q.From.Bare(), since); err != nil {
			return err
		}
		tx.AfterCommit(func() { r.interest(q.Session) })
		return nil
	})
	if err != nil {
		return feature.Reply{}, fmt.Errorf("roster: reading: %w", err)
	}
	var out feature.Reply
	if whole {
		out.Payload = queryXML(items, versioned || ver > 0, ver)
		items = nil
	}
	out.Then = func() { r.release(q.Session, items) }
	return out, nil
}

func queryXML(items []Item, versioned bool, ver int64) []byte {
	var b xml.Builder
	b.Start(Space, "query")
	if versioned {
		b.Attr("ver", version(ver))
	}
	for _, i := range items {
		if i.Listed {
			appendItem(&b, i)
		}
	}
	return b.Bytes()
}

// interest makes a session one that gets pushes, and holds them back until its answer is on the way.
func (r *Roster) interest(s *feature.Session) {
	if s == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held[s] = nil
	s.Roster.Store(true)
}

// release sends a session the interim pushes, then what was held back.
func (r *Roster) release(s *feature.Session, items []Item) {
	if s == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range items {
		s.Out.Push(pushTo(s, pushXML(i, i.Ver, false)))
	}
	for _, p := range r.held[s] {
		s.Out.Push(p)
	}
	delete(r.held, s)
}

// push sends an item to all interested sessions of the account (RFC 6121 §2.1.6).
func (r *Roster) push(account jid.JID, i Item) {
	r.pushAll(account, pushXML(i, i.Ver, false))
}

func (r *Roster) pushAll(account jid.JID, payload []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.Router.Sessions(account) {
		if !s.Roster.Load() {
			continue
		}
		if held, ok := r.held[s]; ok {
			r.held[s] = append(held, pushTo(s, payload))
		} else {
			s.Out.Push(pushTo(s, payload))
		}
	}
}

// pushTo makes one push. What the client answers changes nothing (RFC 6121 §2.1.6), so no one waits for it.
func pushTo(s *feature.Session, payload []byte) *stanza.Stanza {
	return stanza.New(stanza.IQ, stanza.Set, s.JID.Bare(), s.JID, rand.Text(), payload)
}

// set adds, changes or removes one contact (RFC 6121 §2.3, §2.4, §2.5).
func (r *Roster) set(ctx context.Context, q *feature.Request) (feature.Reply, error) {
	items := q.Payload.All(Space, "item")
	if len(items) != 1 || len(q.Payload.Children) != 1 {
		return feature.Reply{}, stanza.BadRequest("a roster set has exactly one item")
	}
	account := q.From.Bare()
	want, err := parseItem(items[0])
	if err != nil {
		return feature.Reply{}, err
	}
	if want.Contact == account {
		return feature.Reply{}, stanza.NotAllowed("an account cannot be its own contact")
	}
	err = r.DB.Write(ctx, func(tx *store.Tx) error {
		w := r.begin(ctx, tx)
		if items[0].Attr("subscription") == "remove" {
			if err := w.remove(ctx, account, want.Contact); err != nil {
				return err
			}
			return w.drain(ctx)
		}
		return w.change(ctx, account, want)
	})
	if err != nil {
		var se *stanza.Error
		if errors.As(err, &se) {
			return feature.Reply{}, se
		}
		return feature.Reply{}, fmt.Errorf("roster: changing: %w", err)
	}
	return feature.Reply{}, nil
}

func (w *work) change(ctx context.Context, account jid.JID, want Item) error {
	item, err := w.r.Item(ctx, w.tx, account, want.Contact)
	if err != nil {
		return err
	}
	if !item.Listed {
		if listed, _, err := w.r.count(ctx, w.tx, account); err != nil {
			return err
		} else if listed >= w.r.c.MaxItems {
			return tooMany(w.r.c.MaxItems)
		}
	}
	item.Name, item.Groups, item.Listed = want.Name, want.Groups, true
	if err := w.r.save(ctx, w.tx, account, &item, true); err != nil {
		return err
	}
	w.then(func(context.Context) { w.r.push(account, item) })
	return nil
}

// remove takes a contact out and ends the subscriptions (RFC 6121 §2.5.2). A request of the contact that waits keeps waiting: it was never
// part of the roster.
func (w *work) remove(ctx context.Context, account, contact jid.JID) error {
	was, err := w.r.Item(ctx, w.tx, account, contact)
	if err != nil {
		return err
	}
	if !was.Listed {
		return stanza.ItemNotFound("the contact is not in the roster")
	}
	ver, err := w.r.bump(ctx, w.tx, account, true)
	if err != nil {
		return err
	}
	now := Item{Contact: contact, State: was.State & In, Ver: ver, asked: was.asked, request: was.request}
	if err := w.r.save(ctx, w.tx, account, &now, false); err != nil {
		return err
	}
	w.then(func(context.Context) { w.r.pushAll(account, pushXML(now, ver, true)) })
	if was.State&(To|Out) != 0 {
		if err := w.route(ctx, account, contact, stanza.New(stanza.Presence, stanza.Unsubscribe, account, contact, "")); err != nil {
			return err
		}
	}
	if was.State.Has(From) {
		w.then(func(ctx context.Context) { w.r.sharer.Hide(ctx, account, contact) })
		return w.route(ctx, account, contact, stanza.New(stanza.Presence, stanza.Unsubscribed, account, contact, ""))
	}
	return nil
}

// parseItem reads the item of a roster set. The attributes subscription, ask and approved are the server's (RFC 6121 §2.1.2).
func parseItem(e *xml.Element) (Item, error) {
	if e.Attr("jid") == "" {
		return Item{}, stanza.BadRequest("a roster item needs a jid")
	}
	contact, err := jid.Parse(e.Attr("jid"))
	if err != nil {
		return Item{}, stanza.JIDMalformed("the jid of the item is no address")
	}
	i := Item{Contact: contact.Bare(), Name: e.Attr("name")}
	if len(i.Name) > maxName {
		return Item{}, stanza.NotAcceptable(fmt.Sprintf("the name has %d bytes, at most %d are allowed", len(i.Name), maxName))
	}
	groups := e.All(Space, "group")
	if len(groups) > maxGroups {
		return Item{}, stanza.NotAcceptable(fmt.Sprintf("the item has %d groups, at most %d are allowed", len(groups), maxGroups))
	}
	for _, g := range groups {
		name := g.Text()
		switch {
		case name == "":
			return Item{}, stanza.NotAcceptable("a group needs a name; without groups leave the element out")
		case len(name) > maxGroup:
			return Item{}, stanza.NotAcceptable(fmt.Sprintf("the name of a group has %d bytes, at most %d are allowed", len(name), maxGroup))
		}
		for _, other := range i.Groups {
			if other == name {
				return Item{}, stanza.BadRequest("the item names a group twice")
			}
		}
		i.Groups = append(i.Groups, name)
	}
	return i, nil
}

func nonNegative(ns ...int) error {
	for _, n := range ns {
		if n < 0 {
			return fmt.Errorf("roster: a limit of %d: it must not be below zero", n)
		}
	}
	return nil
}
