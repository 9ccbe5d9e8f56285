package route

import (
	"sync"

	"writ/xmpp/feature"
)

// Sender is a session's way in: it counts what is not handled yet, and keeps the order in which the sender is told. c2s embeds one in each
// session and sets Session.
type Sender struct {
	Session *feature.Session

	mu      sync.Mutex
	wake    chan struct{} // non-nil while someone waits; closed at the next landing
	line    []*turn       // what is not handled, in the order of sending
	telling bool          // someone calls the done functions
}

// turn is the place of a stanza in its sender's line.
type turn struct {
	done  func()
	ready bool
}

// InFlight is the number of stanzas that wait for their commit.
func (s *Sender) InFlight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.line)
}

// Drain blocks until nothing is in flight.
func (s *Sender) Drain() { s.await(0) }

// await blocks until at most n stanzas are in flight.
func (s *Sender) await(n int) {
	s.mu.Lock()
	for len(s.line) > n {
		if s.wake == nil {
			s.wake = make(chan struct{})
		}
		w := s.wake
		s.mu.Unlock()
		<-w
		s.mu.Lock()
	}
	s.mu.Unlock()
}

// enter puts a stanza at the end of the line. Only the sender's own goroutine calls it.
func (s *Sender) enter(done func()) *turn {
	t := &turn{done: done}
	s.mu.Lock()
	s.line = append(s.line, t)
	s.mu.Unlock()
	return t
}

// land says that a stanza is handled. Its done is called when everything before it is handled too: what comes to a host and what comes to the
// store are committed in no common order, and stream management counts without names (XEP-0198 §4).
func (s *Sender) land(t *turn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.ready = true
	if s.telling {
		return
	}
	s.telling = true
	for len(s.line) > 0 && s.line[0].ready {
		done := s.line[0].done
		s.mu.Unlock()
		done()
		s.mu.Lock()
		if s.line[0] = nil; len(s.line) == 1 {
			s.line = nil
		} else {
			s.line = s.line[1:]
		}
		if s.wake != nil {
			close(s.wake)
			s.wake = nil
		}
	}
	s.telling = false
}
