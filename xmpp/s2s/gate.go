package s2s

import (
	"net/netip"
	"sync"

	"writ/xmpp/jid"
	"writ/xmpp/stream"
)

// gate counts the connections of other servers, by network and by the domain that they proved.
type gate struct {
	total, perNet, perDomain int // limits; -1 is none

	mu      sync.Mutex
	n       int
	nets    map[netip.Prefix]int
	domains map[jid.JID]int
}

func (g *gate) init(total, perNet, perDomain int) {
	g.total, g.perNet, g.perDomain = total, perNet, perDomain
	g.nets, g.domains = map[netip.Prefix]int{}, map[jid.JID]int{}
}

// enter counts a connection, or refuses it. leave is for each that was let in.
func (g *gate) enter(a netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := stream.Near(a)
	if g.n >= g.total || g.perNet >= 0 && a.IsValid() && g.nets[p] >= g.perNet {
		return false
	}
	g.n++
	g.nets[p]++
	return true
}

func (g *gate) leave(a netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n--
	p := stream.Near(a)
	if g.nets[p]--; g.nets[p] <= 0 {
		delete(g.nets, p)
	}
}

// prove counts a connection for a domain, or refuses it. unprove is for each that was let in.
func (g *gate) prove(domain jid.JID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.perDomain >= 0 && g.domains[domain] >= g.perDomain {
		return false
	}
	g.domains[domain]++
	return true
}

func (g *gate) unprove(domain jid.JID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.domains[domain]--; g.domains[domain] <= 0 {
		delete(g.domains, domain)
	}
}

// proved is how many connections have proved the domain.
func (g *gate) proved(domain jid.JID) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.domains[domain]
}

// all are the proved domains with their connections.
func (g *gate) all() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make(map[string]int, len(g.domains))
	for d, n := range g.domains {
		out[d.String()] = n
	}
	return out
}
