package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"writ/obs"
	"writ/store"
	"writ/store/storetest"
)

// Durable rows per second with as many writes in flight as given: 1 is one fsync for each row, more is group commit.
func BenchmarkDurableRows(b *testing.B) {
	for _, flying := range []int{1, 8, 64, 512} {
		b.Run(fmt.Sprintf("sqlite/inflight=%d", flying), func(b *testing.B) {
			db, err := store.Open(b.Context(), store.Config{URL: "sqlite:" + filepath.Join(b.TempDir(), "writ.db")}, obs.Discard())
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			durableRows(b, db, flying)
		})
	}
}

func durableRows(b *testing.B, db *store.DB, flying int) {
	sample(b, db)
	body := make([]byte, 950)
	var n atomic.Int64
	ctx := context.Background()
	row := func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO sample_rows (name, body) VALUES ($1, $2)", fmt.Sprint("row ", n.Add(1)), body)
		return err
	}
	slots := make(chan struct{}, flying)
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		slots <- struct{}{}
		wg.Add(1)
		db.Enqueue(row, func(err error) {
			if err != nil {
				b.Error(err)
			}
			<-slots
			wg.Done()
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(b.N)/float64(db.Stats().Batches), "rows/commit")
}

// The last 50 rows of a key among many, as a page of the archive reads them.
func BenchmarkReadPage(b *testing.B) {
	db := storetest.SQLite(b)
	sample(b, db)
	ctx := b.Context()
	err := db.Write(ctx, func(tx *store.Tx) error {
		for i := range 10000 {
			if _, err := tx.Exec(ctx, "INSERT INTO sample_rows (name, body) VALUES ($1, $2)", fmt.Sprint(i), make([]byte, 950)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		rows, err := db.Query(ctx, "SELECT id, name, body FROM sample_rows WHERE id < $1 ORDER BY id DESC LIMIT 50", 9000)
		if err != nil {
			b.Fatal(err)
		}
		for rows.Next() {
			var id int64
			var name string
			var body []byte
			if err := rows.Scan(&id, &name, &body); err != nil {
				b.Fatal(err)
			}
		}
		if err := rows.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
