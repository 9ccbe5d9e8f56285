package roster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"writ/store"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// Item is one contact of one account.
type Item struct {
	Contact jid.JID
	Name    string
	Groups  []string
	State   State
	Listed  bool  // false: only a request waits; it is not shown in the roster
	Ver     int64 // roster version of the last visible change

	asked   int64 // when the request came, in the store's time; 0 if none waits
	request *stanza.Stanza
}

const columns = `contact, state, listed, ver, name, groups, asked, request`

func scan(row store.Scanner) (i Item, err error) {
	var groups, request []byte
	if err := row.Scan(&i.Contact, &i.State, &i.Listed, &i.Ver, &i.Name, &groups, &i.asked, &request); err != nil {
		return Item{}, err
	}
	if err := json.Unmarshal(groups, &i.Groups); err != nil {
		return Item{}, fmt.Errorf("roster: stored groups: %w", err)
	}
	if len(request) > 0 {
		if i.request, err = stanza.Decode(request); err != nil {
			return Item{}, fmt.Errorf("roster: a stored request: %w", err)
		}
	}
	return i, nil
}

// Item is the account's item for a contact (a bare JID, or a domain). Without one it has the zero State and is not Listed.
func (r *Roster) Item(ctx context.Context, q store.Reader, account, contact jid.JID) (Item, error) {
	i, err := scan(q.QueryRow(ctx, `SELECT `+columns+` FROM roster_item WHERE account = $1 AND contact = $2`, account.String(), contact.String()))
	if errors.Is(err, store.ErrNoRows) {
		return Item{Contact: contact}, nil
	}
	return i, err
}

// Items are the account's contacts by address, unlisted ones (waiting requests) included.
func (r *Roster) Items(ctx context.Context, q store.Reader, account jid.JID) ([]Item, error) {
	return r.since(ctx, q, account, -1)
}

// Listing is the account's roster as it is sent (RFC 6121 §2.1.4), and how many contacts it has.
func (r *Roster) Listing(ctx context.Context, account jid.JID) (query []byte, n int, err error) {
	items, err := r.Items(ctx, r.DB, account)
	for _, i := range items {
		if i.Listed {
			n++
		}
	}
	return queryXML(items, false, 0), n, err
}

// since are the items that changed after a version, in the order of their change; the unlisted ones too if ver is negative.
func (r *Roster) since(ctx context.Context, q store.Reader, account jid.JID, ver int64) ([]Item, error) {
	text := `SELECT ` + columns + ` FROM roster_item WHERE account = $1 AND ver > $2 ORDER BY contact`
	if ver >= 0 {
		text = `SELECT ` + columns + ` FROM roster_item WHERE account = $1 AND ver > $2 AND listed ORDER BY ver`
	}
	return store.List(ctx, q, "roster: reading", scan, text, account.String(), ver)
}

// Version is the account's roster version and that of its last removal; both are 0 before the first change.
func (r *Roster) version(ctx context.Context, q store.Reader, account jid.JID) (ver, removed int64, err error) {
	err = q.QueryRow(ctx, `SELECT ver, removed FROM roster_version WHERE account = $1`, account.String()).Scan(&ver, &removed)
	if errors.Is(err, store.ErrNoRows) {
		err = nil
	}
	return ver, removed, err
}

// bump gives the account its next version. It begins with the time, so that an account made anew does not repeat old ones.
func (r *Roster) bump(ctx context.Context, tx *store.Tx, account jid.JID, removal bool) (ver int64, err error) {
	text := `INSERT INTO roster_version (account, ver, removed) VALUES ($1, $2, 0)
		ON CONFLICT (account) DO UPDATE SET ver = roster_version.ver + 1 RETURNING ver`
	if removal {
		text = `INSERT INTO roster_version (account, ver, removed) VALUES ($1, $2, $2)
			ON CONFLICT (account) DO UPDATE SET ver = roster_version.ver + 1, removed = roster_version.ver + 1 RETURNING ver`
	}
	return ver, tx.QueryRow(ctx, text, account.String(), store.Time(r.Clock.Now())).Scan(&ver)
}

// save writes an item; visible says that clients see a difference, so that it gets a new version. An item that is not listed
// and has no state left is removed.
func (r *Roster) save(ctx context.Context, tx *store.Tx, account jid.JID, i *Item, visible bool) error {
	if !i.Listed && i.State == 0 {
		_, err := tx.Exec(ctx, `DELETE FROM roster_item WHERE account = $1 AND contact = $2`, account.String(), i.Contact.String())
		return err
	}
	if visible {
		var err error
		if i.Ver, err = r.bump(ctx, tx, account, false); err != nil {
			return err
		}
	}
	groups, err := json.Marshal(append([]string{}, i.Groups...))
	if err != nil {
		return err
	}
	var request []byte
	if i.request != nil {
		request = i.request.AppendTo(nil, xml.Client)
	}
	_, err = tx.Exec(ctx, `INSERT INTO roster_item (account, contact, state, listed, ver, name, groups, asked, request)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (account, contact) DO UPDATE SET state = excluded.state, listed = excluded.listed, ver = excluded.ver,
			name = excluded.name, groups = excluded.groups, asked = excluded.asked, request = excluded.request`,
		account.String(), i.Contact.String(), int64(i.State), i.Listed, i.Ver, i.Name, string(groups), i.asked, request)
	return err
}

// count tells how many listed contacts and how many waiting requests the account has.
func (r *Roster) count(ctx context.Context, q store.Reader, account jid.JID) (listed, waiting int, err error) {
	err = q.QueryRow(ctx, `SELECT COALESCE(SUM(CASE WHEN listed THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN asked > 0 THEN 1 ELSE 0 END), 0)
		FROM roster_item WHERE account = $1`, account.String()).Scan(&listed, &waiting)
	return listed, waiting, err
}

// Contact reports whether the bare JID is listed in the account's roster.
func (r *Roster) Contact(ctx context.Context, q store.Reader, account, contact jid.JID) (bool, error) {
	i, err := r.Item(ctx, q, account, contact)
	return i.Listed, err
}

// Subscribed reports whether the contact (a bare JID) may see the account's presence: subscription from or both, or the account itself.
func (r *Roster) Subscribed(ctx context.Context, account, contact jid.JID) (bool, error) {
	if account == contact {
		return true, nil
	}
	i, err := r.Item(ctx, r.DB, account, contact)
	return i.State.Has(From), err
}

// Knows reports whether the address is in the account's roster, or may see its presence.
func (r *Roster) Knows(ctx context.Context, account, other jid.JID) (bool, error) {
	i, err := r.Item(ctx, r.DB, account, other)
	return i.Listed || i.State.Has(From), err
}

// Watchers are the bare JIDs that see the account's presence (subscription from or both).
func (r *Roster) Watchers(ctx context.Context, account jid.JID) ([]jid.JID, error) {
	return r.list(ctx, `SELECT contact FROM roster_item WHERE account = $1 AND state & $2 <> 0 ORDER BY contact`, account.String(), int64(From))
}

// Watched are the bare JIDs whose presence the account is subscribed to (subscription to or both).
func (r *Roster) Watched(ctx context.Context, account jid.JID) ([]jid.JID, error) {
	return r.list(ctx, `SELECT contact FROM roster_item WHERE account = $1 AND state & $2 <> 0 ORDER BY contact`, account.String(), int64(To))
}

// Allowing are the local accounts that let the bare JID see their presence: one look-up on their side instead of a probe to each.
func (r *Roster) Allowing(ctx context.Context, watcher jid.JID) ([]jid.JID, error) {
	return r.list(ctx, `SELECT account FROM roster_item WHERE contact = $1 AND state & $2 <> 0 ORDER BY account`, watcher.String(), int64(From))
}

func (r *Roster) list(ctx context.Context, text string, args ...any) ([]jid.JID, error) {
	return store.Column[jid.JID](ctx, r.DB, "roster: reading contacts", text, args...)
}
