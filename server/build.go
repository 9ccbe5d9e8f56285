// Package server is the house itself: it composes the rooms (build.go), fixes their order (features.go), and starts and stops
// them (run.go). It knows every room; no room knows it.
//
// Invariants:
//   - There is one composition. `writ serve`, `writ dev`, the commands beside a running server and the tests all use Build.
//   - Build opens the database and connects nothing else; nothing listens before Run.
//   - A room with tables declares what it keeps about people, or Build fails.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"

	"writ/clock"
	"writ/obs"
	"writ/store"
	"writ/xmpp/c2s"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/route"
)

// Options is what a house is made from.
type Options struct {
	Config Config
	Log    *slog.Logger
	Clock  clock.Clock // nil is the system's
	Dev    bool        // the development sign-in and the software passkey exist
	DB     *store.DB   // nil: Config.Store is opened, and closed by Close
	TLS    *tls.Config // nil: Config.TLS
}

// House is one Writ, composed. Its fields are the rooms that the commands and the tests speak to.
type House struct {
	Config  Config
	Domain  jid.JID
	Log     *slog.Logger
	Metrics *obs.Metrics
	Clock   clock.Clock
	Dev     bool
	DB      *store.DB

	Router *route.Router
	C2S    *c2s.Server

	tls      *tls.Config
	features []*feature.Feature
	schemas  []store.Schema
	parts    []part // in the order of their start
	closers  []func() error
}

// Build composes the house. The database is migrated first, because rooms may read at construction.
func Build(ctx context.Context, o Options) (*House, error) {
	h := &House{Config: o.Config, Log: o.Log, Metrics: obs.NewMetrics(), Clock: o.Clock, Dev: o.Dev, DB: o.DB, tls: o.TLS}
	if h.Log == nil {
		h.Log = obs.Discard()
	}
	if h.Clock == nil {
		h.Clock = clock.System()
	}
	if err := h.build(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("server: building: %w", err), h.Close())
	}
	return h, nil
}

func (h *House) build(ctx context.Context) (err error) {
	if h.Domain, err = jid.Parse(h.Config.Domain); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{
		h.openData, h.openStore, h.buildChat,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (h *House) openStore(ctx context.Context) (err error) {
	if h.DB == nil {
		if h.DB, err = store.Open(ctx, h.Config.Store, h.Log); err != nil {
			return err
		}
		h.closers = append(h.closers, h.DB.Close)
	}
	h.schemas = Schemas()
	if err := h.DB.Migrate(ctx, h.schemas); err != nil {
		return err
	}
	h.countStore()
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
