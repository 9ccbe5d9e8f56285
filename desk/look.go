package desk

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"writ/desk/registry"
	"writ/store"
)

// Looking is written down before anything is shown: who of the staff, at which case or document of it, and when. People who browse
// without need are the main risk of a desk, and a record that can be lost or skipped deters nobody, so a view whose record cannot be
// written is refused. It is one row for each person, thing and hour: what a day's work writes does not grow with how often a page is
// loaded. Officers are not written down: they see their own agency's requests, without names, and their downloads are events.

// Look is that a member of the staff looked at a case, or at a document of it, within an hour.
type Look struct {
	Person   string    // registry id
	Document string    // empty: the case itself
	At       time.Time // the first time within the hour
}

// MaxLooks is how many looks Looks gives at most, the latest first.
const MaxLooks = 500

// looked remembers what was written down within the hour, so that a page that is loaded again writes nothing.
type looked struct {
	mu   sync.Mutex
	hour int64
	seen map[[3]string]bool
}

func (l *looked) has(hour int64, key [3]string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hour == hour && l.seen[key]
}

func (l *looked) add(hour int64, key [3]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hour != hour {
		l.hour, l.seen = hour, map[[3]string]bool{}
	}
	l.seen[key] = true
}

// look writes down that a member of the staff is about to be shown a case (document empty) or a document of it.
func (d *Desk) look(ctx context.Context, who Actor, id, document string) error {
	if who.Officer() || who.Auth == BySystem {
		return nil
	}
	now := d.d.Clock.Now()
	hour, key := now.Unix()/3600, [3]string{id, who.Person, document}
	if d.looked.has(hour, key) {
		return nil
	}
	err := d.d.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO desk_look (case_id, at, hour, person, what) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (case_id, hour, person, what) DO NOTHING`,
			id, store.Time(now), hour, who.Person, document)
		return err
	})
	if err != nil {
		return fmt.Errorf("desk: writing down who looks: %w", err)
	}
	d.looked.add(hour, key)
	return nil
}

// watchers may see who looked at a case that they may see.
var watchers = []Role{registry.Counsel, registry.Rights, registry.Executive}

// Watches reports whether the actor may see who looked at cases.
func Watches(a Actor) bool { return slices.ContainsFunc(watchers, a.Has) }

// Looks is who of the staff looked at a case, the latest first, at most MaxLooks: for counsel, the human-rights lead and the executive
// who may see the case. To everybody else it is ErrNotFound.
func (d *Desk) Looks(ctx context.Context, by Actor, id string) ([]Look, error) {
	who, err := d.actor(ctx, d.d.DB, by, d.d.Clock.Now())
	if err != nil {
		return nil, err
	}
	if !Watches(who) || !d.Sees(ctx, by, id) {
		return nil, ErrNotFound
	}
	return store.List(ctx, d.d.DB, "desk: reading who looked", func(row store.Scanner) (Look, error) {
		var l Look
		var at int64
		err := row.Scan(&l.Person, &l.Document, &at)
		l.At = store.FromTime(at)
		return l, err
	}, `SELECT person, what, at FROM desk_look WHERE case_id = $1 ORDER BY at DESC, person, what LIMIT $2`, id, MaxLooks)
}

// sweepLooks deletes who looked at cases that ended before a time, a piece at a time.
func sweepLooks(ctx context.Context, tx *store.Tx, before time.Time, _ func(string) bool) (int64, error) {
	n, err := tx.Exec(ctx, `DELETE FROM desk_look WHERE case_id IN (SELECT DISTINCT l.case_id FROM desk_look l JOIN desk_case c ON c.id = l.case_id
		WHERE c.ended <> 0 AND c.ended < $1 LIMIT 200)`, store.Time(before))
	if err != nil {
		return 0, fmt.Errorf("desk: erasing who looked: %w", err)
	}
	return n, nil
}
