package archive

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"writ/records"
	"writ/schedule"
	"writ/store"
	"writ/xmpp/jid"
)

// log is the message log: what the archive says about a message while it lasts, and nothing of the message itself.
func (a *Archive) log() records.Datum {
	return records.Datum{
		Datum: schedule.Datum{
			Name:     "messages",
			Category: schedule.MessageLog,
			Tables:   []string{"archive_stanza", "archive_posting", "archive_packed"},
			Fields: []schedule.Field{
				{Name: "time", Meaning: "When the server took the message."},
				{Name: "from", Meaning: "The account that sent it."},
				{Name: "to", Meaning: "The account, or the room, it was sent to."},
				{Name: "size", Meaning: "The bytes of its content, encrypted or not."},
				{Name: "kind", Meaning: "What it is for: encrypted, key, text, call, receipt, marker, reaction, retraction, invite, groupchat (to a room) or other."},
			},
			Time:      "time",
			Purpose:   "Apps fetch the messages that they missed or that another app of the account sent.",
			Retention: "archive",
			Process:   schedule.CourtOrder,
		},
		Export: exportLog,
		Erase:  a.erase,
		Sweep:  a.sweep,
	}
}

// exportLog emits what the account's archive holds of the window, oldest first.
func exportLog(ctx context.Context, o *records.Opened, emit func(values ...any) error) error {
	account, err := jid.Parse(o.Account())
	if err != nil {
		return fmt.Errorf("archive: exporting: %w", err)
	}
	ids, err := mentions(ctx, o, account.String())
	if err != nil {
		return err
	}
	first, last, err := ends(ctx, o)
	if err != nil {
		return fmt.Errorf("archive: exporting: %w", err)
	}
	from, err := since(ctx, o, store.Time(o.From()), first-1, last+1)
	if err != nil {
		return err
	}
	to, err := since(ctx, o, store.Time(o.To()), from-1, last+1)
	if err != nil {
		return err
	}
	begin, _ := slices.BinarySearch(ids, from)
	end, _ := slices.BinarySearch(ids, to)
	for some := range slices.Chunk(ids[begin:max(begin, end)], MaxPage+1) {
		where, args := holding(account, jid.JID{}, some)
		where = strings.Replace(where, "(", "(sender = $1 AND kind = '"+Groupchat+"' OR ", 1) // what it said in rooms stands in their archives
		n := len(args)
		err := store.Each(ctx, o, "archive: exporting", func(row store.Scanner) error {
			var at, size int64
			var from, to, kind string
			if err := row.Scan(&at, &from, &to, &size, &kind); err != nil {
				return err
			}
			return emit(store.FromTime(at), from, to, size, kind)
		}, fmt.Sprintf(`SELECT at, sender, recipient, size, kind FROM archive_stanza WHERE %s AND at >= $%d AND at < $%d ORDER BY id`, where, n+1, n+2),
			append(args, store.Time(o.From()), store.Time(o.To()))...)
		if err != nil {
			return err
		}
	}
	return nil
}

// ciphertext is what stands in the same rows and is never produced.
func (a *Archive) ciphertext() records.Datum {
	return records.Datum{Datum: schedule.Datum{
		Name:      "archived-stanzas",
		Category:  schedule.Ciphertext,
		Fields:    []schedule.Field{{Name: "stanza", Meaning: "The message as it was delivered: ciphertext, and what the app added to it in clear."}},
		Purpose:   "Apps fetch the messages that they missed or that another app of the account sent.",
		Retention: "archive",
		Process:   schedule.Never,
		Never:     "The server cannot read it. It is shown to nobody but the account's own apps.",
	}}
}

func (a *Archive) preferences() records.Datum {
	return records.Datum{
		Datum: schedule.Datum{
			Name:     "archive-preferences",
			Category: schedule.Contacts,
			Tables:   []string{"archive_prefs"},
			Fields: []schedule.Field{
				{Name: "default", Meaning: "What is archived by default: always, roster or never."},
				{Name: "always", Meaning: "Addresses whose messages are always archived, as a JSON list."},
				{Name: "never", Meaning: "Addresses whose messages are never archived, as a JSON list."},
			},
			Purpose:   "The archive keeps only what the person wants kept.",
			Retention: schedule.Account,
			Process:   schedule.Warrant,
		},
		Export: records.ExportRows(`SELECT mode, always, never FROM archive_prefs WHERE account = $1`, records.Text, records.Text, records.Text),
		Erase: func(ctx context.Context, tx *store.Tx, account string) error {
			tx.AfterCommit(func() {
				if j, err := jid.Parse(account); err == nil {
					a.prefs.drop(j)
				}
			})
			_, err := tx.Exec(ctx, `DELETE FROM archive_prefs WHERE account = $1`, account)
			return err
		},
	}
}

func keys() records.Datum {
	return records.Datum{Datum: schedule.Datum{
		Name:      "archive-key",
		Category:  schedule.Credentials,
		Tables:    []string{"archive_key"},
		Fields:    []schedule.Field{{Name: "key", Meaning: "A random key that makes archive ids opaque. It opens no message."}},
		Purpose:   "Ids of messages must not tell how many messages the server carries.",
		Retention: schedule.Permanent,
		Process:   schedule.Never,
		Never:     "It is a key of the server and says nothing about a person.",
	}}
}

// piece bounds the rows that one transaction of a sweep looks at, so that the group commit is not held up.
const piece = 1000

// sweep deletes the messages older than the term from the archives, and those that no archive holds any more.
func (a *Archive) sweep(ctx context.Context, tx *store.Tx, before time.Time, held func(account string) bool) (int64, error) {
	for cursor := int64(0); ; {
		old, err := oldest(ctx, tx, before, cursor)
		if err != nil {
			return 0, err
		}
		var n int64
		var free []any
		for _, s := range old {
			cursor = s.id
			keep := Holds(0)
			if held(s.sender) {
				keep |= BySender
			}
			if held(s.recipient) {
				keep |= ByRecipient
			}
			switch {
			case keep == 0:
				free = append(free, s.id)
			case s.holds&^keep != 0 && s.sender != s.recipient:
				if _, err := tx.Exec(ctx, `UPDATE archive_stanza SET holds = $1 WHERE id = $2`, int64(s.holds&keep), s.id); err != nil {
					return 0, fmt.Errorf("archive: sweeping: %w", err)
				}
				n++
			}
		}
		if len(free) > 0 {
			d, err := tx.Exec(ctx, `DELETE FROM archive_stanza WHERE id IN `+store.In(1, len(free)), free...)
			if err != nil {
				return 0, fmt.Errorf("archive: sweeping: %w", err)
			}
			n += d
		}
		if n > 0 {
			return n, nil
		}
		if len(old) < piece {
			return 0, a.sweepPostings(ctx, tx, before)
		} // a piece of held rows alone: look further
	}
}

// aged is a message that a sweep looks at.
type aged struct {
	id                int64
	sender, recipient string
	holds             Holds
}

// oldest are the first messages behind the cursor that are older than a time, a piece at most. Along the ids times never go back.
func oldest(ctx context.Context, tx *store.Tx, before time.Time, cursor int64) ([]aged, error) {
	return store.List(ctx, tx, "archive: sweeping", func(row store.Scanner) (s aged, err error) {
		return s, row.Scan(&s.id, &s.sender, &s.recipient, &s.holds)
	}, `SELECT id, sender, recipient, holds FROM (SELECT id, at, sender, recipient, holds FROM archive_stanza WHERE id > $1 ORDER BY id LIMIT $3) AS piece
		WHERE at < $2 ORDER BY id`, cursor, store.Time(before), piece)
}

// sweepPostings forgets what was written down of old buckets in which no message is left, and what is remembered of messages that are gone.
func (a *Archive) sweepPostings(ctx context.Context, tx *store.Tx, before time.Time) error {
	first, last, err := ends(ctx, tx)
	if err != nil {
		return fmt.Errorf("archive: sweeping: %w", err)
	}
	end := int64(math.MaxInt64) // the first message that is not old
	if first == 0 {
		first = end
	} else if end, err = since(ctx, tx, store.Time(before), first-1, last+1); err != nil {
		return err
	}
	tx.AfterCommit(func() { a.tail.cut(first) })
	for bucket := int64(-1); ; {
		err := tx.QueryRow(ctx, `SELECT COALESCE(MIN(bucket), $2) FROM archive_posting WHERE bucket > $1`, bucket, int64(math.MaxInt64)).Scan(&bucket)
		if err != nil {
			return fmt.Errorf("archive: sweeping: %w", err)
		}
		if bucket >= bucketOf(end) {
			return nil
		}
		if _, err := tx.Exec(ctx, `DELETE FROM archive_posting WHERE bucket = $1 AND NOT EXISTS (SELECT 1 FROM archive_stanza WHERE id >= $2 AND id < $3)`,
			bucket, bucket<<bucketBits, (bucket+1)<<bucketBits); err != nil {
			return fmt.Errorf("archive: sweeping: %w", err)
		}
	}
}

var unheld = records.Unheld("archive_stanza", 1, "sender", "recipient")

// erase deletes every message that names the account, from its archive and from others', except what is held for one of its parties.
func (a *Archive) erase(ctx context.Context, tx *store.Tx, account string) error {
	ids, err := mentions(ctx, tx, account)
	if err != nil {
		return err
	}
	for len(ids) > 0 {
		n := min(len(ids), piece)
		args := []any{string(schedule.MessageLog), account}
		for _, id := range ids[:n] {
			args = append(args, id)
		}
		ids = ids[n:]
		if _, err := tx.Exec(ctx, `DELETE FROM archive_stanza WHERE id IN `+store.In(3, n)+` AND (sender = $2 OR recipient = $2) AND `+unheld, args...); err != nil {
			return fmt.Errorf("archive: erasing: %w", err)
		}
	}
	tx.AfterCommit(func() {
		if j, err := jid.Parse(account); err == nil {
			a.tail.forget(j)
		}
	})
	if _, err := tx.Exec(ctx, `DELETE FROM archive_posting WHERE account = $1`, account); err != nil {
		return fmt.Errorf("archive: erasing: %w", err)
	}
	return nil
}
