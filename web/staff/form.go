package staff

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"writ/desk"
	"writ/desk/intake"
	"writ/desk/law"
	"writ/schedule"
	"writ/web/ui"
)

// ask is one question of a form: a field, or a list of which several may be picked.
type ask struct {
	ui.Field
	Picks []pick
}

// pick is one entry of such a list.
type pick struct {
	Value, Text string
	On          bool
}

// form is one step with its questions.
type form struct {
	ID      string // of the step; ids of the controls begin with it
	Title   string
	About   string // what happens, in one sentence
	Action  string // where it posts
	Button  string
	Asks    []ask
	Danger  bool
	Files   bool
	Open    bool
	Blocked string // why it is not on offer now; then there is no button
	Fault   string // what was wrong with the whole
	Sign    *signing
	Hidden  []line
}

// signing is what a signature form shows of what is signed.
type signing struct {
	Words   []line
	Hash    string
	Passkey bool // signed in the browser; else by the development key
	Role    []ui.Choice
}

// line is a name with its value.
type line struct{ Name, Value string }

// filler makes questions with what was given, or with what stands there now.
type filler struct {
	id    string
	given url.Values // nil: nothing was sent
	wrong map[string]string
}

func (f filler) value(name, now string) string {
	if f.given != nil {
		return f.given.Get(name)
	}
	return now
}

// field asks for one value.
func (f filler) field(name, label, kind, hint string, required bool, now string) ask {
	return ask{Field: ui.Field{ID: f.id + "-" + name, Name: name, Label: label, Kind: kind, Hint: hint, Required: required, Value: f.value(name, now), Wrong: f.wrong[name], Auto: "off"}}
}

// choose asks for one of a list.
func (f filler) choose(name, label, hint string, required bool, choices []ui.Choice, now string) ask {
	a := f.field(name, label, "select", hint, required, now)
	a.Choices = choices
	return a
}

// picks asks for any of a list.
func (f filler) picks(name, label, hint string, list []pick, now []string) ask {
	a := f.field(name, label, "picks", hint, false, "")
	if f.given != nil {
		now = f.given[name]
	}
	for _, p := range list {
		p.On = slices.Contains(now, p.Value)
		a.Picks = append(a.Picks, p)
	}
	return a
}

// files asks for PDF documents.
func (f filler) files(required bool) ask {
	a := f.field("documents", "Documents", "file", "PDF, at most 25 MiB each.", required, "")
	a.Accept, a.Many = "application/pdf", true
	return a
}

// text asks for words.
func (f filler) text(label, hint string, required bool) ask {
	return f.field("text", label, "area", hint, required, "")
}

// reasons asks for entries of the desk's list.
func (f filler) reasons(may func(desk.Reason) bool) ask {
	var list []pick
	for _, r := range desk.Reasons() {
		if may(r) && !strings.HasPrefix(r.Code, "form.") {
			list = append(list, pick{Value: r.Code, Text: upper(r.Text) + " (" + r.Code + ")"})
		}
	}
	return f.picks("reasons", "Reasons", "Every no has at least one. The requester is told their text.", list, nil)
}

func (f filler) categories(all []law.Category, now []law.Category) ask {
	var list []pick
	for _, c := range all {
		list = append(list, pick{Value: string(c), Text: c.Info().Title})
	}
	var on []string
	for _, c := range now {
		on = append(on, string(c))
	}
	return f.picks("categories", "Categories", "", list, on)
}

func producible() []law.Category {
	var out []law.Category
	for _, i := range schedule.Categories() {
		if i.Category.Producible() {
			out = append(out, i.Category)
		}
	}
	return out
}

func instruments() []ui.Choice {
	var out []ui.Choice
	for _, i := range law.Instruments() {
		out = append(out, ui.Choice{Value: string(i), Text: i.Title()})
	}
	return out
}

// lines are the lines, or the repeated values, of a field; empty ones are left out.
func lines(v url.Values, name string) []string {
	var out []string
	for _, s := range v[name] {
		for l := range strings.Lines(s) {
			if l = strings.TrimSpace(l); l != "" {
				out = append(out, l)
			}
		}
	}
	return out
}

// words are the values of a field that is a list in one line, divided by commas or white space.
func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ';' || r == ' ' || r == '\n' || r == '\t' || r == '\r' })
}

const local = "2006-01-02T15:04"

// when reads a time; a fault goes into wrong.
func when(v url.Values, name string, wrong map[string]string) time.Time {
	s := strings.TrimSpace(v.Get(name))
	if s == "" {
		return time.Time{}
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", local, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	wrong[name] = fmt.Sprintf("%q is no date that we can read. Write it as 2026-11-24 or 2026-11-24T10:00, in UTC.", short(s))
	return time.Time{}
}

func stampOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(local)
}

func dayOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}

// documents reads the files of a form.
func documents(r *http.Request) ([]intake.Document, error) {
	if r.MultipartForm == nil {
		return nil, nil
	}
	var out []intake.Document
	for _, h := range r.MultipartForm.File["documents"] {
		if h.Filename == "" && h.Size == 0 {
			continue // nothing was chosen
		}
		f, err := h.Open()
		if err != nil {
			return nil, fmt.Errorf("staff: reading a document: %w", err)
		}
		b, err := io.ReadAll(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("staff: reading a document: %w", err)
		}
		out = append(out, intake.Document{Name: h.Filename, Body: b})
	}
	return out, nil
}

// mark notes the faults of an intake beside their fields. "categories[2]" belongs to "categories".
func mark(wrong map[string]string, faults intake.FieldErrors) {
	for _, e := range faults {
		name, place, _ := strings.Cut(strings.ReplaceAll(e.Field, ".", "_"), "[")
		t := e.Sentence()
		if n, ok := strings.CutSuffix(place, "]"); ok {
			var i int
			if _, err := fmt.Sscan(n, &i); err == nil {
				t = fmt.Sprintf("Number %d: %s", i+1, t)
			}
		}
		if wrong[name] != "" {
			if len(wrong[name]) > 2000 {
				continue
			}
			t = wrong[name] + " " + t
		}
		wrong[name] = t
	}
}

// blame puts a refusal beside the field that it is about, or gives the sentence for the whole form. "until: after the receipt" is
// about the field until.
func blame(wrong map[string]string, asks []ask, no *desk.Refusal) string {
	has := func(name string) bool {
		return slices.ContainsFunc(asks, func(a ask) bool { return a.Name == name })
	}
	name, rest, ok := strings.Cut(no.Text, ":")
	name = strings.ReplaceAll(strings.TrimSpace(name), " ", "_")
	if ok && has(name) {
		wrong[name] = upper(strings.TrimSpace(rest)) + "."
		return ""
	}
	for group, names := range map[string][]string{"reason": {"reasons"}, "text": {"text", "note"}, "auth": {"number"}, "screen": {"flags"}} {
		if g, _, _ := strings.Cut(no.Code, "."); g != group {
			continue
		}
		for _, n := range names {
			if has(n) {
				wrong[n] = sentence(no)
				return ""
			}
		}
	}
	return sentence(no)
}

func upper(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func short(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

func hexOf(h [32]byte) string { return hex.EncodeToString(h[:]) }

// size is a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}

func instrumentTitle(i any) string {
	k := law.Instrument(fmt.Sprint(i))
	if t := k.Title(); t != "" {
		return t
	}
	return string(k)
}

func stateTitle(s desk.State) string { return s.Title() }

// stateBadge is the colour of a state.
func stateBadge(s desk.State) string {
	switch s {
	case desk.Standstill, desk.Deficient, desk.Clarification, desk.Narrowed, desk.Objected:
		return "warn"
	case desk.Refused, desk.Fraudulent:
		return "bad"
	case desk.Delivered, desk.NoticeDue, desk.Notified, desk.Closed, desk.NoRecords:
		return "good"
	}
	return ""
}
