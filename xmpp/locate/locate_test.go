package locate_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"writ/writtest"
	"writ/xmpp/locate"
)

// world is a DNS behind a real resolver: what is asked goes over UDP, and over TCP where it must.
func world(t *testing.T, trusted bool) (*writtest.World, *locate.Locator) {
	t.Helper()
	w := writtest.NewWorld(t)
	d, err := locate.NewDNS([]string{w.Serve(t)}, trusted)
	if err != nil {
		t.Fatal(err)
	}
	n, err := locate.ParseNetworks([]string{"192.0.2.0/24", "2001:db8::1"})
	if err != nil {
		t.Fatal(err)
	}
	return w, &locate.Locator{Resolver: d, Networks: n}
}

func ports(list []locate.Target) (out []uint16) {
	for _, t := range list {
		out = append(out, t.Port)
	}
	return out
}

// RFC 6120 §3.2.1, XEP-0368 §3: records of both kinds are one list, by priority, and by chance in proportion to the weight.
func TestRFC6120_3_2_1_Order(t *testing.T) {
	t.Parallel()
	w, l := world(t, false)
	w.Point("_xmpp-server._tcp.x.example", locate.Service{Host: "a.example", Port: 5001, Priority: 10}, locate.Service{Host: "b.example", Port: 5002, Priority: 30})
	w.Point("_xmpps-server._tcp.x.example", locate.Service{Host: "c.example", Port: 443, Priority: 20})
	got, err := l.Find(t.Context(), "x.example")
	if err != nil || fmt.Sprint(ports(got)) != "[5001 443 5002]" || got[0].Direct || !got[1].Direct {
		t.Fatal(got, err)
	}
	w.Point("_xmpp-server._tcp.y.example", locate.Service{Host: "a.example", Port: 5001, Weight: 90}, locate.Service{Host: "b.example", Port: 5002, Weight: 10})
	first := 0
	for range 200 {
		got, err := l.Find(t.Context(), "y.example")
		if err != nil || len(got) != 2 {
			t.Fatal(got, err)
		}
		if got[0].Port == 5001 {
			first++
		}
	}
	if first < 140 || first == 200 {
		t.Errorf("weight 90 of 100 was first %d times of 200", first)
	}
}

// RFC 6120 §3.2.2: without SRV records the domain itself is the place.
func TestRFC6120_3_2_2_Fallback(t *testing.T) {
	t.Parallel()
	w, l := world(t, false)
	w.Place("x.example", netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("127.0.0.1"))
	got, err := l.Find(t.Context(), "x.example")
	if err != nil || len(got) != 1 || got[0].Host != "x.example" || got[0].Port != locate.DefaultPort || got[0].Direct {
		t.Fatal(got, err)
	}
	addrs, keys, err := l.Resolve(t.Context(), got[0])
	if err != nil || keys != nil || fmt.Sprint(addrs) != "[2001:db8::1 192.0.2.1 192.0.2.2]" {
		t.Fatal(addrs, keys, err)
	}
}

// There is no server: nothing is there, the domain says so, or what it says cannot be meant.
func TestNone(t *testing.T) {
	t.Parallel()
	w, l := world(t, false)
	many := make([]locate.Service, locate.MaxServices+1)
	for i := range many {
		many[i] = locate.Service{Host: "a.example", Port: uint16(2000 + i)}
	}
	w.Point("_xmpp-server._tcp.dot.example", locate.Service{})
	w.Point("_xmpp-server._tcp.many.example", many...)
	w.Point("_xmpp-server._tcp.ports.example", locate.Service{Host: "a.example", Port: 25}, locate.Service{Host: "a.example", Port: 0})
	for _, d := range []string{"dot.example", "many.example", "ports.example", "192.0.2.1", "::1"} {
		if got, err := l.Find(t.Context(), d); !errors.Is(err, locate.ErrNone) {
			t.Errorf("%s: %v, %v", d, got, err)
		}
	}
	w.Alias("loop.example", "pool.example")
	w.Alias("pool.example", "loop.example")
	w.Alias("alias.example", "a.example")
	w.Place("a.example", netip.MustParseAddr("192.0.2.9"))
	w.Place("private.example", netip.MustParseAddr("10.1.2.3"))
	for _, d := range []string{"nothing.example", "loop.example", "private.example"} {
		if got, _, err := l.Resolve(t.Context(), locate.Target{Host: d, Port: 5269}); !errors.Is(err, locate.ErrNone) {
			t.Errorf("%s: %v, %v", d, got, err)
		}
	}
	if got, _, err := l.Resolve(t.Context(), locate.Target{Host: "alias.example", Port: 5269}); err != nil || len(got) != 1 {
		t.Errorf("alias: %v, %v", got, err)
	}
}

// The machine's own file of names goes before the DNS, for addresses alone; the networks that may be connected to are the same, and nothing in it is proved.
func TestHosts(t *testing.T) {
	t.Parallel()
	w := writtest.NewWorld(t)
	d, err := locate.NewDNS([]string{w.Serve(t)}, true)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "hosts")
	d.Hosts(file) // which does not exist yet
	l := locate.Locator{Resolver: d}
	w.Place("a.example", netip.MustParseAddr("8.8.8.8"))
	w.Bind("_5269._tcp.a.example", locate.Key{Usage: 3, Selector: 1, Matching: 1, Data: make([]byte, 32)})
	at := locate.Target{Host: "a.example", Port: 5269}
	for _, c := range [][2]string{
		{"", "[8.8.8.8]"},
		{"# 9.9.9.9 a.example\n1.1.1.1 b.example A.EXAMPLE. # c\nnonsense a.example\n2606:4700::1\ta.example\n", "[2606:4700::1 1.1.1.1]"},
		{"1.1.1.1", "[8.8.8.8]"},
	} {
		content, want := c[0], c[1]
		if content != "" {
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if addrs, _, err := l.Resolve(t.Context(), at); err != nil || fmt.Sprint(addrs) != want {
			t.Errorf("%q: %v, %v", content, addrs, err)
		}
	}
	if err := os.WriteFile(file, []byte("127.0.0.1 a.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if addrs, _, err := l.Resolve(t.Context(), at); !errors.Is(err, locate.ErrNone) {
		t.Errorf("an address of this machine: %v, %v", addrs, err)
	}
	if _, secure, err := d.Addresses(t.Context(), "a.example"); err != nil || secure {
		t.Errorf("what is in the file is not proved: %v, %v", secure, err)
	}
}

// A resolver that fails is no proof that there is nothing.
func TestFailures(t *testing.T) {
	t.Parallel()
	w, l := world(t, false)
	w.Break("_xmpp-server._tcp.x.example", errors.New("broken"))
	if _, err := l.Find(t.Context(), "x.example"); err == nil || errors.Is(err, locate.ErrNone) {
		t.Errorf("error %v", err)
	}
	w.Point("_xmpps-server._tcp.x.example", locate.Service{Host: "a.example", Port: 5270}) // the other kind of record is enough
	if got, err := l.Find(t.Context(), "x.example"); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Find(ctx, "y.example"); err == nil || errors.Is(err, locate.ErrNone) {
		t.Errorf("error %v", err)
	}
}

// TLSA records count if the whole way is proved, and if the operator trusts the resolver; a proof that is taken away is an error.
func TestKeys(t *testing.T) {
	t.Parallel()
	for _, trusted := range []bool{true, false} {
		w, l := world(t, trusted)
		w.Place("x.example", netip.MustParseAddr("192.0.2.1"))
		w.Bind("_5269._tcp.x.example", locate.Key{Usage: 3, Selector: 1, Matching: 1, Data: []byte("0123456789abcdef0123456789abcdef")})
		at, err := l.Find(t.Context(), "x.example")
		if err != nil {
			t.Fatal(err)
		}
		_, keys, err := l.Resolve(t.Context(), at[0])
		if err != nil || len(keys) == 1 != trusted {
			t.Errorf("trusted %v: %v, %v", trusted, keys, err)
		}
		w.Break("_5269._tcp.x.example", errors.New("broken"))
		if _, _, err := l.Resolve(t.Context(), at[0]); err != nil != trusted {
			t.Errorf("trusted %v, broken: %v", trusted, err)
		}
	}
}

// An answer that does not fit into a datagram is asked for by TCP.
func TestLongAnswers(t *testing.T) {
	t.Parallel()
	w, l := world(t, false)
	var list []locate.Service
	for i := range 60 {
		list = append(list, locate.Service{Host: fmt.Sprintf("a-host-with-a-rather-long-name-%d.x.example", i), Port: uint16(2000 + i), Priority: uint16(i)})
	}
	w.Point("_xmpp-server._tcp.x.example", list...)
	got, err := l.Find(t.Context(), "x.example")
	if err != nil || len(got) != 8 || got[7].Port != 2007 { // no more places than these are tried
		t.Errorf("%v, %v", got, err)
	}
}

func TestNetworks(t *testing.T) {
	t.Parallel()
	var none locate.Networks
	for a, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1": true, "1.1.1.1": true, "::ffff:8.8.8.8": true, "64:ff9b::808:808": true,
		"127.0.0.1": false, "10.0.0.1": false, "172.31.0.1": false, "192.168.0.1": false, "169.254.169.254": false, "100.127.0.1": false, "0.0.0.0": false,
		"255.255.255.255": false, "224.0.0.251": false, "240.0.0.1": false, "198.19.0.1": false, "192.0.0.8": false, "203.0.113.1": false,
		"::1": false, "::": false, "fe80::1": false, "fe80::1%eth0": false, "fd00::1": false, "ff02::1": false, "::ffff:127.0.0.1": false, "::ffff:192.168.0.1": false,
		"64:ff9b::a00:1": false, "2002:a00:1::": false, "2001::1": false, "2001:db8::1": false, "::127.0.0.1": false, "100::1": false, "fec0::1": false,
	} {
		if got := none.Allow(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s: %v", a, got)
		}
	}
	some, err := locate.ParseNetworks([]string{"10.0.0.0/8", "::1"})
	if err != nil {
		t.Fatal(err)
	}
	for a, want := range map[string]bool{"10.2.3.4": true, "::ffff:10.2.3.4": true, "::1": true, "127.0.0.1": false, "64:ff9b::a00:1": true} {
		if got := some.Allow(netip.MustParseAddr(a)); got != want {
			t.Errorf("with networks, %s: %v", a, got)
		}
	}
	if _, err := locate.ParseNetworks([]string{"10.0.0.0/33"}); err == nil {
		t.Error("a network that is none")
	}
}

// FuzzNetworks: an address is judged alike in every notation of it.
func FuzzNetworks(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1})
	f.Add([]byte{8, 8, 8, 8})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 4 {
			return
		}
		a := netip.AddrFrom4([4]byte(b[:4]))
		var none locate.Networks
		want := none.Allow(a)
		if a.IsPrivate() && want || a.IsLoopback() && want {
			t.Fatal(a)
		}
		nat := [16]byte{0, 0x64, 0xff, 0x9b, 12: b[0], 13: b[1], 14: b[2], 15: b[3]}
		for _, other := range []netip.Addr{netip.AddrFrom16(a.As16()), netip.AddrFrom16(nat), netip.AddrFrom16([16]byte{0x20, 2, b[0], b[1], b[2], b[3]})} {
			if none.Allow(other) != want {
				t.Fatalf("%s is judged otherwise than %s", other, a)
			}
		}
	})
}
