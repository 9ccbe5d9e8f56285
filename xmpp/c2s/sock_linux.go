package c2s

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// poller parks idle connections: one epoll set and one goroutine for all of them. The connections' descriptors are ours alone; the set
// itself is watched by the runtime's poller, so that the goroutine that waits for it holds no thread. A thread that waited in the system would
// take its processor along, and what its events woke could not run before the runtime had noticed and found another thread.
type poller struct {
	set  *os.File        // the epoll set
	wait syscall.RawConn // of set
	fd   int             // the same; valid until close has returned
	done chan struct{}

	mu    sync.Mutex
	socks map[int32]*sock // by a number of ours, not by descriptor: a late event must not hit a reused one
	next  int32
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("c2s: making an epoll set: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // or the runtime would not watch it
		unix.Close(fd)
		return nil, fmt.Errorf("c2s: making an epoll set: %w", err)
	}
	p := &poller{set: os.NewFile(uintptr(fd), "epoll"), fd: fd, done: make(chan struct{}), socks: map[int32]*sock{}}
	if err = p.set.SetReadDeadline(time.Time{}); err == nil { // fails for what is not watched
		p.wait, err = p.set.SyscallConn()
	}
	if err != nil {
		p.set.Close()
		return nil, fmt.Errorf("c2s: watching an epoll set: %w", err)
	}
	go p.run()
	return p, nil
}

func (p *poller) close() {
	if p == nil {
		return
	}
	p.set.SetReadDeadline(time.Unix(1, 0)) // ends run
	<-p.done
	p.set.Close()
}

// run hands out events until close.
func (p *poller) run() {
	defer close(p.done)
	events := make([]unix.EpollEvent, 256)
	for {
		var n int
		var err error
		ended := p.wait.Read(func(fd uintptr) bool {
			n, err = unix.EpollWait(int(fd), events, 0)
			return n != 0 || err != nil
		})
		if ended != nil || err != nil && err != unix.EINTR {
			return
		}
		for _, e := range events[:max(n, 0)] {
			p.mu.Lock()
			s := p.socks[e.Fd]
			p.mu.Unlock()
			if s != nil {
				s.event(e.Events)
			}
		}
	}
}

// adopt takes a TCP connection over from the runtime. On success the original is closed.
// ready is called, on the poller's goroutine, whenever there is something to read; stalled, on the writer's, when Write begins to
// wait for the peer, and what it returns when that is over.
func (p *poller) adopt(c *net.TCPConn, ready func(), stalled func() (over func())) (*sock, error) {
	if p == nil {
		return nil, errors.New("c2s: no epoll set")
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("c2s: adopting a connection: %w", err)
	}
	s := &sock{p: p, fd: -1, local: c.LocalAddr(), remote: c.RemoteAddr(), ready: ready, stalled: stalled}
	s.edge.Store(true)
	cerr := raw.Control(func(fd uintptr) {
		s.fd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 3)
		if err == nil {
			unix.SetsockoptInt(s.fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(deadAfter/time.Millisecond))
		}
	})
	if err = errors.Join(cerr, err); err != nil {
		return nil, fmt.Errorf("c2s: adopting a connection: %w", err)
	}
	c.Close()
	p.mu.Lock()
	for p.next++; p.next < 0 || p.socks[p.next] != nil; p.next++ {
		p.next = max(p.next, 0)
	}
	s.number = p.next
	p.socks[s.number] = s
	p.mu.Unlock()
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET&0xffffffff, Fd: s.number}
	if err := unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, s.fd, &ev); err != nil {
		s.Close()
		return nil, fmt.Errorf("c2s: watching a connection: %w", err)
	}
	return s, nil
}

// preload gives Read what another reader has taken from the connection: at most a buffer's worth.
func (s *sock) preload(p []byte) {
	if len(p) > 0 {
		s.buf = pool.get()
		s.r, s.w = 0, copy(*s.buf, p)
	}
}

// errWait is what Read says when nothing has arrived. It is temporary, so that crypto/tls keeps its state and can be asked again.
type waitError struct{}

func (waitError) Error() string   { return "c2s: nothing has arrived" }
func (waitError) Timeout() bool   { return true }
func (waitError) Temporary() bool { return true }

var errWait net.Error = waitError{}

// sock is a TCP connection whose Read, while parked, does not wait. Write waits, up to its deadline.
type sock struct {
	p             *poller
	number        int32
	local, remote net.Addr

	life    sync.RWMutex // held for reading during a system call on fd, for writing to close it
	fd      int          // -1 when closed
	ready   func()
	stalled func() (over func())
	waits   atomic.Bool // Read waits: for the TLS handshake
	edge    atomic.Bool // something happened since the last read that found nothing
	hup     atomic.Bool // the peer has closed its half: behind the last bytes stands the end
	rd, wd  atomic.Int64
	rwake   atomic.Pointer[chan struct{}] // there while Read waits
	wwake   atomic.Pointer[chan struct{}] // there once Write had to wait

	buf  *[]byte // what one system call brought and nobody has taken; from the pool
	r, w int
}

// event is called by the poller.
func (s *sock) event(bits uint32) {
	if bits&(unix.EPOLLOUT|unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		poke(&s.wwake)
	}
	if bits&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLERR|unix.EPOLLHUP) == 0 {
		return
	}
	if bits&(unix.EPOLLRDHUP|unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		s.hup.Store(true)
	}
	s.edge.Store(true)
	poke(&s.rwake)
	s.ready()
}

// poke wakes who waits on the channel, if there is one.
func poke(p *atomic.Pointer[chan struct{}]) {
	c := p.Load()
	if c == nil {
		return
	}
	select {
	case *c <- struct{}{}:
	default:
	}
}

// Read gives what has arrived. When nothing has, it returns errWait, or waits if it was told to.
func (s *sock) Read(b []byte) (int, error) {
	for s.r == s.w {
		if err := s.fill(); err != nil {
			if err != errWait || !s.waits.Load() {
				s.release()
				return 0, err
			}
			if err := s.wait(*s.rwake.Load(), s.rd.Load()); err != nil {
				s.release()
				return 0, err
			}
		}
	}
	n := copy(b, (*s.buf)[s.r:s.w])
	s.r += n
	return n, nil
}

// fill asks the system once. A read that did not fill the buffer emptied the socket: unless the poller has spoken since, or has told
// of the end, there is no need to ask again. The end must be asked for: its event may have come together with the last bytes'.
func (s *sock) fill() error {
	if !s.edge.Load() {
		return errWait
	}
	if s.buf == nil {
		s.buf = pool.get()
	}
	s.life.RLock()
	defer s.life.RUnlock()
	if s.fd < 0 {
		return net.ErrClosed
	}
	s.edge.Store(false)
	for {
		n, err := unix.Read(s.fd, *s.buf)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return errWait
		case err != nil:
			return os.NewSyscallError("read", err)
		case n == 0:
			s.edge.Store(true) // the end stays the end
			return io.EOF
		}
		if n == len(*s.buf) || s.hup.Load() {
			s.edge.Store(true) // there may be more
		}
		s.r, s.w = 0, n
		return nil
	}
}

func (s *sock) release() {
	if s.buf != nil {
		pool.put(s.buf)
		s.buf, s.r, s.w = nil, 0, 0
	}
}

// Write sends all of b or fails.
func (s *sock) Write(b []byte) (n int, err error) {
	for n < len(b) {
		m, err := s.write(b[n:])
		n += max(m, 0)
		switch {
		case err == nil, err == unix.EINTR:
		case err == unix.EAGAIN:
			if err := s.blocked(); err != nil {
				return n, err
			}
		default:
			return n, os.NewSyscallError("write", err)
		}
	}
	return n, nil
}

func (s *sock) write(b []byte) (int, error) {
	s.life.RLock()
	defer s.life.RUnlock()
	if s.fd < 0 {
		return 0, net.ErrClosed
	}
	return unix.Write(s.fd, b) // non-blocking, as the runtime left it
}

// blocked waits until the peer takes more.
func (s *sock) blocked() error {
	w := s.wwake.Load()
	if w == nil {
		c := make(chan struct{}, 1)
		w = &c
		s.wwake.Store(w)
		return nil // ask once more: the event may have come before there was a channel
	}
	defer s.stalled()()
	return s.wait(*w, s.wd.Load())
}

// wait waits for a poke, a deadline (unix nanoseconds, 0 = none) or the end of the connection.
func (s *sock) wait(c chan struct{}, deadline int64) error {
	left := time.Minute
	if deadline != 0 {
		if left = time.Until(time.Unix(0, deadline)); left <= 0 {
			return os.ErrDeadlineExceeded
		}
	}
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-c:
		return nil
	case <-t.C:
		if deadline == 0 {
			return nil
		}
		return os.ErrDeadlineExceeded
	}
}

// park ends or begins the time in which Read waits.
func (s *sock) park(on bool) {
	if on {
		s.waits.Store(false)
		s.rwake.Store(nil)
		return
	}
	c := make(chan struct{}, 1)
	s.rwake.Store(&c)
	s.edge.Store(true)
	s.waits.Store(true)
}

// CloseWrite tells the peer that nothing more comes.
func (s *sock) CloseWrite() error {
	s.life.RLock()
	defer s.life.RUnlock()
	if s.fd < 0 {
		return net.ErrClosed
	}
	return unix.Shutdown(s.fd, unix.SHUT_WR)
}

// Close ends the connection; whoever waits in Read or Write is woken.
func (s *sock) Close() error {
	s.life.Lock()
	fd := s.fd
	s.fd = -1
	s.life.Unlock()
	if fd < 0 {
		return net.ErrClosed
	}
	s.p.mu.Lock()
	delete(s.p.socks, s.number)
	s.p.mu.Unlock()
	unix.Close(fd) // also leaves the epoll set
	s.event(unix.EPOLLIN | unix.EPOLLOUT)
	return nil
}

func (s *sock) LocalAddr() net.Addr  { return s.local }
func (s *sock) RemoteAddr() net.Addr { return s.remote }

func (s *sock) SetDeadline(t time.Time) error {
	s.SetReadDeadline(t)
	return s.SetWriteDeadline(t)
}

func (s *sock) SetReadDeadline(t time.Time) error  { return deadline(&s.rd, t, &s.rwake) }
func (s *sock) SetWriteDeadline(t time.Time) error { return deadline(&s.wd, t, &s.wwake) }

func deadline(d *atomic.Int64, t time.Time, wake *atomic.Pointer[chan struct{}]) error {
	n := int64(0)
	if !t.IsZero() {
		n = t.UnixNano()
	}
	d.Store(n)
	poke(wake) // whoever waits reads the deadline again
	return nil
}
