// Package stream is what a stream says and counts, apart from any connection: headers and features (RFC 6120 §4.7, §4.3.2; RFC 7395
// §3.4), stream errors (RFC 6120 §4.9), the queue of stream management (XEP-0198), what is held back from an inactive
// client (XEP-0352), the announced limits (XEP-0478), and the token bucket on input.
//
// Invariants:
//   - Nothing here blocks, knows the time of day, or has a goroutine: callers bring time and connection.
//   - The counters of stream management are modulo 2^32 (XEP-0198 §4).
package stream

import (
	"strconv"

	"writ/xmpp/xml"
)

// Namespaces of what is negotiated on a stream.
const (
	Errors   = "urn:ietf:params:xml:ns:xmpp-streams" // RFC 6120 §4.9.2
	TLS      = "urn:ietf:params:xml:ns:xmpp-tls"     // RFC 6120 §5
	SASL     = "urn:ietf:params:xml:ns:xmpp-sasl"    // RFC 6120 §6
	Bind     = "urn:ietf:params:xml:ns:xmpp-bind"    // RFC 6120 §7
	Session  = "urn:ietf:params:xml:ns:xmpp-session" // RFC 3921 (section 3), a no-op since RFC 6121
	Managed  = "urn:xmpp:sm:3"                       // XEP-0198
	State    = "urn:xmpp:csi:0"                      // XEP-0352
	Limits   = "urn:xmpp:stream-limits:0"            // XEP-0478
	Bindings = "urn:xmpp:sasl-cb:0"                  // XEP-0440
	SASL2    = "urn:xmpp:sasl:2"                     // XEP-0388
	Bind2    = "urn:xmpp:bind:0"                     // XEP-0386
	FAST     = "urn:xmpp:fast:0"                     // XEP-0484
	Upgrade  = "urn:xmpp:sasl:upgrade:0"             // XEP-0480
	Scram    = "urn:xmpp:scram-upgrade:0"            // XEP-0480 §3
	Pipeline = "urn:xmpp:iap:0"                      // XEP-0509
)

// Opening is what the answer to a stream header says.
type Opening struct {
	From   string // the served domain
	To     string // who the client said it is; empty if it did not, or before TLS
	ID     string
	Lang   string
	Framed bool // RFC 7395
}

// AppendTo writes the header (RFC 6120 §4.7) or <open/> (RFC 7395 §3.4).
func (o Opening) AppendTo(dst []byte) []byte {
	if o.Framed {
		dst = append(dst, "<open xmlns='"+xml.Framing+"'"...)
	} else {
		dst = append(dst, "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='"+xml.Stream+"'"...)
	}
	dst = xml.AppendAttr(dst, "from", o.From)
	if o.To != "" {
		dst = xml.AppendAttr(dst, "to", o.To)
	}
	dst = xml.AppendAttr(dst, "id", o.ID)
	dst = append(dst, " version='1.0'"...)
	lang := o.Lang
	if lang == "" {
		lang = "en"
	}
	dst = xml.AppendAttr(dst, "xml:lang", lang)
	if o.Framed {
		return append(dst, "/>"...)
	}
	return append(dst, '>')
}

// AppendFeatures writes <stream:features/> around the features, which are elements (RFC 6120 §4.3.2).
func AppendFeatures(dst []byte, framed bool, features ...string) []byte {
	if framed {
		dst = append(dst, "<stream:features xmlns:stream='"+xml.Stream+"'>"...)
	} else {
		dst = append(dst, "<stream:features>"...)
	}
	for _, f := range features {
		dst = append(dst, f...)
	}
	return append(dst, "</stream:features>"...)
}

// AppendClose writes the end of the stream (RFC 6120 §4.4, RFC 7395 §3.6).
func AppendClose(dst []byte, framed bool) []byte {
	if framed {
		return append(dst, "<close xmlns='"+xml.Framing+"'/>"...)
	}
	return append(dst, "</stream:stream>"...)
}

// LimitsFeature announces the limits of one direction (XEP-0478 §2): bytes of a first-level element, and seconds of silence
// after which the stream may be closed.
func LimitsFeature(bytes, idle int) string {
	return "<limits xmlns='" + Limits + "'><max-bytes>" + strconv.Itoa(bytes) + "</max-bytes><idle-seconds>" + strconv.Itoa(idle) + "</idle-seconds></limits>"
}

// conditions are those of RFC 6120 §4.9.3.
var conditions = map[string]bool{
	"bad-format": true, "bad-namespace-prefix": true, "conflict": true, "connection-timeout": true, "host-gone": true, "host-unknown": true,
	"improper-addressing": true, "internal-server-error": true, "invalid-from": true, "invalid-namespace": true, "invalid-xml": true,
	"not-authorized": true, "not-well-formed": true, "policy-violation": true, "remote-connection-failed": true, "reset": true,
	"resource-constraint": true, "restricted-xml": true, "see-other-host": true, "system-shutdown": true, "undefined-condition": true,
	"unsupported-encoding": true, "unsupported-feature": true, "unsupported-stanza-type": true, "unsupported-version": true,
}

// Error is a stream error (RFC 6120 §4.9). It ends the stream.
type Error struct {
	Condition string // of RFC 6120 §4.9.3; any other is sent as undefined-condition
	Text      string // for people
	App       []byte // application-specific condition (RFC 6120 §4.9.4): one element, or nil
}

func (e *Error) Error() string { return "stream: " + e.Condition + ": " + e.Text }

// Fail makes an Error.
func Fail(condition, text string) *Error { return &Error{Condition: condition, Text: text} }

// FromXML is the stream error of a fault that the tokenizer found.
func FromXML(e *xml.Error) *Error {
	out := Fail(e.Condition, e.Text)
	if e.App != "" {
		var b xml.Builder
		out.App = b.Empty("urn:xmpp:errors", e.App).Bytes()
	}
	return out
}

// AppendTo writes the error without the end of the stream.
func (e *Error) AppendTo(dst []byte, framed bool) []byte {
	condition := e.Condition
	if !conditions[condition] {
		condition = "undefined-condition"
	}
	if framed {
		dst = append(dst, "<stream:error xmlns:stream='"+xml.Stream+"'>"...)
	} else {
		dst = append(dst, "<stream:error>"...)
	}
	var b xml.Builder
	b.Reset(dst).Empty(Errors, condition)
	if e.Text != "" {
		b.Start(Errors, "text").Attr("xml:lang", "en").Text(e.Text).End()
	}
	return append(b.Raw(e.App).Bytes(), "</stream:error>"...)
}
