// Package storetest gives tests the real store on both engines. A PostgreSQL that is missing fails the test: nothing is skipped.
//
// PostgreSQL is the cluster at WRIT_TEST_POSTGRES (a URL of a user who may make schemas and roles), or one that is started from the
// machine's binaries for this test process and ends with it. Each test gets a schema of its own.
package storetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"writ/obs"
	"writ/store"
)

// Each runs f as two parallel subtests, on an empty SQLite file and on an empty PostgreSQL schema.
func Each(t *testing.T, f func(t *testing.T, db *store.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		f(t, SQLite(t))
	})
	t.Run("postgresql", func(t *testing.T) {
		t.Parallel()
		f(t, PostgreSQL(t))
	})
}

// Bench runs a benchmark as two, ENGINE/name, as Each runs a test.
func Bench(b *testing.B, name string, f func(b *testing.B, db *store.DB)) {
	b.Run("sqlite/"+name, func(b *testing.B) { f(b, SQLite(b)) })
	b.Run("postgresql/"+name, func(b *testing.B) { f(b, PostgreSQL(b)) })
}

// SQLite opens an empty database in a folder of the test's own.
func SQLite(t testing.TB) *store.DB {
	t.Helper()
	return open(t, "sqlite:"+filepath.Join(t.TempDir(), "writ.db"))
}

// PostgreSQL opens an empty schema.
func PostgreSQL(t testing.TB) *store.DB {
	t.Helper()
	base, err := cluster()
	if err != nil {
		t.Fatalf("storetest: PostgreSQL is needed: %v", err)
	}
	schema := fmt.Sprintf("t%d_%d", os.Getpid(), schemas.Add(1))
	admin(t, base, "CREATE SCHEMA "+schema)
	t.Cleanup(func() { admin(t, base, "DROP SCHEMA "+schema+" CASCADE") })
	return open(t, withParam(base, "search_path", schema))
}

var schemas atomic.Int64

// Reopen opens the database of db once more, as a process does that starts after a crash. db itself stays as it is.
func Reopen(t testing.TB, db *store.DB) *store.DB {
	t.Helper()
	return open(t, db.URL())
}

// Migrate applies the schemas of the rooms or fails the test.
func Migrate(t testing.TB, db *store.DB, rooms ...store.Schema) {
	t.Helper()
	if err := db.Migrate(t.Context(), rooms); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, url string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{URL: url}, obs.Discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func admin(t testing.TB, url, text string) {
	t.Helper()
	ctx := context.Background()
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatalf("storetest: %v", err)
	}
	defer c.Close(ctx)
	if _, err := c.Exec(ctx, text); err != nil {
		t.Errorf("storetest: %s: %v", text, err)
	}
}
