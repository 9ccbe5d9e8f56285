package desk

import (
	"slices"
	"time"

	"writ/desk/registry"
)

// Role is what a person may do.
type Role = registry.Role

// Actor is who acts, as the session knows them. The desk reads the person's roles, agency and suspension again from
// the registry inside the transaction; what stands here serves to show what is on offer.
type Actor struct {
	Person string // registry id
	Name   string
	Roles  []Role
	Agency string // officers only
	Auth   Auth
	At     time.Time // when they authenticated
}

// Auth is how an actor authenticated.
type Auth string

// The ways. Only a passkey signs; a token is made after one and files and reads; dev exists in `writ dev` only.
const (
	ByPasskey Auth = "passkey"
	ByToken   Auth = "token"
	ByDev     Auth = "dev"
	BySystem  Auth = "system"
)

// Has reports whether the actor holds a role.
func (a Actor) Has(r Role) bool { return slices.Contains(a.Roles, r) }

// Officer reports whether the actor is an officer of an agency.
func (a Actor) Officer() bool { return a.Has(registry.Officer) }
