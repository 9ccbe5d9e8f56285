package c2s

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
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
