package account

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"writ/clock"
	"writ/store"
	"writ/xmpp/jid"
	"writ/xmpp/sasl"
)

//go:embed schema/*.sql
var schema embed.FS

// Schema is the room's migrations.
func Schema() store.Schema { return store.Schema{Room: "account", FS: schema} }

// Options are what Accounts is made of.
type Options struct {
	DB     *store.DB
	Domain jid.JID
	Clock  clock.Clock
	Config Config
	Log    *slog.Logger

	// Erase removes, in the transaction, all that the house keeps about an account, or leaves what a preservation holds to be erased
	// when it ends. Without it Delete is refused: half an erasure is none.
	Erase func(ctx context.Context, tx *store.Tx, account string) error
	// Awaited reports a name whose former holder was erased while a preservation keeps a part of the records: it is not free.
	Awaited func(ctx context.Context, r store.Reader, account string) (bool, error)
	// Joined is told, in the transaction that makes an account by an invitation to become contacts, who invited whom.
	Joined func(ctx context.Context, tx *store.Tx, inviter, newcomer jid.JID) error
	// AnyPassword takes a new password of any length, and the name of the account as one: what conformance suites send.
	AnyPassword bool
	// Ended is told, after the commit, whose sessions must end: of an account that is disabled, deleted, or has a new password, or of a
	// device that was signed out. Nil: another process serves the sessions, and finds a row (TakeEnded).
	Ended func(Ending)
}

// Accounts is the room. Safe for concurrent use, also with other processes on the same database.
type Accounts struct {
	o   Options
	log *slog.Logger

	mu     sync.Mutex
	minter []byte // the key that tokens are made with, once read; it never changes
}

// Open makes the room.
func Open(o Options) *Accounts {
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Accounts{o: o, log: o.Log.With("room", "account")}
}

// OnErase sets Options.Erase and Options.Awaited once the house is complete; call it before serving. awaited may be nil.
func (a *Accounts) OnErase(f func(ctx context.Context, tx *store.Tx, account string) error,
	awaited func(ctx context.Context, r store.Reader, account string) (bool, error)) {
	a.o.Erase, a.o.Awaited = f, awaited
}

// OnEnd sets Options.Ended; the process that serves the sessions calls it before it begins to.
func (a *Accounts) OnEnd(f func(Ending)) { a.o.Ended = f }

// OnJoin sets Options.Joined; call it before serving.
func (a *Accounts) OnJoin(f func(ctx context.Context, tx *store.Tx, inviter, newcomer jid.JID) error) {
	a.o.Joined = f
}

// Domain is the served domain.
func (a *Accounts) Domain() jid.JID { return a.o.Domain }

// Now is the room's time.
func (a *Accounts) Now() time.Time { return a.o.Clock.Now() }

// Address gives the bare JID that a typed name stands for, or ErrName.
func (a *Accounts) Address(local string) (jid.JID, error) {
	j, err := jid.New(local, a.o.Domain.String(), "")
	if err != nil || j.Local() == "" {
		return jid.JID{}, fmt.Errorf("%w: %q: letters, digits and most signs but no space, quotes, &, /, :, <, > or @", ErrName, local)
	}
	return j, nil
}

const maxName = 200 // bytes of a display name

func checkName(name string) error {
	if len(name) > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r < 0x20 || r == 0x7F }) {
		return fmt.Errorf("%w: a display name has at most %d bytes and no control characters", ErrName, maxName)
	}
	return nil
}

// prepared is an account ready to be written: everything slow is done.
type prepared struct {
	user      User
	verifiers []sasl.Verifier
}

func (a *Accounts) prepare(n New) (prepared, error) {
	j, err := a.Address(n.Local)
	if err != nil {
		return prepared{}, err
	}
	if err := checkName(n.Name); err != nil {
		return prepared{}, err
	}
	v, err := a.derive(j, n.Password)
	if err != nil {
		return prepared{}, err
	}
	return prepared{User{Account: j, Name: n.Name, Created: a.o.Clock.Now().UTC().Truncate(time.Microsecond), InvitedBy: n.InvitedBy.Bare()}, v}, nil
}

func (a *Accounts) derive(account jid.JID, password string) ([]sasl.Verifier, error) {
	n := utf8.RuneCountInString(password)
	switch {
	case n == 0:
		return nil, fmt.Errorf("%w: it is empty", ErrPassword)
	case a.o.AnyPassword:
	case n < a.o.Config.minPassword():
		return nil, fmt.Errorf("%w: it has %d characters, at least %d are needed", ErrPassword, n, a.o.Config.minPassword())
	case strings.EqualFold(password, account.Local()):
		return nil, fmt.Errorf("%w: it is the name of the account", ErrPassword)
	}
	v, err := sasl.DeriveAll(password, a.o.Config.Iterations)
	if errors.Is(err, sasl.ErrPassword) {
		return nil, fmt.Errorf("%w: %w", ErrPassword, err)
	}
	return v, err
}

// Create makes an account. The errors are ErrName, ErrPassword and ErrExists.
func (a *Accounts) Create(ctx context.Context, n New) (User, error) {
	p, err := a.prepare(n)
	if err != nil {
		return User{}, err
	}
	if err := a.o.DB.Write(ctx, func(tx *store.Tx) error { return a.insert(ctx, tx, p, nil) }); err != nil {
		return User{}, fmt.Errorf("account: creating: %w", err)
	}
	a.log.Info("account created")
	return p.user, nil
}

// insert writes an account. by is the digest of the invitation that makes it; nil: none.
func (a *Accounts) insert(ctx context.Context, tx *store.Tx, p prepared, by []byte) error {
	u := p.user
	if kept, err := a.keptFree(ctx, tx, u.Account.Local(), by); err != nil || kept {
		return errors.Join(err, fmt.Errorf("%w: %s", ErrExists, u.Account))
	}
	if a.o.Awaited != nil {
		held, err := a.o.Awaited(ctx, tx, u.Account.String())
		if err != nil {
			return err
		}
		if held {
			return fmt.Errorf("%w: %s", ErrExists, u.Account)
		}
	}
	n, err := tx.Exec(ctx, `INSERT INTO account_user (account, name, created, invited_by) VALUES ($1, $2, $3, $4)
		ON CONFLICT (account) DO NOTHING`, u.Account.String(), u.Name, store.Time(u.Created), u.InvitedBy.String())
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("%w: %s", ErrExists, u.Account)
	}
	return setVerifiers(ctx, tx, u.Account, p.verifiers)
}

func setVerifiers(ctx context.Context, tx *store.Tx, account jid.JID, vs []sasl.Verifier) error {
	if _, err := tx.Exec(ctx, `DELETE FROM account_credential WHERE account = $1`, account.String()); err != nil {
		return err
	}
	for _, v := range vs {
		if _, err := tx.Exec(ctx, `INSERT INTO account_credential (account, hash, salt, iterations, stored_key, server_key)
			VALUES ($1, $2, $3, $4, $5, $6)`, account.String(), string(v.Hash), v.Salt, v.Iterations, v.StoredKey, v.ServerKey); err != nil {
			return err
		}
	}
	return nil
}

// Living is Exists inside a transaction of another room, for an address as text: what is written down about an account that was
// deleted a moment ago would outlive it.
func (a *Accounts) Living(ctx context.Context, r store.Reader, account string) (bool, error) {
	var n int
	if err := r.QueryRow(ctx, `SELECT count(*) FROM account_user WHERE account = $1 AND deleted = 0`, account).Scan(&n); err != nil {
		return false, fmt.Errorf("account: looking up: %w", err)
	}
	return n > 0, nil
}

// Exists reports whether an account of this bare address is there, disabled or not. It asks the database each time (an indexed
// look-up), because another process may have removed it.
func (a *Accounts) Exists(ctx context.Context, account jid.JID) (bool, error) {
	var n int
	err := a.o.DB.QueryRow(ctx, `SELECT 1 FROM account_user WHERE account = $1 AND deleted = 0`, account.Bare().String()).Scan(&n)
	if errors.Is(err, store.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("account: looking up an account: %w", err)
	}
	return true, nil
}

const userColumns = `account, name, created, invited_by, disabled`

// Get gives one account, or ErrUnknown.
func (a *Accounts) Get(ctx context.Context, account jid.JID) (User, error) {
	u, err := scanUser(a.o.DB.QueryRow(ctx, `SELECT `+userColumns+` FROM account_user WHERE account = $1 AND deleted = 0`, account.Bare().String()))
	if errors.Is(err, store.ErrNoRows) {
		return User{}, fmt.Errorf("%w: %s", ErrUnknown, account.Bare())
	}
	if err != nil {
		return User{}, fmt.Errorf("account: reading an account: %w", err)
	}
	return u, nil
}

func scanUser(row store.Scanner) (u User, err error) {
	var created, disabled int64
	err = row.Scan(&u.Account, &u.Name, &created, &u.InvitedBy, &disabled)
	u.Created, u.DisabledAt = store.FromTime(created), store.FromTime(disabled)
	return u, err
}

// List gives up to n accounts by address, after the given one ("" from the start). It is for the operator's command line; no page
// shows it.
func (a *Accounts) List(ctx context.Context, after string, n int) ([]User, error) {
	return store.List(ctx, a.o.DB, "account: listing", scanUser,
		`SELECT `+userColumns+` FROM account_user WHERE account > $1 AND deleted = 0 ORDER BY account LIMIT $2`, after, n)
}

// Count says how many accounts there are, and how many of them are disabled.
func (a *Accounts) Count(ctx context.Context) (all, disabled int, err error) {
	err = a.o.DB.QueryRow(ctx, `SELECT COUNT(*), COALESCE(SUM(CASE WHEN disabled > 0 THEN 1 ELSE 0 END), 0) FROM account_user WHERE deleted = 0`).Scan(&all, &disabled)
	if err != nil {
		return 0, 0, fmt.Errorf("account: counting: %w", err)
	}
	return all, disabled, nil
}

// Secret gives the random key that is kept under a name, made at its first use. It makes the records of unknown accounts (sasl.Config).
func (a *Accounts) Secret(ctx context.Context, name string) ([]byte, error) {
	fresh := make([]byte, 32)
	rand.Read(fresh)
	var secret []byte
	err := a.o.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO account_secret (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`, name, fresh); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `SELECT value FROM account_secret WHERE name = $1`, name).Scan(&secret)
	})
	if err != nil {
		return nil, fmt.Errorf("account: reading a secret: %w", err)
	}
	return secret, nil
}
