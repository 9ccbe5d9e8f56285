package c2s

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"writ/xmpp/stanza"
)

// insecure makes a house without TLS and network, whose time the test moves.
func insecure(c *Config) { c.InsecureLogin = true }

// since reads until the want comes and says after how long.
func (p *peer) since(began time.Time, want string) time.Duration {
	p.t.Helper()
	p.patience = time.Hour
	p.expect(want)
	return time.Since(began).Round(time.Second)
}

// RFC 6120 §4.6.4: the time to sign in is absolute: a byte now and then does not lengthen it.
func TestTimerSignIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, insecure)
		p := h.pipe(StartTLS)
		began := time.Now()
		p.header()
		go func() {
			for {
				if _, err := fmt.Fprint(p.nc, " "); err != nil {
					return
				}
				time.Sleep(10 * time.Second)
			}
		}()
		if d := p.since(began, "connection-timeout"); d < 25*time.Second || d > 35*time.Second {
			t.Errorf("closed after %v", d)
		}
		p.nc.Close()
	})
}

// XEP-0199 §4.1: a client that vanished is noticed within 90 seconds; its session can be resumed for as long as was said, and is then over.
func TestTimerDeadPeerAndHibernation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, insecure)
		p := h.pipe(StartTLS)
		p.auth("bob")
		p.bind("b")
		p.send("<enable xmlns='urn:xmpp:sm:3' resume='true' max='300'/>")
		p.expect("<enabled", "max='300'")
		began := time.Now()
		if d := p.since(began, "<r "); d < 50*time.Second || d > 60*time.Second {
			t.Errorf("asked after %v", d)
		}
		if d := p.since(began, "connection-timeout"); d > 90*time.Second {
			t.Errorf("noticed after %v", d)
		}
		p.expect("</stream>")
		time.Sleep(290 * time.Second)
		if n := len(h.router.Sessions(h.jid("bob@example.org"))); n != 1 {
			t.Fatalf("%d sessions while it may be resumed", n)
		}
		time.Sleep(20 * time.Second)
		if n := len(h.router.Sessions(h.jid("bob@example.org"))); n != 0 {
			t.Errorf("%d sessions after its time", n)
		}
	})
}

// XEP-0199 §4.1: a client that answers stays.
func TestTimerLivingPeer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, insecure)
		p := h.pipe(StartTLS)
		p.auth("bob")
		p.bind("b")
		p.patience = time.Hour
		began := time.Now()
		for range 5 {
			id := smID.FindStringSubmatch(p.expect("<iq", "<ping"))[1]
			p.send("<iq type='result' id='%s' to='example.org'/>", id)
		}
		if d := time.Since(began); d < 4*time.Minute {
			t.Errorf("five questions in %v", d)
		}
	})
}

// Hostile input: a peer that asks without end and never reads is not read any more, makes us hold a bounded answer, and is gone when a write
// has taken too long; before sign-in and after.
func TestTimerAskingWithoutReading(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string]string{
		"before sign-in": "<compress xmlns='http://jabber.org/protocol/compress'><method>zlib</method></compress>",
		"after":          "<r xmlns='urn:xmpp:sm:3'/>",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, insecure, func(c *Config) { c.Rate = -1 })
				p := h.pipe(StartTLS) // nothing buffers on the way
				if name == "after" {
					p.auth("alice")
					p.bind("a")
					p.enable("")
				} else {
					p.header()
				}
				c := h.srv.all()[0]
				began := time.Now()
				for range 10000 {
					p.nc.SetWriteDeadline(time.Now().Add(time.Hour))
					if _, err := fmt.Fprint(p.nc, ask); err != nil {
						break
					}
					c.mu.Lock()
					n := len(c.ctl)
					c.mu.Unlock()
					if n > maxSaid+1000 {
						t.Fatalf("%d bytes wait", n)
					}
				}
				<-c.gone
				if d := time.Since(began); d > time.Minute {
					t.Errorf("gone after %v", d)
				}
			})
		})
	}
}

// Hostile row 37: a peer that a partition took away: the system takes what is written, and nothing ever comes. It is dead within 90 seconds, and
// its session waits. The other way of it, a write that the peer never takes, ends as soon.
func TestTimerVanishedPeer(t *testing.T) {
	t.Parallel()
	for _, swallows := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t, insecure)
			p := h.pipe(StartTLS)
			p.auth("bob")
			p.bind("b")
			p.send("<presence/>")
			p.enable("")
			c, began := h.srv.all()[0], time.Now()
			if swallows {
				go io.Copy(io.Discard, p.nc)
			} else {
				h.router.Session(h.jid("bob@example.org/b")).Out.Push(stanza.New(stanza.Message, stanza.Chat, h.jid("alice@example.org"), h.jid("bob@example.org"), "1"))
			}
			<-c.gone
			if d := time.Since(began); d > 90*time.Second {
				t.Errorf("swallowing %v: gone after %v", swallows, d)
			}
			if s := h.router.Session(h.jid("bob@example.org/b")); s == nil || !s.Out.Hibernating() {
				t.Errorf("swallowing %v: the session does not wait", swallows)
			}
			p.nc.Close()
		})
	}
}

// pipes is a listener of connections without a network.
type pipes struct {
	c    chan net.Conn
	done chan struct{}
}

func (l pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.c:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l pipes) Close() error   { close(l.done); return nil }
func (l pipes) Addr() net.Addr { return &net.TCPAddr{} }

// Hostile row 94: the body of a request that comes too slowly is answered with 408, however often a byte of it comes.
func TestTimerSlowBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, insecure)
		l := pipes{make(chan net.Conn), make(chan struct{})}
		s := &http.Server{Handler: h.srv.BOSH()}
		go s.Serve(l)
		defer s.Close()
		mine, theirs := net.Pipe()
		l.c <- theirs
		began, over := time.Now(), make(chan struct{})
		go func() {
			defer close(over)
			fmt.Fprintf(mine, "POST /http-bind HTTP/1.1\r\nHost: example.org\r\nContent-Length: 1000\r\n\r\n")
			for {
				if _, err := mine.Write([]byte("<")); err != nil {
					return
				}
				time.Sleep(2 * time.Second)
			}
		}()
		r, err := http.ReadResponse(bufio.NewReader(mine), nil)
		if err != nil || r.StatusCode != http.StatusRequestTimeout {
			t.Errorf("%v %v", r, err)
		}
		if d := time.Since(began); d > 20*time.Second {
			t.Errorf("after %v", d)
		}
		mine.Close()
		<-over
	})
}
