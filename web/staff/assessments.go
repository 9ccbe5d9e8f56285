package staff

// The form of an assessment. Lists are one a line; a fact is "text | source". Rows are numbered from 1; a row without its first
// field is left out.
//
//	trigger trigger_date review decision staff_safety interim mitigation dissent publication
//	jurisdictions agencies statutes offences processes categories products facts rights groups resume exceptions   (lists)
//	riskN riskN_scale riskN_scope riskN_remediability riskN_likelihood
//	consultedN consultedN_date consultedN_said consultedN_sealed (yes)
//	optionN optionN_rejected

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"writ/desk/diligence"
	"writ/desk/registry"
	"writ/web/session"
	"writ/web/ui"
)

// maxRows is how many risks, consultations and options the form reads.
const maxRows = 20

type assessmentsData struct {
	List    []assessmentRow
	Writing bool
}

type assessmentRow struct {
	diligence.Assessment
	Where string
	Late  bool
}

func (s *room) assessmentsPage(w http.ResponseWriter, r *http.Request) {
	all, err := s.desk.Assessments().List(r.Context())
	if s.failed(w, r, err) {
		return
	}
	d := assessmentsData{Writing: holds(session.ActorOf(r), drafters)}
	for _, a := range all {
		d.List = append(d.List, assessmentRow{a, where(a.Content.Scope.Jurisdictions), !s.o.Clock.Now().Before(a.Content.Review)})
	}
	s.face.Show(w, r, "assessments", page(r, nil, ui.Page{Title: "Assessments", Here: Path + "assessments", Lead: "Human-rights due diligence: what was weighed before requests of a place were paused, or answered again.", Data: d}))
}

type assessmentData struct {
	assessmentRow
	Versions []diligence.Assessment
	By       string
	Signed   []signed
	Missing  []string
	Names    bool // sealed names are shown to those who sign assessments
	Forms    []form
	Newest   bool
	Writing  bool
}

func (s *room) assessmentPage(w http.ResponseWriter, r *http.Request) { s.showAssessment(w, r, nil) }

func (s *room) showAssessment(w http.ResponseWriter, r *http.Request, fail *failedForm) {
	a := session.ActorOf(r)
	vs, err := s.desk.Assessments().Versions(r.Context(), r.PathValue("id"))
	if s.failed(w, r, err) {
		return
	}
	x, newest := vs[0], true
	if v := r.FormValue("version"); v != "" {
		i := slices.IndexFunc(vs, func(y diligence.Assessment) bool { return strconv.Itoa(y.Version) == v })
		if i < 0 {
			s.face.Missing(w, r)
			return
		}
		x, newest = vs[i], i == 0
	}
	names, err := s.names(r)
	if s.failed(w, r, err) {
		return
	}
	d := assessmentData{assessmentRow: assessmentRow{x, where(x.Content.Scope.Jurisdictions), !s.o.Clock.Now().Before(x.Content.Review)}, Versions: vs, By: names(x.Author),
		Names: holds(a, drafters), Newest: newest, Writing: holds(a, drafters)}
	for _, sig := range x.Signatures {
		d.Signed = append(d.Signed, signed{"", names(sig.Person), registry.Role(sig.Role).Title(), sig.At})
	}
	var needs []string
	for _, role := range diligence.Signers() {
		needs = append(needs, string(role))
		if !slices.ContainsFunc(x.Signatures, func(y diligence.Signature) bool { return y.Role == string(role) }) {
			d.Missing = append(d.Missing, role.Title())
		}
	}
	roles := s.signable(a, needs, func(role string) bool {
		return slices.ContainsFunc(x.Signatures, func(y diligence.Signature) bool { return y.Role == role || y.Person == a.Person })
	})
	if newest && x.Status == diligence.Draft && len(roles) > 0 {
		f := form{ID: "sign", Title: "Sign", About: "You sign this version, as it stands on this page. With the third signature it is the active one.", Action: Path + "assessments/" + x.ID + "/sign", Button: "Sign the assessment", Open: true,
			Hidden: []line{{"version", strconv.Itoa(x.Version)}}, Asks: []ask{fillerOf("sign", fail).choose("role", "Sign as", "", true, roles, "")}}
		f.Sign = &signing{Hash: hexOf(x.Hash), Passkey: s.o.Sessions.Signer(r), Words: []line{{"Assessment", x.ID + ", version " + strconv.Itoa(x.Version)}, {"Decision", x.Content.Decision}, {"Review by", ui.Date(x.Content.Review)}}}
		if fail != nil {
			f.Fault = fail.fault
		}
		d.Forms = append(d.Forms, f)
	}
	s.face.Show(w, r, "assessment", page(r, fail, ui.Page{Title: "Assessment: " + d.Where, Here: Path + "assessments", Lead: fmt.Sprintf("%s, version %d, %s", x.ID, x.Version, x.Status), Data: d}))
}

func (s *room) assessmentForm(w http.ResponseWriter, r *http.Request) {
	if s.only(w, r, drafters...) {
		s.showAssessmentForm(w, r, nil)
	}
}

func (s *room) showAssessmentForm(w http.ResponseWriter, r *http.Request, fail *failedForm) {
	id := r.PathValue("id")
	p := ui.Page{Title: "Write an assessment", Here: Path + "assessments", Lead: "Risk is risk to people, not to the business. Counsel, human-rights lead and executive sign it, who are three people."}
	at := Path + "assessments"
	var c diligence.Content
	if id != "" {
		vs, err := s.desk.Assessments().Versions(r.Context(), id)
		if s.failed(w, r, err) {
			return
		}
		c, at = vs[0].Content, at+"/"+id
		p.Title = "A new version of " + id
	}
	p.Data = form{ID: "write", Action: at, Button: "Keep the version", Asks: assessmentAsks(fillerOf("write", fail), c)}
	s.face.Show(w, r, "draft", page(r, fail, p))
}

// assessmentAsks asks for all that legal due diligence has to say.
func assessmentAsks(f filler, c diligence.Content) []ask {
	list := func(name, label, hint string, need bool, now []string) ask {
		return f.field(name, label, "area", strings.TrimSpace("One a line. "+hint), need, strings.Join(now, "\n"))
	}
	var facts []string
	for _, x := range c.Facts {
		facts = append(facts, x.Text+" | "+x.Source)
	}
	out := []ask{
		f.field("trigger", "What set it off", "area", "", true, c.Trigger), f.field("trigger_date", "When", "date", "", true, dayOf(c.TriggerDate)),
		list("jurisdictions", "Jurisdictions", "ISO 3166 codes.", true, c.Scope.Jurisdictions), list("agencies", "Agencies", "", false, c.Scope.Agencies),
		list("statutes", "Statutes", "", false, c.Scope.Statutes), list("offences", "Offences", "", false, c.Scope.Offences), list("processes", "Legal processes", "", false, c.Scope.Processes),
		list("categories", "Data categories", "", false, c.Scope.Categories), list("products", "Products", "", false, c.Scope.Products),
		list("facts", "Facts", "The fact, a bar |, and its source.", true, facts), list("rights", "Rights affected", "", true, c.Rights), list("groups", "Groups affected", "", false, c.Groups),
	}
	out = append(out, riskAsks(f, c.Risks)...)
	out = append(out, consultedAsks(f, c.Consulted)...)
	for i := range rows(f, "option", len(c.Options), 2) {
		var x diligence.Option
		if i < len(c.Options) {
			x = c.Options[i]
		}
		n := fmt.Sprintf("option%d", i+1)
		out = append(out, f.field(n, fmt.Sprintf("Option %d", i+1), "text", "", i == 0, x.Text), f.field(n+"_rejected", "Why it was rejected", "text", "Empty: the one chosen.", false, x.Rejected))
	}
	return append(out,
		f.field("staff_safety", "Safety of staff, and the risk of being blocked", "area", "", true, c.StaffSafety), f.field("decision", "Decision", "area", "", true, c.Decision),
		list("exceptions", "Exceptions", "", false, c.Exceptions), f.field("interim", "Until then", "area", "What is preserved and acknowledged, and what the agency is told.", true, c.Interim),
		f.field("mitigation", "Mitigation", "area", "", false, c.Mitigation), f.field("review", "Review by", "date", "Within 90 days. Empty: 90 days.", false, dayOf(c.Review)),
		list("resume", "Resume when", "Statements that can be checked.", true, c.Resume), f.field("dissent", "Dissent", "area", "", false, c.Dissent),
		f.field("publication", "Text for the public", "area", "", true, c.Publication))
}

// rows is how many rows of a kind the form shows: those that are there and one more, and all that were sent.
func rows(f filler, name string, now, least int) int {
	n := max(least, now+1)
	for i := range maxRows {
		if f.given != nil && f.given.Get(fmt.Sprintf("%s%d", name, i+1)) != "" {
			n = max(n, i+2)
		}
	}
	return min(n, maxRows)
}

func riskAsks(f filler, now []diligence.Risk) []ask {
	grades := []ui.Choice{{Value: "1", Text: "1, least"}, {Value: "2", Text: "2"}, {Value: "3", Text: "3"}, {Value: "4", Text: "4"}, {Value: "5", Text: "5, most"}}
	var out []ask
	for i := range rows(f, "risk", len(now), 2) {
		x := diligence.Risk{Scale: 3, Scope: 3, Remediability: 3, Likelihood: 3}
		if i < len(now) {
			x = now[i]
		}
		n := fmt.Sprintf("risk%d", i+1)
		out = append(out, f.field(n, fmt.Sprintf("Risk %d to people", i+1), "text", "", i == 0, x.Text),
			f.choose(n+"_scale", "How grave", "", true, grades, strconv.Itoa(x.Scale)), f.choose(n+"_scope", "How many", "", true, grades, strconv.Itoa(x.Scope)),
			f.choose(n+"_remediability", "How hard to make good", "", true, grades, strconv.Itoa(x.Remediability)), f.choose(n+"_likelihood", "How likely", "", true, grades, strconv.Itoa(x.Likelihood)))
	}
	return out
}

func consultedAsks(f filler, now []diligence.Consultation) []ask {
	var out []ask
	for i := range rows(f, "consulted", len(now), 1) {
		var x diligence.Consultation
		if i < len(now) {
			x = now[i]
		}
		n := fmt.Sprintf("consulted%d", i+1)
		var sealed []string
		if x.Sealed {
			sealed = []string{"yes"}
		}
		out = append(out, f.field(n, fmt.Sprintf("Who was heard, %d", i+1), "text", "Stakeholder or expert.", false, x.Who), f.field(n+"_date", "When", "date", "Never left out.", false, dayOf(x.Date)),
			f.field(n+"_said", "What they said", "area", "", false, x.Said), f.picks(n+"_sealed", "Name", "", []pick{{Value: "yes", Text: "The name is sealed"}}, sealed))
	}
	return out
}

// contentOf reads the form of an assessment.
func contentOf(v url.Values, wrong map[string]string) diligence.Content {
	c := diligence.Content{Trigger: v.Get("trigger"), TriggerDate: when(v, "trigger_date", wrong), Rights: lines(v, "rights"), Groups: lines(v, "groups"), StaffSafety: v.Get("staff_safety"),
		Decision: v.Get("decision"), Exceptions: lines(v, "exceptions"), Interim: v.Get("interim"), Mitigation: v.Get("mitigation"), Review: when(v, "review", wrong), Resume: lines(v, "resume"),
		Dissent: v.Get("dissent"), Publication: v.Get("publication"),
		Scope: diligence.Scope{Jurisdictions: lines(v, "jurisdictions"), Agencies: lines(v, "agencies"), Statutes: lines(v, "statutes"), Offences: lines(v, "offences"),
			Processes: lines(v, "processes"), Categories: lines(v, "categories"), Products: lines(v, "products")}}
	for i, l := range lines(v, "facts") {
		text, source, ok := strings.Cut(l, "|")
		if !ok || strings.TrimSpace(source) == "" {
			wrong["facts"] = fmt.Sprintf("Line %d has no source: write the fact, a bar |, and where it comes from.", i+1)
		}
		c.Facts = append(c.Facts, diligence.Fact{Text: strings.TrimSpace(text), Source: strings.TrimSpace(source)})
	}
	grade := func(name string) int {
		n, err := strconv.Atoi(v.Get(name))
		if err != nil || n < 1 || n > 5 {
			wrong[name] = "A number from 1 to 5."
		}
		return n
	}
	for i := range maxRows {
		n := fmt.Sprintf("risk%d", i+1)
		if t := strings.TrimSpace(v.Get(n)); t != "" {
			c.Risks = append(c.Risks, diligence.Risk{Text: t, Scale: grade(n + "_scale"), Scope: grade(n + "_scope"), Remediability: grade(n + "_remediability"), Likelihood: grade(n + "_likelihood")})
		}
		n = fmt.Sprintf("consulted%d", i+1)
		if t := strings.TrimSpace(v.Get(n)); t != "" {
			x := diligence.Consultation{Who: t, Sealed: v.Get(n+"_sealed") == "yes", Date: when(v, n+"_date", wrong), Said: v.Get(n + "_said")}
			if x.Date.IsZero() && wrong[n+"_date"] == "" {
				wrong[n+"_date"] = "The date is never left out."
			}
			c.Consulted = append(c.Consulted, x)
		}
		n = fmt.Sprintf("option%d", i+1)
		if t := strings.TrimSpace(v.Get(n)); t != "" {
			c.Options = append(c.Options, diligence.Option{Text: t, Rejected: v.Get(n + "_rejected")})
		}
	}
	need(&c, wrong)
	return c
}

// need marks the fields that an assessment cannot be without.
func need(c *diligence.Content, wrong map[string]string) {
	for _, x := range []struct {
		name    string
		missing bool
	}{{"trigger", c.Trigger == ""}, {"trigger_date", c.TriggerDate.IsZero()}, {"jurisdictions", len(c.Scope.Jurisdictions) == 0}, {"facts", len(c.Facts) == 0}, {"rights", len(c.Rights) == 0},
		{"risk1", len(c.Risks) == 0}, {"option1", len(c.Options) == 0}, {"staff_safety", c.StaffSafety == ""}, {"decision", c.Decision == ""}, {"interim", c.Interim == ""},
		{"resume", len(c.Resume) == 0}, {"publication", c.Publication == ""}} {
		if x.missing && wrong[x.name] == "" {
			wrong[x.name] = "This is needed."
		}
	}
}

// writeAssessment keeps a first version, or the next one.
func (s *room) writeAssessment(w http.ResponseWriter, r *http.Request) {
	if !s.only(w, r, drafters...) {
		return
	}
	fail := &failedForm{command: "write", given: r.PostForm, wrong: map[string]string{}, status: http.StatusUnprocessableEntity}
	c := contentOf(r.PostForm, fail.wrong)
	var a diligence.Assessment
	var err error
	if len(fail.wrong) == 0 {
		a, err = s.desk.Assessments().Write(r.Context(), session.ActorOf(r).Person, r.PathValue("id"), c)
	}
	if no := refusalOf(err); no != nil && strings.HasPrefix(no.Text, "jurisdiction ") {
		fail.wrong["jurisdictions"], err = sentence(no), nil
	}
	if s.refused(w, r, err, assessmentAsks(filler{}, c), fail) || len(fail.wrong) > 0 {
		s.showAssessmentForm(w, r, fail)
		return
	}
	if !s.failed(w, r, err) {
		done(w, r, Path+"assessments/"+a.ID, "written")
	}
}

func (s *room) signAssessment(w http.ResponseWriter, r *http.Request) {
	vs, err := s.desk.Assessments().Versions(r.Context(), r.PathValue("id"))
	if s.failed(w, r, err) {
		return
	}
	fail := &failedForm{command: "sign", given: r.PostForm, wrong: map[string]string{}}
	version, _ := strconv.Atoi(r.PostForm.Get("version")) // 0 is refused as no newest version
	sig, err := s.assertion(r, vs[0].Hash)
	if err == nil {
		_, err = s.desk.Assessments().Sign(r.Context(), session.ActorOf(r).Person, vs[0].ID, version, registry.Role(r.PostForm.Get("role")), sig)
	}
	if s.refused(w, r, err, nil, fail) {
		s.showAssessment(w, r, fail)
		return
	}
	if !s.failed(w, r, err) {
		done(w, r, Path+"assessments/"+vs[0].ID, "signed")
	}
}
