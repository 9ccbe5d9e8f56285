package muc

import (
	"context"

	"writ/chat/archive"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// requestKey finds who answers a request to a room.
type requestKey struct {
	kind         stanza.Type
	space, local string
}

// request answers a request to a room: the payload of the result, and what is done after it is sent. A *stanza.Error is answered as such.
type request func(r *Room, ctx context.Context, c *call) (payload []byte, then func(), err error)

// call is a request to a room.
type call struct {
	e       *feature.Envelope
	from    jid.JID // full address
	payload *xml.Element
	seat    *seat // nil: the asking session is not in the room
}

// roomRequests is the table of what a room answers. What is not in it is answered with service-unavailable.
func roomRequests() map[requestKey]request {
	return map[requestKey]request{
		{stanza.Get, nsInfo, "query"}:        (*Room).info,
		{stanza.Get, nsItems, "query"}:       (*Room).items,
		{stanza.Set, nsModerate, "moderate"}: (*Room).moderate,
		{stanza.Get, nsCard, "vCard"}:        (*Room).getCard,
		{stanza.Set, nsCard, "vCard"}:        (*Room).setCard,
		{stanza.Get, nsPing, "ping"}:         (*Room).ping,
		{stanza.Get, NSAdmin, "query"}:       (*Room).getList,
		{stanza.Set, NSAdmin, "query"}:       (*Room).setList,
		{stanza.Get, NSOwner, "query"}:       (*Room).getConfig,
		{stanza.Set, NSOwner, "query"}:       (*Room).setConfig,
		{stanza.Get, nsRegister, "query"}:    (*Room).getRegistration,
		{stanza.Set, nsRegister, "query"}:    (*Room).setRegistration,
	}
}

// ping says that the room is there (XEP-0199 §4.4).
func (r *Room) ping(context.Context, *call) ([]byte, func(), error) { return nil, nil, nil }

// iq answers or relays an iq.
func (r *Room) iq(ctx context.Context, j job) {
	e := j.e
	request := e.Stanza.Type == stanza.Get || e.Stanza.Type == stanza.Set
	s := r.seats[e.From]
	if s != nil && s.session != e.Session {
		s = nil
	}
	switch {
	case !e.To.IsBare() && request:
		r.relay(ctx, j, s)
		return
	case !request:
		r.relayed(e)
		j.finish()
		return
	}
	c := &call{e: e, from: e.From, payload: e.Stanza.Tree(e.Stanza.Children()[0]), seat: s}
	name := c.payload.Name
	if name.Space == nsMAM {
		r.query(ctx, j, c)
		return
	}
	handle := r.m.requests[requestKey{e.Stanza.Type, name.Space, name.Local}]
	var payload []byte
	var then func()
	var err error
	switch {
	case !r.exists, r.locked && r.affiliation(e.From) < Owner:
		err = stanza.ItemNotFound("there is no such room")
	case handle == nil:
		err = stanza.ServiceUnavailable("")
	default:
		payload, then, err = handle(r, ctx, c)
	}
	if err != nil {
		r.refuse(e, err)
	} else {
		r.result(e, payload)
	}
	if then != nil {
		then()
	}
	j.finish()
}

func (r *Room) result(e *feature.Envelope, payload []byte) {
	if len(payload) == 0 {
		r.answer(e, stanza.Reply(e.Stanza))
		return
	}
	r.answer(e, stanza.Reply(e.Stanza, payload))
}

// query answers a request to the archive (XEP-0313 §4) of those who belong to the room or are in it; the reading is done beside the room's work.
func (r *Room) query(ctx context.Context, j job, c *call) {
	here := r.roleHere(c.from)
	switch {
	case !r.exists || r.locked:
		r.refuse(j.e, stanza.ItemNotFound("there is no such room"))
		j.finish()
		return
	case r.affiliation(c.from) < Member && (here == NoRole || r.affiliation(c.from) == Outcast):
		r.refuse(j.e, stanza.Forbidden("the archive is for those who belong to the room"))
		j.finish()
		return
	}
	q := &feature.Request{Stanza: j.e.Stanza, From: c.from, To: r.jid, Payload: c.payload, Session: j.e.Session, Send: func(s *stanza.Stanza) { r.answer(j.e, s) }}
	show := r.showArchived(r.sees(max(here, r.roleOf(r.affiliation(c.from)))))
	go func() {
		defer j.finish()
		reply, err := r.m.Pages.Room(ctx, q, show)
		if err != nil {
			r.refuse(j.e, err)
			return
		}
		r.result(j.e, reply.Payload)
	}()
}

// showArchived gives an archived message as the asker may see it: with the sender's real address where the room shows it (XEP-0313 §6.1.2), which
// apps need to find the sender's keys. It is called beside the room's work, so it takes the affiliations along.
func (r *Room) showArchived(open bool) func(archive.Item) *stanza.Stanza {
	standing := make(map[jid.JID]Affiliation, len(r.users))
	if open {
		for j, u := range r.users {
			standing[j] = u.affiliation
		}
	}
	return func(i archive.Item) *stanza.Stanza {
		if !open || i.Sender.IsZero() || i.Stanza.From.IsBare() { // what the room itself says has no sender to show
			return i.Stanza
		}
		a := standing[i.Sender]
		var b xml.Builder
		return i.Stanza.With(b.Start(NSUser, "x").Empty("", "item", "affiliation", a.String(), "jid", i.Sender.String(), "role", Participant.String()).Bytes())
	}
}
