package store_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"writ/store"
	"writ/store/storetest"
)

// sample is a room with a plain table and an append-only one; beside it stands a neighbour.
func sample(t testing.TB, db *store.DB) {
	storetest.Migrate(t, db, store.Schema{Room: "sample", FS: fstest.MapFS{"schema/001.sql": {Data: []byte(`
		CREATE TABLE sample_rows (id {{serial}}, name TEXT NOT NULL UNIQUE, body {{blob}}, ok BOOLEAN NOT NULL DEFAULT FALSE);
		CREATE TABLE sample_events (id {{serial}}, kind TEXT NOT NULL);
		{{appendonly sample_events}}`)}}},
		store.Schema{Room: "other", FS: fstest.MapFS{"001.sql": {Data: []byte(`CREATE TABLE other_rows (id BIGINT PRIMARY KEY, secret TEXT NOT NULL);`)}}})
}

func insert(name string) func(tx *store.Tx) error {
	return func(tx *store.Tx) error {
		_, err := tx.Exec(context.Background(), "INSERT INTO sample_rows (name) VALUES ($1)", name)
		return err
	}
}

func names(t testing.TB, db store.Reader) []string {
	t.Helper()
	rows, err := db.Query(t.Context(), "SELECT name FROM sample_rows ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var n string
		if err := rows.Scan(&n); err != nil {
			t.Fatal(err)
		}
		out = append(out, n)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestQueueOrderIsCommitOrderIsTheOrderOfCalls(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		sample(t, db)
		const n = 500
		var mu sync.Mutex
		var calls, wantCalls, want []string
		note := func(s string) { mu.Lock(); calls = append(calls, s); mu.Unlock() }
		var wg sync.WaitGroup
		wg.Add(n)
		boom := errors.New("boom")
		for i := range n {
			name := fmt.Sprint("n", i)
			bad := i%97 == 13
			db.Enqueue(func(tx *store.Tx) error {
				tx.AfterCommit(func() { note("after " + name) })
				if err := insert(name)(tx); err != nil {
					return err
				}
				if bad {
					return boom
				}
				return nil
			}, func(err error) {
				if bad != errors.Is(err, boom) {
					t.Errorf("%s: done with %v", name, err)
				}
				note("done " + name)
				wg.Done()
			})
			if !bad {
				want = append(want, name)
				wantCalls = append(wantCalls, "after "+name)
			}
			wantCalls = append(wantCalls, "done "+name)
		}
		wg.Wait()
		if got := names(t, db); !slices.Equal(got, want) {
			t.Errorf("committed %d rows in another order, or others: %v", len(got), got)
		}
		if !slices.Equal(calls, wantCalls) {
			t.Errorf("calls are out of order")
		}
		if s := db.Stats(); s.Batches > s.Writes/2 {
			t.Errorf("%d writes took %d transactions: they are not grouped", s.Writes, s.Batches)
		}
	})
}

func TestAWriteLeavesNothingWhenItFails(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		sample(t, db)
		ctx := t.Context()
		if err := db.Write(ctx, insert("kept")); err != nil {
			t.Fatal(err)
		}
		err := db.Write(ctx, insert("kept"))
		if !store.IsConflict(err) {
			t.Errorf("a second row of that name: %v", err)
		}
		// A statement's error that f swallows undoes the write on both engines.
		err = db.Write(ctx, func(tx *store.Tx) error {
			insert("swallowed")(tx)
			insert("kept")(tx)
			return nil
		})
		if !store.IsConflict(err) {
			t.Errorf("a swallowed error: %v", err)
		}
		err = db.Write(ctx, func(tx *store.Tx) error {
			insert("panicked")(tx)
			panic("at the disco")
		})
		if err == nil {
			t.Error("a panic is an error of the write")
		}
		var id int64
		err = db.Write(ctx, func(tx *store.Tx) error {
			return tx.QueryRow(ctx, "INSERT INTO sample_rows (name, body, ok) VALUES ($3, $1, $2) RETURNING id", []byte{0, 1}, true, "last").Scan(&id)
		})
		var body []byte
		var ok bool
		err2 := db.QueryRow(ctx, "SELECT body, ok FROM sample_rows WHERE id = $1", id).Scan(&body, &ok)
		if err != nil || err2 != nil || !ok || !slices.Equal(body, []byte{0, 1}) {
			t.Errorf("%v %v %v %v", err, err2, body, ok)
		}
		if err := db.QueryRow(ctx, "SELECT id FROM sample_rows WHERE name = $1", "none").Scan(&id); !errors.Is(err, store.ErrNoRows) {
			t.Errorf("no row: %v", err)
		}
		if got := names(t, db); !slices.Equal(got, []string{"kept", "last"}) {
			t.Errorf("rows %v", got)
		}
	})
}

func TestAWriteThatOnlyReadMayFailWithoutHarmToItsBatch(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		sample(t, db)
		hold := make(chan struct{})
		db.Enqueue(func(*store.Tx) error { <-hold; return nil }, nil)
		runs := 0
		db.Enqueue(func(tx *store.Tx) error { runs++; return insert("a")(tx) }, nil)
		refused := errors.New("refused")
		var got error
		db.Enqueue(func(tx *store.Tx) error {
			var n int
			if err := tx.QueryRow(context.Background(), "SELECT count(*) FROM sample_rows").Scan(&n); err != nil || n != 1 {
				t.Errorf("in its batch it sees %d rows, %v", n, err)
			}
			return refused
		}, func(err error) { got = err })
		close(hold)
		if err := db.Write(t.Context(), insert("b")); err != nil {
			t.Fatal(err)
		}
		if runs != 1 || got != refused {
			t.Errorf("runs %d, error %v", runs, got)
		}
	})
}

func TestAWriteWhoseCallerLeftBeforeItBeganNeverRuns(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	sample(t, db)
	started, hold := make(chan struct{}), make(chan struct{})
	db.Enqueue(func(*store.Tx) error { close(started); <-hold; return nil }, nil)
	<-started
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { left <- db.Write(ctx, insert("late")) }()
	for db.Stats().Queued == 0 {
		runtime.Gosched()
	}
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("left with %v", err)
	}
	close(hold)
	if err := db.Write(t.Context(), insert("next")); err != nil {
		t.Fatal(err)
	}
	if got := names(t, db); !slices.Equal(got, []string{"next"}) {
		t.Errorf("rows %v", got)
	}
}

func TestReadsCannotWrite(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		sample(t, db)
		for _, text := range []string{
			"INSERT INTO sample_rows (name) VALUES ('x')", "DELETE FROM sample_rows", "CREATE TABLE sample_more (a BIGINT)",
			"INSERT INTO sample_rows (name) VALUES ('x') RETURNING id",
		} {
			if err := db.QueryRow(t.Context(), text).Scan(new(int64)); !store.IsRefused(err) {
				t.Errorf("%s: %v", text, err)
			}
		}
	})
}

func TestAppendOnlyTablesTakeNoUpdateAndNoDelete(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		sample(t, db)
		ctx := t.Context()
		do := func(h *store.DB, text string) error {
			return h.Write(ctx, func(tx *store.Tx) error { _, err := tx.Exec(ctx, text); return err })
		}
		for _, h := range []*store.DB{db, db.Scoped("sample")} {
			if err := do(h, "INSERT INTO sample_events (kind) VALUES ('filed')"); err != nil {
				t.Fatal(err)
			}
			for _, text := range []string{"UPDATE sample_events SET kind = 'x'", "DELETE FROM sample_events"} {
				if err := do(h, text); !store.IsRefused(err) {
					t.Errorf("%s: %v", text, err)
				}
			}
		}
	})
}

func TestCloseLetsQueuedWritesFinish(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	sample(t, db)
	for i := range 50 {
		db.Enqueue(insert(fmt.Sprint(i)), nil)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Write(t.Context(), insert("late")); err == nil {
		t.Error("a closed store takes no write")
	}
	if n := len(names(t, storetest.Reopen(t, db))); n != 50 {
		t.Errorf("%d of 50 rows", n)
	}
}

func TestTimesAreMicrosecondsInUTC(t *testing.T) {
	t.Parallel()
	at := time.Date(2020, 7, 1, 8, 0, 0, 123456789, time.FixedZone("HKT", 8*3600))
	if got := store.FromTime(store.Time(at)); !got.Equal(at.Truncate(time.Microsecond)) || got.Location() != time.UTC {
		t.Errorf("%v became %v", at, got)
	}
}

func TestOpenRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"sqlite:", "x.db", "mysql://a:geheim@b/c"} {
		err := store.Config{URL: url}.Check()
		if err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// A command beside the server scrubs as the server does: each finds the other's checkpoint under way, and neither fails.
func TestTwoProcessesScrubAtOnce(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	sample(t, db)
	var all sync.WaitGroup
	for i, db := range []*store.DB{db, storetest.Reopen(t, db)} {
		all.Go(func() {
			for n := range 20 {
				if err := db.Write(t.Context(), insert(fmt.Sprint(i, "-", n))); err != nil {
					t.Error(err)
				}
				if err := db.Scrub(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// Insert gives the ids that the rows have, in one transaction and in the next, and its failure is that of its write alone.
func TestInsertGivesTheID(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		sample(t, db)
		for _, batch := range [][]string{{"a", "b"}, {"c"}} {
			err := db.Write(t.Context(), func(tx *store.Tx) error {
				for _, name := range batch {
					id, err := tx.Insert(t.Context(), "INSERT INTO sample_rows (name) VALUES ($1)", name)
					if err != nil {
						return err
					}
					var there string
					if err := tx.QueryRow(t.Context(), "SELECT name FROM sample_rows WHERE id = $1", id).Scan(&there); err != nil || there != name {
						t.Errorf("row %d is %q, %v; want %q", id, there, err, name)
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Insert(t.Context(), "INSERT INTO sample_rows (name) VALUES ($1)", "a")
			if !store.IsConflict(err) {
				t.Errorf("a second a: %v", err)
			}
			return nil
		})
		if !store.IsConflict(err) {
			t.Errorf("its write: %v", err)
		}
	})
}
