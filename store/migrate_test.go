package store_test

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"writ/store"
	"writ/store/storetest"
)

func room(files ...string) store.Schema {
	fs := fstest.MapFS{}
	for i, f := range files {
		fs["schema/00"+string(rune('1'+i))+".sql"] = &fstest.MapFile{Data: []byte(f)}
	}
	return store.Schema{Room: "room", FS: fs}
}

const (
	one = "CREATE TABLE room_a (id {{serial}}, at BIGINT NOT NULL);"
	two = "ALTER TABLE room_a ADD COLUMN note TEXT; CREATE INDEX room_a_at ON room_a (at); CREATE TABLE room_b (id BIGINT PRIMARY KEY);"
)

func TestMigrationsAreAppliedOnceAndForward(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		storetest.Migrate(t, db, room(one))
		pending, err := db.Pending(ctx, []store.Schema{room(one, two)})
		if err != nil || len(pending) != 1 || pending[0].String() != "room/002" {
			t.Fatalf("pending %v, %v", pending, err)
		}
		storetest.Migrate(t, db, room(one, two))
		storetest.Migrate(t, db, room(one, two))
		again := storetest.Reopen(t, db)
		storetest.Migrate(t, again, room(one, two))

		err = again.Migrate(ctx, []store.Schema{room(one)})
		if !errors.Is(err, store.ErrNewer) || !strings.Contains(err.Error(), "room has step 002, this binary knows 001") {
			t.Errorf("an older binary: %v", err)
		}
		err = again.Migrate(ctx, []store.Schema{room(one, two+" ")})
		if err == nil || !strings.Contains(err.Error(), "room/002 was changed") {
			t.Errorf("a changed step: %v", err)
		}
	})
}

func TestAFailedMigrationLeavesNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		for _, bad := range []string{one + "CREATE TABLE neighbour_c (id BIGINT PRIMARY KEY);", one + "CREATE NONSENSE;", one + "{{nonsense}}"} {
			if err := db.Migrate(ctx, []store.Schema{room(bad)}); err == nil {
				t.Errorf("%s: applied", bad)
			}
		}
		storetest.Migrate(t, db, room(one)) // room_a is not there yet
	})
}

func TestMigrationsOfARoomAreNumberedWithoutGaps(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	gap := store.Schema{Room: "room", FS: fstest.MapFS{"001.sql": {Data: []byte(one)}, "003.sql": {Data: []byte(two)}}}
	none := store.Schema{Room: "room", FS: fstest.MapFS{}}
	for _, rooms := range [][]store.Schema{{gap}, {none}, {room(one), room(one)}, {{Room: "a_b", FS: gap.FS}}} {
		if err := db.Migrate(t.Context(), rooms); err == nil {
			t.Errorf("%v: applied", rooms)
		}
	}
}

// Both processes start at once on a new database.
func TestTwoProcessesMigrateAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		other := storetest.Reopen(t, db)
		done := make(chan error, 2)
		for _, d := range []*store.DB{db, other} {
			go func() { done <- d.Migrate(t.Context(), []store.Schema{room(one, two)}) }()
		}
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}
