package server

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"writ/desk/registry"
	"writ/passkey/softkey"
	"writ/store"
	"writ/web/admin"
	"writ/web/chat"
	"writ/web/join"
	"writ/web/portal"
	"writ/web/public"
	"writ/web/session"
	"writ/web/staff"
	"writ/web/ui"
)

// buildSessions makes the sign-in of staff and officers. Its handle reaches its own tables and the passkeys', no others.
func (h *House) buildSessions(context.Context) error {
	o := session.Options{DB: h.DB.Scoped("session", "passkey"), Passkeys: h.Passkeys, People: h.Registry, Clock: h.Clock,
		Secure: strings.HasPrefix(h.base(), "https://"), Log: h.Log}
	if h.Dev {
		key, err := softkey.Open(h.Config.inData("dev-passkeys.json"))
		if err != nil {
			return err
		}
		o.Dev = &session.Dev{Key: key, Origin: h.base()}
	}
	var err error
	h.Sessions, err = session.Open(o)
	return err
}

// buildFaces makes the pages. Those for staff and officers stand behind Sessions.Wrap, the others set no cookie.
func (h *House) buildFaces(context.Context) error {
	mux, private := http.NewServeMux(), http.NewServeMux()
	mux.Handle("/static/", ui.Static())
	invited, err := join.Handler(join.Options{Accounts: h.Accounts, Domain: h.Domain, Chat: "/chat", Log: h.Log})
	if err != nil {
		return err
	}
	mux.Handle(join.Path, invited)
	talk, err := chat.Handler(h.Domain.String())
	if err != nil {
		return err
	}
	home, err := public.Handler(public.Config{
		Domain: h.Domain.String(), Provider: h.Config.Desk.Provider, Modes: h.Config.E2EE.Mode, Schedule: h.Records.Schedule(), Rules: h.Desk.Rules(),
		Standings: h.Desk.Standings(), Reports: h.Reports, Log: h.Tlog, Clock: h.Clock, Logger: h.Log, Postgres: h.DB.Dialect() == store.PostgreSQL,
	})
	if err != nil {
		return err
	}
	mux.Handle("/", home)
	mux.Handle("/chat", talk)
	mux.Handle("/chat/", talk)

	op := Operator{Accounts: h.Accounts, Base: h.base()}
	operator, err := admin.Handler(admin.Options{Sessions: h.Sessions, People: op, Invitations: op, Status: h.status, Metrics: h.metricsURL(), Clock: h.Clock, Log: h.Log})
	if err != nil {
		return err
	}
	ask := portal.Options{Desk: h.Desk, Sessions: h.Sessions, Domain: h.Domain.String(), Provider: h.Config.Desk.Provider, Clock: h.Clock, Log: h.Log}
	requester, err := portal.Handler(ask)
	if err != nil {
		return err
	}
	private.Handle(portal.Path, requester)
	private.Handle(portal.APIPath, portal.API(ask))
	office, err := staff.Handler(staff.Options{Sessions: h.Sessions, Desk: h.Desk, Reports: h.Reports, Enrol: h.enrolOfficer, LogLate: h.Tlog.Late, Clock: h.Clock, Log: h.Log})
	if err != nil {
		return err
	}
	private.Handle(staff.Path, office)
	private.Handle("/", h.Sessions.Handler())
	wrapped := h.Sessions.Wrap(private)
	for _, path := range append(session.Paths(), portal.Path, portal.APIPath, staff.Path) {
		mux.Handle(path, wrapped)
	}
	h.pages = mux
	h.console = h.consoleHandler(operator)
	return nil
}

// consoleHandler is what the console's listener has: the operator's pages and the sign-in to them. All else is on the public pages.
func (h *House) consoleHandler(operator http.Handler) http.Handler {
	mux, private := http.NewServeMux(), http.NewServeMux()
	private.Handle(admin.Path, operator)
	private.Handle("/", h.Sessions.Handler())
	wrapped := h.Sessions.Wrap(private)
	for _, path := range append(session.Paths(), admin.Path) {
		mux.Handle(path, wrapped)
	}
	mux.Handle("/static/", ui.Static())
	mux.Handle("GET /{$}", http.RedirectHandler(admin.Path, http.StatusSeeOther))
	mux.Handle("/", ui.Headers(true, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.Error(w, "Only the operator's pages are here.", http.StatusNotFound)
			return
		}
		http.Redirect(w, r, h.base()+r.URL.RequestURI(), http.StatusSeeOther)
	})))
	return mux
}

// enrolOfficer makes the link by which an officer registers a passkey; the registry notes who had it made.
func (h *House) enrolOfficer(ctx context.Context, by, officer string) (link string, err error) {
	err = h.Registry.Enrol(ctx, by, officer, func(tx *store.Tx, p registry.Person) error {
		token, err := h.Passkeys.Enrol(ctx, tx, p.ID, p.Name)
		link = h.EnrolLink(token)
		return err
	})
	return link, err
}

// metricsURL is where the machine itself reads the metrics.
func (h *House) metricsURL() string {
	if h.Config.HTTP.Internal == "" {
		return ""
	}
	return "http://" + h.Config.HTTP.Internal + "/metrics"
}

// status is what the operator sees of the server.
func (h *House) status(context.Context) []admin.Line {
	s := h.DB.Stats()
	return []admin.Line{
		{Name: "Version", Value: h.Version},
		{Name: "Domain", Value: h.Domain.String()},
		{Name: "Database", Value: h.DB.Dialect().String()},
		{Name: "Writes committed", Value: strconv.FormatUint(uint64(s.Writes), 10)},
		{Name: "Writes waiting", Value: fmt.Sprint(s.Queued)},
		{Name: "Record schedule", Value: "version " + h.Records.Schedule().Version()},
	}
}
