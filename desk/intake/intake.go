// Package intake is the one door for a legal request, whatever channel it comes by: portal, API, or entered by the
// staff from mail and post. It checks form, never merit: each fault is a FieldError that names the field, what was
// given and what is allowed.
//
// Invariants: what Check accepts is normal (identifiers bare and folded, times UTC, texts trimmed); nothing is
// dropped in silence; a request is refused only for faults of form that it can mend.
package intake

import (
	"time"

	"writ/desk/law"
)

// Limits of one request.
const (
	MaxIdentifiers = 1000     // more is refused: a request names people, not populations
	MaxDocuments   = 20       //
	MaxDocument    = 25 << 20 // bytes; also the limit of the European channel
	MaxText        = 8000     // bytes of each free text
)

// Channel is the way a request came in.
type Channel string

// The channels.
const (
	Portal Channel = "portal"
	API    Channel = "api"
	Mail   Channel = "mail" // entered by the staff
	Post   Channel = "post" // entered by the staff
)

// Filing is a request as it was filed.
type Filing struct {
	Channel      Channel
	Service      string // id of one of the provider's services
	Agency       string // registry id; an officer's own agency when filed by an officer
	Officer      string // registry id of the officer it is filed for
	Instrument   law.Instrument
	Jurisdiction string    // ISO 3166-1 alpha-2, or 3166-2
	LegalBasis   string    // statute and power cited
	Reference    string    // the agency's own case number
	Authority    string    // who issued it (court, prosecutor)
	Signed       time.Time // date on the paper
	Served       time.Time // time of service; zero: now
	Respond      time.Time // response date that the paper names, zero: none
	Supervisor   string    // emergencies: who may be called back
	Facts        string    // emergencies: the danger to life; else what the request states
	Offence      string    // the offence investigated, as stated
	Identifiers  []string  // JIDs of the service
	Categories   []law.Category
	From, To     time.Time // window asked for; zero From: as far back as held
	Documents    []Document
	Gag          *Gag
	Sealed       bool // under seal: only the case's team sees it
}

// Gag is an order not to tell the person. One without an end is a defect that the desk flags.
type Gag struct {
	Issuer string
	Scope  string
	Until  time.Time // zero: the paper names no end
}

// Document is one PDF of the filing.
type Document struct {
	Name string
	Body []byte
}

// FieldError is one fault of form: which field, what was given, what is allowed.
type FieldError struct {
	Field   string // path, e.g. "identifiers[3]"
	Given   string // what was given, shortened
	Allowed string
	Code    string // stable code of desk's list of reasons
}

// Error says the fault in one line.
func (e FieldError) Error() string { return e.Field + ": given " + e.Given + "; allowed: " + e.Allowed }

// Sentence says the fault to a person who sees the field.
func (e FieldError) Sentence() string {
	if e.Given == "" || e.Given == "nothing" || e.Given == "none" {
		if e.Allowed == "a text" {
			return "This is missing."
		}
		return "This is missing. Needed: " + e.Allowed + "."
	}
	return "You gave " + e.Given + ". Allowed: " + e.Allowed + "."
}

// FieldErrors is every fault of a filing; it is the error that Check returns.
type FieldErrors []FieldError

// Error joins the faults.
func (e FieldErrors) Error() string {
	s := "intake: "
	for i, f := range e {
		if i > 0 {
			s += "; "
		}
		s += f.Error()
	}
	return s
}
