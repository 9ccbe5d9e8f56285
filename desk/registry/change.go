package registry

import (
	"context"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"writ/desk/law"
	"writ/store"
)

var (
	keepers = []Role{Intake, Admin}          // who keeps agencies and officers
	callers = []Role{Intake, Reviewer}       // who makes call-backs
	leaders = []Role{Admin, Executive}       // who grants roles
	stops   = []Role{Admin, Counsel, Intake} // who suspends
	phoneRE = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	idRE    = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
)

// check normalises an agency, or says which field is wrong.
func (a *Agency) check() error {
	a.Name = strings.TrimSpace(a.Name)
	if a.Name == "" || len(a.Name) > 200 {
		return law.Refuse("form.required", "name: 1 to 200 bytes")
	}
	j, ok := law.Jurisdiction(a.Jurisdiction)
	if !ok {
		return law.Refuse("form.unknown", fmt.Sprintf("jurisdiction %q: ISO 3166-1 alpha-2 or 3166-2", a.Jurisdiction))
	}
	a.Jurisdiction = j
	for i, d := range a.Domains {
		d = strings.ToLower(strings.TrimSpace(d))
		if d == "" || strings.ContainsAny(d, "@ /") || !strings.Contains(d, ".") {
			return law.Refuse("form.unknown", fmt.Sprintf("domain %q: a mail domain", d))
		}
		a.Domains[i] = d
	}
	if len(a.Domains) == 0 {
		return law.Refuse("form.required", "domains: at least one")
	}
	for i, n := range a.Numbers {
		n.Phone, n.Source = strings.NewReplacer(" ", "", "-", "").Replace(n.Phone), strings.TrimSpace(n.Source)
		if !phoneRE.MatchString(n.Phone) {
			return law.Refuse("form.unknown", fmt.Sprintf("number %q: international form, +85228602000", n.Phone))
		}
		if n.Source == "" {
			return law.Refuse("form.required", "number "+n.Phone+": where we found it")
		}
		a.Numbers[i] = n
	}
	if len(a.Numbers) == 0 {
		return law.Refuse("form.required", "numbers: at least one, independently sourced")
	}
	return checkRecipient(a.Recipient)
}

func checkRecipient(s string) error {
	if s == "" {
		return nil
	}
	if _, err := age.ParseRecipients(strings.NewReader(s)); err != nil || strings.ContainsAny(s, "\n\r #") {
		return law.Refuse("form.unknown", "recipient: a public key of age, age1…")
	}
	return nil
}

// AddAgency registers an agency and gives it an id if it has none.
func (r *Registry) AddAgency(ctx context.Context, by string, a Agency) (Agency, error) {
	if err := a.check(); err != nil {
		return a, err
	}
	if a.ID == "" {
		a.ID = NewID("ag")
	}
	if !idRE.MatchString(a.ID) {
		return a, law.Refuse("form.unknown", "id: lower-case letters, digits, . _ -")
	}
	err := r.write(ctx, by, keepers, func(tx *store.Tx, now time.Time) error {
		a.Created = now
		n, err := tx.Exec(ctx, `INSERT INTO registry_agency (`+agencyColumns+`) VALUES ($1, $2, $3, $4, $5, $6, 0, '', $7) ON CONFLICT DO NOTHING`,
			a.ID, a.Name, a.Jurisdiction, list(a.Domains), list(a.Numbers), a.Recipient, store.Time(now))
		if err != nil {
			return fmt.Errorf("registry: adding an agency: %w", err)
		}
		if n == 0 {
			return law.Refuse("form.unknown", "id: taken")
		}
		return note(ctx, tx, now, by, "agency added", a.ID, a.Jurisdiction)
	})
	return a, err
}

// ChangeAgency changes name, domains, numbers and key of an agency. The jurisdiction never changes: that is another agency.
func (r *Registry) ChangeAgency(ctx context.Context, by string, a Agency) error {
	if err := a.check(); err != nil {
		return err
	}
	return r.write(ctx, by, keepers, func(tx *store.Tx, now time.Time) error {
		old, err := GetAgency(ctx, tx, a.ID)
		if err != nil {
			return err
		}
		if old.Jurisdiction != a.Jurisdiction {
			return law.Refuse("form.unknown", "jurisdiction: never changes")
		}
		if _, err = tx.Exec(ctx, `UPDATE registry_agency SET name = $2, domains = $3, numbers = $4, recipient = $5 WHERE id = $1`,
			a.ID, a.Name, list(a.Domains), list(a.Numbers), a.Recipient); err != nil {
			return fmt.Errorf("registry: changing an agency: %w", err)
		}
		return note(ctx, tx, now, by, "agency changed", a.ID, "was: "+list(old.Domains)+" "+list(old.Numbers)+" "+old.Recipient)
	})
}

// AddOfficer registers an officer of an agency. The mail address must be of one of the agency's domains. The account is new until
// a call-back confirms it, and expires after OfficerTerm.
func (r *Registry) AddOfficer(ctx context.Context, by string, p Person) (Person, error) {
	p.Name, p.Mail = strings.TrimSpace(p.Name), strings.ToLower(strings.TrimSpace(p.Mail))
	if p.Name == "" || len(p.Name) > 200 {
		return p, law.Refuse("form.required", "name: 1 to 200 bytes")
	}
	m, err := mail.ParseAddress(p.Mail)
	if err != nil || m.Address != p.Mail {
		return p, law.Refuse("form.unknown", "mail: a mail address")
	}
	if p.ID == "" {
		p.ID = NewID("of")
	}
	if !idRE.MatchString(p.ID) || p.ID == SystemPerson {
		return p, law.Refuse("form.unknown", "id: lower-case letters, digits, . _ -")
	}
	p.Roles, p.Verified, p.Suspended = []Role{Officer}, time.Time{}, time.Time{}
	err = r.write(ctx, by, keepers, func(tx *store.Tx, now time.Time) error {
		a, err := GetAgency(ctx, tx, p.Agency)
		if err != nil {
			return err
		}
		if !slices.Contains(a.Domains, p.Mail[strings.LastIndexByte(p.Mail, '@')+1:]) {
			return law.Refuse("form.unknown", "mail: an address of "+strings.Join(a.Domains, ", "))
		}
		p.Created, p.Expires = now, now.Add(OfficerTerm)
		if err := insertPerson(ctx, tx, p); err != nil {
			return err
		}
		return note(ctx, tx, now, by, "officer added", p.ID, p.Agency)
	})
	return p, err
}

func insertPerson(ctx context.Context, tx *store.Tx, p Person) error {
	n, err := tx.Exec(ctx, `INSERT INTO registry_person (`+personColumns+`) VALUES ($1, $2, $3, $4, $5, $6, 0, '', $7, $8, 0) ON CONFLICT DO NOTHING`,
		p.ID, p.Name, p.Mail, words(p.Roles), p.Agency, p.Badge, store.Time(p.Created), store.Time(p.Expires))
	if err != nil {
		return fmt.Errorf("registry: adding a person: %w", err)
	}
	if n == 0 {
		return law.Refuse("form.unknown", "id: taken")
	}
	return nil
}

// Renew gives an officer's account another term; the call-back that confirmed them counts on.
func (r *Registry) Renew(ctx context.Context, by, officer string) error {
	return r.write(ctx, by, keepers, func(tx *store.Tx, now time.Time) error {
		if _, err := tx.Exec(ctx, `UPDATE registry_person SET expires = $2 WHERE id = $1 AND agency <> ''`, officer, store.Time(now.Add(OfficerTerm))); err != nil {
			return fmt.Errorf("registry: renewing an officer: %w", err)
		}
		return note(ctx, tx, now, by, "officer renewed", officer, "")
	})
}

// AddStaff adds a member of the staff without roles; roles are then proposed and confirmed by two people. Only the system (the
// operator at the command line) may add one with roles: that is how a house begins.
func (r *Registry) AddStaff(ctx context.Context, by string, p Person) (Person, error) {
	if p.ID == "" {
		p.ID = NewID("st")
	}
	p.Name = strings.TrimSpace(p.Name)
	if !idRE.MatchString(p.ID) || p.ID == SystemPerson || p.Name == "" {
		return p, law.Refuse("form.required", "id (lower-case letters, digits, . _ -) and name")
	}
	if err := checkRoles(p.Roles); err != nil {
		return p, err
	}
	if len(p.Roles) > 0 && by != SystemPerson {
		return p, law.Refuse("state.role", "roles are granted by two people")
	}
	p.Agency, p.Badge, p.Expires = "", "", time.Time{}
	err := r.write(ctx, by, leaders, func(tx *store.Tx, now time.Time) error {
		p.Created = now
		if err := insertPerson(ctx, tx, p); err != nil {
			return err
		}
		return note(ctx, tx, now, by, "staff added", p.ID, words(p.Roles))
	})
	return p, err
}

func checkRoles(roles []Role) error {
	for _, x := range roles {
		if !slices.Contains(StaffRoles(), x) {
			return law.Refuse("form.unknown", fmt.Sprintf("role %q: one of %s", x, words(StaffRoles())))
		}
	}
	return nil
}

// ProposeRoles is the first of two people who change what a member of the staff may do. It gives the proposal's id.
func (r *Registry) ProposeRoles(ctx context.Context, by, person string, roles []Role) (string, error) {
	if err := checkRoles(roles); err != nil {
		return "", err
	}
	id := NewID("rp")
	err := r.write(ctx, by, leaders, func(tx *store.Tx, now time.Time) error {
		p, err := GetPerson(ctx, tx, person)
		if err != nil {
			return err
		}
		if by == person {
			return law.Refuse("sign.same_person", "nobody changes their own roles")
		}
		if p.Agency != "" {
			return law.Refuse("form.unknown", "an officer has no staff role")
		}
		if _, err := tx.Exec(ctx, `INSERT INTO registry_proposal (id, person, roles, proposer, at, confirmer, confirmed) VALUES ($1, $2, $3, $4, $5, '', 0)`,
			id, person, words(roles), by, store.Time(now)); err != nil {
			return fmt.Errorf("registry: proposing roles: %w", err)
		}
		return note(ctx, tx, now, by, "roles proposed", person, words(roles))
	})
	return id, err
}

// ConfirmRoles is the second: another person, and not the one who gets the roles.
func (r *Registry) ConfirmRoles(ctx context.Context, by, proposal string) error {
	return r.write(ctx, by, leaders, func(tx *store.Tx, now time.Time) error {
		var person, roles, proposer string
		var confirmed int64
		err := tx.QueryRow(ctx, `SELECT person, roles, proposer, confirmed FROM registry_proposal WHERE id = $1`, proposal).Scan(&person, &roles, &proposer, &confirmed)
		if err == store.ErrNoRows {
			return ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("registry: confirming roles: %w", err)
		}
		switch {
		case confirmed != 0:
			return law.Refuse("state.not_offered", "confirmed already")
		case by == proposer || by == person:
			return law.Refuse("sign.same_person", "")
		}
		if _, err := tx.Exec(ctx, `UPDATE registry_proposal SET confirmer = $2, confirmed = $3 WHERE id = $1`, proposal, by, store.Time(now)); err != nil {
			return fmt.Errorf("registry: confirming roles: %w", err)
		}
		if _, err := tx.Exec(ctx, `UPDATE registry_person SET roles = $2 WHERE id = $1`, person, roles); err != nil {
			return fmt.Errorf("registry: confirming roles: %w", err)
		}
		return note(ctx, tx, now, by, "roles confirmed", person, roles)
	})
}

// RecordCallBack records a call to one of the agency's own numbers. A confirmed one confirms the officer for CallBackTerm.
func (r *Registry) RecordCallBack(ctx context.Context, by string, c CallBack) (CallBack, error) {
	c.ID, c.By = NewID("cb"), by
	c.Number = strings.NewReplacer(" ", "", "-", "").Replace(c.Number)
	if c.Result != Confirmed && c.Result != Denied && c.Result != NoAnswer {
		return c, law.Refuse("form.unknown", "result: confirmed, denied or no_answer")
	}
	if c.Result != NoAnswer && strings.TrimSpace(c.SpokeTo) == "" {
		return c, law.Refuse("form.required", "spoke to: the function of who answered")
	}
	err := r.write(ctx, by, callers, func(tx *store.Tx, now time.Time) error {
		c.At = now
		p, err := GetPerson(ctx, tx, c.Officer)
		if err != nil {
			return err
		}
		a, err := GetAgency(ctx, tx, p.Agency)
		if err != nil {
			return err
		}
		c.Agency = a.ID
		if !slices.ContainsFunc(a.Numbers, func(n Number) bool { return n.Phone == c.Number }) {
			return law.Refuse("auth.callback", "number: one of the registry's own for "+a.Name)
		}
		if _, err := tx.Exec(ctx, `INSERT INTO registry_callback (id, agency, officer, case_id, number, caller, spoke_to, result, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			c.ID, c.Agency, c.Officer, c.Case, c.Number, c.By, c.SpokeTo, c.Result, store.Time(now)); err != nil {
			return fmt.Errorf("registry: recording a call-back: %w", err)
		}
		if c.Result == Confirmed {
			if _, err := tx.Exec(ctx, `UPDATE registry_person SET verified = $2 WHERE id = $1`, c.Officer, store.Time(now)); err != nil {
				return fmt.Errorf("registry: recording a call-back: %w", err)
			}
		}
		return note(ctx, tx, now, by, "call-back "+c.Result, c.Officer, c.ID)
	})
	return c, err
}

// Suspend stops an agency, with all its officers, or one person. Reinstate lifts it; after a fraud verdict the agency's officers
// must be called back anew, so their confirmation is taken away.
func (r *Registry) Suspend(ctx context.Context, by, id, reason string) error {
	return r.write(ctx, by, stops, func(tx *store.Tx, now time.Time) error { return SuspendIn(ctx, tx, now, by, id, reason) })
}

// SuspendIn is Suspend inside a transaction of the desk, which has checked who may.
func SuspendIn(ctx context.Context, tx *store.Tx, now time.Time, by, id, reason string) error {
	var n int64
	for _, table := range []string{"registry_agency", "registry_person"} {
		k, err := tx.Exec(ctx, `UPDATE `+table+` SET suspended = $2, reason = $3 WHERE id = $1 AND suspended = 0`, id, store.Time(now), reason)
		if err != nil {
			return fmt.Errorf("registry: suspending: %w", err)
		}
		n += k
	}
	if _, err := tx.Exec(ctx, `UPDATE registry_person SET verified = 0 WHERE agency = $1`, id); err != nil {
		return fmt.Errorf("registry: suspending: %w", err)
	}
	if n == 0 {
		return nil // suspended already: a second verdict changes nothing
	}
	return note(ctx, tx, now, by, "suspended", id, reason)
}

// Reinstate lifts a suspension. Who suspended someone does not reinstate them alone by another role: the history shows both.
func (r *Registry) Reinstate(ctx context.Context, by, id, reason string) error {
	return r.write(ctx, by, leaders, func(tx *store.Tx, now time.Time) error {
		if by == id {
			return law.Refuse("sign.same_person", "")
		}
		for _, table := range []string{"registry_agency", "registry_person"} {
			if _, err := tx.Exec(ctx, `UPDATE `+table+` SET suspended = 0, reason = '' WHERE id = $1`, id); err != nil {
				return fmt.Errorf("registry: reinstating: %w", err)
			}
		}
		return note(ctx, tx, now, by, "reinstated", id, reason)
	})
}

// Enrol has make give an officer a way to register a passkey, in the same transaction as the line of the history that says who had it
// made. Only officers: a link for the staff is made at the machine.
func (r *Registry) Enrol(ctx context.Context, by, officer string, make func(tx *store.Tx, p Person) error) error {
	return r.write(ctx, by, keepers, func(tx *store.Tx, now time.Time) error {
		p, err := GetPerson(ctx, tx, officer)
		if err != nil {
			return err
		}
		if p.Agency == "" {
			return ErrNotFound
		}
		if !p.Active(now) {
			return law.Refuse("auth.suspended", p.ID)
		}
		if err := make(tx, p); err != nil {
			return err
		}
		return note(ctx, tx, now, by, "passkey link made", officer, "")
	})
}
