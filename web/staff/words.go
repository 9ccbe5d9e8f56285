package staff

import (
	"fmt"
	"slices"
	"strings"

	"writ/desk"
	"writ/desk/deadline"
	"writ/desk/diligence"
	"writ/desk/registry"
	"writ/desk/standing"
	"writ/report"
	"writ/web/ui"
)

// notFound are the errors by which a room says that there is no such thing, or none for this reader.
var notFound = []error{desk.ErrNotFound, registry.ErrNotFound, standing.ErrNotFound, diligence.ErrNotFound, report.ErrNone}

// commandNames are the names of the table's commands: a refusal that is only about one of them says nothing more by it.
var commandNames = func() []string {
	var out []string
	for _, row := range desk.Table() {
		if !slices.Contains(out, row.Command) {
			out = append(out, row.Command)
		}
	}
	return out
}()

// happened says what each step did, for the page after it.
var happened = map[string]string{
	"file": "The request is received, logged and counted.", "authenticate": "Who asks is confirmed.", "called": "The call is recorded. It did not confirm who asks, so the case waits.",
	"screen": "The screening is noted.", "clear": "The case is cleared for review.", "begin_review": "The review has begun.", "admit": "Your signature on the exception is kept.",
	"resume": "The case goes on.", "return": "The request is sent back; the requester is told why.", "cure": "The fault is mended.", "ask": "The question is put.",
	"answer": "The answer is kept.", "narrow": "The smaller scope is proposed. The original request is kept.", "agree": "The smaller scope is agreed.", "object": "The objection is raised.",
	"take_back": "It is taken back; the review goes on.", "refuse": "The request is refused; the requester is told why.", "withdraw": "The request is withdrawn.",
	"propose": "The scope is proposed. Two people sign it now.", "sign_scope": "Your signature on the scope is kept.", "send_back": "The proposal is sent back.",
	"extract": "The extraction has begun. Load the page again in a moment.", "sign_release": "Your signature on the package is kept.", "reissue": "The download is open once more.",
	"overrule": "The objection is overruled.", "set_gag": "The order is recorded.", "close": "The case is closed.", "preserve": "What is held is preserved.",
	"extend_hold": "The preservation is extended.", "release_hold": "The preservation has ended.", "follow_up": "The legal process is attached.",
	"fraud":    "The request is found to be forged: its agency is suspended, and the agency's open cases are frozen.",
	"unfreeze": "The case is released from the freeze.", "assign": "The person is on the case's team.", "note": "The note is kept.",

	"added": "Added.", "changed": "The change is kept.", "suspended": "Suspended.", "reinstated": "Reinstated.", "renewed": "The account has another term.", "call": "The call is recorded.",
	"proposed": "The change of roles is proposed. Another person confirms it.", "confirmed": "The roles are confirmed.", "signed": "Your signature is kept.", "drafted": "The draft is kept. It takes effect when all have signed.",
	"discarded": "The draft is dropped.", "written": "The version is kept. It takes effect when all have signed.", "closed": "The period is closed.", "published": "The report is published.",
	"corrected": "The period is corrected: a new version is published when the log holds it.",
}

// kinds names the events of a case's file.
var kinds = map[desk.Kind]string{
	desk.EvReceived: "Received", desk.EvAuthenticated: "Who asks was confirmed", desk.EvScreened: "Rights screening noted", desk.EvCleared: "Cleared by the human-rights lead",
	desk.EvReviewBegun: "Review begun", desk.EvPaused: "Paused by a standing", desk.EvAdmitted: "Signed to admit under an exception", desk.EvResumed: "Resumed",
	desk.EvReturned: "Sent back for a fault", desk.EvCured: "Fault mended", desk.EvAsked: "Question put", desk.EvAnswered: "Answered", desk.EvNarrowed: "Smaller scope proposed",
	desk.EvAgreed: "Smaller scope agreed", desk.EvObjected: "Objection raised", desk.EvTakenBack: "Taken back", desk.EvRefused: "Refused", desk.EvWithdrawn: "Withdrawn",
	desk.EvProposed: "Scope proposed", desk.EvScopeSigned: "Scope signed", desk.EvSentBack: "Proposal sent back", desk.EvExtracting: "Extraction begun", desk.EvPackaged: "Package made",
	desk.EvNothingHeld: "No records held", desk.EvExtractionFailed: "Extraction failed; what it had made was thrown away", desk.EvReleaseSigned: "Release signed", desk.EvDownloaded: "Package downloaded",
	desk.EvReissued: "Download opened once more", desk.EvWarnQueued: "Notice to the person written", desk.EvWarned: "Person told before delivery", desk.EvUserObjected: "The person objected",
	desk.EvOverruled: "The person's objection was overruled", desk.EvNotified: "Person told", desk.EvNoticeDue: "Notice to the person falls due", desk.EvGagSet: "Order not to tell recorded or lifted",
	desk.EvClosed: "Closed", desk.EvPreserved: "Preserved", desk.EvHoldExtended: "Preservation extended", desk.EvHoldReleased: "Preservation ended early", desk.EvHoldEnded: "Preservation ended",
	desk.EvFollowedUp: "Legal process attached", desk.EvFraud: "Found to be forged", desk.EvFrozen: "Frozen: the agency was found to be abused", desk.EvUnfrozen: "Released from the freeze",
	desk.EvAssigned: "Added to the team", desk.EvNoted: "Note",
}

// clockNames are the clocks in plain words.
var clockNames = map[string]string{deadline.AnswerBy: "Answer", deadline.Hold: "Not before", deadline.FollowUp: "Legal process after the emergency", deadline.Preservation: "Preservation ends",
	deadline.Gag: "Order not to tell ends", deadline.Objection: "The person may object until", deadline.Link: "Download ends"}

// about says what each step does, where its title does not say all.
var about = map[string]string{
	"authenticate": "Call the agency on one of the registry's own numbers, never on one that stands in the request.",
	"screen":       "Nothing is refused by a flag: any flag brings the case to the human-rights lead. The requester is never shown one.",
	"clear":        "As human-rights lead you have read the case, and it may be reviewed.",
	"narrow":       "The requester can agree to it. What was asked first is kept.",
	"refuse":       "This is the final no. It is counted in the report under its first reason.",
	"withdraw":     "At the requester's wish, for a request that came by mail or post. What the case made ends with it.",
	"propose":      "What lies within what was asked and what the rules allow. Two people then sign exactly this.",
	"send_back":    "The proposal or package is thrown away, with its signatures.",
	"extract":      "The records that the signed scope names are taken out and packed. Nothing leaves the house yet.",
	"preserve":     "What is held of the accounts now is kept from deletion until the preservation ends. Nothing is given.",
	"extend_hold":  "Once, at the requester's renewed request.",
	"set_gag":      "Leave the issuer empty to note that the order was lifted.",
	"overrule":     "The person was told, and objected. Say why the delivery may still go on.",
	"fraud":        "The agency is suspended with all its officers, and its open cases are frozen. This cannot be undone.",
	"unfreeze":     "After the agency was confirmed anew by a call to its own number.",
	"assign":       "The case is sealed: only counsel and its team see it.",
	"reissue":      "After a failed or missed download. The old link stays closed.",
	"resume":       "The standing that held it was lifted.",
	"close":        "The person was told and nothing more is due.",
	"note":         "For the staff. The requester does not see it.",
	"ask":          "The requester is told and answers in the portal, or you enter the answer.",
	"return":       "For faults that the requester can mend.",
	"object":       "The requester answers. The request is neither refused nor granted until then.",
}

// dangerous are the steps that cannot be taken back.
var dangerous = []string{"refuse", "fraud", "withdraw", "release_hold", "send_back"}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// period is a window in words.
func period(s desk.Scope) string {
	from, to := "as far back as held", "now"
	if s.From.Year() > 1990 {
		from = ui.Stamp(s.From)
	}
	if !s.To.IsZero() {
		to = ui.Stamp(s.To)
	}
	return from + " to " + to
}

func titles(s desk.Scope) string {
	var out []string
	for _, c := range s.Categories {
		out = append(out, c.Info().Title)
	}
	return strings.Join(out, ", ")
}

// pageDone takes what happened from the address.
func pageDone(code string) string { return happened[code] }
