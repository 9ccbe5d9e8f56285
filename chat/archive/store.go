package archive

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"writ/store"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// MaxPage is the most messages that one page holds (XEP-0313 §4.3.1).
const MaxPage = 100

// ErrNotFound says that a query names an id that is not in the archive (XEP-0313 §4.1.3, §4.3.2).
var ErrNotFound = errors.New("archive: no message with that id")

// Message is what is appended.
type Message struct {
	Stanza   *stanza.Stanza
	From, To jid.JID
	Time     time.Time
	Kind     string
}

// Entry is one archive that takes the message, and who the other party is in it (bare JIDs).
type Entry struct{ Account, Peer jid.JID }

// Append writes a message once, and an entry for each of one or two archives. It returns the position, which is greater than every other.
func (a *Archive) Append(ctx context.Context, tx *store.Tx, m Message, into ...Entry) (id int64, err error) {
	at := store.Time(m.Time)
	for { // a clock that was set back, or a stanza that waited longer than the next, must not break the order of times
		last := a.last.Load()
		if at >= last && a.last.CompareAndSwap(last, at) {
			break
		}
		at = max(at, last)
	}
	err = tx.QueryRow(ctx, `INSERT INTO archive_stanza (at, sender, recipient, kind, size, stanza) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`,
		at, m.From.Bare().String(), m.To.Bare().String(), m.Kind, m.Stanza.Size(), m.Stanza.AppendTo(nil, xml.Client)).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("archive: appending: %w", err)
	}
	bucket := bucketOf(id)
	text, args := `INSERT INTO archive_entry (bucket, id, account, peer) VALUES ($1, $2, $3, $4)`, []any{bucket, id}
	for n, i := range into {
		if n == 1 {
			text += `, ($1, $2, $5, $6)`
		}
		args = append(args, i.Account.String(), i.Peer.String())
		if err := a.span(ctx, tx, bucket, i.Account); err != nil {
			return 0, fmt.Errorf("archive: appending: %w", err)
		}
	}
	if _, err := tx.Exec(ctx, text, args...); err != nil {
		return 0, fmt.Errorf("archive: appending an entry: %w", err)
	}
	return id, nil
}

// span notes that an archive has entries in a bucket, unless that is known.
func (a *Archive) span(ctx context.Context, tx *store.Tx, bucket int64, account jid.JID) error {
	if a.spans.known(bucket, account) {
		return nil
	}
	tx.AfterCommit(func() { a.spans.note(bucket, account) })
	_, err := tx.Exec(ctx, `INSERT INTO archive_span (account, bucket) VALUES ($1, $2) ON CONFLICT DO NOTHING`, account.String(), bucket)
	return err
}

// Query asks for a page. Zero fields ask for nothing.
type Query struct {
	With       jid.JID   // messages with this address; a bare one matches all its resources (XEP-0313 §4.1.1)
	Start, End time.Time // both inclusive (XEP-0313 §4.1.2)
	After      int64     // positions, exclusive
	Before     int64
	IDs        []int64 // only these, in the order of the archive
	Max        int     // 0 and more than MaxPage mean MaxPage
	Backwards  bool    // the newest that match, not the oldest (XEP-0313 §4.3.3)
	Must       []int64 // positions that must be in the archive, or the query fails with ErrNotFound
}

// Item is a message of an archive.
type Item struct {
	ID     int64
	Time   time.Time
	Stanza *stanza.Stanza
}

// Page is a part of an archive, oldest first. Complete says that nothing that matches lies beyond it in its direction.
type Page struct {
	Items    []Item
	Complete bool
}

// Page reads. It costs as much as the page is long, whatever the archive's size; with a filter by address, and for that of a
// full JID, as much as there are buckets and messages of the bare one.
func (a *Archive) Page(ctx context.Context, account jid.JID, q Query) (Page, error) {
	if q.Max <= 0 || q.Max > MaxPage {
		q.Max = MaxPage
	}
	p := Page{Complete: true}
	err := a.walk(ctx, account, q, func(bucket int64, where string, args []any) (bool, error) {
		err := a.readBucket(ctx, &p, q, where, args)
		return p.Complete && err == nil, err
	})
	if err != nil {
		return Page{}, fmt.Errorf("archive: reading a page: %w", err)
	}
	if q.Backwards {
		slices.Reverse(p.Items)
	}
	return p, nil
}

// readBucket adds what one bucket has to the page. It reads one row more than fits, which tells that the page is not all; a filter by full
// JID is applied to the rows read, so it cannot be limited beforehand.
func (a *Archive) readBucket(ctx context.Context, p *Page, q Query, where string, args []any) error {
	text := `SELECT s.id, s.at, s.stanza FROM archive_entry e JOIN archive_stanza s ON s.id = e.id WHERE ` + where + ` ORDER BY e.id`
	if q.Backwards {
		text += " DESC"
	}
	if q.With.IsBare() {
		args = append(args, q.Max+1-len(p.Items))
		text += " LIMIT $" + strconv.Itoa(len(args))
	}
	rows, err := a.DB.Query(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		i, err := scanItem(rows)
		if err != nil {
			return err
		}
		if !q.With.IsBare() && i.Stanza.From != q.With && i.Stanza.To != q.With {
			continue
		}
		if len(p.Items) == q.Max {
			p.Complete = false
			break
		}
		p.Items = append(p.Items, i)
	}
	return rows.Err()
}

func scanItem(row interface{ Scan(...any) error }) (i Item, err error) {
	var at int64
	var b []byte
	if err := row.Scan(&i.ID, &at, &b); err != nil {
		return Item{}, err
	}
	i.Time = store.FromTime(at)
	if i.Stanza, err = stanza.Decode(b); err != nil {
		return Item{}, fmt.Errorf("archive: message %d: %w", i.ID, err)
	}
	return i, nil
}

// walk calls f with the condition of the query for each bucket of the archive that can match, in the query's direction, until f says no.
func (a *Archive) walk(ctx context.Context, account jid.JID, q Query, f func(bucket int64, where string, args []any) (bool, error)) error {
	if err := a.must(ctx, account, append(slices.Clone(q.IDs), q.Must...)); err != nil {
		return err
	}
	after, before, err := a.bounds(ctx, q)
	if err != nil || after+1 >= before {
		return err
	}
	buckets, err := a.buckets(ctx, account, after, before, q.Backwards)
	if err != nil {
		return err
	}
	for _, bucket := range buckets {
		where, args := "e.bucket = $1 AND e.account = $2 AND e.id > $3 AND e.id < $4", []any{bucket, account.Bare().String(), after, before}
		if !q.With.IsZero() {
			args = append(args, q.With.Bare().String())
			where += " AND e.peer = $5"
		}
		if len(q.IDs) > 0 {
			where += " AND e.id IN " + store.In(len(args)+1, len(q.IDs))
			for _, id := range q.IDs {
				args = append(args, id)
			}
		}
		if more, err := f(bucket, where, args); err != nil || !more {
			return err
		}
	}
	return nil
}

// buckets are those in which the archive has entries between two positions, in order.
func (a *Archive) buckets(ctx context.Context, account jid.JID, after, before int64, backwards bool) (l []int64, err error) {
	rows, err := a.DB.Query(ctx, `SELECT bucket FROM archive_span WHERE account = $1 AND bucket >= $2 AND bucket <= $3 ORDER BY bucket`,
		account.Bare().String(), bucketOf(after+1), bucketOf(before-1))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var b int64
		if err := rows.Scan(&b); err != nil {
			return nil, err
		}
		l = append(l, b)
	}
	if backwards {
		slices.Reverse(l)
	}
	return l, rows.Err()
}

// bounds are the positions, exclusive, between which a query looks. Times become positions here: along the positions times never go back.
func (a *Archive) bounds(ctx context.Context, q Query) (after, before int64, err error) {
	after, before = q.After, q.Before
	if before == 0 {
		before = math.MaxInt64
	}
	if !q.Start.IsZero() {
		id, err := a.edge(ctx, `SELECT id FROM archive_stanza WHERE at >= $1 ORDER BY at, id LIMIT 1`, q.Start)
		if err != nil {
			return 0, 0, err
		}
		if id == 0 {
			return 0, 0, nil // nothing is as new
		}
		after = max(after, id-1)
	}
	if !q.End.IsZero() {
		id, err := a.edge(ctx, `SELECT id FROM archive_stanza WHERE at > $1 ORDER BY at, id LIMIT 1`, q.End)
		if err != nil {
			return 0, 0, err
		}
		if id != 0 {
			before = min(before, id)
		}
	}
	return after, before, nil
}

func (a *Archive) edge(ctx context.Context, text string, t time.Time) (id int64, err error) {
	err = a.DB.QueryRow(ctx, text, store.Time(t)).Scan(&id)
	if errors.Is(err, store.ErrNoRows) {
		return 0, nil
	}
	return id, err
}

// must fails with ErrNotFound unless all positions are in the archive.
func (a *Archive) must(ctx context.Context, account jid.JID, ids []int64) error {
	for _, id := range ids {
		var one int
		err := a.DB.QueryRow(ctx, `SELECT 1 FROM archive_entry WHERE bucket = $1 AND account = $2 AND id = $3`, bucketOf(id), account.Bare().String(), id).Scan(&one)
		if errors.Is(err, store.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("archive: looking for a message: %w", err)
		}
	}
	return nil
}

// Count counts what matches, for a client that asks for the number alone (XEP-0059 §2.7).
func (a *Archive) Count(ctx context.Context, account jid.JID, q Query) (n int64, err error) {
	err = a.walk(ctx, account, q, func(_ int64, where string, args []any) (bool, error) {
		var some int64
		err := a.DB.QueryRow(ctx, `SELECT COUNT(*) FROM archive_entry e WHERE `+where, args...).Scan(&some)
		n += some
		return err == nil, err
	})
	if err != nil {
		return 0, fmt.Errorf("archive: counting: %w", err)
	}
	return n, nil
}

// Ends are the first and the last message of an archive; false when it is empty (XEP-0313 §5).
func (a *Archive) Ends(ctx context.Context, account jid.JID) (first, last Item, ok bool, err error) {
	for _, end := range []struct {
		to        *Item
		backwards bool
	}{{&first, false}, {&last, true}} {
		p, err := a.Page(ctx, account, Query{Max: 1, Backwards: end.backwards})
		if err != nil || len(p.Items) == 0 {
			return Item{}, Item{}, false, err
		}
		*end.to = p.Items[0]
	}
	return first, last, true, nil
}
