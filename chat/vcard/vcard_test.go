package vcard

import (
	"context"
	"errors"
	"strings"
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
		f := New(Config{DB: db, Contacts: friends{}, Clock: clock.NewFake(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))})
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
			"the owner overdoes": {alice, stanza.Set, `<vCard xmlns='vcard-temp'><FN>` + strings.Repeat("a", MaxSize) + `</FN></vCard>`, stanza.PolicyViolation("")},
		} {
			if _, err := ask(t, f, c.from, alice.Bare(), c.typ, c.payload); !errors.Is(err, c.want) {
				t.Errorf("%s: want %v, have %v", name, c.want, err)
			}
		}
	})
}
