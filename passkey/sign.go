package passkey

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"writ/store"
)

// BeginSign gives the options for navigator.credentials.get (JSON) by which the person signs the hash: it is the challenge. ErrUnknown if
// the person has no passkey. Nothing is kept: whoever asks for the signature knows the hash.
func (p *Passkeys) BeginSign(ctx context.Context, person string, hash [32]byte) (options []byte, err error) {
	u, err := load(ctx, p.db, person, "")
	if err != nil {
		return nil, err
	}
	if len(u.creds) == 0 {
		return nil, fmt.Errorf("%w: this person has registered none", ErrUnknown)
	}
	assertion, _, err := p.w.BeginLogin(u, webauthn.WithChallenge(hash[:]))
	if err != nil {
		return nil, fmt.Errorf("passkey: beginning a signature: %w", err)
	}
	if options, err = json.Marshal(assertion); err != nil {
		return nil, fmt.Errorf("passkey: encoding options: %w", err)
	}
	return options, nil
}

// Verify checks that the assertion is this person's signature over the hash, made now: the user was verified, the origin is ours, and
// the credential's counter moved forward, which is stored in the caller's transaction. The errors are ErrAssertion and ErrCloned.
func (p *Passkeys) Verify(ctx context.Context, tx *store.Tx, person string, hash [32]byte, assertion []byte) error {
	cred, err := p.check(ctx, tx, person, hash, assertion)
	if err != nil {
		return err
	}
	return p.advance(ctx, tx, cred)
}

// Check verifies a signature that Verify accepted earlier and that was stored since: as Verify, without the counter, which has moved on.
// A signature of a passkey that was removed in between counts no more.
func (p *Passkeys) Check(ctx context.Context, tx *store.Tx, person string, hash [32]byte, assertion []byte) error {
	_, err := p.check(ctx, tx, person, hash, assertion)
	return err
}

func (p *Passkeys) check(ctx context.Context, r store.Reader, person string, hash [32]byte, assertion []byte) (*webauthn.Credential, error) {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(assertion)
	if err != nil {
		return nil, invalid(err)
	}
	u, err := load(ctx, r, person, "")
	if err != nil {
		return nil, err
	}
	if person == "" || len(u.creds) == 0 {
		return nil, fmt.Errorf("%w: this person has no passkey", ErrAssertion)
	}
	cred, err := p.w.ValidateLogin(u, webauthn.SessionData{
		Challenge: base64.RawURLEncoding.EncodeToString(hash[:]), RelyingPartyID: p.w.Config.RPID, UserID: u.WebAuthnID(),
		UserVerification: protocol.VerificationRequired,
	}, parsed)
	if err != nil {
		return nil, invalid(err)
	}
	return cred, nil
}

// Credentials lists a person's passkeys, the oldest first.
func (p *Passkeys) Credentials(ctx context.Context, person string) ([]Credential, error) {
	return store.List(ctx, p.db, "passkey: listing", func(row store.Scanner) (Credential, error) {
		c := Credential{Person: person}
		var created, used, count int64
		err := row.Scan(&c.ID, &c.Label, &created, &used, &count)
		c.Created, c.Used, c.Count = store.FromTime(created), store.FromTime(used), uint32(count)
		return c, err
	}, `SELECT id, label, created, used, sign_count FROM passkey_credential
		WHERE person = $1 AND removed = 0 ORDER BY created, id`, person)
}

// Remove takes a passkey from a person. Its row stays, without a use, so that the id is never registered again. ErrUnknown if it is not
// theirs.
func (p *Passkeys) Remove(ctx context.Context, tx *store.Tx, person string, id []byte) error {
	n, err := tx.Exec(ctx, `UPDATE passkey_credential SET removed = $1 WHERE person = $2 AND id = $3 AND removed = 0`,
		store.Time(p.clock.Now()), person, id)
	if err != nil {
		return fmt.Errorf("passkey: removing: %w", err)
	}
	if n == 0 {
		return ErrUnknown
	}
	return nil
}
