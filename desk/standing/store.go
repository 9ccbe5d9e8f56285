package standing

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"writ/clock"
	"writ/records"
	"writ/store"
)

// document is the canonical form of a record: this order of members, times in UTC.
type document struct {
	Type       string      `json:"type"`
	ID         string      `json:"id"`
	Replaces   string      `json:"replaces"`
	Stage      Stage       `json:"stage"`
	Scope      Scope       `json:"scope"`
	From       time.Time   `json:"from"`
	Review     time.Time   `json:"review"`
	Exceptions []Exception `json:"exceptions"`
	Resume     []string    `json:"resume"`
	Statement  string      `json:"statement"`
	Assessment string      `json:"assessment"`
	Needs      []string    `json:"needs"`
}

// Canonical is the byte form that is hashed and signed.
func (r Record) Canonical() []byte {
	b, err := json.Marshal(document{"writ standing 1", r.ID, r.Replaces, r.Stage, r.Scope, r.From.UTC().Truncate(time.Microsecond),
		r.Review.UTC().Truncate(time.Microsecond), r.Exceptions, r.Resume, r.Statement, r.Assessment, r.Needs})
	if err != nil {
		panic("standing: strings and times always marshal: " + err.Error())
	}
	return b
}

func parse(doc string) (Record, error) {
	var d document
	if err := json.Unmarshal([]byte(doc), &d); err != nil {
		return Record{}, fmt.Errorf("standing: reading a record: %w", err)
	}
	r := Record{ID: d.ID, Replaces: d.Replaces, Stage: d.Stage, Scope: d.Scope, From: d.From, Review: d.Review, Exceptions: d.Exceptions,
		Resume: d.Resume, Statement: d.Statement, Assessment: d.Assessment, Needs: d.Needs}
	r.Hash = sha256.Sum256([]byte(doc))
	return r, nil
}

// read lists the records that meet a condition on the state, with their signatures, oldest first.
func read(ctx context.Context, rd store.Reader, where string, args ...any) ([]Record, error) {
	out, err := store.List(ctx, rd, "standing: reading records", func(row store.Scanner) (r Record, err error) {
		var doc, by string
		var hash []byte
		var created, force, ended, discarded int64
		if err := row.Scan(&doc, &hash, &by, &created, &force, &ended, &discarded); err != nil {
			return r, err
		}
		if r, err = parse(doc); err != nil {
			return r, err
		}
		if !bytes.Equal(r.Hash[:], hash) {
			return r, fmt.Errorf("record %s is not what was signed", r.ID)
		}
		r.DraftedBy, r.Created, r.InForce, r.Ended, r.Discarded = by, store.FromTime(created), store.FromTime(force), store.FromTime(ended), store.FromTime(discarded)
		return r, nil
	}, `SELECT r.document, r.hash, r.drafted_by, r.created, s.in_force, s.ended, s.discarded
		FROM standing_record r JOIN standing_state s ON s.record = r.id WHERE `+where+` ORDER BY r.created, r.id`, args...)
	if err != nil {
		return nil, err
	}
	for i := range out {
		if out[i].Signatures, err = signatures(ctx, rd, out[i].ID); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func signatures(ctx context.Context, rd store.Reader, id string) ([]Signature, error) {
	return store.List(ctx, rd, "standing: reading signatures", func(row store.Scanner) (Signature, error) {
		var s Signature
		var at int64
		err := row.Scan(&s.Person, &s.Role, &at)
		s.At = store.FromTime(at)
		return s, err
	}, `SELECT person, role, at FROM standing_signature WHERE record = $1 ORDER BY at, role`, id)
}

func get(ctx context.Context, rd store.Reader, id string) (Record, error) {
	rs, err := read(ctx, rd, `r.id = $1`, id)
	if err != nil {
		return Record{}, err
	}
	if len(rs) == 0 {
		return Record{}, ErrNotFound
	}
	return rs[0], nil
}

// Record reads one record.
func (b *Book) Record(ctx context.Context, id string) (Record, error) { return get(ctx, b.db, id) }

// History lists all records that were ever in force, oldest first: the public table with its past.
func (b *Book) History(ctx context.Context) ([]Record, error) {
	return read(ctx, b.db, `s.in_force <> 0`)
}

// Drafts lists the records that wait for signatures.
func (b *Book) Drafts(ctx context.Context) ([]Record, error) {
	return read(ctx, b.db, `s.in_force = 0 AND s.discarded = 0`)
}

// Now lists the records in force at the present, oldest first.
func (b *Book) Now(ctx context.Context) ([]Record, error) {
	return inForce(ctx, b.db, b.clock.Now())
}

func inForce(ctx context.Context, rd store.Reader, now time.Time) ([]Record, error) {
	t := store.Time(now)
	return read(ctx, rd, `s.in_force <> 0 AND s.in_force <= $1 AND s.starts <= $1 AND (s.ended = 0 OR s.ended > $1)`, t)
}

// Lookup gives the strictest standing in force that meets the subject; ok is false when none does. Of two equally strict the older
// one. A standing under one of whose exceptions the case was admitted binds it no more, and another that meets it comes first.
func Lookup(ctx context.Context, rd store.Reader, s Subject, now time.Time) (m Match, ok bool, err error) {
	rs, err := inForce(ctx, rd, now)
	if err != nil {
		return m, false, err
	}
	for _, r := range rs {
		if !r.Meets(s) {
			continue
		}
		one := Match{Record: r, Lapsed: r.Lapsed(now)}
		if s.Case != "" {
			err := rd.QueryRow(ctx, `SELECT exception FROM standing_admission WHERE case_id = $1 AND record = $2`, s.Case, r.ID).Scan(&one.Admitted)
			if err != nil && !errors.Is(err, store.ErrNoRows) {
				return m, false, fmt.Errorf("standing: reading admissions: %w", err)
			}
		}
		better := r.Stage.rank() > m.Record.Stage.rank()
		if !ok || one.Binds() && !m.Binds() || better && one.Binds() == m.Binds() {
			m, ok = one, true
		}
	}
	return m, ok, nil
}

// AdmitIn notes that a case falls under an exception of a record. The desk calls it in the transaction in which the second of two
// people signed that.
func AdmitIn(ctx context.Context, tx *store.Tx, caseID, record, exception string, now time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO standing_admission (case_id, record, exception, at) VALUES ($1, $2, $3, $4)`, caseID, record, exception, store.Time(now))
	if err != nil {
		return fmt.Errorf("standing: admitting a case: %w", err)
	}
	return nil
}

// Guard is the records room's Standing: a grant is extracted only while no standing binds its case.
type Guard struct{ Clock clock.Clock }

// Allows refuses a grant whose case a standing binds, with the record's id.
func (g Guard) Allows(ctx context.Context, r store.Reader, grant records.Grant) error {
	m, ok, err := Lookup(ctx, r, Subject{Case: grant.Case, Jurisdiction: grant.Jurisdiction, Service: grant.Service, Agency: grant.Agency,
		Instrument: grant.Instrument, Received: grant.Received}, g.Clock.Now())
	if err != nil {
		return err
	}
	if ok && m.Binds() {
		return fmt.Errorf("%s since %s (record %s)", m.Code(), m.Record.Since().Format(time.DateOnly), m.Record.ID)
	}
	return nil
}

// Lapsed lists the records in force whose review date has passed. fresh tells which of them were not reported before; they are
// marked in the transaction.
func Lapsed(ctx context.Context, tx *store.Tx, now time.Time) (all, fresh []Record, err error) {
	rs, err := inForce(ctx, tx, now)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range rs {
		if !r.Lapsed(now) {
			continue
		}
		all = append(all, r)
		n, err := tx.Exec(ctx, `UPDATE standing_state SET alarmed = $2 WHERE record = $1 AND alarmed = 0`, r.ID, store.Time(now))
		if err != nil {
			return nil, nil, fmt.Errorf("standing: marking an alarm: %w", err)
		}
		if n > 0 {
			fresh = append(fresh, r)
		}
	}
	return all, fresh, nil
}
