package archive

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
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

// Holds says whose archives hold a message; a message to oneself is the sender's.
type Holds uint8

const (
	BySender Holds = 1 << iota
	ByRecipient
)

// Message is what is appended.
type Message struct {
	Stanza   *stanza.Stanza
	From, To jid.JID
	Time     time.Time
	Kind     string
	Holds    Holds
}

// Append writes a message, once for all archives that hold it. To may be a room, which then has an archive as an account has. It returns the position, which is greater than every other.
func (a *Archive) Append(ctx context.Context, tx *store.Tx, m Message) (id int64, err error) {
	at := store.Time(m.Time)
	for { // a clock that was set back, or a stanza that waited longer than the next, must not break the order of times
		last := a.last.Load()
		if at >= last && a.last.CompareAndSwap(last, at) {
			break
		}
		at = max(at, last)
	}
	id, err = tx.Insert(ctx, `INSERT INTO archive_stanza (at, sender, recipient, kind, size, holds, stanza) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		at, m.From.Bare().String(), m.To.Bare().String(), m.Kind, m.Stanza.Size(), int64(m.Holds), m.Stanza.AppendTo(nil, xml.Client))
	if err != nil {
		return 0, fmt.Errorf("archive: appending: %w", err)
	}
	parties := a.parties(m.From, m.To)
	tx.AfterCommit(func() {
		if bucket, full := a.tail.note(id, parties); full {
			a.pack(bucket)
		}
	})
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
	Sender jid.JID // bare address; in the archive of a room not that of the stanza
	Stanza *stanza.Stanza
}

// Page is a part of an archive, oldest first. Complete says that nothing that matches lies beyond it in its direction.
type Page struct {
	Items    []Item
	Complete bool
}

// Page reads. It costs as much as the page is long, whatever the archive's size; with a filter by address about a microsecond more for each
// bucket and each ten messages of others that are passed over, and for that of a full JID as much as there are messages of the bare one.
func (a *Archive) Page(ctx context.Context, account jid.JID, q Query) (Page, error) {
	if q.Max <= 0 || q.Max > MaxPage {
		q.Max = MaxPage
	}
	p := Page{Complete: true}
	// One row more than fits tells that the page is not all.
	err := a.walk(ctx, account, q, q.Max+1, func(ids []int64) (bool, error) {
		err := a.readRows(ctx, &p, account, q, ids)
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

// readRows adds those of the messages to the page that are the account's and match. A filter by full JID is applied to the stanzas.
func (a *Archive) readRows(ctx context.Context, p *Page, account jid.JID, q Query, ids []int64) error {
	where, args := holding(account, q.With, ids)
	text := `SELECT id, at, sender, stanza FROM archive_stanza WHERE ` + where + ` ORDER BY id`
	if q.Backwards {
		text += " DESC"
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

// holding is the condition for messages, by position, that an account's archive holds, with an address unless it is zero. Lists of positions
// are filled up to a few lengths, so that there are few statements to keep.
func holding(account, with jid.JID, ids []int64) (where string, args []any) {
	args = []any{account.Bare().String()}
	sent, received := "sender = $1 AND holds & 1 <> 0", "recipient = $1 AND holds & 2 <> 0"
	if !with.IsZero() {
		args = append(args, with.Bare().String())
		sent, received = sent+" AND recipient = $2", received+" AND sender = $2"
	}
	n := 1
	for n < len(ids) {
		n *= 4
	}
	n = max(len(ids), min(n, MaxPage+1))
	where = "(" + sent + " OR " + received + ") AND id IN " + store.In(len(args)+1, n)
	for i := range n {
		args = append(args, ids[min(i, len(ids)-1)])
	}
	return where, args
}

func scanItem(row store.Scanner) (i Item, err error) {
	var at int64
	var b []byte
	if err := row.Scan(&i.ID, &at, &i.Sender, &b); err != nil {
		return Item{}, err
	}
	i.Time = store.FromTime(at)
	if i.Stanza, err = stanza.Decode(b); err != nil {
		return Item{}, fmt.Errorf("archive: message %d: %w", i.ID, err)
	}
	return i, nil
}

// walk calls f with the positions that may match the query, in its direction and at most n at a time, until f says no.
func (a *Archive) walk(ctx context.Context, account jid.JID, q Query, n int, f func(ids []int64) (more bool, err error)) error {
	if err := a.must(ctx, account, append(slices.Clone(q.IDs), q.Must...)); err != nil {
		return err
	}
	after, before, err := a.bounds(ctx, q)
	if err != nil || after+1 >= before {
		return err
	}
	w := walker{n: n, f: f, backwards: q.Backwards}
	if len(q.IDs) > 0 {
		w.only = map[int64]bool{}
		for _, id := range q.IDs {
			w.only[id] = true
		}
	}
	if !q.With.IsZero() {
		w.filtered, w.tag = true, a.ids.tag(q.With)
	}
	newest, first := a.tail.list(account.Bare(), after, before)
	if w.backwards {
		w.take(newest)
	}
	if err := a.postings(ctx, account, after, min(before, first<<bucketBits), &w); err != nil {
		return err
	}
	if !w.backwards {
		w.take(newest)
	}
	w.flush()
	return w.err
}

// walker gathers positions for walk.
type walker struct {
	n         int
	f         func([]int64) (bool, error)
	backwards bool
	only      map[int64]bool // nil: all
	filtered  bool
	tag       uint16

	ids  []int64
	done bool
	err  error
}

// take goes through mentions, which are in ascending order.
func (w *walker) take(l []mention) {
	for i := range l {
		m := l[i]
		if w.backwards {
			m = l[len(l)-1-i]
		}
		if w.done {
			return
		}
		if w.filtered && m.tag != w.tag || w.only != nil && !w.only[m.id] {
			continue
		}
		if w.ids = append(w.ids, m.id); len(w.ids) == w.n {
			w.flush()
		}
	}
}

func (w *walker) flush() {
	if w.done || len(w.ids) == 0 {
		return
	}
	more, err := w.f(w.ids)
	w.ids, w.err = w.ids[:0], err
	w.done = !more || err != nil
}

// postings gives the walker what was written down of an account between two positions (exclusive).
func (a *Archive) postings(ctx context.Context, account jid.JID, after, before int64, w *walker) error {
	if after+1 >= before {
		return nil
	}
	const some = 16 // buckets at a time: most pages need one or two
	from, to := bucketOf(after+1), bucketOf(before-1)
	text := `SELECT bucket, ids FROM archive_posting WHERE account = $1 AND bucket >= $2 AND bucket <= $3 ORDER BY bucket`
	if w.backwards {
		text += " DESC"
	}
	for !w.done {
		l, err := store.List(ctx, a.DB, "archive: reading the index", func(row store.Scanner) (p posting, err error) {
			return p, row.Scan(&p.bucket, &p.ids)
		}, text+` LIMIT $4`, account.Bare().String(), from, to, some)
		if err != nil {
			return err
		}
		for _, p := range l {
			m, err := readPosting(p.ids, p.bucket, after, before)
			if err != nil {
				return err
			}
			w.take(m)
		}
		if len(l) < some {
			return nil
		}
		if last := l[len(l)-1].bucket; w.backwards {
			to = last - 1
		} else {
			from = last + 1
		}
	}
	return nil
}

// posting is a row of the index.
type posting struct {
	bucket int64
	ids    []byte
}

// bounds are the positions, exclusive, between which a query looks. Times become positions here: along the positions times never go back.
func (a *Archive) bounds(ctx context.Context, q Query) (after, before int64, err error) {
	after, before = q.After, q.Before
	if before == 0 {
		before = math.MaxInt64
	}
	oldest, newest, err := ends(ctx, a.DB)
	if err != nil || oldest == 0 {
		return 0, 0, err
	}
	after, before = max(after, oldest-1), min(before, newest+1)
	if !q.Start.IsZero() {
		id, err := since(ctx, a.DB, store.Time(q.Start), after, before)
		if err != nil {
			return 0, 0, err
		}
		after = max(after, id-1)
	}
	if !q.End.IsZero() {
		id, err := since(ctx, a.DB, store.Time(q.End)+1, after, before)
		if err != nil {
			return 0, 0, err
		}
		before = min(before, id)
	}
	return after, before, nil
}

// ends are the first and the last position there is; 0 when there is none.
func ends(ctx context.Context, q store.Reader) (first, last int64, err error) {
	err = q.QueryRow(ctx, `SELECT (SELECT COALESCE(MIN(id), 0) FROM archive_stanza), (SELECT COALESCE(MAX(id), 0) FROM archive_stanza)`).Scan(&first, &last)
	return first, last, err
}

// since is the first position between two others (exclusive) whose time is at least t, or the latter of the two if there is none. It halves
// the range: some twenty rows are looked at.
func since(ctx context.Context, q store.Reader, t, after, before int64) (int64, error) {
	for after+1 < before {
		mid := after + (before-after)/2
		var id, at int64
		err := q.QueryRow(ctx, `SELECT id, at FROM archive_stanza WHERE id >= $1 ORDER BY id LIMIT 1`, mid).Scan(&id, &at)
		switch {
		case errors.Is(err, store.ErrNoRows):
			before = mid
		case err != nil:
			return 0, fmt.Errorf("archive: looking for a time: %w", err)
		case at >= t:
			before = mid // id is that late too, and the gap before it has nothing
		default:
			after = max(mid, min(id, before-1))
		}
	}
	return before, nil
}

// must fails with ErrNotFound unless all positions are in the archive.
func (a *Archive) must(ctx context.Context, account jid.JID, ids []int64) error {
	for _, id := range ids {
		var one int
		where, args := holding(account, jid.JID{}, []int64{id})
		err := a.DB.QueryRow(ctx, `SELECT 1 FROM archive_stanza WHERE `+where, args...).Scan(&one)
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
	err = a.walk(ctx, account, q, MaxPage+1, func(ids []int64) (bool, error) {
		var some int64
		where, args := holding(account, q.With, ids)
		err := a.DB.QueryRow(ctx, `SELECT COUNT(*) FROM archive_stanza WHERE `+where, args...).Scan(&some)
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
