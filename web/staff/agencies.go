package staff

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"writ/desk"
	"writ/desk/law"
	"writ/desk/registry"
	"writ/web/session"
	"writ/web/ui"
)

// Who keeps which part of the registry. The registry asks again in its transaction; here it decides what is on offer.
var (
	keepers = []registry.Role{registry.Intake, registry.Admin}
	callers = []registry.Role{registry.Intake, registry.Reviewer}
	leaders = []registry.Role{registry.Admin, registry.Executive}
	stops   = []registry.Role{registry.Admin, registry.Counsel, registry.Intake}
)

func holds(a desk.Actor, roles []registry.Role) bool { return slices.ContainsFunc(roles, a.Has) }

// entry is the page of an agency or a person.
type entry struct {
	Agencies []registry.Agency
	Agency   registry.Agency
	People   []registry.Person
	Person   registry.Person
	Active   bool
	Calls    []call
	Releases []desk.Line
	Forms    []form
	Roles    []proposal
	History  []registry.Change
	Link     string // of an enrolment, shown this once
}

type call struct {
	registry.CallBack
	Who string
}

// refused shows a page again after a form that was not accepted; false if there is nothing to show.
func (s *room) refused(w http.ResponseWriter, r *http.Request, err error, asks []ask, fail *failedForm) bool {
	if no := refusalOf(err); no != nil {
		fail.status = statusOf(no.Code)
		fail.fault = blame(fail.wrong, asks, no)
		return true
	}
	return false
}

func refusalOf(err error) *desk.Refusal {
	no, _ := err.(*desk.Refusal)
	return no
}

func (s *room) agenciesPage(w http.ResponseWriter, r *http.Request) { s.showAgencies(w, r, nil) }

func (s *room) showAgencies(w http.ResponseWriter, r *http.Request, fail *failedForm) {
	all, err := s.desk.Registry().Agencies(r.Context())
	if s.failed(w, r, err) {
		return
	}
	d := entry{Agencies: all}
	if holds(session.ActorOf(r), keepers) {
		f := form{ID: "add", Title: "Register an agency", Action: Path + "agencies", Button: "Register", Asks: agencyAsks(fillerOf("add", fail), registry.Agency{}, true), Open: fail != nil}
		d.Forms = append(d.Forms, f)
	}
	s.face.Show(w, r, "agencies", page(r, fail, ui.Page{Title: "Agencies", Here: Path + "agencies", Lead: "Who asks, and the numbers on which we call them. The numbers are found by us, never taken from a request.", Data: d}))
}

// page adds to a page what a form before it did, or what was wrong with it.
func page(r *http.Request, fail *failedForm, p ui.Page) ui.Page {
	if fail == nil {
		p.Done = pageDone(r.URL.Query().Get("done"))
		return p
	}
	p.Status, p.Fault = fail.status, fail.fault
	if p.Fault == "" {
		p.Fault = "Nothing was changed: see what is marked below."
	}
	return p
}

// fillerOf fills the form that failed with what was given.
func fillerOf(id string, fail *failedForm) filler {
	if fail != nil && fail.command == id {
		return filler{id, fail.given, fail.wrong}
	}
	return filler{id: id}
}

func agencyAsks(f filler, a registry.Agency, fresh bool) []ask {
	var numbers []string
	for _, n := range a.Numbers {
		numbers = append(numbers, n.Phone+" "+n.Source)
	}
	asks := []ask{f.field("name", "Name", "text", "", true, a.Name)}
	if fresh {
		asks = append(asks, f.field("jurisdiction", "Jurisdiction", "text", "ISO 3166 code, such as HK or US-CA. It never changes.", true, ""))
	}
	return append(asks,
		f.field("domains", "Mail domains", "area", "One a line. Officers have addresses of these.", true, strings.Join(a.Domains, "\n")),
		f.field("numbers", "Numbers to call back", "area", "One a line: the number, a space, and where we found it. +85228602000 the government's own directory", true, strings.Join(numbers, "\n")),
		f.field("recipient", "Public key", "text", "An age recipient, age1…. Packages are then encrypted to it.", false, a.Recipient))
}

// agencyOf reads the form of an agency.
func agencyOf(v url.Values) registry.Agency {
	a := registry.Agency{ID: strings.TrimSpace(v.Get("id")), Name: v.Get("name"), Jurisdiction: v.Get("jurisdiction"), Domains: lines(v, "domains"), Recipient: strings.TrimSpace(v.Get("recipient"))}
	for _, l := range lines(v, "numbers") {
		phone, source, _ := strings.Cut(l, " ")
		a.Numbers = append(a.Numbers, registry.Number{Phone: phone, Source: source})
	}
	return a
}

// agencyFields names the fields as the registry's refusals do.
func agencyFault(no *desk.Refusal) *desk.Refusal {
	out := *no
	for _, x := range []struct{ word, field string }{{"domain", "domains"}, {"number", "numbers"}, {"jurisdiction", "jurisdiction"}} {
		if name, _, _ := strings.Cut(no.Text, ":"); strings.HasPrefix(name, x.word) {
			out.Text = x.field + ":" + strings.TrimPrefix(no.Text[len(x.word):], ":")
		}
	}
	return &out
}

func (s *room) addAgency(w http.ResponseWriter, r *http.Request) {
	a, err := s.desk.Registry().AddAgency(r.Context(), session.ActorOf(r).Person, agencyOf(r.PostForm))
	fail := &failedForm{command: "add", given: r.PostForm, wrong: map[string]string{}}
	if no := refusalOf(err); no != nil && s.refused(w, r, agencyFault(no), agencyAsks(filler{}, a, true), fail) {
		s.showAgencies(w, r, fail)
		return
	}
	if !s.failed(w, r, err) {
		done(w, r, Path+"agencies/"+a.ID, "added")
	}
}

func (s *room) agencyPage(w http.ResponseWriter, r *http.Request) { s.showAgency(w, r, nil) }

func (s *room) showAgency(w http.ResponseWriter, r *http.Request, fail *failedForm) {
	ctx, a := r.Context(), session.ActorOf(r)
	d := entry{}
	var err error
	if d.Agency, err = s.desk.Registry().Agency(ctx, r.PathValue("id")); s.failed(w, r, err) {
		return
	}
	if d.People, err = s.desk.Registry().Officers(ctx, d.Agency.ID); s.failed(w, r, err) {
		return
	}
	if holds(a, workers) {
		if d.Releases, err = s.desk.Releases(ctx, a, d.Agency.ID); s.failed(w, r, err) {
			return
		}
	}
	at := Path + "agencies/" + d.Agency.ID
	if holds(a, keepers) {
		d.Forms = append(d.Forms,
			form{ID: "officer", Title: "Add an officer", About: "The account is new until a call confirms it, and ends after a year.", Action: at + "/officers", Button: "Add the officer", Open: failedAt(fail, "officer"), Asks: officerAsks(fillerOf("officer", fail))},
			form{ID: "change", Title: "Change", Action: at, Button: "Keep the change", Open: failedAt(fail, "change"), Asks: agencyAsks(fillerOf("change", fail), d.Agency, false)})
	}
	d.Forms = append(d.Forms, stopForms(a, at, d.Agency.Suspended.IsZero(), "All its officers are stopped with it.", fail)...)
	s.face.Show(w, r, "agency", page(r, fail, ui.Page{Title: d.Agency.Name, Here: Path + "agencies", Lead: law.JurisdictionName(d.Agency.Jurisdiction), Data: d}))
}

func failedAt(fail *failedForm, id string) bool { return fail != nil && fail.command == id }

func officerAsks(f filler) []ask {
	return []ask{f.field("name", "Name", "text", "", true, ""), f.field("mail", "Mail address", "email", "Of one of the agency's domains.", true, ""), f.field("badge", "Badge", "text", "", false, "")}
}

// stopForms suspend or reinstate.
func stopForms(a desk.Actor, at string, active bool, what string, fail *failedForm) []form {
	switch {
	case active && holds(a, stops):
		return []form{{ID: "suspend", Title: "Suspend", About: what, Action: at + "/suspend", Button: "Suspend", Danger: true, Open: failedAt(fail, "suspend"), Asks: []ask{fillerOf("suspend", fail).field("reason", "Why", "text", "", true, "")}}}
	case !active && holds(a, leaders):
		return []form{{ID: "reinstate", Title: "Reinstate", Action: at + "/reinstate", Button: "Reinstate", Open: failedAt(fail, "reinstate"), Asks: []ask{fillerOf("reinstate", fail).field("reason", "Why", "text", "", true, "")}}}
	}
	return nil
}

func (s *room) changeAgency(w http.ResponseWriter, r *http.Request) {
	old, err := s.desk.Registry().Agency(r.Context(), r.PathValue("id"))
	if s.failed(w, r, err) {
		return
	}
	a := agencyOf(r.PostForm)
	a.ID, a.Jurisdiction = old.ID, old.Jurisdiction
	err = s.desk.Registry().ChangeAgency(r.Context(), session.ActorOf(r).Person, a)
	fail := &failedForm{command: "change", given: r.PostForm, wrong: map[string]string{}}
	if no := refusalOf(err); no != nil && s.refused(w, r, agencyFault(no), agencyAsks(filler{}, a, false), fail) {
		s.showAgency(w, r, fail)
		return
	}
	if !s.failed(w, r, err) {
		done(w, r, Path+"agencies/"+a.ID, "changed")
	}
}

func (s *room) addOfficer(w http.ResponseWriter, r *http.Request) {
	v := r.PostForm
	p, err := s.desk.Registry().AddOfficer(r.Context(), session.ActorOf(r).Person, registry.Person{ID: strings.TrimSpace(v.Get("id")), Name: v.Get("name"), Mail: v.Get("mail"), Badge: v.Get("badge"), Agency: r.PathValue("id")})
	fail := &failedForm{command: "officer", given: v, wrong: map[string]string{}}
	if s.refused(w, r, err, officerAsks(filler{}), fail) {
		s.showAgency(w, r, fail)
		return
	}
	if !s.failed(w, r, err) {
		done(w, r, Path+"people/"+p.ID, "added")
	}
}

// suspend stops an agency or a person.
func (s *room) suspend(kind string) http.HandlerFunc {
	return s.stop(kind, "suspend", "suspended", func(r *http.Request, by, id, why string) error {
		return s.desk.Registry().Suspend(r.Context(), by, id, why)
	})
}

// reinstate lifts that.
func (s *room) reinstate(kind string) http.HandlerFunc {
	return s.stop(kind, "reinstate", "reinstated", func(r *http.Request, by, id, why string) error {
		return s.desk.Registry().Reinstate(r.Context(), by, id, why)
	})
}

func (s *room) stop(kind, name, what string, do func(r *http.Request, by, id, why string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, why := r.PathValue("id"), strings.TrimSpace(r.PostForm.Get("reason"))
		var err error
		if kind == "agencies" {
			_, err = s.desk.Registry().Agency(r.Context(), id)
		} else {
			_, err = s.desk.Registry().Person(r.Context(), id)
		}
		if s.failed(w, r, err) {
			return
		}
		fail := &failedForm{command: name, given: r.PostForm, wrong: map[string]string{}, status: http.StatusUnprocessableEntity}
		if why == "" {
			fail.wrong["reason"] = "Say why. It stands in the history."
		} else if err = do(r, session.ActorOf(r).Person, id, why); !s.refused(w, r, err, nil, fail) {
			if !s.failed(w, r, err) {
				done(w, r, Path+kind+"/"+id, what)
			}
			return
		}
		if kind == "agencies" {
			s.showAgency(w, r, fail)
			return
		}
		s.showPerson(w, r, fail, "")
	}
}
