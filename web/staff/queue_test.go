package staff_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"writ/store"
	"writ/store/storetest"
)

// fill lists n open cases that have no file.
func (h *house) fill(n int) {
	h.t.Helper()
	now := h.fake.Now()
	hour, minute := int64(time.Hour/time.Microsecond), int64(time.Minute/time.Microsecond)
	must(h.t, h.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, fmt.Sprintf(`INSERT INTO desk_case (id, seq, state, open, urgent, due, service, jurisdiction, instrument, agency, officer, accounts, received, ended, sealed, frozen, paused, flagged, wake)
			WITH RECURSIVE n(i) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < %d)
			SELECT 'W-' || (10000000 + i), 1, CASE i %% 5 WHEN 0 THEN 'received' WHEN 1 THEN 'authenticated' WHEN 2 THEN 'under_review' WHEN 3 THEN 'standstill' ELSE 'approved' END, 1,
				CASE i %% 50 WHEN 0 THEN 0 ELSE 1 END, %d + (i %% 5000 - 100) * %d, 'chat', CASE i %% 2 WHEN 0 THEN 'HK' ELSE 'US' END, 'search_warrant', 'hkpf', 'chan', 1, %d - i * %d, 0,
				CASE i %% 10 WHEN 9 THEN 1 ELSE 0 END, 0, 0, 0, 0 FROM n`, n-1, store.Time(now), hour, store.Time(now), minute))
		return err
	}))
	must(h.t, h.DB.Write(ctx, func(tx *store.Tx) error { _, err := tx.Exec(ctx, `ANALYZE desk_case`); return err })) // as the engine does by itself in time
}

// A page of the queue among 100,000 open cases comes at once, through the handler, whatever is chosen: the aim is 100 ms on a machine
// that does nothing else (BenchmarkQueue); this limit is for a busy one.
func TestQueueOf100000(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, true)
		h.fill(100_000)
		for _, q := range []string{"", "?only=mine", "?only=overdue", "?only=emergency", "?state=under_review", "?jurisdiction=HK&state=received", "?instrument=search_warrant", "?service=chat"} {
			for _, who := range []string{"rita", "carl"} {
				h.as(who)
				best := time.Hour
				for range 3 {
					begin := time.Now()
					a := h.as(who).Get("/staff/" + q)
					best = min(best, time.Since(begin))
					if a.Status != 200 || strings.Count(a.Body, `class="number"`) != 50 {
						t.Fatalf("%q as %s: %d, %d cases", q, who, a.Status, strings.Count(a.Body, `class="number"`))
					}
				}
				t.Logf("%q as %s: %v", q, who, best) // the benchmark compares with the limit; a timing decides no test
			}
		}
	})
}

func BenchmarkQueue(b *testing.B) {
	h := open(b, storetest.SQLite(b), true)
	h.fill(100_000)
	v := h.as("rita")
	for b.Loop() {
		if a := v.Get("/staff/"); a.Status != 200 {
			b.Fatal(a.Status)
		}
	}
}

// Pages follow each other without a gap and keep what was chosen.
func TestPaging(t *testing.T) {
	t.Parallel()
	h := open(t, sqlite(t), true)
	h.fill(130)
	seen := map[string]bool{}
	pages, next := 0, "/staff/?jurisdiction=HK"
	for next != "" {
		a := h.as("carl").Get(next)
		for _, part := range strings.Split(a.Body, `href="/staff/cases/`)[1:] {
			id, _, _ := strings.Cut(part, `"`)
			if seen[id] {
				t.Errorf("%s comes twice", id)
			}
			seen[id] = true
		}
		next = ""
		if _, rest, ok := strings.Cut(a.Body, `<a class="button second" href="/staff/?after=`); ok {
			next, _, _ = strings.Cut(rest, `"`)
			next = strings.ReplaceAll("/staff/?after="+next, "&amp;", "&")
		}
		pages++
		if pages > 1 && !strings.Contains(a.Body, "First page") {
			t.Error("no way back to the first page")
		}
	}
	if len(seen) != 65 || pages != 2 {
		t.Errorf("%d cases on %d pages; want 65 on 2", len(seen), pages)
	}
	if a := h.as("carl").Get("/staff/?after=nonsense"); a.Status != 200 {
		t.Errorf("a bad place in the list: %d", a.Status)
	}
	if a := h.as("carl").Get("/staff/?jurisdiction=Hongkong"); a.Status != 200 || !strings.Contains(a.Body, "A code such as HK") {
		t.Errorf("an unknown jurisdiction: %d", a.Status)
	}
	if a := h.as("eve").Get("/staff/?only=mine"); !strings.Contains(a.Body, "No case is like this") {
		t.Error("nothing waits for an executive")
	}
	if a := h.as("adam").Get("/staff/"); strings.Contains(a.Body, "W-1000") || !strings.Contains(a.Body, "reads no case") {
		t.Error("an administrator reads cases")
	}
}
