package route

import (
	"context"
	"sync"
	"testing"

	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// taken is a host that handles nothing by itself.
type taken struct {
	mu   sync.Mutex
	got  []*feature.Envelope
	done []func()
}

func (h *taken) take(_ context.Context, e *feature.Envelope, done func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.got, h.done = append(h.got, e), append(h.done, done)
}

func (h *taken) feature() *feature.Feature {
	return &feature.Feature{Name: "rooms", Host: &feature.Host{Domain: jid.MustParse("rooms.example.org"), Take: h.take}}
}

// Everything that is addressed to a host comes to it, and nothing is done for it by the tables for accounts.
func TestAHostGetsWhatIsAddressedToIt(t *testing.T) {
	t.Parallel()
	h := &taken{}
	r := newRouter(t, h.feature())
	a := bind(t, r, "alice@example.org/x", "0")
	for _, text := range []string{
		`<message to='r@rooms.example.org' type='groupchat'><body>1</body></message>`,
		`<presence to='r@rooms.example.org/nick'/>`,
		`<iq to='rooms.example.org' type='get' id='1'><query xmlns='q'/></iq>`,
		`<iq to='r@rooms.example.org/nick' type='result' id='2'/>`,
		`<message to='r@rooms.example.org/nick' type='error'/>`,
	} {
		r.Take(t.Context(), &a.way, parse(t, a, text), func() {})
	}
	r.Deliver(t.Context(), jid.MustParse("r@rooms.example.org"), stanza.New(stanza.Message, stanza.TypeError, jid.MustParse("bob@example.org"), jid.JID{}, ""))
	if len(h.got) != 6 || h.got[0].Session != &a.Session || h.got[5].Session != nil || len(a.out.take()) != 0 {
		t.Fatal(len(h.got))
	}
	if !r.Hosted(jid.MustParse("x@rooms.example.org/y")) || r.Hosted(a.JID) || r.Local(jid.MustParse("rooms.example.org")) || !r.Reaches(jid.MustParse("rooms.example.org")) {
		t.Error("which addresses are the host's")
	}
}

// A stanza to a host is told to be handled when the host says so, and what was sent after it is not told before.
func TestAHostKeepsTheOrderOfTheSender(t *testing.T) {
	t.Parallel()
	h := &taken{}
	var kept []string
	r := newRouter(t, h.feature(), offline(&kept))
	a := bind(t, r, "alice@example.org/x", "0")
	told := make(chan int, 3)
	r.Take(t.Context(), &a.way, parse(t, a, `<message to='r@rooms.example.org' type='groupchat'><body>1</body></message>`), func() { told <- 1 })
	r.Take(t.Context(), &a.way, parse(t, a, `<message to='bob@example.org' type='chat' id='m2'><body>2</body></message>`), func() { told <- 2 })
	r.Take(t.Context(), &a.way, parse(t, a, `<presence to='r@rooms.example.org/n' type='unavailable'/>`), func() { told <- 3 })
	if err := r.c.DB.Write(t.Context(), func(*store.Tx) error { return nil }); err != nil { // bob's message is committed by now
		t.Fatal(err)
	}
	if len(told) != 0 || a.way.InFlight() != 3 {
		t.Fatal(len(told), a.way.InFlight())
	}
	h.done[1]()
	h.done[0]()
	for want := 1; want <= 3; want++ {
		if got := <-told; got != want {
			t.Errorf("%d came in the place of %d", got, want)
		}
	}
	a.way.Drain()
}

// A fault of a host is answered, and the sender goes on.
func TestAHostThatPanicsIsAnswered(t *testing.T) {
	t.Parallel()
	r := newRouter(t, &feature.Feature{Name: "rooms", Host: &feature.Host{Domain: jid.MustParse("rooms.example.org"),
		Take: func(context.Context, *feature.Envelope, func()) { panic("no room") }}})
	a := bind(t, r, "alice@example.org/x", "0")
	a.send(t, `<message to='r@rooms.example.org' type='groupchat' id='1'><body>1</body></message>`)
	if got := a.out.take(); len(got) != 1 || !got[0].Has(xml.Client, "error") {
		t.Error(got)
	}
}

func TestAHostIsServedOnce(t *testing.T) {
	t.Parallel()
	for _, d := range []string{"example.org", "rooms.example.org"} {
		r := New(Config{Domain: jid.MustParse("example.org"), Accounts: people{}})
		other := &feature.Feature{Name: "other", Host: &feature.Host{Domain: jid.MustParse(d)}}
		if r.Use([]*feature.Feature{(&taken{}).feature(), other}) == nil {
			t.Error(d, "is served twice")
		}
	}
}
