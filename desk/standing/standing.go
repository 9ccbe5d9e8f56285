// Package standing holds how requests of a jurisdiction are treated now, as signed, scoped, expiring records.
//
// A standing is bound at intake and asked again in the transaction that releases. Its signatures (counsel and the
// human-rights lead; easing or lifting also the executive) are passkey assertions over the hash of its canonical form.
// When its review date has passed it stays in force and an alarm is raised. Lifting it is a new record that releases nothing.
//
// Invariants: a record's document never changes; the history is complete; no record is in force without all signatures;
// no two signatures of a record are of one person, also not by a change of role.
package standing

import (
	"context"
	"embed"
	"errors"
	"slices"
	"time"

	"writ/clock"
	"writ/desk/law"
	"writ/schedule"
	"writ/store"
)

// Stage is how strict a standing is.
type Stage string

// The stages, from open to refused.
const (
	Open             Stage = "open"
	ProductionPaused Stage = "production_paused" // reviewed, nothing is given
	ReviewPaused     Stage = "review_paused"     // nothing is looked into
	Refused          Stage = "refused"
)

// Stages is every stage, from the mildest.
func Stages() []Stage { return []Stage{Open, ProductionPaused, ReviewPaused, Refused} }

func (s Stage) rank() int { return slices.Index(Stages(), s) }

// Title is the stage in plain English.
func (s Stage) Title() string {
	switch s {
	case Open:
		return "Open"
	case ProductionPaused:
		return "Production paused"
	case ReviewPaused:
		return "Review paused"
	case Refused:
		return "Refused"
	}
	return string(s)
}

// MaxReview is the longest time until a standing is reviewed.
const MaxReview = 90 * 24 * time.Hour

// Scope says which requests a standing meets. An empty list means all.
type Scope struct {
	Jurisdictions []string `json:"jurisdictions"` // ISO 3166; a country code also meets its subdivisions
	Services      []string `json:"services"`
	Agencies      []string `json:"agencies"`
	Instruments   []string `json:"instruments"`
	NewOnly       bool     `json:"new_only"` // only requests received from then on
	// Then is where new begins. Zero: when the record comes into force. A record that follows another of new requests begins where that
	// one did, or its signing would free what came in between.
	Then time.Time `json:"then,omitzero"`
}

// Exception is a kind of request that may still be admitted, by two people, case by case.
type Exception struct {
	ID          string   `json:"id"`
	Instruments []string `json:"instruments"` // empty: any
	Text        string   `json:"text"`
}

// Record is one standing.
type Record struct {
	ID         string
	Replaces   string // the record that this one follows, empty for the first
	Stage      Stage
	Scope      Scope
	From       time.Time // in force from; before the last signature it is not
	Review     time.Time // at the latest MaxReview after From
	Exceptions []Exception
	Resume     []string // resume criteria, checkable statements
	Statement  string   // public
	Assessment string   // id of the due diligence record

	Created    time.Time
	DraftedBy  string
	Hash       [32]byte // what is signed
	Needs      []string // roles whose signature is needed
	Signatures []Signature
	InForce    time.Time // when the last signature was given; zero: a draft
	Ended      time.Time // when a later record replaced it
	Discarded  time.Time // a draft that was dropped
}

// Signature is a passkey assertion over the record's hash.
type Signature struct {
	Person, Role string
	At           time.Time
}

// In reports whether the record is in force at a time.
func (r Record) In(t time.Time) bool {
	return !r.InForce.IsZero() && !t.Before(r.InForce) && !t.Before(r.From) && (r.Ended.IsZero() || t.Before(r.Ended))
}

// Since is when the record came into force.
func (r Record) Since() time.Time {
	if r.From.After(r.InForce) {
		return r.From
	}
	return r.InForce
}

// Lapsed reports whether its review date has passed while it is in force. It stays in force.
func (r Record) Lapsed(t time.Time) bool { return r.In(t) && r.Stage != Open && !t.Before(r.Review) }

// Subject is what a standing is asked about.
type Subject struct {
	Case         string
	Jurisdiction string
	Service      string
	Agency       string
	Instrument   string
	Received     time.Time
}

// Meets reports whether the record's scope holds the subject.
func (r Record) Meets(s Subject) bool {
	in := func(list []string, v string) bool { return len(list) == 0 || slices.Contains(list, v) }
	return (len(r.Scope.Jurisdictions) == 0 || slices.ContainsFunc(r.Scope.Jurisdictions, func(j string) bool { return law.Within(s.Jurisdiction, j) })) &&
		in(r.Scope.Services, s.Service) && in(r.Scope.Agencies, s.Agency) && in(r.Scope.Instruments, s.Instrument) &&
		(!r.Scope.NewOnly || !s.Received.Before(r.Then()))
}

// Then is where new begins for a record that meets new requests only.
func (r Record) Then() time.Time {
	if !r.Scope.Then.IsZero() {
		return r.Scope.Then
	}
	return r.Since()
}

// Exception gives the record's exception for the subject's instrument with the id; an empty id gives the first that fits.
func (r Record) Exception(id string, s Subject) (Exception, bool) {
	for _, e := range r.Exceptions {
		if (id == "" || e.ID == id) && (len(e.Instruments) == 0 || slices.Contains(e.Instruments, s.Instrument)) {
			return e, true
		}
	}
	return Exception{}, false
}

// Match is the strictest standing that meets a subject.
type Match struct {
	Record   Record
	Admitted string // the exception under which the case was admitted; the standing then does not bind it
	Lapsed   bool   // its review date has passed
}

// Binds reports whether the match holds the case back.
func (m Match) Binds() bool {
	return m.Record.Stage != "" && m.Record.Stage != Open && m.Admitted == ""
}

// Code is the reason code of the match.
func (m Match) Code() string { return "standing." + string(m.Record.Stage) }

// Verifier checks a passkey assertion over a hash.
type Verifier interface {
	Verify(ctx context.Context, tx *store.Tx, person string, hash [32]byte, assertion []byte) error
}

// ErrNotFound is the answer for an unknown record.
var ErrNotFound = errors.New("standing: no such record")

//go:embed schema/*.sql
var files embed.FS

// Schema is the room's tables.
func Schema() store.Schema { return store.Schema{Room: "standing", FS: files} }

// Data declares what the room keeps.
func Data() []schedule.Datum {
	return []schedule.Datum{{Name: "standings", Category: schedule.StaffActions, Tables: []string{"standing_record", "standing_state", "standing_signature", "standing_admission"},
		Fields:  []schedule.Field{{Name: "record", Meaning: "How requests of a jurisdiction are treated, since when, and the public statement."}, {Name: "signature", Meaning: "Which member of the staff signed it, in which role, when."}},
		Purpose: "To show how requests were treated at any time, and who answers for it.", Retention: schedule.Permanent, Process: schedule.Never,
		Never: "It is the house's own file about its work, not a record of a person's use of the service."}}
}

// Book is the book of standings. Its methods are safe for concurrent use.
type Book struct {
	db     *store.DB
	clock  clock.Clock
	keys   Verifier
	active func(ctx context.Context, r store.Reader, assessment string) (bool, error)
	force  func(ctx context.Context, tx *store.Tx, r Record) error
}

// New makes a book. active says whether an assessment is signed (a standing is eased only on one); force is called in the
// transaction in which a record comes into force, so that the people there are told.
func New(db *store.DB, c clock.Clock, keys Verifier, active func(ctx context.Context, r store.Reader, assessment string) (bool, error),
	force func(ctx context.Context, tx *store.Tx, r Record) error) *Book {
	return &Book{db: db, clock: c, keys: keys, active: active, force: force}
}
