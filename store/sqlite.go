package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
)

const (
	busyTimeout     = 10 * time.Second // for the commands that run beside the server
	checkpointEvery = 500 * time.Millisecond
	// maxLog is the size in pages at which the writer itself empties the write-ahead log, because the background did not keep up.
	maxLog = 64 << 20 / 4096
)

// sqlite is the embedded engine.
type sqlite struct {
	e      *engine
	path   string
	writer *sql.DB

	checkpoints sync.Mutex // two at once: the second is told "busy" and does not wait
}

func openSQLite(ctx context.Context, e *engine, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	s := &sqlite{e: e, path: path}
	e.dialect, e.backend = SQLite, s
	var err error
	s.writer, err = driver.Open(s.dsn("rwc"), func(c *sqlite3.Conn) error {
		if err := s.prepare(c); err != nil {
			return err
		}
		return c.SetAuthorizer(func(a sqlite3.AuthorizerActionCode, n3, n4, _, _ string) sqlite3.AuthorizerReturnCode {
			return authorize(e.current, a, n3)
		})
	})
	if err != nil {
		return err
	}
	s.writer.SetMaxOpenConns(1)
	e.onClose = append(e.onClose, s.writer.Close)
	if err := e.connected(ctx); err != nil {
		return err
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go s.checkpoint(stop, done)
	e.onClose = append(e.onClose, func() error { close(stop); <-done; return nil })
	return nil
}

func (s *sqlite) dsn(mode string) string {
	u := url.URL{Scheme: "file", Path: s.path, RawQuery: "mode=" + mode}
	if !filepath.IsAbs(s.path) {
		u.Path, u.Opaque = "", (&url.URL{Path: s.path}).EscapedPath()
	}
	return u.String()
}

// prepare sets a connection up and refuses it if the engine did not take the settings: an ignored "synchronous" would
// acknowledge what a power cut can take back.
func (s *sqlite) prepare(c *sqlite3.Conn) error {
	if err := c.BusyTimeout(busyTimeout); err != nil {
		return err
	}
	// Plans must not depend on what is bound: on a table with a partial index each run of a kept statement would otherwise parse and plan
	// it again.
	if _, err := c.Config(sqlite3.DBCONFIG_ENABLE_QPSG, true); err != nil {
		return fmt.Errorf("stable plans: %w", err)
	}
	want := []struct{ pragma, set, value string }{
		{"journal_mode", "WAL", "wal"},
		{"synchronous", "FULL", "2"},
		{"foreign_keys", "ON", "1"},
		{"wal_autocheckpoint", "0", "0"}, // the background does it
		{"temp_store", "MEMORY", "2"},    // no copies of rows in temporary files
		{"secure_delete", "ON", "1"},     // what is deleted is overwritten in its page; Scrub does the rest
	}
	for _, w := range want {
		if err := c.Exec("PRAGMA " + w.pragma + "=" + w.set); err != nil {
			return fmt.Errorf("PRAGMA %s=%s: %w", w.pragma, w.set, err)
		}
		st, _, err := c.Prepare("PRAGMA " + w.pragma)
		if err != nil {
			return err
		}
		st.Step()
		got := st.ColumnText(0)
		if err := st.Close(); err != nil {
			return err
		}
		if got != w.value {
			return fmt.Errorf("PRAGMA %s is %q, it must be %q", w.pragma, got, w.value)
		}
	}
	return c.Exec("PRAGMA cache_size=-16000; PRAGMA journal_size_limit=67108864") // 16 MB; readers take less
}

func (s *sqlite) connect(ctx context.Context) (*sql.Conn, error) { return s.writer.Conn(ctx) }

func (s *sqlite) enter(context.Context, *sql.Conn, *scope) error { return nil }

func (s *sqlite) begin(context.Context, *sql.Conn) error {
	_, err := s.e.exec(nil, "BEGIN IMMEDIATE", nil)
	return err
}

func (s *sqlite) commit(context.Context, *sql.Conn) (known bool, err error) {
	_, err = s.e.exec(nil, "COMMIT", nil)
	// SQLite tells what became of it: an error that is not of the disk leaves the transaction open or rolled back.
	return true, err
}

// openReads opens connections that cannot write; those of a scope ask the authorizer too.
func (s *sqlite) openReads(sc *scope) (*pool, error) {
	db, err := driver.Open(s.dsn("rw"), func(c *sqlite3.Conn) error {
		if err := s.prepare(c); err != nil {
			return err
		}
		if err := c.Exec("PRAGMA cache_size=-4000; PRAGMA query_only=ON"); err != nil {
			return err
		}
		return c.SetAuthorizer(func(a sqlite3.AuthorizerActionCode, n3, n4, _, _ string) sqlite3.AuthorizerReturnCode {
			switch {
			case a == sqlite3.AUTH_PRAGMA && n3 == "query_only" && n4 == "":
				return sqlite3.AUTH_OK // the driver asks for it
			case a == sqlite3.AUTH_PRAGMA, a == sqlite3.AUTH_ATTACH:
				return sqlite3.AUTH_DENY // query_only=OFF would be one
			}
			return authorize(sc, a, n3)
		})
	})
	if err != nil {
		return nil, err
	}
	bound(db)
	return &pool{e: s.e, db: db, keep: true}, nil
}

// bound limits the connections of a pool of readers: as many as the machine can use at once, and after a quiet while only two, since each
// holds some megabytes.
func bound(db *sql.DB) {
	db.SetMaxOpenConns(max(4, 2*runtime.GOMAXPROCS(0)))
	db.SetMaxIdleConns(2)
}

// authorize says what a statement of a scope may do: read and change its own tables, call functions, and nothing else.
func authorize(s *scope, a sqlite3.AuthorizerActionCode, table string) sqlite3.AuthorizerReturnCode {
	if s == nil {
		return sqlite3.AUTH_OK
	}
	switch a {
	case sqlite3.AUTH_SELECT, sqlite3.AUTH_FUNCTION, sqlite3.AUTH_RECURSIVE, sqlite3.AUTH_TRANSACTION:
		return sqlite3.AUTH_OK
	case sqlite3.AUTH_READ:
		// json_each and json_tree have no rows of their own. A WITH table of which no column is read looks like a table: its name must
		// then begin as the room's tables do.
		if table == "json_each" || table == "json_tree" || s.holds(table) {
			return sqlite3.AUTH_OK
		}
	case sqlite3.AUTH_INSERT, sqlite3.AUTH_UPDATE, sqlite3.AUTH_DELETE:
		if s.holds(table) {
			return sqlite3.AUTH_OK
		}
	}
	return sqlite3.AUTH_DENY
}

// checkpoint moves the write-ahead log into the file beside the writer, so that no commit pays for it.
func (s *sqlite) checkpoint(stop <-chan struct{}, done chan<- struct{}) {
	defer close(done)
	c, err := sqlite3.Open(s.dsn("rw"))
	if err == nil {
		defer c.Close()
		err = s.prepare(c)
	}
	if err != nil {
		s.e.log.Error("no background checkpoints", "error", err)
		return
	}
	tick := time.NewTicker(checkpointEvery)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		if s.e.grown.Swap(0) == 0 {
			continue
		}
		s.checkpoints.Lock()
		log, moved, err := c.WALCheckpoint("main", sqlite3.CHECKPOINT_PASSIVE)
		s.checkpoints.Unlock()
		if fatal(err) {
			s.e.fail(fmt.Errorf("checkpoint: %w", err))
			return
		}
		if err == nil && log > maxLog {
			s.e.log.Info("the write-ahead log is long: emptied by the writer", "pages", log, "moved", moved)
			s.e.queue.put(&job{alone: s.truncate})
		}
	}
}

// truncate empties the write-ahead log; readers hold it up for at most the busy timeout. While a process beside this one makes a
// checkpoint of its own, SQLite answers "busy" without waiting: then it is asked again, as long.
func (s *sqlite) truncate(ctx context.Context, c *sql.Conn) error {
	s.checkpoints.Lock()
	defer s.checkpoints.Unlock()
	for end := time.Now().Add(busyTimeout); ; {
		var busy, log, moved int
		err := c.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &moved)
		switch {
		case err != nil || busy == 0:
			return err
		case time.Now().After(end):
			return fmt.Errorf("store: emptying the write-ahead log: %d of its pages are held by readers, or another process works on it", log-moved)
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// alone opens a connection beside the pools, for work that they do not allow.
func (s *sqlite) alone(ctx context.Context, f func(c *sqlite3.Conn) error) error {
	c, err := sqlite3.OpenContext(ctx, s.dsn("rw"))
	if err != nil {
		return err
	}
	defer c.Close()
	if err := s.prepare(c); err != nil {
		return err
	}
	defer c.SetInterrupt(c.SetInterrupt(ctx))
	return f(c)
}

func (s *sqlite) vacuumInto(ctx context.Context, file string) error {
	return s.alone(ctx, func(c *sqlite3.Conn) error {
		st, _, err := c.Prepare("VACUUM INTO ?")
		if err != nil {
			return err
		}
		defer st.Close()
		if err := st.BindText(1, file); err != nil {
			return err
		}
		return st.Exec()
	})
}

func (s *sqlite) verify(ctx context.Context) (faults []string, err error) {
	err = s.alone(ctx, func(c *sqlite3.Conn) error {
		for _, pragma := range []string{"integrity_check", "foreign_key_check"} {
			st, _, err := c.Prepare("PRAGMA " + pragma)
			if err != nil {
				return err
			}
			for st.Step() {
				if text := st.ColumnText(0); text != "ok" {
					faults = append(faults, pragma+": "+text)
				}
			}
			if err := errors.Join(st.Err(), st.Close()); err != nil {
				return err
			}
		}
		return nil
	})
	return faults, err
}
