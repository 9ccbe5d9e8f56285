package desk

import (
	"crypto/sha256"
	"slices"
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
	Clocks   []Clock
	Pauses   []Pause // the standings that met it, newest last

	Called    bool   // a call-back confirmed who asks
	Verifier  string // who made the call-back
	CallBack  string
	Flagged   bool     // the screening routed it to the human-rights lead
	Flags     []string // never shown to the officer
	Cleared   bool
	SeenIn    []string // other cases with the same document: a sign of forgery
	Agreed    *Scope   // smaller scope that the officer agreed to
	Offered   *Scope   // smaller scope proposed
	Reasons   []string // of the last deficiency, objection or refusal
	Proposal  *Proposal
	Package   *Package
	Admission *Admission // signatures towards an exception
	Hold      *Preserved
	Gag       *Gag
	Notice    Notice
	Frozen    bool
	FrozenBy  string // number of the case whose verdict froze it
	Fault     string // why the last extraction failed
	Team      []string
	Effect    time.Time // when it was given effect: delivered, refused, no records, preserved
	Ended     time.Time
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

// Scope is what may be extracted: a part of what was asked.
type Scope struct {
	Identifiers []string
	Categories  []law.Category
	From, To    time.Time
}

// within reports whether s asks for nothing that o does not.
func (s Scope) within(o Scope) bool {
	for _, i := range s.Identifiers {
		if !slices.Contains(o.Identifiers, i) {
			return false
		}
	}
	for _, c := range s.Categories {
		if !slices.Contains(o.Categories, c) {
			return false
		}
	}
	from := o.From.IsZero() || !s.From.IsZero() && !s.From.Before(o.From)
	to := o.To.IsZero() || !s.To.IsZero() && !s.To.After(o.To)
	return from && to
}

// Pause is a standing that met the case.
type Pause struct {
	Standing  string
	Stage     string
	Since     time.Time // when the standing came into force
	At        time.Time // when it met the case
	Statement string
	Exception string // id of the exception that names this kind of request
	Over      time.Time
}

// Admission is the way of one case through an exception.
type Admission struct {
	Standing, Exception string
	Signatures          []Signature
	Done                bool
}

// Proposal is the scope that two people sign.
type Proposal struct {
	Grant      string // id of the grant in records
	Hash       [32]byte
	Scope      Scope
	Decision   policy.Decision
	By         string
	At         time.Time
	Expires    time.Time
	Signatures []Signature
}

// Package is what the extraction made.
type Package struct {
	Document   string // id of the sealed package
	Name       string
	Hash       [32]byte // SHA-256 of the manifest: what is signed
	Size       int64
	Records    map[string]int64 // per category
	Signatures []Signature
	Expires    time.Time
	Downloaded time.Time // zero: the link is open
	Downloads  int
}

// Signature says who signed a step.
type Signature struct {
	Person    string
	Role      Role
	At        time.Time
	assertion []byte
}

// Preserved is a preservation.
type Preserved struct {
	Holds       []string // ids in records
	From, Until time.Time
	Extended    bool
	Ended       time.Time
	Why         string // expired or released
}

// Gag is an order not to tell the person.
type Gag struct {
	Issuer, Scope string
	Until         time.Time // zero: the paper names no end
}

// Defect reports whether the order names no end: counsel must get one.
func (g *Gag) Defect() bool { return g != nil && g.Until.IsZero() }

// In reports whether the order is in force.
func (g *Gag) In(now time.Time) bool { return g != nil && (g.Until.IsZero() || now.Before(g.Until)) }

// Notice is how the person was told.
type Notice struct {
	Queued    time.Time // the message before delivery was written
	Warned    time.Time // and sent
	NotBefore time.Time // delivery waits until then
	Told      time.Time
	Objected  time.Time
	Objection string
	Overruled bool
}

// Message is one line of the talk between desk and requester.
type Message struct {
	At      time.Time
	By      string
	Kind    Kind
	Reasons []string
	Text    string
}

// Document is a document of the case.
type Document struct {
	ID, Name string
	Kind     string // filing, package
	Size     int64
	SHA256   [32]byte
}

// Emergency reports whether the case is an emergency.
func (c Case) Emergency() bool { return c.Request.Instrument == law.Emergency }

// Paused is the pause that holds or will hold the case, nil if none does.
func (c Case) Paused() *Pause {
	if n := len(c.Pauses); n > 0 && c.Pauses[n-1].Over.IsZero() {
		return &c.Pauses[n-1]
	}
	return nil
}

// Scope is what the case is about now: what was asked, or the smaller scope agreed to.
func (c Case) Scope() Scope {
	if c.Agreed != nil {
		return *c.Agreed
	}
	return c.Request.Asked
}

// Clock gives the running term of a name.
func (c Case) Clock(name string) (Clock, bool) {
	for _, k := range c.Clocks {
		if k.Name == name {
			return k, true
		}
	}
	return Clock{}, false
}

// setClock puts a term in place of the one of the same name; a zero Due removes it.
func (c *Case) setClock(k Clock) {
	c.Clocks = slices.DeleteFunc(slices.Clone(c.Clocks), func(o Clock) bool { return o.Name == k.Name })
	if !k.Due.IsZero() {
		c.Clocks = append(c.Clocks, k)
	}
}

// Runs reports whether a term of the case still matters.
func (c Case) Runs(k Clock) bool {
	switch k.Name {
	case deadline.AnswerBy, deadline.Hold:
		return c.Effect.IsZero() && !c.State.Ended()
	case deadline.FollowUp:
		return c.FollowUp.IsZero()
	case deadline.Preservation:
		return c.Hold != nil && c.Hold.Ended.IsZero()
	case deadline.Gag:
		return c.Notice.Told.IsZero() && !c.State.Ended()
	case deadline.Objection:
		return slices.Contains(producing, c.State)
	case deadline.Link:
		return false // nobody is late with it
	}
	return true
}

// NextDue is the nearest running term that someone can be late with; zero: none.
func (c Case) NextDue() time.Time {
	var due time.Time
	for _, k := range c.Clocks {
		if k.Name == deadline.Gag && !c.Gag.Defect() {
			continue // it ends by itself, nobody is late with it
		}
		if c.Runs(k) && !k.NotBefore && k.Name != deadline.Objection && (due.IsZero() || k.Due.Before(due)) {
			due = k.Due
		}
	}
	return due
}

// Wake is when the clockwork has to look at the case next; zero: never.
func (c Case) Wake() time.Time {
	var at time.Time
	soonest := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	if c.State == Extracting {
		soonest(c.Received) // at once
	}
	if c.Hold != nil && c.Hold.Ended.IsZero() {
		soonest(c.Hold.Until)
	}
	if c.State == Delivered && c.Gag != nil {
		soonest(c.Gag.Until)
	}
	if slices.Contains(producing, c.State) && c.Notice.Queued.IsZero() && c.Gag != nil && !c.Emergency() {
		soonest(c.Gag.Until)
	}
	return at
}

// AdmitHash is what counsel and the human-rights lead sign to admit the case under an exception of the standing that holds it.
func (c Case) AdmitHash(exception string) [32]byte {
	var standing string
	if p := c.Paused(); p != nil {
		standing = p.Standing
	}
	return sha256.Sum256([]byte("writ admission 1\n" + c.ID + "\n" + standing + "\n" + exception + "\n"))
}

// Produced reports whether some data was delivered.
func (c Case) Produced() bool {
	return slices.Contains(handed, c.State) || c.State == Closed && c.Package != nil && !c.Effect.IsZero()
}

// Shut reports whether the line is over for the report: nothing will be delivered any more.
func (c Case) Shut() bool { return c.State.Ended() || slices.Contains(handed, c.State) }
