package records_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"writ/records"
	"writ/schedule"
	"writ/store"
	"writ/store/storetest"
)

const day = 24 * time.Hour

func (h *house) sweep() records.Swept {
	h.t.Helper()
	s, err := h.Keeper.Sweep(context.Background())
	h.must(err)
	return s
}

func (h *house) hold(until time.Time, categories ...schedule.Category) (id string) {
	h.t.Helper()
	h.must(h.write(func(tx *store.Tx) (err error) {
		id, err = h.Gate.Hold(context.Background(), tx, records.Preservation{Case: "2019-0007", Accounts: []string{alice}, Categories: categories, Until: until})
		return err
	}))
	return id
}

// inFiles says which files of the database's folder hold the text.
func inFiles(t *testing.T, db *store.DB, text string) (names []string) {
	t.Helper()
	dir := filepath.Dir(strings.TrimPrefix(db.URL(), "sqlite:"))
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(text)) {
			names = append(names, filepath.Base(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestRetention: a row lives to the end of its term; within 24 hours of it the row is gone from the tables, and from the files.
func TestRetention(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		storetest.Migrate(t, db, toySchema)
		h := open(t, db, records.Defaults(), records.Room{Name: "chat/toy", Tables: true, Data: []records.Datum{toy()}})
		h.signIn(alice, "192.0.2.77", "ForgetMeClient")
		h.signal(records.CallSignal{From: alice, To: "callcanary@writ.example", ID: "1", Step: records.Propose})
		h.exec(`INSERT INTO toy_note (account, at, note) VALUES ($1, $2, 'notecanary')`, alice, store.Time(start))
		for range 3 { // rows of others that stay, so that pages are shared
			h.clock.Advance(day)
			h.signIn(bob, "192.0.2.2", "Stays")
		}
		h.must(h.Keeper.Start(t.Context()))
		defer h.Keeper.Stop(context.Background())

		h.clock.Set(start.Add(7*day - time.Minute))
		if n := h.count(`SELECT count(*) FROM toy_note`); n != 1 {
			t.Fatalf("a row went before its term")
		}
		h.clock.Set(start.Add(8 * day))
		if n := h.count(`SELECT count(*) FROM toy_note`); n != 0 {
			t.Errorf("%d rows past their term of 7 days", n)
		}
		h.clock.Set(start.Add(90*day - time.Minute))
		if own := h.own(alice); !strings.Contains(own, "ForgetMeClient") || !strings.Contains(own, "callcanary") {
			t.Fatalf("a row went before its term: %s", own)
		}
		h.clock.Set(start.Add(91 * day))
		if own := h.own(alice); strings.Contains(own, "ForgetMeClient") || strings.Contains(own, "callcanary") {
			t.Errorf("rows past their term of 90 days: %s", own)
		}
		if own := h.own(bob); strings.Count(own, "Stays") != 3 {
			t.Errorf("all three of Bob's sign-ins are within their term: %s", own)
		}
		if db.Dialect() == store.SQLite {
			for _, canary := range []string{"ForgetMeClient", "callcanary", "notecanary", "192.0.2.77"} {
				if files := inFiles(t, db, canary); len(files) > 0 {
					t.Errorf("%q is still in %v", canary, files)
				}
			}
			if len(inFiles(t, db, "Stays")) == 0 {
				t.Error("the byte search finds nothing at all")
			}
		}
	})
}

// TestErasure: an erased account is gone from every room's tables at once, and from the files within 24 hours.
func TestErasure(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		storetest.Migrate(t, db, toySchema)
		h := open(t, db, records.Defaults(), records.Room{Name: "chat/toy", Tables: true, Data: []records.Datum{toy()}})
		h.must(h.Keeper.Start(t.Context()))
		defer h.Keeper.Stop(context.Background())
		h.signIn(alice, "192.0.2.77", "ErasedClient")
		h.signIn(bob, "192.0.2.2", "Stays")
		h.exec(`INSERT INTO toy_note (account, at, note) VALUES ($1, $2, 'notecanary')`, alice, store.Time(start))
		h.signal(records.CallSignal{From: bob, To: alice, ID: "1", Step: records.Propose})
		h.must(h.write(func(tx *store.Tx) error { return h.Recorder.Seen(context.Background(), tx, alice, start) }))
		h.must(h.write(func(tx *store.Tx) error { return h.Keeper.Erase(context.Background(), tx, alice) }))
		for table, text := range map[string]string{
			"sign-ins":  `SELECT count(*) FROM records_signin WHERE account = $1`,
			"last seen": `SELECT count(*) FROM records_seen WHERE account = $1`,
			"calls":     `SELECT count(*) FROM records_call WHERE a = $1 OR b = $1`,
			"toys":      `SELECT count(*) FROM toy_note WHERE account = $1`,
			"erasures":  `SELECT count(*) FROM records_erased WHERE account = $1`,
		} {
			if n := h.count(text, alice); n != 0 {
				t.Errorf("%s: %d rows of an erased account", table, n)
			}
		}
		h.clock.Advance(day)
		if db.Dialect() == store.SQLite {
			for _, canary := range []string{"ErasedClient", "notecanary", alice} {
				if files := inFiles(t, db, canary); len(files) > 0 {
					t.Errorf("%q is still in %v", canary, files)
				}
			}
		}
		if !strings.Contains(h.own(bob), "Stays") {
			t.Error("another's records went too")
		}
	})
}

// TestPreservation: what is held survives its term and the account's erasure, is still reached by a grant, and goes when the hold
// ends; and the desk can read that it did.
func TestPreservation(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, records.Defaults())
		h.signIn(alice, "192.0.2.77", "HeldClient")
		h.signIn(bob, "192.0.2.2", "Bobs")
		h.signal(records.CallSignal{From: alice, To: bob, ID: "1", Step: records.Propose})
		id := h.hold(start.Add(120*day), schedule.SignIn)

		h.clock.Advance(100 * day) // past the 90 days of both
		h.sweep()
		if own := h.own(alice); !strings.Contains(own, "HeldClient") || strings.Contains(own, "audio") {
			t.Errorf("sign-ins are held and calls are not: %s", own)
		}
		if own := h.own(bob); strings.Contains(own, "Bobs") {
			t.Errorf("nobody holds Bob's: %s", own)
		}
		h.must(h.write(func(tx *store.Tx) error { return h.Keeper.Erase(context.Background(), tx, alice) }))
		g := h.grant()
		g.From = start.AddDate(0, -1, 0)
		if got, err := h.extract(h.approved(g)); err != nil || !strings.Contains(got, "HeldClient") {
			t.Errorf("a grant reaches what is held of an erased account: %v %s", err, got)
		}
		if awaited, err := h.Keeper.Awaited(t.Context(), db, alice); err != nil || !awaited {
			t.Errorf("the name must not be given away: %v %v", awaited, err)
		}

		h.must(h.write(func(tx *store.Tx) error { return h.Gate.Extend(context.Background(), tx, id, start.Add(150*day)) }))
		h.clock.Set(start.Add(149 * day))
		h.sweep()
		if !strings.Contains(h.own(alice), "HeldClient") {
			t.Error("an extended hold ended too early")
		}
		h.clock.Set(start.Add(150 * day))
		if s := h.sweep(); s.Holds != 1 {
			t.Errorf("%d holds ended, want 1", s.Holds)
		}
		if strings.Contains(h.own(alice), "HeldClient") {
			t.Error("what only a hold kept outlived it")
		}
		if awaited, _ := h.Keeper.Awaited(t.Context(), db, alice); awaited {
			t.Error("the name is still kept back")
		}
		h.clock.Advance(day)
		h.sweep()
		holds, err := h.Gate.Holds(t.Context(), db, "2019-0007")
		h.must(err)
		if len(holds) != 1 || holds[0].ID != id || holds[0].Why != records.Expired || !holds[0].Ended.Equal(start.Add(150*day)) || holds[0].Swept.IsZero() ||
			holds[0].Scrubbed.IsZero() || len(holds[0].Accounts) != 1 || len(holds[0].Categories) != 1 {
			t.Errorf("the proof of deletion says %+v", holds)
		}
		if db.Dialect() == store.SQLite {
			if files := inFiles(t, db, "HeldClient"); len(files) > 0 {
				t.Errorf("it is still in %v", files)
			}
		}
	})
}

func TestHoldsAreReleasedAndRefused(t *testing.T) {
	t.Parallel()
	h := open(t, storetest.SQLite(t), records.Defaults())
	h.signIn(alice, "192.0.2.77", "HeldClient")
	id := h.hold(start.Add(180*day), schedule.Location) // derived from sign-ins, which are held with it
	h.clock.Advance(91 * day)
	h.sweep()
	if n := h.count(`SELECT count(*) FROM records_signin`); n != 1 {
		t.Fatal("a held location needs its sign-ins")
	}
	release := func(id string) error {
		return h.write(func(tx *store.Tx) error { return h.Gate.Release(context.Background(), tx, id) })
	}
	h.must(release(id))
	h.sweep()
	if n := h.count(`SELECT count(*) FROM records_signin`); n != 0 {
		t.Error("a released hold still holds")
	}
	if holds, err := h.Gate.Holds(t.Context(), h.db, "2019-0007"); err != nil || holds[0].Why != records.Released {
		t.Errorf("%v %+v", err, holds)
	}
	if err := release(id); !errors.Is(err, records.ErrHold) {
		t.Errorf("released twice: %v", err)
	}
	if err := h.write(func(tx *store.Tx) error {
		return h.Gate.Extend(context.Background(), tx, id, start.Add(500*day))
	}); !errors.Is(err, records.ErrHold) {
		t.Errorf("extended after its end: %v", err)
	}
	for name, p := range map[string]records.Preservation{
		"no case":       {Accounts: []string{alice}, Categories: []schedule.Category{schedule.SignIn}, Until: start.Add(500 * day)},
		"no account":    {Case: "1", Categories: []schedule.Category{schedule.SignIn}, Until: start.Add(500 * day)},
		"no category":   {Case: "1", Accounts: []string{alice}, Until: start.Add(500 * day)},
		"an end passed": {Case: "1", Accounts: []string{alice}, Categories: []schedule.Category{schedule.SignIn}, Until: start},
		"credentials":   {Case: "1", Accounts: []string{alice}, Categories: []schedule.Category{schedule.Credentials}, Until: start.Add(500 * day)},
	} {
		err := h.write(func(tx *store.Tx) error { _, err := h.Gate.Hold(context.Background(), tx, p); return err })
		if !errors.Is(err, records.ErrHold) {
			t.Errorf("%s: %v", name, err)
		}
	}
	h.clock.Advance(731 * day)
	h.sweep()
	if n := h.count(`SELECT (SELECT count(*) FROM gate_hold) + (SELECT count(*) FROM gate_hold_account)`); n != 0 {
		t.Errorf("%d rows of a hold past the term of case files", n)
	}
}

// TestScrubPace: deleted rows leave the files at most once in the configured time, and after a restart too.
func TestScrubPace(t *testing.T) {
	t.Parallel()
	h := open(t, storetest.SQLite(t), records.Defaults())
	sweepAfterErasing := func() bool {
		h.must(h.write(func(tx *store.Tx) error { return h.Keeper.Erase(context.Background(), tx, alice) }))
		return h.sweep().Scrubbed
	}
	if h.sweep().Scrubbed {
		t.Error("scrubbed without a deletion")
	}
	if !sweepAfterErasing() {
		t.Error("the first deletion was not scrubbed")
	}
	h.clock.Advance(time.Hour)
	if sweepAfterErasing() {
		t.Error("scrubbed twice within an hour")
	}
	h.clock.Advance(20 * time.Hour)
	if !h.sweep().Scrubbed {
		t.Error("the second deletion was not scrubbed within its 24 hours")
	}
	if h.clock.Advance(40 * time.Hour); h.sweep().Scrubbed {
		t.Error("scrubbed what was clean")
	}
}

// TestSweepPieces: more rows than one transaction takes, among them rows of one microsecond and held ones.
func TestSweepPieces(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, records.Defaults())
		h.hold(start.Add(300*day), schedule.SignIn)
		h.must(h.write(func(tx *store.Tx) error {
			for i := range 5000 {
				who := bob
				if i%10 == 0 {
					who = alice
				}
				err := h.Recorder.SignIn(context.Background(), tx, records.SignIn{Account: who, Time: start.Add(time.Duration(i/3) * time.Second)})
				if err != nil {
					return err
				}
			}
			return nil
		}))
		h.clock.Advance(100 * day)
		if s := h.sweep(); s.Deleted["sign-ins"] != 4500 {
			t.Errorf("%d deleted, want 4500", s.Deleted["sign-ins"])
		}
		if n := h.count(`SELECT count(*) FROM records_signin WHERE account = $1`, alice); n != 500 {
			t.Errorf("%d held rows are left, want 500", n)
		}
	})
}
