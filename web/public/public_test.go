package public

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
	"writ/report"

	"writ/clock"
	"writ/desk/policy"
	"writ/desk/standing"
	"writ/obs"
	"writ/schedule"
)

// book is a list of standings; log is a log that has published nothing yet.
type (
	book []standing.Record
	log  struct{}
	// shelf is the reports of the golden files of package report.
	shelf map[report.Period][]byte
)

func (s shelf) List(context.Context) (all []report.Published, err error) {
	for p, json := range s {
		all = append(all, report.Published{Period: p, Version: 1, JSON: json, CSV: []byte("csv"), Signature: []byte("sig")})
	}
	return all, nil
}

func (s shelf) Versions(ctx context.Context, p report.Period) (all []report.Published, err error) {
	list, err := s.List(ctx)
	for _, r := range list {
		if r.Period == p {
			all = append(all, r)
		}
	}
	return all, err
}

func (s shelf) Version(ctx context.Context, p report.Period, version int) (report.Published, error) {
	if all, _ := s.Versions(ctx, p); len(all) > 0 && version == 1 {
		return all[0], nil
	}
	return report.Published{}, report.ErrNone
}

func (b book) History(context.Context) ([]standing.Record, error) { return b, nil }
func (log) Checkpoint(context.Context) ([]byte, error)            { return nil, errors.New("nothing yet") }
func (log) VKey() string                                          { return "writ.test+1234+key" }
func (log) Origin() string                                        { return "writ.test/log" }
func (log) Cadence() time.Duration                                { return time.Hour }
func (log) Handler() http.Handler                                 { return http.NotFoundHandler() }

func get(t *testing.T, b book, path string) (int, string) {
	t.Helper()
	rules, err := policy.For("US")
	if err != nil {
		t.Fatal(err)
	}
	held, err := schedule.Collect([]schedule.Datum{{
		Name: "signins", Category: schedule.SignIn, Tables: []string{"records_signin"}, Purpose: "Shows a person when apps signed in.",
		Fields: []schedule.Field{{Name: "ip", Meaning: "from where"}}, Retention: "sign-ins", Process: schedule.Subpoena,
	}}, schedule.Terms{"sign-ins": 90 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../../report/testdata/hong-kong-2020-H2.json")
	if err != nil {
		t.Fatal(err)
	}
	h, err := Handler(Config{
		Reports: shelf{"2020-H2": doc},
		Domain:  "writ.test", Provider: "Example & Co", Modes: "require", Schedule: held, Rules: rules, Standings: b, Log: log{},
		Clock: clock.NewFake(time.Date(2020, 11, 1, 0, 0, 0, 0, time.UTC)), Logger: obs.Discard(),
	})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Code, w.Body.String()
}

var pause = standing.Record{
	ID: "s1", Stage: standing.ReviewPaused, Scope: standing.Scope{Jurisdictions: []string{"HK"}},
	From: time.Date(2020, 7, 6, 0, 0, 0, 0, time.UTC), InForce: time.Date(2020, 7, 6, 9, 0, 0, 0, time.UTC),
	Review: time.Date(2020, 10, 4, 0, 0, 0, 0, time.UTC), Statement: "We <pause> the review of requests.",
	Resume: []string{"The assessment is finished"},
}

func TestPagesSayWhatDecides(t *testing.T) {
	t.Parallel()
	for path, want := range map[string][]string{
		"/":                {"Hong Kong", "We &lt;pause&gt; the review", "refuses a private message"},
		"/held":            {"signins", "90 days", "from where", "subpoena"},
		"/held.json":       {`"name":"signins"`},
		"/requests":        {"US-1", "18 USC 2703(c)(2)", "Subpoena"},
		"/standing":        {"Review paused", "6 July 2020", "review overdue", "The assessment is finished"},
		"/standing.json":   {`"stage": "review_paused"`, `"HK"`},
		"/reports":         {"2020-H2", "202", "<svg", "Hong Kong"},
		"/reports/2020-H2": {"Report for 2020-H2", "Hong Kong", "Definitions", "writ verify report"},
		"/verify":          {"writ.test&#43;1234&#43;key", "published no batch yet", "writ verify receipt"},
	} {
		code, body := get(t, book{pause}, path)
		if code != 200 {
			t.Errorf("%s: %d", path, code)
		}
		for _, w := range want {
			if !strings.Contains(body, w) {
				t.Errorf("%s lacks %q", path, w)
			}
		}
		if strings.Contains(path, ".json") {
			continue
		}
		if regexp.MustCompile(`(?i)<[^>]+\s(style|on[a-z]+)=|<script>`).MatchString(body) {
			t.Errorf("%s has inline style or script", path)
		}
		if regexp.MustCompile(`(src|action)="(https?:)?//`).MatchString(body) {
			t.Errorf("%s loads from elsewhere", path)
		}
	}
}

func TestNoStandingMeansOpen(t *testing.T) {
	t.Parallel()
	if _, body := get(t, nil, "/standing"); !strings.Contains(body, "No jurisdiction has a special standing") {
		t.Error("an empty table says nothing")
	}
}

func TestUnknownAddress(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/nothing", "/reports/2019-H1", "/reports/2020-H2.exe", "/reports/2020-H2.v9.json", "/reports/..%2fheld", "/held/../x", "/%2e%2e/etc/passwd", "//held"} {
		if code, _ := get(t, nil, path); code != 404 && code != 307 && code != 301 {
			t.Errorf("%s: %d", path, code)
		}
	}
}

// What was published is served byte for byte.
func TestReportFiles(t *testing.T) {
	t.Parallel()
	golden, err := os.ReadFile("../../report/testdata/hong-kong-2020-H2.json")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/reports/2020-H2.json": string(golden), "/reports/2020-H2.v1.json": string(golden), "/reports/2020-H2.csv": "csv", "/reports/2020-H2.sig": "sig",
	} {
		if code, body := get(t, nil, path); code != 200 || body != want {
			t.Errorf("%s: %d, %.60q", path, code, body)
		}
	}
}
