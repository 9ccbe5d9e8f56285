// Package session is how staff and officers are known to the pages: sign-in with a passkey, the session that follows, signatures
// over a hash, and tokens for the API.
//
// Invariants:
//   - A session holds a person's id, how and when they authenticated, and nothing else. Roles are read from the registry at each request,
//     so a suspension holds at once.
//   - The cookie's value is stored nowhere, only its digest; at sign-in it changes, so a planted one is worth nothing.
//   - A request that changes something and comes from another site is refused (http.CrossOriginProtection), whatever the path.
//   - The development sign-in is a value that only `writ dev` makes; without it there is no such page. Its signatures are
//     checked on the same path as all others.
package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"

	"writ/clock"
	"writ/desk"
	"writ/desk/registry"
	"writ/passkey"
	"writ/passkey/softkey"
	"writ/store"
	"writ/web/ui"
)

const (
	lifetime  = 12 * time.Hour   // of a session, whatever happens
	idle      = time.Hour        // without a request
	anonymous = 10 * time.Minute // of a session that has signed in nobody: a sign-in under way
	fresh     = 15 * time.Minute // how recent a sign-in must be to change one's passkeys
)

// People says who somebody is; *registry.Registry is one.
type People interface {
	Person(ctx context.Context, id string) (registry.Person, error)
	Staff(ctx context.Context) ([]registry.Person, error)
	Officers(ctx context.Context, agency string) ([]registry.Person, error)
	Agency(ctx context.Context, id string) (registry.Agency, error)
}

// Options are what Sessions is made of.
type Options struct {
	DB       *store.DB
	Passkeys *passkey.Passkeys
	People   People
	Clock    clock.Clock
	Secure   bool // the pages are reached by https: cookies are bound to it
	Log      *slog.Logger
	Dev      *Dev // nil outside of `writ dev`
}

// Dev is the development sign-in: people are chosen from a list, and Key signs for all of them.
type Dev struct {
	Key    *softkey.Key
	Origin string // the origin that the key claims to answer for
}

// Sessions is the room. Safe for concurrent use.
type Sessions struct {
	o    Options
	scs  *scs.SessionManager
	log  *slog.Logger
	face *ui.Face
	gate gate
}

// Open makes the room; its tables must have been migrated.
func Open(o Options) (*Sessions, error) {
	if o.DB == nil || o.Passkeys == nil || o.People == nil || o.Log == nil {
		return nil, errors.New("session: a database, passkeys, people and a logger are needed")
	}
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	s := &Sessions{o: o, scs: scs.New(), log: o.Log.With("room", "session")}
	s.scs.Lifetime, s.scs.IdleTimeout, s.scs.HashTokenInStore = lifetime, idle, true
	s.scs.Store = shelf{o.DB}
	s.scs.Codec = codec{}
	s.scs.Cookie.Name, s.scs.Cookie.Persist, s.scs.Cookie.SameSite = "writ", false, http.SameSiteStrictMode
	if o.Secure {
		s.scs.Cookie.Name, s.scs.Cookie.Secure = "__Host-writ", true
	}
	s.scs.ErrorFunc = func(w http.ResponseWriter, r *http.Request, err error) {
		s.log.Error("session", "err", err)
		http.Error(w, "Your session could not be read or kept. The fault is ours and was noted; try again.", http.StatusInternalServerError)
	}
	var err error
	s.face, err = ui.NewFace(ui.Face{Name: "Sign-in", Home: "/", SignOut: "/sign-out", Scripts: []string{"passkey.js"}}, pages, "pages", nil, s.log)
	return s, err
}

// Wrap gives next its session: everything behind it may ask Who, Actor and Assertion. It refuses requests from other sites that would
// change something, and sets the headers of private pages.
func (s *Sessions) Wrap(next http.Handler) http.Handler {
	return Protect(true, s.scs.LoadAndSave(next))
}

// Protect is Wrap for pages without a session: it refuses requests from other sites that would change something, and sets the headers.
func Protect(private bool, next http.Handler) http.Handler {
	csrf := http.NewCrossOriginProtection()
	csrf.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "This form was sent from another site. Open the page here and try again.", http.StatusForbidden)
	}))
	return ui.Headers(private, csrf.Handler(next))
}

// Who is what a session or a token knows.
type Who struct {
	Person string
	Auth   desk.Auth
	At     time.Time // when they authenticated
}

// Who says who makes the request, by the session or by a bearer token; ok is false for nobody. The request came through Wrap.
func (s *Sessions) Who(r *http.Request) (who Who, ok bool) {
	if h := r.Header.Get("Authorization"); h != "" {
		who, err := s.bearer(r.Context(), h)
		if err != nil && !errors.Is(err, ErrToken) {
			s.log.Error("reading a token", "err", err)
		}
		return who, err == nil
	}
	ctx := r.Context()
	who = Who{s.scs.GetString(ctx, "person"), desk.Auth(s.scs.GetString(ctx, "auth")), s.scs.GetTime(ctx, "at")}
	return who, who.Person != ""
}

// ErrNobody says that nobody is signed in, or that whoever is may act no more: unknown, suspended or expired, or of a suspended agency.
var ErrNobody = errors.New("session: nobody who may act is signed in")

// Actor gives who acts, as the desk wants it, with the roles that the registry holds now. ErrNobody if there is none.
func (s *Sessions) Actor(r *http.Request) (desk.Actor, error) {
	who, ok := s.Who(r)
	if !ok {
		return desk.Actor{}, ErrNobody
	}
	p, err := s.active(r.Context(), who.Person)
	if err != nil {
		return desk.Actor{}, err
	}
	return desk.Actor{Person: p.ID, Name: p.Name, Roles: p.Roles, Agency: p.Agency, Auth: who.Auth, At: who.At}, nil
}

// active reads a person who may act now.
func (s *Sessions) active(ctx context.Context, id string) (registry.Person, error) {
	p, err := s.o.People.Person(ctx, id)
	if errors.Is(err, registry.ErrNotFound) {
		return p, ErrNobody
	}
	if err != nil {
		return p, fmt.Errorf("session: reading a person: %w", err)
	}
	if !p.Active(s.o.Clock.Now()) {
		return p, ErrNobody
	}
	if p.Agency != "" {
		a, err := s.o.People.Agency(ctx, p.Agency)
		if err != nil {
			return p, fmt.Errorf("session: reading an agency: %w", err)
		}
		if !a.Suspended.IsZero() {
			return p, ErrNobody
		}
	}
	return p, nil
}

type actorKey struct{}

// Require lets only people through who hold one of the roles (any, if none is given) and gives next their Actor. Others are sent to the
// sign-in, or refused if they would change something or are signed in without the role.
func (s *Sessions) Require(next http.Handler, roles ...registry.Role) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, err := s.Actor(r)
		switch {
		case errors.Is(err, ErrNobody):
			s.refer(w, r)
			return
		case err != nil:
			s.face.Failed(w, r, err)
			return
		case len(roles) > 0 && !slices.ContainsFunc(roles, a.Has):
			s.face.Problem(w, r, http.StatusForbidden, "Not for you", "These pages are for other roles than yours.")
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), actorKey{}, a)))
	})
}

// Name is who is signed in, and as what, for the head of a face's pages behind Require.
func Name(r *http.Request) (name, role string) {
	a := ActorOf(r)
	return a.Name, registry.Titles(a.Roles)
}

// ActorOf is the Actor that Require found; the zero Actor outside of it.
func ActorOf(r *http.Request) desk.Actor {
	a, _ := r.Context().Value(actorKey{}).(desk.Actor)
	return a
}

// refer sends a reader to the sign-in and back; a form or an API call is refused.
func (s *Sessions) refer(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || r.Header.Get("Authorization") != "" {
		s.face.Problem(w, r, http.StatusUnauthorized, "You are signed out", "Nothing was changed. Sign in again, then repeat it.")
		return
	}
	http.Redirect(w, r, "/sign-in?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
}

// enter makes the request's session that of a person, under a new id.
func (s *Sessions) enter(ctx context.Context, person string, auth desk.Auth) error {
	if err := s.scs.Clear(ctx); err != nil {
		return fmt.Errorf("session: clearing: %w", err)
	}
	if err := s.scs.RenewToken(ctx); err != nil {
		return fmt.Errorf("session: renewing: %w", err)
	}
	s.scs.Put(ctx, "person", person)
	s.scs.Put(ctx, "auth", string(auth))
	s.scs.Put(ctx, "at", s.o.Clock.Now().UTC())
	s.log.Info("signed in", "person", person, "by", string(auth))
	return nil
}

// keep puts a ceremony into the session until it is answered. A session that has signed in nobody lives no longer than needed for that.
func (s *Sessions) keep(ctx context.Context, kept []byte) {
	s.scs.Put(ctx, "ceremony", kept)
	if s.scs.GetString(ctx, "person") == "" {
		s.scs.SetDeadline(ctx, time.Now().Add(anonymous).UTC())
	}
}

// take gives the ceremony and forgets it.
func (s *Sessions) take(ctx context.Context) []byte {
	kept, _ := s.scs.Pop(ctx, "ceremony").([]byte)
	return kept
}

// work is where a person's work is.
func work(roles []registry.Role) ui.Link {
	if slices.Contains(roles, registry.Officer) {
		return ui.Link{Href: "/portal/", Text: "Your requests"}
	}
	return ui.Link{Href: "/staff/", Text: "Response desk"}
}

// local gives next if it is a place on this site, else fallback: an open redirect would lend our name to anyone.
func local(next, fallback string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return fallback
	}
	return next
}

// codec writes sessions as JSON: gob would need every type registered, and decodes more than we ever put in.
type codec struct{}

type wire struct {
	Deadline time.Time `json:"deadline"`
	Person   string    `json:"person,omitempty"`
	Auth     string    `json:"auth,omitempty"`
	At       time.Time `json:"at,omitzero"`
	Ceremony []byte    `json:"ceremony,omitempty"`
}

// Encode implements scs.Codec.
func (codec) Encode(deadline time.Time, values map[string]any) ([]byte, error) {
	w := wire{Deadline: deadline}
	w.Person, _ = values["person"].(string)
	w.Auth, _ = values["auth"].(string)
	w.At, _ = values["at"].(time.Time)
	w.Ceremony, _ = values["ceremony"].([]byte)
	return json.Marshal(w)
}

// Decode implements scs.Codec.
func (codec) Decode(b []byte) (time.Time, map[string]any, error) {
	var w wire
	if err := json.Unmarshal(b, &w); err != nil {
		return time.Time{}, nil, fmt.Errorf("session: a stored session: %w", err)
	}
	v := map[string]any{}
	if w.Person != "" {
		v["person"], v["auth"], v["at"] = w.Person, w.Auth, w.At
	}
	if w.Ceremony != nil {
		v["ceremony"] = w.Ceremony
	}
	return w.Deadline, v, nil
}
