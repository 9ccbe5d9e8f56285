package session

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"

	"writ/desk"
	"writ/passkey"
)

// ErrNoAssertion says that a form came without the signature it needs.
var ErrNoAssertion = errors.New("session: the signature is missing; it needs JavaScript and your passkey")

// Assertion gives the signature over a hash that the request's form carries in "assertion": the answer of the person's authenticator, to
// be verified by whoever asked for it. In a session of the development sign-in the key of the data folder makes it here.
//
// A form asks for it with the attributes data-passkey="/sign/options" and data-hash="HEX" and an empty hidden field "assertion"; the script
// passkey.js does the rest. In a development session (see Signer) it leaves the attributes away.
func (s *Sessions) Assertion(r *http.Request, hash [32]byte) ([]byte, error) {
	if a := r.PostFormValue("assertion"); a != "" {
		return []byte(a), nil
	}
	who, ok := s.Who(r)
	if !ok || who.Auth != desk.ByDev || s.o.Dev == nil {
		return nil, ErrNoAssertion
	}
	options, err := s.o.Passkeys.BeginSign(r.Context(), who.Person, hash)
	if err != nil {
		return nil, err
	}
	a, err := s.o.Dev.Key.Get(options, s.o.Dev.Origin, who.Person)
	if err != nil {
		return nil, fmt.Errorf("session: the development key: %w", err)
	}
	return a, nil
}

// Signer says how the signed-in person signs on a page: true with a passkey of their own in the browser, false with the development key.
func (s *Sessions) Signer(r *http.Request) bool {
	who, ok := s.Who(r)
	return ok && who.Auth == desk.ByPasskey
}

// signOptions gives the options by which the signed-in person signs the hash of the form field "hash".
func (s *Sessions) signOptions(w http.ResponseWriter, r *http.Request) {
	a, err := s.Actor(r)
	if err != nil || a.Auth != desk.ByPasskey {
		http.Error(w, "Sign in with your passkey first.", http.StatusUnauthorized)
		return
	}
	b, err := hex.DecodeString(r.PostFormValue("hash"))
	if err != nil || len(b) != 32 {
		http.Error(w, "hash: 64 hexadecimal digits are expected.", http.StatusBadRequest)
		return
	}
	options, err := s.o.Passkeys.BeginSign(r.Context(), a.Person, [32]byte(b))
	if errors.Is(err, passkey.ErrUnknown) {
		http.Error(w, "You have no passkey here any more.", http.StatusConflict)
		return
	}
	if err != nil {
		s.log.Error("beginning a signature", "err", err)
		http.Error(w, "The fault is ours and was noted; try again.", http.StatusInternalServerError)
		return
	}
	writeOptions(w, options)
}
