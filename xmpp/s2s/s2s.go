// Package s2s talks with other servers: streams both ways (RFC 6120), direct TLS (XEP-0368), SASL EXTERNAL (XEP-0178), dialback by
// configuration (XEP-0220, XEP-0185), both directions on one stream (XEP-0288), acknowledgements (XEP-0198), limits (XEP-0478), DANE.
//
// Invariants:
//   - Nothing but the negotiation itself is said or heard outside TLS 1.2 or newer.
//   - A stanza from outside is at a domain that its stream has proved, and for a host for which it has proved it.
//   - A domain is proved by the certificate's subject alternative names or, where the operator allows it, by asking back; never by what a peer says
//     that nobody asked.
//   - What goes from one host to one domain keeps its order; it has one owner.
//   - A message that was acknowledged to its sender is on disk until the other server has it or the sender has it back.
//   - Nothing that a peer sends, or fails to send, makes this server hold more than the limits say, or connect to a network it must not.
package s2s

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"

	"writ/clock"
	"writ/obs"
	"writ/records"
	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/locate"
	"writ/xmpp/route"
	"writ/xmpp/stanza"
	"writ/xmpp/stream"
)

//go:embed schema
var schema embed.FS

// House is what this room asks of the router. Package route implements it.
type House interface {
	Serves(j jid.JID) bool
	Receive(ctx context.Context, p *route.Sender, s *stanza.Stanza, done func())
	Deliver(ctx context.Context, to jid.JID, s *stanza.Stanza)
	Sessions(account jid.JID) []*feature.Session
}

// Dial connects; net.Dialer's DialContext is one.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Parts is what the room stands on.
type Parts struct {
	House    House
	Domain   jid.JID     // the first of the served ones
	TLS      *tls.Config // certificates; they must cover every host
	DB       *store.DB
	Clock    clock.Clock
	Log      *slog.Logger
	Metrics  *obs.Metrics
	Resolver locate.Resolver // nil: the DNS, as configured
	Dial     Dial            // nil: TCP
	Roots    *x509.CertPool  // nil: the system's and those of Config.Roots
}

// Server is the room: both ways of federation.
type Server struct {
	c       Config
	p       Parts
	log     *slog.Logger
	m       metrics
	policy  policy
	locator locate.Locator
	roots   *x509.CertPool
	secret  []byte // of dialback keys; lives as long as the process (XEP-0185)
	ctx     context.Context
	cancel  context.CancelFunc
	gate    gate
	shakes  chan struct{}
	asking  chan struct{} // a place for each dialback request to another server

	plain, direct *tls.Config // of what connects to us

	waiting atomic.Int64 // bytes in all queues

	mu        sync.Mutex
	started   bool
	closed    bool
	peers     map[pair]*peer
	links     map[*link]struct{}
	listeners map[net.Listener]bool
	work      sync.WaitGroup // goroutines of links and peers
}

// pair is a host of this server and a domain elsewhere.
type pair struct{ local, remote jid.JID }

// New makes the room. It asks and connects to nobody before Start.
func New(c Config, p Parts) (*Server, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	c = c.orDefault()
	if p.Clock == nil {
		p.Clock = clock.System()
	}
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	if p.Dial == nil {
		p.Dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	if p.TLS == nil || p.House == nil || p.DB == nil {
		return nil, errors.New("s2s: TLS, a house and a store are needed")
	}
	s := &Server{c: c, p: p, log: p.Log.With("room", "s2s"), policy: newPolicy(c), roots: p.Roots, secret: make([]byte, 32),
		shakes: make(chan struct{}, c.Handshakes), asking: make(chan struct{}, 64),
		peers: map[pair]*peer{}, links: map[*link]struct{}{}, listeners: map[net.Listener]bool{}}
	rand.Read(s.secret)
	s.gate.init(c.Connections, c.PerAddress, c.PerDomain)
	s.m = newMetrics(s, p.Metrics)
	s.plain, s.direct = inboundTLS(p.TLS)
	var err error
	if s.locator.Networks, err = locate.ParseNetworks(c.Networks); err != nil {
		return nil, err
	}
	if s.roots == nil && c.Roots != "" {
		if s.roots, err = readRoots(c.Roots); err != nil {
			return nil, err
		}
	}
	s.locator.Resolver = p.Resolver
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// readRoots adds the authorities of a file to the system's.
func readRoots(file string) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("s2s: the system's authorities: %w", err)
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("s2s: reading the authorities: %w", err)
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("s2s: %s holds no certificate", file)
	}
	return pool, nil
}

// Feature is the room as the house sees it. It stands last: what it writes down is what every other room has made of a message.
func (s *Server) Feature() *feature.Feature {
	return &feature.Feature{
		Name:    "s2s",
		Specs:   []string{"RFC 6120", "XEP-0178", "XEP-0185", "XEP-0198", "XEP-0220", "XEP-0288", "XEP-0368", "XEP-0478"},
		Schema:  schema,
		Data:    []records.Datum{waitingLog(), waitingStanzas()},
		Screen:  s.screen,
		Persist: &feature.Persist{Wants: s.wants, Do: s.persist},
		After:   s.after,
		Start:   s.Start,
		Stop:    s.Close,
	}
}

// Start takes up what waited when the last process ended.
func (s *Server) Start(ctx context.Context) error {
	if s.locator.Resolver == nil {
		d, err := locate.NewDNS(s.c.Resolver, s.c.DNSSEC)
		if err != nil {
			return err
		}
		if len(s.c.Resolver) == 0 { // what the machine is told of names holds whole
			d.Hosts("/etc/hosts")
		}
		s.locator.Resolver = d
	}
	s.mu.Lock()
	s.started = true
	s.mu.Unlock()
	return s.load(ctx)
}

// ours reports a host of this server.
func (s *Server) ours(domain jid.JID) bool { return s.p.House.Serves(domain) }

// Reaches implements route.Remote.
func (s *Server) Reaches(j jid.JID) bool { return s.policy.of(j) != nothing }

// Send implements route.Remote.
func (s *Server) Send(_ context.Context, st *stanza.Stanza, queued int64) error {
	if err := s.allowed(st); err != nil {
		s.drop(queued)
		return err
	}
	i := item{s: st, row: queued, at: s.p.Clock.Now()}
	for {
		p, err := s.peer(pair{st.From.Domain(), st.To.Domain()})
		if err == nil {
			err = p.add(i)
		}
		switch {
		case errors.Is(err, errDead):
			continue
		case err != nil:
			s.drop(queued)
		}
		return err
	}
}

// allowed says whether the stanza may go out at all.
func (s *Server) allowed(st *stanza.Stanza) error {
	if st.From.IsZero() || st.To.IsZero() || !s.ours(st.From.Domain()) {
		return stanza.NotAllowed("this server does not carry stanzas of others")
	}
	switch s.policy.of(st.To) {
	case all:
		return nil
	case answers:
		if st.Kind != stanza.Presence {
			return nil
		}
	}
	return refused()
}

func refused() *stanza.Error {
	return stanza.RemoteServerNotFound("this server does not talk to that server")
}

// maxPeers bounds how many servers are spoken to at one time.
const maxPeers = 8192

// peer is the owner of a pair, made now if there is none.
func (s *Server) peer(at pair) (*peer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.peers[at]
	switch {
	case p != nil:
		return p, nil
	case s.closed || !s.started:
		return nil, stanza.RemoteServerTimeout("the server is going down")
	case len(s.peers) >= maxPeers:
		return nil, stanza.ResourceConstraint("this server is talking to too many others")
	}
	p = &peer{srv: s, at: at, wake: make(chan struct{}, 1)}
	s.peers[at] = p
	return p, nil
}

// Serve accepts connections of other servers until l or the room is closed.
func (s *Server) Serve(l net.Listener, direct bool) error {
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
	stream.Accept(s.ctx, l, s.log, func(nc net.Conn) { s.ServeConn(nc, direct) })
	return nil
}

// ServeConn serves one connection, which may be a pipe, and returns at once.
func (s *Server) ServeConn(nc net.Conn, direct bool) {
	from := addressOf(nc)
	if !s.gate.enter(from) { // XEP-0205: refused without a word
		s.m.refused.Inc()
		nc.Close()
		return
	}
	l := newLink(s, nc, true)
	l.addr = from
	if !s.enter(l) {
		nc.Close()
		s.gate.leave(from)
		return
	}
	go func() {
		defer s.work.Done()
		defer s.gate.leave(from)
		l.accept(direct)
	}()
}

// enter counts a link in; its goroutine must call work.Done.
func (s *Server) enter(l *link) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.links[l] = struct{}{}
	s.work.Add(1)
	return true
}

func (s *Server) leave(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.links, l)
}

func addressOf(nc net.Conn) netip.Addr {
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// Close ends the streams in order: what can be written still is. What waits on disk waits for the next start.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	if s.closed || !s.started {
		s.closed = true
		s.mu.Unlock()
		s.cancel()
		return nil
	}
	s.closed = true
	for l := range s.listeners {
		l.Close()
	}
	links := make([]*link, 0, len(s.links))
	for l := range s.links {
		links = append(links, l)
	}
	s.mu.Unlock()
	s.cancel()
	for _, l := range links {
		l.stop(shutdown(), true)
	}
	done := make(chan struct{})
	go func() {
		s.work.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		for _, l := range links {
			l.nc.Close()
		}
		<-done
		return fmt.Errorf("s2s: closing: %w", ctx.Err())
	}
}
