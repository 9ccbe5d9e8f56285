package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrNoBackup is what Backup says on PostgreSQL, which has tools of its own for it.
var ErrNoBackup = errors.New("store: PostgreSQL is backed up by its own tools (pg_dump, or base backup with WAL archiving)")

// Backup writes a consistent copy of an SQLite database into a new file, beside running writers, and without the remains of deleted rows.
func (db *DB) Backup(ctx context.Context, file string) error {
	s, ok := db.e.backend.(*sqlite)
	if !ok {
		return ErrNoBackup
	}
	if err := s.copyTo(ctx, file); err != nil {
		return fmt.Errorf("store: backup to %s: %w", file, err)
	}
	return nil
}

func (s *sqlite) copyTo(ctx context.Context, file string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) // VACUUM INTO takes an empty file
	if err != nil {
		return err
	}
	defer f.Close()
	if err := s.vacuumInto(ctx, file); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// Verify has the engine check itself: pages, indexes, and that what refers to a row finds it. Each line is a fault.
func (db *DB) Verify(ctx context.Context) ([]string, error) {
	s, ok := db.e.backend.(*sqlite)
	if !ok {
		return nil, nil // PostgreSQL checks its pages when it reads them; pg_amcheck does the rest
	}
	return s.verify(ctx)
}
