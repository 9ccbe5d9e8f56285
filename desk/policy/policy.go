// Package policy says what an instrument reaches: a pure function of the request, the record schedule, the rules and
// the time. It reads nothing and writes nothing.
//
// The rules are a versioned table (rules.toml) for an establishment: (requester's jurisdiction, instrument, category)
// → compelled, voluntary or no, each with its source and review date. Where no row reaches, the answer is "by mutual
// legal assistance". A row without a checked source never releases. Credentials, keys and ciphertext never.
//
// Invariants: Decide gives one Ruling for each category asked, in the order asked; the same input gives the same
// output; a category that is not in the schedule is never complied with.
package policy

import (
	"time"

	"writ/desk/law"
)

// Verdict is what the rules say about one category.
type Verdict string

// The verdicts.
const (
	Comply Verdict = "comply"
	Narrow Verdict = "narrow" // give, but less than asked: Window says how much
	Object Verdict = "object" // counsel decides
	Refuse Verdict = "refuse"
)

// Request is what Decide looks at.
type Request struct {
	Instrument   law.Instrument
	Jurisdiction string
	Service      string
	Connected    bool // the service has a connector: records can be extracted
	Categories   []law.Category
	From, To     time.Time
	Identifiers  int
	CalledBack   bool // emergency: the call-back confirmed it
}

// Held is one category of the record schedule that the service keeps.
type Held struct {
	Category  law.Category
	Process   string // least process of the schedule
	Never     string // why it is never produced, empty: it can be
	Retention time.Duration
}

// Ruling is the answer for one category.
type Ruling struct {
	Category law.Category
	Verdict  Verdict
	Clauses  []string // ids of the rules that decided, in order
	Reasons  []string // reason codes, see desk's list
	From, To time.Time
}

// Decision is the answer for a request.
type Decision struct {
	Version string // of the rules
	Rulings []Ruling
}
