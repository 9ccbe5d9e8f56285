// Package store keeps the house's rows: SQLite on one machine, PostgreSQL where there are many. It is the only importer of
// SQL drivers; one SQL text with $N parameters serves both engines, and the few differences are tokens (dialect.go).
//
// Invariants:
//   - One writer goroutine takes writes first in, first out, and groups them: many writes share one transaction and one fsync.
//     Queue order = commit order = order of the done and AfterCommit calls.
//   - A write is told "nil" only after its commit is durable (SQLite: WAL with synchronous=FULL, asserted on every connection;
//     PostgreSQL: synchronous_commit=on).
//   - After a commit of unknown outcome or a failed fsync nothing more is written: Failed is closed, and the server must stop.
//     A second try could succeed although the first one's pages are lost.
//   - Reads go through connections that cannot write. A Scoped handle cannot touch another room's tables, neither in a read nor
//     in a write.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// Config says where the rows are.
type Config struct {
	URL string `toml:"url" doc:"sqlite:DIR/writ.db (one machine), or postgres://user:password@host/database. Empty: sqlite, writ.db in the data folder."`
}

// Check refuses what Open could not open.
func (c Config) Check() error {
	if c.URL == "" {
		return nil // the house chooses
	}
	_, err := engineOf(c.URL)
	return err
}

// Reader is what DB and Tx share. SQL has $N parameters and {{tokens}}.
type Reader interface {
	Query(ctx context.Context, sql string, args ...any) (*Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) *Row
}

// DB is a handle on the database. Handles made by Scoped share its writer.
type DB struct {
	e     *engine
	scope *scope // nil: every table
	reads *pool
}

// Open opens the database, makes it if it is an SQLite file that does not exist, and starts the writer. It changes no table:
// that is Migrate's.
func Open(ctx context.Context, c Config, log *slog.Logger) (*DB, error) {
	kind, err := engineOf(c.URL)
	if err != nil {
		return nil, err
	}
	e := &engine{url: c.URL, log: log.With("room", "store"), failed: make(chan struct{}), scopes: map[string]*DB{}}
	e.queue.init()
	switch kind {
	case SQLite:
		err = openSQLite(ctx, e, strings.TrimPrefix(c.URL, "sqlite:"))
	case PostgreSQL:
		err = openPostgres(ctx, e)
	}
	if err != nil {
		return nil, fmt.Errorf("store: opening %s: %w", redact(c.URL), err)
	}
	db := &DB{e: e}
	if db.reads, err = e.openReads(nil); err != nil {
		e.close()
		return nil, fmt.Errorf("store: opening %s for reading: %w", redact(c.URL), err)
	}
	e.start()
	return db, nil
}

// engineOf tells the engine by the scheme of the URL.
func engineOf(url string) (Dialect, error) {
	switch {
	case strings.HasPrefix(url, "sqlite:") && len(url) > len("sqlite:"):
		return SQLite, nil
	case strings.HasPrefix(url, "postgres://"), strings.HasPrefix(url, "postgresql://"):
		return PostgreSQL, nil
	}
	return 0, fmt.Errorf("store: url %q: allowed are sqlite:FILE and postgres://…", redact(url))
}

// redact hides the password of a URL.
func redact(url string) string {
	scheme, rest, ok := strings.Cut(url, "://")
	user, host, at := strings.Cut(rest, "@")
	if name, _, secret := strings.Cut(user, ":"); ok && at && secret {
		return scheme + "://" + name + ":…@" + host
	}
	return url
}

// Dialect is the engine of the database.
func (db *DB) Dialect() Dialect { return db.e.dialect }

// URL is where the database is, as in Config.
func (db *DB) URL() string { return db.e.url }

// Failed is closed on the first commit of unknown outcome or failed fsync. The server then stops with a non-zero status: what it
// would say from here on could be untrue.
func (db *DB) Failed() <-chan struct{} { return db.e.failed }

// Query reads outside a transaction, from what is committed. A statement that writes fails.
func (db *DB) Query(ctx context.Context, sql string, args ...any) (*Rows, error) {
	if db.e.closed.Load() {
		return nil, errClosed
	}
	return db.reads.query(ctx, sql, args)
}

// QueryRow is Query for at most one row.
func (db *DB) QueryRow(ctx context.Context, sql string, args ...any) *Row {
	if db.e.closed.Load() {
		return &Row{err: errClosed}
	}
	return db.reads.queryRow(ctx, sql, args)
}

// Close lets the writes that are queued finish, then closes the database and all scoped handles.
func (db *DB) Close() error { return db.e.close() }

// Stats are counts since Open, for the metrics.
type Stats struct {
	Writes  uint64 // writes committed
	Batches uint64 // transactions committed
	Refused uint64 // writes that ended in an error
	Queued  int    // writes that wait now
}

// Stats tells how the writer does.
func (db *DB) Stats() Stats {
	e := db.e
	return Stats{Writes: e.writes.Load(), Batches: e.batches.Load(), Refused: e.refused.Load(), Queued: e.queue.len()}
}

// Rows is the result of a query; Close it, and look at Err.
type Rows = sql.Rows

// Row is the result of a query for one row.
type Row struct {
	row *sql.Row
	err error
	tx  *Tx // whose transaction a failed statement spoils; nil outside
}

// Scan copies the columns into dest. Without a row it is ErrNoRows.
func (r *Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	err := r.row.Scan(dest...)
	if err != nil && r.tx != nil && !errors.Is(err, ErrNoRows) {
		return r.tx.spoil(err)
	}
	return err
}

// Time is t as it is stored: microseconds since 1970, UTC. No time (the zero value) is 0.
func Time(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// FromTime is the time that Time stored, in UTC.
func FromTime(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

// pool is a set of read-only connections.
type pool struct {
	e     *engine
	db    *sql.DB
	stmts sync.Map // SQL as written → *sql.Stmt; nil values are never stored
	n     int      // statements kept, under mu
	mu    sync.Mutex
	keep  bool                            // SQLite: keep prepared statements here; pgx keeps its own
	ready func(ctx context.Context) error // makes the role of a scope before its first use; nil if there is nothing to make
}

// maxStmts bounds the prepared statements that are kept: a program has some hundreds, lists of parameters could make more.
const maxStmts = 600

func (p *pool) query(ctx context.Context, text string, args []any) (*Rows, error) {
	if p.ready != nil {
		if err := p.ready(ctx); err != nil {
			return nil, err
		}
	}
	if st := p.stmt(ctx, text); st != nil {
		rows, err := st.QueryContext(ctx, args...)
		return rows, explain(err, text)
	}
	rows, err := p.db.QueryContext(ctx, p.e.expand(text), args...)
	return rows, explain(err, text)
}

func (p *pool) queryRow(ctx context.Context, text string, args []any) *Row {
	if p.ready != nil {
		if err := p.ready(ctx); err != nil {
			return &Row{err: err}
		}
	}
	if st := p.stmt(ctx, text); st != nil {
		return &Row{row: st.QueryRowContext(ctx, args...)}
	}
	return &Row{row: p.db.QueryRowContext(ctx, p.e.expand(text), args...)}
}

// stmt returns the kept statement of a text; nil means: run it without.
func (p *pool) stmt(ctx context.Context, text string) *sql.Stmt {
	if !p.keep {
		return nil
	}
	if st, ok := p.stmts.Load(text); ok {
		return st.(*sql.Stmt)
	}
	st, err := p.db.PrepareContext(ctx, p.e.expand(text))
	if err != nil {
		return nil // the plain path meets the same error and reports it
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if old, ok := p.stmts.Load(text); ok {
		st.Close()
		return old.(*sql.Stmt)
	}
	if p.n >= maxStmts {
		st.Close()
		return nil
	}
	p.n++
	p.stmts.Store(text, st)
	return st
}
