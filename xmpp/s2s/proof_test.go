package s2s_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"testing"

	"writ/server"
	"writ/store/storetest"
	"writ/writtest"
	"writ/xmpp/locate"
)

// A server whose certificate does not prove its name is not talked to: the message waits, the request is refused for good.
func TestServerWithAWrongCertificate(t *testing.T) {
	t.Parallel()
	w := writtest.NewWorld(t)
	a := w.Join(t, storetest.SQLite(t), writtest.Domain)
	w.Join(t, storetest.SQLite(t), writtest.Abroad, func(o *server.Options) {
		o.Config.TLS.Certificate, o.Config.TLS.Key = w.Certify(t, "other.example", nil)
	})
	alice := person(t, a, "alice")
	ping(alice, writtest.Abroad, "p")
	refused(t, alice, "p", "cancel", "remote-server-timeout")
}

// XEP-0220 §2: two servers that no authority knows believe each other by asking back, where both operators allow it.
func TestXEP0220_2_Dialback(t *testing.T) {
	t.Parallel()
	w := writtest.NewWorld(t)
	unknown := func(domain string) writtest.Option {
		return func(o *server.Options) {
			o.Config.S2S.Dialback = true
			o.Config.TLS.Certificate, o.Config.TLS.Key = writtest.NewWorld(t).Certify(t, domain, nil)
		}
	}
	a := w.Join(t, storetest.SQLite(t), writtest.Domain, unknown(writtest.Domain))
	b := w.Join(t, storetest.SQLite(t), writtest.Abroad, unknown(writtest.Abroad))
	alice, bob := person(t, a, "alice"), person(t, b, "bob")
	say(alice, bob.JID.String(), "there")
	hears(t, bob, alice.JID.String(), "there")
	say(bob, alice.JID.String(), "back")
	hears(t, alice, bob.JID.String(), "back")
	for _, h := range []*writtest.House{a, b} { // a server that is not proved may not speak on our stream
		if l := h.S2S.Peers(); len(l) != 1 || !l[0].Out || l[0].In != 1 {
			t.Errorf("%+v", l)
		}
	}
}

// XEP-0220 §2.2.2 and row 88: a key that the domain's server does not know proves nothing, and ends the stream; nor does one that it made for another
// pair of domains.
func TestXEP0220_2_2_2_WrongKey(t *testing.T) {
	t.Parallel()
	w := writtest.NewWorld(t)
	a := w.Join(t, storetest.SQLite(t), writtest.Domain, func(o *server.Options) { o.Config.S2S.Dialback = true })
	w.Join(t, storetest.SQLite(t), writtest.Abroad)
	for _, key := range []string{"0123", "", "valid"} {
		c := writtest.NewWorld(t).Stranger(t, a, writtest.Abroad, nil) // a certificate of nobody
		f, err := c.Secure()
		if err != nil {
			t.Fatal(err)
		}
		if f.Child("urn:xmpp:features:dialback", "dialback") == nil || f.Child("urn:ietf:params:xml:ns:xmpp-sasl", "mechanisms") != nil {
			t.Fatalf("%s", f.AppendTo(nil, ""))
		}
		c.Write("<db:result from='" + writtest.Abroad + "' to='" + writtest.Domain + "'>" + key + "</db:result>")
		if e := next(t, c); !e.Is("jabber:server:dialback", "result") || e.Attr("type") != "invalid" || e.Attr("from") != writtest.Domain {
			t.Errorf("%s", e.AppendTo(nil, ""))
		}
		if e, err := c.Next(); err == nil {
			t.Errorf("the stream goes on with %s", e.AppendTo(nil, ""))
		}
	}
}

// XEP-0220 §2.4.2: what cannot be asked is answered with an error, and the stream stays.
func TestXEP0220_2_4_2_Errors(t *testing.T) {
	t.Parallel()
	w := writtest.NewWorld(t)
	a := w.Join(t, storetest.SQLite(t), writtest.Domain, func(o *server.Options) {
		o.Config.S2S.Dialback, o.Config.S2S.Deny = true, []string{"denied.example"}
	})
	c := w.Stranger(t, a, "stranger.example", nil)
	if _, err := c.Secure(); err != nil {
		t.Fatal(err)
	}
	for from, condition := range map[string]string{"nowhere.example": "remote-server-not-found", "denied.example": "policy-violation"} {
		c.Write("<db:result from='" + from + "' to='" + writtest.Domain + "'>x</db:result>")
		if e := next(t, c); e.Attr("type") != "error" || e.First().Child(stanzaErrors, condition) == nil {
			t.Errorf("%s: %s", from, e.AppendTo(nil, ""))
		}
	}
	c.Write("<db:result from='stranger.example' to='other.example'>x</db:result><db:verify from='stranger.example' to='" + writtest.Domain + "' id='1'>x</db:verify>")
	if e := next(t, c); e.Attr("type") != "error" || e.First().Child(stanzaErrors, "item-not-found") == nil {
		t.Errorf("%s", e.AppendTo(nil, ""))
	}
	if e := next(t, c); e.Name.Local != "verify" || e.Attr("type") != "invalid" || e.Attr("id") != "1" {
		t.Errorf("%s", e.AppendTo(nil, ""))
	}
}

// DANE (RFC 7671, RFC 7673): TLSA records that DNSSEC proves decide alone: they make a certificate of nobody right, and a certificate of the
// authority wrong.
func TestDANE(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		usage, selector uint8
		right           bool // the record names the certificate that is presented
		works           bool
	}{
		"the key":                  {3, 1, true, true},
		"the certificate":          {3, 0, true, true},
		"another key":              {3, 1, false, false},
		"the authority":            {2, 0, true, true},
		"another authority":        {2, 1, false, false},
		"a usage that is not read": {1, 1, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, unknown := writtest.NewWorld(t), writtest.NewWorld(t)
			a := w.Join(t, storetest.SQLite(t), writtest.Domain)
			cert, key := unknown.Certify(t, writtest.Abroad, nil)
			b := w.Join(t, storetest.SQLite(t), writtest.Abroad, func(o *server.Options) { o.Config.TLS.Certificate, o.Config.TLS.Key = cert, key })
			chain := parse(t, cert)
			named := chain[0]
			if c.usage == 2 {
				named = chain[1]
			}
			data := named.Raw
			if c.selector == 1 {
				data = named.RawSubjectPublicKeyInfo
			}
			sum := sha256.Sum256(data)
			if !c.right {
				sum[0]++
			}
			w.Bind(fmt.Sprintf("_%d._tcp.%s", peerPort(b), writtest.Abroad), locate.Key{Usage: c.usage, Selector: c.selector, Matching: 1, Data: sum[:]})
			alice := person(t, a, "alice")
			ping(alice, writtest.Abroad, "p")
			if c.works {
				answered(t, alice, "p")
			} else {
				refused(t, alice, "p", "cancel", "remote-server-timeout")
			}
		})
	}
}

func parse(t *testing.T, file string) (out []*x509.Certificate) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for len(b) > 0 {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			break
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	return out
}

// A server that connects with a certificate of nobody is believed if DNSSEC proves a TLSA record with its key at the place where its domain is
// (RFC 7673), and by who is told to obey such records alone.
func TestDANEInbound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ obeys, right bool }{
		"the key": {true, true}, "another key": {true, false}, "not obeyed": {false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := writtest.NewWorld(t)
			a := w.Join(t, storetest.SQLite(t), writtest.Domain, func(o *server.Options) { o.Config.S2S.DNSSEC = c.obeys })
			cert, key := writtest.NewWorld(t).Certify(t, writtest.Abroad, nil)
			b := w.Join(t, storetest.SQLite(t), writtest.Abroad, func(o *server.Options) { o.Config.TLS.Certificate, o.Config.TLS.Key = cert, key })
			sum := sha256.Sum256(parse(t, cert)[0].RawSubjectPublicKeyInfo)
			if !c.right {
				sum[0]++
			}
			w.Bind(fmt.Sprintf("_%d._tcp.%s", peerPort(b), writtest.Abroad), locate.Key{Usage: 3, Selector: 1, Matching: 1, Data: sum[:]})
			alice, bob := person(t, a, "alice"), person(t, b, "bob")
			if c.obeys && c.right {
				say(bob, alice.JID.String(), "there")
				hears(t, alice, bob.JID.String(), "there")
				return
			}
			ping(bob, writtest.Domain, "p")
			refused(t, bob, "p", "wait", "remote-server-timeout")
		})
	}
}
