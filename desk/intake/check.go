package intake

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"writ/desk/law"
	"writ/schedule"
	"writ/xmpp/jid"
)

// Service is what Check must know of the service that is asked.
type Service struct {
	ID     string
	Domain string // domain of its accounts; empty: identifiers are plain names
}

// checker gathers the faults.
type checker struct{ faults FieldErrors }

func (c *checker) bad(field, given, allowed, code string) {
	const most = 80
	if r := []rune(given); len(r) > most {
		given = string(r[:most]) + "…"
	}
	c.faults = append(c.faults, FieldError{Field: field, Given: given, Allowed: allowed, Code: code})
}

// text normalises a free text of at most max bytes.
func (c *checker) text(field string, v *string, need bool, most int) {
	*v = strings.TrimSpace(strings.ReplaceAll(*v, "\r\n", "\n"))
	switch {
	case *v == "" && need:
		c.bad(field, "nothing", "a text", "form.required")
	case len(*v) > most:
		c.bad(field, fmt.Sprintf("%d bytes", len(*v)), fmt.Sprintf("at most %d bytes", most), "form.too_large")
	case !utf8.ValidString(*v):
		c.bad(field, "bytes that are no UTF-8", "a text", "form.unknown")
	case strings.ContainsFunc(*v, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }):
		c.bad(field, "control characters", "a text without control characters", "form.unknown")
	}
}

// Check gives the filing in its normal form, or FieldErrors with every fault. services are those of the provider; now is the time of
// receipt, which is the time of service when the filing names none.
func Check(f Filing, services []Service, now time.Time) (Filing, error) {
	var c checker
	s := c.service(&f, services)
	if !slices.Contains([]Channel{Portal, API, Mail, Post}, f.Channel) {
		c.bad("channel", string(f.Channel), "portal, api, mail or post", "form.unknown")
	}
	if !f.Instrument.Known() {
		c.bad("instrument", string(f.Instrument), list(law.Instruments()), "form.unknown")
	}
	if j, ok := law.Jurisdiction(f.Jurisdiction); ok {
		f.Jurisdiction = j
	} else {
		c.bad("jurisdiction", f.Jurisdiction, "a code of ISO 3166-1 alpha-2 (HK) or 3166-2 (US-CA)", "form.unknown")
	}
	emergency := f.Instrument == law.Emergency
	c.text("legal_basis", &f.LegalBasis, true, 500)
	c.text("reference", &f.Reference, true, 200)
	c.text("authority", &f.Authority, false, 300)
	c.text("supervisor", &f.Supervisor, emergency, 300)
	c.text("facts", &f.Facts, emergency, MaxText)
	c.text("offence", &f.Offence, false, 1000)
	c.identifiers(&f, s)
	c.categories(&f)
	c.times(&f, now)
	c.documents(&f)
	if f.Gag != nil {
		g := *f.Gag
		c.text("gag.issuer", &g.Issuer, true, 300)
		c.text("gag.scope", &g.Scope, false, 1000)
		f.Gag = &g
	}
	if len(c.faults) > 0 {
		return Filing{}, c.faults
	}
	return f, nil
}

func list[T ~string](vs []T) string {
	s := make([]string, len(vs))
	for i, v := range vs {
		s[i] = string(v)
	}
	return strings.Join(s, ", ")
}

func (c *checker) service(f *Filing, services []Service) Service {
	var ids []string
	for _, s := range services {
		if s.ID == f.Service {
			return s
		}
		ids = append(ids, s.ID)
	}
	c.bad("service", f.Service, strings.Join(ids, ", "), "form.unknown")
	return Service{}
}

func (c *checker) identifiers(f *Filing, s Service) {
	switch n := len(f.Identifiers); {
	case n == 0:
		c.bad("identifiers", "none", fmt.Sprintf("1 to %d accounts", MaxIdentifiers), "form.required")
		return
	case n > MaxIdentifiers:
		c.bad("identifiers", fmt.Sprint(n), fmt.Sprintf("1 to %d accounts: a request names people, not populations", MaxIdentifiers), "form.too_many")
		return
	}
	var out []string
	for i, id := range f.Identifiers {
		field := fmt.Sprintf("identifiers[%d]", i)
		n, ok := account(id, s)
		switch {
		case !ok && s.Domain != "":
			c.bad(field, id, "an account of the service: name@"+s.Domain, "form.bad_identifier")
		case !ok:
			c.bad(field, id, "an account name of 1 to 200 bytes", "form.bad_identifier")
		case !slices.Contains(out, n):
			out = append(out, n)
		}
	}
	f.Identifiers = out
}

// account is the identifier in its normal form.
func account(id string, s Service) (string, bool) {
	id = strings.TrimSpace(id)
	if s.Domain == "" {
		ok := id != "" && len(id) <= 200 && utf8.ValidString(id) && !strings.ContainsFunc(id, unicode.IsControl)
		return id, ok
	}
	id = strings.TrimPrefix(id, "xmpp:")
	j, err := jid.Parse(id)
	if err != nil || j.Local() == "" || j.Domainpart() != s.Domain {
		return "", false
	}
	return j.Bare().String(), true
}

func (c *checker) categories(f *Filing) {
	var all, out []law.Category
	for _, i := range schedule.Categories() {
		all = append(all, i.Category)
	}
	for i, k := range f.Categories {
		switch {
		case !k.Valid():
			c.bad(fmt.Sprintf("categories[%d]", i), string(k), list(all), "form.unknown")
		case !slices.Contains(out, k):
			out = append(out, k)
		}
	}
	if len(f.Categories) == 0 && f.Instrument.Preserves() { // what is preserved without a list is all that can be produced
		for _, k := range all {
			if k.Producible() {
				out = append(out, k)
			}
		}
	}
	if len(out) == 0 && len(f.Categories) == 0 {
		c.bad("categories", "none", "one or more of "+list(all), "form.required")
	}
	f.Categories = out
}

// epoch is the oldest time that a request may name; before it nothing was held.
var epoch = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)

func (c *checker) times(f *Filing, now time.Time) {
	utc := func(field string, t *time.Time) bool {
		if t.IsZero() {
			return true
		}
		*t = t.UTC().Truncate(time.Microsecond)
		if t.Before(epoch) || t.After(now.AddDate(50, 0, 0)) {
			c.bad(field, t.Format(time.RFC3339), "a date of our time, such as 2026-11-24T10:00:00Z", "form.bad_time")
			return false
		}
		return true
	}
	ok := utc("from", &f.From)
	ok = utc("to", &f.To) && ok
	if ok && !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		c.bad("to", f.To.Format(time.RFC3339), "a time after from, "+f.From.Format(time.RFC3339), "form.bad_time")
	}
	utc("signed", &f.Signed)
	utc("respond", &f.Respond)
	if f.Gag != nil {
		g := *f.Gag
		utc("gag.until", &g.Until)
		f.Gag = &g
	}
	if f.Signed.After(now.Add(24 * time.Hour)) {
		c.bad("signed", f.Signed.Format(time.DateOnly), "a date that has come", "form.bad_time")
	}
	if f.Served.IsZero() || f.Channel == Portal || f.Channel == API {
		f.Served = now.UTC()
	}
	utc("served", &f.Served)
	if f.Served.After(now) {
		c.bad("served", f.Served.Format(time.RFC3339), "a time that has come", "form.bad_time")
	}
}

func (c *checker) documents(f *Filing) {
	if len(f.Documents) > MaxDocuments {
		c.bad("documents", fmt.Sprint(len(f.Documents)), fmt.Sprintf("at most %d", MaxDocuments), "form.too_many")
		return
	}
	if len(f.Documents) == 0 && f.Instrument != law.Emergency && !f.Instrument.Preserves() {
		c.bad("documents", "none", "the instrument as a PDF document", "form.required")
	}
	for i := range f.Documents {
		if e := CheckDocument(&f.Documents[i], fmt.Sprintf("documents[%d]", i)); e != nil {
			c.faults = append(c.faults, *e)
		}
	}
}

// CheckDocument checks one document and normalises its name. It looks at size, header and trailer; it never renders anything.
func CheckDocument(d *Document, field string) *FieldError {
	name := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '/' || r == '\\' || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, d.Name)
	if r := []rune(strings.TrimLeft(strings.TrimSpace(name), ".")); len(r) == 0 {
		name = "document.pdf"
	} else {
		name = string(r[:min(len(r), 120)])
	}
	d.Name = name
	if len(d.Body) > MaxDocument {
		return &FieldError{Field: field, Given: fmt.Sprintf("%d bytes", len(d.Body)), Allowed: fmt.Sprintf("at most %d bytes (25 MiB)", MaxDocument), Code: "form.too_large"}
	}
	if !isPDF(d.Body) {
		return &FieldError{Field: field, Given: name, Allowed: "a PDF document (begins with %PDF-, ends with %%EOF)", Code: "form.not_pdf"}
	}
	return nil
}

// isPDF looks for the header at the very beginning and the end mark in the last KiB (ISO 32000-2 7.5.2 and 7.5.5).
func isPDF(b []byte) bool {
	if len(b) < 20 || !bytes.HasPrefix(b, []byte("%PDF-1.")) && !bytes.HasPrefix(b, []byte("%PDF-2.")) {
		return false
	}
	return bytes.Contains(b[max(0, len(b)-1024):], []byte("%%EOF"))
}
