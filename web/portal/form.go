package portal

import (
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"time"

	"writ/desk"
	"writ/desk/intake"
	"writ/desk/law"
	"writ/schedule"
	"writ/web/session"
	"writ/web/ui"
)

const (
	maxBody  = 128 << 20 // of a whole filing with its documents
	maxValue = 256 << 10 // of one field that is no file; 1,000 identifiers fit
)

// form is a filing as it was typed, with what was wrong.
type form struct {
	values     map[string][]string
	documents  []intake.Document
	faults     map[string]string // by name of the control
	others     []string          // faults of no single control
	tooLarge   bool
	notForm    bool
	documentNo int
}

// readForm reads a multipart form in one pass: nothing is kept that is larger than its limit, and the rest of such a part is
// skipped. A body over the whole limit ends the reading.
func readForm(r *http.Request) *form {
	f := &form{values: map[string][]string{}, faults: map[string]string{}}
	parts, err := r.MultipartReader()
	if err != nil {
		f.notForm = true
		return f
	}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return f
		}
		if err != nil {
			var over *http.MaxBytesError
			f.tooLarge = errors.As(err, &over)
			f.notForm = !f.tooLarge
			return f
		}
		if err := f.take(part); err != nil {
			var over *http.MaxBytesError
			f.tooLarge = errors.As(err, &over)
			f.notForm = !f.tooLarge
			return f
		}
	}
}

func (f *form) take(part *multipart.Part) error {
	name := part.FormName()
	limit := int64(maxValue)
	if name == "documents" {
		limit = intake.MaxDocument
	}
	b, err := io.ReadAll(io.LimitReader(part, limit+1))
	if err != nil {
		return err
	}
	over := int64(len(b)) > limit
	if over {
		rest, err := io.Copy(io.Discard, part)
		if err != nil {
			return err
		}
		size := int64(len(b)) + rest
		f.faults[name] = fmt.Sprintf("You gave %s of %d bytes. Allowed: at most %d bytes.", orField(part.FileName()), size, limit)
		return nil
	}
	if name != "documents" {
		f.values[name] = append(f.values[name], string(b))
		return nil
	}
	if part.FileName() == "" && len(b) == 0 {
		return nil // a file control that was left empty
	}
	if f.documentNo++; f.documentNo > intake.MaxDocuments {
		f.faults[name] = fmt.Sprintf("You gave more than %d documents. Allowed: at most %d.", intake.MaxDocuments, intake.MaxDocuments)
		return nil
	}
	f.documents = append(f.documents, intake.Document{Name: part.FileName(), Body: b})
	return nil
}

func orField(name string) string {
	if name == "" {
		return "a value"
	}
	return name
}

func (f *form) get(name string) string {
	if v := f.values[name]; len(v) > 0 {
		return strings.TrimSpace(v[0])
	}
	return ""
}

// day reads a date; end makes it the end of that day, because people mean the day to be included.
func (f *form) day(name string, end bool) time.Time {
	v := f.get(name)
	if v == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.DateOnly, v)
	if err != nil {
		f.faults[name] = fmt.Sprintf("You gave %.40q. Allowed: a date such as 2026-11-24.", v)
		return time.Time{}
	}
	if end {
		t = t.AddDate(0, 0, 1)
	}
	return t
}

// filing is what the desk is asked to take in.
func (f *form) filing() desk.Filing {
	out := desk.Filing{
		Channel: intake.Portal, Service: f.get("service"), Instrument: law.Instrument(f.get("instrument")), Jurisdiction: f.get("jurisdiction"),
		LegalBasis: f.get("legal_basis"), Reference: f.get("reference"), Authority: f.get("authority"), Supervisor: f.get("supervisor"),
		Facts: f.get("facts"), Offence: f.get("offence"), Signed: f.day("signed", false), Respond: f.day("respond", true),
		From: f.day("from", false), To: f.day("to", true), Documents: f.documents, Sealed: f.get("sealed") != "",
	}
	for line := range strings.Lines(f.get("identifiers")) {
		if line = strings.TrimSpace(line); line != "" {
			out.Identifiers = append(out.Identifiers, line)
		}
	}
	for _, c := range f.values["categories"] {
		out.Categories = append(out.Categories, law.Category(c))
	}
	if f.get("gag_issuer") != "" || f.get("gag_until") != "" || f.get("gag_scope") != "" {
		out.Gag = &intake.Gag{Issuer: f.get("gag_issuer"), Scope: f.get("gag_scope"), Until: f.day("gag_until", true)}
	}
	return out
}

// blame puts the desk's faults beside their controls. "identifiers[3]" stands at the control of identifiers, with its place.
func (f *form) blame(faults intake.FieldErrors) {
	for _, e := range faults {
		control, place := e.Field, ""
		if i := strings.IndexByte(control, '['); i >= 0 {
			place = "Number " + plusOne(control[i:]) + ": "
			control = control[:i]
		}
		control = strings.ReplaceAll(control, ".", "_")
		text := place + e.Sentence()
		switch { // what is allowed stands in the list, in words
		case control == "instrument" && e.Given == "":
			text = "This is missing. Choose one."
		case control == "categories" && e.Given == "none":
			text = "This is missing. Choose one or more."
		}
		if !known[control] {
			f.others = append(f.others, control+": "+text)
		} else if f.faults[control] == "" {
			f.faults[control] = text
		} else if strings.Count(f.faults[control], "Allowed") < 5 {
			f.faults[control] += " " + text
		}
	}
}

func plusOne(index string) string {
	var i int
	if _, err := fmt.Sscanf(index, "[%d]", &i); err != nil {
		return index
	}
	return fmt.Sprint(i + 1)
}

// known are the controls of the form.
var known = map[string]bool{"instrument": true, "service": true, "jurisdiction": true, "legal_basis": true, "reference": true, "authority": true,
	"signed": true, "respond": true, "supervisor": true, "facts": true, "offence": true, "identifiers": true, "categories": true, "from": true, "to": true,
	"documents": true, "gag_issuer": true, "gag_scope": true, "gag_until": true, "sealed": true}

func (p *room) blank(w http.ResponseWriter, r *http.Request) {
	p.showForm(w, r, &form{values: map[string][]string{}, faults: map[string]string{}}, http.StatusOK)
}

// file takes a request in, or shows the form again with what was wrong and all that was typed; files must be chosen again, which
// no page can prevent.
func (p *room) file(w http.ResponseWriter, r *http.Request) {
	f := readForm(r)
	switch {
	case f.tooLarge:
		p.face.Problem(w, r, http.StatusRequestEntityTooLarge, "This is too large",
			fmt.Sprintf("A request with its documents may have at most %d MiB. Nothing was filed; leave documents out or split the request.", maxBody>>20))
		return
	case f.notForm:
		p.face.Problem(w, r, http.StatusBadRequest, "This is not the form", "The upload was broken off or is no form. Nothing was filed; go back and send it again.")
		return
	}
	filing := f.filing()
	if len(f.faults) == 0 {
		receipt, err := p.o.Desk.File(r.Context(), session.ActorOf(r), filing)
		if err == nil {
			http.Redirect(w, r, Path+"cases/"+receipt.Case+"?filed=1", http.StatusSeeOther)
			return
		}
		var faults intake.FieldErrors
		if !errors.As(err, &faults) {
			p.fail(w, r, err)
			return
		}
		f.blame(faults)
	}
	p.showForm(w, r, f, http.StatusUnprocessableEntity)
}

// section is a group of controls.
type section struct {
	Legend string
	Hint   string
	Fields []ui.Field
}

type pick struct {
	Value, Title, Text string
	Chosen             bool
}

func (p *room) showForm(w http.ResponseWriter, r *http.Request, f *form, status int) {
	field := func(id, label, kind, hint string, required bool, choices ...ui.Choice) ui.Field {
		return ui.Field{ID: id, Label: label, Kind: kind, Hint: hint, Required: required, Value: f.get(id), Wrong: f.faults[id], Choices: choices}
	}
	var picks []pick
	for _, c := range schedule.Categories() {
		if !c.Category.Producible() {
			continue
		}
		chosen := false
		for _, v := range f.values["categories"] {
			chosen = chosen || v == string(c.Category)
		}
		picks = append(picks, pick{string(c.Category), c.Title, c.Text, chosen})
	}
	documents := field("documents", "Documents", "file", "The instrument as a PDF, at most 25 MiB each, at most 20. Choose several at once.", false)
	documents.Accept = "application/pdf"
	sections := []section{
		{"The paper", "", []ui.Field{
			field("instrument", "Instrument", "select", "What compels or asks. The guidelines say what each reaches.", true, instruments()...),
			field("jurisdiction", "Jurisdiction", "text", "Whose law makes it binding: HK, US, US-CA … Empty: that of your agency.", false),
			field("legal_basis", "Legal basis", "text", "The statute and power that it cites.", true),
			field("authority", "Issued by", "text", "Court, prosecutor or agency.", false),
			field("reference", "Your reference", "text", "The case number at your agency.", true),
			field("signed", "Date on the paper", "date", "", false),
			field("respond", "Response date that it names", "date", "", false),
			field("offence", "Offence", "text", "As stated in the paper.", false),
			documents,
		}},
		{"What is asked", "", []ui.Field{
			field("service", "Service", "select", "", true, p.services()...),
			field("identifiers", "Accounts", "area", "One address a line, exactly as it is: name@"+p.o.Domain+". At most 1,000.", true),
			field("from", "From", "date", "Empty: as far back as records are held.", false),
			field("to", "To, included", "date", "Empty: up to now.", false),
		}},
	}
	after := []section{
		{"Only for an emergency", "Danger of death or serious injury. We call your agency back on the number in our registry before anything else.", []ui.Field{
			field("supervisor", "Supervisor", "text", "Who may be called back about it.", false),
			field("facts", "Facts", "area", "What the danger is, to whom, and why it cannot wait. For other requests: what the request states.", false),
		}},
		{"Order not to tell the person", "Leave empty if there is none: the person is then told seven days before delivery.", []ui.Field{
			field("gag_issuer", "Issued by", "text", "", false),
			field("gag_scope", "What it forbids", "text", "", false),
			field("gag_until", "Ends on", "date", "An order without an end is a fault that we will ask you to mend.", false),
		}},
	}
	page := ui.Page{Title: "File a request", Here: Path + "new", Status: status,
		Lead: "It is received, logged and counted the moment you send it. You get a receipt that proves it.",
		Data: map[string]any{"Before": sections, "After": after, "Picks": picks, "PicksWrong": f.faults["categories"], "Others": f.others, "Sealed": f.get("sealed") != ""}}
	if n := len(f.faults) + len(f.others); n > 0 {
		page.Fault = "Nothing was filed yet: mend what is marked below, choose the documents again, and send the form once more."
	}
	p.face.Show(w, r, "new", page)
}
