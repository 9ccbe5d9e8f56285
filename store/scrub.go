package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Scrub makes deleted rows leave the files. SQLite: the file is written anew and the write-ahead log emptied; a byte search of the folder then
// finds nothing. It takes time and space in proportion to the file, and holds the writes up. PostgreSQL: VACUUM; its own
// write-ahead log and backups keep bytes until they are recycled.
func (db *DB) Scrub(ctx context.Context) error {
	err := db.wait(ctx, &job{alone: func(ctx context.Context, c *sql.Conn) error {
		if s, ok := db.e.backend.(*sqlite); ok {
			if err := s.truncate(ctx, c); err != nil {
				return err
			}
			if _, err := c.ExecContext(ctx, "VACUUM"); err != nil {
				return err
			}
			return s.truncate(ctx, c)
		}
		m := migration{e: db.e, conn: c}
		tables, err := m.tables(ctx)
		if err != nil {
			return err
		}
		for t := range tables {
			if _, err := c.ExecContext(ctx, "VACUUM "+pgx.Identifier{t}.Sanitize()); err != nil {
				return err
			}
		}
		return nil
	}})
	if err != nil {
		return fmt.Errorf("store: scrubbing: %w", err)
	}
	return nil
}
