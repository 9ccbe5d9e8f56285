package muc

import (
	"context"
	"slices"
	"strings"

	"writ/store"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// grant is one change of an affiliation.
type grant struct {
	user   jid.JID
	to     Affiliation
	nick   string // the nickname to reserve; empty: as before
	bare   bool   // none is reserved any more
	reason string
	absent *bool
}

// permit says whether one affiliation may make a change (XEP-0045 §5.2.1, §9, §10).
func (r *Room) permit(by jid.JID, g grant) error {
	mine, theirs := r.affiliation(by), r.affiliation(g.user)
	switch {
	case mine < Admin:
		return stanza.Forbidden("only admins and owners change who belongs to the room")
	case g.to == Outcast && g.user == by.Bare():
		return stanza.Conflict("you cannot ban yourself")
	case (g.to >= Admin || theirs >= Admin && g.to > Outcast) && mine < Owner:
		return stanza.Forbidden("only owners change who is admin or owner")
	case g.to == Outcast && theirs > mine, g.to == Outcast && theirs >= Admin && mine < Owner:
		return stanza.NotAllowed("they have more to say here than you")
	case g.to == Outcast && g.user.Domain() == by.Domain() && g.user.Local() == "":
		return stanza.Conflict("that would ban yourself")
	case g.user.Local() == "" && g.to > None:
		return stanza.NotAcceptable("a whole domain can be banned, and no more")
	}
	return nil
}

// owners counts who owns the room after some changes.
func (r *Room) ownersAfter(all []grant) int {
	n := 0
	changed := map[jid.JID]Affiliation{}
	for _, g := range all {
		changed[g.user] = g.to
	}
	for j, u := range r.users {
		if to, ok := changed[j]; ok {
			u.affiliation = to
			delete(changed, j)
		}
		if u.affiliation == Owner {
			n++
		}
	}
	for _, to := range changed {
		if to == Owner {
			n++
		}
	}
	return n
}

// affiliate makes changes that have been permitted: first in the tables, then for those who are in the room. by is who did it; none: the room
// itself. The function it returns tells everyone; it is called after the answer (XEP-0045 §9.1).
func (r *Room) affiliate(ctx context.Context, by jid.JID, all []grant) (tell func(), err error) {
	if r.ownersAfter(all) == 0 {
		return nil, stanza.Conflict("a room needs an owner: name another first")
	}
	for i, g := range all {
		if g.to == Outcast {
			all[i].nick = ""
		} else if other, taken := r.reservedBy(g.nick, g.user); taken && g.nick != "" && other != g.user {
			return nil, stanza.Conflict("this nickname is another's here")
		}
	}
	next := map[jid.JID]user{}
	for _, g := range all {
		next[g.user] = r.next(g)
	}
	if !r.locked {
		if err := r.write(ctx, func(ctx context.Context, tx *store.Tx) error {
			for j, u := range next {
				if err := r.m.writeUser(ctx, tx, r.name, j, u); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	before := map[jid.JID]Affiliation{}
	for j, u := range next {
		before[j] = r.affiliation(j)
		if u.affiliation == None {
			delete(r.users, j)
		} else {
			r.users[j] = u
		}
	}
	r.countAbsent()
	return func() {
		for _, g := range all {
			r.affiliated(ctx, by, g, before[g.user])
		}
	}, nil
}

// next is what a change makes of a user.
func (r *Room) next(g grant) user {
	u, old := user{affiliation: g.to, reason: g.reason, since: r.m.Clock.Now(), nick: g.nick}, r.users[g.user]
	if old.affiliation > None && g.to > None {
		u.since, u.absent = old.since, old.absent
		if u.nick == "" && !g.bare {
			u.nick = old.nick
		}
	}
	if g.absent != nil {
		u.absent = *g.absent
	}
	return u
}

// affiliated shows a change of affiliation to the room (XEP-0045 §9, §10).
func (r *Room) affiliated(ctx context.Context, by jid.JID, g grant, before Affiliation) {
	if before == g.to {
		return
	}
	c := &change{reason: g.reason}
	c.actor, c.actorJID = r.actor(by)
	var gone, stay []*Occupant
	for _, o := range r.order {
		if o.user != g.user && !(g.user.Local() == "" && o.user.Domain() == g.user && r.users[o.user].affiliation == None) {
			continue
		}
		if g.to == Outcast || r.options.MembersOnly && g.to < Member {
			gone = append(gone, o)
		} else {
			stay = append(stay, o)
		}
	}
	for _, o := range stay {
		if d := r.roleOf(g.to); g.to >= Admin || before >= Admin || o.role < d {
			o.role = d
		}
		o.forget()
		r.spread(o, c, nil, "")
	}
	if len(gone) > 0 {
		c.codes = []string{codeLostMember}
		if g.to == Outcast {
			c.codes = []string{codeBanned}
		}
		r.expel(gone, c)()
		return
	}
	if len(stay) == 0 {
		r.affiliatedOutside(ctx, by, g, before)
	}
}

// affiliatedOutside tells the occupants of a change for someone who is not there, where they may know the address (XEP-0045 §9.3), and that person
// too (tellAbsent), or invites a new member of a members-only room (XEP-0045 §9.5).
func (r *Room) affiliatedOutside(ctx context.Context, by jid.JID, g grant, before Affiliation) {
	var b xml.Builder
	b.Start(NSUser, "x").Start("", "item", "affiliation", g.to.String(), "jid", g.user.String(), "nick", r.users[g.user].nick).Attr("role", NoRole.String())
	if g.reason != "" {
		b.Leaf("", "reason", g.reason)
	}
	st := stanza.New(stanza.Message, stanza.Normal, r.jid, jid.JID{}, "", b.Bytes()).Shared()
	for _, o := range r.order {
		if !r.sees(o.role) {
			continue
		}
		for _, s := range o.seats {
			s.share(r, &r.burst, st)
		}
	}
	if r.options.MembersOnly && before == None && g.to >= Member && !by.IsZero() && !r.locked && by.Bare() != g.user {
		r.invite(ctx, by, g.user, invitation{reason: g.reason})
		return
	}
	r.tellAbsent(ctx, by, g, before)
}

// tellAbsent tells a person who belonged to the room, and is not in it, what has become of that (status 101, XEP-0045 §12). A stranger is told
// nothing: a room is no way to write to people who never came near it. Nor is who did it themselves, or has blocked who did.
func (r *Room) tellAbsent(ctx context.Context, by jid.JID, g grant, before Affiliation) {
	switch {
	case before < Member, g.user.Local() == "", r.locked, by.Bare() == g.user, by.IsZero() && g.to < before:
		return
	case r.m.Router.Local(g.user) && (r.m.Blocker.Blocked(ctx, g.user, r.jid) || !by.IsZero() && r.m.Blocker.Blocked(ctx, g.user, by.Bare())):
		return
	}
	var b xml.Builder
	b.Start(NSUser, "x").Start("", "item", "affiliation", g.to.String(), "jid", g.user.String(), "role", NoRole.String())
	if g.reason != "" {
		b.Leaf("", "reason", g.reason)
	}
	b.End().Empty("", "status", "code", codeAbsent)
	r.m.submit(ctx, by, stanza.New(stanza.Message, stanza.Normal, r.jid, g.user, "", b.Bytes()))
}

// actor is how the room names who did something: the nickname, and the address for those who see addresses.
func (r *Room) actor(by jid.JID) (nick, address string) {
	if by.IsZero() {
		return "", ""
	}
	for _, o := range r.order {
		if o.user == by.Bare() {
			return o.nick, by.Bare().String()
		}
	}
	return "", by.Bare().String()
}

// listed are the addresses with an affiliation of a kind, those of longest standing first.
func (r *Room) listed(is func(user) bool) []jid.JID {
	var l []jid.JID
	for j, u := range r.users {
		if is(u) {
			l = append(l, j)
		}
	}
	slices.SortFunc(l, func(a, b jid.JID) int {
		if d := r.users[a].since.Compare(r.users[b].since); d != 0 {
			return d
		}
		return strings.Compare(a.String(), b.String())
	})
	return l
}

// reload reads the affiliations again after an account was erased, and makes who lost theirs leave. A room that is gone is destroyed.
func (r *Room) reload(ctx context.Context, account jid.JID) {
	r.forgetSender(account)
	if r.locked || !r.exists {
		delete(r.users, account)
		return
	}
	row, err := r.m.readRoom(ctx, r.name)
	if err != nil {
		r.m.Log.Error("reading a room again", "err", err)
		return
	}
	if row == nil {
		r.destroyed(jid.JID{}, "", "its last owner is gone")
		return
	}
	users, err := r.m.readUsers(ctx, r.name)
	if err != nil {
		r.m.Log.Error("reading a room again", "err", err)
		return
	}
	before := r.users
	r.users = users
	r.countAbsent()
	r.affiliated(ctx, jid.JID{}, grant{user: account, to: users[account].affiliation}, before[account].affiliation) // first: it is told nothing of the others
	delete(before, account)
	for j, u := range before {
		if to := users[j].affiliation; to != u.affiliation {
			r.affiliated(ctx, jid.JID{}, grant{user: j, to: to}, u.affiliation)
		}
	}
	for j, u := range users {
		if _, ok := before[j]; !ok && j != account {
			r.affiliated(ctx, jid.JID{}, grant{user: j, to: u.affiliation}, None)
		}
	}
}
