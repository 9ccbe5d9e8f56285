package s2s

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"writ/xmpp/jid"
	"writ/xmpp/route"
	"writ/xmpp/stream"
	"writ/xmpp/xml"
)

// Times of a stream.
const (
	dialTimeout  = 10 * time.Second
	writeTimeout = 30 * time.Second
	probeEvery   = 45 * time.Second // a sign of life on a stream that is up
	lingerFor    = 2 * time.Second  // how long the other side may take to end the stream after us
)

// batchSize is how much is gathered for one write: one TLS record.
const batchSize = 16<<10 - 512

// link is one stream with another server. Its own goroutine reads; writing is done by whoever finds something to write and nobody at it.
type link struct {
	srv  *Server
	in   bool // the other server connected
	addr netip.Addr
	born time.Time
	gone chan struct{} // closed when everything about it is over

	// Of the reading goroutine.
	nc       net.Conn
	tls      *tls.Conn
	dec      *xml.Decoder
	buf      []byte
	local    jid.JID // the host that the header names
	remote   jid.JID // the domain that the header names
	id       string  // of the stream; the accepting side gives it
	lang     string
	proved   bool                // the certificate proves remote
	authed   bool                // at least one pair is proved
	pairs    map[pair]proof      // what is proved, and what is being asked
	bidi     bool                // both ways (XEP-0288)
	features *xml.Element        // outbound: the last ones
	bucket   stream.Bucket       // what the other side may send
	way      route.Sender        // into the house
	certs    []*x509.Certificate // of the other side
	sasl     saslState
	failures int

	heard atomic.Int64 // when something last came, unix nanoseconds

	mu      sync.Mutex
	ctl     []byte     // goes out before stanzas
	peer    *peer      // whose queue goes out on it
	writing bool       // someone is in drain
	broken  bool       // nothing more can be written
	calm    *sync.Cond // nobody writes
	closing bool       // nothing more goes out after ctl, or after the queue with flush
	flush   bool
	end     []byte // what follows the last stanza
	headed  bool   // our header is out
	ended   bool
	sm      managed
}

// proof is what is known of a pair on a stream.
type proof uint8

const (
	unknown proof = iota
	asked         // dialback is under way
	proven
)

func newLink(s *Server, nc net.Conn, in bool) *link {
	l := &link{srv: s, nc: nc, in: in, born: time.Now(), gone: make(chan struct{}), buf: make([]byte, 4<<10), pairs: map[pair]proof{}}
	l.heard.Store(l.born.UnixNano())
	l.calm = sync.NewCond(&l.mu)
	l.dec = xml.NewStream(xml.BeforeLogin())
	if t, ok := nc.(*net.TCPConn); ok {
		t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 45 * time.Second, Interval: 15 * time.Second, Count: 3})
	}
	return l
}

// secured makes TLS the way from now on. Nothing that was read before counts.
func (l *link) secured(t *tls.Conn) {
	l.mu.Lock()
	l.tls, l.headed = t, false
	l.mu.Unlock()
	l.certs = t.ConnectionState().PeerCertificates
	l.dec = xml.NewStream(xml.BeforeLogin())
}

// next reads until the tokenizer finds something; white space is passed over. by is when it must have come.
func (l *link) next(by time.Time) (xml.Event, error) {
	for {
		ev, err := l.dec.Next()
		if err != nil || ev.Kind != xml.Need && ev.Kind != xml.Space {
			return ev, err
		}
		if ev.Kind == xml.Space {
			continue
		}
		l.nc.SetReadDeadline(by)
		n, err := l.read(l.buf)
		if n > 0 {
			now := time.Now()
			l.heard.Store(now.UnixNano())
			l.dec.Feed(l.buf[:n])
			l.rest(l.bucket.Spend(n, now))
			continue
		}
		if err != nil {
			return xml.Event{}, err
		}
	}
}

func (l *link) read(p []byte) (int, error) {
	if l.tls != nil {
		return l.tls.Read(p)
	}
	return l.nc.Read(p)
}

// rest reads nothing for a while from a server that sends too fast.
func (l *link) rest(d time.Duration) {
	if d <= 0 {
		return
	}
	l.srv.m.paused.Inc()
	select {
	case <-time.After(d):
	case <-l.srv.ctx.Done():
	}
}

// heardSince reports that something came within the last d.
func (l *link) heardSince(d time.Duration) bool {
	return time.Since(time.Unix(0, l.heard.Load())) < d
}

// say adds to what goes out before stanzas, and has it written. A peer that asks and does not read is given up.
func (l *link) say(p []byte) {
	const most = 64 << 10
	l.mu.Lock()
	if l.closing {
		l.mu.Unlock()
		return
	}
	if len(l.ctl) > most {
		l.closing = true
		l.mu.Unlock()
		l.nc.Close()
		return
	}
	l.ctl = append(l.ctl, p...)
	l.mu.Unlock()
	l.kick()
}

// carry makes the peer's queue the one that goes out; nil: none.
func (l *link) carry(p *peer) {
	l.mu.Lock()
	l.peer = p
	l.mu.Unlock()
	if p != nil {
		l.kick()
	}
}

// kick makes sure that what waits is written, by a goroutine of its own if nobody writes.
func (l *link) kick() {
	l.mu.Lock()
	start := !l.writing && !l.ended
	l.writing = l.writing || start
	l.mu.Unlock()
	if start {
		go l.drain()
	}
}

// drain writes until nothing waits.
func (l *link) drain() {
	buf := make([]byte, 0, batchSize+4096)
	for {
		b, p, n, last := l.gather(buf[:0])
		if len(b) > 0 {
			if err := l.write(b); err != nil {
				l.nc.Close() // the reader ends the link; writing stays true, so that nothing is written any more
				l.mu.Lock()
				l.broken = true
				l.calm.Broadcast()
				l.mu.Unlock()
				return
			}
			if p != nil && n > 0 {
				p.acked(l, n) // without XEP-0198 what the network took is gone from us
			}
		}
		if last {
			l.hangUp()
			l.mu.Lock()
			l.broken = true
			l.calm.Broadcast()
			l.mu.Unlock()
			return
		}
		if len(b) == 0 {
			return
		}
		if cap(b) <= 4*batchSize {
			buf = b
		}
	}
}

// gather takes the next batch. With an empty one the writer's place is free again; last says that the batch ends the stream. p and n are
// what counts as delivered once it is written.
func (l *link) gather(b []byte) (out []byte, p *peer, n int, last bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b = append(b, l.ctl...)
	l.ctl = nil
	if l.peer != nil && (!l.closing || l.flush) {
		b, n = l.peer.fill(l, b, batchSize)
		if n > 0 {
			b = l.sm.wrote(b, n, l.peer.waits())
			if !l.sm.out {
				p = l.peer
			}
		}
	}
	if l.closing {
		if l.flush && l.peer != nil && l.peer.waits() {
			return b, p, n, false
		}
		l.flush = false
		b = append(append(b, l.end...), "</stream:stream>"...)
		return b, p, n, true
	}
	if len(b) == 0 {
		l.writing = false
		l.calm.Broadcast()
	}
	return b, p, n, false
}

// settle waits until everything that was said is written.
func (l *link) settle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.writing && !l.broken {
		l.calm.Wait()
	}
}

func (l *link) write(b []byte) error {
	l.mu.Lock()
	t, closing := l.tls, l.closing
	l.mu.Unlock()
	wait := writeTimeout
	if closing {
		wait = lingerFor
	}
	l.nc.SetWriteDeadline(time.Now().Add(wait))
	var err error
	if t != nil {
		_, err = t.Write(b)
	} else {
		_, err = l.nc.Write(b)
	}
	return err
}

// stop ends the stream, with an error if e is not nil. With flush the stanzas that wait go out first.
func (l *link) stop(e *stream.Error, flush bool) {
	l.mu.Lock()
	if l.closing {
		l.mu.Unlock()
		return
	}
	l.closing, l.flush = true, flush
	if e != nil {
		l.srv.m.errors.WithLabelValues(e.Condition).Inc()
		l.end = e.AppendTo(nil, false)
	}
	if !l.headed { // a stream error needs a stream (RFC 6120 §4.9.1.2)
		l.headed = true
		l.ctl = append(l.ctl, l.header()...)
	}
	l.mu.Unlock()
	l.kick()
}

// hangUp is called after the last write. The other side gets a moment to read and to end its half: closing with its bytes unread would reset the
// connection and take our last words with it.
func (l *link) hangUp() {
	if l.tls != nil {
		l.tls.CloseWrite()
	}
	if w, ok := l.nc.(interface{ CloseWrite() error }); ok {
		w.CloseWrite()
	}
	time.AfterFunc(lingerFor, func() { l.nc.Close() })
}

// over reports that the link is no good any more.
func (l *link) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closing || l.ended
}

// header is our stream header (RFC 6120 §4.7). mu is held, or nobody else knows the link.
func (l *link) header() []byte {
	b := []byte("<?xml version='1.0'?><stream:stream xmlns='" + xml.Server + "' xmlns:stream='" + xml.Stream + "' xmlns:db='" + dialbackNS + "'")
	local := l.local
	if local.IsZero() {
		local = l.srv.p.Domain
	}
	b = xml.AppendAttr(b, "from", local.String())
	if !l.remote.IsZero() {
		b = xml.AppendAttr(b, "to", l.remote.String())
	}
	if l.in {
		l.id = rand.Text()
		b = xml.AppendAttr(b, "id", l.id)
	}
	return append(b, " version='1.0' xml:lang='en'>"...)
}

// fault ends the stream for what came or did not come.
func (l *link) fault(err error) {
	var xe *xml.Error
	var ne net.Error
	switch {
	case errors.As(err, &xe):
		l.stop(stream.FromXML(xe), false)
	case errors.As(err, &ne) && ne.Timeout():
		l.stop(stream.Fail("connection-timeout", "nothing was heard of you"), false)
	default: // the connection is gone
		l.mu.Lock()
		l.closing = true
		l.mu.Unlock()
		l.nc.Close()
	}
}

// fail ends the stream for what the other side did.
func (l *link) fail(condition, text string) { l.stop(stream.Fail(condition, text), false) }

// linger reads on, without acting on anything but acknowledgements, until the other side has ended the stream or the time is over.
func (l *link) linger() {
	by := time.Now().Add(lingerFor + writeTimeout)
	for {
		ev, err := l.next(by)
		if err != nil || ev.Kind == xml.Close {
			break
		}
		if ev.Kind == xml.Item && ev.Item.Name == (xml.Name{Space: stream.Managed, Local: "a"}) && l.tls != nil {
			l.acknowledged(ev.Item)
		}
	}
	buf := l.buf
	for { // the tokenizer takes nothing after an error
		l.nc.SetReadDeadline(by)
		if _, err := l.read(buf); err != nil {
			break
		}
	}
}

// finish takes the link out of the room. It is the last act of the reading goroutine.
func (l *link) finish() {
	l.way.Drain()
	l.mu.Lock()
	l.ended, l.closing = true, true
	p := l.peer
	l.mu.Unlock()
	l.nc.Close()
	l.srv.leave(l)
	for at, proof := range l.pairs {
		if proof != proven {
			continue
		}
		if l.in {
			l.srv.gate.unprove(at.remote)
		}
		if l.bidi && l.in {
			if p := l.srv.known(at); p != nil {
				p.withdraw(l)
			}
		}
	}
	if p != nil {
		p.stir()
	}
	close(l.gone)
}

// known is the owner of a pair if there is one.
func (s *Server) known(at pair) *peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peers[at]
}

func shutdown() *stream.Error { return stream.Fail("system-shutdown", "the server is going down") }
