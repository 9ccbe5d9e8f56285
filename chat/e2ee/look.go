package e2ee

import (
	"regexp"
	"strings"

	"writ/xmpp/feature"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// View is what the form of a message shows.
type View = feature.Form

const omemo03Space = "eu.siacs.conversations.axolotl"

// Look decides from the message alone.
func Look(s *stanza.Stanza) View {
	var v View
	var exempt, marked, confirms, other, omemos bool
	for _, c := range s.Children() {
		switch {
		case isBody(c):
			v.Body = true
		case text(s, c):
			other = true
		case c.Local == "encrypted" && (c.Space == omemo03Space || c.Space == "urn:xmpp:omemo:1" || c.Space == "urn:xmpp:omemo:2"):
			el := s.Tree(c)
			if !omemos {
				omemos, v.Keys = true, el.Child(c.Space, "payload") == nil
			}
			v.Encrypted = v.Encrypted || c.Space == omemo03Space && omemo03(el) || c.Space != omemo03Space && omemo(el)
		case encrypted(s, c):
			v.Encrypted = true
		case noMessage(s, c):
			exempt = true
		case confirmation(c):
			confirms = true
		case c.Space == "urn:xmpp:fallback:0" && c.Local == "fallback":
			marked = true // a hint: it counts only beside what it is a fallback for
		}
	}
	if v.Body && !v.Encrypted {
		body, _ := s.Body()
		if v.OTR = otr(body); v.OTR != "" {
			v.Encrypted = true
		}
	}
	switch {
	case other:
		v.Readable = true
	case v.Body && !v.Encrypted:
		// A receipt beside a real text would be an easy way around: its body must be marked as a fallback (XEP-0428 §3).
		v.Readable = !exempt && !(confirms && marked)
	}
	return v
}

// text reports an element, other than the body, that carries text or points to content that is not encrypted.
func text(s *stanza.Stanza, c stanza.Child) bool {
	switch c.Space {
	case xml.Client, xml.Server:
		return c.Local == "body" && s.Type == stanza.TypeError || c.Local == "subject" && s.Tree(c).Text() != ""
	case "http://jabber.org/protocol/xhtml-im", "jabber:x:oob", "http://jabber.org/protocol/geoloc", "urn:xmpp:bob", "urn:xmpp:forward:0",
		"urn:xmpp:sims:1", "urn:xmpp:sfs:0", "urn:xmpp:file:metadata:0", "urn:xmpp:json-msg:0", "http://jabber.org/protocol/xdata-layout":
		return true
	case "urn:xmpp:reference:0": // harmless as a mention; with media it is a picture
		el := s.Tree(c)
		return el.Child("urn:xmpp:sims:1", "media-sharing") != nil
	}
	return false
}

// noMessage reports an element by which a stanza is no message to a person; a body beside it is a fallback.
func noMessage(s *stanza.Stanza, c stanza.Child) bool {
	switch c.Space {
	case "urn:xmpp:jingle-message:0", "urn:xmpp:jingle-message:1", "urn:xmpp:call-invites:0", "urn:xmpp:call-message:1", // calls
		"urn:xmpp:jingle:1", "urn:xmpp:jingle:muji:0",
		"urn:xmpp:reactions:0",
		"urn:xmpp:message-retract:0", "urn:xmpp:message-retract:1", "urn:xmpp:message-moderate:0", "urn:xmpp:message-moderate:1",
		"jabber:x:conference": // XEP-0249
		return true
	case "http://jabber.org/protocol/muc#user": // XEP-0045 §7.8.2
		el := s.Tree(c)
		return el.Child(c.Space, "invite") != nil || el.Child(c.Space, "decline") != nil
	case "urn:xmpp:fasten:0": // how retractions were sent before
		return s.Tree(c).Child("urn:xmpp:message-retract:0", "retract") != nil
	}
	return false
}

// confirmation reports what says that another message arrived or was read.
func confirmation(c stanza.Child) bool {
	switch c.Space {
	case "urn:xmpp:receipts":
		return c.Local == "received"
	case "urn:xmpp:chat-markers:0":
		return c.Local != "markable"
	case "urn:xmpp:mds:displayed:0":
		return true
	}
	return false
}

// encrypted reports a well-formed encrypted element other than OMEMO's.
func encrypted(s *stanza.Stanza, c stanza.Child) bool {
	switch {
	case c.Local == "openpgp" && c.Space == "urn:xmpp:openpgp:0": // XEP-0373 §3
		return base64ed(s.Tree(c).Text())
	case c.Local == "x" && c.Space == "jabber:x:encrypted": // XEP-0027: an OpenPGP message without its armour's header
		return armoured(s.Tree(c).Text())
	}
	return false
}

// omemo03 checks {eu.siacs.conversations.axolotl}encrypted: <header sid><key rid/>…<iv/></header><payload/>; without payload it
// transports a key.
func omemo03(e *xml.Element) bool {
	space := e.Name.Space
	header := e.Child(space, "header")
	if !number(header.Attr("sid")) {
		return false
	}
	keys := header.All(space, "key")
	for _, k := range keys {
		if !number(k.Attr("rid")) || !base64ed(k.Text()) {
			return false
		}
	}
	payload := e.Child(space, "payload")
	return len(keys) > 0 && (payload == nil || base64ed(payload.Text()) && base64ed(header.Child(space, "iv").Text())) &&
		only(e, "header", "payload") && only(header, "key", "iv") && bare(e) && bare(header)
}

// omemo checks {urn:xmpp:omemo:2}encrypted: <header sid><keys jid><key rid/>…</keys>…</header><payload/> (XEP-0384 §4.4).
func omemo(e *xml.Element) bool {
	space := e.Name.Space
	header := e.Child(space, "header")
	if !number(header.Attr("sid")) || !only(e, "header", "payload") || !only(header, "keys") || !bare(e) || !bare(header) {
		return false
	}
	n := 0
	for _, keys := range header.All(space, "keys") {
		if keys.Attr("jid") == "" || !only(keys, "key") || !bare(keys) {
			return false
		}
		for _, k := range keys.All(space, "key") {
			if !number(k.Attr("rid")) || !base64ed(k.Text()) {
				return false
			}
			n++
		}
	}
	payload := e.Child(space, "payload")
	return n > 0 && (payload == nil || base64ed(payload.Text()))
}

// only reports that an element has no children but those of its own namespace with these names.
func only(e *xml.Element, names ...string) bool {
	for _, c := range e.Children {
		ok := false
		for _, n := range names {
			ok = ok || c.Is(e.Name.Space, n)
		}
		if !ok {
			return false
		}
	}
	return true
}

// bare reports that there is no text between the children.
func bare(e *xml.Element) bool { return strings.TrimSpace(e.Text()) == "" }

// number reports a device id: up to 10 digits.
func number(s string) bool {
	return s != "" && len(s) <= 10 && strings.Trim(s, "0123456789") == ""
}

// base64ed reports text that is base64 of at least one byte, padded or not. Lines may be broken; a space inside would let sentences
// pass. It runs for each key of each message, so it decodes nothing.
func base64ed(s string) bool {
	digits, pads := 0, 0
	s = strings.TrimSpace(s)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case digit64[c]:
			if pads > 0 {
				return false
			}
			digits++
		case c == '=':
			pads++
		case c != '\n' && c != '\r':
			return false
		}
	}
	return digits > 1 && digits%4 != 1 && (pads == 0 || pads <= 2 && (digits+pads)%4 == 0)
}

var digit64 = func() (t [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" {
		t[c] = true
	}
	return t
}()

// armoured reports the body of an OpenPGP message: base64, and perhaps a line with its checksum.
func armoured(s string) bool {
	s = strings.TrimSpace(s)
	if i := strings.LastIndex(s, "\n="); i > 0 && len(strings.TrimSpace(s[i:])) == 5 {
		s = s[:i]
	}
	return len(s) >= 32 && base64ed(s)
}

var (
	otrData  = regexp.MustCompile(`^\?OTR:[A-Za-z0-9+/=]{20,}\.$`)
	otrPart  = regexp.MustCompile(`^\?OTR[,|][0-9a-f|]*,?[0-9]+,[0-9]+,[A-Za-z0-9+/=?OTR:.]+,$`)
	otrQuery = regexp.MustCompile(`^\?OTR(\?v?|v)[0-9x]*\?`)
)

// otr is the OTR message that a body is: data, a part of data, or a query, whose human words are left out. Empty if it is none.
func otr(body string) string {
	body = strings.TrimSpace(body)
	if otrData.MatchString(body) || otrPart.MatchString(body) {
		return body
	}
	if q := otrQuery.FindString(body); q != "" {
		return q
	}
	if strings.HasPrefix(body, "?OTR?") {
		return "?OTR?"
	}
	return ""
}
