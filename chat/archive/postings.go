package archive

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"writ/store"
	"writ/xmpp/jid"
)

// bucketBits is how many positions a bucket has, as a power of two. The messages of the newest buckets are remembered by account; when a
// bucket is full, the positions of each account in it are written as one row. So a message costs one insert, behind all others, however
// many accounts and messages there are.
const bucketBits = 14

func bucketOf(id int64) int64 { return id >> bucketBits }

// mention is a message that an account sent or received. The tag is a few bits of who the other party is: a filter by address passes
// over those with another one, and looks at the row for the rest.
type mention struct {
	id  int64
	tag uint16
}

// tail remembers the mentions of the buckets that are not written down yet. It is told after the commit, in the order of commits.
type tail struct {
	mu      sync.RWMutex
	first   int64 // bucket; those before it stand in archive_posting
	newest  int64 // bucket of the newest message
	of      map[jid.JID][]mention
	packing bool
}

// note remembers a message, and tells of a bucket that is full and that nobody writes down.
func (t *tail) note(id int64, parties []party) (bucket int64, full bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range parties {
		t.of[p.account] = append(t.of[p.account], mention{id, p.tag})
	}
	t.newest = max(t.newest, bucketOf(id))
	if t.newest == t.first || t.packing {
		return 0, false
	}
	t.packing = true
	return t.first, true
}

// list is what is remembered of an account between two positions (exclusive), oldest first, and the bucket from which on all is.
func (t *tail) list(account jid.JID, after, before int64) (l []mention, first int64) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	all := t.of[account]
	lo, hi := between(all, after, before)
	return slices.Clone(all[lo:hi]), t.first
}

func between(l []mention, after, before int64) (lo, hi int) {
	at := func(id int64) int {
		i, _ := slices.BinarySearchFunc(l, id, func(m mention, id int64) int { return int(min(max(m.id-id, -1), 1)) })
		return i
	}
	lo = at(after + 1)
	return lo, max(lo, at(before))
}

// forget drops an account that is erased.
func (t *tail) forget(account jid.JID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.of, account)
}

// cut drops what lies before a position.
func (t *tail) cut(id int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for account, l := range t.of {
		switch lo, _ := between(l, id-1, id); {
		case lo == len(l):
			delete(t.of, account)
		case lo > 0:
			t.of[account] = slices.Clone(l[lo:])
		}
	}
}

// accounts are those with a mention in a bucket.
func (t *tail) accounts(bucket int64) []jid.JID {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var l []jid.JID
	for account, all := range t.of {
		if lo, hi := between(all, bucket<<bucketBits-1, (bucket+1)<<bucketBits); lo < hi {
			l = append(l, account)
		}
	}
	return l
}

// packed goes on to the next bucket, and reports that it is full too.
func (t *tail) packed(bucket int64) (full bool) {
	t.cut((bucket + 1) << bucketBits)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.first = bucket + 1
	t.packing = t.newest > t.first
	return t.packing
}

// load reads the newest buckets at a start.
func (a *Archive) load(ctx context.Context) error {
	t := &a.tail
	t.mu.Lock()
	defer t.mu.Unlock()
	t.of = map[jid.JID][]mention{}
	if err := a.DB.QueryRow(ctx, `SELECT bucket FROM archive_packed WHERE one = 1`).Scan(&t.first); err != nil {
		return fmt.Errorf("archive: what is indexed: %w", err)
	}
	t.newest = t.first
	return store.Each(ctx, a.DB, "archive: the newest messages", func(row store.Scanner) error {
		var id int64
		var sender, recipient string
		if err := row.Scan(&id, &sender, &recipient); err != nil {
			return err
		}
		from, ferr := jid.Parse(sender)
		to, terr := jid.Parse(recipient)
		if err := errors.Join(ferr, terr); err != nil {
			return fmt.Errorf("message %d: %w", id, err)
		}
		for _, p := range a.parties(from, to) {
			t.of[p.account] = append(t.of[p.account], mention{id, p.tag})
		}
		t.newest = max(t.newest, bucketOf(id))
		return nil
	}, `SELECT id, sender, recipient FROM archive_stanza WHERE id >= $1 ORDER BY id`, t.first<<bucketBits)
}

// packPiece is how many accounts are written down in one write, so that the messages between wait for a few milliseconds at most.
const packPiece = 200

// pack writes a full bucket down, a piece at a time.
func (a *Archive) pack(bucket int64) {
	accounts := a.tail.accounts(bucket)
	slices.SortFunc(accounts, func(x, y jid.JID) int { return strings.Compare(x.String(), y.String()) }) // the order of the table's key
	a.packFrom(bucket, accounts)
}

func (a *Archive) packFrom(bucket int64, accounts []jid.JID) {
	ctx := context.Background()
	now, rest := accounts[:min(packPiece, len(accounts))], accounts[min(packPiece, len(accounts)):]
	a.DB.Enqueue(func(tx *store.Tx) error {
		for _, account := range now {
			if err := a.packOne(ctx, tx, bucket, account); err != nil {
				return err
			}
		}
		if len(rest) > 0 {
			return nil
		}
		_, err := tx.Exec(ctx, `UPDATE archive_packed SET bucket = $1 WHERE one = 1`, bucket+1)
		return err
	}, func(err error) {
		switch {
		case err != nil:
			a.Log.Error("writing down which messages are whose; they are remembered until it succeeds", "err", err)
			a.tail.mu.Lock()
			a.tail.packing = false // the next message tries again
			a.tail.mu.Unlock()
		case len(rest) > 0:
			a.packFrom(bucket, rest)
		case a.tail.packed(bucket):
			a.pack(bucket + 1)
		}
	})
}

// packOne writes an account's row, unless nothing is left of its messages: it may have been erased since, by another process.
func (a *Archive) packOne(ctx context.Context, tx *store.Tx, bucket int64, account jid.JID) error {
	l, _ := a.tail.list(account, bucket<<bucketBits-1, (bucket+1)<<bucketBits)
	for len(l) > 0 {
		var one int
		err := tx.QueryRow(ctx, `SELECT 1 FROM archive_stanza WHERE id = $1 AND (sender = $2 OR recipient = $2)`, l[0].id, account.String()).Scan(&one)
		if err == nil {
			break
		}
		if !errors.Is(err, store.ErrNoRows) {
			return err
		}
		l = l[1:]
	}
	if len(l) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `INSERT INTO archive_posting (account, bucket, ids) VALUES ($1, $2, $3)
		ON CONFLICT (account, bucket) DO UPDATE SET ids = excluded.ids`, account.String(), bucket, appendPosting(nil, bucket, l))
	return err
}

// appendPosting writes mentions of one bucket: for each how far its position is behind the one before, as a varint, and the tag in two bytes.
func appendPosting(b []byte, bucket int64, l []mention) []byte {
	last := bucket << bucketBits
	for _, m := range l {
		b = binary.AppendUvarint(b, uint64(m.id-last))
		b = binary.BigEndian.AppendUint16(b, m.tag)
		last = m.id
	}
	return b
}

// readPosting is the inverse of appendPosting, for the mentions between two positions (exclusive).
func readPosting(b []byte, bucket, after, before int64) (l []mention, err error) {
	id := bucket << bucketBits
	for len(b) > 0 {
		d, n := binary.Uvarint(b)
		if n <= 0 || len(b) < n+2 || d >= 1<<bucketBits {
			return nil, fmt.Errorf("archive: the index of bucket %d is damaged", bucket)
		}
		id += int64(d)
		if id > after && id < before {
			l = append(l, mention{id, binary.BigEndian.Uint16(b[n:])})
		}
		b = b[n+2:]
	}
	return l, nil
}

// mentions are all positions of an account, oldest first, as the database alone has them.
func mentions(ctx context.Context, q store.Reader, account string) (ids []int64, err error) {
	var first int64
	if err := q.QueryRow(ctx, `SELECT bucket FROM archive_packed WHERE one = 1`).Scan(&first); err != nil {
		return nil, fmt.Errorf("archive: what is indexed: %w", err)
	}
	err = store.Each(ctx, q, "archive: an account's messages", func(row store.Scanner) error {
		var bucket int64
		var b []byte
		if err := row.Scan(&bucket, &b); err != nil {
			return err
		}
		l, err := readPosting(b, bucket, -1, math.MaxInt64)
		for _, m := range l {
			ids = append(ids, m.id)
		}
		return err
	}, `SELECT bucket, ids FROM archive_posting WHERE account = $1 AND bucket < $2 ORDER BY bucket`, account, first)
	if err != nil {
		return nil, err
	}
	newest, err := store.Column[int64](ctx, q, "archive: an account's newest messages",
		`SELECT id FROM archive_stanza WHERE id >= $1 AND (sender = $2 OR recipient = $2) ORDER BY id`, first<<bucketBits, account)
	return append(ids, newest...), err
}
