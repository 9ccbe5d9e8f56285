// Package archive keeps messages for their parties until the retention ends: the engine under message archive management
// (XEP-0313), and the owner of stanza ids (XEP-0359) and storage hints (XEP-0334).
//
// Invariants:
//   - A message is one row, shared by both parties' archives; an insert costs the same however large the archive is, and so does a page.
//     Which messages are whose is remembered for the newest ones and written down for a bucket at a time (postings.go).
//   - The rows alone say what an archive holds. The index may name what is gone, and never misses what is there.
//   - Positions are given inside the transaction by the one writer: their order is the order of commits and of deliveries
//     (XEP-0313 §3.1), and times never go back along it.
//   - Ids are opaque, never reused, and valid in one archive only (XEP-0313 §3, XEP-0359 §6).
//   - A stanza-id with our name on a message is ours: every other one is stripped, on every path (XEP-0359 §3).
//   - What is kept is the whole stanza as it was delivered, without the stanza-id. It is declared as held and never exported.
package archive

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"writ/clock"
	"writ/config"
	"writ/records"
	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// SID is the namespace of stanza ids (XEP-0359 §8.1).
const SID = "urn:xmpp:sid:0"

//go:embed schema
var schema embed.FS

// Schema is the room's migrations, for tests of other rooms.
var Schema = store.Schema{Room: "archive", FS: schema}

// Config is what an operator may set.
type Config struct {
	Default string `toml:"default" doc:"what is archived for people who set no preference: always, roster (only messages with contacts) or never; empty is always"`
	Off     bool   `toml:"off" doc:"true keeps no archive for anyone; messages then wait only for recipients without a session"`
}

// Check reports what is wrong with the configuration.
func (c *Config) Check() error {
	switch c.Default {
	case "", Always, Never, RosterOnly:
		return nil
	}
	return config.Invalid("default", c.Default, "always, roster, never")
}

// Contacts tells whether an address is in an account's roster. Package roster implements it.
type Contacts interface {
	Contact(ctx context.Context, q store.Reader, account, contact jid.JID) (bool, error)
}

// Parts is what the room stands on.
type Parts struct {
	DB       *store.DB
	Router   feature.Router
	Clock    clock.Clock
	Log      *slog.Logger
	Contacts Contacts
}

// Archive is the engine. Start must have run before it is used.
type Archive struct {
	Parts
	c     Config
	ids   ids
	prefs prefsCache
	tail  tail
	last  atomic.Int64 // time of the newest row
}

// New makes the engine.
func New(c Config, p Parts) *Archive {
	if c.Default == "" {
		c.Default = Always
	}
	p.Log = p.Log.With("room", "archive")
	return &Archive{Parts: p, c: c}
}

// Feature is the room as the house sees it. It stands before the rooms that need its ids or its verdict: offline, carbons.
func (a *Archive) Feature() *feature.Feature {
	return &feature.Feature{
		Name:    "archive",
		Specs:   []string{"XEP-0313", "XEP-0334", "XEP-0359"},
		Schema:  schema,
		Data:    []records.Datum{a.log(), a.ciphertext(), a.preferences(), keys()},
		Disco:   feature.Disco{Domain: []string{SID}, Account: []string{SID}},
		Shape:   a.shape,
		Persist: &feature.Persist{Wants: a.wants, Do: a.persist},
		Start:   a.Start,
	}
}

// Start reads the key of the ids, making it at the first start, the preferences and the newest time.
func (a *Archive) Start(ctx context.Context) error {
	var key []byte
	err := a.DB.Write(ctx, func(tx *store.Tx) error {
		err := tx.QueryRow(ctx, `SELECT key FROM archive_key WHERE one = 1`).Scan(&key)
		if !errors.Is(err, store.ErrNoRows) {
			return err
		}
		key = make([]byte, keySize)
		rand.Read(key)
		_, err = tx.Exec(ctx, `INSERT INTO archive_key (one, key) VALUES (1, $1)`, key)
		return err
	})
	if err != nil {
		return fmt.Errorf("archive: the key of the ids: %w", err)
	}
	if a.ids, err = newIDs(key); err != nil {
		return fmt.Errorf("archive: the key of the ids: %w", err)
	}
	var last int64
	err = a.DB.QueryRow(ctx, `SELECT at FROM archive_stanza ORDER BY id DESC LIMIT 1`).Scan(&last)
	if err != nil && !errors.Is(err, store.ErrNoRows) {
		return fmt.Errorf("archive: the newest time: %w", err)
	}
	a.last.Store(last)
	if err := a.load(ctx); err != nil {
		return err
	}
	return a.loadPrefs(ctx)
}

// shape strips stanza-ids that claim to be ours, and notes what the message is.
func (a *Archive) shape(_ context.Context, e *feature.Envelope) {
	if e.Stanza.Kind != stanza.Message {
		return
	}
	s := e.Stanza
	e.Stanza = s.Without(func(c stanza.Child) bool {
		if c.Space != SID || c.Local != "stanza-id" {
			return false
		}
		by, err := jid.Parse(s.Tree(c).Attr("by"))
		if e.Server {
			return err != nil || a.Router.Local(by) // a room here puts its own on
		}
		return err != nil || a.Router.Local(by) || a.Router.Hosted(by) // one without a valid 'by' is none (XEP-0359 §3)
	})
	if e.Server && e.Judged {
		return // the room that made it has said what it is
	}
	v := judge(e.Stanza, seen(e))
	e.Kind, e.Mute, e.NoStore = v.Kind, v.Mute, !v.Archive && !v.Offline
	e.Judged, e.Archive, e.Waits = true, v.Archive, v.Offline
}

// owners are the local accounts whose archives a message belongs to; a zero one is none.
func (a *Archive) owners(from, to jid.JID) (sender, recipient jid.JID) {
	if from = from.Bare(); a.Router.Local(from) && from.Local() != "" {
		sender = from
	}
	if to = to.Bare(); a.Router.Local(to) && to.Local() != "" {
		recipient = to
	}
	return sender, recipient
}

// party is a local account of a message, with the tag of the other one.
type party struct {
	account jid.JID
	tag     uint16
}

// parties are the local accounts of a message.
func (a *Archive) parties(from, to jid.JID) (l []party) {
	sender, recipient := a.owners(from, to)
	if a.Router.Hosted(to) && to.Local() != "" { // a room, whose archive this is too
		recipient = to.Bare()
	}
	if !sender.IsZero() {
		l = append(make([]party, 0, 2), party{sender, a.ids.tag(to)})
	}
	if !recipient.IsZero() && recipient != sender {
		l = append(l, party{recipient, a.ids.tag(from)})
	}
	return l
}

func (a *Archive) wants(e *feature.Envelope) bool {
	if a.c.Off || e.Again || e.Stanza.Kind != stanza.Message || !VerdictOf(e).Archive {
		return false
	}
	sender, recipient := a.owners(e.From, e.To)
	return !sender.IsZero() || !recipient.IsZero()
}

// persist writes the message into the archives of its local parties that want it, and puts the recipient's stanza-id on it.
func (a *Archive) persist(ctx context.Context, tx *store.Tx, e *feature.Envelope) error {
	sender, recipient := a.owners(e.From, e.To)
	var holds Holds
	ask := func(account, peer jid.JID, bit Holds) error {
		if account.IsZero() {
			return nil
		}
		ok, err := a.wanted(ctx, tx, account, peer)
		if ok {
			holds |= bit
		}
		return err
	}
	if err := ask(sender, e.To, BySender); err != nil {
		return err
	}
	if recipient != sender {
		if err := ask(recipient, e.From, ByRecipient); err != nil {
			return err
		}
	}
	if holds == 0 {
		return nil
	}
	author := e.From
	if !e.Author.IsZero() {
		author = e.Author
	}
	id, err := a.Append(ctx, tx, Message{Stanza: e.Stanza, From: author, To: e.To, Time: e.Time, Kind: e.Kind, Holds: holds})
	if err != nil {
		return err
	}
	if holds&BySender != 0 {
		e.SentID = id
	}
	if holds&ByRecipient != 0 || recipient == sender {
		e.ArchiveID = id
		e.Stanza = e.Stanza.With(a.StanzaID(recipient, id))
	}
	return nil
}

// ID is the archive id of a position in an archive.
func (a *Archive) ID(account jid.JID, n int64) string { return a.ids.encode(account, n) }

// Position is the position of an archive id, false if it is none of that archive.
func (a *Archive) Position(account jid.JID, id string) (int64, bool) {
	return a.ids.decode(account, id)
}

// StanzaID is the <stanza-id/> of a position (XEP-0359 §2.1).
func (a *Archive) StanzaID(account jid.JID, n int64) []byte {
	var b xml.Builder
	return b.Empty(SID, "stanza-id", "by", account.Bare().String(), "id", a.ID(account, n)).Bytes()
}

// Positioned is the position in the account's archive that a stanza-id on a stanza names; 0 without one. It is to be believed only of a stanza
// that has passed Shape.
func (a *Archive) Positioned(account jid.JID, s *stanza.Stanza) int64 {
	for _, c := range s.Children() {
		if c.Space != SID || c.Local != "stanza-id" {
			continue
		}
		if el := s.Tree(c); el.Attr("by") == account.Bare().String() {
			if n, ok := a.Position(account, el.Attr("id")); ok {
				return n
			}
		}
	}
	return 0
}
