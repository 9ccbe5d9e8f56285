package muc

import (
	"context"

	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// maxItems bounds the changes of one request.
const maxItems = 500

// getList answers which occupants have a role or which addresses an affiliation (XEP-0045 §8.5, §9.2, §9.5, §9.8, §10.5, §10.8).
func (r *Room) getList(_ context.Context, c *call) ([]byte, func(), error) {
	items := c.payload.All(NSAdmin, "item")
	if len(items) != 1 {
		return nil, nil, stanza.BadRequest("ask for one list at a time")
	}
	a, isA := affiliations[items[0].Attr("affiliation")]
	role, isR := roles[items[0].Attr("role")]
	var b xml.Builder
	b.Start(NSAdmin, "query")
	switch {
	case isA && items[0].HasAttr("role"), !isA && !isR, isA && a == None, isR && role == NoRole:
		return nil, nil, stanza.BadRequest("a list is of an affiliation or of a role")
	case isA:
		if !r.mayList(c.from, a) {
			return nil, nil, stanza.Forbidden("this list is not for you")
		}
		for _, j := range r.listed(func(u user) bool { return u.affiliation == a }) {
			u := r.users[j]
			b.Start("", "item", "affiliation", a.String(), "jid", j.String(), "nick", u.nick)
			if u.reason != "" {
				b.Leaf("", "reason", u.reason)
			}
			b.End()
		}
	default:
		if mine := r.affiliation(c.from); mine < Admin && (role == Moderator || r.roleHere(c.from) < Moderator) {
			return nil, nil, stanza.Forbidden("this list is not for you")
		}
		for _, o := range r.order {
			if o.role == role {
				b.Empty("", "item", "affiliation", r.affiliation(o.user).String(), "jid", o.main().jid.String(), "nick", o.nick, "role", role.String())
			}
		}
	}
	return b.Bytes(), nil, nil
}

// mayList reports who may ask which list: admins all, and in a room that is not anonymous its people those of who belongs to it, if the owners
// allow (muc#roomconfig_getmemberlist). OMEMO needs the addresses of those who are away.
func (r *Room) mayList(from jid.JID, a Affiliation) bool {
	mine := r.affiliation(from)
	if mine >= Admin {
		return true
	}
	if a == Outcast || r.options.Anonymous && r.roleHere(from) < Moderator {
		return false
	}
	role := max(r.roleHere(from), r.roleOf(mine))
	if r.roleHere(from) == NoRole && mine < Member {
		return false
	}
	for _, name := range r.options.ListMembers {
		if roles[name] <= role {
			return true
		}
	}
	return false
}

// roleHere is the highest role that an account has in the room.
func (r *Room) roleHere(from jid.JID) (role Role) {
	for _, o := range r.order {
		if o.user == from.Bare() {
			role = max(role, o.role)
		}
	}
	return role
}

// setList changes roles and affiliations, all or none (XEP-0045 §8, §9, §10).
func (r *Room) setList(ctx context.Context, c *call) ([]byte, func(), error) {
	items := c.payload.All(NSAdmin, "item")
	if len(items) == 0 || len(items) > maxItems {
		return nil, nil, stanza.BadRequest("there is nothing to change, or too much at once")
	}
	var grants []grant
	var turns []turn
	for _, i := range items {
		var err error
		switch {
		case i.HasAttr("affiliation") == i.HasAttr("role"):
			err = stanza.BadRequest("an item changes an affiliation or a role") // XEP-0045 §17.4
		case i.HasAttr("affiliation"):
			var g grant
			if g, err = r.readGrant(ctx, c, i); err == nil {
				grants = append(grants, g)
			}
		default:
			var t []turn
			if t, err = r.readTurn(c, i); err == nil {
				turns = append(turns, t...)
			}
		}
		if err != nil {
			return nil, nil, err
		}
	}
	var tell func()
	if len(grants) > 0 {
		var err error
		if tell, err = r.affiliate(ctx, c.from, grants); err != nil {
			return nil, nil, err
		}
	}
	kicked := r.kick(turns, c.from)
	return nil, func() {
		if tell != nil {
			tell()
		}
		for _, f := range kicked {
			f()
		}
		r.play(turns, c.from)
		r.settle()
	}, nil
}

// readGrant reads a change of affiliation.
func (r *Room) readGrant(ctx context.Context, c *call, i *xml.Element) (grant, error) {
	to, ok := affiliations[i.Attr("affiliation")]
	if !ok {
		return grant{}, stanza.BadRequest("there is no such affiliation")
	}
	g := grant{to: to, reason: clip(i.Child(NSAdmin, "reason").Text())}
	if i.Attr("jid") == "" {
		o := r.occupantOf(i.Attr("nick"))
		if o == nil {
			return grant{}, stanza.ItemNotFound("nobody of that nickname is in the room")
		}
		g.user = o.user
	} else {
		j, err := jid.Parse(i.Attr("jid"))
		if err != nil {
			return grant{}, stanza.JIDMalformed("the item names what is no address")
		}
		g.user = j.Bare()
		if r.m.Router.Hosted(j) {
			return grant{}, stanza.NotAcceptable("a room is no person")
		}
		if to >= Member { // a nickname is reserved for who belongs to the room (XEP-0045 §9.3)
			if n := i.Attr("nick"); n == "" {
				g.bare = i.HasAttr("nick") // an empty one takes the nickname back (XEP-0045 §9.5)
			} else {
				at, err := r.jid.WithResource(n)
				if err != nil {
					return grant{}, stanza.JIDMalformed("the nickname cannot be one")
				}
				g.nick = at.Resource()
			}
		}
	}
	if err := r.permit(c.from, g); err != nil {
		return grant{}, err
	}
	// The list of members may hold a name that is still to come, and does not tell who has an account. Who runs the room must be somebody.
	if g.to >= Admin && r.m.Router.Local(g.user) && r.users[g.user].affiliation == None {
		if ok, err := r.m.Router.Exists(ctx, g.user); err != nil || !ok {
			return grant{}, orNotFound(err, "there is no such account")
		}
	}
	return g, nil
}

func orNotFound(err error, text string) error {
	if err != nil {
		return err
	}
	return stanza.ItemNotFound(text)
}

// turn is a change of role.
type turn struct {
	o      *Occupant
	to     Role
	reason string
}

// readTurn reads a change of role; of an address it is for all its occupants.
func (r *Room) readTurn(c *call, i *xml.Element) ([]turn, error) {
	to, ok := roles[i.Attr("role")]
	if !ok {
		return nil, stanza.BadRequest("there is no such role")
	}
	var all []*Occupant
	if o := r.occupantOf(i.Attr("nick")); o != nil {
		all = []*Occupant{o}
	} else if j, err := jid.Parse(i.Attr("jid")); err == nil && i.Attr("nick") == "" {
		for _, o := range r.order {
			if o.user == j.Bare() {
				all = append(all, o)
			}
		}
	}
	if r.roleHere(c.from) < Moderator && r.affiliation(c.from) < Admin {
		return nil, stanza.Forbidden("only moderators change roles")
	}
	if len(all) == 0 {
		return nil, stanza.ItemNotFound("nobody of that nickname is in the room")
	}
	var l []turn
	for _, o := range all {
		if err := r.permitTurn(c.from, o, to); err != nil {
			return nil, err
		}
		l = append(l, turn{o, to, clip(i.Child(NSAdmin, "reason").Text())})
	}
	return l, nil
}

// permitTurn says whether a moderator may change a role (XEP-0045 §5.1.3, §8.2 to §8.5, §9.6, §9.7).
func (r *Room) permitTurn(by jid.JID, o *Occupant, to Role) error {
	mine, theirs := r.affiliation(by), r.affiliation(o.user)
	switch {
	case to != NoRole && to != Moderator && theirs >= Admin:
		return stanza.NotAllowed("an admin or owner keeps voice and the moderator's role")
	case (to == Moderator) != (o.role == Moderator) && to != NoRole && mine < Admin:
		return stanza.Forbidden("only admins and owners make moderators")
	case to == NoRole && theirs > mine:
		return stanza.NotAllowed("they have more to say here than you")
	case to < Participant && o.user != by.Bare() && theirs > mine:
		return stanza.NotAllowed("they have more to say here than you")
	case to == Visitor && theirs >= mine && mine < Admin && o.user != by.Bare():
		return stanza.NotAllowed("they have as much to say here as you")
	}
	return nil
}

// kick removes whose role becomes none (XEP-0045 §8.2), and gives what tells the others.
func (r *Room) kick(all []turn, by jid.JID) (tell []func()) {
	for _, t := range all {
		if t.to == NoRole && r.nicks[foldNick(t.o.nick)] == t.o {
			c := &change{reason: t.reason, codes: []string{codeKicked}}
			c.actor, c.actorJID = r.actor(by)
			tell = append(tell, r.expel([]*Occupant{t.o}, c))
		}
	}
	return tell
}

// play makes the other changes of role.
func (r *Room) play(all []turn, by jid.JID) {
	for _, t := range all {
		if t.to == NoRole || t.o.role == t.to || r.nicks[foldNick(t.o.nick)] != t.o {
			continue
		}
		c := &change{reason: t.reason}
		c.actor, c.actorJID = r.actor(by)
		before := t.o.role
		t.o.role = t.to
		r.spread(t.o, c, nil, "")
		if r.options.Anonymous && (before == Moderator) != (t.to == Moderator) {
			r.reveal(t.o)
		}
	}
}

// reveal sends an occupant whose view of the others has changed their presence again: a new moderator of an anonymous room sees addresses.
func (r *Room) reveal(o *Occupant) {
	for _, other := range r.order {
		if other == o || !r.maySee(o, other) {
			continue
		}
		st := r.show(other, r.sees(o.role))
		for _, s := range o.seats {
			s.share(r, &r.burst, st)
		}
	}
}

// clip bounds a reason.
func clip(s string) string {
	if r := []rune(s); len(r) > 1000 {
		return string(r[:1000])
	}
	return s
}
