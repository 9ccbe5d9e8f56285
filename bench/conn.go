package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
)

// client is one XMPP client connection. It logs in with blocking calls; after
// that an engine may take over reading (see engine.go).
type client struct {
	cfg      *config
	user     string
	jid      string // full JID after bind
	sock     *socket
	rw       io.ReadWriter // sock or a *tls.Conn over it
	fr       framer
	smOn     bool
	smIn     uint32 // stanzas received since <enabled/>
	queue    [][]byte
	features []byte
	onStanza func(*client, []byte)
	onGone   func(*client, error)
	gone     atomic.Bool
}

// socket is a TCP connection that can be switched from blocking reads (login)
// to reads that return errAgain when nothing is there (engine).
type socket struct {
	*net.TCPConn
	fd     int
	nonblk bool
}

type againError struct{}

func (againError) Error() string   { return "would block" }
func (againError) Timeout() bool   { return true }
func (againError) Temporary() bool { return true } // keeps crypto/tls from making it sticky

var errAgain error = againError{}

func (s *socket) Read(p []byte) (int, error) {
	if !s.nonblk {
		return s.TCPConn.Read(p)
	}
	for {
		n, err := syscall.Read(s.fd, p)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return 0, errAgain
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// dialer hands out source addresses 127.0.x.y round robin, so that more
// connections than there are local ports can be opened to one loopback port.
type dialer struct {
	srcs []netip.Addr
	next atomic.Uint32
}

func newDialer(base string, n int) (*dialer, error) {
	d := &dialer{}
	if base == "" {
		return d, nil
	}
	a, err := netip.ParseAddr(base)
	if err != nil {
		return nil, err
	}
	for range n {
		d.srcs = append(d.srcs, a)
		a = a.Next()
	}
	return d, nil
}

func (d *dialer) dial(ctx context.Context, addr string) (*socket, error) {
	nd := net.Dialer{KeepAlive: -1, Control: func(_, _ string, c syscall.RawConn) error {
		const ipBindAddressNoPort = 24
		return c.Control(func(fd uintptr) {
			syscall.SetsockoptInt(int(fd), syscall.SOL_IP, ipBindAddressNoPort, 1)
		})
	}}
	if len(d.srcs) > 0 {
		src := d.srcs[int(d.next.Add(1))%len(d.srcs)]
		nd.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(src, 0))
	}
	c, err := nd.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	s := &socket{TCPConn: c.(*net.TCPConn)}
	rc, err := s.SyscallConn()
	if err != nil {
		return nil, err
	}
	rc.Control(func(fd uintptr) { s.fd = int(fd) })
	return s, nil
}

// connect opens the connection, negotiates TLS where asked for, and leaves the
// client with the stream features of the last stream.
func connect(cfg *config, user string) (*client, error) {
	ctx, cancel := context.WithTimeout(context.Background(), cfg.Timeout)
	defer cancel()
	s, err := cfg.dialer.dial(ctx, cfg.Addr)
	if err != nil {
		return nil, err
	}
	c := &client{cfg: cfg, user: user, sock: s, rw: s}
	s.SetDeadline(time.Now().Add(cfg.Timeout))
	if err := c.negotiateTLS(); err != nil {
		s.Close()
		return nil, err
	}
	return c, nil
}

func (c *client) negotiateTLS() error {
	if c.cfg.TLS == "direct" {
		if err := c.startTLS(); err != nil {
			return err
		}
	}
	if err := c.openStream(); err != nil || c.cfg.TLS != "starttls" {
		return err
	}
	if err := c.send([]byte("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")); err != nil {
		return err
	}
	if _, err := c.expect("proceed"); err != nil {
		return err
	}
	if err := c.startTLS(); err != nil {
		return err
	}
	return c.openStream()
}

func (c *client) startTLS() error {
	t := tls.Client(c.sock, &tls.Config{
		ServerName:         c.cfg.Domain,
		InsecureSkipVerify: true, // a benchmark of servers with self-signed certificates
		MinVersion:         c.cfg.minTLS,
		NextProtos:         c.cfg.alpn,
	})
	if err := t.Handshake(); err != nil {
		return fmt.Errorf("TLS: %w", err)
	}
	c.rw = t
	return nil
}

// openStream sends a stream header and reads up to the stream features.
func (c *client) openStream() error {
	c.fr.reset()
	c.queue = nil
	err := c.send(fmt.Appendf(nil, "<?xml version='1.0'?><stream:stream to='%s' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>", c.cfg.Domain))
	if err != nil {
		return err
	}
	if _, err := c.expect("stream:stream"); err != nil {
		return err
	}
	c.features, err = c.expect("stream:features")
	return err
}

// login authenticates, binds a resource and switches on what the flags ask for.
func (c *client) login() error {
	if err := c.sasl(); err != nil {
		return err
	}
	if err := c.openStream(); err != nil {
		return err
	}
	r, err := c.iq("set", "", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>"+c.cfg.Resource+"</resource></bind>")
	if err != nil {
		return err
	}
	if c.jid = string(text(r, "jid")); c.jid == "" {
		return fmt.Errorf("bind: %s", r)
	}
	if bytes.Contains(c.features, []byte("urn:ietf:params:xml:ns:xmpp-session")) && !bytes.Contains(c.features, []byte("<optional")) {
		if _, err := c.iq("set", "", "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>"); err != nil {
			return err
		}
	}
	if c.cfg.SM {
		resume := ""
		if c.cfg.Resume {
			resume = " resume='true'"
		}
		if err := c.send([]byte("<enable xmlns='urn:xmpp:sm:3'" + resume + "/>")); err != nil {
			return err
		}
		if _, err := c.expect("enabled"); err != nil {
			return err
		}
		c.smOn, c.smIn = true, 0
	}
	if c.cfg.Carbons {
		if _, err := c.iq("set", "", "<enable xmlns='urn:xmpp:carbons:2'/>"); err != nil {
			return err
		}
	}
	if c.cfg.Roster {
		if _, err := c.iq("get", "", "<query xmlns='jabber:iq:roster'/>"); err != nil {
			return err
		}
	}
	if c.cfg.Presence {
		if err := c.send([]byte("<presence/>")); err != nil {
			return err
		}
	}
	c.features = nil
	return nil
}

// dialLogin is connect and login, closing the connection on failure.
func dialLogin(cfg *config, user string) (*client, error) {
	c, err := connect(cfg, user)
	if err != nil {
		return nil, err
	}
	if err := c.login(); err != nil {
		c.sock.Close()
		return nil, fmt.Errorf("%s: %w", user, err)
	}
	c.sock.SetDeadline(time.Time{})
	return c, nil
}

func (c *client) send(b []byte) error {
	_, err := c.rw.Write(b)
	return err
}

// next returns the next top-level element (blocking; login phase only).
// It answers stream management requests itself.
func (c *client) next() ([]byte, error) {
	var buf [4096]byte
	for {
		if len(c.queue) > 0 {
			el := c.queue[0]
			c.queue = c.queue[1:]
			if c.count(el) {
				continue
			}
			return el, nil
		}
		n, err := c.rw.Read(buf[:])
		if n > 0 {
			c.fr.feed(buf[:n], func(el []byte) { c.queue = append(c.queue, bytes.Clone(el)) })
		}
		if err != nil {
			return nil, err
		}
	}
}

// count does the stream management bookkeeping for a received element and
// tells whether it was a stream management element that needs no more care.
func (c *client) count(el []byte) bool {
	if len(el) > 2 && el[1] == 'r' && (el[2] == ' ' || el[2] == '/') {
		c.send(fmt.Appendf(nil, "<a xmlns='urn:xmpp:sm:3' h='%d'/>", c.smIn))
		return true
	}
	if c.smOn {
		switch string(name(el)) {
		case "message", "iq", "presence":
			c.smIn++
		case "a":
			return true
		}
	}
	return false
}

// expect reads the next element that is not a message or presence and fails
// unless it has the wanted name.
func (c *client) expect(want string) ([]byte, error) {
	for {
		el, err := c.next()
		if err != nil {
			return nil, fmt.Errorf("waiting for <%s>: %w", want, err)
		}
		switch n := string(name(el)); n {
		case want:
			return el, nil
		case "message", "presence":
		default:
			return nil, fmt.Errorf("waiting for <%s>: got %.200s", want, el)
		}
	}
}

var iqSeq atomic.Uint64

// iq sends a request and returns its result; an error reply is an error.
func (c *client) iq(typ, to, payload string) ([]byte, error) {
	return c.iqEach(typ, to, payload, nil)
}

// iqEach is iq, handing every other stanza that arrives meanwhile to each.
func (c *client) iqEach(typ, to, payload string, each func([]byte)) ([]byte, error) {
	id := fmt.Sprintf("q%d", iqSeq.Add(1))
	if to != "" {
		to = " to='" + to + "'"
	}
	if err := c.send(fmt.Appendf(nil, "<iq type='%s' id='%s'%s>%s</iq>", typ, id, to, payload)); err != nil {
		return nil, err
	}
	for {
		el, err := c.next()
		if err != nil {
			return nil, err
		}
		if string(name(el)) == "iq" && string(attr(el, "id")) == id {
			if string(attr(el, "type")) == "error" {
				return nil, fmt.Errorf("iq error: %.300s", el)
			}
			return el, nil
		}
		if string(name(el)) == "stream:error" {
			return nil, fmt.Errorf("stream error: %.300s", el)
		}
		if each != nil {
			each(el)
		}
	}
}

// close ends the stream politely (else a resumable session would linger) and
// closes the socket.
func (c *client) close() {
	if c.gone.Swap(true) {
		return
	}
	c.sock.SetWriteDeadline(time.Now().Add(time.Second))
	c.send([]byte("</stream:stream>"))
	c.sock.Close()
}
