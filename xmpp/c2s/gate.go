package c2s

import (
	"net/netip"
	"strings"
	"sync"
	"time"

	"writ/xmpp/stream"
)

// gate counts what strangers do, by where they come from (XEP-0205 §3). It never locks an account: that would let anyone shut
// anyone out.
type gate struct {
	halfway, failures int // limits; -1 is none

	mu      sync.Mutex
	waiting map[netip.Prefix]int // connections that are not signed in
	total   int
	failed  map[netip.Prefix]failed
}

// maxHalfway is how many connections of all networks together may be not signed in.
const maxHalfway = 4096

type failed struct {
	n     int
	since time.Time
}

func (g *gate) init(halfway, failures int) {
	g.halfway, g.failures = halfway, failures
	g.waiting, g.failed = map[netip.Prefix]int{}, map[netip.Prefix]failed{}
}

// person is what counts as one for failures: an IPv4 address, or an IPv6 /64.
func person(a netip.Addr) netip.Prefix {
	if a = a.Unmap(); a.Is4() {
		p, _ := a.Prefix(32)
		return p
	}
	return stream.Near(a)
}

// enter counts a connection that is not signed in, or refuses it.
func (g *gate) enter(a netip.Addr) bool {
	if g.halfway < 0 || !a.IsValid() {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	p := stream.Near(a)
	if g.waiting[p] >= g.halfway || g.total >= maxHalfway {
		return false
	}
	g.waiting[p]++
	g.total++
	return true
}

// leave is for each enter: the connection signed in, or ended.
func (g *gate) leave(a netip.Addr) {
	if g.halfway < 0 || !a.IsValid() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	p := stream.Near(a)
	g.total--
	if g.waiting[p]--; g.waiting[p] <= 0 {
		delete(g.waiting, p)
	}
}

// fail counts a failed sign-in.
func (g *gate) fail(a netip.Addr, now time.Time) {
	if g.failures < 0 || !a.IsValid() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	p := person(a)
	f := g.failed[p]
	if now.Sub(f.since) >= time.Minute {
		f = failed{since: now}
	}
	f.n++
	g.failed[p] = f
}

// barred reports an address with too many failures in this minute.
func (g *gate) barred(a netip.Addr, now time.Time) bool {
	if g.failures < 0 || !a.IsValid() {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	f := g.failed[person(a)]
	return f.n >= g.failures && now.Sub(f.since) < time.Minute
}

// forget drops what no longer counts.
func (g *gate) forget(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for p, f := range g.failed {
		if now.Sub(f.since) >= time.Minute {
			delete(g.failed, p)
		}
	}
}

// parsePrefix reads a CIDR or a single address.
func parsePrefix(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		return p.Masked(), err
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return a.Unmap().Prefix(a.Unmap().BitLen())
}
