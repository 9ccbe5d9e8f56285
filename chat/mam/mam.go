// Package mam answers queries of the message archive (XEP-0313 urn:xmpp:mam:2 with #extended, paged by XEP-0059) and keeps its
// preferences (XEP-0441). The archive itself is package archive.
//
// Invariants:
//   - Only the account itself reads its archive; everyone else gets forbidden, whether the account exists or not (XEP-0313 §8.1).
//   - A page has at most archive.MaxPage messages; an id that is not in the archive is item-not-found, never an empty page
//     (XEP-0313 §4.1.3, §4.3.2).
//   - A result comes from the server alone: what clients send as one is stripped (XEP-0313 §8.2).
package mam

import (
	"context"
	"errors"
	"fmt"

	"writ/chat/archive"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// Space is the namespace of queries and their form (XEP-0313 §10.1).
const Space = "urn:xmpp:mam:2"

const (
	rsm     = "http://jabber.org/protocol/rsm"
	forward = "urn:xmpp:forward:0"
	form    = "jabber:x:data"
)

// Waiting is told what a client has read of the archive. Package offline implements it.
type Waiting interface {
	// Taken forgets the messages at these positions, if they wait for the account.
	Taken(ctx context.Context, account jid.JID, positions []int64)
	// TakenUpTo forgets those that wait for the account and stand in the archive at this position or before it.
	TakenUpTo(ctx context.Context, account jid.JID, position int64)
}

// MAM is the room.
type MAM struct {
	archive *archive.Archive
	waiting Waiting
}

// New makes the room on the engine.
func New(a *archive.Archive, w Waiting) *MAM { return &MAM{a, w} }

// Feature is the room as the house sees it.
func (m *MAM) Feature() *feature.Feature {
	rows := []feature.IQ{
		{Type: stanza.Set, Space: Space, Local: "query", At: feature.AtOwn, Handle: m.query},
		{Type: stanza.Get, Space: Space, Local: "query", At: feature.AtOwn, Handle: m.form},
		{Type: stanza.Get, Space: Space, Local: "metadata", At: feature.AtOwn, Handle: m.metadata},
		{Type: stanza.Get, Space: Space, Local: "prefs", At: feature.AtOwn, Handle: m.getPrefs},
		{Type: stanza.Set, Space: Space, Local: "prefs", At: feature.AtOwn, Handle: m.setPrefs},
	}
	for _, q := range rows[:5:5] {
		q.At, q.Handle = feature.AtAccount, forbidden
		rows = append(rows, q)
	}
	return &feature.Feature{
		Name:  "mam",
		Specs: []string{"XEP-0313", "XEP-0059", "XEP-0297", "XEP-0441"},
		Disco: feature.Disco{Account: []string{Space, Space + "#extended", Space + "#groupchat-field"}},
		IQ:    rows,
		Shape: shape,
		Bound: m.bound,
	}
}

func forbidden(context.Context, *feature.Request) (feature.Reply, error) {
	return feature.Reply{}, stanza.Forbidden("only the account itself reads its archive")
}

// shape strips results that a client made up.
func shape(_ context.Context, e *feature.Envelope) {
	if e.Stanza.Kind == stanza.Message && e.Session != nil {
		e.Stanza = e.Stanza.Without(func(c stanza.Child) bool { return c.Space == Space && (c.Local == "result" || c.Local == "fin") })
	}
}

// query sends a page of the archive (XEP-0313 §4).
func (m *MAM) query(ctx context.Context, r *feature.Request) (feature.Reply, error) {
	return m.page(ctx, r, r.From.Bare(), func(i archive.Item) *stanza.Stanza { return i.Stanza })
}

// Room answers a query of the archive of the room r.To (XEP-0313 §4), or of its ends or its form (XEP-0313 §5, §4.1.5). Who may ask has been
// checked. show gives a message as the asker may see it.
func (m *MAM) Room(ctx context.Context, r *feature.Request, show func(archive.Item) *stanza.Stanza) (feature.Reply, error) {
	switch {
	case r.Stanza.Type == stanza.Set && r.Payload.Is(Space, "query"):
		return m.page(ctx, r, r.To, show)
	case r.Stanza.Type == stanza.Get && r.Payload.Is(Space, "query"):
		return m.form(ctx, r)
	case r.Stanza.Type == stanza.Get && r.Payload.Is(Space, "metadata"):
		b, _, err := m.ends(ctx, r.To)
		return feature.Reply{Payload: b}, err
	}
	return feature.Reply{}, stanza.FeatureNotImplemented("a room's archive has no preferences")
}

func (m *MAM) page(ctx context.Context, r *feature.Request, owner jid.JID, show func(archive.Item) *stanza.Stanza) (feature.Reply, error) {
	q, err := m.parse(r, owner)
	if err != nil {
		return feature.Reply{}, err
	}
	if q.count {
		return m.count(ctx, owner, q)
	}
	var page archive.Page
	if q.empty {
		page.Complete = true
	} else if page, err = m.archive.Page(ctx, owner, q.Query); err != nil {
		return feature.Reply{}, mapped(err)
	}
	for i := range page.Items {
		item := page.Items[i]
		if q.flip {
			item = page.Items[len(page.Items)-1-i]
		}
		r.Send(m.result(r.From, owner, q.id, item, show(item)))
	}
	if owner == r.From.Bare() {
		m.waiting.Taken(ctx, owner, positions(page))
	}
	var b xml.Builder
	b.Start(Space, "fin")
	if page.Complete {
		b.Attr("complete", "true")
	}
	b.Start(rsm, "set")
	if n := len(page.Items); n > 0 {
		b.Leaf("", "first", m.archive.ID(owner, page.Items[0].ID)).Leaf("", "last", m.archive.ID(owner, page.Items[n-1].ID))
	}
	return feature.Reply{Payload: b.Bytes()}, nil
}

func positions(p archive.Page) (l []int64) {
	for _, i := range p.Items {
		l = append(l, i.ID)
	}
	return l
}

// count answers a client that wants to know how many there are and no more (XEP-0059 §2.7).
func (m *MAM) count(ctx context.Context, owner jid.JID, q query) (feature.Reply, error) {
	var n int64
	if !q.empty {
		var err error
		if n, err = m.archive.Count(ctx, owner, q.Query); err != nil {
			return feature.Reply{}, mapped(err)
		}
	}
	var b xml.Builder
	b.Start(Space, "fin")
	if n == 0 {
		b.Attr("complete", "true")
	}
	b.Start(rsm, "set").Leaf("", "count", fmt.Sprint(n))
	return feature.Reply{Payload: b.Bytes()}, nil
}

// result is one message of the archive, forwarded (XEP-0313 §4.2, XEP-0297 §3).
func (m *MAM) result(to, owner jid.JID, id string, item archive.Item, st *stanza.Stanza) *stanza.Stanza {
	var b xml.Builder
	b.Start(Space, "result", "queryid", id, "id", m.archive.ID(owner, item.ID))
	b.Start(forward, "forwarded").Empty("urn:xmpp:delay", "delay", "stamp", stamp(item.Time))
	b.Raw(st.AppendTo(nil, xml.Client))
	return stanza.New(stanza.Message, stanza.Normal, owner, to, "", b.Bytes())
}

// metadata tells the ends of the archive (XEP-0313 §5).
func (m *MAM) metadata(ctx context.Context, r *feature.Request) (feature.Reply, error) {
	b, _, err := m.ends(ctx, r.From)
	return feature.Reply{Payload: b}, err
}

// ends writes <metadata/>; last is the position of the newest message, 0 if there is none.
func (m *MAM) ends(ctx context.Context, account jid.JID) (metadata []byte, newest int64, err error) {
	first, last, ok, err := m.archive.Ends(ctx, account)
	if err != nil {
		return nil, 0, err
	}
	var b xml.Builder
	b.Start(Space, "metadata")
	if ok {
		b.Empty("", "start", "id", m.archive.ID(account, first.ID), "timestamp", stamp(first.Time))
		b.Empty("", "end", "id", m.archive.ID(account, last.ID), "timestamp", stamp(last.Time))
	}
	return b.Bytes(), last.ID, nil
}

// bound tells a client that binds by XEP-0386 §3.2 where the archive ends. It reads the archive from there back: what waited for the
// account and stands there is not delivered beside it. What stands in no archive still is.
func (m *MAM) bound(ctx context.Context, s *feature.Session) []byte {
	b, newest, err := m.ends(ctx, s.JID)
	if err != nil {
		return nil // the client asks again, and is told that it failed
	}
	if newest > 0 {
		m.waiting.TakenUpTo(ctx, s.JID.Bare(), newest)
	}
	return b
}

// form lists the fields that a query may have (XEP-0313 §4.1.5).
func (m *MAM) form(context.Context, *feature.Request) (feature.Reply, error) {
	var b xml.Builder
	b.Start(Space, "query").Start(form, "x", "type", "form")
	b.Start("", "field", "type", "hidden", "var", "FORM_TYPE").Leaf("", "value", Space).End()
	b.Empty("", "field", "type", "jid-single", "var", "with")
	for _, name := range []string{"start", "end", "before-id", "after-id"} {
		b.Empty("", "field", "type", "text-single", "var", name)
	}
	b.Start("", "field", "type", "list-multi", "var", "ids")
	b.Start("http://jabber.org/protocol/xdata-validate", "validate", "datatype", "xs:string").Empty("", "open").End().End()
	b.Empty("", "field", "type", "boolean", "var", "include-groupchat")
	return feature.Reply{Payload: b.Bytes()}, nil
}

func mapped(err error) error {
	if errors.Is(err, archive.ErrNotFound) {
		return stanza.ItemNotFound("the archive has no message with that id")
	}
	return err
}
