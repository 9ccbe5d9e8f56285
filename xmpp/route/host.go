package route

import (
	"context"
	"errors"

	"writ/xmpp/feature"
	"writ/xmpp/stanza"
)

// toHost runs the stages before a host gets a message or an iq (feature.Host).
func (r *Router) toHost(ctx context.Context, h *feature.Host, e *feature.Envelope, p *Sender, done func()) {
	if err := r.screen(ctx, e); err != nil {
		request := e.Stanza.Kind == stanza.IQ && (e.Stanza.Type == stanza.Get || e.Stanza.Type == stanza.Set)
		switch {
		case !errors.Is(err, feature.Drop):
			r.answer(ctx, e, err)
		case request:
			r.answer(ctx, e, stanza.ServiceUnavailable("")) // a request is always answered
		default:
			r.m.dropped.Inc()
		}
		r.InOrder(p, done)
		return
	}
	r.shape(ctx, e)
	r.give(ctx, h, e, r.turn(p, done))
}

// turn gives the stanza its place in its sender's line; the function it returns says that the stanza is handled.
func (r *Router) turn(p *Sender, done func()) func() {
	if p != &r.house { // what the house itself submits may come from a host: waiting there for hosts would never end
		p.await(r.c.MaxInFlight - 1)
	}
	t := p.enter(done)
	return func() { p.land(t) }
}

// give hands a stanza to a host. A panic there must not leave its sender waiting.
func (r *Router) give(ctx context.Context, h *feature.Host, e *feature.Envelope, done func()) {
	var err error
	defer func() {
		if err != nil {
			r.answer(ctx, e, err)
			done()
		}
	}()
	defer r.guard("giving a stanza to a host", &err)
	h.Take(ctx, e, done)
}
