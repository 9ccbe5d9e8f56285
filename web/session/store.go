package session

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"writ/desk"
	"writ/records"
	"writ/schedule"
	"writ/store"
)

//go:embed schema/*.sql
var schema embed.FS

//go:embed pages/*.html
var pages embed.FS

// Schema is the room's migrations.
func Schema() store.Schema { return store.Schema{Room: "session", FS: schema} }

// Data declares what the room keeps. It is about staff and officers, not about the people of the chat, and is never produced.
func Data() []records.Datum {
	datum := func(name, table, purpose string, fields ...schedule.Field) records.Datum {
		return records.Datum{
			Datum: schedule.Datum{Name: name, Category: schedule.StaffActions, Tables: []string{table}, Fields: fields, Purpose: purpose,
				Retention: schedule.Expiry, Process: schedule.Never, Never: schedule.StaffActions.Info().Never},
			Sweep: records.SweepRows(schedule.StaffActions, table, "expires"),
		}
	}
	person := schedule.Field{Name: "person", Meaning: "The member of staff or officer."}
	end := schedule.Field{Name: "expires", Meaning: "When it ends."}
	return []records.Datum{
		datum("web-sessions", "session_session", "So that a signed-in person stays signed in for at most 12 hours.", person,
			schedule.Field{Name: "at", Meaning: "When and how they signed in."}, end),
		datum("api-tokens", "session_token", "So that an agency's software can file and read for an officer, for at most an hour.", person,
			schedule.Field{Name: "made", Meaning: "When it was made."}, end),
	}
}

// shelf keeps sessions in our database. It implements scs.CtxStore; the expiry follows the system's time, as the package does.
type shelf struct{ db *store.DB }

func (s shelf) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}
func (s shelf) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }
func (s shelf) Commit(token string, b []byte, expires time.Time) error {
	return s.CommitCtx(context.Background(), token, b, expires)
}

// FindCtx implements scs.CtxStore.
func (s shelf) FindCtx(ctx context.Context, token string) (b []byte, found bool, err error) {
	err = s.db.QueryRow(ctx, `SELECT data FROM session_session WHERE token = $1 AND expires > $2`, token, store.Time(time.Now())).Scan(&b)
	if errors.Is(err, store.ErrNoRows) {
		return nil, false, nil
	}
	return b, err == nil, err
}

// CommitCtx implements scs.CtxStore.
func (s shelf) CommitCtx(ctx context.Context, token string, b []byte, expires time.Time) error {
	return s.db.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO session_session (token, data, expires) VALUES ($1, $2, $3)
			ON CONFLICT (token) DO UPDATE SET data = excluded.data, expires = excluded.expires`, token, b, store.Time(expires))
		return err
	})
}

// DeleteCtx implements scs.CtxStore.
func (s shelf) DeleteCtx(ctx context.Context, token string) error {
	return s.db.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM session_session WHERE token = $1`, token)
		return err
	})
}

// MaxToken is the longest life of an API token.
const MaxToken = time.Hour

// ErrToken says that a token is unknown or has ended.
var ErrToken = errors.New("session: the token is unknown or has ended")

// NewToken makes a bearer token for a person who authenticated just now; it is stored nowhere. It files and reads, and signs nothing
// (desk.ByToken).
func (s *Sessions) NewToken(ctx context.Context, person string) (token string, expires time.Time, err error) {
	var raw [24]byte
	rand.Read(raw[:])
	token = "writ_" + base64.RawURLEncoding.EncodeToString(raw[:])
	now := s.o.Clock.Now().UTC()
	expires = now.Add(MaxToken)
	d := sha256.Sum256([]byte(token))
	err = s.o.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO session_token (token, person, made, expires) VALUES ($1, $2, $3, $4)`,
			d[:], person, store.Time(now), store.Time(expires))
		return err
	})
	if err != nil {
		return "", time.Time{}, fmt.Errorf("session: making a token: %w", err)
	}
	s.log.Info("token made", "person", person)
	return token, expires, nil
}

// bearer reads an Authorization header.
func (s *Sessions) bearer(ctx context.Context, header string) (Who, error) {
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return Who{}, ErrToken
	}
	d := sha256.Sum256([]byte(token))
	who := Who{Auth: desk.ByToken}
	var made int64
	err := s.o.DB.QueryRow(ctx, `SELECT person, made FROM session_token WHERE token = $1 AND expires > $2`, d[:], store.Time(s.o.Clock.Now())).
		Scan(&who.Person, &made)
	if errors.Is(err, store.ErrNoRows) {
		return Who{}, ErrToken
	}
	if err != nil {
		return Who{}, fmt.Errorf("session: reading a token: %w", err)
	}
	who.At = store.FromTime(made)
	return who, nil
}
