package server

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"writ/chat/administration"
	"writ/chat/e2ee"
	"writ/chat/muc"
	"writ/chat/roster"
	"writ/clock"
	"writ/config"
	"writ/xmpp/s2s"
	"writ/xmpp/sasl"
)

// The profiles. In service nobody signs in without TLS, registers without an invitation, or reads another person; conformance suites need
// all three. These doors open together or not at all, and never where anybody could come in: the domain is a name that nobody can own, and every address
// is of this machine or its private network.
const (
	ProfileTest     = "test"          // sign-in without TLS; STARTTLS is offered
	ProfileStartTLS = "test-starttls" // the same with TLS required, by a certificate of our own
)

// testing reports a profile for conformance suites.
func (c Config) testing() bool { return c.Profile != "" }

// forProfile is the configuration with what its profile opens, or why that is refused.
func (c Config) forProfile() (Config, error) {
	switch c.Profile {
	case "":
		if c.XMPP.InsecureLogin {
			return c, config.Invalid("xmpp.insecure_login", true, `false; for a conformance suite set profile = "test"`)
		}
		return c, nil
	case ProfileTest, ProfileStartTLS:
	default:
		return c, config.Invalid("profile", c.Profile, "nothing, "+ProfileTest+", "+ProfileStartTLS)
	}
	if !reservedName(c.Domain) {
		return c, config.Invalid("domain", c.Domain, "with profile = "+c.Profile+" a name that nobody owns: localhost, example.org, or one that ends in .test, .example, .invalid or .localhost (RFC 2606, RFC 6761)")
	}
	if c.TLS.Certificate != "" {
		return c, config.Invalid("tls.certificate", c.TLS.Certificate, "empty with profile = "+c.Profile)
	}
	for key, list := range map[string]*[]string{"xmpp.listen": &c.XMPP.Listen, "xmpp.listen_tls": &c.XMPP.ListenTLS, "federation.listen": &c.S2S.Listen,
		"federation.listen_tls": &c.S2S.ListenTLS, "http.listen": &c.HTTP.Listen, "http.listen_tls": &c.HTTP.ListenTLS} {
		*list = slices.Clone(*list)
		for i, address := range *list {
			home, ok := atHome(address)
			if !ok {
				return c, config.Invalid(key, address, "with profile = "+c.Profile+" a loopback or private address")
			}
			(*list)[i] = home
		}
	}
	for key, address := range map[string]*string{"http.console": &c.HTTP.Console, "http.internal": &c.HTTP.Internal} {
		home, ok := atHome(*address)
		if *address != "" && !ok {
			return c, config.Invalid(key, *address, "with profile = "+c.Profile+" a loopback or private address")
		}
		if ok {
			*address = home
		}
	}
	c.XMPP.InsecureLogin = c.Profile == ProfileTest
	c.XMPP.Rate, c.XMPP.Failures, c.XMPP.Halfway = -1, -1, -1
	c.S2S.Mode, c.S2S.Services = s2s.Off, nil // who registers as they like must reach nobody else
	c.E2EE = e2ee.Config{Mode: e2ee.Off}
	c.Pace.Strangers, c.Pace.Requests = unlimited, unlimited
	c.Rooms.Channels, c.Rooms.Instant, c.Rooms.PerPerson = true, muc.Channel, unlimited // suites expect rooms that anyone may enter
	c.Rooms.Joins, c.Rooms.Nicks = unlimited/4, unlimited/4
	if c.Accounts.Iterations == 0 {
		c.Accounts.Iterations = sasl.MinIterations // suites sign in hundreds of times
	}
	return c, nil
}

// unlimited is more than a suite sends in a minute.
const unlimited = 1 << 30

// reservedName reports a domain that is nobody's (RFC 2606, RFC 6761).
func reservedName(domain string) bool {
	labels := strings.Split(strings.ToLower(domain), ".")
	last := labels[len(labels)-1]
	if slices.Contains([]string{"test", "example", "invalid", "localhost"}, last) {
		return true
	}
	return len(labels) >= 2 && labels[len(labels)-2] == "example" && slices.Contains([]string{"com", "net", "org"}, last)
}

// atHome is an address to listen on that only this machine or its private network reaches. One without a host becomes loopback.
func atHome(address string) (string, bool) {
	host, port, err := net.SplitHostPort(address)
	switch {
	case err != nil:
		return "", false
	case host == "":
		return net.JoinHostPort("127.0.0.1", port), true
	case host == "localhost":
		return address, true
	}
	a, err := netip.ParseAddr(host)
	return address, err == nil && (a.Unmap().IsLoopback() || a.Unmap().IsPrivate() || a.IsLinkLocalUnicast())
}

// look is what operators read people with: nothing, in service.
func (h *House) look(contacts *roster.Roster) *administration.Look {
	if !h.Config.testing() {
		return nil
	}
	return &administration.Look{Rosters: contacts, Seen: h.Records.Keeper, People: h.Accounts}
}

// warn says in the log, at the start and every hour, which doors are open.
func (h *House) warn(ctx context.Context) (stop func()) {
	return clock.Repeat(ctx, h.Clock, time.Nanosecond, func(context.Context) time.Duration {
		h.Log.Warn("THE TEST PROFILE IS ON: anyone registers, operators read people, and no limit holds. Never run it for anyone",
			"room", "server", "profile", h.Config.Profile, "sign_in_without_tls", h.Config.XMPP.InsecureLogin)
		return time.Hour
	})
}
