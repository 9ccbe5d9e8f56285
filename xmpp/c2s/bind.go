package c2s

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"writ/account"
	"writ/records"
	"writ/store"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/stream"
	"writ/xmpp/xml"
)

// bindFeatures is what is offered after sign-in (RFC 6120 §7.4).
func (s *Server) bindFeatures() []string {
	return append([]string{"<bind xmlns='" + stream.Bind + "'/>", "<session xmlns='" + stream.Session + "'><optional/></session>"}, s.boundFeatures(false)...)
}

// boundFeatures is what is left to be offered to a client that has bound. Stream management that is on already is not: xmpp.js would
// try to resume the session that it has just been given.
func (s *Server) boundFeatures(managed bool) []string {
	var out []string
	if !managed {
		out = append(out, "<sm xmlns='"+stream.Managed+"'/>")
	}
	out = append(out,
		"<csi xmlns='"+stream.State+"'/>",
		stream.LimitsFeature(s.c.MaxStanza, int(s.c.Idle.Std()*3/2/time.Second)))
	for _, f := range s.p.Router.Features() {
		out = append(out, f.Disco.Stream...)
	}
	return out
}

// item handles a first-level element.
func (c *conn) item(r *xml.Raw) {
	switch {
	case c.phase == header:
		c.fail("not-authorized", "a stream header was expected")
	case c.auth != nil:
		c.negotiate(r)
	case c.bound.Load() != nil:
		c.inSession(r)
	case r.Name == xml.Name{Space: stream.Managed, Local: "resume"}:
		c.resume(r)
	case r.Name.Space == stream.Managed:
		c.tell(smFailed("unexpected-request", nil)) // XEP-0198 §3
	default:
		c.bindRequest(r)
	}
}

// bindRequest takes the one stanza that is allowed before a resource is bound (RFC 6120 §7.1).
func (c *conn) bindRequest(r *xml.Raw) {
	st, err := stanza.Parse(r)
	if st == nil || st.Kind != stanza.IQ {
		c.fail("not-authorized", "bind a resource first")
		return
	}
	var se *stanza.Error
	if errors.As(err, &se) {
		c.answer(stanza.ErrorReply(st, se))
		return
	}
	el := st.Find(stream.Bind, "bind")
	if st.Type != stanza.Set || el == nil {
		c.fail("not-authorized", "bind a resource first")
		return
	}
	wanted := el.Child(stream.Bind, "resource").Text()
	full, err := c.resource(wanted)
	if err != nil {
		c.answer(stanza.ErrorReply(st, stanza.BadRequest("the resource is not acceptable"))) // RFC 6120 §7.7.2.1
		return
	}
	s := &session{srv: c.srv, conn: c}
	s.JID, s.Out, s.way.Session = full, s, &s.Session
	if s.Device = c.signin.agent.id; s.Device == "" && wanted != "" {
		s.Device = full.Resource()
	}
	c.srv.giveWay(full)
	if se := c.srv.p.Router.Bind(c.srv.ctx, &s.Session); se != nil {
		c.answer(stanza.ErrorReply(st, se))
		return
	}
	var b xml.Builder
	b.Start(stream.Bind, "bind").Leaf("", "jid", full.String()).End()
	c.answer(stanza.Reply(st, b.Bytes()))
	c.begin(s)
}

// begin gives the connection its session. What is written before stands before any stanza of it.
func (c *conn) begin(s *session) {
	began := c.signin.began
	c.bound.Store(s)
	c.srv.record(c, s)
	c.late(s, began)
}

// resource is the full JID for a proposal; the server makes one if there is none.
func (c *conn) resource(wanted string) (jid.JID, error) {
	if wanted == "" {
		wanted = rand.Text()
	}
	return c.account.WithResource(wanted)
}

// answer sends a stanza of the negotiation.
func (c *conn) answer(s *stanza.Stanza) {
	if s == nil {
		return
	}
	ns := ""
	if c.ws != nil {
		ns = xml.Client
	}
	c.tell(s.AppendTo(nil, ns))
}

// record writes down the sign-in of a session that is bound or resumed, without making the client wait for it.
func (s *Server) record(c *conn, x *session) {
	in := c.signin
	c.signin = nil
	if in == nil || s.p.DB == nil || s.p.Recorder == nil && s.p.Accounts == nil {
		return
	}
	who := x.JID.Bare()
	sign := records.SignIn{Account: who.String(), Time: in.at, Addr: c.peer, TLS: in.tls, Cipher: in.cipher, Mechanism: in.mechanism}
	x.Since.Store(store.Time(in.at))
	if told := x.Software.Load(); told != nil {
		sign.Client = *told
	}
	device := account.Device{ID: x.Device, Software: sign.Client, Model: in.agent.device}
	if in.agent.id != "" {
		device.ID = in.agent.id
	}
	if in.password {
		device.Password = in.at
	}
	if sign.Device = device.ID; device.Model != "" {
		sign.Device += " " + device.Model
	}
	s.p.DB.Enqueue(func(tx *store.Tx) error {
		if s.p.Recorder != nil {
			if err := s.p.Recorder.Came(context.Background(), tx, sign); err != nil {
				return err
			}
		}
		if s.p.Accounts != nil {
			return s.p.Accounts.Seen(context.Background(), tx, who, device)
		}
		return nil
	}, func(err error) {
		if err != nil {
			s.log.Error("a sign-in was not recorded", "err", err)
		}
	})
}

// seen notes that the account was connected until now.
func (s *Server) seen(x *session) {
	if s.p.DB == nil || s.p.Recorder == nil {
		return
	}
	who, now := x.JID.Bare().String(), s.p.Clock.Now()
	s.p.DB.Enqueue(func(tx *store.Tx) error { return s.p.Recorder.Seen(context.Background(), tx, who, now) }, func(err error) {
		if err != nil {
			s.log.Error("last seen was not recorded", "err", err)
		}
	})
}
