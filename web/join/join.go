// Package join is the page behind an invitation's link: whoever holds the link chooses a name and a password and learns how to open an
// app. Without a link there is no registration.
//
// Invariants:
//   - Opening the link spends nothing (previews open links too); only a valid form does.
//   - An unknown, used, revoked or expired link gives one and the same answer.
//   - A password is never shown again, also not in a form that comes back with a fault.
package join

import (
	"context"
	"embed"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"writ/account"
	"writ/web/session"
	"writ/web/ui"
)

//go:embed pages/*.html
var pages embed.FS

// Accounts makes accounts by invitation; *account.Accounts does.
type Accounts interface {
	Invitation(ctx context.Context, token string) (account.Invitation, error)
	Redeem(ctx context.Context, token string, who account.New) (account.User, error)
}

// Options are what the page is made of.
type Options struct {
	Accounts Accounts
	Domain   string // the served domain
	Chat     string // address of the web chat; empty: there is none
	Log      *slog.Logger
}

type room struct {
	o    Options
	face *ui.Face
	log  *slog.Logger
}

// Path is where Handler is mounted; a token follows.
const Path = "/invite/"

// Link is the address to hand over for a token. base is the site's, such as https://example.org.
func Link(base, token string) string {
	return strings.TrimSuffix(base, "/") + Path + url.PathEscape(token)
}

// Handler serves the pages below Path.
func Handler(o Options) (http.Handler, error) {
	j := &room{o: o, log: o.Log.With("room", "join")}
	var err error
	if j.face, err = ui.NewFace(ui.Face{Name: "Invitation", Home: "/"}, pages, "pages", nil, j.log); err != nil {
		return nil, err
	}
	m := http.NewServeMux()
	m.HandleFunc("GET "+Path+"{token}", j.ask)
	m.HandleFunc("POST "+Path+"{token}", j.register)
	return session.Protect(true, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
		m.ServeHTTP(w, r)
	})), nil
}

// form is the page's form; a field that was wrong says what is allowed.
type form struct {
	Domain, Token            string
	Name, Password, Nickname ui.Field
}

func (j *room) form(r *http.Request) form {
	return form{Domain: j.o.Domain, Token: r.PathValue("token"),
		Name: ui.Field{ID: "name", Label: "Name", Kind: "text", Value: r.PostFormValue("name"), Required: true, Auto: "username",
			Hint: "Your address will be this name @" + j.o.Domain + ". It cannot be changed later."},
		Password: ui.Field{ID: "password", Label: "Password", Kind: "password", Required: true, Auto: "new-password",
			Hint: "At least 8 characters. Several words are good; let your browser or password manager keep it."},
		Nickname: ui.Field{ID: "nickname", Label: "Display name", Kind: "text", Value: r.PostFormValue("nickname"), Auto: "name",
			Hint: "The operator sees it beside your address. Leave it empty to give none."},
	}
}

func (j *room) ask(w http.ResponseWriter, r *http.Request) {
	if _, err := j.o.Accounts.Invitation(r.Context(), r.PathValue("token")); err != nil {
		j.fail(w, r, err)
		return
	}
	j.show(w, r, http.StatusOK, j.form(r))
}

func (j *room) show(w http.ResponseWriter, r *http.Request, status int, f form) {
	p := ui.Page{Title: "You are invited to " + j.o.Domain, Lead: "Choose a name and a password. Then open an app: people talk here end to end encrypted, and the server cannot read it.",
		Status: status, Data: f}
	if status != http.StatusOK {
		p.Fault = "Nothing was registered yet: see below."
	}
	j.face.Show(w, r, "ask", p)
}

func (j *room) register(w http.ResponseWriter, r *http.Request) {
	f := j.form(r)
	u, err := j.o.Accounts.Redeem(r.Context(), f.Token, account.New{Local: strings.TrimSpace(f.Name.Value), Password: r.PostFormValue("password"),
		Name: strings.TrimSpace(f.Nickname.Value)})
	switch {
	case errors.Is(err, account.ErrExists):
		f.Name.Wrong = "This name is taken. Choose another."
	case errors.Is(err, account.ErrName) && len(f.Nickname.Value) > 200:
		f.Nickname.Wrong = "At most 200 bytes."
	case errors.Is(err, account.ErrName):
		f.Name.Wrong = "Use letters, digits, dots, - and _; no spaces, and no name that the operator keeps for itself (admin, support, …)."
	case errors.Is(err, account.ErrPassword):
		f.Password.Wrong = "Use at least 8 characters, not your name, no control characters."
	case err != nil:
		j.fail(w, r, err)
		return
	default:
		j.face.Show(w, r, "done", ui.Page{Title: "Welcome, " + u.Account.Local(), Lead: "Your account is ready.",
			Data: struct{ Address, Chat string }{u.Account.String(), j.o.Chat}})
		return
	}
	j.show(w, r, http.StatusUnprocessableEntity, f)
}

// fail answers a link that does not do, or a fault of ours.
func (j *room) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, account.ErrInvite) {
		j.face.Problem(w, r, http.StatusNotFound, "This invitation cannot be used", "It was used, taken back, or has ended. Ask the person who sent it for a new one.")
		return
	}
	j.log.Error("registering", "err", err)
	j.face.Problem(w, r, http.StatusInternalServerError, "Something went wrong", "The fault is ours and was noted; your invitation is still good. Try again.")
}
