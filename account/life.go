package account

import (
	"context"
	"errors"
	"fmt"

	"writ/store"
	"writ/xmpp/jid"
	"writ/xmpp/sasl"
)

// Verifier implements sasl.Source.
func (a *Accounts) Verifier(ctx context.Context, account jid.JID, h sasl.Hash) (rec sasl.Record, ok bool, err error) {
	var v sasl.Verifier
	var disabled int64
	// Two texts: an "or" between them would have each sign-in read and sort all verifiers of the account.
	which := `c.hash = $2 AND u.deleted = 0`
	if h == sasl.AnyHash {
		which = `c.hash <> $2 AND u.deleted = 0 ORDER BY CASE WHEN c.hash = 'SHA-256' THEN 0 ELSE 1 END, c.hash LIMIT 1`
	}
	err = a.o.DB.QueryRow(ctx, `SELECT c.hash, c.salt, c.iterations, c.stored_key, c.server_key, u.disabled
		FROM account_credential c JOIN account_user u ON u.account = c.account WHERE c.account = $1 AND `+which,
		account.Bare().String(), string(h)).
		Scan(&v.Hash, &v.Salt, &v.Iterations, &v.StoredKey, &v.ServerKey, &disabled)
	if errors.Is(err, store.ErrNoRows) {
		return sasl.Record{}, false, nil
	}
	if err != nil {
		return sasl.Record{}, false, fmt.Errorf("account: reading a verifier: %w", err)
	}
	return sasl.Record{Verifier: v, Disabled: disabled != 0}, true, nil
}

// change runs one statement about an existing account and reports ErrUnknown if it met none.
func change(ctx context.Context, tx *store.Tx, account jid.JID, sql string, args ...any) error {
	n, err := tx.Exec(ctx, sql, args...)
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("%w: %s", ErrUnknown, account)
	}
	return nil
}

// SetPassword replaces the verifiers and ends every device's tokens. The account's sessions are told to end: whoever had the old
// password has no way to stay.
func (a *Accounts) SetPassword(ctx context.Context, account jid.JID, password string) error {
	account = account.Bare()
	vs, err := a.derive(account, password)
	if err != nil {
		return err
	}
	err = a.o.DB.Write(ctx, func(tx *store.Tx) error {
		if err := change(ctx, tx, account, `UPDATE account_user SET name = name WHERE account = $1 AND deleted = 0`, account.String()); err != nil {
			return err
		}
		if err := setVerifiers(ctx, tx, account, vs); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM account_token WHERE account = $1`, account.String()); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE account_device SET password = 0 WHERE account = $1`, account.String()); err != nil {
			return err
		}
		return a.end(ctx, tx, Ending{Account: account})
	})
	if err != nil {
		return fmt.Errorf("account: changing a password: %w", err)
	}
	a.log.Info("password changed")
	return nil
}

// SetName changes the display name.
func (a *Accounts) SetName(ctx context.Context, account jid.JID, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	account = account.Bare()
	err := a.o.DB.Write(ctx, func(tx *store.Tx) error {
		return change(ctx, tx, account, `UPDATE account_user SET name = $1 WHERE account = $2 AND deleted = 0`, name, account.String())
	})
	if err != nil {
		return fmt.Errorf("account: changing a name: %w", err)
	}
	return nil
}

// Disable bars an account from signing in and ends its sessions. What it holds stays.
func (a *Accounts) Disable(ctx context.Context, account jid.JID) error {
	return a.setDisabled(ctx, account.Bare(), store.Time(a.o.Clock.Now()))
}

// Enable lets a disabled account sign in again.
func (a *Accounts) Enable(ctx context.Context, account jid.JID) error {
	return a.setDisabled(ctx, account.Bare(), 0)
}

func (a *Accounts) setDisabled(ctx context.Context, account jid.JID, at int64) error {
	err := a.o.DB.Write(ctx, func(tx *store.Tx) error {
		if at != 0 {
			if err := a.end(ctx, tx, Ending{Account: account}); err != nil {
				return err
			}
		}
		return change(ctx, tx, account, `UPDATE account_user SET disabled = $1 WHERE account = $2 AND deleted = 0`, at, account.String())
	})
	if err != nil {
		return fmt.Errorf("account: disabling or enabling: %w", err)
	}
	a.log.Info("account disabled or enabled", "disabled", at != 0)
	return nil
}

// Delete closes an account and erases all that the house keeps about it, in one transaction. Where a preservation holds its records,
// the account is closed (nobody signs in, it exists for nobody, its name is not free) and is erased when the hold ends.
func (a *Accounts) Delete(ctx context.Context, account jid.JID) error {
	account = account.Bare()
	if a.o.Erase == nil {
		return errors.New("account: deleting: nobody said how to erase what the other rooms keep")
	}
	err := a.o.DB.Write(ctx, func(tx *store.Tx) error {
		if err := change(ctx, tx, account, `UPDATE account_user SET deleted = $1 WHERE account = $2 AND deleted = 0`,
			store.Time(a.o.Clock.Now()), account.String()); err != nil {
			return err
		}
		for _, table := range []string{"account_credential", "account_token"} {
			if _, err := tx.Exec(ctx, `DELETE FROM `+table+` WHERE account = $1`, account.String()); err != nil {
				return err
			}
		}
		if err := a.end(ctx, tx, Ending{Account: account}); err != nil {
			return err
		}
		return a.o.Erase(ctx, tx, account.String())
	})
	if err != nil {
		return fmt.Errorf("account: deleting: %w", err)
	}
	a.log.Info("account deleted")
	return nil
}

// Barred gives those of the accounts that may not be signed in: deleted, disabled or unknown. TakeEnded is quicker; this finds also the
// session that was being made while its account was barred.
func (a *Accounts) Barred(ctx context.Context, accounts []jid.JID) ([]jid.JID, error) {
	var out []jid.JID
	for len(accounts) > 0 {
		part := accounts[:min(len(accounts), 500)]
		accounts = accounts[len(part):]
		good, err := a.good(ctx, part)
		if err != nil {
			return nil, err
		}
		for _, j := range part {
			if !good[j.Bare()] {
				out = append(out, j.Bare())
			}
		}
	}
	return out, nil
}

func (a *Accounts) good(ctx context.Context, part []jid.JID) (map[jid.JID]bool, error) {
	args := make([]any, len(part))
	for i, j := range part {
		args[i] = j.Bare().String()
	}
	good := map[jid.JID]bool{}
	err := store.Each(ctx, a.o.DB, "account: looking for barred accounts", func(row store.Scanner) error {
		var j jid.JID
		err := row.Scan(&j)
		good[j] = true
		return err
	}, `SELECT account FROM account_user WHERE disabled = 0 AND deleted = 0 AND account IN `+store.In(1, len(args)), args...)
	return good, err
}
