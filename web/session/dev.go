package session

import (
	"context"
	"net/http"

	"writ/desk"
	"writ/store"
)

// devSignIn signs in the chosen person with the development key: it is registered for them at first, and then answers like any passkey. The
// handler exists only where Options.Dev is set.
func (s *Sessions) devSignIn(w http.ResponseWriter, r *http.Request) {
	p, err := s.o.People.Person(r.Context(), r.PostFormValue("person"))
	if err != nil {
		s.showSignIn(w, r, http.StatusBadRequest, "There is no such person.")
		return
	}
	if err := s.DevKey(r.Context(), p.ID, p.Name); err != nil {
		s.fail(w, r, err)
		return
	}
	options, kept, err := s.o.Passkeys.BeginLogin()
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer, err := s.o.Dev.Key.Get(options, s.o.Dev.Origin, p.ID)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	var person string
	err = s.o.DB.Write(r.Context(), func(tx *store.Tx) (err error) {
		person, err = s.o.Passkeys.FinishLogin(r.Context(), tx, kept, answer)
		return err
	})
	if s.refuseKey(w, r, err) {
		return
	}
	s.admit(w, r, person, desk.ByDev)
}

// DevKey makes sure that the development key is registered for a person.
func (s *Sessions) DevKey(ctx context.Context, person, name string) error {
	key := s.o.Dev.Key
	known, err := s.o.Passkeys.Credentials(ctx, person)
	if err != nil {
		return err
	}
	if key.Has(person) && len(known) > 0 {
		return nil
	}
	options, kept, err := s.o.Passkeys.BeginRegister(ctx, person, name)
	if err != nil {
		return err
	}
	answer, err := key.Create(options, s.o.Dev.Origin)
	if err != nil {
		return err
	}
	return s.o.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := s.o.Passkeys.FinishRegister(ctx, tx, kept, answer, "development key")
		return err
	})
}
