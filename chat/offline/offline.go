// Package offline keeps messages for accounts that have no session to give them to (XEP-0160, RFC 6121 §8.5.2.2.1) and delivers them
// at the next initial presence.
//
// Invariants:
//   - A message is kept in the transaction that makes it acknowledged, and taken out in a transaction that is queued behind it: between
//     the two a session cannot become available and miss it.
//   - What waits is delivered once, to the first session that gets messages, or is told to be delivered by a page of the archive
//     (XEP-0313 §6.1.1); both carry the same stanza-id.
//   - A session that ends does not bring a message a second time that another session was given from here.
//   - What is only in the queue of a hibernating session (XEP-0198 §5), unacknowledged or new, is kept here too, so that a crash does
//     not lose it; it is forgotten when the session returns and has its queue.
//   - The store is bounded for each account; what does not fit and is in no archive is refused with service-unavailable.
package offline

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"writ/chat/archive"
	"writ/clock"
	"writ/config"
	"writ/records"
	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

const delaySpace = "urn:xmpp:delay"

//go:embed schema
var schema embed.FS

// Schema is the room's migrations, for tests of other rooms.
var Schema = store.Schema{Room: "offline", FS: schema}

// Config is what an operator may set.
type Config struct {
	Max int `toml:"max" doc:"messages that wait for one account; 0 means 1000"`
}

// Check reports what is wrong with the configuration.
func (c *Config) Check() error {
	if c.Max < 0 {
		return config.Invalid("max", c.Max, "0 or more")
	}
	return nil
}

// Positions reads the place in an archive that a stanza-id names. Package archive implements it.
type Positions interface {
	Positioned(account jid.JID, s *stanza.Stanza) int64
}

// Parts is what the room stands on.
type Parts struct {
	DB      *store.DB
	Router  feature.Router
	Clock   clock.Clock
	Log     *slog.Logger
	Archive Positions
}

// Offline is the room.
type Offline struct {
	Parts
	c Config

	mu     sync.Mutex
	counts map[jid.JID]int // messages that wait, as far as known; may be too high after a write that failed
}

// New makes the room.
func New(c Config, p Parts) *Offline {
	if c.Max == 0 {
		c.Max = 1000
	}
	p.Log = p.Log.With("room", "offline")
	return &Offline{Parts: p, c: c, counts: map[jid.JID]int{}}
}

// Feature is the room as the house sees it. It stands behind archive, whose stanza-id is on what is kept.
func (o *Offline) Feature() *feature.Feature {
	return &feature.Feature{
		Name:    "offline",
		Specs:   []string{"RFC 6121", "XEP-0160", "XEP-0203"},
		Schema:  schema,
		Data:    []records.Datum{o.log(), ciphertext()},
		Disco:   feature.Disco{Domain: []string{"msgoffline"}},
		Shape:   o.shape,
		Persist: &feature.Persist{Wants: o.wants, Do: o.persist},
		After:   o.after,
		Session: feature.SessionHooks{Resume: o.resumed, Sleep: o.slept},
	}
}

// shape strips delays that claim to be by this server (XEP-0203 §5): a client could date its message at will.
func (o *Offline) shape(_ context.Context, e *feature.Envelope) {
	s := e.Stanza
	if s.Kind == stanza.IQ || e.Server {
		return
	}
	e.Stanza = s.Without(func(c stanza.Child) bool {
		if c.Space != delaySpace || c.Local != "delay" {
			return false
		}
		by, err := jid.Parse(s.Tree(c).Attr("from"))
		return err == nil && by == o.Router.Domain()
	})
}

// wants is true for a message that may be kept and for which no connected session waits now.
func (o *Offline) wants(e *feature.Envelope) bool {
	if e.Stanza.Kind != stanza.Message || e.To.Local() == "" || !o.Router.Local(e.To) || !archive.VerdictOf(e).Offline {
		return false
	}
	awake, _ := o.takers(e)
	return awake == 0 || e.Again // its spare copy goes, wherever it is delivered
}

// takers counts the connected and the hibernating sessions that would get the message (RFC 6121 §8.5.2, §8.5.3).
func (o *Offline) takers(e *feature.Envelope) (awake, asleep int) {
	sessions := o.Router.Sessions(e.To)
	count := func(s *feature.Session) {
		if s.Out.Hibernating() {
			asleep++
		} else {
			awake++
		}
	}
	for _, s := range sessions {
		if s.JID == e.To {
			count(s)
			return awake, asleep
		}
	}
	for _, s := range sessions {
		if s.Available() && s.Priority.Load() >= 0 {
			count(s)
		}
	}
	return awake, asleep
}

// persist keeps a message that nobody gets now, and one that only hibernating sessions get.
func (o *Offline) persist(ctx context.Context, tx *store.Tx, e *feature.Envelope) error {
	if e.Again {
		given, err := o.unspare(ctx, tx, e.Stanza)
		if err != nil {
			return err
		}
		if given {
			e.Offline = true // another session of the account has it
			return nil
		}
	}
	spare := false
	if !e.Away {
		awake, asleep := o.takers(e)
		if awake > 0 || asleep == 0 {
			return nil
		}
		spare = true
	}
	full, err := o.full(ctx, tx, e.To.Bare())
	if err != nil || full {
		return err // the router answers for what nobody kept
	}
	author := e.Stanza.From
	if !e.Author.IsZero() {
		author = e.Author
	}
	if err := o.insert(ctx, tx, e.Stanza, author, e.Time, spare); err != nil {
		return err
	}
	e.Offline = !spare
	return nil
}

// insert writes a message for the account it is addressed to. One that stands here already, by its place in the archive, stays once.
func (o *Offline) insert(ctx context.Context, tx *store.Tx, st *stanza.Stanza, author jid.JID, at time.Time, spare bool) error {
	account := st.To.Bare()
	_, err := tx.Exec(ctx, `INSERT INTO offline_message (account, position, at, sender, kind, size, spare, stanza) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (account, position) WHERE position > 0 DO UPDATE SET spare = offline_message.spare AND excluded.spare`,
		account.String(), o.Archive.Positioned(account, st), store.Time(at), author.Bare().String(), archive.Judge(st).Kind, st.Size(), spare,
		st.AppendTo(nil, xml.Client))
	if err != nil {
		return fmt.Errorf("offline: keeping: %w", err)
	}
	return nil
}

// unspare takes out the spare copy of a message that the session which had it in its queue brings itself, and reports whether another
// session of the account was given it meanwhile. One that has no place in an archive is known by its bytes alone.
func (o *Offline) unspare(ctx context.Context, tx *store.Tx, st *stanza.Stanza) (given bool, err error) {
	account := st.To.Bare()
	position := o.Archive.Positioned(account, st)
	if position == 0 {
		_, err = tx.Exec(ctx, `DELETE FROM offline_message WHERE account = $1 AND spare AND position = 0 AND stanza = $2`, account.String(), st.AppendTo(nil, xml.Client))
	} else {
		err = tx.QueryRow(ctx, `SELECT given FROM offline_message WHERE account = $1 AND position = $2`, account.String(), position).Scan(&given)
		if errors.Is(err, store.ErrNoRows) {
			return false, nil
		}
		if err == nil && !(given && o.asleep(account)) { // another that sleeps may bring it too
			_, err = tx.Exec(ctx, `DELETE FROM offline_message WHERE account = $1 AND position = $2 AND spare`, account.String(), position)
		}
	}
	if err != nil {
		return false, fmt.Errorf("offline: keeping: %w", err)
	}
	return given, nil
}

// asleep reports a hibernating session of the account: it may have spare copies in its queue.
func (o *Offline) asleep(account jid.JID) bool {
	return slices.ContainsFunc(o.Router.Sessions(account), func(s *feature.Session) bool { return s.Out.Hibernating() })
}

// give takes messages out of the store, by a condition on them, because a session of the account has them. Of spare copies the place is
// kept while a session sleeps that has them in its queue.
func (o *Offline) give(ctx context.Context, tx *store.Tx, account jid.JID, which string, args ...any) error {
	args = append([]any{account.String()}, args...)
	if o.asleep(account) {
		text := fmt.Sprintf(`UPDATE offline_message SET given = TRUE, stanza = $%d WHERE account = $1 AND spare AND position > 0 AND `, len(args)+1)
		if _, err := tx.Exec(ctx, text+which, append(slices.Clone(args), []byte{})...); err != nil {
			return err
		}
		which += ` AND NOT given`
	}
	_, err := tx.Exec(ctx, `DELETE FROM offline_message WHERE account = $1 AND `+which, args...)
	return err
}

// full reports whether the account's store is full, and counts the message that is about to be kept.
func (o *Offline) full(ctx context.Context, tx *store.Tx, account jid.JID) (bool, error) {
	o.mu.Lock()
	n, known := o.counts[account]
	o.mu.Unlock()
	if !known || n >= o.c.Max {
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM offline_message WHERE account = $1 AND NOT given`, account.String()).Scan(&n); err != nil {
			return false, fmt.Errorf("offline: counting: %w", err)
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.counts) > 100_000 {
		clear(o.counts)
	}
	if n >= o.c.Max {
		o.counts[account] = n
		return true, nil
	}
	o.counts[account] = n + 1
	return false, nil
}

func (o *Offline) forgetCount(account jid.JID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.counts, account)
}
