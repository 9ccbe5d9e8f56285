// Package vcard keeps each account's business card (XEP-0054) as its owner wrote it.
//
// Invariants:
//   - Only the owner writes the card (XEP-0054 §3.2); another's attempt is refused, never swallowed.
//   - Who may not see the owner's presence gets the answer of an account that does not exist.
package vcard

import (
	"context"
	"embed"
	"errors"
	"io/fs"

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

// Contacts says who may read a card.
type Contacts interface {
	// Subscribed reports whether other is the owner itself or has a subscription to the owner's presence.
	Subscribed(ctx context.Context, owner, other jid.JID) (bool, error)
}

// Config is what the room stands on.
type Config struct {
	DB       *store.DB
	Contacts Contacts
	Clock    clock.Clock
}

type room struct{ Config }

// New makes the room.
func New(c Config) *feature.Feature {
	r := &room{c}
	schema, _ := fs.Sub(schemas, "schema") // the folder is embedded: it cannot fail
	return &feature.Feature{
		Name:   "vcard",
		Specs:  []string{"XEP-0054"},
		Disco:  feature.Disco{Domain: []string{NS}, Account: []string{NS}},
		Schema: schema,
		Data:   []records.Datum{r.datum()},
		IQ: []feature.IQ{
			{Type: stanza.Get, Space: NS, Local: "vCard", At: feature.AtOwn | feature.AtAccount, Handle: r.get},
			{Type: stanza.Set, Space: NS, Local: "vCard", At: feature.AtOwn | feature.AtAccount, Handle: r.set},
		},
	}
}

// get is XEP-0054 §3.1 for one's own card and §3.3 for another's.
func (r *room) get(ctx context.Context, q *feature.Request) (feature.Reply, error) {
	ok, err := r.Contacts.Subscribed(ctx, q.To, q.From.Bare())
	if err != nil {
		return feature.Reply{}, err
	}
	if !ok {
		return feature.Reply{}, stanza.ServiceUnavailable("")
	}
	var card []byte
	err = r.DB.QueryRow(ctx, `SELECT card FROM vcard_card WHERE account = $1`, q.To.String()).Scan(&card)
	switch {
	case errors.Is(err, store.ErrNoRows) && q.Place == feature.AtOwn:
		var b xml.Builder
		card = b.Empty(NS, "vCard").Bytes() // an empty card of one's own, not an error that apps would show
	case errors.Is(err, store.ErrNoRows):
		return feature.Reply{}, stanza.ItemNotFound("")
	case err != nil:
		return feature.Reply{}, err
	}
	return feature.Reply{Payload: card}, nil
}

// set is XEP-0054 §3.2.
func (r *room) set(ctx context.Context, q *feature.Request) (feature.Reply, error) {
	if q.Place != feature.AtOwn {
		return feature.Reply{}, stanza.Forbidden("a business card can be changed by its owner alone")
	}
	card := q.Payload.AppendTo(nil, "")
	if len(card) > MaxSize {
		return feature.Reply{}, stanza.PolicyViolation("a business card may have at most 128 KiB; choose a smaller picture")
	}
	err := r.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO vcard_card (account, card, updated) VALUES ($1, $2, $3)
			ON CONFLICT (account) DO UPDATE SET card = excluded.card, updated = excluded.updated`,
			q.To.String(), card, store.Time(r.Clock.Now()))
		return err
	})
	return feature.Reply{}, err
}

func (r *room) datum() records.Datum {
	return records.Datum{
		Datum: schedule.Datum{
			Name:     "business-card",
			Category: schedule.Profile,
			Tables:   []string{"vcard_card"},
			Fields: []schedule.Field{
				{Name: "updated", Meaning: "when the card was last changed"},
				{Name: "card", Meaning: "the card as its owner wrote it, in XML"},
			},
			Purpose:   "Shows contacts the name and picture that a person chose.",
			Retention: schedule.Account,
			Process:   schedule.Warrant,
		},
		Export: func(ctx context.Context, o *records.Opened, emit func(values ...any) error) error {
			var card string
			var updated int64
			err := o.QueryRow(ctx, `SELECT card, updated FROM vcard_card WHERE account = $1`, o.Account()).Scan(&card, &updated)
			if errors.Is(err, store.ErrNoRows) {
				return nil
			}
			if err != nil {
				return err
			}
			return emit(store.FromTime(updated), card)
		},
		Erase: func(ctx context.Context, tx *store.Tx, account string) error {
			_, err := tx.Exec(ctx, `DELETE FROM vcard_card WHERE account = $1`, account)
			return err
		},
	}
}
