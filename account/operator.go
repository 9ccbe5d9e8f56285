package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"writ/store"
	"writ/xmpp/jid"
)

// Reserved reports a name that only the operator gives away.
func (a *Accounts) Reserved(local string) bool {
	return slices.Contains(reserved, local) || slices.ContainsFunc(a.o.Config.Operators, func(name string) bool {
		j, err := a.Address(name)
		return err == nil && j.Local() == local
	})
}

// Operator reports an account that may run the operator's commands: the configuration or SetOperator names it, and it may sign in.
func (a *Accounts) Operator(ctx context.Context, account jid.JID) (bool, error) {
	account = account.Bare()
	if account.Domain() != a.o.Domain || account.Local() == "" {
		return false, nil
	}
	var since int64
	err := a.o.DB.QueryRow(ctx, `SELECT operator FROM account_user WHERE account = $1 AND disabled = 0 AND deleted = 0`, account.String()).Scan(&since)
	if errors.Is(err, store.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("account: asking for an operator: %w", err)
	}
	return since != 0 || slices.Contains(a.appointed(), account), nil
}

// appointed are the addresses of the operators whom the configuration names, whether or not the accounts exist.
func (a *Accounts) appointed() (l []jid.JID) {
	for _, name := range a.o.Config.Operators {
		if j, err := a.Address(name); err == nil {
			l = append(l, j)
		}
	}
	return l
}

// Operators lists the operators, by address.
func (a *Accounts) Operators(ctx context.Context) ([]jid.JID, error) {
	list, err := store.Column[jid.JID](ctx, a.o.DB, "account: listing operators", `SELECT account FROM account_user WHERE operator <> 0 AND deleted = 0`)
	list = append(list, a.appointed()...)
	slices.SortFunc(list, func(a, b jid.JID) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(list), err
}

// SetOperator makes an account an operator, or no longer one. ErrUnknown; ErrName: the configuration names it, so it stays one.
func (a *Accounts) SetOperator(ctx context.Context, account jid.JID, is bool) error {
	account = account.Bare()
	if !is && slices.Contains(a.appointed(), account) {
		return fmt.Errorf("%w: %s is an operator by the configuration", ErrName, account)
	}
	var since int64
	if is {
		since = store.Time(a.o.Clock.Now())
	}
	err := a.o.DB.Write(ctx, func(tx *store.Tx) error {
		return change(ctx, tx, account, `UPDATE account_user SET operator = CASE WHEN operator = 0 OR CAST($1 AS BIGINT) = 0 THEN CAST($1 AS BIGINT) ELSE operator END WHERE account = $2 AND deleted = 0`,
			since, account.String())
	})
	if err != nil {
		return fmt.Errorf("account: making an operator: %w", err)
	}
	a.log.Info("operator changed", "is", is)
	return nil
}

// MayBring reports whether the invitations of an account make accounts (Config.Invites).
func (a *Accounts) MayBring(ctx context.Context, account jid.JID) (bool, error) {
	if a.o.Config.Invites != InvitesOperators {
		return true, nil
	}
	return a.Operator(ctx, account)
}
