package staff

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"writ/desk"
	"writ/desk/law"
	"writ/desk/policy"
	"writ/desk/registry"
	"writ/desk/standing"
	"writ/web/session"
	"writ/web/ui"
)

// caseData is what the page of a case shows.
type caseData struct {
	desk.Case
	Answers   string // what the requester is told
	Agency    registry.Agency
	Officer   registry.Person
	Verifier  string
	Clocks    []clockRow
	Forms     []form
	Blocked   []form
	Asked     line
	Categs    string
	Rulings   []ruling
	Rules     string
	Standings []standing.Record
	Notice    []string
	Signed    []signed
	Events    []eventRow
	TeamNames []string
	Watches   bool // the person may see who looked
	Looks     []lookRow
	FlagNames []string
	Downloads bool // the person's role takes documents
}

type clockRow struct {
	desk.Clock
	Label   string
	Left    string
	Overdue bool
	Over    bool // it no longer matters
}

// ruling is what the rules say about one category, with the rows and the law that decided.
type ruling struct {
	policy.Ruling
	Title   string
	Badge   string
	Clauses []clause
}

type clause struct {
	policy.Rule
	Sources []policy.Source
}

// signed is a signature on the case.
type signed struct {
	What, Who, Role string
	At              time.Time
}

// lookRow is who of the staff looked at the case or at a document of it.
type lookRow struct {
	At        time.Time
	Who, What string
}

type eventRow struct {
	At    time.Time
	What  string
	Who   string
	Lines []string
}

// failedForm is a step that was sent and not done: the page shows it again with what was given.
type failedForm struct {
	command string
	given   url.Values
	wrong   map[string]string
	fault   string
	status  int
}

func (s *room) casePage(w http.ResponseWriter, r *http.Request) {
	id, asJSON := strings.CutSuffix(r.PathValue("id"), ".json")
	c, err := s.desk.Case(r.Context(), session.ActorOf(r), id)
	if s.failed(w, r, err) {
		return
	}
	if asJSON {
		s.caseJSON(w, r, c)
		return
	}
	s.showCase(w, r, c, nil)
}

// caseJSON is the case's state and what is on offer, for programs.
func (s *room) caseJSON(w http.ResponseWriter, r *http.Request, c desk.Case) {
	offers, err := s.desk.Actions(r.Context(), session.ActorOf(r), c.ID)
	if s.failed(w, r, err) {
		return
	}
	type action struct {
		Command string `json:"command"`
		Hash    string `json:"hash,omitempty"`
		Choice  string `json:"exception,omitempty"`
		Blocked string `json:"blocked,omitempty"`
	}
	v := struct {
		ID      string   `json:"id"`
		State   string   `json:"state"`
		Paused  string   `json:"paused_by,omitempty"`
		Package string   `json:"package_sha256,omitempty"`
		Actions []action `json:"actions"`
	}{ID: c.ID, State: string(c.State), Actions: []action{}}
	if p := c.Paused(); p != nil {
		v.Paused = p.Standing
	}
	if c.Package != nil {
		v.Package = hexOf(c.Package.Hash)
	}
	for _, o := range offers {
		x := action{Command: o.Command, Choice: o.Choice, Blocked: o.Blocked}
		if o.Sign {
			x.Hash = hexOf(o.Hash)
		}
		v.Actions = append(v.Actions, x)
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) // the reader is gone if this fails
}

// showCase writes the page of a case.
func (s *room) showCase(w http.ResponseWriter, r *http.Request, c desk.Case, failed *failedForm) {
	ctx, a := r.Context(), session.ActorOf(r)
	offers, err := s.desk.Actions(ctx, a, c.ID)
	if s.failed(w, r, err) {
		return
	}
	d := caseData{Case: c, Answers: c.Answer(), Asked: line{"", period(c.Request.Asked)}, Categs: titles(c.Request.Asked), Downloads: takesDocuments(a)}
	reg := s.desk.Registry()
	if d.Agency, err = reg.Agency(ctx, c.Request.Agency); s.failed(w, r, err) {
		return
	}
	if d.Officer, err = reg.Person(ctx, c.Request.Officer); s.failed(w, r, err) {
		return
	}
	names, err := s.names(r, d.Officer)
	if s.failed(w, r, err) {
		return
	}
	events, err := s.desk.Events(ctx, a, c.ID)
	if s.failed(w, r, err) {
		return
	}
	if d.Standings, err = s.meeting(r, c); s.failed(w, r, err) {
		return
	}
	now := s.o.Clock.Now()
	d.SeenIn, d.FrozenBy = s.visible(r, c.SeenIn), strings.Join(s.visible(r, []string{c.FrozenBy}), "")
	d.Verifier, d.Clocks, d.Notice = names(c.Verifier), clocks(c, now), noticePlan(c, now)
	d.Rulings, d.Rules = s.rulings(c)
	d.Signed = signatures(c, names)
	for _, p := range c.Team {
		d.TeamNames = append(d.TeamNames, names(p))
	}
	flags := desk.Flags()
	for _, f := range c.Flags {
		d.FlagNames = append(d.FlagNames, flags[f])
	}
	for i := len(events) - 1; i >= 0; i-- {
		events[i].Facts.Cause = strings.Join(s.visible(r, []string{events[i].Facts.Cause}), "")
		d.Events = append(d.Events, describe(events[i], names))
	}
	if err := s.looks(r, &d, names); s.failed(w, r, err) {
		return
	}
	if err := s.offer(r, &d, offers, failed); s.failed(w, r, err) {
		return
	}
	p := ui.Page{Title: "Case " + c.ID, Here: Path, Data: d, Done: pageDone(r.URL.Query().Get("done"))}
	if failed != nil {
		p.Status, p.Done, p.Fault = failed.status, "", failed.fault
		if p.Fault == "" {
			p.Fault = "Nothing was changed: see what is marked below."
		}
	}
	s.face.Show(w, r, "case", p)
}

// looks lists who of the staff looked at the case, for those who may see it.
func (s *room) looks(r *http.Request, d *caseData, names func(string) string) error {
	a := session.ActorOf(r)
	if d.Watches = desk.Watches(a); !d.Watches {
		return nil
	}
	looks, err := s.desk.Looks(r.Context(), a, d.ID)
	for _, l := range looks {
		row := lookRow{At: l.At, Who: names(l.Person), What: "the case"}
		for _, doc := range d.Documents {
			if doc.ID == l.Document {
				row.What = "the document " + doc.Name
			}
		}
		d.Looks = append(d.Looks, row)
	}
	return err
}

// names gives the name of a registry id.
func (s *room) names(r *http.Request, more ...registry.Person) (func(string) string, error) {
	staff, err := s.desk.Registry().Staff(r.Context())
	if err != nil {
		return nil, err
	}
	m := map[string]string{registry.SystemPerson: "the desk itself", "": ""}
	for _, p := range append(staff, more...) {
		m[p.ID] = p.Name
	}
	return func(id string) string {
		if n, ok := m[id]; ok {
			return n
		}
		return id
	}, nil
}

// visible leaves out the numbers of cases that do not exist for the reader.
func (s *room) visible(r *http.Request, ids []string) []string {
	var out []string
	for _, id := range ids {
		if id == "" {
			continue
		}
		if s.desk.Sees(r.Context(), session.ActorOf(r), id) {
			out = append(out, id)
		}
	}
	return out
}

// meeting lists the standings in force that meet the case, whatever their stage.
func (s *room) meeting(r *http.Request, c desk.Case) ([]standing.Record, error) {
	all, err := s.desk.Standings().Now(r.Context())
	if err != nil {
		return nil, err
	}
	of := standing.Subject{Case: c.ID, Jurisdiction: c.Request.Jurisdiction, Service: c.Request.Service, Agency: c.Request.Agency, Instrument: string(c.Request.Instrument), Received: c.Received}
	return slices.DeleteFunc(all, func(x standing.Record) bool { return !x.Meets(of) }), nil
}

// clocks are the terms of the case; those count on while it is paused.
func clocks(c desk.Case, now time.Time) []clockRow {
	var out []clockRow
	for _, k := range c.Clocks {
		row := clockRow{Clock: k, Label: clockNames[k.Name]}
		if row.Label == "" {
			row.Label = k.Name
		}
		if row.Over = !c.Runs(k) && k.Name != "link"; !row.Over {
			row.Left, row.Overdue = left(k.Due, now)
			if k.NotBefore || k.Name == "link" {
				row.Overdue = false
				if !now.Before(k.Due) {
					row.Left = "over"
				}
			}
		}
		out = append(out, row)
	}
	slices.SortStableFunc(out, func(a, b clockRow) int { return a.Due.Compare(b.Due) })
	return out
}

// rulings is what the rules say now, category by category.
func (s *room) rulings(c desk.Case) ([]ruling, string) {
	rules := s.desk.Rules()
	d := s.desk.Decision(c)
	var out []ruling
	for _, x := range d.Rulings {
		row := ruling{Ruling: x, Title: x.Category.Info().Title, Badge: map[policy.Verdict]string{policy.Comply: "good", policy.Narrow: "warn", policy.Object: "warn", policy.Refuse: "bad"}[x.Verdict]}
		for _, id := range x.Clauses {
			i := slices.IndexFunc(rules.Rules, func(y policy.Rule) bool { return y.ID == id })
			if i < 0 {
				continue
			}
			k := clause{Rule: rules.Rules[i]}
			for _, src := range rules.Sources {
				if slices.Contains(k.Rule.Sources, src.ID) {
					k.Sources = append(k.Sources, src)
				}
			}
			row.Clauses = append(row.Clauses, k)
		}
		out = append(out, row)
	}
	return out, d.Version
}

// noticePlan says when the person is told, and what has happened of that.
func noticePlan(c desk.Case, now time.Time) []string {
	var out []string
	n := c.Notice
	switch {
	case !n.Told.IsZero():
		out = append(out, "The person was told on "+ui.Stamp(n.Told)+".")
	case c.State.Ended() && c.Package == nil:
		out = append(out, "Nothing is delivered: nobody is told.")
	case c.Request.Instrument.Preserves():
		out = append(out, "A preservation gives nothing: nobody is told.")
	case c.Emergency():
		out = append(out, "An emergency: the person is told after delivery.")
	case c.Gag.In(now) && c.Gag.Defect():
		out = append(out, "An order of "+c.Gag.Issuer+" bars telling the person and names no end. Counsel has to get one.")
	case c.Gag.In(now):
		out = append(out, "An order of "+c.Gag.Issuer+" bars telling the person until "+ui.Stamp(c.Gag.Until)+". They are told then.")
	default:
		out = append(out, "The person is told seven days before delivery and may object.")
	}
	if !n.Queued.IsZero() && n.Warned.IsZero() {
		out = append(out, "The message was written on "+ui.Stamp(n.Queued)+" and is on its way.")
	}
	if !n.Warned.IsZero() {
		out = append(out, "The person was told on "+ui.Stamp(n.Warned)+". Nothing is delivered before "+ui.Stamp(n.NotBefore)+".")
	}
	if !n.Objected.IsZero() {
		t := "The person objected on " + ui.Stamp(n.Objected) + ": “" + n.Objection + "”"
		if n.Overruled {
			t += " Counsel overruled it."
		} else {
			t += " Counsel decides before anything is delivered."
		}
		out = append(out, t)
	}
	return out
}

// signatures are those that stand on the proposal, the package and the exception now.
func signatures(c desk.Case, names func(string) string) []signed {
	var out []signed
	add := func(what string, list []desk.Signature) {
		for _, x := range list {
			out = append(out, signed{what, names(x.Person), x.Role.Title(), x.At})
		}
	}
	if c.Admission != nil {
		add("Exception "+c.Admission.Exception, c.Admission.Signatures)
	}
	if c.Proposal != nil {
		add("Scope", c.Proposal.Signatures)
	}
	if c.Package != nil {
		add("Package", c.Package.Signatures)
	}
	return out
}

// describe is one event in words.
func describe(e desk.Event, names func(string) string) eventRow {
	row := eventRow{At: e.At, What: kinds[e.Kind], Who: names(e.By)}
	if row.What == "" {
		row.What = string(e.Kind)
	}
	if e.Role != registry.System && e.Role != "" {
		row.Who += ", " + e.Role.Title()
	}
	say := func(format string, args ...any) { row.Lines = append(row.Lines, fmt.Sprintf(format, args...)) }
	f := e.Facts
	for _, code := range f.Reasons {
		say("%s (%s)", upper(desk.ReasonOf(code).Text), code)
	}
	if f.Standing != "" && e.Kind != desk.EvReceived {
		say("Standing %s", f.Standing)
	}
	if f.Exception != "" {
		say("Exception %s", f.Exception)
	}
	if f.Called {
		say("By a call to a number of the registry")
	}
	if f.Person != "" {
		say("%s", names(f.Person))
	}
	if f.Hash != "" {
		say("SHA-256 %s", f.Hash)
	}
	for _, k := range slices.Sorted(mapKeys(f.Records)) {
		say("%s: %s", law.Category(k).Info().Title, plural(int(f.Records[k]), "record", "records"))
	}
	if f.Until != nil {
		say("Until %s", ui.Stamp(*f.Until))
	}
	if f.Cause != "" {
		say("By the verdict on case %s", f.Cause)
	}
	if x := e.Detail; x != nil {
		if x.Scope != nil {
			say("Accounts: %s. Categories: %s. Window: %s.", strings.Join(x.Scope.Identifiers, ", "), titles(*x.Scope), period(*x.Scope))
		}
		for _, doc := range x.Documents {
			say("Document %s, SHA-256 %s", doc.Name, hex.EncodeToString(doc.SHA256[:]))
		}
		if x.Fault != "" {
			say("%s", x.Fault)
		}
		if x.Text != "" {
			say("“%s”", x.Text)
		}
	}
	return row
}

func mapKeys(m map[string]int64) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// takesDocuments reports whether the person's work needs the papers themselves: an executive decides without them.
func takesDocuments(a desk.Actor) bool {
	return slices.ContainsFunc([]registry.Role{registry.Intake, registry.Reviewer, registry.Approver, registry.Counsel, registry.Rights}, a.Has)
}

// document hands a document over as a file; no browser renders it here.
func (s *room) document(w http.ResponseWriter, r *http.Request) {
	a := session.ActorOf(r)
	doc, body, err := s.desk.Document(r.Context(), a, r.PathValue("id"), r.PathValue("document"))
	if s.failed(w, r, err) {
		return
	}
	if !takesDocuments(a) {
		s.face.Problem(w, r, http.StatusForbidden, "Not for you", "The papers of a case are for those who work on it.")
		return
	}
	s.log.Info("document taken", "by", a.Person, "case", r.PathValue("id"), "document", doc.ID)
	attach(w, doc.Name, body)
}

// attach sends bytes as a file.
func attach(w http.ResponseWriter, name string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	w.Write(body) // the reader is gone if this fails
}

// receipt gives the receipt of a case, for a request that was entered here.
func (s *room) receipt(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	rec, err := s.desk.Receipt(r.Context(), session.ActorOf(r), id)
	if s.failed(w, r, err) {
		return
	}
	b, err := json.MarshalIndent(rec, "", "\t")
	if s.failed(w, r, err) {
		return
	}
	attach(w, "receipt-"+id+".json", append(b, '\n'))
}
