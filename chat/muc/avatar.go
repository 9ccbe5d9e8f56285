package muc

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"writ/store"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// maxCard is the most bytes of a room's card, as of a person's.
const maxCard = 128 << 10

// getCard gives the room's card, with its picture (XEP-0486 §3.4), to those who may know of the room.
func (r *Room) getCard(ctx context.Context, c *call) ([]byte, func(), error) {
	if !r.shows(c) {
		return nil, nil, stanza.Forbidden("the picture of this room is for those who belong to it")
	}
	var card []byte
	err := r.m.DB.QueryRow(ctx, `SELECT card FROM muc_avatar WHERE room = $1`, r.name).Scan(&card)
	if errors.Is(err, store.ErrNoRows) {
		return nil, nil, stanza.ItemNotFound("the room has no card")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("muc: reading a picture: %w", err)
	}
	return card, nil, nil
}

// shows reports whether the asker may know what the room says of itself: anyone if it is listed, else those who belong to it or are in it.
func (r *Room) shows(c *call) bool {
	return r.options.Public || r.affiliation(c.from) >= Member || r.roleHere(c.from) > NoRole
}

// setCard takes the room's card from an owner; one without a picture takes the picture away, and is the room's card from then on (XEP-0486 §3.2).
func (r *Room) setCard(ctx context.Context, c *call) ([]byte, func(), error) {
	if r.affiliation(c.from) < Owner {
		return nil, nil, stanza.Forbidden("only owners change the picture of the room")
	}
	if r.locked {
		return nil, nil, stanza.NotAllowed("configure the room first") // it has no rows yet
	}
	card := c.payload.AppendTo(nil, "")
	if len(card) > maxCard {
		return nil, nil, stanza.PolicyViolation("the card of a room may have at most 128 KiB; choose a smaller picture")
	}
	hashes, err := pictures(c.payload)
	if err != nil {
		return nil, nil, err
	}
	o := r.options
	o.Avatar = strings.Join(hashes, " ")
	err = r.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		if err := r.m.writeRoom(ctx, tx, r, o); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO muc_avatar (room, card) VALUES ($1, $2) ON CONFLICT (room) DO UPDATE SET card = excluded.card`, r.name, card); err != nil {
			return fmt.Errorf("muc: writing a picture: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	changed := r.options.Avatar != o.Avatar
	r.options = o
	return nil, func() {
		if changed {
			r.announce(codeConfigured)
		}
	}, nil
}

// pictures are the hashes of all pictures of a card: one may be there in several formats (XEP-0486 §5.1).
func pictures(card *xml.Element) (hashes []string, err error) {
	for _, p := range card.All(nsCard, "PHOTO") {
		text := strings.Join(strings.Fields(p.Child(nsCard, "BINVAL").Text()), "")
		if text == "" {
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, stanza.BadRequest("the picture is not base64 (XEP-0153 §4.5)")
		}
		sum := sha1.Sum(raw)
		hashes = append(hashes, hex.EncodeToString(sum[:]))
	}
	return hashes, nil
}
