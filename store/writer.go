package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// maxBatch bounds one transaction, so that the first of many writes does not wait for the last.
const maxBatch = 1024

// backend is what the two engines do differently on the writer's connection.
type backend interface {
	connect(ctx context.Context) (*sql.Conn, error)
	begin(ctx context.Context, c *sql.Conn) error
	// commit reports whether the outcome is known when it fails.
	commit(ctx context.Context, c *sql.Conn) (known bool, err error)
	// enter makes the connection subject to a scope, or free of any (nil), for the statements that follow in the transaction.
	enter(ctx context.Context, c *sql.Conn, s *scope) error
	openReads(s *scope) (*pool, error)
}

// engine is the database behind all handles. What the writer's goroutine owns is marked.
type engine struct {
	dialect Dialect
	backend backend
	url     string
	log     *slog.Logger

	texts     sync.Map // SQL as written → as the engine takes it
	textCount atomic.Int32

	queue   queue
	conn    *sql.Conn             // writer's; nil after it broke
	stmts   map[stmtKey]*sql.Stmt // writer's (SQLite; pgx keeps its own)
	current *scope                // writer's: whose statements run now
	ended   chan struct{}         // the writer and the teller are done
	tell    chan []*job           // finished jobs, in order

	failed   chan struct{}
	failOnce sync.Once
	failErr  error // set before failed is closed
	closed   atomic.Bool
	onClose  []func() error

	mu     sync.Mutex
	scopes map[string]*DB
	fault  atomic.Pointer[Fault]

	writes, batches, refused atomic.Uint64
	grown                    atomic.Int64 // commits since the last checkpoint (SQLite)
}

type stmtKey struct {
	scope *scope
	text  string
}

func (e *engine) start() {
	e.ended, e.tell = make(chan struct{}), make(chan []*job, 4)
	go e.write()
	go func() {
		defer close(e.ended)
		for jobs := range e.tell {
			for _, j := range jobs {
				j.finish()
			}
		}
	}()
}

// write is the writer. It hands what is finished to another goroutine, so that the next batch is on its way while the callers
// of this one are told.
func (e *engine) write() {
	defer close(e.tell)
	for {
		taken := e.queue.take(maxBatch)
		if taken == nil {
			return
		}
		jobs := taken[:0:0]
		for _, j := range taken {
			if !j.state.CompareAndSwap(jobWaits, jobTaken) {
				continue
			}
			if j.alone != nil {
				e.run(jobs)
				jobs = nil
				j.err = e.runAlone(j.alone)
				e.tell <- []*job{j}
				continue
			}
			jobs = append(jobs, j)
		}
		e.run(jobs)
	}
}

func (j *job) finish() {
	if j.err == nil && j.tx != nil {
		for _, f := range j.tx.after {
			f()
		}
	}
	if j.done != nil {
		j.done(j.err)
	}
}

// run commits the jobs in order, together if it can. When one fails, those before it are committed without it, and it begins
// the next transaction: as the first there, its failure is its own. So a bad write costs two commits and not one for each of its neighbours.
func (e *engine) run(jobs []*job) {
	for len(jobs) > 0 {
		n, err := e.attempt(jobs)
		switch {
		case err == nil:
			e.tell <- jobs
			return
		case n > 0: // jobs[n] spoiled the transaction
			e.run(jobs[:n:n])
			jobs = jobs[n:]
		case n == 0, len(jobs) == 1:
			jobs[0].err = err
			e.refused.Add(1)
			e.tell <- jobs[:1:1]
			jobs = jobs[1:]
		default: // the transaction as a whole was refused: find out by running each alone
			for i := range jobs {
				e.run(jobs[i : i+1 : i+1])
			}
			return
		}
	}
}

// attempt runs all jobs in one transaction. On an error nothing is kept, and the index tells whose fault it is; -1: nobody's.
func (e *engine) attempt(jobs []*job) (int, error) {
	ctx := context.Background()
	if err := e.failure(); err != nil {
		return -1, err
	}
	if err := e.begin(ctx); err != nil {
		return -1, err
	}
	kept := uint64(0)
	for i, j := range jobs {
		j.tx, j.err = &Tx{e: e, scope: j.scope}, nil
		err := j.call()
		if err == nil {
			err = j.tx.err
		}
		if err == nil {
			kept++
			continue
		}
		if fatal(err) {
			e.fail(err)
		}
		if j.tx.dirty {
			e.rollback(ctx)
			return i, err
		}
		j.err = err // it has only read: the others need not suffer
	}
	if err := e.commit(ctx); err != nil {
		return -1, err
	}
	e.batches.Add(1)
	e.writes.Add(kept)
	e.refused.Add(uint64(len(jobs)) - kept)
	return 0, nil
}

func (j *job) call() (err error) {
	defer func() {
		if p := recover(); p != nil {
			j.tx.dirty = true
			err = fmt.Errorf("store: panic in a write: %v\n%s", p, debug.Stack())
		}
	}()
	return j.f(j.tx)
}

// begin opens the transaction, on a new connection if the old one broke.
func (e *engine) begin(ctx context.Context) error {
	for try := 0; ; try++ {
		if err := e.connected(ctx); err != nil {
			return err
		}
		err := e.backend.begin(ctx, e.conn)
		if err == nil {
			return nil
		}
		if fatal(err) {
			return e.fail(err)
		}
		e.disconnect()
		if try > 0 || e.dialect == SQLite {
			return fmt.Errorf("store: beginning: %w", err)
		}
	}
}

func (e *engine) connected(ctx context.Context) (err error) {
	if e.conn == nil {
		e.stmts, e.current = map[stmtKey]*sql.Stmt{}, nil
		if e.conn, err = e.backend.connect(ctx); err != nil {
			return fmt.Errorf("store: connecting the writer: %w", err)
		}
	}
	return nil
}

func (e *engine) disconnect() {
	if e.conn == nil {
		return
	}
	for _, st := range e.stmts {
		st.Close()
	}
	e.conn.Close()
	e.conn, e.stmts, e.current = nil, nil, nil
}

func (e *engine) rollback(ctx context.Context) {
	if _, err := e.conn.ExecContext(ctx, "ROLLBACK"); err != nil {
		// SQLite has rolled back by itself after some errors; a PostgreSQL connection may be gone, and its transaction with it.
		e.log.Debug("rollback", "error", err)
		e.disconnect()
	}
	e.current = nil
}

func (e *engine) commit(ctx context.Context) error {
	if err := e.inject(BeforeCommit); err != nil {
		e.rollback(ctx)
		return e.fail(err)
	}
	known, err := e.backend.commit(ctx, e.conn)
	e.current = nil
	if err == nil {
		if err = e.inject(AfterCommit); err != nil {
			return e.fail(err)
		}
		e.grown.Add(1)
		return nil
	}
	if known && !fatal(err) {
		e.rollback(ctx)
		return fmt.Errorf("store: committing: %w", err)
	}
	return e.fail(err)
}

// fail closes the store for writes and returns the error that all writes get from now on.
func (e *engine) fail(cause error) error {
	e.failOnce.Do(func() {
		e.failErr = fmt.Errorf("%w: %w", ErrFailed, cause)
		e.log.Error("the store has failed: stop and look at the disk", "error", cause)
		close(e.failed)
	})
	return e.failErr
}

func (e *engine) failure() error {
	select {
	case <-e.failed:
		return e.failErr
	default:
		return nil
	}
}

// runAlone gives f the writer's connection outside a transaction.
func (e *engine) runAlone(f func(context.Context, *sql.Conn) error) error {
	ctx := context.Background()
	if err := e.failure(); err != nil {
		return err
	}
	if err := e.connected(ctx); err != nil {
		return err
	}
	err := f(ctx, e.conn)
	if fatal(err) {
		return e.fail(err)
	}
	return err
}

// close ends the writer after what is queued, then the connections.
func (e *engine) close() error {
	if e.closed.Swap(true) {
		if e.ended != nil {
			<-e.ended
		}
		return nil
	}
	e.queue.close()
	if e.ended != nil {
		<-e.ended
	}
	e.disconnect()
	var errs []error
	for i := len(e.onClose) - 1; i >= 0; i-- {
		errs = append(errs, e.onClose[i]())
	}
	return errors.Join(errs...)
}

// prepared is a statement on the writer's connection: kept (SQLite) or as text, which pgx keeps.
type prepared struct {
	st   *sql.Stmt
	conn *sql.Conn
	text string
}

// stmt readies a statement under a scope. The engine checks a scope when a statement is prepared (SQLite) or run (PostgreSQL).
func (e *engine) stmt(s *scope, text string) (prepared, error) {
	ctx := context.Background()
	if s != e.current {
		if err := e.backend.enter(ctx, e.conn, s); err != nil {
			return prepared{}, err
		}
		e.current = s
	}
	if s != nil && !plain(text) {
		return prepared{}, errOutside
	}
	if e.dialect == PostgreSQL {
		return prepared{conn: e.conn, text: e.expand(text)}, nil
	}
	key := stmtKey{s, text}
	st, ok := e.stmts[key]
	if !ok {
		var err error
		if st, err = e.conn.PrepareContext(ctx, e.expand(text)); err != nil {
			return prepared{}, err
		}
		if len(e.stmts) >= maxStmts {
			for k, old := range e.stmts {
				old.Close()
				delete(e.stmts, k)
			}
		}
		e.stmts[key] = st
	}
	return prepared{st: st}, nil
}

func (p prepared) query(args []any) (*sql.Rows, error) {
	if p.st != nil {
		return p.st.QueryContext(context.Background(), args...)
	}
	return p.conn.QueryContext(context.Background(), p.text, args...)
}

func (p prepared) queryRow(args []any) *sql.Row {
	if p.st != nil {
		return p.st.QueryRowContext(context.Background(), args...)
	}
	return p.conn.QueryRowContext(context.Background(), p.text, args...)
}

func (e *engine) exec(s *scope, text string, args []any) (int64, error) {
	res, err := e.result(s, text, args)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// result runs a statement that gives no rows.
func (e *engine) result(s *scope, text string, args []any) (sql.Result, error) {
	p, err := e.stmt(s, text)
	if err != nil {
		return nil, err
	}
	if p.st != nil {
		return p.st.ExecContext(context.Background(), args...)
	}
	return p.conn.ExecContext(context.Background(), p.text, args...)
}
