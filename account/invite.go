package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"writ/store"
	"writ/xmpp/jid"
)

const (
	maxUses  = 1000
	maxNote  = 200
	tokenLen = 24 // random bytes of a token: 32 characters of base64url
)

// reserved are local parts that a person could take to pose as the operator (RFC 2142 and the obvious ones). Invitations do not give them
// away; the operator's command may.
var reserved = []string{"abuse", "admin", "administrator", "hostmaster", "info", "legal", "noc", "operator", "postmaster", "root",
	"security", "server", "support", "system", "webmaster", "writ", "xmpp"}

func digest(token string) []byte {
	d := sha256.Sum256([]byte(token))
	return d[:]
}

// Invite makes an invitation and gives its token, which is stored nowhere. By, Note, Expires and Uses of i are read; a zero Expires is
// the configured life from now, zero Uses is one.
func (a *Accounts) Invite(ctx context.Context, i Invitation) (token string, made Invitation, err error) {
	now := a.o.Clock.Now().UTC().Truncate(time.Microsecond)
	if i.Expires.IsZero() {
		i.Expires = now.Add(a.o.Config.inviteLife())
	}
	if i.Uses == 0 {
		i.Uses = 1
	}
	switch {
	case i.Uses < 0 || i.Uses > maxUses:
		return "", Invitation{}, fmt.Errorf("%w: %d uses; allowed: 1 to %d", ErrInvite, i.Uses, maxUses)
	case !i.Expires.After(now) || i.Expires.Sub(now) > maxInviteLife:
		return "", Invitation{}, fmt.Errorf("%w: the end must lie within the next 365 days", ErrInvite)
	case len(i.Note) > maxNote:
		return "", Invitation{}, fmt.Errorf("%w: the note is longer than %d bytes", ErrInvite, maxNote)
	}
	var raw [tokenLen]byte
	rand.Read(raw[:])
	token = base64.RawURLEncoding.EncodeToString(raw[:])
	i.Created, i.By, i.Revoked = now, i.By.Bare(), false
	err = a.o.DB.Write(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `INSERT INTO account_invite (token, invited_by, note, created, expires, uses) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`,
			digest(token), i.By.String(), i.Note, store.Time(i.Created), store.Time(i.Expires), i.Uses).Scan(&i.ID)
	})
	if err != nil {
		return "", Invitation{}, fmt.Errorf("account: inviting: %w", err)
	}
	a.log.Info("invitation made", "invitation", i.ID, "uses", i.Uses)
	return token, i, nil
}

const inviteColumns = `id, invited_by, note, created, expires, uses, revoked`

func scanInvite(row interface{ Scan(...any) error }) (Invitation, error) {
	var i Invitation
	var by string
	var created, expires, revoked int64
	if err := row.Scan(&i.ID, &by, &i.Note, &created, &expires, &i.Uses, &revoked); err != nil {
		return Invitation{}, err
	}
	if by != "" {
		var err error
		if i.By, err = jid.Parse(by); err != nil {
			return Invitation{}, fmt.Errorf("account: a stored address: %w", err)
		}
	}
	i.Created, i.Expires, i.Revoked = store.FromTime(created), store.FromTime(expires), revoked != 0
	return i, nil
}

// Open reports an invitation that can be used now.
func (i Invitation) Open(now time.Time) bool { return !i.Revoked && i.Uses > 0 && i.Expires.After(now) }

// Invitation gives the invitation behind a token if it can be used now; ErrInvite otherwise, without saying why not.
func (a *Accounts) Invitation(ctx context.Context, token string) (Invitation, error) {
	i, err := scanInvite(a.o.DB.QueryRow(ctx, `SELECT `+inviteColumns+` FROM account_invite WHERE token = $1`, digest(token)))
	if errors.Is(err, store.ErrNoRows) || err == nil && !i.Open(a.o.Clock.Now()) {
		return Invitation{}, ErrInvite
	}
	if err != nil {
		return Invitation{}, fmt.Errorf("account: reading an invitation: %w", err)
	}
	return i, nil
}

// Invitations lists all invitations that are kept, the newest first.
func (a *Accounts) Invitations(ctx context.Context) ([]Invitation, error) {
	rows, err := a.o.DB.Query(ctx, `SELECT `+inviteColumns+` FROM account_invite ORDER BY id DESC LIMIT 500`)
	if err != nil {
		return nil, fmt.Errorf("account: listing invitations: %w", err)
	}
	defer rows.Close()
	var out []Invitation
	for rows.Next() {
		i, err := scanInvite(rows)
		if err != nil {
			return nil, fmt.Errorf("account: listing invitations: %w", err)
		}
		out = append(out, i)
	}
	return out, rows.Err()
}

// Revoke ends an invitation. ErrInvite if there is none of this id.
func (a *Accounts) Revoke(ctx context.Context, id int64) error {
	err := a.o.DB.Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE account_invite SET revoked = $1 WHERE id = $2`, store.Time(a.o.Clock.Now()), id)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrInvite
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("account: revoking an invitation: %w", err)
	}
	a.log.Info("invitation revoked", "invitation", id)
	return nil
}

// Redeem makes an account by an invitation and takes one use of it, both or none. who.InvitedBy is taken from the invitation. The errors
// are those of Create, and ErrInvite.
func (a *Accounts) Redeem(ctx context.Context, token string, who New) (User, error) {
	i, err := a.Invitation(ctx, token) // first, so that nobody without one makes us derive keys
	if err != nil {
		return User{}, err
	}
	who.InvitedBy = i.By
	p, err := a.prepare(who)
	if err != nil {
		return User{}, err
	}
	if slices.Contains(reserved, p.user.Account.Local()) {
		return User{}, fmt.Errorf("%w: %q is kept for the operator", ErrName, p.user.Account.Local())
	}
	err = a.o.DB.Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE account_invite SET uses = uses - 1
			WHERE token = $1 AND uses > 0 AND revoked = 0 AND expires > $2`, digest(token), store.Time(a.o.Clock.Now()))
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrInvite
		}
		return a.insert(ctx, tx, p)
	})
	if err != nil {
		return User{}, fmt.Errorf("account: registering: %w", err)
	}
	a.log.Info("account registered by invitation", "invitation", i.ID)
	return p.user, nil
}
