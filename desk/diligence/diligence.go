// Package diligence holds assessments: the record of human-rights due diligence behind a standing.
//
// Invariants: a signed version never changes; a change is a new version; an active assessment has the signatures of
// counsel, human-rights lead and executive, who are three people.
package diligence

import "time"

// Status of a version.
type Status string

// The states of a version.
const (
	Draft      Status = "draft"
	Active     Status = "active"
	Superseded Status = "superseded"
)

// Assessment is one version of one due diligence record.
type Assessment struct {
	ID          string
	Version     int
	Status      Status
	Trigger     string
	TriggerDate time.Time
	Scope       Scope
	Facts       []Fact
	Rights      []string // rights affected
	Groups      []string // affected groups
	Risks       []Risk
	Consulted   []Consultation
	Options     []Option
	StaffSafety string // and the risk of being blocked
	Decision    string
	Exceptions  []string
	Interim     string // preserve, acknowledge, what the agency is told
	Mitigation  string
	Review      time.Time // at most 90 days after signature
	Resume      []string  // checkable statements
	Dissent     string
	Publication string // text for the public
	Created     time.Time
	Author      string
	Signatures  []Signature
}

// Scope of an assessment.
type Scope struct {
	Jurisdictions, Agencies, Statutes, Offences, Processes, Categories, Products []string
}

// Fact is a statement with its source.
type Fact struct{ Text, Source string }

// Risk is severity (scale, scope, remediability) × likelihood, each 1 to 5.
type Risk struct {
	Text                                    string
	Scale, Scope, Remediability, Likelihood uint8
}

// Consultation names who was heard. The name may be sealed, the date never.
type Consultation struct {
	Who    string
	Sealed bool
	Date   time.Time
	Said   string
}

// Option is a course that was weighed.
type Option struct{ Text, Rejected string }

// Signature is a passkey assertion over the version's hash.
type Signature struct {
	Person, Role string
	At           time.Time
	Assertion    []byte
}
