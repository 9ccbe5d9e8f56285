package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/fstest"

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
