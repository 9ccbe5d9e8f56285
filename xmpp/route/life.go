package route

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// Take takes a stanza that a session sent, whose 'from' the caller has set to the session's full JID. done is called exactly once,
// when the stanza is handled: answered, or committed and delivered. It is called in the order of Take for each sender; it may
// run on another goroutine and must not block. Take returns when the session may send its next stanza.
func (r *Router) Take(ctx context.Context, p *Sender, s *stanza.Stanza, done func()) {
	e := &feature.Envelope{Stanza: s, From: s.From, To: s.To, Session: p.Session, Time: r.c.Clock.Now()}
	switch s.Kind {
	case stanza.Message:
		r.m.message.Inc()
		if s.To.IsZero() { // RFC 6120 §10.3.1
			e.To = s.From.Bare()
			e.Stanza = s.WithTo(e.To)
		}
		r.enter(ctx, e, p, done)
	case stanza.Presence:
		r.m.presence.Inc()
		if !r.Hosted(e.To) {
			p.await(0) // it must not overtake what was sent before it; a host keeps the order of what comes to it
		}
		r.presence(ctx, e, p, done)
	default:
		r.m.iq.Inc()
		r.takeIQ(ctx, e, p, done)
	}
}

// Receive takes a stanza that another server sent: 'to' is at one of Hosts, 'from' at a domain that the stream has proved. p keeps the order of
// what comes over one stream; its Session is nil. done is as in Take.
func (r *Router) Receive(ctx context.Context, p *Sender, s *stanza.Stanza, done func()) {
	e := &feature.Envelope{Stanza: s, From: s.From, To: s.To, Time: r.c.Clock.Now()}
	switch s.Kind {
	case stanza.Message:
		r.m.message.Inc()
		r.enter(ctx, e, p, done)
	case stanza.Presence:
		r.m.presence.Inc()
		if !r.Hosted(e.To) {
			p.await(0)
		}
		r.presence(ctx, e, p, done)
	default:
		r.m.iq.Inc()
		r.takeIQ(ctx, e, p, done)
	}
}

// Submit implements feature.Router.
func (r *Router) Submit(ctx context.Context, e *feature.Envelope) {
	if e.Time.IsZero() {
		e.Time = r.c.Clock.Now()
	}
	if e.Stanza.Kind == stanza.Presence {
		r.presence(ctx, e, &r.house, func() {})
		return
	}
	r.enter(ctx, e, &r.house, func() {})
}

// Again takes what a session that ended had not acknowledged (XEP-0198 §5), with the time at which it was on its way to it. It is delivered to
// another session, kept, or answered with an error; presence is dropped, and what a room said to the session.
func (r *Router) Again(s *stanza.Stanza, to jid.JID, at time.Time) {
	switch {
	case s.Kind == stanza.Presence, s.Type == stanza.TypeError:
		r.m.dropped.Inc()
	case s.Kind == stanza.IQ:
		e := &feature.Envelope{Stanza: s, From: s.From, To: to}
		r.answer(r.ctx, e, stanza.ServiceUnavailable(""))
	case s.From.Bare() == to.Bare() && s.Has("urn:xmpp:carbons:2", "sent") || s.Has("urn:xmpp:carbons:2", "received"):
		r.m.dropped.Inc() // a copy; the message itself has its own way
	case s.Type == stanza.Groupchat && !s.To.IsBare():
		// It was said to a session that was in a room. Another of the same address is not in it, and the room hears of the session's end; an error
		// would make it throw out one that has entered since. What was missed is in the room's archive.
		r.m.dropped.Inc()
	default:
		if s.Type != stanza.Groupchat && s.Type != stanza.Headline {
			to = to.Bare() // the session is gone: any other may have it
		}
		e := &feature.Envelope{Stanza: s.WithTo(to), From: s.From, To: to, Time: at, Again: true}
		r.persist(e, &r.house, func() {})
	}
}

// Drain waits until all that the house itself sent or sent again (Submit, Again) is committed or refused: after it, a process may end
// without losing what a session left.
func (r *Router) Drain() { r.house.Drain() }

// enter runs the stages before the commit.
func (r *Router) enter(ctx context.Context, e *feature.Envelope, p *Sender, done func()) {
	if h := r.hosts[e.To.Domainpart()]; h != nil {
		r.toHost(ctx, h, e, p, done)
		return
	}
	err := r.screen(ctx, e)
	if err == nil {
		err = r.known(ctx, e)
	}
	if err != nil {
		if !errors.Is(err, feature.Drop) {
			r.answer(ctx, e, err)
		} else {
			r.m.dropped.Inc()
		}
		r.InOrder(p, done)
		return
	}
	r.shape(ctx, e)
	r.persist(e, p, done)
}

func (r *Router) screen(ctx context.Context, e *feature.Envelope) (err error) {
	if e.Server {
		return nil
	}
	defer r.guard("screening", &err)
	for _, f := range r.rooms.screen {
		if err := f(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

func (r *Router) shape(ctx context.Context, e *feature.Envelope) {
	defer r.guard("shaping", nil)
	for _, f := range r.rooms.shape {
		f(ctx, e)
	}
}

// known refuses a message to an account that does not exist before anything is written about it.
func (r *Router) known(ctx context.Context, e *feature.Envelope) error {
	if e.Stanza.Kind != stanza.Message || !r.Local(e.To) || e.To.Local() == "" || len(r.Sessions(e.To)) > 0 {
		return nil
	}
	ok, err := r.Exists(ctx, e.To)
	switch {
	case err != nil:
		return fmt.Errorf("route: looking for an account: %w", err)
	case !ok && (e.Stanza.Type == stanza.TypeError || e.Stanza.Type == stanza.Headline):
		return feature.Drop
	case !ok:
		return stanza.ServiceUnavailable("")
	}
	return nil
}

// InOrder calls done after everything of the sender that is in flight: the place of a stanza that the caller answered itself.
func (r *Router) InOrder(p *Sender, done func()) {
	if p.InFlight() == 0 {
		done()
		return
	}
	p.land(p.enter(done))
}

// persist queues the envelope for its commit. One that nobody wants to write is delivered at once, unless it would overtake.
func (r *Router) persist(e *feature.Envelope, p *Sender, done func()) {
	want := false
	for _, f := range r.rooms.persist {
		if f.Wants == nil || f.Wants(e) {
			want = true
			break
		}
	}
	if !want && p.InFlight() == 0 {
		r.finish(e, nil)
		done()
		return
	}
	if p != &r.house { // what the house itself submits comes from deliveries too: waiting there for deliveries would never end
		p.await(r.c.MaxInFlight - 1)
	}
	t := p.enter(done)
	original := e.Stanza
	r.c.DB.Enqueue(func(tx *store.Tx) (err error) {
		if !want {
			return nil
		}
		defer r.guard("persisting", &err)
		e.Stanza, e.ArchiveID, e.SentID, e.Queued, e.Offline = original, 0, 0, 0, false // it may be the second run
		e.Away = r.away(e)
		for _, f := range r.rooms.persist {
			if f.Wants == nil || f.Wants(e) {
				if err := f.Do(r.ctx, tx, e); err != nil {
					return err
				}
			}
		}
		return nil
	}, func(err error) { r.landed.put(landed{e: e, err: err, sender: p, turn: t}) })
}

// away reports that no session would get the envelope now.
func (r *Router) away(e *feature.Envelope) bool {
	if !r.Local(e.To) || e.To.Local() == "" {
		return false
	}
	v, _, _ := r.judge(e.To, e.Stanza)
	return v == keep
}

// landing delivers what was committed, in commit order, away from the writer's goroutine. It has a goroutine only while there is work.
type landing struct {
	router  *Router
	mu      sync.Mutex
	queue   []landed
	spare   []landed
	running bool
}

type landed struct {
	e      *feature.Envelope
	err    error
	sender *Sender
	turn   *turn
}

func (l *landing) put(x landed) {
	l.mu.Lock()
	l.queue = append(l.queue, x)
	start := !l.running
	l.running = true
	l.mu.Unlock()
	if start {
		go l.run()
	}
}

func (l *landing) run() {
	for {
		l.mu.Lock()
		batch := l.queue
		if len(batch) == 0 {
			l.running = false
			l.mu.Unlock()
			return
		}
		l.queue = l.spare[:0]
		l.spare = nil
		l.mu.Unlock()
		for i, x := range batch {
			l.router.finish(x.e, x.err)
			x.sender.land(x.turn)
			batch[i] = landed{}
		}
		if cap(batch) <= 4096 {
			l.mu.Lock()
			l.spare = batch
			l.mu.Unlock()
		}
	}
}

// finish runs the stages after the commit, or answers why there was none.
func (r *Router) finish(e *feature.Envelope, err error) {
	defer r.guard("delivering", nil)
	if err != nil {
		r.answer(r.ctx, e, err)
		return
	}
	if err := r.deliver(e); err != nil {
		r.answer(r.ctx, e, err)
		return
	}
	r.after(r.ctx, e)
	if e.Notice != "" && e.Session != nil {
		var b xml.Builder
		body := b.Start("", "body").Text(e.Notice).End().Bytes()
		e.Session.Out.Push(stanza.New(stanza.Message, stanza.Headline, r.c.Domain, e.From, "", body))
	}
}

// deliver is the Deliver stage of one envelope.
func (r *Router) deliver(e *feature.Envelope) error {
	if e.Offline {
		return nil // kept for the account's next session, which finds it there
	}
	if r.Hosted(e.To) { // left unacknowledged and sent again: to a host only as an answer
		r.Deliver(r.ctx, e.To, e.Stanza)
		return nil
	}
	if !r.Serves(e.To) {
		return r.remote(r.ctx, e.Stanza, e.Queued)
	}
	if !r.Local(e.To) || e.To.Local() == "" {
		return stanza.ServiceUnavailable("")
	}
	v, sessions, one := r.judge(e.To, e.Stanza)
	switch v {
	case refuse:
		return stanza.ServiceUnavailable("")
	case keep:
		return r.homeless(e)
	}
	e.Delivered = hand(v, sessions, one, e.Stanza)
	return nil
}

// remote gives a stanza to the way to other servers.
func (r *Router) remote(ctx context.Context, s *stanza.Stanza, queued int64) error {
	if r.c.Remote == nil {
		return stanza.RemoteServerNotFound("this server does not talk to other servers")
	}
	return r.c.Remote.Send(ctx, s, queued)
}

// homeless is called for a message that should have been kept and was not: its session went away between the commit and
// the delivery, or no room keeps such messages.
func (r *Router) homeless(e *feature.Envelope) error {
	if !e.Again && !e.Away {
		again := &feature.Envelope{Stanza: e.Stanza, From: e.From, To: e.To, Session: e.Session, Time: e.Time,
			Kind: e.Kind, Author: e.Author, NoStore: e.NoStore, Judged: e.Judged, Archive: e.Archive, Waits: e.Waits, Mute: e.Mute, Server: e.Server, ArchiveID: e.ArchiveID, Again: true}
		r.persist(again, &r.house, func() {})
		return nil
	}
	if e.ArchiveID != 0 || e.Mute {
		return nil // it is in the archive, or it is of the moment
	}
	return stanza.ServiceUnavailable("")
}

// answer tells the sender what became of its stanza. Faults of ours are logged here, once.
func (r *Router) answer(ctx context.Context, e *feature.Envelope, err error) {
	var se *stanza.Error
	if errors.As(err, &se) {
		r.m.refused.WithLabelValues(string(se.Condition)).Inc()
	} else {
		r.m.failures.Inc()
		r.log.Error("a stanza failed", "kind", e.Stanza.Kind.String(), "err", err)
	}
	if e.Server {
		return
	}
	reply := stanza.ErrorReply(e.Stanza, err)
	if reply == nil {
		r.m.dropped.Inc()
		return
	}
	if e.Session != nil {
		e.Session.Out.Push(reply)
		return
	}
	r.Deliver(ctx, reply.To, reply)
}

// Deliver implements feature.Router.
func (r *Router) Deliver(ctx context.Context, to jid.JID, s *stanza.Stanza) {
	if h := r.hosts[to.Domainpart()]; h != nil {
		r.give(ctx, h, &feature.Envelope{Stanza: s.WithTo(to), From: s.From, To: to, Server: true, Time: r.c.Clock.Now()}, func() {})
		return
	}
	if !r.Serves(to) {
		if err := r.remote(ctx, s, 0); err != nil {
			r.m.dropped.Inc()
			r.returned(ctx, s, err)
		}
		return
	}
	if !r.Local(to) || to.Local() == "" {
		return
	}
	v, sessions, one := r.judge(to, s)
	hand(v, sessions, one, s)
}

// returned tells a host of ours that what it sent to another server cannot go there: its people there are gone (XEP-0045 §11.1).
func (r *Router) returned(ctx context.Context, s *stanza.Stanza, err error) {
	se := (*stanza.Error)(nil)
	if r.hosts[s.From.Domainpart()] == nil || s.Kind == stanza.Presence && s.Type != stanza.Available || !errors.As(err, &se) {
		return
	}
	if reply := stanza.ErrorReply(s, se); reply != nil {
		r.Deliver(ctx, reply.To, reply)
	}
}

// presence runs what a presence stanza goes through: Screen, Shape, the rooms' chain, and delivery of what no room took.
func (r *Router) presence(ctx context.Context, e *feature.Envelope, p *Sender, done func()) {
	if h := r.present(ctx, e); h != nil {
		r.give(ctx, h, e, r.turn(p, done))
	} else {
		r.InOrder(p, done)
	}
}

// present does so, and gives the host that it is for, if it is for one.
func (r *Router) present(ctx context.Context, e *feature.Envelope) (host *feature.Host) {
	if err := r.screen(ctx, e); err != nil {
		if errors.Is(err, feature.Drop) {
			r.m.dropped.Inc()
		} else {
			r.answer(ctx, e, err)
		}
		return nil
	}
	r.shape(ctx, e)
	handled, err := r.chain(ctx, e)
	switch {
	case err != nil:
		r.answer(ctx, e, err)
	case !handled && r.Hosted(e.To):
		host = r.hosts[e.To.Domainpart()]
	case !handled && !e.To.IsZero() && !r.Serves(e.To):
		if err := r.remote(ctx, e.Stanza, 0); err != nil {
			r.answer(ctx, e, err)
			return nil
		}
	case !handled && !e.To.IsZero():
		r.Deliver(ctx, e.To, e.Stanza)
	}
	if err == nil {
		r.after(ctx, e)
	}
	return host
}

func (r *Router) after(ctx context.Context, e *feature.Envelope) {
	for _, f := range r.rooms.after {
		func() {
			defer r.guard("following a delivery", nil)
			f(ctx, e)
		}()
	}
}

func (r *Router) chain(ctx context.Context, e *feature.Envelope) (handled bool, err error) {
	defer r.guard("handling presence", &err)
	for _, f := range r.rooms.presence {
		if handled, err = f(ctx, e); handled || err != nil {
			return handled, err
		}
	}
	return false, nil
}
