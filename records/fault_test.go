package records_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"writ/records"
	"writ/schedule"
	"writ/store"
	"writ/store/storetest"
)

// TestTheProofOfDeletionIsTrueAfterACrash fails each commit of a sweep that ends a hold, before and after it persisted. Whatever the
// next process finds: a hold that says "swept" has no rows left, one that says "scrubbed" no bytes in the files; and the next sweep
// brings it to its end.
func TestTheProofOfDeletionIsTrueAfterACrash(t *testing.T) {
	t.Parallel()
	const canary = "HeldCanary"
	for n := 1; ; n++ {
		crashed := false
		for _, persisted := range []bool{false, true} {
			h := open(t, storetest.SQLite(t), records.Defaults())
			h.signIn(alice, "192.0.2.77", canary)
			h.hold(start.Add(100*day), schedule.SignIn)
			h.must(h.write(func(tx *store.Tx) error { return h.Keeper.Erase(context.Background(), tx, alice) }))
			h.clock.Advance(100 * day)
			faults := storetest.NewFaults(h.db)
			faults.Fail(n, persisted)
			_, err := h.Keeper.Sweep(t.Context())
			if faults.Commits() < n {
				h.must(err)
				continue
			}
			crashed = true
			name := fmt.Sprintf("commit %d, persisted %v", n, persisted)
			if err == nil {
				t.Errorf("%s: the sweep says nothing of it", name)
			}
			next := reopen(h)
			next.proof(name, canary)
			next.clock.Advance(day)
			next.sweep()
			if state := next.proof(name, canary); state.Swept.IsZero() || state.Scrubbed.IsZero() {
				t.Errorf("%s: the next sweep did not finish: %+v", name, state)
			}
		}
		if !crashed {
			if n < 5 {
				t.Errorf("a sweep has %d commits: the test looks at little", n-1)
			}
			return
		}
	}
}

// reopen is the same house in a new process.
func reopen(h *house) *house {
	h.t.Helper()
	n := *h
	n.db = storetest.Reopen(h.t, h.db)
	var err error
	n.Records, err = records.New(records.Deps{DB: n.db, Clock: h.clock, Log: slog.New(slog.DiscardHandler), Config: records.Defaults(), Verifier: h.keys, Standing: h.pause})
	h.must(err)
	h.must(n.Declare())
	return &n
}

// proof checks what the hold claims.
func (h *house) proof(name, canary string) records.HoldState {
	h.t.Helper()
	holds, err := h.Gate.Holds(context.Background(), h.db, "2019-0007")
	h.must(err)
	state := holds[0]
	if left := h.count(`SELECT count(*) FROM records_signin`); !state.Swept.IsZero() && left != 0 {
		h.t.Errorf("%s: the hold says swept, and %d rows are there", name, left)
	}
	if files := inFiles(h.t.(*testing.T), h.db, canary); !state.Scrubbed.IsZero() && len(files) > 0 {
		h.t.Errorf("%s: the hold says scrubbed, and the bytes are in %v", name, files)
	}
	return state
}
