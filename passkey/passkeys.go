package passkey

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"writ/clock"
	"writ/config"
	"writ/store"
)

//go:embed schema/*.sql
var schema embed.FS

// Schema is the room's migrations.
func Schema() store.Schema { return store.Schema{Room: "passkey", FS: schema} }

// Check reports the first value that is not allowed.
func (c Config) Check() error {
	if c.RPID == "" && len(c.Origins) == 0 {
		return nil // not used
	}
	if err := protocol.ValidateRPID(c.RPID); err != nil {
		return config.Invalid("rp_id", c.RPID, "the domain of the pages, such as desk.example.org, or localhost")
	}
	if len(c.Origins) == 0 {
		return config.Invalid("origins", "", "at least one origin, such as https://desk.example.org")
	}
	return nil
}

// Passkeys is the room. Safe for concurrent use.
type Passkeys struct {
	db    *store.DB
	clock clock.Clock
	w     *webauthn.WebAuthn
}

// ceremonyLife is how long a person has between the options and the answer.
const ceremonyLife = 5 * time.Minute

// Open makes the room. A nil clock is the system's.
func Open(db *store.DB, c Config, clk clock.Clock) (*Passkeys, error) {
	if clk == nil {
		clk = clock.System()
	}
	if c.Name == "" {
		c.Name = "Writ"
	}
	timeout := webauthn.TimeoutConfig{Timeout: ceremonyLife, TimeoutUVD: ceremonyLife}
	w, err := webauthn.New(&webauthn.Config{
		RPID: c.RPID, RPDisplayName: c.Name, RPOrigins: c.Origins,
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired,
		},
		Timeouts: webauthn.TimeoutsConfig{Login: timeout, Registration: timeout},
	})
	if err != nil {
		return nil, fmt.Errorf("passkey: the configuration: %w", err)
	}
	return &Passkeys{db: db, clock: clk, w: w}, nil
}

// user is a person with credentials, as the library wants it.
type user struct {
	id, name string
	creds    []webauthn.Credential
}

func (u *user) WebAuthnID() []byte                         { return []byte(u.id) }
func (u *user) WebAuthnName() string                       { return u.name }
func (u *user) WebAuthnDisplayName() string                { return u.name }
func (u *user) WebAuthnCredentials() []webauthn.Credential { return u.creds }

// load reads the person's credentials that are not removed.
func load(ctx context.Context, r store.Reader, person, name string) (*user, error) {
	u := &user{id: person, name: name}
	err := store.Each(ctx, r, "passkey: reading credentials", func(row store.Scanner) error {
		var b []byte
		var count uint32
		if err := row.Scan(&b, &count); err != nil {
			return err
		}
		var c webauthn.Credential
		if err := json.Unmarshal(b, &c); err != nil {
			return err
		}
		c.Authenticator.SignCount, c.Authenticator.CloneWarning = count, false
		u.creds = append(u.creds, c)
		return nil
	}, `SELECT record, sign_count FROM passkey_credential WHERE person = $1 AND removed = 0 ORDER BY created, id`, person)
	return u, err
}

// ceremony is what the caller keeps, on the server's side, between the options and the answer. Its content is this room's.
type ceremony struct {
	Session webauthn.SessionData `json:"session"`
	Person  string               `json:"person,omitempty"`
	Name    string               `json:"name,omitempty"`
	Expires int64                `json:"expires"`
}

func (p *Passkeys) seal(s *webauthn.SessionData, person, name string) ([]byte, error) {
	b, err := json.Marshal(ceremony{*s, person, name, store.Time(p.clock.Now().Add(ceremonyLife))})
	if err != nil {
		return nil, fmt.Errorf("passkey: encoding a ceremony: %w", err)
	}
	return b, nil
}

func (p *Passkeys) unseal(b []byte) (ceremony, error) {
	var c ceremony
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("%w: there was no ceremony", ErrAssertion)
	}
	if store.Time(p.clock.Now()) >= c.Expires {
		return c, fmt.Errorf("%w: it took longer than %v", ErrAssertion, ceremonyLife)
	}
	return c, nil
}

// BeginRegister gives the options for navigator.credentials.create (JSON), and the ceremony to keep for FinishRegister. The caller has
// made sure that it talks to this person: by an enrolment, or by a session of theirs.
func (p *Passkeys) BeginRegister(ctx context.Context, person, name string) (options, kept []byte, err error) {
	if person == "" || len(person) > 64 {
		return nil, nil, fmt.Errorf("passkey: a person's id has 1 to 64 bytes, not %d", len(person))
	}
	u, err := load(ctx, p.db, person, name)
	if err != nil {
		return nil, nil, err
	}
	var known []protocol.CredentialDescriptor
	for _, c := range u.creds {
		known = append(known, c.Descriptor())
	}
	creation, session, err := p.w.BeginRegistration(u, webauthn.WithExclusions(known))
	if err != nil {
		return nil, nil, fmt.Errorf("passkey: beginning a registration: %w", err)
	}
	if options, err = json.Marshal(creation); err != nil {
		return nil, nil, fmt.Errorf("passkey: encoding options: %w", err)
	}
	kept, err = p.seal(session, person, name)
	return options, kept, err
}

// FinishRegister checks the answer to BeginRegister and stores the credential in the caller's transaction. label is what the person calls
// it. kept must be forgotten by the caller, whatever the outcome: a ceremony is answered once.
func (p *Passkeys) FinishRegister(ctx context.Context, tx *store.Tx, kept, answer []byte, label string) (Credential, error) {
	c, err := p.unseal(kept)
	if err != nil {
		return Credential{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return Credential{}, invalid(err)
	}
	cred, err := p.w.CreateCredential(&user{id: c.Person, name: c.Name}, c.Session, parsed)
	if err != nil {
		return Credential{}, invalid(err)
	}
	record, err := json.Marshal(cred)
	if err != nil {
		return Credential{}, fmt.Errorf("passkey: encoding a credential: %w", err)
	}
	out := Credential{ID: cred.ID, Person: c.Person, Label: clean(label), Created: p.clock.Now().UTC().Truncate(time.Microsecond), Count: cred.Authenticator.SignCount}
	n, err := tx.Exec(ctx, `INSERT INTO passkey_credential (id, person, label, record, sign_count, created)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING`, out.ID, out.Person, out.Label, record, int64(out.Count), store.Time(out.Created))
	if err != nil {
		return Credential{}, fmt.Errorf("passkey: storing a credential: %w", err)
	}
	if n == 0 {
		return Credential{}, ErrRegistered
	}
	return out, nil
}

// BeginLogin gives the options for navigator.credentials.get (JSON): any passkey of this site, whoever's.
func (p *Passkeys) BeginLogin() (options, kept []byte, err error) {
	assertion, session, err := p.w.BeginDiscoverableLogin()
	if err != nil {
		return nil, nil, fmt.Errorf("passkey: beginning a sign-in: %w", err)
	}
	if options, err = json.Marshal(assertion); err != nil {
		return nil, nil, fmt.Errorf("passkey: encoding options: %w", err)
	}
	kept, err = p.seal(session, "", "")
	return options, kept, err
}

// FinishLogin checks the answer to BeginLogin and says who it is. kept must be forgotten by the caller, whatever the outcome.
func (p *Passkeys) FinishLogin(ctx context.Context, tx *store.Tx, kept, answer []byte) (person string, err error) {
	c, err := p.unseal(kept)
	if err != nil {
		return "", err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return "", invalid(err)
	}
	var ours error // a fault of the database is not the person's
	found, cred, err := p.w.ValidatePasskeyLogin(func(_, handle []byte) (webauthn.User, error) {
		u, err := load(ctx, tx, string(handle), "")
		ours = err
		return u, err
	}, c.Session, parsed)
	if ours != nil {
		return "", ours
	}
	if err != nil {
		return "", invalid(err)
	}
	if err := p.advance(ctx, tx, cred); err != nil {
		return "", err
	}
	return string(found.WebAuthnID()), nil
}

// advance stores the counter after a good assertion, and refuses one that did not move.
func (p *Passkeys) advance(ctx context.Context, tx *store.Tx, cred *webauthn.Credential) error {
	if cred.Authenticator.CloneWarning {
		return ErrCloned
	}
	record, err := json.Marshal(cred)
	if err != nil {
		return fmt.Errorf("passkey: encoding a credential: %w", err)
	}
	_, err = tx.Exec(ctx, `UPDATE passkey_credential SET record = $1, sign_count = $2, used = $3 WHERE id = $4`,
		record, int64(cred.Authenticator.SignCount), store.Time(p.clock.Now()), cred.ID)
	if err != nil {
		return fmt.Errorf("passkey: storing a counter: %w", err)
	}
	return nil
}

// invalid turns the library's refusal into ours, with its developer's details, which hold no secret.
func invalid(err error) error {
	if e, ok := errors.AsType[*protocol.Error](err); ok {
		text := e.Details
		if e.DevInfo != "" {
			text += " (" + e.DevInfo + ")"
		}
		return fmt.Errorf("%w: %s", ErrAssertion, text)
	}
	return fmt.Errorf("%w: %w", ErrAssertion, err)
}

const maxLabel = 80 // bytes

// clean makes a label of what a person typed.
func clean(label string) string {
	out := make([]rune, 0, len(label))
	n := 0
	for _, r := range label {
		if r < 0x20 || r == 0x7F {
			continue
		}
		if n += len(string(r)); n > maxLabel {
			break
		}
		out = append(out, r)
	}
	if len(out) == 0 {
		return "passkey"
	}
	return string(out)
}
