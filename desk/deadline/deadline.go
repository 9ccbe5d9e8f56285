// Package deadline computes the clocks of a request: when an answer is due, from the time of service, the instrument
// and a calendar. It is pure and versioned: a clock once computed keeps the version of its rule.
//
// Clocks count on while a case is paused. Hour rules exclude the hour of receipt and never roll; day rules exclude
// the day of receipt, count weekends, and roll a last day that is no working day to the next one (Commission guidance
// of 19 August 2026 on Regulation (EU) 2023/1543).
//
// Invariants: a due time is never before its start; the same input gives the same clock; an hour clock is not touched
// by any holiday.
package deadline

import (
	"time"

	"writ/desk/law"
)

// Version of the rules in this file. It stands on every clock.
const Version = "2026-11.1"

// Clock is one running term of a case.
type Clock struct {
	Name      string    // one of the names below
	Start     time.Time // time of service
	Due       time.Time
	Rule      string // the rule with its version, for people
	NotBefore bool   // a stand-still: nothing may happen before Due
	Soft      bool   // ours, set by no law
}

// The names of clocks.
const (
	AnswerBy     = "answer"       // the answer is due
	Hold         = "hold"         // stand-still: nothing may leave before
	FollowUp     = "follow_up"    // the process that must follow an emergency is due
	Preservation = "preservation" // the hold ends
	Gag          = "gag"          // the order not to tell the person ends
	Objection    = "objection"    // until then the person may object
	Link         = "link"         // the download ends
)

// Terms.
const (
	EmergencyEU   = 8 * time.Hour       // Regulation (EU) 2023/1543 Article 10(4)
	EmergencyOurs = 24 * time.Hour      // ours: answer an emergency within
	FollowUpTerm  = 72 * time.Hour      // ours: legal process must follow an emergency within
	OrdinaryDays  = 30                  // ours: answer where the paper names no date
	EPOCDays      = 10                  // Article 10(2) and (3)
	KeepDays      = 90                  // 18 USC 2703(f)(2)
	KeepDaysEU    = 60                  // Article 11
	KeepMoreEU    = 30                  // Article 11, by the form of Annex VI
	GagDays       = 90                  // 18 USC 2705(a): when the paper names no end, counsel asks by then
	LinkTerm      = 10 * 24 * time.Hour // Regulation (EU) 2025/1550: a retrieval window of 10 to 45 days
)

// Calendar says which days are no working days. The zero value knows weekends only.
type Calendar struct {
	Zone     *time.Location  // nil: UTC
	Holidays map[string]bool // "2026-12-25"
}

func (c Calendar) zone() *time.Location {
	if c.Zone == nil {
		return time.UTC
	}
	return c.Zone
}

// Working reports whether the day of t is a working day.
func (c Calendar) Working(t time.Time) bool {
	t = t.In(c.zone())
	return t.Weekday() != time.Saturday && t.Weekday() != time.Sunday && !c.Holidays[t.Format(time.DateOnly)]
}

// Hours is n hours after receipt: the hour of receipt does not count, and the end never rolls.
func Hours(received time.Time, n int, c Calendar) time.Time {
	t := received.In(c.zone())
	full := time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), 0, 0, 0, t.Location())
	return full.Add(time.Duration(n+1) * time.Hour).UTC()
}

// Days is the end of the n-th day after the day of receipt, in the calendar's zone; a last day that is no working day rolls.
func Days(received time.Time, n int, c Calendar) time.Time {
	t := received.In(c.zone())
	last := time.Date(t.Year(), t.Month(), t.Day()+n, 0, 0, 0, 0, t.Location())
	for !c.Working(last) {
		last = last.AddDate(0, 0, 1)
	}
	return time.Date(last.Year(), last.Month(), last.Day()+1, 0, 0, 0, 0, last.Location()).UTC()
}

// Facts is what the clocks of a request depend on.
type Facts struct {
	Instrument   law.Instrument
	Jurisdiction string
	Served       time.Time
	Respond      time.Time // response date on the paper, zero: none
	Urgent       bool      // an emergency of the European channel
	Notified     bool      // the enforcing authority was notified (Article 8): the ten days are a stand-still
	GagUntil     time.Time
	Gagged       bool
}

// Of gives the clocks of a request at receipt.
func Of(f Facts, c Calendar) []Clock {
	var out []Clock
	add := func(name, rule string, due time.Time, still, soft bool) {
		out = append(out, Clock{Name: name, Start: f.Served, Due: due, Rule: rule + " [" + Version + "]", NotBefore: still, Soft: soft})
	}
	switch {
	case f.Instrument == law.EPOC && f.Urgent:
		add(AnswerBy, "8 hours, the hour of receipt not counted: Regulation (EU) 2023/1543 Article 10(4)", Hours(f.Served, 8, c), false, false)
	case f.Instrument == law.EPOC && f.Notified:
		add(Hold, "not before 10 days, or the enforcing authority's word: Regulation (EU) 2023/1543 Article 10(2)", Days(f.Served, EPOCDays, c), true, false)
	case f.Instrument == law.EPOC:
		add(AnswerBy, "10 days: Regulation (EU) 2023/1543 Article 10(3)", Days(f.Served, EPOCDays, c), false, false)
	case f.Instrument == law.Emergency:
		add(AnswerBy, "24 hours: ours, for danger to life", f.Served.Add(EmergencyOurs).UTC(), false, true)
	case f.Instrument.Preserves():
		add(AnswerBy, "1 day: ours, for what may be deleted", Days(f.Served, 1, c), false, true)
	case !f.Respond.IsZero():
		add(AnswerBy, "the date on the paper", f.Respond.UTC(), false, false)
	default:
		add(AnswerBy, "30 days: ours, the paper names no date", Days(f.Served, OrdinaryDays, c), false, true)
	}
	if f.Gagged {
		if f.GagUntil.IsZero() {
			add(Gag, "the paper names no end: counsel asks for one within 90 days (18 USC 2705(a))", Days(f.Served, GagDays, c), false, true)
		} else {
			add(Gag, "the end that the order names", f.GagUntil.UTC(), false, false)
		}
	}
	return out
}

// Keep is the clock of a preservation. extended gives the one renewal.
func Keep(i law.Instrument, from time.Time, extended bool) Clock {
	days, rule := KeepDays, "90 days: 18 USC 2703(f)(2)"
	if i == law.EPOCPR {
		days, rule = KeepDaysEU, "60 days: Regulation (EU) 2023/1543 Article 11"
	}
	if extended {
		if i == law.EPOCPR {
			days, rule = KeepDaysEU+KeepMoreEU, "60 and 30 days: Regulation (EU) 2023/1543 Article 11"
		} else {
			days, rule = 2*KeepDays, "90 and 90 days: 18 USC 2703(f)(2)"
		}
	}
	return Clock{Name: Preservation, Start: from, Due: from.AddDate(0, 0, days).UTC(), Rule: rule + " [" + Version + "]"}
}
