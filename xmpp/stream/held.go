package stream

import (
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// maxHeld bounds what is held for one client; more goes out at once.
const maxHeld = 256

// Held keeps what an inactive client need not have now (XEP-0352 §3): the latest presence of each sender, and the latest chat
// state. The zero value is empty and holds no memory.
type Held struct{ list []*stanza.Stanza }

// Hold keeps the stanza if it can wait, and reports whether it did.
func (h *Held) Hold(s *stanza.Stanza) bool {
	if !canWait(s) {
		return false
	}
	for i, o := range h.list {
		if o.Kind == s.Kind && o.From == s.From && o.To == s.To {
			h.list = append(append(h.list[:i], h.list[i+1:]...), s) // the newer one says it all
			return true
		}
	}
	if len(h.list) >= maxHeld {
		return false
	}
	h.list = append(h.list, s)
	return true
}

// Take empties it, oldest first.
func (h *Held) Take() []*stanza.Stanza {
	l := h.list
	h.list = nil
	return l
}

// Len is the number of stanzas held.
func (h *Held) Len() int { return len(h.list) }

// canWait reports presence of people (not of rooms, whose occupants and codes a client must follow) and messages that are nothing
// but a chat state.
func canWait(s *stanza.Stanza) bool {
	switch s.Kind {
	case stanza.Presence:
		return (s.Type == stanza.Available || s.Type == stanza.Unavailable) && !s.Has("http://jabber.org/protocol/muc#user", "x")
	case stanza.Message:
		state := false
		for _, c := range s.Children() {
			switch {
			case c.Space == "http://jabber.org/protocol/chatstates":
				state = true
			case c.Space == "urn:xmpp:hints", c.Space == xml.Client && c.Local == "thread":
			default:
				return false
			}
		}
		return state
	}
	return false
}
