package disco

import (
	"container/list"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"writ/xmpp/feature"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// CapsNS is the namespace of entity capabilities, and Node what this server calls itself in them.
const (
	CapsNS = "http://jabber.org/protocol/caps"
	Node   = "https://writ.example/caps"
	formNS = "jabber:x:data"
)

// capsCache keeps what verified hashes mean, least recently used first out: a hash says nothing of a person.
type capsCache struct {
	mu    sync.Mutex
	max   int
	order *list.List // of *feature.Caps, most recent first
	byVer map[string]*list.Element
}

func newCapsCache(max int) *capsCache {
	return &capsCache{max: max, order: list.New(), byVer: map[string]*list.Element{}}
}

func (c *capsCache) get(ver string) *feature.Caps {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byVer[ver]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*feature.Caps)
}

func (c *capsCache) put(caps *feature.Caps) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byVer[caps.Ver] != nil {
		return
	}
	c.byVer[caps.Ver] = c.order.PushFront(caps)
	if c.order.Len() > c.max {
		old := c.order.Remove(c.order.Back()).(*feature.Caps)
		delete(c.byVer, old.Ver)
	}
}

// presence looks at the <c/> of a broadcast presence and asks the client what an unknown hash means (XEP-0115 §6.2).
// It never takes the presence from the rooms behind it.
func (d *Disco) presence(ctx context.Context, e *feature.Envelope) (bool, error) {
	s := e.Session
	if s == nil && !e.Server {
		return false, d.presenceFrom(ctx, e)
	}
	if s == nil || !e.To.IsZero() || e.Stanza.Type != stanza.Available {
		return false, nil
	}
	c := e.Stanza.Find(CapsNS, "c")
	if c == nil || c.Attr("hash") != "sha-1" || c.Attr("ver") == "" {
		return false, nil // the legacy format can be poisoned and is ignored (XEP-0115 §9)
	}
	ver := c.Attr("ver")
	if have := s.Caps.Load(); have != nil && have.Ver == ver {
		return false, nil
	}
	if caps := d.caps.get(ver); caps != nil {
		d.learn(ctx, s, caps)
		return false, nil
	}
	var b xml.Builder
	b.Empty(InfoNS, "query", "node", c.Attr("node")+"#"+ver)
	ask := stanza.New(stanza.IQ, stanza.Get, d.router.Domain(), s.JID, "", b.Bytes())
	ctx = context.WithoutCancel(ctx)
	d.router.Ask(s, ask, func(reply *stanza.Stanza) {
		if caps := read(reply, ver); caps != nil {
			d.caps.put(caps)
			d.learn(ctx, s, caps)
		}
	})
	return false, nil
}

func (d *Disco) learn(ctx context.Context, s *feature.Session, caps *feature.Caps) {
	s.Caps.Store(caps)
	if d.known != nil {
		d.known(ctx, s)
	}
}

// read verifies an answer against the hash that asked for it (XEP-0115 §5.4); nil if it does not fit.
func read(reply *stanza.Stanza, ver string) *feature.Caps {
	if reply == nil || reply.Type != stanza.Result {
		return nil
	}
	q := reply.Find(InfoNS, "query")
	if q == nil {
		return nil
	}
	v, err := verOf(q)
	if err != nil || v != ver {
		return nil
	}
	caps := &feature.Caps{Ver: ver, Notify: map[string]bool{}}
	for _, f := range q.All(InfoNS, "feature") {
		if node, ok := strings.CutSuffix(f.Attr("var"), "+notify"); ok {
			caps.Notify[node] = true
		}
	}
	return caps
}

// Ver is the verification string of XEP-0115 §5.1. A form that is none does not count.
func Ver(info *feature.Info) string {
	var ids []string
	for _, i := range info.Identities {
		ids = append(ids, strings.Join([]string{i.Category, i.Type, "", i.Name}, "/"))
	}
	forms := map[string]string{}
	for _, f := range info.Forms {
		x, err := xml.Parse(f, "")
		if err != nil {
			continue
		}
		if kind, text, err := formText(x); err == nil && kind != "" {
			forms[kind] = text
		}
	}
	return hash(ids, slices.Clone(info.Features), forms)
}

var errCaps = errors.New("disco: answer not fit for a hash")

// verOf computes the verification string of a received answer. An answer with duplicates or with two forms of one type is
// refused, for different answers would share a hash (XEP-0115 §5.4, steps 3.3 to 3.6).
func verOf(q *xml.Element) (string, error) {
	var ids, features []string
	for _, i := range q.All(InfoNS, "identity") {
		ids = append(ids, strings.Join([]string{i.Attr("category"), i.Attr("type"), i.Attr("xml:lang"), i.Attr("name")}, "/"))
	}
	for _, f := range q.All(InfoNS, "feature") {
		features = append(features, f.Attr("var"))
	}
	forms := map[string]string{}
	for _, x := range q.All(formNS, "x") {
		kind, text, err := formText(x)
		if err != nil {
			return "", err
		}
		if kind == "" {
			continue
		}
		if _, twice := forms[kind]; twice {
			return "", fmt.Errorf("%w: two forms of type %q", errCaps, kind)
		}
		forms[kind] = text
	}
	slices.Sort(ids)
	slices.Sort(features)
	if len(slices.Compact(slices.Clone(ids))) != len(ids) || len(slices.Compact(slices.Clone(features))) != len(features) {
		return "", fmt.Errorf("%w: duplicates", errCaps)
	}
	return hash(ids, features, forms), nil
}

func formText(x *xml.Element) (kind, text string, err error) {
	fields := map[string][]string{}
	for _, f := range x.All(formNS, "field") {
		var values []string
		for _, v := range f.All(formNS, "value") {
			values = append(values, v.Text())
		}
		if f.Attr("var") == "FORM_TYPE" {
			if f.Attr("type") != "hidden" {
				return "", "", nil // ignored, by step 3.6
			}
			if len(slices.Compact(slices.Clone(values))) > 1 {
				return "", "", fmt.Errorf("%w: several form types", errCaps)
			}
			if len(values) > 0 {
				kind = values[0]
			}
			continue
		}
		slices.Sort(values)
		fields[f.Attr("var")] = values
	}
	names := make([]string, 0, len(fields))
	for n := range fields {
		names = append(names, n)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, n := range names {
		b.WriteString(n + "<")
		for _, v := range fields[n] {
			b.WriteString(v + "<")
		}
	}
	return kind, b.String(), nil
}

func hash(ids, features []string, forms map[string]string) string {
	slices.Sort(ids)
	slices.Sort(features)
	var b strings.Builder
	for _, s := range append(ids, features...) {
		b.WriteString(s + "<")
	}
	kinds := make([]string, 0, len(forms))
	for k := range forms {
		kinds = append(kinds, k)
	}
	slices.Sort(kinds)
	for _, k := range kinds {
		b.WriteString(k + "<" + forms[k])
	}
	sum := sha1.Sum([]byte(b.String())) // the XEP's hash; nothing secret rests on it
	return base64.StdEncoding.EncodeToString(sum[:])
}
