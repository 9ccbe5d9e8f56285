package records

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"writ/clock"
	"writ/schedule"
	"writ/store"
)

// Keeper deletes what is past its term, erases accounts, and shows a person their own records. The desk is never handed one.
type Keeper struct {
	r *Records

	mu   sync.Mutex // one sweep at a time
	stop func()     // ends the sweeping; nil before Start
}

// Swept is what one sweep did.
type Swept struct {
	Deleted  map[string]int64 // rows by datum
	Holds    int64            // preservations that ended by their term
	Scrubbed bool             // deleted rows were removed from the files
}

// firstSweep is how long after the start the first sweep runs: a scrub holds the writes up, and people sign in first.
const firstSweep = time.Minute

// Start sweeps soon and then at the configured pace, until Stop. A sweep that fails is logged, and the next is due as usual.
func (k *Keeper) Start(ctx context.Context) error {
	k.stop = clock.Repeat(ctx, k.r.clock, firstSweep, func(ctx context.Context) time.Duration {
		if _, err := k.Sweep(ctx); err != nil && ctx.Err() == nil {
			k.r.m.failures.Inc()
			k.r.log.Error("sweep failed", "err", err)
		}
		return k.r.config.Sweep.Std()
	})
	return nil
}

// Stop ends the sweeping and waits for one that runs.
func (k *Keeper) Stop(context.Context) error {
	if k.stop != nil {
		k.stop()
	}
	return nil
}

// Sweep ends the holds whose time has come, deletes what is past its term, finishes erasures that a hold kept up, and removes the
// deleted rows from the files if that is due.
func (k *Keeper) Sweep(ctx context.Context) (Swept, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var s Swept
	if err := k.r.preserve(ctx); err != nil {
		return s, fmt.Errorf("records: sweeping: %w", err) // first what must not be lost
	}
	now := k.r.clock.Now()
	err := k.r.db.Write(ctx, func(tx *store.Tx) error {
		var err error
		if s.Holds, err = endHolds(ctx, tx, `until <= $3`, Expired, now, store.Time(now)); err != nil {
			return err
		}
		return closeCalls(ctx, tx, now.Add(-callTerm))
	})
	if err != nil {
		return s, fmt.Errorf("records: sweeping: %w", err)
	}
	if s.Deleted, err = k.sweepData(ctx, now); err != nil {
		return s, fmt.Errorf("records: sweeping: %w", err)
	}
	if err := k.r.db.Write(ctx, func(tx *store.Tx) error { // all that an ended hold kept is deleted by now
		_, err := tx.Exec(ctx, `UPDATE gate_hold SET swept = $1 WHERE ended <> 0 AND ended <= $1 AND swept = 0`, store.Time(now))
		return err
	}); err != nil {
		return s, fmt.Errorf("records: sweeping: %w", err)
	}
	s.Scrubbed, err = k.scrub(ctx, now)
	if err != nil {
		return s, fmt.Errorf("records: sweeping: %w", err)
	}
	return s, nil
}

// sweepData deletes what is past its term, a piece of one datum in a transaction. Data in which nothing is past its term share one, so that a
// sweep that finds nothing costs little. A datum that fails does not keep the others.
func (k *Keeper) sweepData(ctx context.Context, now time.Time) (deleted map[string]int64, err error) {
	deleted = map[string]int64{}
	var errs []error
	data := k.r.data()
	for first, at := 0, 0; first < len(data); first = at {
		var n int64
		err := k.r.db.Write(ctx, func(tx *store.Tx) (err error) {
			for at, n = first, 0; at < len(data); at++ {
				if n, err = k.sweepDatum(ctx, tx, data[at], now); err != nil || n > 0 {
					return err // a piece was found: the next transaction begins with the same datum
				}
			}
			return nil
		})
		switch {
		case err != nil && at == len(data):
			return deleted, errors.Join(append(errs, err)...)
		case err != nil:
			errs = append(errs, fmt.Errorf("datum %s: %w", data[at].Name, err))
			at++
		case n > 0:
			deleted[data[at].Name] += n
			k.r.m.swept.Add(float64(n))
		}
	}
	return deleted, errors.Join(errs...)
}

// sweepDatum deletes a piece of what of d is past its term.
func (k *Keeper) sweepDatum(ctx context.Context, tx *store.Tx, d Datum, now time.Time) (n int64, err error) {
	if d.Sweep == nil {
		return 0, nil
	}
	before := now
	if term, ok := k.r.Schedule().Term(d.Datum); ok {
		before = now.Add(-term)
	}
	held, err := heldFor(ctx, tx, d.Category)
	if err != nil {
		return 0, err
	}
	if n, err = d.Sweep(ctx, tx, before, func(a string) bool { return held[a] }); err != nil || n == 0 {
		return n, err
	}
	return n, soil(ctx, tx, now)
}

// Erase deletes every record of an account, in the caller's transaction, except what a preservation holds; that goes when the hold
// ends. The rows leave the files within 24 hours. The account's own room deletes the account as its datum says.
func (k *Keeper) Erase(ctx context.Context, tx *store.Tx, account string) error {
	left, err := k.erase(ctx, tx, account)
	if err != nil {
		return err
	}
	now := k.r.clock.Now()
	if left {
		_, err = tx.Exec(ctx, `INSERT INTO records_erased (account, at) VALUES ($1, $2) ON CONFLICT (account) DO NOTHING`, account, store.Time(now))
		if err != nil {
			return fmt.Errorf("records: erasing: %w", err)
		}
	}
	return soil(ctx, tx, now)
}

// erase deletes what is not held and reports whether something is.
func (k *Keeper) erase(ctx context.Context, tx *store.Tx, account string) (left bool, err error) {
	categories, err := store.Column[schedule.Category](ctx, tx, "records: erasing", `SELECT DISTINCT category FROM gate_hold_account WHERE account = $1 AND active = 1`, account)
	if err != nil {
		return false, err
	}
	held := map[schedule.Category]bool{}
	for _, c := range categories {
		held[c] = true
	}
	kept := map[string]bool{} // tables of held data: a datum that shares one with them must not empty it
	for _, d := range k.r.data() {
		if held[d.Category] {
			for _, t := range d.Tables {
				kept[t] = true
			}
		}
	}
	for _, d := range k.r.data() {
		if d.Erase == nil {
			continue
		}
		keep := held[d.Category]
		for _, t := range d.Tables {
			keep = keep || kept[t]
		}
		if keep {
			left = true
			continue
		}
		if err := d.Erase(ctx, tx, account); err != nil {
			return left, fmt.Errorf("records: erasing %s: %w", d.Name, err)
		}
	}
	return left, nil
}

// Awaited reports whether an account of this name was erased while a preservation kept a part of it. Until that ends the name must
// not be given to another person, whose records would be mixed with the old ones and erased with them.
func (k *Keeper) Awaited(ctx context.Context, r store.Reader, account string) (bool, error) {
	var n int
	if err := r.QueryRow(ctx, `SELECT count(*) FROM records_erased WHERE account = $1`, account).Scan(&n); err != nil {
		return false, fmt.Errorf("records: asking for an erased account: %w", err)
	}
	return n > 0, nil
}

// finishErasures erases what is left of erased accounts that nothing holds any more, and says how many accounts it finished.
func (k *Keeper) finishErasures(ctx context.Context, tx *store.Tx) (n int64, err error) {
	accounts, err := store.Column[string](ctx, tx, "records: finishing erasures", `SELECT account FROM records_erased ORDER BY account`)
	if err != nil {
		return 0, err
	}
	for _, a := range accounts {
		left, err := k.erase(ctx, tx, a)
		if err != nil {
			return n, err
		}
		if left {
			continue
		}
		if _, err := tx.Exec(ctx, `DELETE FROM records_erased WHERE account = $1`, a); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// soil notes that the files hold deleted rows since now, unless they did before.
func soil(ctx context.Context, tx *store.Tx, now time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO records_pace (name, at) VALUES ('soiled', $1) ON CONFLICT (name) DO NOTHING`, store.Time(now))
	if err != nil {
		return fmt.Errorf("records: noting a deletion: %w", err)
	}
	return nil
}

// scrub removes deleted rows from the files if there are some and the last time is long enough ago. What is known of it is kept in
// the database, so that restarts neither scrub again nor forget: "soiled" since when deleted rows are in the files, "scrubbing"
// the same while a scrub runs (what is deleted meanwhile soils anew), "scrubbed" the last time.
func (k *Keeper) scrub(ctx context.Context, now time.Time) (bool, error) {
	var soiled, last int64
	err := k.r.db.QueryRow(ctx, `SELECT coalesce(max(CASE WHEN name <> 'scrubbed' THEN at END), 0), coalesce(max(CASE WHEN name = 'scrubbed' THEN at END), 0)
		FROM records_pace`).Scan(&soiled, &last)
	if err != nil {
		return false, err
	}
	if soiled != 0 && last != 0 && now.Sub(store.FromTime(last)) < k.r.config.Scrub.Std() {
		return false, nil
	}
	if soiled != 0 {
		if err := k.r.db.Write(ctx, func(tx *store.Tx) error {
			return execAll(ctx, tx, now, `INSERT INTO records_pace (name, at) VALUES ('scrubbing', $1) ON CONFLICT (name) DO NOTHING`,
				`DELETE FROM records_pace WHERE name = 'soiled' AND at <= $1`)
		}); err != nil {
			return false, err
		}
		began := time.Now()
		if err := k.r.db.Scrub(ctx); err != nil {
			return false, err
		}
		k.r.m.scrubbed.Set(float64(now.Unix()))
		k.r.log.Info("deleted rows were removed from the files", "took", time.Since(began).Round(time.Millisecond))
	}
	return soiled != 0, k.r.db.Write(ctx, func(tx *store.Tx) error {
		if err := execAll(ctx, tx, now, `UPDATE gate_hold SET scrubbed = $1 WHERE swept <> 0 AND scrubbed = 0`); err != nil || soiled == 0 {
			return err
		}
		return execAll(ctx, tx, now, `DELETE FROM records_pace WHERE name = 'scrubbing' AND at <= $1`,
			`INSERT INTO records_pace (name, at) VALUES ('scrubbed', $1) ON CONFLICT (name) DO UPDATE SET at = excluded.at`)
	})
}

// execAll runs statements that each take the time as $1.
func execAll(ctx context.Context, tx *store.Tx, now time.Time, texts ...string) error {
	for _, text := range texts {
		if _, err := tx.Exec(ctx, text, store.Time(now)); err != nil {
			return err
		}
	}
	return nil
}

// The window of those who need none.
var beginning, end = time.Unix(0, 0).UTC(), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// Own shows a person what is held about them: every datum that can be produced, by the same exports, without a window. The caller
// must have authenticated the person as the account's holder. What was recorded before the call is in it: sign-ins are written down
// without making the app wait, so the call lets the queue of writes go first. Copies that a preservation made are not in it: their
// being there would tell of a request that an order may forbid to tell of.
func (k *Keeper) Own(ctx context.Context, account string, into Sink) error {
	if err := k.r.db.Write(ctx, func(*store.Tx) error { return nil }); err != nil {
		return fmt.Errorf("records: reading one's own: %w", err)
	}
	for _, d := range k.r.data() {
		if d.Export == nil {
			continue
		}
		o := &Opened{account: account, from: beginning, to: end, read: k.r.db, open: true}
		if _, err := export(ctx, d, o, into); err != nil {
			return err
		}
	}
	return nil
}

// LastSeen is when an account was last connected, for those who may see its presence; the zero time if nothing is recorded.
func (k *Keeper) LastSeen(ctx context.Context, account string) (time.Time, error) {
	var at int64
	switch err := k.r.db.QueryRow(ctx, "SELECT at FROM records_seen WHERE account = $1", account).Scan(&at); {
	case errors.Is(err, store.ErrNoRows):
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, fmt.Errorf("records: reading last seen: %w", err)
	}
	return store.FromTime(at), nil
}
