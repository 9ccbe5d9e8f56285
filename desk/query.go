package desk

import (
	"context"
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"writ/desk/registry"
	"writ/desk/standing"
	"writ/store"
)

func lookup(ctx context.Context, r store.Reader, c Case, now time.Time) (standing.Match, bool, error) {
	return standing.Lookup(ctx, r, c.subject(), now)
}

// Line is one case in a list.
type Line struct {
	ID           string
	State        State
	Service      string
	Jurisdiction string
	Instrument   string
	Agency       string
	Officer      string
	Received     time.Time
	Due          time.Time // the nearest running term, zero: none
	Ended        time.Time
	Emergency    bool
	Sealed       bool
	Frozen       bool
	Paused       bool
	Flagged      bool // staff only
	Accounts     int
}

// Filter chooses cases. Zero values choose all that the actor may see.
type Filter struct {
	States       []State
	OpenOnly     bool
	Service      string
	Jurisdiction string
	Instrument   string
	Agency       string
	Emergency    bool
	Paused       bool
	Overdue      bool
	After        string // cursor: Page.Next of the page before
	Limit        int    // 1 to 200; zero: 50
}

// Page is one page of a list.
type Page struct {
	Lines []Line
	Next  string // empty: the last page
}

// where is a condition under construction.
type where struct {
	parts []string
	args  []any
}

// and adds a condition; each ? in it takes the next argument.
func (w *where) and(cond string, args ...any) {
	for _, a := range args {
		w.args = append(w.args, a)
		cond = strings.Replace(cond, "?", "$"+strconv.Itoa(len(w.args)), 1)
	}
	w.parts = append(w.parts, cond)
}

// visible limits a list to what the actor may see: an officer their own, the staff what is not sealed, and what they are on the team of.
func (w *where) visible(a Actor) {
	switch {
	case a.Officer():
		w.and("officer = ?", a.Person)
	case !slices.ContainsFunc(anyone, a.Has):
		w.and("1 = 0")
	case !a.Has(registry.Counsel):
		w.and("(sealed = 0 OR EXISTS (SELECT 1 FROM desk_team WHERE desk_team.case_id = desk_case.id AND person = ?))", a.Person)
	}
}

// Queue is a page of the cases that the actor may see: emergencies first, then by what is due next.
func (d *Desk) Queue(ctx context.Context, by Actor, f Filter) (Page, error) {
	now := d.d.Clock.Now()
	who, err := d.actor(ctx, d.d.DB, by, now)
	if err != nil {
		return Page{}, err
	}
	var w where
	w.visible(who)
	if len(f.States) > 0 {
		args := make([]any, len(f.States))
		for i, s := range f.States {
			args[i] = string(s)
		}
		w.and("state IN (?"+strings.Repeat(", ?", len(args)-1)+")", args...)
	}
	if f.OpenOnly {
		w.and("open = 1")
	}
	if who.Officer() {
		f.Agency = "" // it is theirs
	}
	for _, c := range []struct{ column, value string }{{"service", f.Service}, {"jurisdiction", f.Jurisdiction}, {"instrument", f.Instrument}, {"agency", f.Agency}} {
		if c.value != "" {
			w.and(c.column+" = ?", c.value)
		}
	}
	if f.Emergency {
		w.and("urgent = 0")
	}
	if f.Paused {
		w.and("paused = 1")
	}
	if f.Overdue {
		w.and("open = 1 AND due <= ?", store.Time(now))
	}
	if f.After != "" {
		urgent, due, id, err := cursor(f.After)
		if err != nil {
			return Page{}, err
		}
		w.and("(urgent, due, id) > (?, ?, ?)", urgent, due, id)
	}
	limit := f.Limit
	if limit < 1 || limit > 200 {
		limit = 50
	}
	return d.page(ctx, w, limit, who)
}

func (d *Desk) page(ctx context.Context, w where, limit int, who Actor) (Page, error) {
	text := `SELECT id, state, service, jurisdiction, instrument, agency, officer, received, due, ended, urgent, sealed, frozen, paused, flagged, accounts FROM desk_case`
	if len(w.parts) > 0 {
		text += " WHERE " + strings.Join(w.parts, " AND ")
	}
	rows, err := d.d.DB.Query(ctx, text+fmt.Sprintf(" ORDER BY urgent, due, id LIMIT %d", limit+1), w.args...)
	if err != nil {
		return Page{}, fmt.Errorf("desk: listing cases: %w", err)
	}
	defer rows.Close()
	var p Page
	for rows.Next() {
		var l Line
		var received, due, ended, urgent int64
		var sealed, frozen, paused, flagged int
		if err := rows.Scan(&l.ID, &l.State, &l.Service, &l.Jurisdiction, &l.Instrument, &l.Agency, &l.Officer, &received, &due, &ended, &urgent,
			&sealed, &frozen, &paused, &flagged, &l.Accounts); err != nil {
			return Page{}, fmt.Errorf("desk: listing cases: %w", err)
		}
		if len(p.Lines) == limit {
			last := p.Lines[limit-1]
			p.Next = makeCursor(last)
			break
		}
		l.Received, l.Ended, l.Emergency = store.FromTime(received), store.FromTime(ended), urgent == 0
		if due != math.MaxInt64 {
			l.Due = store.FromTime(due)
		}
		l.Sealed, l.Frozen, l.Paused, l.Flagged = sealed == 1, frozen == 1, paused == 1, flagged == 1
		if who.Officer() {
			l.Frozen, l.Flagged = false, false
			if l.State == Fraudulent {
				l.State = Closed
			}
		}
		p.Lines = append(p.Lines, l)
	}
	return p, rows.Err()
}

// makeCursor writes the place after a line.
func makeCursor(l Line) string {
	due, urgent := int64(math.MaxInt64), 1
	if !l.Due.IsZero() {
		due = store.Time(l.Due)
	}
	if l.Emergency {
		urgent = 0
	}
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %d %s", urgent, due, l.ID))
}

func cursor(s string) (urgent, due int64, id string, err error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		_, err = fmt.Sscanf(string(b), "%d %d %s", &urgent, &due, &id)
	}
	if err != nil {
		return 0, 0, "", refuse("form.unknown", "after: the cursor of the page before")
	}
	return urgent, due, id, nil
}

// Counts says how many open cases that the actor may see stand in each state.
func (d *Desk) Counts(ctx context.Context, by Actor) (map[State]int, error) {
	who, err := d.actor(ctx, d.d.DB, by, d.d.Clock.Now())
	if err != nil {
		return nil, err
	}
	var w where
	w.visible(who)
	w.and("open = 1")
	out := map[State]int{}
	err = store.Each(ctx, d.d.DB, "desk: counting cases", func(row store.Scanner) error {
		var s State
		var n int
		err := row.Scan(&s, &n)
		out[s] = n
		return err
	}, `SELECT state, count(*) FROM desk_case WHERE `+strings.Join(w.parts, " AND ")+` GROUP BY state`, w.args...)
	return out, err
}

// Releases lists what was delivered to an agency, newest first: what a fraud verdict has to be followed up with.
func (d *Desk) Releases(ctx context.Context, by Actor, agency string) ([]Line, error) {
	var states []State
	states = append(states, handed...)
	p, err := d.Queue(ctx, by, Filter{Agency: agency, States: append(states, Closed), Limit: 200})
	return p.Lines, err
}
