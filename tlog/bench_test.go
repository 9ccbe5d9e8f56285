package tlog_test

import (
	"testing"
	"time"

	"writ/clock"
	"writ/config"
	"writ/obs"
	"writ/store"
	"writ/store/storetest"
	"writ/tlog"
)

func benchHouse(b *testing.B, batch int) (*store.DB, *clock.Fake, *tlog.Log) {
	b.Helper()
	db := storetest.SQLite(b)
	storetest.Migrate(b, db, tlog.Schema())
	dir := b.TempDir()
	key, err := tlog.LoadKey(dir+"/key", origin)
	if err != nil {
		b.Fatal(err)
	}
	c := clock.NewFake(start)
	l, err := tlog.New(db, c, tlog.Config{Origin: origin, Dir: dir + "/log", BatchSize: batch, Cadence: config.Duration(time.Hour)}, key, obs.Discard(), nil)
	if err != nil {
		b.Fatal(err)
	}
	return db, c, l
}

// BenchmarkAppend is what a case event pays for its commitment, in a transaction with 15 others as group commit makes them.
func BenchmarkAppend(b *testing.B) {
	db, _, l := benchHouse(b, 256)
	n := 0
	for b.Loop() {
		err := db.Write(b.Context(), func(tx *store.Tx) error {
			for range 16 {
				n++
				if _, err := l.Append(b.Context(), tx, commitment(n)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/commitment")
}

// BenchmarkTurn closes and publishes a batch of 256.
func BenchmarkTurn(b *testing.B) {
	_, c, l := benchHouse(b, 256)
	p := l.Publisher()
	for b.Loop() {
		if err := p.Turn(b.Context()); err != nil {
			b.Fatal(err)
		}
		c.Advance(time.Hour)
	}
}

// BenchmarkProof proves a leaf in a log of 16,384.
func BenchmarkProof(b *testing.B) {
	db, c, l := benchHouse(b, 4096)
	if err := db.Write(b.Context(), func(tx *store.Tx) error { _, err := l.Append(b.Context(), tx, commitment(1)); return err }); err != nil {
		b.Fatal(err)
	}
	p := l.Publisher()
	for range 4 {
		if err := p.Turn(b.Context()); err != nil {
			b.Fatal(err)
		}
		c.Advance(time.Hour)
	}
	for b.Loop() {
		if _, err := l.Proof(b.Context(), commitment(1)); err != nil {
			b.Fatal(err)
		}
	}
}
