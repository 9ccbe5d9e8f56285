// Package server is the house itself: it composes the rooms (build.go), fixes their order (features.go), and starts and stops
// them (run.go). It knows every room; no room knows it.
//
// Invariants:
//   - There is one composition. `writ serve`, `writ dev`, the commands beside a running server and the tests all use Build.
//   - Build opens the database and nothing else; nothing listens before Run.
//   - A room with tables declares what it keeps about people, or Build fails.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"writ/account"
	"writ/chat/bulletin"
	"writ/chat/muc"
	"writ/chat/roster"
	"writ/clock"
	"writ/desk"
	"writ/desk/registry"
	"writ/desk/standing"
	"writ/obs"
	"writ/passkey"
	"writ/records"
	"writ/report"
	"writ/store"
	"writ/tlog"
	"writ/web/session"
	"writ/xmpp/c2s"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/locate"
	"writ/xmpp/route"
	"writ/xmpp/s2s"
)

// Options is what a house is made from.
type Options struct {
	Config  Config
	Log     *slog.Logger // nil logs nothing
	Clock   clock.Clock  // nil is the system's
	Dev     bool         // the development sign-in and the software passkey exist
	Version string       // of the program, as apps are told
	DB      *store.DB    // nil: Config.Store is opened, and closed by Close
	TLS     *tls.Config  // nil: Config.TLS

	Resolver locate.Resolver // of other servers; nil: the DNS
}

// House is one Writ, composed. Its fields are the rooms that the commands and the tests speak to.
type House struct {
	Options
	Domain  jid.JID
	Metrics *obs.Metrics

	Accounts *account.Accounts
	Passkeys *passkey.Passkeys
	Records  *records.Records
	Registry *registry.Registry
	Desk     *desk.Desk
	Tlog     *tlog.Log
	Reports  *report.Reports
	Bulletin *bulletin.Bulletin
	Router   *route.Router
	Rooms    *muc.MUC
	C2S      *c2s.Server // made by Run
	S2S      *s2s.Server
	Sessions *session.Sessions

	contacts  *roster.Roster        // of the accounts
	newcomers c2s.Newcomers         // whom c2s asks before sign-in
	key       *tlog.Key             // signs the log and the manifests
	pages     http.Handler          // of all faces but the operator's
	console   http.Handler          // the operator's
	forget    func(account jid.JID) // what the rooms remember of it
	features  []*feature.Feature
	rooms     []room // every room with tables, in the order of its migrations
	closers   []func() error
}

// room is a room's tables and what it keeps about people in them.
type room struct {
	schema store.Schema
	data   []records.Datum
}

// Build composes the house, migrates the database and checks that every table is declared.
func Build(ctx context.Context, o Options) (*House, error) {
	h, err := compose(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := h.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("server: opening: %w", err), h.Close())
	}
	return h, nil
}

// compose makes the rooms. It reads and writes no table, so that commands can ask what a migration would do.
func compose(ctx context.Context, o Options) (*House, error) {
	h := &House{Options: o, Metrics: obs.NewMetrics()}
	var err error
	if h.Config, err = o.Config.forProfile(); err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	if h.Log == nil {
		h.Log = obs.Discard()
	}
	if h.Clock == nil {
		h.Clock = clock.System()
	}
	for _, step := range []func(context.Context) error{
		h.openData, h.openStore, h.buildShared, h.buildChat, h.buildDesk, h.buildReports, h.buildSessions, h.declare, h.buildFaces,
	} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("server: composing: %w", err), h.Close())
		}
	}
	return h, nil
}

func (h *House) openStore(ctx context.Context) (err error) {
	if h.DB == nil {
		if h.DB, err = store.Open(ctx, h.Config.store(), h.Log); err != nil {
			return err
		}
		h.closers = append(h.closers, h.DB.Close)
	}
	h.countStore()
	return nil
}

// buildShared makes the rooms that chat and desk both stand on.
func (h *House) buildShared(context.Context) (err error) {
	h.Accounts = account.Open(account.Options{DB: h.DB, Domain: h.Domain, Clock: h.Clock, Config: h.Config.Accounts, Log: h.Log, AnyPassword: h.Config.testing()})
	if h.Passkeys, err = passkey.Open(h.DB, h.Config.passkeys(h.Dev), h.Clock); err != nil {
		return err
	}
	h.Records, err = records.New(records.Deps{DB: h.DB, Clock: h.Clock, Log: h.Log, Config: h.Config.Records, Verifier: h.Passkeys,
		Standing: standing.Guard{Clock: h.Clock}, Living: h.Accounts.Living, Metrics: h.Metrics})
	if err != nil {
		return err
	}
	c := h.Config.log()
	if h.key, err = tlog.LoadKey(c.Key, c.Origin); err != nil {
		return err
	}
	h.Tlog, err = tlog.New(h.DB, h.Clock, c, h.key, h.Log, h.Metrics)
	return err
}

// declare lists the rooms with tables and has the record schedule collected from them.
func (h *House) declare(context.Context) error {
	h.rooms = h.tables()
	var declared []records.Room
	for _, r := range h.rooms {
		if r.schema.Room != "records" && r.schema.Room != "gate" { // records declares its own
			declared = append(declared, records.Room{Name: r.schema.Room, Tables: true, Data: r.data})
		}
	}
	return h.Records.Declare(declared...)
}

// Schemas are the migrations of all rooms.
func (h *House) Schemas() []store.Schema {
	var out []store.Schema
	for _, r := range h.rooms {
		out = append(out, r.schema)
	}
	return out
}

// open does what needs the tables.
func (h *House) open(ctx context.Context) error {
	if err := h.DB.Migrate(ctx, h.Schemas()); err != nil {
		return err
	}
	if err := h.Records.Check(ctx); err != nil {
		return err
	}
	h.Accounts.OnErase(h.Records.Keeper.Erase, h.Records.Keeper.Awaited)
	return nil
}

func (h *House) countStore() {
	m, db := h.Metrics, h.DB
	m.CounterFunc("store", "writes_total", "Writes committed.", func() float64 { return float64(db.Stats().Writes) })
	m.CounterFunc("store", "transactions_total", "Transactions committed.", func() float64 { return float64(db.Stats().Batches) })
	m.CounterFunc("store", "refused_total", "Writes that ended in an error.", func() float64 { return float64(db.Stats().Refused) })
	m.GaugeFunc("store", "queued", "Writes that wait.", func() float64 { return float64(db.Stats().Queued) })
}

// Close ends what Build opened. Run has stopped the rest by then.
func (h *House) Close() error {
	var errs []error
	for i := len(h.closers) - 1; i >= 0; i-- {
		errs = append(errs, h.closers[i]())
	}
	h.closers = nil
	return errors.Join(errs...)
}
