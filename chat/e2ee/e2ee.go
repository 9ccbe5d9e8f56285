// Package e2ee refuses readable text in private conversations: end-to-end encryption is required by default.
//
// It looks at a message's form alone: whether it carries text in clear, and whether it has a well-formed encrypted element of OMEMO
// (XEP-0384, also its version 0.3), OpenPGP (XEP-0373, XEP-0027) or OTR (XEP-0364). That the ciphertext is real no server can
// check, and a hint such as XEP-0380 proves nothing.
//
// Invariants:
//   - The check comes before archive, copies and delivery, for messages of sessions and for those from outside.
//   - A refusal is a stanza error with words for the person, never a stream error: apps fail the whole account on those.
//   - Beside ciphertext no text passes: other readable elements are refused, and a fallback body becomes one fixed text.
//   - A room of another server has its own rule: what a session says to it passes, and what comes from it to a session that has entered it.
//   - What is no message to a person passes: receipts, markers, chat states, calls, reactions, retractions, invitations; a body that
//     comes with it becomes the fixed text.
//
// What stays readable, because apps send it so: reactions, the ids that corrections and receipts name, reasons of invitations.
package e2ee

import (
	"context"

	"writ/config"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// The modes.
const (
	Off     = "off"     // nothing is looked at
	Warn    = "warn"    // readable text is delivered, and the sender is told
	Require = "require" // readable text is refused
)

// Refusal is what the person reads whose message was not sent.
const Refusal = "This server carries only end-to-end encrypted messages, so your message was not sent. " +
	"Switch on OMEMO encryption for this chat in your app (often a lock symbol beside the text field), then send it again. " +
	"If your app has no OMEMO, use one that has: Conversations, Monal, Dino, Gajim, Profanity or Converse."

// Advice is what the person reads whose readable message was delivered in mode warn.
const Advice = "Your message was delivered, but without end-to-end encryption: the server could read it. " +
	"Switch on OMEMO encryption for this chat in your app (often a lock symbol beside the text field)."

// Fallback stands in the place of every fallback body. Old apps show it.
const Fallback = "[Your app cannot show this message. Use an app with OMEMO encryption.]"

// Config is what an operator may set.
type Config struct {
	Mode    string   `toml:"mode" doc:"off, warn (deliver and tell the sender) or require; empty is require"`
	Outside string   `toml:"outside" doc:"the mode for messages from and to other servers; empty: the same"`
	Allow   []string `toml:"allow" doc:"addresses or domains that may be written to and write in clear: gateways, bots"`
}

// Check reports what is wrong with the configuration.
func (c Config) Check() error {
	for key, mode := range map[string]string{"mode": c.Mode, "outside": c.Outside} {
		switch mode {
		case "", Off, Warn, Require:
		default:
			return config.Invalid(key, mode, "off, warn, require")
		}
	}
	for _, a := range c.Allow {
		if _, err := jid.Parse(a); err != nil {
			return config.Invalid("allow", a, "addresses like bot@example.org and domains like gateway.example.org")
		}
	}
	return nil
}

// Seats knows which rooms a session has entered. Package presence implements it.
type Seats interface {
	In(session, room jid.JID) bool
}

// E2EE is the room.
type E2EE struct {
	router        feature.Router
	seats         Seats
	mode, outside string
	allow         map[jid.JID]bool
}

// New makes the room of a configuration that has passed Check.
func New(c Config, r feature.Router, seats Seats) *E2EE {
	e := &E2EE{router: r, seats: seats, mode: c.Mode, outside: c.Outside, allow: map[jid.JID]bool{}}
	if e.mode == "" {
		e.mode = Require
	}
	if e.outside == "" {
		e.outside = e.mode
	}
	for _, a := range c.Allow {
		e.allow[jid.MustParse(a)] = true
	}
	return e
}

// Feature is the room as the house sees it.
func (p *E2EE) Feature() *feature.Feature {
	return &feature.Feature{
		Name:   "e2ee",
		Specs:  []string{"XEP-0380", "XEP-0384"},
		Screen: p.screen,
		Shape:  p.shape,
	}
}

// modeOf is the mode for a conversation.
func (p *E2EE) modeOf(e *feature.Envelope) string {
	switch {
	case p.router.Hosted(e.To):
		return Off // a room's own rule decides, by Group
	case e.Server || e.To.Local() == "", p.allowed(e.From), p.allowed(e.To):
		return Off // to a server, a gateway or a bot
	case e.Stanza.Type == stanza.Groupchat && (!p.router.Local(e.To) || !p.router.Local(e.From) && p.seats.In(e.To, e.From)):
		return Off // a room elsewhere has a rule of its own; but who calls itself one must have been entered
	case !p.router.Local(e.From), !p.router.Local(e.To):
		return p.outside
	}
	return p.mode
}

func (p *E2EE) allowed(j jid.JID) bool {
	return p.allow[j] || p.allow[j.Bare()] || p.allow[j.Domain()]
}

// screen refuses a message with readable text.
func (p *E2EE) screen(_ context.Context, e *feature.Envelope) error {
	if e.Stanza.Kind != stanza.Message || e.Stanza.Type == stanza.TypeError {
		return nil
	}
	mode := p.modeOf(e)
	if mode == Off || !formOf(e).Readable {
		return nil
	}
	if mode == Warn {
		e.Notice = Advice
		return nil
	}
	return stanza.PolicyViolation(Refusal)
}

// shape puts the fixed text in the place of fallback bodies, and takes readable text out of errors, which may carry what they answer
// (RFC 6120 §8.3.1) but need not.
func (p *E2EE) shape(_ context.Context, e *feature.Envelope) {
	if e.Stanza.Kind != stanza.Message || p.modeOf(e) == Off {
		return
	}
	s := e.Stanza
	if s.Type == stanza.TypeError {
		e.Stanza = s.Without(func(c stanza.Child) bool { return text(s, c) })
		return
	}
	v := formOf(e)
	if v.Readable {
		return // delivered as it is in mode warn
	}
	e.Stanza = veiled(s, v)
}

// veiled is a message with the fixed text in the place of its fallback body.
func veiled(s *stanza.Stanza, v View) *stanza.Stanza {
	if !v.Body {
		return s
	}
	body := Fallback
	if v.OTR != "" {
		body = v.OTR
	}
	var b xml.Builder
	return s.Without(func(c stanza.Child) bool { return isBody(c) }).With(b.Leaf("", "body", body).Bytes())
}

// formOf looks at the envelope's message, once as long as it stays as it is.
func formOf(e *feature.Envelope) View {
	if e.Looked != e.Stanza {
		e.Looked, e.Form = e.Stanza, Look(e.Stanza)
	}
	return e.Form
}

func isBody(c stanza.Child) bool {
	return c.Local == "body" && (c.Space == xml.Client || c.Space == xml.Server)
}
