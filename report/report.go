// Package report makes the transparency report: a pure function of published facts.
//
// Invariants:
//   - Every number that is published is the count of opened facts whose leaves are in the log, or a legal band.
//   - Sealed and statutory classes appear only in their band; no total includes them, so no difference gives them away.
//   - All other counts are exact, also 0 and 1.
//   - A published version is never changed; a correction is a new version.
package report

import (
	"context"
	"time"
)

// Case is what the report needs to know of one request, as it stands at the cut-off. It holds no personal data.
type Case struct {
	ID           string // the desk's own id; it is not published
	Service      string // "chat", "facebook" …
	Jurisdiction string // ISO 3166-1 alpha-2; HK is its own
	Instrument   string // code of the policy table
	Class        Class
	Received     time.Time
	Accounts     int // accounts that the request names
	Emergency    bool
	Preservation bool
	Paused       bool // a standing held it at the cut-off
	Disposition  Disposition
	Reason       string   // code of the refusal, if refused
	Intake       [32]byte // the intake leaf
	TagSalt      [32]byte // for the tag; the requester's receipt holds it
	FactSalt     [32]byte // for the fact's own leaf; derived from the case's key, and different for each version of the fact
}

// Class says whether a fact may be published opened.
type Class string

const (
	Open       Class = ""            // published opened and exact
	Sealed     Class = "sealed"      // under a seal or a non-disclosure order in force at the cut-off
	NSL        Class = "nsl"         // national security letter (50 USC 1874)
	FISA       Class = "fisa"        // order under FISA for contents
	FISAOthers Class = "fisa-others" // order under FISA for non-contents
)

// Disposition is the outcome that the report counts.
type Disposition string

const (
	Pending   Disposition = "pending"   // not decided at the cut-off, a pause included
	Produced  Disposition = "produced"  // some data was delivered
	NoRecords Disposition = "none-held" // nothing in scope was held
	Refused   Disposition = "refused"
	Objected  Disposition = "objected"
	Withdrawn Disposition = "withdrawn"
	Fraud     Disposition = "fraud"
	Preserved Disposition = "preserved" // a preservation that was put in place
)

// Source is where cases come from: the desk's events.
type Source interface {
	// Received gives every matter received in [from, to), as it stands at cutoff.
	Received(ctx context.Context, from, to, cutoff time.Time) ([]Case, error)
	// Unsealed gives the matters received before from whose seal ended in [from, to).
	Unsealed(ctx context.Context, from, to time.Time) ([]Case, error)
}
