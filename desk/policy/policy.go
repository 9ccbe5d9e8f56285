// Package policy says what an instrument reaches: a pure function of the request, the record schedule, the rules and
// the time. It reads nothing and writes nothing.
//
// The rules are a versioned table (rules.toml) for an establishment: (requester's jurisdiction, instrument, category)
// → compelled or voluntary, each with its source and review date. Where no row reaches, the answer is "by mutual legal
// assistance". A row without a checked source never releases. Credentials, keys and ciphertext never.
//
// Invariants: Decide gives one Ruling for each category asked, in the order asked; the same input gives the same
// output; a category that is not in the schedule is never complied with; a window given lies within the window asked.
package policy

import (
	"time"

	"writ/desk/law"
	"writ/schedule"
)

// Verdict is what the rules say about one category.
type Verdict string

// The verdicts.
const (
	Comply Verdict = "comply"
	Narrow Verdict = "narrow" // give, but for a shorter window than asked
	Object Verdict = "object" // counsel decides
	Refuse Verdict = "refuse"
)

// Gives reports whether the verdict releases something.
func (v Verdict) Gives() bool { return v == Comply || v == Narrow }

// MaxIdentifiers is how many accounts one instrument may name before counsel has to look at it.
const MaxIdentifiers = 100

// Request is what Decide looks at.
type Request struct {
	Instrument   law.Instrument
	Jurisdiction string
	Connected    bool // the service has a connector: records can be extracted
	Categories   []law.Category
	From, To     time.Time // zero From: as far back as held; zero To: now
	Identifiers  int
	CalledBack   bool // emergency: a call-back confirmed it
}

// Ruling is the answer for one category.
type Ruling struct {
	Category law.Category
	Verdict  Verdict
	Basis    Basis    `json:",omitempty"`
	Clauses  []string `json:",omitempty"` // ids of the rows that decided
	Reasons  []string `json:",omitempty"` // codes of the desk's list of reasons
	From, To time.Time
}

// Decision is the answer for a request.
type Decision struct {
	Version  string // of the rules
	Schedule string // version of the record schedule
	Rulings  []Ruling
}

// Gives lists the categories that the decision releases, in order.
func (d Decision) Gives() []law.Category {
	var out []law.Category
	for _, r := range d.Rulings {
		if r.Verdict.Gives() {
			out = append(out, r.Category)
		}
	}
	return out
}

// Ruling gives the answer for a category.
func (d Decision) Ruling(c law.Category) (Ruling, bool) {
	for _, r := range d.Rulings {
		if r.Category == c {
			return r, true
		}
	}
	return Ruling{}, false
}

// Decide applies the rules to a request.
func Decide(q Request, held schedule.Schedule, rules Rules, now time.Time) Decision {
	d := Decision{Version: rules.Version, Schedule: held.Version()}
	for _, c := range q.Categories {
		d.Rulings = append(d.Rulings, decide(q, c, held, rules, now))
	}
	return d
}

func decide(q Request, c law.Category, held schedule.Schedule, rules Rules, now time.Time) Ruling {
	r := Ruling{Category: c, From: q.From, To: q.To}
	no := func(v Verdict, code string, clauses ...string) Ruling {
		r.Verdict, r.Reasons, r.Clauses, r.Basis = v, append(r.Reasons, code), clauses, ""
		r.From, r.To = time.Time{}, time.Time{}
		return r
	}
	switch {
	case !c.Producible():
		return no(Refuse, "policy.never")
	case !q.Connected:
		return no(Refuse, "request.no_connector")
	case len(held.Of(c)) == 0 || !producible(held, c):
		return no(Refuse, "policy.not_held")
	}
	row, near := rules.find(q, c)
	if row == nil {
		code := "policy.no_row"
		switch {
		case near == nil:
		case near.Basis == Keep:
			code = "policy.preserves_only"
		case near.Emergency:
			code = "policy.minimum_only"
		case near.Basis == Compelled:
			code = "policy.below_floor"
		}
		if near != nil {
			return no(Refuse, code, near.ID)
		}
		return no(Refuse, code)
	}
	switch {
	case !row.Amounts.Reaches(held.Floor(c)):
		return no(Refuse, "policy.below_floor", row.ID)
	case row.Checked.IsZero():
		return no(Object, "policy.unchecked_row", row.ID)
	case !now.Before(row.Review):
		return no(Object, "policy.lapsed_row", row.ID)
	case row.Emergency && !q.CalledBack:
		return no(Object, "policy.callback", row.ID)
	case q.Identifiers > MaxIdentifiers:
		return no(Object, "request.overbroad", row.ID)
	}
	r.Basis, r.Clauses = row.Basis, []string{row.ID}
	return window(r, q, *row, now)
}

// window limits what is given to what is stored now and to the row's longest window.
func window(r Ruling, q Request, row Rule, now time.Time) Ruling {
	r.Verdict = Comply
	if r.To.IsZero() || r.To.After(now) {
		if r.To.After(now) {
			r.Verdict, r.Reasons = Narrow, append(r.Reasons, "policy.stored_only")
		}
		r.To = now
	}
	if !r.From.IsZero() && !r.From.Before(r.To) {
		r.Verdict, r.Reasons, r.Basis = Refuse, append(r.Reasons, "policy.stored_only"), ""
		r.From, r.To = time.Time{}, time.Time{}
		return r
	}
	if row.MaxDays > 0 {
		least := r.To.AddDate(0, 0, -row.MaxDays)
		if !q.From.IsZero() && q.From.Before(least) {
			r.Verdict, r.Reasons = Narrow, append(r.Reasons, "policy.longest_window")
		}
		if r.From.Before(least) {
			r.From = least
		}
	}
	return r
}

// find gives the row that reaches the category, a checked one first; else one that meets the instrument but not the category.
func (r Rules) find(q Request, c law.Category) (row, near *Rule) {
	for i := range r.Rules {
		x := &r.Rules[i]
		if !r.meets(*x, q.Jurisdiction, q.Instrument) {
			continue
		}
		if near == nil {
			near = x
		}
		for _, k := range x.Categories {
			if k == c && (row == nil || row.Checked.IsZero() && !x.Checked.IsZero()) {
				row = x
			}
		}
	}
	return row, near
}

func producible(held schedule.Schedule, c law.Category) bool {
	for _, d := range held.Of(c) {
		if d.Process != schedule.Never {
			return true
		}
	}
	return false
}
