package intake

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"writ/desk/law"
	"writ/schedule"
)

var now = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

var services = []Service{{ID: "chat", Domain: "chat.example"}, {ID: "photos"}}

func pdf(n int) []byte {
	b := append([]byte("%PDF-1.7\n"), bytes.Repeat([]byte("x"), n)...)
	return append(b, []byte("\nstartxref\n0\n%%EOF\n")...)
}

func good() Filing {
	return Filing{Channel: Portal, Service: "chat", Agency: "hkpf", Officer: "wong", Instrument: law.SearchWarrant, Jurisdiction: "hk",
		LegalBasis: "Cap. 1, section 2", Reference: "CN 2020/1", Identifiers: []string{"Alice@chat.example"}, Categories: []law.Category{schedule.Subscriber},
		Documents: []Document{{Name: "warrant.pdf", Body: pdf(100)}}}
}

func TestNormalForm(t *testing.T) {
	t.Parallel()
	f := good()
	f.Identifiers = []string{" Alice@chat.example/phone", "xmpp:alice@chat.example", "bob@CHAT.example"}
	f.Served = now.Add(-time.Hour)
	got, err := Check(f, services, now)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"alice@chat.example", "bob@chat.example"}; !reflect.DeepEqual(got.Identifiers, want) {
		t.Errorf("identifiers %v; want %v", got.Identifiers, want)
	}
	if got.Jurisdiction != "HK" || !got.Served.Equal(now) {
		t.Errorf("jurisdiction %s, served %s: what comes by the portal is served when it comes", got.Jurisdiction, got.Served)
	}
	f.Channel = Post
	if got, _ = Check(f, services, now); !got.Served.Equal(now.Add(-time.Hour)) {
		t.Errorf("served by post at %s", got.Served)
	}
	f.Instrument, f.Categories, f.Documents = law.Preservation, nil, nil
	if got, err = Check(f, services, now); err != nil || len(got.Categories) < 10 {
		t.Errorf("a preservation request without a list keeps all: %v %v", got.Categories, err)
	}
}

// Each fault of form: which field, what was given, what is allowed.
func TestFaults(t *testing.T) {
	t.Parallel()
	many := make([]string, 10000)
	for i := range many {
		many[i] = fmt.Sprintf("u%d@chat.example", i)
	}
	for _, c := range []struct {
		name, field, code, given string
		edit                     func(*Filing)
	}{
		{"unknown service", "service", "form.unknown", "mail", func(f *Filing) { f.Service = "mail" }},
		{"unknown instrument", "instrument", "form.unknown", "letter", func(f *Filing) { f.Instrument = "letter" }},
		{"unknown jurisdiction", "jurisdiction", "form.unknown", "XX", func(f *Filing) { f.Jurisdiction = "XX" }},
		{"no legal basis", "legal_basis", "form.required", "nothing", func(f *Filing) { f.LegalBasis = " " }},
		{"no reference", "reference", "form.required", "nothing", func(f *Filing) { f.Reference = "" }},
		{"no identifier", "identifiers", "form.required", "none", func(f *Filing) { f.Identifiers = nil }},
		{"10,000 identifiers", "identifiers", "form.too_many", "10000", func(f *Filing) { f.Identifiers = many }},
		{"another domain", "identifiers[1]", "form.bad_identifier", "eve@other.example", func(f *Filing) { f.Identifiers = append(f.Identifiers, "eve@other.example") }},
		{"the whole domain", "identifiers[0]", "form.bad_identifier", "chat.example", func(f *Filing) { f.Identifiers[0] = "chat.example" }},
		{"a telephone number", "identifiers[0]", "form.bad_identifier", "+85228602000", func(f *Filing) { f.Identifiers[0] = "+85228602000" }},
		{"unknown category", "categories[0]", "form.unknown", "contents", func(f *Filing) { f.Categories[0] = "contents" }},
		{"no category", "categories", "form.required", "none", func(f *Filing) { f.Categories = nil }},
		{"window upside down", "to", "form.bad_time", "2026-01-01T00:00:00Z", func(f *Filing) {
			f.From, f.To = time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		}},
		{"year 1", "from", "form.bad_time", "0001-06-01T00:00:00Z", func(f *Filing) { f.From = time.Date(1, 6, 1, 0, 0, 0, 0, time.UTC) }},
		{"signed tomorrow", "signed", "form.bad_time", "2026-12-24", func(f *Filing) { f.Signed = now.AddDate(0, 1, 0) }},
		{"served tomorrow", "served", "form.bad_time", "2026-11-25T10:00:00Z", func(f *Filing) { f.Channel, f.Served = Mail, now.AddDate(0, 0, 1) }},
		{"no document", "documents", "form.required", "none", func(f *Filing) { f.Documents = nil }},
		{"a PDF that is none", "documents[0]", "form.not_pdf", "warrant.pdf", func(f *Filing) { f.Documents[0].Body = []byte("PK\x03\x04" + strings.Repeat("z", 200)) }},
		{"a PDF without an end", "documents[0]", "form.not_pdf", "warrant.pdf", func(f *Filing) { f.Documents[0].Body = []byte("%PDF-1.4" + strings.Repeat("z", 2000)) }},
		{"26 MiB", "documents[0]", "form.too_large", "27263004 bytes", func(f *Filing) { f.Documents[0].Body = pdf(26<<20 - 4 - 24) }},
		{"21 documents", "documents", "form.too_many", "21", func(f *Filing) { f.Documents = make([]Document, 21) }},
		{"a gag without an issuer", "gag.issuer", "form.required", "nothing", func(f *Filing) { f.Gag = &Gag{} }},
		{"an emergency without facts", "facts", "form.required", "nothing", func(f *Filing) { f.Instrument, f.Supervisor = law.Emergency, "Sgt Chan" }},
		{"an emergency without supervisor", "supervisor", "form.required", "nothing", func(f *Filing) { f.Instrument, f.Facts = law.Emergency, "A child is missing." }},
		{"a text of 9,000 bytes", "facts", "form.too_large", "9000 bytes", func(f *Filing) { f.Facts = strings.Repeat("a", 9000) }},
		{"control characters", "offence", "form.unknown", "control characters", func(f *Filing) { f.Offence = "theft\x00" }},
		{"unknown channel", "channel", "form.unknown", "fax", func(f *Filing) { f.Channel = "fax" }},
	} {
		f := good()
		c.edit(&f)
		_, err := Check(f, services, now)
		var es FieldErrors
		if !errors.As(err, &es) || len(es) != 1 || es[0].Field != c.field || es[0].Code != c.code || es[0].Allowed == "" {
			t.Errorf("%s: %v; want field %s, code %s", c.name, err, c.field, c.code)
			continue
		}
		if c.name != "26 MiB" && es[0].Given != c.given {
			t.Errorf("%s: given %q; want %q", c.name, es[0].Given, c.given)
		}
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := Check(Filing{}, services, now)
	var es FieldErrors
	if !errors.As(err, &es) || len(es) < 7 || !strings.Contains(err.Error(), "jurisdiction") {
		t.Errorf("an empty filing: %v", err)
	}
}

func TestDocumentNames(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"../../etc/passwd": "etcpasswd", "": "document.pdf", "..": "document.pdf", "搜查令.pdf": "搜查令.pdf", "a\nb.pdf": "ab.pdf"} {
		d := Document{Name: in, Body: pdf(1)}
		if e := CheckDocument(&d, "d"); e != nil || d.Name != want {
			t.Errorf("%q: %q, %v; want %q", in, d.Name, e, want)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("chat", "HK", "search_warrant", "alice@chat.example", "subscriber", "basis", []byte("%PDF-1.7"))
	f.Add("photos", "US-CA", "subpoena", "bob", "sign-in", "18 USC", pdf(3))
	f.Fuzz(func(t *testing.T, service, j, i, id, cat, basis string, doc []byte) {
		q := Filing{Channel: API, Service: service, Instrument: law.Instrument(i), Jurisdiction: j, LegalBasis: basis, Reference: basis,
			Identifiers: []string{id}, Categories: []law.Category{law.Category(cat)}, Documents: []Document{{Body: doc}}}
		got, err := Check(q, services, now)
		if err != nil {
			var es FieldErrors
			if !errors.As(err, &es) {
				t.Fatalf("not a field error: %v", err)
			}
			return
		}
		again, err := Check(got, services, now)
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Fatalf("the normal form of the normal form differs: %+v %+v %v", got, again, err)
		}
	})
}
