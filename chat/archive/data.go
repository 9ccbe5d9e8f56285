package archive

import (
	"context"
	"fmt"
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
			Tables:   []string{"archive_stanza", "archive_entry", "archive_span"},
			Fields: []schedule.Field{
				{Name: "time", Meaning: "When the server took the message."},
				{Name: "from", Meaning: "The account that sent it."},
				{Name: "to", Meaning: "The account it was sent to."},
				{Name: "size", Meaning: "The bytes of its content, encrypted or not."},
				{Name: "kind", Meaning: "What it is for: encrypted, key, text, call, receipt, marker, reaction, retraction, invite or other."},
			},
			Time:      "time",
			Purpose:   "Apps fetch the messages that they missed or that another app of the account sent.",
			Retention: "archive",
			Process:   schedule.CourtOrder,
		},
		Export: func(ctx context.Context, o *records.Opened, emit func(values ...any) error) error {
			rows, err := o.Query(ctx, `SELECT s.at, s.sender, s.recipient, s.size, s.kind FROM archive_span p
				JOIN archive_entry e ON e.bucket = p.bucket AND e.account = p.account JOIN archive_stanza s ON s.id = e.id
				WHERE p.account = $1 AND s.at >= $2 AND s.at < $3 ORDER BY e.id`, o.Account(), store.Time(o.From()), store.Time(o.To()))
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var at, size int64
				var from, to, kind string
				if err := rows.Scan(&at, &from, &to, &size, &kind); err != nil {
					return err
				}
				if err := emit(store.FromTime(at), from, to, size, kind); err != nil {
					return err
				}
			}
			return rows.Err()
		},
		Erase: a.erase,
		Sweep: a.sweep,
	}
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
		Export: func(ctx context.Context, o *records.Opened, emit func(values ...any) error) error {
			rows, err := o.Query(ctx, `SELECT mode, always, never FROM archive_prefs WHERE account = $1`, o.Account())
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var mode, always, never string
				if err := rows.Scan(&mode, &always, &never); err != nil {
					return err
				}
				if err := emit(mode, always, never); err != nil {
					return err
				}
			}
			return rows.Err()
		},
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

// sweep deletes the entries older than the term, and the messages that no archive holds any more.
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
			keep := false
			for _, account := range s.parties() {
				if held(account) {
					keep = true
					continue
				}
				d, err := tx.Exec(ctx, `DELETE FROM archive_entry WHERE bucket = $1 AND account = $2 AND id = $3`, bucketOf(s.id), account, s.id)
				if err != nil {
					return 0, fmt.Errorf("archive: sweeping: %w", err)
				}
				n += d
			}
			if !keep {
				free = append(free, s.id)
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
			return 0, a.sweepSpans(ctx, tx, before)
		} // a piece of held rows alone: look further
	}
}

type party struct {
	id                int64
	sender, recipient string
}

func (p party) parties() []string {
	if p.sender == p.recipient {
		return []string{p.sender}
	}
	return []string{p.sender, p.recipient}
}

func oldest(ctx context.Context, tx *store.Tx, before time.Time, cursor int64) ([]party, error) {
	rows, err := tx.Query(ctx, `SELECT id, sender, recipient FROM archive_stanza WHERE id > $1 AND at < $2 ORDER BY id LIMIT $3`,
		cursor, store.Time(before), piece)
	if err != nil {
		return nil, fmt.Errorf("archive: sweeping: %w", err)
	}
	defer rows.Close()
	var l []party
	for rows.Next() {
		var p party
		if err := rows.Scan(&p.id, &p.sender, &p.recipient); err != nil {
			return nil, err
		}
		l = append(l, p)
	}
	return l, rows.Err()
}

// sweepSpans forgets in which old buckets archives had entries. The newest bucket is left: it is remembered as written.
func (a *Archive) sweepSpans(ctx context.Context, tx *store.Tx, before time.Time) error {
	var first int64
	if err := tx.QueryRow(ctx, `SELECT COALESCE(MIN(id), 0) FROM archive_stanza WHERE at >= $1`, store.Time(before)).Scan(&first); err != nil {
		return fmt.Errorf("archive: sweeping: %w", err)
	}
	end := bucketOf(first)
	if first == 0 { // nothing is left
		end = a.spans.newest()
	}
	_, err := tx.Exec(ctx, `DELETE FROM archive_span WHERE bucket < $1 AND NOT EXISTS (SELECT 1 FROM archive_entry e
		WHERE e.bucket = archive_span.bucket AND e.account = archive_span.account)`, end)
	if err != nil {
		return fmt.Errorf("archive: sweeping: %w", err)
	}
	return nil
}

// erase deletes the account's archive and what others' archives hold of it, except what is held for them.
func (a *Archive) erase(ctx context.Context, tx *store.Tx, account string) error {
	var first, last int64
	if err := tx.QueryRow(ctx, `SELECT COALESCE(MIN(id), 0), COALESCE(MAX(id), 0) FROM archive_stanza`).Scan(&first, &last); err != nil {
		return fmt.Errorf("archive: erasing: %w", err)
	}
	for bucket := bucketOf(first); bucket <= bucketOf(last); bucket++ {
		if err := eraseBucket(ctx, tx, account, bucket); err != nil {
			return fmt.Errorf("archive: erasing: %w", err)
		}
	}
	tx.AfterCommit(func() {
		if j, err := jid.Parse(account); err == nil {
			a.spans.forget(j)
		}
	})
	if _, err := tx.Exec(ctx, `DELETE FROM archive_span WHERE account = $1`, account); err != nil {
		return fmt.Errorf("archive: erasing: %w", err)
	}
	return nil
}

// eraseBucket deletes the entries of one bucket that name the account, and the messages that no archive holds any more.
func eraseBucket(ctx context.Context, tx *store.Tx, account string, bucket int64) error {
	ids, err := touching(ctx, tx, account, bucket)
	if err != nil || len(ids) == 0 {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM archive_entry WHERE bucket = $1 AND (account = $2 OR peer = $2) AND `+unheld,
		bucket, account, string(schedule.MessageLog)); err != nil {
		return err
	}
	for len(ids) > 0 {
		n := min(len(ids), piece)
		_, err := tx.Exec(ctx, `DELETE FROM archive_stanza WHERE id IN `+store.In(2, n)+` AND NOT EXISTS (SELECT 1 FROM archive_entry e
			WHERE e.bucket = $1 AND e.id = archive_stanza.id AND e.account IN (archive_stanza.sender, archive_stanza.recipient))`,
			append([]any{bucket}, ids[:n]...)...)
		if err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

var unheld = records.Unheld("archive_entry", 3, "account", "peer")

func touching(ctx context.Context, tx *store.Tx, account string, bucket int64) (ids []any, err error) {
	rows, err := tx.Query(ctx, `SELECT id FROM archive_entry WHERE bucket = $1 AND account = $2 UNION SELECT id FROM archive_entry WHERE bucket = $1 AND peer = $2`,
		bucket, account)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}
