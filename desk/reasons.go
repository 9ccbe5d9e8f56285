package desk

// Reason is one entry of the desk's one list of reasons: every no carries one. Codes are stable.
type Reason struct {
	Code   string
	Text   string // for the one who is told
	Rule   string // the rule it cites
	Refuse bool   // may stand as the reason of a final refusal, and is a line of the report
	Mend   bool   // may stand as a deficiency: the requester can mend it
}

var reasons = []Reason{
	// The request.
	{"request.wrong_identifier", "the identifier is not an account of this service", "published criteria: exact identifier", true, true},
	{"request.overbroad", "the request is overly broad", "published criteria: necessary and proportionate", true, true},
	{"request.no_legal_basis", "no valid legal basis is cited", "published criteria: legal basis", true, true},
	{"request.not_signed", "the paper is not signed or dated", "published criteria: date and signature", false, true},
	{"request.unreadable", "the document cannot be read", "published criteria: the instrument is attached", false, true},
	{"request.missing_document", "the instrument is not attached", "published criteria: the instrument is attached", false, true},
	{"request.gag_without_end", "the non-disclosure order names no end", "18 USC 2705(b); published criteria: every order has an end", false, true},
	{"request.manifest_error", "the paper contradicts itself or the law it cites", "published criteria: validity", true, true},
	{"request.needs_judicial_cooperation", "this needs judicial cooperation between States", "mutual legal assistance", true, false},
	{"request.insufficient_instrument", "this instrument does not reach what is asked", "policy table", true, true},
	{"request.identity", "who asks could not be confirmed", "registry: call-back on our own number", true, true},
	{"request.rights", "answering would harm the rights of the person or of others", "due diligence: political offence, persecution, essential interests", true, false},
	{"request.not_emergency", "no danger to life is shown", "18 USC 2702(c)(4)", true, true},
	{"request.no_connector", "this service has no connector: no production can be made here", "services of the provider", true, false},

	// The policy table.
	{"policy.no_row", "no rule reaches this: ask by mutual legal assistance", "policy table: default", true, false},
	{"policy.unchecked_row", "the rule's source has not been checked by counsel: it cannot release", "policy table: checked sources only", true, false},
	{"policy.lapsed_row", "the rule's review date has passed", "policy table: review date", false, false},
	{"policy.below_floor", "the category needs a stronger instrument", "policy table: least process of the category", true, true},
	{"policy.never", "credentials, keys and ciphertext are never produced", "product rule: never", true, false},
	{"policy.content", "no contents exist that this service can read", "product rule: no key to contents", true, false},
	{"policy.not_held", "the service does not keep this category", "record schedule", true, false},
	{"policy.retention", "older than what is kept", "record schedule: retention", false, false},
	{"policy.minimum_only", "an emergency reaches the minimum only", "policy table: emergency minimum", true, false},
	{"policy.callback", "an emergency needs a call-back that confirmed it", "policy table: emergency", true, true},
	{"policy.stored_only", "what is stored now is given, nothing of the future", "policy table: stored records only", false, false},
	{"policy.longest_window", "the window is longer than the rule allows", "policy table: longest window", false, false},
	{"policy.preserves_only", "a preservation request keeps and gives nothing", "18 USC 2703(f)", false, false},

	// Standing.
	{"standing.review_paused", "the review of requests of this kind is paused", "standing in force", false, false},
	{"standing.production_paused", "production on requests of this kind is paused", "standing in force", false, false},
	{"standing.refused", "requests of this kind are refused", "standing in force", true, false},
	{"standing.in_force", "the standing is still in force for this case", "standing: lifting takes a signed record", false, false},
	{"standing.no_exception", "the standing names no such exception", "standing: exceptions", false, false},

	// What is on offer.
	{"state.not_offered", "this is not on offer in the case's state", "table of states", false, false},
	{"state.role", "this is not for your role", "table of states", false, false},
	{"state.frozen", "the case is frozen since its agency was found to be abused", "fraud cascade", false, false},
	{"state.standby", "the desk opens when two people staff it", "two-person rule", false, false},
	{"extraction.fault", "the extraction failed and was thrown away", "extraction", false, false},
	{"state.erased", "the file was erased when its retention ended", "retention of case files", false, false},
	{"sign.same_person", "the second signature must be another person's", "two-person rule", false, false},
	{"sign.verifier", "in an emergency the one who made the call-back does not sign", "two-person rule: emergency", false, false},
	{"sign.own_request", "who entered the request does not sign its release", "two-person rule: no self-approval", false, false},
	{"sign.invalid", "the signature does not verify over this step", "signature: passkey assertion over the hash", false, false},
	{"sign.expired", "the proposal has expired: it has to be made anew", "two-person rule: a grant lives 30 days", false, false},
	{"sign.nothing", "nothing is proposed to sign", "table of states", false, false},
	{"sign.passkey", "this needs a passkey", "signature: passkey assertion over the hash", false, false},
	{"scope.wider", "the scope is wider than what was asked", "scope within the request", false, false},
	{"scope.not_allowed", "the rules do not allow this scope", "policy table", false, false},
	{"scope.empty", "nothing is left to release", "policy table", false, false},
	{"screen.flagged", "the human-rights lead has to clear the case first", "rights screening", false, false},
	{"screen.unknown_flag", "no such flag", "rights screening", false, false},
	{"auth.callback", "a call-back on the registry's number is needed", "registry: call-back", false, false},
	{"auth.suspended", "the agency, officer or member of staff is suspended or expired", "registry", false, false},
	{"auth.cooldown", "a new account has so many requests waiting that its first call-back has to come first", "registry: cool-down", false, false},
	{"notice.wait", "the person was told and may object until the date shown", "user notice: seven days before delivery", false, false},
	{"notice.missing", "the person has not been told and no order bars it", "user notice", false, false},
	{"notice.late", "it was delivered already, or is not decided yet", "user notice: objection", false, false},
	{"notice.objection", "the person objected: counsel decides first", "user notice: objection", false, false},
	{"emergency.follow_up", "legal process must follow an emergency; the case waits for it until its term", "emergency: follow-up within 72 hours", false, false},
	{"deadline.standstill", "nothing may be sent before the stand-still is over", "Regulation (EU) 2023/1543 Article 10(2)", false, false},
	{"delivery.used", "the package was downloaded: a link works once", "delivery: single use", false, false},
	{"delivery.expired", "the link has expired", "delivery: term", false, false},
	{"hold.none", "nothing is preserved", "18 USC 2703(f)", false, false},
	{"hold.extended", "a preservation is extended once", "18 USC 2703(f)(2): 90 days and one renewal of 90", false, false},
	{"hold.active", "it is preserved already", "18 USC 2703(f)", false, false},
	{"reason.unknown", "no such reason", "list of reasons", false, false},
	{"reason.missing", "a reason is needed", "list of reasons", false, false},
	{"text.missing", "a text is needed", "requests and answers are in writing", false, false},
	{"text.long", "the text is too long", "limits of one request", false, false},

	// Form.
	{"form.required", "this field is needed", "published criteria", false, true},
	{"form.unknown", "not one of the values allowed", "published criteria", false, true},
	{"form.too_many", "too many", "limits of one request", false, true},
	{"form.too_large", "too large", "limits of one request", false, true},
	{"form.not_pdf", "not a PDF document", "published criteria: documents are PDF", false, true},
	{"form.bad_identifier", "not an account name of the service", "published criteria: exact identifier", false, true},
	{"form.bad_time", "not a valid time or window", "published criteria: time window", false, true},
	{"form.foreign_agency", "officers file for their own agency", "registry", false, true},
}

var reasonByCode = func() map[string]Reason {
	m := make(map[string]Reason, len(reasons))
	for _, r := range reasons {
		m[r.Code] = r
	}
	return m
}()

// Reasons is the whole list.
func Reasons() []Reason { return append([]Reason(nil), reasons...) }

// ReasonOf is the entry of a code; an unknown code gives an entry with only the code.
func ReasonOf(code string) Reason {
	if r, ok := reasonByCode[code]; ok {
		return r
	}
	return Reason{Code: code}
}
