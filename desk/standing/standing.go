// Package standing holds how requests of a jurisdiction are treated now, as signed, scoped, expiring records.
//
// A standing is bound at intake and asked again in the transaction that releases. Its signatures (counsel and the
// human-rights lead; lifting also the executive) are passkey assertions over the hash of its canonical form. When its
// review date has passed it stays in force and an alarm is raised. Lifting it is a new record that releases nothing.
//
// Invariants: a signed record never changes; the history is complete; no record is in force without all signatures;
// two signatures are of two people.
package standing

import "time"

// Stage is how strict a standing is.
type Stage string

// The stages, from open to refused.
const (
	Open             Stage = "open"
	ReviewPaused     Stage = "review_paused"     // nothing is looked into
	ProductionPaused Stage = "production_paused" // reviewed, nothing is given
	Refused          Stage = "refused"
)

// Scope says which requests a standing meets. An empty list means all.
type Scope struct {
	Jurisdictions []string // ISO 3166; a country code also meets its subdivisions
	Services      []string
	Agencies      []string
	Instruments   []string
	NewOnly       bool // only requests received at or after From
}

// Exception is a kind of request that may still be admitted, by two people, case by case.
type Exception struct {
	ID          string
	Instruments []string // empty: any
	Text        string
}

// Record is one standing.
type Record struct {
	ID         string
	Replaces   string // the record that this one follows, empty for the first
	Stage      Stage
	Scope      Scope
	From       time.Time // in force from
	Review     time.Time // at the latest 90 days after From
	Exceptions []Exception
	Resume     []string // resume criteria, checkable statements
	Statement  string   // public
	Assessment string   // id of the due diligence record
	Created    time.Time
	Drafted    string // who drafted
	Signatures []Signature
	InForce    time.Time // when the last signature was given; zero: a draft
	Ended      time.Time // when a later record replaced it
}

// Signature is a passkey assertion over the record's hash.
type Signature struct {
	Person, Role string
	At           time.Time
	Assertion    []byte
}

// Match is a standing that meets a request.
type Match struct {
	Record    Record
	Exception *Exception // set when one of the record's exceptions names this kind of request
	Lapsed    bool       // its review date has passed
}
