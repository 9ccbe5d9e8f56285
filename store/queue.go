package store

import (
	"context"
	"database/sql"
	"runtime"
	"sync"
	"sync/atomic"
)

// job is one write, or one piece of work that needs the connection outside a transaction.
type job struct {
	f     func(tx *Tx) error
	done  func(error)
	scope *scope
	alone func(ctx context.Context, c *sql.Conn) error // instead of f
	state atomic.Int32                                 // jobWaits → jobTaken or jobGone

	tx  *Tx
	err error
}

const (
	jobWaits int32 = iota
	jobTaken
	jobGone // its caller left before it began
)

// queue holds the jobs first in, first out. It takes any number: what bounds it is that sessions and pages wait for their writes.
type queue struct {
	mu     sync.Mutex
	wake   sync.Cond
	jobs   []*job
	closed bool
}

func (q *queue) init() { q.wake.L = &q.mu }

// put adds a job; false: the queue is closed.
func (q *queue) put(j *job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.jobs = append(q.jobs, j)
	if len(q.jobs) == 1 {
		q.wake.Signal()
	}
	return true
}

// take waits for jobs and takes at most max; nil: closed and empty.
func (q *queue) take(max int) []*job {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.jobs) == 0 {
		if q.closed {
			return nil
		}
		q.wake.Wait()
		// Whoever can run now may have something to write too: one transaction for all of them costs what one for the first would.
		q.mu.Unlock()
		runtime.Gosched()
		q.mu.Lock()
	}
	n := min(max, len(q.jobs))
	batch := q.jobs[:n:n]
	if q.jobs = q.jobs[n:]; len(q.jobs) == 0 {
		q.jobs = nil
	}
	return batch
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.jobs)
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.wake.Signal()
}

// Write runs f in a transaction and returns once it is durable, or with f's error and no trace of f. f may run more than once
// and must have no effect outside tx; it runs on the writer's goroutine, so it must not wait for anything else. When ctx ends
// before f has begun, Write returns its error and f never runs; after that Write waits for the outcome.
func (db *DB) Write(ctx context.Context, f func(tx *Tx) error) error {
	return db.wait(ctx, &job{f: f, scope: db.scope})
}

// Enqueue is Write without waiting: done is called once, in queue order, after the commit and the write's AfterCommit functions.
// done must not wait for another write.
func (db *DB) Enqueue(f func(tx *Tx) error, done func(error)) {
	j := &job{f: f, scope: db.scope, done: done}
	if !db.e.queue.put(j) && done != nil {
		done(errClosed)
	}
}

func (db *DB) wait(ctx context.Context, j *job) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	out := make(chan error, 1)
	j.done = func(err error) { out <- err }
	if !db.e.queue.put(j) {
		return errClosed
	}
	select {
	case err := <-out:
		return err
	case <-ctx.Done():
		if j.state.CompareAndSwap(jobWaits, jobGone) {
			return ctx.Err()
		}
		return <-out
	}
}
