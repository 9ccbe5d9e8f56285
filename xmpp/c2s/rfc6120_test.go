package c2s

import (
	"crypto/tls"
	"strings"
	"testing"
)

// RFC 6120 §5, §6, §7: from a bare connection to a bound resource, on TCP and on a pipe.
func TestRFC6120_NegotiationSTARTTLS(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for name, p := range map[string]*peer{"tcp": h.dial(StartTLS), "pipe": h.pipe(StartTLS)} {
		t.Run(name, func(t *testing.T) {
			p.t = t
			f := p.header()
			if !strings.Contains(f, "<required/>") || strings.Contains(f, "mechanism") {
				t.Errorf("features in clear: %s", f)
			}
			p.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
			p.expect("proceed")
			p.tls()
			p.auth("alice")
			p.bind(name)
			p.sync()
			p.send("</stream:stream>")
			p.expect("</stream>")
			p.expect("EOF")
		})
	}
}

// XEP-0368 §3: direct TLS, with the application protocol or without; another one is refused.
func TestXEP0368_DirectTLS(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.dial(DirectTLS)
	cs := p.tls(func(c *tls.Config) { c.NextProtos = []string{"xmpp-client"} }).ConnectionState()
	if cs.NegotiatedProtocol != "xmpp-client" {
		t.Errorf("negotiated %q", cs.NegotiatedProtocol)
	}
	f := p.header()
	for _, w := range []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-1<", "PLAIN", "tls-exporter", "max-bytes"} {
		if !strings.Contains(f, w) {
			t.Errorf("features lack %s: %s", w, f)
		}
	}
	q := h.dial(DirectTLS)
	err := tls.Client(q.nc, &tls.Config{RootCAs: h.cert, ServerName: "example.org", NextProtos: []string{"http/1.1"}}).Handshake()
	if err == nil || !strings.Contains(err.Error(), "no application protocol") {
		t.Errorf("wrong protocol: %v", err)
	}
	q = h.dial(DirectTLS)
	if err := tls.Client(q.nc, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}).Handshake(); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
}

// RFC 6121 §8.5: one message from person to person, and an IQ between them.
func TestRFC6121_MessageBetweenTwo(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a, b := h.online("alice", "phone"), h.online("bob", "desk")
	a.send("<message to='bob@example.org' type='chat' id='1'><body>hi</body></message>")
	b.expect("<message", "from='alice@example.org/phone'", "<body>hi</body>")
	b.send("<iq type='get' to='alice@example.org/phone' id='v'><query xmlns='jabber:iq:version'/></iq>")
	a.expect("<iq", "from='bob@example.org/desk'", "id='v'")
	a.send("<iq type='result' to='bob@example.org/desk' id='v'><query xmlns='jabber:iq:version'><name>x</name></query></iq>")
	b.expect("type='result'", "from='alice@example.org/phone'", "<name>x</name>")
}

// RFC 6120 §4.9.3: what each fault of a stream is answered with. A header is sent first, then the error, then the end.
func TestRFC6120_4_9_3_StreamErrors(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const ns = "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
	for _, c := range []struct{ name, send, want string }{
		{"wrong stream namespace", "<stream:stream to='example.org' version='1.0' xmlns='jabber:client' xmlns:stream='urn:x'>", "invalid-namespace"},
		{"wrong content namespace", "<stream:stream to='example.org' version='1.0' xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>", "invalid-namespace"},
		{"unknown host", "<stream:stream to='other.example' version='1.0' " + ns + ">", "host-unknown"},
		{"no host", "<stream:stream version='1.0' " + ns + ">", "host-unknown"},
		{"host is no address", "<stream:stream to='@' version='1.0' " + ns + ">", "improper-addressing"},
		{"no version", "<stream:stream to='example.org' " + ns + ">", "unsupported-version"},
		{"http", "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", "not-well-formed"},
		{"doctype", "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'b'>]>", "restricted-xml"},
		{"stanza before sign-in", streamHeader + "<message/>", "not-authorized"},
		{"comment", streamHeader + "<!-- x -->", "restricted-xml"},
		{"undefined entity", streamHeader + "<a>&foo;</a>", "restricted-xml"},
		{"text between elements", streamHeader + "x", "bad-format"},
		{"mismatched tags", streamHeader + "<a></b>", "not-well-formed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := h.dial(StartTLS)
			p.t = t
			p.send("%s", c.send)
			p.expect("<stream>")
			got := p.next()
			if strings.Contains(got, "features") {
				got = p.next()
			}
			if !strings.Contains(got, c.want) {
				t.Fatalf("got %s, want %s", got, c.want)
			}
			p.expect("</stream>")
			p.expect("EOF")
		})
	}
}

// RFC 6120 §4.7.5: a higher version is answered with ours.
func TestRFC6120_4_7_5_HigherVersion(t *testing.T) {
	t.Parallel()
	p := newHouse(t).dial(StartTLS)
	p.send("%s", strings.Replace(streamHeader, "version='1.0' xmlns=", "version='9.9' xmlns=", 1))
	p.expect("<stream>")
	p.expect("features")
}

// RFC 6120 §5.4.2: STARTTLS when TLS is on already is a failure; what is pipelined behind it in clear is never acted upon.
func TestRFC6120_5_STARTTLS(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.dial(DirectTLS)
	p.tls()
	p.header()
	p.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	p.expect("<failure")
	p.expect("</stream>")

	p = h.dial(StartTLS)
	p.header()
	p.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>", plainText("alice", password))
	p.expect("proceed")
	p.tls()
	if f := p.header(); !strings.Contains(f, "PLAIN") {
		t.Errorf("what came in clear was acted upon: %s", f)
	}
}

// RFC 6120 §6.5: the SASL errors.
func TestRFC6120_6_5_SASLErrors(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *Config) { c.Failures = -1 })
	auth := func(mech, text string) string {
		return "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='" + mech + "'>" + text + "</auth>"
	}
	for _, c := range []struct {
		name, send, want string
		clear            bool
	}{
		{"before TLS", auth("PLAIN", plainText("alice", password)), "encryption-required", true},
		{"unknown mechanism", auth("X-OWN", ""), "invalid-mechanism", false},
		{"bad base64", auth("PLAIN", "===="), "incorrect-encoding", false},
		{"no NUL", auth("PLAIN", "YWxpY2U="), "malformed-request", false},
		{"wrong password", auth("PLAIN", plainText("alice", "wrong")), "not-authorized", false},
		{"unknown account", auth("PLAIN", plainText("nobody", "wrong")), "not-authorized", false},
		{"response without auth", "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", "malformed-request", false},
		{"abort", "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", "aborted", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := DirectTLS
			if c.clear {
				k = StartTLS
			}
			p := h.dial(k)
			p.t = t
			if !c.clear {
				p.tls()
			}
			p.header()
			p.send("%s", c.send)
			p.expect("<failure", c.want)
		})
	}
	t.Run("four failures on one stream", func(t *testing.T) {
		t.Parallel()
		p := h.dial(DirectTLS)
		p.t = t
		p.tls()
		p.header()
		for range 4 {
			p.send("%s", auth("PLAIN", plainText("alice", "wrong")))
			p.expect("<failure", "not-authorized")
		}
		p.expect("policy-violation")
		p.expect("</stream>")
	})
}

// RFC 6120 §7.6, §7.7: binding.
func TestRFC6120_7_Bind(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ready := func(t *testing.T) *peer {
		p := h.dial(DirectTLS)
		p.t = t
		p.tls()
		p.auth("alice")
		return p
	}
	bind := func(inner string) string {
		return "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>" + inner + "</bind></iq>"
	}
	t.Run("made by the server", func(t *testing.T) {
		p := ready(t)
		p.send("%s", bind(""))
		p.expect("type='result'", "<jid>alice@example.org/")
		p.send("%s", bind("<resource>again</resource>"))
		p.expect("type='error'", "not-allowed")
		p.send("<iq type='set' id='s'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>")
		p.expect("type='result'", "id='s'")
	})
	t.Run("not acceptable", func(t *testing.T) {
		p := ready(t)
		p.send("%s", bind("<resource>"+strings.Repeat("x", 2000)+"</resource>"))
		p.expect("type='error'", "bad-request")
		p.send("%s", bind("<resource>good</resource>"))
		p.expect("type='result'", "/good")
	})
	t.Run("stanza before bind", func(t *testing.T) {
		p := ready(t)
		p.send("<message to='bob@example.org'><body>x</body></message>")
		p.expect("not-authorized")
	})
	t.Run("conflict closes the older", func(t *testing.T) {
		p, q := ready(t), ready(t)
		p.bind("same")
		q.bind("same")
		p.expect("<stream:error", "conflict")
		q.sync()
	})
	t.Run("eleventh resource", func(t *testing.T) {
		h.t = t
		for i := range 10 {
			p := h.dial(DirectTLS)
			p.tls()
			p.auth("bob")
			p.bind("r" + string(rune('a'+i)))
		}
		p := h.dial(DirectTLS)
		p.tls()
		p.auth("bob")
		p.send("%s", bind("<resource>late</resource>"))
		p.expect("type='error'", "resource-constraint", "resource-limit-exceeded")
	})
}

// RFC 6120 §8: faults of stanzas are answered, the stream goes on.
func TestRFC6120_8_StanzaFaults(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.online("alice", "a")
	for _, c := range []struct{ send, want string }{
		{"<iq type='get'><ping xmlns='urn:xmpp:ping'/></iq>", "bad-request"},
		{"<iq type='frob' id='1'><ping xmlns='urn:xmpp:ping'/></iq>", "bad-request"},
		{"<iq type='get' id='1'/>", "bad-request"},
		{"<iq type='get' id='1'><a xmlns='x'/><b xmlns='x'/></iq>", "bad-request"},
		{"<message to='a b@example.org'><body>x</body></message>", "jid-malformed"},
		{"<iq type='get' id='1'><q xmlns='urn:unknown'/></iq>", "service-unavailable"},
		{"<iq type='get' id='1' to='bob@example.org'><q xmlns='urn:unknown'/></iq>", "service-unavailable"},
		{"<iq type='get' id='1' to='nobody@example.org'><q xmlns='urn:unknown'/></iq>", "service-unavailable"},
		{"<iq type='get' id='1' to='bob@example.org/none'><q xmlns='urn:unknown'/></iq>", "service-unavailable"},
		{"<message to='nobody@example.org'><body>x</body></message>", "service-unavailable"},
		{"<message to='someone@elsewhere.example'><body>x</body></message>", "remote-server-not-found"},
	} {
		p.send("%s", c.send)
		p.expect("type='error'", c.want)
	}
	p.send("<iq type='result' id='never'/><iq type='error' id='never' to='nobody@example.org'/><message type='error' to='nobody@example.org'/>")
	p.sync() // none of these is answered
	p.send("<message from='bob@example.org' to='bob@example.org'><body>x</body></message>")
	p.expect("invalid-from")
}

// RFC 6120 §8.3 and security: an account that does not exist answers an IQ as one that is offline does.
func TestRFC6120_8_UnknownAndOfflineAlike(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.online("alice", "a")
	for _, to := range []string{"@example.org", "@example.org/x"} {
		var got []string
		for _, name := range []string{"nobody", "bob"} {
			p.send("<iq type='get' id='1' to='%s%s'><query xmlns='jabber:iq:version'/></iq>", name, to)
			got = append(got, strings.ReplaceAll(p.next(), name, "N"))
		}
		if got[0] != got[1] {
			t.Errorf("unknown: %s\noffline: %s", got[0], got[1])
		}
	}
}
