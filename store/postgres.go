package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// postgres is the engine for many machines.
type postgres struct {
	e      *engine
	config *pgx.ConnConfig
	writer *sql.DB
}

// errRolledBack is a COMMIT of a transaction that PostgreSQL had already given up.
var errRolledBack = errors.New("the transaction was aborted by a failed statement")

func openPostgres(ctx context.Context, e *engine) error {
	config, err := pgx.ParseConfig(e.url)
	if err != nil {
		return err
	}
	config.RuntimeParams["application_name"] = "writ"
	config.RuntimeParams["synchronous_commit"] = "on"
	config.RuntimeParams["client_min_messages"] = "warning"
	p := &postgres{e: e, config: config, writer: stdlib.OpenDB(*config)}
	e.dialect, e.backend = PostgreSQL, p
	p.writer.SetMaxOpenConns(1)
	e.onClose = append(e.onClose, p.writer.Close)
	if err := e.connected(ctx); err != nil {
		return err
	}
	var fsync, version string
	if err := e.conn.QueryRowContext(ctx, "SELECT current_setting('fsync'), current_setting('server_version_num')").Scan(&fsync, &version); err != nil {
		return err
	}
	if fsync != "on" {
		e.log.Warn("PostgreSQL runs with fsync off: a power cut can lose what was acknowledged")
	}
	if version < "150000" {
		return fmt.Errorf("PostgreSQL 15 or later is needed, this is %s", version)
	}
	return nil
}

func (p *postgres) connect(ctx context.Context) (*sql.Conn, error) { return p.writer.Conn(ctx) }

func (p *postgres) begin(ctx context.Context, c *sql.Conn) error {
	_, err := c.ExecContext(ctx, "BEGIN")
	return err
}

func (p *postgres) commit(ctx context.Context, c *sql.Conn) (known bool, err error) {
	err = c.Raw(func(dc any) error {
		tag, err := dc.(*stdlib.Conn).Conn().Exec(ctx, "COMMIT")
		if err == nil && tag.String() == "ROLLBACK" {
			return errRolledBack
		}
		return err
	})
	var pg *pgconn.PgError
	known = errors.Is(err, errRolledBack) || errors.As(err, &pg) && pg.Severity == "ERROR"
	return known, err
}

func (p *postgres) enter(ctx context.Context, c *sql.Conn, s *scope) error {
	text := "SET LOCAL ROLE NONE"
	if s != nil {
		if err := s.granted(ctx, p); err != nil {
			return err
		}
		text = "SET LOCAL ROLE " + s.role()
	}
	_, err := c.ExecContext(ctx, text)
	return err
}

func (p *postgres) openReads(s *scope) (*pool, error) {
	config := p.config.Copy()
	config.RuntimeParams["default_transaction_read_only"] = "on"
	pl := &pool{e: p.e}
	var opts []stdlib.OptionOpenDB
	if s != nil {
		pl.ready = func(ctx context.Context) error { return s.granted(ctx, p) }
		opts = append(opts, stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
			_, err := c.Exec(ctx, "SET ROLE "+s.role())
			return err
		}))
	}
	pl.db = stdlib.OpenDB(*config, opts...)
	bound(pl.db)
	return pl, nil
}

// role is the name of the role that stands for a scope. Roles belong to the whole cluster; what they are granted, to one schema.
func (s *scope) role() string {
	name := "writ_scope_" + s.key
	if len(name) > 60 {
		h := fnv.New64a()
		h.Write([]byte(s.key))
		name = fmt.Sprintf("%s_%x", name[:40], h.Sum64())
	}
	return `"` + name + `"`
}

// lockRoles is an advisory lock: two processes that make the same role at once would fail in the catalogue.
const lockRoles = "SELECT pg_advisory_xact_lock(7261636)"

// granted makes the role of a scope and grants it the scope's tables, once per engine.
func (s *scope) granted(ctx context.Context, p *postgres) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return nil
	}
	conn, err := pgx.ConnectConfig(ctx, p.config)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockRoles); err != nil {
			return err
		}
		return s.grant(ctx, tx)
	})
	if err != nil {
		return fmt.Errorf("store: granting %s: %w", s.role(), err)
	}
	s.done = true
	return nil
}

func (s *scope) grant(ctx context.Context, tx pgx.Tx) error {
	var exists, member bool
	var schema string
	name := strings.Trim(s.role(), `"`)
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = $1), quote_ident(current_schema())`, name).Scan(&exists, &schema)
	if err != nil {
		return err
	}
	if !exists {
		if _, err := tx.Exec(ctx, "CREATE ROLE "+s.role()+" NOLOGIN NOINHERIT"); err != nil {
			return err
		}
	}
	if err := tx.QueryRow(ctx, `SELECT pg_has_role($1, 'MEMBER')`, name).Scan(&member); err != nil {
		return err
	}
	texts := []string{"GRANT USAGE ON SCHEMA " + schema + " TO " + s.role()}
	if !member {
		texts = append(texts, "GRANT "+s.role()+" TO CURRENT_USER")
	}
	rows, err := tx.Query(ctx, `SELECT c.relname, c.relkind::text, EXISTS (SELECT 1 FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname LIKE '%_append_only')
		FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S')`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var table, kind string
		var appendOnly bool
		if err := rows.Scan(&table, &kind, &appendOnly); err != nil {
			return err
		}
		if !s.holds(table) {
			continue
		}
		object := schema + "." + pgx.Identifier{table}.Sanitize() + " TO " + s.role()
		switch {
		case kind == "S":
			texts = append(texts, "GRANT USAGE ON SEQUENCE "+object)
		case appendOnly:
			texts = append(texts, "GRANT SELECT, INSERT ON "+object)
		default:
			texts = append(texts, "GRANT SELECT, INSERT, UPDATE, DELETE ON "+object)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, strings.Join(texts, ";"))
	return err
}
