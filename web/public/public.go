// Package public is the face that everyone sees: what this service is, what it holds, how legal requests are handled, where
// they are paused and why, the reports, the log, and how to check all of it.
//
// Invariants:
//   - Every statement of fact is collected from what decides it: the record schedule, the policy table, the standings, the
//     published reports. Nothing is written twice.
//   - No account, no case and no requester is named. The pages are the same for everyone and set no cookie.
package public

import (
	"context"
	"embed"
	"html/template"
	"log/slog"
	"net/http"
	"time"
	"unicode"
	"unicode/utf8"

	"writ/clock"
	"writ/desk/law"
	"writ/desk/policy"
	"writ/desk/standing"
	"writ/schedule"
	"writ/web/ui"
)

//go:embed pages
var pages embed.FS

// Standings is where the public record of standings comes from: every record that was ever in force, the latest first.
type Standings interface {
	History(ctx context.Context) ([]standing.Record, error)
}

// Log is what the public sees of the transparency log.
type Log interface {
	Checkpoint(ctx context.Context) ([]byte, error)
	VKey() string
	Origin() string
	Cadence() time.Duration
	Handler() http.Handler
}

// Config is what the face stands on.
type Config struct {
	Domain    string
	Provider  string
	Modes     string // of end-to-end encryption: "require", "warn", "off"
	Schedule  schedule.Schedule
	Rules     policy.Rules
	Standings Standings
	Reports   Reports
	Log       Log
	Clock     clock.Clock
	Logger    *slog.Logger
	Postgres  bool // rows may stay in write-ahead logs and backups until they are recycled
}

type face struct {
	Config
	*ui.Face
}

// Handler serves the face. It owns the address / and what the pages of all faces link to.
func Handler(c Config) (http.Handler, error) {
	f := &face{Config: c}
	var err error
	f.Face, err = ui.NewFace(ui.Face{Home: "/", Nav: []ui.Link{
		{Href: "/held", Text: "What we hold"}, {Href: "/requests", Text: "Legal requests"}, {Href: "/standing", Text: "Standing"},
		{Href: "/reports", Text: "Reports"}, {Href: "/verify", Text: "Verify"},
	}}, pages, "pages", template.FuncMap{
		"place": law.JurisdictionName, "lower": lower, "instrument": func(i string) string { return law.Instrument(i).Title() }, "hash": shortHash,
	}, c.Logger.With("room", "public"))
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", f.home)
	mux.HandleFunc("GET /held", f.held)
	mux.HandleFunc("GET /held.json", f.heldJSON)
	mux.HandleFunc("GET /requests", f.requests)
	mux.HandleFunc("GET /standing", f.standing)
	mux.HandleFunc("GET /standing.json", f.standingJSON)
	mux.HandleFunc("GET /verify", f.verify)
	mux.HandleFunc("GET /reports", f.reports)
	mux.HandleFunc("GET /reports/{file}", f.report)
	mux.Handle("GET /log/", http.StripPrefix("/log", c.Log.Handler()))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			f.Problem(w, r, http.StatusMethodNotAllowed, "This cannot be done here", "The address takes no such request.")
			return
		}
		f.Problem(w, r, http.StatusNotFound, "There is no such page", "The address may be mistyped, or the page was never here.")
	})
	return ui.Headers(false, mux), nil
}

func (f *face) home(w http.ResponseWriter, r *http.Request) {
	records, err := f.Standings.History(r.Context())
	if f.failed(w, r, err) {
		return
	}
	f.Show(w, r, "home", ui.Page{
		Title: "Private messaging, public accountability",
		Lead:  "This is " + f.Domain + ", a messaging service of " + f.Provider + ", run with Writ.",
		Data: map[string]any{
			"Domain": f.Domain, "Provider": f.Provider, "Encryption": f.Modes, "Holds": f.Schedule.Holds(),
			"Paused": paused(inForce(records)),
		},
	})
}

func (f *face) held(w http.ResponseWriter, r *http.Request) {
	f.Show(w, r, "held", ui.Page{
		Title: "What we hold", Here: "/held",
		Lead: "Every kind of record that this server keeps about people, why, for how long, and which legal process reaches it.",
		Data: map[string]any{
			"Schedule": f.Schedule, "Categories": f.Schedule.Holds(), "All": schedule.Categories(), "Postgres": f.Postgres,
		},
	})
}

func (f *face) heldJSON(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/jsonl; charset=utf-8")
	w.Write(f.Schedule.Canonical()) // the reader is gone if this fails
}

func (f *face) requests(w http.ResponseWriter, r *http.Request) {
	f.Show(w, r, "requests", ui.Page{
		Title: "How legal requests are handled", Here: "/requests",
		Lead: "One door, published rules, two people, and a record that anyone can check.",
		Data: map[string]any{
			"Rules": f.Rules, "Schedule": f.Schedule, "Instruments": law.Instruments(), "Now": f.Clock.Now(),
			"Never": never(f.Schedule),
		},
	})
}

// never lists the categories that no process reaches.
func never(s schedule.Schedule) []schedule.Info {
	var out []schedule.Info
	for _, c := range s.Holds() {
		if !c.Category.Producible() {
			out = append(out, c)
		}
	}
	return out
}

func (f *face) verify(w http.ResponseWriter, r *http.Request) {
	checkpoint, err := f.Log.Checkpoint(r.Context())
	if err != nil {
		checkpoint = nil // a log that has published nothing yet is no fault of the reader's
	}
	f.Show(w, r, "verify", ui.Page{
		Title: "How to verify", Here: "/verify",
		Lead: "You do not have to believe this site. Here is how to check it.",
		Data: map[string]any{
			"Checkpoint": string(checkpoint), "Key": f.Log.VKey(), "Origin": f.Log.Origin(), "Cadence": f.Log.Cadence(), "Domain": f.Domain,
		},
	})
}

// failed shows the page for a fault of ours; it was logged once.
func (f *face) failed(w http.ResponseWriter, r *http.Request, err error) bool {
	if err == nil {
		return false
	}
	f.Logger.Error("serving a page", "room", "public", "path", r.URL.Path, "err", err)
	f.Problem(w, r, http.StatusInternalServerError, "This page cannot be shown now", "The fault is ours and was noted. Please try again in a minute.")
	return true
}

func shortHash(s string) string {
	if len(s) > 16 {
		return s[:16] + "…"
	}
	return s
}

// lower makes the first letter small: a title in the middle of a sentence. Abbreviations inside it stay.
func lower(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToLower(r)) + s[n:]
}
