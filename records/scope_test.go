package records_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"writ/records"
	"writ/schedule"
	"writ/store"
	"writ/store/storetest"
)

// seenRow is a row as the sink got it, with what is needed to say whether it may be there.
type seenRow struct {
	account  string
	category schedule.Category
	at       time.Time
	values   string
}

type watch struct {
	rows    []seenRow
	account string
	datum   schedule.Datum
}

func (w *watch) Begin(_ context.Context, account string, d schedule.Datum) error {
	w.account, w.datum = account, d
	return nil
}

func (w *watch) Row(values []any) error {
	r := seenRow{account: w.account, category: w.datum.Category, values: strings.TrimSuffix(fmt.Sprintln(values...), "\n")}
	for i, f := range w.datum.Fields {
		if f.Name == w.datum.Time {
			r.at, _ = values[i].(time.Time)
		}
	}
	w.rows = append(w.rows, r)
	return nil
}

func (w *watch) End(int64) error { return nil }

// TestProductionStaysInScope: whatever is recorded and whatever two people approve, a production has exactly the rows of the targets,
// the categories and the window. Every row carries a canary of its owner, and no foreign one may come out.
func TestProductionStaysInScope(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, records.Defaults())
		people := []string{alice, bob, carol, "alice@writ.example.org", "alic@writ.example", "xalice@writ.example"}
		rapid.Check(t, func(rt *rapid.T) { scopeRun(rt, h, people) })
	})
}

func scopeRun(rt *rapid.T, h *house, people []string) {
	type truth struct {
		owners   []string
		category schedule.Category
		at       time.Time
	}
	h.exec(`DELETE FROM records_signin`)
	h.exec(`DELETE FROM records_call`)
	base := h.clock.Now().Add(-48 * time.Hour)
	hour := rapid.IntRange(0, 47)
	who := rapid.SampledFrom(people) // owner = other: a sign-in
	n := rapid.IntRange(0, 12).Draw(rt, "rows")
	var all []truth
	for range n {
		owner, other, at := who.Draw(rt, "owner"), who.Draw(rt, "other"), base.Add(time.Duration(hour.Draw(rt, "hour"))*time.Hour)
		if owner == other {
			all = append(all, truth{[]string{owner}, schedule.SignIn, at})
			continue
		}
		all = append(all, truth{[]string{owner, other}, schedule.CallLog, at})
	}
	h.must(h.write(func(tx *store.Tx) error {
		for i, row := range all {
			var err error
			if row.category == schedule.CallLog {
				err = h.Recorder.Call(context.Background(), tx, records.CallSignal{From: row.owners[0], To: row.owners[1], ID: fmt.Sprint(i), Step: records.Propose, Time: row.at})
			} else {
				err = h.Recorder.SignIn(context.Background(), tx, records.SignIn{Account: row.owners[0], Time: row.at, Client: "canary of " + row.owners[0] + "."})
			}
			if err != nil {
				return err
			}
		}
		return nil
	}))
	g := h.grant()
	g.Targets = rapid.SliceOfNDistinct(who, 1, 3, rapid.ID[string]).Draw(rt, "targets")
	g.Categories = rapid.SliceOfNDistinct(rapid.SampledFrom([]schedule.Category{schedule.SignIn, schedule.CallLog, schedule.LastSeen}), 1, 3, rapid.ID[schedule.Category]).Draw(rt, "categories")
	g.From = base.Add(time.Duration(hour.Draw(rt, "from")) * time.Hour)
	g.To = g.From.Add(time.Duration(1+hour.Draw(rt, "length")) * time.Hour)
	var got watch
	if _, err := h.Gate.Extract(context.Background(), h.approved(g), &got); err != nil {
		rt.Fatal(err)
	}
	want := 0
	for _, row := range all {
		if !slices.Contains(g.Categories, row.category) || row.at.Before(g.From) || !row.at.Before(g.To) {
			continue
		}
		for _, owner := range row.owners {
			if slices.Contains(g.Targets, owner) {
				want++
			}
		}
	}
	if len(got.rows) != want {
		rt.Errorf("%d rows, want %d", len(got.rows), want)
	}
	for _, r := range got.rows {
		checkRow(rt, g, r)
	}
}

func checkRow(rt *rapid.T, g records.Grant, r seenRow) {
	if !slices.Contains(g.Targets, r.account) || !slices.Contains(g.Categories, r.category) {
		rt.Errorf("a row of %s, %s, outside the grant", r.account, r.category)
	}
	if r.at.Before(g.From) || !r.at.Before(g.To) {
		rt.Errorf("a row of %s, outside the window", r.at)
	}
	names := r.account
	if r.category == schedule.SignIn {
		names = "canary of " + r.account + "."
	}
	if !containsName(r.values, names) {
		rt.Errorf("a row of %s without its canary: %s", r.account, r.values)
	}
}

// containsName reports whether a row's text has the name, not as a part of a longer one.
func containsName(values, name string) bool {
	for i := 0; i+len(name) <= len(values); i++ {
		before := i == 0 || values[i-1] == ' ' || name[0] == 'c'
		after := i+len(name) == len(values) || values[i+len(name)] == ' ' || name[len(name)-1] == '.'
		if values[i:i+len(name)] == name && before && after {
			return true
		}
	}
	return false
}
