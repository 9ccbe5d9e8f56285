package records

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"writ/schedule"
	"writ/store"
)

// Preservation keeps what is held of some accounts in some categories from the sweeper and from erasure, for a case, until an end.
// Logs are kept in place; states, which their owner may change, are copied when the hold is placed. It opens nothing: to see what it
// keeps takes a grant like any other.
type Preservation struct {
	Case       string
	Accounts   []string // bare JIDs
	Categories []schedule.Category
	Until      time.Time
}

// HoldState is a preservation as it stands: the proof that it ended, and that what it alone kept is gone.
type HoldState struct {
	ID string
	Preservation
	Placed   time.Time
	Copied   time.Time // when states were copied; zero: not yet
	Ended    time.Time // zero: in force
	Why      string    // "expired" or "released"
	Swept    time.Time // when what only it kept was deleted; zero: not yet
	Scrubbed time.Time // when that was gone from the files too; zero: not yet
}

// Why a hold ended.
const (
	Expired  = "expired"
	Released = "released"
)

// ErrHold is a preservation that is not well formed, unknown or over.
var ErrHold = errors.New("records: the preservation cannot be done")

// Hold places a preservation and returns its id. An account that does not exist is held like any other: the answer must not tell.
func (g *Gate) Hold(ctx context.Context, tx *store.Tx, p Preservation) (string, error) {
	now := g.r.clock.Now()
	accounts, categories := unique(p.Accounts), unique(p.Categories)
	if slices.Contains(categories, schedule.Location) {
		categories = unique(append(categories, schedule.SignIn)) // a location is derived from the sign-ins
	}
	if p.Case == "" || len(accounts) == 0 || len(accounts) > MaxTargets || len(categories) == 0 || !p.Until.After(now) {
		return "", fmt.Errorf("%w: it needs a case, 1 to %d accounts, categories and an end to come", ErrHold, MaxTargets)
	}
	for _, c := range categories {
		if !c.Valid() || !c.Producible() {
			return "", fmt.Errorf("%w: category %q can never be produced", ErrHold, c)
		}
	}
	id := newID()
	_, err := tx.Exec(ctx, `INSERT INTO gate_hold (id, case_id, placed, until) VALUES ($1, $2, $3, $4)`, id, p.Case, store.Time(now), store.Time(p.Until))
	if err != nil {
		return "", fmt.Errorf("records: placing a hold: %w", err)
	}
	for _, a := range accounts {
		for _, c := range categories {
			if _, err := tx.Exec(ctx, `INSERT INTO gate_hold_account (hold, account, category) VALUES ($1, $2, $3)`, id, a, string(c)); err != nil {
				return "", fmt.Errorf("records: placing a hold: %w", err)
			}
		}
	}
	tx.AfterCommit(func() {
		g.r.clock.AfterFunc(0, func() {
			if err := g.r.preserve(context.Background()); err != nil {
				g.r.log.Error("a preservation has no copy yet; the next sweep tries again", "hold", id, "err", err)
			}
		})
	})
	return id, nil
}

// Extend moves the end of a hold that is in force. It cannot bring it forward: that is Release.
func (g *Gate) Extend(ctx context.Context, tx *store.Tx, id string, until time.Time) error {
	n, err := tx.Exec(ctx, `UPDATE gate_hold SET until = $2 WHERE id = $1 AND ended = 0 AND until < $2 AND until > $3`,
		id, store.Time(until), store.Time(g.r.clock.Now()))
	if err != nil {
		return fmt.Errorf("records: extending a hold: %w", err)
	}
	if n == 0 {
		return fmt.Errorf("%w: no hold %s in force that ends before %s", ErrHold, id, until.UTC().Format(time.RFC3339))
	}
	return nil
}

// Release ends a hold before its time. What only it kept goes with the next sweep.
func (g *Gate) Release(ctx context.Context, tx *store.Tx, id string) error {
	n, err := endHolds(ctx, tx, `id = $3`, Released, g.r.clock.Now(), id)
	if err == nil && n == 0 {
		err = fmt.Errorf("%w: no hold %s in force", ErrHold, id)
	}
	return err
}

// endHolds ends the holds in force that meet a condition on $3.
func endHolds(ctx context.Context, tx *store.Tx, where, why string, now time.Time, arg any) (int64, error) {
	n, err := tx.Exec(ctx, `UPDATE gate_hold SET ended = $1, why = $2 WHERE ended = 0 AND `+where, store.Time(now), why, arg)
	if err != nil || n == 0 {
		return 0, err
	}
	_, err = tx.Exec(ctx, `UPDATE gate_hold_account SET active = 0 WHERE active = 1 AND hold IN (SELECT id FROM gate_hold WHERE ended <> 0)`)
	if err != nil {
		return 0, fmt.Errorf("records: ending holds: %w", err)
	}
	return n, nil
}

// Holds lists the preservations of a case, oldest first. After the term of case files they are gone.
func (g *Gate) Holds(ctx context.Context, r store.Reader, caseID string) ([]HoldState, error) {
	rows, err := r.Query(ctx, `SELECT h.id, h.placed, h.copied, h.until, h.ended, h.why, h.swept, h.scrubbed, a.account, a.category
		FROM gate_hold h JOIN gate_hold_account a ON a.hold = h.id WHERE h.case_id = $1 ORDER BY h.placed, h.id, a.account, a.category`, caseID)
	if err != nil {
		return nil, fmt.Errorf("records: reading holds: %w", err)
	}
	defer rows.Close()
	var out []HoldState
	for rows.Next() {
		var id, why, account, category string
		var placed, copied, until, ended, swept, scrubbed int64
		if err := rows.Scan(&id, &placed, &copied, &until, &ended, &why, &swept, &scrubbed, &account, &category); err != nil {
			return nil, fmt.Errorf("records: reading holds: %w", err)
		}
		if len(out) == 0 || out[len(out)-1].ID != id {
			out = append(out, HoldState{ID: id, Preservation: Preservation{Case: caseID, Until: store.FromTime(until)}, Placed: store.FromTime(placed), Copied: store.FromTime(copied),
				Ended: store.FromTime(ended), Why: why, Swept: store.FromTime(swept), Scrubbed: store.FromTime(scrubbed)})
		}
		h := &out[len(out)-1]
		h.Accounts, h.Categories = append(h.Accounts, account), append(h.Categories, schedule.Category(category))
	}
	for i := range out {
		out[i].Accounts, out[i].Categories = unique(out[i].Accounts), unique(out[i].Categories)
	}
	return out, rows.Err()
}

// heldFor lists the accounts that are held for a category.
func heldFor(ctx context.Context, r store.Reader, c schedule.Category) (map[string]bool, error) {
	accounts, err := store.Column[string](ctx, r, "records: reading holds", `SELECT DISTINCT account FROM gate_hold_account WHERE category = $1 AND active = 1`, string(c))
	out := map[string]bool{}
	for _, a := range accounts {
		out[a] = true
	}
	return out, err
}

func unique[T ~string](in []T) []T {
	out := slices.Clone(in)
	slices.Sort(out)
	return slices.Compact(out)
}
