package c2s

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"writ/xmpp/jid"
	"writ/xmpp/stream"
	"writ/xmpp/xml"
)

// phase is where a connection stands.
type phase uint8

const (
	hello    phase = iota // direct TLS: the handshake is due
	header                // a stream header is awaited
	open                  // features were sent
	upgrade               // <proceed/> was sent: the handshake is due
	finished              // nothing more is read
)

// conn is one connection with its stream. Whoever holds own runs its state machine; mu guards what others touch.
type conn struct {
	srv  *Server
	kind Kind
	peer netip.AddrPort
	born time.Time
	gone chan struct{} // closed when everything about the connection is over

	nc   net.Conn  // a sock, a pipe, or what stands for a WebSocket
	park *sock     // the same, if it can be parked
	in   io.Reader // nc, or tls above it
	tls  *tls.Conn
	leaf *leafConn
	ws   *socket // RFC 7395

	bound atomic.Pointer[session] // set by the owner
	sched atomic.Uint32           // of a parked connection: idle, running, or running and woken again
	heard atomic.Int64            // when something last came, unix nanoseconds
	asked atomic.Bool             // a sign of life was asked for since
	lent  atomic.Bool             // one of Server.writers writes to it
	guest atomic.Bool             // it may register, and has the time to

	own     sync.Mutex
	phase   phase
	dec     *xml.Decoder
	auth    *login // nil once signed in
	account jid.JID
	signin  *signin
	lang    string
	bucket  stream.Bucket
	behind  bool // something is fed that was not handled: the client must take its answers first

	mu       sync.Mutex
	ctl      []byte // what goes out before the session's stanzas
	cuts     []int  // ends of the messages in ctl, for RFC 7395
	writing  bool   // someone is in drain
	closing  bool   // nothing more goes out after ctl
	keep     bool   // the session may be resumed
	waiting  bool   // counted by the gate
	flush    bool   // the session's stanzas go out before the end
	farewell []byte // the stream error that follows them
	headed   bool   // our header is out
	over     bool
}

// leafConn is a connection in its handshake that carries the certificate that was presented, for tls-server-end-point.
type leafConn struct {
	stream.Shaking
	leaf *x509.Certificate
}

func newConn(s *Server, k Kind, peer netip.AddrPort) *conn {
	c := &conn{srv: s, kind: k, peer: peer, born: time.Now(), gone: make(chan struct{}), phase: header, waiting: true}
	c.sched.Store(running)
	c.heard.Store(c.born.UnixNano())
	c.dec = xml.NewStream(xml.BeforeLogin())
	c.auth = &login{}
	if s.c.Rate > 0 { // signing in takes a few kilobytes; who sends more is read slowly
		c.bucket = stream.Bucket{Rate: min(s.c.Rate, 8<<10), Burst: min(s.c.Burst, 32<<10)}
	}
	if k == DirectTLS {
		c.phase = hello
	}
	return c
}

const (
	idle uint32 = iota
	running
	again
)

// ready is called when a parked connection has something to read. It starts a goroutine if none runs.
func (c *conn) ready() {
	for {
		switch c.sched.Load() {
		case idle:
			if c.sched.CompareAndSwap(idle, running) {
				c.srv.crew.do(c, (*conn).run)
				return
			}
		case running:
			if c.sched.CompareAndSwap(running, again) {
				return
			}
		default:
			return
		}
	}
}

// start makes the first look. Until then the connection counts as running, so that an event of the poller cannot start it half made.
func (c *conn) start() { c.srv.crew.do(c, (*conn).run) }

// run reads until there is nothing to read. For a connection that cannot be parked that is its end.
func (c *conn) run() {
	for {
		pause, err := c.read()
		switch {
		case err == nil || isWait(err):
		default:
			c.lost(err)
			return
		}
		if pause > 0 {
			c.srv.m.paused.Inc()
			if c.park != nil {
				time.AfterFunc(pause, c.run) // still "running": events only set again
				return
			}
			select {
			case <-time.After(pause):
			case <-c.srv.ctx.Done():
			}
			continue
		}
		if c.park == nil {
			if err != nil {
				continue // a deadline that was used to wake us
			}
			continue
		}
		if err == nil || !c.sched.CompareAndSwap(running, idle) {
			c.sched.Store(running)
			continue
		}
		return
	}
}

func isWait(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout() && !errors.Is(err, io.EOF)
}

// read takes what one read brings. pause is how long the client must wait for the next.
func (c *conn) read() (pause time.Duration, err error) {
	if c.behind {
		c.behind = false
		if pause := c.take(nil); pause > 0 {
			return pause, nil
		}
	}
	if c.ws != nil {
		return c.readMessage()
	}
	if c.due() {
		return 0, c.handshake()
	}
	buf := pool.get()
	defer pool.put(buf)
	for {
		n, err := c.in.Read(*buf)
		if n > 0 {
			if pause := c.take((*buf)[:n]); pause > 0 {
				return pause, nil
			}
			if c.due() {
				return 0, nil
			}
		}
		if err != nil {
			return 0, err
		}
	}
}

func (c *conn) due() bool {
	c.own.Lock()
	defer c.own.Unlock()
	return c.phase == hello || c.phase == upgrade
}

// take feeds the state machine.
func (c *conn) take(p []byte) time.Duration {
	c.own.Lock()
	defer c.own.Unlock()
	now := time.Now()
	c.heard.Store(now.UnixNano())
	c.asked.Store(false)
	if c.phase == finished {
		return 0
	}
	c.dec.Feed(p)
	items := 0
	for {
		if c.isClosing() {
			c.phase = finished
			return 0
		}
		ev, err := c.dec.Next()
		if err != nil {
			c.fault(err)
			return 0
		}
		if ev.Kind == xml.Need {
			break
		}
		items++
		c.event(ev)
		if c.phase == upgrade || c.phase == finished {
			break
		}
		if c.crowded() {
			if c.kickInline(); c.crowded() { // another goroutine writes and is not done
				c.dec.Keep()
				c.behind = true
				return max(crowdedPause, c.bucket.Spend(len(p)+items*itemCost, now))
			}
		}
	}
	c.kickInline()
	return c.bucket.Spend(len(p)+items*itemCost, now)
}

// charge takes from the bucket for what is no bytes of the stream.
func (c *conn) charge(n int) time.Duration {
	c.own.Lock()
	defer c.own.Unlock()
	return c.bucket.Spend(n, time.Now())
}

// crowdedPause is how long a client is not read while half its queue waits for it.
const crowdedPause = 5 * time.Millisecond

// crowded reports that a client should take what waits for it before it sends more. Without this the answers to a flood of its own
// requests would fill its queue and end its connection.
func (c *conn) crowded() bool {
	s := c.bound.Load()
	if s == nil || c.ws != nil && c.ws.bosh != nil { // a client of BOSH takes its answers by asking more
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Waiting() > s.srv.c.MaxQueue/2
}

// itemCost is what an element costs in the token bucket beside its bytes.
const itemCost = 100

func (c *conn) isClosing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing
}

// fault ends the stream for bytes that are not XMPP.
func (c *conn) fault(err error) {
	var xe *xml.Error
	if errors.As(err, &xe) {
		c.stop(stream.FromXML(xe), false)
	} else {
		c.stop(stream.Fail("internal-server-error", ""), false)
	}
	c.phase = finished
}

// handshake runs TLS. It is the one thing that waits for a client, for a bounded time.
func (c *conn) handshake() error {
	config := c.srv.tls
	if c.kind == DirectTLS {
		config = c.srv.direct
	}
	if c.park != nil {
		c.park.park(false)
		defer c.park.park(true)
	}
	c.leaf = &leafConn{Shaking: stream.Shaking{Conn: c.nc, Places: c.srv.shakes}}
	defer func() {
		c.leaf.Leave()
		c.leaf.Places = nil
	}()
	tc := tls.Server(c.leaf, config)
	c.nc.SetDeadline(c.born.Add(c.srv.c.AuthTimeout.Std()))
	if err := tc.HandshakeContext(c.srv.ctx); err != nil {
		c.srv.m.handshakes.WithLabelValues("failed").Inc()
		return fmt.Errorf("c2s: handshake: %v", err) // not wrapped: a timeout is final here
	}
	c.nc.SetDeadline(time.Time{})
	c.srv.m.handshakes.WithLabelValues("done").Inc()
	c.own.Lock()
	defer c.own.Unlock()
	c.mu.Lock()
	c.tls, c.headed = tc, false
	c.mu.Unlock()
	c.in = tc
	c.phase = header
	c.dec = xml.NewStream(xml.BeforeLogin())
	return nil
}

// lost is called when reading failed: the peer is gone, or we closed.
func (c *conn) lost(error) {
	c.mu.Lock()
	if !c.closing {
		c.closing, c.keep = true, true
	}
	c.mu.Unlock()
	c.nc.Close()
	c.down()
}

// stop ends the stream: with an error, or, if e is nil, in answer to the peer's end. keep says whether the session may be resumed.
func (c *conn) stop(e *stream.Error, keep bool) { c.leave(e, keep, e == nil) }

// leave is stop; with flush the stanzas that wait for the client go out first: the answer to what it asked is among them.
func (c *conn) leave(e *stream.Error, keep, flush bool) {
	c.mu.Lock()
	if c.closing {
		c.mu.Unlock()
		return
	}
	c.closing, c.keep, c.flush = true, keep, flush
	framed := c.ws != nil
	if e != nil {
		c.srv.m.closed.WithLabelValues(e.Condition).Inc()
		if c.tls == nil && c.kind == DirectTLS && !framed {
			c.mu.Unlock() // before TLS there is no way to say anything
			c.nc.Close()
			c.lostSoon()
			return
		}
		if !c.headed {
			c.headed = true
			c.say(stream.Opening{From: c.srv.p.Router.Domain().String(), ID: rand.Text(), Framed: framed}.AppendTo(nil))
		}
		if c.flush {
			c.farewell = e.AppendTo(nil, framed)
		} else {
			c.say(e.AppendTo(nil, framed))
		}
	}
	if !c.flush {
		c.say(stream.AppendClose(nil, framed))
	}
	c.mu.Unlock()
	c.nc.SetWriteDeadline(time.Now().Add(2 * time.Second)) // also for who is writing now
	c.kick()
}

// lostSoon runs down for a parked connection, whose reader may be asleep.
func (c *conn) lostSoon() { go c.down() }

// maxSaid bounds what waits beside stanzas: the answers to a peer that asks and does not read.
const maxSaid = 64 << 10

// say adds to what goes out before the stanzas; p may not be changed any more. mu is held.
func (c *conn) say(p []byte) {
	if len(c.ctl) > maxSaid && !c.closing {
		c.closing, c.keep = true, true
		c.nc.Close() // who writes fails, and takes the connection down
		return
	}
	if c.ctl == nil {
		c.ctl = p[:len(p):len(p)] // what is added later makes a copy
	} else {
		c.ctl = append(c.ctl, p...)
	}
	if c.ws != nil {
		c.cuts = append(c.cuts, len(c.ctl))
	}
}

// tell is say for the owner: p goes out when the input in hand is done.
func (c *conn) tell(p []byte) {
	c.mu.Lock()
	c.say(p)
	c.mu.Unlock()
}

// down takes the connection out of the house. The session hibernates or ends.
func (c *conn) down() {
	c.own.Lock()
	defer c.own.Unlock()
	c.phase = finished
	c.mu.Lock()
	if c.over {
		c.mu.Unlock()
		return
	}
	c.over = true
	keep := c.keep
	c.mu.Unlock()
	if x := c.bound.Load(); x != nil {
		x.detach(c, keep)
		c.bound.Store(nil)
	}
	c.signed()
	c.srv.mu.Lock()
	delete(c.srv.conns, c)
	c.srv.mu.Unlock()
	c.srv.m.conns.Dec()
	close(c.gone)
}

// signed tells the gate that the connection no longer is one that is not signed in.
func (c *conn) signed() {
	c.mu.Lock()
	w := c.waiting
	c.waiting = false
	c.mu.Unlock()
	if w {
		c.srv.gate.leave(c.peer.Addr())
	}
}
