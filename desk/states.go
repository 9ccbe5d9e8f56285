package desk

import (
	"slices"

	"writ/desk/registry"
)

// State is where a case stands.
type State string

// The states of the line, then the ends.
const (
	Received       State = "received"
	Authenticated  State = "authenticated"
	Screened       State = "screened"
	Standstill     State = "standstill"
	UnderReview    State = "under_review"
	Deficient      State = "deficient"
	Clarification  State = "clarification"
	Narrowed       State = "narrowed"
	Objected       State = "objected"
	Approved       State = "approved"
	Extracting     State = "extracting"
	SecondApproval State = "second_approval"
	Delivered      State = "delivered"
	NoticeDue      State = "notice_due"
	Notified       State = "notified"
	Closed         State = "closed"

	Refused    State = "refused"
	Withdrawn  State = "withdrawn"
	NoRecords  State = "no_records"
	Fraudulent State = "fraud"
)

const (
	filed State = ""  // before the first event
	same  State = "=" // the command leaves the state as it is
	back  State = "<" // to where the case stood before the stand-still
)

// States is every state in the order of the line.
func States() []State {
	return []State{Received, Authenticated, Screened, Standstill, UnderReview, Deficient, Clarification, Narrowed, Objected,
		Approved, Extracting, SecondApproval, Delivered, NoticeDue, Notified, Closed, Refused, Withdrawn, NoRecords, Fraudulent}
}

// Title is the state's name in plain English.
func (s State) Title() string {
	switch s {
	case Standstill:
		return "Paused"
	case UnderReview:
		return "Under review"
	case Deficient:
		return "Sent back for a fault"
	case Clarification:
		return "Question put"
	case Narrowed:
		return "Smaller scope proposed"
	case Objected:
		return "Objection raised"
	case SecondApproval:
		return "Awaiting second approval"
	case NoticeDue:
		return "Notice due"
	case NoRecords:
		return "No records held"
	case Fraudulent:
		return "Found to be forged"
	case "":
		return ""
	}
	return string(s[0]-'a'+'A') + string(s[1:])
}

// Open reports whether something can still be given out: the case has neither ended nor delivered.
func (s State) Open() bool { return slices.Contains(openStates, s) }

// Ended reports whether the case has ended.
func (s State) Ended() bool {
	return s == Closed || s == Refused || s == Withdrawn || s == NoRecords || s == Fraudulent
}

// Row is one line of the table: in these states this command, by one of these roles, leads there and is logged as.
type Row struct {
	From    []State
	Command string
	To      State // same, back, or a state
	Who     []Role
	Second  []Role // not empty: two distinct people sign, one of Who and one of Second, in any order; To is reached by the second
	Logged  Kind
}

var (
	officer = []Role{registry.Officer}
	system  = []Role{registry.System}
	intakes = []Role{registry.Intake, registry.Reviewer}
	review  = []Role{registry.Reviewer}
	approve = []Role{registry.Approver}
	counsel = []Role{registry.Counsel}
	rights  = []Role{registry.Rights}
	lawyers = []Role{registry.Reviewer, registry.Counsel}
	anyone  = []Role{registry.Intake, registry.Reviewer, registry.Approver, registry.Counsel, registry.Rights, registry.Executive}
	asker   = []Role{registry.Officer, registry.Intake}

	early      = []State{Received, Authenticated, Screened}
	inReview   = []State{UnderReview, Deficient, Clarification, Narrowed, Objected}
	producing  = []State{Approved, Extracting, SecondApproval}
	openStates = join(early, []State{Standstill}, inReview, producing)
	handed     = []State{Delivered, NoticeDue, Notified}
)

func join(s ...[]State) []State { return slices.Concat(s...) }

// table is the desk's law of motion. What is not in it cannot happen.
var table = []Row{
	{[]State{filed}, "file", Received, asker, nil, EvReceived},
	{[]State{Received}, "authenticate", Authenticated, intakes, nil, EvAuthenticated},
	{[]State{Authenticated}, "screen", Screened, intakes, nil, EvScreened},
	{[]State{Screened}, "clear", same, rights, nil, EvCleared},
	{[]State{Screened}, "begin_review", UnderReview, review, nil, EvReviewBegun},

	// A pause and its end.
	{join(early, inReview, producing), "pause", Standstill, system, nil, EvPaused},
	{[]State{Standstill}, "admit", back, counsel, rights, EvAdmitted},
	{[]State{Standstill}, "resume", back, lawyers, nil, EvResumed},

	// The talk with the requester.
	{[]State{UnderReview}, "return", Deficient, lawyers, nil, EvReturned},
	{[]State{Deficient}, "cure", UnderReview, asker, nil, EvCured},
	{[]State{UnderReview}, "ask", Clarification, lawyers, nil, EvAsked},
	{[]State{Clarification}, "answer", UnderReview, asker, nil, EvAnswered},
	{[]State{UnderReview}, "narrow", Narrowed, lawyers, nil, EvNarrowed},
	{[]State{Narrowed}, "agree", UnderReview, asker, nil, EvAgreed},
	{[]State{UnderReview}, "object", Objected, counsel, nil, EvObjected},
	{[]State{Objected}, "answer", UnderReview, asker, nil, EvAnswered},
	{[]State{Narrowed}, "take_back", UnderReview, lawyers, nil, EvTakenBack},
	{[]State{Objected, Deficient, Clarification}, "take_back", UnderReview, lawyers, nil, EvTakenBack},
	{join(early, inReview), "refuse", Refused, lawyers, nil, EvRefused},
	{[]State{Received}, "refuse_by_standing", Refused, system, nil, EvRefused},
	{openStates, "withdraw", Withdrawn, asker, nil, EvWithdrawn},

	// Release: two people sign the scope, two people sign the package.
	{[]State{UnderReview}, "propose", same, review, nil, EvProposed},
	{[]State{UnderReview}, "sign_scope", Approved, review, approve, EvScopeSigned},
	{[]State{UnderReview, Approved, SecondApproval}, "send_back", UnderReview, []Role{registry.Reviewer, registry.Approver, registry.Counsel}, nil, EvSentBack},
	{[]State{Approved}, "extract", Extracting, []Role{registry.Reviewer, registry.Approver}, nil, EvExtracting},
	{[]State{Extracting}, "packaged", SecondApproval, system, nil, EvPackaged},
	{[]State{Extracting}, "nothing_held", NoRecords, system, nil, EvNothingHeld},
	{[]State{Extracting}, "extraction_failed", Approved, system, nil, EvExtractionFailed},
	{[]State{SecondApproval}, "sign_release", Delivered, review, approve, EvReleaseSigned},
	{join(handed, []State{Closed}), "download", same, officer, nil, EvDownloaded},
	{join(handed, []State{Closed}), "reissue", same, review, nil, EvReissued},

	// Telling the person.
	{producing, "queue_warning", same, system, nil, EvWarnQueued},
	{join(producing, []State{Standstill}), "warn", same, system, nil, EvWarned},
	{join(producing, []State{Standstill}), "user_objects", same, system, nil, EvUserObjected},
	{producing, "overrule", same, counsel, nil, EvOverruled},
	{[]State{Delivered}, "told_before", Notified, system, nil, EvNotified},
	{[]State{Delivered}, "notice_falls_due", NoticeDue, system, nil, EvNoticeDue},
	{[]State{NoticeDue}, "notice_sent", Notified, system, nil, EvNotified},
	{join(openStates, handed), "set_gag", same, counsel, nil, EvGagSet},
	{[]State{Notified}, "close", Closed, intakes, nil, EvClosed},

	// Preservation: an object of its own on the case, with its own clock.
	{[]State{UnderReview}, "preserve", same, review, nil, EvPreserved}, // a request to preserve and no more closes at once: "preserved"
	{[]State{UnderReview}, "preserved", Closed, system, nil, EvClosed},
	{join(openStates, handed, []State{Closed}), "extend_hold", same, intakes, nil, EvHoldExtended},
	{join(openStates, handed, []State{Closed}), "release_hold", same, lawyers, nil, EvHoldReleased},
	{States(), "hold_ends", same, system, nil, EvHoldEnded},

	// Emergencies, fraud, the file itself.
	{join(handed, []State{Closed, NoRecords}), "follow_up", same, asker, nil, EvFollowedUp},
	{join(openStates, handed, []State{Closed}), "fraud", Fraudulent, counsel, nil, EvFraud},
	{openStates, "freeze", same, system, nil, EvFrozen},
	{openStates, "unfreeze", same, counsel, nil, EvUnfrozen},
	{States(), "assign", same, counsel, nil, EvAssigned},
	{States(), "note", same, anyone, nil, EvNoted},
}

// Table is a copy of the table of states, for pages that explain and tests that check it.
func Table() []Row { return slices.Clone(table) }
