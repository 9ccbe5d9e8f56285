package locate

import (
	"fmt"
	"net/netip"
)

// Networks are the networks that may be connected to although they are not of the public Internet. Nil: none.
type Networks []netip.Prefix

// ParseNetworks reads networks such as 127.0.0.0/8, and single addresses.
func ParseNetworks(list []string) (Networks, error) {
	var out Networks
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			a, err2 := netip.ParseAddr(s)
			if err2 != nil {
				return nil, fmt.Errorf("locate: a network: %w", err)
			}
			p = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// Allow reports whether the address may be connected to: it is a unicast address of the public Internet, or in one of the networks. An IPv4
// address inside an IPv6 one (mapped, NAT64, 6to4) is judged as what it is.
func (n Networks) Allow(a netip.Addr) bool {
	if !a.IsValid() {
		return false
	}
	a = a.Unmap().WithZone("")
	for _, p := range n {
		if p.Contains(a) {
			return true
		}
	}
	if !a.IsGlobalUnicast() || a.IsPrivate() || within(closed, a) {
		return false
	}
	if a.Is4() {
		return true
	}
	b := a.As16()
	switch {
	case nat64.Contains(a):
		return n.Allow(netip.AddrFrom4([4]byte(b[12:16])))
	case sixToFour.Contains(a):
		return n.Allow(netip.AddrFrom4([4]byte(b[2:6])))
	}
	return global.Contains(a)
}

func within(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

var (
	global    = netip.MustParsePrefix("2000::/3")
	nat64     = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour = netip.MustParsePrefix("2002::/16")

	// closed are the special-purpose networks of IANA's registries beside those that net/netip knows (loopback, link-local, multicast, RFC 1918, fc00::/7).
	closed = []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
		netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"),
		netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
		netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("3fff::/20"),
	}
)
