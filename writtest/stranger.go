package writtest

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"testing"

	"writ/xmpp/xml"
)

// stranger is a server of which a test is the inside: it says what the test writes.
type stranger struct {
	domain, host string // host: of the house; empty: its domain
	certificates []tls.Certificate
}

func (s *stranger) header(to string) string {
	to = cmp.Or(s.host, to)
	b := []byte("<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' xmlns:stream='" + xml.Stream + "' version='1.0'")
	b = xml.AppendAttr(b, "to", to)
	b = xml.AppendAttr(b, "from", s.domain)
	return string(append(b, '>'))
}

// Stranger connects to the port for other servers, as a server of that domain with a certificate of this world's authority. Change may change the
// certificate; nil leaves it right. Nothing is sent yet: Secure, Prove and Write are the test's.
func (w *World) Stranger(t testing.TB, h *House, domain string, change func(*x509.Certificate)) *Client {
	t.Helper()
	cert, key := w.Certify(t, domain, change)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	c := &Client{house: h, as: &stranger{domain: domain, certificates: []tls.Certificate{pair}}}
	if c.conn, err = net.DialTimeout("tcp", h.At.Peers[0].String(), Patience); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Drop)
	c.Restart()
	return c
}

// For makes the stranger's streams be for another host of the house.
func (c *Client) For(host string) { c.as.host = host }

// Prove proves the stranger's name by EXTERNAL (XEP-0178 §3), asking for both ways on the stream (XEP-0288 §2.1), and opens the stream again.
func (c *Client) Prove() error {
	c.Write("<bidi xmlns='urn:xmpp:bidi'/><auth xmlns='" + nsSASL + "' mechanism='EXTERNAL'>" + base64.StdEncoding.EncodeToString([]byte(c.as.domain)) + "</auth>")
	e, err := c.Next()
	if err != nil {
		return err
	}
	if !e.Is(nsSASL, "success") {
		return fmt.Errorf("%s instead of success", e.AppendTo(nil, ""))
	}
	c.Restart()
	f, err := c.Open()
	if err == nil && f.Child(nsSM, "sm") == nil {
		err = errors.New("the stream that is up has no stream management")
	}
	return err
}
