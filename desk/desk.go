// Package desk is the office that answers governments: every legal request is a case and goes through one table of
// states (states.go).
//
// A case is its events: an append-only table without personal text, and beside it payloads sealed with the case's
// key, which retention erases. The state is the fold of the events; a command is checked against the table, becomes
// events, and is committed together with their commitments to the transparency log, in one transaction.
//
// Invariants, each with a test:
//   - Do and File are the only ways to change a case, and what the table does not hold cannot happen.
//   - A request, once received, cannot disappear: receipt, log entry and count are one transaction.
//   - Two distinct people sign the scope and the package; in an emergency neither made the call-back.
//   - A pause binds at intake and again in the transaction that releases; lifting it releases nothing.
//   - The desk never reads a person's records: package records makes the extraction, after its own checks.
package desk

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"writ/desk/intake"
	"writ/store"
)

// Config is the desk's part of the configuration file.
type Config struct {
	Establishment string `toml:"establishment" doc:"where the operator is established, ISO 3166-1 alpha-2; decides which policy rules apply (US is the one with rules)"`
	Provider      string `toml:"provider" doc:"the provider's name, as it stands in letters and reports"`
	Address       string `toml:"address" doc:"the provider's postal address, for letters"`
	Custodian     string `toml:"custodian" doc:"who signs as custodian of records, a function and not a person"`
}

// Service is one service of the provider. One without a connector can have cases, but no production.
type Service struct {
	ID        string
	Name      string
	Domain    string // domain of its accounts, empty without a connector
	Connected bool   // the built-in chat: records can be extracted
}

// Verifier checks a passkey assertion over a hash; package passkey is one.
type Verifier interface {
	Verify(ctx context.Context, tx *store.Tx, person string, challenge [32]byte, assertion []byte) error
}

// Committer appends a commitment to the transparency log in the caller's transaction; package tlog is one.
type Committer interface {
	Append(ctx context.Context, tx *store.Tx, commitment [32]byte) error
}

// Messenger sends a person a message from the service's own address. It must be idempotent by id.
type Messenger interface {
	Send(ctx context.Context, id, account, subject, body string) error
}

// Notifier tells the people of a jurisdiction that its standing changed. The desk never sees who they are.
// It must be idempotent by id.
type Notifier interface {
	Announce(ctx context.Context, id, jurisdiction, statement string) error
}

// Deps is what a desk is made of.
type Deps struct {
	DB        *store.DB
	Log       *slog.Logger
	Passkeys  Verifier
	Tlog      Committer
	Messenger Messenger
	Notifier  Notifier
	Services  []Service
	Config    Config
	HouseKey  [32]byte // wraps the cases' keys; kept outside the database
}

// Desk answers. Its methods are safe for concurrent use.
type Desk struct {
	d Deps
}

// New makes a desk. The schema must have been migrated (Schemas).
func New(d Deps) (*Desk, error) {
	if d.DB == nil || d.Passkeys == nil || d.Tlog == nil {
		return nil, errors.New("desk: a database, a passkey verifier and a log are needed")
	}
	return &Desk{d: d}, nil
}

// Filing is a request as it was filed.
type Filing = intake.Filing

// Receipt is what the one who files gets, at once.
type Receipt struct {
	Case       string // the case's number
	Received   time.Time
	State      State
	Answer     string // what happens now, in plain English; under a pause: since when, and where the statement is
	Commitment [32]byte
	Salt       [32]byte // opens the commitment
	Event      []byte   // canonical event that was committed
	Promise    []byte   // signed note of the log: commitment and latest time it will be in
	Clocks     []Clock
}

// File takes in a request: form, standing, clocks, log and receipt in one transaction. A fault of form is an
// intake.FieldErrors; an actor who may not file gets a *Refusal.
func (d *Desk) File(ctx context.Context, by Actor, f Filing) (Receipt, error) {
	return Receipt{}, errors.New("desk: not open yet")
}

// Do is the only way to change a case: load, fold, check, events, commit. It gives the case after the command.
// A command that is not on offer is a *Refusal; an unknown or invisible case is ErrNotFound.
func (d *Desk) Do(ctx context.Context, by Actor, caseID string, c Command) (Case, error) {
	return Case{}, errors.New("desk: not open yet")
}

// ErrNotFound is the answer for a case that is unknown, and for one that is sealed to the asker.
var ErrNotFound = errors.New("desk: no such case")
