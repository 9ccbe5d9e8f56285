package account

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"writ/store"
	"writ/xmpp/jid"
	"writ/xmpp/sasl"
)

// ErrToken is a token that is not good any more, or a count that did not rise.
var ErrToken = errors.New("account: the token is spent")

// The two places for a device's tokens (XEP-0484 §5.1).
const (
	slotCurrent = "current"
	slotNew     = "new"
)

// Use is a sign-in, as far as tokens are concerned.
type Use struct {
	Device     Device     // ID, Software and Model as told, and Password if it was shown
	Spent      sasl.Token // the zero Token: it was a password
	Mechanism  string     // of Spent
	Count      int64      // that came with Spent; 0: none
	Invalidate bool       // Spent is not to be good any more (XEP-0484 §3.6)
	Wants      string     // mechanism for which a token is asked for; empty: none
}

// Fresh is a new token for its device. The text is shown once.
type Fresh struct {
	Text    string
	Expires time.Time
}

// tokenKey is the key of the derivation, and so what makes nonces useless to who has only them.
func (a *Accounts) tokenKey(ctx context.Context) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.minter == nil {
		k, err := a.Secret(ctx, "tokens")
		if err != nil {
			return nil, err
		}
		a.minter = k
	}
	return a.minter, nil
}

// tokenText is the token of a nonce.
func tokenText(key []byte, account jid.JID, device, mechanism string, nonce []byte) string {
	m := hmac.New(sha256.New, key)
	fmt.Fprintf(m, "token\x00%s\x00%s\x00%s\x00%x", account, device, mechanism, nonce)
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// Tokens implements sasl.Tokens.
func (a *Accounts) Tokens(ctx context.Context, account jid.JID, device, mechanism string) (list []sasl.Token, disabled bool, err error) {
	if account.IsZero() {
		return nil, false, nil
	}
	key, err := a.tokenKey(ctx)
	if err != nil {
		return nil, false, err
	}
	now := a.o.Clock.Now()
	list, err = store.List(ctx, a.o.DB, "account: reading tokens", func(row store.Scanner) (sasl.Token, error) {
		var nonce []byte
		var slot string
		var issued, barred int64
		err := row.Scan(&nonce, &issued, &slot, &barred)
		disabled = barred != 0
		return sasl.Token{Key: []byte(tokenText(key, account.Bare(), device, mechanism, nonce)), ID: hex.EncodeToString(nonce),
			Due: now.Sub(store.FromTime(issued)) >= a.o.Config.renewAfter(), Unused: slot == slotNew}, err
	}, `SELECT t.nonce, t.issued, t.slot, u.disabled FROM account_token t JOIN account_user u ON u.account = t.account
		WHERE t.account = $1 AND t.device = $2 AND t.mechanism = $3 AND t.expires > $4 AND u.deleted = 0 ORDER BY t.slot DESC`,
		account.Bare().String(), device, mechanism, store.Time(now))
	return list, disabled, err
}

// UseToken does what a sign-in that succeeded does to the device's tokens, in one transaction: the token that was used takes the place of
// older ones, its count is noted, it is put out of use or replaced, or one that was asked for is made (XEP-0484 §3.3 to §3.6).
// Without anything to do it asks nobody. Fresh is nil if there is no new one. ErrToken means that the token is gone, or its count is not above the last one:
// the sign-in must fail.
func (a *Accounts) UseToken(ctx context.Context, account jid.JID, u Use) (*Fresh, error) {
	account = account.Bare()
	if s := u.Spent; !s.Due && !s.Unused && u.Count == 0 && !u.Invalidate && u.Wants == "" {
		return nil, nil
	}
	key, err := a.tokenKey(ctx)
	if err != nil {
		return nil, err
	}
	var fresh *Fresh
	err = a.o.DB.Write(ctx, func(tx *store.Tx) error {
		fresh = nil
		if u.Spent.ID != "" {
			if err := a.spend(ctx, tx, account, u); err != nil {
				return err
			}
		}
		mechanism := u.Wants
		if mechanism == "" && u.Spent.Due && !u.Invalidate {
			mechanism = u.Mechanism
		}
		if mechanism == "" {
			return nil
		}
		fresh, err = a.mint(ctx, tx, key, account, u.Device, mechanism)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("account: using a token: %w", err)
	}
	return fresh, nil
}

// spend notes that a token was used.
func (a *Accounts) spend(ctx context.Context, tx *store.Tx, account jid.JID, u Use) error {
	nonce, err := hex.DecodeString(u.Spent.ID)
	if err != nil {
		return ErrToken
	}
	var slot string
	var count int64
	var has []byte
	found := false
	for _, s := range []string{slotNew, slotCurrent} {
		err := tx.QueryRow(ctx, `SELECT nonce, count FROM account_token WHERE account = $1 AND device = $2 AND slot = $3`,
			account.String(), u.Device.ID, s).Scan(&has, &count)
		if errors.Is(err, store.ErrNoRows) {
			continue
		}
		if err != nil {
			return err
		}
		if bytes.Equal(has, nonce) {
			slot, found = s, true
			break
		}
	}
	if !found || u.Count > 0 && u.Count <= count {
		return ErrToken
	}
	if u.Invalidate {
		_, err := tx.Exec(ctx, `DELETE FROM account_token WHERE account = $1 AND device = $2`, account.String(), u.Device.ID)
		return err
	}
	if slot == slotNew {
		if _, err := tx.Exec(ctx, `DELETE FROM account_token WHERE account = $1 AND device = $2 AND slot = $3`, account.String(), u.Device.ID, slotCurrent); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, `UPDATE account_token SET slot = $4, count = $5 WHERE account = $1 AND device = $2 AND slot = $3`,
		account.String(), u.Device.ID, slot, slotCurrent, max(count, u.Count))
	return err
}

// mint makes a token in the place for new ones: one there that was never used is replaced (XEP-0484 §3.5). Devices beyond the limit
// lose theirs, the one whose token is oldest first. The device is in the list from now on, also if it never binds a session.
func (a *Accounts) mint(ctx context.Context, tx *store.Tx, key []byte, account jid.JID, d Device, mechanism string) (*Fresh, error) {
	if err := a.Seen(ctx, tx, account, d); err != nil {
		return nil, err
	}
	device := d.ID
	nonce := make([]byte, 16)
	rand.Read(nonce)
	now := a.o.Clock.Now()
	expires := now.Add(a.o.Config.tokenLife()).UTC().Truncate(time.Second)
	if _, err := tx.Exec(ctx, `INSERT INTO account_token (account, device, slot, mechanism, nonce, issued, expires) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (account, device, slot) DO UPDATE SET mechanism = excluded.mechanism, nonce = excluded.nonce, issued = excluded.issued,
		expires = excluded.expires, count = 0`,
		account.String(), device, slotNew, mechanism, nonce, store.Time(now), store.Time(expires)); err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM account_token WHERE account = $1 AND device IN (
		SELECT device FROM account_token WHERE account = $1 GROUP BY device ORDER BY MAX(issued) DESC, device LIMIT 1000 OFFSET $2)`,
		account.String(), maxDevices); err != nil {
		return nil, err
	}
	return &Fresh{Text: tokenText(key, account, device, mechanism, nonce), Expires: expires}, nil
}

// SignOut takes a device's access away, as far as it does not rest on the password: its tokens are gone, its sessions are told to end, and it
// leaves the list until it signs in again. ErrUnknown if the account has no such device.
func (a *Accounts) SignOut(ctx context.Context, account jid.JID, device string) error {
	key := account.Bare().String()
	err := a.o.DB.Write(ctx, func(tx *store.Tx) error {
		tokens, err := tx.Exec(ctx, `DELETE FROM account_token WHERE account = $1 AND device = $2`, key, device)
		if err != nil {
			return err
		}
		listed, err := tx.Exec(ctx, `DELETE FROM account_device WHERE account = $1 AND id = $2`, key, device)
		if err != nil {
			return err
		}
		if tokens+listed == 0 {
			return fmt.Errorf("%w: %s has no such device", ErrUnknown, key)
		}
		return a.end(ctx, tx, Ending{Account: account.Bare(), Device: device})
	})
	if err != nil {
		return fmt.Errorf("account: signing a device out: %w", err)
	}
	a.log.Info("device signed out")
	return nil
}
