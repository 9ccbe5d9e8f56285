package c2s

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"writ/config"
)

// RFC 6120 §13.12 and XEP-0205 §3: limits act before sign-in, at the limit and not behind it.
func TestLimitsBeforeLogin(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, c := range []struct{ name, send string }{
		{"one open element", "<a>" + strings.Repeat("x", 9000)},
		{"many elements", "<a>" + strings.Repeat("<b/>", 40)},
		{"deep", strings.Repeat("<a>", 40)},
		{"attribute", "<a b='" + strings.Repeat("x", 9000)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := h.dial(StartTLS)
			p.t = t
			p.header()
			p.send("%s", c.send)
			p.expect("<stream:error", "policy-violation")
			p.expect("</stream>")
		})
	}
}

// XEP-0478 §2: the announced limit is the one that acts.
func TestXEP0478_StanzaTooBig(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *Config) { c.MaxStanza = 10000 })
	p := h.signedIn("alice")
	p.bind("a")
	p.send("<message to='alice@example.org'><body>%s</body></message>", strings.Repeat("x", 9000))
	p.sync()
	p.send("<message to='alice@example.org'><body>%s</body>", strings.Repeat("x", 11000))
	p.expect("policy-violation", "stanza-too-big")
}

// XEP-0205: connections that are not signed in are counted by network, and refused without a word above the limit.
func TestXEP0205_HalfwayLimit(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *Config) { c.Halfway = 2 })
	p, q := h.dial(StartTLS), h.dial(StartTLS)
	p.header()
	q.header()
	r := h.dial(StartTLS)
	if got := r.next(); got != "EOF" {
		t.Errorf("the third connection got %s", got)
	}
	q.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	q.expect("proceed")
	q.tls()
	q.auth("alice") // no longer one of them
	h.dial(StartTLS).header()
}

// XEP-0205 §3: too many failed sign-ins of one address wait; no account is ever locked.
func TestXEP0205_FailureLimit(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *Config) { c.Failures = 2 })
	wrong := "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + plainText("alice", "wrong") + "</auth>"
	p := h.dial(DirectTLS)
	p.tls()
	p.header()
	for range 2 {
		p.send("%s", wrong)
		p.expect("not-authorized")
	}
	p.send("%s", wrong)
	p.expect("temporary-auth-failure")
	q := h.pipe(DirectTLS) // from elsewhere
	q.tls()
	q.auth("alice")
}

// XEP-0198, XEP-0160: a client that reads nothing has a bounded queue; what does not fit goes to storage, its connection ends.
func TestSlowReaderIsBounded(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *Config) { c.MaxQueue, c.Rate = 50, -1 })
	a, b := h.online("alice", "a"), h.online("bob", "b")
	b.enable("")
	body := strings.Repeat("y", 8000)
	const n = 1200
	go func() {
		for i := range n {
			fmt.Fprintf(a.nc, "<message to='bob@example.org' id='m%d'><body>%s</body></message>", i, body)
		}
	}()
	eventually(t, func() bool { return len(h.kept.list()) > n/4 })
	eventually(t, func() bool { return len(h.router.Sessions(h.jid("bob@example.org"))) == 0 })
	eventually(t, func() bool { return len(h.kept.list()) >= n }) // b acknowledged none
	a.sync()
	times := map[string]int{}
	for _, k := range h.kept.list() {
		times[k.ID]++
	}
	for i := range n {
		if times[fmt.Sprintf("m%d", i)] != 1 {
			t.Fatalf("message %d is kept %d times", i, times[fmt.Sprintf("m%d", i)])
		}
	}
}

// The token bucket pauses who sends too fast and disconnects nobody.
func TestFloodIsSlowed(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *Config) { c.MaxStanza, c.Rate, c.Burst = 10000, 20000, 10000 })
	p := h.signedIn("alice")
	p.bind("a")
	began := time.Now()
	go func() {
		for i := range 200 {
			fmt.Fprintf(p.nc, "<iq type='get' id='%d'><ping xmlns='urn:xmpp:ping'/></iq>", i)
		}
	}()
	for i := range 200 {
		p.expect("type='result'", fmt.Sprintf("id='%d'", i))
	}
	if d := time.Since(began); d < 500*time.Millisecond {
		t.Errorf("200 pings at 20 kB/s took only %v", d)
	}
}

// XEP-0352 §3: an inactive client gets what matters at once, and the rest when something matters or it is active again.
func TestXEP0352_ClientState(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a, b := h.online("alice", "a"), h.online("bob", "b")
	b.send("<inactive xmlns='urn:xmpp:csi:0'/>")
	b.sync()
	a.send("<presence to='bob@example.org/b'><status>1</status></presence>" +
		"<message to='bob@example.org/b' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>" +
		"<presence to='bob@example.org/b'><status>2</status></presence>")
	a.sync()
	x := h.router.Sessions(h.jid("bob@example.org"))[0].Out.(*session)
	x.mu.Lock()
	held, waiting := x.held.Len(), x.out.Len()
	x.mu.Unlock()
	if held != 2 || waiting != 0 {
		t.Fatalf("%d held, %d waiting; want the last presence and the chat state held", held, waiting)
	}
	a.send("<message to='bob@example.org/b' type='chat' id='m'><body>x</body></message>")
	b.expect("composing")
	b.expect("<status>2</status>")
	b.expect("id='m'")
	a.send("<presence to='bob@example.org/b'><status>3</status></presence>")
	a.sync()
	b.send("<active xmlns='urn:xmpp:csi:0'/>")
	b.expect("<status>3</status>")
}

// XEP-0199 §4.1: a silent client is asked for a sign of life; one that gives none is gone in time, its session waits.
func TestXEP0199_DeadPeer(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *Config) { c.Idle = config.Duration(10 * time.Second) })
	b := h.online("bob", "b")
	b.enable("")
	c := h.online("bob", "c")
	now := time.Now()
	for _, x := range h.srv.all() {
		x.check(now.Add(6 * time.Second))
	}
	b.expect("<r ")
	id := smID.FindStringSubmatch(c.expect("<iq", "type='get'", "<ping"))[1]
	c.send("<iq type='result' id='%s' to='example.org'/>", id)
	c.sync()
	for _, x := range h.srv.all() {
		if s := x.bound.Load(); s != nil && s.JID.Resource() == "b" {
			x.check(now.Add(11 * time.Second))
		}
	}
	b.expect("connection-timeout")
	eventually(t, func() bool {
		s := h.router.Session(h.jid("bob@example.org/b"))
		return s != nil && s.Out.Hibernating()
	})
	h.srv.expire(now.Add(5 * time.Hour))
	if n := len(h.router.Sessions(h.jid("bob@example.org"))); n != 1 {
		t.Errorf("%d sessions; the lost one should be over", n)
	}
}

// RFC 6120 §4.6.4 and hostile input: the time to sign in is absolute.
func TestTimeToSignIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.dial(StartTLS)
	p.header()
	for _, x := range h.srv.all() {
		x.check(time.Now().Add(31 * time.Second))
	}
	p.expect("connection-timeout")
	p.expect("</stream>")
}

// RFC 7395: the same conversation over WebSocket, with <open/> and <close/>.
func TestRFC7395_WebSocket(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	web := httptest.NewServer(h.srv.WebSocket())
	t.Cleanup(web.Close)
	dial := func(o *websocket.DialOptions) (*websocket.Conn, *http.Response, error) {
		return websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(web.URL, "http"), o)
	}
	ws, _, err := dial(&websocket.DialOptions{Subprotocols: []string{"xmpp"}})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	send := func(s string) {
		t.Helper()
		if err := ws.Write(t.Context(), websocket.MessageText, []byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(parts ...string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, p, err := ws.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range parts {
			if !strings.Contains(string(p), w) {
				t.Fatalf("got %s, want %s", p, w)
			}
		}
	}
	open := "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='example.org' version='1.0'/>"
	send(open)
	expect("<open", "urn:ietf:params:xml:ns:xmpp-framing", "from='example.org'")
	expect("<stream:features", "xmlns:stream=", "PLAIN")
	send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + plainText("alice", password) + "</auth>")
	expect("success")
	send(open)
	expect("<open")
	expect("<stream:features", "bind")
	send("<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>web</resource></bind></iq>")
	expect("xmlns='jabber:client'", "alice@example.org/web")
	send("<presence xmlns='jabber:client'/>")
	b := h.online("bob", "b")
	b.send("<message to='alice@example.org/web' id='1'><body>hi</body></message><message to='alice@example.org/web' id='2'><body>hi</body></message>")
	expect("xmlns='jabber:client'", "id='1'")
	expect("xmlns='jabber:client'", "id='2'")
	send("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>")
	expect("<close", "urn:ietf:params:xml:ns:xmpp-framing")
	if _, _, err := ws.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("the end: %v", err)
	}

	for _, c := range []struct {
		name string
		o    websocket.DialOptions
		want int
	}{
		{"no subprotocol", websocket.DialOptions{}, http.StatusBadRequest},
		{"foreign origin", websocket.DialOptions{Subprotocols: []string{"xmpp"}, HTTPHeader: http.Header{"Origin": {"https://evil.example"}}}, http.StatusForbidden},
	} {
		if _, r, err := dial(&c.o); err == nil || r == nil || r.StatusCode != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// RFC 7395 and RFC 6455 §7.4.1: what is no text, no UTF-8 or too long ends the WebSocket with its code.
func TestRFC7395_BadMessages(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	web := httptest.NewServer(h.srv.WebSocket())
	t.Cleanup(web.Close)
	for _, c := range []struct {
		name string
		kind websocket.MessageType
		data string
		want websocket.StatusCode
	}{
		{"binary", websocket.MessageBinary, "<open/>", websocket.StatusUnsupportedData},
		{"not UTF-8", websocket.MessageText, "<open a='\xff'/>", websocket.StatusInvalidFramePayloadData},
		{"too long", websocket.MessageText, "<open a='" + strings.Repeat("x", 10000), websocket.StatusMessageTooBig},
		{"malformed", websocket.MessageText, "<open", websocket.StatusNormalClosure},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ws, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(web.URL, "http"), &websocket.DialOptions{Subprotocols: []string{"xmpp"}})
			if err != nil {
				t.Fatal(err)
			}
			defer ws.CloseNow()
			ws.Write(t.Context(), c.kind, []byte(c.data))
			for err == nil {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				_, _, err = ws.Read(ctx)
				cancel()
			}
			if got := websocket.CloseStatus(err); got != c.want {
				t.Errorf("closed with %d, want %d (%v)", got, c.want, err)
			}
		})
	}
}

// XEP-0156 §3: where the WebSocket is, whatever the Host header says.
func TestXEP0156_HostMeta(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for path, want := range map[string]string{
		"/.well-known/host-meta":      `<Link rel="urn:xmpp:alt-connections:websocket" href="wss://example.org/xmpp-websocket">`,
		"/.well-known/host-meta.json": `{"rel":"urn:xmpp:alt-connections:websocket","href":"wss://example.org/xmpp-websocket"}`,
	} {
		r := httptest.NewRequest("GET", "http://evil.example"+path, nil)
		w := httptest.NewRecorder()
		h.srv.HostMeta().ServeHTTP(w, r)
		if !strings.Contains(w.Body.String(), want) || w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %s", path, w.Body)
		}
	}
}

// RFC 6120 §4.9.3.20: clients are told that the server goes; what they had not acknowledged is kept.
func TestShutdown(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a, b := h.online("alice", "a"), h.online("bob", "b")
	b.send("<enable xmlns='urn:xmpp:sm:3'/>") // counted, and not to be resumed
	b.expect("<enabled")
	a.send("<message to='bob@example.org' id='1'><body>x</body></message>")
	b.expect("id='1'")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := h.srv.Close(ctx); err != nil {
		t.Fatal(err)
	}
	a.expect("system-shutdown")
	if k := h.kept.list(); len(k) != 1 || k[0].ID != "1" {
		t.Errorf("kept %v", k)
	}
	if _, err := net.DialTimeout("tcp", a.nc.RemoteAddr().String(), time.Second); err == nil {
		t.Error("it still listens")
	}
}
