package desk

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"testing"
	"time"

	"writ/store"
	"writ/store/storetest"
)

// The figure of performance: a report counts the requests of a half-year from their events. The default is small, so that every run
// tests the benchmark; `go test ./desk -run xxx -bench Count -benchtime 1x -timeout 2h -count.cases 1000000` folds ten million events.
var benchCases = flag.Int("count.cases", 200, "cases of ten events each that BenchmarkCount folds")

// BenchmarkCount is Received, which the report's closing asks first: every event of the period is read and folded, every key unwrapped.
func BenchmarkCount(b *testing.B) {
	storetest.Bench(b, fmt.Sprintf("events=%d", 10**benchCases), benchCount)
}

func benchCount(b *testing.B, db *store.DB) {
	h := newHouse(b, db)
	h.copies(h.answered(), *benchCases)
	from, to := h.clock.Now().AddDate(-1, 0, 0), h.clock.Now().AddDate(0, 0, 1)
	var most runtime.MemStats
	for b.Loop() {
		n := 0
		all, err := h.desk.Received(context.Background(), from, to, to)
		must(b, err)
		for _, c := range all {
			if c.Produced {
				n++
			}
		}
		if n < *benchCases {
			b.Fatalf("%d answered cases of %d", n, *benchCases)
		}
		runtime.ReadMemStats(&most)
		runtime.KeepAlive(all)
	}
	b.ReportMetric(10*float64(*benchCases)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(most.HeapInuse)/1e6, "MB")
}

// answered is a case that went from door to door.
func (h *house) answered() string {
	id := h.file("of-fbi")
	h.toReview(id)
	h.toApproved(id)
	h.toPackage(id)
	h.toDelivered(id)
	return id
}

// copies makes n cases with the first nine events and the last of one that was lived, each with a key of its own, spread over the last
// half-year. Only what the count reads is written.
func (h *house) copies(id string, n int) {
	h.t.Helper()
	ctx := h.t.Context()
	es, err := events(ctx, h.db, id, nil)
	must(h.t, err)
	if len(es) > 10 {
		es = append(es[:9:9], es[len(es)-1])
	}
	if len(es) != 10 {
		h.t.Fatalf("the case has %d events, want 10 or more", len(es))
	}
	spread := 180 * 24 * time.Hour / time.Duration(n+1)
	for i := 0; i < n; {
		end := min(i+2000, n)
		must(h.t, h.db.Write(ctx, func(tx *store.Tx) error {
			for ; i < end; i++ {
				if err := h.copyOne(ctx, tx, fmt.Sprintf("W-%08d", i), es, id, h.clock.Now().Add(-spread*time.Duration(n-i))); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}

func (h *house) copyOne(ctx context.Context, tx *store.Tx, id string, es []Event, from string, at time.Time) error {
	wrapped := h.desk.wrap(id, newCaseKey())
	if _, err := tx.Exec(ctx, `INSERT INTO desk_key (case_id, wrapped) VALUES ($1, $2)`, id, wrapped); err != nil {
		return err
	}
	for i, e := range es {
		if _, err := tx.Exec(ctx, `INSERT INTO desk_event (case_id, seq, at, kind, who, role, state, facts, sealed)
			SELECT $1, $2, $3, kind, who, role, state, facts, sealed FROM desk_event WHERE case_id = $4 AND seq = $5`,
			id, i+1, store.Time(at.Add(time.Duration(i)*time.Minute)), from, e.Seq); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, `INSERT INTO desk_case (id, seq, state, open, urgent, due, service, jurisdiction, instrument, agency, officer, accounts, received, ended, sealed, frozen, paused, flagged, wake)
		SELECT $1, 10, state, 0, urgent, due, service, jurisdiction, instrument, agency, officer, accounts, $2, ended, sealed, frozen, paused, flagged, 0 FROM desk_case WHERE id = $3`,
		id, store.Time(at), from)
	return err
}
