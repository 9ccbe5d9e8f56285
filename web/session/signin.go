package session

import (
	"errors"
	"fmt"
	"net/http"

	"writ/desk"
	"writ/desk/registry"
	"writ/passkey"
	"writ/store"
	"writ/web/ui"
)

const maxForm = 64 << 10 // bytes of a form; an answer of an authenticator has a few thousand

// Paths lists what Handler serves, as patterns of a ServeMux.
func Paths() []string {
	return []string{"/sign-in", "/sign-in/", "/sign-out", "/sign/", "/enrol/", "/keys", "/keys/"}
}

// Handler serves the pages of this room. Mount it inside Wrap at Paths.
func (s *Sessions) Handler() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /sign-in", s.signInPage)
	m.HandleFunc("POST /sign-in/options", s.signInOptions)
	m.HandleFunc("POST /sign-in", s.signIn)
	m.HandleFunc("POST /sign-out", s.signOut)
	m.HandleFunc("POST /sign/options", s.signOptions)
	m.HandleFunc("GET /enrol/{token}", s.enrolPage)
	m.HandleFunc("POST /enrol/{token}/options", s.enrolOptions)
	m.HandleFunc("POST /enrol/{token}", s.enrol)
	m.HandleFunc("GET /keys", s.keysPage)
	m.HandleFunc("POST /keys/options", s.keyOptions)
	m.HandleFunc("POST /keys", s.addKey)
	m.HandleFunc("POST /keys/remove", s.removeKey)
	if s.o.Dev != nil {
		m.HandleFunc("POST /sign-in/dev", s.devSignIn)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		m.ServeHTTP(w, r)
	})
}

// signInData is what the sign-in page shows.
type signInData struct {
	Next string
	Dev  []registry.Person // people to choose from; empty outside of development
}

func (s *Sessions) signInPage(w http.ResponseWriter, r *http.Request) {
	s.showSignIn(w, r, http.StatusOK, "")
}

func (s *Sessions) showSignIn(w http.ResponseWriter, r *http.Request, status int, fault string) {
	d := signInData{Next: local(r.FormValue("next"), "")}
	if s.o.Dev != nil {
		people, err := s.everyone(r)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		d.Dev = people
	}
	s.face.Show(w, r, "sign-in", ui.Page{Title: "Sign in", Lead: "For the response team and for officers of agencies.", Fault: fault, Status: status, Data: d})
}

// everyone lists staff and officers for the development sign-in.
func (s *Sessions) everyone(r *http.Request) ([]registry.Person, error) {
	staff, err := s.o.People.Staff(r.Context())
	if err != nil {
		return nil, fmt.Errorf("session: listing staff: %w", err)
	}
	officers, err := s.o.People.Officers(r.Context(), "")
	if err != nil {
		return nil, fmt.Errorf("session: listing officers: %w", err)
	}
	return append(staff, officers...), nil
}

// fail answers a fault of ours.
func (s *Sessions) fail(w http.ResponseWriter, r *http.Request, err error) {
	s.face.Failed(w, r, err)
}

func writeOptions(w http.ResponseWriter, options []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Write(options) // the reader is gone if this fails
}

func (s *Sessions) signInOptions(w http.ResponseWriter, r *http.Request) {
	if !s.begin(w, r) {
		return
	}
	options, kept, err := s.o.Passkeys.BeginLogin()
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.keep(r.Context(), kept)
	writeOptions(w, options)
}

func (s *Sessions) signIn(w http.ResponseWriter, r *http.Request) {
	kept, answer := s.take(r.Context()), r.PostFormValue("answer")
	if answer == "" {
		s.showSignIn(w, r, http.StatusBadRequest, "Your browser sent no passkey. The sign-in needs JavaScript and a passkey.")
		return
	}
	var person string
	err := s.o.DB.Write(r.Context(), func(tx *store.Tx) (err error) {
		person, err = s.o.Passkeys.FinishLogin(r.Context(), tx, kept, []byte(answer))
		return err
	})
	if s.refuseKey(w, r, err) {
		return
	}
	s.admit(w, r, person, desk.ByPasskey)
}

// refuseKey answers a passkey that did not do.
func (s *Sessions) refuseKey(w http.ResponseWriter, r *http.Request, err error) bool {
	switch {
	case err == nil:
		return false
	case errors.Is(err, passkey.ErrCloned):
		s.log.Warn("a passkey may have been copied", "err", err)
		s.showSignIn(w, r, http.StatusForbidden, "This passkey may have been copied and is refused. Tell an administrator.")
	case errors.Is(err, passkey.ErrAssertion), errors.Is(err, passkey.ErrUnknown):
		s.log.Info("sign-in refused", "err", err)
		s.showSignIn(w, r, http.StatusForbidden, "This passkey was not accepted. Try again, or ask an administrator for a new enrolment.")
	default:
		s.fail(w, r, err)
	}
	return true
}

// admit starts the session of a person who proved themselves.
func (s *Sessions) admit(w http.ResponseWriter, r *http.Request, person string, auth desk.Auth) {
	p, err := s.active(r.Context(), person)
	if errors.Is(err, ErrNobody) {
		s.log.Info("sign-in of one who may not act", "person", person)
		s.showSignIn(w, r, http.StatusForbidden, "Your account is suspended or has expired. Ask the response team.")
		return
	}
	if err == nil {
		err = s.enter(r.Context(), p.ID, auth)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	http.Redirect(w, r, local(r.PostFormValue("next"), work(p.Roles).Href), http.StatusSeeOther)
}

func (s *Sessions) signOut(w http.ResponseWriter, r *http.Request) {
	if err := s.scs.Destroy(r.Context()); err != nil {
		s.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
}
