package records

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"writ/store"
)

// Recorder writes metadata in the caller's transaction. What the settings do not keep it does not write.
type Recorder struct {
	config Config
	living func(ctx context.Context, r store.Reader, account string) (bool, error)
}

func (r *Recorder) gone(ctx context.Context, tx *store.Tx, account string) (bool, error) {
	if r.living == nil {
		return false, nil
	}
	alive, err := r.living(ctx, tx, account)
	return !alive, err
}

// SignIn is one sign-in of an app. It has no field for what anyone said, nor for a secret.
type SignIn struct {
	Account   string // bare JID
	Time      time.Time
	Addr      netip.AddrPort // of the app as the server sees it
	Client    string         // software, as told
	Device    string         // as told
	TLS       string         // "TLS 1.3"
	Cipher    string
	Mechanism string // "SCRAM-SHA-256-PLUS"
}

// maxTold bounds what an app may have recorded about itself, in bytes.
const maxTold = 200

// SignIn records a sign-in. With a term of zero it does nothing.
func (r *Recorder) SignIn(ctx context.Context, tx *store.Tx, s SignIn) error {
	if r.config.SignIns == 0 {
		return nil
	}
	if gone, err := r.gone(ctx, tx, s.Account); gone || err != nil {
		return err
	}
	return s.insert(ctx, tx)
}

// Came is SignIn and Seen in one: the account has signed in, and is connected.
func (r *Recorder) Came(ctx context.Context, tx *store.Tx, s SignIn) error {
	if gone, err := r.gone(ctx, tx, s.Account); gone || err != nil {
		return err
	}
	if r.config.SignIns != 0 {
		if err := s.insert(ctx, tx); err != nil {
			return err
		}
	}
	return seen(ctx, tx, s.Account, s.Time)
}

func (s SignIn) insert(ctx context.Context, tx *store.Tx) error {
	ip := ""
	if s.Addr.Addr().IsValid() {
		ip = s.Addr.Addr().Unmap().WithZone("").String()
	}
	_, err := tx.Exec(ctx, `INSERT INTO records_signin (account, at, ip, port, client, device, tls, cipher, mechanism)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, s.Account, store.Time(s.Time), ip, int64(s.Addr.Port()),
		told(s.Client), told(s.Device), told(s.TLS), told(s.Cipher), told(s.Mechanism))
	if err != nil {
		return fmt.Errorf("records: recording a sign-in: %w", err)
	}
	return nil
}

// Told adds to a sign-in what the app calls itself, when it tells so only afterwards. at is the sign-in's Time.
func (r *Recorder) Told(ctx context.Context, tx *store.Tx, account string, at time.Time, client string) error {
	_, err := tx.Exec(ctx, `UPDATE records_signin SET client = $3 WHERE account = $1 AND at = $2 AND client = ''`, account, store.Time(at), told(client))
	if err != nil {
		return fmt.Errorf("records: recording an app's name: %w", err)
	}
	return nil
}

// Seen notes that the account was connected at t. It never moves back.
func (r *Recorder) Seen(ctx context.Context, tx *store.Tx, account string, t time.Time) error {
	if gone, err := r.gone(ctx, tx, account); gone || err != nil {
		return err
	}
	return seen(ctx, tx, account, t)
}

func seen(ctx context.Context, tx *store.Tx, account string, t time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO records_seen (account, at) VALUES ($1, $2)
		ON CONFLICT (account) DO UPDATE SET at = excluded.at WHERE excluded.at > records_seen.at`, account, store.Time(t))
	if err != nil {
		return fmt.Errorf("records: recording last seen: %w", err)
	}
	return nil
}

// told makes what an app says of itself fit to be stored and shown: valid UTF-8 without control characters, cut at maxTold.
func told(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	for len(s) > maxTold {
		_, n := utf8.DecodeLastRuneInString(s[:maxTold+1])
		s = s[:maxTold+1-n]
	}
	return s
}
