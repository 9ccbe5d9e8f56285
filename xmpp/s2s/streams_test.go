package s2s_test

import (
	"context"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"

	"writ/store/storetest"
	"writ/writtest"
	"writ/xmpp/s2s"
)

// XEP-0288 §2.1: both ways go over the one stream that was opened first.
func TestXEP0288_2_1_OneStream(t *testing.T) {
	t.Parallel()
	a, b := two(t)
	alice, bob := person(t, a, "alice"), person(t, b, "bob")
	say(alice, bob.JID.String(), "there")
	hears(t, bob, alice.JID.String(), "there")
	say(bob, alice.JID.String(), "back")
	hears(t, alice, bob.JID.String(), "back")
	state := func(h *writtest.House) s2s.State {
		l := h.S2S.Peers()
		if len(l) != 1 {
			t.Fatalf("%v", l)
		}
		return l[0]
	}
	if x := state(a); !x.Out || x.In != 0 {
		t.Errorf("here: %+v", x)
	}
	if x := state(b); x.Out || x.In != 1 {
		t.Errorf("there: %+v", x)
	}
}

// wire is the network between two houses, which can be cut.
type wire struct {
	l  net.Listener
	to string

	mu    sync.Mutex
	conns []net.Conn
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{l: l, to: to}
	t.Cleanup(func() { l.Close(); w.cut() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			w.mu.Lock()
			w.conns = append(w.conns, in, out)
			w.mu.Unlock()
			go func() { io.Copy(in, out); in.Close() }()
			go func() { io.Copy(out, in); out.Close() }()
		}
	}()
	return w
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
}

// XEP-0198 §4 between servers: streams are cut again and again while messages are on the way. Each arrives, in order of its first arrival.
func TestXEP0198_4_CutStreams(t *testing.T) {
	t.Parallel()
	w := writtest.NewWorld(t)
	a := w.Join(t, storetest.SQLite(t), writtest.Domain)
	b := w.Join(t, storetest.SQLite(t), writtest.Abroad)
	between := newWire(t, b.At.Peers[0].String())
	pointAt(w, writtest.Abroad, between.l.Addr().(*net.TCPAddr).AddrPort().Port())
	alice, bob := person(t, a, "alice"), person(t, b, "bob")
	const n = 300
	go func() {
		for i := range n {
			say(alice, bob.JID.String(), "m"+strconv.Itoa(i))
			if i%60 == 59 {
				between.cut()
			}
		}
	}()
	for want := 0; want < n; {
		e := next(t, bob)
		got, err := strconv.Atoi(e.Attr("id")[1:])
		switch {
		case err != nil || got > want:
			t.Fatalf("m%d was awaited, received: %s", want, e.AppendTo(nil, ""))
		case got == want:
			want++
		} // else it comes a second time
	}
}

// An answer proves that the request has arrived (RFC 6120 §8.2.3), a receipt that the message has (XEP-0184 §7), although the stream is lost before XEP-0198
// acknowledges anything: the request is not answered a second time, the message is not sent again. What has no answer is.
func TestAnsweredBeforeAcknowledged(t *testing.T) {
	t.Parallel()
	w := writtest.NewWorld(t)
	db := storetest.SQLite(t)
	h := w.Join(t, db, writtest.Domain)
	const there = "stranger.example"
	pointAt(w, there, writtest.FreePort(t))
	alice := person(t, h, "alice")
	stranger := arrive(t, w, h, there)
	count(t, stranger)
	for _, id := range []string{"m1", "m2", "m3"} {
		say(alice, "x@"+there, id)
	}
	ping(alice, there, "p1")
	ping(alice, there, "p2")
	for _, id := range []string{"m1", "m2", "m3", "p1", "p2"} {
		sent(t, stranger, id)
	}
	to := "' to='" + alice.JID.String() + "'"
	stranger.Write("<iq type='result' id='p2' from='" + there + to + "/>" +
		"<message type='error' id='m1' from='x@" + there + to + "><error type='cancel'><gone xmlns='" + stanzaErrors + "'/></error></message>" +
		"<message id='r' from='x@" + there + "/phone" + to + "><received xmlns='urn:xmpp:receipts' id='m3'/></message>")
	answered(t, alice, "p2")
	refused(t, alice, "m1", "cancel", "gone")
	hears(t, alice, "x@"+there+"/phone", "r")
	stranger.Drop()
	refused(t, alice, "p1", "wait", "remote-server-timeout") // it may have been carried out, and nobody can tell
	stranger = arrive(t, w, h, there)
	sent(t, stranger, "m2")
	waitEmpty(t, db)
	ping(alice, writtest.Domain, "nothing between")
	answered(t, alice, "nothing between")
}

// XEP-0198 §4: what was answered keeps its place in the count of its stream.
func TestXEP0198_4_CountOfAnswered(t *testing.T) {
	t.Parallel()
	w := writtest.NewWorld(t)
	h := w.Join(t, storetest.SQLite(t), writtest.Domain)
	const there = "stranger.example"
	alice, stranger := person(t, h, "alice"), arrive(t, w, h, there)
	count(t, stranger)
	for _, id := range []string{"p1", "p2"} {
		ping(alice, there, id)
		sent(t, stranger, id)
		stranger.Write("<iq type='result' id='" + id + "' from='" + there + "' to='" + alice.JID.String() + "'/>")
		answered(t, alice, id)
	}
	stranger.Write("<a xmlns='urn:xmpp:sm:3' h='2'/>")
	ping(alice, there, "p3")
	sent(t, stranger, "p3")
	stranger.Write("<a xmlns='urn:xmpp:sm:3' h='4'/>")
	if e := uncounted(t, stranger); e.Child("urn:xmpp:sm:3", "handled-count-too-high").Attr("send-count") != "3" {
		t.Errorf("%s", e.AppendTo(nil, ""))
	}
}
