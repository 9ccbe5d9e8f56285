package sasl

import (
	"bytes"
	"context"
	"unicode/utf8"
)

// plain is PLAIN (RFC 4616): [authzid] NUL authcid NUL passwd.
type plain struct{ s *Server }

// plainHash is the hash that PLAIN is checked against where there is a choice: SHA-256 is the cheapest of the strong ones on 64-bit processors.
const plainHash = SHA256

func (p *plain) step(ctx context.Context, e *Exchange, response []byte) ([]byte, bool, error) {
	if response == nil {
		return nil, false, nil // asks for the response (RFC 6120 §6.4.2)
	}
	part := bytes.Split(response, []byte{0})
	if len(part) != 3 || len(part[1]) == 0 || len(part[2]) == 0 || !utf8.Valid(response) {
		return nil, false, Fail(MalformedRequest, "PLAIN needs a name and a password, separated by NUL")
	}
	name := string(part[1])
	account, err := p.s.identify(name, string(part[0]))
	if err != nil {
		return nil, false, err
	}
	rec, found, err := p.s.record(ctx, account, name, AnyHash)
	if err != nil {
		return nil, false, err
	}
	password, err := Prepare(string(part[2]))
	if err != nil {
		password = "\x00" // not a possible password; the work is done all the same
	}
	ok := rec.Verifier.Matches(password)
	switch {
	case !ok || !found:
		return nil, false, Fail(NotAuthorized, "")
	case rec.Disabled:
		return nil, false, Fail(AccountDisabled, "this account is disabled")
	}
	if p.s.upgrader != nil {
		p.s.upgrader.Upgrade(ctx, account, rec.Verifier, password)
	}
	e.account, e.shown, e.authzid = account, rec.Verifier, len(part[0]) > 0
	return nil, true, nil
}
