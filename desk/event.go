package desk

import (
	"encoding/hex"
	"encoding/json"
	"time"

	"writ/desk/intake"
	"writ/desk/law"
	"writ/desk/policy"
)

// Kind is what an event says happened.
type Kind string

// The kinds.
const (
	EvReceived         Kind = "received"
	EvAuthenticated    Kind = "authenticated"
	EvScreened         Kind = "screened"
	EvCleared          Kind = "cleared"
	EvReviewBegun      Kind = "review_begun"
	EvPaused           Kind = "paused"
	EvAdmitted         Kind = "admitted"
	EvResumed          Kind = "resumed"
	EvReturned         Kind = "returned"
	EvCured            Kind = "cured"
	EvAsked            Kind = "asked"
	EvAnswered         Kind = "answered"
	EvNarrowed         Kind = "narrowed"
	EvAgreed           Kind = "agreed"
	EvObjected         Kind = "objected"
	EvTakenBack        Kind = "taken_back"
	EvRefused          Kind = "refused"
	EvWithdrawn        Kind = "withdrawn"
	EvProposed         Kind = "proposed"
	EvScopeSigned      Kind = "scope_signed"
	EvSentBack         Kind = "sent_back"
	EvExtracting       Kind = "extracting"
	EvPackaged         Kind = "packaged"
	EvNothingHeld      Kind = "nothing_held"
	EvExtractionFailed Kind = "extraction_failed"
	EvReleaseSigned    Kind = "release_signed"
	EvDownloaded       Kind = "downloaded"
	EvReissued         Kind = "reissued"
	EvWarnQueued       Kind = "warning_queued"
	EvWarned           Kind = "warned"
	EvUserObjected     Kind = "user_objected"
	EvOverruled        Kind = "overruled"
	EvNotified         Kind = "notified"
	EvNoticeDue        Kind = "notice_due"
	EvGagSet           Kind = "gag_set"
	EvClosed           Kind = "closed"
	EvPreserved        Kind = "preserved"
	EvHoldExtended     Kind = "hold_extended"
	EvHoldReleased     Kind = "hold_released"
	EvHoldEnded        Kind = "hold_ended"
	EvFollowedUp       Kind = "followed_up"
	EvFraud            Kind = "fraud"
	EvFrozen           Kind = "frozen"
	EvUnfrozen         Kind = "unfrozen"
	EvAssigned         Kind = "assigned"
	EvNoted            Kind = "noted"
)

// Event is one line of a case's file. Facts hold no personal text; Detail comes from the sealed payload and is nil when there is
// none, when retention has erased it, or when the reader may not see it.
type Event struct {
	Case   string
	Seq    int
	At     time.Time
	Kind   Kind
	By     string // registry id, or "system"
	Role   Role
	To     State // the state after it
	Facts  Facts
	Detail *Detail
	sealed []byte // SHA-256 of the sealed payload
}

// Facts is what an event says in the clear, for good. It names no person.
type Facts struct {
	Channel      intake.Channel   `json:"channel,omitempty"`
	Service      string           `json:"service,omitempty"`
	Agency       string           `json:"agency,omitempty"`
	Officer      string           `json:"officer,omitempty"` // registry id
	Instrument   law.Instrument   `json:"instrument,omitempty"`
	Jurisdiction string           `json:"jurisdiction,omitempty"`
	Accounts     int              `json:"accounts,omitempty"`
	Served       *time.Time       `json:"served,omitempty"`
	Sealed       bool             `json:"sealed,omitempty"`
	Gagged       bool             `json:"gagged,omitempty"`
	GagUntil     *time.Time       `json:"gag_until,omitempty"`
	Clocks       []Clock          `json:"clocks,omitempty"`
	Reasons      []string         `json:"reasons,omitempty"`
	Flagged      bool             `json:"flagged,omitempty"`
	Called       bool             `json:"called,omitempty"` // a call-back confirmed it
	Standing     string           `json:"standing,omitempty"`
	Stage        string           `json:"stage,omitempty"`
	Since        *time.Time       `json:"since,omitempty"`
	Exception    string           `json:"exception,omitempty"`
	Grant        string           `json:"grant,omitempty"`
	Hash         string           `json:"hash,omitempty"` // of what is signed, hex
	Rules        string           `json:"rules,omitempty"`
	Document     string           `json:"document,omitempty"` // id
	Size         int64            `json:"size,omitempty"`
	Records      map[string]int64 `json:"records,omitempty"`
	Expires      *time.Time       `json:"expires,omitempty"`
	Until        *time.Time       `json:"until,omitempty"`
	Hold         string           `json:"hold,omitempty"`
	Why          string           `json:"why,omitempty"`
	Cause        string           `json:"cause,omitempty"`  // number of the case whose verdict froze this one
	Person       string           `json:"person,omitempty"` // registry id of who was assigned
}

// Detail is what is sealed with the case's key.
type Detail struct {
	Request   *Request         `json:"request,omitempty"`
	Gag       *Gag             `json:"gag,omitempty"`
	Text      string           `json:"text,omitempty"`
	Scope     *Scope           `json:"scope,omitempty"`
	Documents []Document       `json:"documents,omitempty"`
	SeenIn    []string         `json:"seen_in,omitempty"` // other cases with the same document
	Flags     []string         `json:"flags,omitempty"`
	CallBack  string           `json:"call_back,omitempty"`
	Verifier  string           `json:"verifier,omitempty"`
	Decision  *policy.Decision `json:"decision,omitempty"`
	Assertion []byte           `json:"assertion,omitempty"`
	Statement string           `json:"statement,omitempty"`
	Fault     string           `json:"fault,omitempty"`
}

// canonical is the byte form of an event that is committed to the log: JSON in this order.
func (e Event) canonical() []byte {
	b, err := json.Marshal(struct {
		Type  string    `json:"type"`
		Case  string    `json:"case"`
		Seq   int       `json:"seq"`
		At    time.Time `json:"at"`
		Kind  Kind      `json:"kind"`
		By    string    `json:"by"`
		Role  Role      `json:"role"`
		State State     `json:"state"`
		Facts Facts     `json:"facts"`
		Bound string    `json:"sealed"`
	}{"writ case event 1", e.Case, e.Seq, e.At.UTC(), e.Kind, e.By, e.Role, e.To, e.Facts, hex.EncodeToString(e.sealed)})
	if err != nil {
		panic("desk: an event always marshals: " + err.Error())
	}
	return b
}
