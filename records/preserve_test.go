package records_test

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"writ/records"
	"writ/schedule"
	"writ/store"
	"writ/store/storetest"
)

// shelf is a state: rows that their owner may change, of every type that can be exported.
func shelf() records.Datum {
	return records.Datum{Datum: schedule.Datum{Name: "shelf", Category: schedule.Contacts, Tables: []string{"shelf_item"},
		Fields:  []schedule.Field{{Name: "contact", Meaning: "Who."}, {Name: "count", Meaning: "How many."}, {Name: "since", Meaning: "When."}, {Name: "close", Meaning: "Whether."}, {Name: "unknown", Meaning: "Nothing."}},
		Purpose: "To test.", Retention: schedule.Account, Process: schedule.Warrant},
		Erase: records.EraseRows(schedule.Contacts, "shelf_item", "account"),
		Export: func(ctx context.Context, o *records.Opened, emit func(...any) error) error {
			rows, err := o.Query(ctx, `SELECT contact FROM shelf_item WHERE account = $1 ORDER BY contact`, o.Account())
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var contact string
				if err := rows.Scan(&contact); err != nil {
					return err
				}
				if err := emit(contact, 7, start, true, nil); err != nil {
					return err
				}
			}
			return rows.Err()
		}}
}

// TestPreservationCopiesStates: a contact list that its owner empties after the hold was placed is still answered for, until the hold
// ends; and the owner does not see that there is a copy.
func TestPreservationCopiesStates(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		storetest.Migrate(t, db, store.Schema{Room: "shelf", FS: fstest.MapFS{"001.sql": {Data: []byte(`CREATE TABLE shelf_item (account TEXT NOT NULL, contact TEXT NOT NULL)`)}}})
		h := open(t, db, records.Defaults(), records.Room{Name: "chat/shelf", Tables: true, Data: []records.Datum{shelf()}})
		h.exec(`INSERT INTO shelf_item VALUES ($1, 'keptcanary'), ($2, 'bobs')`, alice, bob)
		h.hold(start.Add(90*day), schedule.Contacts)
		h.clock.Advance(time.Second)
		h.exec(`DELETE FROM shelf_item WHERE account = $1`, alice)
		h.exec(`INSERT INTO shelf_item VALUES ($1, 'new')`, alice)
		h.clock.Advance(time.Hour)

		g := h.grant()
		g.Targets, g.Categories = []string{alice, bob}, []schedule.Category{schedule.Contacts}
		g.Process = schedule.Warrant
		id := h.approved(g)
		want := `alice@writ.example shelf: new 7 2019-07-01T09:00:00Z true -
alice@writ.example shelf-preserved: 2019-07-01T09:00:00Z keptcanary 7 2019-07-01T09:00:00Z true -
bob@writ.example shelf: bobs 7 2019-07-01T09:00:00Z true -`
		if got, err := h.extract(id); err != nil || got != want {
			t.Errorf("extracted %v\n%s\nwant\n%s", err, got, want)
		}
		g.Categories = []schedule.Category{schedule.SignIn}
		if got, err := h.extract(h.approved(g)); err != nil || strings.Contains(got, "keptcanary") {
			t.Errorf("a copy came out under another category: %v %s", err, got)
		}
		if own := h.own(alice); strings.Contains(own, "keptcanary") {
			t.Errorf("the owner sees the copy: %s", own)
		}
		holds, err := h.Gate.Holds(t.Context(), db, "2019-0007")
		h.must(err)
		if !holds[0].Copied.Equal(start) {
			t.Errorf("copied %v, want %v", holds[0].Copied, start)
		}

		h.must(h.write(func(tx *store.Tx) error { return h.Keeper.Erase(context.Background(), tx, alice) }))
		h.clock.Set(start.Add(90 * day))
		h.sweep()
		h.clock.Advance(day)
		h.sweep()
		if n := h.count(`SELECT (SELECT count(*) FROM records_kept) + (SELECT count(*) FROM shelf_item WHERE account = $1)`, alice); n != 0 {
			t.Errorf("%d rows outlived the hold", n)
		}
		if db.Dialect() == store.SQLite {
			if files := inFiles(t, db, "keptcanary"); len(files) > 0 {
				t.Errorf("the copy is still in %v", files)
			}
		}
	})
}

// TestACopyIsMadeAfterACrash: a hold that is committed and never copied, because the process died, is copied by the next sweep; one that
// has ended is not copied at all.
func TestACopyIsMadeAfterACrash(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	storetest.Migrate(t, db, store.Schema{Room: "shelf", FS: fstest.MapFS{"001.sql": {Data: []byte(`CREATE TABLE shelf_item (account TEXT NOT NULL, contact TEXT NOT NULL)`)}}})
	h := open(t, db, records.Defaults(), records.Room{Name: "chat/shelf", Tables: true, Data: []records.Datum{shelf()}})
	h.exec(`INSERT INTO shelf_item VALUES ($1, 'kept')`, alice)
	h.hold(start.Add(90*day), schedule.Contacts) // the clock stands still: what was to follow the commit has not run
	gone := h.hold(start.Add(90*day), schedule.Contacts)
	h.must(h.write(func(tx *store.Tx) error { return h.Gate.Release(context.Background(), tx, gone) }))
	h.sweep()
	if n := h.count(`SELECT count(*) FROM records_kept`); n != 1 {
		t.Errorf("%d copies, want 1", n)
	}
	h.clock.Advance(time.Second) // now it runs, and finds nothing to do
	if n := h.count(`SELECT count(*) FROM records_kept`); n != 1 {
		t.Errorf("%d copies, want 1", n)
	}
}
