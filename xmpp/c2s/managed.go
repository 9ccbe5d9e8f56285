package c2s

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"time"

	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/stream"
	"writ/xmpp/xml"
)

func ack(h uint32) []byte { return fmt.Appendf(nil, "<a xmlns='%s' h='%d'/>", stream.Managed, h) }

// smFailed is <failed/>; with a count if the session's is known (XEP-0198 §5).
func smFailed(condition string, h *uint32) []byte {
	var b xml.Builder
	b.Start(stream.Managed, "failed")
	if h != nil {
		b.Attr("h", strconv.FormatUint(uint64(*h), 10))
	}
	return b.Empty(stanza.Errors, condition).Bytes()
}

func (s *session) managed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Managed()
}

// managed handles an element of stream management on a bound stream (XEP-0198).
func (c *conn) managed(s *session, r *xml.Raw) {
	switch r.Name.Local {
	case "enable":
		c.enable(s, r)
	case "r":
		c.askedFor(s)
	case "a":
		h, ok := count(r)
		if !ok {
			c.fail("invalid-xml", "'h' is a number from 0 to 4294967295")
			return
		}
		s.mu.Lock()
		s.asked = false
		e := s.out.Ack(h)
		s.mu.Unlock()
		if e != nil {
			c.stop(e, false)
			c.phase = finished
		}
	case "resume":
		c.tell(smFailed("unexpected-request", nil)) // a resource is bound (XEP-0198 §5)
	default:
		c.fail("unsupported-stanza-type", "stream management has no such element")
	}
}

// count reads the 'h' of an element, which is modulo 2^32.
func count(r *xml.Raw) (uint32, bool) {
	n, err := strconv.ParseUint(r.Attr("h"), 10, 32)
	return uint32(n), err == nil
}

// enable begins to count (XEP-0198 §3).
func (c *conn) enable(s *session, r *xml.Raw) {
	if s.managed() {
		c.fail("policy-violation", "stream management is on already")
		return
	}
	s.way.Drain() // what was sent before is not counted
	keep := c.srv.keepFor(r.Attr("resume"), r.Attr("max"))
	c.mu.Lock() // always before the session's lock
	s.mu.Lock()
	c.say(s.manage(keep)) // under both locks: no stanza may come before it and be counted
	s.mu.Unlock()
	c.mu.Unlock()
	if keep > 0 {
		c.srv.remember(s)
	}
}

// keepFor is how long a session may hibernate whose client asked with these attributes of <enable/>; 0: it may not.
func (s *Server) keepFor(resume, most string) time.Duration {
	keep := s.c.Hibernate.Std()
	if !truth(resume) {
		return 0
	}
	if n, err := strconv.ParseUint(most, 10, 31); err == nil && n > 0 {
		keep = min(keep, time.Duration(n)*time.Second)
	}
	return keep
}

// manage begins to count, and gives <enabled/>. own and mu are held, or nobody else knows the session yet.
func (s *session) manage(keep time.Duration) []byte {
	var b xml.Builder
	b.Start(stream.Managed, "enabled")
	s.in, s.done, s.owe = 0, 0, false
	s.out.Manage()
	if keep > 0 {
		token := rand.Text()
		s.token, s.keep = keyOf(token), keep
		b.Attr("id", token).Attr("resume", "true").Attr("max", strconv.Itoa(int(keep/time.Second)))
	}
	return b.Bytes()
}

// askedFor answers <r/> once everything before it is handled (XEP-0198 §4).
func (c *conn) askedFor(s *session) {
	s.mu.Lock()
	on, now, h := s.out.Managed(), s.done == s.in, s.done
	if on && !now {
		s.owe, s.owed = true, s.in
	}
	s.mu.Unlock()
	switch {
	case !on:
		c.tell(smFailed("unexpected-request", nil))
	case now:
		c.tell(ack(h))
	}
}

// resume takes up a lost session on this connection (XEP-0198 §5). An id that is not one of this account's sessions is answered
// like one that never was.
func (c *conn) resume(r *xml.Raw) {
	failed, e := c.takeUp(r.Attr("previd"), r.Attr("h"), func(_ jid.JID, resumed []byte) []byte { return resumed })
	switch {
	case e != nil:
		c.stop(e, false)
		c.phase = finished
	case failed != nil:
		c.tell(failed)
	}
}

// takeUp resumes the session of an id; h is the client's count. answer makes what is sent of <resumed/>, before any stanza. If there is
// nothing to resume it gives <failed/>; a count that cannot be ends the stream with the error.
func (c *conn) takeUp(id, h string, answer func(who jid.JID, resumed []byte) []byte) (failed []byte, e *stream.Error) {
	n, err := strconv.ParseUint(h, 10, 32)
	if err != nil {
		return nil, stream.Fail("invalid-xml", "'h' is a number from 0 to 4294967295")
	}
	s := c.srv.remembered(id)
	if s == nil || s.JID.Bare() != c.account || !s.claim.CompareAndSwap(false, true) {
		return c.noSession(id), nil
	}
	defer s.claim.Store(false)
	s.own.Lock() // whoever handles a stanza of it finishes first
	defer s.own.Unlock()
	s.way.Drain()
	c.mu.Lock()
	s.mu.Lock()
	late := s.conn == nil && !s.until.After(c.srv.p.Clock.Now()) // the sweep has not come by yet
	if late || s.ended || s.keep == 0 {
		s.mu.Unlock()
		c.mu.Unlock()
		if late {
			s.finish()
		}
		return c.noSession(id), nil
	}
	if e := s.out.Ack(uint32(n)); e != nil {
		s.mu.Unlock()
		c.mu.Unlock()
		return nil, e
	}
	old := s.conn
	s.conn, s.owe, s.asked, s.asks = c, false, false, asks{}
	s.out.Rewind()
	s.out.Edit(c.srv.late)
	s.Inactive.Store(false) // XEP-0352 §4.2 leaves it to us; a client says again that it is inactive
	s.unhold()
	var b xml.Builder
	b.Start(stream.Managed, "resumed").Attr("previd", id).Attr("h", strconv.FormatUint(uint64(s.done), 10))
	c.say(answer(s.JID, b.Bytes()))
	s.mu.Unlock()
	c.mu.Unlock()
	if old != nil {
		old.stop(stream.Fail("conflict", "the session was resumed on another connection"), false)
	}
	c.begin(s) // it was authenticated anew, perhaps from another address
	c.srv.m.resumed.WithLabelValues("resumed").Inc()
	c.srv.p.Router.Resumed(c.srv.ctx, &s.Session)
	return nil, nil
}

// remember makes a session one that can be resumed.
func (s *Server) remember(x *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[x.token] = x
}

func (s *Server) remembered(token string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens[keyOf(token)]
}

// forget ends the time in which a session can be resumed; handled is its last count.
func (s *Server) forget(x *session, handled uint32) {
	if x.token == (tokenKey{}) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tokens, x.token)
	s.over.add(x.token, over{x.JID.Bare(), handled})
}

// noSession refuses a resumption. Of a session of the account that has ended, the last count is told (XEP-0198 §5): the client then knows
// what it must send again.
func (c *conn) noSession(id string) []byte {
	c.srv.m.resumed.WithLabelValues("failed").Inc()
	c.srv.mu.Lock()
	o, known := c.srv.over.of[keyOf(id)]
	c.srv.mu.Unlock()
	if known && o.account == c.account {
		return smFailed("item-not-found", &o.handled)
	}
	return smFailed("item-not-found", nil)
}
