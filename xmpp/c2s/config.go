package c2s

import (
	"net"
	"time"

	"writ/config"
)

// Config is what an operator may set. Zero values mean the defaults; where there is no limit at all, that must be said with -1.
type Config struct {
	Listen    []string `toml:"listen" doc:"Addresses for STARTTLS (RFC 6120), host:port."`
	ListenTLS []string `toml:"listen_tls" doc:"Addresses for direct TLS (XEP-0368), host:port."`

	AuthTimeout config.Duration `toml:"auth_timeout" doc:"How long a client may take from connecting to being signed in. 0 = 30s."`
	Idle        config.Duration `toml:"idle" doc:"Silence after which a client is asked for a sign of life; after half as long again it is given up. 0 = 60s, the most."`
	Hibernate   config.Duration `toml:"hibernate" doc:"How long a lost session may be resumed (XEP-0198), also over a restart of the server. 0 = 4h."`

	MaxStanza  int `toml:"max_stanza" doc:"Bytes of the largest stanza after sign-in; at least 10000 (RFC 6120). 0 = 262144."`
	MaxQueue   int `toml:"max_queue" doc:"Stanzas that may wait for one client, or for its return: more than the largest room has occupants. 0 = 3000."`
	MaxQueued  int `toml:"max_queued_bytes" doc:"Bytes that may wait for one client, or for its return. 0 = 2097152."`
	Handshakes int `toml:"handshakes" doc:"TLS handshakes at one time. 0 = 64."`
	Halfway    int `toml:"halfway" doc:"Connections that are not signed in, of one /24 (IPv4) or /64 (IPv6). 0 = 200, -1 = no limit."`
	Failures   int `toml:"failures" doc:"Failed sign-ins a minute of one address (IPv6: one /64). 0 = 100, -1 = no limit."`
	Rate       int `toml:"rate" doc:"Bytes a second that a client may send for long; above it is read more slowly. 0 = 262144, -1 = no limit."`
	Burst      int `toml:"burst" doc:"Bytes that a client may send at once, at least max_stanza. 0 = 2097152."`

	WebSocket     string   `toml:"websocket" doc:"Address of the WebSocket as apps reach it, for host-meta (XEP-0156). Empty: made of the domain and the HTTPS address."`
	BOSH          string   `toml:"bosh" doc:"Address of BOSH as apps reach it, for host-meta (XEP-0156). Empty: made like that of the WebSocket."`
	Origins       []string `toml:"origins" doc:"Web origins whose pages may use the WebSocket and BOSH, such as https://chat.example.org. The server's own is always allowed."`
	Proxies       []string `toml:"proxies" doc:"Addresses of reverse proxies (CIDR) that end TLS and whose X-Forwarded-For is believed."`
	ProxyProtocol []string `toml:"proxy_protocol" doc:"Addresses of load balancers (CIDR) that send the PROXY protocol, version 1 or 2, on every listener but the internal one. From there it is required, from elsewhere it is not understood."`
	InsecureLogin bool     `toml:"insecure_login" doc:"Lets clients sign in without TLS. For conformance suites alone."`
}

// Defaults are the values of an operator who sets nothing.
func Defaults() Config {
	return Config{Listen: []string{":5222"}, ListenTLS: []string{":5223"}}.orDefault()
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
	span(&c.AuthTimeout, 30*time.Second)
	span(&c.Idle, 60*time.Second)
	span(&c.Hibernate, 4*time.Hour)
	def(&c.MaxStanza, 256<<10)
	def(&c.MaxQueue, 3000)
	def(&c.MaxQueued, 2<<20)
	def(&c.Handshakes, 64)
	def(&c.Halfway, 200)
	def(&c.Failures, 100)
	def(&c.Rate, 256<<10)
	def(&c.Burst, 2<<20)
	return c
}

// deadAfter is the longest time that a peer may be silent, probes included, before it counts as gone.
const deadAfter = 90 * time.Second

// Check reports the first value that is not allowed.
func (c Config) Check() error {
	for key, list := range map[string][]string{"listen": c.Listen, "listen_tls": c.ListenTLS} {
		for _, a := range list {
			if _, _, err := net.SplitHostPort(a); err != nil {
				return config.Invalid(key, a, "an address such as :5222 or 127.0.0.1:5222")
			}
		}
	}
	for _, p := range c.Proxies {
		if _, err := parsePrefix(p); err != nil {
			return config.Invalid("proxies", p, "addresses or networks such as 10.0.0.0/8")
		}
	}
	for _, p := range c.ProxyProtocol {
		if _, err := parsePrefix(p); err != nil {
			return config.Invalid("proxy_protocol", p, "addresses or networks such as 10.0.0.0/8")
		}
	}
	d := c.orDefault()
	switch {
	case d.MaxStanza < 10000:
		return config.Invalid("max_stanza", c.MaxStanza, "at least 10000 (RFC 6120 §13.12)")
	case d.AuthTimeout < 0:
		return config.Invalid("auth_timeout", c.AuthTimeout, "above 0")
	case d.Idle.Std() < 10*time.Second || d.Idle.Std() > time.Minute:
		return config.Invalid("idle", c.Idle, "10s to 60s: a dead client is noticed within 90s")
	case d.Hibernate < 0:
		return config.Invalid("hibernate", c.Hibernate, "0 or above")
	case d.MaxQueue < 10:
		return config.Invalid("max_queue", c.MaxQueue, "at least 10")
	case d.MaxQueued < d.MaxStanza:
		return config.Invalid("max_queued_bytes", c.MaxQueued, "at least max_stanza")
	case d.Handshakes < 1:
		return config.Invalid("handshakes", c.Handshakes, "at least 1")
	case d.Rate > 0 && d.Burst < d.MaxStanza:
		return config.Invalid("burst", c.Burst, "at least max_stanza")
	}
	return nil
}
