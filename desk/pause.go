package desk

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"writ/desk/registry"
	"writ/desk/standing"
	"writ/store"
)

// facts of a standing that meets the case.
func (t *turn) facts(m standing.Match) (Facts, *Detail) {
	since := m.Record.Since()
	f := Facts{Standing: m.Record.ID, Stage: string(m.Record.Stage), Since: &since}
	if e, ok := m.Record.Exception("", t.c.subject()); ok {
		f.Exception = e.ID
	}
	return f, &Detail{Statement: m.Record.Statement}
}

// bind applies the standing in force to the case: refused at the door, or stand-still. Under a paused production a case is
// reviewed, and stops when something could be produced.
func (t *turn) bind() error {
	if !t.c.State.Open() || t.c.State == Standstill || t.c.Erased {
		return nil
	}
	m, err := t.standing()
	if err != nil || !m.Binds() {
		return err
	}
	f, x := t.facts(m)
	switch {
	case m.Record.Stage == standing.Refused && t.c.State == Received && f.Exception == "":
		f.Reasons = []string{"standing.refused"}
		return t.system("refuse_by_standing", f, x)
	case m.Record.Stage == standing.ProductionPaused && !slices.Contains(producing, t.c.State):
		return nil
	}
	return t.system("pause", f, x)
}

// admit signs that the case falls under an exception of the standing that holds it.
func (t *turn) admit(x Admit) error {
	row, err := t.check(x.Name())
	if err != nil {
		return err
	}
	m, err := t.standing()
	if err != nil {
		return err
	}
	e, ok := m.Record.Exception(x.Exception, t.c.subject())
	if !ok || x.Exception == "" {
		return refuse("standing.no_exception", x.Exception)
	}
	var signed []Signature
	if ad := t.c.Admission; ad != nil && !ad.Done && ad.Standing == m.Record.ID && ad.Exception == e.ID {
		signed = ad.Signatures
	}
	role := slot(t.who, signed, registry.Counsel, registry.Rights, "")
	if role == "" {
		return refuse("state.role", x.Name())
	}
	sum := t.admitHash(m, e.ID)
	if err := t.verify(sum, x.Assertion); err != nil {
		return err
	}
	complete := len(signed) > 0
	if complete {
		if err := t.recheck(signed[0], sum); err != nil {
			return err
		}
		if err := standing.AdmitIn(t.ctx, t.tx, t.c.ID, m.Record.ID, e.ID, t.now); err != nil {
			return err
		}
	}
	return t.add(row, role, complete, Facts{Standing: m.Record.ID, Exception: e.ID, Hash: hex.EncodeToString(sum[:])}, &Detail{Assertion: x.Assertion})
}

// admitHash is Case.AdmitHash for the standing that binds now, which may have followed the one that stopped the case.
func (t *turn) admitHash(m standing.Match, exception string) [32]byte {
	c := t.c
	c.Pauses = []Pause{{Standing: m.Record.ID}}
	return c.AdmitHash(exception)
}

// announce is called in the transaction in which a standing comes into force: the people there are told, when it begins.
func (d *Desk) announce(ctx context.Context, tx *store.Tx, r standing.Record) error {
	where := r.Scope.Jurisdictions
	if len(where) == 0 {
		where = []string{""}
	}
	for _, j := range where {
		if err := enqueue(ctx, tx, outItem{id: "standing-" + r.ID + "-" + j, kind: outStanding, subject: j, body: []byte(r.Statement), due: r.Since()}); err != nil {
			return err
		}
	}
	tx.AfterCommit(d.wake)
	return nil
}

// sweepStanding puts the open cases that a new standing meets into stand-still. What comes later is bound when it comes, so this
// looks at the cases only when the records in force are others than the last time. It stops some at a time, so that a long queue does
// not keep an emergency waiting, and goes on with the next tick.
func (d *Desk) sweepStanding(ctx context.Context) error {
	rs, err := d.standings.Now(ctx)
	if err != nil {
		return err
	}
	var ids []string
	for _, r := range rs {
		ids = append(ids, r.ID)
	}
	now := strings.Join(ids, " ")
	if now == d.swept {
		return nil
	}
	left := sweepAtOnce
	for _, r := range rs {
		if r.Stage == standing.Open {
			continue
		}
		ids, err := d.meets(ctx, r, left)
		if err != nil {
			return err
		}
		left -= len(ids)
		for _, id := range ids {
			if err := d.turnSystem(ctx, id, func(t *turn) error { return nil }); err != nil {
				return fmt.Errorf("desk: binding %s: %w", id, err)
			}
		}
	}
	if left <= 0 {
		d.wake()
		return nil
	}
	d.swept = now
	return nil
}

// sweepAtOnce is how many cases one tick puts into stand-still.
const sweepAtOnce = 500

// meets lists open cases, at most so many, in the scope of a record that it would stop and that it has neither stopped nor let through.
func (d *Desk) meets(ctx context.Context, r standing.Record, most int) ([]string, error) {
	states := join(early, inReview, producing)
	if r.Stage == standing.ProductionPaused {
		states = producing
	}
	args := []any{r.ID}
	for _, s := range states {
		args = append(args, string(s))
	}
	rows, err := d.d.DB.Query(ctx, `SELECT id, service, jurisdiction, instrument, agency, received FROM desk_case WHERE state IN `+store.In(2, len(states))+`
		AND NOT EXISTS (SELECT 1 FROM standing_admission a WHERE a.case_id = desk_case.id AND a.record = $1) ORDER BY urgent DESC, id`, args...)
	if err != nil {
		return nil, fmt.Errorf("desk: finding cases of a standing: %w", err)
	}
	defer rows.Close()
	var out []string
	for len(out) < most && rows.Next() {
		var s standing.Subject
		var received int64
		if err := rows.Scan(&s.Case, &s.Service, &s.Jurisdiction, &s.Instrument, &s.Agency, &received); err != nil {
			return nil, fmt.Errorf("desk: finding cases of a standing: %w", err)
		}
		if s.Received = store.FromTime(received); r.Meets(s) {
			out = append(out, s.Case)
		}
	}
	return out, rows.Err()
}
