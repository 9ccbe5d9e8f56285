package public

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"writ/report"
	"writ/tlog/verify"
	"writ/web/ui"
)

// Reports is where published reports come from; *report.Reports is one.
type Reports interface {
	List(ctx context.Context) ([]report.Published, error)
	Versions(ctx context.Context, p report.Period) ([]report.Published, error)
	Version(ctx context.Context, p report.Period, version int) (report.Published, error)
}

// listed is a period as the overview shows it.
type listed struct {
	verify.Report
	Published report.Published
	Total     verify.Row
}

func (f *face) reports(w http.ResponseWriter, r *http.Request) {
	newest, err := f.Reports.List(r.Context())
	if f.failed(w, r, err) {
		return
	}
	var all []listed
	var docs []verify.Report
	places := map[string]bool{}
	for _, p := range newest {
		doc, err := p.Report()
		if f.failed(w, r, err) {
			return
		}
		all = append(all, listed{Report: doc, Published: p, Total: total(doc, verify.All)})
		docs = append(docs, doc)
		for _, row := range doc.Rows {
			if row.Jurisdiction != verify.All {
				places[row.Jurisdiction] = true
			}
		}
	}
	slices.Reverse(docs) // the chart runs from the oldest to the newest
	place := verify.All
	if want := r.URL.Query().Get("place"); places[want] {
		place = want
	}
	var choices []string
	for p := range places {
		choices = append(choices, p)
	}
	slices.Sort(choices)
	f.Show(w, r, "reports", ui.Page{
		Title: "Transparency reports", Here: "/reports",
		Lead: "Who asked, for how many accounts, and what was given: by half-year, service and jurisdiction.",
		Data: map[string]any{
			"Reports": all, "Chart": template.HTML(report.Chart(docs, place)), "Place": place, "Places": choices, // Chart escapes what it draws
		},
	})
}

// total is the row of all services for a jurisdiction.
func total(doc verify.Report, jurisdiction string) verify.Row {
	for _, row := range doc.Rows {
		if row.Service == verify.All && row.Jurisdiction == jurisdiction {
			return row
		}
	}
	return verify.Row{}
}

// report serves PERIOD (the page), PERIOD.json, PERIOD.csv and PERIOD.sig of the newest version, and of an older one as
// PERIOD.vN.json and so on. What was published is served byte for byte.
func (f *face) report(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.PathValue("file"), ".")
	versions, err := f.Reports.Versions(r.Context(), report.Period(parts[0]))
	if f.failed(w, r, err) {
		return
	}
	version, kind := 0, ""
	for _, p := range parts[1:] {
		if n, err := strconv.Atoi(strings.TrimPrefix(p, "v")); err == nil && strings.HasPrefix(p, "v") && version == 0 {
			version = n
		} else if kind == "" {
			kind = p
		}
	}
	if version == 0 && len(versions) > 0 {
		version = versions[0].Version
	}
	p, err := f.Reports.Version(r.Context(), report.Period(parts[0]), version)
	if errors.Is(err, report.ErrNone) || len(parts) > 3 {
		f.Problem(w, r, http.StatusNotFound, "There is no such report", "No report of that period is published under this address.")
		return
	}
	if f.failed(w, r, err) {
		return
	}
	serve := func(mediaType string, content []byte) {
		w.Header().Set("Content-Type", mediaType)
		w.Write(content) // the reader is gone if this fails
	}
	switch kind {
	case "json":
		serve("application/json; charset=utf-8", p.JSON)
	case "csv":
		serve("text/csv; charset=utf-8; header=present", p.CSV)
	case "sig":
		serve("text/plain; charset=utf-8", p.Signature)
	case "":
		f.reportPage(w, r, p, versions)
	default:
		f.Problem(w, r, http.StatusNotFound, "There is no such file", "A report is served as a page, .json, .csv and .sig.")
	}
}

func (f *face) reportPage(w http.ResponseWriter, r *http.Request, p report.Published, versions []report.Published) {
	doc, err := p.Report()
	if f.failed(w, r, err) {
		return
	}
	f.Show(w, r, "report", ui.Page{
		Title: "Report for " + doc.Period, Here: "/reports",
		Lead: "Legal requests received from " + ui.Date(doc.From) + " to " + ui.Date(doc.To.AddDate(0, 0, -1)) + ", as they stood on " + ui.Date(doc.Cutoff) + ".",
		Data: map[string]any{"Doc": doc, "Published": p, "Versions": versions, "Domain": f.Domain, "All": verify.All},
	})
}
