package server

import (
	"context"
	"errors"
	"time"

	"writ/account"
	"writ/web/admin"
	"writ/web/join"
	"writ/xmpp/jid"
)

// Operator is what the operator's pages may do with accounts: count, bar, invite. It never names a person.
type Operator struct {
	Accounts *account.Accounts
	Base     string // of links, such as https://example.org
}

// Count implements admin.People.
func (o Operator) Count(ctx context.Context) (all, disabled int, err error) {
	return o.Accounts.Count(ctx)
}

// SetDisabled implements admin.People.
func (o Operator) SetDisabled(ctx context.Context, address string, disabled bool) error {
	j, err := jid.Parse(address)
	if err != nil || j.Local() == "" || j.Domain() != o.Accounts.Domain() {
		return admin.Invalid("Give the address of an account here: name@" + o.Accounts.Domain().String() + ".")
	}
	if disabled {
		err = o.Accounts.Disable(ctx, j)
	} else {
		err = o.Accounts.Enable(ctx, j)
	}
	if errors.Is(err, account.ErrUnknown) {
		return nil
	}
	return err
}

// Invite implements admin.Invitations.
func (o Operator) Invite(ctx context.Context, note string, uses int, life time.Duration) (string, error) {
	token, _, err := o.Accounts.Invite(ctx, account.Invitation{Note: note, Uses: uses, Expires: o.Accounts.Now().Add(life)})
	if errors.Is(err, account.ErrInvite) {
		return "", admin.Invalid(err.Error())
	}
	if err != nil {
		return "", err
	}
	return join.Link(o.Base, token), nil
}

// Invitations implements admin.Invitations: the operator's own; those of people are theirs.
func (o Operator) Invitations(ctx context.Context) ([]admin.Invitation, error) {
	all, err := o.Accounts.Invitations(ctx)
	if err != nil {
		return nil, err
	}
	var out []admin.Invitation
	for _, i := range all {
		if i.By.IsZero() {
			out = append(out, admin.Invitation{ID: i.ID, Note: i.Note, Created: i.Created, Expires: i.Expires, Uses: i.Uses, Revoked: i.Revoked})
		}
	}
	return out, nil
}

// Revoke implements admin.Invitations.
func (o Operator) Revoke(ctx context.Context, id int64) error {
	err := o.Accounts.Revoke(ctx, id)
	if errors.Is(err, account.ErrInvite) {
		return admin.Invalid("There is no such invitation.")
	}
	return err
}
