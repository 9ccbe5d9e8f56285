// Package passkey is how the people who sign, staff and officers, prove themselves: WebAuthn credentials, the ceremonies to register
// and to sign in, and signatures over a hash (Web Authentication Level 3).
//
// Invariants:
//   - User verification is required in every ceremony: a key that was only found is no signature.
//   - A signature's WebAuthn challenge is the signed hash itself, so an assertion for one thing is none for another.
//   - A signature counter that does not move forward refuses the assertion: the key may have been copied.
//   - A person is a text id that another room owns; this room knows no name, role or standing.
package passkey

import (
	"errors"
	"time"
)

// The refusals. Each is wrapped with the reason.
var (
	ErrAssertion  = errors.New("passkey: the assertion is not valid")
	ErrUnknown    = errors.New("passkey: no such credential")
	ErrEnrolment  = errors.New("passkey: the enrolment is unknown, used or expired")
	ErrCloned     = errors.New("passkey: the signature counter did not advance")
	ErrRegistered = errors.New("passkey: the credential is already registered")
)

// Config is where passkeys are used.
type Config struct {
	RPID    string   `toml:"rp_id" doc:"domain that passkeys are bound to; localhost works without TLS"`
	Name    string   `toml:"name" doc:"name that a browser shows when it asks for the passkey"`
	Origins []string `toml:"origins" doc:"origins of the pages that may use passkeys, such as https://desk.example.org"`
}

// Credential is one registered passkey, without its key.
type Credential struct {
	ID      []byte
	Person  string
	Label   string
	Created time.Time
	Used    time.Time // zero: never
	Count   uint32
}
