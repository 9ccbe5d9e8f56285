package session

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

const (
	gateRate  = 2.0    // sign-ins begun per second and network, over time
	gateBurst = 60.0   // at once
	gateSize  = 10_000 // networks remembered; beyond, the memory starts anew
)

// gate bounds how often strangers begin a sign-in, because each leaves a row for ten minutes. It counts by network (IPv4 /24,
// IPv6 /64) and never locks an account. Behind a proxy that is not configured (xmpp.proxies) all come from one network and share its bucket.
type gate struct {
	mu   sync.Mutex
	from map[netip.Prefix]bucket
}

type bucket struct {
	left float64
	at   time.Time
}

// pass takes one of the network's tries, if one is left.
func (g *gate) pass(remote string, now time.Time) bool {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	a, _ := netip.ParseAddr(host) // the zero address shares one bucket
	bits := 24
	if a = a.Unmap(); a.Is6() {
		bits = 64
	}
	p, _ := a.WithZone("").Prefix(bits)
	g.mu.Lock()
	defer g.mu.Unlock()
	b, ok := g.from[p]
	if !ok {
		if g.from == nil || len(g.from) >= gateSize {
			g.from = map[netip.Prefix]bucket{}
		}
		b = bucket{gateBurst, now}
	}
	b.left = min(gateBurst, b.left+gateRate*max(0, now.Sub(b.at).Seconds()))
	b.at = now
	if ok = b.left >= 1; ok {
		b.left--
	}
	g.from[p] = b
	return ok
}

// begin is the gate of a request that starts a ceremony; a refusal is answered.
func (s *Sessions) begin(w http.ResponseWriter, r *http.Request) bool {
	if s.scs.GetString(r.Context(), "person") != "" || s.gate.pass(r.RemoteAddr, s.o.Clock.Now()) {
		return true
	}
	w.Header().Set("Retry-After", "30")
	http.Error(w, "Too many sign-ins from your network just now. Try again in half a minute.", http.StatusTooManyRequests)
	return false
}
