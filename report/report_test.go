package report_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"writ/clock"
	"writ/config"
	"writ/obs"
	"writ/report"
	"writ/store"
	"writ/store/storetest"
	"writ/tlog"
	"writ/tlog/verify"
)

var update = flag.Bool("update", false, "write the golden files anew")

// office is a source of cases with a clock, a log and the reports made of them.
type office struct {
	t     testing.TB
	clock *clock.Fake
	db    *store.DB
	key   *tlog.Key
	log   *tlog.Log
	pub   *tlog.Publisher
	dir   string
	rep   *report.Reports
	cases []caseAt
}

// caseAt is a case and, if it was sealed, when the seal ended.
type caseAt struct {
	report.Case
	unsealed time.Time
	changes  []change
}

type change struct {
	at time.Time
	to func(*report.Case)
}

// at is the case as it stands at a moment.
func (c caseAt) at(t time.Time) report.Case {
	got := c.Case
	if !c.unsealed.IsZero() && c.unsealed.Before(t) {
		got.Class = report.Open
	}
	for _, ch := range c.changes {
		if ch.at.Before(t) {
			ch.to(&got)
		}
	}
	return got
}

func (o *office) Received(_ context.Context, from, to, cutoff time.Time) (all []report.Case, err error) {
	for _, c := range o.cases {
		if !c.Case.Received.Before(from) && c.Case.Received.Before(to) {
			all = append(all, c.at(cutoff))
		}
	}
	return all, nil
}

func (o *office) Unsealed(_ context.Context, from, to, cutoff time.Time) (all []report.Case, err error) {
	for _, c := range o.cases {
		if c.Case.Received.Before(from) && !c.unsealed.Before(from) && c.unsealed.Before(to) {
			all = append(all, c.at(cutoff))
		}
	}
	return all, nil
}

const day = 24 * time.Hour

func newOffice(t testing.TB, db *store.DB) *office { return newOfficeOf(t, db, 512, 384) }

// newOfficeOf is an office whose log has batches of a size, of which so many places are for opened facts.
func newOfficeOf(t testing.TB, db *store.DB, batch, open int) *office {
	t.Helper()
	dir := t.TempDir()
	storetest.Migrate(t, db, tlog.Schema(), report.Schema())
	o := &office{t: t, db: db, dir: filepath.Join(dir, "log"), clock: clock.NewFake(time.Date(2019, 7, 1, 0, 0, 0, 0, time.UTC))}
	var err error
	if o.key, err = tlog.LoadKey(filepath.Join(dir, "key"), "log.example/writ"); err != nil {
		t.Fatal(err)
	}
	o.log, err = tlog.New(db, o.clock, tlog.Config{Origin: "log.example/writ", Dir: o.dir, BatchSize: batch, Open: open, Cadence: config.Duration(10 * day), Promise: config.Duration(40 * day)},
		o.key, obs.Discard(), nil)
	if err != nil {
		t.Fatal(err)
	}
	o.pub = o.log.Publisher()
	o.rep, err = report.New(report.Deps{DB: db.Scoped("report", "tlog"), Clock: o.clock, Log: obs.Discard(), Tlog: o.log, Source: o, Signer: o.key, House: "Example",
		Services: []string{"facebook", "whatsapp"}})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func hash(s string) [32]byte { return sha256.Sum256([]byte(s)) }

// add files a case with sensible keys.
func (o *office) add(c report.Case) *caseAt {
	if c.ID == "" {
		c.ID = fmt.Sprintf("case-%d", len(o.cases))
	}
	c.Intake, c.TagSalt, c.FactKey = hash("intake "+c.ID), hash("tag "+c.ID), hash("fact "+c.ID)
	o.cases = append(o.cases, caseAt{Case: c})
	return &o.cases[len(o.cases)-1]
}

// batch goes to the next batch of the log and makes the reports' turn.
func (o *office) batch() {
	o.t.Helper()
	o.clock.Advance(10 * day)
	if err := o.pub.Turn(o.t.Context()); err != nil {
		o.t.Fatal(err)
	}
	if err := o.rep.Turn(o.t.Context()); err != nil {
		o.t.Fatal(err)
	}
}

// publish goes on until a period's report is out.
func (o *office) publish(p report.Period) report.Published {
	o.t.Helper()
	if err := o.rep.Turn(o.t.Context()); err != nil {
		o.t.Fatal(err)
	}
	_, to, err := p.Span()
	if err != nil {
		o.t.Fatal(err)
	}
	if at := to.Add(25 * day); o.clock.Now().Before(at) {
		o.clock.Set(at)
	}
	for range 6 {
		o.batch()
		got, err := o.rep.Latest(o.t.Context(), p)
		if err == nil {
			return got
		}
		if !errors.Is(err, report.ErrNone) {
			o.t.Fatal(err)
		}
	}
	o.t.Fatalf("%s was not published", p)
	return report.Published{}
}

func (o *office) check(p report.Published, receipt []byte) *verify.Result {
	o.t.Helper()
	r, err := verify.CheckReport(verify.ReportFiles{JSON: p.JSON, CSV: p.CSV, Signature: p.Signature, Receipt: receipt}, o.key.VKey())
	if err != nil {
		o.t.Fatal(err)
	}
	return r
}

func row(t testing.TB, p report.Published, service, jurisdiction string) verify.Row {
	t.Helper()
	d, err := p.Report()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range d.Rows {
		if r.Service == service && r.Jurisdiction == jurisdiction {
			return r
		}
	}
	t.Fatalf("no row %s, %s", service, jurisdiction)
	return verify.Row{}
}

// hongKong files the four half-years of Hong Kong as Meta published them, and another country beside.
func (o *office) hongKong() {
	for _, h := range []struct {
		year, month          int
		requests, accounts   int
		productive, emergent int
		paused               bool
	}{
		{2019, 7, 241, 257, 111, 0, false}, {2020, 1, 262, 262, 63, 0, false}, {2020, 7, 202, 223, 0, 1, true}, {2021, 1, 152, 152, 0, 2, true},
	} {
		first := time.Date(h.year, time.Month(h.month), 1, 9, 0, 0, 0, time.UTC)
		for n := range h.requests {
			c := report.Case{Service: []string{"whatsapp", "facebook"}[n%2], Jurisdiction: "HK", Instrument: "foreign-request", Received: first.Add(time.Duration(n) * 16 * time.Hour),
				Accounts: 1, Disposition: report.Refused, Reason: "request.no_legal_basis", Emergency: n < h.emergent}
			if n < h.accounts-h.requests {
				c.Accounts = 2
			}
			switch {
			case n < h.productive:
				c.Service, c.Disposition, c.Reason = "whatsapp", report.Produced, ""
			case h.paused:
				c.Disposition, c.Reason, c.Paused = report.Pending, "", true
			}
			o.add(c)
		}
		for n := range 3 {
			o.add(report.Case{Service: "whatsapp", Jurisdiction: "GB", Instrument: "court-order", Received: first.Add(time.Duration(n) * day), Accounts: 1,
				Disposition: report.Produced, Preservation: n == 2})
		}
	}
}

func TestHongKong(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o := newOffice(t, db)
		o.hongKong()
		var docs []verify.Report
		for _, want := range []struct {
			period                       report.Period
			requests, accounts, produced int
			percent                      string
			emergency, paused            int
		}{
			{"2019-H2", 241, 257, 111, "46.1", 0, 0}, {"2020-H1", 262, 262, 63, "24.0", 0, 0}, {"2020-H2", 202, 223, 0, "0.0", 1, 202}, {"2021-H1", 152, 152, 0, "0.0", 2, 152},
		} {
			p := o.publish(want.period)
			got := row(t, p, verify.All, "HK")
			if got.Requests != want.requests || got.Accounts != want.accounts || got.Productive != want.produced || got.Percent != want.percent ||
				got.Emergency != want.emergency || got.Paused != want.paused {
				t.Errorf("%s: %+v", want.period, got)
			}
			if gb := row(t, p, "whatsapp", "GB"); gb.Requests != 2 || gb.Productive != 2 || gb.Preservation != 1 {
				t.Errorf("%s: the other country: %+v", want.period, gb)
			}
			if r := o.check(p, nil); !r.OK() {
				t.Errorf("%s: %+v", want.period, r)
			}
			d, err := p.Report()
			if err != nil {
				t.Fatal(err)
			}
			docs = append(docs, d)
		}
		last, err := o.rep.Latest(t.Context(), "2020-H2")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "hong-kong-2020-H2.csv", last.CSV)
		golden(t, "hong-kong.svg", report.Chart(docs, "HK"))
		d := docs[2]
		d.Facts, d.Checkpoint = nil, "" // they have random parts
		text, err := d.Text()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "hong-kong-2020-H2.json", []byte(text))
	})
}

func golden(t testing.TB, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test ./report -update, and read the difference):\n%s", name, got)
	}
}

func TestTheCSVIsReadByOthers(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("testdata/hong-kong-2020-H2.csv")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil || len(rows) < 5 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for i, r := range bytes.SplitAfter(b, []byte("\n")) {
		if len(r) > 0 && !bytes.HasSuffix(r, []byte("\r\n")) {
			t.Errorf("line %d does not end in CR LF", i+1)
		}
	}
	out, err := exec.Command("xmllint", "--noout", "testdata/hong-kong.svg").CombinedOutput()
	if err != nil {
		t.Errorf("xmllint (package libxml2-utils): %v\n%s", err, out)
	}
}

func TestPeriods(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]report.Period{"2019-12-31T23:59:59Z": "2019-H2", "2020-01-01T00:00:00Z": "2020-H1", "2020-06-30T23:59:59Z": "2020-H1", "2020-07-01T07:00:00+08:00": "2020-H1", "2020-07-01T00:00:00Z": "2020-H2"} {
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		if got := report.PeriodOf(at); got != want {
			t.Errorf("%s is in %s, want %s", s, got, want)
		}
	}
	for _, bad := range []report.Period{"", "2020", "2020-H3", "2020-H0", "20-H1", "2020-H1x", "2020-h1"} {
		if _, _, err := bad.Span(); err == nil {
			t.Errorf("%q is taken for a period", bad)
		}
	}
}

func TestAPeriodIsClosedOnceAndWhenDue(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o := newOffice(t, db)
		ctx := t.Context()
		if err := o.rep.Turn(ctx); err != nil {
			t.Fatal(err)
		}
		if err := o.rep.Close(ctx, "2019-H2"); !errors.Is(err, report.ErrNotDue) {
			t.Errorf("before its end: %v", err)
		}
		if err := o.rep.Publish(ctx, "2019-H2"); !errors.Is(err, report.ErrNotClosed) {
			t.Errorf("before its close: %v", err)
		}
		o.add(report.Case{Service: "whatsapp", Jurisdiction: "HK", Instrument: "x", Received: o.clock.Now(), Accounts: 1, Disposition: report.Pending})
		o.clock.Set(time.Date(2020, 2, 1, 0, 0, 0, 0, time.UTC))
		if err := o.rep.Close(ctx, "2019-H2"); err != nil {
			t.Fatal(err)
		}
		if err := o.rep.Close(ctx, "2019-H2"); !errors.Is(err, report.ErrClosed) {
			t.Errorf("a second time: %v", err)
		}
		if err := o.rep.Publish(ctx, "2019-H2"); !errors.Is(err, report.ErrNotLogged) {
			t.Errorf("before its facts are in the log: %v", err)
		}
		o.batch()
		if r := o.check(o.publish("2019-H2"), nil); !r.OK() {
			t.Errorf("%+v", r)
		}
	})
}

// A correction is a new version: the old one stays, unchanged facts keep their leaf, and the bands are those of the first.
func TestACorrectionIsANewVersion(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o := newOffice(t, db)
		ctx := t.Context()
		at := o.clock.Now().Add(day)
		appealed := report.Case{Service: "whatsapp", Jurisdiction: "HK", Instrument: "x", Received: at, Accounts: 3, Disposition: report.Refused, Reason: "policy.no_row"}
		o.add(appealed).changes = []change{{time.Date(2020, 5, 1, 0, 0, 0, 0, time.UTC), func(c *report.Case) { c.Disposition = report.Produced }}}
		o.add(report.Case{Service: "whatsapp", Jurisdiction: "HK", Instrument: "x", Received: at, Accounts: 1, Disposition: report.Produced})
		o.add(report.Case{Service: "whatsapp", Jurisdiction: "HK", Instrument: "x", Received: at, Accounts: 1, Disposition: report.Produced, Class: report.Sealed}).
			unsealed = time.Date(2020, 5, 2, 0, 0, 0, 0, time.UTC)
		if err := o.rep.Correct(ctx, "2019-H2", "early"); !errors.Is(err, report.ErrNotClosed) {
			t.Errorf("before the close: %v", err)
		}
		first := o.publish("2019-H2")
		o.clock.Set(time.Date(2020, 6, 1, 0, 0, 0, 0, time.UTC))
		if err := o.rep.Correct(ctx, "2019-H2", ""); err == nil {
			t.Error("a correction without a reason")
		}
		changes, err := o.rep.Changes(ctx, "2019-H2")
		if err != nil || len(changes) != 1 || changes[0].Was.Disposition != verify.Refused || changes[0].Now.Disposition != verify.Produced {
			t.Errorf("what would change: %+v, %v", changes, err)
		}
		if err := o.rep.Correct(ctx, "2019-H2", "a refusal was taken back"); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			o.batch()
		}
		second, err := o.rep.Latest(ctx, "2019-H2")
		if err != nil || second.Version != 2 {
			t.Fatalf("version %d, %v", second.Version, err)
		}
		old, err := o.rep.Version(ctx, "2019-H2", 1)
		if err != nil || !bytes.Equal(old.JSON, first.JSON) {
			t.Error("the first version changed")
		}
		a, b := row(t, first, verify.All, "HK"), row(t, second, verify.All, "HK")
		if a.Requests != 2 || a.Productive != 1 || a.Reasons["policy.no_row"] != 1 || b.Requests != 2 || b.Productive != 2 || b.Refused != 0 {
			t.Errorf("first %+v, second %+v", a, b)
		}
		d1, _ := first.Report()
		d2, _ := second.Report()
		if d2.Correction != "a refusal was taken back" || fmt.Sprint(d1.Bands) != fmt.Sprint(d2.Bands) {
			t.Errorf("correction %q, bands %v", d2.Correction, d2.Bands)
		}
		kept := 0
		for _, f := range d2.Facts {
			for _, g := range d1.Facts {
				if f.Index == g.Index {
					kept++
				}
			}
		}
		if kept != 1 || len(d2.Facts) != 2 {
			t.Errorf("%d of %d facts kept their leaf", kept, len(d2.Facts))
		}
		if r := o.check(second, nil); !r.OK() {
			t.Errorf("%+v", r)
		}
		late := o.publish("2020-H1")
		if r := row(t, late, verify.All, "HK"); r.Late != 1 || r.LateAccounts != 1 || r.Requests != 0 {
			t.Errorf("the unsealed case: %+v", r)
		}
		if r := o.check(late, nil); !r.OK() {
			t.Errorf("%+v", r)
		}
	})
}

func TestARequesterFindsItsOwnCase(t *testing.T) {
	t.Parallel()
	o := newOffice(t, storetest.SQLite(t))
	at := o.clock.Now().Add(day)
	open := o.add(report.Case{Service: "whatsapp", Jurisdiction: "HK", Instrument: "court-order", Received: at, Accounts: 1, Disposition: report.Produced}).Case
	sealed := o.add(report.Case{Service: "whatsapp", Jurisdiction: "US", Instrument: "court-order", Received: at, Accounts: 1, Disposition: report.Produced, Class: report.Sealed}).Case
	receipt := func(c report.Case) []byte {
		p, err := o.log.Promise(tlog.Entry{Commitment: c.Intake, Received: c.Received, By: c.Received.Add(40 * day)})
		if err != nil {
			t.Fatal(err)
		}
		return []byte(fmt.Sprintf(`{"promise":%q,"tag_salt":%q}`, p, base64of(c.TagSalt[:])))
	}
	p := o.publish("2019-H2")
	var b strings.Builder
	if _, err := o.check(p, receipt(open)).WriteTo(&b); err != nil || !strings.Contains(b.String(), "your case is counted: 2019-H2, whatsapp, HK, court-order, 1 accounts, produced") {
		t.Errorf("%s", b.String())
	}
	r := o.check(p, receipt(sealed))
	b.Reset()
	if _, err := r.WriteTo(&b); err != nil || !strings.Contains(b.String(), "not among the opened facts") || !r.OK() {
		t.Errorf("%s", b.String())
	}
	if strings.Contains(string(p.JSON), `"US"`) {
		t.Error("the sealed case's jurisdiction is in the report")
	}
}

// A seal that ends between a period's end and its cut-off: the case is opened in its own period and not once more as a late one.
func TestNoCaseIsCountedTwice(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o := newOffice(t, db)
		o.add(report.Case{Service: "whatsapp", Jurisdiction: "HK", Instrument: "x", Received: o.clock.Now().Add(day), Accounts: 1, Disposition: report.Produced, Class: report.Sealed}).
			unsealed = time.Date(2020, 1, 20, 0, 0, 0, 0, time.UTC)
		if r := row(t, o.publish("2019-H2"), verify.All, "HK"); r.Requests != 1 {
			t.Errorf("2019-H2: %+v", r)
		}
		if r := row(t, o.publish("2020-H1"), verify.All, verify.All); r.Late != 0 || r.Requests != 0 {
			t.Errorf("2020-H1: %+v", r)
		}
	})
}

// Cases whose key is gone are counted, each with a tag that nobody can find.
func TestErasedCasesAreCounted(t *testing.T) {
	t.Parallel()
	o := newOffice(t, storetest.SQLite(t))
	for range 2 {
		c := o.add(report.Case{Service: "whatsapp", Jurisdiction: "HK", Instrument: "x", Received: o.clock.Now().Add(day), Accounts: 1, Disposition: report.Produced, Erased: true})
		c.Intake, c.TagSalt, c.FactKey = [32]byte{}, [32]byte{}, [32]byte{}
	}
	p := o.publish("2019-H2")
	if r := row(t, p, verify.All, "HK"); r.Requests != 2 {
		t.Errorf("%+v", r)
	}
	if r := o.check(p, nil); !r.OK() {
		t.Errorf("%+v", r)
	}
}

// Start works on the clock: half-years pass, and their reports are there.
func TestStartWorksOnTheClock(t *testing.T) {
	t.Parallel()
	o := newOffice(t, storetest.SQLite(t))
	o.add(report.Case{Service: "whatsapp", Jurisdiction: "HK", Instrument: "x", Received: o.clock.Now().Add(day), Accounts: 1, Disposition: report.Produced})
	stopLog := o.pub.Start(t.Context())
	stop := o.rep.Start(t.Context())
	o.clock.Set(time.Date(2021, 3, 1, 0, 0, 0, 0, time.UTC))
	list, err := o.rep.List(t.Context())
	if err != nil || len(list) != 3 || list[2].Period != "2019-H2" {
		t.Errorf("%d reports, %v", len(list), err)
	}
	stop()
	stopLog()
	o.clock.Advance(365 * day)
	if again, err := o.rep.List(t.Context()); err != nil || len(again) != len(list) {
		t.Errorf("it went on after its end: %d reports, %v", len(again), err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for _, c := range []report.Config{{Delay: -1}, {Delay: config.Duration(90 * day)}, {Band: 100}, {Band: -500}} {
		if c.Check() == nil {
			t.Errorf("%+v passes", c)
		}
	}
	if err := (report.Config{}).Check(); err != nil {
		t.Error(err)
	}
}
