package c2s

import (
	"errors"

	"writ/xmpp/stanza"
	"writ/xmpp/stream"
	"writ/xmpp/xml"
)

// inSession handles an element of a bound stream.
func (c *conn) inSession(r *xml.Raw) {
	s := c.bound.Load()
	s.own.Lock()
	defer s.own.Unlock()
	if !s.of(c) {
		c.phase = finished // resumed elsewhere
		return
	}
	switch r.Name.Space {
	case xml.Client:
		c.stanza(s, r)
	case stream.Managed:
		c.managed(s, r)
	case stream.State:
		c.state(s, r)
	case xml.Stream:
		c.stop(nil, false) // a stream error of the client (RFC 6120 §4.9.1.1)
		c.phase = finished
	default:
		c.fail("unsupported-stanza-type", "a stanza is a message, a presence or an iq")
	}
}

func (s *session) of(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn == c
}

// stanza checks a stanza's head and gives it to the house.
func (c *conn) stanza(s *session, r *xml.Raw) {
	st, err := stanza.Parse(r)
	if st == nil {
		c.fail("unsupported-stanza-type", "a stanza is a message, a presence or an iq")
		return
	}
	if !st.From.IsZero() && st.From != s.JID && st.From != s.JID.Bare() {
		c.fail("invalid-from", "the 'from' is not yours") // RFC 6120 §8.1.2.1
		return
	}
	s.in++
	done := func() {}
	if s.managed() {
		done = s.handled
	}
	var se *stanza.Error
	if errors.As(err, &se) {
		if reply := stanza.ErrorReply(st, se); reply != nil {
			s.Push(reply.WithTo(s.JID))
		}
		c.srv.p.Router.InOrder(&s.way, done)
		return
	}
	if el := c.legacy(st); el {
		s.Push(stanza.Reply(st.WithFrom(s.JID)))
		c.srv.p.Router.InOrder(&s.way, done)
		return
	}
	if st.Kind == stanza.IQ && st.Type == stanza.Set && st.Has(stream.Bind, "bind") && c.forUs(st) {
		s.Push(stanza.ErrorReply(st.WithFrom(s.JID), stanza.NotAllowed("a resource is bound already"))) // RFC 6120 §7.1
		c.srv.p.Router.InOrder(&s.way, done)
		return
	}
	st = st.WithFrom(s.JID)
	if st.Lang == "" && c.lang != "" && st.Kind != stanza.IQ {
		st = st.WithLang(c.lang) // RFC 6120 §8.1.5
	}
	c.srv.p.Router.Take(c.srv.ctx, &s.way, st, done)
}

// legacy reports the request for a session of RFC 3921 (section 3), which does nothing.
func (c *conn) legacy(st *stanza.Stanza) bool {
	return st.Kind == stanza.IQ && st.Type == stanza.Set && st.Has(stream.Session, "session") && c.forUs(st)
}

func (c *conn) forUs(st *stanza.Stanza) bool {
	return st.To.IsZero() || st.To == c.srv.p.Router.Domain() || st.To == c.account
}

// state takes what a client says of its attention (XEP-0352 §4).
func (c *conn) state(s *session, r *xml.Raw) {
	switch r.Name.Local {
	case "inactive":
		s.Inactive.Store(true)
	case "active":
		s.mu.Lock()
		s.Inactive.Store(false)
		s.unhold()
		s.mu.Unlock()
	default:
		c.fail("unsupported-stanza-type", "a client is active or inactive")
	}
}
