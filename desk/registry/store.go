package registry

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"writ/desk/law"
	"writ/store"
)

// NewID makes an id of a kind, such as "ag-7f3a…".
func NewID(kind string) string {
	var b [8]byte
	rand.Read(b[:])
	return kind + "-" + hex.EncodeToString(b[:])
}

// may refuses who does not hold one of the roles now.
func (r *Registry) may(ctx context.Context, rd store.Reader, by string, roles []Role, now time.Time) error {
	if by == SystemPerson {
		return nil
	}
	p, err := GetPerson(ctx, rd, by)
	if errors.Is(err, ErrNotFound) {
		return law.Refuse("state.role", "unknown person")
	}
	if err != nil {
		return err
	}
	if !p.Active(now) {
		return law.Refuse("auth.suspended", by)
	}
	if !slices.ContainsFunc(roles, p.Has) {
		return law.Refuse("state.role", by)
	}
	return nil
}

func note(ctx context.Context, tx *store.Tx, now time.Time, who, what, subject, detail string) error {
	_, err := tx.Exec(ctx, `INSERT INTO registry_history (at, who, what, subject, detail) VALUES ($1, $2, $3, $4, $5)`, store.Time(now), who, what, subject, detail)
	if err != nil {
		return fmt.Errorf("registry: writing the history: %w", err)
	}
	return nil
}

func list(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("registry: lists of strings always marshal: " + err.Error())
	}
	return string(b)
}

const agencyColumns = `id, name, jurisdiction, domains, numbers, recipient, suspended, reason, created`

func scanAgency(row store.Scanner) (Agency, error) {
	var a Agency
	var domains, numbers string
	var suspended, created int64
	if err := row.Scan(&a.ID, &a.Name, &a.Jurisdiction, &domains, &numbers, &a.Recipient, &suspended, &a.Reason, &created); err != nil {
		return a, err
	}
	a.Suspended, a.Created = store.FromTime(suspended), store.FromTime(created)
	return a, errors.Join(json.Unmarshal([]byte(domains), &a.Domains), json.Unmarshal([]byte(numbers), &a.Numbers))
}

// GetAgency reads one agency.
func GetAgency(ctx context.Context, r store.Reader, id string) (Agency, error) {
	a, err := scanAgency(r.QueryRow(ctx, `SELECT `+agencyColumns+` FROM registry_agency WHERE id = $1`, id))
	if errors.Is(err, store.ErrNoRows) {
		return a, ErrNotFound
	}
	if err != nil {
		return a, fmt.Errorf("registry: reading an agency: %w", err)
	}
	return a, nil
}

// Agency reads one agency.
func (r *Registry) Agency(ctx context.Context, id string) (Agency, error) {
	return GetAgency(ctx, r.db, id)
}

// Agencies lists all agencies by name.
func (r *Registry) Agencies(ctx context.Context) ([]Agency, error) {
	return store.List(ctx, r.db, "registry: listing agencies", scanAgency, `SELECT `+agencyColumns+` FROM registry_agency ORDER BY name, id`)
}

const personColumns = `id, name, mail, roles, agency, badge, suspended, reason, created, expires, verified`

func scanPerson(row store.Scanner) (Person, error) {
	var p Person
	var roles string
	var suspended, created, expires, verified int64
	if err := row.Scan(&p.ID, &p.Name, &p.Mail, &roles, &p.Agency, &p.Badge, &suspended, &p.Reason, &created, &expires, &verified); err != nil {
		return p, err
	}
	p.Suspended, p.Created, p.Expires, p.Verified = store.FromTime(suspended), store.FromTime(created), store.FromTime(expires), store.FromTime(verified)
	for _, s := range strings.Fields(roles) {
		p.Roles = append(p.Roles, Role(s))
	}
	return p, nil
}

// GetPerson reads one member of the staff or officer.
func GetPerson(ctx context.Context, r store.Reader, id string) (Person, error) {
	p, err := scanPerson(r.QueryRow(ctx, `SELECT `+personColumns+` FROM registry_person WHERE id = $1`, id))
	if errors.Is(err, store.ErrNoRows) {
		return p, ErrNotFound
	}
	if err != nil {
		return p, fmt.Errorf("registry: reading a person: %w", err)
	}
	return p, nil
}

// Person reads one member of the staff or officer.
func (r *Registry) Person(ctx context.Context, id string) (Person, error) {
	return GetPerson(ctx, r.db, id)
}

// Staff lists the members of the staff, Officers those of an agency ("" all), by name.
func (r *Registry) Staff(ctx context.Context) ([]Person, error) {
	return r.people(ctx, `WHERE agency = '' ORDER BY name, id`)
}

// Officers lists the officers of an agency, by name; of all agencies if it is empty.
func (r *Registry) Officers(ctx context.Context, agency string) ([]Person, error) {
	if agency == "" {
		return r.people(ctx, `WHERE agency <> '' ORDER BY name, id`)
	}
	return r.people(ctx, `WHERE agency = $1 ORDER BY name, id`, agency)
}

func (r *Registry) people(ctx context.Context, where string, args ...any) ([]Person, error) {
	return store.List(ctx, r.db, "registry: listing people", scanPerson, `SELECT `+personColumns+` FROM registry_person `+where, args...)
}

// CountStaffed says how many distinct active people hold the role of reviewer, how many that of approver, and how many either:
// the desk opens when two people can make a release.
func CountStaffed(ctx context.Context, r store.Reader, now time.Time) (reviewers, approvers, either int, err error) {
	people, err := store.Column[string](ctx, r, "registry: counting the staff", `SELECT roles FROM registry_person WHERE agency = '' AND suspended = 0`)
	for _, roles := range people {
		rv, ap := hasWord(roles, string(Reviewer)), hasWord(roles, string(Approver))
		if rv {
			reviewers++
		}
		if ap {
			approvers++
		}
		if rv || ap {
			either++
		}
	}
	return reviewers, approvers, either, err
}

func hasWord(s, w string) bool { return slices.Contains(strings.Fields(s), w) }

func words(roles []Role) string {
	s := make([]string, len(roles))
	for i, r := range roles {
		s[i] = string(r)
	}
	return strings.Join(s, " ")
}

const callBackColumns = `id, agency, officer, case_id, number, caller, spoke_to, result, at`

func scanCallBack(row store.Scanner) (c CallBack, err error) {
	var at int64
	err = row.Scan(&c.ID, &c.Agency, &c.Officer, &c.Case, &c.Number, &c.By, &c.SpokeTo, &c.Result, &at)
	c.At = store.FromTime(at)
	return c, err
}

// GetCallBack reads one call-back.
func GetCallBack(ctx context.Context, r store.Reader, id string) (CallBack, error) {
	c, err := scanCallBack(r.QueryRow(ctx, `SELECT `+callBackColumns+` FROM registry_callback WHERE id = $1`, id))
	if errors.Is(err, store.ErrNoRows) {
		return c, ErrNotFound
	}
	if err != nil {
		return c, fmt.Errorf("registry: reading a call-back: %w", err)
	}
	return c, nil
}

// CallBacks lists the call-backs about an officer, newest first.
func (r *Registry) CallBacks(ctx context.Context, officer string) ([]CallBack, error) {
	return store.List(ctx, r.db, "registry: listing call-backs", scanCallBack, `SELECT `+callBackColumns+` FROM registry_callback WHERE officer = $1 ORDER BY at DESC, id`, officer)
}

// History lists the newest changes, at most limit.
func (r *Registry) History(ctx context.Context, limit int) ([]Change, error) {
	return store.List(ctx, r.db, "registry: reading the history", func(row store.Scanner) (Change, error) {
		var c Change
		var at int64
		err := row.Scan(&at, &c.Who, &c.What, &c.Subject, &c.Detail)
		c.At = store.FromTime(at)
		return c, err
	}, `SELECT at, who, what, subject, detail FROM registry_history ORDER BY seq DESC LIMIT $1`, limit)
}

// Proposal is a change of roles that waits for the second person.
type Proposal struct {
	ID       string
	Person   string
	Roles    []Role
	Proposer string
	At       time.Time
}

// Proposals lists the changes of roles that wait, oldest first.
func (r *Registry) Proposals(ctx context.Context) ([]Proposal, error) {
	return store.List(ctx, r.db, "registry: listing proposals", func(row store.Scanner) (Proposal, error) {
		var p Proposal
		var roles string
		var at int64
		err := row.Scan(&p.ID, &p.Person, &roles, &p.Proposer, &at)
		p.At = store.FromTime(at)
		for _, s := range strings.Fields(roles) {
			p.Roles = append(p.Roles, Role(s))
		}
		return p, err
	}, `SELECT id, person, roles, proposer, at FROM registry_proposal WHERE confirmed = 0 ORDER BY at, id`)
}
