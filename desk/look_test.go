package desk

import (
	"errors"
	"slices"
	"testing"
	"time"

	"writ/store"
	"writ/store/storetest"
)

// Whoever of the staff opens a case or a paper of it is written down first, once an hour; counsel sees who; a view that cannot be
// written down is not given; the list goes with the case's file.
func TestLooksAreWrittenDown(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		id, other := h.file("of-hkpf"), h.file("of-hkpf")
		ctx := t.Context()
		began := h.clock.Now()
		c, err := h.desk.Case(ctx, as("rita"), id)
		must(t, err)
		for range 3 {
			_, err := h.desk.Events(ctx, as("rita"), id)
			must(t, err)
		}
		_, err = h.desk.Case(ctx, as("of-hkpf"), id) // the requester's own
		must(t, err)
		h.clock.Advance(time.Hour)
		_, _, err = h.desk.Document(ctx, as("abe"), id, c.Documents[0].ID)
		must(t, err)
		if !h.desk.Sees(ctx, as("rita"), other) {
			t.Error("rita sees the other case")
		}
		got, err := h.desk.Looks(ctx, as("carl"), id)
		must(t, err)
		want := []Look{{"abe", c.Documents[0].ID, began.Add(time.Hour)}, {"rita", "", began}}
		if !slices.EqualFunc(got, want, func(a, b Look) bool { return a.Person == b.Person && a.Document == b.Document && a.At.Equal(b.At) }) {
			t.Errorf("looked: %+v, want %+v", got, want)
		}
		if got, err := h.desk.Looks(ctx, as("carl"), other); err != nil || len(got) != 0 {
			t.Errorf("a case that nobody opened: %+v, %v", got, err)
		}
		for _, who := range []string{"rita", "abe", "ines", "of-hkpf"} {
			if _, err := h.desk.Looks(ctx, as(who), id); !errors.Is(err, ErrNotFound) {
				t.Errorf("%s sees who looked: %v", who, err)
			}
		}
		_, err = h.desk.Do(ctx, as("of-hkpf"), other, Withdraw{})
		must(t, err)
		_, err = h.desk.Case(ctx, as("rita"), other)
		must(t, err)
		sweep := func(before time.Time) (n int64) {
			must(t, db.Write(ctx, func(tx *store.Tx) (err error) { n, err = sweepLooks(ctx, tx, before, nil); return err }))
			return n
		}
		if n := sweep(h.clock.Now()); n != 0 {
			t.Errorf("%d looks are gone before their case's term", n)
		}
		if n := sweep(h.clock.Now().Add(time.Second)); n != 1 {
			t.Errorf("%d looks went with the case that ended, want 1", n)
		}
	})
}

// Nothing is shown whose record cannot be kept.
func TestNoLookWithoutRecord(t *testing.T) {
	t.Parallel()
	h := newHouse(t, storetest.SQLite(t))
	id := h.file("of-hkpf")
	must(t, h.db.Write(t.Context(), func(tx *store.Tx) error { _, err := tx.Exec(t.Context(), `DROP TABLE desk_look`); return err }))
	if c, err := h.desk.Case(t.Context(), as("rita"), id); err == nil || c.ID != "" {
		t.Errorf("shown without a record: %+v, %v", c.ID, err)
	}
	if _, err := h.desk.Case(t.Context(), as("of-hkpf"), id); err != nil {
		t.Errorf("the requester's own: %v", err)
	}
}
