package archive

import (
	"context"
	"encoding/json"
	"sync"

	"writ/store"
	"writ/xmpp/jid"
)

// The default behaviours (XEP-0441 §2.1.1).
const (
	Always     = "always"
	Never      = "never"
	RosterOnly = "roster"
)

// Prefs are what a person wants archived (XEP-0441).
type Prefs struct {
	Default string
	Always  []jid.JID // addresses whose messages are always archived
	Never   []jid.JID
}

// prefsCache holds the preferences of those who set any: few do, and every message asks.
type prefsCache struct {
	mu  sync.RWMutex
	set map[jid.JID]Prefs
}

func (c *prefsCache) get(account jid.JID) (Prefs, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	p, ok := c.set[account]
	return p, ok
}

func (c *prefsCache) put(account jid.JID, p Prefs) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set[account] = p
}

func (c *prefsCache) drop(account jid.JID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.set, account)
}

// Forget drops what is remembered of an account that another process has changed or erased.
func (a *Archive) Forget(account jid.JID) { a.prefs.drop(account.Bare()) }

func (a *Archive) loadPrefs(ctx context.Context) error {
	a.prefs.set = map[jid.JID]Prefs{}
	return store.Each(ctx, a.DB, "archive: reading preferences", func(row store.Scanner) error {
		var j jid.JID
		var p Prefs
		var always, never []byte
		err := row.Scan(&j, &p.Default, &always, &never)
		if err == nil {
			err = json.Unmarshal(always, &p.Always)
		}
		if err == nil {
			err = json.Unmarshal(never, &p.Never)
		}
		a.prefs.set[j] = p
		return err
	}, `SELECT account, mode, always, never FROM archive_prefs`)
}

// Prefs are the account's preferences, or the house's default.
func (a *Archive) Prefs(account jid.JID) Prefs {
	if p, ok := a.prefs.get(account.Bare()); ok {
		return p
	}
	return Prefs{Default: a.c.Default}
}

// SetPrefs stores the account's preferences.
func (a *Archive) SetPrefs(ctx context.Context, account jid.JID, p Prefs) error {
	account = account.Bare()
	always, err := json.Marshal(append([]jid.JID{}, p.Always...))
	if err != nil {
		return err
	}
	never, err := json.Marshal(append([]jid.JID{}, p.Never...))
	if err != nil {
		return err
	}
	return a.DB.Write(ctx, func(tx *store.Tx) error {
		tx.AfterCommit(func() { a.prefs.put(account, p) })
		_, err := tx.Exec(ctx, `INSERT INTO archive_prefs (account, mode, always, never) VALUES ($1, $2, $3, $4)
			ON CONFLICT (account) DO UPDATE SET mode = excluded.mode, always = excluded.always, never = excluded.never`,
			account.String(), p.Default, string(always), string(never))
		return err
	})
}

// wanted reports whether an account's archive takes messages with an address (XEP-0441 §2.3).
func (a *Archive) wanted(ctx context.Context, q store.Reader, account, peer jid.JID) (bool, error) {
	p := a.Prefs(account)
	for _, j := range p.Never { // of two entries that contradict each other the one that keeps less wins
		if j == peer || j == peer.Bare() {
			return false, nil
		}
	}
	for _, j := range p.Always {
		if j == peer || j == peer.Bare() {
			return true, nil
		}
	}
	switch p.Default {
	case Never:
		return false, nil
	case RosterOnly:
		return a.Contacts.Contact(ctx, q, account, peer.Bare())
	}
	return true, nil
}
