// Package calls reads the signalling of calls that passes through the server and hands its metadata to the call log: who called
// whom, audio or video, when it started, was answered and ended, and how. It changes and refuses nothing.
//
// Apps signal by Jingle Message Initiation (XEP-0353), as messages, and by Jingle itself (XEP-0166), as IQs; older apps use the
// second alone, some send no finish, and some still send the <accept/> of the first versions to their own account. The rules that
// make one call of all that stand with the log (records.Recorder.Call).
//
// Invariants:
//   - What goes to the recorder has no field for addresses of candidates, keys or texts, which these stanzas carry.
//   - Only calls are recorded: a Jingle session without audio or video (a file transfer) leaves no trace here.
//   - The stamped sender counts, never what an element says of itself (initiator, responder).
package calls

import (
	"context"

	"writ/records"
	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// The namespaces in use. The registrar section of XEP-0353 prints another for messages, which no app speaks.
const (
	MessageNS = "urn:xmpp:jingle-message:0"
	JingleNS  = "urn:xmpp:jingle:1"
	rtpNS     = "urn:xmpp:jingle:apps:rtp:1"
)

// Log takes the metadata of a call's signalling, in the transaction of the stanza; records.Recorder is one.
type Log interface {
	Call(ctx context.Context, tx *store.Tx, s records.CallSignal) error
}

// New makes the room.
func New(log Log) *feature.Feature {
	return &feature.Feature{
		Name:  "calls",
		Specs: []string{"XEP-0353", "XEP-0166"},
		Persist: &feature.Persist{
			Wants: func(e *feature.Envelope) bool { return !e.Again && carries(e.Stanza) },
			Do: func(ctx context.Context, tx *store.Tx, e *feature.Envelope) error {
				signal, ok := Read(e.Stanza)
				if !ok {
					return nil
				}
				signal.From, signal.To, signal.Time = e.From.Bare().String(), e.To.Bare().String(), e.Time
				if signal.To == "" {
					signal.To = signal.From // a message without an address is to the sender's own account (RFC 6120 §10.3.1)
				}
				return log.Call(ctx, tx, signal)
			},
		},
	}
}

// carries reports whether a stanza may signal a call. It reads names only.
func carries(s *stanza.Stanza) bool {
	space := MessageNS
	switch {
	case s.Kind == stanza.IQ && s.Type == stanza.Set:
		space = JingleNS
	case s.Kind == stanza.Message && (s.Type == stanza.Chat || s.Type == stanza.Normal):
	default:
		return false
	}
	for _, c := range s.Children() {
		if c.Space == space {
			return true
		}
	}
	return false
}

// Read takes the metadata of call signalling from a stanza: everything but parties and time. ok is false if it is none.
func Read(s *stanza.Stanza) (signal records.CallSignal, ok bool) {
	for _, c := range s.Children() {
		switch {
		case s.Kind == stanza.Message && c.Space == MessageNS:
			return message(s.Tree(c))
		case s.Kind == stanza.IQ && c.Space == JingleNS && c.Local == "jingle":
			return session(s.Tree(c))
		}
	}
	return signal, false
}

// message reads an element of XEP-0353 §3.
func message(e *xml.Element) (s records.CallSignal, ok bool) {
	s.ID, s.Reason = e.Attr("id"), reason(e)
	moved := e.Child(MessageNS, "tie-break") != nil || e.Child(MessageNS, "migrated") != nil // XEP-0353 §4.1, §4.2
	switch e.Name.Local {
	case "propose":
		var audio bool
		audio, s.Video = media(e.All(rtpNS, "description"))
		s.Step, ok = records.Propose, audio || s.Video
	case "ringing":
		s.Step, ok = records.Ringing, true
	case "proceed":
		s.Step, ok = records.Proceed, true
	case "accept":
		s.Step, ok = records.Accept, true
	case "reject":
		s.Step, ok = records.Reject, true
	case "retract":
		s.Step, ok = records.Retract, true
	case "finish":
		s.Step, ok = records.Finish, true
	}
	if ok && moved && s.Step >= records.Reject {
		s.Step = records.Moved
	}
	return s, ok && s.ID != ""
}

// session reads a Jingle element (XEP-0166 §7).
func session(e *xml.Element) (s records.CallSignal, ok bool) {
	s.ID, s.Reason = e.Attr("sid"), reason(e)
	switch e.Attr("action") {
	case "session-initiate":
		var descriptions []*xml.Element
		for _, c := range e.All(JingleNS, "content") {
			descriptions = append(descriptions, c.All(rtpNS, "description")...)
		}
		var audio bool
		audio, s.Video = media(descriptions)
		s.Step, ok = records.SessionStart, audio || s.Video
	case "session-accept":
		s.Step, ok = records.SessionOpen, true
	case "session-terminate":
		s.Step, ok = records.SessionEnd, true
	}
	return s, ok && s.ID != ""
}

// media says what the descriptions offer.
func media(descriptions []*xml.Element) (audio, video bool) {
	for _, d := range descriptions {
		switch d.Attr("media") {
		case "audio":
			audio = true
		case "video":
			video = true
		}
	}
	return audio, video
}

// reason is the name of the reason's condition (XEP-0166 §7.4); its text is left where it is.
func reason(e *xml.Element) string {
	r := e.Child(JingleNS, "reason")
	if r == nil {
		return ""
	}
	for _, c := range r.Children {
		if c.Name.Space == JingleNS && c.Name.Local != "text" {
			return c.Name.Local
		}
	}
	return ""
}
