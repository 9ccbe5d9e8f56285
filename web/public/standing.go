package public

import (
	"encoding/json"
	"net/http"
	"time"

	"writ/desk/law"
	"writ/desk/standing"
	"writ/web/ui"
)

// inForce are the records that apply now, the strictest stages first as they come.
func inForce(records []standing.Record) []standing.Record {
	var out []standing.Record
	for _, r := range records {
		if r.Ended.IsZero() && !r.InForce.IsZero() {
			out = append(out, r)
		}
	}
	return out
}

// past are the records that another has followed, or that have ended.
func past(records []standing.Record) []standing.Record {
	var out []standing.Record
	for _, r := range records {
		if !r.Ended.IsZero() {
			out = append(out, r)
		}
	}
	return out
}

func paused(records []standing.Record) []standing.Record {
	var out []standing.Record
	for _, r := range records {
		if r.Stage != standing.Open {
			out = append(out, r)
		}
	}
	return out
}

// stageText says a stage in plain words.
func stageText(r standing.Record) string {
	if r.Stage == standing.ProductionPaused && r.Scope.NewOnly {
		return "Production paused for new requests"
	}
	return r.Stage.Title()
}

// row is one standing as the page shows it.
type row struct {
	standing.Record
	Places []string
	Stage  string
	Badge  string
	Lapsed bool
	Since  time.Time
}

func (f *face) rows(records []standing.Record) []row {
	var out []row
	now := f.Clock.Now()
	for _, r := range records {
		w := row{Record: r, Stage: stageText(r), Badge: "warn", Lapsed: r.Lapsed(now), Since: r.Since()}
		switch r.Stage {
		case standing.Open:
			w.Badge = "good"
		case standing.Refused:
			w.Badge = "bad"
		}
		for _, j := range r.Scope.Jurisdictions {
			w.Places = append(w.Places, law.JurisdictionName(j))
		}
		if len(w.Places) == 0 {
			w.Places = []string{"Everywhere"}
		}
		out = append(out, w)
	}
	return out
}

func (f *face) standing(w http.ResponseWriter, r *http.Request) {
	records, err := f.Standings.History(r.Context())
	if f.failed(w, r, err) {
		return
	}
	f.Show(w, r, "standing", ui.Page{
		Title: "Standing by country", Here: "/standing",
		Lead: "How requests of each jurisdiction are treated now, since when, and why. Where nothing is listed, requests are reviewed under the published rules.",
		Data: map[string]any{"Now": f.rows(inForce(records)), "History": f.rows(past(records))},
	})
}

func (f *face) standingJSON(w http.ResponseWriter, r *http.Request) {
	records, err := f.Standings.History(r.Context())
	if f.failed(w, r, err) {
		return
	}
	type public struct {
		ID            string         `json:"id"`
		Stage         standing.Stage `json:"stage"`
		Jurisdictions []string       `json:"jurisdictions"`
		Services      []string       `json:"services"`
		Agencies      []string       `json:"agencies"`
		Instruments   []string       `json:"instruments"`
		NewOnly       bool           `json:"new_only"`
		From          time.Time      `json:"from"`
		Review        time.Time      `json:"review"`
		Ended         *time.Time     `json:"ended"`
		Statement     string         `json:"statement"`
		Resume        []string       `json:"resume_criteria"`
		Exceptions    []string       `json:"exceptions"`
	}
	out := []public{}
	for _, s := range records {
		p := public{ID: s.ID, Stage: s.Stage, Jurisdictions: s.Scope.Jurisdictions, Services: s.Scope.Services, Agencies: s.Scope.Agencies,
			Instruments: s.Scope.Instruments, NewOnly: s.Scope.NewOnly, From: s.Since().UTC(), Review: s.Review.UTC(), Statement: s.Statement, Resume: s.Resume}
		if !s.Ended.IsZero() {
			ended := s.Ended.UTC()
			p.Ended = &ended
		}
		for _, e := range s.Exceptions {
			p.Exceptions = append(p.Exceptions, e.Text)
		}
		out = append(out, p)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.Encode(out) // the reader is gone if this fails
}
