package s2s

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"writ/xmpp/jid"
)

// sanOf builds the extension with names of any form: kind "dns", "xmpp", "srv", or an address of no use.
func sanOf(t testing.TB, list [][2]string) pkix.Extension {
	t.Helper()
	var b cryptobyte.Builder
	other := func(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, tag cbasn1.Tag, v string) {
		b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oid)
			b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
				b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes([]byte(v)) })
			})
		})
	}
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, n := range list {
			switch n[0] {
			case "dns":
				b.AddASN1(cbasn1.Tag(2).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(n[1])) })
			case "xmpp":
				other(b, oidXMPPAddr, cbasn1.UTF8String, n[1])
			case "srv":
				other(b, oidSRVName, cbasn1.IA5String, n[1])
			case "mail":
				b.AddASN1(cbasn1.Tag(1).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(n[1])) })
			}
		}
	})
	der, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return pkix.Extension{Id: oidSAN, Value: der}
}

func certificate(t testing.TB, subject pkix.Name, list [][2]string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: subject, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	if len(list) > 0 {
		tmpl.ExtraExtensions = []pkix.Extension{sanOf(t, list)}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// RFC 6120 §13.7.1.2, RFC 6125 §6.4.3: which names prove a domain.
func TestRFC6120_13_7_1_2_Names(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		cn     string
		list   [][2]string
		domain string
		want   bool
	}{
		{"DNS-ID", "", [][2]string{{"dns", "example.org"}}, "example.org", true},
		{"case", "", [][2]string{{"dns", "EXAMPLE.org"}}, "example.org", true},
		{"second name", "", [][2]string{{"mail", "a@b"}, {"dns", "a.org"}, {"dns", "example.org"}}, "example.org", true},
		{"wildcard", "", [][2]string{{"dns", "*.example.org"}}, "rooms.example.org", true},
		{"wildcard for the domain itself", "", [][2]string{{"dns", "*.example.org"}}, "example.org", false},
		{"wildcard for two labels", "", [][2]string{{"dns", "*.example.org"}}, "a.b.example.org", false},
		{"wildcard inside a label", "", [][2]string{{"dns", "r*.example.org"}}, "rooms.example.org", false},
		{"wildcard for a top-level domain", "", [][2]string{{"dns", "*.org"}}, "example.org", false},
		{"two wildcards", "", [][2]string{{"dns", "*.*.org"}}, "a.example.org", false},
		{"SRV-ID", "", [][2]string{{"srv", "_xmpp-server.example.org"}}, "example.org", true},
		{"SRV-ID of clients", "", [][2]string{{"srv", "_xmpp-client.example.org"}}, "example.org", false},
		{"SRV-ID with a wildcard", "", [][2]string{{"srv", "_xmpp-server.*.org"}}, "example.org", false},
		{"XmppAddr", "", [][2]string{{"xmpp", "example.org"}}, "example.org", true},
		{"XmppAddr of a person", "", [][2]string{{"xmpp", "x@example.org"}}, "example.org", false},
		{"XmppAddr that is none", "", [][2]string{{"xmpp", "exa mple.org/"}}, "example.org", false},
		{"international DNS-ID", "", [][2]string{{"dns", "xn--bcher-kva.example"}}, "bücher.example", true},
		{"international XmppAddr", "", [][2]string{{"xmpp", "bücher.example"}}, "bücher.example", true},
		{"common name alone", "example.org", nil, "example.org", false},
		{"common name beside another", "example.org", [][2]string{{"dns", "other.org"}}, "example.org", false},
		{"NUL", "", [][2]string{{"xmpp", "example.org\x00.evil.org"}}, "example.org", false},
		{"mail", "", [][2]string{{"mail", "example.org"}}, "example.org", false},
		{"longer", "", [][2]string{{"dns", "example.org.evil.org"}}, "example.org", false},
		{"dot at the end", "", [][2]string{{"dns", "example.org."}}, "example.org", false},
	} {
		ids, err := identitiesOf(certificate(t, pkix.Name{CommonName: c.cn}, c.list))
		if err != nil {
			t.Fatal(c.name, err)
		}
		if got := ids.hold(jid.MustParse(c.domain)); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// FuzzIdentities: any bytes in the place of the names are read without harm, and prove nothing that is not written there.
func FuzzIdentities(f *testing.F) {
	f.Add(sanOf(f, [][2]string{{"dns", "a.example"}, {"xmpp", "b.example"}, {"srv", "_xmpp-server.c.example"}}).Value)
	f.Fuzz(func(t *testing.T, der []byte) {
		ids, err := identitiesOf(&x509.Certificate{Extensions: []pkix.Extension{{Id: oidSAN, Value: der}}})
		if err == nil && ids.hold(jid.MustParse("victim.example")) && len(der) < len("victim.example") {
			t.Fatal("it proves a name that does not fit in it")
		}
	})
}

// XEP-0185: a key is for one stream between two domains; no other split of the same letters gives it.
func TestXEP0185_Key(t *testing.T) {
	t.Parallel()
	s := &Server{secret: []byte("0123456789abcdef0123456789abcdef")}
	a, b, c := jid.MustParse("a.example"), jid.MustParse("b.example"), jid.MustParse("example")
	key := s.key(a, b, "id")
	for _, other := range []string{s.key(b, a, "id"), s.key(a, b, "id2"), s.key(a, c, "id"), s.key(c, b, "id"), s.key(a, b, ""),
		s.key(a, jid.MustParse("b.exampleid"), ""), (&Server{secret: []byte("another")}).key(a, b, "id")} {
		if other == key {
			t.Error("two streams have one key")
		}
	}
	if s.key(a, b, "id") != key || len(key) != 64 {
		t.Error(key)
	}
}

// A domain in a list stands for those below it, and deny wins.
func TestPolicy(t *testing.T) {
	t.Parallel()
	p := newPolicy(Config{Mode: Listed, Allow: []string{"example.org"}, Deny: []string{"bad.example.org"}, Services: []string{"push.example"}})
	for d, want := range map[string]reach{"example.org": all, "rooms.example.org": all, "xexample.org": nothing, "org": nothing, "bad.example.org": nothing, "x.bad.example.org": nothing,
		"push.example": answers, "x.push.example": nothing} {
		if got := p.of(jid.MustParse("x@" + d)); got != want {
			t.Errorf("%s: %d", d, got)
		}
	}
}
