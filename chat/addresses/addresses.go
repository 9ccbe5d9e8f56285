// Package addresses tells where the people who run the server are reached (XEP-0157): for abuse, support, security and so on, in a form of the
// server's service discovery. Apps show it, and other operators read it before they shut a server out.
//
// Invariants:
//   - Only what the operator configured is told; without any address there is no form.
//   - Every value is a URI (XEP-0157 §3).
package addresses

import (
	"net/url"
	"slices"

	"writ/config"
	"writ/xmpp/feature"
	"writ/xmpp/xml"
)

// Form is the FORM_TYPE of the form (XEP-0128).
const Form = "http://jabber.org/network/serverinfo"

// Config is what an operator may set: URIs such as mailto:abuse@example.org, xmpp:abuse@example.org, https://example.org/help.
type Config struct {
	Abuse    []string `toml:"abuse" doc:"Where people report abuse of this server, as URIs (mailto:, xmpp:, https:)."`
	Admin    []string `toml:"admin" doc:"Where the operators are reached."`
	Feedback []string `toml:"feedback" doc:"Where people say what they think of the service."`
	Sales    []string `toml:"sales" doc:"Where one asks for the service."`
	Security []string `toml:"security" doc:"Where faults of security are reported."`
	Status   []string `toml:"status" doc:"Where it is told whether the service works; not on the same machine."`
	Support  []string `toml:"support" doc:"Where people get help."`
}

// field is one kind of address.
type field struct {
	key    string
	values []string
}

func (c Config) fields() []field {
	return []field{{"abuse", c.Abuse}, {"admin", c.Admin}, {"feedback", c.Feedback}, {"sales", c.Sales}, {"security", c.Security}, {"status", c.Status}, {"support", c.Support}}
}

// Check reports the first value that is no URI of a kind that can be reached.
func (c Config) Check() error {
	for _, f := range c.fields() {
		for _, v := range f.values {
			u, err := url.Parse(v)
			if err != nil || !slices.Contains([]string{"mailto", "xmpp", "https", "http", "tel"}, u.Scheme) || u.Opaque == "" && u.Host == "" {
				return config.Invalid(f.key, v, "URIs such as mailto:abuse@example.org, xmpp:abuse@example.org or https://example.org/help")
			}
		}
	}
	return nil
}

// New makes the room.
func New(c Config) *feature.Feature {
	f := &feature.Feature{Name: "addresses", Specs: []string{"XEP-0157"}}
	var b xml.Builder
	b.Start("jabber:x:data", "x", "type", "result").Start("", "field", "var", "FORM_TYPE", "type", "hidden").Leaf("", "value", Form).End()
	some := false
	for _, a := range c.fields() {
		if len(a.values) == 0 {
			continue
		}
		some = true
		b.Start("", "field", "var", a.key+"-addresses", "type", "list-multi")
		for _, v := range a.values {
			b.Leaf("", "value", v)
		}
		b.End()
	}
	if some {
		f.Disco.Forms = [][]byte{b.Bytes()}
	}
	return f
}
