package report

import (
	"context"
	"time"

	"writ/desk"
)

// FromDesk makes the desk's cases the source of the report.
func FromDesk(d *desk.Desk) Source { return fromDesk{d} }

type fromDesk struct{ desk *desk.Desk }

func (f fromDesk) Received(ctx context.Context, from, to, cutoff time.Time) ([]Case, error) {
	return cases(f.desk.Received(ctx, from, to, cutoff))
}

// Unsealed gives them as they stand at the end of the period: a seal that ends later is of a later period.
func (f fromDesk) Unsealed(ctx context.Context, from, to, _ time.Time) ([]Case, error) {
	return cases(f.desk.Unsealed(ctx, from, to))
}

func cases(counted []desk.Counted, err error) ([]Case, error) {
	if err != nil {
		return nil, err
	}
	all := make([]Case, 0, len(counted))
	for _, n := range counted {
		c := Case{ID: n.ID, Service: n.Service, Jurisdiction: n.Jurisdiction, Instrument: n.Instrument, Received: n.Received, Accounts: n.Accounts,
			Emergency: n.Emergency, Preservation: n.Preservation, Paused: n.Paused, Disposition: disposition(n), Reason: n.Reason,
			Intake: n.Intake, TagSalt: n.TagSalt, FactKey: n.FactSalt, Erased: n.Erased}
		switch {
		case n.Secret: // the class of the instrument outlasts a seal: only the law's band may ever show it
			c.Class = NSL
		case n.Sealed:
			c.Class = Sealed
		}
		all = append(all, c)
	}
	return all, nil
}

// disposition maps the desk's state at the cut-off to what the report counts.
func disposition(n desk.Counted) Disposition {
	switch {
	case n.Produced:
		return Produced
	case n.Preservation && n.Held:
		return Preserved
	}
	switch n.State {
	case desk.NoRecords:
		return NoRecords
	case desk.Refused:
		return Refused
	case desk.Withdrawn:
		return Withdrawn
	case desk.Fraudulent:
		return Fraud
	case desk.Objected:
		return Objected
	}
	return Pending
}
