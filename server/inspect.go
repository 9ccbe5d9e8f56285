package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"

	"writ/store"
)

// Inspect says in lines what a house of this configuration would find, and changes nothing.
func Inspect(ctx context.Context, c Config) (lines []string, err error) {
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	say("configuration: right")
	if file := c.sqliteFile(); file != "" {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			say("database: %s does not exist yet; serve makes it", file)
			return lines, nil
		}
	}
	steps, err := Pending(ctx, c)
	if err != nil {
		return lines, err
	}
	say("database: %d migrations pending", len(steps))
	for _, r := range c.records() {
		say("dns: %s", r)
	}
	if c.TLS.Certificate != "" {
		if err := (&certificate{cert: c.TLS.Certificate, key: c.TLS.Key}).read(); err != nil {
			return lines, err
		}
		say("certificate: %s fits its key", c.TLS.Certificate)
	}
	return lines, nil
}

// records are the SRV records by which apps find what the configuration listens on (RFC 6120 §3.2.1, XEP-0368 §3); HOST stands for the machine's name.
func (c Config) records() (out []string) {
	add := func(service string, weight int, listen []string) {
		for _, a := range listen {
			host, port, err := net.SplitHostPort(a)
			if ip := net.ParseIP(host); err != nil || port == "0" || ip != nil && ip.IsLoopback() {
				continue
			}
			out = append(out, fmt.Sprintf("_%s._tcp.%s. SRV %d 5 %s HOST.", service, c.Domain, weight, port))
		}
	}
	add("xmpp-client", 0, c.XMPP.Listen)
	add("xmpps-client", 0, c.XMPP.ListenTLS)
	if c.HTTP.XMPP {
		add("xmpps-client", 10, c.HTTP.ListenTLS)
	}
	return out
}

// Pending tells which migrations a start with this configuration would apply.
func Pending(ctx context.Context, c Config) (steps []store.Step, err error) {
	c.Store = c.store() // its own, not one aside
	err = aside(ctx, c, func(h *House) (err error) {
		steps, err = h.DB.Pending(ctx, h.Schemas())
		return err
	})
	return steps, err
}

// aside composes the house with a data folder that is removed again, so that looking at it makes no key and no certificate. Without a
// store in the configuration it gets an empty one there.
func aside(ctx context.Context, c Config, f func(h *House) error) (err error) {
	dir, err := os.MkdirTemp("", "writ-")
	if err != nil {
		return fmt.Errorf("server: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	c.Data, c.Tlog.Key, c.Tlog.Dir = dir, "", ""
	h, err := compose(ctx, Options{Config: c, TLS: &tls.Config{}})
	if err != nil {
		return err
	}
	return errors.Join(f(h), h.Close())
}

// Backup copies the database and the data folder into a new folder, beside a running server. The database comes first: the log's files
// are then never older than the rows that they were made from.
func Backup(ctx context.Context, c Config, to string, log *slog.Logger) (lines []string, err error) {
	if err := os.Mkdir(to, 0o700); err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, c.store(), log)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	switch err := db.Backup(ctx, filepath.Join(to, "writ.db")); {
	case errors.Is(err, store.ErrNoBackup):
		lines = append(lines, "database: not copied. "+err.Error())
		os.Remove(filepath.Join(to, "writ.db"))
	case err != nil:
		return nil, err
	default:
		lines = append(lines, "database: writ.db")
	}
	n, err := copyFolder(ctx, c.Data, filepath.Join(to, "data"), c.sqliteFile())
	if err != nil {
		return lines, err
	}
	return append(lines, fmt.Sprintf("data folder: %d files", n)), nil
}

// copyFolder copies the regular files of a folder, without the database's own files.
func copyFolder(ctx context.Context, from, to, database string) (n int, err error) {
	database, _ = filepath.Abs(database)
	err = filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		if whole, _ := filepath.Abs(path); !d.Type().IsRegular() || strings.HasPrefix(whole, database) {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		n++
		return os.WriteFile(filepath.Join(to, rel), b, 0o600)
	})
	return n, err
}
