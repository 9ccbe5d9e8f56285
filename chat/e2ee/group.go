package e2ee

import (
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
)

// Required reports whether readable text is refused in private groups.
func (p *E2EE) Required() bool { return p.mode == Require }

// Group judges a message to a private group, as Screen and Shape do one to a person: the message as it may pass, what its sender is told beside
// it, or the refusal. The mode is that of the house, or the one for other servers if it comes from one.
func (p *E2EE) Group(from jid.JID, s *stanza.Stanza) (pass *stanza.Stanza, advice string, err error) {
	mode := p.mode
	switch {
	case p.allowed(from):
		mode = Off
	case !p.router.Local(from):
		mode = p.outside
	}
	if mode == Off {
		return s, "", nil
	}
	v := Look(s)
	switch {
	case v.Readable && mode == Warn:
		return s, Advice, nil
	case v.Readable:
		return nil, "", stanza.PolicyViolation(Refusal)
	}
	return veiled(s, v), "", nil
}
