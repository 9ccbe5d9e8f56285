package pubsub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"writ/clock"
	"writ/store"
	"writ/store/storetest"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// house is the room with a real database and the least of a house around it: sessions that record what is pushed, and a
// list of who sees whose presence.
type house struct {
	*PubSub
	t        *testing.T
	sessions map[jid.JID][]*feature.Session
	sees     map[[2]jid.JID]bool // {owner, other}
}

var (
	alice = jid.MustParse("alice@writ.test")
	bob   = jid.MustParse("bob@writ.test")
	carol = jid.MustParse("carol@writ.test")
)

func newHouse(t *testing.T, db *store.DB) *house {
	h := &house{t: t, sessions: map[jid.JID][]*feature.Session{}, sees: map[[2]jid.JID]bool{}}
	h.PubSub = New(Config{Router: h, DB: db, Contacts: h, Clock: clock.NewFake(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)), Log: slog.New(slog.DiscardHandler)})
	storetest.Migrate(t, db, store.Schema{Room: "pubsub", FS: h.Feature().Schema})
	return h
}

func (h *house) Subscribed(_ context.Context, owner, other jid.JID) (bool, error) {
	return owner == other || h.sees[[2]jid.JID{owner, other}], nil
}

func (h *house) Watchers(_ context.Context, a jid.JID) (out []jid.JID, err error) {
	for k := range h.sees {
		if k[0] == a {
			out = append(out, k[1])
		}
	}
	return out, nil
}

func (h *house) Watched(_ context.Context, a jid.JID) (out []jid.JID, err error) {
	for k := range h.sees {
		if k[1] == a {
			out = append(out, k[0])
		}
	}
	return out, nil
}

func (h *house) Domain() jid.JID                                            { return alice.Domain() }
func (h *house) Hosted(jid.JID) bool                                        { return false }
func (h *house) Reaches(jid.JID) bool                                       { return true }
func (h *house) Local(j jid.JID) bool                                       { return j.Domain() == alice.Domain() }
func (h *house) Exists(context.Context, jid.JID) (bool, error)              { return true, nil }
func (h *house) Sessions(a jid.JID) []*feature.Session                      { return h.sessions[a] }
func (h *house) Submit(context.Context, *feature.Envelope)                  {}
func (h *house) Deliver(context.Context, jid.JID, *stanza.Stanza)           {}
func (h *house) Ask(*feature.Session, *stanza.Stanza, func(*stanza.Stanza)) {}
func (h *house) AskAway(context.Context, *stanza.Stanza, func(*stanza.Stanza)) {
}

// client is a session's outlet that keeps what it is given.
type client struct {
	mu  sync.Mutex
	got []string
}

func (c *client) Push(s *stanza.Stanza) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, s.String())
}
func (c *client) Share(s *stanza.Stanza, _ *feature.Burst) { c.Push(s) }
func (c *client) Hibernating() bool                        { return false }
func (c *client) Close(string, string)                     {}

// online gives an account an available session that wants to be told of the nodes.
func (h *house) online(account jid.JID, notify ...string) (*feature.Session, *client) {
	full, err := account.WithResource("app")
	if err != nil {
		h.t.Fatal(err)
	}
	c := &client{}
	s := &feature.Session{JID: full, Out: c}
	s.Presence.Store(stanza.New(stanza.Presence, stanza.Available, full, jid.JID{}, ""))
	caps := &feature.Caps{Ver: "v", Notify: map[string]bool{}}
	for _, n := range notify {
		caps.Notify[n] = true
	}
	s.Caps.Store(caps)
	h.sessions[account] = append(h.sessions[account], s)
	return s, c
}

// ask sends a request as the dispatcher would and returns the payload of the answer.
func (h *house) ask(from, to jid.JID, typ stanza.Type, payload string) (string, error) {
	el, err := xml.Parse([]byte(payload), "")
	if err != nil {
		h.t.Fatal(err)
	}
	full, err := from.WithResource("app")
	if err != nil {
		h.t.Fatal(err)
	}
	r := &feature.Request{From: full, To: to, Payload: el, Place: feature.AtAccount}
	if from == to {
		r.Place = feature.AtOwn
	}
	for _, row := range h.Feature().IQ {
		if row.Type == typ && el.Is(row.Space, row.Local) {
			reply, err := row.Handle(h.t.Context(), r)
			if err == nil && reply.Then != nil {
				reply.Then()
			}
			return string(reply.Payload), err
		}
	}
	h.t.Fatalf("no row for %s", payload)
	return "", nil
}

func (h *house) must(from, to jid.JID, typ stanza.Type, payload string) string {
	h.t.Helper()
	got, err := h.ask(from, to, typ, payload)
	if err != nil {
		h.t.Fatalf("%s: %v", payload, err)
	}
	return got
}

// refused checks condition and application condition of an error.
func (h *house) refused(err error, condition, app string) {
	h.t.Helper()
	var e *stanza.Error
	if !errors.As(err, &e) || string(e.Condition) != condition || !bytes.Contains(e.App, []byte(app)) {
		h.t.Fatalf("want %s %s, have %v", condition, app, err)
	}
}

func pub(node, id, payload string, options ...string) string {
	var o strings.Builder
	for i := 0; i+1 < len(options); i += 2 {
		fmt.Fprintf(&o, `<field var='%s'><value>%s</value></field>`, options[i], options[i+1])
	}
	form := ""
	if o.Len() > 0 {
		form = `<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>` + optionsForm +
			`</value></field>` + o.String() + `</x></publish-options>`
	}
	return fmt.Sprintf(`<pubsub xmlns='%s'><publish node='%s'><item id='%s'>%s</item></publish>%s</pubsub>`, NS, node, id, payload, form)
}

func get(node, more string) string {
	return fmt.Sprintf(`<pubsub xmlns='%s'><items node='%s'>%s</items></pubsub>`, NS, node, more)
}

const devices = "eu.siacs.conversations.axolotl.devicelist"

// What OMEMO clients do: publish an open device list, read a stranger's, and be told of changes.
func TestDeviceList(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		h.sees[[2]jid.JID{alice, bob}] = true
		_, own := h.online(alice, devices)
		_, contact := h.online(bob, devices)
		_, stranger := h.online(carol, devices)
		list := `<list xmlns='eu.siacs.conversations.axolotl'><device id='7'/></list>`
		h.must(alice, alice, stanza.Set, pub(devices, "current", list, "pubsub#access_model", "open", "pubsub#max_items", "max"))
		for name, c := range map[string]*client{"own": own, "contact": contact} {
			if len(c.got) != 1 || !strings.Contains(c.got[0], `<device id='7'/>`) || !strings.Contains(c.got[0], "headline") {
				t.Errorf("%s session: want one event with the list, have %q", name, c.got)
			}
		}
		if len(stranger.got) != 0 {
			t.Errorf("a stranger is told: %q", stranger.got)
		}
		if got := h.must(carol, alice, stanza.Get, get(devices, "")); !strings.Contains(got, `<device id='7'/>`) {
			t.Errorf("an open node is read by anyone, have %s", got)
		}
	})
}

// XEP-0060 §7.1.5: publish options are preconditions.
func TestPublishOptions(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		const note = `<n xmlns='x:note'/>`
		h.must(alice, alice, stanza.Set, pub("n", "1", note, "pubsub#access_model", "whitelist", "pubsub#persist_items", "true"))
		h.must(alice, alice, stanza.Set, pub("n", "2", note, "pubsub#access_model", "whitelist"))
		_, err := h.ask(alice, alice, stanza.Set, pub("n", "3", note, "pubsub#access_model", "open"))
		h.refused(err, "conflict", "precondition-not-met")
		_, err = h.ask(alice, alice, stanza.Set, pub("m", "3", note, "pubsub#no_such_field", "1"))
		h.refused(err, "conflict", "precondition-not-met")
		if got := h.must(alice, alice, stanza.Get, get("n", "")); strings.Contains(got, "'1'") || !strings.Contains(got, "'2'") {
			t.Errorf("want item 2 alone (max_items 1), have %s", got)
		}
	})
}

// XEP-0060 §4.5 and the answers to who is not admitted.
func TestAccess(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		h.sees[[2]jid.JID{alice, bob}] = true
		const note = `<n xmlns='x:note'/>`
		for _, access := range []string{"open", "presence", "whitelist"} {
			h.must(alice, alice, stanza.Set, pub(access, "1", note, "pubsub#access_model", access))
		}
		for _, c := range []struct {
			who             jid.JID
			node, want, app string
		}{
			{bob, "open", "", ""}, {bob, "presence", "", ""}, {bob, "whitelist", "not-allowed", "closed-node"}, {bob, "none", "item-not-found", ""},
			{carol, "open", "", ""}, {carol, "presence", "not-authorized", "presence-subscription-required"},
			{carol, "whitelist", "not-allowed", "closed-node"}, {carol, "none", "service-unavailable", ""},
		} {
			_, err := h.ask(c.who, alice, stanza.Get, get(c.node, ""))
			if c.want == "" {
				if err != nil {
					t.Errorf("%s reads %s: %v", c.who, c.node, err)
				}
				continue
			}
			h.refused(err, c.want, c.app)
		}
		_, err := h.ask(bob, alice, stanza.Set, pub("open", "2", note))
		h.refused(err, "forbidden", "")
		_, err = h.ask(bob, alice, stanza.Set, pub("none", "2", note))
		h.refused(err, "item-not-found", "")
	})
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		keys := `<list xmlns='eu.siacs.conversations.axolotl'>` + strings.Repeat(`<device id='1'/>`, 10_000) + `</list>`
		for _, c := range []struct{ typ, payload, want, app string }{
			{"set", `<pubsub xmlns='` + NS + `'><publish><item id='1'><n xmlns='x'/></item></publish></pubsub>`, "bad-request", "nodeid-required"},
			{"set", `<pubsub xmlns='` + NS + `'><publish node='n'/></pubsub>`, "bad-request", "item-required"},
			{"set", `<pubsub xmlns='` + NS + `'><publish node='n'><item/></publish></pubsub>`, "bad-request", "invalid-payload"},
			{"set", `<pubsub xmlns='` + NS + `'><retract node='n'><item id='9'/></retract></pubsub>`, "item-not-found", ""},
			{"set", `<pubsub xmlns='` + NS + `'><subscribe node='n' jid='bob@writ.test'/></pubsub>`, "bad-request", "invalid-jid"},
			{"set", `<pubsub xmlns='` + NS + `'><unsubscribe node='n' jid='alice@writ.test'/></pubsub>`, "unexpected-request", "not-subscribed"},
			{"get", `<pubsub xmlns='` + NS + `'><affiliations/></pubsub>`, "feature-not-implemented", "unsupported"},
			{"set", pub(devices, "current", keys), "policy-violation", ""},
			{"set", pub("n", "1", `<n xmlns='x'>`+strings.Repeat("a", maxPayload)+`</n>`), "policy-violation", "payload-too-big"},
			{"get", get("n", ""), "item-not-found", ""},
			{"get", `<pubsub xmlns='` + NS + `'><items/></pubsub>`, "bad-request", "nodeid-required"},
			{"get", `<pubsub xmlns='` + NS + `'/>`, "bad-request", ""},
		} {
			_, err := h.ask(alice, alice, stanza.Type(c.typ), c.payload)
			h.refused(err, c.want, c.app)
		}
	})
}

// XEP-0163 §4.3.4: who becomes interested gets the last item of each node it may see.
func TestNewcomerGetsLastItems(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		h.sees[[2]jid.JID{alice, bob}] = true
		h.must(alice, alice, stanza.Set, pub(nickNode, "current", `<nick xmlns='`+nickNode+`'>Ally</nick>`))
		h.must(alice, alice, stanza.Set, pub(bookmarkNode, "r@muc", `<conference xmlns='`+bookmarkNode+`'/>`, "pubsub#access_model", "whitelist", "pubsub#max_items", "max"))
		s, c := h.online(bob, nickNode, bookmarkNode)
		h.Newcomer(t.Context(), s)
		if len(c.got) != 1 || !strings.Contains(c.got[0], "Ally") {
			t.Errorf("a contact wants the nickname alone, has %q", c.got)
		}
		s, c = h.online(alice, bookmarkNode)
		h.Newcomer(t.Context(), s)
		if len(c.got) != 1 || !strings.Contains(c.got[0], "r@muc") {
			t.Errorf("the owner wants the bookmark, has %q", c.got)
		}
	})
}

// XEP-0060 §8: configure, purge, delete.
func TestOwner(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		_, c := h.online(alice, "n")
		h.must(alice, alice, stanza.Set, `<pubsub xmlns='`+NS+`'><create node='n'/></pubsub>`)
		_, err := h.ask(alice, alice, stanza.Set, `<pubsub xmlns='`+NS+`'><create node='n'/></pubsub>`)
		h.refused(err, "conflict", "")
		h.must(alice, alice, stanza.Set, `<pubsub xmlns='`+OwnerNS+`'><configure node='n'><x xmlns='jabber:x:data' type='submit'>`+
			`<field var='pubsub#max_items'><value>3</value></field></x></configure></pubsub>`)
		for i := range 5 {
			h.must(alice, alice, stanza.Set, pub("n", fmt.Sprint(i), `<n xmlns='x'/>`))
		}
		got := h.must(alice, alice, stanza.Get, get("n", ""))
		if strings.Count(got, "<item ") != 3 || !strings.Contains(got, "'4'") {
			t.Errorf("want the newest 3, have %s", got)
		}
		got = h.must(alice, alice, stanza.Get, `<pubsub xmlns='`+OwnerNS+`'><configure node='n'/></pubsub>`)
		if !strings.Contains(got, `<field var='pubsub#max_items'><value>3</value>`) {
			t.Errorf("the form does not show what was set: %s", got)
		}
		h.must(alice, alice, stanza.Set, `<pubsub xmlns='`+OwnerNS+`'><purge node='n'/></pubsub>`)
		h.must(alice, alice, stanza.Set, `<pubsub xmlns='`+OwnerNS+`'><delete node='n'/></pubsub>`)
		last := strings.Join(c.got[len(c.got)-2:], "")
		if !strings.Contains(last, "<purge node='n'/>") || !strings.Contains(last, "<delete node='n'/>") {
			t.Errorf("want events of purge and delete, have %s", last)
		}
	})
}

func TestDeclaredData(t *testing.T) {
	t.Parallel()
	for _, d := range data() {
		if err := d.Check(); err != nil {
			t.Error(err)
		}
	}
}

// XEP-0060 §6.1: a stranger may subscribe to an open node, is told once for each event, and no more when it closes.
func TestSubscribe(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		_, c := h.online(carol)
		const list = `<list xmlns='eu.siacs.conversations.axolotl'/>`
		subscribe := `<pubsub xmlns='` + NS + `'><subscribe node='` + devices + `' jid='carol@writ.test'/></pubsub>`
		h.must(alice, alice, stanza.Set, pub(devices, "current", list, "pubsub#access_model", "open"))
		if got := h.must(carol, alice, stanza.Set, subscribe); !strings.Contains(got, "subscription='subscribed'") {
			t.Fatalf("have %s", got)
		}
		if got := h.must(carol, alice, stanza.Get, `<pubsub xmlns='`+NS+`'><subscriptions/></pubsub>`); strings.Count(got, "<subscription ") != 1 {
			t.Errorf("want one subscription, have %s", got)
		}
		h.must(alice, alice, stanza.Set, pub(devices, "current", list))
		if len(c.got) != 1 {
			t.Fatalf("want one event, have %q", c.got)
		}
		h.must(alice, alice, stanza.Set, `<pubsub xmlns='`+OwnerNS+`'><configure node='`+devices+`'><x xmlns='jabber:x:data' type='submit'>`+
			`<field var='pubsub#access_model'><value>presence</value></field></x></configure></pubsub>`)
		h.must(alice, alice, stanza.Set, pub(devices, "current", list))
		if len(c.got) != 1 {
			t.Errorf("who is no longer admitted is told: %q", c.got)
		}
		_, err := h.ask(carol, alice, stanza.Set, subscribe)
		h.refused(err, "not-authorized", "presence-subscription-required")
	})
}
