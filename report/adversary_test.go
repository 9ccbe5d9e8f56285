package report_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"sort"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"writ/report"
	"writ/store/storetest"
	"writ/tlog/verify"
)

func base64of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// public is everything that an outsider can fetch, with the leaf commitments and what is computed from them (hashes, proofs, places,
// salts, signatures) made equal: what remains must not depend on a sealed request.
func (o *office) public() map[string]string {
	o.t.Helper()
	seen := map[string]string{}
	list, err := o.rep.List(o.t.Context())
	if err != nil {
		o.t.Fatal(err)
	}
	for _, newest := range list {
		versions, err := o.rep.Versions(o.t.Context(), newest.Period)
		if err != nil {
			o.t.Fatal(err)
		}
		for _, p := range versions {
			name := fmt.Sprintf("%s v%d ", p.Period, p.Version)
			seen[name+"csv"] = string(p.CSV)
			seen[name+"at"] = p.At.String()
			seen[name+"size"] = fmt.Sprint(len(p.JSON)-digits(o.t, p), len(p.Signature))
			seen[name+"json"] = mask(o.t, p)
		}
	}
	err = fs.WalkDir(os.DirFS(o.dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(path, ".state") {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		seen["log "+path] = fmt.Sprint(info.Size())
		return nil
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return seen
}

var (
	hashes = regexp.MustCompile(`[A-Za-z0-9+/]{43}=|log\.example/writ [A-Za-z0-9+/=]+`)
	places = regexp.MustCompile(`"index": [0-9]+`)
)

// mask makes what is random equal. Facts are put into the order of their text, since their places are drawn at random.
func mask(t testing.TB, p report.Published) string {
	t.Helper()
	d, err := p.Report()
	if err != nil {
		t.Fatal(err)
	}
	sort.Slice(d.Facts, func(i, j int) bool { return d.Facts[i].Fact < d.Facts[j].Fact })
	text, err := d.Text()
	if err != nil {
		t.Fatal(err)
	}
	return places.ReplaceAllString(hashes.ReplaceAllString(text, "HASH"), `"index": N`)
}

// digits counts the digits of the places: a place has as many as chance gives it.
func digits(t testing.TB, p report.Published) int {
	t.Helper()
	d, err := p.Report()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range d.Facts {
		n += len(fmt.Sprint(f.Index))
	}
	return n
}

// TestTwoWorlds is scoreboard row 24: two worlds differ in one sealed request of the same band. Over eight half-years, with
// corrections and an unsealing of another case, everything that is public is the same, leaf commitments aside.
func TestTwoWorlds(t *testing.T) {
	t.Parallel()
	for name, extra := range map[string]report.Case{
		"a sealed order of a country that no one else asks from": {Service: "facebook", Jurisdiction: "IS", Instrument: "never-seen", Accounts: 7, Disposition: report.Refused, Reason: "only-here", Class: report.Sealed},
		"a national security letter":                             {Service: "whatsapp", Jurisdiction: "US", Instrument: "nsl", Accounts: 2, Disposition: report.Produced, Class: report.NSL},
		"a paused sealed emergency":                              {Service: "whatsapp", Jurisdiction: "HK", Instrument: "emergency", Accounts: 1, Disposition: report.Pending, Paused: true, Emergency: true, Class: report.Sealed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var worlds []map[string]string
			for _, with := range []bool{false, true} {
				o := newOffice(t, storetest.SQLite(t))
				if with {
					c := extra
					c.ID, c.Received = "the one", time.Date(2020, 9, 9, 9, 9, 9, 0, time.UTC)
					o.add(c)
				}
				o.eightPeriods()
				worlds = append(worlds, o.public())
			}
			compareWorlds(t, worlds[0], worlds[1])
		})
	}
}

// eightPeriods lives through 2019-H2 to 2023-H1.
func (o *office) eightPeriods() {
	o.t.Helper()
	first := o.clock.Now()
	for n := range 120 {
		c := report.Case{ID: fmt.Sprintf("open-%d", n), Service: []string{"whatsapp", "facebook"}[n%2], Jurisdiction: []string{"HK", "GB", "US"}[n%3], Instrument: []string{"court-order", "warrant"}[n%2],
			Received: first.Add(time.Duration(n) * 12 * day), Accounts: 1 + n%3, Disposition: report.Produced}
		if n%5 == 0 {
			c.Disposition, c.Reason = report.Refused, "policy.no_row"
		}
		if n%11 == 0 {
			c.Class = report.Sealed
		}
		a := o.add(c)
		if n == 22 {
			a.unsealed = first.Add(500 * day)
		}
		if n == 1 {
			a.changes = []change{{first.Add(400 * day), func(c *report.Case) { c.Disposition = report.Withdrawn }}}
		}
	}
	for p := report.Period("2019-H2"); p <= "2023-H1"; {
		o.publish(p)
		if p == "2020-H2" {
			if err := o.rep.Correct(o.t.Context(), "2019-H2", "one was withdrawn"); err != nil {
				o.t.Fatal(err)
			}
		}
		_, to, err := p.Span()
		if err != nil {
			o.t.Fatal(err)
		}
		p = report.PeriodOf(to)
	}
}

func compareWorlds(t testing.TB, a, b map[string]string) {
	t.Helper()
	if len(a) < 20 {
		t.Fatalf("only %d things are public", len(a))
	}
	for name, text := range a {
		if b[name] != text {
			t.Errorf("%s differs:\n%s\n%s", name, short(text, b[name]), short(b[name], text))
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			t.Errorf("%s is only in the other world", name)
		}
	}
}

// short is a text around the first place where another differs.
func short(s, other string) string {
	i := 0
	for i < len(s) && i < len(other) && s[i] == other[i] {
		i++
	}
	return s[max(0, i-80):min(len(s), i+160)]
}

// TestDifferencing plays the adversary with a calculator: from all published tables of eight periods it forms every total less its
// parts, and each version less the one before. Nothing but zero and published corrections remains, so no band is narrowed.
func TestDifferencing(t *testing.T) {
	t.Parallel()
	o := newOffice(t, storetest.SQLite(t))
	o.eightPeriods()
	list, err := o.rep.List(t.Context())
	if err != nil || len(list) != 8 {
		t.Fatalf("%d reports, %v", len(list), err)
	}
	bands := map[string]bool{}
	for _, newest := range list {
		versions, err := o.rep.Versions(t.Context(), newest.Period)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range versions {
			d, err := p.Report()
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range d.Bands {
				bands[b.Requests] = true
			}
			residues(t, d)
			if i > 0 {
				later, _ := versions[i-1].Report()
				if fmt.Sprint(later.Bands) != fmt.Sprint(d.Bands) {
					t.Errorf("%s: a correction moved a band", p.Period)
				}
				a, b := cell(d, verify.All, verify.All), cell(later, verify.All, verify.All)
				if a.Requests != b.Requests {
					t.Errorf("%s: a correction changed the number of requests from %d to %d", p.Period, a.Requests, b.Requests)
				}
			}
		}
	}
	if len(bands) != 1 {
		t.Errorf("bands %v", bands)
	}
}

func cell(d verify.Report, s, j string) verify.Row {
	for _, r := range d.Rows {
		if r.Service == s && r.Jurisdiction == j {
			return r
		}
	}
	return verify.Row{}
}

// residues forms every total less the sum of its parts.
func residues(t testing.TB, d verify.Report) {
	t.Helper()
	sum := map[[2]string][]int{}
	numbers := func(r verify.Row) []int {
		return []int{r.Requests, r.Accounts, r.Productive, r.Emergency, r.Paused, r.Refused, r.Preservation, r.Late, r.LateAccounts, len(d.Facts) * 0}
	}
	add := func(k [2]string, r verify.Row) {
		if sum[k] == nil {
			sum[k] = make([]int, 10)
		}
		for i, n := range numbers(r) {
			sum[k][i] += n
		}
	}
	total := 0
	for _, r := range d.Rows {
		if r.Service != verify.All && r.Jurisdiction != verify.All {
			add([2]string{r.Service, verify.All}, r)
			add([2]string{verify.All, r.Jurisdiction}, r)
			add([2]string{verify.All, verify.All}, r)
			total += r.Requests + r.Preservation + r.Late
		}
		of := 0
		for _, n := range r.Instruments {
			of += n
		}
		if of != r.Requests {
			t.Errorf("%s %s %s: requests less instruments is %d", d.Period, r.Service, r.Jurisdiction, r.Requests-of)
		}
	}
	for k, s := range sum {
		if got := numbers(cell(d, k[0], k[1])); fmt.Sprint(got) != fmt.Sprint(s) {
			t.Errorf("%s %v: total %v, parts %v", d.Period, k, got, s)
		}
	}
	if len(d.Facts) != total {
		t.Errorf("%s: %d facts, %d counted", d.Period, len(d.Facts), total)
	}
}

// Any number of any row, any fact, any band is changed: the recount finds it.
func TestEveryForgedNumberIsFound(t *testing.T) {
	t.Parallel()
	o := newOffice(t, storetest.SQLite(t))
	o.hongKong()
	p := o.publish("2019-H2")
	var tree any
	if err := json.Unmarshal(p.JSON, &tree); err != nil {
		t.Fatal(err)
	}
	root := tree.(map[string]any)
	root["facts"] = root["facts"].([]any)[:3] // enough of them to forge each kind of number; the recount of the rest is the same code
	d, err := p.Report()
	if err != nil {
		t.Fatal(err)
	}
	d.Facts = d.Facts[:3]
	var facts []verify.Fact
	for _, f := range d.Facts {
		v, err := verify.ParseFact(f.Fact)
		if err != nil {
			t.Fatal(err)
		}
		facts = append(facts, v)
	}
	d.Rows = verify.Count(d.Period, d.Services, facts)
	tried := 0
	try := func(what string, change func(d *verify.Report)) {
		t.Helper()
		var forged verify.Report
		text, _ := d.Text()
		if err := json.Unmarshal([]byte(text), &forged); err != nil {
			t.Fatal(err)
		}
		change(&forged)
		text, err := forged.Text()
		if err != nil {
			t.Fatal(err)
		}
		tried++
		r, err := verify.CheckReport(verify.ReportFiles{JSON: []byte(text), CSV: d.CSV()}, o.key.VKey())
		if err == nil && r.OK() {
			t.Errorf("%s: not found", what)
		}
	}
	text, _ := d.Text()
	if r, err := verify.CheckReport(verify.ReportFiles{JSON: []byte(text), CSV: d.CSV()}, o.key.VKey()); err != nil || !r.OK() {
		t.Fatalf("the unforged one: %+v, %v", r, err)
	}
	for i := range d.Rows {
		for name, n := range map[string]func(*verify.Row) *int{
			"requests": func(r *verify.Row) *int { return &r.Requests }, "accounts": func(r *verify.Row) *int { return &r.Accounts },
			"productive": func(r *verify.Row) *int { return &r.Productive }, "emergency": func(r *verify.Row) *int { return &r.Emergency },
			"emergency_productive": func(r *verify.Row) *int { return &r.EmergencyProductive }, "paused": func(r *verify.Row) *int { return &r.Paused },
			"refused": func(r *verify.Row) *int { return &r.Refused }, "preservation": func(r *verify.Row) *int { return &r.Preservation },
			"preservation_accounts": func(r *verify.Row) *int { return &r.PreservedAccounts }, "late": func(r *verify.Row) *int { return &r.Late },
			"late_accounts": func(r *verify.Row) *int { return &r.LateAccounts },
		} {
			try(fmt.Sprintf("row %d %s", i, name), func(d *verify.Report) { *n(&d.Rows[i])++ })
		}
		try("percent", func(d *verify.Report) { d.Rows[i].Percent += "1" })
		try("instrument", func(d *verify.Report) { d.Rows[i].Instruments["forged"] = 1 })
		try("disposition", func(d *verify.Report) { d.Rows[i].Dispositions["forged"] = 1 })
		try("reason", func(d *verify.Report) { d.Rows[i].Reasons["forged"] = 1 })
		try("row dropped", func(d *verify.Report) { d.Rows = append(d.Rows[:i:i], d.Rows[i+1:]...) })
		try("row twice", func(d *verify.Report) { d.Rows = append(d.Rows, d.Rows[i]) })
	}
	for i := range d.Facts {
		try("fact dropped", func(d *verify.Report) { d.Facts = append(d.Facts[:i:i], d.Facts[i+1:]...) })
		try("fact twice", func(d *verify.Report) { d.Facts = append(d.Facts, d.Facts[i]) })
		try("fact's text", func(d *verify.Report) {
			d.Facts[i].Fact = strings.Replace(d.Facts[i].Fact, `"accounts":`, `"accounts":9`, 1)
		})
		try("fact's salt", func(d *verify.Report) { d.Facts[i].Salt[0] ^= 1 })
		try("fact's place", func(d *verify.Report) { d.Facts[i].Index ^= 1 })
		try("fact's proof", func(d *verify.Report) { d.Facts[i].Path = d.Facts[i].Path[1:] })
	}
	try("head", func(d *verify.Report) { d.Checkpoint = strings.Replace(d.Checkpoint, "\n", "\n1", 1) })
	try("period", func(d *verify.Report) { d.Period = "2020-H1" })
	for _, s := range []string{"0-400", "0-998", "1-500", "500-0", "x", "0-499-", "0-999"} {
		try("band "+s, func(d *verify.Report) { d.Bands[0].Requests = s })
	}
	try("column", func(d *verify.Report) { d.Cutoff = d.Cutoff.Add(time.Second) })
	t.Logf("%d of %d forgeries found", tried, tried)
}

// Count has the same sums whatever the facts are.
func TestCountAddsUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		facts := rapid.SliceOf(rapid.Custom(func(r *rapid.T) verify.Fact {
			return verify.Fact{Period: rapid.SampledFrom([]string{"2020-H1", "2019-H2"}).Draw(r, "period"), Service: rapid.SampledFrom([]string{"a", "b"}).Draw(r, "service"),
				Jurisdiction: rapid.SampledFrom([]string{"HK", "GB", "US"}).Draw(r, "jurisdiction"), Instrument: rapid.SampledFrom([]string{"x", "y"}).Draw(r, "instrument"),
				Accounts: rapid.IntRange(0, 9).Draw(r, "accounts"), Emergency: rapid.Bool().Draw(r, "emergency"), Preservation: rapid.Bool().Draw(r, "preservation"),
				Disposition: rapid.SampledFrom([]string{"produced", "refused", "pending"}).Draw(r, "disposition"), Disclosed: rapid.SampledFrom([]string{"", "2020-H1"}).Draw(r, "disclosed")}
		})).Draw(r, "facts")
		all := cell(verify.Report{Rows: verify.Count("2020-H1", []string{"a", "b", "c"}, facts)}, verify.All, verify.All)
		if all.Requests+all.Preservation+all.Late != len(facts) {
			r.Fatalf("%d facts, counted %+v", len(facts), all)
		}
		sum := 0
		for _, n := range all.Dispositions {
			sum += n
		}
		if sum != all.Requests || all.Productive != all.Dispositions["produced"] || all.Refused != all.Dispositions["refused"] {
			r.Fatalf("%+v", all)
		}
	})
}
