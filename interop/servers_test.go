package interop

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"writ/chat/e2ee"
	"writ/server"
	"writ/store/storetest"
	"writ/writtest"
	"writ/xmpp/locate"
	"writ/xmpp/xml"
)

// await gives the next element that fits; others are passed over.
func await(t *testing.T, c *writtest.Client, what string, fits func(*xml.Element) bool) *xml.Element {
	t.Helper()
	var came []string
	for {
		e, err := c.Next()
		if err != nil {
			t.Fatalf("%s waits for %s: %v; the last that came:\n%s", c.JID, what, err, strings.Join(came[max(0, len(came)-8):], "\n"))
		}
		tells(c, e)
		if fits(e) {
			return e
		}
		came = append(came, string(e.AppendTo(nil, "")))
	}
}

// others starts houses, and servers that others wrote; they find each other by one DNS.
func others(t *testing.T) (houses []*writtest.House, others []*foreign) {
	t.Helper()
	w := writtest.NewWorld(t)
	resolver := w.Serve(t)
	others = []*foreign{prosody(t, w, resolver), ejabberd(t, w, resolver)}
	real := func(o *server.Options) { o.Resolver, o.Config.S2S.Resolver = nil, []string{resolver} }
	houses = []*writtest.House{
		w.Join(t, storetest.SQLite(t), "writ.example", real),
		w.Join(t, storetest.SQLite(t), "dial.example", real, func(o *server.Options) {
			o.Config.S2S.Dialback = true
			o.Config.TLS.Certificate, o.Config.TLS.Key = writtest.NewWorld(t).Certify(t, "dial.example", nil) // of an authority that nobody knows
		}),
		w.Join(t, storetest.SQLite(t), "sealed.example", real, func(o *server.Options) { o.Config.E2EE.Mode = e2ee.Require }),
	}
	w.Place("localhost", netip.MustParseAddr("127.0.0.1"))
	for _, h := range houses { // ejabberd asks the machine, not the DNS, for the address of a target
		for _, d := range h.Router.Hosts() {
			w.Point("_xmpp-server._tcp."+d.ASCII(), locate.Service{Host: "localhost", Port: h.At.Peers[0].(*net.TCPAddr).AddrPort().Port(), Weight: 1})
		}
	}
	for _, f := range others {
		f.signUp(t, "juliet")
	}
	return houses, others
}

// resident signs a person in to a house.
func resident(t *testing.T, h *writtest.House, name string) *writtest.Client {
	t.Helper()
	h.Account(t, name)
	c := h.Dial(t, writtest.DirectTLS)
	must(t, c.Login(name, "w"))
	c.Write("<iq xmlns='jabber:client' type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq><presence xmlns='jabber:client'/>")
	return c
}

// Debian's prosody and ejabberd, and Writ, one with a certificate that all trust and one that only the DNS vouches for: every pair exchanges
// messages, requests, errors, subscriptions and presence. With a house that requires encryption they share rooms of both, devices, pictures, archives
// and calls; at last they are gone.
func TestOtherServers(t *testing.T) {
	t.Parallel()
	houses, others := others(t)
	for _, h := range houses[:2] {
		c := resident(t, h, "romeo")
		for _, f := range others {
			part(t, h.Domain.String()+" and "+f.domain, func(t *testing.T) { converse(t, c, f.person) })
		}
	}
	sealed := houses[2]
	for _, f := range others {
		name, _, _ := strings.Cut(f.domain, ".")
		us := resident(t, sealed, "romeo-"+name)
		part(t, "contacts/"+name, func(t *testing.T) { contacts(t, us, f.person) })
		part(t, "our rooms/"+name, func(t *testing.T) { ourRooms(t, us, f.person, "rooms."+sealed.Domain.String(), name) })
		part(t, "their rooms/"+name, func(t *testing.T) { theirRooms(t, us, f.person, f.rooms, f.past) })
		part(t, "gone/"+name, func(t *testing.T) { gone(t, us, f, "rooms."+sealed.Domain.String()) })
	}
}

// part runs a part of the test, and shows how long it took.
func part(t *testing.T, name string, f func(*testing.T)) {
	t.Helper()
	began := time.Now()
	if !t.Run(name, f) {
		t.FailNow() // the clients are in no state that the next part knows
	}
	t.Logf("%s: %s", name, time.Since(began).Round(time.Millisecond))
}

// converse has two people talk, ask each other's server, and become contacts.
func converse(t *testing.T, us, them *writtest.Client) {
	t.Helper()
	id := us.JID.Domainpart()
	say := func(from, to *writtest.Client, text string) {
		t.Helper()
		from.Write("<message xmlns='jabber:client' type='chat' to='" + to.JID.String() + "' id='" + text + "'><body>" + text + "</body></message>")
		e := await(t, to, text, func(e *xml.Element) bool { return e.Child(xml.Client, "body").Text() == text })
		if e.Attr("from") != from.JID.String() {
			t.Fatalf("%s is from %s", text, e.Attr("from"))
		}
	}
	say(us, them, "out-"+id)
	say(them, us, "back-"+id)
	for _, c := range []struct{ from, to *writtest.Client }{{us, them}, {them, us}} {
		server := c.to.JID.Domainpart()
		c.from.Write("<iq xmlns='jabber:client' type='get' id='ping-" + server + "' to='" + server + "'><ping xmlns='urn:xmpp:ping'/></iq>" +
			"<iq xmlns='jabber:client' type='get' id='info-" + server + "' to='" + server + "'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>" +
			"<iq xmlns='jabber:client' type='get' id='none-" + server + "' to='" + server + "'><query xmlns='urn:example:none'/></iq>" +
			"<iq xmlns='jabber:client' type='get' id='nobody-" + server + "' to='nobody@" + server + "/x'><ping xmlns='urn:xmpp:ping'/></iq>")
		want := map[string]string{"ping-" + server: "result", "info-" + server: "result", "none-" + server: "error", "nobody-" + server: "error"}
		for len(want) > 0 {
			e := await(t, c.from, "an answer of "+server, func(e *xml.Element) bool { return want[e.Attr("id")] != "" })
			if e.Attr("type") != want[e.Attr("id")] {
				t.Fatalf("%s", e.AppendTo(nil, ""))
			}
			delete(want, e.Attr("id"))
		}
	}
	befriend(t, us, them)
}

// befriend has both see each other's presence, and then no more.
func befriend(t *testing.T, us, them *writtest.Client) {
	t.Helper()
	bare := func(c *writtest.Client) string { return c.JID.Bare().String() }
	presence := func(from, typ string) func(*xml.Element) bool {
		return func(e *xml.Element) bool {
			return e.Is(xml.Client, "presence") && e.Attr("type") == typ && strings.HasPrefix(e.Attr("from"), from)
		}
	}
	us.Write("<presence xmlns='jabber:client' type='subscribe' to='" + bare(them) + "'/>")
	await(t, them, "a request", presence(bare(us), "subscribe"))
	them.Write("<presence xmlns='jabber:client' type='subscribed' to='" + bare(us) + "'/><presence xmlns='jabber:client' type='subscribe' to='" + bare(us) + "'/>")
	await(t, us, "their presence", presence(them.JID.String(), ""))
	us.Write("<presence xmlns='jabber:client' type='subscribed' to='" + bare(them) + "'/>")
	await(t, them, "our presence", presence(us.JID.String(), ""))
	us.Write("<presence xmlns='jabber:client'><show>dnd</show></presence>")
	await(t, them, "our new presence", func(e *xml.Element) bool {
		return presence(us.JID.String(), "")(e) && e.Child(xml.Client, "show").Text() == "dnd"
	})
	them.Write("<presence xmlns='jabber:client' type='unsubscribed' to='" + bare(us) + "'/>")
	await(t, us, "the end of their presence", presence(bare(them), "unsubscribed"))
}
