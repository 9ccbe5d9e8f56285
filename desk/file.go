package desk

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"writ/desk/deadline"
	"writ/desk/intake"
	"writ/desk/law"
	"writ/desk/registry"
	"writ/desk/standing"
	"writ/store"
	"writ/tlog"
	"writ/tlog/verify"
)

// Receipt is what the one who files gets, at once.
type Receipt struct {
	Case       string // the case's number
	Received   time.Time
	State      State
	Answer     string // what happens now, in plain English; under a pause: since when, and the statement
	Commitment [32]byte
	Promise    []byte // signed note of the log: the commitment, and by when it will be in
	File       verify.Receipt
	Clocks     []Clock
}

// File takes in a request: form, standing, clocks, log and receipt in one transaction. A fault of form is an
// intake.FieldErrors; an actor who may not file gets a *Refusal.
func (d *Desk) File(ctx context.Context, by Actor, f Filing) (Receipt, error) {
	var r Receipt
	err := d.write(ctx, func(tx *store.Tx) error {
		var err error
		r, err = d.file(ctx, tx, by, f)
		return err
	})
	var fault intake.FieldErrors
	if !errors.As(err, &fault) {
		d.note(by, r.Case, "file", err)
	}
	if err != nil {
		return Receipt{}, err
	}
	d.wake()
	return r, nil
}

// Check says what is wrong with the form of a filing; File asks the same, and who files it for whom. It changes nothing.
func (d *Desk) Check(f Filing) error {
	_, err := intake.Check(f, d.intakeServices(), d.d.Clock.Now().UTC())
	return err
}

func (d *Desk) file(ctx context.Context, tx *store.Tx, by Actor, f Filing) (Receipt, error) {
	now := d.d.Clock.Now().UTC().Truncate(time.Microsecond)
	who, err := d.actor(ctx, tx, by, now)
	if err != nil {
		return Receipt{}, err
	}
	row := find(filed, "file")
	if !row.open(who) {
		return Receipt{}, refuse("state.role", "file")
	}
	if err := d.staffed(ctx, tx, now); err != nil {
		return Receipt{}, err
	}
	if f, err = d.party(ctx, tx, who, f, now); err != nil {
		return Receipt{}, err
	}
	if f, err = intake.Check(f, d.intakeServices(), now); err != nil {
		return Receipt{}, err
	}
	t := &turn{ctx: ctx, d: d, tx: tx, now: now, who: who, key: newCaseKey(), c: Case{ID: newNumber()}}
	if _, err := tx.Exec(ctx, `INSERT INTO desk_key (case_id, wrapped) VALUES ($1, $2)`, t.c.ID, d.wrap(t.c.ID, t.key)); err != nil {
		return Receipt{}, fmt.Errorf("desk: keeping a key: %w", err)
	}
	if err := t.receive(row, f); err != nil {
		return Receipt{}, err
	}
	if err := t.end(); err != nil {
		return Receipt{}, err
	}
	es, err := events(ctx, tx, t.c.ID, nil)
	if err != nil {
		return Receipt{}, err
	}
	return t.receipt(es[0])
}

// staffed refuses while no two people could make a release.
func (d *Desk) staffed(ctx context.Context, r store.Reader, now time.Time) error {
	reviewers, approvers, either, err := registry.CountStaffed(ctx, r, now)
	if err != nil {
		return err
	}
	if reviewers < 1 || approvers < 1 || either < 2 {
		return refuse("state.standby", "")
	}
	return nil
}

// Staffed reports whether the desk is open: a reviewer and an approver who are two people.
func (d *Desk) Staffed(ctx context.Context) (bool, error) {
	err := d.staffed(ctx, d.d.DB, d.d.Clock.Now())
	var r *Refusal
	if errors.As(err, &r) {
		return false, nil
	}
	return err == nil, err
}

// party settles for which agency and officer a request is filed, and from which jurisdiction.
func (d *Desk) party(ctx context.Context, tx *store.Tx, who Actor, f Filing, now time.Time) (Filing, error) {
	fault := func(field, given, allowed, code string) error {
		return intake.FieldErrors{{Field: field, Given: given, Allowed: allowed, Code: code}}
	}
	if who.Officer() {
		if f.Agency != "" && f.Agency != who.Agency || f.Officer != "" && f.Officer != who.Person {
			return f, fault("agency", f.Agency, who.Agency, "form.foreign_agency")
		}
		f.Agency, f.Officer = who.Agency, who.Person
		if f.Channel == "" || f.Channel == intake.Mail || f.Channel == intake.Post {
			f.Channel = intake.Portal
		}
	}
	a, err := registry.GetAgency(ctx, tx, f.Agency)
	if errors.Is(err, registry.ErrNotFound) {
		return f, fault("agency", f.Agency, "an agency of the registry", "form.unknown")
	}
	if err != nil {
		return f, err
	}
	p, err := registry.GetPerson(ctx, tx, f.Officer)
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		return f, err
	}
	if err != nil || p.Agency != a.ID {
		return f, fault("officer", f.Officer, "an officer of "+a.Name, "form.unknown")
	}
	if !p.Active(now) || !a.Suspended.IsZero() {
		return f, refuse("auth.suspended", p.ID)
	}
	if p.Verified.IsZero() { // a new account that nobody has called back floods no queue
		var waiting int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM desk_case WHERE officer = $1 AND open = 1`, p.ID).Scan(&waiting); err != nil {
			return f, fmt.Errorf("desk: counting an officer's cases: %w", err)
		}
		if waiting >= registry.CoolDown {
			return f, refuse("auth.cooldown", fmt.Sprintf("%d requests wait", waiting))
		}
	}
	if f.Jurisdiction == "" {
		f.Jurisdiction = a.Jurisdiction
	}
	if j, ok := law.Jurisdiction(f.Jurisdiction); ok && !law.Within(j, a.Jurisdiction) && !law.Within(a.Jurisdiction, j) {
		return f, fault("jurisdiction", f.Jurisdiction, a.Jurisdiction+", the agency's", "form.unknown")
	}
	return f, nil
}

// receive writes the first event: what was asked, by whom, under which standing, with which clocks.
func (t *turn) receive(row *Row, f Filing) error {
	docs, seen, err := t.keep(f.Documents)
	if err != nil {
		return err
	}
	served := f.Served
	facts := Facts{Channel: f.Channel, Service: f.Service, Agency: f.Agency, Officer: f.Officer, Instrument: f.Instrument, Jurisdiction: f.Jurisdiction,
		Accounts: len(f.Identifiers), Served: &served, Sealed: f.Sealed || f.Instrument.Secret()}
	df := deadline.Facts{Instrument: f.Instrument, Jurisdiction: f.Jurisdiction, Served: f.Served, Respond: f.Respond}
	x := Detail{Documents: docs, SeenIn: seen, Request: &Request{LegalBasis: f.LegalBasis, Reference: f.Reference, Authority: f.Authority, Signed: f.Signed,
		Respond: f.Respond, Supervisor: f.Supervisor, Facts: f.Facts, Offence: f.Offence,
		Asked: Scope{Identifiers: f.Identifiers, Categories: f.Categories, From: f.From, To: f.To}}}
	if f.Gag != nil {
		facts.Gagged, df.Gagged, df.GagUntil = true, true, f.Gag.Until
		if !f.Gag.Until.IsZero() {
			until := f.Gag.Until
			facts.GagUntil = &until
		}
		x.Gag = &Gag{Issuer: f.Gag.Issuer, Scope: f.Gag.Scope}
	}
	facts.Clocks = deadline.Of(df, t.d.d.Calendar)
	m, _, err := standing.Lookup(t.ctx, t.tx, standing.Subject{Case: t.c.ID, Jurisdiction: f.Jurisdiction, Service: f.Service, Agency: f.Agency,
		Instrument: string(f.Instrument), Received: t.now}, t.now)
	if err != nil {
		return err
	}
	if m.Binds() {
		since := m.Record.Since()
		facts.Standing, facts.Stage, facts.Since, x.Statement = m.Record.ID, string(m.Record.Stage), &since, m.Record.Statement
		if e, ok := m.Record.Exception("", standing.Subject{Instrument: string(f.Instrument)}); ok {
			facts.Exception = e.ID
		}
	}
	return t.add(row, row.role(t.who), true, facts, &x)
}

// receipt is what the first event promises.
func (t *turn) receipt(first Event) (Receipt, error) {
	sum := verify.Commit(t.key.salt(first.Seq), first.canonical())
	e, err := t.d.d.Tlog.Entry(t.ctx, t.tx, sum)
	if err != nil {
		return Receipt{}, fmt.Errorf("desk: giving a receipt: %w", err)
	}
	promise, err := t.d.d.Tlog.Promise(e)
	if err != nil {
		return Receipt{}, fmt.Errorf("desk: giving a receipt: %w", err)
	}
	return Receipt{Case: t.c.ID, Received: t.c.Received, State: t.c.State, Answer: t.c.Answer(), Commitment: sum, Promise: promise,
		File: receiptFile(t.key, first, promise), Clocks: t.c.Clocks}, nil
}

func receiptFile(k caseKey, first Event, promise []byte) verify.Receipt {
	salt, tag := k.salt(first.Seq), k.tagSalt()
	return verify.Receipt{Promise: string(promise), Opening: &verify.Opening{Salt: salt[:], Event: string(first.canonical())}, TagSalt: tag[:]}
}

// Receipt gives the receipt of a case again, with the proof once the log has published it. Officers see their own.
func (d *Desk) Receipt(ctx context.Context, by Actor, caseID string) (verify.Receipt, error) {
	_, c, k, es, err := d.open(ctx, by, caseID)
	if err != nil {
		return verify.Receipt{}, err
	}
	if c.Erased {
		return verify.Receipt{}, refuse("state.erased", "")
	}
	sum := verify.Commit(k.salt(es[0].Seq), es[0].canonical())
	e, err := d.d.Tlog.Entry(ctx, d.d.DB, sum)
	if err != nil {
		return verify.Receipt{}, fmt.Errorf("desk: finding a receipt: %w", err)
	}
	promise, err := d.d.Tlog.Promise(e)
	if err != nil {
		return verify.Receipt{}, fmt.Errorf("desk: giving a receipt: %w", err)
	}
	r := receiptFile(k, es[0], promise)
	p, err := d.d.Tlog.Proof(ctx, sum)
	switch {
	case err == nil:
		r.Proof = string(p.Bytes())
	case !errors.Is(err, tlog.ErrPending):
		return r, fmt.Errorf("desk: proving a receipt: %w", err)
	}
	return r, nil
}

// Answer says in plain English where the case stands, for the requester.
func (c Case) Answer() string {
	if p := c.Paused(); p != nil && (c.State.Open() || c.State == Refused) {
		since := p.Since.Format("2 January 2006")
		switch p.Stage {
		case string(standing.ReviewPaused):
			return "Your request was received, logged and counted. The review of requests of this kind is paused since " + since + ". It is not refused, and nothing of it is looked into. " + p.Statement
		case string(standing.ProductionPaused):
			return "Your request was received, logged and counted. It is reviewed, but production on requests of this kind is paused since " + since + ". " + p.Statement
		case string(standing.Refused):
			return "Your request was received, logged and counted. Requests of this kind are refused since " + since + ". " + p.Statement
		}
	}
	switch c.State {
	case Received, Authenticated, Screened:
		return "Your request was received, logged and counted. We confirm who asks before we review it."
	case UnderReview, Objected:
		return "Your request is under review."
	case Deficient:
		return "Your request has a fault that you can mend: " + reasonTexts(c.Reasons) + "."
	case Clarification:
		return "We have a question."
	case Narrowed:
		return "We propose a smaller scope."
	case Approved, Extracting, SecondApproval, Standstill:
		return "Your request is being worked on."
	case Delivered, NoticeDue, Notified:
		return "The package is ready. It can be downloaded once."
	case Closed:
		if c.Request.Instrument.Preserves() {
			return "What is held was preserved. Nothing was disclosed."
		}
		return "The case is closed."
	case Refused:
		return "Your request is refused: " + reasonTexts(c.Reasons) + "."
	case Withdrawn:
		return "You withdrew the request."
	case NoRecords:
		return "No records are held within the approved scope."
	case Fraudulent:
		return "The case is closed."
	}
	return ""
}

func reasonTexts(codes []string) string {
	var out []string
	for _, c := range codes {
		out = append(out, ReasonOf(c).Text)
	}
	return strings.Join(out, "; ")
}
