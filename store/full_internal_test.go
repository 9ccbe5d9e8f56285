package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/ncruces/go-sqlite3"
)

// A full disk refuses the write that does not fit and leaves the store working: its outcome is known, so it is no failure of the
// store, and once there is room the next write succeeds.
func TestAFullDiskIsSurvived(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db, err := Open(ctx, Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "writ.db")}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	pragma := func(text string) {
		t.Helper()
		err := db.wait(ctx, &job{alone: func(ctx context.Context, c *sql.Conn) error { _, err := c.ExecContext(ctx, text); return err }})
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(n int) error {
		return db.Write(ctx, func(tx *Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO t_rows (body) VALUES ($1)", make([]byte, n))
			return err
		})
	}
	pragma("CREATE TABLE t_rows (body BLOB)")
	pragma("PRAGMA max_page_count=20")
	if err := write(100); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := write(1 << 20); !errors.Is(err, sqlite3.FULL) {
			t.Fatalf("%d: a write that does not fit: %v", i, err)
		}
	}
	select {
	case <-db.Failed():
		t.Fatal("a full disk failed the store")
	default:
	}
	if err := write(100); err != nil {
		t.Errorf("a write that fits, after one that did not: %v", err)
	}
	pragma("PRAGMA max_page_count=10000")
	if err := write(1 << 20); err != nil {
		t.Errorf("with room again: %v", err)
	}
	var n int
	if err := db.QueryRow(ctx, "SELECT count(*) FROM t_rows").Scan(&n); err != nil || n != 3 {
		t.Errorf("%d rows, %v", n, err)
	}
}

// An I/O error of the disk is no ordinary error: after it nothing is written.
func TestAnIOErrorFailsTheStore(t *testing.T) {
	t.Parallel()
	for _, err := range []error{sqlite3.IOERR_FSYNC, sqlite3.IOERR_WRITE, sqlite3.CORRUPT, sqlite3.NOTADB} {
		if !fatal(fmt.Errorf("in a write: %w", err)) {
			t.Errorf("%v is taken for an ordinary error", err)
		}
	}
	for _, err := range []error{nil, sqlite3.FULL, sqlite3.BUSY, sqlite3.CONSTRAINT, sqlite3.AUTH, context.Canceled} {
		if fatal(err) {
			t.Errorf("%v stops the server", err)
		}
	}
}
