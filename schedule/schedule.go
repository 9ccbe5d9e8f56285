// Package schedule holds the words in which a room declares what it keeps about people: the record schedule.
//
// The same declarations decide what may be produced and under which legal process, when rows are deleted, and what the
// public page "what we hold" says. The half that acts (export, erasure, sweep) is in package records, because it needs
// the grant's types; this half is data and can be read on every floor.
//
// Invariants:
//   - A Datum names every table that its rows stand in; a table that no Datum names stops the start (records.Check).
//   - A category that is Never is never exported: its Datum has no Export.
//   - The canonical form is the same on every machine, so its hash can stand for the schedule (Version).
package schedule

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
)

// Process is the least legal process that reaches a datum, in the words of the law of a provider established in the
// United States (18 USC 2703). Policy tables of other establishments map it to their own.
type Process string

// The processes, from the least to the most demanding.
const (
	Subpoena   Process = "subpoena"    // 18 USC 2703(c)(2): basic subscriber information
	CourtOrder Process = "court-order" // 18 USC 2703(d): other records that are no contents
	Warrant    Process = "warrant"     // search warrant: third parties, groups
	Never      Process = "never"       // no process reaches it
)

// rank orders the processes; 0 is unknown.
func (p Process) rank() int {
	return slices.Index([]Process{Subpoena, CourtOrder, Warrant, Never}, p) + 1
}

// Valid reports whether p is one of the four processes.
func (p Process) Valid() bool { return p.rank() > 0 }

// Reaches reports whether an instrument that amounts to p reaches a datum whose floor is least. Nothing reaches Never.
func (p Process) Reaches(least Process) bool {
	return p.Valid() && least.Valid() && p != Never && least != Never && p.rank() >= least.rank()
}

// Title is the process in plain words.
func (p Process) Title() string {
	switch p {
	case Subpoena:
		return "subpoena"
	case CourtOrder:
		return "court order"
	case Warrant:
		return "search warrant"
	case Never:
		return "no process"
	}
	return string(p)
}

// Retention words that are no setting. Every other value of Datum.Retention is the key of a retention setting.
const (
	Account   = "account"   // while the account lives, or until the person removes it
	Expiry    = "expiry"    // each row has an end of its own, named in Purpose
	Permanent = "permanent" // never deleted; only for rows that hold no personal text
)

// Field is one column of a datum as a person reads it.
type Field struct {
	Name    string  // as in the exported file: lower case, words joined by _
	Meaning string  // one sentence
	Derived bool    // computed from other fields, not told by anyone (location from an IP address)
	Process Process // the least process that reaches this field, if it is more than the datum's own; empty: the datum's
}

// Datum is one kind of record that a room keeps.
type Datum struct {
	Name      string   // unique in the house: "signins", "calls"; the name of the exported file
	Category  Category // what it belongs to
	Tables    []string // every table its rows stand in; empty for what is computed from another datum
	Fields    []Field  // the exported columns in order; for a Never datum, what is held
	Time      string   // the field that says when the row happened: rows outside a grant's window are not produced. Empty: a state, produced as it stands
	Purpose   string   // why it is kept, one sentence
	Retention string   // Account, Expiry, Permanent or the key of a retention setting
	Process   Process  // the least process that reaches it
	Never     string   // with Process Never: why it is never produced
}

var (
	dataName  = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)
	fieldName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)
)

// Check reports everything that is wrong with the declaration, nil if nothing.
func (d Datum) Check() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("schedule: datum %q: "+format, append([]any{d.Name}, args...)...))
	}
	if !dataName.MatchString(d.Name) {
		bad("the name must be lower case letters, digits and -, at most 40")
	}
	info, known := d.Category.info()
	if !known {
		bad("unknown category %q", d.Category)
	}
	if !d.Process.Valid() {
		bad("unknown process %q; allowed: subpoena, court-order, warrant, never", d.Process)
	}
	if known && info.Never != "" && d.Process != Never {
		bad("category %s is never produced; its process must be never", d.Category)
	}
	if (d.Process == Never) != (d.Never != "") {
		bad("a datum has a reason in Never exactly if its process is never")
	}
	if d.Purpose == "" || d.Retention == "" {
		bad("purpose and retention must be said")
	}
	if len(d.Fields) == 0 {
		bad("no fields")
	}
	seen := map[string]bool{}
	for _, f := range d.Fields {
		if !fieldName.MatchString(f.Name) || f.Meaning == "" || seen[f.Name] {
			bad("field %q needs a unique lower-case name and a meaning", f.Name)
		}
		seen[f.Name] = true
		if f.Process != "" && (!f.Process.Valid() || f.Process == Never || f.Process.rank() <= d.Process.rank() || f.Name == d.Time) {
			bad("field %q: a process of its own is subpoena, court-order or warrant, more than the datum's, and not on the time field", f.Name)
		}
	}
	if d.Time != "" && !seen[d.Time] {
		bad("the time field %q is not among the fields", d.Time)
	}
	return errors.Join(errs...)
}
