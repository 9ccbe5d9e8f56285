package archive

import (
	"strings"

	"writ/xmpp/feature"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// The kinds of message that the log tells apart. None says anything of what a message says.
const (
	Encrypted  = "encrypted"  // carries ciphertext
	Key        = "key"        // OMEMO without payload: keys alone
	Text       = "text"       // has a readable body or subject
	Call       = "call"       // signals a call (XEP-0353, XEP-0482)
	Receipt    = "receipt"    // delivered (XEP-0184)
	Marker     = "marker"     // read (XEP-0333)
	Reaction   = "reaction"   // XEP-0444
	Retraction = "retraction" // XEP-0424
	Invite     = "invite"     // to a room (XEP-0249, XEP-0045 §7.8)
	State      = "state"      // typing and the like, alone (XEP-0085)
	Headline   = "headline"
	Groupchat  = "groupchat"
	Bounce     = "error"
	Other      = "other"
)

const hints = "urn:xmpp:hints"

// Verdict says how a message is kept.
type Verdict struct {
	Kind    string
	Archive bool // in the archives of its parties (XEP-0313 §6.1.1, XEP-0334 §4)
	Offline bool // for a recipient without a session (XEP-0160 §3)
	Mute    bool // of the moment: when it reaches nobody it is dropped, not bounced
}

// Judge decides from the message alone. Hints are taken only from chat and normal messages (XEP-0334 §5).
func Judge(s *stanza.Stanza) Verdict { return judge(s, nil) }

// judge is Judge with what a room before this one has seen of the message; form may be nil.
func judge(s *stanza.Stanza, form *feature.Form) Verdict {
	switch s.Type {
	case stanza.Headline:
		return Verdict{Kind: Headline, Mute: true}
	case stanza.Groupchat:
		return Verdict{Kind: Groupchat}
	case stanza.TypeError:
		return Verdict{Kind: Bounce, Mute: true}
	}
	v := Verdict{Kind: kindOf(s, form)}
	v.Archive = v.Kind != State && v.Kind != Other
	v.Offline = v.Kind != State
	v.Mute = v.Kind == State
	if s.Has(hints, "store") { // XEP-0334 §4.4
		v.Archive, v.Offline, v.Mute = true, true, false
	}
	if s.Has(hints, "no-permanent-store") { // XEP-0334 §4.1
		v.Archive = false
	}
	if s.Has(hints, "no-store") { // XEP-0334 §4.2; it wins over <store/>: keeping less is the safer reading
		v.Archive, v.Offline = false, false
	}
	return v
}

// VerdictOf is the verdict that Shape noted on the envelope; one that did not come by there is judged now.
func VerdictOf(e *feature.Envelope) Verdict {
	if e.Judged {
		return Verdict{Kind: e.Kind, Archive: e.Archive, Offline: e.Waits, Mute: e.Mute}
	}
	return judge(e.Stanza, seen(e))
}

// seen is what the e2ee room has noted, if it looked.
func seen(e *feature.Envelope) *feature.Form {
	if e.Looked == nil {
		return nil
	}
	return &e.Form
}

// kindOf names a chat or normal message by the most telling of its children.
func kindOf(s *stanza.Stanza, form *feature.Form) string {
	var body, receipt, marker, reaction, retraction, invite, state, rest bool
	for _, c := range s.Children() {
		switch c.Space {
		case "eu.siacs.conversations.axolotl", "urn:xmpp:omemo:1", "urn:xmpp:omemo:2":
			if c.Local == "encrypted" {
				return omemoKind(s, c, form)
			}
		case "urn:xmpp:openpgp:0":
			if c.Local == "openpgp" {
				return Encrypted
			}
		case "jabber:x:encrypted":
			return Encrypted
		case "urn:xmpp:jingle-message:0", "urn:xmpp:jingle-message:1", "urn:xmpp:call-invites:0", "urn:xmpp:call-message:1":
			return Call
		case xml.Client, xml.Server:
			body = body || c.Local == "body" || c.Local == "subject"
			rest = rest || c.Local != "thread"
		case "urn:xmpp:receipts":
			receipt = receipt || c.Local == "received"
		case "urn:xmpp:chat-markers:0":
			marker = marker || c.Local != "markable"
		case "urn:xmpp:reactions:0":
			reaction = true
		case "urn:xmpp:message-retract:1", "urn:xmpp:message-retract:0":
			retraction = true
		case "jabber:x:conference":
			invite = true
		case "http://jabber.org/protocol/muc#user":
			x := s.Tree(c)
			switch {
			case x.Child(c.Space, "invite") != nil, x.Child(c.Space, "decline") != nil:
				invite = true
			case x.Child(c.Space, "item") != nil, x.Child(c.Space, "status") != nil:
				state = true // what a room tells its occupants of the moment
			default:
				rest = true
			}
		case "http://jabber.org/protocol/chatstates":
			state = true
		case hints, "urn:xmpp:sid:0", "urn:xmpp:carbons:2":
		default:
			rest = true
		}
	}
	switch {
	case invite:
		return Invite
	case retraction:
		return Retraction
	case reaction:
		return Reaction
	case body:
		if otr(s) {
			return Encrypted
		}
		return Text
	case receipt:
		return Receipt
	case marker:
		return Marker
	case state && !rest:
		return State
	}
	return Other
}

// omemoKind tells a message from keys alone: those are no message to a person (XEP-0384 §5.8 calls them empty).
func omemoKind(s *stanza.Stanza, c stanza.Child, form *feature.Form) string {
	if form != nil && form.Keys || form == nil && s.Tree(c).Child(c.Space, "payload") == nil {
		return Key
	}
	return Encrypted
}

// otr reports a body of Off-the-Record messaging (XEP-0364).
func otr(s *stanza.Stanza) bool {
	b, _ := s.Body()
	return strings.HasPrefix(b, "?OTR")
}
