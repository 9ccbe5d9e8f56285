package route

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
)

type iqKey struct {
	kind         stanza.Type
	space, local string
	at           feature.Place
}

// takeIQ answers, relays or matches an IQ of a session (RFC 6120 §8.2.3, RFC 6121 §8.5).
func (r *Router) takeIQ(ctx context.Context, e *feature.Envelope, p *Sender, done func()) {
	s := e.Stanza
	request := s.Type == stanza.Get || s.Type == stanza.Set
	if !request && r.asks.answer(e.Session, s) {
		r.InOrder(p, done)
		return
	}
	if h := r.hosts[e.To.Domainpart()]; h != nil {
		r.toHost(ctx, h, e, p, done)
		return
	}
	at := r.placeOf(e)
	if at == 0 {
		r.enter(ctx, e, p, done) // for another entity: through the stages
		return
	}
	if !request {
		r.m.dropped.Inc() // an answer that nobody asked for
		r.InOrder(p, done)
		return
	}
	if s.Type == stanza.Set {
		p.await(0) // a barrier: what was sent before is done before
	}
	q := &feature.Request{Stanza: s, From: e.From, To: e.To, Session: e.Session, Place: at, Send: func(s *stanza.Stanza) { r.toSender(ctx, e, s) }}
	if at == feature.AtOwn {
		q.To = e.From.Bare()
	}
	reply, err := r.dispatch(ctx, e, q)
	if err != nil {
		r.answer(ctx, e, err)
	} else {
		r.reply(ctx, e, reply)
	}
	r.InOrder(p, done)
}

// toSender sends an answer back to where the envelope came from.
func (r *Router) toSender(ctx context.Context, e *feature.Envelope, s *stanza.Stanza) {
	if e.Session != nil {
		e.Session.Out.Push(s)
		return
	}
	r.Deliver(ctx, s.To, s)
}

// reply sends the result of a request.
func (r *Router) reply(ctx context.Context, e *feature.Envelope, a feature.Reply) {
	if len(a.Payload) > 0 {
		r.toSender(ctx, e, stanza.Reply(e.Stanza, a.Payload))
	} else {
		r.toSender(ctx, e, stanza.Reply(e.Stanza))
	}
	if a.Then != nil {
		defer r.guard("following a reply", nil)
		a.Then()
	}
}

// placeOf says whether the server itself answers; 0 if not.
func (r *Router) placeOf(e *feature.Envelope) feature.Place {
	switch {
	case e.Session != nil && (e.To.IsZero() || e.To == e.From.Bare()):
		return feature.AtOwn
	case e.To == r.c.Domain:
		return feature.AtDomain
	case r.Local(e.To) && e.To.IsBare():
		return feature.AtAccount
	}
	return 0
}

// dispatch finds the row and runs it.
func (r *Router) dispatch(ctx context.Context, e *feature.Envelope, q *feature.Request) (reply feature.Reply, err error) {
	defer r.guard("answering an iq", &err)
	c := q.Stanza.Children()[0]
	row, known := r.table[iqKey{q.Stanza.Type, c.Space, c.Local, q.Place}]
	if known {
		q.Payload = q.Stanza.Tree(c)
	}
	if q.Place == feature.AtAccount {
		if err := r.screen(ctx, e); err != nil {
			if errors.Is(err, feature.Drop) {
				err = stanza.ServiceUnavailable("") // a request is always answered
			}
			if row.Nobody != nil && errors.Is(err, stanza.ServiceUnavailable("")) {
				return row.Nobody(q), nil
			}
			return feature.Reply{}, err
		}
	}
	if !known {
		return feature.Reply{}, stanza.ServiceUnavailable("")
	}
	return row.Handle(ctx, q)
}

// asks are the questions that the server asked of its clients.
type asks struct {
	mu   sync.Mutex
	open map[askKey]*ask
}

// askKey matches a reply by its id and its sender; its kind and the address it goes to are checked besides.
type askKey struct {
	session *feature.Session
	id      string
}

type ask struct {
	from  jid.JID
	to    jid.JID // of a question to another server; zero: it was asked of a session
	done  func(*stanza.Stanza)
	timer *time.Timer
}

// askTimeout is how long a client may take to answer.
const askTimeout = time.Minute

// Ask implements feature.Router.
func (r *Router) Ask(s *feature.Session, iq *stanza.Stanza, done func(reply *stanza.Stanza)) {
	if iq.ID == "" {
		iq = iq.WithHead(iq.From, iq.To, rand.Text(), iq.Type)
	}
	if r.asking(askKey{s, iq.ID}, &ask{from: iq.From, done: done}) {
		s.Out.Push(iq)
	}
}

// maxAway bounds the questions to other servers that are open at one time.
const maxAway = 10_000

// AskAway implements feature.Router.
func (r *Router) AskAway(ctx context.Context, iq *stanza.Stanza, done func(reply *stanza.Stanza)) {
	iq = iq.WithHead(iq.From, iq.To, rand.Text(), iq.Type) // an id that nobody else could know
	k, a := askKey{nil, iq.ID}, &ask{from: iq.From, to: iq.To, done: done}
	if !r.asking(k, a) {
		return
	}
	if err := r.remote(ctx, iq, 0); err != nil && r.asks.take(k, a) {
		a.timer.Stop()
		done(nil)
	}
}

// asking opens a question. If it cannot, the question is answered with nil.
func (r *Router) asking(k askKey, a *ask) bool {
	done := a.done
	r.asks.mu.Lock()
	if r.asks.open[k] != nil || k.session == nil && len(r.asks.open) >= maxAway {
		r.asks.mu.Unlock()
		done(nil)
		return false
	}
	a.timer = time.AfterFunc(askTimeout, func() {
		if r.asks.take(k, a) {
			done(nil)
		}
	})
	r.asks.open[k] = a
	r.asks.mu.Unlock()
	return true
}

func (a *asks) take(k askKey, want *ask) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open[k] != want {
		return false
	}
	delete(a.open, k)
	return true
}

// answer gives a result or an error to the question it answers, if there is one.
func (a *asks) answer(s *feature.Session, reply *stanza.Stanza) bool {
	k := askKey{s, reply.ID}
	a.mu.Lock()
	q := a.open[k]
	a.mu.Unlock()
	if q == nil || !reply.To.IsZero() && reply.To != q.from || !q.to.IsZero() && (reply.From != q.to || reply.To.IsZero()) || !a.take(k, q) {
		return false
	}
	q.timer.Stop()
	q.done(reply)
	return true
}

// drop answers the open questions of a session that ended with nil.
func (a *asks) drop(s *feature.Session) {
	a.mu.Lock()
	var gone []*ask
	for k, q := range a.open {
		if k.session == s {
			gone = append(gone, q)
			delete(a.open, k)
		}
	}
	a.mu.Unlock()
	for _, q := range gone {
		q.timer.Stop()
		q.done(nil)
	}
}
