package muc

import (
	"context"
	"reflect"

	"writ/store"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// getConfig gives an owner the form (XEP-0045 §10.1.3, §10.2).
func (r *Room) getConfig(_ context.Context, c *call) ([]byte, func(), error) {
	if r.affiliation(c.from) < Owner {
		return nil, nil, stanza.Forbidden("only owners configure the room")
	}
	var b xml.Builder
	b.Start(NSOwner, "query")
	r.configForm(&b)
	return b.Bytes(), nil, nil
}

// setConfig takes a filled-in form, a cancellation, the wish for an instant room, or an order to destroy (XEP-0045 §10.1.2, §10.1.3, §10.2, §10.9).
func (r *Room) setConfig(ctx context.Context, c *call) ([]byte, func(), error) {
	if r.affiliation(c.from) < Owner {
		return nil, nil, stanza.Forbidden("only owners configure or destroy the room")
	}
	if d := c.payload.Child(NSOwner, "destroy"); d != nil {
		return r.destroy(ctx, d)
	}
	x := c.payload.Child(nsForm, "x")
	if x == nil {
		return nil, nil, stanza.BadRequest("the request holds neither a form nor an order to destroy")
	}
	if x.Attr("type") == "cancel" {
		if r.locked { // XEP-0045 §10.1.3
			return nil, func() { r.destroyed(jid.JID{}, "", "") }, nil
		}
		return nil, nil, nil
	}
	sent, err := readForm(x, nsConfig)
	if err != nil {
		return nil, nil, err
	}
	if len(sent) == 0 && !r.locked {
		return nil, nil, nil // nothing is changed
	}
	o, err := r.m.apply(r.options, sent)
	if err != nil {
		return nil, nil, err
	}
	grants, err := r.lists(ctx, sent)
	if err != nil {
		return nil, nil, err
	}
	if r.ownersAfter(grants) == 0 {
		return nil, nil, stanza.Conflict("a room needs an owner: name another first")
	}
	return r.configure(ctx, c, o, grants)
}

// lists are the changes that the lists of admins and owners in a form ask for: they are whole lists, not changes (XEP-0045 §10.5).
func (r *Room) lists(ctx context.Context, sent map[string][]string) (all []grant, err error) {
	for _, l := range []struct {
		field string
		to    Affiliation
	}{{"muc#roomconfig_roomowners", Owner}, {"muc#roomconfig_roomadmins", Admin}} {
		values, ok := sent[l.field]
		if !ok {
			continue
		}
		named, err := addresses(values)
		if err != nil {
			return nil, err
		}
		if len(named) > maxItems {
			return nil, stanza.NotAcceptable("the list is too long")
		}
		in := map[jid.JID]bool{}
		for _, j := range named {
			in[j] = true
			if r.users[j].affiliation == l.to || contains(all, j) {
				continue
			}
			if j.Local() == "" || r.m.Router.Hosted(j) {
				return nil, stanza.NotAcceptable("only people are admins and owners")
			}
			if r.m.Router.Local(j) {
				if ok, err := r.m.Router.Exists(ctx, j); err != nil || !ok {
					return nil, orNotFound(err, "there is no such account")
				}
			}
			all = append(all, grant{user: j, to: l.to})
		}
		for j, u := range r.users {
			if u.affiliation == l.to && !in[j] && !contains(all, j) {
				all = append(all, grant{user: j, to: Member})
			}
		}
	}
	return all, nil
}

func contains(all []grant, j jid.JID) bool {
	for _, g := range all {
		if g.user == j {
			return true
		}
	}
	return false
}

// configure makes a configuration the room's. A locked room opens by it, with the affiliations that it has by then.
func (r *Room) configure(ctx context.Context, c *call, o Options, grants []grant) ([]byte, func(), error) {
	if r.locked {
		if n, err := r.m.owned(ctx, c.from.Bare()); err != nil || n >= r.m.c.PerPerson {
			if err == nil {
				err = stanza.NotAllowed("you own as many rooms as one person may")
			}
			return nil, nil, err
		}
	}
	err := r.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		if err := r.m.writeRoom(ctx, tx, r, o); err != nil || !r.locked {
			return err
		}
		if !r.subject.at.IsZero() {
			if err := r.m.writeSubject(ctx, tx, r.name, r.subject); err != nil {
				return err
			}
		}
		for j, u := range r.users {
			if err := r.m.writeUser(ctx, tx, r.name, j, u); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	before := r.options
	r.options = o
	opened := r.locked
	r.locked = false
	var tell func()
	if len(grants) > 0 {
		if tell, err = r.affiliate(ctx, c.from, grants); err != nil {
			return nil, nil, err
		}
	}
	return nil, func() {
		if tell != nil {
			tell()
		}
		r.reconfigured(before, o, opened)
	}, nil
}

// reconfigured shows a new configuration to the room (XEP-0045 §10.2.1), and makes leave whom it does not admit (XEP-0045 §10.2).
func (r *Room) reconfigured(before, o Options, opened bool) {
	for _, p := range r.order {
		p.forget()
	}
	if !opened {
		r.announce(changedCodes(before, o, r.m.Keep > 0)...)
	}
	if o.MembersOnly {
		var gone []*Occupant
		for _, p := range r.order {
			if r.affiliation(p.user) < Member {
				gone = append(gone, p)
			}
		}
		if len(gone) > 0 {
			r.expel(gone, &change{codes: []string{codeMembersOnly}})()
		}
	}
	for _, p := range append([]*Occupant(nil), r.order...) {
		if role := r.roleOf(r.affiliation(p.user)); before.Moderated != o.Moderated && p.role != role && p.role != Moderator {
			p.role = role
			r.spread(p, &change{}, nil, "")
		}
	}
	r.settle()
	if before.Anonymous && !o.Anonymous { // everyone sees the addresses from now on
		for _, p := range r.order {
			r.reveal(p)
		}
	}
}

// changedCodes says what a change means for privacy; if nothing, that something changed.
func changedCodes(before, o Options, keeps bool) (codes []string) {
	if before.Archive != o.Archive && keeps {
		codes = append(codes, map[bool]string{true: codeLogged, false: codeNotLogged}[o.Archive])
	}
	if before.Anonymous != o.Anonymous {
		codes = append(codes, map[bool]string{true: codeNowSemi, false: codeNowOpen}[o.Anonymous])
	}
	same := before
	same.Archive, same.Anonymous = o.Archive, o.Anonymous
	if len(codes) == 0 || !reflect.DeepEqual(same, o) {
		codes = append(codes, codeConfigured)
	}
	return codes
}

// announce sends status codes to all occupants.
func (r *Room) announce(codes ...string) {
	var b xml.Builder
	b.Start(NSUser, "x")
	for _, code := range codes {
		b.Empty("", "status", "code", code)
	}
	r.reflect(stanza.New(stanza.Message, stanza.Groupchat, r.jid, jid.JID{}, "", b.Bytes()))
}

// destroy ends the room for good (XEP-0045 §10.9).
func (r *Room) destroy(ctx context.Context, d *xml.Element) ([]byte, func(), error) {
	var other jid.JID
	if a := d.Attr("jid"); a != "" {
		var err error
		if other, err = jid.Parse(a); err != nil {
			return nil, nil, stanza.JIDMalformed("the other place is no address")
		}
	}
	if !r.locked {
		if err := r.write(ctx, func(ctx context.Context, tx *store.Tx) error { return r.m.wipe(ctx, tx, r.name) }); err != nil {
			return nil, nil, err
		}
	}
	reason := clip(d.Child(NSOwner, "reason").Text())
	password := clip(d.Child(NSOwner, "password").Text())
	r.destroyed(other, password, reason) // an app that hears "done" before it hears that it left would destroy again
	return nil, nil, nil
}

// destroyed makes everyone leave a room whose rows are gone.
func (r *Room) destroyed(other jid.JID, password, reason string) {
	var b xml.Builder
	b.Start("", "destroy")
	if !other.IsZero() {
		b.Attr("jid", other.String())
	}
	if password != "" {
		b.Leaf("", "password", password)
	}
	if reason != "" {
		b.Leaf("", "reason", reason)
	}
	c := &change{gone: true, outside: true, destroyed: b.Bytes()}
	for _, o := range r.order {
		for _, s := range o.seats {
			r.part(o, s, r.goodbye(), c)
			r.clear(s)
		}
	}
	r.loaded = false
	r.seats, r.order, r.nicks = map[jid.JID]*seat{}, nil, map[string]*Occupant{}
}
