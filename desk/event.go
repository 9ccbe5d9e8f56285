package desk

import "time"

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

// Event is one line of a case's file. Open holds no personal text; Detail comes from the sealed payload and is nil
// when retention has erased it, or when the reader may not see it.
type Event struct {
	Case   string
	Seq    int
	At     time.Time
	Kind   Kind
	By     string // registry id, "system"
	Role   Role
	To     State // the state after it
	Open   map[string]any
	Detail map[string]any
}
