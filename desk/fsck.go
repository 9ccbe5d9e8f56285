package desk

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"writ/store"
	"writ/tlog"
	"writ/tlog/verify"
)

// Check is what Fsck looked at and what is wrong.
type Check struct {
	Cases, Events, Documents int
	Erased                   int // cases whose key is gone: their payloads and commitments cannot be checked
	Faults                   []string
}

func (c *Check) fault(format string, args ...any) {
	c.Faults = append(c.Faults, fmt.Sprintf(format, args...))
}

// Fsck checks every case: its events are numbered without gaps, each follows the one before by a row of the table, each payload is
// the one that its event names, each commitment is in the log, every document opens, the list says what the events say, and the facts
// alone fold to the same state. It changes nothing. A server that runs meanwhile may be told of a case that changed under its eyes.
func (d *Desk) Fsck(ctx context.Context) (*Check, error) {
	c := &Check{}
	for after := ""; ; {
		ids, err := d.ids(ctx, after, 500)
		if err != nil {
			return c, err
		}
		if len(ids) == 0 {
			return c, d.fsckLoose(ctx, c)
		}
		for _, id := range ids {
			if err := d.fsckCase(ctx, c, id); err != nil {
				return c, err
			}
		}
		after = ids[len(ids)-1]
	}
}

// ids lists case numbers after one, from the events, which are the truth.
func (d *Desk) ids(ctx context.Context, after string, limit int) ([]string, error) {
	return store.Column[string](ctx, d.d.DB, "desk: listing cases", `SELECT case_id FROM desk_event WHERE seq = 1 AND case_id > $1 ORDER BY case_id LIMIT $2`, after, limit)
}

func (d *Desk) fsckCase(ctx context.Context, x *Check, id string) error {
	x.Cases++
	c, k, es, err := d.load(ctx, d.d.DB, id)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		x.fault("case %s: %v", id, err)
		return nil
	}
	x.Events += len(es)
	if c.Erased {
		x.Erased++
	}
	for i, e := range es {
		if e.Seq != i+1 {
			x.fault("case %s: event %d stands where %d should", id, e.Seq, i+1)
		}
		if i > 0 && !follows(es[i-1].To, e) {
			x.fault("case %s: event %d: %s by the %s leads from %s to %s, which the table does not hold", id, e.Seq, e.Kind, e.Role, es[i-1].To, e.To)
		}
		if c.Erased {
			continue
		}
		switch _, err := d.d.Tlog.Entry(ctx, d.d.DB, verify.Commit(k.salt(e.Seq), e.canonical())); {
		case errors.Is(err, tlog.ErrUnknown):
			x.fault("case %s: event %d is not what was committed to the log", id, e.Seq)
		case err != nil:
			return err
		}
	}
	bare := slices.Clone(es)
	for i := range bare {
		bare[i].Detail = nil
	}
	if b := Fold(bare); b.State != c.State || b.Produced() != c.Produced() || b.Request.Accounts != c.Request.Accounts || !reflect.DeepEqual(b.Clocks, c.Clocks) {
		x.fault("case %s: without its payloads it folds to another state", id)
	}
	for _, doc := range c.Documents {
		x.Documents++
		if _, err := readDocument(ctx, d.d.DB, id, k, doc.ID); err != nil {
			x.fault("case %s: document %s: %v", id, doc.ID, err)
		}
	}
	return d.fsckList(ctx, x, c)
}

// fsckList compares the row in the list with the case.
func (d *Desk) fsckList(ctx context.Context, x *Check, c Case) error {
	var state string
	var seq, wake, paused, frozen int64
	err := d.d.DB.QueryRow(ctx, `SELECT state, seq, wake, paused, frozen FROM desk_case WHERE id = $1`, c.ID).Scan(&state, &seq, &wake, &paused, &frozen)
	if errors.Is(err, store.ErrNoRows) {
		x.fault("case %s is not in the list", c.ID)
		return nil
	}
	if err != nil {
		return fmt.Errorf("desk: reading the list: %w", err)
	}
	if State(state) != c.State || int(seq) != c.Seq || wake != store.Time(c.Wake()) || (paused == 1) != (c.Paused() != nil) || (frozen == 1) != c.Frozen {
		x.fault("case %s: the list says %s after %d events, the events say %s after %d", c.ID, state, seq, c.State, c.Seq)
	}
	return nil
}

// fsckLoose looks for what belongs to no case.
func (d *Desk) fsckLoose(ctx context.Context, x *Check) error {
	for _, q := range []struct{ what, sql string }{
		{"keys", `SELECT count(*) FROM desk_key WHERE case_id NOT IN (SELECT case_id FROM desk_event WHERE seq = 1)`},
		{"rows of the list", `SELECT count(*) FROM desk_case WHERE id NOT IN (SELECT case_id FROM desk_event WHERE seq = 1)`},
		{"payloads", `SELECT count(*) FROM desk_payload WHERE case_id NOT IN (SELECT case_id FROM desk_key)`},
		{"documents", `SELECT count(*) FROM desk_document WHERE case_id NOT IN (SELECT case_id FROM desk_key)`},
		{"pieces of documents", `SELECT count(*) FROM desk_chunk WHERE document NOT IN (SELECT id FROM desk_document)`},
	} {
		var n int
		if err := d.d.DB.QueryRow(ctx, q.sql).Scan(&n); err != nil {
			return fmt.Errorf("desk: looking for loose rows: %w", err)
		}
		if n > 0 {
			x.fault("%d %s belong to no case", n, q.what)
		}
	}
	return nil
}

// follows reports whether the table has a row by which an event follows a state.
func follows(from State, e Event) bool {
	return slices.ContainsFunc(table, func(r Row) bool {
		if r.Logged != e.Kind || !slices.Contains(r.From, from) || !slices.Contains(r.Who, e.Role) && !slices.Contains(r.Second, e.Role) {
			return false
		}
		return r.To == e.To || r.To == same && e.To == from || r.To == back || len(r.Second) > 0 && e.To == from
	})
}
