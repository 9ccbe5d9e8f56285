// Package join is the page behind an invitation's link (XEP-0401 §5.2, XEP-0379 §3.3): whoever holds it sees who invites, opens the invitation in an app, or
// chooses a name and a password here and learns how to open an app. Without a link there is no registration.
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
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"writ/account"
	"writ/chat/invite"
	"writ/web/session"
	"writ/web/ui"
	"writ/xmpp/jid"
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
	Domain   jid.JID // the served domain
	Chat     string  // address of the web chat; empty: there is none
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

// page is what the pages show of an invitation.
type page struct {
	Token   string
	Inviter string       // their address; empty: the operator
	URI     template.URL // opens the invitation in an app
	Address string       // that the account will have, if the invitation says it
	Chat    string
	Apps    []app
	form
}

// form is the page's form; a field that was wrong says what is allowed.
type form struct{ Name, Password, Nickname ui.Field }

// page looks the invitation up and fills in what was typed before.
func (j *room) page(r *http.Request) (page, account.Invitation, error) {
	p := page{Token: r.PathValue("token"), Chat: j.o.Chat, Apps: appsFor(r.UserAgent())}
	i, err := j.o.Accounts.Invitation(r.Context(), p.Token)
	if err != nil {
		return p, i, err
	}
	uri := invite.AccountURI(j.o.Domain, i.Local, p.Token)
	if i.Contact {
		p.Inviter = i.By.String()
		uri = invite.ContactURI(i.By, p.Token, !i.NoAccount)
	}
	p.URI = template.URL(uri) // made of escaped parts: html/template knows no xmpp: and would drop it
	if i.Local != "" {
		p.Address = i.Local + "@" + j.o.Domain.String()
	}
	p.form = form{
		Name: ui.Field{ID: "name", Label: "Name", Kind: "text", Value: r.PostFormValue("name"), Required: true, Auto: "username",
			Hint: "Your address will be this name @" + j.o.Domain.String() + ". It cannot be changed later."},
		Password: ui.Field{ID: "password", Label: "Password", Kind: "password", Required: true, Auto: "new-password",
			Hint: "At least 8 characters. Several words are good; let your browser or password manager keep it."},
		Nickname: ui.Field{ID: "nickname", Label: "Display name", Kind: "text", Value: r.PostFormValue("nickname"), Auto: "name",
			Hint: "The operator sees it beside your address. Leave it empty to give none."},
	}
	return p, i, nil
}

func (j *room) ask(w http.ResponseWriter, r *http.Request) {
	p, i, err := j.page(r)
	switch {
	case err != nil:
		j.fail(w, r, err)
	case i.NoAccount:
		j.face.Show(w, r, "contact", ui.Page{Title: p.Inviter + " invites you", Lead: "Open the invitation in your app: you become each other's contacts.", Data: p})
	default:
		j.show(w, r, http.StatusOK, p)
	}
}

func (j *room) show(w http.ResponseWriter, r *http.Request, status int, p page) {
	u := ui.Page{Title: "You are invited to " + j.o.Domain.String(), Lead: "People talk here end to end encrypted, and the server cannot read it.", Status: status, Data: p}
	if p.Inviter != "" {
		u.Title = p.Inviter + " invites you to " + j.o.Domain.String()
	}
	if status != http.StatusOK {
		u.Fault = "Nothing was registered yet: see below."
	}
	j.face.Show(w, r, "ask", u)
}

func (j *room) register(w http.ResponseWriter, r *http.Request) {
	p, i, err := j.page(r)
	if err != nil || i.NoAccount {
		j.fail(w, r, errors.Join(err, account.ErrInvite))
		return
	}
	name := strings.TrimSpace(p.Name.Value)
	if i.Local != "" {
		name = i.Local
	}
	u, err := j.o.Accounts.Redeem(r.Context(), p.Token, account.New{Local: name, Password: r.PostFormValue("password"),
		Name: strings.TrimSpace(p.Nickname.Value)})
	switch {
	case errors.Is(err, account.ErrExists):
		p.Name.Wrong = "This name is taken. Choose another."
	case errors.Is(err, account.ErrName) && len(p.Nickname.Value) > 200:
		p.Nickname.Wrong = "At most 200 bytes."
	case errors.Is(err, account.ErrName):
		p.Name.Wrong = "Use letters, digits, dots, - and _; no spaces, and no name that the operator keeps for itself (admin, support, …)."
	case errors.Is(err, account.ErrPassword):
		p.Password.Wrong = "Use at least 8 characters, not your name, no control characters."
	case err != nil:
		j.fail(w, r, err)
		return
	default:
		p.Address = u.Account.String()
		j.face.Show(w, r, "done", ui.Page{Title: "Welcome, " + u.Account.Local(), Lead: "Your account is ready.", Data: p})
		return
	}
	j.show(w, r, http.StatusUnprocessableEntity, p)
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
