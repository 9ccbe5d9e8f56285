package desk

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"writ/store"
	"writ/tlog/verify"
)

// Counted is what the report needs to know of one request, as it stood at the cut-off. It holds no personal data.
type Counted struct {
	ID           string
	Service      string
	Jurisdiction string
	Instrument   string
	Received     time.Time
	Accounts     int
	Emergency    bool
	Preservation bool
	Sealed       bool // under seal, or under an order not to tell that is in force at the cut-off
	SealEnds     time.Time
	Secret       bool // of a class that the law lets be counted in bands only
	Paused       bool // a standing held it at the cut-off
	State        State
	Produced     bool     // some data was delivered
	Held         bool     // a preservation was put in place
	Reason       string   // of the refusal
	Intake       [32]byte // the intake leaf
	TagSalt      [32]byte // the requester's receipt holds it
	FactSalt     [32]byte // for this version of the fact
	Erased       bool     // leaf and salts can no longer be made
}

// Received gives every request received in [from, to), as it stands at cutoff, in order of receipt. The state is the fold of the
// events up to then; nothing is read but events and keys.
func (d *Desk) Received(ctx context.Context, from, to, cutoff time.Time) ([]Counted, error) {
	return d.counted(ctx, `c.received >= $2 AND c.received < $3`, cutoff, store.Time(from), store.Time(to))
}

// Unsealed gives the requests received before from whose order not to tell ended in [from, to), as they stand at to.
func (d *Desk) Unsealed(ctx context.Context, from, to time.Time) ([]Counted, error) {
	// Only those that ever were under an order are folded.
	all, err := d.counted(ctx, `c.received < $2 AND EXISTS (SELECT 1 FROM desk_event g WHERE g.case_id = c.id AND g.kind IN ('received', 'gag_set') AND g.facts LIKE '%"gagged":true%')`, to, store.Time(from))
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(c Counted) bool {
		return c.Sealed || c.SealEnds.IsZero() || c.SealEnds.Before(from) || !c.SealEnds.Before(to)
	}), nil
}

func (d *Desk) counted(ctx context.Context, where string, cutoff time.Time, args ...any) ([]Counted, error) {
	rows, err := d.d.DB.Query(ctx, `SELECT e.case_id, e.seq, e.at, e.kind, e.who, e.role, e.state, e.facts, e.sealed, k.wrapped FROM desk_case c
		JOIN desk_event e ON e.case_id = c.id LEFT JOIN desk_key k ON k.case_id = c.id AND e.seq = 1
		WHERE e.at < $1 AND `+where+` ORDER BY c.received, c.id, e.seq`, append([]any{store.Time(cutoff)}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("desk: counting requests: %w", err)
	}
	defer rows.Close()
	var out []Counted
	var es []Event
	var wrapped []byte
	flush := func() error {
		if len(es) == 0 {
			return nil
		}
		c, err := d.count(es, wrapped, cutoff)
		out, es = append(out, c), es[:0]
		return err
	}
	for rows.Next() {
		var e Event
		var at int64
		var facts string
		var w []byte
		if err := rows.Scan(&e.Case, &e.Seq, &at, &e.Kind, &e.By, &e.Role, &e.To, &facts, &e.sealed, &w); err != nil {
			return nil, fmt.Errorf("desk: counting requests: %w", err)
		}
		e.At = store.FromTime(at)
		if err := json.Unmarshal([]byte(facts), &e.Facts); err != nil {
			return nil, fmt.Errorf("desk: counting requests: %w", err)
		}
		if e.Seq == 1 {
			if err := flush(); err != nil {
				return nil, err
			}
			wrapped = w
		}
		es = append(es, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("desk: counting requests: %w", err)
	}
	return out, flush()
}

// count makes the counted form of one case from its events.
func (d *Desk) count(es []Event, wrapped []byte, cutoff time.Time) (Counted, error) {
	c := Fold(es)
	n := Counted{ID: c.ID, Service: c.Request.Service, Jurisdiction: c.Request.Jurisdiction, Instrument: string(c.Request.Instrument), Received: c.Received,
		Accounts: c.Request.Accounts, Emergency: c.Emergency(), Preservation: c.Request.Instrument.Preserves(), Secret: c.Request.Instrument.Secret(),
		Paused: c.Paused() != nil && !c.Shut(), State: c.State, Produced: c.Produced(), Held: c.Hold != nil, Erased: wrapped == nil}
	n.Sealed = c.Request.Sealed || c.Gag.In(cutoff)
	n.SealEnds = sealEnds(es, cutoff)
	if c.State == Refused && len(c.Reasons) > 0 {
		n.Reason = c.Reasons[0]
	}
	if n.Erased {
		return n, nil
	}
	k, err := d.unwrap(c.ID, wrapped)
	if err != nil {
		return n, err
	}
	n.Intake = verify.Commit(k.salt(es[0].Seq), es[0].canonical())
	n.TagSalt = k.tagSalt()
	n.FactSalt = k.derive(fmt.Sprintf("fact %d %d", c.Seq, store.Time(cutoff)))
	return n, nil
}

// sealEnds is when the last order not to tell ended, by its own date or because it was lifted; zero: there was none, or it is in force.
func sealEnds(es []Event, cutoff time.Time) time.Time {
	var ends time.Time
	gagged := false
	for _, e := range es {
		if e.Kind != EvReceived && e.Kind != EvGagSet {
			continue
		}
		if e.Facts.Gagged {
			gagged, ends = true, deref(e.Facts.GagUntil)
		} else if gagged {
			gagged = false
			if ends.IsZero() || e.At.Before(ends) {
				ends = e.At
			}
		}
	}
	if ends.After(cutoff) {
		return time.Time{}
	}
	return ends
}
