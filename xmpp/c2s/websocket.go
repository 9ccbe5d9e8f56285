package c2s

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"writ/xmpp/stream"
	"writ/xmpp/xml"
)

// socket is a connection whose messages are one element each: a WebSocket (RFC 7395 §3.3), or the bodies of BOSH (XEP-0124 §8).
type socket struct {
	ws     *websocket.Conn
	bosh   *bosh                // instead of ws
	tls    *tls.ConnectionState // nil behind a proxy that ends TLS
	secure bool
}

func (w *socket) send(p []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	return w.ws.Write(ctx, websocket.MessageText, p)
}

func (w *socket) close() {
	if w.bosh == nil {
		w.ws.Close(websocket.StatusNormalClosure, "")
	}
}

// closer stands for a net.Conn where only ending it matters.
type closer struct {
	net.Conn
	ws *websocket.Conn
}

func (c closer) Close() error                     { return c.ws.CloseNow() }
func (c closer) SetDeadline(time.Time) error      { return nil }
func (c closer) SetWriteDeadline(time.Time) error { return nil }

// WebSocket is the handler of /xmpp-websocket (RFC 7395). It answers 400 without the subprotocol "xmpp" and 403 to pages of other origins.
func (s *Server) WebSocket() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			http.Error(w, "This is an XMPP WebSocket (RFC 7395): connect with a chat app.", http.StatusUpgradeRequired)
			return
		}
		if !offers(r, "xmpp") { // RFC 7395 §3.1
			http.Error(w, "the subprotocol must be xmpp", http.StatusBadRequest)
			return
		}
		if !s.originAllowed(r) {
			http.Error(w, "this origin may not use the WebSocket", http.StatusForbidden)
			return
		}
		peer, secure := s.clientOf(r)
		if !s.gate.enter(peer.Addr()) {
			s.m.refused.Inc()
			http.Error(w, "too many connections", http.StatusTooManyRequests)
			return
		}
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"xmpp"}, InsecureSkipVerify: true, // the origin was checked above
			CompressionMode: websocket.CompressionDisabled}) // XEP-0138 shows what compression before login costs
		if err != nil {
			s.gate.leave(peer.Addr())
			return // Accept has answered
		}
		ws.SetReadLimit(int64(xml.BeforeLogin().Bytes))
		c := newConn(s, StartTLS, peer)
		c.ws = &socket{ws: ws, tls: r.TLS, secure: secure}
		c.nc = closer{ws: ws}
		c.dec = xml.NewFramed(xml.BeforeLogin())
		if !s.enter(c) {
			s.gate.leave(peer.Addr())
			ws.Close(websocket.StatusGoingAway, "the server is going down")
			return
		}
		defer s.work.Done()
		c.run()
		<-c.gone
	})
}

func offers(r *http.Request, protocol string) bool {
	for _, h := range r.Header.Values("Sec-WebSocket-Protocol") {
		for p := range strings.SplitSeq(h, ",") {
			if strings.EqualFold(strings.TrimSpace(p), protocol) {
				return true
			}
		}
	}
	return false
}

// originAllowed lets in apps (no Origin), pages of the same host, and the origins that the operator named.
func (s *Server) originAllowed(r *http.Request) bool {
	o := r.Header.Get("Origin")
	if o == "" {
		return true
	}
	u, err := url.Parse(o)
	if err != nil || u.Host == "" {
		return false
	}
	return strings.EqualFold(u.Host, r.Host) || slices.ContainsFunc(s.c.Origins, func(a string) bool { return strings.EqualFold(a, o) })
}

// clientOf is who asks, and whether the way to them is encrypted. What a header says counts only from a configured proxy.
func (s *Server) clientOf(r *http.Request) (netip.AddrPort, bool) {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	peer = netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
	secure := r.TLS != nil
	if !slices.ContainsFunc(s.proxies, func(p netip.Prefix) bool { return p.Contains(peer.Addr()) }) {
		return peer, secure || peer.Addr().IsLoopback()
	}
	if f := r.Header.Values("X-Forwarded-For"); len(f) > 0 {
		last := f[len(f)-1] // what our own proxy wrote
		if i := strings.LastIndexByte(last, ','); i >= 0 {
			last = last[i+1:]
		}
		if a, err := netip.ParseAddr(strings.TrimSpace(last)); err == nil {
			peer = netip.AddrPortFrom(a.Unmap(), 0)
		}
	}
	return peer, secure || r.Header.Get("X-Forwarded-Proto") == "https"
}

// Forwarded gives next the requests with the client's own address as RemoteAddr, where a configured proxy tells it.
func (s *Server) Forwarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if peer, _ := s.clientOf(r); peer.IsValid() && peer.String() != r.RemoteAddr {
			r = r.Clone(r.Context())
			r.RemoteAddr = peer.String()
		}
		next.ServeHTTP(w, r)
	})
}

// readMessage takes one WebSocket message.
func (c *conn) readMessage() (time.Duration, error) {
	kind, p, err := c.ws.ws.Read(context.Background())
	if err != nil {
		if errors.Is(err, websocket.ErrMessageTooBig) {
			c.stop(stream.Fail("policy-violation", "the message is too long"), false)
		}
		return 0, errClosed{err}
	}
	if kind != websocket.MessageText {
		c.ws.ws.Close(websocket.StatusUnsupportedData, "XMPP is text")
		return 0, errClosed{errors.New("c2s: a binary message")}
	}
	if !utf8.Valid(p) { // RFC 6455 §8.1
		c.ws.ws.Close(websocket.StatusInvalidFramePayloadData, "the text is not UTF-8")
		return 0, errClosed{errors.New("c2s: text that is not UTF-8")}
	}
	pause := c.take(p)
	if c.admitted() {
		c.ws.ws.SetReadLimit(int64(c.srv.c.MaxStanza) + 1)
	}
	return pause, nil
}

// admitted reports whether the client has signed in, and its stream goes on.
func (c *conn) admitted() bool {
	c.own.Lock()
	defer c.own.Unlock()
	return c.auth == nil && c.phase != finished
}

// errClosed is final, whatever the library's error says of itself.
type errClosed struct{ cause error }

func (e errClosed) Error() string { return "c2s: websocket: " + e.cause.Error() }
