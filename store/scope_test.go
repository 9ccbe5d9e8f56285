package store_test

import (
	"testing"

	"writ/store"
	"writ/store/storetest"
)

// A handle of one room meets no table of another, whatever form the statement has.
func TestScopedHandlesFailOnOtherRoomsTables(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		sample(t, db)
		ctx := t.Context()
		h := db.Scoped("sample")
		allowed := []string{
			"SELECT count(*) FROM sample_rows",
			"WITH a AS (SELECT id FROM sample_rows) SELECT count(id) FROM a",
			"SELECT count(*) FROM (SELECT name FROM sample_rows WHERE lower(name) = 'x') s",
		}
		for _, text := range allowed {
			var n int
			if err := h.QueryRow(ctx, text).Scan(&n); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		}
		refused := []string{
			"SELECT count(*) FROM other_rows",
			"SELECT id FROM other_rows",
			"SELECT s.id FROM sample_rows s LEFT JOIN other_rows o ON o.id = s.id",
			"WITH a AS (SELECT secret FROM other_rows) SELECT count(*) FROM a",
			"SELECT (SELECT max(secret) FROM other_rows)",
			"SELECT count(*) FROM sample_rows WHERE EXISTS (SELECT 1 FROM other_rows)",
			"SELECT count(*) FROM sample_rows UNION ALL SELECT id FROM other_rows",
			"SELECT count(*) FROM store_migrations",
			"UPDATE sample_rows SET name = (SELECT secret FROM other_rows) RETURNING id",
			"INSERT INTO other_rows (id, secret) VALUES (1, 'x') RETURNING id",
			"DELETE FROM other_rows RETURNING id",
			"DROP TABLE sample_rows",
			"SET ROLE NONE",
			"PRAGMA query_only=OFF",
			"ATTACH 'x.db' AS x",
		}
		for _, text := range refused {
			if err := h.QueryRow(ctx, text).Scan(new(any)); err == nil {
				t.Errorf("read: %s: not refused", text)
			}
			err := h.Write(ctx, func(tx *store.Tx) error { return tx.QueryRow(ctx, text).Scan(new(any)) })
			if !store.IsRefused(err) {
				t.Errorf("write: %s: %v", text, err)
			}
		}
		// In one batch each write has its own reach.
		started, hold := make(chan struct{}), make(chan struct{})
		db.Enqueue(func(*store.Tx) error { close(started); <-hold; return nil }, nil)
		<-started
		outcomes := make(chan error, 4)
		for i, d := range []*store.DB{db, h, db, h} {
			d.Enqueue(func(tx *store.Tx) error {
				_, err := tx.Exec(ctx, "INSERT INTO other_rows (id, secret) VALUES ($1, 's')", i)
				return err
			}, func(err error) { outcomes <- err })
		}
		close(hold)
		for i := range 4 {
			if err := <-outcomes; (err == nil) != (i%2 == 0) {
				t.Errorf("write %d: %v", i, err)
			}
		}
		if err := h.Write(ctx, insert("mine")); err != nil {
			t.Errorf("its own table: %v", err)
		}
		if db.Scoped("sample") != h {
			t.Error("the same prefixes are the same handle")
		}
	})
}

func TestAPrefixIsAWholeWord(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		sample(t, db)
		var n int
		if err := db.Scoped("sam").QueryRow(t.Context(), "SELECT count(*) FROM sample_rows").Scan(&n); err == nil {
			t.Error("sam must not reach sample_rows")
		}
	})
}
