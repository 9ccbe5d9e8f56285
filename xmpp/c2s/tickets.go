package c2s

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
)

// A resumed TLS session has no handshake in which a certificate is presented, yet tls-server-end-point is about the one of the session's
// first handshake (RFC 5929 §4), and XEP-0440 §3 has it always on offer: an app that can do nothing else takes a list without it for an attack.
// So a ticket says with which certificate it was made, and one of another certificate is not taken: what is presented now is
// what the session was made with.

// TieTickets makes a server's configuration refuse tickets that were made under another certificate. Of several certificates without
// GetCertificate none can be named beforehand; then there are no tickets.
func TieTickets(c *tls.Config) {
	base := c.Clone() // what c chooses certificates by now
	if presented(base, "") == nil {
		c.SessionTicketsDisabled = true
		return
	}
	c.WrapSession = func(cs tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
		if now := presented(base, cs.ServerName); now != nil {
			sum := sha256.Sum256(now.Raw)
			ss.Extra = append(ss.Extra, sum[:])
		}
		return c.EncryptTicket(cs, ss)
	}
	c.UnwrapSession = func(identity []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
		ss, err := c.DecryptTicket(identity, cs)
		if err != nil || ss == nil {
			return nil, err
		}
		now := presented(base, cs.ServerName)
		if now == nil {
			return nil, nil
		}
		sum := sha256.Sum256(now.Raw)
		for _, x := range ss.Extra {
			if string(x) == string(sum[:]) {
				return ss, nil
			}
		}
		return nil, nil // a full handshake follows
	}
}

// presented is the certificate that a client which asks for that name is shown now; nil if it cannot be told.
func presented(c *tls.Config, name string) *x509.Certificate {
	var pair *tls.Certificate
	if c.GetCertificate != nil {
		if p, err := c.GetCertificate(&tls.ClientHelloInfo{ServerName: name}); err == nil {
			pair = p
		}
	}
	if pair == nil && len(c.Certificates) == 1 {
		pair = &c.Certificates[0]
	}
	switch {
	case pair == nil || len(pair.Certificate) == 0:
		return nil
	case pair.Leaf != nil:
		return pair.Leaf
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil
	}
	return leaf
}
