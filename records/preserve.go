package records

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"writ/schedule"
	"writ/store"
)

// A preservation keeps logs in place (the sweeper and erasure pass over them) and states as a copy: a state, a datum without a Time
// field, is what its owner may change or empty at any moment. The copy is made right after the hold is placed, by the room's own
// export; it stays in the database, nobody sees it, and a grant is as needed for it as for anything else.

// copyOf is a datum's rows at the moment of the copy. The fields are kept with it: the schedule may change while a hold lasts.
type copyOf struct {
	Fields []schedule.Field `json:"fields"`
	Rows   [][]*string      `json:"rows"` // values with their type as first letter; null is null
}

// Begin, Row and End make copyOf a Sink.
func (c *copyOf) Begin(_ context.Context, _ string, d schedule.Datum) error {
	c.Fields = d.Fields
	return nil
}

func (c *copyOf) Row(values []any) error {
	row := make([]*string, len(values))
	for i, v := range values {
		var s string
		switch v := v.(type) {
		case nil:
			continue
		case string:
			s = "s" + v
		case int64:
			s = "i" + strconv.FormatInt(v, 10)
		case bool:
			s = "b" + strconv.FormatBool(v)
		case time.Time:
			s = "t" + strconv.FormatInt(store.Time(v), 10)
		}
		row[i] = &s
	}
	c.Rows = append(c.Rows, row)
	return nil
}

func (c *copyOf) End(int64) error { return nil }

// value is what Row has written.
func value(s *string) (any, error) {
	if s == nil {
		return nil, nil
	}
	if *s == "" {
		return nil, fmt.Errorf("records: a copied value without a type")
	}
	switch text := (*s)[1:]; (*s)[0] {
	case 's':
		return text, nil
	case 'i':
		return strconv.ParseInt(text, 10, 64)
	case 'b':
		return strconv.ParseBool(text)
	case 't':
		n, err := strconv.ParseInt(text, 10, 64)
		return store.FromTime(n), err
	}
	return nil, fmt.Errorf("records: a copied value of unknown type")
}

type pendingHold struct {
	id       string
	accounts map[string][]schedule.Category
}

// preserve copies the states of the holds that have no copy yet. It is called after each hold and by each sweep, so that a crash in
// between costs nothing.
func (r *Records) preserve(ctx context.Context) error {
	r.preserving.Lock()
	defer r.preserving.Unlock()
	pending, err := r.uncopied(ctx)
	if err != nil {
		return fmt.Errorf("records: copying for a preservation: %w", err)
	}
	for _, h := range pending {
		copies := map[[2]string]*copyOf{}
		for account, categories := range h.accounts {
			for _, d := range r.data() {
				if d.Time != "" || d.Export == nil || !slices.Contains(categories, d.Category) {
					continue
				}
				c := &copyOf{}
				o := &Opened{account: account, from: beginning, to: end, read: r.db, open: true}
				if _, err := export(ctx, d, o, c); err != nil {
					return fmt.Errorf("records: copying for a preservation: %w", err)
				}
				if len(c.Rows) > 0 {
					copies[[2]string{account, d.Name}] = c
				}
			}
		}
		if err := r.keepCopies(ctx, h.id, copies); err != nil {
			return fmt.Errorf("records: copying for a preservation: %w", err)
		}
	}
	return nil
}

func (r *Records) uncopied(ctx context.Context) ([]pendingHold, error) {
	var out []pendingHold
	err := store.Each(ctx, r.db, "records: reading holds to copy for", func(row store.Scanner) error {
		var id, account, category string
		if err := row.Scan(&id, &account, &category); err != nil {
			return err
		}
		if len(out) == 0 || out[len(out)-1].id != id {
			out = append(out, pendingHold{id, map[string][]schedule.Category{}})
		}
		h := out[len(out)-1]
		h.accounts[account] = append(h.accounts[account], schedule.Category(category))
		return nil
	}, `SELECT h.id, a.account, a.category FROM gate_hold h JOIN gate_hold_account a ON a.hold = h.id
		WHERE h.copied = 0 AND h.ended = 0 ORDER BY h.placed, h.id`)
	return out, err
}

// keepCopies writes the copies down, unless the hold has ended meanwhile or another process was first.
func (r *Records) keepCopies(ctx context.Context, hold string, copies map[[2]string]*copyOf) error {
	return r.db.Write(ctx, func(tx *store.Tx) error {
		now := store.Time(r.clock.Now())
		n, err := tx.Exec(ctx, `UPDATE gate_hold SET copied = $2 WHERE id = $1 AND copied = 0 AND ended = 0`, hold, now)
		if err != nil || n == 0 {
			return err
		}
		for key, c := range copies {
			body, err := json.Marshal(c)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `INSERT INTO records_kept (hold, account, datum, at, body) VALUES ($1, $2, $3, $4, $5)`,
				hold, key[0], key[1], now, string(body)); err != nil {
				return err
			}
		}
		return nil
	})
}

// produce gives the sink what holds in force have copied of a datum, as data of their own: NAME-preserved, with the time of the copy as
// first field.
func (r *Records) produce(ctx context.Context, account string, d Datum, into Sink) (total int64, err error) {
	rows, err := r.db.Query(ctx, `SELECT k.at, k.body FROM records_kept k JOIN gate_hold h ON h.id = k.hold
		WHERE k.account = $1 AND k.datum = $2 AND h.ended = 0 ORDER BY k.at, k.hold`, account, d.Name)
	if err != nil {
		return 0, fmt.Errorf("records: reading a preserved copy: %w", err)
	}
	defer rows.Close()
	for i := 1; rows.Next(); i++ {
		var at int64
		var body string
		var c copyOf
		if err := rows.Scan(&at, &body); err != nil {
			return total, fmt.Errorf("records: reading a preserved copy: %w", err)
		}
		if err := json.Unmarshal([]byte(body), &c); err != nil {
			return total, fmt.Errorf("records: reading a preserved copy: %w", err)
		}
		words := d.Datum
		words.Name += "-preserved"
		if i > 1 {
			words.Name += "-" + strconv.Itoa(i)
		}
		words.Fields = append([]schedule.Field{{Name: "preserved", Meaning: "When this copy was made, under a preservation."}}, c.Fields...)
		n, err := c.into(ctx, account, words, store.FromTime(at), into)
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, rows.Err()
}

func (c *copyOf) into(ctx context.Context, account string, words schedule.Datum, at time.Time, into Sink) (int64, error) {
	if err := into.Begin(ctx, account, words); err != nil {
		return 0, fmt.Errorf("records: sink: %w", err)
	}
	values := make([]any, len(words.Fields))
	for _, row := range c.Rows {
		if len(row) != len(c.Fields) {
			return 0, fmt.Errorf("records: a preserved copy of %s is damaged", words.Name)
		}
		values[0] = at
		for i, s := range row {
			v, err := value(s)
			if err != nil {
				return 0, err
			}
			values[i+1] = v
		}
		if err := into.Row(values); err != nil {
			return 0, fmt.Errorf("records: sink: %w", err)
		}
	}
	if err := into.End(int64(len(c.Rows))); err != nil {
		return 0, fmt.Errorf("records: sink: %w", err)
	}
	return int64(len(c.Rows)), nil
}
