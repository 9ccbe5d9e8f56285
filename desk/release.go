package desk

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"writ/desk/deadline"
	"writ/desk/law"
	"writ/desk/policy"
	"writ/desk/registry"
	"writ/records"
	"writ/schedule"
	"writ/store"
)

// decide applies the policy to a case as it stands now.
func (d *Desk) decide(c Case, now time.Time) policy.Decision {
	s := c.Scope()
	return policy.Decide(policy.Request{Instrument: c.Request.Instrument, Jurisdiction: c.Request.Jurisdiction, Connected: d.service(c.Request.Service).Connected,
		Categories: s.Categories, From: s.From, To: s.To, Identifiers: len(s.Identifiers), CalledBack: c.Called}, d.d.Schedule(), d.rules, now)
}

// Decision is what the rules say about a case now, category by category: what was asked, what may be given, and why.
func (d *Desk) Decision(c Case) policy.Decision { return d.decide(c, d.d.Clock.Now()) }

// Allowed is the widest scope that the rules let through for a case now.
func (d *Desk) Allowed(c Case) Scope { return allowed(c, d.Decision(c)) }

// oldest is the beginning of a window that asks for all that is held.
var oldest = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)

// allowed is the widest scope that lies within what is asked and what a decision gives. A grant has one window: the narrowest of
// those that the rules give, so that no category is given for longer than its own.
func allowed(c Case, d policy.Decision) Scope {
	s := Scope{Identifiers: c.Scope().Identifiers, From: oldest}
	for _, r := range d.Rulings {
		if !r.Verdict.Gives() {
			continue
		}
		s.Categories = append(s.Categories, r.Category)
		if r.From.After(s.From) {
			s.From = r.From
		}
		if s.To.IsZero() || r.To.Before(s.To) {
			s.To = r.To
		}
	}
	return s
}

// propose drafts the scope and makes the grant that two people sign.
func (t *turn) propose(x Propose) error {
	if _, err := t.check(x.Name()); err != nil {
		return err
	}
	d := t.d.decide(t.c, t.now)
	most := allowed(t.c, d)
	if len(most.Categories) == 0 || len(most.Identifiers) == 0 || !most.From.Before(most.To) {
		return refuse("scope.empty", why(d))
	}
	s := fill(x.Scope, most)
	if !s.within(widest(t.c.Scope())) {
		return refuse("scope.wider", "")
	}
	if !s.within(most) {
		return refuse("scope.not_allowed", why(d))
	}
	if len(s.Categories) == 0 || len(s.Identifiers) == 0 || !s.From.Before(s.To) {
		return refuse("scope.empty", "")
	}
	if err := t.closeGrant("proposed anew"); err != nil {
		return err
	}
	expires := t.now.Add(records.MaxGrant).UTC().Truncate(time.Second)
	g := records.Grant{Case: t.c.ID, Proposer: t.who.Person, Targets: s.Identifiers, Categories: s.Categories, From: s.From, To: s.To, Expires: expires,
		Jurisdiction: t.c.Request.Jurisdiction, Service: t.c.Request.Service, Agency: t.c.Request.Agency, Instrument: string(t.c.Request.Instrument), Process: t.d.amounts(d, s.Categories),
		Received: t.c.Received, Emergency: t.c.Emergency(), Verifier: t.c.Verifier}
	id, sum, err := t.d.d.Gate.Propose(t.ctx, t.tx, g)
	if errors.Is(err, records.ErrGrant) {
		return refuse("scope.not_allowed", err.Error())
	}
	if err != nil {
		return err
	}
	return t.say(x.Name(), Facts{Grant: id, Hash: hex.EncodeToString(sum[:]), Rules: d.Version, Expires: &expires}, &Detail{Scope: &s, Decision: &d})
}

// amounts is what the paper amounts to: the most of what the rows say that gave these categories. All of them are rows for its
// instrument and jurisdiction, so a lower one is met by more than it asks.
func (d *Desk) amounts(by policy.Decision, categories []law.Category) (most schedule.Process) {
	for _, c := range categories {
		r, _ := by.Ruling(c)
		for _, id := range r.Clauses {
			row, _ := d.rules.Rule(id)
			if most == "" || row.Amounts.Reaches(most) {
				most = row.Amounts
			}
		}
	}
	return most
}

// widest is a scope with its open ends closed, so that what is filled in lies within.
func widest(s Scope) Scope {
	if s.From.IsZero() {
		s.From = oldest
	}
	return s
}

// why gathers the reasons of a decision's noes.
func why(d policy.Decision) string {
	var out string
	for _, r := range d.Rulings {
		if !r.Verdict.Gives() && len(r.Reasons) > 0 {
			if out != "" {
				out += ", "
			}
			out += string(r.Category) + " " + r.Reasons[0]
		}
	}
	return out
}

func (t *turn) grant() string {
	if t.c.Proposal == nil {
		return ""
	}
	return t.c.Proposal.Grant
}

// closeGrant ends the grant of the case, if there is one.
func (t *turn) closeGrant(why string) error {
	if id := t.grant(); id != "" {
		return t.d.d.Gate.Close(t.ctx, t.tx, id, why)
	}
	return nil
}

// verify checks the actor's passkey assertion over a hash.
func (t *turn) verify(sum [32]byte, assertion []byte) error {
	if len(assertion) == 0 {
		return refuse("sign.passkey", "")
	}
	if err := t.d.d.Passkeys.Verify(t.ctx, t.tx, t.who.Person, sum, assertion); err != nil {
		return refuse("sign.invalid", err.Error())
	}
	return nil
}

// recheck checks the first signature of a step again when the second is given: the person is still active, still holds the role,
// and the passkey is still registered.
func (t *turn) recheck(s Signature, sum [32]byte) error {
	p, err := registry.GetPerson(t.ctx, t.tx, s.Person)
	if err != nil {
		return err
	}
	if !p.Active(t.now) {
		return refuse("auth.suspended", p.ID)
	}
	if !p.Has(s.Role) {
		return refuse("state.role", p.ID+" is no longer "+string(s.Role))
	}
	if err := t.d.d.Passkeys.Check(t.ctx, t.tx, s.Person, sum, s.assertion); err != nil {
		return refuse("sign.invalid", "the first signature: "+err.Error())
	}
	return nil
}

// signScope signs the grant in records; the second distinct person's signature approves.
func (t *turn) signScope(x SignScope) error {
	row, err := t.check(x.Name())
	if err != nil {
		return err
	}
	p := t.c.Proposal
	role := slot(t.who, p.Signatures, registry.Reviewer, registry.Approver, p.By, x.As)
	if role == "" {
		return refuse("state.role", x.Name()+" as "+string(x.As))
	}
	if len(x.Assertion) == 0 {
		return refuse("sign.passkey", "")
	}
	err = t.d.d.Gate.Sign(t.ctx, t.tx, p.Grant, t.who.Person, records.Role(role), x.Assertion)
	if r := gateRefusal(err); r != nil {
		return r
	}
	if err != nil {
		return err
	}
	complete := len(p.Signatures) > 0
	if complete {
		first := p.Signatures[0]
		if err := t.recheck(first, p.Hash); err != nil {
			return err
		}
	}
	return t.add(row, role, complete, Facts{Grant: p.Grant, Hash: hex.EncodeToString(p.Hash[:])}, &Detail{Assertion: x.Assertion})
}

// gateRefusal gives the reason code of a refusal of the records room.
func gateRefusal(err error) error {
	for _, c := range []struct {
		err  error
		code string
	}{{records.ErrSamePerson, "sign.same_person"}, {records.ErrSelfApproval, "sign.same_person"}, {records.ErrVerifier, "sign.verifier"},
		{records.ErrSignature, "sign.invalid"}, {records.ErrExpired, "sign.expired"}, {records.ErrClosed, "sign.nothing"}, {records.ErrUnsigned, "sign.nothing"},
		{records.ErrTampered, "sign.invalid"}, {records.ErrUnknown, "sign.nothing"}} {
		if errors.Is(err, c.err) {
			return refuse(c.code, err.Error())
		}
	}
	return nil
}

// sendBack drops the proposal and what was made of it.
func (t *turn) sendBack(x SendBack) error {
	if _, err := t.check(x.Name()); err != nil {
		return err
	}
	if err := checkText(x.Text, true); err != nil {
		return err
	}
	if err := t.closeGrant("sent back"); err != nil {
		return err
	}
	if _, err := t.tx.Exec(t.ctx, `UPDATE desk_outbox SET done = $2, body = $3 WHERE case_id = $1 AND kind = 'warn' AND done = 0`, t.c.ID, store.Time(t.now), []byte{}); err != nil {
		return fmt.Errorf("desk: taking back a message: %w", err)
	}
	if t.c.Package != nil {
		if err := t.d.dropDocument(t.ctx, t.tx, t.c.Package.Document); err != nil {
			return err
		}
	}
	return t.say(x.Name(), Facts{}, text(x.Text))
}

// signRelease signs the package's manifest; the second distinct person's signature releases it. Everything that must hold when it
// leaves is asked again here, in the transaction: standing, signatures, distinctness, the gag, the notice (barsRelease).
func (t *turn) signRelease(x SignRelease) error {
	row, err := t.check(x.Name())
	if err != nil {
		return err
	}
	p := t.c.Package
	role := slot(t.who, p.Signatures, registry.Reviewer, registry.Approver, "", x.As)
	if usual := slot(t.who, p.Signatures, registry.Reviewer, registry.Approver, "", t.c.usual(t.who)); x.As == "" && usual != "" {
		role = usual
	}
	if role == "" {
		return refuse("state.role", x.Name()+" as "+string(x.As))
	}
	if err := t.verify(p.Hash, x.Assertion); err != nil {
		return err
	}
	f := Facts{Hash: hex.EncodeToString(p.Hash[:])}
	complete := len(p.Signatures) > 0
	if complete {
		if err := t.recheck(p.Signatures[0], p.Hash); err != nil {
			return err
		}
		expires := t.now.Add(deadline.LinkTerm)
		f.Expires, f.Records, f.Clocks = &expires, p.Records, []Clock{linkClock(t.now)}
		if t.c.Emergency() {
			f.Clocks = append(f.Clocks, Clock{Name: deadline.FollowUp, Start: t.now, Due: t.now.Add(deadline.FollowUpTerm),
				Rule: "legal process must follow an emergency within 72 hours: ours [" + deadline.Version + "]", Soft: true})
		}
		if err := t.closeGrant("delivered"); err != nil {
			return err
		}
	}
	return t.add(row, role, complete, f, &Detail{Assertion: x.Assertion})
}

// preserve freezes what is held of the identifiers. A request to preserve and no more is then done.
func (t *turn) preserve(x Preserve) error {
	if _, err := t.check(x.Name()); err != nil {
		return err
	}
	if !t.d.service(t.c.Request.Service).Connected {
		return refuse("request.no_connector", t.c.Request.Service)
	}
	var kinds []law.Category
	for _, c := range t.c.Scope().Categories {
		if c.Producible() {
			kinds = append(kinds, c)
		}
	}
	if len(kinds) == 0 {
		return refuse("scope.empty", "nothing that can be produced is named")
	}
	k := deadline.Keep(t.c.Request.Instrument, t.now, false)
	id, err := t.d.d.Gate.Hold(t.ctx, t.tx, records.Preservation{Case: t.c.ID, Accounts: slices.Clone(t.c.Scope().Identifiers), Categories: kinds, Until: k.Due})
	if errors.Is(err, records.ErrHold) {
		return refuse("hold.none", err.Error())
	}
	if err != nil {
		return err
	}
	if err := t.say(x.Name(), Facts{Hold: id, Until: &k.Due, Clocks: []Clock{k}}, nil); err != nil {
		return err
	}
	if t.c.Request.Instrument.Preserves() {
		return t.system("preserved", Facts{}, nil)
	}
	return nil
}

// extendHold extends the preservation once.
func (t *turn) extendHold(x ExtendHold) error {
	if _, err := t.check(x.Name()); err != nil {
		return err
	}
	if err := checkText(x.Text, false); err != nil {
		return err
	}
	k := deadline.Keep(t.c.Request.Instrument, t.c.Hold.From, true)
	if err := t.d.d.Gate.Extend(t.ctx, t.tx, t.c.Hold.Holds[0], k.Due); err != nil {
		if errors.Is(err, records.ErrHold) {
			return refuse("hold.none", err.Error())
		}
		return err
	}
	return t.say(x.Name(), Facts{Hold: t.c.Hold.Holds[0], Until: &k.Due, Clocks: []Clock{k}}, text(x.Text))
}

// releaseHold ends the preservation before its time.
func (t *turn) releaseHold(command, why string) error {
	if _, err := t.check(command); err != nil {
		return err
	}
	if err := checkText(why, false); err != nil {
		return err
	}
	if err := t.d.d.Gate.Release(t.ctx, t.tx, t.c.Hold.Holds[0]); err != nil && !errors.Is(err, records.ErrHold) {
		return err
	}
	return t.say(command, Facts{Hold: t.c.Hold.Holds[0], Why: records.Released}, text(why))
}

// dropHold ends the preservation because the case ends.
func (t *turn) dropHold(why string) error {
	if t.c.Hold == nil || !t.c.Hold.Ended.IsZero() {
		return nil
	}
	if err := t.d.d.Gate.Release(t.ctx, t.tx, t.c.Hold.Holds[0]); err != nil && !errors.Is(err, records.ErrHold) {
		return err
	}
	return t.system("hold_ends", Facts{Hold: t.c.Hold.Holds[0], Why: why}, nil)
}
