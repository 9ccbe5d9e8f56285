package s2s_test

import (
	"net"
	"strconv"
	"testing"
	"time"

	"writ/clock"
	"writ/config"
	"writ/server"
	"writ/store"
	"writ/store/storetest"
	"writ/writtest"
	"writ/xmpp/xml"
)

// A message to a server that is down is on disk before it is acknowledged, survives a restart, and arrives when the server is back; a request is
// answered at once. On both databases.
func TestWhatWaitsSurvivesARestart(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := writtest.NewWorld(t)
		data := t.TempDir()
		here := func(o *server.Options) { o.Config.Data = data }
		a := w.Join(t, db, writtest.Domain, here)
		b := w.Join(t, storetest.SQLite(t), writtest.Abroad)
		bob := person(t, b, "bob")
		pointAt(w, writtest.Abroad, writtest.FreePort(t))
		alice := person(t, a, "alice")
		for i := range 3 {
			say(alice, bob.JID.String(), "m"+strconv.Itoa(i))
		}
		ping(alice, writtest.Abroad, "p")
		refused(t, alice, "p", "wait", "remote-server-timeout")
		if err := alice.End(); err != nil {
			t.Fatal(err)
		}
		a.Stop()
		w.Enter(b)
		a = w.Join(t, db, writtest.Domain, here)
		for i := range 3 {
			hears(t, bob, "alice@writ.example/r", "m"+strconv.Itoa(i))
		}
		ping(bob, writtest.Domain, "after")
		answered(t, bob, "after")
		waitEmpty(t, db)
		a.Stop()
	})
}

// waitEmpty waits until the queue on disk is empty.
func waitEmpty(t *testing.T, db *store.DB) {
	t.Helper()
	for end := time.Now().Add(writtest.Patience); ; {
		n := 1
		if err := db.QueryRow(t.Context(), `SELECT count(*) FROM s2s_message`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d rows are left", n)
		}
		if err := db.Write(t.Context(), func(*store.Tx) error { return nil }); err != nil { // behind the deletions in the queue
			t.Fatal(err)
		}
	}
}

// RFC 6120 §8.3.3.16: a message that waited too long comes back, to the session that sent it or, when nobody is there, at the next sign-in.
func TestRFC6120_8_3_3_16_Returned(t *testing.T) {
	t.Parallel()
	w := writtest.NewWorld(t)
	fake := clock.NewFake(time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC))
	db := storetest.SQLite(t)
	a := w.Join(t, db, writtest.Domain, writtest.Fake(fake))
	pointAt(w, writtest.Abroad, writtest.FreePort(t))
	alice := person(t, a, "alice")
	say(alice, "bob@"+writtest.Abroad, "first")
	ping(alice, writtest.Abroad, "p")
	refused(t, alice, "p", "wait", "remote-server-timeout") // so the first attempt is over
	advance(t, a, fake, time.Hour)
	refused(t, alice, "first", "wait", "remote-server-timeout")
	waitEmpty(t, db)

	say(alice, "bob@"+writtest.Abroad, "second")
	if err := alice.End(); err != nil {
		t.Fatal(err)
	}
	advance(t, a, fake, time.Hour)
	for end := time.Now().Add(writtest.Patience); ; time.Sleep(5 * time.Millisecond) {
		n := 0
		if err := db.QueryRow(t.Context(), `SELECT count(*) FROM s2s_message WHERE fault <> ''`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("it was not returned")
		}
	}
	alice = login(t, a, "alice")
	refused(t, alice, "second", "wait", "remote-server-timeout")
	waitEmpty(t, db)
}

// advance moves the clock in steps, so that attempts that begin in between are seen through.
func advance(t *testing.T, h *writtest.House, fake *clock.Fake, by time.Duration) {
	t.Helper()
	for range 40 {
		fake.Advance(by / 20)
		if n := queued(h); n == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Row 91: a server that accepts and never says anything.
func TestServerThatSaysNothing(t *testing.T) {
	t.Parallel()
	w := writtest.NewWorld(t)
	a := w.Join(t, storetest.SQLite(t), writtest.Domain, func(o *server.Options) { o.Config.S2S.AuthTimeout = config.Duration(time.Second) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	pointAt(w, "mute.example", l.Addr().(*net.TCPAddr).AddrPort().Port())
	alice := person(t, a, "alice")
	ping(alice, "mute.example", "p")
	refused(t, alice, "p", "wait", "remote-server-timeout")
	ping(alice, "mute.example", "q") // at once: it is known to fail
	refused(t, alice, "q", "wait", "remote-server-timeout")
}

// The queue for one server is bounded; who is over it is told before anything is written down.
func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	w := writtest.NewWorld(t)
	a := w.Join(t, storetest.SQLite(t), writtest.Domain, func(o *server.Options) { o.Config.S2S.MaxQueue = 10 })
	pointAt(w, writtest.Abroad, writtest.FreePort(t))
	alice := person(t, a, "alice")
	for i := range 10 {
		say(alice, "bob@"+writtest.Abroad, "m"+strconv.Itoa(i))
		ping(alice, writtest.Domain, "p"+strconv.Itoa(i)) // behind the message, which is in the queue then
		answered(t, alice, "p"+strconv.Itoa(i))
	}
	for end := time.Now().Add(writtest.Patience); queued(a) < 10 && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	say(alice, "bob@"+writtest.Abroad, "over")
	refused(t, alice, "over", "wait", "resource-constraint")
}

// XEP-0045 §11.1 between servers: people whose server went without a word leave a room of ours, at once when something is said there, and in a
// silent room after the second look for who is silent.
func TestXEP0045_11_1_ServerThatIsGone(t *testing.T) {
	t.Parallel()
	for _, silent := range []bool{false, true} {
		w := writtest.NewWorld(t)
		fake := clock.NewFake(time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC))
		h := w.Join(t, storetest.SQLite(t), writtest.Domain, writtest.Fake(fake), func(o *server.Options) { o.Config.Rooms.Instant = "channel" })
		const there, room = "stranger.example", "den@rooms." + writtest.Domain
		pointAt(w, there, writtest.FreePort(t))
		alice := person(t, h, "alice")
		alice.Write("<presence xmlns='jabber:client' to='" + room + "/Al'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
		until(t, alice, "her subject", func(e *xml.Element) bool { return e.Child(xml.Client, "subject") != nil })
		alice.Write("<iq xmlns='jabber:client' type='set' id='c' to='" + room + "'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query></iq>")
		until(t, alice, "her room", func(e *xml.Element) bool { return e.Attr("id") == "c" && e.Attr("type") == "result" })
		stranger := arriveAt(t, w, h, there, "rooms."+writtest.Domain)
		for _, n := range []string{"x", "y"} {
			stranger.Write("<presence from='" + n + "@" + there + "/r' to='" + room + "/" + n + "'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
			until(t, alice, n, func(e *xml.Element) bool { return e.Attr("from") == room+"/"+n })
		}
		stranger.Drop()
		gone(t, h)
		if silent {
			fake.Advance(15 * time.Minute)
			ping(alice, room, "looked")
			until(t, alice, "the first look", func(e *xml.Element) bool { return e.Attr("id") == "looked" })
			fake.Advance(15 * time.Minute)
		} else {
			alice.Write("<message xmlns='jabber:client' type='groupchat' to='" + room + "'><body>anyone?</body></message>")
		}
		for range 2 {
			until(t, alice, "their leaving", func(e *xml.Element) bool {
				return e.Attr("type") == "unavailable" && e.Child("http://jabber.org/protocol/muc#user", "x") != nil
			})
		}
	}
}

// RFC 6121 §3.1.2: a request that somebody on another server has not answered is sent again, once a day; after the answer it is not.
func TestRFC6121_3_1_2_Again(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := writtest.NewWorld(t)
		fake := clock.NewFake(time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC))
		h := w.Join(t, db, writtest.Domain, writtest.Fake(fake))
		const there = "stranger.example"
		alice, stranger := person(t, h, "alice"), arrive(t, w, h, there)
		alice.Write("<iq xmlns='jabber:client' type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>")
		request := func() *xml.Element {
			t.Helper()
			for {
				if e := next(t, stranger); e.Attr("type") == "subscribe" {
					return e
				}
			}
		}
		for _, n := range []string{"x", "y"} {
			alice.Write("<presence xmlns='jabber:client' type='subscribe' to='" + n + "@" + there + "'/>")
			request()
		}
		fake.Advance(time.Hour)
		for _, n := range []string{"x", "y"} {
			if e := request(); e.Attr("to") != n+"@"+there || e.Attr("from") != alice.JID.Bare().String() || e.Attr("id") == "" {
				t.Errorf("%s", e.AppendTo(nil, ""))
			}
		}
		stranger.Write("<presence from='x@" + there + "' to='" + alice.JID.Bare().String() + "' type='subscribed'/>")
		until(t, alice, "the answer", func(e *xml.Element) bool { return e.Attr("type") == "subscribed" })
		fake.Advance(24 * time.Hour)
		if e := request(); e.Attr("to") != "y@"+there {
			t.Errorf("%s", e.AppendTo(nil, ""))
		}
		h.Stop()
	})
}

// until passes over what comes before.
func until(t *testing.T, c *writtest.Client, what string, fits func(*xml.Element) bool) {
	t.Helper()
	for {
		e, err := c.Next()
		if err != nil {
			t.Fatalf("waiting for %s: %v", what, err)
		}
		if fits(e) {
			return
		}
	}
}

// gone waits until no stream of another server is up.
func gone(t *testing.T, h *writtest.House) {
	t.Helper()
	for end := time.Now().Add(writtest.Patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		up := false
		for _, p := range h.S2S.Peers() {
			up = up || p.In > 0
		}
		if !up {
			return
		}
	}
	t.Fatal("a stream stays up")
}
