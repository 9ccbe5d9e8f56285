package account

import (
	"context"
	"fmt"

	"writ/store"
	"writ/xmpp/jid"
)

const (
	maxDevices    = 50  // per account; the one unused longest makes room
	maxDeviceText = 100 // bytes of each text a client tells of itself
)

// Seen notes, in the caller's transaction, that a device signed in now. Of d, ID, Software and Model are what the client says, cut
// to 100 bytes each; Password is set if it showed the password. A device that makes room for another loses its tokens too: who has access
// is in the list.
func (a *Accounts) Seen(ctx context.Context, tx *store.Tx, account jid.JID, d Device) error {
	if d.ID == "" {
		return nil
	}
	now := store.Time(a.o.Clock.Now())
	key := account.Bare().String()
	password := int64(0)
	if !d.Password.IsZero() {
		password = store.Time(d.Password)
	}
	known, err := tx.Exec(ctx, `UPDATE account_device SET software = $3, model = $4, last_seen = $5,
		password = CASE WHEN $6 > password THEN $6 ELSE password END WHERE account = $1 AND id = $2`,
		key, cut(d.ID), cut(d.Software), cut(d.Model), now, password)
	if err == nil && known == 0 {
		_, err = tx.Exec(ctx, `INSERT INTO account_device (account, id, software, model, first_seen, last_seen, password) VALUES ($1, $2, $3, $4, $5, $5, $6)`,
			key, cut(d.ID), cut(d.Software), cut(d.Model), now, password)
	}
	if err != nil {
		return fmt.Errorf("account: noting a device: %w", err)
	}
	if known > 0 {
		return nil // there are no more than before
	}
	gone, err := tx.Exec(ctx, `DELETE FROM account_device WHERE account = $1 AND id IN (
		SELECT id FROM account_device WHERE account = $1 ORDER BY last_seen DESC, id LIMIT 1000 OFFSET $2)`, key, maxDevices)
	if err != nil {
		return fmt.Errorf("account: forgetting old devices: %w", err)
	}
	if gone == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, `DELETE FROM account_token WHERE account = $1 AND device NOT IN (SELECT id FROM account_device WHERE account = $1)`, key); err != nil {
		return fmt.Errorf("account: forgetting the tokens of old devices: %w", err)
	}
	return nil
}

// Told notes, in the caller's transaction, what a device that has signed in calls itself.
func (a *Accounts) Told(ctx context.Context, tx *store.Tx, account jid.JID, d Device) error {
	_, err := tx.Exec(ctx, `UPDATE account_device SET software = $3 WHERE account = $1 AND id = $2`, account.Bare().String(), cut(d.ID), cut(d.Software))
	if err != nil {
		return fmt.Errorf("account: noting a device: %w", err)
	}
	return nil
}

// Devices lists the devices of an account, the latest used first. It comes behind the sign-ins that are being written down.
func (a *Accounts) Devices(ctx context.Context, account jid.JID) ([]Device, error) {
	if err := a.o.DB.Write(ctx, func(*store.Tx) error { return nil }); err != nil {
		return nil, fmt.Errorf("account: listing devices: %w", err)
	}
	return store.List(ctx, a.o.DB, "account: listing devices", func(row store.Scanner) (d Device, err error) {
		var first, last, password, token int64
		err = row.Scan(&d.ID, &d.Software, &d.Model, &first, &last, &password, &token)
		d.First, d.Last, d.Password, d.Token = store.FromTime(first), store.FromTime(last), store.FromTime(password), store.FromTime(token)
		return d, err
	}, `SELECT id, software, model, first_seen, last_seen, password,
		COALESCE((SELECT MAX(t.expires) FROM account_token t WHERE t.account = d.account AND t.device = d.id AND t.expires > $2), 0)
		FROM account_device d WHERE account = $1 ORDER BY last_seen DESC, id`, account.Bare().String(), store.Time(a.o.Clock.Now()))
}

// cut shortens to maxDeviceText bytes, never inside a character.
func cut(s string) string {
	if len(s) <= maxDeviceText {
		return s
	}
	for i := maxDeviceText; ; i-- {
		if s[i]&0xC0 != 0x80 {
			return s[:i]
		}
	}
}
