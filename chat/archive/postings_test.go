package archive

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"writ/records"
	"writ/store"
	"writ/store/storetest"
	"writ/xmpp/jid"
)

// Whatever is written down and whatever is only remembered, a page has the rows that a plain search of the table finds.
func TestPagesAcrossBuckets(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const n = 2<<bucketBits + 5000
		a := filled(t, db, n)
		if first := written(t, a); first != 2 {
			t.Fatalf("%d buckets are written down", first)
		}
		pagesAreRight(t, a, n)
		pagesAreRight(t, restart(t, db), n) // what was remembered is read again
	})
}

func written(t *testing.T, a *Archive) (bucket int) {
	return count(t, a.DB, `SELECT bucket FROM archive_packed`)
}

func pagesAreRight(t *testing.T, a *Archive, n int) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	for range 25 {
		who := account(r.IntN(1000))
		q := Query{Max: 1 + r.IntN(MaxPage), Backwards: r.IntN(2) == 0}
		if r.IntN(2) == 0 {
			q.After = r.Int64N(int64(n))
		}
		if r.IntN(3) == 0 {
			q.Before = r.Int64N(int64(n)) + 1
		}
		if r.IntN(3) == 0 {
			q.Start = begin.Add(time.Duration(r.IntN(n)) * time.Second)
		}
		if r.IntN(3) == 0 {
			q.End = begin.Add(time.Duration(r.IntN(n)) * time.Second)
		}
		if r.IntN(3) == 0 {
			q.With = account(r.IntN(1000))
		}
		p, err := a.Page(t.Context(), who, q)
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, i := range p.Items {
			got = append(got, i.ID)
		}
		want, complete := search(t, a.DB, who, q)
		if !slices.Equal(got, want) || p.Complete != complete {
			t.Fatalf("%s, %+v: %d messages, complete %v; a search finds %d, %v", who, q, len(got), p.Complete, len(want), complete)
		}
		if m, err := a.Count(t.Context(), who, Query{With: q.With}); err != nil || m != int64(len(searchAll(t, a.DB, who, Query{With: q.With}))) {
			t.Fatalf("%s counts %d, %v", who, m, err)
		}
	}
}

func search(t *testing.T, db *store.DB, who jid.JID, q Query) (ids []int64, complete bool) {
	ids = searchAll(t, db, who, q)
	complete = len(ids) <= q.Max
	switch {
	case complete:
	case q.Backwards:
		ids = ids[len(ids)-q.Max:]
	default:
		ids = ids[:q.Max]
	}
	return ids, complete
}

func searchAll(t *testing.T, db *store.DB, who jid.JID, q Query) []int64 {
	t.Helper()
	end := q.End
	if end.IsZero() {
		end = begin.Add(1e6 * time.Hour)
	}
	before := q.Before
	if before == 0 {
		before = 1 << 60
	}
	with := "%"
	if !q.With.IsZero() {
		with = q.With.String()
	}
	ids, err := store.Column[int64](t.Context(), db, "searching", `SELECT id FROM archive_stanza WHERE id > $1 AND id < $2 AND at >= $3 AND at <= $4
		AND (sender = $5 AND recipient LIKE $6 OR recipient = $5 AND sender LIKE $6) ORDER BY id`,
		q.After, before, store.Time(q.Start), store.Time(end), who.String(), with)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// An erased account leaves no row, also where it was written down, and a sweep leaves no index of what it took.
func TestEraseAndSweepAcrossBuckets(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const n = 1<<bucketBits + 2000
		a := filled(t, db, n)
		who := account(3)
		if err := db.Write(t.Context(), func(tx *store.Tx) error { return a.erase(t.Context(), tx, who.String()) }); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{`SELECT COUNT(*) FROM archive_stanza WHERE sender = $1 OR recipient = $1`, `SELECT COUNT(*) FROM archive_posting WHERE account = $1`} {
			if m := count(t, db, text, who.String()); m != 0 {
				t.Errorf("%d rows name it: %s", m, text)
			}
		}
		pagesAreRight(t, a, n)
		// It cannot come back by a bucket that is written down late.
		if err := db.Write(t.Context(), func(tx *store.Tx) error { return a.packOne(t.Context(), tx, 0, who) }); err != nil {
			t.Fatal(err)
		}
		if m := count(t, db, `SELECT COUNT(*) FROM archive_posting WHERE account = $1`, who.String()); m != 0 {
			t.Error("an erased account was written down")
		}
		for more := true; more; {
			err := db.Write(t.Context(), func(tx *store.Tx) error {
				d, err := a.sweep(t.Context(), tx, begin.Add(n*time.Second), func(string) bool { return false })
				more = d > 0
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if s, p := count(t, db, `SELECT COUNT(*) FROM archive_stanza`), count(t, db, `SELECT COUNT(*) FROM archive_posting`); s != 1 || p != 0 {
			t.Errorf("%d messages and %d rows of the index are left", s, p)
		}
		if l, _ := a.tail.list(account(1), 0, 1<<60); len(l) > 1 {
			t.Errorf("%d messages that are gone are remembered", len(l))
		}
	})
}

// A server that stops between two pieces of a bucket writes it down anew.
func TestPackingIsTakenUpAgain(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	const n = 1<<bucketBits + 10
	filled(t, db, n)
	for _, text := range []string{`DELETE FROM archive_posting WHERE account > 'user5'`, `UPDATE archive_packed SET bucket = 0`} {
		if err := db.Write(t.Context(), func(tx *store.Tx) error { _, err := tx.Exec(t.Context(), text); return err }); err != nil {
			t.Fatal(err)
		}
	}
	a := restart(t, db)
	pagesAreRight(t, a, n)
	say(t, a, account(1), account(2), "the next message", begin.Add(1e6*time.Second)) // begins it
	packAll(t, a)
	if first := written(t, a); first != 1 {
		t.Errorf("%d buckets are written down", first)
	}
	pagesAreRight(t, a, n)
}

func TestDamagedIndex(t *testing.T) {
	t.Parallel()
	l := []mention{{1, 7}, {2, 8}, {1<<bucketBits - 1, 9}}
	b := appendPosting(nil, 0, l)
	if got, err := readPosting(b, 0, -1, 1<<60); err != nil || !slices.Equal(got, l) {
		t.Errorf("%v, %v", got, err)
	}
	for i := range b {
		if got, err := readPosting(b[:i], 0, -1, 1<<60); err == nil && len(got) == len(l) {
			t.Errorf("%d bytes of %d are read as all", i, len(b))
		}
	}
	if _, err := readPosting([]byte{0xff, 0xff, 0xff, 0, 0}, 0, -1, 1<<60); err == nil {
		t.Error("a position of another bucket is read")
	}
}

// The archive of before has the same pages.
func TestFromEntriesToPostings(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		first, err := schema.ReadFile("schema/001.sql")
		if err != nil {
			t.Fatal(err)
		}
		old := store.Schema{Room: "archive", FS: fstest.MapFS{"schema/001.sql": {Data: first}}}
		storetest.Migrate(t, db, append(records.Schemas(), old)...)
		err = db.Write(t.Context(), func(tx *store.Tx) error {
			for i, m := range []struct {
				from, to jid.JID
				in       []jid.JID
			}{{alice, bob, []jid.JID{alice, bob}}, {bob, alice, []jid.JID{alice}}, {alice, alice, []jid.JID{alice}}, {carol, bob, []jid.JID{bob}}} {
				var id int64
				if err := tx.QueryRow(t.Context(), `INSERT INTO archive_stanza (at, sender, recipient, kind, size, stanza) VALUES ($1, $2, $3, 'encrypted', 1, $4) RETURNING id`,
					i, m.from.String(), m.to.String(), text(m.from, m.to, fmt.Sprint(i+1)).AppendTo(nil, "jabber:client")).Scan(&id); err != nil {
					return err
				}
				for _, j := range m.in {
					if _, err := tx.Exec(t.Context(), `INSERT INTO archive_entry (bucket, account, id, peer) VALUES ($1, $2, $3, 'x')`, id>>14, j.String(), id); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(context.Background(), append(records.Schemas(), Schema)); err != nil {
			t.Fatal(err)
		}
		a := restart(t, db)
		for who, want := range map[jid.JID][]string{alice: {"1", "2", "3"}, bob: {"1", "4"}, carol: nil} {
			if got := page(t, a, who, Query{}); !slices.Equal(got, want) {
				t.Errorf("%s has %v", who, got)
			}
		}
		say(t, a, alice, bob, "5", begin)
		if got := page(t, a, bob, Query{}); !slices.Equal(got, []string{"1", "4", "5"}) {
			t.Errorf("then bob has %v", got)
		}
	})
}
