package desk

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"writ/store"
	"writ/store/storetest"
)

// step is one write of the story of a case.
type faultStep struct {
	name string
	run  func(h *house, id string) error
}

// do1 makes a step of a command.
func do1(who string, c func(h *house, k Case) Command) faultStep {
	return faultStep{c(nil, Case{Proposal: &Proposal{}, Package: &Package{}}).Name() + " by " + who, func(h *house, id string) error {
		_, err := h.desk.Do(h.t.Context(), as(who), id, c(h, h.get(id)))
		return err
	}}
}

func plainly(c Command) func(*house, Case) Command { return func(*house, Case) Command { return c } }

func signature(h *house, who string, sum [32]byte) []byte {
	if h == nil {
		return nil
	}
	return h.sign(who, sum)
}

// story is every write of a case from the door to the delivery.
func faultStory() []faultStep {
	return []faultStep{
		do1("ines", plainly(Authenticate{})), do1("ines", plainly(Screen{Flags: []string{"protest"}})), do1("hana", plainly(Clear{"ok"})), do1("rita", plainly(BeginReview{})),
		do1("rita", plainly(Ask{"Which period?"})), do1("of-hkpf", plainly(Answer{Text: "March."})), do1("rita", plainly(Propose{})),
		do1("rita", func(h *house, c Case) Command { return SignScope{Assertion: signature(h, "rita", c.Proposal.Hash)} }),
		do1("abe", func(h *house, c Case) Command { return SignScope{Assertion: signature(h, "abe", c.Proposal.Hash)} }),
		{"tick: the person is told", func(h *house, id string) error { return h.desk.Tick(h.t.Context()) }},
		do1("rita", plainly(Extract{})),
		{"tick: extraction", func(h *house, id string) error { return h.desk.Tick(h.t.Context()) }},
		{"a week passes", func(h *house, id string) error { h.clock.Advance(8 * 24 * time.Hour); return nil }},
		do1("abe", func(h *house, c Case) Command { return SignRelease{Assertion: signature(h, "abe", c.Package.Hash)} }),
		do1("rita", func(h *house, c Case) Command { return SignRelease{Assertion: signature(h, "rita", c.Package.Hash)} }),
		{"download", func(h *house, id string) error {
			_, err := h.desk.Download(h.t.Context(), as("of-hkpf"), id)
			return err
		}},
		do1("ines", plainly(Close{})),
	}
}

// Each commit of each write of a case's story fails in turn, once before and once after it was durable. After a restart the file is
// whole (events, payloads, commitments, list), nothing that was acknowledged is lost, nothing is half done, and the story goes on.
func TestFaultMatrix(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		n := 0
		filed := h.faulty(faultStep{"file", nil}, &n)
		for _, s := range faultStory() {
			id := filed
			h.faultyStep(s, id, &n)
		}
		h.want(filed, Closed)
		t.Logf("%d of %d faults survived", n, n)
	})
}

// faulty files a request with each fault, and gives the number of one that was acknowledged.
func (h *house) faulty(_ faultStep, n *int) string {
	h.t.Helper()
	for _, persisted := range []bool{false, true} {
		before := h.all()
		f := storetest.NewFaults(h.db)
		f.Fail(1, persisted)
		if _, err := h.desk.File(h.t.Context(), as("of-hkpf"), h.filing()); err == nil {
			h.t.Fatal("a failed commit was acknowledged")
		}
		*n++
		h.restart()
		after := h.all()
		if got := len(after) - len(before); got != 0 && !persisted || got > 1 || persisted && got != 1 {
			h.t.Fatalf("filing failed (persisted %v): %d cases came of it", persisted, got)
		}
		h.whole()
		h.clock.Advance(time.Minute)
	}
	id := h.file("of-hkpf")
	h.whole()
	return id
}

// faultyStep runs a step with each of its commits failing in turn, until a run has none left to fail.
func (h *house) faultyStep(s faultStep, id string, n *int) {
	h.t.Helper()
	for _, persisted := range []bool{false, true} {
		for k := 1; ; k++ {
			before := h.get(id)
			f := storetest.NewFaults(h.db)
			f.Fail(k, persisted)
			err := s.run(h, id)
			failed := f.Commits() >= k
			if !failed {
				if err != nil && codeOf(err) == err.Error() {
					h.t.Fatalf("%s: %v", s.name, err)
				}
				h.db.SetFault(nil)
				break
			}
			*n++
			h.restart()
			after := h.get(id)
			if !persisted && k == 1 && after.Seq != before.Seq {
				h.t.Fatalf("%s: nothing was durable, and %d events came", s.name, after.Seq-before.Seq)
			}
			h.whole()
			h.clock.Advance(takenFor)
			if persisted && after.Seq > before.Seq && k > 20 {
				h.t.Fatalf("%s does not end", s.name)
			}
		}
	}
	h.whole()
}

// restart opens the database again, as a process does after a crash.
func (h *house) restart() {
	h.t.Helper()
	h.db = storetest.Reopen(h.t, h.db)
	h.build()
}

func (h *house) all() []string {
	h.t.Helper()
	rows, err := h.db.Query(h.t.Context(), `SELECT DISTINCT case_id FROM desk_event ORDER BY case_id`)
	must(h.t, err)
	defer rows.Close()
	var out []string
	for rows.Next() {
		var id string
		must(h.t, rows.Scan(&id))
		out = append(out, id)
	}
	must(h.t, rows.Err())
	return out
}

// whole checks everything that must hold in the database at rest.
func (h *house) whole() {
	h.t.Helper()
	must(h.t, errors.Join(h.faults()...))
}

func (h *house) faults() (errs []error) {
	ctx := h.t.Context()
	c, err := h.desk.Fsck(ctx)
	must(h.t, err)
	for _, f := range c.Faults {
		errs = append(errs, errors.New(f))
	}
	var n int64
	must(h.t, h.db.QueryRow(ctx, `SELECT (SELECT count(*) FROM tlog_entries) - (SELECT count(*) FROM desk_event)`).Scan(&n))
	if n != 0 {
		errs = append(errs, fmt.Errorf("the log has %d entries more than there are events", n))
	}
	return errs
}
