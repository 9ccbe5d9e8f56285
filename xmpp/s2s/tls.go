package s2s

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"writ/xmpp/jid"
	"writ/xmpp/locate"
	"writ/xmpp/stream"
)

// alpn is the protocol of direct TLS between servers (XEP-0368 §3).
const alpn = "xmpp-server"

// inboundTLS makes the configurations for what connects to us, with STARTTLS and directly. A certificate is asked for and judged by us: whether it
// is right depends on the name in the stream header.
func inboundTLS(base *tls.Config) (plain, direct *tls.Config) {
	plain = base.Clone()
	plain.MinVersion = max(plain.MinVersion, tls.VersionTLS12)
	plain.ClientAuth = tls.RequestClientCert
	plain.SessionTicketsDisabled = true // a resumed session would bring an old certificate
	plain.DynamicRecordSizingDisabled = true
	plain.NextProtos = nil
	get, list := plain.GetCertificate, plain.Certificates
	plain.GetCertificate = func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if b, ok := h.Conn.(*stream.Shaking); ok {
			b.Enter()
		}
		return stream.Certificate(h, get, list)
	}
	direct = plain.Clone()
	direct.NextProtos = []string{alpn} // crypto/tls answers any other with no_application_protocol (RFC 7301)
	return plain, direct
}

// shakeIn runs the handshake of a server that connected to us.
func (l *link) shakeIn(config *tls.Config) error {
	b := &stream.Shaking{Conn: l.nc, Places: l.srv.shakes}
	defer func() {
		b.Leave()
		b.Places = nil
	}()
	t := tls.Server(b, config)
	l.nc.SetDeadline(l.born.Add(l.srv.c.AuthTimeout.Std()))
	if err := t.HandshakeContext(l.srv.ctx); err != nil {
		return fmt.Errorf("s2s: handshake: %w", err)
	}
	l.nc.SetDeadline(time.Time{})
	l.secured(t)
	return nil
}

// Uncovered gives those of the hosts that our own certificate does not prove: other servers will refuse streams with them.
func (s *Server) Uncovered(hosts []jid.JID) (out []jid.JID) {
	for _, h := range hosts {
		c, err := stream.Certificate(&tls.ClientHelloInfo{ServerName: h.ASCII(), SupportedVersions: []uint16{tls.VersionTLS13}}, s.p.TLS.GetCertificate, s.p.TLS.Certificates)
		if err != nil || c == nil || len(c.Certificate) == 0 {
			out = append(out, h)
			continue
		}
		leaf := c.Leaf
		if leaf == nil {
			leaf, err = x509.ParseCertificate(c.Certificate[0])
		}
		if err == nil {
			var ids identities
			if ids, err = identitiesOf(leaf); err == nil && ids.hold(h) {
				continue
			}
		}
		out = append(out, h)
	}
	return out
}

// errUntrusted says that the peer's certificate does not prove its name.
var errUntrusted = errors.New("s2s: the server's certificate does not prove its name")

// shakeOut runs the handshake with a server that we connected to, and judges its certificate: l.proved says whether it proves the domain. Without
// dialback a certificate that does not is the end.
func (l *link) shakeOut(ctx context.Context, t locate.Target, keys []locate.Key) error {
	base := l.srv.p.TLS
	config := &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: l.remote.ASCII(), RootCAs: l.srv.roots, DynamicRecordSizingDisabled: true,
		InsecureSkipVerify: true, // VerifyConnection does it: crypto/tls knows no SRV-ID, XmppAddr or TLSA
		Time:               l.srv.p.Clock.Now,
		GetClientCertificate: func(i *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return stream.Certificate(&tls.ClientHelloInfo{ServerName: l.local.ASCII(), SignatureSchemes: i.SignatureSchemes, SupportedVersions: []uint16{i.Version}, Conn: l.nc},
				base.GetCertificate, base.Certificates)
		},
		VerifyConnection: func(cs tls.ConnectionState) error {
			err := l.judge(cs.PeerCertificates, l.remote, t, keys)
			l.proved = err == nil
			if err != nil && !l.srv.c.Dialback {
				return fmt.Errorf("%w: %w", errUntrusted, err)
			}
			return nil
		},
	}
	if t.Direct {
		config.NextProtos = []string{alpn}
	}
	c := tls.Client(l.nc, config)
	if err := c.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("s2s: handshake: %w", err)
	}
	l.secured(c)
	return nil
}

// judge says whether certificates prove a domain: by TLSA records if there are usable ones, else by an authority and the names in it.
func (l *link) judge(certs []*x509.Certificate, domain jid.JID, t locate.Target, keys []locate.Key) error {
	now := l.srv.p.Clock.Now()
	if usable, err := dane(keys, certs, domain, t.Host, now); usable {
		return err
	}
	return proves(certs, domain, l.srv.roots, now)
}

// named reports whether DNSSEC proves a certificate to be one of the servers of a domain: its key, or an authority of its own, stands in a TLSA record of
// a place where the domain says that its server is (RFC 7673). So a server that no authority vouches for may connect, as it may be connected to. One that
// an authority vouches for is not asked about: it may have another certificate as a client.
func (s *Server) named(domain jid.JID, certs []*x509.Certificate) bool {
	if len(certs) == 0 || s.policy.of(domain) == nothing {
		return false
	}
	select { // a stranger must not make us ask the DNS without bounds
	case s.asking <- struct{}{}:
	default:
		return false
	}
	defer func() { <-s.asking }()
	ctx, cancel := context.WithTimeout(s.ctx, s.c.AuthTimeout.Std())
	defer cancel()
	targets, err := s.locator.Find(ctx, domain.ASCII())
	if err != nil {
		return false
	}
	for _, t := range targets {
		_, keys, err := s.locator.Resolve(ctx, t)
		if err != nil {
			continue
		}
		if usable, err := dane(keys, certs, domain, t.Host, s.p.Clock.Now()); usable && err == nil {
			return true
		}
	}
	return false
}
