package desk

import (
	"context"
	"slices"

	"writ/desk/registry"
	"writ/store"
)

// told is the kinds of events that an officer sees of their case: what was said to them and by them, and where it stands.
var told = []Kind{EvReceived, EvPaused, EvResumed, EvAdmitted, EvReviewBegun, EvReturned, EvCured, EvAsked, EvAnswered, EvNarrowed, EvAgreed, EvObjected,
	EvTakenBack, EvRefused, EvWithdrawn, EvNothingHeld, EvDownloaded, EvReissued, EvPreserved, EvHoldExtended, EvHoldReleased, EvHoldEnded, EvFollowedUp, EvClosed}

// as is the case as an actor may see it. An officer sees what they asked, where it stands and what was said to them; no flags, no
// names of staff, nothing of the weighing, nothing about the person being told.
func (c Case) as(a Actor) Case {
	if !a.Officer() {
		return c
	}
	o := c
	o.Verifier, o.CallBack, o.Flags, o.Flagged, o.Cleared, o.SeenIn, o.Team, o.Fault = "", "", nil, false, false, nil, nil, ""
	o.Notice, o.Admission, o.FrozenBy, o.Frozen, o.Request.FiledBy = Notice{}, nil, "", false, ""
	o.Proposal = nil
	if c.Package != nil {
		p := *c.Package
		p.Signatures, p.Document, p.Hash = nil, "", [32]byte{}
		o.Package = &p
		if !c.Produced() {
			o.Package = nil
		}
	}
	o.Clocks = slices.DeleteFunc(slices.Clone(c.Clocks), func(k Clock) bool { return k.Name == "objection" || k.Name == "gag" })
	o.Documents = slices.DeleteFunc(slices.Clone(c.Documents), func(d Document) bool { return d.Kind != "filing" })
	o.Talk = nil
	for _, m := range c.Talk {
		if !slices.Contains(told, m.Kind) {
			continue
		}
		if m.By != a.Person {
			m.By = "desk"
		}
		o.Talk = append(o.Talk, m)
	}
	if c.State == Fraudulent {
		o.State, o.Talk = Closed, nil // no hint for a forger
	}
	return o
}

// open reads a case with its key and events, if the actor may see it. who is the actor with the roles of now.
func (d *Desk) open(ctx context.Context, by Actor, id string) (who Actor, c Case, k caseKey, es []Event, err error) {
	if who, err = d.actor(ctx, d.d.DB, by, d.d.Clock.Now()); err == nil {
		c, k, es, err = d.load(ctx, d.d.DB, id)
	}
	if err == nil && !c.sees(who) {
		err = ErrNotFound
	}
	if err != nil {
		return Actor{}, Case{}, caseKey{}, nil, err
	}
	return who, c, k, es, nil
}

// Case is one case as the actor may see it. ErrNotFound if it is unknown or not for them.
func (d *Desk) Case(ctx context.Context, by Actor, id string) (Case, error) {
	who, c, _, _, err := d.shown(ctx, by, id, "")
	if err != nil {
		return Case{}, err
	}
	return c.as(who), nil
}

// shown is open, and whoever of the staff is shown what it opens is written down first.
func (d *Desk) shown(ctx context.Context, by Actor, id, document string) (Actor, Case, caseKey, []Event, error) {
	who, c, k, es, err := d.open(ctx, by, id)
	if err == nil {
		err = d.look(ctx, who, id, document)
	}
	if err != nil {
		return Actor{}, Case{}, caseKey{}, nil, err
	}
	return who, c, k, es, nil
}

// Sees reports whether the actor may see a case. It shows nothing of it and writes nothing down.
func (d *Desk) Sees(ctx context.Context, by Actor, id string) bool {
	_, _, _, _, err := d.open(ctx, by, id)
	return err == nil
}

// Events is the file of a case as the actor may see it. An officer sees what concerns them, without names of staff.
func (d *Desk) Events(ctx context.Context, by Actor, id string) ([]Event, error) {
	who, _, _, es, err := d.shown(ctx, by, id, "")
	if err != nil || !who.Officer() {
		return es, err
	}
	var out []Event
	for _, e := range es {
		if !slices.Contains(told, e.Kind) {
			continue
		}
		if e.By != who.Person {
			e.By, e.Role = "desk", registry.System
		}
		if e.Detail != nil {
			e.Detail = &Detail{Request: e.Detail.Request, Text: e.Detail.Text, Scope: e.Detail.Scope, Documents: e.Detail.Documents, Statement: e.Detail.Statement}
		}
		e.Facts = Facts{Reasons: e.Facts.Reasons, Clocks: nil, Stage: e.Facts.Stage, Since: e.Facts.Since, Until: e.Facts.Until}
		out = append(out, e)
	}
	return out, nil
}

// Document is the plain body of a document of a case. An officer gets what was filed with it; packages leave by Download alone.
// Pages must not render what comes in: it is handed over as a file.
func (d *Desk) Document(ctx context.Context, by Actor, id, document string) (Document, []byte, error) {
	_, c, k, _, err := d.shown(ctx, by, id, document)
	if err != nil {
		return Document{}, nil, err
	}
	for _, doc := range c.Documents {
		if doc.ID == document && doc.Kind == "filing" {
			b, err := readDocument(ctx, d.d.DB, id, k, document)
			return doc, b, err
		}
	}
	return Document{}, nil, ErrNotFound
}

// Offer is one action that is on offer.
type Offer struct {
	Command string
	Title   string
	Two     bool     // two people sign
	Sign    bool     // needs a passkey assertion over Hash
	Hash    [32]byte // what is signed
	Choice  string   // admit: the exception that Hash is for
	Blocked string   // reason code: it is in the table, and this bars it now; pages show it with the reason and do not offer it
}

var titles = map[string]string{
	"authenticate": "Confirm who asks", "screen": "Note the rights screening", "clear": "Clear for review", "begin_review": "Begin the review", "admit": "Admit under an exception",
	"resume": "Resume", "return": "Send back for a fault", "cure": "Mend the fault", "ask": "Ask a question", "answer": "Answer", "narrow": "Propose a smaller scope",
	"agree": "Agree to the smaller scope", "object": "Raise an objection", "take_back": "Take back", "refuse": "Refuse", "withdraw": "Withdraw", "propose": "Propose the scope",
	"sign_scope": "Sign the scope", "send_back": "Send the proposal back", "extract": "Extract", "sign_release": "Sign the release", "download": "Download the package",
	"reissue": "Open the download again", "overrule": "Overrule the person's objection", "set_gag": "Record a non-disclosure order", "close": "Close", "preserve": "Preserve what is held",
	"extend_hold": "Extend the preservation", "release_hold": "End the preservation", "follow_up": "Attach the legal process that follows", "fraud": "Find it to be forged",
	"unfreeze": "Unfreeze", "assign": "Add to the team", "note": "Add a note",
}

// Actions says what is on offer to the actor on this case, now. Pages and API show only these; Do asks the same questions again in
// its transaction. The case is read anew: what the caller holds may be old.
func (d *Desk) Actions(ctx context.Context, by Actor, id string) ([]Offer, error) {
	who, c, _, _, err := d.open(ctx, by, id)
	if err != nil {
		return nil, err
	}
	return d.offers(ctx, d.d.DB, c, who)
}

func (d *Desk) offers(ctx context.Context, r store.Reader, c Case, who Actor) ([]Offer, error) {
	now := d.d.Clock.Now()
	m, _, err := lookup(ctx, r, c, now)
	if err != nil {
		return nil, err
	}
	var out []Offer
	for _, row := range table {
		if !slices.Contains(row.From, c.State) || !row.open(who) || titles[row.Command] == "" {
			continue
		}
		code := bars(c, who, row.Command, now, m)
		if code == "state.not_offered" || code == "state.role" {
			continue
		}
		o := Offer{Command: row.Command, Title: titles[row.Command], Two: len(row.Second) > 0, Blocked: code}
		switch row.Command {
		case "sign_scope":
			if c.Proposal != nil {
				o.Sign, o.Hash = true, c.Proposal.Hash
			}
		case "sign_release":
			if c.Package != nil {
				o.Sign, o.Hash = true, c.Package.Hash
			}
		case "admit":
			if e, ok := m.Record.Exception("", c.subject()); ok {
				with := c
				with.Pauses = []Pause{{Standing: m.Record.ID}}
				o.Sign, o.Choice, o.Hash = true, e.ID, with.AdmitHash(e.ID)
			}
		}
		out = append(out, o)
	}
	return out, nil
}
