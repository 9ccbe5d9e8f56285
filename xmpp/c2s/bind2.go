package c2s

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"writ/xmpp/jid"
	"writ/xmpp/sasl"
	"writ/xmpp/stanza"
	"writ/xmpp/stream"
	"writ/xmpp/xml"
)

// complete ends an authentication that succeeded: token, then resumption or bind, then one answer with everything in it
// (XEP-0388 §2.6.1, XEP-0386 §3.2, XEP-0198 §9.2). What fails before the answer leaves the stream as it was.
func (c *conn) complete(a *attempt) {
	token, err := c.spend(a)
	if err != nil {
		c.refuse2(sasl.AsFailure(err), nil)
		return
	}
	c.sign(a.exchange, a.agent, a.began)
	success := func(who jid.JID, parts ...[]byte) []byte {
		var b xml.Builder
		b.Start(stream.SASL2, "success")
		if a.hasData {
			b.Leaf("", "additional-data", sasl.Encode(a.additional))
		}
		b.Leaf("", "authorization-identifier", who.String())
		for _, p := range append(parts, token) {
			b.Raw(p)
		}
		return b.Bytes()
	}
	var failed []byte
	if a.resume != nil {
		var e *stream.Error
		failed, e = c.takeUp(a.resume.Attr("previd"), a.resume.Attr("h"), func(who jid.JID, resumed []byte) []byte { return success(who, resumed) })
		switch {
		case e != nil:
			c.stop(e, false)
			c.phase = finished
			return
		case failed == nil:
			c.admit() // the stream goes on at once, without features (XEP-0198 §9.2)
			return
		}
	}
	if a.bind == nil {
		c.admit()
		c.tell(success(c.account, failed))
		c.tell(c.features())
		return
	}
	s, bound, se := c.bind2(a)
	if se != nil {
		c.account, c.signin = jid.JID{}, nil
		var b xml.Builder
		c.refuse2(sasl.Fail(sasl.TemporaryAuthFailure, "this account has too many sessions"), b.Empty("urn:xmpp:errors", "resource-limit-exceeded").Bytes())
		return
	}
	c.admit()
	c.tell(success(s.JID, failed, bound))
	c.tell(c.boundMenu(s.managed()))
	c.begin(s)
}

// bind2 makes and enters the session that was asked for (XEP-0386 §3.2). What is switched on is on before anyone can find the session;
// the rooms' answers are made after.
func (c *conn) bind2(a *attempt) (*session, []byte, *stanza.Error) {
	s := &session{srv: c.srv, conn: c}
	s.JID, s.Out, s.way.Session, s.Device = c.resource2(a), s, &s.Session, a.agent.id
	if a.agent.software != "" {
		s.Software.Store(&a.agent.software)
	}
	var b xml.Builder
	b.Start(stream.Bind2, "bound")
	var manage *xml.Element
	for _, el := range a.bind.Children {
		switch el.Name {
		case xml.Name{Space: stream.Managed, Local: "enable"}:
			manage = el
		case xml.Name{Space: stream.State, Local: "inactive"}:
			s.Inactive.Store(true)
		case xml.Name{Space: stream.State, Local: "active"}:
			s.Inactive.Store(false)
		}
		for _, i := range c.srv.inline {
			if el.Is(i.Space, i.Local) {
				b.Raw(c.srv.p.Router.Enable(c.srv.ctx, i, &s.Session, el))
			}
		}
	}
	keep := time.Duration(0)
	if manage != nil {
		keep = c.srv.keepFor(manage.Attr("resume"), manage.Attr("max"))
		s.mu.Lock()
		b.Raw(s.manage(keep))
		s.mu.Unlock()
	}
	c.srv.giveWay(s.JID)
	if se := c.srv.p.Router.Bind(c.srv.ctx, &s.Session); se != nil {
		return nil, nil, se
	}
	if keep > 0 {
		c.srv.remember(s)
	}
	if s.Device != "" { // an app has one session: what is left of an earlier one is over (XEP-0386 §3.2)
		for _, o := range c.srv.p.Router.Sessions(c.account) {
			if o != &s.Session && o.Device == s.Device {
				o.Out.Close("conflict", "the same app has signed in again")
			}
		}
	}
	b.Raw(c.srv.p.Router.Bound(c.srv.ctx, &s.Session))
	return s, b.Bytes(), nil
}

// resource2 makes the resource: the tag of the client and a part of ours, which for one device and tag is always the same and tells
// nobody the device's id (XEP-0386 §3.2.1). A tag that cannot be part of an address is left out.
func (c *conn) resource2(a *attempt) jid.JID {
	tag := strings.TrimSpace(a.bind.Child(stream.Bind2, "tag").Text())
	own := rand.Text()[:14]
	if a.agent.id != "" {
		m := hmac.New(sha256.New, c.srv.p.ResourceKey)
		fmt.Fprintf(m, "%s\x00%s\x00%s", c.account, a.agent.id, tag)
		own = base64.RawURLEncoding.EncodeToString(m.Sum(nil)[:9])
	}
	if tag != "" && len(tag) <= maxTag {
		if j, err := c.account.WithResource(tag + "/" + own); err == nil {
			return j
		}
	}
	j, err := c.account.WithResource(own)
	if err != nil {
		panic("c2s: letters and digits are no resource: " + own)
	}
	return j
}

// maxTag bounds a tag, in bytes; others see it in every address.
const maxTag = 100
