// Package desk is the office that answers governments: every legal request is a case and goes through one table of
// states (states.go).
//
// A case is its events: an append-only table without personal text, and beside it payloads sealed with the case's
// key, which retention erases. The state is the fold of the events; a command is checked against the table, becomes
// events, and is committed together with their commitments to the transparency log, in one transaction.
//
// Invariants, each with a test:
//   - Do, File, Download, Object and the clockwork (Tick) are the only ways to change a case, and what the table does not
//     hold cannot happen.
//   - A request, once received, cannot disappear: receipt, log entry and count are one transaction.
//   - Two distinct people sign the scope and the package; in an emergency neither made the call-back.
//   - A pause binds at intake and again in the transaction that releases; lifting it releases nothing.
//   - The desk never reads a person's records: package records makes the extraction, after its own checks.
package desk

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"writ/clock"
	"writ/desk/deadline"
	"writ/desk/diligence"
	"writ/desk/intake"
	"writ/desk/policy"
	"writ/desk/production"
	"writ/desk/registry"
	"writ/desk/standing"
	"writ/records"
	"writ/schedule"
	"writ/store"
	"writ/tlog"
	"writ/tlog/verify"
)

// Config is the desk's part of the configuration file.
type Config struct {
	Establishment string `toml:"establishment" doc:"where the operator is established, ISO 3166-1 alpha-2; decides which policy rules apply (US is the one with rules)"`
	Provider      string `toml:"provider" doc:"the provider's name, as it stands in letters and reports"`
	Address       string `toml:"address" doc:"the provider's postal address, for letters; lines separated by newlines"`
	Custodian     string `toml:"custodian" doc:"who signs as custodian of records, an office and not a person"`
}

// Defaults are the settings of a house that says nothing.
func Defaults() Config {
	return Config{Establishment: "US", Provider: "Writ", Custodian: "Custodian of Records"}
}

// Check refuses an establishment that is no country.
func (c Config) Check() error {
	_, err := policy.For(c.Establishment)
	return err
}

// Service is one service of the provider. One without a connector can have cases, but no production.
type Service struct {
	ID        string
	Name      string
	Domain    string // domain of its accounts; empty: identifiers are plain names
	Connected bool   // the built-in chat: records can be extracted
}

// Verifier checks passkey assertions over a hash; package passkey is one.
type Verifier interface {
	Verify(ctx context.Context, tx *store.Tx, person string, challenge [32]byte, assertion []byte) error
	// Check verifies again what Verify accepted earlier and was stored since.
	Check(ctx context.Context, tx *store.Tx, person string, challenge [32]byte, assertion []byte) error
}

// Committer is the transparency log; package tlog is one.
type Committer interface {
	Append(ctx context.Context, tx *store.Tx, commitment [32]byte) (tlog.Entry, error)
	Promise(e tlog.Entry) ([]byte, error)
	Entry(ctx context.Context, r store.Reader, commitment [32]byte) (tlog.Entry, error)
	Proof(ctx context.Context, commitment [32]byte) (verify.Proof, error)
}

// Messenger sends a person a message from the service's own address. It must be idempotent by id; an account that does not
// exist is no error.
type Messenger interface {
	Send(ctx context.Context, id, account, subject, body string) error
}

// Notifier tells the people of a jurisdiction ("" everyone) that its standing changed. The desk never sees who they are.
// It must be idempotent by id.
type Notifier interface {
	Announce(ctx context.Context, id, jurisdiction, statement string) error
}

// Deps is what a desk is made of.
type Deps struct {
	DB        *store.DB // a handle that sees the tables of Prefixes()
	Clock     clock.Clock
	Log       *slog.Logger
	Passkeys  Verifier
	Tlog      Committer
	Signer    production.Signer // signs manifests: the log's key
	VKey      string            // its public half, for letters
	Gate      *records.Gate
	Schedule  func() schedule.Schedule
	Messenger Messenger // nil: nobody can be told before or after; releases that need it wait
	Notifier  Notifier  // nil: announcements wait
	Services  []Service
	Calendar  deadline.Calendar
	Config    Config
	HouseKey  [32]byte // wraps the cases' keys; kept outside the database
}

// Prefixes is the prefixes of the tables that the desk's handle sees: its own, and those of the rooms that write in its transactions.
func Prefixes() []string {
	return []string{"desk", "registry", "standing", "diligence", "gate", "tlog", "passkey"}
}

//go:embed schema/*.sql
var files embed.FS

// Schemas is the tables of the desk and of the rooms that it is made of.
func Schemas() []store.Schema {
	return []store.Schema{registry.Schema(), standing.Schema(), diligence.Schema(), {Room: "desk", FS: files}}
}

// Desk answers. Its methods are safe for concurrent use.
type Desk struct {
	d          Deps
	log        *slog.Logger
	rules      policy.Rules
	registry   *registry.Registry
	standings  *standing.Book
	diligences *diligence.Book
	kick       chan struct{}
	ticking    sync.Mutex // one Tick at a time in this process
	looked     looked
	swept      string // the standings in force when the cases were last swept; under ticking
}

// New makes a desk. The tables must have been migrated (Schemas).
func New(d Deps) (*Desk, error) {
	if d.DB == nil || d.Clock == nil || d.Log == nil || d.Passkeys == nil || d.Tlog == nil || d.Signer == nil || d.Gate == nil || d.Schedule == nil {
		return nil, errors.New("desk: database, clock, logger, passkeys, log, signer, gate and schedule are needed")
	}
	if d.HouseKey == [32]byte{} {
		return nil, errors.New("desk: the house's key is missing")
	}
	if len(d.Services) == 0 {
		return nil, errors.New("desk: a provider has at least one service")
	}
	rules, err := policy.For(d.Config.Establishment)
	if err != nil {
		return nil, err
	}
	x := &Desk{d: d, log: d.Log.With("room", "desk"), rules: rules, kick: make(chan struct{}, 1)}
	x.registry = registry.New(d.DB, d.Clock)
	x.diligences = diligence.New(d.DB, d.Clock, d.Passkeys)
	x.standings = standing.New(d.DB, d.Clock, d.Passkeys, diligence.IsActive, x.announce)
	return x, nil
}

// Registry is the book of agencies, officers and staff.
func (d *Desk) Registry() *registry.Registry { return d.registry }

// Standings is the book of standings.
func (d *Desk) Standings() *standing.Book { return d.standings }

// Assessments is the book of due diligence.
func (d *Desk) Assessments() *diligence.Book { return d.diligences }

// Rules is the policy table in force.
func (d *Desk) Rules() policy.Rules { return d.rules }

// Services lists the provider's services.
func (d *Desk) Services() []Service { return slices.Clone(d.d.Services) }

// Config is how the desk was configured.
func (d *Desk) Config() Config { return d.d.Config }

func (d *Desk) service(id string) Service {
	for _, s := range d.d.Services {
		if s.ID == id {
			return s
		}
	}
	return Service{ID: id, Name: id}
}

func (d *Desk) intakeServices() []intake.Service {
	var out []intake.Service
	for _, s := range d.d.Services {
		out = append(out, intake.Service{ID: s.ID, Domain: s.Domain})
	}
	return out
}

// Filing is a request as it was filed.
type Filing = intake.Filing

// ErrNotFound is the answer for a case that is unknown, and for one that is sealed to the asker.
var ErrNotFound = errors.New("desk: no such case")

// write runs f in one transaction and again when another node was faster with the same case.
func (d *Desk) write(ctx context.Context, f func(tx *store.Tx) error) error {
	var err error
	for range 4 {
		if err = d.d.DB.Write(ctx, f); err == nil || !store.IsConflict(err) {
			return err
		}
	}
	return fmt.Errorf("desk: the case changes faster than it can be read: %w", err)
}

// Do is the only way for a person to change a case: load, fold, check, events, commit. It gives the case after the command, as the
// actor may see it. A command that is not on offer is a *Refusal; an unknown or invisible case is ErrNotFound.
func (d *Desk) Do(ctx context.Context, by Actor, caseID string, c Command) (Case, error) {
	var out Case
	err := d.write(ctx, func(tx *store.Tx) error {
		t, err := d.begin(ctx, tx, by, caseID)
		if err != nil {
			return err
		}
		if err := t.do(c); err != nil {
			return err
		}
		if err := t.end(); err != nil {
			return err
		}
		out = t.c.as(t.who)
		return nil
	})
	d.note(by, caseID, c.Name(), err)
	if err != nil {
		return Case{}, err
	}
	d.wake()
	return out, nil
}

// note logs every decision about who may do what: the command, by whom, on which case, and the code of a no. Nothing of its contents.
func (d *Desk) note(by Actor, caseID, command string, err error) {
	var r *Refusal
	switch {
	case err == nil:
		d.log.Info("done", "command", command, "case", caseID, "by", by.Person, "auth", by.Auth)
	case errors.As(err, &r):
		d.log.Info("refused", "command", command, "case", caseID, "by", by.Person, "auth", by.Auth, "code", r.Code)
	case errors.Is(err, ErrNotFound):
		d.log.Info("refused", "command", command, "case", caseID, "by", by.Person, "auth", by.Auth, "code", "not found")
	default:
		d.log.Error("a command failed", "command", command, "case", caseID, "by", by.Person, "err", err)
	}
}

// wake has the clockwork look for work at once.
func (d *Desk) wake() {
	select {
	case d.kick <- struct{}{}:
	default:
	}
}
