// Package diligence holds assessments: the record of human-rights due diligence behind a standing.
//
// Invariants: a version never changes, a change is a new version; an active version has the signatures of counsel,
// human-rights lead and executive, who are three people; the newest such version is the active one, older ones are superseded.
package diligence

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"writ/clock"
	"writ/desk/law"
	"writ/desk/registry"
	"writ/schedule"
	"writ/store"
)

// Status of a version.
type Status string

// The states of a version.
const (
	Draft      Status = "draft"
	Active     Status = "active"
	Superseded Status = "superseded"
)

// MaxReview is the longest time until an assessment is reviewed.
const MaxReview = 90 * 24 * time.Hour

// Assessment is one version of one due diligence record. The part that is signed is Content.
type Assessment struct {
	ID         string
	Version    int
	Status     Status
	Content    Content
	Author     string
	Created    time.Time
	Hash       [32]byte // what is signed
	Signatures []Signature
}

// Content is what an assessment says.
type Content struct {
	Trigger     string         `json:"trigger"`
	TriggerDate time.Time      `json:"trigger_date"`
	Scope       Scope          `json:"scope"`
	Facts       []Fact         `json:"facts"`
	Rights      []string       `json:"rights"` // rights affected
	Groups      []string       `json:"groups"` // affected groups
	Risks       []Risk         `json:"risks"`
	Consulted   []Consultation `json:"consulted"`
	Options     []Option       `json:"options"`
	StaffSafety string         `json:"staff_safety"` // and the risk of being blocked
	Decision    string         `json:"decision"`
	Exceptions  []string       `json:"exceptions"`
	Interim     string         `json:"interim"` // preserve, acknowledge, what the agency is told
	Mitigation  string         `json:"mitigation"`
	Review      time.Time      `json:"review"`
	Resume      []string       `json:"resume"` // checkable statements
	Dissent     string         `json:"dissent"`
	Publication string         `json:"publication"` // text for the public
}

// Scope of an assessment.
type Scope struct {
	Jurisdictions []string `json:"jurisdictions"`
	Agencies      []string `json:"agencies"`
	Statutes      []string `json:"statutes"`
	Offences      []string `json:"offences"`
	Processes     []string `json:"processes"`
	Categories    []string `json:"categories"`
	Products      []string `json:"products"`
}

// Fact is a statement with its source.
type Fact struct {
	Text   string `json:"text"`
	Source string `json:"source"`
}

// Risk is severity (scale, scope, remediability) × likelihood, each 1 to 5, to people and not to the business.
type Risk struct {
	Text          string `json:"text"`
	Scale         int    `json:"scale"`
	Scope         int    `json:"scope"`
	Remediability int    `json:"remediability"` // 5: cannot be made good
	Likelihood    int    `json:"likelihood"`
}

// Weight is the largest of the three parts of severity times likelihood, 1 to 25.
func (r Risk) Weight() int { return max(r.Scale, r.Scope, r.Remediability) * r.Likelihood }

// Consultation names who was heard. The name may be sealed, the date never.
type Consultation struct {
	Who    string    `json:"who"`
	Sealed bool      `json:"sealed"`
	Date   time.Time `json:"date"`
	Said   string    `json:"said"`
}

// Option is a course that was weighed, and why it was rejected; empty: the one chosen.
type Option struct {
	Text     string `json:"text"`
	Rejected string `json:"rejected"`
}

// Signature is a passkey assertion over the version's hash.
type Signature struct {
	Person, Role string
	At           time.Time
}

// Verifier checks a passkey assertion over a hash.
type Verifier interface {
	Verify(ctx context.Context, tx *store.Tx, person string, hash [32]byte, assertion []byte) error
}

// ErrNotFound is the answer for an unknown assessment.
var ErrNotFound = errors.New("diligence: no such assessment")

// Signers are the roles that sign a version.
func Signers() []registry.Role {
	return []registry.Role{registry.Counsel, registry.Rights, registry.Executive}
}

//go:embed schema/*.sql
var files embed.FS

// Schema is the room's tables.
func Schema() store.Schema { return store.Schema{Room: "diligence", FS: files} }

// Data declares what the room keeps.
func Data() []schedule.Datum {
	return []schedule.Datum{{Name: "assessments", Category: schedule.StaffActions, Tables: []string{"diligence_version", "diligence_signature"},
		Fields:  []schedule.Field{{Name: "assessment", Meaning: "What was assessed, who was heard, what was decided and why."}, {Name: "signature", Meaning: "Which member of the staff signed it, in which role, when."}},
		Purpose: "To answer for how requests of a jurisdiction are treated.", Retention: schedule.Permanent, Process: schedule.Never,
		Never: "It is the house's own file about its work, not a record of a person's use of the service."}}
}

// Book is the book of assessments. Its methods are safe for concurrent use.
type Book struct {
	db    *store.DB
	clock clock.Clock
	keys  Verifier
}

// New makes a book.
func New(db *store.DB, c clock.Clock, keys Verifier) *Book {
	return &Book{db: db, clock: c, keys: keys}
}

// check says which field is wrong.
func (c *Content) check(now time.Time) error {
	need := func(v, field string) error {
		if strings.TrimSpace(v) == "" || len(v) > 20000 {
			return law.Refuse("form.required", field+": 1 to 20000 bytes")
		}
		return nil
	}
	for field, v := range map[string]string{"trigger": c.Trigger, "decision": c.Decision, "staff_safety": c.StaffSafety, "interim": c.Interim, "publication": c.Publication} {
		if err := need(v, field); err != nil {
			return err
		}
	}
	for i, j := range c.Scope.Jurisdictions {
		code, ok := law.Jurisdiction(j)
		if !ok {
			return law.Refuse("form.unknown", fmt.Sprintf("jurisdiction %q: ISO 3166-1 alpha-2 or 3166-2", j))
		}
		c.Scope.Jurisdictions[i] = code
	}
	if len(c.Scope.Jurisdictions) == 0 || len(c.Rights) == 0 || len(c.Risks) == 0 || len(c.Options) == 0 || len(c.Resume) == 0 || len(c.Facts) == 0 {
		return law.Refuse("form.required", "scope.jurisdictions, facts, rights, risks, options and resume: at least one each")
	}
	for _, r := range c.Risks {
		for _, n := range []int{r.Scale, r.Scope, r.Remediability, r.Likelihood} {
			if n < 1 || n > 5 {
				return law.Refuse("form.unknown", "risk "+r.Text+": each part from 1 to 5")
			}
		}
	}
	for _, x := range c.Consulted {
		if x.Date.IsZero() {
			return law.Refuse("form.bad_time", "consulted: the date is never left out")
		}
	}
	if c.TriggerDate.IsZero() {
		return law.Refuse("form.bad_time", "trigger_date: needed")
	}
	if c.Review.IsZero() {
		c.Review = now.Add(MaxReview)
	}
	if !c.Review.After(now) || c.Review.After(now.Add(MaxReview)) {
		return law.Refuse("form.bad_time", "review: within 90 days")
	}
	return nil
}

func may(ctx context.Context, rd store.Reader, by string, roles []registry.Role, now time.Time) error {
	p, err := registry.GetPerson(ctx, rd, by)
	if err != nil || !slices.ContainsFunc(roles, p.Has) {
		return law.Refuse("state.role", by)
	}
	if !p.Active(now) {
		return law.Refuse("auth.suspended", by)
	}
	return nil
}

// Write adds a version: the first of a new assessment when id is empty, else the next of that one.
func (b *Book) Write(ctx context.Context, by, id string, c Content) (Assessment, error) {
	now := b.clock.Now()
	if err := c.check(now); err != nil {
		return Assessment{}, err
	}
	fresh := id == ""
	if fresh {
		id = registry.NewID("as")
	}
	a := Assessment{ID: id, Status: Draft, Content: c, Author: by, Created: now}
	err := b.db.Write(ctx, func(tx *store.Tx) error {
		if err := may(ctx, tx, by, Signers(), now); err != nil {
			return err
		}
		var last int
		if err := tx.QueryRow(ctx, `SELECT coalesce(max(version), 0) FROM diligence_version WHERE id = $1`, id).Scan(&last); err != nil {
			return fmt.Errorf("diligence: writing: %w", err)
		}
		if last == 0 && !fresh {
			return ErrNotFound
		}
		a.Version = last + 1
		doc, err := json.Marshal(struct {
			Type    string  `json:"type"`
			ID      string  `json:"id"`
			Version int     `json:"version"`
			Content Content `json:"content"`
		}{"writ assessment 1", id, a.Version, c})
		if err != nil {
			return law.Refuse("form.bad_time", err.Error())
		}
		a.Hash = sha256.Sum256(doc)
		_, err = tx.Exec(ctx, `INSERT INTO diligence_version (id, version, document, hash, author, created) VALUES ($1, $2, $3, $4, $5, $6)`,
			id, a.Version, string(doc), a.Hash[:], by, store.Time(now))
		if err != nil {
			return fmt.Errorf("diligence: writing: %w", err)
		}
		return nil
	})
	return a, err
}

// Sign adds a signature: a passkey assertion over the version's hash by a person who holds the role now. Only the newest version
// is signed; with the third signature it becomes the active one.
func (b *Book) Sign(ctx context.Context, by, id string, version int, role registry.Role, assertion []byte) (Assessment, error) {
	var a Assessment
	err := b.db.Write(ctx, func(tx *store.Tx) error {
		now := b.clock.Now()
		vs, err := versions(ctx, tx, id)
		if err != nil {
			return err
		}
		if len(vs) == 0 {
			return ErrNotFound
		}
		a = vs[0]
		if a.Version != version || a.Status != Draft {
			return law.Refuse("state.not_offered", "only the newest version, and only once")
		}
		if !slices.Contains(Signers(), role) {
			return law.Refuse("state.role", string(role))
		}
		for _, s := range a.Signatures {
			if s.Person == by {
				return law.Refuse("sign.same_person", "")
			}
			if s.Role == string(role) {
				return law.Refuse("state.not_offered", "signed as "+s.Role+" already")
			}
		}
		if err := may(ctx, tx, by, []registry.Role{role}, now); err != nil {
			return err
		}
		if err := b.keys.Verify(ctx, tx, by, a.Hash, assertion); err != nil {
			return law.Refuse("sign.invalid", err.Error())
		}
		if _, err := tx.Exec(ctx, `INSERT INTO diligence_signature (id, version, role, person, assertion, at) VALUES ($1, $2, $3, $4, $5, $6)`,
			id, version, string(role), by, assertion, store.Time(now)); err != nil {
			return fmt.Errorf("diligence: signing: %w", err)
		}
		if vs, err = versions(ctx, tx, id); err == nil {
			a = vs[0]
		}
		return err
	})
	return a, err
}

// versions lists the versions of an assessment, newest first, with their status.
func versions(ctx context.Context, rd store.Reader, id string) ([]Assessment, error) {
	out, err := store.List(ctx, rd, "diligence: reading", func(row store.Scanner) (Assessment, error) {
		a := Assessment{ID: id}
		var doc string
		var hash []byte
		var created int64
		if err := row.Scan(&a.Version, &doc, &hash, &a.Author, &created); err != nil {
			return a, err
		}
		var d struct{ Content Content }
		if err := json.Unmarshal([]byte(doc), &d); err != nil {
			return a, err
		}
		a.Hash = sha256.Sum256([]byte(doc))
		if string(hash) != string(a.Hash[:]) {
			return a, fmt.Errorf("assessment %s version %d is not what was signed", id, a.Version)
		}
		a.Content, a.Created = d.Content, store.FromTime(created)
		return a, nil
	}, `SELECT version, document, hash, author, created FROM diligence_version WHERE id = $1 ORDER BY version DESC`, id)
	if err != nil {
		return nil, err
	}
	active := false
	for i := range out {
		if out[i].Signatures, err = signatures(ctx, rd, id, out[i].Version); err != nil {
			return nil, err
		}
		switch {
		case len(out[i].Signatures) < len(Signers()) && !active:
			out[i].Status = Draft
		case active || len(out[i].Signatures) < len(Signers()):
			out[i].Status = Superseded
		default:
			out[i].Status, active = Active, true
		}
	}
	return out, nil
}

func signatures(ctx context.Context, rd store.Reader, id string, version int) ([]Signature, error) {
	return store.List(ctx, rd, "diligence: reading signatures", func(row store.Scanner) (Signature, error) {
		var s Signature
		var at int64
		err := row.Scan(&s.Person, &s.Role, &at)
		s.At = store.FromTime(at)
		return s, err
	}, `SELECT person, role, at FROM diligence_signature WHERE id = $1 AND version = $2 ORDER BY at, role`, id, version)
}

// Versions lists the versions of an assessment, newest first.
func (b *Book) Versions(ctx context.Context, id string) ([]Assessment, error) {
	vs, err := versions(ctx, b.db, id)
	if err == nil && len(vs) == 0 {
		err = ErrNotFound
	}
	return vs, err
}

// List gives the newest version of each assessment, newest first.
func (b *Book) List(ctx context.Context) ([]Assessment, error) {
	ids, err := store.Column[string](ctx, b.db, "diligence: listing", `SELECT id FROM diligence_version WHERE version = 1 ORDER BY created DESC, id`)
	if err != nil {
		return nil, err
	}
	var out []Assessment
	for _, id := range ids {
		vs, err := versions(ctx, b.db, id)
		if err != nil {
			return nil, err
		}
		out = append(out, vs[0])
	}
	return out, nil
}

// IsActive reports whether the assessment has an active version. A new draft on top of it takes nothing away.
func IsActive(ctx context.Context, rd store.Reader, id string) (bool, error) {
	if id == "" {
		return false, nil
	}
	vs, err := versions(ctx, rd, id)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(vs, func(a Assessment) bool { return a.Status == Active }), nil
}
