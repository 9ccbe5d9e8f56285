package c2s

import (
	"strings"
	"sync"
	"time"

	"writ/xmpp/sasl"
	"writ/xmpp/stream"
	"writ/xmpp/xml"
)

// menu is a list of features, ready to be sent.
type menu struct {
	features []byte // the whole element
	config   string // the value of XEP-0509 that they had; empty: none
}

// menus keeps the lists that were made: nearly all clients are shown the same one, and making it would cost a sign-in more than its tables do.
type menus struct {
	mu sync.Mutex
	of map[menuKey]*menu
}

// menuKey is all that a list depends on beside the configuration.
type menuKey struct {
	framed, secure               bool
	admitted, bound, managed     bool // it has signed in, has a resource, has stream management
	mechanisms, bindings, tokens string
	newcomers                    string
}

// maxMenus bounds the lists that are kept; there are as many as kinds of accounts and connections.
const maxMenus = 64

// get gives the list of a key, made by make if it is not kept.
func (m *menus) get(k menuKey, make func() *menu) *menu {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := m.of[k]; l != nil {
		return l
	}
	if m.of == nil || len(m.of) >= maxMenus {
		m.of = map[menuKey]*menu{}
	}
	l := make()
	m.of[k] = l
	return l
}

// list joins what no part contains a line feed of.
func list(parts []string) string { return strings.Join(parts, "\n") }

// features is what may be negotiated now (RFC 6120 §4.3.2). Nobody may change it.
func (c *conn) features() []byte {
	s := c.srv
	k := menuKey{framed: c.ws != nil, secure: c.secure()}
	switch {
	case c.auth == nil:
		k.admitted = true
		return s.menus.get(k, func() *menu { return k.ready(s.bindFeatures()...) }).features
	case !k.secure && !s.c.InsecureLogin:
		return s.menus.get(k, func() *menu { return k.ready("<starttls xmlns='" + stream.TLS + "'><required/></starttls>") }).features
	}
	o := s.p.SASL.Offer(k.secure || s.c.InsecureLogin, c.bindings()...)
	if err := o.For(s.ctx, c.auth.from); err != nil {
		s.log.Error("what an account can sign in with is not known", "err", err) // the whole list is as good as any other
	}
	var newcomers []string
	if s.p.Newcomers != nil {
		newcomers = s.p.Newcomers.Features()
	}
	k.mechanisms, k.bindings, k.tokens, k.newcomers = list(o.Mechanisms()), list(o.Bindings()), list(o.Tokens()), list(newcomers)
	l := s.menus.get(k, func() *menu { return s.menu(k, o, newcomers) })
	c.auth.offer, c.auth.config = o, l.config
	return l.features
}

// boundMenu is what is left to be offered to a client that has bound a resource.
func (c *conn) boundMenu(managed bool) []byte {
	k := menuKey{framed: c.ws != nil, secure: true, admitted: true, bound: true, managed: managed}
	return c.srv.menus.get(k, func() *menu { return k.ready(c.srv.boundFeatures(managed)...) }).features
}

// ready makes a list of features.
func (k menuKey) ready(features ...string) *menu {
	return &menu{features: stream.AppendFeatures(nil, k.framed, features...)}
}

// menu makes the list that is shown before sign-in.
func (s *Server) menu(k menuKey, o *sasl.Offer, newcomers []string) *menu {
	out := make([]string, 0, 8)
	if !k.secure && !k.framed {
		out = append(out, "<starttls xmlns='"+stream.TLS+"'/>")
	}
	var b xml.Builder
	b.Start(stream.SASL, "mechanisms")
	for _, m := range o.Mechanisms() {
		b.Leaf("", "mechanism", m)
	}
	out = append(out, string(b.Bytes()))
	if k.secure { // XEP-0388 §3: never without
		out = append(out, s.authentication(o))
	}
	if kinds := o.Bindings(); len(kinds) > 0 {
		var b xml.Builder
		b.Start(stream.Bindings, "sasl-channel-binding")
		for _, k := range kinds {
			b.Empty("", "channel-binding", "type", k)
		}
		out = append(out, string(b.Bytes()))
	}
	out = append(out, newcomers...)
	out = append(out, stream.LimitsFeature(xml.BeforeLogin().Bytes, int(s.c.AuthTimeout.Std()/time.Second)))
	config := ""
	if k.secure {
		var feature string
		feature, config = configVersion(out)
		out = append(out, feature)
	}
	l := k.ready(out...)
	l.config = config
	return l
}
