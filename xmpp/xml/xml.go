// Package xml reads and writes the XML of XMPP streams (RFC 6120 §11): a strict tokenizer that takes bytes in pieces of
// any size and gives whole first-level elements, a tree view of them, and a builder that escapes.
//
// It is stricter than XML 1.0, as RFC 6120 §11.1 asks: no document type, comment, processing instruction or entity
// beyond the five predefined ones. Limits act while bytes arrive, not after an element is complete, so that a peer
// cannot make us hold more than Limits.Bytes plus the index, whose size the other limits bound.
//
// Invariants:
//   - What the decoder accepts is well-formed XML with namespaces in UTF-8, and encoding/xml in strict mode reads the same tree of it.
//   - The bytes of an element are the bytes that were received, except where a child used a namespace declared outside it:
//     then the declaration is written into the child. So every child can be cut out and put into any element whose
//     default namespace is the content namespace.
//   - Text enters a document through Builder or the Append functions only; they escape it.
package xml

// Namespaces of streams (RFC 6120 §4.8) and of framing (RFC 7395 §3.3).
const (
	Stream  = "http://etherx.jabber.org/streams"
	Client  = "jabber:client"
	Server  = "jabber:server"
	Framing = "urn:ietf:params:xml:ns:xmpp-framing"
	xmlNS   = "http://www.w3.org/XML/1998/namespace"
	xmlnsNS = "http://www.w3.org/2000/xmlns/"
)

// Name is an expanded name.
type Name struct{ Space, Local string }

// Attr is an attribute; Name.Space is empty unless it had a prefix. Namespace declarations are not attributes here.
type Attr struct {
	Name  Name
	Value string
}

// Limits bound one first-level element (or one open tag of a stream). Zero means the value of BeforeLogin.
type Limits struct {
	Bytes     int // bytes from '<' to the last '>'
	Elements  int // elements, itself included
	Depth     int // of elements; the first level is 1
	Attrs     int // attributes and namespace declarations of one tag
	AttrBytes int // bytes of one attribute's value, as sent
	Decls     int // namespace declarations
}

// BeforeLogin are the limits for a peer that has not proved who it is.
func BeforeLogin() Limits {
	return Limits{Bytes: 8 << 10, Elements: 32, Depth: 32, Attrs: 32, AttrBytes: 4 << 10, Decls: 32}
}

// AfterLogin are the limits for an authenticated peer whose stanzas may have at most bytes bytes (XEP-0478 advertises it).
func AfterLogin(bytes int) Limits {
	return Limits{Bytes: bytes, Elements: max(1000, bytes/16), Depth: 64, Attrs: 128, AttrBytes: min(bytes, 64<<10), Decls: 256}
}

// Error is a fault of the peer's bytes. It ends the stream with its condition (RFC 6120 §4.9.3).
type Error struct {
	Condition string // not-well-formed, restricted-xml, policy-violation, bad-format, unsupported-encoding, bad-namespace-prefix, invalid-namespace
	App       string // application condition to add: "stanza-too-big" (XEP-0205 §5 names the namespace), or empty
	Text      string // what was wrong, for people
}

func (e *Error) Error() string { return "xml: " + e.Condition + ": " + e.Text }

// Kind says what the decoder found.
type Kind uint8

const (
	Need  Kind = iota // nothing yet: feed more
	Open              // the open tag of a stream, or <open/> of RFC 7395
	Item              // a whole first-level element
	Space             // white space between elements: a keep-alive (RFC 6120 §4.6.1)
	Close             // the stream's end tag, or <close/> of RFC 7395
)

// Event is what Next found.
type Event struct {
	Kind Kind
	Open Header // for Open
	Item *Raw   // for Item; also <close/> of RFC 7395 for its attributes
}

// Header is the open tag of a stream.
type Header struct {
	Name    Name   // {Stream}stream, or {Framing}open
	Content string // the default namespace: jabber:client or jabber:server; empty if none
	Attrs   []Attr
}

// Attr is the value of an attribute without a namespace; xml:lang is Attr("xml:lang").
func (h *Header) Attr(local string) string { return find(h.Attrs, local) }

// Raw is a first-level element as received, with its index.
type Raw struct {
	Name     Name
	Attrs    []Attr
	Bytes    []byte // the whole element; owned by the receiver of the event, never written again
	In, Out  int    // Bytes[In:Out] is what stands between its tags
	Children []Child
	Content  string // the namespace of a child whose bytes declare none: that of the element itself

	outer []binding
}

// Child is an element directly inside a first-level element.
type Child struct {
	Space, Local string
	Start, End   int // Bytes[Start:End] is the element
}

// Attr is the value of an attribute without a namespace; xml:lang is Attr("xml:lang").
func (r *Raw) Attr(local string) string { return find(r.Attrs, local) }

func find(attrs []Attr, local string) string {
	space := ""
	if local == "xml:lang" {
		space, local = xmlNS, "lang"
	}
	for i := range attrs {
		if attrs[i].Name.Local == local && attrs[i].Name.Space == space {
			return attrs[i].Value
		}
	}
	return ""
}
