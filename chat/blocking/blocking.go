// Package blocking lets accounts block addresses (XEP-0191).
//
// Invariants:
//   - To someone who is blocked the account looks as if it were offline: messages and requests are answered exactly as for an account
//     that does not exist, presence not at all (XEP-0191 §3.3).
//   - A block is in force for every stanza that enters after its answer was sent.
//   - Own sessions and the own server are never kept from an account by its list (XEP-0191 §5).
package blocking

import (
	"context"
	"embed"
	"log/slog"
	"sync"

	"writ/config"
	"writ/records"
	"writ/schedule"
	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
)

// Space is the namespace of the commands (XEP-0191 §9.1).
const Space = "urn:xmpp:blocking"

const errorSpace = "urn:xmpp:blocking:errors"

//go:embed schema
var schema embed.FS

// Schema is the room's migrations, for tests of other rooms.
var Schema = store.Schema{Room: "blocking", FS: schema}

// Config is what an operator may set.
type Config struct {
	Max int `toml:"max" doc:"addresses that one account may block; 0 means 1000"`
}

// Check reports what is wrong with the configuration.
func (c *Config) Check() error {
	if c.Max < 0 {
		return config.Invalid("max", c.Max, "0 or more")
	}
	return nil
}

// Coverer changes what blocked contacts see. Package presence implements it.
type Coverer interface {
	Cover(ctx context.Context, account, blocked jid.JID)
	Uncover(ctx context.Context, account, blocked jid.JID)
}

// Parts is what the room stands on.
type Parts struct {
	DB     *store.DB
	Router feature.Router
	Log    *slog.Logger
}

// Blocking is the room, and what presence and roster ask.
type Blocking struct {
	Parts
	c       Config
	coverer Coverer

	mu      sync.RWMutex
	lists   map[jid.JID]list // of accounts that were asked about; nil for most
	changes int              // of any list: a read that a change overtook is not kept
}

// list is what an account has blocked. It is replaced, never changed.
type list map[jid.JID]struct{}

// New makes the room. Cover must be called before there are sessions.
func New(c Config, p Parts) *Blocking {
	if c.Max == 0 {
		c.Max = 1000
	}
	p.Log = p.Log.With("room", "blocking")
	return &Blocking{Parts: p, c: c, lists: map[jid.JID]list{}}
}

// Cover tells the room who sends presence: presence needs the block list first.
func (b *Blocking) Cover(c Coverer) { b.coverer = c }

// Feature is the room as the house sees it. It stands first: what is blocked must have no effect at all.
func (b *Blocking) Feature() *feature.Feature {
	return &feature.Feature{
		Name:   "blocking",
		Specs:  []string{"XEP-0191"},
		Schema: schema,
		Data:   []records.Datum{b.data()},
		Disco:  feature.Disco{Domain: []string{Space}},
		IQ: []feature.IQ{
			{Type: stanza.Get, Space: Space, Local: "blocklist", At: feature.AtOwn, Handle: b.get},
			{Type: stanza.Set, Space: Space, Local: "block", At: feature.AtOwn, Handle: b.block},
			{Type: stanza.Set, Space: Space, Local: "unblock", At: feature.AtOwn, Handle: b.unblock},
		},
		Screen: b.screen,
	}
}

// screen refuses what a block forbids (XEP-0191 §3.3). Presence between two local accounts passes here: the rooms that handle it ask for
// themselves, since the sender's own side must go on as if nothing were.
func (b *Blocking) screen(ctx context.Context, e *feature.Envelope) error {
	if e.To.IsZero() || e.To.Bare() == e.From.Bare() {
		return nil
	}
	if from := e.From.Bare(); b.Router.Local(from) && from.Local() != "" && e.Stanza.Type != stanza.TypeError && b.Blocked(ctx, from, e.To) {
		switch e.Stanza.Type {
		case stanza.Unavailable, stanza.Unsubscribe, stanza.Unsubscribed, stanza.Result:
			// The presence room keeps presence from them; taking a subscription back must stay possible.
			if e.Stanza.Kind == stanza.Presence {
				return nil
			}
		}
		return stanza.NotAcceptable("you have blocked this address").WithType(stanza.Cancel).WithApp(errorSpace, "blocked")
	}
	to := e.To.Bare()
	if !b.Router.Local(to) || to.Local() == "" || !b.Blocked(ctx, to, e.From) {
		return nil
	}
	switch e.Stanza.Kind {
	case stanza.Presence:
		if b.Router.Local(e.From) {
			return nil
		}
		return feature.Drop
	case stanza.IQ:
		if e.Stanza.Type != stanza.Get && e.Stanza.Type != stanza.Set {
			return feature.Drop
		}
	case stanza.Message:
		if e.Stanza.Type == stanza.TypeError || e.Stanza.Type == stanza.Headline {
			return feature.Drop // as for an account that does not exist
		}
	}
	return stanza.ServiceUnavailable("")
}

// Blocked reports whether the account has blocked the other address. An account's own addresses and the server's never are.
func (b *Blocking) Blocked(ctx context.Context, account, other jid.JID) bool {
	account = account.Bare()
	if other.Bare() == account || other == b.Router.Domain() {
		return false
	}
	l, err := b.list(ctx, account)
	if err != nil {
		b.Log.Error("reading a block list", "err", err)
		return true // deny by default
	}
	return l.covers(other)
}

// covers looks the address up in the order of XEP-0191 §6.
func (l list) covers(j jid.JID) bool {
	if len(l) == 0 {
		return false
	}
	for _, k := range [...]jid.JID{j, j.Bare(), j.Domain()} {
		if _, ok := l[k]; ok {
			return true
		}
	}
	if r := j.Resource(); r != "" && j.Local() != "" {
		if k, err := j.Domain().WithResource(r); err == nil { // domain/resource
			_, ok := l[k]
			return ok
		}
	}
	return false
}

// list is the account's block list, from memory if it was asked for before.
func (b *Blocking) list(ctx context.Context, account jid.JID) (list, error) {
	b.mu.RLock()
	l, ok := b.lists[account]
	b.mu.RUnlock()
	if ok {
		return l, nil
	}
	b.mu.RLock()
	version := b.changes
	b.mu.RUnlock()
	l, err := read(ctx, b.DB, account)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changes != version { // what was read may be old; it is right for the caller, but not to be kept
		return l, nil
	}
	if len(b.lists) >= 100_000 {
		clear(b.lists)
	}
	b.lists[account] = l
	return l, nil
}

func read(ctx context.Context, q store.Reader, account jid.JID) (list, error) {
	blocked, err := store.Column[jid.JID](ctx, q, "blocking: reading", `SELECT blocked FROM blocking_item WHERE account = $1`, account.String())
	if err != nil || len(blocked) == 0 {
		return nil, err
	}
	l := make(list, len(blocked))
	for _, j := range blocked {
		l[j] = struct{}{}
	}
	return l, nil
}

func (b *Blocking) data() records.Datum {
	return records.Datum{
		Datum: schedule.Datum{
			Name:      "blocks",
			Category:  schedule.Blocks,
			Tables:    []string{"blocking_item"},
			Fields:    []schedule.Field{{Name: "blocked", Meaning: "An address or a domain that the account has blocked."}},
			Purpose:   "The server keeps blocked people's messages and presence from the account.",
			Retention: schedule.Account,
			Process:   schedule.CourtOrder,
		},
		Export: records.ExportRows(`SELECT blocked FROM blocking_item WHERE account = $1 ORDER BY blocked`, records.Text),
		Erase: func(ctx context.Context, tx *store.Tx, account string) error {
			tx.AfterCommit(b.Forget)
			_, err := tx.Exec(ctx, `DELETE FROM blocking_item WHERE account = $1 OR blocked = $1`, account)
			return err
		},
	}
}

// Forget drops all lists from memory: an erased account may stand in any. The house calls it too when another process has erased one.
func (b *Blocking) Forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changes++
	clear(b.lists)
}
