package records

import (
	"context"
	"errors"
	"fmt"
	"time"

	"writ/schedule"
	"writ/store"
)

// Verifier checks passkey assertions; package passkey is one.
type Verifier interface {
	// Verify checks an assertion as it is given: by a stored credential of the person, over exactly this hash.
	Verify(ctx context.Context, tx *store.Tx, person string, hash [32]byte, assertion []byte) error
	// Check checks a kept assertion again: the same, without the signature counter, which has moved on.
	Check(ctx context.Context, tx *store.Tx, person string, hash [32]byte, assertion []byte) error
}

// Standing says whether production under a grant is allowed now; desk/standing is one. Its error names the record that forbids it.
type Standing interface {
	Allows(ctx context.Context, r store.Reader, g Grant) error
}

// Extraction is what one run of Extract did.
type Extraction struct {
	Grant    Grant
	Schedule string                      // version of the record schedule that was in force
	At       time.Time                   // when it began: the records are as of this time
	Records  map[schedule.Category]int64 // every granted category, also with 0
}

// Extract runs a grant: it checks the grant in the database and then lets every datum of the granted categories export the records
// of each target within the window. The checks: the document is the one that was proposed (its hash is recomputed), it is neither
// expired nor closed, a reviewer and an approver signed who are two people, neither the proposer approving nor the verifier in an
// emergency, both assertions hold against credentials that are still registered, and the standing allows it now.
//
// It may be run again for the same case, if the package was lost, until Close or the expiry; every run is recorded. After an error
// what the sink got must be thrown away.
func (g *Gate) Extract(ctx context.Context, grantID string, into Sink) (Extraction, error) {
	if g.r.declared.Load() == nil {
		return Extraction{}, errors.New("records: extracting: the schedule is not declared")
	}
	var s stored
	var run int64
	at := g.r.clock.Now()
	err := g.r.db.Write(ctx, func(tx *store.Tx) error {
		var err error
		if s, err = g.approved(ctx, tx, grantID, at); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `INSERT INTO gate_extraction (grant_id, case_id, began) VALUES ($1, $2, $3) RETURNING id`,
			grantID, s.Case, store.Time(at)).Scan(&run)
	})
	if err != nil {
		g.r.m.extractions.WithLabelValues("refused").Inc()
		g.r.log.Warn("an extraction was refused", "grant", grantID, "err", err)
		return Extraction{}, fmt.Errorf("records: extracting by grant %s: %w", grantID, err)
	}
	x := Extraction{Grant: s.Grant, Schedule: g.r.Schedule().Version(), At: at, Records: map[schedule.Category]int64{}}
	granted := map[schedule.Category]bool{}
	for _, c := range s.Categories {
		granted[c], x.Records[c] = true, 0
	}
	exporting := g.run(ctx, s.Grant, granted, at, into, x.Records)
	var total int64
	for _, n := range x.Records {
		total += n
	}
	err = g.r.db.Write(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		failed := ""
		if exporting != nil {
			failed = "failed"
		}
		_, err := tx.Exec(ctx, `UPDATE gate_extraction SET ended = $2, records = $3, failed = $4 WHERE id = $1`,
			run, store.Time(g.r.clock.Now()), total, failed)
		return err
	})
	if err := errors.Join(exporting, err); err != nil {
		g.r.m.extractions.WithLabelValues("failed").Inc()
		return Extraction{}, fmt.Errorf("records: extracting by grant %s: %w", grantID, err)
	}
	g.r.m.extractions.WithLabelValues("done").Inc()
	g.r.log.Info("an extraction was run", "case", s.Case, "grant", grantID, "records", total)
	return x, nil
}

// approved loads a grant and makes every check that must hold before anything is opened.
func (g *Gate) approved(ctx context.Context, tx *store.Tx, id string, now time.Time) (stored, error) {
	s, err := g.load(ctx, tx, id)
	if err != nil {
		return s, err
	}
	if err := s.usable(now); err != nil {
		return s, err
	}
	if err := distinct(s.Grant, s.signatures); err != nil {
		return s, err
	}
	var reviewed, approved bool
	for _, one := range s.signatures {
		if err := g.r.verifier.Check(ctx, tx, one.person, s.Hash(), one.assertion); err != nil {
			return s, fmt.Errorf("%w: of %s: %w", ErrSignature, one.person, err)
		}
		reviewed, approved = reviewed || one.role == Reviewer, approved || one.role == Approver
	}
	if !reviewed || !approved {
		return s, ErrUnsigned
	}
	for _, c := range s.Categories {
		if !c.Producible() {
			return s, fmt.Errorf("%w: category %s", ErrGrant, c)
		}
	}
	if err := g.r.standing.Allows(ctx, tx, s.Grant); err != nil {
		return s, fmt.Errorf("%w: %w", ErrStanding, err)
	}
	return s, nil
}

func (g *Gate) run(ctx context.Context, grant Grant, granted map[schedule.Category]bool, at time.Time, into Sink, counts map[schedule.Category]int64) error {
	to := grant.To
	if to.After(at) {
		to = at // stored records only; nothing is followed into the future
	}
	into = &reached{by: grant.Process, into: into}
	for _, account := range grant.Targets {
		for _, d := range g.r.data() {
			if d.Export == nil || !granted[d.Category] {
				continue
			}
			o := &Opened{account: account, from: grant.From, to: to, read: g.r.db, open: true}
			n, err := export(ctx, d, o, into)
			if err != nil {
				return err
			}
			counts[d.Category] += n
			if d.Time != "" {
				continue
			}
			n, err = g.r.produce(ctx, account, d, into)
			if err != nil {
				return err
			}
			counts[d.Category] += n
		}
	}
	return nil
}

// reached lets through what the paper reaches: a datum of a higher floor not at all, and of the others no field with a higher floor of its own.
type reached struct {
	by   schedule.Process
	into Sink
	keep []int
	row  []any
}

func (r *reached) Begin(ctx context.Context, account string, d schedule.Datum) error {
	if !r.by.Reaches(d.Process) {
		return fmt.Errorf("%w: %s does not reach %s", ErrGrant, r.by.Title(), d.Name)
	}
	fields := d.Fields
	d.Fields, r.keep = nil, r.keep[:0]
	for i, f := range fields {
		if f.Process == "" || r.by.Reaches(f.Process) {
			d.Fields, r.keep = append(d.Fields, f), append(r.keep, i)
		}
	}
	r.row = make([]any, len(r.keep))
	return r.into.Begin(ctx, account, d)
}

func (r *reached) Row(values []any) error {
	for to, from := range r.keep {
		r.row[to] = values[from]
	}
	return r.into.Row(r.row)
}

func (r *reached) End(n int64) error { return r.into.End(n) }

// export runs one datum into the sink. It holds the room to its declaration: as many values as fields, plain types only, and no
// row outside the window.
func export(ctx context.Context, d Datum, o *Opened, into Sink) (n int64, err error) {
	defer func() { o.open = false }()
	if err := into.Begin(ctx, o.account, d.Datum); err != nil {
		return 0, fmt.Errorf("records: sink: %w", err)
	}
	when := -1
	for i, f := range d.Fields {
		if f.Name == d.Time {
			when = i
		}
	}
	row := make([]any, len(d.Fields))
	emit := func(values ...any) error {
		if len(values) != len(row) {
			return fmt.Errorf("%w: datum %s: %d values for %d fields", ErrExport, d.Name, len(values), len(row))
		}
		for i, v := range values {
			if row[i], err = plain(v); err != nil {
				return fmt.Errorf("%w: datum %s: field %s: %w", ErrExport, d.Name, d.Fields[i].Name, err)
			}
		}
		if when >= 0 {
			if t, ok := row[when].(time.Time); !ok || t.Before(o.from) || !t.Before(o.to) {
				return fmt.Errorf("%w: datum %s: a row outside the window", ErrExport, d.Name)
			}
		}
		n++
		return into.Row(row)
	}
	if err := d.Export(ctx, o, emit); err != nil {
		return n, fmt.Errorf("records: exporting %s: %w", d.Name, err)
	}
	if err := into.End(n); err != nil {
		return n, fmt.Errorf("records: sink: %w", err)
	}
	return n, nil
}

// plain lets only types through that can be written as they are; bytes above all are none of them, so ciphertext and keys cannot
// pass by mistake.
func plain(v any) (any, error) {
	switch v := v.(type) {
	case nil, string, int64, bool:
		return v, nil
	case int:
		return int64(v), nil
	case int32:
		return int64(v), nil
	case time.Time:
		return v.UTC(), nil
	}
	return nil, fmt.Errorf("a value of type %T cannot be exported", v)
}
