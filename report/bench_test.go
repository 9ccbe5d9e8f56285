package report_test

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"writ/report"
	"writ/store"
	"writ/store/storetest"
	"writ/tlog/verify"
)

// The figure of performance: the report of a half-year with very many requests. What it costs to count them from their events is
// desk's BenchmarkCount; this is the rest: closing, publishing, and checking the published files as anyone would. The default is small;
// `go test ./report -run xxx -bench Report -benchtime 1x -timeout 2h -report.cases 100000` is the report of 100,000 requests.
var benchCases = flag.Int("report.cases", 200, "requests in the half-year of BenchmarkReport")

func BenchmarkReport(b *testing.B) {
	storetest.Bench(b, fmt.Sprintf("cases=%d", *benchCases), benchReport)
}

func benchReport(b *testing.B, db *store.DB) {
	batch := 512
	for batch < 4**benchCases/3 && batch < 8192 {
		batch *= 2
	}
	o := newOfficeOf(b, db, batch, batch*3/4)
	places := []string{"US", "HK", "DE", "FR", "BR", "IN", "JP", "GB"}
	for i := range *benchCases {
		c := report.Case{Service: []string{"whatsapp", "facebook"}[i%2], Jurisdiction: places[i%len(places)], Instrument: "search_warrant", Accounts: 1 + i%3,
			Received: o.clock.Now().Add(time.Duration(i) * time.Second), Disposition: report.Produced}
		if i%5 == 0 {
			c.Disposition = report.Refused
			c.Reason = "policy.no_row"
		}
		if i%20 == 0 {
			c.Class = report.Sealed
		}
		o.add(c)
	}
	p := report.PeriodOf(o.clock.Now())
	_, to, err := p.Span()
	if err != nil {
		b.Fatal(err)
	}
	o.clock.Set(to.Add(30 * day))
	if err := o.pub.Turn(b.Context()); err != nil { // the empty batches of half a year are no part of the figure
		b.Fatal(err)
	}
	var closing, publishing, checking time.Duration
	for b.Loop() { // a period is closed once: give -benchtime 1x
		if closing != 0 {
			continue
		}
		began := time.Now()
		if err := o.rep.Close(b.Context(), p); err != nil {
			b.Fatal(err)
		}
		closing = time.Since(began)
		for range 3 + 2**benchCases/batch {
			o.clock.Advance(10 * day)
			if err := o.pub.Turn(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		began = time.Now()
		if err := o.rep.Publish(b.Context(), p); err != nil {
			b.Fatal(err)
		}
		publishing = time.Since(began)
		began = time.Now()
		got, err := o.rep.Latest(b.Context(), p)
		if err != nil {
			b.Fatal(err)
		}
		r, err := verify.CheckReport(verify.ReportFiles{JSON: got.JSON, CSV: got.CSV, Signature: got.Signature}, o.key.VKey())
		if err != nil || !r.OK() {
			b.Fatalf("the report does not hold: %v %+v", err, r)
		}
		checking = time.Since(began)
	}
	b.ReportMetric(closing.Seconds(), "s/close")
	b.ReportMetric(publishing.Seconds(), "s/publish")
	b.ReportMetric(checking.Seconds(), "s/check")
}
