package c2s

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"io"
	"net"
	"testing"
	"time"

	"mellium.im/sasl"
	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	mjid "mellium.im/xmpp/jid"
	mstanza "mellium.im/xmpp/stanza"
)

// An implementation that is not ours signs in by STARTTLS and SCRAM, binds, and exchanges stanzas with us (RFC 6120, RFC 6121).
func TestForeignImplementation(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, mech := range []sasl.Mechanism{sasl.ScramSha1, sasl.ScramSha256, sasl.ScramSha1Plus, sasl.ScramSha256Plus, sasl.Plain} {
		t.Run(mech.Name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			nc, err := net.Dial("tcp", h.listen(StartTLS))
			if err != nil {
				t.Fatal(err)
			}
			me := mjid.MustParse("alice@example.org") // the header's 'from' is bare (RFC 6120 §4.7.1)
			s, err := xmpp.NewSession(ctx, me.Domain(), me, nc, 0, xmpp.NewNegotiator(func(*xmpp.Session, *xmpp.StreamConfig) xmpp.StreamConfig {
				return xmpp.StreamConfig{Features: []xmpp.StreamFeature{
					xmpp.StartTLS(&tls.Config{RootCAs: h.cert, ServerName: "example.org"}),
					xmpp.SASL("", password, mech),
					xmpp.BindResource(),
				}}
			}))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if !s.LocalAddr().Bare().Equal(me) || s.LocalAddr().Resourcepart() == "" {
				t.Errorf("bound %s", s.LocalAddr())
			}
			got := make(chan string, 1)
			go s.Serve(xmpp.HandlerFunc(func(r xmlstream.TokenReadEncoder, start *xml.StartElement) error {
				if start.Name.Local == "message" {
					var m struct {
						mstanza.Message
						Body string `xml:"body"`
					}
					if err := xml.NewTokenDecoder(xmlstream.MultiReader(xmlstream.Token(*start), r)).Decode(&m); err != nil && err != io.EOF {
						return err
					}
					got <- m.From.String() + ": " + m.Body
				}
				return nil
			}))
			if err := s.Send(ctx, mstanza.Presence{}.Wrap(nil)); err != nil {
				t.Fatal(err)
			}
			r, err := s.SendIQ(ctx, mstanza.IQ{Type: mstanza.GetIQ}.Wrap(xmlstream.Wrap(nil, xml.StartElement{Name: xml.Name{Space: "urn:xmpp:ping", Local: "ping"}})))
			if err != nil {
				t.Fatal(err)
			}
			r.Close()
			h.t = t
			b := h.online("bob", "b")
			b.send("<message to='alice@example.org' type='chat'><body>h&amp;i</body></message>")
			select {
			case g := <-got:
				if g != "bob@example.org/b: h&i" {
					t.Errorf("got %q", g)
				}
			case <-ctx.Done():
				t.Fatal("no message came")
			}
		})
	}
}
