package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"writ/clock"
	"writ/obs"
	"writ/records"
	"writ/store"
	"writ/store/storetest"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// place is a router that only knows its domain.
type place struct{ feature.Router }

func (place) Domain() jid.JID      { return jid.MustParse("writ.example") }
func (place) Local(j jid.JID) bool { return j.Domainpart() == "writ.example" }

func (place) Hosted(j jid.JID) bool { return j.Domainpart() == "rooms.writ.example" }

var (
	alice = jid.MustParse("alice@writ.example")
	bob   = jid.MustParse("bob@writ.example")
	carol = jid.MustParse("carol@writ.example")
	begin = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
)

func start(t testing.TB, db *store.DB) *Archive {
	t.Helper()
	storetest.Migrate(t, db, append(records.Schemas(), Schema)...)
	return restart(t, db)
}

func restart(t testing.TB, db *store.DB) *Archive {
	t.Helper()
	a := New(Config{}, Parts{DB: db, Router: place{}, Clock: clock.NewFake(begin), Log: obs.Discard()})
	if err := a.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return a
}

func text(from, to jid.JID, body string) *stanza.Stanza {
	var b xml.Builder
	return stanza.New(stanza.Message, stanza.Chat, from, to, body, b.Leaf("", "body", body).Bytes())
}

// say puts a message through the room as the router does.
func say(t testing.TB, a *Archive, from, to jid.JID, body string, at time.Time) *feature.Envelope {
	t.Helper()
	e := &feature.Envelope{Stanza: text(from, to, body), From: from, To: to, Time: at}
	a.shape(t.Context(), e)
	if !a.wants(e) {
		t.Fatalf("%s is not wanted", body)
	}
	if err := a.DB.Write(t.Context(), func(tx *store.Tx) error { return a.persist(t.Context(), tx, e) }); err != nil {
		t.Fatal(err)
	}
	return e
}

func page(t testing.TB, a *Archive, account jid.JID, q Query) (ids []string) {
	t.Helper()
	p, err := a.Page(t.Context(), account, q)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range p.Items {
		ids = append(ids, i.Stanza.ID)
	}
	return ids
}

func count(t testing.TB, db *store.DB, text string, args ...any) (n int) {
	t.Helper()
	if err := db.QueryRow(t.Context(), text, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestOneRowForBothParties(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a := start(t, db)
		e := say(t, a, alice, bob, "1", begin)
		if e.SentID == 0 || e.SentID != e.ArchiveID {
			t.Errorf("positions %d and %d", e.SentID, e.ArchiveID)
		}
		if s, h := count(t, db, `SELECT COUNT(*) FROM archive_stanza`), count(t, db, `SELECT MAX(holds) FROM archive_stanza`); s != 1 || h != 3 {
			t.Errorf("%d messages, held by %d", s, h)
		}
		if a.Positioned(bob, e.Stanza) != e.ArchiveID || a.Positioned(alice, e.Stanza) != 0 {
			t.Error("the recipient's stanza-id, and only that, is on the message")
		}
		say(t, a, alice, alice, "2", begin)
		if got := page(t, a, alice, Query{With: alice}); !slices.Equal(got, []string{"2"}) {
			t.Errorf("with oneself: %v", got)
		}
		say(t, a, alice, jid.MustParse("x@example.net"), "3", begin)
		say(t, a, jid.MustParse("y@example.net"), bob, "4", begin)
		if got := page(t, a, alice, Query{}); !slices.Equal(got, []string{"1", "2", "3"}) {
			t.Errorf("alice has %v", got)
		}
		if got := page(t, a, bob, Query{}); !slices.Equal(got, []string{"1", "4"}) {
			t.Errorf("bob has %v", got)
		}
	})
}

// XEP-0313 §3.1: the order of the positions is that of the commits, and times never go back along it, whatever the clock does.
func TestTimesNeverGoBack(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a := start(t, db)
		say(t, a, alice, bob, "1", begin)
		say(t, a, alice, bob, "2", begin.Add(-time.Hour)) // the clock was set back
		a = restart(t, db)
		say(t, a, alice, bob, "3", begin.Add(-time.Minute))
		say(t, a, alice, bob, "4", begin.Add(time.Minute))
		p, err := a.Page(t.Context(), bob, Query{})
		if err != nil {
			t.Fatal(err)
		}
		for i := 1; i < len(p.Items); i++ {
			if p.Items[i].ID <= p.Items[i-1].ID || p.Items[i].Time.Before(p.Items[i-1].Time) {
				t.Errorf("%d at %v follows %d at %v", p.Items[i].ID, p.Items[i].Time, p.Items[i-1].ID, p.Items[i-1].Time)
			}
		}
		if got := page(t, a, bob, Query{Start: begin.Add(time.Second)}); !slices.Equal(got, []string{"4"}) {
			t.Errorf("since a second later: %v", got)
		}
		if got := page(t, a, bob, Query{End: begin}); !slices.Equal(got, []string{"1", "2", "3"}) { // both ends are inclusive (XEP-0313 §4.1.2)
			t.Errorf("until then: %v", got)
		}
	})
}

func TestUnknownIDs(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a := start(t, db)
		e := say(t, a, alice, bob, "1", begin)
		for _, q := range []Query{{Must: []int64{e.SentID + 1}}, {IDs: []int64{e.SentID, 77}}} {
			if _, err := a.Page(t.Context(), alice, q); !errors.Is(err, ErrNotFound) {
				t.Errorf("%+v: %v", q, err)
			}
		}
		if _, err := a.Page(t.Context(), carol, Query{Must: []int64{e.SentID}}); !errors.Is(err, ErrNotFound) {
			t.Errorf("a message of someone else's archive: %v", err)
		}
	})
}

// XEP-0313 §3, XEP-0359 §6: ids tell nothing, belong to one archive, and outlive a restart.
func TestIDs(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	a := start(t, db)
	one, two := a.ID(alice, 1), a.ID(alice, 2)
	if len(one) != 22 || one[:4] == two[:4] {
		t.Errorf("ids %s and %s", one, two)
	}
	if _, ok := a.Position(bob, one); ok {
		t.Error("an id of alice's archive names something in bob's")
	}
	for _, id := range []string{"", "1", one[1:], one + "A", strings.ToLower(one), strings.Repeat("A", 22), strings.Repeat("é", 11)} {
		if n, ok := a.Position(alice, id); ok && id != one {
			t.Errorf("%q names %d", id, n)
		}
	}
	if n, ok := restart(t, db).Position(alice, two); !ok || n != 2 {
		t.Errorf("after a restart: %d, %v", n, ok)
	}
}

func FuzzPosition(f *testing.F) {
	c, err := newIDs(make([]byte, keySize))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(c.encode(alice, 1))
	f.Fuzz(func(t *testing.T, id string) {
		if n, ok := c.decode(alice, id); ok && c.encode(alice, n) != id {
			t.Errorf("%q and %q name one position", id, c.encode(alice, n))
		}
	})
}

func TestSweepLeavesWhatIsHeld(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a := start(t, db)
		say(t, a, alice, bob, "old", begin)
		say(t, a, alice, carol, "old too", begin)
		say(t, a, alice, bob, "new", begin.Add(48*time.Hour))
		sweep := func(held func(string) bool) (total int64) {
			for {
				var n int64
				err := db.Write(t.Context(), func(tx *store.Tx) (err error) {
					n, err = a.sweep(t.Context(), tx, begin.Add(24*time.Hour), held)
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				if total += n; n == 0 {
					return total
				}
			}
		}
		sweep(func(account string) bool { return account == bob.String() })
		if got := page(t, a, bob, Query{}); !slices.Equal(got, []string{"old", "new"}) {
			t.Errorf("bob is held and has %v", got)
		}
		if got := page(t, a, alice, Query{}); !slices.Equal(got, []string{"new"}) {
			t.Errorf("alice has %v", got)
		}
		if n := sweep(func(string) bool { return false }); n == 0 {
			t.Error("nothing was swept when the hold ended")
		}
		if n := count(t, db, `SELECT COUNT(*) FROM archive_stanza`); n != 1 {
			t.Errorf("%d messages are left", n)
		}
		// XEP-0313 §3.2: ids are never used again
		before := count(t, db, `SELECT MAX(id) FROM archive_stanza`)
		sweepAll := func(tx *store.Tx) error {
			_, err := a.sweep(t.Context(), tx, begin.Add(99*time.Hour), func(string) bool { return false })
			return err
		}
		if err := db.Write(t.Context(), sweepAll); err != nil {
			t.Fatal(err)
		}
		if e := say(t, a, alice, bob, "next", begin.Add(100*time.Hour)); e.SentID <= int64(before) {
			t.Errorf("position %d was given again", e.SentID)
		}
	})
}

func TestEraseTakesBothSides(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a := start(t, db)
		say(t, a, alice, bob, "1", begin)
		say(t, a, bob, alice, "2", begin)
		say(t, a, bob, carol, "3", begin)
		if err := db.Write(t.Context(), func(tx *store.Tx) error { return a.erase(t.Context(), tx, alice.String()) }); err != nil {
			t.Fatal(err)
		}
		if got := page(t, a, bob, Query{}); !slices.Equal(got, []string{"3"}) {
			t.Errorf("bob has %v", got)
		}
		if n := count(t, db, `SELECT COUNT(*) FROM archive_stanza WHERE sender = $1 OR recipient = $1`, alice.String()); n != 0 {
			t.Errorf("%d messages name her", n)
		}
	})
}

func TestData(t *testing.T) {
	t.Parallel()
	a := New(Config{}, Parts{Router: place{}, Log: obs.Discard()})
	for _, d := range a.Feature().Data {
		if err := d.Check(); err != nil {
			t.Error(err)
		}
	}
}

func TestPagesAreWhole(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	a := start(t, db)
	const n = 2*MaxPage + 7
	for i := range n {
		say(t, a, alice, bob, fmt.Sprint(i), begin.Add(time.Duration(i)*time.Second))
	}
	var all []string
	q := Query{Max: 1_000_000}
	for {
		p, err := a.Page(t.Context(), bob, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range p.Items {
			all = append(all, i.Stanza.ID)
			q.After = i.ID
		}
		if len(p.Items) > MaxPage {
			t.Fatalf("a page of %d", len(p.Items))
		}
		if p.Complete {
			break
		}
	}
	if len(all) != n || all[0] != "0" || all[n-1] != fmt.Sprint(n-1) {
		t.Errorf("%d messages by pages", len(all))
	}
}
