package s2s_test

import (
	"net"
	"net/netip"
	"testing"

	"writ/store/storetest"
	"writ/writtest"
	"writ/xmpp/locate"
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

func peerPort(h *writtest.House) uint16 { return h.At.Peers[0].(*net.TCPAddr).AddrPort().Port() }

func pointAt(w *writtest.World, domain string, port uint16) {
	w.Point("_xmpp-server._tcp."+domain, locate.Service{Host: domain, Port: port})
	w.Place(domain, netip.MustParseAddr("127.0.0.1"))
}

func two(t *testing.T, options ...writtest.Option) (a, b *writtest.House) {
	t.Helper()
	w := writtest.NewWorld(t)
	return w.Join(t, storetest.SQLite(t), writtest.Domain, options...), w.Join(t, storetest.SQLite(t), writtest.Abroad, options...)
}

func queued(h *writtest.House) (n int) {
	for _, p := range h.S2S.Peers() {
		n += p.Queued
	}
	return n
}

// uncounted passes over what asks the stranger for an acknowledgement.
func uncounted(t *testing.T, stranger *writtest.Client) *xml.Element {
	t.Helper()
	for {
		if e := next(t, stranger); !e.Is("urn:xmpp:sm:3", "r") {
			return e
		}
	}
}

// sent wants the next stanza to the stranger to have the id.
func sent(t *testing.T, stranger *writtest.Client, id string) {
	t.Helper()
	if e := uncounted(t, stranger); e.Attr("id") != id {
		t.Fatalf("%s was awaited, received: %s", id, e.AppendTo(nil, ""))
	}
}

// arrive is another server that connects and offers its stream for both ways (XEP-0288 §2.1).
func arrive(t *testing.T, w *writtest.World, h *writtest.House, domain string) *writtest.Client {
	t.Helper()
	return arriveAt(t, w, h, domain, writtest.Domain)
}

// arriveAt is arrive for another host of the house.
func arriveAt(t *testing.T, w *writtest.World, h *writtest.House, domain, host string) *writtest.Client {
	t.Helper()
	c := w.Stranger(t, h, domain, nil)
	c.For(host)
	if _, err := c.Secure(); err != nil {
		t.Fatal(err)
	}
	if err := c.Prove(); err != nil {
		t.Fatal(err)
	}
	return c
}

// count has the streams of a stranger counted (XEP-0198 §3), before anything goes out on it. What it acknowledges is the test's.
func count(t *testing.T, stranger *writtest.Client) {
	t.Helper()
	stranger.Write("<enable xmlns='urn:xmpp:sm:3'/>")
	if e := next(t, stranger); !e.Is("urn:xmpp:sm:3", "enabled") {
		t.Fatalf("%s", e.AppendTo(nil, ""))
	}
}
