package desk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"writ/desk/standing"
	"writ/records"
	"writ/store"
)

// tickEvery is how often the clockwork looks without being asked.
const tickEvery = time.Minute

// Run does what is due whenever something changed, and every minute by the clock, until the context ends.
func (d *Desk) Run(ctx context.Context) {
	for {
		if err := d.Tick(ctx); err != nil && ctx.Err() == nil {
			d.log.Error("the desk's clockwork failed; it goes on with the next turn", "err", err)
		}
		woken := make(chan struct{})
		timer := d.d.Clock.AfterFunc(tickEvery, func() { close(woken) })
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-d.kick:
			timer.Stop()
		case <-woken:
		}
	}
}

// Tick does all that is due now: pauses that began, extractions, ends of gags and holds, messages, alarms. What fails is tried again
// with the next tick; one case that fails keeps no other from its turn.
func (d *Desk) Tick(ctx context.Context) error {
	d.ticking.Lock()
	defer d.ticking.Unlock()
	errs := []error{d.sweepStanding(ctx), d.wakeCases(ctx), d.send(ctx), d.alarms(ctx)}
	return errors.Join(errs...)
}

// wakeCases visits the cases whose time has come.
func (d *Desk) wakeCases(ctx context.Context) error {
	now := d.d.Clock.Now()
	type due struct {
		id    string
		state State
	}
	list, err := store.List(ctx, d.d.DB, "desk: finding what is due", func(row store.Scanner) (x due, err error) {
		err = row.Scan(&x.id, &x.state)
		return x, err
	}, `SELECT id, state FROM desk_case WHERE wake <> 0 AND wake <= $1 ORDER BY wake, id LIMIT 1000`, store.Time(now))
	if err != nil {
		return err
	}
	var errs []error
	for _, x := range list {
		if x.state == Extracting {
			errs = append(errs, d.extract(ctx, x.id))
		}
		errs = append(errs, d.turnSystem(ctx, x.id, func(t *turn) error { return t.ends() }))
	}
	return errors.Join(errs...)
}

// ends notes that a preservation ended. What follows from the end of a gag is done by settle.
func (t *turn) ends() error {
	h := t.c.Hold
	if h == nil || !h.Ended.IsZero() || t.now.Before(h.Until) {
		return nil
	}
	if err := t.d.d.Gate.Release(t.ctx, t.tx, h.Holds[0]); err != nil && !errors.Is(err, records.ErrHold) {
		return err
	}
	return t.system("hold_ends", Facts{Hold: h.Holds[0], Why: records.Expired}, nil)
}

// alarms says once in the log when a standing's review date has passed. It stays in force.
func (d *Desk) alarms(ctx context.Context) error {
	rs, err := d.standings.Now(ctx)
	if err != nil {
		return err
	}
	now := d.d.Clock.Now()
	any := false
	for _, r := range rs {
		any = any || r.Lapsed(now)
	}
	if !any {
		return nil
	}
	var fresh []standing.Record
	err = d.write(ctx, func(tx *store.Tx) error {
		var err error
		_, fresh, err = standing.Lapsed(ctx, tx, now)
		return err
	})
	for _, r := range fresh {
		d.log.Error("ALARM: a standing's review date has passed; it stays in force until a new record is signed", "record", r.ID, "stage", r.Stage, "review", r.Review.Format(time.DateOnly))
	}
	return err
}

// Alarm is something that someone has to look at.
type Alarm struct {
	Code string // standing.lapsed, message.undelivered, case.overdue
	ID   string // of the record or case
	Text string
	At   time.Time
}

// Alarms lists what needs someone's eye now, as the actor may see it: lapsed standings, orders without an end, cases past a term.
func (d *Desk) Alarms(ctx context.Context, by Actor) ([]Alarm, error) {
	now := d.d.Clock.Now()
	rs, err := d.standings.Now(ctx)
	if err != nil {
		return nil, err
	}
	var out []Alarm
	for _, r := range rs {
		if r.Lapsed(now) {
			out = append(out, Alarm{Code: "standing.lapsed", ID: r.ID, At: r.Review, Text: "The review date of a standing has passed. It stays in force until a new record is signed."})
		}
	}
	late, err := d.undelivered(ctx)
	if err != nil {
		return nil, err
	}
	if late > 0 {
		out = append(out, Alarm{Code: "message.undelivered", At: now, Text: fmt.Sprintf("%d messages could not be sent in five attempts.", late)})
	}
	p, err := d.Queue(ctx, by, Filter{Overdue: true, Limit: 100})
	if err != nil {
		return nil, err
	}
	for _, l := range p.Lines {
		out = append(out, Alarm{Code: "case.overdue", ID: l.ID, At: l.Due, Text: "A term of the case has passed."})
	}
	return out, nil
}

// undelivered counts the messages that were tried five times in vain.
func (d *Desk) undelivered(ctx context.Context) (n int, err error) {
	if err := d.d.DB.QueryRow(ctx, `SELECT count(*) FROM desk_outbox WHERE done = 0 AND tries >= 5`).Scan(&n); err != nil {
		return 0, fmt.Errorf("desk: counting messages: %w", err)
	}
	return n, nil
}
