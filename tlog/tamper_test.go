package tlog_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"writ/store"
	"writ/store/storetest"
	"writ/tlog/verify"
)

// unguard drops the append-only triggers, as one who has the machine can.
func unguard(t *testing.T, db *store.DB) {
	t.Helper()
	err := db.Write(t.Context(), func(tx *store.Tx) error {
		for _, table := range []string{"tlog_entries", "tlog_batches", "tlog_leaves", "tlog_published"} {
			if tx.Dialect() == store.PostgreSQL {
				if _, err := tx.Exec(t.Context(), `DROP TRIGGER `+table+`_append_only ON `+table); err != nil {
					return err
				}
				continue
			}
			for _, op := range []string{"update", "delete"} {
				if _, err := tx.Exec(t.Context(), `DROP TRIGGER `+table+`_no_`+op); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// lived is a house whose log has everything: three batches, an entry in each, and one that waits.
func lived(t *testing.T, db *store.DB) *house {
	t.Helper()
	h := newHouse(t, db, nil)
	for n := range 3 {
		h.append(n)
		h.turn()
		h.hour()
	}
	h.append(3)
	h.sound()
	return h
}

func TestRowsTakeNoUpdateAndNoDelete(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		lived(t, db)
		for _, sql := range []string{`UPDATE tlog_entries SET by_time = 0`, `DELETE FROM tlog_entries`, `UPDATE tlog_leaves SET idx = idx + 100`, `DELETE FROM tlog_leaves WHERE idx = 3`,
			`UPDATE tlog_batches SET tick = 1`, `DELETE FROM tlog_batches`, `UPDATE tlog_published SET at = 1`, `DELETE FROM tlog_published`} {
			err := db.Write(t.Context(), func(tx *store.Tx) error {
				_, err := tx.Exec(t.Context(), sql)
				return err
			})
			if !store.IsRefused(err) {
				t.Errorf("%s: %v", sql, err)
			}
		}
	})
}

// TestTamperingIsFound is scoreboard row 23: each record is edited, deleted, swapped and cut off in turn, the log and the folder are
// rolled back; Fsck, which sees the database, finds every one. What touches only the public files is found by a stranger too.
func TestTamperingIsFound(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := lived(t, db)
		unguard(t, db)
		found, tried := 0, 0
		for _, m := range rowChanges() {
			undo := snapshot(t, db)
			err := db.Write(t.Context(), func(tx *store.Tx) error {
				for _, sql := range strings.Split(m, ";") {
					n, err := tx.Exec(t.Context(), sql)
					if err == nil && n == 0 {
						err = fmt.Errorf("it changes nothing")
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatalf("%s: %v", m, err)
			}
			tried++
			c, err := h.log.Fsck(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Faults) == 0 {
				t.Errorf("not found: %s", m)
			} else {
				found++
			}
			undo()
			h.sound()
		}
		t.Logf("%d of %d changes of rows found", found, tried)
	})
}

// rowChanges is every kind of change to every record of a lived-in house.
func rowChanges() []string {
	var all []string
	for idx := range 24 {
		all = append(all,
			fmt.Sprintf(`UPDATE tlog_leaves SET leaf = (SELECT commitment FROM tlog_entries WHERE id = 4) WHERE idx = %d`, idx),
			fmt.Sprintf(`DELETE FROM tlog_leaves WHERE idx = %d`, idx),
			fmt.Sprintf(`UPDATE tlog_leaves SET idx = 1000 WHERE idx = %d;UPDATE tlog_leaves SET idx = %d WHERE idx = %d;UPDATE tlog_leaves SET idx = %d WHERE idx = 1000`, idx, idx, (idx+1)%24, (idx+1)%24),
			fmt.Sprintf(`DELETE FROM tlog_leaves WHERE idx >= %d`, idx))
	}
	for n := 1; n <= 3; n++ {
		for _, column := range []string{"first_leaf", "size", "n"} {
			all = append(all, fmt.Sprintf(`UPDATE tlog_batches SET %s = %s + 8 WHERE n = %d`, column, column, n))
		}
		all = append(all, fmt.Sprintf(`DELETE FROM tlog_batches WHERE n = %d`, n),
			fmt.Sprintf(`DELETE FROM tlog_batches WHERE n >= %d;DELETE FROM tlog_leaves WHERE idx >= %d`, n, 8*n-8),
			fmt.Sprintf(`UPDATE tlog_batches SET root = (SELECT commitment FROM tlog_entries WHERE id = 1) WHERE n = %d`, n),
			fmt.Sprintf(`UPDATE tlog_batches SET edge = (SELECT commitment FROM tlog_entries WHERE id = 1) WHERE n = %d`, n),
			fmt.Sprintf(`UPDATE tlog_published SET root = (SELECT commitment FROM tlog_entries WHERE id = 1) WHERE size = %d`, 8*n),
			fmt.Sprintf(`UPDATE tlog_published SET note = replace(note, 'A', 'B') || ' ' WHERE size = %d`, 8*n),
			fmt.Sprintf(`UPDATE tlog_published SET size = size + 1 WHERE size = %d`, 8*n))
	}
	for id := 1; id <= 4; id++ {
		all = append(all, fmt.Sprintf(`UPDATE tlog_entries SET commitment = (SELECT root FROM tlog_batches WHERE n = 1) WHERE id = %d`, id))
	}
	return append(all,
		`DELETE FROM tlog_entries WHERE id = 4`,
		`DELETE FROM tlog_pending`,
		`UPDATE tlog_pending SET by_time = by_time + 1`,
		`UPDATE tlog_pending SET commitment = (SELECT root FROM tlog_batches WHERE n = 1)`,
		`INSERT INTO tlog_pending (id, commitment, lane, by_time) SELECT id, commitment, lane, by_time FROM tlog_entries WHERE id = 1`,
		`INSERT INTO tlog_leaves (idx, leaf) SELECT 24, root FROM tlog_batches WHERE n = 1`)
}

// snapshot copies the room's rows and gives what puts them back.
func snapshot(t *testing.T, db *store.DB) (undo func()) {
	t.Helper()
	tables := []string{"tlog_entries", "tlog_pending", "tlog_batches", "tlog_leaves", "tlog_published"}
	run := func(sql ...string) {
		t.Helper()
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			for _, s := range sql {
				if _, err := tx.Exec(t.Context(), s); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, table := range tables {
		run(`CREATE TABLE copy_` + table + ` AS SELECT * FROM ` + table)
	}
	return func() {
		for _, table := range tables {
			run(`DELETE FROM `+table, `INSERT INTO `+table+` SELECT * FROM copy_`+table, `DROP TABLE copy_`+table)
		}
	}
}

func TestTamperedFilesAreFound(t *testing.T) {
	t.Parallel()
	h := lived(t, storetest.SQLite(t))
	early := filepath.Join(t.TempDir(), "early")
	older := h.head()
	olderSigned, err := h.log.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(early, os.DirFS(h.cfg.Dir)); err != nil {
		t.Fatal(err)
	}
	h.turn()
	fetch := func(path string) ([]byte, error) { return os.ReadFile(filepath.Join(h.cfg.Dir, path)) }
	stranger := func() bool {
		r, err := verify.CheckLog(verify.LogFiles{Fetch: fetch, Older: olderSigned, Batch: 8}, h.log.VKey())
		return err == nil && r.OK()
	}
	if !stranger() {
		t.Fatal("the untouched log is found wrong")
	}
	found := 0
	try := func(name, file string, bad []byte, what string) {
		t.Helper()
		if err := os.WriteFile(file, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		c, err := h.log.Fsck(t.Context())
		if err != nil || len(c.Faults) == 0 {
			t.Errorf("%s: fsck does not find it, %v", what, err)
		}
		// A stranger reads entries and head; it needs no tile of hashes.
		if !strings.HasPrefix(name, "tile/0") && stranger() {
			t.Errorf("%s: a stranger does not find it", what)
		}
		found++
	}
	for _, name := range []string{"checkpoint", "tile/0/000.p/32", "tile/entries/000.p/32"} {
		file := filepath.Join(h.cfg.Dir, name)
		good, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(good); at += map[bool]int{true: 1, false: 5}[name == "checkpoint"] {
			bad := bytes.Clone(good)
			bad[at] ^= 1
			try(name, file, bad, fmt.Sprintf("%s, byte %d", name, at))
		}
		for _, bad := range [][]byte{nil, good[:len(good)/2], good[:len(good)-1], append(bytes.Clone(good), 'x')} {
			try(name, file, bad, fmt.Sprintf("%s of %d bytes", name, len(bad)))
		}
		if err := os.WriteFile(file, good, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	h.sound()
	t.Logf("%d of %d changes of files found", found, found)

	// The whole folder is rolled back: the house knows, and so does who kept a newer head.
	newer := h.head()
	if err := os.RemoveAll(h.cfg.Dir); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(h.cfg.Dir, os.DirFS(early)); err != nil {
		t.Fatal(err)
	}
	if c, err := h.log.Fsck(t.Context()); err != nil || len(c.Faults) == 0 {
		t.Errorf("a folder rolled back to %d from %d leaves: not found, %v", older.Size, newer.Size, err)
	}
	signed, err := h.log.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r, err := verify.CheckLog(verify.LogFiles{Fetch: fetch, Older: signed}, h.log.VKey()); err != nil || r.OK() {
		t.Errorf("a stranger with the newer head does not see it: %+v, %v", r, err)
	}
}
