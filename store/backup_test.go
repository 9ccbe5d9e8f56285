package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"writ/obs"
	"writ/store"
	"writ/store/storetest"
)

// A backup taken while others write is one moment of the database: rows that were written together are there together.
func TestABackupUnderLoadIsOneMoment(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	sample(t, db)
	ctx, stop := context.WithCancel(t.Context())
	var n atomic.Int64
	over := make(chan struct{})
	enough := make(chan struct{})
	go func() {
		defer close(over)
		for ctx.Err() == nil {
			i := n.Add(1)
			err := db.Write(ctx, func(tx *store.Tx) error {
				if err := insert(fmt.Sprint(i, "a"))(tx); err != nil {
					return err
				}
				return insert(fmt.Sprint(i, "b"))(tx)
			})
			if err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			if i == 50 {
				close(enough)
			}
		}
	}()
	<-enough
	file := filepath.Join(t.TempDir(), "copy.db")
	if err := db.Backup(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	stop()
	<-over
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the copy: %v %v", st, err)
	}
	copied, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + file}, obs.Discard())
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close()
	rows := len(names(t, copied))
	if rows < 98 || rows%2 != 0 {
		t.Errorf("the copy has %d rows", rows)
	}
	if faults, err := copied.Verify(t.Context()); len(faults) != 0 || err != nil {
		t.Errorf("the copy: %v %v", faults, err)
	}
	if err := db.Backup(t.Context(), file); err == nil {
		t.Error("a backup overwrote a file")
	}
}

func TestPostgreSQLHasItsOwnBackup(t *testing.T) {
	t.Parallel()
	if err := storetest.PostgreSQL(t).Backup(t.Context(), filepath.Join(t.TempDir(), "x")); !errors.Is(err, store.ErrNoBackup) {
		t.Error(err)
	}
}

// A page that was damaged on the disk is found, and named by the engine.
func TestADamagedPageIsFound(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	sample(t, db)
	for i := range 200 {
		if err := db.Write(t.Context(), insert(strings.Repeat(fmt.Sprint(i, " "), 50))); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Scrub(t.Context()); err != nil { // all of it into the file
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	path := strings.TrimPrefix(db.URL(), "sqlite:")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(b) - 4096; i < len(b)-4000; i++ {
		b[i] ^= 0xFF
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := storetest.Reopen(t, db)
	faults, err := damaged.Verify(t.Context())
	if len(faults) == 0 && err == nil {
		t.Error("nothing was found")
	}
}
