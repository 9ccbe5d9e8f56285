package records

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"writ/schedule"
	"writ/store"
	"writ/xmpp/jid"
)

// MaxGrant is the longest time for which a grant may be usable, MaxTargets the most accounts that one may name.
const (
	MaxGrant   = 30 * 24 * time.Hour
	MaxTargets = 1000
)

// The refusals of the gate. Each is wrapped with what exactly was wrong; each has a test.
var (
	ErrGrant        = errors.New("records: the grant is not well formed")
	ErrUnknown      = errors.New("records: no such grant")
	ErrTampered     = errors.New("records: the grant is not what was proposed")
	ErrClosed       = errors.New("records: the grant is closed")
	ErrExpired      = errors.New("records: the grant has expired")
	ErrUnsigned     = errors.New("records: two people have not signed")
	ErrSignature    = errors.New("records: the signature is not valid")
	ErrSamePerson   = errors.New("records: nobody signs twice")
	ErrSelfApproval = errors.New("records: nobody approves what they proposed")
	ErrVerifier     = errors.New("records: in an emergency the one who verified the request does not sign")
	ErrStanding     = errors.New("records: the standing does not allow it")
	ErrExport       = errors.New("records: a room's export broke its contract")
)

// Role is the part in which someone signs a grant. The desk gives it; that the two are distinct people is checked by person.
type Role string

// The two signatures that make a grant.
const (
	Reviewer Role = "reviewer"
	Approver Role = "approver"
)

// Grant is the scope of one extraction, as two people sign it. All its fields are under the signature.
type Grant struct {
	Case         string
	Proposer     string              // who drafted the scope; may sign as reviewer, never as approver
	Targets      []string            // bare JIDs
	Categories   []schedule.Category // producible ones
	From, To     time.Time           // window, To exclusive
	Expires      time.Time           // at most MaxGrant after the proposal
	Jurisdiction string
	Service      string
	Agency       string
	Instrument   string
	Process      schedule.Process // what the paper amounts to: no category and no field with a higher floor is opened
	Received     time.Time        // when the request came in: standings for new requests only ask
	Emergency    bool
	Verifier     string // who authenticated the request; must be known in an emergency
	Schedule     string // version of the record schedule; Propose sets it
}

// grantDoc is the canonical form: this order, UTC, lists sorted and without repetition.
type grantDoc struct {
	Type         string    `json:"type"`
	Case         string    `json:"case"`
	Proposer     string    `json:"proposer"`
	Targets      []string  `json:"targets"`
	Categories   []string  `json:"categories"`
	From         time.Time `json:"from"`
	To           time.Time `json:"to"`
	Expires      time.Time `json:"expires"`
	Jurisdiction string    `json:"jurisdiction"`
	Service      string    `json:"service"`
	Agency       string    `json:"agency"`
	Instrument   string    `json:"instrument"`
	Process      string    `json:"process"`
	Received     time.Time `json:"received"`
	Emergency    bool      `json:"emergency"`
	Verifier     string    `json:"verifier"`
	Schedule     string    `json:"schedule"`
}

const grantType = "writ extraction grant 1"

// Canonical is the byte form that is hashed and signed: JSON with fixed order of members, sorted lists, times in UTC to the
// microsecond. Two grants of the same scope have the same bytes.
func (g Grant) Canonical() []byte {
	utc := func(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
	d := grantDoc{Type: grantType, Case: g.Case, Proposer: g.Proposer, Targets: slices.Clone(g.Targets), From: utc(g.From), To: utc(g.To),
		Expires: utc(g.Expires), Jurisdiction: g.Jurisdiction, Service: g.Service, Agency: g.Agency, Instrument: g.Instrument,
		Process: string(g.Process), Received: utc(g.Received), Emergency: g.Emergency, Verifier: g.Verifier, Schedule: g.Schedule}
	for _, c := range g.Categories {
		d.Categories = append(d.Categories, string(c))
	}
	slices.Sort(d.Targets)
	slices.Sort(d.Categories)
	d.Targets, d.Categories = slices.Compact(d.Targets), slices.Compact(d.Categories)
	b, err := json.Marshal(d)
	if err != nil { // a year beyond 9999; Check refuses it first
		return nil
	}
	return b
}

// Hash is the SHA-256 of the canonical form: what the passkeys sign.
func (g Grant) Hash() [32]byte { return sha256.Sum256(g.Canonical()) }

// parseGrant reads a canonical form and refuses every other writing of the same grant.
func parseGrant(doc []byte) (Grant, error) {
	var d grantDoc
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return Grant{}, fmt.Errorf("%w: %w", ErrTampered, err)
	}
	g := Grant{Case: d.Case, Proposer: d.Proposer, Targets: d.Targets, From: d.From, To: d.To, Expires: d.Expires,
		Jurisdiction: d.Jurisdiction, Service: d.Service, Agency: d.Agency, Instrument: d.Instrument, Process: schedule.Process(d.Process), Received: d.Received,
		Emergency: d.Emergency, Verifier: d.Verifier, Schedule: d.Schedule}
	for _, c := range d.Categories {
		g.Categories = append(g.Categories, schedule.Category(c))
	}
	if !bytes.Equal(g.Canonical(), doc) {
		return Grant{}, fmt.Errorf("%w: the document is not canonical", ErrTampered)
	}
	return g, nil
}

// check refuses a grant that nobody should be asked to sign.
func (g Grant) check(now time.Time) error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: "+format, append([]any{ErrGrant}, args...)...))
	}
	for _, f := range []struct{ name, value string }{{"case", g.Case}, {"proposer", g.Proposer}, {"jurisdiction", g.Jurisdiction},
		{"service", g.Service}, {"agency", g.Agency}, {"instrument", g.Instrument}} {
		if f.value == "" || len(f.value) > 200 {
			bad("%s must have 1 to 200 bytes", f.name)
		}
	}
	if len(g.Targets) == 0 || len(g.Targets) > MaxTargets {
		bad("%d targets; allowed are 1 to %d", len(g.Targets), MaxTargets)
	}
	for _, t := range g.Targets {
		if j, err := jid.Parse(t); err != nil || j.String() != t || j.Bare() != j || !strings.Contains(t, "@") {
			bad("target %q is not the bare address of an account", t)
		}
	}
	if len(g.Categories) == 0 {
		bad("no categories")
	}
	for _, c := range g.Categories {
		if !c.Valid() || !c.Producible() {
			bad("category %q can never be produced", c)
		}
	}
	if !g.Process.Valid() || g.Process == schedule.Never {
		bad("process %q: allowed are subpoena, court-order and warrant", g.Process)
	}
	if g.From.IsZero() || !g.From.Before(g.To) || g.To.Year() > 9999 {
		bad("the window must begin before it ends")
	}
	if !g.Expires.After(now) || g.Expires.After(now.Add(MaxGrant)) {
		bad("the expiry must lie within %d days from now", int(MaxGrant.Hours()/24))
	}
	if g.Received.IsZero() || g.Received.After(now) {
		bad("the time of receipt must have passed")
	}
	if g.Emergency && g.Verifier == "" {
		bad("in an emergency the verifier must be named")
	}
	return errors.Join(errs...)
}

// Propose writes down a grant to be signed and returns its id and the hash that the two passkeys sign. A malformed grant is an
// ErrGrant that names every fault.
func (g *Gate) Propose(ctx context.Context, tx *store.Tx, grant Grant) (id string, hash [32]byte, err error) {
	now := g.r.clock.Now()
	if err := grant.check(now); err != nil {
		return "", hash, err
	}
	grant.Schedule = g.r.Schedule().Version()
	id, doc, hash := newID(), grant.Canonical(), grant.Hash()
	_, err = tx.Exec(ctx, `INSERT INTO gate_grant (id, case_id, document, hash, proposed) VALUES ($1, $2, $3, $4, $5)`,
		id, grant.Case, string(doc), hash[:], store.Time(now))
	if err != nil {
		return "", hash, fmt.Errorf("records: proposing a grant: %w", err)
	}
	return id, hash, nil
}

// Sign adds one person's signature in a role: a passkey assertion over the grant's hash. It refuses who has signed already, the
// proposer as approver, the verifier in an emergency, a role that is taken, and a grant that is closed, expired or altered.
func (g *Gate) Sign(ctx context.Context, tx *store.Tx, grantID, person string, role Role, assertion []byte) error {
	s, err := g.load(ctx, tx, grantID)
	if err != nil {
		return err
	}
	now := g.r.clock.Now()
	if err := s.usable(now); err != nil {
		return err
	}
	if role != Reviewer && role != Approver {
		return fmt.Errorf("%w: role %q; allowed are reviewer and approver", ErrSignature, role)
	}
	next := append(slices.Clone(s.signatures), signature{person: person, role: role})
	if err := distinct(s.Grant, next); err != nil {
		return err
	}
	if err := g.r.verifier.Verify(ctx, tx, person, s.Hash(), assertion); err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO gate_signature (grant_id, role, person, assertion, signed) VALUES ($1, $2, $3, $4, $5)`,
		grantID, string(role), person, assertion, store.Time(now))
	if err != nil {
		return fmt.Errorf("records: signing a grant: %w", err)
	}
	return nil
}

// Close ends a grant: after the release, or when the proposal is sent back. Nothing is extracted by it any more. Closing twice is
// no error.
func (g *Gate) Close(ctx context.Context, tx *store.Tx, grantID, why string) error {
	_, err := tx.Exec(ctx, `UPDATE gate_grant SET closed = $2, why = $3 WHERE id = $1 AND closed = 0`, grantID, store.Time(g.r.clock.Now()), why)
	if err != nil {
		return fmt.Errorf("records: closing a grant: %w", err)
	}
	return nil
}

type signature struct {
	person    string
	role      Role
	assertion []byte
}

// stored is a grant as the database has it, its hash recomputed.
type stored struct {
	Grant
	closed     bool
	why        string
	signatures []signature
}

// load reads a grant and its signatures. It fails with ErrTampered if the document, the hash or the case differ from each other.
func (g *Gate) load(ctx context.Context, r store.Reader, id string) (stored, error) {
	var s stored
	var caseID, doc string
	var hash []byte
	var closed int64
	err := r.QueryRow(ctx, `SELECT case_id, document, hash, closed, why FROM gate_grant WHERE id = $1`, id).Scan(&caseID, &doc, &hash, &closed, &s.why)
	if errors.Is(err, store.ErrNoRows) {
		return s, ErrUnknown
	}
	if err != nil {
		return s, fmt.Errorf("records: reading a grant: %w", err)
	}
	if s.Grant, err = parseGrant([]byte(doc)); err != nil {
		return s, err
	}
	if sum := s.Hash(); !bytes.Equal(sum[:], hash) || s.Case != caseID {
		return s, fmt.Errorf("%w: the hash does not fit", ErrTampered)
	}
	s.closed = closed != 0
	s.signatures, err = store.List(ctx, r, "records: reading signatures", func(row store.Scanner) (one signature, err error) {
		err = row.Scan(&one.role, &one.person, &one.assertion)
		return one, err
	}, `SELECT role, person, assertion FROM gate_signature WHERE grant_id = $1 ORDER BY signed, role`, id)
	return s, err
}

// usable refuses what is over.
func (s stored) usable(now time.Time) error {
	if s.closed {
		return fmt.Errorf("%w: %s", ErrClosed, s.why)
	}
	if !now.Before(s.Expires) {
		return fmt.Errorf("%w: on %s", ErrExpired, s.Expires.Format(time.RFC3339))
	}
	return nil
}

// distinct is the two-person rule over a set of signatures, by person and never by role alone.
func distinct(g Grant, signatures []signature) error {
	people, roles := map[string]bool{}, map[Role]bool{}
	for _, s := range signatures {
		switch {
		case s.person == "":
			return fmt.Errorf("%w: a signature without a person", ErrSignature)
		case people[s.person]:
			return fmt.Errorf("%w: %s", ErrSamePerson, s.person)
		case roles[s.role]:
			return fmt.Errorf("%w: the %s has signed", ErrSignature, s.role)
		case s.role == Approver && s.person == g.Proposer:
			return fmt.Errorf("%w: %s", ErrSelfApproval, s.person)
		case g.Emergency && s.person == g.Verifier:
			return fmt.Errorf("%w: %s", ErrVerifier, s.person)
		}
		people[s.person], roles[s.role] = true, true
	}
	return nil
}
