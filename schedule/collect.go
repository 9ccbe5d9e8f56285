package schedule

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"
)

// Terms are the retention settings by key. Zero means: not recorded.
type Terms map[string]time.Duration

// Schedule is the whole record schedule of a house: the data of all rooms, sorted by category and name, and the terms.
// It is immutable. The zero value holds nothing.
type Schedule struct {
	data    []Datum
	terms   Terms
	version string
}

// Collect checks the data of all rooms and makes the schedule. It reports every fault: a bad datum, a name used twice,
// a retention key that no setting has.
func Collect(data []Datum, terms Terms) (Schedule, error) {
	s := Schedule{data: slices.Clone(data), terms: Terms{}}
	order := map[Category]int{}
	for i, c := range categories {
		order[c.Category] = i
	}
	sort.SliceStable(s.data, func(i, j int) bool {
		a, b := s.data[i], s.data[j]
		if order[a.Category] != order[b.Category] {
			return order[a.Category] < order[b.Category]
		}
		return a.Name < b.Name
	})
	var errs []error
	names := map[string]bool{}
	for _, d := range s.data {
		if err := d.Check(); err != nil {
			errs = append(errs, err)
		}
		if names[d.Name] {
			errs = append(errs, fmt.Errorf("schedule: two data have the name %q", d.Name))
		}
		names[d.Name] = true
		switch d.Retention {
		case "", Account, Expiry, Permanent:
		default:
			t, ok := terms[d.Retention]
			if !ok {
				errs = append(errs, fmt.Errorf("schedule: datum %q: no retention setting %q", d.Name, d.Retention))
			}
			s.terms[d.Retention] = t
		}
	}
	if err := errors.Join(errs...); err != nil {
		return Schedule{}, err
	}
	sum := sha256.Sum256(s.Canonical())
	s.version = hex.EncodeToString(sum[:8])
	return s, nil
}

// Data lists the data, sorted by category (in the order of Categories) and name. The caller must not change it.
func (s Schedule) Data() []Datum { return s.data }

// Of lists the data of one category; empty if nothing of it is kept here.
func (s Schedule) Of(c Category) []Datum {
	var out []Datum
	for _, d := range s.data {
		if d.Category == c {
			out = append(out, d)
		}
	}
	return out
}

// Holds lists the categories of which something is kept, in the order of Categories.
func (s Schedule) Holds() []Info {
	var out []Info
	for _, c := range categories {
		if len(s.Of(c.Category)) > 0 {
			out = append(out, c)
		}
	}
	return out
}

// Tables lists every table that some datum names.
func (s Schedule) Tables() map[string]bool {
	out := map[string]bool{}
	for _, d := range s.data {
		for _, t := range d.Tables {
			out[t] = true
		}
	}
	return out
}

// Floor is the least process that reaches everything that the category's producible data hold: the most demanding of
// the category's own floor and those of its data.
func (s Schedule) Floor(c Category) Process {
	p := c.Info().Process
	for _, d := range s.Of(c) {
		if d.Process != Never && d.Process.rank() > p.rank() {
			p = d.Process
		}
	}
	return p
}

// Term is how long the rows of d are kept. ok is false if the retention is no setting (Account, Expiry, Permanent).
func (s Schedule) Term(d Datum) (term time.Duration, ok bool) {
	term, ok = s.terms[d.Retention]
	return term, ok
}

// Kept says the retention of d in plain words.
func (s Schedule) Kept(d Datum) string {
	switch d.Retention {
	case Account:
		return "as long as the account exists, or until the person removes it"
	case Expiry:
		return "until each row's own end"
	case Permanent:
		return "for good"
	}
	t := s.terms[d.Retention]
	if t == 0 {
		return "not recorded"
	}
	return span(t)
}

// span writes a duration as days, hours or minutes.
func span(t time.Duration) string {
	for _, u := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if t >= u.of && t%u.of == 0 {
			n := int64(t / u.of)
			if n == 1 {
				return "1 " + u.name
			}
			return fmt.Sprintf("%d %ss", n, u.name)
		}
	}
	return t.String()
}

// Version identifies the schedule: the first 8 bytes of the SHA-256 of its canonical form, in hexadecimal.
func (s Schedule) Version() string { return s.version }

// Canonical is the schedule as JSON without spaces, in a fixed order of data and members, one datum a line.
func (s Schedule) Canonical() []byte {
	type field struct {
		Name    string  `json:"name"`
		Meaning string  `json:"meaning"`
		Derived bool    `json:"derived,omitempty"`
		Process Process `json:"process,omitempty"`
	}
	type datum struct {
		Name      string   `json:"name"`
		Category  Category `json:"category"`
		Tables    []string `json:"tables"`
		Fields    []field  `json:"fields"`
		Time      string   `json:"time,omitempty"`
		Purpose   string   `json:"purpose"`
		Retention string   `json:"retention"`
		Seconds   *int64   `json:"seconds,omitempty"`
		Process   Process  `json:"process"`
		Never     string   `json:"never,omitempty"`
	}
	var b strings.Builder
	for _, d := range s.data {
		o := datum{Name: d.Name, Category: d.Category, Tables: append([]string{}, d.Tables...), Fields: []field{}, Time: d.Time,
			Purpose: d.Purpose, Retention: d.Retention, Process: d.Process, Never: d.Never}
		for _, f := range d.Fields {
			o.Fields = append(o.Fields, field(f))
		}
		if t, ok := s.Term(d); ok {
			n := int64(t / time.Second)
			o.Seconds = &n
		}
		line, err := json.Marshal(o)
		if err != nil {
			panic("schedule: strings always marshal: " + err.Error())
		}
		b.Write(line)
		b.WriteByte('\n')
	}
	return []byte(b.String())
}
