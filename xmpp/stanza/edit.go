package stanza

import (
	"errors"
	"fmt"

	"writ/xmpp/jid"
	"writ/xmpp/xml"
)

// ErrKind says that an element is no stanza; a stream answers it with unsupported-stanza-type (RFC 6120 §4.9.3.24).
var ErrKind = errors.New("stanza: not a message, presence or iq")

func kindOf(n xml.Name) Kind {
	if n.Space != xml.Client && n.Space != xml.Server {
		return 0
	}
	switch n.Local {
	case "message":
		return Message
	case "presence":
		return Presence
	case "iq":
		return IQ
	}
	return 0
}

func parse(r *xml.Raw) (*Stanza, error) {
	s := &Stanza{Kind: kindOf(r.Name), bytes: r.Bytes, in: r.In, out: r.Out, children: r.Children, content: r.Content}
	if s.Kind == 0 {
		return nil, ErrKind
	}
	s.ID, s.Lang, s.Type = r.Attr("id"), r.Attr("xml:lang"), Type(r.Attr("type"))
	var fault *Error
	var err error
	if s.From, err = optional(r.Attr("from")); err != nil {
		fault = JIDMalformed("the 'from' is no address")
	}
	if s.To, err = optional(r.Attr("to")); err != nil {
		fault = JIDMalformed("the 'to' is no address")
	}
	if e := s.check(); e != nil {
		fault = e
	}
	if fault != nil {
		return s, fault
	}
	return s, nil
}

func optional(s string) (jid.JID, error) {
	if s == "" {
		return jid.JID{}, nil
	}
	return jid.Parse(s)
}

// check applies the rules of each kind: RFC 6120 §8.2.3 for IQs, RFC 6121 §4.7.1 for presence, RFC 6121 §5.2.2 for
// messages, whose unknown types are read as normal.
func (s *Stanza) check() *Error {
	switch s.Kind {
	case Message:
		switch s.Type {
		case Chat, Headline, Groupchat, TypeError:
		default:
			s.Type = Normal
		}
	case Presence:
		switch s.Type {
		case Available, Unavailable, Subscribe, Subscribed, Unsubscribe, Unsubscribed, Probe, TypeError:
		default:
			return BadRequest("a presence has no type of that name")
		}
	case IQ:
		return s.checkIQ()
	}
	return nil
}

func (s *Stanza) checkIQ() *Error {
	switch {
	case s.ID == "":
		return BadRequest("an iq needs an id")
	case s.Type == Get || s.Type == Set:
		if len(s.children) != 1 {
			return BadRequest(fmt.Sprintf("an iq of type %s has exactly one child, not %d", s.Type, len(s.children)))
		}
	case s.Type == Result:
		if len(s.children) > 1 {
			return BadRequest("an iq of type result has at most one child")
		}
	case s.Type != TypeError:
		return BadRequest("the type of an iq is get, set, result or error")
	}
	return nil
}

func parseServer(r *xml.Raw) (*Stanza, error) {
	if r.Name.Space != xml.Server {
		return nil, ErrKind
	}
	s, err := parse(r)
	if s == nil {
		return nil, err
	}
	s.content = xml.Client
	s.children = append([]Child(nil), r.Children...)
	for i, c := range s.children {
		if c.Space != xml.Server {
			continue
		}
		name, e := xml.NameOf(r.Bytes[c.Start:c.End], xml.Client)
		if e != nil || name.Space != xml.Client {
			return s, BadRequest("an element of the stanza says that it is of jabber:server")
		}
		s.children[i].Space = xml.Client
	}
	return s, err
}

func decode(b []byte) (*Stanza, error) {
	r, err := xml.Index(b, "")
	if err != nil {
		return nil, fmt.Errorf("stanza: decoding: %w", err)
	}
	s, err := parse(r)
	if err != nil {
		return nil, fmt.Errorf("stanza: decoding: %w", err)
	}
	return s, nil
}

func (s *Stanza) without(drop func(Child) bool) *Stanza {
	n, size := 0, 0
	for _, c := range s.children {
		if drop(c) {
			n++
			size += c.End - c.Start
		}
	}
	if n == 0 {
		return s
	}
	c := *s
	c.tail = nil
	c.bytes = make([]byte, 0, s.out-s.in-size)
	c.children = make([]Child, 0, len(s.children)-n)
	at := s.in
	for _, k := range s.children {
		c.bytes = append(c.bytes, s.bytes[at:k.Start]...) // text between the children stays
		at = k.End
		if !drop(k) {
			start := len(c.bytes)
			c.bytes = append(c.bytes, s.bytes[k.Start:k.End]...)
			c.children = append(c.children, Child{Space: k.Space, Local: k.Local, Start: start, End: len(c.bytes)})
		}
	}
	c.bytes = append(c.bytes, s.bytes[at:s.out]...)
	c.in, c.out = 0, len(c.bytes)
	return &c
}

func (s *Stanza) with(children [][]byte) *Stanza {
	size := 0
	for _, b := range children {
		size += len(b)
	}
	if size == 0 {
		return s
	}
	c := *s
	c.tail = nil
	c.bytes = append(make([]byte, 0, s.out-s.in+size), s.bytes[s.in:s.out]...)
	c.children = make([]Child, 0, len(s.children)+len(children))
	for _, k := range s.children {
		c.children = append(c.children, Child{Space: k.Space, Local: k.Local, Start: k.Start - s.in, End: k.End - s.in})
	}
	for _, b := range children {
		if len(b) == 0 {
			continue
		}
		name, err := xml.NameOf(b, c.content)
		if err != nil {
			panic("stanza: adding a child that is no element: " + err.Error())
		}
		start := len(c.bytes)
		c.bytes = append(c.bytes, b...)
		c.children = append(c.children, Child{Space: name.Space, Local: name.Local, Start: start, End: len(c.bytes)})
	}
	c.in, c.out = 0, len(c.bytes)
	return &c
}
