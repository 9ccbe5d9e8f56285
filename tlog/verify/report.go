package verify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ReportFormat is the first member of every report.
const ReportFormat = "writ.report/v1"

// All stands in a row for every service or every jurisdiction together.
const All = "all"

// Fact is what the house counts of one case. Its JSON, as FactText writes it, is what the fact's leaf commits to.
type Fact struct {
	Period       string `json:"period"` // 2020-H1: when the request was received
	Service      string `json:"service"`
	Jurisdiction string `json:"jurisdiction"`
	Instrument   string `json:"instrument"`
	Accounts     int    `json:"accounts"` // that the request names
	Emergency    bool   `json:"emergency"`
	Preservation bool   `json:"preservation"`
	Paused       bool   `json:"paused"` // held by a standing at the cut-off
	Disposition  string `json:"disposition"`
	Reason       string `json:"reason"`    // of a refusal, a code of the list of reasons
	Disclosed    string `json:"disclosed"` // the period in which its seal ended, if that is a later one; it is then counted as a late disclosure of that period
	Version      int    `json:"version"`   // of the report that first gave it so
	Tag          string `json:"tag"`       // SHA-256(intake leaf ‖ salt), hexadecimal
}

// The dispositions that counting knows by name.
const (
	Produced = "produced"
	Refused  = "refused"
)

// FactText is the canonical text of a fact.
func FactText(f Fact) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(f); err != nil {
		return "", fmt.Errorf("verify: writing a fact: %w", err)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// ParseFact reads a fact and insists on its canonical text.
func ParseFact(text string) (Fact, error) {
	var f Fact
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return Fact{}, fmt.Errorf("verify: reading a fact: %w", err)
	}
	if again, err := FactText(f); err != nil || again != text {
		return Fact{}, errors.New("verify: a fact is not in its canonical form")
	}
	if f.Accounts < 0 {
		return Fact{}, errors.New("verify: a fact with a negative number of accounts")
	}
	return f, nil
}

// Opened is a fact with what shows that it is in the log.
type Opened struct {
	Fact  string   `json:"fact"`
	Salt  []byte   `json:"salt"`
	Index int64    `json:"index"`
	Path  []string `json:"path"` // inclusion proof, base64
}

// Definition says what a number means.
type Definition struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Row is one line of the table: the counts of the opened facts of a service and a jurisdiction; All is every one together.
type Row struct {
	Service             string         `json:"service"`
	Jurisdiction        string         `json:"jurisdiction"`
	Requests            int            `json:"requests"`
	Accounts            int            `json:"accounts"`
	Productive          int            `json:"productive"`
	Percent             string         `json:"percent"` // of requests with some data produced, one decimal; empty without requests
	Emergency           int            `json:"emergency"`
	EmergencyProductive int            `json:"emergency_productive"`
	Paused              int            `json:"paused"`
	Refused             int            `json:"refused"`
	Preservation        int            `json:"preservation"`
	PreservedAccounts   int            `json:"preservation_accounts"`
	Late                int            `json:"late"` // received in an earlier period and unsealed in this one; in no other number
	LateAccounts        int            `json:"late_accounts"`
	Instruments         map[string]int `json:"instruments"`
	Dispositions        map[string]int `json:"dispositions"`
	Reasons             map[string]int `json:"reasons"`
}

// Band is a legal range in place of a number.
type Band struct {
	Class    string `json:"class"`
	Title    string `json:"title"`
	Rule     string `json:"rule"`
	Requests string `json:"requests"` // "0-499"
	Accounts string `json:"accounts"`
}

// Report is a published version of a period's report.
type Report struct {
	Format      string       `json:"format"`
	House       string       `json:"house"`
	Log         string       `json:"log"` // origin
	Period      string       `json:"period"`
	From        time.Time    `json:"from"`
	To          time.Time    `json:"to"` // exclusive
	Cutoff      time.Time    `json:"cutoff"`
	Version     int          `json:"version"`
	Correction  string       `json:"correction"` // why there is a version after the first
	Services    []string     `json:"services"`
	Definitions []Definition `json:"definitions"`
	Rows        []Row        `json:"rows"`
	Bands       []Band       `json:"bands"`
	Withheld    []string     `json:"withheld"`
	Checkpoint  string       `json:"checkpoint"`
	Facts       []Opened     `json:"facts"`
}

// Count makes the rows from facts: a line for each service and jurisdiction that has a fact, totals over each, and a line for each
// service of the list even if nothing came. Lines are in the order service, jurisdiction, the totals last.
func Count(period string, services []string, facts []Fact) []Row {
	type place struct{ service, jurisdiction string }
	rows := map[place]*Row{}
	row := func(s, j string) *Row {
		r := rows[place{s, j}]
		if r == nil {
			r = &Row{Service: s, Jurisdiction: j, Instruments: map[string]int{}, Dispositions: map[string]int{}, Reasons: map[string]int{}}
			rows[place{s, j}] = r
		}
		return r
	}
	row(All, All)
	for _, s := range services {
		row(s, All)
	}
	for _, f := range facts {
		for _, s := range []string{f.Service, All} {
			for _, j := range []string{f.Jurisdiction, All} {
				row(s, j).add(period, f)
			}
		}
	}
	var all []Row
	for _, r := range rows {
		r.Percent = percent(r.Productive, r.Requests)
		all = append(all, *r)
	}
	last := func(s string) string { // "all" after every name
		if s == All {
			return "\uffff"
		}
		return s
	}
	slices.SortFunc(all, func(a, b Row) int {
		if c := strings.Compare(last(a.Service), last(b.Service)); c != 0 {
			return c
		}
		return strings.Compare(last(a.Jurisdiction), last(b.Jurisdiction))
	})
	return all
}

func (r *Row) add(period string, f Fact) {
	if f.Disclosed == period && f.Period != period {
		r.Late++
		r.LateAccounts += f.Accounts
		return
	}
	if f.Preservation {
		r.Preservation++
		r.PreservedAccounts += f.Accounts
		return
	}
	r.Requests++
	r.Accounts += f.Accounts
	r.Instruments[f.Instrument]++
	r.Dispositions[f.Disposition]++
	if f.Disposition == Produced {
		r.Productive++
	}
	if f.Emergency {
		r.Emergency++
		if f.Disposition == Produced {
			r.EmergencyProductive++
		}
	}
	if f.Paused {
		r.Paused++
	}
	if f.Disposition == Refused {
		r.Refused++
		r.Reasons[f.Reason]++
	}
}

// percent is part of whole in hundredths with one decimal, halves rounded up.
func percent(part, whole int) string {
	if whole == 0 {
		return ""
	}
	tenths := (2000*part + whole) / (2 * whole)
	return fmt.Sprintf("%d.%d", tenths/10, tenths%10)
}

// CSV writes the rows as the published table (RFC 4180, UTF-8). Columns for instruments, dispositions and reasons are those that
// occur, in alphabetical order.
func (r Report) CSV() []byte {
	instruments, dispositions, reasons := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, row := range r.Rows {
		for _, p := range []struct {
			from map[string]int
			to   map[string]bool
		}{{row.Instruments, instruments}, {row.Dispositions, dispositions}, {row.Reasons, reasons}} {
			for k := range p.from {
				p.to[k] = true
			}
		}
	}
	head := []string{"period", "version", "cutoff", "service", "jurisdiction", "requests", "accounts", "productive", "percent_some_data", "emergency",
		"emergency_productive", "paused", "refused", "preservation", "preservation_accounts", "late", "late_accounts"}
	i, d, c := names(instruments), names(dispositions), names(reasons)
	head = append(head, prefixed("instrument:", i)...)
	head = append(head, prefixed("disposition:", d)...)
	head = append(head, prefixed("reason:", c)...)
	var b bytes.Buffer
	record(&b, head)
	for _, row := range r.Rows {
		line := []string{r.Period, strconv.Itoa(r.Version), r.Cutoff.UTC().Format(time.RFC3339), row.Service, row.Jurisdiction}
		line = append(line, numbers(row.Requests, row.Accounts, row.Productive)...)
		line = append(line, row.Percent)
		line = append(line, numbers(row.Emergency, row.EmergencyProductive, row.Paused, row.Refused, row.Preservation, row.PreservedAccounts, row.Late, row.LateAccounts)...)
		for _, p := range []struct {
			keys []string
			from map[string]int
		}{{i, row.Instruments}, {d, row.Dispositions}, {c, row.Reasons}} {
			for _, k := range p.keys {
				line = append(line, strconv.Itoa(p.from[k]))
			}
		}
		record(&b, line)
	}
	return b.Bytes()
}

func names(set map[string]bool) []string {
	all := make([]string, 0, len(set))
	for k := range set {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

func prefixed(prefix string, list []string) []string {
	all := make([]string, len(list))
	for i, s := range list {
		all[i] = prefix + s
	}
	return all
}

func numbers(list ...int) []string {
	all := make([]string, len(list))
	for i, n := range list {
		all[i] = strconv.Itoa(n)
	}
	return all
}

// record writes a line of CSV.
func record(b *bytes.Buffer, fields []string) {
	for i, f := range fields {
		if i > 0 {
			b.WriteByte(',')
		}
		if strings.ContainsAny(f, ",\"\r\n") {
			f = `"` + strings.ReplaceAll(f, `"`, `""`) + `"`
		}
		b.WriteString(f)
	}
	b.WriteString("\r\n")
}

// Text writes the report as it is published.
func (r Report) Text() (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(r); err != nil {
		return "", fmt.Errorf("verify: writing a report: %w", err)
	}
	return b.String(), nil
}

// ReadReport reads a published report. It checks the form only.
func ReadReport(data []byte) (Report, error) {
	var r Report
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return Report{}, fmt.Errorf("verify: this is not a report: %w", err)
	}
	if r.Format != ReportFormat {
		return Report{}, fmt.Errorf("verify: a report of the form %q; this program reads %q", clip(r.Format), ReportFormat)
	}
	return r, nil
}
