package c2s

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

// XEP-0198 §4 leaves it to the sender when to ask: a few times at once, then once a second, sooner when much was written.
func TestXEP0198_4_WhenToAsk(t *testing.T) {
	t.Parallel()
	var a asks
	now := time.Unix(1_700_000_000, 0)
	asked := func(stanzas, bytes int) bool {
		a.wrote(stanzas, bytes)
		return a.may(now)
	}
	for i := range askBurst {
		if !asked(1, 100) {
			t.Fatal("not asked for", i)
		}
	}
	if asked(1, 100) {
		t.Error("asked a fifth time at once")
	}
	if !asked(askStanzas-1, 0) || asked(1, 100) {
		t.Error("so many stanzas are asked for once")
	}
	if !asked(1, askBytes) || asked(1, 100) {
		t.Error("so many bytes are asked for once")
	}
	if now = now.Add(askEvery); !asked(1, 100) || asked(1, 100) {
		t.Error("a second is worth one question, whatever was asked before")
	}
	if now = now.Add(time.Hour); !asked(1, 100) {
		t.Error("not asked after a quiet hour")
	}
}

// What a client was not asked for when it was written, it is asked for by the sweep, once.
func TestXEP0198_4_AskedLater(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a, b := h.online("alice", "a"), h.online("bob", "b")
	b.enable("")
	s := h.router.Session(h.jid("bob@example.org/b")).Out.(*session)
	s.mu.Lock()
	s.asks.spent = time.Now().Add(time.Hour).UnixNano()
	s.mu.Unlock()
	a.send("<message to='bob@example.org/b' id='1'><body>x</body></message>")
	b.expect("id='1'")
	b.send("<r xmlns='urn:xmpp:sm:3'/>")
	b.expect("<a ", "h='0'")
	for range 2 {
		for _, c := range h.srv.all() {
			c.check(time.Now())
		}
	}
	b.expect("<r ")
	b.send("<a xmlns='urn:xmpp:sm:3' h='1'/><r xmlns='urn:xmpp:sm:3'/>")
	b.expect("<a ", "h='0'")
}

// slow is a connection whose peer takes something when the test lets it.
type slow struct {
	net.Conn
	c       *conn
	writes  chan string
	release chan struct{} // nil: at once
}

func (s *slow) SetWriteDeadline(time.Time) error { return nil }

func (s *slow) Write(p []byte) (int, error) {
	if s.release != nil {
		defer s.c.stalled()()
		s.writes <- "begun"
		<-s.release
	}
	s.writes <- string(p)
	return len(p), nil
}

// A client that takes nothing holds up no other, however few write; when it takes again there are not more writers than before.
func TestWritersOfSlowClients(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	w := &h.srv.writers
	w.most = 1
	due := func(text string, release chan struct{}) *slow {
		c := newConn(h.srv, StartTLS, netip.AddrPort{})
		s := &slow{c: c, writes: make(chan string), release: release}
		c.nc, c.ctl, c.writing = s, []byte(text), true
		w.add(c)
		return s
	}
	var stuck []*slow
	for range 3 {
		s := due("late", make(chan struct{}))
		stuck = append(stuck, s)
		if got := <-s.writes; got != "begun" {
			t.Fatal(got)
		}
		if got := <-due("now", nil).writes; got != "now" {
			t.Fatal(got)
		}
	}
	for _, s := range stuck {
		close(s.release)
		if got := <-s.writes; got != "late" {
			t.Fatal(got)
		}
	}
	eventually(t, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.busy == 0 && w.head == len(w.due)
	})
	if got := <-due("again", nil).writes; got != "again" {
		t.Fatal(got)
	}
}
