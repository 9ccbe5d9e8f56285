// Package route carries stanzas from the session that sent them to where they belong (RFC 6120 §10, RFC 6121 §8).
//
// The life of a message: Screen, Shape, Persist (one first-in-first-out group commit for the whole house), Deliver in commit
// order, After. The sender's session is told that a stanza is handled only after the commit, in the order of sending.
//
// Invariants:
//   - Between two parties stanzas keep their order (RFC 6120 §10.1): what a session sends while earlier messages of it are
//     still to be committed waits behind them.
//   - An IQ request gets exactly one answer; an error never answers an error.
//   - What an unknown account answers is, byte for byte, what an account without a session answers.
package route

import (
	"context"
	"log/slog"

	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
)

// Accounts is what routing asks of the accounts.
type Accounts interface {
	// Exists reports whether the bare JID is an account that may receive.
	Exists(ctx context.Context, account jid.JID) (bool, error)
}

// Remote carries stanzas to other domains. Without one a foreign address is answered with remote-server-not-found.
type Remote interface {
	Send(ctx context.Context, s *stanza.Stanza) error
}

// Config is what routing stands on.
type Config struct {
	Domain       jid.JID // the served domain
	DB           *store.DB
	Accounts     Accounts
	Log          *slog.Logger
	MaxResources int    // bound sessions of one account, hibernating ones included; 0 means 10
	MaxInFlight  int    // messages of one session that may wait for their commit; 0 means 256
	Remote       Remote // nil without federation
}

// Router implements feature.Router.
type Router struct{ c Config }

var _ feature.Router = (*Router)(nil)

// New returns a router without rooms. Rooms take it at construction; Use then gives it the rooms.
func New(c Config) *Router { return &Router{c: c} }

// Use sets the rooms in the order of the stages and builds the IQ table. It refuses two rows with the same key. Call it once,
// before there are sessions.
func (r *Router) Use(features []*feature.Feature) error { return nil }

// Domain implements feature.Router.
func (r *Router) Domain() jid.JID { return r.c.Domain }

// Local implements feature.Router.
func (r *Router) Local(j jid.JID) bool { return false }

// Exists implements feature.Router.
func (r *Router) Exists(ctx context.Context, account jid.JID) (bool, error) { return false, nil }

// Sessions implements feature.Router.
func (r *Router) Sessions(account jid.JID) []*feature.Session { return nil }

// Submit implements feature.Router.
func (r *Router) Submit(ctx context.Context, e *feature.Envelope) {}

// Deliver implements feature.Router.
func (r *Router) Deliver(ctx context.Context, to jid.JID, s *stanza.Stanza) {}

// Ask implements feature.Router.
func (r *Router) Ask(s *feature.Session, iq *stanza.Stanza, done func(reply *stanza.Stanza)) {}
