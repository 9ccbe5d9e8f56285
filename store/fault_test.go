package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"writ/store"
	"writ/store/storetest"
)

// The first failed commit closes Failed; nothing is written after it, and a new process finds either all of it or nothing.
func TestNothingIsWrittenAfterAFailedCommit(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, persisted := range []bool{false, true} {
			db := storetest.Reopen(t, db)
			if !persisted {
				sample(t, db)
			}
			f := storetest.NewFaults(db)
			f.Fail(2, persisted)
			ctx := t.Context()
			name := fmt.Sprint("persisted ", persisted)
			if err := db.Write(ctx, insert("before "+name)); err != nil {
				t.Fatal(err)
			}
			called := false
			err := db.Write(ctx, func(tx *store.Tx) error {
				tx.AfterCommit(func() { called = true })
				return insert(name)(tx)
			})
			if !errors.Is(err, store.ErrFailed) || !errors.Is(err, storetest.ErrInjected) || called {
				t.Errorf("%s: %v, AfterCommit %v", name, err, called)
			}
			<-db.Failed()
			if err := db.Write(ctx, insert("after")); !errors.Is(err, store.ErrFailed) {
				t.Errorf("after the failure: %v", err)
			}
			if f.Commits() != 2 {
				t.Errorf("%d commits", f.Commits())
			}
			got := names(t, storetest.Reopen(t, db))
			if slices.Contains(got, name) != persisted || slices.Contains(got, "after") {
				t.Errorf("%s: a new process finds %v", name, got)
			}
		}
	})
}

// SQLite: once Scrub has run, no byte of a deleted row is in any file of the folder.
func TestScrubbedRowsAreGoneFromTheFiles(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		sample(t, db)
		ctx := t.Context()
		canary := strings.Repeat("canary-4711-", 500)
		for i := range 40 {
			if err := db.Write(ctx, insert(fmt.Sprint(i, canary))); err != nil {
				t.Fatal(err)
			}
		}
		err := db.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, "DELETE FROM sample_rows")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Scrub(ctx); err != nil {
			t.Fatal(err)
		}
		if err := db.Write(ctx, insert("alive")); err != nil {
			t.Fatal(err)
		}
		if got := names(t, db); !slices.Equal(got, []string{"alive"}) {
			t.Errorf("rows %v", got)
		}
		if db.Dialect() != store.SQLite {
			return
		}
		files, _ := filepath.Glob(filepath.Dir(strings.TrimPrefix(db.URL(), "sqlite:")) + "/*")
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(b, []byte("canary-4711")) {
				t.Errorf("%s still holds a deleted row", filepath.Base(f))
			}
		}
		if len(files) < 2 {
			t.Errorf("only %v was searched", files)
		}
	})
}

// A command beside the server writes the same database; each sees the other's rows at once.
func TestASecondProcessWritesBesideTheFirst(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		sample(t, db)
		other := storetest.Reopen(t, db)
		for i := range 30 {
			for _, d := range []*store.DB{db, other} {
				err := d.Write(context.Background(), func(tx *store.Tx) error {
					_, err := tx.Exec(context.Background(), "INSERT INTO sample_rows (name) SELECT 'n' || count(*) FROM sample_rows")
					return err
				})
				if err != nil {
					t.Fatalf("%d: %v", i, err)
				}
			}
		}
		if n := len(names(t, db)); n != 60 {
			t.Errorf("%d of 60 rows", n)
		}
	})
}
