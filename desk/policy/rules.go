package policy

import (
	"bytes"
	_ "embed"
	"fmt"
	"slices"
	"time"

	"github.com/pelletier/go-toml/v2"

	"writ/desk/law"
	"writ/schedule"
)

// Basis says why a row gives.
type Basis string

// The bases.
const (
	Compelled Basis = "compelled"
	Voluntary Basis = "voluntary"
	Keep      Basis = "keep" // keeps and gives nothing
)

// Where a row applies, beside a country: any authority that is foreign to the establishment, the European Union, all.
const (
	foreign  = "foreign"
	european = "EU"
	anywhere = "*"
)

// Source is a text of law that a row rests on.
type Source struct {
	ID, Cite, URL, Says string
	Copy                string    // which copy of the text the row was compared with
	Compared            time.Time // when what Says says was last compared with the text; zero: never
}

// Rule is one row of the table.
type Rule struct {
	ID           string
	Jurisdiction string
	Instruments  []law.Instrument
	Categories   []law.Category
	Basis        Basis
	Amounts      schedule.Process // what the paper amounts to in the words of the record schedule
	Sources      []string
	Emergency    bool // the minimum only, after a call-back
	MaxDays      int  // longest window; zero: any
	Checked      time.Time
	Review       time.Time
	Text         string // for the public page
	Ours         string // what of the row is our own choice and stands in none of its sources
}

// Rules is one version of the table.
type Rules struct {
	Version       string
	Establishment string
	Default       string
	Sources       []Source
	Rules         []Rule
}

//go:embed rules.toml
var embedded []byte

// For gives the table of an establishment. One that we have no table for has none: everything goes by mutual legal assistance.
func For(establishment string) (Rules, error) {
	r, err := Parse(embedded)
	if err != nil {
		return Rules{}, err
	}
	if r.Establishment == establishment {
		return r, nil
	}
	if !slices.Contains(law.Countries(), establishment) {
		return Rules{}, fmt.Errorf("policy: establishment %q: allowed is a country of ISO 3166-1 (US has a table)", establishment)
	}
	return Rules{Version: "none", Establishment: establishment, Default: "By mutual legal assistance: no table of rules has been checked for this establishment."}, nil
}

// Parse reads a table and checks it.
func Parse(text []byte) (Rules, error) {
	var f struct {
		Version, Establishment, Default string
		Source                          []struct {
			ID, Cite, URL, Says, Copy string
			Compared                  toml.LocalDate
		}
		Rule []struct {
			ID, Jurisdiction string
			Instruments      []law.Instrument
			Categories       []law.Category
			Basis            Basis
			Amounts          schedule.Process
			Sources          []string
			Emergency        bool
			MaxDays          int `toml:"max_days"`
			Checked, Review  toml.LocalDate
			Text, Ours       string
		}
	}
	d := toml.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return Rules{}, fmt.Errorf("policy: reading the table: %w", err)
	}
	r := Rules{Version: f.Version, Establishment: f.Establishment, Default: f.Default}
	for _, s := range f.Source {
		r.Sources = append(r.Sources, Source{ID: s.ID, Cite: s.Cite, URL: s.URL, Says: s.Says, Copy: s.Copy, Compared: day(s.Compared)})
	}
	for _, x := range f.Rule {
		r.Rules = append(r.Rules, Rule{ID: x.ID, Jurisdiction: x.Jurisdiction, Instruments: x.Instruments, Categories: x.Categories, Basis: x.Basis,
			Amounts: x.Amounts, Sources: x.Sources, Emergency: x.Emergency, MaxDays: x.MaxDays, Checked: day(x.Checked), Review: day(x.Review), Text: x.Text, Ours: x.Ours})
	}
	return r, r.check()
}

func day(d toml.LocalDate) time.Time {
	if d.Year == 0 {
		return time.Time{}
	}
	return d.AsTime(time.UTC)
}

// check refuses a table that contradicts itself.
func (r Rules) check() error {
	if r.Version == "" || r.Default == "" {
		return fmt.Errorf("policy: the table needs a version and a default")
	}
	ids := map[string]bool{}
	for _, x := range r.Rules {
		bad := func(what string) error { return fmt.Errorf("policy: row %q: %s", x.ID, what) }
		if x.ID == "" || ids[x.ID] {
			return bad("needs an id of its own")
		}
		ids[x.ID] = true
		if x.Jurisdiction != foreign && x.Jurisdiction != european && x.Jurisdiction != anywhere && !slices.Contains(law.Countries(), x.Jurisdiction) {
			return bad("unknown jurisdiction " + x.Jurisdiction)
		}
		if x.Basis != Compelled && x.Basis != Voluntary && x.Basis != Keep {
			return bad("unknown basis " + string(x.Basis))
		}
		if x.Basis != Keep && (!x.Amounts.Valid() || x.Amounts == schedule.Never) {
			return bad("must amount to a process of the record schedule")
		}
		for _, i := range x.Instruments {
			if !i.Known() {
				return bad("unknown instrument " + string(i))
			}
		}
		for _, c := range x.Categories {
			if !c.Producible() {
				return bad("category " + string(c) + " is never produced")
			}
		}
		for _, s := range x.Sources {
			i := slices.IndexFunc(r.Sources, func(o Source) bool { return o.ID == s })
			if i < 0 {
				return bad("unknown source " + s)
			}
			if from := r.Sources[i]; !x.Checked.IsZero() && (from.Compared.IsZero() || from.Copy == "" || from.Compared.After(x.Checked)) {
				return bad("is checked, and its source " + s + " was not compared with a copy of the text before")
			}
		}
		if !x.Checked.IsZero() && (len(x.Sources) == 0 || !x.Review.After(x.Checked)) {
			return bad("a checked row has a source and a later review date")
		}
	}
	return nil
}

// Cites gives the citations of a row's sources, in order; the page of rules shows them.
func (r Rules) Cites(x Rule) []string {
	var out []string
	for _, id := range x.Sources {
		for _, s := range r.Sources {
			if s.ID == id {
				out = append(out, s.Cite)
			}
		}
	}
	return out
}

// Rule gives the row with an id.
func (r Rules) Rule(id string) (Rule, bool) {
	for _, x := range r.Rules {
		if x.ID == id {
			return x, true
		}
	}
	return Rule{}, false
}

// meets reports whether the row applies to a jurisdiction and instrument.
func (r Rules) meets(x Rule, jurisdiction string, i law.Instrument) bool {
	if !slices.Contains(x.Instruments, i) {
		return false
	}
	switch x.Jurisdiction {
	case anywhere:
		return true
	case foreign:
		return law.Country(jurisdiction) != r.Establishment
	case european:
		return law.European(jurisdiction)
	}
	return law.Within(jurisdiction, x.Jurisdiction)
}
