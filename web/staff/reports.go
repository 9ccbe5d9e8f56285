package staff

import (
	"errors"
	"net/http"
	"strings"

	"writ/desk/registry"
	"writ/report"
	"writ/web/session"
	"writ/web/ui"
)

// publishers close and correct periods by hand. The clock does the first by itself.
var publishers = []registry.Role{registry.Counsel, registry.Executive}

type periodRow struct {
	Period   report.Period
	Versions []report.Published
	Running  bool // its half-year has not ended
	Forms    []form
}

// reportsData has the half-years since the first that was published, and those before it, in which the house hardly was.
type reportsData struct{ List, Earlier []periodRow }

// periodsShown is how many half-years the page goes back.
const periodsShown = 16

func (s *room) reportsPage(w http.ResponseWriter, r *http.Request) { s.showReports(w, r, nil, "") }

func (s *room) showReports(w http.ResponseWriter, r *http.Request, fail *failedForm, at report.Period) {
	now := s.o.Clock.Now()
	may := holds(session.ActorOf(r), publishers)
	var list, earlier []periodRow
	for i, p := 0, report.PeriodOf(now); i < periodsShown; i++ {
		vs, err := s.o.Reports.Versions(r.Context(), p)
		if s.failed(w, r, err) {
			return
		}
		row := periodRow{Period: p, Versions: vs, Running: i == 0}
		if may && !row.Running {
			row.Forms = periodForms(p, len(vs) > 0, fail, at)
		}
		if len(vs) > 0 || i < 2 {
			list, earlier = append(append(list, earlier...), row), nil // a gap between published half-years is shown
		} else {
			earlier = append(earlier, row)
		}
		from, _, err := p.Span()
		if s.failed(w, r, err) {
			return
		}
		p = report.PeriodOf(from.AddDate(0, 0, -1))
	}
	s.face.Show(w, r, "reports", page(r, fail, ui.Page{Title: "Reports", Here: Path + "reports", Lead: "Each half-year is closed by the clock and published when the log holds its facts. A correction is a new version; the old one stays.", Data: reportsData{list, earlier}}))
}

func periodForms(p report.Period, published bool, fail *failedForm, at report.Period) []form {
	path := Path + "reports/" + string(p)
	if !published {
		return []form{{ID: "close-" + string(p), Title: "Close", About: "Fixes what was received in the half-year. The clock does it by itself when the cut-off has passed.", Action: path + "/close", Button: "Close the period"},
			{ID: "publish-" + string(p), Title: "Publish", About: "When the log holds the facts. The clock does this too.", Action: path + "/publish", Button: "Publish"}}
	}
	f := filler{id: "correct-" + string(p)}
	open := fail != nil && at == p && fail.command == "correct"
	if open {
		f.given, f.wrong = fail.given, fail.wrong
	}
	return []form{{ID: "correct-" + string(p), Title: "Correct", About: "Counts again from the cases as they stand now. The reason is published.", Action: path + "/correct", Button: "Make a corrected version", Open: open,
		Asks: []ask{f.field("reason", "Reason", "text", "The public reads it.", true, "")}},
		{ID: "publish-" + string(p), Title: "Publish the newest version", Action: path + "/publish", Button: "Publish"}}
}

// report closes, corrects or publishes a period.
func (s *room) report(w http.ResponseWriter, r *http.Request) {
	p, do := report.Period(r.PathValue("period")), r.PathValue("do")
	if _, _, err := p.Span(); err != nil {
		s.face.Missing(w, r)
		return
	}
	if !s.only(w, r, publishers...) {
		return
	}
	fail := &failedForm{command: do, given: r.PostForm, wrong: map[string]string{}, status: http.StatusConflict}
	var err error
	what := map[string]string{"close": "closed", "publish": "published", "correct": "corrected"}[do]
	switch do {
	case "close":
		err = s.o.Reports.Close(r.Context(), p)
	case "publish":
		err = s.o.Reports.Publish(r.Context(), p)
	case "correct":
		reason := strings.TrimSpace(r.PostForm.Get("reason"))
		if reason == "" {
			fail.wrong["reason"], fail.status = "Say why: the public reads it.", http.StatusUnprocessableEntity
			fail.fault = string(p) + ": nothing was changed. Say why it is corrected."
			break
		}
		err = s.o.Reports.Correct(r.Context(), p, reason)
	default:
		s.face.Missing(w, r)
		return
	}
	for cause, words := range map[error]string{report.ErrNotDue: "Its cut-off has not passed yet.", report.ErrClosed: "It is closed already.", report.ErrNotClosed: "It is not closed yet.",
		report.ErrNotLogged: "The log does not hold its facts yet. Try again after the next batch."} {
		if errors.Is(err, cause) {
			fail.fault, err = string(p)+": "+words, nil
		}
	}
	if s.failed(w, r, err) {
		return
	}
	if fail.fault != "" || len(fail.wrong) > 0 {
		s.showReports(w, r, fail, p)
		return
	}
	s.log.Warn("report "+what+" by hand", "by", session.ActorOf(r).Person, "period", p)
	done(w, r, Path+"reports", what)
}
