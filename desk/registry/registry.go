// Package registry holds who the desk deals with: agencies, their officers, and the desk's own staff with roles.
//
// An agency is authenticated by a call to a number that we found ourselves, never by one that stands in a request
// (a domain match is necessary, never sufficient); the call-back is a record with its maker. An officer account is
// new until its first call-back, expires, and falls with its agency. A fraud verdict suspends the agency; package desk
// then freezes its open cases.
//
// Invariants: the number called is one of the registry's own; a suspended or expired officer files nothing; roles are
// granted by two people, neither of them the one who gets them; every change is a row of an append-only history.
package registry

import (
	"context"
	"embed"
	"errors"
	"slices"
	"strings"
	"time"

	"writ/clock"
	"writ/schedule"
	"writ/store"
)

// Role is what a member of the staff may do. One person may hold several, but no one acts twice in one step.
type Role string

// The roles. Officer and System are no staff roles: an officer belongs to an agency, the system is the desk's clockwork.
const (
	Intake    Role = "intake"
	Reviewer  Role = "reviewer"
	Approver  Role = "approver"
	Counsel   Role = "counsel"
	Rights    Role = "rights" // human-rights lead
	Executive Role = "executive"
	Admin     Role = "admin"
	Officer   Role = "officer"
	System    Role = "system"
)

// StaffRoles is every role that a member of the staff can hold.
func StaffRoles() []Role {
	return []Role{Intake, Reviewer, Approver, Counsel, Rights, Executive, Admin}
}

// Title is the role in plain English.
func (r Role) Title() string {
	switch r {
	case Rights:
		return "human-rights lead"
	case Admin:
		return "administrator"
	}
	return string(r)
}

// Titles is the roles in words, divided by commas.
func Titles(roles []Role) string {
	var out []string
	for _, r := range roles {
		out = append(out, r.Title())
	}
	return strings.Join(out, ", ")
}

// SystemPerson is who the desk's clockwork and the command line act as.
const SystemPerson = "system"

// Terms of officers.
const (
	OfficerTerm  = 365 * 24 * time.Hour // an officer's account expires after this
	CallBackTerm = 180 * 24 * time.Hour // a call-back confirms an officer for this long
	CoolDown     = 3                    // so many requests of an officer may wait until their first call-back
)

// Agency is a public body that files requests.
type Agency struct {
	ID           string
	Name         string
	Jurisdiction string   // ISO 3166-1 alpha-2, or 3166-2
	Domains      []string // mail domains, lower case A-labels
	Numbers      []Number // call-back numbers, independently sourced
	Recipient    string   // age recipient ("age1…"), empty: packages are delivered without age
	Suspended    time.Time
	Reason       string // why suspended
	Created      time.Time
}

// Number is a call-back number with where we found it.
type Number struct {
	Phone  string // E.164
	Source string // e.g. "the government's own directory, https://…"; never the request
}

// Person is a member of the staff or an officer. ID is what a passkey signs in as.
type Person struct {
	ID        string
	Name      string
	Mail      string
	Roles     []Role // staff roles; [Officer] for an officer
	Agency    string // officers only
	Badge     string // officers only
	Suspended time.Time
	Reason    string
	Created   time.Time
	Expires   time.Time // officers only
	Verified  time.Time // officers only: the last call-back that confirmed them; zero: never
}

// Has reports whether the person holds the role.
func (p Person) Has(r Role) bool { return slices.Contains(p.Roles, r) }

// Active reports whether the person may act at all: neither suspended nor expired. The agency is checked apart.
func (p Person) Active(now time.Time) bool {
	return p.Suspended.IsZero() && (p.Expires.IsZero() || now.Before(p.Expires))
}

// Confirmed reports whether a call-back confirmed the officer within its term.
func (p Person) Confirmed(now time.Time) bool {
	return !p.Verified.IsZero() && now.Before(p.Verified.Add(CallBackTerm))
}

// CallBack is the record of one authentication by telephone.
type CallBack struct {
	ID      string
	Agency  string
	Officer string // the officer it was about
	Case    string // the case it was made for, empty for a registration
	Number  string // one of the agency's Numbers
	By      string // who called
	SpokeTo string // the function of the person who answered, e.g. "duty sergeant"
	Result  string // Confirmed, Denied or NoAnswer
	At      time.Time
}

// The results of a call-back.
const (
	Confirmed = "confirmed"
	Denied    = "denied"
	NoAnswer  = "no_answer"
)

// Change is one line of the history.
type Change struct {
	At      time.Time
	Who     string
	What    string // e.g. "agency added", "roles confirmed"
	Subject string // id of the agency or person
	Detail  string
}

// ErrNotFound is the answer for an unknown agency, person, call-back or proposal.
var ErrNotFound = errors.New("registry: no such entry")

//go:embed schema/*.sql
var files embed.FS

// Schema is the room's tables.
func Schema() store.Schema { return store.Schema{Room: "registry", FS: files} }

// Data declares what the room keeps.
func Data() []schedule.Datum {
	const why = "It is the house's own file about its work, not a record of a person's use of the service."
	return []schedule.Datum{
		{Name: "agencies", Category: schedule.CaseFiles, Tables: []string{"registry_agency", "registry_person", "registry_callback"},
			Fields:  []schedule.Field{{Name: "agency", Meaning: "Name, jurisdiction, mail domains and call-back numbers of an agency."}, {Name: "officer", Meaning: "Name, mail address, badge and terms of an officer; of staff, name and roles."}, {Name: "call_back", Meaning: "Who called which of the registry's numbers, when, and with what result."}},
			Purpose: "To know who asks and who answers.", Retention: schedule.Permanent, Process: schedule.Never, Never: why},
		{Name: "registry-changes", Category: schedule.StaffActions, Tables: []string{"registry_history", "registry_proposal"},
			Fields:  []schedule.Field{{Name: "change", Meaning: "Who changed which entry of the registry, when and how."}},
			Purpose: "So that no change of agencies, officers and roles goes unseen.", Retention: schedule.Permanent, Process: schedule.Never, Never: why},
	}
}

// Registry is the book of agencies, officers and staff. Its methods are safe for concurrent use.
type Registry struct {
	db    *store.DB
	clock clock.Clock
}

// New makes a registry on a handle that can see the room's tables.
func New(db *store.DB, c clock.Clock) *Registry { return &Registry{db: db, clock: c} }

// write runs f in one transaction, after reading who acts. by must be active and hold one of the roles; the system may all.
func (r *Registry) write(ctx context.Context, by string, may []Role, f func(tx *store.Tx, now time.Time) error) error {
	return r.db.Write(ctx, func(tx *store.Tx) error {
		now := r.clock.Now()
		if err := r.may(ctx, tx, by, may, now); err != nil {
			return err
		}
		return f(tx, now)
	})
}
