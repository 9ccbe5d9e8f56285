package store

import (
	"context"
	"fmt"
	"slices"
)

// Tables lists the tables of the database by name, without the engine's own. A room's tables begin with its name; store's with
// store_.
func (db *DB) Tables(ctx context.Context) ([]string, error) {
	text := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`
	if db.Dialect() == PostgreSQL {
		text = `SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()`
	}
	rows, err := db.Query(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("store: listing tables: %w", err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var t string
		if err := rows.Scan(&t); err != nil {
			return nil, fmt.Errorf("store: listing tables: %w", err)
		}
		out = append(out, t)
	}
	slices.Sort(out)
	return out, rows.Err()
}

// NoRow is a Row whose Scan fails with err: for readers that wrap DB and may refuse.
func NoRow(err error) *Row { return &Row{err: err} }
