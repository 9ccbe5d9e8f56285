package staff

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"writ/desk"
	"writ/desk/diligence"
	"writ/desk/law"
	"writ/desk/registry"
	"writ/desk/standing"
	"writ/web/session"
	"writ/web/ui"
)

// drafters write standings and assessments.
var drafters = []registry.Role{registry.Counsel, registry.Rights, registry.Executive}

// maxExceptions is how many exceptions the form has room for.
const maxExceptions = 6

type standingsData struct {
	Now, Waiting, Drafts, Past []standingRow
	Drafting                   bool
}

type standingRow struct {
	standing.Record
	Where  string
	Lapsed bool
	Begun  bool
}

func (s *room) standingsPage(w http.ResponseWriter, r *http.Request) {
	b, now := s.desk.Standings(), s.o.Clock.Now()
	all, err := b.History(r.Context())
	if s.failed(w, r, err) {
		return
	}
	drafts, err := b.Drafts(r.Context())
	if s.failed(w, r, err) {
		return
	}
	d := standingsData{Drafting: holds(session.ActorOf(r), drafters)}
	for _, x := range all {
		row := standingRow{x, where(x.Scope.Jurisdictions), x.Lapsed(now), true}
		switch {
		case x.In(now):
			d.Now = append(d.Now, row)
		case x.Ended.IsZero() || now.Before(x.Since()):
			d.Waiting = append(d.Waiting, row)
		default:
			d.Past = append(d.Past, row)
		}
	}
	for _, x := range drafts {
		d.Drafts = append(d.Drafts, standingRow{x, where(x.Scope.Jurisdictions), false, false})
	}
	s.face.Show(w, r, "standings", page(r, nil, ui.Page{Title: "Standings", Here: Path + "standings", Lead: "How requests of a jurisdiction are treated now. A pause binds when a request comes in, and again before anything leaves.", Data: d}))
}

// where names jurisdictions.
func where(codes []string) string {
	if len(codes) == 0 {
		return "Everywhere"
	}
	var out []string
	for _, c := range codes {
		out = append(out, law.JurisdictionName(c))
	}
	return strings.Join(out, ", ")
}

type standingData struct {
	standingRow
	Replaced    *standing.Record
	By          string
	Signed      []signed
	Missing     []string
	Instruments []string
	Forms       []form
	CanReplace  bool
	Canonical   string
}

func (s *room) standingPage(w http.ResponseWriter, r *http.Request) { s.showStanding(w, r, nil) }

func (s *room) showStanding(w http.ResponseWriter, r *http.Request, fail *failedForm) {
	a, now := session.ActorOf(r), s.o.Clock.Now()
	x, err := s.desk.Standings().Record(r.Context(), r.PathValue("id"))
	if s.failed(w, r, err) {
		return
	}
	names, err := s.names(r)
	if s.failed(w, r, err) {
		return
	}
	d := standingData{standingRow: standingRow{x, where(x.Scope.Jurisdictions), x.Lapsed(now), x.In(now)}, By: names(x.DraftedBy), Canonical: string(x.Canonical())}
	if x.Replaces != "" {
		old, err := s.desk.Standings().Record(r.Context(), x.Replaces)
		if s.failed(w, r, err) {
			return
		}
		d.Replaced = &old
	}
	for _, sig := range x.Signatures {
		d.Signed = append(d.Signed, signed{"Standing", names(sig.Person), registry.Role(sig.Role).Title(), sig.At})
	}
	for _, role := range x.Needs {
		if !slices.ContainsFunc(x.Signatures, func(y standing.Signature) bool { return y.Role == role }) {
			d.Missing = append(d.Missing, registry.Role(role).Title())
		}
	}
	for _, i := range x.Scope.Instruments {
		d.Instruments = append(d.Instruments, instrumentTitle(i))
	}
	d.CanReplace = holds(a, drafters) && !x.InForce.IsZero() && x.Ended.IsZero()
	if x.InForce.IsZero() && x.Discarded.IsZero() {
		d.Forms = s.draftForms(r, x, fail)
	}
	s.face.Show(w, r, "standing", page(r, fail, ui.Page{Title: x.Stage.Title() + ": " + d.Where, Here: Path + "standings", Lead: "Standing " + x.ID, Data: d}))
}

// draftForms sign a draft or drop it.
func (s *room) draftForms(r *http.Request, x standing.Record, fail *failedForm) []form {
	a := session.ActorOf(r)
	var out []form
	at := Path + "standings/" + x.ID
	if roles := s.signable(a, x.Needs, func(role string) bool {
		return slices.ContainsFunc(x.Signatures, func(y standing.Signature) bool { return y.Role == role || y.Person == a.Person })
	}); len(roles) > 0 {
		f := form{ID: "sign", Title: "Sign", About: "You sign this record, as it stands on this page. With the last signature it takes effect.", Action: at + "/sign", Button: "Sign the standing", Open: true}
		if failedAt(fail, "sign") {
			f.Fault = fail.fault
		}
		f.Asks = []ask{fillerOf("sign", fail).choose("role", "Sign as", "", true, roles, "")}
		f.Sign = &signing{Hash: hexOf(x.Hash), Passkey: s.o.Sessions.Signer(r), Words: []line{{"Standing", x.Stage.Title()}, {"Where", where(x.Scope.Jurisdictions)}, {"From", ui.Stamp(x.From)}, {"Review by", ui.Date(x.Review)}, {"Statement", x.Statement}}}
		out = append(out, f)
	}
	if holds(a, drafters) {
		out = append(out, form{ID: "discard", Title: "Drop the draft", Action: at + "/discard", Button: "Drop the draft", Danger: true})
	}
	return out
}

// signable are the roles in which the person can still sign.
func (s *room) signable(a desk.Actor, needs []string, taken func(role string) bool) []ui.Choice {
	var out []ui.Choice
	for _, n := range needs {
		if a.Has(registry.Role(n)) && !taken(n) {
			out = append(out, ui.Choice{Value: n, Text: upper(registry.Role(n).Title())})
		}
	}
	return out
}

// standingForm is the page on which a standing is drafted: a first one, or one that follows another.
func (s *room) standingForm(w http.ResponseWriter, r *http.Request) {
	if s.only(w, r, drafters...) {
		s.showStandingForm(w, r, nil)
	}
}

func (s *room) showStandingForm(w http.ResponseWriter, r *http.Request, fail *failedForm) {
	q := r.URL.Query()
	x := standing.Record{Stage: standing.Stage(q.Get("stage"))}
	replaces := q.Get("replaces")
	if fail != nil {
		replaces = fail.given.Get("replaces")
	}
	p := ui.Page{Title: "Draft a standing", Here: Path + "standings", Lead: "It takes effect when counsel and the human-rights lead have signed; one that eases or lifts another, when the executive has signed too."}
	if replaces != "" {
		old, err := s.desk.Standings().Record(r.Context(), replaces)
		if s.failed(w, r, err) {
			return
		}
		stage := x.Stage
		x = old
		if stage != "" {
			x.Stage = stage
		}
		if x.Stage == standing.Open {
			p.Title, x.Exceptions, x.Statement = "Lift a standing", nil, ""
		}
		x.From, x.Review = time.Time{}, time.Time{}
	}
	list, err := s.desk.Assessments().List(r.Context())
	if s.failed(w, r, err) {
		return
	}
	f := fillerOf("draft", fail)
	p.Data = form{ID: "draft", Action: Path + "standings", Button: "Keep the draft", Hidden: []line{{"replaces", replaces}}, Asks: s.standingAsks(f, x, list)}
	s.face.Show(w, r, "draft", page(r, fail, p))
}

func (s *room) standingAsks(f filler, x standing.Record, assessments []diligence.Assessment) []ask {
	var stages []ui.Choice
	for _, st := range []standing.Stage{standing.ReviewPaused, standing.ProductionPaused, standing.Refused, standing.Open} {
		stages = append(stages, ui.Choice{Value: string(st), Text: st.Title()})
	}
	var services, kinds []pick
	for _, v := range s.desk.Services() {
		services = append(services, pick{Value: v.ID, Text: v.Name})
	}
	for _, i := range law.Instruments() {
		kinds = append(kinds, pick{Value: string(i), Text: i.Title()})
	}
	linked := []ui.Choice{{Value: "", Text: "None"}}
	for _, a := range assessments {
		linked = append(linked, ui.Choice{Value: a.ID, Text: fmt.Sprintf("%s: %s (%s)", a.ID, short(a.Content.Trigger), a.Status)})
	}
	newOnly := []string{}
	if x.Scope.NewOnly {
		newOnly = []string{"yes"}
	}
	out := []ask{
		f.choose("stage", "Standing", "Review paused: nothing is looked into. Production paused: reviewed, and nothing is given.", true, stages, string(x.Stage)),
		f.field("jurisdictions", "Jurisdictions", "text", "ISO 3166 codes, divided by commas. Empty: everywhere.", false, strings.Join(x.Scope.Jurisdictions, ", ")),
		f.picks("services", "Services", "None chosen: all.", services, x.Scope.Services),
		f.field("agencies", "Agencies", "text", "Short names of the registry, divided by commas. Empty: all.", false, strings.Join(x.Scope.Agencies, ", ")),
		f.picks("instruments", "Instruments", "None chosen: all.", kinds, x.Scope.Instruments),
		f.picks("new_only", "Which requests", "", []pick{{Value: "yes", Text: "Only those that come in from then on"}}, newOnly),
		f.field("from", "From", "datetime-local", "UTC. Empty: with the last signature.", false, stampOf(x.From)),
		f.field("review", "Review by", "date", "Within 90 days. When it passes, the standing stays in force and an alarm is raised. Empty: 90 days.", false, dayOf(x.Review)),
		f.field("statement", "Public statement", "area", "The public, the requesters and the people of those places read this.", true, x.Statement),
		f.field("resume", "Ends when", "area", "Criteria that can be checked, one a line.", false, strings.Join(x.Resume, "\n")),
		f.choose("assessment", "Assessment behind it", "A standing is eased or lifted on a signed assessment only.", false, linked, x.Assessment),
	}
	n := min(maxExceptions, max(2, len(x.Exceptions)+1))
	for i := range maxExceptions {
		name := fmt.Sprintf("exception%d", i+1)
		if i >= n && f.value(name, "") == "" {
			continue
		}
		var e standing.Exception
		if i < len(x.Exceptions) {
			e = x.Exceptions[i]
		}
		out = append(out, f.field(name, fmt.Sprintf("Exception %d", i+1), "text", "What may still be admitted by counsel and the human-rights lead, case by case.", false, e.Text),
			f.picks(name+"_for", fmt.Sprintf("Exception %d is for", i+1), "None chosen: any instrument.", kinds, e.Instruments))
	}
	return out
}

// standingOf reads the form of a standing.
func standingOf(v url.Values, wrong map[string]string) standing.Record {
	x := standing.Record{Replaces: v.Get("replaces"), Stage: standing.Stage(v.Get("stage")), From: when(v, "from", wrong), Review: when(v, "review", wrong),
		Resume: lines(v, "resume"), Statement: v.Get("statement"), Assessment: v.Get("assessment"),
		Scope: standing.Scope{Jurisdictions: words(v.Get("jurisdictions")), Services: v["services"], Agencies: words(v.Get("agencies")), Instruments: v["instruments"], NewOnly: v.Get("new_only") == "yes"}}
	for i := range maxExceptions {
		name := fmt.Sprintf("exception%d", i+1)
		if t := strings.TrimSpace(v.Get(name)); t != "" {
			x.Exceptions = append(x.Exceptions, standing.Exception{ID: fmt.Sprintf("e%d", len(x.Exceptions)+1), Instruments: v[name+"_for"], Text: t})
		}
	}
	return x
}

func (s *room) draftStanding(w http.ResponseWriter, r *http.Request) {
	if !s.only(w, r, drafters...) {
		return
	}
	fail := &failedForm{command: "draft", given: r.PostForm, wrong: map[string]string{}, status: http.StatusUnprocessableEntity}
	x := standingOf(r.PostForm, fail.wrong)
	var err error
	if err = s.known(r, x, fail.wrong); s.failed(w, r, err) {
		return
	}
	if len(fail.wrong) == 0 {
		x, err = s.desk.Standings().Draft(r.Context(), session.ActorOf(r).Person, x)
	}
	if no := refusalOf(err); no != nil && strings.HasPrefix(no.Text, "jurisdiction ") {
		err = &desk.Refusal{Code: no.Code, Text: "jurisdictions:" + strings.TrimPrefix(no.Text, "jurisdiction ")}
	}
	if s.refused(w, r, err, s.standingAsks(filler{}, x, nil), fail) || len(fail.wrong) > 0 {
		s.showStandingForm(w, r, fail)
		return
	}
	if !s.failed(w, r, err) {
		done(w, r, Path+"standings/"+x.ID, "drafted")
	}
}

// known checks that the services and agencies of a scope exist: a slip would pause nobody.
func (s *room) known(r *http.Request, x standing.Record, wrong map[string]string) error {
	for _, id := range x.Scope.Services {
		if !slices.ContainsFunc(s.desk.Services(), func(v desk.Service) bool { return v.ID == id }) {
			wrong["services"] = "There is no service " + short(id) + "."
		}
	}
	for _, id := range x.Scope.Agencies {
		_, err := s.desk.Registry().Agency(r.Context(), id)
		if err == registry.ErrNotFound {
			wrong["agencies"] = "There is no agency " + short(id) + " in the registry."
		} else if err != nil {
			return err
		}
	}
	return nil
}

func (s *room) signStanding(w http.ResponseWriter, r *http.Request) {
	x, err := s.desk.Standings().Record(r.Context(), r.PathValue("id"))
	if s.failed(w, r, err) {
		return
	}
	fail := &failedForm{command: "sign", given: r.PostForm, wrong: map[string]string{}}
	sig, err := s.assertion(r, x.Hash)
	if err == nil {
		_, err = s.desk.Standings().Sign(r.Context(), session.ActorOf(r).Person, x.ID, registry.Role(r.PostForm.Get("role")), sig)
	}
	if s.refused(w, r, err, nil, fail) {
		s.showStanding(w, r, fail)
		return
	}
	if !s.failed(w, r, err) {
		done(w, r, Path+"standings/"+x.ID, "signed")
	}
}

func (s *room) discardStanding(w http.ResponseWriter, r *http.Request) {
	x, err := s.desk.Standings().Record(r.Context(), r.PathValue("id"))
	if s.failed(w, r, err) {
		return
	}
	fail := &failedForm{command: "discard", wrong: map[string]string{}}
	err = s.desk.Standings().Discard(r.Context(), session.ActorOf(r).Person, x.ID)
	if s.refused(w, r, err, nil, fail) {
		s.showStanding(w, r, fail)
		return
	}
	if !s.failed(w, r, err) {
		done(w, r, Path+"standings", "discarded")
	}
}
