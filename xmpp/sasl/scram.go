package sasl

import (
	"context"
	"crypto/hmac"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"writ/xmpp/jid"
)

// scram is SCRAM and SCRAM-PLUS (RFC 5802 §5).
type scram struct {
	o     *Offer
	h     Hash
	plus  bool
	nonce func() string // newNonce; tests replace it by the one of the RFC's example

	state    int // 0 wants the first message, 1 the final one
	gs2      string
	binding  []byte
	full     string // the nonce of both sides
	authText string // client-first-bare "," server-first
	account  jid.JID
	rec      Record
	found    bool
}

func (m *scram) step(ctx context.Context, e *Exchange, response []byte) ([]byte, bool, error) {
	if m.state == 0 {
		if response == nil {
			return nil, false, nil // no initial response: an empty challenge asks for it
		}
		m.state = 1
		b, err := m.first(ctx, e, string(response))
		return b, false, err
	}
	b, err := m.final(string(response))
	if err != nil {
		return nil, false, err
	}
	e.account, e.shown = m.account, m.rec.Verifier
	return b, true, nil
}

func malformed(text string) *Failure { return Fail(MalformedRequest, text) }

// first reads client-first-message and answers server-first-message (RFC 5802 §7).
func (m *scram) first(ctx context.Context, e *Exchange, msg string) ([]byte, error) {
	if !utf8.ValidString(msg) || strings.ContainsRune(msg, 0) {
		return nil, malformed("the message is not valid text")
	}
	part := strings.SplitN(msg, ",", 3)
	if len(part) != 3 {
		return nil, malformed("the message has no gs2 header")
	}
	if err := m.flag(e, part[0]); err != nil {
		return nil, err
	}
	authzid := ""
	if part[1] != "" {
		a, ok := strings.CutPrefix(part[1], "a=")
		if authzid, ok = saslname(a, ok); !ok {
			return nil, malformed("the authorization identity is not well-formed")
		}
		e.authzid = true
	}
	m.gs2 = part[0] + "," + part[1] + ","
	bare := part[2]
	attr := strings.Split(bare, ",")
	if strings.HasPrefix(attr[0], "m=") {
		return nil, malformed("a mandatory extension is not supported")
	}
	if len(attr) < 2 {
		return nil, malformed("the name or the nonce is missing")
	}
	n, ok := strings.CutPrefix(attr[0], "n=")
	name, ok := saslname(n, ok)
	if !ok {
		return nil, malformed("the name is not well-formed")
	}
	nonce, ok := strings.CutPrefix(attr[1], "r=")
	if !ok || !printable(nonce) {
		return nil, malformed("the nonce is not well-formed")
	}
	if !extensions(attr[2:]) {
		return nil, malformed("an extension is not well-formed")
	}
	return m.challenge(ctx, name, authzid, nonce, bare)
}

// flag checks the channel binding flag (RFC 5802 §6).
func (m *scram) flag(e *Exchange, flag string) error {
	switch {
	case flag == "n" && !m.plus:
		return nil
	case flag == "y" && !m.plus:
		if len(m.o.bindings) > 0 {
			return Fail(NotAuthorized, "channel binding was on offer; the list of mechanisms was changed on its way")
		}
		return nil
	case flag == "n" || flag == "y":
		return Fail(NotAuthorized, "this mechanism needs channel binding")
	}
	t, ok := strings.CutPrefix(flag, "p=")
	if !ok || t == "" {
		return malformed("the channel binding flag is not well-formed")
	}
	if !m.plus {
		return Fail(NotAuthorized, "channel binding needs a -PLUS mechanism")
	}
	i := slices.IndexFunc(m.o.bindings, func(b Binding) bool { return b.Type == t })
	if i < 0 {
		return Fail(NotAuthorized, "this channel binding type is not on offer")
	}
	m.binding, e.Binding = m.o.bindings[i].Data, t
	return nil
}

func (m *scram) challenge(ctx context.Context, name, authzid, nonce, bare string) ([]byte, error) {
	s := m.o.s
	account, err := s.identify(name, authzid)
	if err != nil {
		return nil, err
	}
	m.account = account
	if m.rec, m.found, err = s.record(ctx, account, name, m.h); err != nil {
		return nil, err
	}
	m.full = nonce + m.nonce()
	v := m.rec.Verifier
	first := "r=" + m.full + ",s=" + base64.StdEncoding.EncodeToString(v.Salt) + ",i=" + strconv.Itoa(v.Iterations) +
		",h=" + base64.StdEncoding.EncodeToString(m.o.listHash(m.h))
	m.authText = bare + "," + first
	return []byte(first), nil
}

// final reads client-final-message and answers server-final-message (RFC 5802 §7).
func (m *scram) final(msg string) ([]byte, error) {
	i := strings.LastIndex(msg, ",p=")
	if i < 0 || !utf8.ValidString(msg) {
		return nil, malformed("the proof is missing")
	}
	without, p := msg[:i], msg[i+len(",p="):]
	attr := strings.Split(without, ",")
	if len(attr) < 2 || !extensions(attr[2:]) {
		return nil, malformed("the message is not well-formed")
	}
	c, okC := strings.CutPrefix(attr[0], "c=")
	r, okR := strings.CutPrefix(attr[1], "r=")
	cbind, errC := base64.StdEncoding.Strict().DecodeString(c)
	proof, errP := base64.StdEncoding.Strict().DecodeString(p)
	if !okC || !okR || errC != nil || errP != nil {
		return nil, malformed("the message is not well-formed")
	}
	ok := subtle.ConstantTimeCompare([]byte(r), []byte(m.full)) &
		subtle.ConstantTimeCompare(cbind, append([]byte(m.gs2), m.binding...))
	text := m.authText + "," + without
	v := m.rec.Verifier
	ok &= m.proves(proof, text)
	switch {
	case ok != 1 || !m.found:
		return nil, Fail(NotAuthorized, "")
	case m.rec.Disabled:
		return nil, Fail(AccountDisabled, "this account is disabled")
	}
	return []byte("v=" + base64.StdEncoding.EncodeToString(mac(m.h, v.ServerKey, text))), nil
}

// proves checks ClientProof: proof XOR HMAC(StoredKey, text) must hash to StoredKey (RFC 5802 §3).
func (m *scram) proves(proof []byte, text string) int {
	stored := m.rec.Verifier.StoredKey
	key := mac(m.h, stored, text)
	if len(proof) != len(key) {
		return 0
	}
	subtle.XORBytes(key, key, proof)
	if hmac.Equal(digest(m.h, key), stored) {
		return 1
	}
	return 0
}

// listHash is the downgrade protection of XEP-0474 §5.1: a hash over the lists that the stream features showed.
func (o *Offer) listHash(h Hash) []byte {
	mechs := slices.Sorted(slices.Values(o.Mechanisms()))
	s := strings.Join(mechs, "\x1e")
	if len(o.bindings) > 0 {
		s += "\x1f" + strings.Join(slices.Sorted(slices.Values(o.Bindings())), "\x1e")
	}
	return digest(h, []byte(s))
}

// saslname undoes the escapes of a name: "=2C" for a comma, "=3D" for "=" (RFC 5802 §5.1). Anything else after "=" is an error.
func saslname(s string, ok bool) (string, bool) {
	if !ok || s == "" {
		return "", false
	}
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '=')
		if i < 0 {
			b.WriteString(s)
			return b.String(), true
		}
		b.WriteString(s[:i])
		switch {
		case strings.HasPrefix(s[i:], "=2C"):
			b.WriteByte(',')
		case strings.HasPrefix(s[i:], "=3D"):
			b.WriteByte('=')
		default:
			return "", false
		}
		s = s[i+3:]
	}
}

// printable reports a nonce as RFC 5802 §7 wants it: printable ASCII without a comma.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7E || s[i] == ',' {
			return false
		}
	}
	return s != ""
}

// extensions reports whether optional attributes are well-formed; they are ignored otherwise. "m" is mandatory and unknown to us.
func extensions(attr []string) bool {
	for _, a := range attr {
		if len(a) < 3 || a[1] != '=' || a[0] == 'm' || !('a' <= a[0]|0x20 && a[0]|0x20 <= 'z') {
			return false
		}
	}
	return true
}
