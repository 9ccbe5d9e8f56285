// Package account owns the people of the served domain: who exists, how they prove it, their devices, and the
// invitations by which they come.
//
// Invariants:
//   - A password is never stored: only verifiers of the three SCRAM hashes (RFC 5802 §3), which are never producible.
//   - An account name is one PRECIS form (RFC 7622 §3.3); two spellings are never two accounts.
//   - Deletion erases, in one transaction, what every room declares to erase; a room that fails keeps the account whole.
//   - Every look-up asks the database: an administrator's command runs in another process, and its effect holds at once.
//   - What stands in the database of a device's token is no token: it is made of a number there and a key that is kept apart.
//   - A change of the password ends every token.
//   - An invitation is known by a random token of which only a digest is stored; using it up, creating the account and making the
//     inviter its contact are one transaction.
//   - A name that an open invitation keeps free is given to nobody else (XEP-0401 §6.2).
package account

import (
	"errors"
	"time"

	"writ/xmpp/jid"
)

// The refusals. Each is wrapped with what was given.
var (
	ErrUnknown  = errors.New("account: no such account")
	ErrExists   = errors.New("account: the name is taken")
	ErrName     = errors.New("account: not a usable name")
	ErrPassword = errors.New("account: not a usable password")
	ErrInvite   = errors.New("account: the invitation is unknown, used up or expired")
	ErrInvites  = errors.New("account: too many invitations")
)

// User is one account.
type User struct {
	Account    jid.JID // bare
	Name       string  // display name; may be empty
	Created    time.Time
	InvitedBy  jid.JID   // zero: by the operator
	DisabledAt time.Time // zero: enabled
}

// Disabled reports an account that may not sign in.
func (u User) Disabled() bool { return !u.DisabledAt.IsZero() }

// New is an account to be made.
type New struct {
	Local     string // local part as typed; PRECIS is applied
	Password  string
	Name      string // display name, optional
	InvitedBy jid.JID
}

// Device is one client of an account, as it told of itself (XEP-0388 user-agent).
type Device struct {
	ID       string // user-agent id, or the resource of a client that tells none
	Software string
	Model    string
	First    time.Time
	Last     time.Time
	Password time.Time // when it last showed the password that is still in force; zero: it has not
	Token    time.Time // until when it can sign in with a token; zero: it has none
}

// Invitation lets people register, become contacts of the inviter, or both. Its token is shown once, when it is made.
type Invitation struct {
	ID        int64
	By        jid.JID // zero: by the operator
	Note      string  // for the operator's eyes
	Created   time.Time
	Expires   time.Time
	Uses      int // how often it may still be used
	Revoked   bool
	NoAccount bool   // it makes no account: who uses it has one
	Contact   bool   // By and who uses it become each other's contacts
	Local     string // the name that the account must have; it is kept free. Empty: any
}
