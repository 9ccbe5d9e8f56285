package store

import (
	"context"
	"fmt"
)

// Scanner is one row of a result, as Row and Rows read it.
type Scanner interface{ Scan(into ...any) error }

// Each calls f for each row of a query, in order, until one fails. A failure is wrapped in what was being done ("registry: listing
// agencies"). In a transaction f must not run another statement: the rows are still open.
func Each(ctx context.Context, r Reader, doing string, f func(Scanner) error, sql string, args ...any) error {
	rows, err := r.Query(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// List gives what scan makes of each row. What scan returns beside an error is dropped: it may fill its value before it looks at the error.
func List[T any](ctx context.Context, r Reader, doing string, scan func(Scanner) (T, error), sql string, args ...any) ([]T, error) {
	var out []T
	err := Each(ctx, r, doing, func(row Scanner) error {
		v, err := scan(row)
		out = append(out, v)
		return err
	}, sql, args...)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Column is List for a query of one column.
func Column[T any](ctx context.Context, r Reader, doing, sql string, args ...any) ([]T, error) {
	return List(ctx, r, doing, func(row Scanner) (v T, err error) {
		err = row.Scan(&v)
		return v, err
	}, sql, args...)
}
