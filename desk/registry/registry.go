// Package registry holds who the desk deals with: agencies, their officers, and the desk's own staff with roles.
//
// An agency is authenticated by a call to a number that we found ourselves, never by one that stands in a request
// (a domain match is necessary, never sufficient); the call-back is a record with its maker. An officer account is
// new for a cool-down, expires, and falls with its agency. A fraud verdict suspends the agency; package desk then
// freezes its open cases.
//
// Invariants: the number called is the registry's own; a suspended or expired officer files nothing; roles are
// granted by two people; every change is a row of an append-only history.
package registry

import "time"

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

// Agency is a public body that files requests.
type Agency struct {
	ID           string
	Name         string
	Jurisdiction string   // ISO 3166-1 alpha-2, or 3166-2
	Domains      []string // mail domains, lower case A-labels
	Numbers      []Number // call-back numbers, independently sourced
	Recipient    string   // age recipient ("age1…"), empty: packages are delivered without age
	Suspended    bool
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
	Suspended bool
	Created   time.Time
	Expires   time.Time // officers only: account expiry
	Verified  time.Time // officers only: the last call-back that confirmed them; zero: never
}

// CallBack is the record of one authentication by telephone.
type CallBack struct {
	ID      string
	Agency  string
	Officer string // the officer it confirmed
	Case    string // the case it was made for, empty for a registration
	Number  string // must be one of the agency's Numbers
	By      string // who called
	SpokeTo string // the person's function who answered, e.g. "duty sergeant"
	Result  string // confirmed, denied, no_answer
	At      time.Time
}
