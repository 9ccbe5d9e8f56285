package session

import (
	"encoding/base64"
	"errors"
	"net/http"
	"time"

	"writ/desk"
	"writ/desk/registry"
	"writ/passkey"
	"writ/store"
	"writ/web/ui"
)

// enrolPage shows whom the link lets register a passkey. Opening it spends nothing: link previews do that too.
func (s *Sessions) enrolPage(w http.ResponseWriter, r *http.Request) {
	s.showEnrol(w, r, http.StatusOK, "")
}

func (s *Sessions) showEnrol(w http.ResponseWriter, r *http.Request, status int, fault string) {
	person, name, err := s.o.Passkeys.Enrolment(r.Context(), r.PathValue("token"))
	if s.refuseEnrolment(w, r, err) {
		return
	}
	s.face.Show(w, r, "enrol", ui.Page{Title: "Register your passkey", Lead: "You will sign in and sign with it.", Fault: fault, Status: status,
		Data: struct{ Person, Name, Token string }{person, name, r.PathValue("token")}})
}

func (s *Sessions) refuseEnrolment(w http.ResponseWriter, r *http.Request, err error) bool {
	switch {
	case err == nil:
		return false
	case errors.Is(err, passkey.ErrEnrolment):
		s.face.Problem(w, r, http.StatusNotFound, "This link cannot be used", "It was used, replaced by a newer one, or is older than three days. Ask for a new one.")
	default:
		s.fail(w, r, err)
	}
	return true
}

func (s *Sessions) enrolOptions(w http.ResponseWriter, r *http.Request) {
	person, name, err := s.o.Passkeys.Enrolment(r.Context(), r.PathValue("token"))
	if s.refuseEnrolment(w, r, err) {
		return
	}
	s.registerOptions(w, r, person, name)
}

func (s *Sessions) registerOptions(w http.ResponseWriter, r *http.Request, person, name string) {
	options, kept, err := s.o.Passkeys.BeginRegister(r.Context(), person, name)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.keep(r.Context(), kept)
	writeOptions(w, options)
}

// enrol stores the passkey and spends the link, in one transaction, then signs the person in.
func (s *Sessions) enrol(w http.ResponseWriter, r *http.Request) {
	ctx, kept := r.Context(), s.take(r.Context())
	person, _, err := s.o.Passkeys.Enrolment(ctx, r.PathValue("token"))
	if s.refuseEnrolment(w, r, err) {
		return
	}
	var made passkey.Credential
	err = s.o.DB.Write(ctx, func(tx *store.Tx) (err error) {
		if made, err = s.o.Passkeys.FinishRegister(ctx, tx, kept, []byte(r.PostFormValue("answer")), r.PostFormValue("label")); err != nil {
			return err
		}
		if made.Person != person { // the session's ceremony belongs to another link
			return passkey.ErrEnrolment
		}
		return s.o.Passkeys.Spend(ctx, tx, r.PathValue("token"))
	})
	switch {
	case errors.Is(err, passkey.ErrAssertion), errors.Is(err, passkey.ErrRegistered):
		s.showEnrol(w, r, http.StatusBadRequest, "The passkey was not accepted: "+reason(err)+" Try again.")
		return
	case s.refuseEnrolment(w, r, err):
		return
	}
	s.log.Info("passkey registered by enrolment", "person", person)
	s.admit(w, r, person, desk.ByPasskey)
}

// reason is a refusal in words for the person.
func reason(err error) string {
	if errors.Is(err, passkey.ErrRegistered) {
		return "it is registered already."
	}
	return "your browser or key gave an answer that does not fit."
}

// signedIn gives the actor of a page about one's own passkeys; recent asks for a sign-in not long ago.
func (s *Sessions) signedIn(w http.ResponseWriter, r *http.Request, recent bool) (desk.Actor, bool) {
	a, err := s.Actor(r)
	switch {
	case errors.Is(err, ErrNobody), err == nil && a.Auth == desk.ByToken:
		s.refer(w, r)
		return a, false
	case err != nil:
		s.fail(w, r, err)
		return a, false
	case recent && s.o.Clock.Now().Sub(a.At) > fresh:
		s.face.Problem(w, r, http.StatusForbidden, "Sign in again first", "Passkeys can be changed for 15 minutes after a sign-in. Sign out and in, then repeat it.")
		return a, false
	}
	return a, true
}

func (s *Sessions) keysPage(w http.ResponseWriter, r *http.Request) {
	s.showKeys(w, r, http.StatusOK, "", "")
}

// keyRow is a passkey on the page.
type keyRow struct {
	ID, Label     string
	Created, Used time.Time
}

func (s *Sessions) showKeys(w http.ResponseWriter, r *http.Request, status int, done, fault string) {
	a, ok := s.signedIn(w, r, false)
	if !ok {
		return
	}
	all, err := s.o.Passkeys.Credentials(r.Context(), a.Person)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	var rows []keyRow
	for _, c := range all {
		rows = append(rows, keyRow{base64.RawURLEncoding.EncodeToString(c.ID), c.Label, c.Created, c.Used})
	}
	s.face.Show(w, r, "keys", ui.Page{Title: "Your passkeys", Lead: "Keep two: one that is lost then locks nobody out.", User: a.Name, Role: registry.Titles(a.Roles),
		Nav: []ui.Link{work(a.Roles), {Href: "/keys", Text: "Passkeys"}}, Here: "/keys", Done: done, Fault: fault, Status: status, Data: rows})
}

func (s *Sessions) keyOptions(w http.ResponseWriter, r *http.Request) {
	if a, ok := s.signedIn(w, r, true); ok {
		s.registerOptions(w, r, a.Person, a.Name)
	}
}

func (s *Sessions) addKey(w http.ResponseWriter, r *http.Request) {
	a, ok := s.signedIn(w, r, true)
	if !ok {
		return
	}
	ctx, kept := r.Context(), s.take(r.Context())
	err := s.o.DB.Write(ctx, func(tx *store.Tx) error {
		c, err := s.o.Passkeys.FinishRegister(ctx, tx, kept, []byte(r.PostFormValue("answer")), r.PostFormValue("label"))
		if err == nil && c.Person != a.Person {
			return passkey.ErrAssertion
		}
		return err
	})
	switch {
	case errors.Is(err, passkey.ErrAssertion), errors.Is(err, passkey.ErrRegistered):
		s.showKeys(w, r, http.StatusBadRequest, "", "The passkey was not accepted: "+reason(err))
	case err != nil:
		s.fail(w, r, err)
	default:
		s.log.Info("passkey added", "person", a.Person)
		s.showKeys(w, r, http.StatusOK, "The passkey is registered.", "")
	}
}

func (s *Sessions) removeKey(w http.ResponseWriter, r *http.Request) {
	a, ok := s.signedIn(w, r, true)
	if !ok {
		return
	}
	ctx := r.Context()
	all, err := s.o.Passkeys.Credentials(ctx, a.Person)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if len(all) < 2 {
		s.showKeys(w, r, http.StatusConflict, "", "This is your only passkey. Register another one first.")
		return
	}
	id, err := base64.RawURLEncoding.DecodeString(r.PostFormValue("id"))
	if err == nil {
		err = s.o.DB.Write(ctx, func(tx *store.Tx) error { return s.o.Passkeys.Remove(ctx, tx, a.Person, id) })
	} else {
		err = passkey.ErrUnknown
	}
	switch {
	case errors.Is(err, passkey.ErrUnknown):
		s.showKeys(w, r, http.StatusNotFound, "", "You have no such passkey.")
	case err != nil:
		s.fail(w, r, err)
	default:
		s.log.Info("passkey removed", "person", a.Person)
		s.showKeys(w, r, http.StatusOK, "The passkey is removed.", "")
	}
}
