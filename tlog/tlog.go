// Package tlog is the house's append-only Merkle log. Every event of a case leaves a salted commitment in the transaction
// that makes the event; on a fixed cadence a batch of constant size, padded with dummy leaves, is closed as numbered rows,
// and a publisher appends exactly these rows to a log of tiles that anyone can fetch and check (C2SP tlog-tiles,
// tlog-checkpoint, tlog-proof; hashes of RFC 6962 §2.1).
//
// Invariants:
//   - A commitment is a row of the transaction of its event: neither without the other.
//   - Size and time of the log say nothing: a batch is closed at each tick of the clock whether anything happened or not,
//     always with BatchSize leaves, in random order; a dummy is 32 random bytes, as a commitment looks to those without its salt.
//   - A batch has Config.Open places for leaves that will be published opened and the rest for all others, so that a full
//     batch does not tell how many sealed leaves are in it.
//   - The numbered rows are the truth and are never changed. The tree holds exactly these: none twice, none missing, also after a crash.
//   - Nothing is signed that is not the tree of the rows at the end of a batch, or is smaller than what was ever published.
package tlog

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"writ/clock"
	"writ/config"
	"writ/obs"
	"writ/store"
	"writ/tlog/verify"

	"github.com/prometheus/client_golang/prometheus"
)

//go:embed schema
var schema embed.FS

// Schema is the room's tables.
func Schema() store.Schema { return store.Schema{Room: "tlog", FS: schema} }

// Config of the log. Origin and Key never change once the log has published.
type Config struct {
	Origin    string          `toml:"origin" doc:"name of the log: its address without https://, such as example.org/log; empty = the domain and /log"`
	Dir       string          `toml:"dir" doc:"folder of the published tiles; empty = log in the data folder"`
	Key       string          `toml:"key" doc:"file of the signing key, made at the first start; empty = log.key in the data folder"`
	Cadence   config.Duration `toml:"cadence" doc:"a batch is closed each time this much has passed, counted from 1970 (UTC); default 6h"`
	BatchSize int             `toml:"batch_size" doc:"leaves of every batch, dummies included; a multiple of 256 keeps the files few; default 256"`
	Open      int             `toml:"open" doc:"how many of them are kept for report facts that will be published opened; default half"`
	Promise   config.Duration `toml:"promise" doc:"a request is promised to be in the log this long after filing; at least two cadences; default 24h"`
	Floor     int64           `toml:"floor" doc:"never sign a log of fewer leaves than this: after a restore, the size that outsiders have seen"`
}

// WithDefaults fills what is zero.
func (c Config) WithDefaults() Config {
	if c.Cadence == 0 {
		c.Cadence = config.Duration(6 * time.Hour)
	}
	if c.BatchSize == 0 {
		c.BatchSize = 256
	}
	if c.Open == 0 {
		c.Open = c.BatchSize / 2
	}
	if c.Promise == 0 {
		c.Promise = config.Duration(max(24*time.Hour, 4*time.Duration(c.Cadence)))
	}
	return c
}

// Check says what is wrong with a configuration, after defaults.
func (c Config) Check() error {
	c = c.WithDefaults()
	switch {
	case strings.HasPrefix(c.Origin, verify.PromiseHead) || strings.ContainsAny(c.Origin, "+ \t\n") || strings.Contains(c.Origin, "://"):
		return config.Invalid("origin", c.Origin, "a host and path without scheme, spaces and plus")
	case time.Duration(c.Cadence) < time.Second:
		return config.Invalid("cadence", c.Cadence, "1s or more")
	case c.BatchSize < 2 || c.BatchSize > maxBatch:
		return config.Invalid("batch_size", c.BatchSize, fmt.Sprintf("2 to %d", maxBatch))
	case c.Open < 1 || c.Open >= c.BatchSize:
		return config.Invalid("open", c.Open, "at least 1, and less than batch_size")
	case c.Promise < 2*c.Cadence:
		return config.Invalid("promise", c.Promise, "at least twice the cadence, so that one full batch breaks no promise")
	case c.Floor < 0:
		return config.Invalid("floor", c.Floor, "0 or more")
	}
	return nil
}

const maxBatch = 8192

// Errors that callers tell apart.
var (
	// ErrUnknown: no leaf has this commitment.
	ErrUnknown = errors.New("tlog: no such commitment")
	// ErrPending: the commitment is accepted, and its batch is not closed or not published yet.
	ErrPending = errors.New("tlog: the commitment is not in the published log yet")
	// ErrBehind: the rows are fewer than what was published (an older backup was restored): nothing may be signed.
	ErrBehind = errors.New("tlog: the database is behind the published log")
	// ErrForked: the tree, or what was signed, is not that of the rows: nothing may be signed.
	ErrForked = errors.New("tlog: the published log is not that of the database")
)

// The lanes of a batch.
const (
	closed = 0
	open   = 1
)

// Log is the queue, the batches and what is published.
type Log struct {
	db    *store.DB
	clock clock.Clock
	cfg   Config
	key   *Key
	log   *slog.Logger
	rand  io.Reader // crypto/rand; a test replaces it

	appended prometheus.Counter
	pending  prometheus.Gauge
	late     prometheus.Gauge
	lateNow  atomic.Int64
	size     prometheus.Gauge
	refused  prometheus.Counter
}

// New returns the log of db. cfg.Origin and cfg.Dir must be set, and the key's name must be the origin.
func New(db *store.DB, c clock.Clock, cfg Config, key *Key, l *slog.Logger, m *obs.Metrics) (*Log, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	switch {
	case cfg.Origin == "" || cfg.Dir == "":
		return nil, errors.New("tlog: origin and dir must be given")
	case key.Name() != cfg.Origin:
		return nil, fmt.Errorf("tlog: the key is that of %q, the log is %q", key.Name(), cfg.Origin)
	}
	quiet()
	return &Log{
		db: db, clock: c, cfg: cfg, key: key, log: l.With("room", "tlog"), rand: rand.Reader,
		appended: m.Counter("tlog", "appended_total", "commitments accepted"),
		pending:  m.Gauge("tlog", "pending", "commitments that wait for a batch"),
		late:     m.Gauge("tlog", "late", "commitments that will miss, or missed, their promised time: raise batch_size or lower cadence"),
		size:     m.Gauge("tlog", "published_size", "leaves of the published log"),
		refused:  m.Counter("tlog", "refused_total", "times that signing was refused because tree and rows differ"),
	}, nil
}

// VKey is the public key as it is published.
func (l *Log) VKey() string { return l.key.VKey() }

// Origin is the log's name.
func (l *Log) Origin() string { return l.cfg.Origin }

// Cadence is the time between two batches.
func (l *Log) Cadence() time.Duration { return time.Duration(l.cfg.Cadence) }

// Entry is a commitment that was accepted into the queue.
type Entry struct {
	Commitment [32]byte
	Received   time.Time // when Append took it
	By         time.Time // the promised time: a batch with it will be closed and published by then
}

// Append accepts the commitment of an event that stays closed, in the caller's transaction. Whoever knows its salt can be
// shown its proof. The same commitment twice is an error (store.IsConflict) and spoils the transaction.
func (l *Log) Append(ctx context.Context, tx *store.Tx, commitment [32]byte) (Entry, error) {
	return l.append(ctx, tx, commitment, closed)
}

// AppendOpen accepts the commitment of a fact that will be published opened.
func (l *Log) AppendOpen(ctx context.Context, tx *store.Tx, commitment [32]byte) (Entry, error) {
	return l.append(ctx, tx, commitment, open)
}

func (l *Log) append(ctx context.Context, tx *store.Tx, commitment [32]byte, lane int) (Entry, error) {
	now := l.clock.Now().UTC()
	e := Entry{Commitment: commitment, Received: now.Truncate(time.Second), By: now.Add(time.Duration(l.cfg.Promise)).Truncate(time.Second)}
	var id int64
	err := tx.QueryRow(ctx, `INSERT INTO tlog_entries (commitment, lane, received, by_time) VALUES ($1, $2, $3, $4) RETURNING id`,
		commitment[:], lane, store.Time(e.Received), store.Time(e.By)).Scan(&id)
	if err != nil {
		return Entry{}, fmt.Errorf("tlog: accepting a commitment: %w", err)
	}
	if _, err := tx.Exec(ctx, `INSERT INTO tlog_pending (id, commitment, lane, by_time) VALUES ($1, $2, $3, $4)`,
		id, commitment[:], lane, store.Time(e.By)); err != nil {
		return Entry{}, fmt.Errorf("tlog: queueing a commitment: %w", err)
	}
	tx.AfterCommit(l.appended.Inc)
	return e, nil
}

// Promise signs the statement that an officer gets at filing: this commitment will be in the log by that time.
func (l *Log) Promise(e Entry) ([]byte, error) {
	p := verify.Promise{Origin: l.cfg.Origin, Commitment: e.Commitment, Received: e.Received, By: e.By}
	b, err := l.key.Sign(p.Text())
	if err != nil {
		return nil, fmt.Errorf("tlog: signing a promise: %w", err)
	}
	return b, nil
}

// Entry finds an accepted commitment, so that its promise can be given again (the same bytes each time).
func (l *Log) Entry(ctx context.Context, r store.Reader, commitment [32]byte) (Entry, error) {
	e := Entry{Commitment: commitment}
	var received, by int64
	err := r.QueryRow(ctx, `SELECT received, by_time FROM tlog_entries WHERE commitment = $1`, commitment[:]).Scan(&received, &by)
	if errors.Is(err, store.ErrNoRows) {
		return Entry{}, ErrUnknown
	}
	if err != nil {
		return Entry{}, fmt.Errorf("tlog: finding a commitment: %w", err)
	}
	e.Received, e.By = store.FromTime(received), store.FromTime(by)
	return e, nil
}

// Checkpoint gives the signed tree head that was published last. ErrPending before the first.
func (l *Log) Checkpoint(ctx context.Context) ([]byte, error) {
	_, signed, err := l.published(ctx)
	return signed, err
}

// published reads the last published tree head from the rows.
func (l *Log) published(ctx context.Context) (verify.Checkpoint, []byte, error) {
	var text string
	err := l.db.QueryRow(ctx, `SELECT note FROM tlog_published ORDER BY size DESC LIMIT 1`).Scan(&text)
	if errors.Is(err, store.ErrNoRows) {
		return verify.Checkpoint{}, nil, ErrPending
	}
	if err != nil {
		return verify.Checkpoint{}, nil, fmt.Errorf("tlog: reading the checkpoint: %w", err)
	}
	c, err := l.open([]byte(text))
	return c, []byte(text), err
}

func (l *Log) open(signed []byte) (verify.Checkpoint, error) {
	v, err := note.NewVerifier(l.key.VKey())
	if err != nil {
		return verify.Checkpoint{}, fmt.Errorf("tlog: own key: %w", err)
	}
	return verify.OpenCheckpoint(signed, v)
}
