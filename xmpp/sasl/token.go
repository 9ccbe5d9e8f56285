package sasl

import (
	"bytes"
	"context"
	"crypto/subtle"
	"slices"
	"strings"
	"unicode/utf8"

	"writ/xmpp/jid"
)

// Token is a secret that the server gave to one device for one mechanism (XEP-0484 §3.3).
type Token struct {
	Key    []byte // the token, as the client uses it
	ID     string // the source's own name for it
	Due    bool   // it is time for another (XEP-0484 §3.5)
	Unused bool   // it was not used before: that it is now must be noted (XEP-0484 §5.1)
}

// String keeps tokens out of logs.
func (Token) String() string { return "sasl.Token(masked)" }

// GoString masks the key also for %#v.
func (t Token) GoString() string { return t.String() }

// Tokens looks up tokens.
type Tokens interface {
	// Tokens gives those that a device of the account may use with the mechanism now, at most maxTokens, the newest first; none if there
	// is no such account or device. disabled is Record.Disabled.
	Tokens(ctx context.Context, account jid.JID, device, mechanism string) (list []Token, disabled bool, err error)
}

// maxTokens is how many tokens of a device are good at one time: the one in use, and its successor (XEP-0484 §5.1).
const maxTokens = 2

// tokenHashes are the hashes of the token mechanisms, strongest first.
var tokenHashes = [...]Hash{SHA512, SHA256}

// tokenBindings are the channel bindings of the token mechanisms by the ends of their names.
var tokenBindings = [...]struct{ suffix, binding string }{{"EXPR", TLSExporter}, {"UNIQ", TLSUnique}, {"ENDP", TLSServerEndPoint}, {"NONE", ""}}

// Tokens lists the token mechanisms of the stream (XEP-0484 §3.1), strongest first. They are no part of Mechanisms.
func (o *Offer) Tokens() []string {
	if o.s.tokens == nil {
		return nil
	}
	var out []string
	for _, b := range tokenBindings {
		if b.binding != "" && o.binding(b.binding) == nil {
			continue
		}
		for _, h := range tokenHashes {
			out = append(out, "HT-"+string(h)+"-"+b.suffix)
		}
	}
	return out
}

func (o *Offer) binding(kind string) *Binding {
	i := slices.IndexFunc(o.bindings, func(b Binding) bool { return b.Type == kind })
	if i < 0 {
		return nil
	}
	return &o.bindings[i]
}

// StartToken begins an exchange by a token of the device, whose id is the user-agent's (XEP-0388 §2.3).
func (o *Offer) StartToken(name, device string) (*Exchange, error) {
	if !slices.Contains(o.Tokens(), name) {
		return nil, Fail(InvalidMechanism, "this mechanism is not on offer for tokens")
	}
	if device == "" {
		return nil, Fail(MalformedRequest, "a token needs the user agent's id")
	}
	e := &Exchange{Mechanism: name}
	rest := strings.TrimPrefix(name, "HT-")
	m := &hashed{s: o.s, h: Hash(rest[:len(rest)-len("-NONE")]), device: device}
	for _, b := range tokenBindings {
		if strings.HasSuffix(name, "-"+b.suffix) && b.binding != "" {
			m.binding, e.Binding = o.binding(b.binding).Data, b.binding
		}
	}
	e.m = m
	return e, nil
}

// hashed is HT-*: name NUL HMAC(token, "Initiator" binding), answered by HMAC(token, "Responder" binding).
type hashed struct {
	s       *Server
	h       Hash
	device  string
	binding []byte
}

func (m *hashed) step(ctx context.Context, e *Exchange, response []byte) ([]byte, bool, error) {
	name, proof, ok := bytes.Cut(response, []byte{0})
	if !ok || len(name) == 0 || !utf8.Valid(name) || len(proof) != m.h.Size() {
		return nil, false, malformed("this mechanism needs a name and a hash, separated by NUL, at once")
	}
	account, err := m.s.identify(string(name), "")
	if err != nil {
		return nil, false, err
	}
	list, disabled, err := m.s.tokens.Tokens(ctx, account, m.device, e.Mechanism)
	if err != nil {
		return nil, false, err
	}
	found := -1
	for i := range maxTokens { // the same work whatever there is
		key := m.s.c.Secret
		if i < len(list) {
			key = list[i].Key
		}
		same := subtle.ConstantTimeCompare(mac(m.h, key, "Initiator"+string(m.binding)), proof)
		if same == 1 && i < len(list) && found < 0 {
			found = i
		}
	}
	switch {
	case found < 0:
		return nil, false, Fail(CredentialsExpired, "this token is not good any more; sign in with the password")
	case disabled:
		return nil, false, Fail(AccountDisabled, "this account is disabled")
	}
	e.account, e.token = account, list[found]
	return mac(m.h, e.token.Key, "Responder"+string(m.binding)), true, nil
}
