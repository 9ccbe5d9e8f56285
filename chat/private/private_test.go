package private

import (
	"context"
	"errors"
	"fmt"
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

// nowhere is a place for nodes of which nothing is asked.
type nowhere struct{}

func (nowhere) Follow(string, pubsub.Follower) {}
func (nowhere) Items(context.Context, store.Reader, jid.JID, string) ([]pubsub.Item, error) {
	return nil, nil
}
func (nowhere) Put(context.Context, *store.Tx, jid.JID, string, pubsub.Options, ...pubsub.Item) (func(), error) {
	return func() {}, nil
}
func (nowhere) Take(context.Context, *store.Tx, jid.JID, string, ...string) (func(), error) {
	return func() {}, nil
}

// What an account may store is bounded; a request over a bound is refused and changes nothing.
func TestLimits(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := New(Parts{DB: db, Nodes: nowhere{}, Clock: clock.NewFake(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))})
		storetest.Migrate(t, db, store.Schema{Room: "private", FS: f.Schema})
		if err := f.Data[0].Check(); err != nil {
			t.Fatal(err)
		}
		alice := jid.MustParse("alice@writ.test")
		set := func(inner string) error {
			el, err := xml.Parse([]byte("<query xmlns='jabber:iq:private'>"+inner+"</query>"), "")
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.IQ[1].Handle(t.Context(), &feature.Request{From: alice, To: alice, Place: feature.AtOwn, Payload: el})
			return err
		}
		of := func(name string, size int) string {
			return fmt.Sprintf("<%[1]s xmlns='a:b'>%[2]s</%[1]s>", name, strings.Repeat("x", size))
		}
		if err := set(of("big", MaxSize)); !errors.Is(err, stanza.PolicyViolation("")) {
			t.Errorf("more than %d bytes at once: %v", MaxSize, err)
		}
		if err := set(of(strings.Repeat("n", 1100), 1)); !errors.Is(err, stanza.PolicyViolation("")) {
			t.Errorf("a name of 1,100 bytes: %v", err)
		}
		for i := range MaxTotal / MaxSize {
			if err := set(of(fmt.Sprintf("part%d", i), MaxSize-100)); err != nil {
				t.Fatal(err)
			}
		}
		if err := set(of("more", 1000)); !errors.Is(err, stanza.ResourceConstraint("")) {
			t.Errorf("more than %d bytes in all: %v", MaxTotal, err)
		}
		for i := range MaxTotal / MaxSize {
			if err := set(of(fmt.Sprintf("part%d", i), 1)); err != nil {
				t.Errorf("less in the place of more: %v", err)
			}
		}
		var many strings.Builder
		for i := range MaxNames {
			many.WriteString(of(fmt.Sprintf("n%d", i), 1))
		}
		if err := set(many.String()); !errors.Is(err, stanza.ResourceConstraint("")) {
			t.Errorf("more than %d elements: %v", MaxNames, err)
		}
		var rows int
		if err := db.QueryRow(t.Context(), `SELECT COUNT(*) FROM private_data`).Scan(&rows); err != nil || rows != MaxTotal/MaxSize {
			t.Errorf("a refused request stored something: %d rows, %v", rows, err)
		}
		err := db.Write(t.Context(), func(tx *store.Tx) error { return f.Data[0].Erase(t.Context(), tx, alice.String()) })
		if err := errors.Join(err, db.QueryRow(t.Context(), `SELECT COUNT(*) FROM private_data`).Scan(&rows)); err != nil || rows != 0 {
			t.Errorf("erased: %d rows, %v", rows, err)
		}
	})
}

// XEP-0402 §5.3.1: what collate gives, in cases that no app shows easily.
func TestCollate(t *testing.T) {
	t.Parallel()
	item := func(id, payload string) pubsub.Item {
		el, err := xml.Parse([]byte(payload), "")
		if err != nil {
			t.Fatal(err)
		}
		return pubsub.Item{ID: id, Payload: el}
	}
	const c = "<conference xmlns='urn:xmpp:bookmarks:1'"
	for name, test := range map[string]struct {
		old   string
		items []pubsub.Item
		want  string
	}{
		"nothing":              {"", nil, "<storage xmlns='storage:bookmarks'/>"},
		"an id that is no jid": {"", []pubsub.Item{item("@@", c+"/>")}, "<storage xmlns='storage:bookmarks'/>"},
		"another payload":      {"", []pubsub.Item{item("a@b", "<x xmlns='y'/>")}, "<storage xmlns='storage:bookmarks'/>"},
		"all that is known": {"", []pubsub.Item{item("a@b", c+" name='&lt;A&gt;' autojoin='1'><nick>n&amp;m</nick><password>p</password><extensions><e xmlns='f'/></extensions></conference>")},
			"<storage xmlns='storage:bookmarks'><conference jid='a@b' name='&lt;A&gt;' autojoin='true'><nick>n&amp;m</nick><password>p</password></conference></storage>"},
		"twice the same room": {"", []pubsub.Item{item("a@b", c+" name='1'/>"), item("A@b", c+" name='2'/>")},
			"<storage xmlns='storage:bookmarks'><conference jid='a@b' name='2'/></storage>"},
		"what stood there stays": {"<storage xmlns='storage:bookmarks'><conference jid='gone@b'/><url url='u'/><conference jid='@'/><conference jid='a@b' autojoin='false' minimize='1'/></storage>",
			[]pubsub.Item{item("a@b", c+"/>")},
			"<storage xmlns='storage:bookmarks'><url url='u'/><conference jid='a@b' autojoin='false' minimize='1'/></storage>"},
	} {
		var old *xml.Element
		if test.old != "" {
			old = item("", test.old).Payload
		}
		if got := string(collate(old, test.items)); got != test.want {
			t.Errorf("%s:\nhave %s\nwant %s", name, got, test.want)
		}
	}
}

// FuzzList: no list of an app makes bookmarks that do not come back as the same list.
func FuzzList(f *testing.F) {
	f.Add("<storage xmlns='storage:bookmarks'><conference jid='a@b' name='x' autojoin='1'><nick>n</nick></conference><url url='u'/></storage>")
	f.Add("<s:storage xmlns:s='storage:bookmarks' xmlns='other'><s:conference jid='a@b'/><x/></s:storage>")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := xml.Parse([]byte(text), "")
		if err != nil {
			return
		}
		items := fromList(list)
		again, err := xml.Parse(collate(list, items), "")
		if err != nil {
			t.Fatal(err)
		}
		_, have := rooms(fromList(again))
		_, want := rooms(items)
		if len(have) != len(want) {
			t.Fatalf("%d rooms of %d", len(have), len(want))
		}
		for room, i := range want {
			if _, ok := have[room]; !ok && len(list.All(listNode, "conference")) == len(want) {
				t.Errorf("%s is lost: %v", room, i.ID)
			}
		}
	})
}
