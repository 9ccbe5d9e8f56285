package c2s

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// maxFronted bounds the connections whose first bytes are being looked at, of all listeners together.
const maxFronted = 1024

// helloTime is how long a ClientHello may take, and maxHello its bytes.
const (
	helloTime = 10 * time.Second
	maxHello  = bufferSize
)

// Front makes a listener for HTTP behind which addresses are true (the PROXY protocol), and, with share, takes the connections that ask for
// XMPP by ALPN (XEP-0368 §3) out of it. Where neither is asked for it gives l itself.
func (s *Server) Front(l net.Listener, share bool) net.Listener {
	if !share && len(s.fronts) == 0 {
		return l
	}
	f := &front{Listener: l, srv: s, share: share, conns: make(chan net.Conn), done: make(chan struct{})}
	go f.run()
	return f
}

// front is a listener whose connections are looked at before they are accepted.
type front struct {
	net.Listener
	srv   *Server
	share bool
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
	err   error // set before done is closed
}

func (f *front) run() {
	for {
		c, err := f.Listener.Accept()
		var ne net.Error
		switch {
		case err == nil:
			f.srv.look(func() { f.one(c) }, c)
		case errors.As(err, &ne) && ne.Timeout(), !errors.Is(err, net.ErrClosed):
			select { // out of descriptors, most likely: it passes
			case <-time.After(50 * time.Millisecond):
			case <-f.done:
				return
			}
		default:
			f.end(err)
			return
		}
	}
}

// look runs what waits for first bytes, unless too many wait.
func (s *Server) look(f func(), c net.Conn) {
	select {
	case s.looks <- struct{}{}:
		go f()
	default:
		s.m.refused.Inc()
		c.Close()
	}
}

// one looks at a connection and passes it on.
func (f *front) one(c net.Conn) {
	pass, done := f.sort(c)
	<-f.srv.looks
	if !pass {
		return
	}
	select {
	case f.conns <- done:
	case <-f.done:
		c.Close()
	}
}

// sort reads what stands before the client's stream. It reports whether the connection is for HTTP; otherwise it is taken care of.
func (f *front) sort(c net.Conn) (pass bool, out net.Conn) {
	peer := peerOf(c)
	if f.srv.proxied(peer.Addr()) {
		var err error
		if peer, err = behind(c, peer); err != nil {
			f.srv.log.Debug("a load balancer sent no header", "err", err)
			c.Close()
			return false, nil
		}
	}
	if !f.share {
		return true, &fronted{Conn: c, peer: peer}
	}
	asked, first := firstHello(c)
	if slices.Contains(asked, "xmpp-client") {
		f.srv.serve(c, DirectTLS, peer, first)
		return false, nil
	}
	return true, &fronted{Conn: c, peer: peer, first: first}
}

// firstHello reads a ClientHello and gives the protocols it asks for, with the bytes that were read. What is no ClientHello asks for none: who is
// behind gives the answer.
func firstHello(c net.Conn) (asked []string, first []byte) {
	c.SetReadDeadline(time.Now().Add(helloTime))
	defer c.SetReadDeadline(time.Time{})
	r := &recorder{Conn: c}
	tls.Server(r, &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		asked = h.SupportedProtos
		return nil, errors.New("c2s: only looked at")
	}}).Handshake()
	return asked, r.read.Bytes()
}

// recorder keeps what is read and writes nothing.
type recorder struct {
	net.Conn
	read bytes.Buffer
}

func (r *recorder) Read(p []byte) (int, error) {
	left := maxHello - r.read.Len()
	if left <= 0 {
		return 0, errors.New("c2s: a ClientHello that is too long")
	}
	n, err := r.Conn.Read(p[:min(left, len(p))])
	r.read.Write(p[:n])
	return n, err
}

func (r *recorder) Write(p []byte) (int, error)        { return len(p), nil }
func (r *recorder) SetWriteDeadline(t time.Time) error { return nil }
func (r *recorder) Close() error                       { return nil }

// fronted is a connection whose first bytes were read already, from an address that a load balancer told.
type fronted struct {
	net.Conn
	peer  netip.AddrPort
	first []byte
}

func (f *fronted) Read(p []byte) (int, error) {
	if len(f.first) > 0 {
		n := copy(p, f.first)
		if f.first = f.first[n:]; len(f.first) == 0 {
			f.first = nil
		}
		return n, nil
	}
	return f.Conn.Read(p)
}

// RemoteAddr is the client's.
func (f *fronted) RemoteAddr() net.Addr {
	if !f.peer.IsValid() {
		return f.Conn.RemoteAddr()
	}
	return net.TCPAddrFromAddrPort(f.peer)
}

// Accept implements net.Listener.
func (f *front) Accept() (net.Conn, error) {
	select {
	case c := <-f.conns:
		return c, nil
	case <-f.done:
		return nil, f.err
	}
}

func (f *front) end(err error) {
	f.once.Do(func() {
		f.err = err
		close(f.done)
	})
}

// Close implements net.Listener.
func (f *front) Close() error {
	err := f.Listener.Close()
	f.end(net.ErrClosed)
	return err
}
