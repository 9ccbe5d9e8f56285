// Package vcard keeps each account's business card (XEP-0054) as its owner wrote it, and makes one picture of that in the card and that in the
// account's nodes (XEP-0398): apps of either kind see it, and presence carries its hash (XEP-0153).
//
// Invariants:
//   - The bytes of a picture stand in the data node of XEP-0084 alone; a card shows it to those whom both nodes admit.
//   - Only the owner writes the card (XEP-0054 §3.2); another's attempt is refused, never swallowed.
//   - Who may not see the owner's presence gets the answer of an account that does not exist.
package vcard

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"writ/chat/pubsub"
	"writ/clock"
	"writ/records"
	"writ/schedule"
	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// NS is the namespace of business cards.
const NS = "vcard-temp"

// MaxSize is the most bytes that a card may have; a picture of the size that XEP-0153 recommends fits several times.
const MaxSize = 128 << 10

//go:embed schema
var schemas embed.FS

// Nodes are the personal nodes. Package pubsub has them.
type Nodes interface {
	Follow(node string, f pubsub.Follower)
	Items(ctx context.Context, r store.Reader, account jid.JID, node string) ([]pubsub.Item, error)
	Item(ctx context.Context, r store.Reader, account jid.JID, node, id string) (*pubsub.Item, error)
	Admits(ctx context.Context, account jid.JID, node string, reader jid.JID) (bool, error)
	Put(ctx context.Context, tx *store.Tx, account jid.JID, node string, o pubsub.Options, items ...pubsub.Item) (announce func(), err error)
}

// Presence sends the presence of an account's sessions again, changed. Package presence implements it.
type Presence interface {
	Refresh(ctx context.Context, account jid.JID, change func(*stanza.Stanza) *stanza.Stanza)
}

// Config is what the room stands on.
type Config struct {
	DB       *store.DB
	Contacts feature.Contacts // who may read a card
	Nodes    Nodes
	Presence Presence
	Clock    clock.Clock
	Log      *slog.Logger
}

// VCard is the room.
type VCard struct{ Config }

// New makes the room.
func New(c Config) *VCard {
	c.Log = c.Log.With("room", "vcard")
	r := &VCard{c}
	c.Nodes.Follow(metaNode, r.published)
	c.Nodes.Follow(dataNode, r.published)
	return r
}

// Feature is the room as the house sees it. It stands before the presence room, which sends on what this one has stamped.
func (r *VCard) Feature() *feature.Feature {
	schema, _ := fs.Sub(schemas, "schema") // the folder is embedded: it cannot fail
	return &feature.Feature{
		Name:   "vcard",
		Specs:  []string{"XEP-0054", "XEP-0153", "XEP-0398"},
		Disco:  feature.Disco{Domain: []string{NS}, Account: []string{NS, "urn:xmpp:pep-vcard-conversion:0"}},
		Schema: schema,
		Data:   []records.Datum{r.datum()},

		Presence: r.stamp,
		IQ: []feature.IQ{
			{Type: stanza.Get, Space: NS, Local: "vCard", At: feature.AtOwn | feature.AtAccount, Handle: r.get},
			{Type: stanza.Set, Space: NS, Local: "vCard", At: feature.AtOwn | feature.AtAccount, Handle: r.set},
		},
	}
}

// get is XEP-0054 §3.1 for one's own card and §3.3 for another's.
func (r *VCard) get(ctx context.Context, q *feature.Request) (feature.Reply, error) {
	card, err := r.Card(ctx, q.To, q.From.Bare())
	switch {
	case err != nil:
		return feature.Reply{}, err
	case card == nil && q.Place == feature.AtOwn:
		var b xml.Builder
		card = b.Empty(NS, "vCard").Bytes() // an empty card of one's own, not an error that apps would show
	case card == nil:
		return feature.Reply{}, stanza.ServiceUnavailable("") // XEP-0054 §3.3: as of an account that does not exist
	}
	return feature.Reply{Payload: card}, nil
}

// Card is the account's card as the reader, a bare address, may see it; nil: nothing. Who may not see the account's presence sees the picture, if
// the owner opened that to everybody: nothing else of the card was written for strangers.
func (r *VCard) Card(ctx context.Context, account, reader jid.JID) (card []byte, err error) {
	sees, err := r.Contacts.Subscribed(ctx, account, reader)
	if err != nil {
		return nil, err
	}
	p, err := r.visible(ctx, account, reader)
	if err != nil {
		return nil, err
	}
	var raw []byte
	if p.hash != "" {
		if raw, err = r.bytesOf(ctx, r.DB, account, p.hash); err != nil {
			return nil, err
		}
	}
	if sees {
		card, err = r.card(ctx, account)
	}
	if err != nil || raw == nil {
		return card, err
	}
	var el *xml.Element
	if card != nil {
		if el, err = xml.Parse(card, ""); err != nil {
			return nil, fmt.Errorf("vcard: a stored card: %w", err)
		}
	}
	return withPhoto(el, p, raw), nil
}

// card is the stored card, or nil.
func (r *VCard) card(ctx context.Context, account jid.JID) (card []byte, err error) {
	err = r.DB.QueryRow(ctx, `SELECT card FROM vcard_card WHERE account = $1`, account.String()).Scan(&card)
	if errors.Is(err, store.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("vcard: reading a card: %w", err)
	}
	return card, nil
}

// set is XEP-0054 §3.2. A picture in the card moves to the nodes.
func (r *VCard) set(ctx context.Context, q *feature.Request) (feature.Reply, error) {
	if q.Place != feature.AtOwn {
		return feature.Reply{}, stanza.Forbidden("a business card can be changed by its owner alone")
	}
	card := q.Payload.AppendTo(nil, "")
	if len(card) > MaxSize {
		return feature.Reply{}, stanza.PolicyViolation("a business card may have at most 128 KiB; choose a smaller picture")
	}
	raw, said, err := photo(q.Payload)
	if err != nil {
		return feature.Reply{}, err
	}
	if raw != nil {
		card = withPhoto(q.Payload, picture{}, nil)
	}
	var then func()
	err = r.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO vcard_card (account, card, updated) VALUES ($1, $2, $3)
			ON CONFLICT (account) DO UPDATE SET card = excluded.card, updated = excluded.updated`,
			q.To.String(), card, store.Time(r.Clock.Now()))
		if err == nil {
			then, err = r.publish(ctx, tx, q.To, raw, said)
		}
		return err
	})
	return feature.Reply{Then: then}, err
}

func (r *VCard) datum() records.Datum {
	return records.Datum{
		Datum: schedule.Datum{
			Name:     "business-card",
			Category: schedule.Profile,
			Tables:   []string{"vcard_card", "vcard_photo"},
			Fields: []schedule.Field{
				{Name: "updated", Meaning: "when the card, or the picture if there is no card, was last changed"},
				{Name: "card", Meaning: "the card as its owner wrote it, in XML; the picture stands with what apps publish"},
				{Name: "picture", Meaning: "the hash (SHA-1) of the picture that the card shows"},
			},
			Purpose:   "Shows contacts the name and picture that a person chose.",
			Retention: schedule.Account,
			Process:   schedule.Warrant,
		},
		Export: func(ctx context.Context, o *records.Opened, emit func(values ...any) error) error {
			var card, hash string
			var updated, shown int64
			err := o.QueryRow(ctx, `SELECT card, updated FROM vcard_card WHERE account = $1`, o.Account()).Scan(&card, &updated)
			if err != nil && !errors.Is(err, store.ErrNoRows) {
				return err
			}
			err = o.QueryRow(ctx, `SELECT hash, updated FROM vcard_photo WHERE account = $1`, o.Account()).Scan(&hash, &shown)
			if err != nil && !errors.Is(err, store.ErrNoRows) {
				return err
			}
			if updated == 0 {
				updated = shown
			}
			if updated == 0 {
				return nil
			}
			return emit(store.FromTime(updated), card, hash)
		},
		Erase: func(ctx context.Context, tx *store.Tx, account string) error {
			if _, err := tx.Exec(ctx, `DELETE FROM vcard_card WHERE account = $1`, account); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `DELETE FROM vcard_photo WHERE account = $1`, account)
			return err
		},
	}
}
