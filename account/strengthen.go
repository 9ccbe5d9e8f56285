package account

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"

	"writ/store"
	"writ/xmpp/jid"
	"writ/xmpp/sasl"
)

// Hashes implements sasl.Holder.
func (a *Accounts) Hashes(ctx context.Context, account jid.JID) ([]sasl.Hash, error) {
	has, err := a.rounds(ctx, account)
	var out []sasl.Hash
	for h := range has {
		out = append(out, h)
	}
	return out, err
}

// Lacks gives the hashes of which the account has no verifier, or one of fewer iterations than new ones have; none for an account that
// does not exist.
func (a *Accounts) Lacks(ctx context.Context, account jid.JID) ([]sasl.Hash, error) {
	has, err := a.rounds(ctx, account)
	if err != nil || len(has) == 0 {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(sasl.Hashes[:]), func(h sasl.Hash) bool { return has[h] >= a.Iterations() }), nil
}

// Iterations is how often the hash of a new verifier is repeated.
func (a *Accounts) Iterations() int {
	if a.o.Config.Iterations == 0 {
		return sasl.DefaultIterations
	}
	return a.o.Config.Iterations
}

// rounds are the iterations of each verifier that the account has.
func (a *Accounts) rounds(ctx context.Context, account jid.JID) (map[sasl.Hash]int, error) {
	has := map[sasl.Hash]int{}
	err := store.Each(ctx, a.o.DB, "account: reading verifiers", func(row store.Scanner) error {
		var h sasl.Hash
		var n int
		err := row.Scan(&h, &n)
		has[h] = n
		return err
	}, `SELECT hash, iterations FROM account_credential WHERE account = $1`, account.Bare().String())
	return has, err
}

// errChanged is a password that was changed while a verifier of it was being made.
var errChanged = errors.New("account: the password was changed meanwhile")

// Strengthen adds verifiers of the password behind shown, or replaces weaker ones (XEP-0480 §3). It fails if the password has been changed
// since shown was read: whoever knew the old one must not leave a verifier of it behind.
func (a *Accounts) Strengthen(ctx context.Context, account jid.JID, shown sasl.Verifier, fresh ...sasl.Verifier) error {
	key := account.Bare().String()
	err := a.o.DB.Write(ctx, func(tx *store.Tx) error {
		var stored []byte
		err := tx.QueryRow(ctx, `SELECT stored_key FROM account_credential WHERE account = $1 AND hash = $2`, key, string(shown.Hash)).Scan(&stored)
		if errors.Is(err, store.ErrNoRows) || err == nil && subtle.ConstantTimeCompare(stored, shown.StoredKey) != 1 {
			return errChanged
		}
		if err != nil {
			return err
		}
		for _, v := range fresh {
			if _, err := tx.Exec(ctx, `INSERT INTO account_credential (account, hash, salt, iterations, stored_key, server_key) VALUES ($1, $2, $3, $4, $5, $6)
				ON CONFLICT (account, hash) DO UPDATE SET salt = excluded.salt, iterations = excluded.iterations, stored_key = excluded.stored_key,
				server_key = excluded.server_key`, key, string(v.Hash), v.Salt, v.Iterations, v.StoredKey, v.ServerKey); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("account: strengthening verifiers: %w", err)
	}
	a.log.Info("verifiers strengthened")
	return nil
}

// Upgrade implements sasl.Upgrader: a password that was shown in full makes the verifiers that the account lacks.
func (a *Accounts) Upgrade(ctx context.Context, account jid.JID, shown sasl.Verifier, prepared string) {
	lacks, err := a.Lacks(ctx, account)
	if err == nil && len(lacks) > 0 {
		var fresh []sasl.Verifier
		for _, h := range lacks {
			var v sasl.Verifier
			if v, err = sasl.Derive(h, prepared, sasl.NewSalt(), a.Iterations()); err != nil {
				break
			}
			fresh = append(fresh, v)
		}
		if err == nil {
			err = a.Strengthen(ctx, account, shown, fresh...)
		}
	}
	if err != nil {
		a.log.Error("verifiers could not be strengthened", "err", err)
	}
}
