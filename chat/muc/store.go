package muc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"writ/store"
	"writ/xmpp/jid"
)

// saved is a room as its rows have it.
type saved struct {
	options Options
	secret  []byte
	created time.Time
	subject subject
}

// readRoom reads a room; nil if there is none.
func (m *MUC) readRoom(ctx context.Context, name string) (*saved, error) {
	var s saved
	var options string
	var created int64
	err := m.DB.QueryRow(ctx, `SELECT options, secret, created FROM muc_room WHERE room = $1`, name).Scan(&options, &s.secret, &created)
	if errors.Is(err, store.ErrNoRows) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(options), &s.options)
	}
	if err != nil {
		return nil, fmt.Errorf("muc: reading a room: %w", err)
	}
	s.created = store.FromTime(created)
	var at int64
	err = m.DB.QueryRow(ctx, `SELECT account, nick, subject, at FROM muc_subject WHERE room = $1`, name).Scan(&s.subject.user, &s.subject.nick, &s.subject.text, &at)
	if errors.Is(err, store.ErrNoRows) {
		return &s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("muc: reading a subject: %w", err)
	}
	s.subject.at = store.FromTime(at)
	return &s, nil
}

// readUsers reads a room's affiliations.
func (m *MUC) readUsers(ctx context.Context, name string) (map[jid.JID]user, error) {
	all := map[jid.JID]user{}
	err := store.Each(ctx, m.DB, "muc: reading affiliations", func(row store.Scanner) error {
		var j jid.JID
		var affiliation string
		var u user
		var since int64
		err := row.Scan(&j, &affiliation, &u.nick, &u.reason, &u.absent, &since)
		u.affiliation, u.since = affiliations[affiliation], store.FromTime(since)
		all[j] = u
		return err
	}, `SELECT account, affiliation, nick, reason, absent, since FROM muc_affiliation WHERE room = $1`, name)
	return all, err
}

// writeRoom writes a room's configuration.
func (m *MUC) writeRoom(ctx context.Context, tx *store.Tx, r *Room, o Options) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO muc_room (room, options, secret, temporary, listed, created) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (room) DO UPDATE SET options = excluded.options, temporary = excluded.temporary, listed = excluded.listed`,
		r.name, string(text), r.secret, !o.Persistent, o.Public, store.Time(r.created))
	if err != nil {
		return fmt.Errorf("muc: writing a room: %w", err)
	}
	return nil
}

// writeUser writes an affiliation, or deletes one that is none.
func (m *MUC) writeUser(ctx context.Context, tx *store.Tx, room string, j jid.JID, u user) error {
	var err error
	if u.affiliation == None {
		_, err = tx.Exec(ctx, `DELETE FROM muc_affiliation WHERE room = $1 AND account = $2`, room, j.String())
	} else {
		_, err = tx.Exec(ctx, `INSERT INTO muc_affiliation (room, account, affiliation, nick, reason, absent, since) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (room, account) DO UPDATE SET affiliation = excluded.affiliation, nick = excluded.nick, reason = excluded.reason,
			absent = excluded.absent, since = excluded.since`, room, j.String(), u.affiliation.String(), u.nick, u.reason, u.absent, store.Time(u.since))
	}
	if err != nil {
		return fmt.Errorf("muc: writing an affiliation: %w", err)
	}
	return nil
}

func (m *MUC) writeSubject(ctx context.Context, tx *store.Tx, room string, s subject) error {
	_, err := tx.Exec(ctx, `INSERT INTO muc_subject (room, account, nick, subject, at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (room) DO UPDATE SET account = excluded.account, nick = excluded.nick, subject = excluded.subject, at = excluded.at`,
		room, s.user.String(), s.nick, s.text, store.Time(s.at))
	if err != nil {
		return fmt.Errorf("muc: writing a subject: %w", err)
	}
	return nil
}

// wipe deletes a room with all that is kept of it: a room that is made later under the same name must not find any of it.
func (m *MUC) wipe(ctx context.Context, tx *store.Tx, name string) error {
	for _, table := range []string{"muc_affiliation", "muc_subject", "muc_avatar", "muc_room"} {
		if _, err := tx.Exec(ctx, `DELETE FROM `+table+` WHERE room = $1`, name); err != nil {
			return fmt.Errorf("muc: deleting a room: %w", err)
		}
	}
	return m.Archive.Drop(ctx, tx, m.room(name))
}

// owned counts the rooms that an account owns.
func (m *MUC) owned(ctx context.Context, account jid.JID) (n int, err error) {
	err = m.DB.QueryRow(ctx, `SELECT COUNT(*) FROM muc_affiliation WHERE account = $1 AND affiliation = 'owner'`, account.String()).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("muc: counting rooms: %w", err)
	}
	return n, nil
}

func readOptions(text string) (o Options, err error) {
	err = json.Unmarshal([]byte(text), &o)
	return o, err
}

// countListed counts the rooms of the public list.
func (m *MUC) countListed(ctx context.Context) (n int, err error) {
	if err = m.DB.QueryRow(ctx, `SELECT COUNT(*) FROM muc_room WHERE listed`).Scan(&n); err != nil {
		return 0, fmt.Errorf("muc: counting rooms: %w", err)
	}
	return n, nil
}
