package c2s

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/route"
	"writ/xmpp/stanza"
	"writ/xmpp/stream"
	"writ/xmpp/xml"
)

// session is a bound resource. It outlives its connection when stream management was enabled (XEP-0198 §5).
type session struct {
	feature.Session
	srv *Server
	way route.Sender // its way into the house

	own   sync.Mutex  // held by the connection that handles a stanza of it, and to hand it to another connection
	claim atomic.Bool // a resumption is under way
	in    uint32      // stanzas received since stream management was enabled, modulo 2^32; of the owner

	mu    sync.Mutex
	conn  *conn // nil while hibernating
	out   stream.Outgoing
	held  stream.Held
	due   *feature.Burst // the latest that has it on its list and has not ended
	token tokenKey       // of what it may be resumed by; never changes once set; zero: it may not
	keep  time.Duration  // how long it may hibernate; 0: it may not
	until time.Time      // when a hibernating session ends
	ended bool
	done  uint32 // stanzas handled, modulo 2^32
	owe   bool   // an <a/> is owed once owed stanzas are handled
	owed  uint32
	asked bool // an <r/> of ours is not answered
	asks  asks // when we may ask
}

// Push implements feature.Outlet.
func (s *session) Push(st *stanza.Stanza) {
	now := s.srv.p.Clock.Now()
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		s.srv.p.Router.Again(st, s.JID, now)
		return
	}
	c := s.conn
	if c == nil || s.Inactive.Load() {
		if s.held.Hold(st) {
			s.mu.Unlock()
			return
		}
		s.unhold()
	}
	s.out.Add(st, now)
	full := s.full()
	s.mu.Unlock()
	switch {
	case full:
		s.overflow(c)
	case c != nil:
		c.kick()
	}
}

// Share implements feature.Outlet.
func (s *session) Share(st *stanza.Stanza, b *feature.Burst) {
	now := s.srv.p.Clock.Now()
	s.mu.Lock()
	c := s.conn
	if s.ended || c == nil || s.Inactive.Load() {
		s.mu.Unlock()
		s.Push(st.WithTo(s.JID))
		return
	}
	s.out.Share(st, now)
	full, due, many := s.full(), s.due == b, s.out.Waiting() > s.srv.c.MaxQueue/2
	if !many {
		s.due = b
	}
	s.mu.Unlock()
	switch {
	case full:
		s.overflow(c)
	case many: // what waits for the end of a burst must not fill the queue
		c.kick()
	case !due:
		b.Add(s)
	}
}

// Flush implements feature.Flusher.
func (s *session) Flush() {
	s.mu.Lock()
	s.due = nil
	c, waits := s.conn, s.out.Waiting() > 0
	s.mu.Unlock()
	if c != nil && waits {
		c.kick()
	}
}

// full reports a queue that holds too much. mu is held.
func (s *session) full() bool {
	return s.out.Len() > s.srv.c.MaxQueue || s.out.Size() > s.srv.c.MaxQueued
}

// overflow ends the connection, or the session that has none, when its queue is full.
func (s *session) overflow(c *conn) {
	if c == nil {
		go s.end()
		return
	}
	c.stop(stream.Fail("resource-constraint", "too much waits for you"), true)
}

// unhold lets out what was held. mu is held.
func (s *session) unhold() {
	for _, h := range s.held.Take() {
		s.out.Add(h, s.srv.p.Clock.Now())
	}
}

// Hibernating implements feature.Outlet.
func (s *session) Hibernating() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn == nil
}

// Close implements feature.Outlet.
func (s *session) Close(condition, text string) {
	s.mu.Lock()
	c := s.conn
	s.keep = 0 // it is over, whatever the connection is doing
	s.mu.Unlock()
	if c == nil {
		go s.end()
		return
	}
	c.leave(stream.Fail(condition, text), false, true)
}

// waits reports that there is something to write.
func (s *session) waits() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Waiting() > 0
}

// fill appends stanzas for one write. A client with stream management is asked for an acknowledgement at the end of a batch, not too often.
func (s *session) fill(c *conn, b []byte, cuts []int) ([]byte, []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != c {
		return b, cuts
	}
	ns, framed := "", c.ws != nil
	if framed {
		ns = xml.Client
	}
	n, before := 0, len(b)
	for len(b) < batchSize-2048 || n == 0 {
		q, ok := s.out.Next()
		if !ok {
			break
		}
		n++
		if q.Shared {
			b = q.Stanza.AppendFor(b, ns, s.JID)
		} else {
			b = q.Stanza.AppendTo(b, ns)
		}
		if framed {
			cuts = append(cuts, len(b))
		}
	}
	if n == 0 || !s.out.Managed() {
		return b, cuts
	}
	s.asks.wrote(n, len(b)-before)
	if !s.asked && s.out.Waiting() == 0 && s.asks.may(time.Now()) {
		s.asked = true
		b = append(b, askAck...)
		if framed {
			cuts = append(cuts, len(b))
		}
	}
	return b, cuts
}

// handled counts a stanza of the client whose effect is committed.
func (s *session) handled() {
	s.mu.Lock()
	s.done++
	c := s.conn
	answer := s.owe && s.done == s.owed && c != nil
	if answer {
		s.owe = false
	}
	h := s.done
	s.mu.Unlock()
	if answer {
		c.tell(ack(h))
		c.kick()
	}
}

// detach is called when a connection of it is over.
func (s *session) detach(c *conn, keep bool) {
	s.own.Lock()
	defer s.own.Unlock()
	s.mu.Lock()
	if s.conn != c {
		s.mu.Unlock()
		return // another connection has resumed it
	}
	s.conn, s.owe, s.asked = nil, false, false
	stay := keep && s.keep > 0 && !s.ended
	var held []*stanza.Stanza
	if stay {
		s.until = s.srv.p.Clock.Now().Add(s.keep)
		held = s.out.Held(s.JID)
	}
	s.mu.Unlock()
	switch {
	case !stay:
		s.finish()
	case len(held) > 0:
		s.srv.p.Router.Slept(context.Background(), &s.Session, held)
	}
}

// giveWay ends a hibernating session of the full JID before a new one takes its place (RFC 6120 §7.7.2.2): what it leaves is then kept or
// delivered before the new session asks for what waits, and so comes once.
func (s *Server) giveWay(full jid.JID) {
	if o := s.p.Router.Session(full); o != nil && o.Out.Hibernating() {
		if x, ok := o.Out.(*session); ok {
			x.end()
		}
	}
}

// end ends a hibernating session for good.
func (s *session) end() {
	s.own.Lock()
	defer s.own.Unlock()
	s.mu.Lock()
	awake := s.conn != nil
	s.mu.Unlock()
	if !awake {
		s.finish()
	}
}

// finish takes the session out of the house. What its client has not acknowledged finds another way. own is held.
func (s *session) finish() {
	s.way.Drain()
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.ended = true
	s.held.Take()
	left := s.out.Drain(s.JID)
	h := s.done
	s.mu.Unlock()
	s.srv.forget(s, h)
	s.srv.p.Router.Unbind(context.Background(), &s.Session)
	s.srv.seen(s)
	s.srv.again(s.JID, left)
}
