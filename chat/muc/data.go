package muc

import (
	"context"
	"fmt"

	"writ/records"
	"writ/schedule"
	"writ/store"
	"writ/xmpp/jid"
)

// data is what the service keeps about people: who belongs to which room, and the subjects they set.
func (m *MUC) data() []records.Datum {
	return []records.Datum{m.groups(), m.subjects(), secrets()}
}

func (m *MUC) groups() records.Datum {
	return records.Datum{
		Datum: schedule.Datum{
			Name:     "groups",
			Category: schedule.Groups,
			Tables:   []string{"muc_affiliation", "muc_avatar", "muc_room"},
			Fields: []schedule.Field{
				{Name: "room", Meaning: "The address of the room."},
				{Name: "affiliation", Meaning: "What the account is there: owner, admin or member; or outcast, banned."},
				{Name: "nickname", Meaning: "The nickname that is reserved for the account there."},
				{Name: "reason", Meaning: "Why it was banned, if an admin wrote that."},
				{Name: "away", Meaning: "Whether it gets the messages while it is not in the room."},
				{Name: "since", Meaning: "Since when it has belonged to the room or has been banned."},
			},
			Time:      "since",
			Purpose:   "Only members enter a private group, and find it again. When someone enters or leaves is not recorded.",
			Retention: schedule.Account,
			Process:   schedule.Warrant,
		},
		Export: func(ctx context.Context, o *records.Opened, emit func(values ...any) error) error {
			return store.Each(ctx, o, "muc: exporting groups", func(row store.Scanner) error {
				var room, affiliation, nick, reason string
				var absent bool
				var since int64
				if err := row.Scan(&room, &affiliation, &nick, &reason, &absent, &since); err != nil {
					return err
				}
				return emit(m.room(room).String(), affiliation, nick, reason, absent, store.FromTime(since))
			}, `SELECT room, affiliation, nick, reason, absent, since FROM muc_affiliation WHERE account = $1 AND since >= $2 AND since < $3
				ORDER BY since, room`, o.Account(), store.Time(o.From()), store.Time(o.To()))
		},
		Erase: m.erase,
	}
}

func (m *MUC) subjects() records.Datum {
	return records.Datum{
		Datum: schedule.Datum{
			Name:     "room-subjects",
			Category: schedule.Clear,
			Tables:   []string{"muc_subject"},
			Fields: []schedule.Field{
				{Name: "time", Meaning: "When the account set the subject that the room has now."},
				{Name: "room", Meaning: "The address of the room."},
				{Name: "nickname", Meaning: "Under which nickname."},
				{Name: "subject", Meaning: "The subject, which apps send in clear."},
			},
			Time:      "time",
			Purpose:   "Who enters a room is shown its subject.",
			Retention: schedule.Account,
			Process:   schedule.Warrant,
		},
		Export: func(ctx context.Context, o *records.Opened, emit func(values ...any) error) error {
			return store.Each(ctx, o, "muc: exporting subjects", func(row store.Scanner) error {
				var room, nick, text string
				var at int64
				if err := row.Scan(&at, &room, &nick, &text); err != nil {
					return err
				}
				return emit(store.FromTime(at), m.room(room).String(), nick, text)
			}, `SELECT at, room, nick, subject FROM muc_subject WHERE account = $1 AND at >= $2 AND at < $3 ORDER BY at, room`,
				o.Account(), store.Time(o.From()), store.Time(o.To()))
		},
		Erase: records.EraseRows(schedule.Clear, "muc_subject", "account"),
	}
}

func secrets() records.Datum {
	return records.Datum{Datum: schedule.Datum{
		Name:      "room-keys",
		Category:  schedule.Credentials,
		Fields:    []schedule.Field{{Name: "secret", Meaning: "A random key of each room that makes the ids of its occupants opaque. It opens no message."}, {Name: "password", Meaning: "The password of a room that has one."}},
		Purpose:   "The same person has the same id in a room whatever their nickname, and another in every other room.",
		Retention: schedule.Permanent,
		Process:   schedule.Never,
		Never:     "It is a key of the server and says nothing about a person. It goes with its room.",
	}}
}

// erase takes an account out of all rooms. A room whose last owner it was gets another, or goes with its last member.
func (m *MUC) erase(ctx context.Context, tx *store.Tx, account string) error {
	rooms, err := store.Column[string](ctx, tx, "muc: rooms of an account", `SELECT room FROM muc_affiliation WHERE account = $1`, account)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM muc_affiliation WHERE account = $1`, account); err != nil {
		return fmt.Errorf("muc: erasing: %w", err)
	}
	for _, room := range rooms {
		if err := m.bequeath(ctx, tx, room); err != nil {
			return fmt.Errorf("muc: erasing: %w", err)
		}
	}
	if j, err := jid.Parse(account); err == nil {
		tx.AfterCommit(func() { m.Forget(j) })
	}
	return nil
}

// bequeath gives a room without an owner the admin, else the member, of longest standing; one that nobody belongs to is deleted.
func (m *MUC) bequeath(ctx context.Context, tx *store.Tx, room string) error {
	var owners int
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM muc_affiliation WHERE room = $1 AND affiliation = 'owner'`, room).Scan(&owners); err != nil || owners > 0 {
		return err
	}
	heirs, err := store.Column[string](ctx, tx, "muc: heirs of a room", `SELECT account FROM muc_affiliation WHERE room = $1 AND affiliation IN ('admin', 'member')
		ORDER BY affiliation, since, account LIMIT 1`, room) // "admin" comes before "member"
	if err != nil {
		return err
	}
	if len(heirs) == 0 {
		return m.wipe(ctx, tx, room)
	}
	_, err = tx.Exec(ctx, `UPDATE muc_affiliation SET affiliation = 'owner' WHERE room = $1 AND account = $2`, room, heirs[0])
	return err
}

// Forget makes the rooms that are in memory see that an account was erased, by this process or another.
func (m *MUC) Forget(account jid.JID) {
	m.mu.Lock()
	var names []string
	for n := range m.rooms {
		names = append(names, n)
	}
	m.mu.Unlock()
	for _, n := range names {
		m.post(n, job{do: func(r *Room) { r.reload(context.Background(), account.Bare()) }})
	}
}
