package muc

import (
	"context"
	"crypto/rand"
	"time"

	"writ/xmpp/feature"
	"writ/xmpp/stanza"
)

// relay is a request of one occupant to another that is not answered yet (XEP-0045 §17.4). It goes under an id of the room's: the answer finds
// the session that asked by it, and nothing else is an answer.
type relay struct {
	e     *feature.Envelope // the request
	to    *seat
	timer interface{ Stop() bool }
}

const (
	relayTimeout = time.Minute
	maxRelays    = 1000
)

// relay answers a request to an occupant or passes it on.
func (r *Room) relay(ctx context.Context, j job, s *seat) {
	defer j.finish()
	e := j.e
	nick := e.To.Resource()
	payload := e.Stanza.Children()[0]
	ping := e.Stanza.Type == stanza.Get && payload.Space == nsPing
	o := r.occupantOf(nick)
	switch {
	case !r.exists:
		r.refuse(e, stanza.ItemNotFound("there is no such room"))
	case s == nil && (payload.Space == nsInfo || payload.Space == nsItems):
		r.refuse(e, stanza.BadRequest("only who is in the room looks at the people in it")) // XEP-0045 §6.6
	case s == nil:
		r.refuse(e, stanza.NotAcceptable("you are not in this room")) // also what a self-ping is told (XEP-0410 §3.2)
	case o == nil:
		r.refuse(e, stanza.ItemNotFound("nobody of that nickname is in the room"))
	case ping && o == s.occupant:
		r.result(e, nil) // XEP-0410 §3.3
	case e.Stanza.Type == stanza.Set && payload.Space == nsCard:
		r.refuse(e, stanza.Forbidden("a business card can be changed by its owner alone"))
	case e.Stanza.Type == stanza.Get && payload.Space == nsCard && r.m.Router.Local(o.user):
		r.card(ctx, e, o)
	case r.m.Router.Local(o.user) && o.user != s.occupant.user && r.m.Blocker.Blocked(ctx, o.user, s.occupant.user):
		r.refuse(e, stanza.ServiceUnavailable(""))
	case len(r.relays) >= maxRelays:
		r.refuse(e, stanza.ResourceConstraint("too many requests in this room wait for an answer"))
	default:
		r.pass(e, s, o, payload.Space == nsCard)
	}
}

// card answers with the business card of the occupant's account.
func (r *Room) card(ctx context.Context, e *feature.Envelope, o *Occupant) {
	card, err := r.m.Cards.Card(ctx, o.user, e.From.Bare())
	switch {
	case err != nil:
		r.refuse(e, err)
	case card == nil:
		r.refuse(e, stanza.ItemNotFound(""))
	default:
		r.result(e, card)
	}
}

// pass sends the request on: to the account for what accounts answer, else to the session that shows itself.
func (r *Room) pass(e *feature.Envelope, s *seat, o *Occupant, account bool) {
	id := rand.Text()
	q := &relay{e: e, to: o.main()}
	if r.relays == nil {
		r.relays = map[string]*relay{}
	}
	r.relays[id] = q
	to := q.to.jid
	if account {
		to = o.user
	}
	st := e.Stanza.WithHead(s.occupant.jid, to, id, e.Stanza.Type)
	q.timer = r.m.Clock.AfterFunc(relayTimeout, func() {
		r.later(func(r *Room) { r.unanswered(id, stanza.RemoteServerTimeout("")) })
	})
	if account {
		r.m.send(context.Background(), st)
		return
	}
	q.to.push(r, st)
}

// relayed gives an answer to the session that asked. It must come from whom the request went to.
func (r *Room) relayed(e *feature.Envelope) {
	if s := r.seats[e.From]; s != nil && s.asked != "" && s.asked == e.Stanza.ID {
		r.present(s, e.Stanza)
		return
	}
	q := r.relays[e.Stanza.ID]
	if q == nil || e.From != q.to.jid && e.From != q.to.jid.Bare() {
		return
	}
	delete(r.relays, e.Stanza.ID)
	q.timer.Stop()
	st := e.Stanza.WithHead(q.e.To, q.e.From, q.e.Stanza.ID, e.Stanza.Type)
	if e.Stanza.Type == stanza.TypeError {
		st = st.Without(func(c stanza.Child) bool { return c.Local != "error" })
	}
	r.answer(q.e, st)
}

// unanswered answers a request that will not be.
func (r *Room) unanswered(id string, err *stanza.Error) {
	if q := r.relays[id]; q != nil {
		delete(r.relays, id)
		q.timer.Stop()
		r.refuse(q.e, err)
	}
}

// unasked answers what a session that leaves has not answered, and what it asked and will not be told.
func (r *Room) unasked(s *seat) {
	for id, q := range r.relays {
		if q.to == s {
			r.unanswered(id, stanza.ItemNotFound("nobody of that nickname is in the room"))
		} else if q.e.From == s.jid {
			r.unanswered(id, stanza.NotAcceptable("you are not in this room any more"))
		}
	}
}
