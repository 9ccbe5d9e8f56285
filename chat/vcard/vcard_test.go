package vcard

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"writ/chat/pubsub"
	"writ/clock"
	"writ/store"
	"writ/store/storetest"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

var (
	alice = jid.MustParse("alice@writ.test/app")
	bob   = jid.MustParse("bob@writ.test/app")
	carol = jid.MustParse("carol@writ.test/app")
)

// friends lets bob see alice.
type friends struct{}

func (friends) Subscribed(_ context.Context, owner, other jid.JID) (bool, error) {
	return owner == other || owner == alice.Bare() && other == bob.Bare(), nil
}

// bare is a place where nobody has published anything.
type bare struct{}

func (bare) Items(context.Context, store.Reader, jid.JID, string) ([]pubsub.Item, error) {
	return nil, nil
}
func (bare) Item(context.Context, store.Reader, jid.JID, string, string) (*pubsub.Item, error) {
	return nil, nil
}
func (bare) Admits(context.Context, jid.JID, string, jid.JID) (bool, error) { return false, nil }
func (bare) Put(context.Context, *store.Tx, jid.JID, string, pubsub.Options, ...pubsub.Item) (func(), error) {
	return func() {}, nil
}
func (bare) Refresh(context.Context, jid.JID, func(*stanza.Stanza) *stanza.Stanza) {}
func (bare) Follow(string, pubsub.Follower)                                        {}

func ask(t *testing.T, f *feature.Feature, from, to jid.JID, typ stanza.Type, payload string) (string, error) {
	t.Helper()
	el, err := xml.Parse([]byte(payload), "")
	if err != nil {
		t.Fatal(err)
	}
	place := feature.AtAccount
	if from.Bare() == to {
		place = feature.AtOwn
	}
	for _, row := range f.IQ {
		if row.Type == typ {
			reply, err := row.Handle(t.Context(), &feature.Request{From: from, To: to, Payload: el, Place: place})
			return string(reply.Payload), err
		}
	}
	t.Fatal("no such row")
	return "", nil
}

// XEP-0054 §3.1 to §3.3.
func TestCard(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := New(Config{DB: db, Contacts: friends{}, Nodes: bare{}, Presence: bare{}, Clock: clock.NewFake(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)),
			Log: slog.New(slog.DiscardHandler)}).Feature()
		storetest.Migrate(t, db, store.Schema{Room: "vcard", FS: f.Schema})
		if err := f.Data[0].Check(); err != nil {
			t.Fatal(err)
		}
		const empty, card = `<vCard xmlns='vcard-temp'/>`, `<vCard xmlns='vcard-temp'><FN>Alice &amp; co</FN></vCard>`
		if got, err := ask(t, f, alice, alice.Bare(), stanza.Get, empty); err != nil || got != empty {
			t.Errorf("an own card that was never set is empty, have %s %v", got, err)
		}
		if _, err := ask(t, f, alice, alice.Bare(), stanza.Set, card); err != nil {
			t.Fatal(err)
		}
		for _, who := range []jid.JID{alice, bob} {
			if got, err := ask(t, f, who, alice.Bare(), stanza.Get, empty); err != nil || got != card {
				t.Errorf("%s: want the card, have %s %v", who, got, err)
			}
		}
		for name, c := range map[string]struct {
			from    jid.JID
			typ     stanza.Type
			payload string
			want    *stanza.Error
		}{
			"a stranger reads":   {carol, stanza.Get, empty, stanza.ServiceUnavailable("")},
			"a contact writes":   {bob, stanza.Set, card, stanza.Forbidden("")},
			"no base64":          {alice, stanza.Set, `<vCard xmlns='vcard-temp'><PHOTO><BINVAL>no base64!</BINVAL></PHOTO></vCard>`, stanza.BadRequest("")},
			"the owner overdoes": {alice, stanza.Set, `<vCard xmlns='vcard-temp'><FN>` + strings.Repeat("a", MaxSize) + `</FN></vCard>`, stanza.PolicyViolation("")},
		} {
			if _, err := ask(t, f, c.from, alice.Bare(), c.typ, c.payload); !errors.Is(err, c.want) {
				t.Errorf("%s: want %v, have %v", name, c.want, err)
			}
		}
	})
}

// XEP-0398 §4, case by case: what an app sends, what the account shows, what others get.
func TestStamped(t *testing.T) {
	t.Parallel()
	const x = "<x xmlns='vcard-temp:x:update'>"
	for name, c := range map[string]struct{ sent, hash, want, after string }{
		"nothing, no picture":     {"", "", "", ""},
		"nothing, a picture":      {"", "aa", x + "<photo>aa</photo></x>", x + "<photo>aa</photo></x>"},
		"not ready, no picture":   {"<x xmlns='vcard-temp:x:update'/>", "", x + "<photo/></x>", x + "<photo/></x>"},
		"not ready, a picture":    {"<x xmlns='vcard-temp:x:update'/>", "aa", x + "<photo>aa</photo></x>", x + "<photo>aa</photo></x>"},
		"shows none":              {x + "<photo/></x>", "aa", x + "<photo/></x>", x + "<photo>aa</photo></x>"},
		"the right one":           {x + "<photo>aa</photo></x>", "aa", x + "<photo>aa</photo></x>", x + "<photo>aa</photo></x>"},
		"another one":             {x + "<photo>bb</photo></x>", "aa", x + "<photo>aa</photo></x>", x + "<photo>aa</photo></x>"},
		"its own where none is":   {x + "<photo>bb</photo></x>", "", x + "<photo>bb</photo></x>", x + "<photo/></x>"},
		"in upper case, the same": {x + "<photo>AA</photo></x>", "aa", x + "<photo>aa</photo></x>", x + "<photo>aa</photo></x>"},
	} {
		s := stanza.New(stanza.Presence, stanza.Available, alice, jid.JID{}, "", []byte("<show>away</show>"))
		if c.sent != "" {
			s = s.With([]byte(c.sent))
		}
		for what, got := range map[string]*stanza.Stanza{"": stamped(s, picture{c.hash, "image/png"}), " after a change": restamped(s, picture{c.hash, "image/png"})} {
			want := c.want
			if what != "" {
				want = c.after
			}
			if text := got.String(); !strings.HasSuffix(text, "<show>away</show>"+want+"</presence>") {
				t.Errorf("%s%s: have %s, want %s", name, what, text, want)
			}
		}
	}
}

// XEP-0153 §5: the bytes say what a picture is.
func TestLook(t *testing.T) {
	t.Parallel()
	gif := []byte("GIF89a\x02\x00\x03\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff")
	for said, want := range map[string]string{"image/png": "image/gif", "text/html": "image/gif", "": "image/gif"} {
		if kind, size := look(gif, said); kind != want || size.X != 2 || size.Y != 3 {
			t.Errorf("said to be %q: %s %v", said, kind, size)
		}
	}
	for said, want := range map[string]string{"image/webp": "image/webp", "text/html": "image/png", "": "image/png"} {
		if kind, _ := look([]byte("RIFF"), said); kind != want {
			t.Errorf("unknown bytes said to be %q: %s", said, kind)
		}
	}
}
