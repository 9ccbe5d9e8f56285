// Package stanza holds a stanza as the bytes that were received (RFC 6120 §8): its head, and an index of its children.
//
// A Stanza is immutable: every method that changes something gives a new one, and shares the bytes of the children where
// it can. So one stanza may be queued for many sessions at once. What another party sent is never re-encoded.
package stanza

import (
	"writ/xmpp/jid"
	"writ/xmpp/xml"
)

// Kind is the name of a stanza.
type Kind uint8

const (
	Message Kind = iota + 1
	Presence
	IQ
)

// String is the element's name.
func (k Kind) String() string {
	switch k {
	case Message:
		return "message"
	case Presence:
		return "presence"
	case IQ:
		return "iq"
	}
	return ""
}

// Type is the 'type' attribute.
type Type string

const (
	Get       Type = "get" // of IQs (RFC 6120 §8.2.3)
	Set       Type = "set"
	Result    Type = "result"
	TypeError Type = "error" // of all kinds

	Normal    Type = "normal" // of messages (RFC 6121 §5.2.2); a message without type has it
	Chat      Type = "chat"
	Headline  Type = "headline"
	Groupchat Type = "groupchat"

	Available    Type = "" // of presence (RFC 6121 §4.7.1)
	Unavailable  Type = "unavailable"
	Subscribe    Type = "subscribe"
	Subscribed   Type = "subscribed"
	Unsubscribe  Type = "unsubscribe"
	Unsubscribed Type = "unsubscribed"
	Probe        Type = "probe"
)

// Stanza is one stanza. The exported fields are its head; do not change them.
type Stanza struct {
	Kind     Kind
	Type     Type // a message without or with an unknown type has Normal
	From, To jid.JID
	ID, Lang string

	bytes    []byte // holds the children; the head in it is not used
	in, out  int    // bytes[in:out] stands between the tags
	children []Child
	content  string // the default namespace around the children

	tail []byte // what stands behind 'to' when it is written, if that was made ready (Shared); of exactly this head and these children
}

// Child is an element directly inside a stanza.
type Child = xml.Child

// Parse makes a stanza of a first-level element. The error is a *Error when the stanza is to be answered with it
// (bad-request, jid-malformed); then the stanza is given too, with the head as far as it could be read. A name that is no
// stanza gives ErrKind.
func Parse(r *xml.Raw) (*Stanza, error) { return parse(r) }

// ParseServer is Parse for a stream between servers (RFC 6120 §4.8.3): the stanza is in jabber:server, and what is given is the same in jabber:client,
// the only one that the rooms know. A child that says itself that it is of jabber:server is answered with bad-request: written on a client's stream it
// would mean something else. Any other namespace gives ErrKind.
func ParseServer(r *xml.Raw) (*Stanza, error) { return parseServer(r) }

// Decode reads a stanza that AppendTo wrote with a namespace.
func Decode(b []byte) (*Stanza, error) { return decode(b) }

// New makes a stanza. Each child is one element made by xml.Builder or taken from a stanza.
func New(kind Kind, typ Type, from, to jid.JID, id string, children ...[]byte) *Stanza {
	return (&Stanza{Kind: kind, Type: typ, From: from, To: to, ID: id, content: xml.Client}).With(children...)
}

// Children is the index of the children, in order. Do not change it.
func (s *Stanza) Children() []Child { return s.children }

// Child is the first child of that name.
func (s *Stanza) Child(space, local string) (Child, bool) {
	for _, c := range s.children {
		if c.Local == local && c.Space == space {
			return c, true
		}
	}
	return Child{}, false
}

// Has reports that there is a child of that name.
func (s *Stanza) Has(space, local string) bool {
	_, ok := s.Child(space, local)
	return ok
}

// Bytes is a child as it was received.
func (s *Stanza) Bytes(c Child) []byte { return s.bytes[c.Start:c.End:c.End] }

// Tree is the tree view of a child.
func (s *Stanza) Tree(c Child) *xml.Element {
	e, err := xml.Parse(s.Bytes(c), s.content)
	if err != nil {
		panic("stanza: an indexed child does not parse: " + err.Error()) // the tokenizer accepted these bytes before
	}
	return e
}

// Find is the tree view of the first child of that name, or nil.
func (s *Stanza) Find(space, local string) *xml.Element {
	if c, ok := s.Child(space, local); ok {
		return s.Tree(c)
	}
	return nil
}

// Body is the text of the first <body/>, and whether there is one.
func (s *Stanza) Body() (string, bool) {
	if e := s.Find(s.content, "body"); e != nil {
		return e.Text(), true
	}
	return "", false
}

// Size is the number of bytes between the tags.
func (s *Stanza) Size() int { return s.out - s.in }

// WithHead is the stanza with another head; the children's bytes are shared.
func (s *Stanza) WithHead(from, to jid.JID, id string, typ Type) *Stanza {
	c := *s
	c.From, c.To, c.ID, c.Type, c.tail = from, to, id, typ, nil
	return &c
}

// WithFrom is the stanza with another sender.
func (s *Stanza) WithFrom(from jid.JID) *Stanza { return s.WithHead(from, s.To, s.ID, s.Type) }

// WithTo is the stanza with another addressee.
func (s *Stanza) WithTo(to jid.JID) *Stanza {
	c := *s
	c.To = to
	return &c
}

// Shared is the stanza made ready to be written to many: all but its 'to' is encoded once, for it and for every WithTo of it.
func (s *Stanza) Shared() *Stanza {
	if s.tail != nil {
		return s
	}
	c := *s
	c.tail = s.appendTail(make([]byte, 0, s.Size()+headRoom+len(s.From.String())))
	if s.in == s.out {
		return &c
	}
	// The children are kept there alone.
	c.out = len(c.tail) - len("</>") - len(s.Kind.String())
	c.in = c.out - s.Size()
	c.bytes, c.children = c.tail, make([]Child, len(s.children))
	for i, k := range s.children {
		k.Start, k.End = k.Start-s.in+c.in, k.End-s.in+c.in
		c.children[i] = k
	}
	return &c
}

// headRoom is about what a head takes beside its addresses.
const headRoom = 96

// WithLang is the stanza with another default language (RFC 6120 §8.1.5).
func (s *Stanza) WithLang(lang string) *Stanza {
	c := *s
	c.Lang, c.tail = lang, nil
	return &c
}

// Without is the stanza without the children for which drop is true; the stanza itself if there are none.
func (s *Stanza) Without(drop func(Child) bool) *Stanza { return s.without(drop) }

// With is the stanza with more children at its end, each one element made by xml.Builder or taken from a stanza. It
// panics when a child is not well-formed: that is a fault of the program, never of input.
func (s *Stanza) With(children ...[]byte) *Stanza { return s.with(children) }

// AppendTo writes the stanza. ns is declared on it as the default namespace: give xml.Client for a WebSocket, for
// forwarding (XEP-0297) and for storage, and "" on a stream whose default namespace it is already.
func (s *Stanza) AppendTo(dst []byte, ns string) []byte { return s.AppendFor(dst, ns, s.To) }

// AppendFor writes the stanza as one to another addressee.
func (s *Stanza) AppendFor(dst []byte, ns string, to jid.JID) []byte {
	name := s.Kind.String()
	dst = append(append(dst, '<'), name...)
	if ns != "" {
		dst = xml.AppendAttr(dst, "xmlns", ns)
	}
	if !to.IsZero() {
		dst = xml.AppendAttr(dst, "to", to.String())
	}
	if s.tail != nil {
		return append(dst, s.tail...)
	}
	return s.appendTail(dst)
}

// appendTail writes what stands behind the 'to'.
func (s *Stanza) appendTail(dst []byte) []byte {
	name := s.Kind.String()
	if !s.From.IsZero() {
		dst = xml.AppendAttr(dst, "from", s.From.String())
	}
	if s.ID != "" {
		dst = xml.AppendAttr(dst, "id", s.ID)
	}
	if s.Type != "" && !(s.Kind == Message && s.Type == Normal) {
		dst = xml.AppendAttr(dst, "type", string(s.Type))
	}
	if s.Lang != "" {
		dst = xml.AppendAttr(dst, "xml:lang", s.Lang)
	}
	if s.in == s.out {
		return append(dst, "/>"...)
	}
	dst = append(append(dst, '>'), s.bytes[s.in:s.out]...)
	return append(append(append(dst, "</"...), name...), '>')
}

// String is the stanza with its namespace, for tests. It holds bodies: never log it.
func (s *Stanza) String() string { return string(s.AppendTo(nil, xml.Client)) }
