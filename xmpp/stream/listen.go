package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"time"
)

// Accept hands each connection of l to serve until l is closed or ctx ends. An error in between passes: out of descriptors, most likely.
func Accept(ctx context.Context, l net.Listener, log *slog.Logger, serve func(net.Conn)) {
	for wait := time.Duration(0); ; {
		c, err := l.Accept()
		switch {
		case err == nil:
			wait = 0
			serve(c)
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return
		default:
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			log.Warn("accepting failed", "err", err)
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return
			}
		}
	}
}

// Near is the network that counts as one (XEP-0205): /24 for IPv4, /64 for IPv6.
func Near(a netip.Addr) netip.Prefix {
	bits := 64
	if a = a.Unmap(); a.Is4() {
		bits = 24
	}
	p, _ := a.WithZone("").Prefix(bits)
	return p
}

// Certificate is crypto/tls's own choice, made where we can see it: tls-server-end-point and the place for a handshake need to know it.
func Certificate(h *tls.ClientHelloInfo, get func(*tls.ClientHelloInfo) (*tls.Certificate, error), list []tls.Certificate) (*tls.Certificate, error) {
	if get != nil {
		if c, err := get(h); err != nil || c != nil {
			return c, err
		}
	}
	for i := range list {
		if h.SupportsCertificate(&list[i]) == nil {
			return &list[i], nil
		}
	}
	if len(list) == 0 {
		return nil, errors.New("stream: no certificate")
	}
	return &list[0], nil
}

// Shaking is a connection during its handshake. It keeps a place among those who compute: from Enter, at the choice of the certificate, until the
// handshake waits for the peer. A peer that is slow to answer holds no place.
type Shaking struct {
	net.Conn
	Places chan struct{} // nil once the handshake is over

	inside bool
}

// Enter waits for a place, unless the connection has one or needs none.
func (s *Shaking) Enter() {
	if s.Places != nil && !s.inside {
		s.Places <- struct{}{}
		s.inside = true
	}
}

// Leave gives the place up.
func (s *Shaking) Leave() {
	if s.inside {
		<-s.Places
		s.inside = false
	}
}

// Read waits for the peer, without a place.
func (s *Shaking) Read(p []byte) (int, error) {
	s.Leave()
	return s.Conn.Read(p)
}
