package ui

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"writ/obs"
)

func face(t *testing.T) *Face {
	t.Helper()
	f, err := NewFace(Face{Name: "Test", Home: "/", Nav: []Link{{"/", "Start"}, {"/b", "Second"}}, SignOut: "/out"}, fstest.MapFS{
		"pages/one.html":    {Data: []byte(`{{define "main"}}{{template "greet" .Data}}{{end}}`)},
		"pages/_greet.html": {Data: []byte(`{{define "greet"}}<p>Hello {{.}}</p>{{end}}`)},
	}, "pages", nil, obs.Discard())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestShow(t *testing.T) {
	t.Parallel()
	f := face(t)
	w := httptest.NewRecorder()
	Headers(true, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.Show(w, r, "one", Page{Title: "One", Here: "/b", User: "Ada", Fault: "It broke.", Data: `<script>alert(1)</script>`})
	})).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	body := w.Body.String()
	for _, want := range []string{
		`<title>One · Test · Writ</title>`, `<a href="/b" aria-current="page">`, `Hello &lt;script&gt;`, `role="alert"`,
		`action="/out"`, `<html lang="en">`, `name="viewport"`, `class="skip" href="#main"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if csp := w.Header().Get("Content-Security-Policy"); strings.Contains(csp, "unsafe") || !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("policy: %s", csp)
	}
	if w.Header().Get("Cache-Control") != "no-store" {
		t.Error("a private page may be stored")
	}
	if regexp.MustCompile(`(?i)\s(style|on\w+)=`).MatchString(body) {
		t.Error("the layout has inline style or script")
	}
}

func TestProblem(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	face(t).Problem(w, httptest.NewRequest("GET", "/", nil), http.StatusNotFound, "Not here", "There is no such page.")
	if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "There is no such page.") {
		t.Errorf("have %d %s", w.Code, w.Body)
	}
}

func TestStatic(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]int{
		Asset("style.css"):                         200,
		"/static/000000000000/style.css":           404,
		"/static/" + hashes["style.css"] + "/../x": 404,
		"/static/": 404,
	} {
		w := httptest.NewRecorder()
		Static().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != want {
			t.Errorf("%s: want %d, have %d", path, want, w.Code)
		}
	}
}

func TestSpan(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		26 * time.Hour: "1 day", 49 * time.Hour: "2 days", 90 * time.Minute: "1 hour", -5 * time.Minute: "−5 minutes", 0: "0 seconds",
	} {
		if got := Span(d); got != want {
			t.Errorf("%v: want %s, have %s", d, want, got)
		}
	}
}
