package route

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"writ/store"
	"writ/store/storetest"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// people is the accounts of the tests: alice and bob.
type people struct{}

func (people) Exists(_ context.Context, a jid.JID) (bool, error) {
	return a.Local() == "alice" || a.Local() == "bob", nil
}

// outlet notes what is pushed to a session.
type outlet struct {
	mu     sync.Mutex
	got    []*stanza.Stanza
	closed string
	asleep bool
}

func (o *outlet) Push(s *stanza.Stanza) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.got = append(o.got, s)
}

func (o *outlet) Share(s *stanza.Stanza, _ *feature.Burst) { o.Push(s) }

func (o *outlet) Hibernating() bool { return o.asleep }

func (o *outlet) Close(condition, _ string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = condition
}

func (o *outlet) take() []*stanza.Stanza {
	o.mu.Lock()
	defer o.mu.Unlock()
	g := o.got
	o.got = nil
	return g
}

// client is a bound session of the tests.
type client struct {
	feature.Session
	out outlet
	way Sender
	r   *Router
}

func newRouter(t testing.TB, features ...*feature.Feature) *Router {
	t.Helper()
	r := New(Config{Domain: jid.MustParse("example.org"), DB: storetest.SQLite(t), Accounts: people{}})
	if err := r.Use(features); err != nil {
		t.Fatal(err)
	}
	return r
}

// bind binds a session; a priority other than "none" makes it available.
func bind(t testing.TB, r *Router, full, priority string) *client {
	t.Helper()
	c := &client{r: r}
	c.JID, c.Out, c.way.Session = jid.MustParse(full), &c.out, &c.Session
	if se := r.Bind(t.Context(), &c.Session); se != nil {
		t.Fatal(se)
	}
	if priority != "none" {
		n := int32(0)
		fmt.Sscan(priority, &n)
		c.Priority.Store(n)
		c.Presence.Store(stanza.New(stanza.Presence, stanza.Available, c.JID, jid.JID{}, ""))
	}
	return c
}

// send gives the house a stanza of the client and waits until it is handled.
func (c *client) send(t testing.TB, text string) {
	t.Helper()
	done := make(chan struct{})
	c.r.Take(t.Context(), &c.way, parse(t, c, text), func() { close(done) })
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("the stanza is never handled")
	}
}

func parse(t testing.TB, c *client, text string) *stanza.Stanza {
	t.Helper()
	raw, err := xml.Index([]byte(text), xml.Client)
	if err != nil {
		t.Fatal(err)
	}
	s, err := stanza.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return s.WithFrom(c.JID)
}

// offline keeps what has a body and is for nobody now.
func offline(kept *[]string) *feature.Feature {
	return &feature.Feature{Name: "offline", Persist: &feature.Persist{
		Wants: func(e *feature.Envelope) bool { return e.Stanza.Has(xml.Client, "body") },
		Do: func(_ context.Context, tx *store.Tx, e *feature.Envelope) error {
			if e.Away {
				e.Offline = true
				id := e.Stanza.ID
				tx.AfterCommit(func() { *kept = append(*kept, id) })
			}
			return nil
		},
	}}
}

// RFC 6121 §8.5.4: the summary of the delivery rules, for messages. D: delivered to the one addressed; A: to every session with a
// priority that is not negative; O: kept; E: service-unavailable; S: silence.
func TestRFC6121_8_5_4_Messages(t *testing.T) {
	t.Parallel()
	states := []struct {
		name     string
		sessions map[string]string // resource → priority
	}{
		{"no session", nil},
		{"connected only", map[string]string{"x": "none"}},
		{"negative", map[string]string{"x": "-1"}},
		{"one", map[string]string{"x": "0"}},
		{"several", map[string]string{"x": "0", "y": "5", "z": "-1"}},
	}
	types := []string{"normal", "chat", "groupchat", "headline", "error"}
	for _, row := range []struct{ to, state, want string }{
		{"nobody@example.org", "no session", "EEESS"},
		{"nobody@example.org/x", "no session", "EEESS"},
		{"bob@example.org", "no session", "OOESS"},
		{"bob@example.org/x", "no session", "EOESS"},
		{"bob@example.org", "connected only", "OOESS"},
		{"bob@example.org/x", "connected only", "DDDDD"},
		{"bob@example.org", "negative", "OOESS"},
		{"bob@example.org/x", "negative", "DDDDD"},
		{"bob@example.org/none", "negative", "EOESS"},
		{"bob@example.org", "one", "AAEAS"},
		{"bob@example.org/x", "one", "DDDDD"},
		{"bob@example.org/none", "one", "EAESS"},
		{"bob@example.org", "several", "AAEAS"},
		{"bob@example.org/x", "several", "DDDDD"},
		{"bob@example.org/none", "several", "EAESS"},
	} {
		for _, st := range states {
			if st.name != row.state {
				continue
			}
			for i, typ := range types {
				t.Run(row.to+" "+row.state+" "+typ, func(t *testing.T) {
					t.Parallel()
					var kept []string
					r := newRouter(t, offline(&kept))
					a := bind(t, r, "alice@example.org/a", "0")
					there := map[string]*client{}
					for res, p := range st.sessions {
						there[res] = bind(t, r, "bob@example.org/"+res, p)
					}
					a.send(t, "<message xmlns='jabber:client' id='m' type='"+typ+"' to='"+row.to+"'><body>x</body></message>")
					if got := outcome(a, there, kept, jid.MustParse(row.to).Resource()); got != row.want[i:i+1] {
						t.Errorf("got %s, want %c", got, row.want[i])
					}
				})
			}
		}
	}
}

func outcome(a *client, there map[string]*client, kept []string, resource string) string {
	back := a.out.take()
	got := map[string]bool{}
	for r, c := range there {
		if len(c.out.take()) == 1 {
			got[r] = true
		}
	}
	switch {
	case len(kept) == 1 && len(got) == 0 && len(back) == 0:
		return "O"
	case len(back) == 1 && len(got) == 0:
		if e := stanza.ErrorOf(back[0]); e == nil || e.Condition != "service-unavailable" {
			return "another error"
		}
		return "E"
	case len(got) == 1 && got[resource] && len(back) == 0:
		return "D"
	case len(got) > 0 && len(back) == 0:
		for r, c := range there {
			if got[r] != (c.Available() && c.Priority.Load() >= 0) {
				return "the wrong sessions"
			}
		}
		return "A"
	case len(back)+len(got)+len(kept) == 0:
		return "S"
	}
	return "confusion"
}

// RFC 6121 §8.5.2.1.2, §8.5.3.1: directed presence and IQs.
func TestRFC6121_8_5_PresenceAndIQ(t *testing.T) {
	t.Parallel()
	r := newRouter(t)
	a := bind(t, r, "alice@example.org/a", "0")
	x, y, z := bind(t, r, "bob@example.org/x", "0"), bind(t, r, "bob@example.org/y", "-1"), bind(t, r, "bob@example.org/z", "none")
	a.send(t, "<presence xmlns='jabber:client' to='bob@example.org'/>")
	if len(x.out.take()) != 1 || len(y.out.take()) != 1 || len(z.out.take()) != 0 {
		t.Error("directed presence to a bare address goes to every available session")
	}
	a.send(t, "<presence xmlns='jabber:client' to='bob@example.org/z'/>")
	if len(z.out.take()) != 1 {
		t.Error("directed presence to a full address goes to it")
	}
	a.send(t, "<iq xmlns='jabber:client' type='get' id='1' to='bob@example.org/z'><q xmlns='u'/></iq>")
	if g := z.out.take(); len(g) != 1 || g[0].From != a.JID {
		t.Error("an IQ goes to the session of the full address")
	}
	for _, to := range []string{"bob@example.org", "bob@example.org/none", "nobody@example.org", "nobody@example.org/x", "example.org", "example.org/x"} {
		a.send(t, "<iq xmlns='jabber:client' type='get' id='1' to='"+to+"'><q xmlns='u'/></iq>")
		if g := a.out.take(); len(g) != 1 || stanza.ErrorOf(g[0]).Condition != "service-unavailable" || g[0].From.String() != to {
			t.Errorf("an IQ to %s is answered with %v", to, g)
		}
		a.send(t, "<iq xmlns='jabber:client' type='result' id='1' to='"+to+"'/>")
		a.send(t, "<iq xmlns='jabber:client' type='error' id='1' to='"+to+"'/>")
		if g := a.out.take(); len(g) != 0 {
			t.Errorf("an answer that nobody asked for is answered: %v", g)
		}
	}
}

// The stages run in their order; Screen refuses or drops before anything is written.
func TestStages(t *testing.T) {
	t.Parallel()
	var trace []string
	note := func(s string) { trace = append(trace, s) }
	room := func(name string) *feature.Feature {
		return &feature.Feature{Name: name,
			Screen: func(_ context.Context, e *feature.Envelope) error {
				note("screen " + name)
				switch e.Stanza.ID {
				case "refuse":
					return stanza.NotAcceptable("no")
				case "drop":
					return feature.Drop
				}
				return nil
			},
			Shape: func(_ context.Context, e *feature.Envelope) {
				note("shape " + name)
				e.Stanza = e.Stanza.Without(func(c stanza.Child) bool { return c.Local == "forged" })
			},
			Persist: &feature.Persist{Do: func(_ context.Context, _ *store.Tx, e *feature.Envelope) error {
				note("persist " + name)
				e.ArchiveID++
				return nil
			}},
			After: func(_ context.Context, e *feature.Envelope) {
				note(fmt.Sprint("after ", name, " ", e.Delivered, " ", e.ArchiveID))
			},
		}
	}
	r := newRouter(t, room("one"), room("two"))
	a, b := bind(t, r, "alice@example.org/a", "0"), bind(t, r, "bob@example.org/b", "0")
	a.send(t, "<message xmlns='jabber:client' to='bob@example.org'><forged xmlns='u'/><body>x</body></message>")
	want := "screen one,screen two,shape one,shape two,persist one,persist two,after one 1 2,after two 1 2"
	if got := strings.Join(trace, ","); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if g := b.out.take(); len(g) != 1 || g[0].Has("u", "forged") {
		t.Errorf("delivered %v", g)
	}
	trace = nil
	a.send(t, "<message xmlns='jabber:client' id='refuse' to='bob@example.org'><body>x</body></message>")
	a.send(t, "<message xmlns='jabber:client' id='drop' to='bob@example.org'><body>x</body></message>")
	if got := strings.Join(trace, ","); got != "screen one,screen one" {
		t.Errorf("refused and dropped went through %s", got)
	}
	if g := a.out.take(); len(g) != 1 || stanza.ErrorOf(g[0]).Condition != "not-acceptable" {
		t.Errorf("answers %v", g)
	}
}

// RFC 6120 §10.1: what a session sends keeps its order, whether it is written down or not, and so do the acknowledgements.
func TestRFC6120_10_1_Order(t *testing.T) {
	t.Parallel()
	var kept []string
	r := newRouter(t, offline(&kept))
	a, b := bind(t, r, "alice@example.org/a", "0"), bind(t, r, "bob@example.org/b", "0")
	var mu sync.Mutex
	var done []int
	const n = 300
	for i := range n {
		text := fmt.Sprintf("<message xmlns='jabber:client' id='%d' to='bob@example.org'><body>x</body></message>", i)
		switch i % 5 {
		case 1:
			text = fmt.Sprintf("<message xmlns='jabber:client' id='%d' to='bob@example.org'><composing xmlns='u'/></message>", i)
		case 2:
			text = fmt.Sprintf("<presence xmlns='jabber:client' id='%d' to='bob@example.org'/>", i)
		case 3:
			text = fmt.Sprintf("<iq xmlns='jabber:client' type='set' id='%d' to='bob@example.org/b'><q xmlns='u'/></iq>", i)
		}
		r.Take(t.Context(), &a.way, parse(t, a, text), func() {
			mu.Lock()
			defer mu.Unlock()
			done = append(done, i)
		})
	}
	a.way.Drain()
	got := b.out.take()
	if len(got) != n || len(done) != n {
		t.Fatalf("%d delivered, %d handled", len(got), len(done))
	}
	for i, s := range got {
		if s.ID != fmt.Sprint(i) || done[i] != i {
			t.Fatalf("at %d: delivered %s, handled %d", i, s.ID, done[i])
		}
	}
}

// A message whose session goes away between the commit and the delivery is kept, not lost.
func TestSessionGoneBetweenCommitAndDelivery(t *testing.T) {
	t.Parallel()
	var kept []string
	var r *Router
	var b *client
	ender := &feature.Feature{Name: "ender", Persist: &feature.Persist{Do: func(_ context.Context, tx *store.Tx, e *feature.Envelope) error {
		if !e.Again {
			tx.AfterCommit(func() { r.Unbind(context.Background(), &b.Session) })
		}
		return nil
	}}}
	r = newRouter(t, offline(&kept), ender)
	a := bind(t, r, "alice@example.org/a", "0")
	b = bind(t, r, "bob@example.org/b", "0")
	a.send(t, "<message xmlns='jabber:client' id='m' to='bob@example.org'><body>x</body></message>")
	r.house.Drain()
	if len(kept) != 1 || len(a.out.take()) != 0 || len(b.out.take()) != 0 {
		t.Errorf("kept %v", kept)
	}
}

// A failure of ours is answered with internal-server-error, once, and tells nothing; so is a panic of a room.
func TestFailuresAreAnswered(t *testing.T) {
	t.Parallel()
	bad := &feature.Feature{Name: "bad",
		IQ: []feature.IQ{
			{Type: stanza.Get, Space: "u:err", Local: "q", At: feature.AtOwn, Handle: func(context.Context, *feature.Request) (feature.Reply, error) {
				return feature.Reply{}, errors.New("secret detail")
			}},
			{Type: stanza.Get, Space: "u:panic", Local: "q", At: feature.AtOwn, Handle: func(context.Context, *feature.Request) (feature.Reply, error) {
				panic("secret detail")
			}},
		},
		Persist: &feature.Persist{Do: func(context.Context, *store.Tx, *feature.Envelope) error { panic("secret detail") }},
	}
	r := newRouter(t, bad)
	a := bind(t, r, "alice@example.org/a", "0")
	for _, text := range []string{
		"<iq xmlns='jabber:client' type='get' id='1'><q xmlns='u:err'/></iq>",
		"<iq xmlns='jabber:client' type='get' id='1'><q xmlns='u:panic'/></iq>",
		"<message xmlns='jabber:client' id='1' to='bob@example.org'><body>x</body></message>",
	} {
		a.send(t, text)
		g := a.out.take()
		if len(g) != 1 || stanza.ErrorOf(g[0]).Condition != "internal-server-error" || strings.Contains(g[0].String(), "secret") {
			t.Errorf("%s: answered %v", text, g)
		}
	}
}

// Two rooms that answer the same request stop the start.
func TestDuplicatesAreRefused(t *testing.T) {
	t.Parallel()
	iq := []feature.IQ{{Type: stanza.Get, Space: "u", Local: "q", At: feature.AtOwn | feature.AtDomain}}
	r := New(Config{Domain: jid.MustParse("example.org")})
	err := r.Use([]*feature.Feature{{Name: "a", IQ: iq}, {Name: "b", IQ: []feature.IQ{{Type: stanza.Get, Space: "u", Local: "q", At: feature.AtDomain}}}})
	if err == nil || !strings.Contains(err.Error(), "a and b") {
		t.Errorf("error %v", err)
	}
	if err := New(Config{}).Use([]*feature.Feature{{Name: "a"}, {Name: "a"}}); err == nil {
		t.Error("two rooms of one name")
	}
}

// An answer is matched by id, sender and kind; a question whose session ends is answered with nothing.
func TestAsk(t *testing.T) {
	t.Parallel()
	r := newRouter(t)
	a, b := bind(t, r, "alice@example.org/a", "0"), bind(t, r, "bob@example.org/b", "0")
	var got []*stanza.Stanza
	ask := func(id string) {
		r.Ask(&a.Session, stanza.New(stanza.IQ, stanza.Get, r.Domain(), a.JID, id, []byte("<q xmlns='u'/>")), func(s *stanza.Stanza) { got = append(got, s) })
	}
	ask("q1")
	b.send(t, "<iq xmlns='jabber:client' type='result' id='q1' to='example.org'/>")                // another sender
	a.send(t, "<iq xmlns='jabber:client' type='result' id='q2' to='example.org'/>")                // another id
	a.send(t, "<iq xmlns='jabber:client' type='get' id='q1' to='example.org'><q xmlns='u'/></iq>") // another kind
	a.send(t, "<iq xmlns='jabber:client' type='result' id='q1' to='bob@example.org'/>")            // to another
	if len(got) != 0 {
		t.Fatalf("matched %v", got)
	}
	a.send(t, "<iq xmlns='jabber:client' type='result' id='q1' to='example.org'/>")
	a.send(t, "<iq xmlns='jabber:client' type='result' id='q1' to='example.org'/>") // a second answer
	if len(got) != 1 || got[0].Type != stanza.Result {
		t.Fatalf("got %v", got)
	}
	ask("q3")
	r.Unbind(t.Context(), &a.Session)
	if len(got) != 2 || got[1] != nil {
		t.Fatalf("got %v", got)
	}
}

// RFC 6120 §7.6.2.1: at the limit of resources a hibernating session gives way; without one the newest is refused.
func TestRFC6120_7_6_2_1_Limit(t *testing.T) {
	t.Parallel()
	r := newRouter(t)
	var all []*client
	for i := range 10 {
		all = append(all, bind(t, r, fmt.Sprintf("bob@example.org/%d", i), "0"))
	}
	late := &client{}
	late.JID, late.Out = jid.MustParse("bob@example.org/late"), &late.out
	se := r.Bind(t.Context(), &late.Session)
	if se == nil || se.Condition != "resource-constraint" || !strings.Contains(string(se.App), "resource-limit-exceeded") {
		t.Fatalf("answered %v", se)
	}
	all[3].out.asleep = true
	if se := r.Bind(t.Context(), &late.Session); se != nil || all[3].out.closed == "" {
		t.Errorf("answered %v, the hibernating one was closed with %q", se, all[3].out.closed)
	}
	if n := len(r.Sessions(late.JID)); n != 10 {
		t.Errorf("%d sessions", n)
	}
}
