// Package locate finds where the servers of a domain are (RFC 6120 §3.2, XEP-0368), and which addresses may be connected to.
//
// What a name points to is chosen by whoever owns the name. So the answers are bounded, and an address inside this machine or its
// network is never given out unless the operator names the network.
//
// Invariants:
//   - A Target's addresses have passed Networks.Allow, mapped and translated forms included; its port is 443 or at least 1024.
//   - ErrNone means that there is no server: asking again would not help. Any other error may pass.
//   - Keys are given only if every answer that led to the target was proved by DNSSEC.
package locate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strconv"
)

// Service is an SRV record.
type Service struct {
	Host             string // without the last dot; empty for "."
	Port             uint16
	Priority, Weight uint16
}

// Key is a TLSA record (RFC 6698).
type Key struct {
	Usage, Selector, Matching uint8
	Data                      []byte
}

// Resolver asks the DNS. secure says that DNSSEC proves the answer, also that there is none; a resolver that cannot tell says false. Names
// are in A-label form without the last dot. If the name or the record does not exist the error is, or wraps, ErrNone.
type Resolver interface {
	Services(ctx context.Context, name string) (list []Service, secure bool, err error)
	Addresses(ctx context.Context, host string) (list []netip.Addr, secure bool, err error)
	Keys(ctx context.Context, name string) (list []Key, secure bool, err error)
}

// ErrNone says that there is no server.
var ErrNone = errors.New("locate: no such server")

// The port that a server has without SRV records (RFC 6120 §3.2.2), and bounds on answers.
const (
	DefaultPort = 5269
	MaxServices = 64 // a longer answer is no honest one, and is not used at all
	maxTargets  = 8
	maxAddrs    = 8
)

// Target is one place where a server of the domain may be.
type Target struct {
	Host   string
	Port   uint16
	Direct bool // TLS from the first byte (XEP-0368)
	secure bool // DNSSEC proved the way here
}

// Locator finds servers.
type Locator struct {
	Resolver Resolver
	Networks Networks
}

// Find gives the places where the domain's server may be, in the order of trying (RFC 6120 §3.2.1, XEP-0368 §3). domain is in A-label form.
func (l *Locator) Find(ctx context.Context, domain string) ([]Target, error) {
	if a, err := netip.ParseAddr(domain); err == nil {
		return nil, fmt.Errorf("%w: %s is an address, not a name", ErrNone, a)
	}
	type answer struct {
		list   []Service
		secure bool
		err    error
	}
	ask := func(label string) <-chan answer {
		c := make(chan answer, 1)
		go func() {
			var a answer
			a.list, a.secure, a.err = l.Resolver.Services(ctx, label+"._tcp."+domain)
			c <- a
		}()
		return c
	}
	start, direct := ask("_xmpp-server"), ask("_xmpps-server")
	s, d := <-start, <-direct
	var all []candidate
	none := true // neither kind of record exists
	var fault error
	for i, a := range []answer{s, d} {
		switch {
		case errors.Is(a.err, ErrNone):
		case a.err != nil:
			none, fault = false, a.err
		case len(a.list) > MaxServices:
			return nil, fmt.Errorf("%w: %d SRV records", ErrNone, len(a.list))
		default:
			none = false
			for _, r := range a.list {
				if r.Host == "" { // "." says that the service is not offered
					continue
				}
				all = append(all, candidate{r, Target{Host: r.Host, Port: r.Port, Direct: i == 1, secure: a.secure}})
			}
		}
	}
	switch {
	case none:
		return []Target{{Host: domain, Port: DefaultPort, secure: s.secure && d.secure}}, nil
	case len(all) == 0 && fault != nil:
		return nil, fmt.Errorf("locate: looking for the server: %w", fault)
	}
	out := order(all)
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: the domain says that it has none", ErrNone)
	}
	return out[:min(len(out), maxTargets)], nil
}

type candidate struct {
	Service
	t Target
}

// order sorts by priority, and draws by weight within one (RFC 2782). Ports that no XMPP server has are left out: a name must not make this
// server speak to other services.
func order(all []candidate) []Target {
	all = slices.DeleteFunc(all, func(c candidate) bool { return !PortAllowed(c.Port) })
	slices.SortStableFunc(all, func(a, b candidate) int { return int(a.Priority) - int(b.Priority) })
	var out []Target
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].Priority == all[0].Priority {
			n++
		}
		group := all[:n:n]
		all = all[n:]
		for len(group) > 0 {
			i := draw(group)
			out = append(out, group[i].t)
			group = slices.Delete(group, i, i+1)
		}
	}
	return out
}

// draw picks one with a chance in proportion to its weight; weight 0 has a very small one.
func draw(group []candidate) int {
	sum := int64(0)
	for _, c := range group {
		sum += int64(c.Weight)*100 + 1
	}
	n, err := rand.Int(rand.Reader, big.NewInt(sum))
	if err != nil {
		return 0
	}
	at := n.Int64()
	for i, c := range group {
		if at -= int64(c.Weight)*100 + 1; at < 0 {
			return i
		}
	}
	return 0
}

// PortAllowed reports a port at which a server may be: 443, or one above those of the well-known services.
func PortAllowed(p uint16) bool { return p == 443 || p >= 1024 }

// Resolve gives the addresses of a target that may be connected to, and its TLSA records if DNSSEC proves them and the way to them
// (RFC 7673). Without such an address the error is ErrNone. When it should be provable whether there are TLSA records and is not, there
// is an error: whoever can suppress an answer must not be able to take the proof away.
func (l *Locator) Resolve(ctx context.Context, t Target) ([]netip.Addr, []Key, error) {
	found, secure, err := l.Resolver.Addresses(ctx, t.Host)
	if err != nil {
		return nil, nil, fmt.Errorf("locate: looking for the addresses of %s: %w", t.Host, err)
	}
	var addrs []netip.Addr
	for _, a := range found {
		if a = a.Unmap().WithZone(""); l.Networks.Allow(a) && !slices.Contains(addrs, a) {
			addrs = append(addrs, a)
		}
	}
	if len(addrs) == 0 {
		return nil, nil, fmt.Errorf("%w: %s has no address that may be connected to", ErrNone, t.Host)
	}
	addrs = interleave(addrs)
	addrs = addrs[:min(len(addrs), maxAddrs)]
	if !t.secure || !secure {
		return addrs, nil, nil
	}
	keys, secure, err := l.Resolver.Keys(ctx, "_"+strconv.Itoa(int(t.Port))+"._tcp."+t.Host)
	switch {
	case errors.Is(err, ErrNone), err == nil && !secure:
		return addrs, nil, nil
	case err != nil:
		return nil, nil, fmt.Errorf("locate: looking for the TLSA records of %s: %w", t.Host, err)
	}
	return addrs, keys, nil
}

// interleave puts the two families in turn, IPv6 first (RFC 8305 §4).
func interleave(addrs []netip.Addr) []netip.Addr {
	var four, six, out []netip.Addr
	for _, a := range addrs {
		if a.Is4() {
			four = append(four, a)
		} else {
			six = append(six, a)
		}
	}
	for i := range max(len(four), len(six)) {
		if i < len(six) {
			out = append(out, six[i])
		}
		if i < len(four) {
			out = append(out, four[i])
		}
	}
	return out
}
