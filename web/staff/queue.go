package staff

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"writ/desk"
	"writ/desk/law"
	"writ/desk/registry"
	"writ/web/session"
	"writ/web/ui"
)

// queueData is what the queue shows.
type queueData struct {
	Rows     []queueRow
	Next     string // address of the page after this one
	First    string // address of the first page, if this is another
	Counts   []stateCount
	Open     int
	Filters  []ask
	Filtered bool
	Alarms   []alarm
	Late     int
	Reads    bool // the person's roles read cases at all
}

type queueRow struct {
	desk.Line
	AgencyName string
	Left       string
	Overdue    bool
}

type stateCount struct {
	State desk.State
	N     int
	Href  string
	Here  bool
}

// alarm is a line above the queue, with where to look.
type alarm struct{ Text, Href, Link string }

// pageSize is how many cases one page of the queue shows.
const pageSize = 50

func (s *room) queue(w http.ResponseWriter, r *http.Request) {
	ctx, a, q := r.Context(), session.ActorOf(r), r.URL.Query()
	d := queueData{Reads: slices.ContainsFunc(workers, a.Has)}
	page := ui.Page{Title: "Queue", Here: Path, Lead: "Emergencies first, then what is due next."}
	if !d.Reads {
		page.Lead, page.Data = "An administrator keeps the registry and reads no case.", d
		s.face.Show(w, r, "queue", page)
		return
	}
	f, wrong := filter(q, a)
	p, err := s.desk.Queue(ctx, a, f)
	if no, ok := err.(*desk.Refusal); ok && no.Code == "form.unknown" { // a cursor of another time
		f.After = ""
		p, err = s.desk.Queue(ctx, a, f)
	}
	if s.failed(w, r, err) {
		return
	}
	if d.Rows, err = s.queueRows(r, p.Lines); s.failed(w, r, err) {
		return
	}
	counts, err := s.desk.Counts(ctx, a)
	if s.failed(w, r, err) {
		return
	}
	for _, st := range desk.States() {
		if n := counts[st]; n > 0 {
			d.Open += n
			d.Counts = append(d.Counts, stateCount{st, n, Path + "?state=" + string(st), q.Get("state") == string(st)})
		}
	}
	if p.Next != "" {
		d.Next = address(q, p.Next)
	}
	if q.Get("after") != "" {
		d.First = address(q, "")
	}
	if d.Alarms, d.Late, err = s.alarms(r, a); s.failed(w, r, err) {
		return
	}
	d.Filters, d.Filtered = filterAsks(q, wrong, s.desk.Services()), len(q) > 0
	page.Data = d
	s.face.Show(w, r, "queue", page)
}

// address is the queue with the same filters, from another place on.
func address(q url.Values, after string) string {
	n := url.Values{}
	for k, v := range q {
		if len(v) > 0 && v[0] != "" && k != "after" {
			n[k] = v[:1]
		}
	}
	if after != "" {
		n.Set("after", after)
	}
	if len(n) == 0 {
		return Path
	}
	return Path + "?" + n.Encode()
}

// filter reads the choice of cases from the address.
func filter(q url.Values, a desk.Actor) (desk.Filter, map[string]string) {
	wrong := map[string]string{}
	f := desk.Filter{OpenOnly: true, Limit: pageSize, After: q.Get("after"), Service: q.Get("service"), Instrument: q.Get("instrument"), Agency: q.Get("agency")}
	if st := desk.State(q.Get("state")); slices.Contains(desk.States(), st) {
		f.States = []desk.State{st}
		f.OpenOnly = !st.Ended()
	}
	if j := q.Get("jurisdiction"); j != "" {
		code, ok := law.Jurisdiction(j)
		if !ok {
			wrong["jurisdiction"] = "A code such as HK or US-CA. All are shown."
		}
		f.Jurisdiction = code
	}
	switch q.Get("only") {
	case "mine":
		f.States = mine(a.Roles, f.States)
	case "emergency":
		f.Emergency = true
	case "paused":
		f.Paused = true
	case "overdue":
		f.Overdue = true
	case "all":
		f.OpenOnly = false
	}
	return f, wrong
}

// aside are the steps that keep nobody's case waiting: they are on offer all along.
var aside = []string{"note", "assign", "set_gag", "fraud", "withdraw", "extend_hold", "release_hold", "refuse", "send_back", "follow_up", "reissue", "take_back", "unfreeze",
	"cure", "answer", "agree", "overrule"}

// mine are the states in which a case waits for one of the roles, by the table of states; within those chosen, if any are.
func mine(roles []registry.Role, within []desk.State) []desk.State {
	var out []desk.State
	for _, row := range desk.Table() {
		if slices.Contains(aside, row.Command) || !slices.ContainsFunc(roles, func(r registry.Role) bool { return slices.Contains(row.Who, r) || slices.Contains(row.Second, r) }) {
			continue
		}
		for _, st := range row.From {
			if st != "" && !st.Ended() && !slices.Contains(out, st) && (len(within) == 0 || slices.Contains(within, st)) {
				out = append(out, st)
			}
		}
	}
	if out == nil {
		return []desk.State{"none"} // nothing waits for an executive
	}
	return out
}

func filterAsks(q url.Values, wrong map[string]string, services []desk.Service) []ask {
	f := filler{"filter", q, wrong}
	states := []ui.Choice{{Value: "", Text: "Any open"}}
	for _, st := range desk.States() {
		states = append(states, ui.Choice{Value: string(st), Text: st.Title()})
	}
	service := []ui.Choice{{Value: "", Text: "Any"}}
	for _, x := range services {
		service = append(service, ui.Choice{Value: x.ID, Text: x.Name})
	}
	return []ask{
		f.choose("only", "Show", "", true, []ui.Choice{{Value: "", Text: "All open cases"}, {Value: "mine", Text: "Waiting for my role"}, {Value: "overdue", Text: "Past a term"},
			{Value: "emergency", Text: "Emergencies"}, {Value: "paused", Text: "Paused"}, {Value: "all", Text: "Open and ended"}}, ""),
		f.choose("state", "State", "", true, states, ""),
		f.field("jurisdiction", "Jurisdiction", "text", "", true, ""),
		f.choose("instrument", "Instrument", "", true, append([]ui.Choice{{Value: "", Text: "Any"}}, instruments()...), ""),
		f.choose("service", "Service", "", true, service, ""),
	}
}

// queueRows adds to the lines what a reader wants beside them.
func (s *room) queueRows(r *http.Request, lines []desk.Line) ([]queueRow, error) {
	names := map[string]string{}
	now := s.o.Clock.Now()
	var out []queueRow
	for _, l := range lines {
		if _, ok := names[l.Agency]; !ok {
			a, err := s.desk.Registry().Agency(r.Context(), l.Agency)
			if err != nil {
				return nil, err
			}
			names[l.Agency] = a.Name
		}
		row := queueRow{Line: l, AgencyName: names[l.Agency]}
		row.Left, row.Overdue = left(l.Due, now)
		out = append(out, row)
	}
	return out, nil
}

// left says how long until a term, or since when it has passed.
func left(due, now time.Time) (string, bool) {
	if due.IsZero() {
		return "", false
	}
	if d := due.Sub(now); d > 0 {
		return "in " + ui.Span(d), false
	}
	return "overdue by " + ui.Span(now.Sub(due)), true
}

// alarms gathers what someone has to look at.
func (s *room) alarms(r *http.Request, a desk.Actor) (out []alarm, late int, err error) {
	list, err := s.desk.Alarms(r.Context(), a)
	if err != nil {
		return nil, 0, err
	}
	overdue := 0
	for _, x := range list {
		switch x.Code {
		case "case.overdue":
			overdue++
		case "standing.lapsed":
			out = append(out, alarm{x.Text + " It was due on " + ui.Date(x.At) + ".", Path + "standings/" + x.ID, "Look at it"})
		case "message.undelivered":
			out = append(out, alarm{Text: x.Text})
		default:
			out = append(out, alarm{x.Text, Path + "cases/" + x.ID, x.ID})
		}
	}
	if overdue > 0 {
		n := plural(overdue, "case is", "cases are")
		if overdue >= 100 {
			n = "100 or more cases are"
		}
		out = append(out, alarm{n + " past a term.", Path + "?only=overdue", "Show them"})
	}
	return out, s.o.LogLate(), nil
}
