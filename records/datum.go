package records

import (
	"context"
	"errors"
	"fmt"
	"time"

	"writ/schedule"
	"writ/store"
)

// Datum is one kind of record that a room keeps: the words (schedule.Datum) and what acts on the rows.
type Datum struct {
	schedule.Datum

	// Export emits the rows of o.Account() in the window [o.From(), o.To()), in a fixed order (by time, then id), one value for each
	// Field: string, int, int64, bool, time.Time, or nil for "not known". It reads through o alone. An account that does not exist
	// has no rows, and that is no error. Nil if the process is never. ExportRows makes the usual one.
	Export Export

	// Erase deletes every row of the account (a bare JID), also those in which it is the other party. Nil only for rows that name no
	// account of the chat, and where another datum of the same tables erases them. EraseRows makes the usual one.
	Erase func(ctx context.Context, tx *store.Tx, account string) error

	// Sweep deletes at most a few thousand rows older than before, not those of an account for which held is true, and says how many.
	// It is called again, each time in a transaction of its own, until it says 0. With Retention Expiry, before is the present.
	// Nil for Account and Permanent, and where another datum of the same tables sweeps them. SweepRows makes the usual one.
	Sweep func(ctx context.Context, tx *store.Tx, before time.Time, held func(account string) bool) (int64, error)
}

// Export gives out the rows of the account that is open.
type Export func(ctx context.Context, o *Opened, emit func(values ...any) error) error

// check reports what is wrong with the declaration, nil if nothing.
func (d Datum) check() error {
	errs := []error{d.Datum.Check()}
	bad := func(text string) { errs = append(errs, fmt.Errorf("records: datum %q: %s", d.Name, text)) }
	if (d.Export == nil) != (d.Process == schedule.Never) {
		bad("a datum has an Export exactly if some process reaches it")
	}
	if (d.Retention == schedule.Account || d.Retention == schedule.Permanent) && d.Sweep != nil {
		bad("rows kept for good or while the account lives are not swept")
	}
	if d.Erase == nil && len(d.Tables) > 0 && d.Category.Producible() {
		bad("rows about an account need an Erase")
	}
	return errors.Join(errs...)
}

// Room is what the record schedule is collected from.
type Room struct {
	Name   string // the package name; its tables are NAME or begin with NAME_ (a / in the name is dropped with what stands before it)
	Tables bool   // it has a schema; then Data must not be empty
	Data   []Datum
}

// Opened is one account's records, opened for one Export: the account, the window, and a handle that reads. Only Extract (for an
// approved grant) and Own (for the person) make one, and both close it when the Export returns. The zero value, which is all that
// another package can make, opens nothing: its account is empty and its queries fail with ErrNotOpen.
type Opened struct {
	account  string
	from, to time.Time
	read     store.Reader
	open     bool
}

// ErrNotOpen is the answer of an Opened that was not made by Extract or Own, or that is kept after the Export returned.
var ErrNotOpen = errors.New("records: not opened by an approved extraction")

// Account is the bare JID whose records are open.
func (o *Opened) Account() string { return o.account }

// From is the begin of the window, inclusive.
func (o *Opened) From() time.Time { return o.from }

// To is the end of the window, exclusive.
func (o *Opened) To() time.Time { return o.to }

// Query reads from the database, as store.DB.Query does.
func (o *Opened) Query(ctx context.Context, sql string, args ...any) (*store.Rows, error) {
	if !o.open {
		return nil, ErrNotOpen
	}
	return o.read.Query(ctx, sql, args...)
}

// QueryRow reads at most one row, as store.DB.QueryRow does.
func (o *Opened) QueryRow(ctx context.Context, sql string, args ...any) *store.Row {
	if !o.open {
		return store.NoRow(ErrNotOpen)
	}
	return o.read.QueryRow(ctx, sql, args...)
}

// Sink takes what an extraction finds. Calls come in order: for each account, for each datum in the order of the schedule, Begin,
// then Row for each row, then End. A datum without rows has Begin and End(0): "no records held" is an answer of its own.
type Sink interface {
	Begin(ctx context.Context, account string, d schedule.Datum) error
	Row(values []any) error // string, int64, bool, time.Time (UTC) or nil; valid during the call
	End(rows int64) error
}

// Words makes data of rooms below this floor, which declare the words alone: nothing of theirs is ever exported, swept or erased
// with an account of the chat.
func Words(data ...schedule.Datum) []Datum {
	out := make([]Datum, len(data))
	for i, d := range data {
		out[i].Datum = d
	}
	return out
}
