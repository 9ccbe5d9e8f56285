package offline

import (
	"fmt"
	"testing"
	"time"

	"writ/chat/archive"
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

// place is a router in which nobody has a session.
type place struct{ feature.Router }

func (place) Domain() jid.JID                     { return jid.MustParse("writ.example") }
func (place) Local(j jid.JID) bool                { return j.Domainpart() == "writ.example" }
func (place) Sessions(jid.JID) []*feature.Session { return nil }

var (
	alice = jid.MustParse("alice@writ.example")
	bob   = jid.MustParse("bob@writ.example")
	begin = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
)

func start(t *testing.T, db *store.DB, c Config) (*Offline, *archive.Archive) {
	t.Helper()
	storetest.Migrate(t, db, append(records.Schemas(), archive.Schema, Schema)...)
	kept := archive.New(archive.Config{}, archive.Parts{DB: db, Router: place{}, Clock: clock.NewFake(begin), Log: obs.Discard()})
	if err := kept.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return New(c, Parts{DB: db, Router: place{}, Clock: clock.NewFake(begin), Log: obs.Discard(), Archive: kept}), kept
}

// keep puts a message through the room as the router does for an account without a session. A position makes it one of the archive.
func keep(t *testing.T, o *Offline, a *archive.Archive, body string, position int64, at time.Time, again bool) *feature.Envelope {
	t.Helper()
	var b xml.Builder
	st := stanza.New(stanza.Message, stanza.Chat, alice, bob, body, b.Leaf("", "body", body).Bytes())
	if position > 0 {
		st = st.With(a.StanzaID(bob, position))
	}
	e := &feature.Envelope{Stanza: st, From: alice, To: bob, Time: at, Away: true, Again: again}
	if !o.wants(e) {
		t.Fatalf("%s is not wanted", body)
	}
	if err := o.DB.Write(t.Context(), func(tx *store.Tx) error { return o.persist(t.Context(), tx, e) }); err != nil {
		t.Fatal(err)
	}
	return e
}

func waits(t *testing.T, o *Offline) int {
	t.Helper()
	n, err := o.Count(t.Context(), bob)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// What a session that ended had not acknowledged may stand here already: it must not stand twice (XEP-0198 §5).
func TestTheSameMessageIsKeptOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o, a := start(t, db, Config{})
		keep(t, o, a, "1", 7, begin, false)
		if e := keep(t, o, a, "1", 7, begin, true); !e.Offline {
			t.Error("the second time it is kept as well, as far as the router is concerned")
		}
		if n := waits(t, o); n != 1 {
			t.Errorf("%d wait", n)
		}
		keep(t, o, a, "2", 0, begin, false)
		keep(t, o, a, "3", 0, begin, false)
		if n := waits(t, o); n != 3 {
			t.Errorf("%d wait", n)
		}
	})
}

func TestTheStoreIsBounded(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o, a := start(t, db, Config{Max: 3})
		for i := range 5 {
			if e := keep(t, o, a, fmt.Sprint(i), 0, begin, false); e.Offline != (i < 3) {
				t.Errorf("message %d: kept %v", i, e.Offline)
			}
		}
		if n := waits(t, o); n != 3 {
			t.Errorf("%d wait", n)
		}
		o.Taken(t.Context(), bob, []int64{1}) // nothing of the archive waits
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			l, more, err := o.take(t.Context(), tx, bob)
			if len(l) != 3 || more || l[0].ID != "0" || !l[0].Has(delaySpace, "delay") {
				t.Errorf("taken: %d, more %v", len(l), more)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		o.forgetCount(bob)
		if e := keep(t, o, a, "6", 0, begin, false); !e.Offline {
			t.Error("there is room again")
		}
	})
}

func TestPieces(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o, a := start(t, db, Config{Max: 2 * pieceMessages})
		for i := range pieceMessages + 2 {
			keep(t, o, a, fmt.Sprint(i), 0, begin, false)
		}
		var got []string
		for more := true; more; {
			err := db.Write(t.Context(), func(tx *store.Tx) error {
				l, rest, err := o.take(t.Context(), tx, bob)
				more = rest
				for _, s := range l {
					got = append(got, s.ID)
				}
				if len(l) > pieceMessages {
					t.Errorf("a piece of %d", len(l))
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if len(got) != pieceMessages+2 || got[0] != "0" || got[len(got)-1] != fmt.Sprint(pieceMessages+1) {
			t.Errorf("%d messages came", len(got))
		}
	})
}

func TestSweepAndErase(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o, a := start(t, db, Config{})
		data := o.Feature().Data
		for _, d := range data {
			if err := d.Check(); err != nil {
				t.Error(err)
			}
		}
		keep(t, o, a, "old", 0, begin, false)
		keep(t, o, a, "new", 0, begin.Add(48*time.Hour), false)
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := data[0].Sweep(t.Context(), tx, begin.Add(24*time.Hour), func(string) bool { return false })
			return err
		})
		if err != nil || waits(t, o) != 1 {
			t.Errorf("%d wait, %v", waits(t, o), err)
		}
		// what an erased account has sent goes too
		if err := db.Write(t.Context(), func(tx *store.Tx) error { return data[0].Erase(t.Context(), tx, alice.String()) }); err != nil || waits(t, o) != 0 {
			t.Errorf("%d wait, %v", waits(t, o), err)
		}
	})
}

// What a client may not have got when its connection was lost is kept until it is back (XEP-0198 §5): a server that crashes between the
// two loses nothing.
func TestUnacknowledgedWhileAsleep(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o, a := start(t, db, Config{})
		phone, err := bob.WithResource("phone")
		if err != nil {
			t.Fatal(err)
		}
		s := &feature.Session{JID: phone}
		var b xml.Builder
		body := b.Leaf("", "body", "1").Bytes()
		message := stanza.New(stanza.Message, stanza.Chat, alice, bob, "1", body, a.StanzaID(bob, 7))
		o.slept(t.Context(), s, []*stanza.Stanza{
			message,
			stanza.New(stanza.Presence, stanza.Available, alice, bob, ""),
			stanza.New(stanza.Message, stanza.Headline, alice, bob, "2", body),
			stanza.New(stanza.Message, stanza.Chat, bob, phone, "a copy or a page of the archive", body),
		})
		settle := func() {
			if err := db.Write(t.Context(), func(*store.Tx) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
		settle()
		if n := waits(t, o); n != 1 {
			t.Errorf("%d wait", n)
		}
		o.resumed(t.Context(), s)
		if n := waits(t, o); n != 0 {
			t.Errorf("%d wait after the return", n)
		}
		// it does not return: the router brings the message again
		o.slept(t.Context(), s, []*stanza.Stanza{message})
		keep(t, o, a, "1", 7, begin, true)
		o.resumed(t.Context(), s) // another session of the account returns
		if n := waits(t, o); n != 1 {
			t.Errorf("%d wait after the end", n)
		}
	})
}
