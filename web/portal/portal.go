// Package portal is the face of the requester: an officer files a request, sees where it stands, answers, and takes the package.
// The same calls are served as an API (api.go).
//
// Invariants:
//   - Pages and API call the same functions of the desk and show only what the desk offers this officer, now. No rule stands here.
//   - An officer sees their own requests alone; anything else does not exist (404).
//   - A fault of form is shown beside its field, with what was given and what is allowed; what was typed is not lost.
//   - A body is bounded while it is read, before anything is made of it.
//   - Nothing is changed by a GET.
//
// Form fields of POST /portal/new (multipart/form-data): instrument, service, jurisdiction, legal_basis, reference, authority, signed,
// respond (dates as 2006-01-02), supervisor, facts, offence, identifiers (one a line), categories (repeated), from, to (dates), documents
// (PDF files, repeated), gag_issuer, gag_scope, gag_until (a date), sealed.
package portal

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"strings"

	"writ/clock"
	"writ/desk"
	"writ/desk/law"
	"writ/desk/registry"
	"writ/tlog/verify"
	"writ/web/session"
	"writ/web/ui"
)

//go:embed pages/*.html
var pages embed.FS

// Path is where Handler is mounted.
const Path = "/portal/"

// Desk is what the face asks of the desk; *desk.Desk is it.
type Desk interface {
	caller
	File(ctx context.Context, by desk.Actor, f desk.Filing) (desk.Receipt, error)
	Queue(ctx context.Context, by desk.Actor, f desk.Filter) (desk.Page, error)
	Services() []desk.Service
}

// caller is the part that concerns one case.
type caller interface {
	Case(ctx context.Context, by desk.Actor, id string) (desk.Case, error)
	Actions(ctx context.Context, by desk.Actor, id string) ([]desk.Offer, error)
	Do(ctx context.Context, by desk.Actor, id string, c desk.Command) (desk.Case, error)
	Receipt(ctx context.Context, by desk.Actor, id string) (verify.Receipt, error)
	Download(ctx context.Context, by desk.Actor, id string) (desk.Download, error)
}

// Options are what the face is made of.
type Options struct {
	Desk     Desk
	Sessions *session.Sessions
	Domain   string
	Provider string
	Clock    clock.Clock
	Log      *slog.Logger
}

type room struct {
	o    Options
	face *ui.Face
	log  *slog.Logger
}

// Handler serves the pages below Path. Mount it inside Sessions.Wrap.
func Handler(o Options) (http.Handler, error) {
	p := &room{o: o, log: o.Log.With("room", "portal")}
	var err error
	p.face, err = ui.NewFace(ui.Face{Name: "Requester portal", Home: Path, SignOut: "/sign-out", Who: session.Name, Back: "Back to your requests", Nav: []ui.Link{
		{Href: Path, Text: "Your requests"}, {Href: Path + "new", Text: "File a request"}, {Href: Path + "token", Text: "API"}, {Href: "/keys", Text: "Passkeys"}, {Href: "/requests", Text: "Guidelines"},
	}}, pages, "pages", template.FuncMap{"place": law.JurisdictionName, "form": sayForm, "upper": upper, "instrument": func(i string) string { return law.Instrument(i).Title() }}, p.log)
	if err != nil {
		return nil, err
	}
	m := http.NewServeMux()
	m.HandleFunc("GET "+Path+"{$}", p.list)
	m.HandleFunc("GET "+Path+"new", p.blank)
	m.HandleFunc("POST "+Path+"new", p.file)
	m.HandleFunc("GET "+Path+"token", p.tokenPage)
	m.HandleFunc("POST "+Path+"token", p.makeToken)
	m.HandleFunc("GET "+Path+"cases/{id}", p.show)
	m.HandleFunc("POST "+Path+"cases/{id}/{command}", p.act)
	m.HandleFunc("GET "+Path+"cases/{id}/receipt.json", p.receipt)
	m.HandleFunc("POST "+Path+"cases/{id}/download", p.download)
	officers := o.Sessions.Require(p.face.Room(m, Path, ui.AtMost(maxBody)), registry.Officer)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.URL.Path == Path {
			if _, err := o.Sessions.Actor(r); errors.Is(err, session.ErrNobody) {
				p.welcome(w, r)
				return
			}
		}
		officers.ServeHTTP(w, r)
	}), nil
}

// welcome is what an agency sees before it signs in.
func (p *room) welcome(w http.ResponseWriter, r *http.Request) {
	p.face.Show(w, r, "welcome", ui.Page{Title: "For agencies", Here: Path,
		Lead: "The one door for legal requests to " + p.o.Provider + ".", Data: p.o.Domain})
}

// fail answers an error of the desk: not found, a refusal with its code and rule, or a fault of ours.
func (p *room) fail(w http.ResponseWriter, r *http.Request, err error) {
	var no *desk.Refusal
	switch {
	case errors.Is(err, desk.ErrNotFound):
		p.face.Problem(w, r, http.StatusNotFound, "There is no such request", "It may be another officer’s, or the number is mistyped.")
	case errors.As(err, &no):
		p.face.Problem(w, r, statusOf(no), "This cannot be done", refusalText(no))
	default:
		p.face.Failed(w, r, err)
	}
}

// statusOf is the HTTP status of a refusal.
func statusOf(no *desk.Refusal) int {
	switch {
	case no.Code == "delivery.used" || no.Code == "delivery.expired":
		return http.StatusGone
	case no.Code == "state.role":
		return http.StatusForbidden
	case no.Code == "state.standby":
		return http.StatusServiceUnavailable
	case strings.HasPrefix(no.Code, "form."):
		return http.StatusUnprocessableEntity
	default:
		return http.StatusConflict
	}
}

// refusalText is the reason in words, with its code and rule.
func refusalText(no *desk.Refusal) string {
	reason := desk.ReasonOf(no.Code)
	if reason.Text == "" {
		return no.Error()
	}
	text := strings.ToUpper(reason.Text[:1]) + reason.Text[1:] + "."
	return text + " (" + no.Code + "; " + reason.Rule + ")"
}

func (p *room) list(w http.ResponseWriter, r *http.Request) {
	by := session.ActorOf(r)
	page, err := p.o.Desk.Queue(r.Context(), by, desk.Filter{After: r.URL.Query().Get("after")})
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.face.Show(w, r, "list", ui.Page{Title: "Your requests", Here: Path,
		Data: map[string]any{"Lines": page.Lines, "Next": page.Next, "Now": p.o.Clock.Now()}})
}

// receipt hands the receipt over as a file: the promise, and the proof once the log has it.
func (p *room) receipt(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	receipt, err := p.o.Desk.Receipt(r.Context(), session.ActorOf(r), id)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	b, err := json.MarshalIndent(receipt, "", "  ")
	if err != nil {
		p.fail(w, r, err)
		return
	}
	attach(w, "receipt-"+id+".json", "application/json")
	w.Write(append(b, '\n')) // the reader is gone if this fails
}

// download hands the package over, once.
func (p *room) download(w http.ResponseWriter, r *http.Request) {
	d, err := p.o.Desk.Download(r.Context(), session.ActorOf(r), r.PathValue("id"))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	attach(w, d.Name, "application/octet-stream")
	w.Write(d.Body) // the reader is gone if this fails; the desk can open the download again
}

// attach makes the answer a file to keep. Names come from the desk and hold no quotes.
func attach(w http.ResponseWriter, name, mediaType string) {
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Content-Disposition", `attachment; filename="`+strings.Map(plain, name)+`"`)
}

func plain(c rune) rune {
	if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("._-", c) {
		return c
	}
	return '-'
}

func (p *room) tokenPage(w http.ResponseWriter, r *http.Request) {
	p.face.Show(w, r, "token", ui.Page{Title: "API", Here: Path + "token",
		Lead: "What these pages do, a program can do with a token that lives for an hour.", Data: map[string]any{"Domain": p.o.Domain}})
}

// makeToken gives a token to whoever signed in with a passkey in this session (or the development sign-in).
func (p *room) makeToken(w http.ResponseWriter, r *http.Request) {
	by := session.ActorOf(r)
	if by.Auth == desk.ByToken {
		p.face.Problem(w, r, http.StatusForbidden, "A token makes no token", "Sign in with your passkey.")
		return
	}
	token, expires, err := p.o.Sessions.NewToken(r.Context(), by.Person)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.face.Show(w, r, "token", ui.Page{Title: "API", Here: Path + "token", Done: "A token was made. It is shown this once.",
		Data: map[string]any{"Domain": p.o.Domain, "Token": token, "Expires": expires}})
}

// instruments are the choices of the form.
func instruments() []ui.Choice {
	out := []ui.Choice{{Value: "", Text: "Choose one"}}
	for _, i := range law.Instruments() {
		out = append(out, ui.Choice{Value: string(i), Text: i.Title()})
	}
	return out
}

func (p *room) services() []ui.Choice {
	var out []ui.Choice
	for _, s := range p.o.Desk.Services() {
		out = append(out, ui.Choice{Value: s.ID, Text: s.Name})
	}
	return out
}
