package vcard

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	_ "image/gif" // the formats that XEP-0153 §4.6 names: their size and kind are read, no picture is drawn
	_ "image/jpeg"
	_ "image/png"
	"strconv"
	"strings"

	"writ/chat/pubsub"
	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// The nodes of XEP-0084, whose names are also the namespaces of what stands in them.
const (
	dataNode = "urn:xmpp:avatar:data"
	metaNode = "urn:xmpp:avatar:metadata"
)

// updateNS is the namespace of what XEP-0153 puts into presence.
const updateNS = "vcard-temp:x:update"

// picture is what the card says of an account's picture. The bytes stand in the data node alone.
type picture struct{ hash, kind string }

// current is the account's picture; the zero value if it shows none.
func current(ctx context.Context, r store.Reader, account jid.JID) (p picture, err error) {
	err = r.QueryRow(ctx, `SELECT hash, kind FROM vcard_photo WHERE account = $1`, account.String()).Scan(&p.hash, &p.kind)
	if errors.Is(err, store.ErrNoRows) {
		return picture{}, nil
	}
	if err != nil {
		return picture{}, fmt.Errorf("vcard: reading of a picture: %w", err)
	}
	return p, nil
}

func (r *VCard) keep(ctx context.Context, tx *store.Tx, account jid.JID, p picture) (err error) {
	if p.hash == "" {
		_, err = tx.Exec(ctx, `DELETE FROM vcard_photo WHERE account = $1`, account.String())
	} else {
		_, err = tx.Exec(ctx, `INSERT INTO vcard_photo (account, hash, kind, updated) VALUES ($1, $2, $3, $4)
			ON CONFLICT (account) DO UPDATE SET hash = excluded.hash, kind = excluded.kind, updated = excluded.updated`,
			account.String(), p.hash, p.kind, store.Time(r.Clock.Now()))
	}
	if err != nil {
		return fmt.Errorf("vcard: noting a picture: %w", err)
	}
	return nil
}

// published brings what stands in the nodes into the card (XEP-0398 §3.1): the one <info/> without a URL counts, if its id is the
// SHA-1 hash of the bytes in the data node.
func (r *VCard) published(ctx context.Context, tx *store.Tx, account jid.JID, _ bool) (func(), error) {
	was, err := current(ctx, tx, account)
	if err != nil {
		return nil, err
	}
	now, err := r.shown(ctx, tx, account)
	if err != nil || now == was {
		return nil, err
	}
	return r.refresh(ctx, account), r.keep(ctx, tx, account, now)
}

// shown is the picture that the nodes show now.
func (r *VCard) shown(ctx context.Context, tx store.Reader, account jid.JID) (picture, error) {
	meta, err := r.Nodes.Items(ctx, tx, account, metaNode)
	if err != nil || len(meta) == 0 {
		return picture{}, err
	}
	for _, info := range meta[len(meta)-1].Payload.All(metaNode, "info") {
		if info.Attr("url") != "" {
			continue
		}
		hash := strings.ToLower(info.Attr("id"))
		raw, err := r.bytesOf(ctx, tx, account, info.Attr("id"))
		if err != nil {
			return picture{}, err
		}
		if raw != nil && hashOf(raw) == hash {
			kind, _ := look(raw, info.Attr("type"))
			return picture{hash, kind}, nil
		}
	}
	return picture{}, nil
}

// bytesOf are the bytes of a published picture, or nil.
func (r *VCard) bytesOf(ctx context.Context, tx store.Reader, account jid.JID, id string) ([]byte, error) {
	item, err := r.Nodes.Item(ctx, tx, account, dataNode, id)
	if err != nil || item == nil || !item.Payload.Is(dataNode, "data") {
		return nil, err
	}
	raw, err := decode(item.Payload.Text())
	if err != nil || len(raw) == 0 {
		return nil, nil // not base64: it can be no picture, and it is the owner's own affair
	}
	return raw, nil
}

func hashOf(raw []byte) string {
	sum := sha1.Sum(raw)
	return hex.EncodeToString(sum[:])
}

// decode reads base64 with white space anywhere (XEP-0153 §4.6).
func decode(text string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
}

// look finds the kind of a picture in its bytes, whatever it is said to be (XEP-0153 §5), and its size. A kind that is not known here is
// believed if it is one of an image.
func look(raw []byte, said string) (kind string, size image.Point) {
	if c, format, err := image.DecodeConfig(bytes.NewReader(raw)); err == nil {
		return "image/" + format, image.Pt(c.Width, c.Height)
	}
	if strings.HasPrefix(said, "image/") && len(said) < 100 {
		return said, image.Point{}
	}
	return "image/png", image.Point{} // the kind that XEP-0084 §4.1 has for the data node
}

// photo reads the picture of a card. raw is nil if the card has none.
func photo(card *xml.Element) (raw []byte, said string, err error) {
	p := card.Child(NS, "PHOTO")
	text := p.Child(NS, "BINVAL").Text()
	if strings.TrimSpace(text) == "" {
		return nil, "", nil
	}
	if raw, err = decode(text); err != nil {
		return nil, "", stanza.BadRequest("the picture is not base64 (XEP-0153 §4.5)")
	}
	return raw, strings.TrimSpace(p.Child(NS, "TYPE").Text()), nil
}

// publish brings the picture of a card that was set into the nodes (XEP-0398 §3.2). A card without a picture says that there is none.
func (r *VCard) publish(ctx context.Context, tx *store.Tx, account jid.JID, raw []byte, said string) (func(), error) {
	was, err := current(ctx, tx, account)
	if err != nil {
		return nil, err
	}
	if raw == nil && was.hash == "" || raw != nil && was.hash == hashOf(raw) {
		return func() {}, nil
	}
	var now picture
	var b xml.Builder
	b.Start(metaNode, "metadata")
	id := "none"
	announce := func() {}
	if raw != nil {
		kind, size := look(raw, said)
		now = picture{hashOf(raw), kind}
		id = now.hash
		var d xml.Builder
		d.Leaf(dataNode, "data", base64.StdEncoding.EncodeToString(raw))
		if announce, err = r.put(ctx, tx, account, dataNode, id, d.Bytes()); err != nil {
			return nil, err
		}
		b.Start("", "info", "bytes", strconv.Itoa(len(raw)), "id", id, "type", kind)
		if size != (image.Point{}) {
			b.Attr("width", strconv.Itoa(size.X)).Attr("height", strconv.Itoa(size.Y))
		}
		b.End()
	}
	meta, err := r.put(ctx, tx, account, metaNode, id, b.Bytes())
	if err != nil {
		return nil, err
	}
	refresh := r.refresh(ctx, account)
	return func() { announce(); meta(); refresh() }, r.keep(ctx, tx, account, now)
}

func (r *VCard) put(ctx context.Context, tx *store.Tx, account jid.JID, node, id string, payload []byte) (func(), error) {
	el, err := xml.Parse(payload, "")
	if err != nil {
		return nil, err
	}
	return r.Nodes.Put(ctx, tx, account, node, pubsub.Options{}, pubsub.Item{ID: id, Payload: el})
}

// withPhoto is the card with the picture in the place of one that it may have. A card that shows a picture of the nodes is written anew.
func withPhoto(card *xml.Element, p picture, raw []byte) []byte {
	var b xml.Builder
	b.Start(NS, "vCard")
	if card != nil {
		for _, c := range card.Children {
			if !c.Is(NS, "PHOTO") {
				b.Raw(c.AppendTo(nil, NS))
			}
		}
	}
	if raw != nil {
		b.Start("", "PHOTO").Leaf("", "TYPE", p.kind).Leaf("", "BINVAL", base64.StdEncoding.EncodeToString(raw)).End()
	}
	return b.Bytes()
}

// stamp puts the picture's hash into an available presence (XEP-0398 §4). An empty <photo/> says that the app shows no picture, and stays. What
// goes to one address shows the hash only if that address may read the picture: in a room of strangers it would tell who somebody is.
func (r *VCard) stamp(ctx context.Context, e *feature.Envelope) (bool, error) {
	if e.Session == nil || e.Stanza.Type != stanza.Available {
		return false, nil
	}
	p, err := r.visible(ctx, e.Session.JID.Bare(), e.To.Bare())
	if err == nil {
		e.Stanza = stamped(e.Stanza, p)
	}
	return false, err
}

// visible is the account's picture as far as the reader may read it; the zero address stands for the contacts.
func (r *VCard) visible(ctx context.Context, account, reader jid.JID) (picture, error) {
	p, err := current(ctx, r.DB, account)
	if err != nil || p.hash == "" {
		return picture{}, err
	}
	for _, node := range []string{metaNode, dataNode} {
		if ok, err := r.Nodes.Admits(ctx, account, node, reader); err != nil || !ok {
			return picture{}, err
		}
	}
	return p, nil
}

func stamped(s *stanza.Stanza, p picture) *stanza.Stanza {
	x := s.Find(updateNS, "x")
	shown := x.Child(updateNS, "photo")
	switch {
	case x == nil && p.hash == "":
		return s
	case shown != nil && (shown.Text() == "" || p.hash == "" || shown.Text() == p.hash):
		return s
	}
	var b xml.Builder
	b.Start(updateNS, "x").Leaf("", "photo", p.hash)
	return s.Without(func(c stanza.Child) bool { return c.Space == updateNS && c.Local == "x" }).With(b.Bytes())
}

// refresh sends the presence of the account's sessions again after its picture has changed, so that who sees it learns of the change.
func (r *VCard) refresh(ctx context.Context, account jid.JID) func() {
	return func() {
		ctx := context.WithoutCancel(ctx)
		p, err := r.visible(ctx, account, jid.JID{})
		if err != nil {
			r.Log.Error("showing a new picture", "err", err)
			return
		}
		r.Presence.Refresh(ctx, account, func(s *stanza.Stanza) *stanza.Stanza { return restamped(s, p) })
	}
}

// restamped is a presence that was sent before, with the picture of now.
func restamped(s *stanza.Stanza, p picture) *stanza.Stanza {
	x := s.Find(updateNS, "x")
	if shown := x.Child(updateNS, "photo"); x == nil && p.hash == "" || shown.Text() == p.hash && (shown != nil || p.hash != "") {
		return s
	}
	var b xml.Builder
	b.Start(updateNS, "x").Leaf("", "photo", p.hash)
	return s.Without(func(c stanza.Child) bool { return c.Space == updateNS && c.Local == "x" }).With(b.Bytes())
}
