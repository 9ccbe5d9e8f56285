package staff

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"writ/desk"
	"writ/desk/intake"
	"writ/desk/law"
	"writ/desk/registry"
	"writ/web/session"
	"writ/web/ui"
)

// fileData is the page on which a request that came by mail or post is entered.
type fileData struct {
	Agencies []registry.Agency // to choose from, first
	Agency   registry.Agency
	Form     form
	Receipt  *desk.Receipt // of a request that is sealed to the person who entered it
}

func (s *room) filePage(w http.ResponseWriter, r *http.Request) {
	if s.only(w, r, registry.Intake) {
		s.showFile(w, r, r.URL.Query().Get("agency"), nil, nil)
	}
}

// showFile shows the form of one agency, or the agencies to choose from.
func (s *room) showFile(w http.ResponseWriter, r *http.Request, agency string, given url.Values, fail *failedForm) {
	p := ui.Page{Title: "Enter a request", Here: Path + "file", Lead: "For what came by mail or post. Officers file their own in the portal."}
	d := fileData{}
	reg := s.desk.Registry()
	if fail != nil {
		p.Status, p.Fault = fail.status, fail.fault
	}
	if agency == "" {
		all, err := reg.Agencies(r.Context())
		if s.failed(w, r, err) {
			return
		}
		for _, a := range all {
			if a.Suspended.IsZero() {
				d.Agencies = append(d.Agencies, a)
			}
		}
		p.Data = d
		s.face.Show(w, r, "file", p)
		return
	}
	a, err := reg.Agency(r.Context(), agency)
	if s.failed(w, r, err) {
		return
	}
	officers, err := reg.Officers(r.Context(), agency)
	if s.failed(w, r, err) {
		return
	}
	d.Agency = a
	f := filler{id: "file", given: given}
	if fail != nil {
		f.wrong = fail.wrong
	}
	d.Form = s.fileForm(f, a, officers)
	p.Data = d
	s.face.Show(w, r, "file", p)
}

func (s *room) fileForm(f filler, a registry.Agency, officers []registry.Person) form {
	now := s.o.Clock.Now()
	who := []ui.Choice{{Value: "", Text: "Choose"}}
	for _, p := range officers {
		if p.Active(now) {
			who = append(who, ui.Choice{Value: p.ID, Text: p.Name + " – " + p.Mail})
		}
	}
	var services []ui.Choice
	for _, x := range s.desk.Services() {
		services = append(services, ui.Choice{Value: x.ID, Text: x.Name})
	}
	one := func(name, label, value string, text string) ask {
		return f.picks(name, label, "", []pick{{Value: value, Text: text}}, nil)
	}
	return form{ID: "file", Action: Path + "file", Button: "Enter the request", Files: true, Hidden: []line{{"agency", a.ID}}, Asks: []ask{
		f.choose("channel", "How it came", "", true, []ui.Choice{{Value: string(intake.Mail), Text: "By mail"}, {Value: string(intake.Post), Text: "By post"}}, string(intake.Mail)),
		f.field("served", "When it came", "datetime-local", "UTC. The clocks count from then.", false, stampOf(now)),
		f.choose("officer", "Officer", "Who signed for "+a.Name+". Add an officer on the agency's page.", true, who, ""),
		f.choose("service", "Service", "", true, services, ""),
		f.choose("instrument", "Instrument", "", true, append([]ui.Choice{{Value: "", Text: "Choose"}}, instruments()...), ""),
		f.field("jurisdiction", "Jurisdiction", "text", "ISO 3166 code, such as HK or US-CA.", true, a.Jurisdiction),
		f.field("legal_basis", "Legal basis", "text", "The statute and power that the paper cites.", true, ""),
		f.field("reference", "Their reference", "text", "", true, ""),
		f.field("authority", "Issued by", "text", "The court or prosecutor.", false, ""),
		f.field("signed", "Date on the paper", "date", "", false, ""),
		f.field("respond", "Answer asked for by", "datetime-local", "UTC. As the paper says.", false, ""),
		f.field("identifiers", "Accounts", "area", "One a line, exactly as the paper has them.", true, ""),
		f.categories(producible(), nil),
		f.field("from", "From", "datetime-local", "UTC. Empty: as far back as held.", false, ""),
		f.field("to", "To", "datetime-local", "UTC. Empty: until now.", false, ""),
		f.field("offence", "Offence stated", "text", "", false, ""),
		f.field("facts", "Facts stated", "area", "In an emergency: the danger to life.", false, ""),
		f.field("supervisor", "Supervisor named", "text", "Emergencies.", false, ""),
		f.files(false),
		one("gag", "Order not to tell the person", "yes", "The paper forbids telling the person"),
		f.field("gag_issuer", "Who ordered that", "text", "", false, ""), f.field("gag_scope", "What it bars", "text", "", false, ""),
		f.field("gag_until", "Until", "datetime-local", "UTC. Empty: it names no end.", false, ""),
		one("sealed", "Seal", "yes", "Under seal: only counsel and the team of the case see it, and not the one who enters it"),
	}}
}

// file enters a request.
func (s *room) file(w http.ResponseWriter, r *http.Request) {
	if !s.only(w, r, registry.Intake) {
		return
	}
	v, fail := r.PostForm, &failedForm{wrong: map[string]string{}, status: http.StatusUnprocessableEntity}
	f, err := s.filing(r, fail.wrong)
	var receipt desk.Receipt
	if err == nil && len(fail.wrong) == 0 {
		receipt, err = s.desk.File(r.Context(), session.ActorOf(r), f)
	} else if err == nil { // nothing is kept, and all that is wrong is said in one answer
		err = s.desk.Check(f)
	}
	if faults, ok := errors.AsType[intake.FieldErrors](err); ok {
		mark(fail.wrong, slices.DeleteFunc(faults, func(e intake.FieldError) bool { return fail.wrong[e.Field] != "" }))
		err = nil
	}
	if no, ok := errors.AsType[*desk.Refusal](err); ok {
		fail.status, fail.fault, err = statusOf(no.Code), sentence(no), nil
	}
	if s.failed(w, r, err) {
		return
	}
	if len(fail.wrong) > 0 || fail.fault != "" {
		if fail.fault == "" {
			fail.fault = "Nothing was entered: see what is marked below. Choose the documents again."
		}
		agency := f.Agency
		if fail.wrong["agency"] != "" {
			agency, fail.fault = "", fail.wrong["agency"]
		}
		s.showFile(w, r, agency, v, fail)
		return
	}
	if _, err := s.desk.Case(r.Context(), session.ActorOf(r), receipt.Case); err == nil {
		done(w, r, Path+"cases/"+receipt.Case, "file")
		return
	}
	s.face.Show(w, r, "file", ui.Page{Title: "Entered", Here: Path + "file", Done: happened["file"], Status: http.StatusCreated, Data: fileData{Receipt: &receipt}})
}

// filing reads the form; an officer's agency need not be given.
func (s *room) filing(r *http.Request, wrong map[string]string) (desk.Filing, error) {
	v := r.PostForm
	f := desk.Filing{Channel: intake.Channel(v.Get("channel")), Service: v.Get("service"), Agency: v.Get("agency"), Officer: v.Get("officer"), Instrument: law.Instrument(v.Get("instrument")),
		Jurisdiction: v.Get("jurisdiction"), LegalBasis: v.Get("legal_basis"), Reference: v.Get("reference"), Authority: v.Get("authority"), Signed: when(v, "signed", wrong),
		Served: when(v, "served", wrong), Respond: when(v, "respond", wrong), Supervisor: v.Get("supervisor"), Facts: v.Get("facts"), Offence: v.Get("offence"),
		Identifiers: lines(v, "identifiers"), From: when(v, "from", wrong), To: when(v, "to", wrong), Sealed: v.Get("sealed") != ""}
	if f.Channel != intake.Mail && f.Channel != intake.Post {
		wrong["channel"] = "Mail or post: what comes by the portal is filed there."
	}
	for _, c := range v["categories"] {
		f.Categories = append(f.Categories, law.Category(c))
	}
	if v.Get("gag") != "" || strings.TrimSpace(v.Get("gag_issuer")) != "" {
		f.Gag = &intake.Gag{Issuer: v.Get("gag_issuer"), Scope: v.Get("gag_scope"), Until: when(v, "gag_until", wrong)}
	}
	p, err := s.desk.Registry().Person(r.Context(), f.Officer)
	switch {
	case errors.Is(err, registry.ErrNotFound):
		wrong["officer"] = "Choose an officer of the registry."
	case err != nil:
		return f, err
	case f.Agency == "":
		f.Agency = p.Agency
	}
	f.Documents, err = documents(r)
	return f, err
}
