package s2s

import (
	"net"
	"net/netip"
	"strings"
	"time"

	"writ/config"
	"writ/xmpp/jid"
	"writ/xmpp/locate"
)

// The modes.
const (
	On     = "on"     // any server that proves its name
	Listed = "listed" // the domains of allow
	Off    = "off"    // only the services
)

// Config is what an operator may set. Zero values mean the defaults; where there is no limit at all, that must be said with -1.
type Config struct {
	Mode     string   `toml:"mode" doc:"on: with every server that proves its name; listed: with the domains of allow alone; off: with none. Empty is on."`
	Allow    []string `toml:"allow" doc:"Domains for mode listed; each stands for its subdomains too."`
	Deny     []string `toml:"deny" doc:"Domains that are refused in every mode; each stands for its subdomains too."`
	Services []string `toml:"services" doc:"Domains, such as those of push services, to which requests and messages go in every mode, and from which only the answers come."`

	Listen    []string `toml:"listen" doc:"Addresses for other servers with STARTTLS (RFC 6120), host:port."`
	ListenTLS []string `toml:"listen_tls" doc:"Addresses for other servers with direct TLS (XEP-0368), host:port."`

	Dialback bool     `toml:"dialback" doc:"Believes servers without a right certificate by asking back at the address that the DNS gives (XEP-0220): who controls the DNS or the network can then pretend to be them."`
	Roots    string   `toml:"roots" doc:"PEM file with authorities that are trusted beside those of the system. Empty: none."`
	Resolver []string `toml:"resolver" doc:"DNS resolvers to ask, address:port. Empty: those of /etc/resolv.conf, and /etc/hosts before them."`
	DNSSEC   bool     `toml:"dnssec" doc:"The resolvers validate DNSSEC, and nobody can come between them and this machine: TLSA records are obeyed (DANE), for servers that we connect to and, where no authority vouches for them, for those that connect."`
	Networks []string `toml:"networks" doc:"Networks that are not of the public Internet and may be connected to, such as 10.0.0.0/8. Empty: none."`

	Keep        config.Duration `toml:"keep" doc:"How long a message waits for a server that cannot be reached before it is returned. 0 = 1h."`
	AuthTimeout config.Duration `toml:"auth_timeout" doc:"How long a server may take from connecting to having proved its name, and one that we connect to. 0 = 30s."`
	Idle        config.Duration `toml:"idle" doc:"Silence after which a connection is closed. 0 = 10m."`

	MaxStanza   int `toml:"max_stanza" doc:"Bytes of the largest stanza; at least 10000 (RFC 6120). 0 = 524288."`
	MaxQueue    int `toml:"max_queue" doc:"Stanzas that may wait for one server. 0 = 2000."`
	MaxQueued   int `toml:"max_queued_bytes" doc:"Bytes that may wait for one server. 0 = 8388608."`
	MaxWaiting  int `toml:"max_waiting_bytes" doc:"Bytes that may wait for all servers together. 0 = 134217728."`
	Connections int `toml:"connections" doc:"Connections from other servers, of all together. 0 = 4096."`
	PerAddress  int `toml:"per_address" doc:"Connections from other servers of one /24 (IPv4) or /64 (IPv6). 0 = 100, -1 = no limit."`
	PerDomain   int `toml:"per_domain" doc:"Connections of one domain that has proved its name. 0 = 20, -1 = no limit."`
	Handshakes  int `toml:"handshakes" doc:"TLS handshakes of other servers at one time. 0 = 32."`
	Rate        int `toml:"rate" doc:"Bytes a second that a server may send for long; above it is read more slowly. 0 = 1048576, -1 = no limit."`
	Burst       int `toml:"burst" doc:"Bytes that a server may send at once, at least max_stanza. 0 = 8388608."`
}

// Defaults are the values of an operator who sets nothing.
func Defaults() Config {
	return Config{Mode: On, Listen: []string{":5269"}, ListenTLS: []string{":5270"}}.orDefault()
}

// orDefault is the configuration with the defaults in place of zero values.
func (c Config) orDefault() Config {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	span := func(v *config.Duration, d time.Duration) {
		if *v == 0 {
			*v = config.Duration(d)
		}
	}
	if c.Mode == "" {
		c.Mode = On
	}
	span(&c.Keep, time.Hour)
	span(&c.AuthTimeout, 30*time.Second)
	span(&c.Idle, 10*time.Minute)
	def(&c.MaxStanza, 512<<10)
	def(&c.MaxQueue, 2000)
	def(&c.MaxQueued, 8<<20)
	def(&c.MaxWaiting, 128<<20)
	def(&c.Connections, 4096)
	def(&c.PerAddress, 100)
	def(&c.PerDomain, 20)
	def(&c.Handshakes, 32)
	def(&c.Rate, 1<<20)
	def(&c.Burst, 8<<20)
	return c
}

// Check reports the first value that is not allowed.
func (c Config) Check() error {
	d := c.orDefault()
	switch d.Mode {
	case On, Listed, Off:
	default:
		return config.Invalid("mode", c.Mode, "on, listed, off")
	}
	for key, list := range map[string][]string{"allow": c.Allow, "deny": c.Deny, "services": c.Services} {
		for _, a := range list {
			if j, err := jid.Parse(a); err != nil || !j.IsDomain() {
				return config.Invalid(key, a, "domains such as example.org")
			}
		}
	}
	for key, list := range map[string][]string{"listen": c.Listen, "listen_tls": c.ListenTLS} {
		for _, a := range list {
			if _, _, err := net.SplitHostPort(a); err != nil {
				return config.Invalid(key, a, "an address such as :5269 or 127.0.0.1:5269")
			}
		}
	}
	for _, a := range c.Resolver {
		if _, err := netip.ParseAddrPort(a); err != nil {
			return config.Invalid("resolver", a, "an address with a port such as 127.0.0.1:53")
		}
	}
	if _, err := locate.ParseNetworks(c.Networks); err != nil {
		return config.Invalid("networks", strings.Join(c.Networks, " "), "networks such as 10.0.0.0/8")
	}
	switch {
	case d.Keep < 0, d.Keep.Std() > 7*24*time.Hour:
		return config.Invalid("keep", c.Keep, "above 0, at most 7d")
	case d.AuthTimeout.Std() < time.Second:
		return config.Invalid("auth_timeout", c.AuthTimeout, "at least 1s")
	case d.Idle.Std() < 10*time.Second:
		return config.Invalid("idle", c.Idle, "at least 10s")
	case d.MaxStanza < 10000:
		return config.Invalid("max_stanza", c.MaxStanza, "at least 10000 (RFC 6120 §13.12)")
	case d.MaxQueue < 10:
		return config.Invalid("max_queue", c.MaxQueue, "at least 10")
	case d.MaxQueued < d.MaxStanza:
		return config.Invalid("max_queued_bytes", c.MaxQueued, "at least max_stanza")
	case d.MaxWaiting < d.MaxQueued:
		return config.Invalid("max_waiting_bytes", c.MaxWaiting, "at least max_queued_bytes")
	case d.Connections < 1, d.Handshakes < 1:
		return config.Invalid("connections", c.Connections, "connections and handshakes are at least 1")
	case d.Rate > 0 && d.Burst < d.MaxStanza:
		return config.Invalid("burst", c.Burst, "at least max_stanza")
	}
	return nil
}

// reach is how far a domain may be talked with.
type reach uint8

const (
	nothing reach = iota
	answers       // requests and messages go there, their answers come back
	all
)

// policy is who may be talked with.
type policy struct {
	mode                  string
	allow, deny, services map[string]bool
}

func newPolicy(c Config) policy {
	set := func(list []string) map[string]bool {
		m := map[string]bool{}
		for _, a := range list {
			m[jid.MustParse(a).Domainpart()] = true
		}
		return m
	}
	return policy{c.Mode, set(c.Allow), set(c.Deny), set(c.Services)}
}

// names reports whether the domain, or one that it is below, is in the list.
func names(list map[string]bool, domain string) bool {
	for len(list) > 0 {
		if list[domain] {
			return true
		}
		i := strings.IndexByte(domain, '.')
		if i < 0 {
			return false
		}
		domain = domain[i+1:]
	}
	return false
}

// of is how far the domain may be talked with. Deny wins over everything.
func (p policy) of(j jid.JID) reach {
	d := j.Domainpart()
	switch {
	case names(p.deny, d):
		return nothing
	case p.mode == On, p.mode == Listed && names(p.allow, d):
		return all
	case p.services[d]:
		return answers
	}
	return nothing
}
