package desk

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"writ/desk/deadline"
	"writ/desk/intake"
	"writ/desk/registry"
	"writ/store"
)

// flags is what the rights screening may note. None refuses anything; each routes the case to the human-rights lead.
var flags = map[string]string{
	"secession": "secession", "subversion": "subversion", "sedition": "sedition", "collusion": "collusion with foreign forces", "lese_majeste": "insult of a ruler",
	"blasphemy": "blasphemy", "false_news": "false news", "lgbt": "sexual orientation or gender", "abortion": "abortion", "asylum": "border crossing or asylum",
	"journalism": "journalism", "election": "an election", "protest": "protest", "target_journalist": "the person is a journalist", "target_lawyer": "the person is a lawyer",
	"target_defender": "the person is a human-rights defender", "target_opposition": "the person is of the opposition", "target_minor": "the person is a minor",
	"diaspora": "the person lives outside the requester's country", "political_offence": "a political offence", "persecution": "prosecution for race, religion, nationality or opinion",
}

// Flags is what the rights screening may note, with its meaning.
func Flags() map[string]string {
	out := make(map[string]string, len(flags))
	for k, v := range flags {
		out[k] = v
	}
	return out
}

// do dispatches a command. Each handler checks it against the table first.
func (t *turn) do(c Command) error {
	switch c := c.(type) {
	case Authenticate:
		return t.authenticate(c)
	case Screen:
		return t.screen(c)
	case Clear:
		return t.say(c.Name(), Facts{}, text(c.Note))
	case BeginReview, Resume, Unfreeze, Close:
		return t.plain(c)
	case Return:
		return t.reasoned(c, c.Reasons, c.Text, func(r Reason) bool { return r.Mend })
	case Refuse:
		if err := t.reasoned(c, c.Reasons, c.Text, func(r Reason) bool { return r.Refuse }); err != nil {
			return err
		}
		return t.closeGrant("refused")
	case Objection:
		return t.reasoned(c, c.Reasons, c.Text, func(r Reason) bool { return r.Refuse || r.Mend })
	case Ask:
		return t.written(c, c.Text)
	case TakeBack:
		return t.written(c, c.Text)
	case Overrule:
		return t.written(c, c.Text)
	case SendBack:
		return t.sendBack(c)
	case Note:
		return t.written(c, c.Text)
	case Cure:
		return t.attached(c, c.Text, c.Documents)
	case Answer:
		return t.attached(c, c.Text, c.Documents)
	case FollowUp:
		return t.attached(c, c.Text, c.Documents)
	case NarrowTo:
		return t.narrow(c)
	case Agree:
		return t.say(c.Name(), Facts{}, nil)
	case Withdraw:
		return t.withdraw(c)
	case SetGag:
		return t.setGag(c)
	case Assign:
		return t.assign(c)
	}
	return t.produce(c)
}

// produce dispatches the commands of release, preservation, pause and fraud.
func (t *turn) produce(c Command) error {
	switch c := c.(type) {
	case Propose:
		return t.propose(c)
	case SignScope:
		return t.signScope(c)
	case Extract:
		return t.say(c.Name(), Facts{Grant: t.grant()}, nil)
	case SignRelease:
		return t.signRelease(c)
	case Preserve:
		return t.preserve(c)
	case ExtendHold:
		return t.extendHold(c)
	case ReleaseHold:
		return t.releaseHold(c.Name(), c.Text)
	case Admit:
		return t.admit(c)
	case Fraud:
		return t.fraud(c)
	case Reissue:
		expires := t.now.Add(deadline.LinkTerm)
		return t.say(c.Name(), Facts{Expires: &expires, Clocks: []Clock{linkClock(t.now)}}, text(c.Text))
	}
	return refuse("state.not_offered", c.Name())
}

func text(s string) *Detail {
	if s = strings.TrimSpace(s); s == "" {
		return nil
	}
	return &Detail{Text: s}
}

// checkText refuses a text that is missing or too long.
func checkText(s string, need bool) error {
	s = strings.TrimSpace(s)
	if s == "" && need {
		return refuse("text.missing", "")
	}
	if len(s) > intake.MaxText {
		return refuse("text.long", fmt.Sprintf("%d bytes, at most %d", len(s), intake.MaxText))
	}
	return nil
}

// plain is a command that says nothing more.
func (t *turn) plain(c Command) error {
	var x *Detail
	if u, ok := c.(Unfreeze); ok {
		if err := checkText(u.Text, true); err != nil {
			return err
		}
		x = text(u.Text)
	}
	return t.say(c.Name(), Facts{}, x)
}

// written is a command that is a text.
func (t *turn) written(c Command, s string) error {
	if _, err := t.check(c.Name()); err != nil {
		return err
	}
	if err := checkText(s, true); err != nil {
		return err
	}
	return t.say(c.Name(), Facts{}, text(s))
}

// reasoned is a no: it has at least one reason of the list that may stand here.
func (t *turn) reasoned(c Command, codes []string, s string, may func(Reason) bool) error {
	if _, err := t.check(c.Name()); err != nil {
		return err
	}
	if len(codes) == 0 {
		return refuse("reason.missing", "")
	}
	for _, code := range codes {
		if r, ok := reasonByCode[code]; !ok || !may(r) {
			return refuse("reason.unknown", code)
		}
	}
	if err := checkText(s, false); err != nil {
		return err
	}
	return t.say(c.Name(), Facts{Reasons: slices.Compact(slices.Clone(codes))}, text(s))
}

// attached is an answer with documents.
func (t *turn) attached(c Command, s string, docs []intake.Document) error {
	if _, err := t.check(c.Name()); err != nil {
		return err
	}
	if err := checkText(s, len(docs) == 0); err != nil {
		return err
	}
	kept, seen, err := t.keep(docs)
	if err != nil {
		return err
	}
	return t.say(c.Name(), Facts{}, &Detail{Text: strings.TrimSpace(s), Documents: kept, SeenIn: seen})
}

// keep checks documents and stores them sealed.
func (t *turn) keep(docs []intake.Document) (kept []Document, seen []string, err error) {
	if n := len(docs) + len(t.c.Documents); n > 2*intake.MaxDocuments {
		return nil, nil, intake.FieldErrors{{Field: "documents", Given: fmt.Sprint(n), Allowed: fmt.Sprintf("at most %d on one case", 2*intake.MaxDocuments), Code: "form.too_many"}}
	}
	for i := range docs {
		doc := docs[i]
		if e := intake.CheckDocument(&doc, fmt.Sprintf("documents[%d]", i)); e != nil {
			return nil, nil, intake.FieldErrors{*e}
		}
		k, in, err := t.d.keepDocument(t.ctx, t.tx, t.c.ID, t.key, doc.Name, doc.Body, t.now)
		if err != nil {
			return nil, nil, err
		}
		kept, seen = append(kept, k), append(seen, in...)
	}
	return kept, seen, nil
}

// authenticate confirms who asks. A call-back is needed in every emergency, and when the officer was not confirmed within the term.
func (t *turn) authenticate(x Authenticate) error {
	if _, err := t.check(x.Name()); err != nil {
		return err
	}
	p, err := registry.GetPerson(t.ctx, t.tx, t.c.Request.Officer)
	if err != nil {
		return err
	}
	a, err := registry.GetAgency(t.ctx, t.tx, t.c.Request.Agency)
	if err != nil {
		return err
	}
	if !p.Active(t.now) || !a.Suspended.IsZero() {
		return refuse("auth.suspended", p.ID)
	}
	if err := checkText(x.Note, false); err != nil {
		return err
	}
	if x.CallBack == "" {
		if t.c.Emergency() || !p.Confirmed(t.now) {
			return refuse("auth.callback", "")
		}
		return t.say(x.Name(), Facts{}, text(x.Note))
	}
	cb, err := registry.GetCallBack(t.ctx, t.tx, x.CallBack)
	if err != nil {
		return refuse("auth.callback", "no such call-back")
	}
	fits := cb.Officer == p.ID && cb.Result == registry.Confirmed && (cb.Case == "" || cb.Case == t.c.ID)
	if t.c.Emergency() { // this emergency, not an earlier one
		fits = fits && cb.Case == t.c.ID
	}
	if !fits || t.now.Sub(cb.At) >= registry.CallBackTerm {
		return refuse("auth.callback", "it must confirm this officer, for an emergency this very case")
	}
	return t.say(x.Name(), Facts{Called: true}, &Detail{CallBack: cb.ID, Verifier: cb.By, Text: strings.TrimSpace(x.Note)})
}

func (t *turn) screen(x Screen) error {
	if _, err := t.check(x.Name()); err != nil {
		return err
	}
	for _, f := range x.Flags {
		if flags[f] == "" {
			return refuse("screen.unknown_flag", f)
		}
	}
	if err := checkText(x.Note, false); err != nil {
		return err
	}
	return t.say(x.Name(), Facts{Flagged: len(x.Flags) > 0}, &Detail{Flags: x.Flags, Text: strings.TrimSpace(x.Note)})
}

// narrow proposes a smaller scope to the officer.
func (t *turn) narrow(x NarrowTo) error {
	if _, err := t.check(x.Name()); err != nil {
		return err
	}
	s := fill(x.Scope, t.c.Scope())
	if !s.within(t.c.Scope()) {
		return refuse("scope.wider", "")
	}
	if len(s.Identifiers) == 0 || len(s.Categories) == 0 {
		return refuse("scope.empty", "")
	}
	for _, code := range x.Reasons {
		if _, ok := reasonByCode[code]; !ok {
			return refuse("reason.unknown", code)
		}
	}
	if err := checkText(x.Text, false); err != nil {
		return err
	}
	return t.say(x.Name(), Facts{Reasons: x.Reasons}, &Detail{Scope: &s, Text: strings.TrimSpace(x.Text)})
}

// fill takes what a scope leaves open from the wider one.
func fill(s, o Scope) Scope {
	if s.Identifiers == nil {
		s.Identifiers = o.Identifiers
	}
	if s.Categories == nil {
		s.Categories = o.Categories
	}
	if s.From.IsZero() {
		s.From = o.From
	}
	if s.To.IsZero() {
		s.To = o.To
	}
	return s
}

// withdraw ends the case at the requester's wish: what it made ends with it.
func (t *turn) withdraw(x Withdraw) error {
	if _, err := t.check(x.Name()); err != nil {
		return err
	}
	if err := checkText(x.Text, false); err != nil {
		return err
	}
	if err := t.dropHold("withdrawn"); err != nil {
		return err
	}
	if err := t.closeGrant("withdrawn"); err != nil {
		return err
	}
	return t.say(x.Name(), Facts{}, text(x.Text))
}

// setGag records, changes or ends the order not to tell the person.
func (t *turn) setGag(x SetGag) error {
	if _, err := t.check(x.Name()); err != nil {
		return err
	}
	if x.Issuer == "" { // the order is lifted
		return t.say(x.Name(), Facts{Clocks: []Clock{{Name: deadline.Gag}}}, nil)
	}
	if !x.Until.IsZero() && x.Until.Before(t.c.Received) {
		return refuse("form.bad_time", "until: after the request was received")
	}
	for _, s := range []string{x.Issuer, x.Scope} {
		if err := checkText(s, false); err != nil {
			return err
		}
	}
	g := Gag{Issuer: strings.TrimSpace(x.Issuer), Scope: strings.TrimSpace(x.Scope), Until: x.Until.UTC().Truncate(time.Microsecond)}
	f := Facts{Gagged: true}
	if !x.Until.IsZero() {
		f.GagUntil = &g.Until
	} else {
		g.Until = time.Time{}
	}
	for _, k := range deadline.Of(deadline.Facts{Instrument: t.c.Request.Instrument, Served: t.now, Gagged: true, GagUntil: g.Until}, t.d.d.Calendar) {
		if k.Name == deadline.Gag {
			f.Clocks = []Clock{k}
		}
	}
	return t.say(x.Name(), f, &Detail{Gag: &g})
}

// assign lets a member of the staff see a sealed case.
func (t *turn) assign(x Assign) error {
	if _, err := t.check(x.Name()); err != nil {
		return err
	}
	p, err := registry.GetPerson(t.ctx, t.tx, x.Person)
	if err != nil || p.Agency != "" || !p.Active(t.now) {
		return refuse("form.unknown", "person: an active member of the staff")
	}
	if _, err := t.tx.Exec(t.ctx, `INSERT INTO desk_team (case_id, person) VALUES ($1, $2) ON CONFLICT DO NOTHING`, t.c.ID, p.ID); err != nil {
		return fmt.Errorf("desk: assigning: %w", err)
	}
	return t.say(x.Name(), Facts{Person: p.ID}, nil)
}

// fraud is counsel's verdict: the agency is suspended, its open cases are frozen, what the case made ends.
func (t *turn) fraud(x Fraud) error {
	if _, err := t.check(x.Name()); err != nil {
		return err
	}
	if err := checkText(x.Text, true); err != nil {
		return err
	}
	if err := t.dropHold("fraud"); err != nil {
		return err
	}
	if err := t.closeGrant("fraud"); err != nil {
		return err
	}
	if err := t.say(x.Name(), Facts{}, text(x.Text)); err != nil {
		return err
	}
	if err := registry.SuspendIn(t.ctx, t.tx, t.now, t.who.Person, t.c.Request.Agency, "fraud verdict in case "+t.c.ID); err != nil {
		return err
	}
	ids, err := t.others()
	if err != nil {
		return err
	}
	for _, id := range ids {
		c, k, _, err := t.d.load(t.ctx, t.tx, id)
		if err != nil {
			return err
		}
		o := &turn{ctx: t.ctx, d: t.d, tx: t.tx, now: t.now, who: systemActor, c: c, key: k}
		if err := o.system("freeze", Facts{Cause: t.c.ID}, nil); err != nil {
			return err
		}
		if err := project(t.ctx, t.tx, o.c); err != nil {
			return err
		}
	}
	return nil
}

// others lists the open cases of the same agency that are not frozen.
func (t *turn) others() ([]string, error) {
	args := []any{t.c.Request.Agency, t.c.ID}
	for _, s := range openStates {
		args = append(args, string(s))
	}
	return store.Column[string](t.ctx, t.tx, "desk: listing an agency's cases", `SELECT id FROM desk_case WHERE agency = $1 AND id <> $2 AND frozen = 0 AND open = 1 AND state IN `+store.In(3, len(openStates))+` ORDER BY id`, args...)
}
