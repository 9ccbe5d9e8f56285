package s2s_test

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"writ/clock"
	"writ/config"
	"writ/server"
	"writ/store"
	"writ/store/storetest"
	"writ/writtest"
	"writ/xmpp/locate"
	"writ/xmpp/s2s"
	"writ/xmpp/xml"
)

const stanzaErrors = "urn:ietf:params:xml:ns:xmpp-stanzas"

// person is an account with a client.
func person(t *testing.T, h *writtest.House, name string) *writtest.Client {
	t.Helper()
	h.Account(t, name)
	return login(t, h, name)
}

func login(t *testing.T, h *writtest.House, name string) *writtest.Client {
	t.Helper()
	c := h.Dial(t, writtest.DirectTLS)
	if err := c.Login(name, "r"); err != nil {
		t.Fatal(err)
	}
	c.Write("<presence xmlns='jabber:client'/>")
	if e := next(t, c); e.Name.Local != "presence" {
		t.Fatal(string(e.AppendTo(nil, "")))
	}
	return c
}

func next(t *testing.T, c *writtest.Client) *xml.Element {
	t.Helper()
	e, err := c.Next()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func say(c *writtest.Client, to, id string) {
	c.Write("<message xmlns='jabber:client' type='chat' to='" + to + "' id='" + id + "'><body>" + id + "</body></message>")
}

func ping(c *writtest.Client, to, id string) {
	c.Write("<iq xmlns='jabber:client' type='get' to='" + to + "' id='" + id + "'><ping xmlns='urn:xmpp:ping'/></iq>")
}

// hears wants the next thing to be the message.
func hears(t *testing.T, c *writtest.Client, from, id string) {
	t.Helper()
	if e := next(t, c); e.Attr("id") != id || e.Attr("from") != from || e.Attr("type") == "error" {
		t.Fatalf("%s of %s was awaited, received: %s", id, from, e.AppendTo(nil, ""))
	}
}

// refused wants the next thing to be the error.
func refused(t *testing.T, c *writtest.Client, id, typ, condition string) {
	t.Helper()
	e := next(t, c)
	if x := e.Child(xml.Client, "error"); e.Attr("id") != id || x.Attr("type") != typ || x.Child(stanzaErrors, condition) == nil {
		t.Fatalf("%s for %s was awaited, received: %s", condition, id, e.AppendTo(nil, ""))
	}
}

func answered(t *testing.T, c *writtest.Client, id string) {
	t.Helper()
	if e := next(t, c); e.Attr("id") != id || e.Attr("type") != "result" {
		t.Fatalf("an answer to %s was awaited, received: %s", id, e.AppendTo(nil, ""))
	}
}

// port is a port at which nothing listens.
func closedPort(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort().Port()
}

func peerPort(h *writtest.House) uint16 { return h.At.Peers[0].(*net.TCPAddr).AddrPort().Port() }

func pointAt(w *writtest.World, domain string, port uint16) {
	w.Point("_xmpp-server._tcp."+domain, locate.Service{Host: domain, Port: port})
	w.Place(domain, netip.MustParseAddr("127.0.0.1"))
}

// A message to a server that is down is on disk before it is acknowledged, survives a restart, and arrives when the server is back; a request is
// answered at once. On both databases.
func TestWhatWaitsSurvivesARestart(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := writtest.NewWorld(t)
		data := t.TempDir()
		here := func(o *server.Options) { o.Config.Data = data }
		a := w.Join(t, db, writtest.Domain, here)
		b := w.Join(t, storetest.SQLite(t), writtest.Abroad)
		bob := person(t, b, "bob")
		pointAt(w, writtest.Abroad, closedPort(t))
		alice := person(t, a, "alice")
		for i := range 3 {
			say(alice, bob.JID.String(), "m"+strconv.Itoa(i))
		}
		ping(alice, writtest.Abroad, "p")
		refused(t, alice, "p", "wait", "remote-server-timeout")
		if err := alice.End(); err != nil {
			t.Fatal(err)
		}
		a.Stop()
		w.Enter(b)
		a = w.Join(t, db, writtest.Domain, here)
		for i := range 3 {
			hears(t, bob, "alice@writ.example/r", "m"+strconv.Itoa(i))
		}
		ping(bob, writtest.Domain, "after")
		answered(t, bob, "after")
		waitEmpty(t, db)
		a.Stop()
	})
}

// waitEmpty waits until the queue on disk is empty.
func waitEmpty(t *testing.T, db *store.DB) {
	t.Helper()
	for end := time.Now().Add(writtest.Patience); ; {
		n := 1
		if err := db.QueryRow(t.Context(), `SELECT count(*) FROM s2s_message`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d rows are left", n)
		}
		if err := db.Write(t.Context(), func(*store.Tx) error { return nil }); err != nil { // behind the deletions in the queue
			t.Fatal(err)
		}
	}
}

// RFC 6120 §8.3.3.16: a message that waited too long comes back, to the session that sent it or, when nobody is there, at the next sign-in.
func TestRFC6120_8_3_3_16_Returned(t *testing.T) {
	t.Parallel()
	w := writtest.NewWorld(t)
	fake := clock.NewFake(time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC))
	db := storetest.SQLite(t)
	a := w.Join(t, db, writtest.Domain, writtest.Fake(fake))
	pointAt(w, writtest.Abroad, closedPort(t))
	alice := person(t, a, "alice")
	say(alice, "bob@"+writtest.Abroad, "first")
	ping(alice, writtest.Abroad, "p")
	refused(t, alice, "p", "wait", "remote-server-timeout") // so the first attempt is over
	advance(t, a, fake, time.Hour)
	refused(t, alice, "first", "wait", "remote-server-timeout")
	waitEmpty(t, db)

	say(alice, "bob@"+writtest.Abroad, "second")
	if err := alice.End(); err != nil {
		t.Fatal(err)
	}
	advance(t, a, fake, time.Hour)
	for end := time.Now().Add(writtest.Patience); ; time.Sleep(5 * time.Millisecond) {
		n := 0
		if err := db.QueryRow(t.Context(), `SELECT count(*) FROM s2s_message WHERE fault <> ''`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("it was not returned")
		}
	}
	alice = login(t, a, "alice")
	refused(t, alice, "second", "wait", "remote-server-timeout")
	waitEmpty(t, db)
}

// advance moves the clock in steps, so that attempts that begin in between are seen through.
func advance(t *testing.T, h *writtest.House, fake *clock.Fake, by time.Duration) {
	t.Helper()
	for range 40 {
		fake.Advance(by / 20)
		if n := queued(h); n == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func queued(h *writtest.House) (n int) {
	for _, p := range h.S2S.Peers() {
		n += p.Queued
	}
	return n
}

// Rows 90 of the hostile corpus: there is no such server, or none that may be connected to. Everything is returned at once, and nothing is dialled.
func TestNoSuchServer(t *testing.T) {
	t.Parallel()
	w := writtest.NewWorld(t)
	a := w.Join(t, storetest.SQLite(t), writtest.Domain, func(o *server.Options) { o.Config.S2S.Networks = nil })
	alice := person(t, a, "alice")
	many := make([]locate.Service, 1000)
	for i := range many {
		many[i] = locate.Service{Host: "many.example", Port: 5269}
	}
	w.Place("many.example", netip.MustParseAddr("192.0.2.1"))
	for i, at := range []string{"127.0.0.1", "169.254.169.254", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255",
		"::1", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1", "::", "192.0.2.1", "2001:db8::1"} {
		name := fmt.Sprintf("private%d.example", i)
		w.Point("_xmpp-server._tcp."+name, locate.Service{Host: name, Port: peerPort(a)})
		w.Place(name, netip.MustParseAddr(at))
	}
	w.Point("_xmpp-server._tcp.none.example", locate.Service{Host: ""})
	w.Point("_xmpp-server._tcp.many.example", many...)
	w.Point("_xmpp-server._tcp.smtp.example", locate.Service{Host: "many.example", Port: 25})
	domains := []string{"nothing.example", "none.example", "many.example", "smtp.example", "192.0.2.7"}
	for i := range 20 {
		domains = append(domains, fmt.Sprintf("private%d.example", i))
	}
	for _, d := range domains {
		ping(alice, d, "p-"+d)
		refused(t, alice, "p-"+d, "cancel", "remote-server-not-found")
		say(alice, "x@"+d, "m-"+d)
		refused(t, alice, "m-"+d, "cancel", "remote-server-not-found")
	}
}

// Row 91: a server that accepts and never says anything.
func TestServerThatSaysNothing(t *testing.T) {
	t.Parallel()
	w := writtest.NewWorld(t)
	a := w.Join(t, storetest.SQLite(t), writtest.Domain, func(o *server.Options) { o.Config.S2S.AuthTimeout = config.Duration(time.Second) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	pointAt(w, "mute.example", l.Addr().(*net.TCPAddr).AddrPort().Port())
	alice := person(t, a, "alice")
	ping(alice, "mute.example", "p")
	refused(t, alice, "p", "wait", "remote-server-timeout")
	ping(alice, "mute.example", "q") // at once: it is known to fail
	refused(t, alice, "q", "wait", "remote-server-timeout")
}

// The queue for one server is bounded; who is over it is told before anything is written down.
func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	w := writtest.NewWorld(t)
	a := w.Join(t, storetest.SQLite(t), writtest.Domain, func(o *server.Options) { o.Config.S2S.MaxQueue = 10 })
	pointAt(w, writtest.Abroad, closedPort(t))
	alice := person(t, a, "alice")
	for i := range 10 {
		say(alice, "bob@"+writtest.Abroad, "m"+strconv.Itoa(i))
		ping(alice, writtest.Domain, "p"+strconv.Itoa(i)) // behind the message, which is in the queue then
		answered(t, alice, "p"+strconv.Itoa(i))
	}
	for end := time.Now().Add(writtest.Patience); queued(a) < 10 && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	say(alice, "bob@"+writtest.Abroad, "over")
	refused(t, alice, "over", "wait", "resource-constraint")
}

// XEP-0288 §2.1: both ways go over the one stream that was opened first.
func TestXEP0288_2_1_OneStream(t *testing.T) {
	t.Parallel()
	a, b := two(t)
	alice, bob := person(t, a, "alice"), person(t, b, "bob")
	say(alice, bob.JID.String(), "there")
	hears(t, bob, alice.JID.String(), "there")
	say(bob, alice.JID.String(), "back")
	hears(t, alice, bob.JID.String(), "back")
	state := func(h *writtest.House) s2s.State {
		l := h.S2S.Peers()
		if len(l) != 1 {
			t.Fatalf("%v", l)
		}
		return l[0]
	}
	if x := state(a); !x.Out || x.In != 0 {
		t.Errorf("here: %+v", x)
	}
	if x := state(b); x.Out || x.In != 1 {
		t.Errorf("there: %+v", x)
	}
}

func two(t *testing.T, options ...writtest.Option) (a, b *writtest.House) {
	t.Helper()
	w := writtest.NewWorld(t)
	return w.Join(t, storetest.SQLite(t), writtest.Domain, options...), w.Join(t, storetest.SQLite(t), writtest.Abroad, options...)
}

// XEP-0368 §3: TLS from the first byte, when that is what the DNS offers.
func TestXEP0368_3_DirectTLS(t *testing.T) {
	t.Parallel()
	w := writtest.NewWorld(t)
	a := w.Join(t, storetest.SQLite(t), writtest.Domain)
	b := w.Join(t, storetest.SQLite(t), writtest.Abroad)
	for _, h := range []*writtest.House{a, b} {
		d := h.Domain.ASCII()
		w.Point("_xmpp-server._tcp."+d, locate.Service{Host: ""})
		w.Point("_xmpps-server._tcp."+d, locate.Service{Host: d, Port: h.At.PeersTLS[0].(*net.TCPAddr).AddrPort().Port()})
	}
	alice, bob := person(t, a, "alice"), person(t, b, "bob")
	say(alice, bob.JID.String(), "there")
	hears(t, bob, alice.JID.String(), "there")
}

// A place that does not work is passed over for the next (RFC 6120 §3.2.1).
func TestRFC6120_3_2_1_NextPlace(t *testing.T) {
	t.Parallel()
	w := writtest.NewWorld(t)
	a := w.Join(t, storetest.SQLite(t), writtest.Domain)
	b := w.Join(t, storetest.SQLite(t), writtest.Abroad)
	w.Point("_xmpp-server._tcp."+writtest.Abroad, locate.Service{Host: writtest.Abroad, Port: closedPort(t), Priority: 1},
		locate.Service{Host: "gone.example", Port: 5269, Priority: 2}, locate.Service{Host: writtest.Abroad, Port: peerPort(a), Priority: 3}, // the wrong server
		locate.Service{Host: writtest.Abroad, Port: peerPort(b), Priority: 4})
	alice, bob := person(t, a, "alice"), person(t, b, "bob")
	say(alice, bob.JID.String(), "there")
	hears(t, bob, alice.JID.String(), "there")
}

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

// A server is as open as its operator says.
func TestModes(t *testing.T) {
	t.Parallel()
	w := writtest.NewWorld(t)
	b := w.Join(t, storetest.SQLite(t), writtest.Abroad)
	bob := person(t, b, "bob")
	for name, c := range map[string]struct {
		change                     func(*s2s.Config)
		asks, shows, hears, enters bool // requests go out; presence goes out; messages come in; requests come in
	}{
		"on":       {func(c *s2s.Config) {}, true, true, true, true},
		"denied":   {func(c *s2s.Config) { c.Deny = []string{"example"} }, false, false, false, false},
		"listed":   {func(c *s2s.Config) { c.Mode, c.Allow = s2s.Listed, []string{writtest.Abroad} }, true, true, true, true},
		"unlisted": {func(c *s2s.Config) { c.Mode, c.Allow = s2s.Listed, []string{"other.example"} }, false, false, false, false},
		"off":      {func(c *s2s.Config) { c.Mode = s2s.Off }, false, false, false, false},
		"service":  {func(c *s2s.Config) { c.Mode, c.Services = s2s.Off, []string{writtest.Abroad} }, true, false, false, false},
	} {
		domain := name + ".house"
		a := w.Join(t, storetest.SQLite(t), domain, func(o *server.Options) { c.change(&o.Config.S2S) })
		alice := person(t, a, "alice")
		ping(alice, writtest.Abroad, "p")
		if c.asks {
			answered(t, alice, "p")
		} else {
			refused(t, alice, "p", "cancel", "remote-server-not-found")
		}
		alice.Write("<presence xmlns='jabber:client' to='" + bob.JID.String() + "'/>")
		if c.shows {
			if e := next(t, bob); e.Name.Local != "presence" || e.Attr("from") != alice.JID.String() {
				t.Errorf("%s: %s", name, e.AppendTo(nil, ""))
			}
		} else {
			refused(t, alice, "", "cancel", "remote-server-not-found")
		}
		say(bob, alice.JID.String(), "m-"+name)
		ping(bob, domain, "q-"+name)
		switch {
		case c.hears:
			hears(t, alice, bob.JID.String(), "m-"+name)
			answered(t, bob, "q-"+name)
		case name == "service":
			refused(t, bob, "m-"+name, "cancel", "service-unavailable")
			refused(t, bob, "q-"+name, "cancel", "service-unavailable")
		default:
			refused(t, bob, "q-"+name, "wait", "remote-server-timeout")
		}
		a.Stop()
		if c.shows { // RFC 6121 §4.6.3: whoever was told that she is there is told that she is not
			if e := next(t, bob); e.Attr("type") != "unavailable" || e.Attr("from") != alice.JID.String() {
				t.Errorf("%s: %s", name, e.AppendTo(nil, ""))
			}
		}
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

// wire is the network between two houses, which can be cut.
type wire struct {
	l  net.Listener
	to string

	mu    sync.Mutex
	conns []net.Conn
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{l: l, to: to}
	t.Cleanup(func() { l.Close(); w.cut() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			w.mu.Lock()
			w.conns = append(w.conns, in, out)
			w.mu.Unlock()
			go func() { io.Copy(in, out); in.Close() }()
			go func() { io.Copy(out, in); out.Close() }()
		}
	}()
	return w
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
}

// XEP-0198 §4 between servers: streams are cut again and again while messages are on the way. Each arrives, in order of its first arrival.
func TestXEP0198_4_CutStreams(t *testing.T) {
	t.Parallel()
	w := writtest.NewWorld(t)
	a := w.Join(t, storetest.SQLite(t), writtest.Domain)
	b := w.Join(t, storetest.SQLite(t), writtest.Abroad)
	between := newWire(t, b.At.Peers[0].String())
	pointAt(w, writtest.Abroad, between.l.Addr().(*net.TCPAddr).AddrPort().Port())
	alice, bob := person(t, a, "alice"), person(t, b, "bob")
	const n = 300
	go func() {
		for i := range n {
			say(alice, bob.JID.String(), "m"+strconv.Itoa(i))
			if i%60 == 59 {
				between.cut()
			}
		}
	}()
	for want := 0; want < n; {
		e := next(t, bob)
		got, err := strconv.Atoi(e.Attr("id")[1:])
		switch {
		case err != nil || got > want:
			t.Fatalf("m%d was awaited, received: %s", want, e.AppendTo(nil, ""))
		case got == want:
			want++
		} // else it comes a second time
	}
}
