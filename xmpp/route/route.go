// Package route carries stanzas from the session that sent them to where they belong (RFC 6120 §10, RFC 6121 §8).
//
// The life of a message: Screen, Shape, Persist (one first-in-first-out group commit for the whole house), Deliver in commit
// order, After. The sender's session is told that a stanza is handled only after the commit, in the order of sending.
//
// Invariants:
//   - Between two parties stanzas keep their order (RFC 6120 §10.1): what a session sends while earlier messages of it are
//     still to be committed waits behind them.
//   - An IQ request gets exactly one answer; an error never answers an error.
//   - What an unknown account answers to an IQ is, byte for byte, what an account without a session answers.
//   - A message that was accepted is delivered, kept by a room, or answered with an error. It does not vanish between a
//     session's end and the offline store: what found its session gone goes through Persist a second time (Envelope.Again).
package route

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	"writ/clock"
	"writ/obs"
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
	// Reaches reports whether this server may talk to the domain of the address; it asks no network.
	Reaches(j jid.JID) bool
	// Send takes the stanza over and does not wait for the network; an error is answered to its sender. queued is the number under which the
	// stanza was written down in Persist (Envelope.Queued); 0: it is lost with the process.
	Send(ctx context.Context, s *stanza.Stanza, queued int64) error
}

// Config is what routing stands on.
type Config struct {
	Domain       jid.JID // the served domain: that of the accounts
	DB           *store.DB
	Accounts     Accounts
	Clock        clock.Clock // nil is the system's
	Log          *slog.Logger
	Metrics      *obs.Metrics // nil counts in vain
	MaxResources int          // bound sessions of one account, hibernating ones included; 0 means 10
	MaxInFlight  int          // messages of one session that may wait for their commit; 0 means 256
	Remote       Remote       // nil without federation
}

// Router implements feature.Router.
type Router struct {
	c   Config
	log *slog.Logger
	ctx context.Context // for what outlives the session that asked for it
	m   metrics

	features []*feature.Feature
	hosts    map[string]*feature.Host // by domain
	rooms    stages
	table    map[iqKey]feature.IQ

	sessions [shards]shard
	landed   landing
	house    Sender // the way in of what rooms submit
	asks     asks
}

// stages are the rooms' functions, in order, without the nil ones.
type stages struct {
	screen   []func(context.Context, *feature.Envelope) error
	shape    []func(context.Context, *feature.Envelope)
	persist  []*feature.Persist
	after    []func(context.Context, *feature.Envelope)
	presence []func(context.Context, *feature.Envelope) (bool, error)
	open     []func(context.Context, *feature.Session)
	resume   []func(context.Context, *feature.Session)
	sleep    []func(context.Context, *feature.Session, []*stanza.Stanza)
	close    []func(context.Context, *feature.Session)
	notes    []noting
}

// noting is a room that remembers something of a session over a restart.
type noting struct {
	room string
	note func(*feature.Session) []byte
	back func(context.Context, *feature.Session, []byte)
}

var _ feature.Router = (*Router)(nil)

// New returns a router without rooms. Rooms take it at construction; Use then gives it the rooms.
func New(c Config) *Router {
	if c.Clock == nil {
		c.Clock = clock.System()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.MaxResources == 0 {
		c.MaxResources = 10
	}
	if c.MaxInFlight == 0 {
		c.MaxInFlight = 256
	}
	r := &Router{c: c, log: c.Log.With("room", "route"), ctx: context.Background(), m: newMetrics(c.Metrics)}
	r.hosts = map[string]*feature.Host{}
	r.table = map[iqKey]feature.IQ{}
	r.asks.open = map[askKey]*ask{}
	r.landed.router = r
	for i := range r.sessions {
		r.sessions[i].bound = map[jid.JID][]*feature.Session{}
	}
	return r
}

// Use sets the rooms in the order of the stages and builds the IQ table. It refuses two rows with the same key. Call it once,
// before there are sessions.
func (r *Router) Use(features []*feature.Feature) error {
	names := map[string]bool{}
	owner := map[iqKey]string{}
	for _, f := range features {
		if names[f.Name] {
			return fmt.Errorf("route: two rooms are named %q", f.Name)
		}
		names[f.Name] = true
		if h := f.Host; h != nil {
			d := h.Domain.Domainpart()
			if d == r.c.Domain.Domainpart() || r.hosts[d] != nil {
				return fmt.Errorf("route: %s serves %s, which is served already", f.Name, d)
			}
			r.hosts[d] = h
		}
		for _, q := range f.IQ {
			for _, p := range []feature.Place{feature.AtDomain, feature.AtOwn, feature.AtAccount} {
				if q.At&p == 0 {
					continue
				}
				k := iqKey{q.Type, q.Space, q.Local, p}
				if o := owner[k]; o != "" {
					return fmt.Errorf("route: %s and %s both answer iq %s {%s}%s at place %d", o, f.Name, q.Type, q.Space, q.Local, p)
				}
				owner[k] = f.Name
				r.table[k] = q
			}
		}
		r.rooms.add(f)
	}
	r.features = features
	return nil
}

func (s *stages) add(f *feature.Feature) {
	s.screen = some(s.screen, f.Screen, f.Screen != nil)
	s.shape = some(s.shape, f.Shape, f.Shape != nil)
	s.persist = some(s.persist, f.Persist, f.Persist != nil)
	s.after = some(s.after, f.After, f.After != nil)
	s.presence = some(s.presence, f.Presence, f.Presence != nil)
	s.open = some(s.open, f.Session.Open, f.Session.Open != nil)
	s.resume = some(s.resume, f.Session.Resume, f.Session.Resume != nil)
	s.sleep = some(s.sleep, f.Session.Sleep, f.Session.Sleep != nil)
	s.close = some(s.close, f.Session.Close, f.Session.Close != nil)
	s.notes = some(s.notes, noting{f.Name, f.Session.Note, f.Session.Back}, f.Session.Note != nil || f.Session.Back != nil)
}

func some[T any](list []T, v T, ok bool) []T {
	if ok {
		return append(list, v)
	}
	return list
}

// Features returns the rooms in order.
func (r *Router) Features() []*feature.Feature { return r.features }

// Domain implements feature.Router.
func (r *Router) Domain() jid.JID { return r.c.Domain }

// Hosts are all domains that this server answers for, that of the accounts first, then those of the rooms (feature.Host) in their order.
func (r *Router) Hosts() []jid.JID {
	l := []jid.JID{r.c.Domain}
	for _, f := range r.features {
		if f.Host != nil {
			l = append(l, f.Host.Domain)
		}
	}
	return l
}

// Serves reports whether the address is at one of Hosts: what is not goes to another server.
func (r *Router) Serves(j jid.JID) bool { return r.Local(j) || r.Hosted(j) }

// Connect gives the router the way to other servers. Call it once, before there are sessions.
func (r *Router) Connect(to Remote) { r.c.Remote = to }

// Local implements feature.Router.
func (r *Router) Local(j jid.JID) bool { return j.Domainpart() == r.c.Domain.Domainpart() }

// Hosted implements feature.Router.
func (r *Router) Hosted(j jid.JID) bool { return r.hosts[j.Domainpart()] != nil }

// Reaches implements feature.Router.
func (r *Router) Reaches(j jid.JID) bool {
	return r.Serves(j) || r.c.Remote != nil && r.c.Remote.Reaches(j)
}

// Exists implements feature.Router.
func (r *Router) Exists(ctx context.Context, account jid.JID) (bool, error) {
	return r.c.Accounts.Exists(ctx, account.Bare())
}

// guard turns a panic of a room into a logged error, so that one stanza cannot end the house.
func (r *Router) guard(what string, err *error) {
	p := recover()
	if p == nil {
		return
	}
	r.m.panics.Inc()
	r.log.Error("a room panicked", "doing", what, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	if err != nil {
		*err = fmt.Errorf("route: %s: panic", what)
	}
}
