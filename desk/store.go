package desk

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"writ/store"
	"writ/tlog/verify"
)

// alphabet of case numbers: Crockford's base 32, which has no letters that look like digits.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// newNumber makes a case number, such as W-7K3M-9QXD. It is random, so that it tells nothing about how many cases there are.
func newNumber() string {
	var b [8]byte
	rand.Read(b[:])
	for i := range b {
		b[i] = alphabet[b[i]%32]
	}
	return "W-" + string(b[:4]) + "-" + string(b[4:])
}

// key reads the key of a case. ok is false when retention has erased it.
func (d *Desk) key(ctx context.Context, r store.Reader, caseID string) (k caseKey, ok bool, err error) {
	var wrapped []byte
	err = r.QueryRow(ctx, `SELECT wrapped FROM desk_key WHERE case_id = $1`, caseID).Scan(&wrapped)
	if errors.Is(err, store.ErrNoRows) {
		return k, false, nil
	}
	if err != nil {
		return k, false, fmt.Errorf("desk: reading a key: %w", err)
	}
	k, err = d.unwrap(caseID, wrapped)
	return k, err == nil, err
}

// events reads the file of a case up to a time, zero: all of it. With a key the payloads are opened.
func events(ctx context.Context, r store.Reader, caseID string, k *caseKey) ([]Event, error) {
	return store.List(ctx, r, "desk: reading a case", func(row store.Scanner) (Event, error) {
		e := Event{Case: caseID}
		var at int64
		var facts, body []byte
		err := row.Scan(&e.Seq, &at, &e.Kind, &e.By, &e.Role, &e.To, &facts, &e.sealed, &body)
		if err != nil {
			return e, err
		}
		e.At = store.FromTime(at)
		if err := json.Unmarshal(facts, &e.Facts); err != nil {
			return e, fmt.Errorf("event %d of %s: %w", e.Seq, caseID, err)
		}
		if k != nil && len(e.sealed) > 0 {
			e.Detail, err = k.detail(e, body)
		}
		return e, err
	}, `SELECT e.seq, e.at, e.kind, e.who, e.role, e.state, e.facts, e.sealed, p.body FROM desk_event e
		LEFT JOIN desk_payload p ON p.case_id = e.case_id AND p.seq = e.seq WHERE e.case_id = $1 ORDER BY e.seq`, caseID)
}

// detail opens a payload, after checking that it is the one that the event names.
func (k caseKey) detail(e Event, body []byte) (*Detail, error) {
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], e.sealed) {
		return nil, fmt.Errorf("desk: event %d of %s: its payload was changed", e.Seq, e.Case)
	}
	plain, err := k.openPayload(e.Case, e.Seq, body)
	if err != nil {
		return nil, fmt.Errorf("desk: event %d of %s: %w", e.Seq, e.Case, err)
	}
	var x Detail
	if err := json.Unmarshal(plain, &x); err != nil {
		return nil, fmt.Errorf("desk: event %d of %s: %w", e.Seq, e.Case, err)
	}
	return &x, nil
}

// load folds a case from its events. In a transaction on PostgreSQL it first takes the case's row, so that two nodes do not append
// to one case at once.
func (d *Desk) load(ctx context.Context, r store.Reader, caseID string) (Case, caseKey, []Event, error) {
	if tx, ok := r.(*store.Tx); ok && tx.Dialect() == store.PostgreSQL {
		var n int64
		err := tx.QueryRow(ctx, `SELECT seq FROM desk_case WHERE id = $1 FOR UPDATE`, caseID).Scan(&n)
		if err != nil && !errors.Is(err, store.ErrNoRows) {
			return Case{}, caseKey{}, nil, fmt.Errorf("desk: taking a case: %w", err)
		}
	}
	k, ok, err := d.key(ctx, r, caseID)
	if err != nil {
		return Case{}, k, nil, err
	}
	var with *caseKey
	if ok {
		with = &k
	}
	es, err := events(ctx, r, caseID, with)
	if err != nil {
		return Case{}, k, nil, err
	}
	if len(es) == 0 {
		return Case{}, k, nil, ErrNotFound
	}
	c := Fold(es)
	c.Erased = !ok
	return c, k, es, nil
}

// append writes one event with its payload and its commitment.
func (d *Desk) append(ctx context.Context, tx *store.Tx, k caseKey, e *Event) (commitment [32]byte, err error) {
	if e.Detail != nil {
		plain, err := json.Marshal(e.Detail)
		if err != nil {
			return commitment, fmt.Errorf("desk: sealing a payload: %w", err)
		}
		body := k.sealPayload(e.Case, e.Seq, plain)
		sum := sha256.Sum256(body)
		e.sealed = sum[:]
		if _, err := tx.Exec(ctx, `INSERT INTO desk_payload (case_id, seq, body) VALUES ($1, $2, $3)`, e.Case, e.Seq, body); err != nil {
			return commitment, fmt.Errorf("desk: writing a payload: %w", err)
		}
	}
	facts, err := json.Marshal(e.Facts)
	if err != nil {
		return commitment, fmt.Errorf("desk: writing an event: %w", err)
	}
	if e.sealed == nil {
		e.sealed = []byte{}
	}
	_, err = tx.Exec(ctx, `INSERT INTO desk_event (case_id, seq, at, kind, who, role, state, facts, sealed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		e.Case, e.Seq, store.Time(e.At), string(e.Kind), e.By, string(e.Role), string(e.To), string(facts), e.sealed)
	if err != nil {
		return commitment, fmt.Errorf("desk: writing an event: %w", err)
	}
	commitment = verify.Commit(k.salt(e.Seq), e.canonical())
	if _, err := d.d.Tlog.Append(ctx, tx, commitment); err != nil {
		return commitment, fmt.Errorf("desk: committing an event: %w", err)
	}
	return commitment, nil
}

// project writes the case's row in the list. It depends on nothing but the case.
func project(ctx context.Context, tx *store.Tx, c Case) error {
	flag := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	due := int64(math.MaxInt64)
	if t := c.NextDue(); !t.IsZero() {
		due = store.Time(t)
	}
	_, err := tx.Exec(ctx, `INSERT INTO desk_case (id, seq, state, open, urgent, due, service, jurisdiction, instrument, agency, officer, accounts,
		received, ended, sealed, frozen, paused, flagged, wake) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
		ON CONFLICT (id) DO UPDATE SET seq = $2, state = $3, open = $4, due = $6, ended = $14, sealed = $15, frozen = $16, paused = $17, flagged = $18, wake = $19`,
		c.ID, c.Seq, string(c.State), flag(!c.State.Ended()), flag(!c.Emergency()), due, c.Request.Service, c.Request.Jurisdiction,
		string(c.Request.Instrument), c.Request.Agency, c.Request.Officer, c.Request.Accounts, store.Time(c.Received), store.Time(c.Ended),
		flag(c.Request.Sealed), flag(c.Frozen), flag(c.Paused() != nil), flag(c.Flagged && !c.Cleared), store.Time(c.Wake()))
	if err != nil {
		return fmt.Errorf("desk: listing a case: %w", err)
	}
	return nil
}
