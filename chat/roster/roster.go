// Package roster keeps the contact list of each account and the presence subscriptions in it (RFC 6121 §2, §3, Appendix A).
//
// Invariants:
//   - A subscription stanza changes both local sides in one transaction; what it causes is sent after the commit, in the
//     order of RFC 6121 §3: the stanza, then the roster push, then presence.
//   - A contact that only asked to subscribe is not in the roster (RFC 6121 §3.1.3), but its request is kept, once, and
//     delivered at each initial presence until it is answered.
//   - Roster versions of an account never repeat and never go back, also not after the account is deleted and made again.
//   - A request with a token of the account (XEP-0379) is answered for it, in the transaction that uses the token up; with any other
//     token it is a request like any other.
//   - Removed contacts are forgotten: a client whose version is older than a removal gets the whole roster (RFC 6121 §2.6.3).
package roster

import (
	"context"
	"embed"
	"log/slog"
	"sync"

	"writ/clock"
	"writ/records"
	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
)

// Space is the namespace of roster management (RFC 6121 §2.1).
const Space = "jabber:iq:roster"

//go:embed schema
var schema embed.FS

// Schema is the room's migrations, for tests of other rooms.
var Schema = store.Schema{Room: "roster", FS: schema}

// Config is what an operator may set.
type Config struct {
	MaxItems    int `toml:"max_items" doc:"contacts that one account may have; 0 means 1000"`
	MaxRequests int `toml:"max_requests" doc:"unanswered subscription requests kept for one account; more are dropped; 0 means 200"`
}

// Check reports what is wrong with the configuration.
func (c *Config) Check() error { return nonNegative(c.MaxItems, c.MaxRequests) }

// Limits of one item; a longer name or group is answered with not-acceptable (RFC 6121 §2.3.3).
const (
	maxName    = 1023 // bytes
	maxGroup   = 1023 // bytes
	maxGroups  = 50
	maxRequest = 4096 // bytes of a kept subscription request; a larger one is kept without its children
)

// Sharer sends presence outside a broadcast. Package presence implements it.
type Sharer interface {
	// Show sends the current presence of all available sessions of the account to the contact.
	Show(ctx context.Context, account, contact jid.JID)
	// Hide sends unavailable presence of all available sessions of the account to the contact.
	Hide(ctx context.Context, account, contact jid.JID)
}

// Blocker knows what accounts have blocked. Package blocking implements it.
type Blocker interface {
	// Blocked reports whether the local account has blocked the other address.
	Blocked(ctx context.Context, account, other jid.JID) bool
}

// Inviter knows the tokens by which people let others become their contacts. Package account implements it.
type Inviter interface {
	// Spend takes one use of a token of by, shown by who, and reports whether it served.
	Spend(ctx context.Context, tx *store.Tx, token string, by, who jid.JID) (bool, error)
}

// Parts is what the room stands on.
type Parts struct {
	DB      *store.DB
	Router  feature.Router
	Clock   clock.Clock
	Log     *slog.Logger
	Blocker Blocker
	Inviter Inviter // nil: no token serves
}

// Roster is the room, and the engine that presence, archive and others ask.
type Roster struct {
	Parts
	c      Config
	sharer Sharer
	stop   func()        // of what it does by itself: unanswered requests again, farewells
	gone   chan struct{} // an account of this process is

	mu    sync.Mutex
	held  map[*feature.Session][]*stanza.Stanza // pushes to sessions whose answer to a roster get is not sent yet
	asked map[*feature.Session]struct{}         // available sessions that have been given the requests that waited
}

// New makes the room. Share must be called before there are sessions.
func New(c Config, p Parts) *Roster {
	if c.MaxItems == 0 {
		c.MaxItems = 1000
	}
	if c.MaxRequests == 0 {
		c.MaxRequests = 200
	}
	p.Log = p.Log.With("room", "roster")
	return &Roster{Parts: p, c: c, gone: make(chan struct{}, 1), held: map[*feature.Session][]*stanza.Stanza{}, asked: map[*feature.Session]struct{}{}}
}

// Share tells the room who sends presence: presence needs the roster first.
func (r *Roster) Share(s Sharer) { r.sharer = s }

// Feature is the room as the house sees it.
func (r *Roster) Feature() *feature.Feature {
	return &feature.Feature{
		Name:   "roster",
		Specs:  []string{"RFC 6121", "XEP-0379"},
		Schema: schema,
		Data:   []records.Datum{r.contacts(), farewellRows()},
		Disco: feature.Disco{
			Account: []string{Space},
			Stream: []string{
				"<ver xmlns='urn:xmpp:features:rosterver'/>",
				"<sub xmlns='urn:xmpp:features:pre-approval'/>",
			},
		},
		IQ: []feature.IQ{
			{Type: stanza.Get, Space: Space, Local: "query", At: feature.AtOwn, Handle: r.get},
			{Type: stanza.Set, Space: Space, Local: "query", At: feature.AtOwn, Handle: r.set},
			{Type: stanza.Get, Space: Space, Local: "query", At: feature.AtAccount, Handle: forbidden},
			{Type: stanza.Set, Space: Space, Local: "query", At: feature.AtAccount, Handle: forbidden},
		},
		Presence: r.presence,
		After:    r.after,
		Start:    r.start,
		Stop:     r.end,
		Session:  feature.SessionHooks{Close: r.forget, Back: r.back},
	}
}

// forget drops what is remembered of a session that has ended or is not available.
func (r *Roster) forget(_ context.Context, s *feature.Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.held, s)
	delete(r.asked, s)
}

// back marks a session that comes from the last process as one that has been given the requests that waited.
func (r *Roster) back(_ context.Context, s *feature.Session, _ []byte) {
	if !s.Available() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked[s] = struct{}{}
}

// forbidden answers a request about another account's roster (RFC 6121 §2.3.3), whether or not that account exists.
func forbidden(context.Context, *feature.Request) (feature.Reply, error) {
	return feature.Reply{}, stanza.Forbidden("only the account itself reads and changes its roster")
}
