package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"writ/store"
	"writ/xmpp/jid"
)

const (
	maxUses = 1000
	maxNote = 200
	perOpen = 10 // rows of one person for each invitation that may be open: who makes and revokes them all day must wait
)

// reserved are local parts that a person could take to pose as the operator (RFC 2142 and the obvious ones). Invitations do not give them
// away; the operator's command may.
var reserved = []string{"abuse", "admin", "administrator", "hostmaster", "info", "legal", "noc", "operator", "postmaster", "root",
	"security", "server", "support", "system", "webmaster", "writ", "xmpp"}

func digest(token string) []byte {
	d := sha256.Sum256([]byte(token))
	return d[:]
}

// Invite makes an invitation and gives its token (letters and digits), which is stored nowhere. Its ID, Created and Revoked are not read; a zero
// Expires is the configured life from now, zero Uses is one. ErrInvites: By has too many already; ErrExists, ErrName: Local cannot be had.
func (a *Accounts) Invite(ctx context.Context, i Invitation) (token string, made Invitation, err error) {
	now := a.o.Clock.Now().UTC().Truncate(time.Microsecond)
	if i.Expires.IsZero() {
		i.Expires = now.Add(a.o.Config.inviteLife())
	}
	if i.Uses == 0 {
		i.Uses = 1
	}
	i.Created, i.By, i.Revoked = now, i.By.Bare(), false
	if err := a.checkInvite(&i); err != nil {
		return "", Invitation{}, err
	}
	token = rand.Text()
	err = a.o.DB.Write(ctx, func(tx *store.Tx) error {
		if err := a.mayInvite(ctx, tx, i); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `INSERT INTO account_invite (token, invited_by, note, created, expires, uses, makes_account, contact, local)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id`,
			digest(token), i.By.String(), i.Note, store.Time(i.Created), store.Time(i.Expires), i.Uses, number(!i.NoAccount), number(i.Contact), i.Local).Scan(&i.ID)
	})
	if err != nil {
		return "", Invitation{}, fmt.Errorf("account: inviting: %w", err)
	}
	a.log.Info("invitation made", "invitation", i.ID, "uses", i.Uses)
	return token, i, nil
}

func (a *Accounts) checkInvite(i *Invitation) error {
	switch {
	case i.Uses < 0 || i.Uses > maxUses:
		return fmt.Errorf("%w: %d uses; allowed: 1 to %d", ErrInvite, i.Uses, maxUses)
	case !i.Expires.After(i.Created) || i.Expires.Sub(i.Created) > maxInviteLife:
		return fmt.Errorf("%w: the end must lie within the next 365 days", ErrInvite)
	case len(i.Note) > maxNote:
		return fmt.Errorf("%w: the note is longer than %d bytes", ErrInvite, maxNote)
	case i.Contact && i.By.IsZero():
		return fmt.Errorf("%w: nobody's contact", ErrInvite)
	case i.NoAccount && (!i.Contact || i.Local != ""):
		return fmt.Errorf("%w: it makes neither an account nor a contact", ErrInvite)
	}
	if i.Local == "" {
		return nil
	}
	j, err := a.Address(i.Local)
	i.Local, i.Uses = j.Local(), 1
	return err
}

// mayInvite asks the rows that other invitations and accounts have.
func (a *Accounts) mayInvite(ctx context.Context, tx *store.Tx, i Invitation) error {
	operator, err := a.Operator(ctx, i.By)
	if err != nil {
		return err
	}
	if !i.By.IsZero() && !operator {
		var all, open int
		err := tx.QueryRow(ctx, `SELECT count(*), COALESCE(SUM(CASE WHEN revoked = 0 AND uses > 0 THEN 1 ELSE 0 END), 0) FROM account_invite
			WHERE invited_by = $1 AND expires > $2`, i.By.String(), store.Time(i.Created)).Scan(&all, &open)
		if limit := a.o.Config.openInvites(); err != nil || open >= limit || all >= limit*perOpen {
			return errors.Join(err, fmt.Errorf("%w: %d may be open at a time", ErrInvites, limit))
		}
	}
	if i.Local == "" {
		return nil
	}
	var taken int
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM account_user WHERE account = $1`, i.Local+"@"+a.o.Domain.String()).Scan(&taken); err != nil {
		return err
	}
	kept, err := a.keptFree(ctx, tx, i.Local, nil)
	if err != nil || taken > 0 || kept {
		return errors.Join(err, fmt.Errorf("%w: %s", ErrExists, i.Local))
	}
	return nil
}

// keptFree reports a name that an open invitation keeps free, other than the one with that digest.
func (a *Accounts) keptFree(ctx context.Context, r store.Reader, local string, but []byte) (bool, error) {
	var n int
	err := r.QueryRow(ctx, `SELECT count(*) FROM account_invite WHERE local = $1 AND token <> $2 AND revoked = 0 AND uses > 0 AND expires > $3`,
		local, append([]byte{}, but...), store.Time(a.o.Clock.Now())).Scan(&n)
	return n > 0, err
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

const inviteColumns = `id, invited_by, note, created, expires, uses, revoked, makes_account, contact, local`

func scanInvite(row store.Scanner) (i Invitation, err error) {
	var created, expires, revoked, account, contact int64
	err = row.Scan(&i.ID, &i.By, &i.Note, &created, &expires, &i.Uses, &revoked, &account, &contact, &i.Local)
	i.Created, i.Expires, i.Revoked = store.FromTime(created), store.FromTime(expires), revoked != 0
	i.NoAccount, i.Contact = account == 0, contact != 0
	return i, err
}

// Open reports an invitation that can be used now.
func (i Invitation) Open(now time.Time) bool { return !i.Revoked && i.Uses > 0 && i.Expires.After(now) }

// usable is the condition under which a row of account_invite serves somebody: $1 is the token's digest, $2 the time. The invitations of a person who
// may not sign in are no good.
const usable = ` token = $1 AND uses > 0 AND revoked = 0 AND expires > $2
	AND (invited_by = '' OR EXISTS (SELECT 1 FROM account_user u WHERE u.account = account_invite.invited_by AND u.disabled = 0 AND u.deleted = 0))`

// Invitation gives the invitation behind a token if it can be used now; ErrInvite otherwise, without saying why not.
func (a *Accounts) Invitation(ctx context.Context, token string) (Invitation, error) {
	return a.invitation(ctx, token, a.o.Clock.Now())
}

func (a *Accounts) invitation(ctx context.Context, token string, at time.Time) (Invitation, error) {
	i, err := scanInvite(a.o.DB.QueryRow(ctx, `SELECT `+inviteColumns+` FROM account_invite WHERE`+usable, digest(token), store.Time(at)))
	if errors.Is(err, store.ErrNoRows) {
		return Invitation{}, ErrInvite
	}
	if err != nil {
		return Invitation{}, fmt.Errorf("account: reading an invitation: %w", err)
	}
	return i, nil
}

// Invitations lists all invitations that are kept, the newest first.
func (a *Accounts) Invitations(ctx context.Context) ([]Invitation, error) {
	return a.invitations(ctx, `ORDER BY id DESC LIMIT 500`)
}

// InvitationsOf lists the open invitations of a person, the newest first.
func (a *Accounts) InvitationsOf(ctx context.Context, by jid.JID) ([]Invitation, error) {
	return a.invitations(ctx, `WHERE invited_by = $1 AND revoked = 0 AND uses > 0 AND expires > $2 ORDER BY id DESC LIMIT 500`, by.Bare().String(), store.Time(a.o.Clock.Now()))
}

func (a *Accounts) invitations(ctx context.Context, where string, args ...any) ([]Invitation, error) {
	return store.List(ctx, a.o.DB, "account: listing invitations", scanInvite, `SELECT `+inviteColumns+` FROM account_invite `+where, args...)
}

// Revoke ends an invitation. ErrInvite if there is none of this id.
func (a *Accounts) Revoke(ctx context.Context, id int64) error {
	return a.revoke(ctx, id, `id = $2`)
}

// RevokeOwn ends an invitation that the person made. ErrInvite if there is none.
func (a *Accounts) RevokeOwn(ctx context.Context, by jid.JID, id int64) error {
	return a.revoke(ctx, id, `id = $2 AND invited_by = $3`, by.Bare().String())
}

func (a *Accounts) revoke(ctx context.Context, id int64, where string, args ...any) error {
	err := a.o.DB.Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE account_invite SET revoked = $1 WHERE `+where, append([]any{store.Time(a.o.Clock.Now()), id}, args...)...)
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

// Redeem makes an account by an invitation and takes one use of it, both or none. who.InvitedBy is taken from the invitation, and who.Local too
// if it is empty. The errors are those of Create, and ErrInvite.
func (a *Accounts) Redeem(ctx context.Context, token string, who New) (User, error) {
	return a.RedeemShown(ctx, token, a.o.Clock.Now(), who)
}

// RedeemShown is Redeem for a token that was looked at (Invitation) at an earlier time: that it has expired since does not matter (XEP-0445 §4).
func (a *Accounts) RedeemShown(ctx context.Context, token string, shown time.Time, who New) (User, error) {
	i, err := a.invitation(ctx, token, shown) // first, so that nobody without one makes us derive keys
	if err != nil {
		return User{}, err
	}
	if i.NoAccount {
		return User{}, ErrInvite
	}
	if who.Local == "" {
		who.Local = i.Local
	}
	who.InvitedBy = i.By
	p, err := a.prepare(who)
	if err != nil {
		return User{}, err
	}
	local := p.user.Account.Local()
	switch {
	case i.Local != "" && local != i.Local:
		return User{}, fmt.Errorf("%w: the invitation is for %q", ErrName, i.Local)
	case i.Local == "" && a.Reserved(local):
		return User{}, fmt.Errorf("%w: %q is kept for the operator", ErrName, local)
	}
	err = a.o.DB.Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE account_invite SET uses = uses - 1 WHERE`+usable, digest(token), store.Time(shown))
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrInvite
		}
		if err := a.insert(ctx, tx, p, digest(token)); err != nil {
			return err
		}
		if i.Contact && a.o.Joined != nil {
			return a.o.Joined(ctx, tx, i.By, p.user.Account)
		}
		return nil
	})
	if err != nil {
		return User{}, fmt.Errorf("account: registering: %w", err)
	}
	a.log.Info("account registered by invitation", "invitation", i.ID)
	return p.user, nil
}

// Register makes an account for whoever asks, where registration is open. The errors are those of Create; a reserved name is no usable one.
func (a *Accounts) Register(ctx context.Context, who New) (User, error) {
	if j, err := a.Address(who.Local); err == nil && a.Reserved(j.Local()) {
		return User{}, fmt.Errorf("%w: %q is kept for the operator", ErrName, j.Local())
	}
	return a.Create(ctx, who)
}

// Spend takes, in the caller's transaction, one use of an invitation of by, with which who asks to become a contact (XEP-0379 §3.5). It reports
// whether the token serves: it is open, by's own, made for contacts, and not kept for another name.
func (a *Accounts) Spend(ctx context.Context, tx *store.Tx, token string, by, who jid.JID) (bool, error) {
	local := who.Local()
	if who.Domain() != a.o.Domain {
		local = "/" // no name at all
	}
	n, err := tx.Exec(ctx, `UPDATE account_invite SET uses = uses - 1 WHERE`+usable+` AND invited_by = $3 AND contact <> 0 AND (local = '' OR local = $4)`,
		digest(token), store.Time(a.o.Clock.Now()), by.Bare().String(), local)
	if err != nil {
		return false, fmt.Errorf("account: spending an invitation: %w", err)
	}
	return n > 0, nil
}
