package desk

import (
	"time"

	"writ/desk/deadline"
	"writ/desk/intake"
	"writ/desk/law"
	"writ/desk/policy"
)

// Clock is one running term of a case.
type Clock = deadline.Clock

// Case is the fold of a case's events.
type Case struct {
	ID       string // the case's number, as letters show it
	Seq      int    // number of events
	State    State
	Held     State // where it stood before the stand-still
	Request  Request
	Received time.Time
	Acked    time.Time // when the receipt was given
	Clocks   []Clock
	Pauses   []Pause // the standings that met it, newest last
	Admitted string  // exception under which it was admitted

	Verifier  string // who made the call-back
	CallBack  string
	Flags     []string // screening; never shown to the officer
	Cleared   bool
	Agreed    *Scope // smaller scope that the officer agreed to
	Offered   *Scope // smaller scope proposed
	Reasons   []string
	Proposal  *Proposal
	Package   *Package
	Hold      *Preserved
	Gag       *Gag
	Notice    Notice
	Frozen    bool
	Team      []string
	Effect    time.Time // when it was given effect: delivered, refused, no records, preserved
	FollowUp  time.Time // when the process that must follow an emergency came
	Talk      []Message
	Documents []Document
	Erased    bool // retention has erased key and payloads
}

// Request is what was asked, as the case keeps it.
type Request struct {
	Channel      intake.Channel
	Service      string
	Agency       string
	Officer      string
	FiledBy      string
	Instrument   law.Instrument
	Jurisdiction string
	LegalBasis   string
	Reference    string
	Authority    string
	Signed       time.Time
	Served       time.Time
	Respond      time.Time
	Supervisor   string
	Facts        string
	Offence      string
	Asked        Scope
	Accounts     int // number of identifiers, kept when the identifiers are erased
	Sealed       bool
}

// Pause is a standing that met the case.
type Pause struct {
	Standing  string
	Stage     string
	Since     time.Time // when the standing came into force
	At        time.Time // when it met the case
	Statement string
	Exception string // id of the exception that names this kind of request
	Over      bool
}

// Proposal is the scope that two people sign.
type Proposal struct {
	Grant      string // id of the grant in records
	Hash       [32]byte
	Scope      Scope
	Decision   policy.Decision
	By         string
	At         time.Time
	Signatures []Signature
}

// Package is what the extraction made.
type Package struct {
	Document   string // id of the sealed package
	Hash       [32]byte
	Size       int64
	Records    map[string]int64 // per category
	Signatures []Signature
	Expires    time.Time
	Downloaded time.Time
	Downloads  int
}

// Signature says who signed what step; the assertion stands in the payload.
type Signature struct {
	Person string
	Role   Role
	At     time.Time
}

// Preserved is a preservation.
type Preserved struct {
	From, Until time.Time
	Extended    bool
	Ended       time.Time
	Why         string // expired, released
}

// Gag is an order not to tell the person.
type Gag struct {
	Issuer, Scope string
	Until         time.Time // zero: the paper names no end
	Defect        bool      // no end: counsel must get one
}

// Notice is how the person was told.
type Notice struct {
	Warned    time.Time // told before delivery
	NotBefore time.Time // delivery waits until then
	Told      time.Time
	Objected  time.Time
	Overruled bool
}

// Message is one line of the talk between desk and requester.
type Message struct {
	At   time.Time
	By   string
	Kind Kind
	Text string
}

// Document is a document of the case.
type Document struct {
	ID, Name string
	Kind     string // filing, package, letter
	Size     int64
	SHA256   [32]byte
	Pages    int
}
