package records

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"writ/schedule"
	"writ/store"
)

// sweepPiece bounds the rows that one transaction of a sweep deletes, so that the group commit is not held up.
const sweepPiece = 2000

var identifier = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// SweepRows makes the Sweep of a table with a time column in microseconds (store.Time) and one or more columns that name accounts:
// rows are left while one of these accounts is held for the category. An index must begin with the time column.
func SweepRows(c schedule.Category, table, timeColumn string, accountColumns ...string) func(context.Context, *store.Tx, time.Time, func(string) bool) (int64, error) {
	unheld := unheld(table, 2, accountColumns)
	// The time of the last row of a piece bounds the delete; rows of the same microsecond go with it.
	text := fmt.Sprintf(`DELETE FROM %[1]s WHERE %[2]s <= (SELECT max(piece.t) FROM (SELECT %[2]s AS t FROM %[1]s WHERE %[2]s < $1 AND %[3]s ORDER BY %[2]s LIMIT %[4]d) AS piece) AND %[3]s`,
		table, timeColumn, unheld, sweepPiece)
	mustIdentify(table, append([]string{timeColumn}, accountColumns...))
	return func(ctx context.Context, tx *store.Tx, before time.Time, _ func(string) bool) (int64, error) {
		n, err := tx.Exec(ctx, text, store.Time(before), string(c))
		if err != nil {
			return 0, fmt.Errorf("records: sweeping %s: %w", table, err)
		}
		return n, nil
	}
}

// SweepOlder makes the Sweep of a table whose rows last a fixed time from their "at" (store.Time), whoever is held.
func SweepOlder(table string, lasts time.Duration) func(context.Context, *store.Tx, time.Time, func(string) bool) (int64, error) {
	mustIdentify(table, nil)
	text := `DELETE FROM ` + table + ` WHERE at < $1`
	return func(ctx context.Context, tx *store.Tx, before time.Time, _ func(string) bool) (int64, error) {
		return tx.Exec(ctx, text, store.Time(before.Add(-lasts)))
	}
}

// EraseRows makes the Erase of a table with one or more columns that name accounts: every row that names the account goes, except
// those that are held for the category on behalf of another account that they name.
func EraseRows(c schedule.Category, table string, accountColumns ...string) func(context.Context, *store.Tx, string) error {
	mustIdentify(table, accountColumns)
	var is []string
	for _, col := range accountColumns {
		is = append(is, col+" = $1")
	}
	text := fmt.Sprintf(`DELETE FROM %s WHERE (%s)`, table, strings.Join(is, " OR "))
	args := []any{""}
	if len(accountColumns) > 1 {
		text += " AND " + unheld(table, 2, accountColumns)
		args = append(args, string(c))
	}
	return func(ctx context.Context, tx *store.Tx, account string) error {
		bound := append([]any{account}, args[1:]...)
		if _, err := tx.Exec(ctx, text, bound...); err != nil {
			return fmt.Errorf("records: erasing from %s: %w", table, err)
		}
		return nil
	}
}

// Column says how a column that an Export reads is given out.
type Column uint8

const (
	Text   Column = iota // string
	Number               // int64
	Flag                 // bool
	Time                 // time.Time, of microseconds (store.Time)
	Moment               // the same; nil if it is 0, which means never or not known
)

// ExportRows makes the Export of a query whose rows are given out as they stand, a column for each Field. $1 is the account; $2 and $3 are
// the window, if the query has them.
func ExportRows(query string, columns ...Column) Export {
	return func(ctx context.Context, o *Opened, emit func(...any) error) error {
		args := []any{o.Account()}
		if strings.Contains(query, "$2") {
			args = append(args, store.Time(o.From()), store.Time(o.To()))
		}
		return store.Each(ctx, o, "records: exporting", func(row store.Scanner) error {
			values := make([]any, len(columns))
			for i, c := range columns {
				values[i] = c.empty()
			}
			if err := row.Scan(values...); err != nil {
				return err
			}
			for i, c := range columns {
				values[i] = c.given(values[i])
			}
			return emit(values...)
		}, query, args...)
	}
}

// empty is what the column is read into.
func (c Column) empty() any {
	switch c {
	case Text:
		return new(string)
	case Flag:
		return new(bool)
	}
	return new(int64)
}

// given is what the column gives of what was read into empty.
func (c Column) given(read any) any {
	switch v := read.(type) {
	case *string:
		return *v
	case *bool:
		return *v
	case *int64:
		switch {
		case c == Number:
			return *v
		case c == Moment && *v == 0:
			return nil
		}
		return store.FromTime(*v)
	}
	return nil
}

// Unheld is the condition, for a delete from the table, that no account named in the columns is held; the category is parameter n.
func Unheld(table string, n int, accountColumns ...string) string {
	mustIdentify(table, accountColumns)
	return unheld(table, n, accountColumns)
}

// unheld is the condition that no account of the row is held for the category in parameter n.
func unheld(table string, n int, accountColumns []string) string {
	var conds []string
	for _, col := range accountColumns {
		conds = append(conds, fmt.Sprintf(`NOT EXISTS (SELECT 1 FROM gate_hold_account h WHERE h.account = %s.%s AND h.category = $%d AND h.active = 1)`, table, col, n))
	}
	if len(conds) == 0 {
		return fmt.Sprintf("$%d <> ''", n)
	}
	return strings.Join(conds, " AND ")
}

// mustIdentify panics on a name that is none: these are constants of the program, and the only parts of the text that are not bound.
func mustIdentify(table string, columns []string) {
	for _, name := range append([]string{table}, columns...) {
		if !identifier.MatchString(name) {
			panic("records: not a name of a table or column: " + name)
		}
	}
}
