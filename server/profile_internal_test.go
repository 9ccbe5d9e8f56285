package server

import (
	"strings"
	"testing"

	"writ/chat/e2ee"
	"writ/xmpp/s2s"
)

// The doors for conformance suites open where nobody could come in, and nowhere else.
func TestProfile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*Config)
		fault  string // empty: it is taken
	}{
		"service":                   {func(*Config) {}, ""},
		"service with an open door": {func(c *Config) { c.XMPP.InsecureLogin = true }, "insecure_login"},
		"an unknown profile":        {func(c *Config) { c.Profile = "tests" }, "profile"},
		"localhost":                 {func(c *Config) { c.Profile = ProfileTest }, ""},
		"a name of examples":        {func(c *Config) { c.Profile, c.Domain = ProfileTest, "xmpp.example.org" }, ""},
		"a reserved ending":         {func(c *Config) { c.Profile, c.Domain = ProfileStartTLS, "server.test" }, ""},
		"somebody's name":           {func(c *Config) { c.Profile, c.Domain = ProfileTest, "chat.example.de" }, "domain"},
		"a name like an example":    {func(c *Config) { c.Profile, c.Domain = ProfileTest, "myexample.org" }, "domain"},
		"a certificate":             {func(c *Config) { c.Profile, c.TLS.Certificate, c.TLS.Key = ProfileTest, "a", "b" }, "tls.certificate"},
		"every address":             {func(c *Config) { c.Profile, c.XMPP.Listen = ProfileTest, []string{"0.0.0.0:5222"} }, "xmpp.listen"},
		"every address of IPv6":     {func(c *Config) { c.Profile, c.HTTP.ListenTLS = ProfileTest, []string{"[::]:443"} }, "http.listen_tls"},
		"a public address":          {func(c *Config) { c.Profile, c.S2S.Listen = ProfileTest, []string{"198.51.100.1:5269"} }, "federation.listen"},
		"a name as address":         {func(c *Config) { c.Profile, c.XMPP.ListenTLS = ProfileTest, []string{"chat.example.de:5223"} }, "xmpp.listen_tls"},
		"a private address":         {func(c *Config) { c.Profile, c.XMPP.Listen = ProfileTest, []string{"10.1.2.3:5222", "[::1]:5222"} }, ""},
	} {
		given := DefaultConfig()
		given.Data = t.TempDir()
		c.change(&given)
		err := given.Check()
		if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v, want a fault of %q", name, err, c.fault)
		}
		if err != nil {
			if _, err := Build(t.Context(), Options{Config: given}); err == nil {
				t.Errorf("%s: the house is built", name)
			}
			continue
		}
		got, err := given.forProfile()
		if open := given.Profile != ""; err != nil || got.testing() != open || (got.E2EE.Mode == e2ee.Off) != open || (got.S2S.Mode == s2s.Off) != open ||
			got.XMPP.InsecureLogin != (given.Profile == ProfileTest) || (got.XMPP.Failures == -1) != open {
			t.Errorf("%s: %+v %v", name, got, err)
		}
		for _, address := range got.XMPP.Listen {
			if given.Profile != "" && strings.HasPrefix(address, ":") {
				t.Errorf("%s: it listens everywhere", name)
			}
		}
	}
}
