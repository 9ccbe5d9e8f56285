package stanza

import (
	"errors"
	"strconv"

	"writ/xmpp/jid"
	"writ/xmpp/xml"
)

// Errors is the namespace of stanza error conditions (RFC 6120 §8.3.2).
const Errors = "urn:ietf:params:xml:ns:xmpp-stanzas"

// ErrorType tells the sender what to do (RFC 6120 §8.3.2).
type ErrorType string

const (
	Auth     ErrorType = "auth"     // retry after providing credentials
	Cancel   ErrorType = "cancel"   // do not retry
	Continue ErrorType = "continue" // a warning only
	Modify   ErrorType = "modify"   // retry after changing the data
	Wait     ErrorType = "wait"     // retry after waiting
)

// Error is a stanza error (RFC 6120 §8.3) and a Go error: a handler returns it, the dispatcher answers with it.
type Error struct {
	Type      ErrorType
	Condition Condition
	Text      string  // for people, in English; may be empty
	By        jid.JID // who refuses, if not the addressee
	App       []byte  // application-specific condition: one element made by xml.Builder (RFC 6120 §8.3.4); or nil
}

// NewError makes an error of a defined condition with its recommended type; an unknown condition gives undefined-condition.
func NewError(c Condition, text string) *Error {
	d, ok := defaults[c]
	if !ok {
		c = "undefined-condition"
		d = defaults[c]
	}
	return &Error{Type: d.kind, Condition: c, Text: text}
}

func (e *Error) Error() string {
	s := "stanza: " + string(e.Condition)
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s
}

// WithType is the error with another type, where a specification asks for one that is not the recommended one.
func (e *Error) WithType(t ErrorType) *Error {
	c := *e
	c.Type = t
	return &c
}

// WithApp is the error with an application-specific condition, an empty element of that name.
func (e *Error) WithApp(space, local string) *Error {
	var b xml.Builder
	return e.WithAppXML(b.Empty(space, local).Bytes())
}

// WithAppXML is the error with an application-specific condition made by xml.Builder.
func (e *Error) WithAppXML(app []byte) *Error {
	c := *e
	c.App = app
	return &c
}

// XML is the <error/> child, with the code of XEP-0086 §3.
func (e *Error) XML() []byte {
	var b xml.Builder
	b.Start("", "error", "type", string(e.Type))
	if code := defaults[e.Condition].code; code != 0 {
		b.Attr("code", strconv.Itoa(code))
	}
	if !e.By.IsZero() {
		b.Attr("by", e.By.String())
	}
	b.Empty(Errors, string(e.Condition))
	if e.Text != "" {
		b.Start(Errors, "text").Attr("xml:lang", "en").Text(e.Text).End()
	}
	return b.Raw(e.App).Bytes()
}

// Is makes errors.Is compare conditions: errors.Is(err, stanza.ItemNotFound("")).
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Condition == e.Condition
}

// ErrorOf reads the <error/> of a stanza of type error; nil if there is none. An unknown condition is read as
// undefined-condition.
func ErrorOf(s *Stanza) *Error {
	el := s.Find(s.content, "error")
	if el == nil {
		return nil
	}
	e := &Error{Type: ErrorType(el.Attr("type")), Condition: "undefined-condition"}
	for _, c := range el.Children {
		_, known := defaults[Condition(c.Name.Local)]
		switch {
		case c.Is(Errors, "text"):
			e.Text = c.Text()
		case c.Name.Space == Errors && known:
			e.Condition = Condition(c.Name.Local)
		case c.Name.Space != Errors && e.App == nil:
			e.App = c.AppendTo(nil, s.content)
		}
	}
	return e
}

// Reply is the result of an IQ, from its addressee to its sender (RFC 6120 §8.2.3).
func Reply(orig *Stanza, payload ...[]byte) *Stanza {
	return New(IQ, Result, orig.To, orig.From, orig.ID, payload...)
}

// ErrorReply answers a stanza with an error: err itself if it is or wraps a *Error, else internal-server-error without a
// word of what happened. A message or a presence comes back whole before the error, so that its sender sees which one it was (RFC 6120
// §8.3.1). It is nil when no answer may be given: to an error, or to an IQ result.
func ErrorReply(orig *Stanza, err error) *Stanza {
	if orig.Type == TypeError || orig.Kind == IQ && orig.Type == Result {
		return nil
	}
	var e *Error
	if !errors.As(err, &e) {
		e = InternalServerError("")
	}
	if orig.Kind == IQ { // matched by its id
		return New(IQ, TypeError, orig.To, orig.From, orig.ID, e.XML())
	}
	whole := orig.Without(func(c Child) bool { return c.Local == "error" && c.Space == orig.content })
	return whole.WithHead(orig.To, orig.From, orig.ID, TypeError).With(e.XML())
}
