package passkey

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"writ/schedule"
	"writ/store"
)

// EnrolmentLife is how long an enrolment can be used.
const EnrolmentLife = 72 * time.Hour

func digest(token string) []byte {
	d := sha256.Sum256([]byte(token))
	return d[:]
}

// Enrol lets a person register a passkey once, by a token that is handed over outside of this system and stored nowhere. An earlier
// enrolment of the person ends.
func (p *Passkeys) Enrol(ctx context.Context, tx *store.Tx, person, name string) (token string, err error) {
	if person == "" || len(person) > 64 {
		return "", fmt.Errorf("passkey: a person's id has 1 to 64 bytes, not %d", len(person))
	}
	var raw [24]byte
	rand.Read(raw[:])
	token = base64.RawURLEncoding.EncodeToString(raw[:])
	if _, err := tx.Exec(ctx, `DELETE FROM passkey_enrolment WHERE person = $1 OR expires <= $2`, person, store.Time(p.clock.Now())); err != nil {
		return "", fmt.Errorf("passkey: enrolling: %w", err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO passkey_enrolment (token, person, name, expires) VALUES ($1, $2, $3, $4)`,
		digest(token), person, name, store.Time(p.clock.Now().Add(EnrolmentLife)))
	if err != nil {
		return "", fmt.Errorf("passkey: enrolling: %w", err)
	}
	return token, nil
}

// Enrolment says whose a token is; ErrEnrolment if it cannot be used.
func (p *Passkeys) Enrolment(ctx context.Context, token string) (person, name string, err error) {
	err = p.db.QueryRow(ctx, `SELECT person, name FROM passkey_enrolment WHERE token = $1 AND expires > $2`,
		digest(token), store.Time(p.clock.Now())).Scan(&person, &name)
	if errors.Is(err, store.ErrNoRows) {
		return "", "", ErrEnrolment
	}
	if err != nil {
		return "", "", fmt.Errorf("passkey: reading an enrolment: %w", err)
	}
	return person, name, nil
}

// Spend ends an enrolment, in the transaction that stores the passkey. ErrEnrolment if it is spent already.
func (p *Passkeys) Spend(ctx context.Context, tx *store.Tx, token string) error {
	n, err := tx.Exec(ctx, `DELETE FROM passkey_enrolment WHERE token = $1 AND expires > $2`, digest(token), store.Time(p.clock.Now()))
	if err != nil {
		return fmt.Errorf("passkey: spending an enrolment: %w", err)
	}
	if n == 0 {
		return ErrEnrolment
	}
	return nil
}

// Data declares what the room keeps. It is about staff and officers, not about the people of the chat, and is never produced.
func Data() []schedule.Datum {
	return []schedule.Datum{{
		Name: "passkeys", Category: schedule.Credentials, Tables: []string{"passkey_credential", "passkey_enrolment"},
		Fields: []schedule.Field{
			{Name: "person", Meaning: "The member of staff or officer whose passkey it is."},
			{Name: "label", Meaning: "What the person calls it."},
			{Name: "record", Meaning: "The public key and what the authenticator said about itself."},
			{Name: "created", Meaning: "When it was registered."},
			{Name: "used", Meaning: "When it last signed."},
		},
		Purpose:   "To sign in staff and officers, and to prove who signed a release, also later.",
		Retention: schedule.Permanent, Process: schedule.Never, Never: schedule.Credentials.Info().Never,
	}}
}
