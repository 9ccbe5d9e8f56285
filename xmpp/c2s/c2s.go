// Package c2s serves clients: TCP with STARTTLS (RFC 6120 §5), direct TLS (XEP-0368) and WebSocket (RFC 7395); SASL (RFC 6120 §6),
// resource binding (RFC 6120 §7), stream management (XEP-0198), client state (XEP-0352), signs of life (XEP-0199); and the sign-in of today's
// apps in one exchange: SASL2 (XEP-0388, sasl2.go) with Bind 2 (XEP-0386, bind2.go), tokens (XEP-0484), upgrades of verifiers
// (XEP-0480, task.go), sent before the features are read if the app likes (XEP-0509).
//
// Invariants:
//   - A session is a state machine fed with bytes. An idle one has no goroutine, no timer and no buffer.
//   - Limits act before login and while parsing; nothing that a peer sends can make the server hold more than they say.
//   - What a session acknowledges is committed.
//   - What a client asks for beside its proof is looked at after the proof; a failure leaves the stream as it was.
//   - A sign-in that began before its account or device was signed out does not become a session after it.
//   - The bound address is always one of the account that was authenticated.
//   - A full queue ends the connection, never blocks the sender; the session stays resumable.
//   - Nothing that was received before TLS is acted upon after it.
package c2s

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"writ/account"
	"writ/clock"
	"writ/obs"
	"writ/records"
	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/route"
	"writ/xmpp/sasl"
	"writ/xmpp/stream"
)

// Accounts is what serving clients asks of the accounts.
type Accounts interface {
	// Barred gives those of the accounts that may not be signed in.
	Barred(ctx context.Context, accounts []jid.JID) ([]jid.JID, error)
	// TakeEnded gives, once, those whose sessions must end because another process changed them.
	TakeEnded(ctx context.Context) ([]jid.JID, error)
	// Seen notes a device.
	Seen(ctx context.Context, tx *store.Tx, account jid.JID, d account.Device) error

	Tokens
	Verifiers
}

// Tokens are the devices' tokens (XEP-0484).
type Tokens interface {
	// UseToken does what a sign-in does to the device's tokens. account.ErrToken means that it must fail.
	UseToken(ctx context.Context, account jid.JID, u account.Use) (*account.Fresh, error)
}

// Verifiers is what upgrades ask (XEP-0480).
type Verifiers interface {
	// Lacks gives the hashes of which the account has no verifier, or too weak a one.
	Lacks(ctx context.Context, account jid.JID) ([]sasl.Hash, error)
	// Strengthen adds verifiers of the password behind shown, unless it has been changed.
	Strengthen(ctx context.Context, account jid.JID, shown sasl.Verifier, fresh ...sasl.Verifier) error
	// Iterations is how often the hash of a new verifier is repeated.
	Iterations() int
}

// Recorder keeps what the record schedule declares about sign-ins.
type Recorder interface {
	// Came notes a sign-in, and that the account was connected then.
	Came(ctx context.Context, tx *store.Tx, s records.SignIn) error
	Seen(ctx context.Context, tx *store.Tx, account string, t time.Time) error
}

// Parts is what the server stands on.
type Parts struct {
	Router    *route.Router
	SASL      *sasl.Server
	TLS       *tls.Config // certificates; versions, ALPN and sizes are set by New on a copy
	DB        *store.DB
	Accounts  Accounts  // may be nil
	Recorder  Recorder  // may be nil
	Newcomers Newcomers // nil: nobody registers in-band
	Clock     clock.Clock
	Log       *slog.Logger
	Metrics   *obs.Metrics

	ResourceKey []byte // makes the resources of Bind 2, for each device the same; nil: a random one, that lasts as long as the server

	BOSHURL      string // the same for BOSH
	WebSocketURL string // wss://… as clients reach it, told by host-meta unless Config.WebSocket says another; empty: none is told
}

// Server serves clients of one domain.
type Server struct {
	c       Config
	p       Parts
	log     *slog.Logger
	m       metrics
	tls     *tls.Config // STARTTLS and WebSocket
	direct  *tls.Config // with ALPN
	ctx     context.Context
	cancel  context.CancelFunc
	poll    lazyPoller
	crew    crew
	writers writers
	shakes  chan struct{} // a place for each handshake
	gate    gate
	menus   menus
	ends    ends
	proxies []netip.Prefix
	fronts  []netip.Prefix // from which the PROXY protocol is required
	looks   chan struct{}  // a place for each connection whose first bytes are looked at
	inline  []feature.Inline

	mu        sync.Mutex
	closed    bool
	listeners map[net.Listener]bool
	conns     map[*conn]struct{}
	tokens    map[tokenKey]*session // resumable sessions
	over      overs                 // those that ended
	boshes    map[string]*bosh
	swept     chan struct{}
	work      sync.WaitGroup // connections' goroutines
}

// New returns a server that listens nowhere yet. Close must be called.
func New(c Config, p Parts) (*Server, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	c = c.orDefault()
	if c.WebSocket == "" {
		c.WebSocket = p.WebSocketURL
	}
	if c.BOSH == "" {
		c.BOSH = p.BOSHURL
	}
	if p.Clock == nil {
		p.Clock = clock.System()
	}
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	if p.TLS == nil || p.SASL == nil {
		return nil, errors.New("c2s: TLS and SASL are needed")
	}
	s := &Server{c: c, p: p, log: p.Log.With("room", "c2s"), shakes: make(chan struct{}, c.Handshakes),
		listeners: map[net.Listener]bool{}, conns: map[*conn]struct{}{}, tokens: map[tokenKey]*session{}, boshes: map[string]*bosh{}, swept: make(chan struct{})}
	for _, x := range c.Proxies {
		n, err := parsePrefix(x)
		if err != nil {
			return nil, fmt.Errorf("c2s: reading proxies: %w", err)
		}
		s.proxies = append(s.proxies, n)
	}
	for _, x := range c.ProxyProtocol {
		n, err := parsePrefix(x)
		if err != nil {
			return nil, fmt.Errorf("c2s: reading proxy_protocol: %w", err)
		}
		s.fronts = append(s.fronts, n)
	}
	s.looks = make(chan struct{}, maxFronted)
	s.m = newMetrics(p.Metrics)
	s.inline = p.Router.Inline()
	if s.p.ResourceKey == nil {
		s.p.ResourceKey = make([]byte, 32)
		rand.Read(s.p.ResourceKey)
	}
	s.gate.init(c.Halfway, c.Failures)
	s.writers.init(&s.crew)
	s.tls, s.direct = tlsConfigs(p.TLS)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	go s.sweep()
	return s, nil
}

// tlsConfigs makes the configurations for STARTTLS and for direct TLS.
func tlsConfigs(base *tls.Config) (plain, direct *tls.Config) {
	plain = base.Clone()
	plain.MinVersion = max(plain.MinVersion, tls.VersionTLS12)
	plain.DynamicRecordSizingDisabled = true // a batch of stanzas is one record
	plain.NextProtos = nil
	TieTickets(plain)
	certificate := plain.GetCertificate
	certificates := plain.Certificates
	plain.GetCertificate = func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		c, err := stream.Certificate(h, certificate, certificates)
		if err == nil && c != nil {
			if l, ok := h.Conn.(*leafConn); ok {
				l.leaf = c.Leaf
				l.Enter()
			}
		}
		return c, err
	}
	direct = plain.Clone()
	direct.NextProtos = []string{"xmpp-client"} // crypto/tls answers any other with no_application_protocol (RFC 7301 §3.2)
	return plain, direct
}

// Kind is how a connection begins.
type Kind uint8

const (
	StartTLS  Kind = iota // a stream in clear that must be upgraded
	DirectTLS             // TLS from the first byte
)

// Serve accepts connections until l or the server is closed. It returns nil after Close.
func (s *Server) Serve(l net.Listener, k Kind) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return l.Close()
	}
	s.listeners[l] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.listeners, l)
		s.mu.Unlock()
	}()
	stream.Accept(s.ctx, l, s.log, func(nc net.Conn) { s.ServeConn(nc, k) })
	return nil
}

// ServeConn serves one connection, which may be a pipe, and returns at once.
func (s *Server) ServeConn(nc net.Conn, k Kind) {
	peer := peerOf(nc)
	if !s.proxied(peer.Addr()) {
		s.serve(nc, k, peer, nil)
		return
	}
	s.look(func() {
		defer func() { <-s.looks }()
		peer, err := behind(nc, peer)
		if err != nil {
			s.m.refused.Inc()
			s.log.Debug("a load balancer sent no header", "err", err)
			nc.Close()
			return
		}
		s.serve(nc, k, peer, nil)
	}, nc)
}

// serve serves a connection from a client of that address, which has sent first already.
func (s *Server) serve(nc net.Conn, k Kind, peer netip.AddrPort, first []byte) {
	if !s.gate.enter(peer.Addr()) { // XEP-0205: refused without a word
		s.m.refused.Inc()
		nc.Close()
		return
	}
	c := newConn(s, k, peer)
	c.nc = nc
	if t, ok := nc.(*net.TCPConn); ok {
		t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 45 * time.Second, Interval: 15 * time.Second, Count: 3})
		if sk, err := s.poll.get().adopt(t, c.ready, c.stalled); err == nil {
			c.nc, c.park = sk, sk
			sk.preload(first)
		}
	}
	if c.park == nil && len(first) > 0 {
		c.nc = &fronted{Conn: nc, peer: peer, first: first}
	}
	c.in = c.nc
	if !s.enter(c) {
		c.nc.Close()
		s.gate.leave(peer.Addr())
		return
	}
	if c.park != nil {
		c.start()
		return
	}
	go func() {
		defer s.work.Done()
		c.run()
	}()
}

// lazyPoller is made for the first connection that can be parked: a server of pipes alone has none.
type lazyPoller struct {
	once sync.Once
	p    *poller
}

// get gives the poller; nil if there can be none, which parks nothing.
func (l *lazyPoller) get() *poller {
	l.once.Do(func() { l.p, _ = newPoller() })
	return l.p
}

// close ends the poller if there is one.
func (l *lazyPoller) close() {
	l.once.Do(func() {})
	l.p.close()
}

func (s *Server) enter(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.conns[c] = struct{}{}
	s.m.conns.Inc()
	if c.park == nil {
		s.work.Add(1)
	}
	return true
}

func peerOf(nc net.Conn) netip.AddrPort {
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		p := a.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPort{}
}

// Close ends every stream with system-shutdown (RFC 6120 §4.9.3.20). Sessions that may be resumed are kept for the next process, asleep
// (XEP-0198 §5); what others had not acknowledged goes to other sessions or is kept by a room. It waits until ctx ends for clients
// that read slowly.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	for l := range s.listeners {
		l.Close()
	}
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	s.cancel()
	<-s.swept
	for _, c := range conns {
		c.stop(shutdown(), true)
	}
	err := s.drain(ctx)
	keep, cancel := context.WithTimeout(context.WithoutCancel(ctx), layTime) // slow readers must not cost the sessions of others
	defer cancel()
	err = errors.Join(err, s.layAll(keep))
	s.p.Router.Drain() // what sessions left is on its way to the store
	s.poll.close()
	s.crew.end()
	return err
}

// layTime is how long writing down the sessions may take.
const layTime = 10 * time.Second

// drain waits for the connections, and closes what is left when ctx ends.
func (s *Server) drain(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		for _, c := range s.all() {
			<-c.gone
		}
		s.work.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		for _, c := range s.all() {
			c.nc.Close()
		}
		<-done
		return fmt.Errorf("c2s: closing: %w", ctx.Err())
	}
}

func (s *Server) all() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		out = append(out, c)
	}
	return out
}

// pool holds the buffers of 16 KiB that reading and writing use for as long as there is something to read or write.
var pool = buffers{}

type buffers struct{ p sync.Pool }

const bufferSize = 16 << 10

func (b *buffers) get() *[]byte {
	if v, ok := b.p.Get().(*[]byte); ok {
		return v
	}
	v := make([]byte, bufferSize)
	return &v
}

func (b *buffers) put(v *[]byte) {
	if cap(*v) == bufferSize {
		*v = (*v)[:bufferSize]
		b.p.Put(v)
	}
}
