package tlog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"writ/store"
)

// batch is a closed batch as stored.
type batch struct {
	n, tick     int64 // tick in microseconds
	first, size int64
	root        []byte
	edge        []byte
}

func (b batch) end() int64 { return b.first + b.size }

// tick is the last time at or before t that a batch is due.
func (l *Log) tick(t time.Time) time.Time {
	c := int64(l.cfg.Cadence)
	n := t.UnixNano()
	n -= ((n % c) + c) % c
	return time.Unix(0, n).UTC()
}

// CloseBatch closes the batch of the present tick, unless it is closed already or the clock went back. It reports whether it
// did. Ticks that were missed while the house was down are not made up for: the number of batches follows the clock alone.
func (l *Log) CloseBatch(ctx context.Context) (bool, error) {
	tick := l.tick(l.clock.Now())
	did := false
	var late, left int
	err := l.db.Write(ctx, func(tx *store.Tx) error {
		did = false // f may run twice
		last, err := lastBatch(ctx, tx)
		if err != nil {
			return err
		}
		if last.n > 0 && last.tick >= store.Time(tick) {
			return nil
		}
		did = true
		if err := l.closeBatch(ctx, tx, last, tick); err != nil {
			return err
		}
		late, left, err = l.outlook(ctx, tx, tick)
		return err
	})
	if err != nil {
		if store.IsConflict(err) { // another node closed it
			return false, nil
		}
		return false, fmt.Errorf("tlog: closing a batch: %w", err)
	}
	if did {
		l.pending.Set(float64(left))
		l.late.Set(float64(late))
		l.lateNow.Store(int64(late))
		if late > 0 {
			l.log.Error("commitments will miss their promised time: raise batch_size or lower cadence", "late", late, "pending", left)
		}
	}
	return did, nil
}

func lastBatch(ctx context.Context, r store.Reader) (batch, error) {
	var b batch
	err := r.QueryRow(ctx, `SELECT n, tick, first_leaf, size, root, edge FROM tlog_batches ORDER BY n DESC LIMIT 1`).
		Scan(&b.n, &b.tick, &b.first, &b.size, &b.root, &b.edge)
	if errors.Is(err, store.ErrNoRows) {
		return batch{}, nil
	}
	if err != nil {
		return batch{}, fmt.Errorf("tlog: reading the last batch: %w", err)
	}
	return b, nil
}

func (l *Log) closeBatch(ctx context.Context, tx *store.Tx, last batch, tick time.Time) error {
	var leaves [][]byte
	var ids []any
	for _, lane := range []int{open, closed} {
		places := l.places(lane)
		taken, err := take(ctx, tx, lane, places)
		if err != nil {
			return err
		}
		for _, t := range taken {
			leaves, ids = append(leaves, t.commitment), append(ids, t.id)
		}
	}
	for len(leaves) < l.cfg.BatchSize {
		dummy := make([]byte, 32)
		if _, err := io.ReadFull(l.rand, dummy); err != nil {
			return fmt.Errorf("tlog: making a dummy leaf: %w", err)
		}
		leaves = append(leaves, dummy)
	}
	if err := shuffle(l.rand, leaves); err != nil {
		return err
	}
	e, err := readEdge(last.end(), last.edge)
	if err != nil {
		return err
	}
	if err := insertLeaves(ctx, tx, e.size, leaves); err != nil {
		return err
	}
	for _, leaf := range leaves {
		e.add(leaf)
	}
	for len(ids) > 0 {
		n := min(len(ids), 500)
		if _, err := tx.Exec(ctx, `DELETE FROM tlog_pending WHERE id IN `+store.In(1, n), ids[:n]...); err != nil {
			return err
		}
		ids = ids[n:]
	}
	root := e.root()
	_, err = tx.Exec(ctx, `INSERT INTO tlog_batches (n, tick, closed, first_leaf, size, root, edge) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		last.n+1, store.Time(tick), store.Time(l.clock.Now()), last.end(), len(leaves), root[:], e.bytes())
	return err
}

// places is how many leaves of a lane a batch takes.
func (l *Log) places(lane int) int {
	if lane == open {
		return l.cfg.Open
	}
	return l.cfg.BatchSize - l.cfg.Open
}

type waiting struct {
	id         int64
	commitment []byte
}

func take(ctx context.Context, tx *store.Tx, lane, most int) ([]waiting, error) {
	return store.List(ctx, tx, "tlog: reading what waits", func(row store.Scanner) (w waiting, err error) {
		err = row.Scan(&w.id, &w.commitment)
		return w, err
	}, `SELECT id, commitment FROM tlog_pending WHERE lane = $1 ORDER BY by_time, id LIMIT $2`, lane, most)
}

func insertLeaves(ctx context.Context, tx *store.Tx, first int64, leaves [][]byte) error {
	const most = 256
	for len(leaves) > 0 {
		n := min(len(leaves), most)
		var b strings.Builder
		b.WriteString(`INSERT INTO tlog_leaves (idx, leaf) VALUES `)
		args := make([]any, 0, 2*n)
		for i, leaf := range leaves[:n] {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString("($" + strconv.Itoa(2*i+1) + ",$" + strconv.Itoa(2*i+2) + ")")
			args = append(args, first+int64(i), leaf)
		}
		if _, err := tx.Exec(ctx, b.String(), args...); err != nil {
			return err
		}
		first, leaves = first+int64(n), leaves[n:]
	}
	return nil
}

// shuffle brings the leaves into a random order, so that a place tells nothing about when, or whether, something happened.
func shuffle(r io.Reader, leaves [][]byte) error {
	for i := len(leaves) - 1; i > 0; i-- {
		j, err := below(r, uint64(i+1))
		if err != nil {
			return fmt.Errorf("tlog: shuffling a batch: %w", err)
		}
		leaves[i], leaves[j] = leaves[j], leaves[i]
	}
	return nil
}

// below draws a number under n without bias.
func below(r io.Reader, n uint64) (uint64, error) {
	limit := ^uint64(0) - ^uint64(0)%n
	for {
		var b [8]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return 0, err
		}
		if v := binary.BigEndian.Uint64(b[:]); v < limit {
			return v % n, nil
		}
	}
}

// Late is how many commitments waited in vain for room: after the last batch that this process closed, they will miss their promised
// time, or have missed it.
func (l *Log) Late() int { return int(l.lateNow.Load()) }

// outlook counts what waits after the batch of tick, and how much of it will be late if nothing else comes: the k-th that waits
// goes into the batch after next, and so on. So the alarm rises before a promise is broken, not when.
func (l *Log) outlook(ctx context.Context, tx *store.Tx, tick time.Time) (late, left int, err error) {
	for _, lane := range []int{open, closed} {
		n, all, err := l.outlookLane(ctx, tx, tick, lane)
		if err != nil {
			return 0, 0, err
		}
		late, left = late+n, left+all
	}
	return late, left, nil
}

func (l *Log) outlookLane(ctx context.Context, tx *store.Tx, tick time.Time, lane int) (late, left int, err error) {
	terms, err := store.Column[int64](ctx, tx, "tlog: reading what waits", `SELECT by_time FROM tlog_pending WHERE lane = $1 ORDER BY by_time, id`, lane)
	for _, by := range terms {
		due := tick.Add(time.Duration(l.cfg.Cadence) * time.Duration(1+left/l.places(lane)))
		if store.Time(due) > by {
			late++
		}
		left++
	}
	return late, left, err
}
