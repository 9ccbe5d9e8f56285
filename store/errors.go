package store

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/ncruces/go-sqlite3"
)

// ErrNoRows is what Row.Scan says when the query has no row.
var ErrNoRows = sql.ErrNoRows

// ErrFailed is what every write gets once Failed is closed.
var ErrFailed = errors.New("store: a commit failed or its outcome is unknown; nothing more is written")

// ErrNewer is in the error of Migrate when the database was written by a newer binary.
var ErrNewer = errors.New("the database is newer than this binary")

var errClosed = errors.New("store: closed")

// IsConflict reports whether err is a broken uniqueness or key: the row is there already, or what it refers to is not.
func IsConflict(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "23505" || pg.Code == "23503"
	}
	return errors.Is(err, sqlite3.CONSTRAINT_UNIQUE) || errors.Is(err, sqlite3.CONSTRAINT_PRIMARYKEY) ||
		errors.Is(err, sqlite3.CONSTRAINT_FOREIGNKEY) || errors.Is(err, sqlite3.CONSTRAINT_ROWID)
}

// IsRefused reports whether the engine denied a statement: a Scoped handle met a table of another room, or a table is append-only.
func IsRefused(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "42501" || pg.Code == "P0001" || pg.Code == "25006"
	}
	return errors.Is(err, errOutside) || errors.Is(err, sqlite3.AUTH) || errors.Is(err, sqlite3.READONLY) || errors.Is(err, sqlite3.CONSTRAINT_TRIGGER)
}

// fatal reports an error after which the disk is not to be believed.
func fatal(err error) bool {
	return errors.Is(err, sqlite3.IOERR) || errors.Is(err, sqlite3.CORRUPT) || errors.Is(err, sqlite3.NOTADB)
}

// explain adds the statement to an error; parameters are left out, since they may be about people.
func explain(err error, text string) error {
	if err == nil {
		return nil
	}
	const most = 120
	if r := []rune(text); len(r) > most {
		text = string(r[:most]) + "…"
	}
	return fmt.Errorf("store: %w (in %q)", err, text)
}
