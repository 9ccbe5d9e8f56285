package s2s_test

import (
	"fmt"
	"net"
	"net/netip"
	"testing"

	"writ/server"
	"writ/store/storetest"
	"writ/writtest"
	"writ/xmpp/locate"
	"writ/xmpp/s2s"
)

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
	w.Point("_xmpp-server._tcp."+writtest.Abroad, locate.Service{Host: writtest.Abroad, Port: writtest.FreePort(t), Priority: 1},
		locate.Service{Host: "gone.example", Port: 5269, Priority: 2}, locate.Service{Host: writtest.Abroad, Port: peerPort(a), Priority: 3}, // the wrong server
		locate.Service{Host: writtest.Abroad, Port: peerPort(b), Priority: 4})
	alice, bob := person(t, a, "alice"), person(t, b, "bob")
	say(alice, bob.JID.String(), "there")
	hears(t, bob, alice.JID.String(), "there")
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
