package c2s

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

var smID = regexp.MustCompile(`id='([^']+)'`)

// enable switches stream management on and gives the id for resumption.
func (p *peer) enable(attrs string) string {
	p.t.Helper()
	p.send("<enable xmlns='urn:xmpp:sm:3' resume='true' %s/>", attrs)
	got := p.expect("<enabled", "resume='true'")
	return smID.FindStringSubmatch(got)[1]
}

// signedIn is a client that has signed in and not bound.
func (h *house) signedIn(user string) *peer {
	h.t.Helper()
	p := h.dial(DirectTLS)
	p.tls()
	p.auth(user)
	return p
}

// lose cuts the connection as a network does and waits until the server has seen it.
func (p *peer) lose(h *house, full string) {
	p.t.Helper()
	p.nc.Close()
	eventually(p.t, func() bool {
		for _, c := range h.srv.all() {
			if x := c.bound.Load(); x != nil && x.JID.String() == full {
				return false
			}
		}
		return true
	})
}

// XEP-0198 §3, §4: counting in both directions; the acknowledgement comes after the commit.
func TestXEP0198_4_Acks(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a, b := h.online("alice", "a"), h.online("bob", "b")
	a.enable("")
	b.enable("")
	for i := range 5 {
		a.send("<message to='bob@example.org' id='%d'><body>x</body></message>", i)
	}
	a.send("<r xmlns='urn:xmpp:sm:3'/>")
	a.expect("<a ", "h='5'")
	got, asked := 0, false // the server may ask between two messages, if they left in two writes
	for got < 5 {
		e := b.next()
		asked = asked || strings.HasPrefix(e, "<r ")
		if strings.HasPrefix(e, "<message") {
			if !strings.Contains(e, fmt.Sprintf("id='%d'", got)) {
				t.Fatalf("out of order: %s", e)
			}
			got++
		}
	}
	if !asked {
		b.expect("<r ")
	}
	b.send("<a xmlns='urn:xmpp:sm:3' h='5'/>")
	b.send("<r xmlns='urn:xmpp:sm:3'/>")
	b.expect("<a ", "h='0'")
}

// XEP-0198 §4: faults of counting end the stream.
func TestXEP0198_4_Faults(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for name, c := range map[string]struct{ send, want string }{
		"h above sent": {"<a xmlns='urn:xmpp:sm:3' h='7'/>", "handled-count-too-high"},
		"h no number":  {"<a xmlns='urn:xmpp:sm:3' h='x'/>", "invalid-xml"},
		"enable twice": {"<enable xmlns='urn:xmpp:sm:3'/>", "policy-violation"},
	} {
		p := h.online("alice", strings.ReplaceAll(name, " ", ""))
		p.enable("")
		p.send("%s", c.send)
		p.expect("<stream:error", c.want)
		p.expect("</stream>")
	}
	p := h.signedIn("alice")
	p.send("<enable xmlns='urn:xmpp:sm:3'/>")
	p.expect("<failed", "unexpected-request")
}

// XEP-0198 §5: a lost session is taken up; what was not acknowledged comes again, in order, with what came meanwhile.
func TestXEP0198_5_Resume(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a, b := h.online("alice", "a"), h.online("bob", "b")
	id := b.enable("")
	a.send("<message to='bob@example.org' id='1'><body>x</body></message>")
	b.expect("id='1'")
	b.expect("<r ")
	b.send("<message to='alice@example.org' id='mine'><body>x</body></message>")
	a.expect("id='mine'")
	b.lose(h, "bob@example.org/b")
	a.send("<message to='bob@example.org' id='2'><body>x</body></message><presence to='bob@example.org'><status>1</status></presence><presence to='bob@example.org'><status>2</status></presence>")
	a.sync()
	b = h.signedIn("bob")
	b.send("<resume xmlns='urn:xmpp:sm:3' previd='%s' h='0'/>", id)
	b.expect("<resumed", "h='1'", id)
	b.expect("id='1'")
	b.expect("id='2'")
	b.expect("<presence", "<status>2<") // the older presence says nothing any more
	b.expect("<r ")
	b.send("<a xmlns='urn:xmpp:sm:3' h='3'/>")
	b.sync()
	b.expect("<r ")
	if s := h.router.Sessions(h.jid("bob@example.org")); len(s) != 1 {
		t.Errorf("%d sessions", len(s))
	}
}

// XEP-0198 §5: who may not resume. A foreign id is answered like one that never was.
func TestXEP0198_5_ResumeRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.online("bob", "b")
	id := b.enable("")
	b.lose(h, "bob@example.org/b")
	a := h.signedIn("alice")
	a.send("<resume xmlns='urn:xmpp:sm:3' previd='%s' h='0'/>", id)
	foreign := a.expect("<failed", "item-not-found")
	a.send("<resume xmlns='urn:xmpp:sm:3' previd='guess' h='0'/>")
	if guessed := a.next(); guessed != foreign {
		t.Errorf("foreign: %s\nguessed: %s", foreign, guessed)
	}
	a.bind("still") // the stream goes on
	a.send("<resume xmlns='urn:xmpp:sm:3' previd='%s' h='0'/>", id)
	a.expect("<failed", "unexpected-request")
}

// XEP-0198 §5: a resumption while the old stream is still open closes that one with conflict.
func TestXEP0198_5_OldStreamConflict(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.online("bob", "b")
	id := b.enable("")
	c := h.signedIn("bob")
	c.send("<resume xmlns='urn:xmpp:sm:3' previd='%s' h='0'/>", id)
	c.expect("<resumed")
	b.expect("<stream:error", "conflict")
	b.expect("</stream>")
	c.sync()
}

// XEP-0198 §5: a stream that its client closed cannot be resumed; what was not acknowledged is kept for the account.
func TestXEP0198_5_ClosedIsOver(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a, b := h.online("alice", "a"), h.online("bob", "b")
	id := b.enable("")
	a.send("<message to='bob@example.org' type='chat' id='1'><body>unread</body></message>")
	b.expect("id='1'")
	b.send("</stream:stream>")
	eventually(t, func() bool { return len(h.kept.list()) == 1 })
	if s := h.kept.list()[0]; s.ID != "1" || s.From.String() != "alice@example.org/a" {
		t.Errorf("kept %s", s)
	}
	c := h.signedIn("bob")
	c.send("<resume xmlns='urn:xmpp:sm:3' previd='%s' h='0'/>", id)
	c.expect("<failed", "item-not-found")
}

// XEP-0198 §5: an IQ that a session which ends has not acknowledged is answered for it.
func TestXEP0198_5_LostIQIsAnswered(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a, b := h.online("alice", "a"), h.online("bob", "b")
	b.enable("")
	a.send("<iq type='get' to='bob@example.org/b' id='q'><query xmlns='jabber:iq:version'/></iq>")
	b.expect("id='q'")
	b.send("</stream:stream>")
	a.expect("type='error'", "id='q'", "service-unavailable")
}

// XEP-0198 §4: the counters go round at 2^32.
func TestXEP0198_4_Wrap(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a, b := h.online("alice", "a"), h.online("bob", "b")
	b.enable("")
	for _, s := range h.router.Sessions(h.jid("bob@example.org")) {
		x := s.Out.(*session)
		x.own.Lock()
		x.in = 1<<32 - 2
		x.mu.Lock()
		x.done = x.in
		x.mu.Unlock()
		x.own.Unlock()
	}
	for range 3 {
		b.send("<message to='alice@example.org'><body>x</body></message>")
		a.expect("<body>x</body>")
	}
	b.send("<r xmlns='urn:xmpp:sm:3'/>")
	b.expect("<a ", "h='1'")
}

// XEP-0198 §3: who is not signed in, or has no resource, is told so in the protocol's own words and may go on.
func TestXEP0198_3_Order(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.dial(DirectTLS)
	p.tls()
	p.header()
	for _, early := range []string{"<enable xmlns='urn:xmpp:sm:3'/>", "<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>"} {
		p.send("%s", early)
		p.expect("<failed xmlns='urn:xmpp:sm:3'", "<unexpected-request")
	}
	p = h.signedIn("alice")
	p.send("<enable xmlns='urn:xmpp:sm:3'/>")
	p.expect("<failed xmlns='urn:xmpp:sm:3'", "<unexpected-request")
	p.bind("a")
	p.enable("")
}
