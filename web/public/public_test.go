package public

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

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
)

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
	h, err := Handler(Config{
		Domain: "writ.test", Provider: "Example & Co", Modes: "require", Schedule: held, Rules: rules, Standings: b, Log: log{},
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
		"/":              {"Hong Kong", "We &lt;pause&gt; the review", "refuses a private message"},
		"/held":          {"signins", "90 days", "from where", "subpoena"},
		"/held.json":     {`"name":"signins"`},
		"/requests":      {"US-1", "18 USC 2703(c)(2)", "Subpoena"},
		"/standing":      {"Review paused", "6 July 2020", "review overdue", "The assessment is finished"},
		"/standing.json": {`"stage": "review_paused"`, `"HK"`},
		"/verify":        {"writ.test&#43;1234&#43;key", "published no batch yet", "writ verify receipt"},
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
	for _, path := range []string{"/nothing", "/held/../x", "/%2e%2e/etc/passwd", "//held"} {
		if code, _ := get(t, nil, path); code != 404 && code != 307 && code != 301 {
			t.Errorf("%s: %d", path, code)
		}
	}
}
