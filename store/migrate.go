package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// Schema is a room's numbered migrations: 001.sql, 002.sql … in FS, or in its folder "schema". Forward only: a file that was
// applied never changes again. Room is the prefix of its tables, as a rule the package's name.
type Schema struct {
	Room string
	FS   fs.FS
}

// Step is one migration that was, or would be, applied.
type Step struct {
	Room   string
	Number int
	text   string
	sum    string
}

func (s Step) String() string { return fmt.Sprintf("%s/%03d", s.Room, s.Number) }

// Migrate brings the rooms' tables to what this binary knows, each step in a transaction of its own. A database that holds a
// step which the binary does not know is refused with ErrNewer; so is a step that was changed after it was applied, and a step that
// makes a table whose name does not begin with the room's.
func (db *DB) Migrate(ctx context.Context, rooms []Schema) error {
	steps, err := known(rooms)
	if err != nil {
		return err
	}
	return db.wait(ctx, &job{alone: func(ctx context.Context, c *sql.Conn) error {
		m := migration{e: db.e, conn: c}
		return m.run(ctx, steps)
	}})
}

// Pending tells what Migrate would apply, and fails where it would.
func (db *DB) Pending(ctx context.Context, rooms []Schema) (pending []Step, err error) {
	steps, err := known(rooms)
	if err != nil {
		return nil, err
	}
	err = db.wait(ctx, &job{alone: func(ctx context.Context, c *sql.Conn) (err error) {
		m := migration{e: db.e, conn: c}
		pending, err = m.pending(ctx, steps)
		return err
	}})
	return pending, err
}

var stepName = regexp.MustCompile(`^(\d{3})\.sql$`)

// known reads the steps of the rooms, by room and number.
func known(rooms []Schema) ([]Step, error) {
	var steps []Step
	seen := map[string]bool{}
	for _, r := range rooms {
		if !roomName(r.Room) || seen[r.Room] {
			return nil, fmt.Errorf("store: migrations of room %q: the name must be of lower-case letters and digits, and given once", r.Room)
		}
		seen[r.Room] = true
		dir := "schema"
		if _, err := fs.Stat(r.FS, dir); err != nil {
			dir = "."
		}
		files, err := fs.ReadDir(r.FS, dir)
		if err != nil {
			return nil, fmt.Errorf("store: migrations of %s: %w", r.Room, err)
		}
		n := 0
		for _, f := range files { // sorted by name
			m := stepName.FindStringSubmatch(f.Name())
			if m == nil {
				continue
			}
			n++
			if number, _ := strconv.Atoi(m[1]); number != n {
				return nil, fmt.Errorf("store: migrations of %s: %s, but %03d.sql was expected", r.Room, f.Name(), n)
			}
			b, err := fs.ReadFile(r.FS, path.Join(dir, f.Name()))
			if err != nil {
				return nil, fmt.Errorf("store: migrations of %s: %w", r.Room, err)
			}
			sum := sha256.Sum256(b)
			steps = append(steps, Step{Room: r.Room, Number: n, text: string(b), sum: hex.EncodeToString(sum[:])})
		}
		if n == 0 {
			return nil, fmt.Errorf("store: migrations of %s: no 001.sql", r.Room)
		}
	}
	return steps, nil
}

// migration works on the writer's connection, between batches.
type migration struct {
	e    *engine
	conn *sql.Conn
}

const migrationsTable = `CREATE TABLE IF NOT EXISTS store_migrations (
	room TEXT NOT NULL, number BIGINT NOT NULL, sum TEXT NOT NULL, applied BIGINT NOT NULL, PRIMARY KEY (room, number))`

func (m migration) run(ctx context.Context, steps []Step) error {
	if m.e.dialect == PostgreSQL { // one process migrates, the others wait and find it done
		if err := m.exec(ctx, "SELECT pg_advisory_lock(7261637)"); err != nil {
			return err
		}
		defer m.exec(ctx, "SELECT pg_advisory_unlock(7261637)")
	}
	if err := m.exec(ctx, migrationsTable); err != nil {
		return err
	}
	pending, err := m.pending(ctx, steps)
	if err != nil {
		return err
	}
	for _, s := range pending {
		if err := m.apply(ctx, s); err != nil {
			m.exec(ctx, "ROLLBACK")
			return fmt.Errorf("store: migration %s: %w", s, err)
		}
		m.e.log.Debug("migrated", "step", s.String())
	}
	return nil
}

func (m migration) exec(ctx context.Context, text string, args ...any) error {
	_, err := m.conn.ExecContext(ctx, m.e.expand(text), args...)
	return err
}

// pending compares what is known with what was applied.
func (m migration) pending(ctx context.Context, steps []Step) ([]Step, error) {
	applied, err := m.applied(ctx)
	if err != nil {
		return nil, err
	}
	last := map[string]int{}
	var pending []Step
	for _, s := range steps {
		last[s.Room] = s.Number
		sum, ok := applied[s.Room][s.Number]
		if ok && sum != s.sum {
			return nil, fmt.Errorf("store: migration %s was changed after this database had applied it; a new step is needed (in development: begin with an empty database)", s)
		}
		if !ok {
			pending = append(pending, s)
		}
	}
	for room, numbers := range applied {
		for n := range numbers {
			if known, ok := last[room]; ok && n > known {
				return nil, fmt.Errorf("store: %w: room %s has step %03d, this binary knows %03d; run the newer binary, or restore the backup made before it", ErrNewer, room, n, known)
			}
		}
	}
	return pending, nil
}

func (m migration) applied(ctx context.Context) (map[string]map[int]string, error) {
	tables, err := m.tables(ctx)
	if err != nil || !tables["store_migrations"] {
		return nil, err
	}
	rows, err := m.conn.QueryContext(ctx, "SELECT room, number, sum FROM store_migrations")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]map[int]string{}
	for rows.Next() {
		var room, sum string
		var n int
		if err := rows.Scan(&room, &n, &sum); err != nil {
			return nil, err
		}
		if out[room] == nil {
			out[room] = map[int]string{}
		}
		out[room][n] = sum
	}
	return out, rows.Err()
}

func (m migration) apply(ctx context.Context, s Step) error {
	begin := "BEGIN IMMEDIATE"
	if m.e.dialect == PostgreSQL {
		begin = "BEGIN"
	}
	if err := m.exec(ctx, begin); err != nil {
		return err
	}
	var done int
	err := m.conn.QueryRowContext(ctx, m.e.expand("SELECT count(*) FROM store_migrations WHERE room = $1 AND number = $2"), s.Room, s.Number).Scan(&done)
	if err != nil {
		return err
	}
	if done > 0 { // another process was quicker
		return m.exec(ctx, "ROLLBACK")
	}
	before, err := m.tables(ctx)
	if err != nil {
		return err
	}
	if err := m.exec(ctx, s.text); err != nil {
		return err
	}
	after, err := m.tables(ctx)
	if err != nil {
		return err
	}
	for t := range after {
		if !before[t] && t != s.Room && !strings.HasPrefix(t, s.Room+"_") {
			return fmt.Errorf("table %s does not begin with %s_", t, s.Room)
		}
	}
	err = m.exec(ctx, "INSERT INTO store_migrations (room, number, sum, applied) VALUES ($1, $2, $3, {{now}})", s.Room, s.Number, s.sum)
	if err != nil {
		return err
	}
	if known, err := m.e.backend.commit(ctx, m.conn); err != nil {
		if !known || fatal(err) {
			return m.e.fail(err)
		}
		return err
	}
	m.e.grown.Add(1)
	return nil
}

// tables lists the tables of the database, without the engine's own.
func (m migration) tables(ctx context.Context) (map[string]bool, error) {
	text := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`
	if m.e.dialect == PostgreSQL {
		text = `SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()`
	}
	rows, err := m.conn.QueryContext(ctx, text)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]bool{}
	for rows.Next() {
		var t string
		if err := rows.Scan(&t); err != nil {
			return nil, err
		}
		out[t] = true
	}
	return out, rows.Err()
}
