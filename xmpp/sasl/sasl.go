// Package sasl is the server's side of authentication: SCRAM with SHA-1, SHA-256 and SHA-512, each also with channel binding
// (RFC 5802, RFC 7677, RFC 9266), PLAIN (RFC 4616), and the token mechanisms of XEP-0484, HT-SHA-256 and HT-SHA-512
// (draft-schmaus-kitten-sasl-ht). It holds no connection and no table: a mechanism is a state machine fed with responses,
// verifiers and tokens come from a Source. Both profiles, that of RFC 6120 and XEP-0388, speak through it.
//
// Invariants:
//   - The account that an exchange ends with is the one whose verifier was checked. An authorization identity is compared with it and
//     never chosen by the peer: any other is invalid-authzid (RFC 6120 §6.3.8).
//   - An unknown account costs the same work and gives the same bytes as a wrong password: it gets a salted record made from a
//     server secret, the same at each attempt.
//   - Nothing the peer sends is trusted to set a cost: salt and iterations are the server's, input is limited.
//   - A name that is not a valid local part after PRECIS (RFC 7622 §3.3) is an unknown account, never a second spelling of one.
//   - A gs2 flag 'y' although -PLUS was on offer means that somebody stripped the list: not-authorized (RFC 5802 §6).
//   - The offered lists are part of what SCRAM signs (XEP-0474 §5.1), so stripping them is seen by clients that check.
//   - A token is checked for one device and one mechanism; whatever is wrong with it, the answer and the work are the same.
package sasl

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"writ/xmpp/jid"
)

// Record is what the Source knows of an account.
type Record struct {
	Verifier Verifier
	Disabled bool // told to the peer (account-disabled) only after a valid proof
}

// Source looks up verifiers. It may also be a Holder, an Upgrader and Tokens; what it is not is not on offer.
type Source interface {
	// Verifier gives the record of a bare JID for one hash, or for AnyHash; ok is false if there is no such account, or it has
	// no verifier of this hash. An error means that it could not be asked.
	Verifier(ctx context.Context, account jid.JID, h Hash) (rec Record, ok bool, err error)
}

// Holder says which verifiers an account has.
type Holder interface {
	// Hashes gives the hashes of the account's verifiers; none if there is no such account.
	Hashes(ctx context.Context, account jid.JID) ([]Hash, error)
}

// Upgrader is told of a password while it is at hand.
type Upgrader interface {
	// Upgrade makes the verifiers that the account lacks. shown is the one that the password was checked against, prepared the
	// password as Prepare gave it. A failure is its own to log: the sign-in stands.
	Upgrade(ctx context.Context, account jid.JID, shown Verifier, prepared string)
}

// Config is what a Server is made of.
type Config struct {
	Domain     jid.JID
	Source     Source
	Secret     []byte // ≥ 32 random bytes, the same at every start: makes the records of unknown accounts
	Iterations int    // of the records of unknown accounts: what real ones have; 0 = DefaultIterations
}

// Server authenticates the clients of one domain. Safe for concurrent use.
type Server struct {
	c        Config
	holder   Holder   // nil: every account has every verifier
	upgrader Upgrader // nil: nobody wants to know
	tokens   Tokens   // nil: there are none
}

// New makes a Server.
func New(c Config) (*Server, error) {
	if c.Iterations == 0 {
		c.Iterations = DefaultIterations
	}
	if len(c.Secret) < 32 {
		return nil, fmt.Errorf("sasl: the secret has %d bytes, at least 32 are needed", len(c.Secret))
	}
	s := &Server{c: c}
	s.holder, _ = c.Source.(Holder)
	s.upgrader, _ = c.Source.(Upgrader)
	s.tokens, _ = c.Source.(Tokens)
	return s, nil
}

// Offer is what one stream is offered. It is fixed before the first exchange, because SCRAM signs it.
type Offer struct {
	s        *Server
	plain    bool
	bindings []Binding
	hashes   []Hash
}

// Offer makes the list for a stream. plain says whether PLAIN is on offer: the caller must say no outside TLS. bindings are those of
// the TLS connection; without any, no -PLUS mechanism is offered.
func (s *Server) Offer(plain bool, bindings ...Binding) *Offer {
	return &Offer{s: s, plain: plain, bindings: bindings, hashes: Hashes[:]}
}

// For narrows the offer to the verifiers that an account has: one that came from elsewhere may have SHA-1 alone, and its apps, who
// take the strongest on offer, could not sign in (XEP-0388 §2.1). Every other name, known or not, is offered everything.
// Call it before the offer is shown.
func (o *Offer) For(ctx context.Context, account jid.JID) error {
	if o.s.holder == nil || account.Domain() != o.s.c.Domain || account.Local() == "" {
		return nil
	}
	has, err := o.s.holder.Hashes(ctx, account.Bare())
	if err != nil {
		return fmt.Errorf("sasl: asking for an account's verifiers: %w", err)
	}
	if len(has) > 0 && len(has) < len(Hashes) {
		o.hashes = slices.DeleteFunc(slices.Clone(Hashes[:]), func(h Hash) bool { return !slices.Contains(has, h) })
	}
	return nil
}

// Mechanisms lists the mechanisms on offer, strongest first.
func (o *Offer) Mechanisms() []string {
	var out []string
	for _, h := range o.hashes {
		if len(o.bindings) > 0 {
			out = append(out, "SCRAM-"+string(h)+"-PLUS")
		}
		out = append(out, "SCRAM-"+string(h))
	}
	if o.plain {
		out = append(out, "PLAIN")
	}
	return out
}

// Bindings lists the channel binding types on offer (XEP-0440 §2), strongest first; empty without -PLUS.
func (o *Offer) Bindings() []string {
	var out []string
	for _, b := range o.bindings {
		out = append(out, b.Type)
	}
	return out
}

// Exchange is one authentication. It is used once, by one goroutine.
type Exchange struct {
	Mechanism string
	Binding   string // channel binding type in use; empty without

	m       mechanism
	account jid.JID
	authzid bool
	shown   Verifier
	token   Token
	over    bool
}

// mechanism is a state machine of one exchange. It sets e.account on success.
type mechanism interface {
	step(ctx context.Context, e *Exchange, response []byte) (challenge []byte, done bool, err error)
}

// Start begins an exchange. A mechanism that is not on offer is invalid-mechanism; PLAIN that is not on offer because there is no TLS is
// for the caller to answer with encryption-required first.
func (o *Offer) Start(name string) (*Exchange, error) {
	e := &Exchange{Mechanism: name}
	if name == "PLAIN" && o.plain {
		e.m = &plain{o.s}
		return e, nil
	}
	if rest, ok := strings.CutPrefix(name, "SCRAM-"); ok {
		rest, plus := strings.CutSuffix(rest, "-PLUS")
		h := Hash(rest)
		if slices.Contains(o.hashes, h) && (!plus || len(o.bindings) > 0) {
			e.m = &scram{o: o, h: h, plus: plus, nonce: newNonce}
			return e, nil
		}
	}
	return nil, Fail(InvalidMechanism, "this mechanism is not on offer")
}

// maxResponse is the longest decoded response in bytes; the longest honest one is far below.
const maxResponse = 4096

// Step takes a response (nil: the client sent no initial response) and gives what to send: a challenge, or with done the additional data
// of success (RFC 6120 §6.4.6), which may be empty. Errors are *Failure, and end the exchange.
func (e *Exchange) Step(ctx context.Context, response []byte) (challenge []byte, done bool, err error) {
	if e.over {
		return nil, false, Fail(MalformedRequest, "the exchange is over")
	}
	if len(response) > maxResponse {
		e.over = true
		return nil, false, Fail(MalformedRequest, "the response is too long")
	}
	challenge, done, err = e.m.step(ctx, e, response)
	if err != nil {
		e.over, e.account = true, jid.JID{}
		return nil, false, AsFailure(err)
	}
	e.over = done
	return challenge, done, nil
}

// Account is the bare JID that was authenticated; the zero JID before Step said done.
func (e *Exchange) Account() jid.JID {
	if !e.over {
		return jid.JID{}
	}
	return e.account
}

// Authzid reports whether the client named the identity that it asked for. It is the account's, or the exchange failed.
func (e *Exchange) Authzid() bool { return e.authzid }

// Shown is the verifier that the password was checked against, after Step said done; the zero Verifier if it was a token.
func (e *Exchange) Shown() Verifier { return e.shown }

// Token is the token that was used, after Step said done; the zero Token if it was a password.
func (e *Exchange) Token() Token { return e.token }

// identify gives the account that a name stands for, and checks the authorization identity against it. A name that cannot be an
// account is given back as the zero JID: it then goes the way of an unknown account.
func (s *Server) identify(name, authzid string) (jid.JID, error) {
	account, err := jid.New(name, s.c.Domain.String(), "")
	if err != nil {
		account = jid.JID{}
	}
	if authzid != "" {
		z, err := jid.Parse(authzid)
		if err != nil || account.IsZero() || z != account {
			return jid.JID{}, Fail(InvalidAuthzid, "the authorization identity must be empty or your own address")
		}
	}
	return account, nil
}

// record asks the Source; found is false for an account without a verifier, which gets a fake one.
func (s *Server) record(ctx context.Context, account jid.JID, name string, h Hash) (rec Record, found bool, err error) {
	if !account.IsZero() {
		name = account.Local()
	}
	fakeHash := h
	if h == AnyHash {
		fakeHash = plainHash
	}
	made := fake(fakeHash, s.c.Secret, name, s.c.Iterations) // also for who is known: the work is the same
	if !account.IsZero() {
		rec, found, err = s.c.Source.Verifier(ctx, account, h)
		if err != nil {
			return Record{}, false, fmt.Errorf("sasl: looking up a verifier: %w", err)
		}
	}
	if !found {
		rec = Record{Verifier: made}
	}
	return rec, found, nil
}

// Decode reads the text of <auth/> and <response/> (RFC 6120 §6.4.2): nil for none, an empty slice for "=".
func Decode(text string) ([]byte, error) {
	switch text {
	case "":
		return nil, nil
	case "=":
		return []byte{}, nil
	}
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, Fail(IncorrectEncoding, "the data is not valid base64")
	}
	return b, nil
}

// Encode writes the text of <challenge/> and <success/>. Empty data is the empty string; a caller that must tell "empty" from "none" writes "=".
func Encode(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func newNonce() string {
	var b [24]byte
	rand.Read(b[:])
	return base64.StdEncoding.EncodeToString(b[:])
}
