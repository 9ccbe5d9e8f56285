package locate

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// DNS asks recursive resolvers.
type DNS struct {
	servers []string
	trusted bool
	timeout time.Duration
	hosts   string // a file of names; empty: none
}

// Bounds of one question: each server is asked twice.
const (
	askTimeout = 3 * time.Second
	maxChain   = 8 // CNAMEs
	maxRecords = 256
)

// NewDNS makes a Resolver that asks the servers, "address:port" each; none: those of /etc/resolv.conf. trusted says that they validate DNSSEC and that
// nobody stands between them and this machine: then their word (the AD bit, RFC 4035) is taken.
func NewDNS(servers []string, trusted bool) (*DNS, error) {
	if len(servers) == 0 {
		c, err := dns.ClientConfigFromFile("/etc/resolv.conf")
		if err != nil {
			return nil, fmt.Errorf("locate: reading which resolvers to ask: %w", err)
		}
		for _, s := range c.Servers {
			servers = append(servers, net.JoinHostPort(s, c.Port))
		}
	}
	if len(servers) == 0 {
		return nil, errors.New("locate: no resolver to ask")
	}
	return &DNS{servers: servers, trusted: trusted, timeout: askTimeout}, nil
}

// Services implements Resolver.
func (d *DNS) Services(ctx context.Context, name string) (list []Service, secure bool, err error) {
	records, secure, err := d.ask(ctx, name, dns.TypeSRV)
	for _, r := range records {
		if s, ok := r.(*dns.SRV); ok {
			host := strings.ToLower(strings.TrimSuffix(s.Target, "."))
			list = append(list, Service{Host: host, Port: s.Port, Priority: s.Priority, Weight: s.Weight})
		}
	}
	return list, secure, err
}

// Addresses implements Resolver.
func (d *DNS) Addresses(ctx context.Context, host string) (list []netip.Addr, secure bool, err error) {
	if _, ok := dns.IsDomainName(host); !ok || strings.Contains(host, "\\") {
		return nil, false, fmt.Errorf("%w: %q is no name", ErrNone, host)
	}
	if list = d.ownAddresses(host); len(list) > 0 {
		return list, false, nil
	}
	secure = true
	var faults []error
	for _, kind := range []uint16{dns.TypeAAAA, dns.TypeA} {
		records, s, err := d.ask(ctx, host, kind)
		secure = secure && s
		if err != nil {
			faults = append(faults, err)
			continue
		}
		for _, r := range records {
			var ip net.IP
			switch r := r.(type) {
			case *dns.A:
				ip = r.A
			case *dns.AAAA:
				ip = r.AAAA
			}
			if a, ok := netip.AddrFromSlice(ip); ok {
				list = append(list, a.Unmap())
			}
		}
	}
	if len(list) > 0 {
		return list, secure, nil
	}
	for _, f := range faults {
		if !errors.Is(f, ErrNone) {
			return nil, secure, f
		}
	}
	return nil, secure, fmt.Errorf("%w: %s has no address", ErrNone, host)
}

// Keys implements Resolver.
func (d *DNS) Keys(ctx context.Context, name string) (list []Key, secure bool, err error) {
	records, secure, err := d.ask(ctx, name, dns.TypeTLSA)
	for _, r := range records {
		if k, ok := r.(*dns.TLSA); ok {
			if data, err := hex.DecodeString(k.Certificate); err == nil {
				list = append(list, Key{Usage: k.Usage, Selector: k.Selector, Matching: k.MatchingType, Data: data})
			}
		}
	}
	return list, secure, err
}

// ask asks one question of the servers in turn. The records are of the name that the CNAMEs in the answer lead to.
func (d *DNS) ask(ctx context.Context, name string, kind uint16) (records []dns.RR, secure bool, err error) {
	q := new(dns.Msg)
	q.SetQuestion(dns.Fqdn(name), kind)
	q.SetEdns0(1232, false)
	q.AuthenticatedData = d.trusted // asks that the AD bit be set (RFC 6840)
	for range 2 {
		for _, server := range d.servers {
			var r *dns.Msg
			if r, err = d.exchange(ctx, q, server); err == nil {
				return d.read(r, q.Question[0])
			}
			if ctx.Err() != nil {
				return nil, false, ctx.Err()
			}
		}
	}
	return nil, false, fmt.Errorf("locate: asking the DNS for %s: %w", name, err)
}

var errServer = errors.New("the resolver failed")

// exchange asks by UDP, and by TCP when the answer does not fit.
func (d *DNS) exchange(ctx context.Context, q *dns.Msg, server string) (*dns.Msg, error) {
	q = q.Copy()
	for _, network := range []string{"udp", "tcp"} {
		q.Id = dns.Id()
		c := dns.Client{Net: network, Timeout: d.timeout}
		r, _, err := c.ExchangeContext(ctx, q, server)
		if err != nil {
			return nil, err
		}
		if len(r.Question) != 1 || r.Question[0].Qtype != q.Question[0].Qtype || !strings.EqualFold(r.Question[0].Name, q.Question[0].Name) {
			return nil, errors.New("an answer to another question")
		}
		if r.Truncated && network == "udp" {
			continue
		}
		if r.Rcode != dns.RcodeSuccess && r.Rcode != dns.RcodeNameError {
			return nil, fmt.Errorf("%w: %s", errServer, dns.RcodeToString[r.Rcode])
		}
		return r, nil
	}
	return nil, errors.New("the answer does not fit")
}

// read takes the records of an answer.
func (d *DNS) read(r *dns.Msg, q dns.Question) (records []dns.RR, secure bool, err error) {
	secure = d.trusted && r.AuthenticatedData
	if r.Rcode == dns.RcodeNameError {
		return nil, secure, fmt.Errorf("%w: %s does not exist", ErrNone, q.Name)
	}
	if len(r.Answer) > maxRecords {
		return nil, secure, fmt.Errorf("%w: %d records for %s", ErrNone, len(r.Answer), q.Name)
	}
	name := q.Name
	for range maxChain {
		next := ""
		for _, rr := range r.Answer {
			if !strings.EqualFold(rr.Header().Name, name) || rr.Header().Class != dns.ClassINET {
				continue
			}
			if c, ok := rr.(*dns.CNAME); ok && q.Qtype != dns.TypeCNAME {
				next = c.Target
			} else if rr.Header().Rrtype == q.Qtype {
				records = append(records, rr)
			}
		}
		if len(records) > 0 {
			return records, secure, nil
		}
		if next == "" {
			break
		}
		name = next
	}
	return nil, secure, fmt.Errorf("%w: %s has no record of that kind", ErrNone, q.Name)
}
