// Package deadline computes the clocks of a request: when an answer is due, from the time of service, the instrument
// and a calendar. It is pure and versioned: a clock once computed keeps its rule version.
//
// Clocks count on while a case is paused. Hour rules exclude the hour of receipt and never roll; day rules exclude
// the day of receipt, count weekends, and roll a last day that is no working day to the next one.
package deadline

import "time"

// Clock is one running term of a case.
type Clock struct {
	Name      string // "answer", "hold", "follow_up", "preservation", "gag", "notice"
	Start     time.Time
	Due       time.Time // zero: the rule sets no term, only "without undue delay"
	Rule      string    // the rule with its version
	NotBefore bool      // a stand-still: nothing may happen before Due
}
