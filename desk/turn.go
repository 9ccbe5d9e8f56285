package desk

import (
	"context"
	"errors"
	"slices"
	"time"

	"writ/desk/deadline"
	"writ/desk/registry"
	"writ/desk/standing"
	"writ/store"
)

// turn is one transaction on one case: who acts, the case as it stands, and what is added.
type turn struct {
	ctx  context.Context
	d    *Desk
	tx   *store.Tx
	now  time.Time
	who  Actor // with roles and agency as the registry has them now
	c    Case
	key  caseKey
	old  State
	said int // events added
}

var systemActor = Actor{Person: registry.SystemPerson, Roles: []Role{registry.System}, Auth: BySystem}

// actor reads who acts from the registry: roles, agency and suspension are never taken from the session.
func (d *Desk) actor(ctx context.Context, r store.Reader, by Actor, now time.Time) (Actor, error) {
	if by.Auth == BySystem {
		return systemActor, nil
	}
	p, err := registry.GetPerson(ctx, r, by.Person)
	if errors.Is(err, registry.ErrNotFound) || by.Person == registry.SystemPerson {
		return by, refuse("state.role", "unknown person")
	}
	if err != nil {
		return by, err
	}
	if !p.Active(now) {
		return by, refuse("auth.suspended", p.ID)
	}
	if p.Agency != "" {
		a, err := registry.GetAgency(ctx, r, p.Agency)
		if err != nil {
			return by, err
		}
		if !a.Suspended.IsZero() {
			return by, refuse("auth.suspended", a.Name)
		}
	}
	by.Name, by.Roles, by.Agency = p.Name, p.Roles, p.Agency
	return by, nil
}

// sees reports whether the actor may know of the case at all.
func (c Case) sees(a Actor) bool {
	switch {
	case a.Has(registry.System):
		return true
	case a.Officer():
		return c.Request.Officer == a.Person
	case !slices.ContainsFunc(anyone, a.Has):
		return false // an administrator keeps the registry, and reads no case
	case c.Request.Sealed:
		return a.Has(registry.Counsel) || slices.Contains(c.Team, a.Person)
	}
	return true
}

// begin opens a turn for someone on a case.
func (d *Desk) begin(ctx context.Context, tx *store.Tx, by Actor, caseID string) (*turn, error) {
	now := d.d.Clock.Now()
	who, err := d.actor(ctx, tx, by, now)
	if err != nil {
		return nil, err
	}
	c, k, _, err := d.load(ctx, tx, caseID)
	if err != nil {
		return nil, err
	}
	if !c.sees(who) {
		return nil, ErrNotFound
	}
	return &turn{ctx: ctx, d: d, tx: tx, now: now, who: who, c: c, key: k, old: c.State}, nil
}

// find gives the row of the table for a command in a state.
func find(s State, command string) *Row {
	for i := range table {
		if table[i].Command == command && slices.Contains(table[i].From, s) {
			return &table[i]
		}
	}
	return nil
}

// open reports whether the row is for one of the actor's roles.
func (r Row) open(a Actor) bool {
	return slices.ContainsFunc(r.Who, a.Has) || slices.ContainsFunc(r.Second, a.Has)
}

// role is the role in which the actor takes the row: the first of the row's that they hold.
func (r Row) role(a Actor) Role {
	for _, x := range slices.Concat(r.Who, r.Second) {
		if a.Has(x) {
			return x
		}
	}
	return ""
}

// check refuses a command that is not on offer: the table, the role, and what bars it now.
func (t *turn) check(command string) (*Row, error) {
	row := find(t.c.State, command)
	if row == nil {
		return nil, refuse("state.not_offered", command+" in "+string(t.c.State))
	}
	if !row.open(t.who) {
		return nil, refuse("state.role", command)
	}
	m, err := t.standing()
	if err != nil {
		return nil, err
	}
	if code := bars(t.c, t.who, command, t.now, m); code != "" {
		return nil, refuse(code, command)
	}
	if command == "extract" || command == "sign_release" {
		a, err := registry.GetAgency(t.ctx, t.tx, t.c.Request.Agency)
		if err != nil {
			return nil, err
		}
		if !a.Suspended.IsZero() {
			return nil, refuse("auth.suspended", a.Name)
		}
	}
	return row, nil
}

// standing is the strictest standing that meets the case now.
func (t *turn) standing() (standing.Match, error) {
	m, _, err := standing.Lookup(t.ctx, t.tx, t.c.subject(), t.now)
	return m, err
}

func (c Case) subject() standing.Subject {
	return standing.Subject{Case: c.ID, Jurisdiction: c.Request.Jurisdiction, Service: c.Request.Service, Agency: c.Request.Agency,
		Instrument: string(c.Request.Instrument), Received: c.Received}
}

// add appends an event of a row. second says whether a row for two people is complete; then the state changes.
func (t *turn) add(row *Row, role Role, complete bool, f Facts, x *Detail) error {
	to := row.To
	switch {
	case !complete || to == same:
		to = t.c.State
	case to == back:
		to = t.c.Held
	}
	e := Event{Case: t.c.ID, Seq: t.c.Seq + 1, At: t.now, Kind: row.Logged, By: t.who.Person, Role: role, To: to, Facts: f, Detail: x}
	if role == registry.System {
		e.By = registry.SystemPerson
	}
	if _, err := t.d.append(t.ctx, t.tx, t.key, &e); err != nil {
		return err
	}
	t.c.apply(e)
	t.said++
	return nil
}

// say checks a command of one person and appends its event.
func (t *turn) say(command string, f Facts, x *Detail) error {
	row, err := t.check(command)
	if err != nil {
		return err
	}
	return t.add(row, row.role(t.who), true, f, x)
}

// system appends an event of the desk's own clockwork; it goes through the same table.
func (t *turn) system(command string, f Facts, x *Detail) error {
	row := find(t.c.State, command)
	if row == nil || !slices.Contains(row.Who, registry.System) {
		return refuse("state.not_offered", command+" in "+string(t.c.State))
	}
	return t.add(row, registry.System, true, f, x)
}

// end binds the standing, moves what moves by itself and writes the list.
func (t *turn) end() error {
	if err := t.settle(); err != nil {
		return err
	}
	if t.said == 0 {
		return nil
	}
	return project(t.ctx, t.tx, t.c)
}

// settle does what follows from the new state by itself.
func (t *turn) settle() error {
	if err := t.bind(); err != nil {
		return err
	}
	if err := t.warnIfDue(); err != nil {
		return err
	}
	return t.notifyIfDue()
}

// bars is why a command that the table offers is barred now: a reason code, or nothing. Do and Actions ask the same question.
func bars(c Case, a Actor, command string, now time.Time, m standing.Match) string {
	if c.Erased {
		return "state.erased"
	}
	if c.Frozen && !slices.Contains([]string{"withdraw", "refuse", "fraud", "unfreeze", "note", "assign", "set_gag", "release_hold"}, command) {
		return "state.frozen"
	}
	switch command {
	case "clear":
		if !c.Flagged || c.Cleared {
			return "state.not_offered"
		}
	case "begin_review":
		if c.Flagged && !c.Cleared {
			return "screen.flagged"
		}
	case "propose":
		if c.Request.Instrument.Preserves() {
			return "policy.preserves_only"
		}
	case "send_back":
		if c.State == UnderReview && c.Proposal == nil {
			return "state.not_offered"
		}
	case "sign_scope":
		return barsScope(c, a, now)
	case "extract":
		if m.Binds() {
			return m.Code()
		}
	case "sign_release":
		return barsRelease(c, a, now, m)
	case "admit":
		return barsAdmit(c, a, m)
	case "resume":
		if m.Binds() && (m.Record.Stage != standing.ProductionPaused || slices.Contains(producing, c.Held)) {
			return "standing.in_force"
		}
	case "overrule":
		if c.Notice.Objected.IsZero() || c.Notice.Overruled {
			return "state.not_offered"
		}
	case "follow_up":
		if !c.Emergency() || !c.FollowUp.IsZero() {
			return "state.not_offered"
		}
	case "close":
		if k, ok := c.Clock(deadline.FollowUp); ok && c.FollowUp.IsZero() && now.Before(k.Due) {
			return "emergency.follow_up"
		}
	case "unfreeze":
		if !c.Frozen {
			return "state.not_offered"
		}
	case "assign":
		if !c.Request.Sealed {
			return "state.not_offered"
		}
	}
	return barsKept(c, a, command, now)
}

// barsKept is bars for what concerns a preservation and a package.
func barsKept(c Case, a Actor, command string, now time.Time) string {
	switch command {
	case "preserve":
		if c.Hold != nil && c.Hold.Ended.IsZero() {
			return "hold.active"
		}
	case "extend_hold", "release_hold":
		switch {
		case c.Hold == nil:
			return "state.not_offered"
		case !c.Hold.Ended.IsZero():
			return "hold.none"
		case command == "extend_hold" && c.Hold.Extended:
			return "hold.extended"
		}
	case "download":
		switch {
		case c.Package == nil:
			return "state.not_offered"
		case a.Auth != ByPasskey && a.Auth != ByDev:
			return "sign.passkey"
		case !c.Package.Downloaded.IsZero():
			return "delivery.used"
		case !now.Before(c.Package.Expires):
			return "delivery.expired"
		}
	case "reissue":
		if c.Package == nil || c.Package.Downloaded.IsZero() && now.Before(c.Package.Expires) {
			return "state.not_offered"
		}
	}
	return ""
}

// barsScope is why the actor cannot sign the scope.
func barsScope(c Case, a Actor, now time.Time) string {
	p := c.Proposal
	if p == nil {
		return "sign.nothing"
	}
	if !now.Before(p.Expires) {
		return "sign.expired"
	}
	if code := barsSignature(c, a, p.Signatures); code != "" {
		return code
	}
	if slot(a, p.Signatures, registry.Reviewer, registry.Approver, p.By) == "" {
		if a.Person == p.By && a.Has(registry.Approver) {
			return "sign.same_person"
		}
		return "state.role"
	}
	return ""
}

// barsSignature is the two-person rule over the signatures of one step, by person and never by role alone.
func barsSignature(c Case, a Actor, signed []Signature) string {
	switch {
	case slices.ContainsFunc(signed, func(s Signature) bool { return s.Person == a.Person }):
		return "sign.same_person"
	case c.Emergency() && a.Person == c.Verifier:
		return "sign.verifier"
	case a.Person == c.Request.FiledBy:
		return "sign.own_request"
	}
	return ""
}

// slot is the role in which the actor signs, "" if none is free: the one wished for, or, for who holds both, the second unless they
// proposed. Nobody signs as the second what they proposed.
func slot(a Actor, signed []Signature, first, second Role, proposer string, wish ...Role) Role {
	free := func(r Role) bool {
		return a.Has(r) && !slices.ContainsFunc(signed, func(s Signature) bool { return s.Role == r }) && (r == first || a.Person != proposer)
	}
	for _, w := range wish {
		if (w == first || w == second) && free(w) {
			return w
		}
		if w != "" {
			return ""
		}
	}
	if free(second) {
		return second
	}
	if free(first) {
		return first
	}
	return ""
}

// usual is the role in which the actor signed the scope, or the first that they hold: what someone who holds both most likely means.
func (c Case) usual(a Actor) Role {
	if c.Proposal != nil {
		for _, s := range c.Proposal.Signatures {
			if s.Person == a.Person {
				return s.Role
			}
		}
	}
	if a.Has(registry.Reviewer) {
		return registry.Reviewer
	}
	return registry.Approver
}

// barsRelease is why the package cannot be signed for release now: everything that must hold when it leaves.
func barsRelease(c Case, a Actor, now time.Time, m standing.Match) string {
	if c.Package == nil {
		return "sign.nothing"
	}
	if code := barsSignature(c, a, c.Package.Signatures); code != "" {
		return code
	}
	if slot(a, c.Package.Signatures, registry.Reviewer, registry.Approver, "") == "" {
		return "state.role"
	}
	if m.Binds() {
		return m.Code()
	}
	if k, ok := c.Clock(deadline.Hold); ok && now.Before(k.Due) {
		return "deadline.standstill"
	}
	if c.tellsFirst(now) {
		switch {
		case c.Notice.Warned.IsZero():
			return "notice.missing"
		case now.Before(c.Notice.NotBefore):
			return "notice.wait"
		case !c.Notice.Objected.IsZero() && !c.Notice.Overruled:
			return "notice.objection"
		}
	}
	return ""
}

// tellsFirst reports whether the person is told before delivery: by default, but not under an order in force and not in an emergency.
func (c Case) tellsFirst(now time.Time) bool { return !c.Emergency() && !c.Gag.In(now) }

// barsAdmit is why the case cannot be admitted under an exception by this person.
func barsAdmit(c Case, a Actor, m standing.Match) string {
	if !m.Binds() {
		return "state.not_offered" // nothing to be excepted from: resume
	}
	if _, ok := m.Record.Exception("", c.subject()); !ok {
		return "standing.no_exception"
	}
	if ad := c.Admission; ad != nil && !ad.Done && ad.Standing == m.Record.ID {
		if slices.ContainsFunc(ad.Signatures, func(s Signature) bool { return s.Person == a.Person }) {
			return "sign.same_person"
		}
		if slot(a, ad.Signatures, registry.Counsel, registry.Rights, "") == "" {
			return "state.role"
		}
	}
	return ""
}
