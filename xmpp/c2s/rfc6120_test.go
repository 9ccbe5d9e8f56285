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
