// Package carbons copies messages to an account's other sessions (XEP-0280 1.0).
//
// Invariants:
//   - Which messages are copied follows urn:xmpp:carbons:rules:0 (XEP-0280 §6.1).
//   - A copy is made by the server alone: what a client sends as one is stripped before delivery, so it can neither be copied again nor
//     be taken for one (XEP-0280 §11).
//   - A copy goes straight to a session: it is not archived, not kept, not counted, and its bounce tells nobody anything (XEP-0280 §10.3).
//   - A session that got the message itself gets no copy of it (XEP-0280 §7).
//
// <private/> stays on the message: XEP-0280 §9 withdrew the removal, because it let a sender steer deliveries unseen.
package carbons

import (
	"context"

	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// Space is the namespace of the protocol (XEP-0280 §13.1).
const Space = "urn:xmpp:carbons:2"

const (
	rules   = "urn:xmpp:carbons:rules:0"
	forward = "urn:xmpp:forward:0"
	hints   = "urn:xmpp:hints"
	muc     = "http://jabber.org/protocol/muc#user"
	sid     = "urn:xmpp:sid:0"
)

// IDs writes stanza-ids. Package archive implements it.
type IDs interface {
	StanzaID(account jid.JID, n int64) []byte
}

// Carbons is the room.
type Carbons struct {
	router feature.Router
	ids    IDs
}

// New makes the room.
func New(r feature.Router, ids IDs) *Carbons { return &Carbons{r, ids} }

// Feature is the room as the house sees it. It stands behind archive, whose ids are on the copies.
func (c *Carbons) Feature() *feature.Feature {
	return &feature.Feature{
		Name:  "carbons",
		Specs: []string{"XEP-0280", "XEP-0297"},
		Disco: feature.Disco{Domain: []string{Space, rules}, Account: []string{Space, rules}},
		IQ: []feature.IQ{
			{Type: stanza.Set, Space: Space, Local: "enable", At: feature.AtOwn, Handle: set(true)},
			{Type: stanza.Set, Space: Space, Local: "disable", At: feature.AtOwn, Handle: set(false)},
			{Type: stanza.Set, Space: Space, Local: "enable", At: feature.AtDomain, Handle: set(true)},
			{Type: stanza.Set, Space: Space, Local: "disable", At: feature.AtDomain, Handle: set(false)},
		},
		Inline: []feature.Inline{{Space: Space, Local: "enable", Enable: inline}},
		Shape:  shape,
		After:  c.after,
	}
}

// set enables or disables copies; doing it twice is no error (XEP-0280 §10.1).
func set(on bool) func(context.Context, *feature.Request) (feature.Reply, error) {
	return func(_ context.Context, r *feature.Request) (feature.Reply, error) {
		if r.Session == nil {
			return feature.Reply{}, stanza.NotAllowed("only for sessions of this server") // XEP-0280 §4.1
		}
		r.Session.Carbons.Store(on)
		return feature.Reply{}, nil
	}
}

// inline enables copies with the bind; it always succeeds and needs no answer (XEP-0386 §3.2).
func inline(_ context.Context, s *feature.Session, _ *xml.Element) []byte {
	s.Carbons.Store(true)
	return nil
}

// shape strips copies that are not ours.
func shape(_ context.Context, e *feature.Envelope) {
	if e.Stanza.Kind == stanza.Message && !e.Server {
		e.Stanza = e.Stanza.Without(func(c stanza.Child) bool { return c.Space == Space && (c.Local == "received" || c.Local == "sent") })
	}
}

// after copies a delivered message to the sessions of both sides that did not see it.
func (c *Carbons) after(_ context.Context, e *feature.Envelope) {
	if e.Stanza.Kind != stanza.Message || e.Again || !Eligible(e.Stanza) {
		return
	}
	from, to := e.From.Bare(), e.To.Bare()
	outbound := e.Session != nil && from.Local() != "" && c.router.Local(from)
	if outbound && from != to {
		c.copies(from, "sent", e, func(s *feature.Session) bool { return s != e.Session })
	}
	if to.Local() != "" && c.router.Local(to) && !occupant(e) {
		c.copies(to, "received", e, func(s *feature.Session) bool {
			return s != e.Session && !c.got(e, s)
		})
	}
}

// got reports whether the session got the message itself (RFC 6121 §8.5.2.1.1, §8.5.3.1).
func (c *Carbons) got(e *feature.Envelope, s *feature.Session) bool {
	if s.JID == e.To {
		return true
	}
	if !e.To.IsBare() {
		for _, o := range c.router.Sessions(e.To) {
			if o.JID == e.To {
				return false // it went to that session alone
			}
		}
	}
	return s.Available() && s.Priority.Load() >= 0
}

// copies sends a copy to each enabled session of the account that is to have one. Only the head differs between them.
func (c *Carbons) copies(account jid.JID, way string, e *feature.Envelope, wants func(*feature.Session) bool) {
	var payload []byte
	for _, s := range c.router.Sessions(account) {
		if !s.Carbons.Load() || !wants(s) {
			continue
		}
		if payload == nil {
			payload = c.wrap(way, account, e)
		}
		s.Out.Push(stanza.New(stanza.Message, e.Stanza.Type, account, s.JID, "", payload))
	}
}

// wrap forwards the message (XEP-0297 §3). A sent copy has the sender's own stanza-id in the place of the recipient's, which is none of
// the sender's business (XEP-0313 §3.5).
func (c *Carbons) wrap(way string, account jid.JID, e *feature.Envelope) []byte {
	s := e.Stanza
	if way == "sent" {
		s = s.Without(func(k stanza.Child) bool {
			return k.Space == sid && k.Local == "stanza-id" && s.Tree(k).Attr("by") == e.To.Bare().String()
		})
		if e.SentID != 0 {
			s = s.With(c.ids.StanzaID(account, e.SentID))
		}
	}
	var b xml.Builder
	b.Start(Space, way).Start(forward, "forwarded").Raw(s.AppendTo(nil, xml.Client))
	return b.Bytes()
}

// Eligible reports whether a message is copied (XEP-0280 §6.1), also by the hint of XEP-0334 §4.3.
func Eligible(s *stanza.Stanza) bool {
	if s.Type == stanza.Groupchat || s.Type == stanza.Headline || s.Has(Space, "private") || s.Has(hints, "no-copy") {
		return false
	}
	if s.Type == stanza.Chat {
		return true
	}
	for _, c := range s.Children() {
		switch c.Space {
		case xml.Client, xml.Server:
			if c.Local == "body" {
				return true
			}
		case "urn:xmpp:receipts", "http://jabber.org/protocol/chatstates", "urn:xmpp:chat-markers:0",
			"urn:xmpp:jingle-message:0", "eu.siacs.conversations.axolotl", "urn:xmpp:omemo:1", "urn:xmpp:omemo:2":
			return true // an error carries what it answers (RFC 6120 §8.3.1), so this covers bounces of such messages too
		case "jabber:x:conference":
			return true
		case muc:
			if s.Tree(c).Child(muc, "invite") != nil {
				return true
			}
		}
	}
	return false
}

// occupant reports a private message from a room's participant: the room gives it to each joined session itself (XEP-0280 §6.1).
func occupant(e *feature.Envelope) bool {
	if e.From.IsBare() {
		return false
	}
	c, ok := e.Stanza.Child(muc, "x")
	return ok && e.Session == nil && e.Stanza.Tree(c).Child(muc, "invite") == nil
}
