// Package admin is the operator's face: invitations, disabling an account, the state of the server.
//
// Invariants:
//   - It stands on a listener of its own (server/http.go), which is on loopback unless the operator says otherwise.
//   - It shows how many people there are, never who: there is no list of accounts and no look-up. Disabling answers the same for an
//     account that exists and one that does not.
//   - It imports neither the accounts nor the chat; what it may do is in the two interfaces below.
//   - It makes no passkey for anybody: whoever could, could sign as a reviewer and an approver. That is done at the machine.
package admin

import (
	"context"
	"embed"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"writ/desk/registry"
	"writ/web/session"
	"writ/web/ui"
)

//go:embed pages/*.html
var pages embed.FS

// People counts accounts and bars them. An unknown address is no error for SetDisabled.
type People interface {
	Count(ctx context.Context) (all, disabled int, err error)
	SetDisabled(ctx context.Context, address string, disabled bool) error
}

// Invitation is one that the operator made.
type Invitation struct {
	ID      int64
	Note    string
	Created time.Time
	Expires time.Time
	Uses    int // left
	Revoked bool
}

// Invitations makes and ends the operator's invitations; Invite gives the whole link. A value that is not allowed is an Invalid.
type Invitations interface {
	Invite(ctx context.Context, note string, uses int, life time.Duration) (link string, err error)
	Invitations(ctx context.Context) ([]Invitation, error)
	Revoke(ctx context.Context, id int64) error
}

// Invalid is a refusal to show to the operator as it is.
type Invalid string

func (i Invalid) Error() string { return string(i) }

// Line is one fact about the server.
type Line struct{ Name, Value string }

// Options are what the face is made of.
type Options struct {
	Sessions    *session.Sessions
	People      People
	Invitations Invitations
	Status      func(ctx context.Context) []Line
	Metrics     string // address of the metrics, for whoever sits at the machine; empty: none
	Clock       interface{ Now() time.Time }
	Log         *slog.Logger
}

type room struct {
	o    Options
	face *ui.Face
	log  *slog.Logger
}

// Path is where Handler is mounted.
const Path = "/admin/"

// Handler serves the pages below Path to people with the role admin. Mount it inside Sessions.Wrap.
func Handler(o Options) (http.Handler, error) {
	a := &room{o: o, log: o.Log.With("room", "admin")}
	var err error
	a.face, err = ui.NewFace(ui.Face{Name: "Operator", Home: Path, SignOut: "/sign-out", Who: session.Name,
		Nav: []ui.Link{{Href: Path, Text: "Server"}, {Href: Path + "invitations", Text: "Invitations"}, {Href: Path + "accounts", Text: "Accounts"}}},
		pages, "pages", nil, a.log)
	if err != nil {
		return nil, err
	}
	m := http.NewServeMux()
	m.HandleFunc("GET "+Path+"{$}", a.server)
	m.HandleFunc("GET "+Path+"invitations", a.invitations)
	m.HandleFunc("POST "+Path+"invitations", a.invite)
	m.HandleFunc("POST "+Path+"invitations/revoke", a.revoke)
	m.HandleFunc("GET "+Path+"accounts", a.accounts)
	m.HandleFunc("POST "+Path+"accounts", a.setDisabled)
	return o.Sessions.Require(a.face.Room(m, Path, ui.AtMost(16<<10)), registry.Admin), nil
}

func (a *room) server(w http.ResponseWriter, r *http.Request) {
	all, disabled, err := a.o.People.Count(r.Context())
	if err != nil {
		a.face.Failed(w, r, err)
		return
	}
	var lines []Line
	if a.o.Status != nil {
		lines = a.o.Status(r.Context())
	}
	a.face.Show(w, r, "server", ui.Page{Title: "Server", Here: Path, Data: struct {
		All, Disabled int
		Lines         []Line
		Metrics       string
	}{all, disabled, lines, a.o.Metrics}})
}

// invitationsData is what the page of invitations shows.
type invitationsData struct {
	Note, Uses, Days ui.Field
	Link             string // just made; shown this once
	List             []row
}

type row struct {
	Invitation
	State, Class string
}

func (a *room) invitations(w http.ResponseWriter, r *http.Request) {
	a.showInvitations(w, r, ui.Page{}, "", "1", "7")
}

func (a *room) showInvitations(w http.ResponseWriter, r *http.Request, p ui.Page, link, uses, days string) {
	all, err := a.o.Invitations.Invitations(r.Context())
	if err != nil {
		a.face.Failed(w, r, err)
		return
	}
	d := invitationsData{Link: link,
		Note: ui.Field{ID: "note", Label: "For whom", Kind: "text", Hint: "For your own eyes; do not write names of people who did not ask for it."},
		Uses: ui.Field{ID: "uses", Label: "How many accounts it can make", Kind: "number", Value: uses, Required: true},
		Days: ui.Field{ID: "days", Label: "Days until it ends", Kind: "number", Value: days, Required: true}}
	now := a.o.Clock.Now()
	for _, i := range all {
		d.List = append(d.List, state(i, now))
	}
	p.Title, p.Here, p.Data = "Invitations", Path+"invitations", d
	p.Lead = "Who has a link of yours can make an account here. Nobody else can, but for those whom people of this server invite."
	a.face.Show(w, r, "invitations", p)
}

func state(i Invitation, now time.Time) row {
	switch {
	case i.Revoked:
		return row{i, "taken back", "bad"}
	case !i.Expires.After(now):
		return row{i, "ended", "warn"}
	case i.Uses == 0:
		return row{i, "used", "warn"}
	}
	return row{i, "open", "good"}
}

func (a *room) invite(w http.ResponseWriter, r *http.Request) {
	uses, days := r.PostFormValue("uses"), r.PostFormValue("days")
	n, errUses := strconv.Atoi(uses)
	life, errDays := strconv.Atoi(days)
	if errUses != nil || errDays != nil || n < 1 || n > 1000 || life < 1 || life > 365 {
		a.showInvitations(w, r, ui.Page{Status: http.StatusUnprocessableEntity, Fault: "Accounts: a number from 1 to 1000. Days: from 1 to 365. You gave " + strconv.Quote(uses) + " and " + strconv.Quote(days) + "."}, "", uses, days)
		return
	}
	link, err := a.o.Invitations.Invite(r.Context(), strings.TrimSpace(r.PostFormValue("note")), n, time.Duration(life)*24*time.Hour)
	if bad, ok := errors.AsType[Invalid](err); ok {
		a.showInvitations(w, r, ui.Page{Status: http.StatusUnprocessableEntity, Fault: bad.Error()}, "", uses, days)
		return
	}
	if err != nil {
		a.face.Failed(w, r, err)
		return
	}
	a.log.Info("invitation made", "by", session.ActorOf(r).Person)
	a.showInvitations(w, r, ui.Page{Done: "The invitation is made. Copy its link now: it is stored nowhere and not shown again."}, link, "1", "7")
}

func (a *room) revoke(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PostFormValue("id"), 10, 64)
	if err == nil {
		err = a.o.Invitations.Revoke(r.Context(), id)
	} else {
		err = Invalid("There is no such invitation.")
	}
	if bad, ok := errors.AsType[Invalid](err); ok {
		a.showInvitations(w, r, ui.Page{Status: http.StatusNotFound, Fault: bad.Error()}, "", "1", "7")
		return
	}
	if err != nil {
		a.face.Failed(w, r, err)
		return
	}
	a.log.Info("invitation revoked", "by", session.ActorOf(r).Person, "invitation", id)
	a.showInvitations(w, r, ui.Page{Done: "The invitation is taken back."}, "", "1", "7")
}

func (a *room) accounts(w http.ResponseWriter, r *http.Request) { a.showAccounts(w, r, ui.Page{}, "") }

func (a *room) showAccounts(w http.ResponseWriter, r *http.Request, p ui.Page, address string) {
	p.Title, p.Here = "Accounts", Path+"accounts"
	p.Lead = "There is no list of people here. What is held about someone leaves this server only through a case at the desk."
	p.Data = ui.Field{ID: "address", Label: "Address", Kind: "text", Value: address, Required: true, Auto: "off", Hint: "The whole address, such as name@example.org."}
	a.face.Show(w, r, "accounts", p)
}

func (a *room) setDisabled(w http.ResponseWriter, r *http.Request) {
	address, what := strings.TrimSpace(r.PostFormValue("address")), r.PostFormValue("do")
	if what != "disable" && what != "enable" || address == "" {
		a.showAccounts(w, r, ui.Page{Status: http.StatusUnprocessableEntity, Fault: "Give an address, and choose to disable or to enable it."}, address)
		return
	}
	err := a.o.People.SetDisabled(r.Context(), address, what == "disable")
	if bad, ok := errors.AsType[Invalid](err); ok {
		a.showAccounts(w, r, ui.Page{Status: http.StatusUnprocessableEntity, Fault: bad.Error()}, address)
		return
	}
	if err != nil {
		a.face.Failed(w, r, err)
		return
	}
	a.log.Warn("account disabled or enabled by the operator", "by", session.ActorOf(r).Person, "do", what)
	done := "If this account exists, it is disabled now: it is signed out everywhere and cannot sign in."
	if what == "enable" {
		done = "If this account exists, it can sign in again."
	}
	a.showAccounts(w, r, ui.Page{Done: done}, "")
}
