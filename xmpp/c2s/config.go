package c2s

import (
	"fmt"
	"net"
	"time"

	"writ/config"
)

// Config is what an operator may set.
type Config struct {
	Listen    []string `toml:"listen" doc:"Addresses for STARTTLS (RFC 6120), host:port."`
	ListenTLS []string `toml:"listen_tls" doc:"Addresses for direct TLS (XEP-0368), host:port."`

	AuthTimeout config.Duration `toml:"auth_timeout" doc:"How long a client may take from connecting to being signed in."`
	Idle        config.Duration `toml:"idle" doc:"Silence after which a client is asked for a sign of life. It is given up after half as long again."`
	Hibernate   config.Duration `toml:"hibernate" doc:"How long a lost session may be resumed (XEP-0198). 0 offers no resumption."`

	MaxStanza  int `toml:"max_stanza" doc:"Bytes of the largest stanza after sign-in; at least 10000 (RFC 6120)."`
	MaxQueue   int `toml:"max_queue" doc:"Stanzas that may wait for one client, or for its return."`
	MaxQueued  int `toml:"max_queued_bytes" doc:"Bytes that may wait for one client, or for its return."`
	Handshakes int `toml:"handshakes" doc:"TLS handshakes at one time."`
	Halfway    int `toml:"halfway" doc:"Connections that are not signed in, of one /24 (IPv4) or /64 (IPv6). 0 sets no limit."`
	Failures   int `toml:"failures" doc:"Failed sign-ins a minute of one address (IPv6: one /64). 0 sets no limit."`
	Rate       int `toml:"rate" doc:"Bytes a second that a client may send for long; above it is read more slowly. 0 sets no limit."`
	Burst      int `toml:"burst" doc:"Bytes that a client may send at once."`

	Origins       []string `toml:"origins" doc:"Web origins whose pages may use the WebSocket, such as https://chat.example.org. The server's own is always allowed."`
	Proxies       []string `toml:"proxies" doc:"Addresses of reverse proxies (CIDR) that end TLS and whose X-Forwarded-For is believed."`
	InsecureLogin bool     `toml:"insecure_login" doc:"Lets clients sign in without TLS. For conformance suites alone."`
}

// Defaults are the values of an operator who sets nothing.
func Defaults() Config {
	return Config{
		Listen: []string{":5222"}, ListenTLS: []string{":5223"},
		AuthTimeout: config.Duration(30 * time.Second), Idle: config.Duration(60 * time.Second), Hibernate: config.Duration(10 * time.Minute),
		MaxStanza: 256 << 10, MaxQueue: 1000, MaxQueued: 2 << 20, Handshakes: 64, Halfway: 200, Failures: 100,
		Rate: 256 << 10, Burst: 2 << 20,
	}
}

// deadAfter is the longest time that a peer may be silent, probes included, before it counts as gone.
const deadAfter = 90 * time.Second

// Check reports what is wrong with the configuration.
func (c *Config) Check() error {
	for _, a := range append(append([]string(nil), c.Listen...), c.ListenTLS...) {
		if _, _, err := net.SplitHostPort(a); err != nil {
			return fmt.Errorf("c2s: %q is no address to listen at, such as :5222 or 127.0.0.1:5222", a)
		}
	}
	for _, p := range c.Proxies {
		if _, err := parsePrefix(p); err != nil {
			return fmt.Errorf("c2s: %q is no address or CIDR of a proxy", p)
		}
	}
	switch {
	case c.MaxStanza < 10000:
		return fmt.Errorf("c2s: max_stanza is %d, at least 10000 (RFC 6120 §13.12)", c.MaxStanza)
	case c.AuthTimeout <= 0:
		return fmt.Errorf("c2s: auth_timeout must be above 0")
	case c.Idle.Std() < 5*time.Second || c.Idle.Std() > 60*time.Second:
		return fmt.Errorf("c2s: idle is %s, from 5s to 60s (a dead client is noticed within 90s)", c.Idle)
	case c.Hibernate < 0:
		return fmt.Errorf("c2s: hibernate must not be negative")
	case c.MaxQueue < 10 || c.MaxQueued < c.MaxStanza:
		return fmt.Errorf("c2s: max_queue must be at least 10, max_queued_bytes at least max_stanza")
	case c.Handshakes < 1:
		return fmt.Errorf("c2s: handshakes must be at least 1")
	case c.Rate > 0 && c.Burst < c.MaxStanza:
		return fmt.Errorf("c2s: burst must be at least max_stanza")
	}
	return nil
}
