package policy

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"writ/desk/law"
	"writ/schedule"
)

var update = flag.Bool("update", false, "write the golden files anew")

var today = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

// everything is a schedule that keeps one datum of each category.
func everything(t testing.TB) schedule.Schedule {
	var data []schedule.Datum
	for _, c := range schedule.Categories() {
		data = append(data, schedule.Datum{Name: string(c.Category), Category: c.Category, Fields: []schedule.Field{{Name: "a", Meaning: "A field."}},
			Purpose: "For the test.", Retention: "term", Process: c.Process, Never: c.Never})
	}
	s, err := schedule.Collect(data, schedule.Terms{"term": 90 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func us(t testing.TB) Rules {
	r, err := For("US")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func categories() []law.Category {
	var out []law.Category
	for _, c := range schedule.Categories() {
		out = append(out, c.Category)
	}
	return out
}

// The whole table as it answers: each jurisdiction × instrument × category.
func TestGolden(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	s, r := everything(t), us(t)
	for _, j := range []string{"US", "US-CA", "HK", "DE"} {
		for _, i := range law.Instruments() {
			fmt.Fprintf(&b, "%s %s\n", j, i)
			d := Decide(Request{Instrument: i, Jurisdiction: j, Connected: true, Categories: categories(), Identifiers: 1, CalledBack: true,
				From: today.AddDate(-2, 0, 0), To: today.AddDate(0, 0, -1)}, s, r, today)
			for _, x := range d.Rulings {
				fmt.Fprintf(&b, "  %-14s %-7s %-10s %s %s", x.Category, x.Verdict, x.Basis, strings.Join(x.Clauses, ","), strings.Join(x.Reasons, ","))
				if x.Verdict.Gives() {
					fmt.Fprintf(&b, " %s to %s", x.From.Format(time.DateOnly), x.To.Format(time.DateOnly))
				}
				b.WriteString("\n")
			}
		}
	}
	const file = "testdata/table.golden"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("the table answers otherwise than %s; if that is meant, run with -update", file)
	}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	s, r := everything(t), us(t)
	base := Request{Instrument: law.Subpoena, Jurisdiction: "US", Connected: true, Categories: []law.Category{schedule.Subscriber}, Identifiers: 1}
	for _, c := range []struct {
		name    string
		edit    func(*Request)
		now     time.Time
		verdict Verdict
		reason  string
		clause  string
	}{
		{"a subpoena reaches the subscriber", func(*Request) {}, today, Comply, "", "US-1"},
		{"not the contacts", func(q *Request) { q.Categories[0] = schedule.Contacts }, today, Refuse, "policy.below_floor", "US-1"},
		{"nothing reaches ciphertext", func(q *Request) { q.Instrument, q.Categories[0] = law.SearchWarrant, schedule.Ciphertext }, today, Refuse, "policy.never", ""},
		{"nothing reaches credentials", func(q *Request) { q.Instrument, q.Categories[0] = law.SearchWarrant, schedule.Credentials }, today, Refuse, "policy.never", ""},
		{"Hong Kong police, a letter", func(q *Request) { q.Jurisdiction, q.Instrument = "HK", law.ForeignOrder }, today, Comply, "", "FA-1"},
		{"Hong Kong police, contacts", func(q *Request) {
			q.Jurisdiction, q.Instrument, q.Categories[0] = "HK", law.SearchWarrant, schedule.Contacts
		}, today, Refuse, "policy.no_row", "FA-1"},
		{"an emergency without call-back waits", func(q *Request) { q.Instrument = law.Emergency }, today, Object, "policy.callback", "US-4"},
		{"an emergency with call-back", func(q *Request) { q.Instrument, q.CalledBack = law.Emergency, true }, today, Comply, "", "US-4"},
		{"an emergency reaches the minimum", func(q *Request) {
			q.Instrument, q.CalledBack, q.Categories[0] = law.Emergency, true, schedule.CallLog
		}, today, Refuse, "policy.minimum_only", "US-4"},
		{"a preservation request gives nothing", func(q *Request) { q.Instrument = law.Preservation }, today, Refuse, "policy.preserves_only", "PR-1"},
		{"an unchecked row cannot release", func(q *Request) { q.Jurisdiction, q.Instrument = "DE", law.EPOC }, today, Object, "policy.unchecked_row", "EU-1"},
		{"a treaty request goes through the central authority", func(q *Request) { q.Jurisdiction, q.Instrument = "HK", law.TreatyRequest }, today, Refuse, "policy.no_row", ""},
		{"a lapsed row goes to counsel", func(*Request) {}, time.Date(2027, 11, 24, 0, 0, 0, 0, time.UTC), Object, "policy.lapsed_row", "US-1"},
		{"a service without a connector", func(q *Request) { q.Connected = false }, today, Refuse, "request.no_connector", ""},
		{"101 accounts on one paper", func(q *Request) { q.Identifiers = 101 }, today, Object, "request.overbroad", "US-1"},
		{"an unknown category", func(q *Request) { q.Categories[0] = "thoughts" }, today, Refuse, "policy.never", ""},
	} {
		q := base
		q.Categories = slices.Clone(base.Categories)
		c.edit(&q)
		got := Decide(q, s, r, c.now).Rulings[0]
		if got.Verdict != c.verdict || c.reason != "" && !slices.Contains(got.Reasons, c.reason) || strings.Join(got.Clauses, ",") != c.clause {
			t.Errorf("%s: %+v; want %s %s %s", c.name, got, c.verdict, c.reason, c.clause)
		}
	}
}

func TestNotHeld(t *testing.T) {
	t.Parallel()
	s, err := schedule.Collect([]schedule.Datum{{Name: "a", Category: schedule.Subscriber, Fields: []schedule.Field{{Name: "a", Meaning: "A."}},
		Purpose: "P.", Retention: schedule.Account, Process: schedule.Subpoena}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	d := Decide(Request{Instrument: law.Subpoena, Jurisdiction: "US", Connected: true, Categories: []law.Category{schedule.SignIn}}, s, us(t), today)
	if d.Rulings[0].Verdict != Refuse || d.Rulings[0].Reasons[0] != "policy.not_held" {
		t.Errorf("a category that is not in the schedule: %+v", d.Rulings[0])
	}
}

func TestOtherEstablishment(t *testing.T) {
	t.Parallel()
	r, err := For("CH")
	if err != nil || len(r.Rules) != 0 || r.Default == "" {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := For("Atlantis"); err == nil {
		t.Error("an establishment that is no country is taken")
	}
}

func TestTableIsChecked(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string][2]string{
		"credentials":        {`categories = ["subscriber", "sign-in", "last-seen"]`, `categories = ["credentials"]`},
		"unknown instrument": {`instruments = ["subpoena"]`, `instruments = ["writ"]`},
		"unknown source":     {`sources = ["2703c2"]`, `sources = ["hearsay"]`},
		"no source":          {`sources = ["2703c2"]`, `sources = []`},
		"unknown key":        {`basis = "compelled"`, `basis = "compelled"` + "\nhurry = true"},
		"review before":      {`review = 2027-11-24`, `review = 2020-11-24`},
	} {
		if _, err := Parse([]byte(strings.Replace(string(embedded), edit[0], edit[1], 1))); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// Whatever is asked: one ruling for each category, never more than asked, never a secret, the same each time.
func TestProperties(t *testing.T) {
	t.Parallel()
	s, r := everything(t), us(t)
	rapid.Check(t, func(t *rapid.T) {
		q := Request{Instrument: rapid.SampledFrom(law.Instruments()).Draw(t, "instrument"),
			Jurisdiction: rapid.SampledFrom([]string{"US", "US-NY", "HK", "DE", "CN", ""}).Draw(t, "jurisdiction"),
			Connected:    rapid.Bool().Draw(t, "connected"), CalledBack: rapid.Bool().Draw(t, "called"),
			Categories:  rapid.SliceOf(rapid.SampledFrom(categories())).Draw(t, "categories"),
			Identifiers: rapid.IntRange(0, 2000).Draw(t, "identifiers")}
		if rapid.Bool().Draw(t, "window") {
			q.From = today.Add(-time.Duration(rapid.IntRange(0, 1000).Draw(t, "from")) * 24 * time.Hour)
			q.To = q.From.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "days")) * 24 * time.Hour)
		}
		checkDecision(t, q, Decide(q, s, r, today))
		if !reflect.DeepEqual(Decide(q, s, r, today), Decide(q, s, r, today)) {
			t.Fatal("two answers to one question")
		}
	})
}

func checkDecision(t interface{ Fatalf(string, ...any) }, q Request, d Decision) {
	if len(d.Rulings) != len(q.Categories) {
		t.Fatalf("%d rulings for %d categories", len(d.Rulings), len(q.Categories))
	}
	for i, x := range d.Rulings {
		if x.Category != q.Categories[i] {
			t.Fatalf("order: %v", d)
		}
		if x.Verdict != Comply && len(x.Reasons) == 0 {
			t.Fatalf("a no without a reason: %+v", x)
		}
		if !x.Verdict.Gives() {
			continue
		}
		if !x.Category.Producible() || !q.Connected || q.Instrument.Preserves() || len(x.Clauses) == 0 {
			t.Fatalf("given: %+v for %+v", x, q)
		}
		if q.Instrument == law.Emergency && !q.CalledBack {
			t.Fatalf("an emergency without call-back: %+v", x)
		}
		if x.To.After(today) || !q.To.IsZero() && x.To.After(q.To) || !q.From.IsZero() && x.From.Before(q.From) {
			t.Fatalf("wider than asked: %+v for %+v", x, q)
		}
	}
}

func FuzzDecide(f *testing.F) {
	s, r := everything(f), us(f)
	f.Add("subpoena", "US", "subscriber", true, true, 1, int64(0), int64(0))
	f.Add("emergency", "HK", "call-log", true, false, 5, int64(1), int64(2))
	f.Fuzz(func(t *testing.T, i, j, c string, connected, called bool, n int, from, to int64) {
		q := Request{Instrument: law.Instrument(i), Jurisdiction: j, Connected: connected, CalledBack: called, Categories: []law.Category{law.Category(c)}, Identifiers: n}
		if from != 0 {
			q.From, q.To = time.Unix(from, 0).UTC(), time.Unix(to, 0).UTC()
		}
		checkDecision(t, q, Decide(q, s, r, today))
	})
}
