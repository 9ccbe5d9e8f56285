package staff

import (
	"net/http"
	"strings"

	"writ/desk/registry"
	"writ/web/session"
	"writ/web/ui"
)

// proposal is a change of roles that waits for a second person.
type proposal struct {
	registry.Proposal
	Name, By string
	Mine     bool // proposed by the reader, or about them: another confirms it
}

func (s *room) peoplePage(w http.ResponseWriter, r *http.Request) { s.showPeople(w, r, nil) }

func (s *room) showPeople(w http.ResponseWriter, r *http.Request, fail *failedForm) {
	ctx, a, reg := r.Context(), session.ActorOf(r), s.desk.Registry()
	d := entry{}
	var err error
	if d.People, err = reg.Staff(ctx); s.failed(w, r, err) {
		return
	}
	names, err := s.names(r)
	if s.failed(w, r, err) {
		return
	}
	if d.History, err = reg.History(ctx, 50); s.failed(w, r, err) {
		return
	}
	for i := range d.History {
		d.History[i].Who = names(d.History[i].Who)
	}
	if holds(a, leaders) {
		waiting, err := reg.Proposals(ctx)
		if s.failed(w, r, err) {
			return
		}
		for _, p := range waiting {
			d.Roles = append(d.Roles, proposal{p, names(p.Person), names(p.Proposer), p.Proposer == a.Person || p.Person == a.Person})
		}
		d.Forms = []form{{ID: "staff", Title: "Add a member of the staff", About: "Without roles at first. Two people then grant them, and the operator makes the link for the passkey at the machine.", Action: Path + "people", Button: "Add", Open: failedAt(fail, "staff"),
			Asks: staffAsks(fillerOf("staff", fail))}}
	}
	s.face.Show(w, r, "people", page(r, fail, ui.Page{Title: "Staff", Here: Path + "people", Lead: "Who works at the desk, and what each may do. Roles are granted by two people, neither of them the one who gets them.", Data: d}))
}

func staffAsks(f filler) []ask {
	return []ask{f.field("id", "Short name", "text", "Lower-case letters, digits, . _ -. It stands in the log.", true, ""), f.field("name", "Name", "text", "", true, "")}
}

func (s *room) addStaff(w http.ResponseWriter, r *http.Request) {
	p, err := s.desk.Registry().AddStaff(r.Context(), session.ActorOf(r).Person, registry.Person{ID: strings.TrimSpace(r.PostForm.Get("id")), Name: r.PostForm.Get("name")})
	fail := &failedForm{command: "staff", given: r.PostForm, wrong: map[string]string{}}
	if s.refused(w, r, err, staffAsks(filler{}), fail) {
		s.showPeople(w, r, fail)
		return
	}
	if !s.failed(w, r, err) {
		done(w, r, Path+"people/"+p.ID, "added")
	}
}

func (s *room) personPage(w http.ResponseWriter, r *http.Request) { s.showPerson(w, r, nil, "") }

func (s *room) showPerson(w http.ResponseWriter, r *http.Request, fail *failedForm, link string) {
	ctx, a, reg := r.Context(), session.ActorOf(r), s.desk.Registry()
	p, err := reg.Person(ctx, r.PathValue("id"))
	if s.failed(w, r, err) {
		return
	}
	d := entry{Person: p, Active: p.Active(s.o.Clock.Now()), Link: link}
	at := Path + "people/" + p.ID
	lead := registry.Titles(p.Roles)
	if p.Agency != "" {
		if d.Agency, err = reg.Agency(ctx, p.Agency); s.failed(w, r, err) {
			return
		}
		calls, err := reg.CallBacks(ctx, p.ID)
		if s.failed(w, r, err) {
			return
		}
		names, err := s.names(r)
		if s.failed(w, r, err) {
			return
		}
		for _, c := range calls {
			c.Case = strings.Join(s.visible(r, []string{c.Case}), "")
			d.Calls = append(d.Calls, call{c, names(c.By)})
		}
		lead = "Officer of " + d.Agency.Name
		d.Forms = s.officerForms(r, d, at, fail)
	} else if holds(a, leaders) && p.ID != a.Person {
		d.Forms = append(d.Forms, form{ID: "roles", Title: "Change the roles", About: "You propose it. Another administrator or executive confirms it.", Action: at + "/roles", Button: "Propose", Open: failedAt(fail, "roles"), Asks: roleAsks(fillerOf("roles", fail), p)})
	}
	d.Forms = append(d.Forms, stopForms(a, at, p.Suspended.IsZero(), "They can neither sign in nor act.", fail)...)
	pg := page(r, fail, ui.Page{Title: p.Name, Here: Path + "people", Lead: lead, Data: d})
	if p.Agency != "" {
		pg.Here = Path + "agencies"
	}
	if link != "" {
		pg.Done = "The link is made. Hand it over yourself, on a way that only the officer reads: it is stored nowhere and not shown again."
	}
	s.face.Show(w, r, "person", pg)
}

// officerForms are what the staff does for an officer.
func (s *room) officerForms(r *http.Request, d entry, at string, fail *failedForm) []form {
	a := session.ActorOf(r)
	var out []form
	if holds(a, callers) {
		out = append(out, form{ID: "call-back", Title: "Record a call", About: "To one of the registry's own numbers. A call that confirms the officer counts for 180 days.", Action: at + "/call-back", Button: "Record the call",
			Open: failedAt(fail, "call-back"), Asks: callAsks(fillerOf("call-back", fail), d.Agency)})
	}
	if holds(a, keepers) {
		if d.Active && d.Agency.Suspended.IsZero() {
			out = append(out, form{ID: "enrol", Title: "Make a link for a passkey", About: "With it the officer registers a passkey, once, within three days. An earlier link ends. It is noted in the history, with your name.", Action: at + "/enrol", Button: "Make the link"})
		}
		out = append(out, form{ID: "renew", Title: "Renew the account", About: "For another year. The call that confirmed the officer counts on.", Action: at + "/renew", Button: "Renew"})
	}
	return out
}

func callAsks(f filler, a registry.Agency) []ask {
	numbers := []ui.Choice{{Value: "", Text: "Choose the number that you called"}}
	for _, n := range a.Numbers {
		numbers = append(numbers, ui.Choice{Value: n.Phone, Text: n.Phone + " – " + n.Source})
	}
	return []ask{f.choose("number", "Number", "From the registry, with where we found it.", true, numbers, ""), f.field("spoke_to", "Who answered", "text", "Their function, such as duty sergeant.", false, ""),
		f.choose("result", "What they said", "", true, results, "")}
}

func roleAsks(f filler, p registry.Person) []ask {
	var list []pick
	for _, r := range registry.StaffRoles() {
		list = append(list, pick{Value: string(r), Text: upper(r.Title())})
	}
	var now []string
	for _, r := range p.Roles {
		now = append(now, string(r))
	}
	return []ask{f.picks("roles", "Roles", "All that they shall hold. One person may hold several; nobody acts twice in one step.", list, now)}
}

func (s *room) proposeRoles(w http.ResponseWriter, r *http.Request) {
	var roles []registry.Role
	for _, x := range r.PostForm["roles"] {
		roles = append(roles, registry.Role(x))
	}
	_, err := s.desk.Registry().ProposeRoles(r.Context(), session.ActorOf(r).Person, r.PathValue("id"), roles)
	fail := &failedForm{command: "roles", given: r.PostForm, wrong: map[string]string{}}
	if s.refused(w, r, err, nil, fail) {
		s.showPerson(w, r, fail, "")
		return
	}
	if !s.failed(w, r, err) {
		done(w, r, Path+"people", "proposed")
	}
}

func (s *room) confirmRoles(w http.ResponseWriter, r *http.Request) {
	err := s.desk.Registry().ConfirmRoles(r.Context(), session.ActorOf(r).Person, r.PathValue("id"))
	fail := &failedForm{command: "confirm", wrong: map[string]string{}}
	if s.refused(w, r, err, nil, fail) {
		s.showPeople(w, r, fail)
		return
	}
	if !s.failed(w, r, err) {
		done(w, r, Path+"people", "confirmed")
	}
}

// officer reads the officer that an address names; false if it is none.
func (s *room) officer(w http.ResponseWriter, r *http.Request) (registry.Person, bool) {
	p, err := s.desk.Registry().Person(r.Context(), r.PathValue("id"))
	if err == nil && p.Agency == "" {
		err = registry.ErrNotFound
	}
	return p, !s.failed(w, r, err)
}

func (s *room) callBack(w http.ResponseWriter, r *http.Request) {
	p, ok := s.officer(w, r)
	if !ok {
		return
	}
	v := r.PostForm
	_, err := s.desk.Registry().RecordCallBack(r.Context(), session.ActorOf(r).Person, registry.CallBack{Officer: p.ID, Number: v.Get("number"), SpokeTo: v.Get("spoke_to"), Result: v.Get("result")})
	fail := &failedForm{command: "call-back", given: v, wrong: map[string]string{}}
	if s.refused(w, r, err, callAsks(filler{}, registry.Agency{}), fail) {
		s.showPerson(w, r, fail, "")
		return
	}
	if !s.failed(w, r, err) {
		done(w, r, Path+"people/"+p.ID, "call")
	}
}

func (s *room) renew(w http.ResponseWriter, r *http.Request) {
	p, ok := s.officer(w, r)
	if ok && !s.failed(w, r, s.desk.Registry().Renew(r.Context(), session.ActorOf(r).Person, p.ID)) {
		done(w, r, Path+"people/"+p.ID, "renewed")
	}
}

// enrol makes the link by which an officer registers a passkey. Links for the staff are made at the machine alone: who could make
// them here could sign as two people.
func (s *room) enrol(w http.ResponseWriter, r *http.Request) {
	p, ok := s.officer(w, r)
	if !ok || !s.only(w, r, keepers...) {
		return
	}
	link, err := s.o.Enrol(r.Context(), session.ActorOf(r).Person, p.ID)
	if !s.failed(w, r, err) {
		s.showPerson(w, r, nil, link)
	}
}
