package offline

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"writ/chat/archive"
	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// A piece is what is given to a client at once; the next one follows when it has answered a ping (XEP-0199 §4.1), so that a full store
// does not run over the session's queue.
const (
	pieceMessages = 300
	pieceBytes    = 512 << 10
)

// after delivers what waits to a session that has begun to get messages (XEP-0160 §2).
func (o *Offline) after(ctx context.Context, e *feature.Envelope) {
	if e.Receives && e.Session != nil {
		o.flush(ctx, e.Session)
	}
}

// flush gives a session the next piece. The read is a write of the store, so that it comes behind every message that was kept before the
// session became available; the stanzas are pushed in the order of commits.
func (o *Offline) flush(ctx context.Context, s *feature.Session) {
	account := s.JID.Bare()
	var more bool
	err := o.DB.Write(ctx, func(tx *store.Tx) error {
		waiting, rest, err := o.take(ctx, tx, account)
		if err != nil {
			return err
		}
		more = rest
		tx.AfterCommit(func() {
			for _, st := range waiting {
				s.Out.Push(st)
			}
		})
		return nil
	})
	o.forgetCount(account)
	if err != nil {
		o.Log.Error("delivering what waited", "err", err)
		return
	}
	if more {
		o.next(ctx, s)
	}
}

// next goes on when the client has read so far.
func (o *Offline) next(ctx context.Context, s *feature.Session) {
	var b xml.Builder
	ping := stanza.New(stanza.IQ, stanza.Get, o.Router.Domain(), s.JID, rand.Text(), b.Empty("urn:xmpp:ping", "ping").Bytes())
	ctx = context.WithoutCancel(ctx)
	o.Router.Ask(s, ping, func(reply *stanza.Stanza) {
		if reply != nil && s.Available() && s.Priority.Load() >= 0 {
			go o.flush(ctx, s) // an answer must not wait for the store
		}
	})
}

// take reads and deletes the oldest messages that fit a piece, and says whether there are more.
func (o *Offline) take(ctx context.Context, tx *store.Tx, account jid.JID) (l []*stanza.Stanza, more bool, err error) {
	rows, err := tx.Query(ctx, `SELECT id, at, stanza FROM offline_message WHERE account = $1 AND NOT given ORDER BY id LIMIT $2`, account.String(), pieceMessages+1)
	if err != nil {
		return nil, false, fmt.Errorf("offline: reading: %w", err)
	}
	defer rows.Close()
	var last int64
	size := 0
	for rows.Next() {
		var id, at int64
		var b []byte
		if err := rows.Scan(&id, &at, &b); err != nil {
			return nil, false, fmt.Errorf("offline: reading: %w", err)
		}
		if len(l) == pieceMessages || len(l) > 0 && size+len(b) > pieceBytes {
			more = true
			break
		}
		st, err := stanza.Decode(b)
		if err != nil {
			return nil, false, fmt.Errorf("offline: message %d: %w", id, err)
		}
		if !o.stamped(st) {
			st = st.With(o.delay(store.FromTime(at)))
		}
		l, last, size = append(l, st), id, size+len(b)
	}
	if err := rows.Err(); err != nil {
		return nil, false, fmt.Errorf("offline: reading: %w", err)
	}
	rows.Close() // before the next statement
	if len(l) == 0 {
		return nil, false, nil
	}
	return l, more, o.give(ctx, tx, account, `id <= $2`, last)
}

// delay is the notation of a message that waited (XEP-0160 §2, XEP-0203 §2).
func (o *Offline) delay(at time.Time) []byte {
	var b xml.Builder
	return b.Leaf(delaySpace, "delay", "Offline Storage", "from", o.Router.Domain().String(),
		"stamp", at.Format("2006-01-02T15:04:05.000Z")).Bytes()
}

// stamped reports a message that has waited before and says since when.
func (o *Offline) stamped(st *stanza.Stanza) bool {
	el := st.Find(delaySpace, "delay")
	return el != nil && el.Attr("from") == o.Router.Domain().String()
}

// Taken forgets what a client has read from the archive before it became available (XEP-0313 §6.1.1): it must not get it twice.
func (o *Offline) Taken(ctx context.Context, account jid.JID, positions []int64) {
	if len(positions) == 0 || !o.waits(ctx, account) {
		return
	}
	var args []any
	for _, p := range positions {
		args = append(args, p)
	}
	err := o.DB.Write(ctx, func(tx *store.Tx) error {
		return o.give(ctx, tx, account.Bare(), `position IN `+store.In(2, len(positions)), args...)
	})
	if err != nil {
		o.Log.Error("forgetting what was read from the archive", "err", err)
	}
	o.forgetCount(account.Bare())
}

// TakenUpTo forgets what waits for an account and stands in its archive at the position or before it: a client that binds by
// XEP-0386 §3.2 reads it there.
func (o *Offline) TakenUpTo(ctx context.Context, account jid.JID, position int64) {
	if !o.waits(ctx, account) {
		return
	}
	err := o.DB.Write(ctx, func(tx *store.Tx) error {
		return o.give(ctx, tx, account.Bare(), `position > 0 AND position <= $2`, position)
	})
	if err != nil {
		o.Log.Error("forgetting what stands in the archive", "err", err)
	}
	o.forgetCount(account.Bare())
}

// slept keeps what a session that begins to hibernate has not acknowledged. The write is queued before the session can return, so resumed
// comes behind it.
func (o *Offline) slept(ctx context.Context, s *feature.Session, unacked []*stanza.Stanza) {
	var keep []*stanza.Stanza
	for _, st := range unacked {
		// Copies and pages of the archive come from the own account, and are made again for whoever asks.
		if st.Kind == stanza.Message && st.To.Bare() == s.JID.Bare() && st.From != s.JID.Bare() && archive.Judge(st).Offline {
			keep = append(keep, st)
		}
	}
	if len(keep) == 0 {
		return
	}
	now := o.Clock.Now()
	o.DB.Enqueue(func(tx *store.Tx) error {
		for _, st := range keep {
			if err := o.insert(ctx, tx, st, st.From, now, true); err != nil {
				return err
			}
		}
		return nil
	}, func(err error) {
		if err != nil {
			o.Log.Error("keeping what a lost connection may not have delivered", "err", err)
		}
	})
}

// resumed forgets what the queue of a session that has returned holds (XEP-0198 §5). What else waits, because it came while the server was
// going down, is given to it: it sends no presence that would bring it.
func (o *Offline) resumed(ctx context.Context, s *feature.Session) {
	account := s.JID.Bare()
	receives := s.Available() && s.Priority.Load() >= 0
	var more bool
	err := o.DB.Write(ctx, func(tx *store.Tx) error {
		var one int
		err := tx.QueryRow(ctx, `SELECT 1 FROM offline_message WHERE account = $1 LIMIT 1`, account.String()).Scan(&one)
		if errors.Is(err, store.ErrNoRows) {
			return nil // nothing to write, no commit to wait for
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM offline_message WHERE account = $1 AND spare`, account.String()); err != nil || !receives {
			return err
		}
		waiting, rest, err := o.take(ctx, tx, account)
		more = rest
		tx.AfterCommit(func() {
			for _, st := range waiting {
				s.Out.Push(st)
			}
		})
		return err
	})
	if err != nil {
		o.Log.Error("forgetting what a returned session has", "err", err)
	}
	o.forgetCount(account)
	if more {
		o.next(ctx, s)
	}
}

func (o *Offline) waits(ctx context.Context, account jid.JID) bool {
	var one int
	return o.DB.QueryRow(ctx, `SELECT 1 FROM offline_message WHERE account = $1 LIMIT 1`, account.Bare().String()).Scan(&one) == nil
}

// Count is the number of messages that wait for an account.
func (o *Offline) Count(ctx context.Context, account jid.JID) (n int, err error) {
	return n, o.DB.QueryRow(ctx, `SELECT COUNT(*) FROM offline_message WHERE account = $1 AND NOT given`, account.Bare().String()).Scan(&n)
}
