package c2s

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"time"

	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/sasl"
	"writ/xmpp/stream"
	"writ/xmpp/xml"
)

// login is what a connection holds until it is signed in.
type login struct {
	offer    *sasl.Offer
	exchange *sasl.Exchange // of RFC 6120
	attempt  *attempt       // of XEP-0388
	began    time.Time      // when exchange began
	from     jid.JID        // who the stream's header says it is; not to be believed
	config   string         // the value of XEP-0509 that the features had
	failures int
	guest    func(context.Context, *feature.Request) (feature.Reply, error) // of Newcomers, once asked
}

// signin is what is told of a sign-in to the record, once a resource is bound.
type signin struct {
	at, began              time.Time // when it succeeded; when the proof was asked for
	tls, cipher, mechanism string
	agent                  agent
	password               bool // it was no token
}

// maxFailures is how many sign-ins may fail on one stream (RFC 6120 §6.4.4 asks for 2 to 5 retries).
const maxFailures = 3

// secure reports that nobody on the way reads this connection.
func (c *conn) secure() bool {
	return c.tls != nil || c.ws != nil && c.ws.secure
}

// event moves the state machine by what the tokenizer found.
func (c *conn) event(ev xml.Event) {
	switch ev.Kind {
	case xml.Open:
		if c.phase != header { // on TCP the tokenizer says so; on a WebSocket <open/> is a message like any other
			c.fail("unsupported-stanza-type", "the stream is open already")
			return
		}
		c.opened(&ev.Open)
	case xml.Item:
		c.item(ev.Item)
	case xml.Close:
		c.goodbye()
	}
}

// goodbye ends the stream as its client asked. The session is over before the answer: a client that has seen the end of its stream
// may rely on being gone.
func (c *conn) goodbye() {
	if x := c.bound.Load(); x != nil {
		c.kickInline() // what waits is still for this client
		x.detach(c, false)
		c.bound.Store(nil)
	}
	c.stop(nil, false)
	c.phase = finished
}

// fail ends the stream for what the peer did.
func (c *conn) fail(condition, text string) {
	c.stop(stream.Fail(condition, text), false)
	c.phase = finished
}

// opened answers a stream header (RFC 6120 §4.7, §4.9.1.2).
func (c *conn) opened(h *xml.Header) {
	domain := c.srv.p.Router.Domain()
	framed := c.ws != nil
	o := stream.Opening{From: domain.String(), ID: rand.Text(), Framed: framed}
	c.lang = h.Attr("xml:lang")
	if len(c.lang) > 35 { // the longest tag that RFC 5646 §4.4.1 asks to support
		c.lang = ""
	}
	var from jid.JID
	if c.secure() {
		if j, err := jid.Parse(h.Attr("from")); err == nil {
			from = j.Bare()
			o.To = from.String()
		}
	}
	c.mu.Lock()
	c.say(o.AppendTo(nil))
	c.headed = true
	c.mu.Unlock()
	to, err := jid.Parse(h.Attr("to"))
	switch {
	case !framed && h.Name != (xml.Name{Space: xml.Stream, Local: "stream"}), framed && h.Name != (xml.Name{Space: xml.Framing, Local: "open"}):
		c.fail("invalid-namespace", "the stream's element is not of "+xml.Stream)
	case !framed && h.Content != xml.Client:
		c.fail("invalid-namespace", "the content namespace of a client is "+xml.Client)
	case h.Attr("to") == "":
		c.fail("host-unknown", "the header has no 'to'")
	case err != nil:
		c.fail("improper-addressing", "the header's 'to' is no address")
	case to != domain:
		c.fail("host-unknown", "this server does not serve that domain")
	case major(h.Attr("version")) < 1:
		c.fail("unsupported-version", "the version is 1.0")
	case !from.IsZero() && from.Domain() != domain:
		c.fail("invalid-from", "the header's 'from' is not of this domain") // XEP-0388 §2.1
	default:
		if c.auth != nil {
			c.auth.from = from
		}
		c.phase = open
		c.tell(c.features())
	}
}

// major is the number before the dot of a stream version; 0 if there is none (RFC 6120 §4.7.5).
func major(v string) (n int) {
	m, _, _ := strings.Cut(v, ".")
	for _, d := range m {
		if d < '0' || d > '9' || n > 1000 {
			return 0
		}
		n = n*10 + int(d-'0')
	}
	return n
}

// bindings are the channel bindings of the connection's own TLS (XEP-0440, RFC 9266).
func (c *conn) bindings() []sasl.Binding {
	var cs *tls.ConnectionState
	var leaf *x509.Certificate
	switch {
	case c.tls != nil:
		state := c.tls.ConnectionState()
		if cs, leaf = &state, c.leaf.leaf; leaf == nil && state.DidResume {
			leaf = presented(c.srv.p.TLS, state.ServerName) // or the ticket would not have been taken
		}
	case c.ws != nil && c.ws.bosh == nil: // the requests of BOSH come over any number of TLS connections
		if cs = c.ws.tls; cs != nil {
			leaf = presented(c.srv.p.TLS, cs.ServerName) // the HTTP server has the same certificate
		}
	}
	if cs == nil {
		return nil
	}
	return sasl.Bindings(cs, leaf)
}

// negotiate handles an element before sign-in.
func (c *conn) negotiate(r *xml.Raw) {
	if r.Name.Space == stream.SASL2 {
		c.second(r)
		return
	}
	if c.auth.attempt != nil { // XEP-0388 §2.4
		c.fail("policy-violation", "an authentication is under way")
		return
	}
	switch r.Name {
	case xml.Name{Space: stream.TLS, Local: "starttls"}:
		if c.tls != nil || c.ws != nil {
			c.tell([]byte("<failure xmlns='" + stream.TLS + "'/>")) // RFC 6120 §5.4.2.2
			c.stop(nil, false)
			c.phase = finished
			return
		}
		c.dec.Discard() // what came with it in clear must not count after TLS
		c.tell([]byte("<proceed xmlns='" + stream.TLS + "'/>"))
		c.phase = upgrade
	case xml.Name{Space: stream.SASL, Local: "auth"}:
		c.authenticate(r)
	case xml.Name{Space: stream.SASL, Local: "response"}:
		if c.auth.exchange == nil {
			c.refuse(sasl.Fail(sasl.MalformedRequest, "there is no authentication to respond to"))
			return
		}
		c.step(r)
	case xml.Name{Space: stream.SASL, Local: "abort"}:
		c.auth.exchange = nil
		c.refuse(sasl.Fail(sasl.Aborted, ""))
	case xml.Name{Space: stream.Managed, Local: "enable"}, xml.Name{Space: stream.Managed, Local: "resume"}:
		c.tell(smFailed("unexpected-request", nil)) // XEP-0198 §3
	case xml.Name{Space: "http://jabber.org/protocol/compress", Local: "compress"}:
		c.tell([]byte("<failure xmlns='http://jabber.org/protocol/compress'><unsupported-method/></failure>"))
	default:
		c.newcomer(r)
	}
}

func (c *conn) authenticate(r *xml.Raw) {
	switch {
	case !c.secure() && !c.srv.c.InsecureLogin:
		c.refuse(sasl.Fail(sasl.EncryptionRequired, "use STARTTLS first"))
		return
	case c.auth.exchange != nil:
		c.auth.exchange = nil
		c.refuse(sasl.Fail(sasl.MalformedRequest, "an authentication was already under way"))
		return
	case c.srv.gate.barred(c.peer.Addr(), time.Now()):
		c.refuse(sasl.Fail(sasl.TemporaryAuthFailure, "too many failed sign-ins from your address; try again in a minute"))
		return
	}
	x, err := c.auth.offer.Start(r.Attr("mechanism"))
	if err != nil {
		c.refuse(sasl.AsFailure(err))
		return
	}
	c.auth.exchange, c.auth.began = x, time.Now()
	c.step(r)
}

// step gives the exchange the response in an element.
func (c *conn) step(r *xml.Raw) {
	x := c.auth.exchange
	el, err := xml.Parse(r.Bytes, xml.Client)
	if err != nil {
		c.fail("internal-server-error", "")
		return
	}
	data, err := sasl.Decode(el.Text())
	if err == nil && data == nil && r.Name.Local == "response" {
		data = []byte{} // an empty response is one (RFC 6120 §6.4.3)
	}
	if err != nil {
		c.auth.exchange = nil
		c.refuse(sasl.AsFailure(err))
		return
	}
	challenge, done, err := x.Step(c.srv.ctx, data)
	if err != nil {
		c.auth.exchange = nil
		c.refuse(sasl.AsFailure(err))
		return
	}
	var b xml.Builder
	if !done {
		c.tell(b.Leaf(stream.SASL, "challenge", sasl.Encode(challenge)).Bytes())
		return
	}
	c.tell(b.Leaf(stream.SASL, "success", sasl.Encode(challenge)).Bytes())
	c.succeeded(x)
}

// refuse answers a failed attempt and counts it (RFC 6120 §6.4.5, §6.5).
func (c *conn) refuse(f *sasl.Failure) {
	c.srv.m.logins.WithLabelValues(string(f.Condition)).Inc()
	if cause := errors.Unwrap(f); cause != nil {
		c.srv.log.Error("a sign-in could not be checked", "err", cause)
	}
	var b xml.Builder
	b.Start(stream.SASL, "failure").Empty("", string(f.Condition))
	if f.Text != "" {
		b.Start("", "text").Attr("xml:lang", "en").Text(f.Text).End()
	}
	c.tell(b.Bytes())
	c.missed(f)
}

// missed counts a failed attempt of either profile.
func (c *conn) missed(f *sasl.Failure) {
	if f.Condition == sasl.NotAuthorized || f.Condition == sasl.CredentialsExpired {
		c.srv.gate.fail(c.peer.Addr(), time.Now())
	}
	if c.auth.failures++; c.auth.failures > maxFailures {
		c.fail("policy-violation", "too many failed sign-ins on this stream")
	}
}

// succeeded makes the connection one of an account and awaits the new header (RFC 6120 §6.4.6).
func (c *conn) succeeded(x *sasl.Exchange) {
	c.sign(x, agent{}, c.auth.began)
	c.admit()
	c.dec.Restart()
	c.phase = header
	c.mu.Lock()
	c.headed = false
	c.mu.Unlock()
}

// sign notes who has proved to be whom, for the session that follows.
func (c *conn) sign(x *sasl.Exchange, who agent, began time.Time) {
	c.account = x.Account()
	c.signin = &signin{at: c.srv.p.Clock.Now(), began: began, mechanism: x.Mechanism, agent: who, password: x.Token().ID == ""}
	var cs *tls.ConnectionState
	if c.tls != nil {
		state := c.tls.ConnectionState()
		cs = &state
	} else if c.ws != nil {
		cs = c.ws.tls
	}
	if cs != nil {
		c.signin.tls, c.signin.cipher = tls.VersionName(cs.Version), cipherName(cs.CipherSuite)
	}
}

// cipherName is tls.CipherSuiteName, which makes the list of all suites to look for one, for those of TLS 1.3.
func cipherName(id uint16) string {
	switch id {
	case tls.TLS_AES_128_GCM_SHA256:
		return "TLS_AES_128_GCM_SHA256"
	case tls.TLS_AES_256_GCM_SHA384:
		return "TLS_AES_256_GCM_SHA384"
	case tls.TLS_CHACHA20_POLY1305_SHA256:
		return "TLS_CHACHA20_POLY1305_SHA256"
	}
	return tls.CipherSuiteName(id)
}

// admit ends the time in which the peer is a stranger.
func (c *conn) admit() {
	c.srv.m.logins.WithLabelValues("success").Inc()
	c.auth = nil
	c.signed()
	c.dec.SetLimits(xml.AfterLogin(c.srv.c.MaxStanza))
	c.bucket = stream.Bucket{Rate: c.srv.c.Rate, Burst: c.srv.c.Burst}
}
