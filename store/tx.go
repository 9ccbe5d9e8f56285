package store

import (
	"context"
	"database/sql"
	"errors"
)

// Tx is the transaction as one write sees it. It is valid only inside its f and on f's goroutine. The contexts given to its
// methods carry values but cannot end a statement: the transaction belongs to many writes.
//
// A statement that fails spoils the write, also if f goes on and returns nil: PostgreSQL would roll it back, so SQLite does too.
// Ask first, or use ON CONFLICT, where a clash is expected.
type Tx struct {
	e     *engine
	scope *scope
	after []func()
	dirty bool  // a statement may have changed something, or the transaction may be aborted
	err   error // of the first statement that failed
}

// Exec runs a statement and says how many rows it changed.
func (tx *Tx) Exec(ctx context.Context, text string, args ...any) (int64, error) {
	tx.dirty = true
	n, err := tx.e.exec(tx.scope, text, args)
	if err != nil {
		return 0, tx.spoil(explain(err, text))
	}
	return n, nil
}

// Insert runs an INSERT of one row into a table whose key is an "id {{serial}}", and gives the id. The text has no RETURNING: on SQLite that
// would cost as much as the row does.
func (tx *Tx) Insert(ctx context.Context, text string, args ...any) (id int64, err error) {
	tx.dirty = true
	if tx.e.dialect == PostgreSQL {
		err := tx.QueryRow(ctx, text+" RETURNING id", args...).Scan(&id)
		return id, err
	}
	res, err := tx.e.result(tx.scope, text, args)
	if err != nil {
		return 0, tx.spoil(explain(err, text))
	}
	if id, err = res.LastInsertId(); err != nil {
		return 0, tx.spoil(explain(err, text))
	}
	return id, nil
}

// Query reads, and sees what this transaction has written. INSERT … RETURNING goes here or through QueryRow. The rows must be
// closed before the next statement.
func (tx *Tx) Query(ctx context.Context, text string, args ...any) (*Rows, error) {
	tx.dirty = tx.dirty || !reads(text)
	st, err := tx.e.stmt(tx.scope, text)
	var rows *sql.Rows
	if err == nil {
		rows, err = st.query(args)
	}
	if err != nil {
		return nil, tx.spoil(explain(err, text))
	}
	return rows, nil
}

// QueryRow is Query for at most one row.
func (tx *Tx) QueryRow(ctx context.Context, text string, args ...any) *Row {
	tx.dirty = tx.dirty || !reads(text)
	st, err := tx.e.stmt(tx.scope, text)
	if err != nil {
		return &Row{err: tx.spoil(explain(err, text))}
	}
	return &Row{row: st.queryRow(args), tx: tx}
}

// AfterCommit has f called once the write is durable, in queue order and before the write's done. It must not wait for another write.
func (tx *Tx) AfterCommit(f func()) { tx.after = append(tx.after, f) }

// Dialect is the engine of the database.
func (tx *Tx) Dialect() Dialect { return tx.e.dialect }

func (tx *Tx) spoil(err error) error {
	tx.dirty = true
	if tx.err == nil && !errors.Is(err, ErrNoRows) {
		tx.err = err
	}
	return err
}

// reads reports whether a text begins as a SELECT; what it does not know it takes for a write.
func reads(text string) bool {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case ' ', '\t', '\n':
			continue
		}
		return len(text)-i > 6 && (text[i:i+6] == "SELECT" || text[i:i+6] == "select")
	}
	return false
}
