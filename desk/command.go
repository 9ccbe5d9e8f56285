package desk

import (
	"time"

	"writ/desk/intake"
)

// Command is what a person does with a case. The name of each is in the table of states.
type Command interface{ Name() string }

// Authenticate confirms who asks. CallBack is the id of the registry's record; it is needed in every emergency, for an
// officer's first request, and when the last one is older than the registry's term.
type Authenticate struct{ CallBack, Note string }

// Screen notes the rights screening. Flags are of Flags(); any flag routes the case to the human-rights lead.
type Screen struct {
	Flags []string
	Note  string
}

// BeginReview takes the case up.
type BeginReview struct{}

// Clear is the human-rights lead's word that a flagged case may be reviewed.
type Clear struct{ Note string }

// Return sends the request back for a fault that can be mended.
type Return struct {
	Reasons []string
	Text    string
}

// Cure mends a deficiency.
type Cure struct {
	Text      string
	Documents []intake.Document
}

// Ask puts a question.
type Ask struct{ Text string }

// Answer answers it.
type Answer struct {
	Text      string
	Documents []intake.Document
}

// NarrowTo proposes a smaller scope to the officer; the original is kept.
type NarrowTo struct {
	Scope   Scope
	Reasons []string
	Text    string
}

// Agree accepts the smaller scope.
type Agree struct{}

// TakeBack takes a narrowing or an objection back: the review goes on.
type TakeBack struct{ Text string }

// Objection is legal push-back.
type Objection struct {
	Reasons []string
	Text    string
}

// Refuse is the final no.
type Refuse struct {
	Reasons []string
	Text    string
}

// Withdraw ends the case at the requester's wish.
type Withdraw struct{ Text string }

// Propose drafts the scope to be released. The scope must lie within what was asked (or agreed) and what the rules
// allow; zero means all of it. It makes the grant whose hash both sign.
type Propose struct{ Scope Scope }

// SignScope signs the grant: a passkey assertion over Case.Proposal.Hash. The second distinct person's approves.
// As is the role, for who holds both; empty: the desk picks.
type SignScope struct {
	Assertion []byte
	As        Role
}

// SendBack drops the proposal: the reviewer drafts again.
type SendBack struct{ Text string }

// Extract starts the extraction.
type Extract struct{}

// SignRelease signs the package: a passkey assertion over Case.Package.Hash. The second distinct person's releases it.
// As is the role, for who holds both; empty: the desk picks.
type SignRelease struct {
	Assertion []byte
	As        Role
}

// Preserve freezes what is held of the identifiers.
type Preserve struct{}

// ExtendHold extends the preservation once.
type ExtendHold struct{ Text string }

// ReleaseHold ends the preservation early.
type ReleaseHold struct{ Text string }

// Admit signs that a paused case falls under one of the standing's exceptions: counsel and the human-rights lead.
type Admit struct {
	Exception string
	Assertion []byte // over Case.AdmitHash(exception)
}

// Resume takes a case out of stand-still, after the standing was lifted.
type Resume struct{}

// SetGag records, changes or ends the order not to tell the person.
type SetGag struct {
	Issuer, Scope string
	Until         time.Time
}

// Overrule sets a person's objection aside, with the reason.
type Overrule struct{ Text string }

// FollowUp attaches the legal process that must follow an emergency.
type FollowUp struct {
	Text      string
	Documents []intake.Document
}

// Fraud is counsel's verdict that the request is forged. It suspends the agency and freezes its open cases.
type Fraud struct{ Text string }

// Unfreeze releases a case that another case's fraud verdict froze, after the agency was authenticated anew.
type Unfreeze struct{ Text string }

// Assign lets a member of the staff see a sealed case.
type Assign struct{ Person string }

// Reissue opens the delivery once more, after a failed download.
type Reissue struct{ Text string }

// Close ends a case on which nothing is due any more.
type Close struct{}

// Note adds a remark for the staff.
type Note struct{ Text string }

// The names, as the table of states has them.
func (Authenticate) Name() string { return "authenticate" }
func (Screen) Name() string       { return "screen" }
func (Clear) Name() string        { return "clear" }
func (BeginReview) Name() string  { return "begin_review" }
func (Return) Name() string       { return "return" }
func (Cure) Name() string         { return "cure" }
func (Ask) Name() string          { return "ask" }
func (Answer) Name() string       { return "answer" }
func (NarrowTo) Name() string     { return "narrow" }
func (Agree) Name() string        { return "agree" }
func (TakeBack) Name() string     { return "take_back" }
func (Objection) Name() string    { return "object" }
func (Refuse) Name() string       { return "refuse" }
func (Withdraw) Name() string     { return "withdraw" }
func (Propose) Name() string      { return "propose" }
func (SignScope) Name() string    { return "sign_scope" }
func (SendBack) Name() string     { return "send_back" }
func (Extract) Name() string      { return "extract" }
func (SignRelease) Name() string  { return "sign_release" }
func (Preserve) Name() string     { return "preserve" }
func (ExtendHold) Name() string   { return "extend_hold" }
func (ReleaseHold) Name() string  { return "release_hold" }
func (Admit) Name() string        { return "admit" }
func (Resume) Name() string       { return "resume" }
func (SetGag) Name() string       { return "set_gag" }
func (Overrule) Name() string     { return "overrule" }
func (FollowUp) Name() string     { return "follow_up" }
func (Fraud) Name() string        { return "fraud" }
func (Unfreeze) Name() string     { return "unfreeze" }
func (Assign) Name() string       { return "assign" }
func (Reissue) Name() string      { return "reissue" }
func (Close) Name() string        { return "close" }
func (Note) Name() string         { return "note" }
