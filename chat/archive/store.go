package archive

import (
	"context"
	"errors"
	"fmt"
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

// Append writes a message once, and an entry for each archive. It returns the position, which is greater than every other.
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
	switch len(into) {
	case 1:
		_, err = tx.Exec(ctx, `INSERT INTO archive_entry (account, id, peer) VALUES ($1, $2, $3)`,
			into[0].Account.String(), id, into[0].Peer.String())
	case 2:
		_, err = tx.Exec(ctx, `INSERT INTO archive_entry (account, id, peer) VALUES ($1, $2, $3), ($4, $2, $5)`,
			into[0].Account.String(), id, into[0].Peer.String(), into[1].Account.String(), into[1].Peer.String())
	}
	if err != nil {
		return 0, fmt.Errorf("archive: appending an entry: %w", err)
	}
	return id, nil
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

// Page reads. It costs as much as the page is long, whatever the archive's size.
func (a *Archive) Page(ctx context.Context, account jid.JID, q Query) (Page, error) {
	if err := a.must(ctx, account, append(q.IDs, q.Must...)); err != nil {
		return Page{}, err
	}
	if q.Max <= 0 || q.Max > MaxPage {
		q.Max = MaxPage
	}
	where, args, err := a.where(ctx, account, q)
	if err != nil {
		return Page{}, err
	}
	order := "ASC"
	if q.Backwards {
		order = "DESC"
	}
	rows, err := a.DB.Query(ctx, `SELECT s.id, s.at, s.stanza FROM archive_entry e JOIN archive_stanza s ON s.id = e.id WHERE `+where+
		` ORDER BY e.id `+order+limit(q), args...)
	if err != nil {
		return Page{}, fmt.Errorf("archive: reading a page: %w", err)
	}
	defer rows.Close()
	p := Page{Complete: true}
	for rows.Next() {
		i, err := scanItem(rows)
		if err != nil {
			return Page{}, err
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
	if err := rows.Err(); err != nil {
		return Page{}, fmt.Errorf("archive: reading a page: %w", err)
	}
	if q.Backwards {
		for l, r := 0, len(p.Items)-1; l < r; l, r = l+1, r-1 {
			p.Items[l], p.Items[r] = p.Items[r], p.Items[l]
		}
	}
	return p, nil
}

// limit asks for one row more than the page, which tells whether it is complete. A filter by full JID is applied to the rows read, so it
// cannot be limited beforehand.
func limit(q Query) string {
	if !q.With.IsBare() {
		return ""
	}
	return " LIMIT " + strconv.Itoa(q.Max+1)
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

// where writes the condition of a query. Times become positions first: along the positions times never go back.
func (a *Archive) where(ctx context.Context, account jid.JID, q Query) (string, []any, error) {
	where, args := "e.account = $1", []any{account.Bare().String()}
	add := func(cond string, v any) {
		args = append(args, v)
		where += " AND " + cond + " $" + strconv.Itoa(len(args))
	}
	if !q.With.IsZero() {
		add("e.peer =", q.With.Bare().String())
	}
	after, before := q.After, q.Before
	if !q.Start.IsZero() {
		id, err := a.edge(ctx, `SELECT id FROM archive_stanza WHERE at >= $1 ORDER BY at, id LIMIT 1`, q.Start)
		if err != nil {
			return "", nil, err
		}
		if id == 0 {
			return where + " AND 1 = 0", args, nil
		}
		after = max(after, id-1)
	}
	if !q.End.IsZero() {
		id, err := a.edge(ctx, `SELECT id FROM archive_stanza WHERE at > $1 ORDER BY at, id LIMIT 1`, q.End)
		if err != nil {
			return "", nil, err
		}
		if id != 0 && (before == 0 || id < before) {
			before = id
		}
	}
	if after > 0 {
		add("e.id >", after)
	}
	if before > 0 {
		add("e.id <", before)
	}
	if len(q.IDs) > 0 {
		where += " AND e.id IN " + store.In(len(args)+1, len(q.IDs))
		for _, id := range q.IDs {
			args = append(args, id)
		}
	}
	return where, args, nil
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
		err := a.DB.QueryRow(ctx, `SELECT 1 FROM archive_entry WHERE account = $1 AND id = $2`, account.Bare().String(), id).Scan(&one)
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
	if err := a.must(ctx, account, append(q.IDs, q.Must...)); err != nil {
		return 0, err
	}
	where, args, err := a.where(ctx, account, q)
	if err != nil {
		return 0, err
	}
	return n, a.DB.QueryRow(ctx, `SELECT COUNT(*) FROM archive_entry e WHERE `+where, args...).Scan(&n)
}

// Ends are the first and the last message of an archive; false when it is empty (XEP-0313 §5).
func (a *Archive) Ends(ctx context.Context, account jid.JID) (first, last Item, ok bool, err error) {
	for _, end := range []struct {
		to    *Item
		order string
	}{{&first, "ASC"}, {&last, "DESC"}} {
		var at int64
		err := a.DB.QueryRow(ctx, `SELECT s.id, s.at FROM archive_entry e JOIN archive_stanza s ON s.id = e.id WHERE e.account = $1 ORDER BY e.id `+end.order+` LIMIT 1`,
			account.Bare().String()).Scan(&end.to.ID, &at)
		if errors.Is(err, store.ErrNoRows) {
			return Item{}, Item{}, false, nil
		}
		if err != nil {
			return Item{}, Item{}, false, fmt.Errorf("archive: reading its ends: %w", err)
		}
		end.to.Time = store.FromTime(at)
	}
	return first, last, true, nil
}
