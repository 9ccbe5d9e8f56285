package muc

import (
	"context"

	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// maxInvitations bounds the people that one message invites.
const maxInvitations = 50

// invitation is what a mediated invitation says beside who invites whom.
type invitation struct {
	reason    string
	continues bool
	thread    string
}

// toRoom takes a message to the room that is not for all occupants (XEP-0045 §7.8.2, §7.13, §8.6, §9.9).
func (r *Room) toRoom(ctx context.Context, e *feature.Envelope, s *seat) error {
	if x := e.Stanza.Find(NSUser, "x"); x != nil {
		if all := x.All(NSUser, "invite"); len(all) > 0 {
			return r.invitations(ctx, e, all)
		}
		if d := x.Child(NSUser, "decline"); d != nil {
			return r.decline(ctx, e, d)
		}
	}
	if x := e.Stanza.Find(nsForm, "x"); x != nil {
		return r.form(ctx, e, s, x)
	}
	if s == nil {
		return stanza.NotAcceptable("you are not in this room")
	}
	return stanza.BadRequest("a message to all occupants is of type groupchat")
}

// invitations passes mediated invitations on, if the inviter may invite. In a members-only room who is invited becomes a member.
func (r *Room) invitations(ctx context.Context, e *feature.Envelope, all []*xml.Element) error {
	mine := r.affiliation(e.From)
	switch {
	case r.roleHere(e.From) < Participant && mine < Member || mine == Outcast:
		return stanza.NotAcceptable("you are not in this room")
	case r.options.MembersOnly && mine < Admin && !r.options.Invites:
		return stanza.Forbidden("only admins invite people to this room")
	case len(all) > maxInvitations:
		return stanza.NotAcceptable("too many people at once")
	}
	var people []jid.JID
	for _, i := range all {
		to, err := jid.Parse(i.Attr("to"))
		if err != nil || to.Local() == "" {
			return stanza.JIDMalformed("the invitation names what is no address")
		}
		if r.m.Router.Hosted(to) {
			return stanza.ItemNotFound("there is no such account")
		}
		if r.m.Router.Local(to) {
			if ok, err := r.m.Router.Exists(ctx, to); err != nil || !ok {
				return orNotFound(err, "there is no such account")
			}
		}
		if r.affiliation(to) == Outcast {
			return stanza.NotAllowed("they are banned from this room")
		}
		people = append(people, to)
	}
	if r.options.MembersOnly {
		var grants []grant
		for _, to := range people {
			if r.affiliation(to) < Member && !contains(grants, to.Bare()) {
				grants = append(grants, grant{user: to.Bare(), to: Member})
			}
		}
		if len(grants) > 0 {
			tell, err := r.affiliate(ctx, jid.JID{}, grants)
			if err != nil {
				return err
			}
			tell()
		}
	}
	for n, i := range all {
		v := invitation{reason: clip(i.Child(NSUser, "reason").Text())}
		if c := i.Child(NSUser, "continue"); c != nil {
			v.continues, v.thread = true, c.Attr("thread")
		}
		r.invite(ctx, e.From, people[n], v)
	}
	return nil
}

// invite sends a mediated invitation (XEP-0045 §7.8.2). Who has blocked the inviter is not disturbed.
func (r *Room) invite(ctx context.Context, by, to jid.JID, v invitation) {
	if r.m.Router.Local(to) && (r.m.Blocker.Blocked(ctx, to.Bare(), by) || r.m.Blocker.Blocked(ctx, to.Bare(), r.jid)) {
		return
	}
	var b xml.Builder
	b.Start(NSUser, "x").Start("", "invite", "from", by.Bare().String())
	if v.reason != "" {
		b.Leaf("", "reason", v.reason)
	}
	if v.continues {
		b.Empty("", "continue", "thread", v.thread)
	}
	b.End()
	if r.options.Password != "" {
		b.Leaf("", "password", r.options.Password)
	}
	r.m.submit(ctx, by, stanza.New(stanza.Message, stanza.Normal, r.jid, to.Bare(), "", b.Bytes()))
}

// decline tells an inviter that the invitation was not taken (XEP-0045 §7.8.2). Only who was a stranger before, or belongs to the room, is
// believed to have been invited; what is told is the reason alone.
func (r *Room) decline(ctx context.Context, e *feature.Envelope, d *xml.Element) error {
	to, err := jid.Parse(d.Attr("to"))
	if err != nil {
		return stanza.JIDMalformed("the answer names what is no address")
	}
	if r.m.Router.Hosted(to) { // it was invited by an occupant's address
		o := r.occupantOf(to.Resource())
		if o == nil || to.Bare() != r.jid {
			return stanza.ItemNotFound("nobody of that nickname is in the room")
		}
		to = o.user
	}
	if r.affiliation(to) < Member && r.roleHere(to) == NoRole || r.affiliation(e.From) == Outcast {
		return stanza.ItemNotFound("nobody of that address is in the room")
	}
	if r.m.Router.Local(to) && r.m.Blocker.Blocked(ctx, to.Bare(), e.From) {
		return nil
	}
	var b xml.Builder
	b.Start(NSUser, "x").Start("", "decline", "from", e.From.Bare().String())
	if text := d.Child(NSUser, "reason").Text(); text != "" {
		b.Leaf("", "reason", clip(text))
	}
	r.m.submit(ctx, e.From, stanza.New(stanza.Message, stanza.Normal, r.jid, to.Bare(), "", b.Bytes()))
	return nil
}
