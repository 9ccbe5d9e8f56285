package c2s

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"writ/xmpp/xml"
)

// web is a client of BOSH that makes the requests that a test says.
type web struct {
	t   *testing.T
	h   *house
	url string
	sid string
	rid int64
}

func (h *house) web(t *testing.T) *web {
	s := httptest.NewServer(h.srv.BOSH())
	t.Cleanup(s.Close)
	return &web{t: t, h: h, url: s.URL, rid: 1 << 30}
}

// raw makes a request and gives status and body.
func (w *web) raw(method, body string, header ...string) (*http.Response, string) {
	w.t.Helper()
	r, _ := http.NewRequest(method, w.url, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return a, string(b)
}

func (w *web) body(rid int64, attrs, payload string) string {
	return fmt.Sprintf("<body xmlns='http://jabber.org/protocol/httpbind' xmlns:xmpp='urn:xmpp:xbosh' rid='%d' sid='%s' %s>%s</body>", rid, w.sid, attrs, payload)
}

// post sends the next request and wants each part in the answer.
func (w *web) post(attrs, payload string, parts ...string) string {
	w.t.Helper()
	w.rid++
	return w.at(w.rid, attrs, payload, parts...)
}

func (w *web) at(rid int64, attrs, payload string, parts ...string) string {
	w.t.Helper()
	_, got := w.raw("POST", w.body(rid, attrs, payload))
	for _, p := range parts {
		if !strings.Contains(got, p) {
			w.t.Fatalf("request %d with %s %s: got %s, want %q", rid, attrs, payload, got, p)
		}
	}
	return got
}

// later makes a request whose answer comes when it comes.
func (w *web) later(rid int64, attrs, payload string) chan string {
	c := make(chan string, 1)
	go func() {
		_, got := w.raw("POST", w.body(rid, attrs, payload))
		c <- got
	}()
	return c
}

func want(t *testing.T, c chan string, parts ...string) {
	t.Helper()
	select {
	case got := <-c:
		for _, p := range parts {
			if !strings.Contains(got, p) {
				t.Fatalf("got %s, want %q", got, p)
			}
		}
	case <-time.After(10 * time.Second):
		t.Fatal("no answer")
	}
}

func (w *web) create(attrs string) string {
	w.t.Helper()
	w.rid++
	_, got := w.raw("POST", fmt.Sprintf("<body xmlns='http://jabber.org/protocol/httpbind' xmlns:xmpp='urn:xmpp:xbosh' rid='%d' to='example.org' xmpp:version='1.0' %s/>", w.rid, attrs))
	r, err := xml.Index([]byte(got), "")
	if err != nil || r.Attr("sid") == "" {
		w.t.Fatalf("no session: %s", got)
	}
	w.sid = r.Attr("sid")
	return got
}

// online makes a session that is signed in and bound.
func (w *web) online(user, attrs string) {
	w.t.Helper()
	w.create(attrs)
	w.post("", "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>"+plainText(user, password)+"</auth>", "<success")
	w.post("to='example.org' xmpp:restart='true'", "", "<stream:features", "xmlns:stream=", "<bind")
	w.post("", "<iq type='set' id='b' xmlns='jabber:client'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>web</resource></bind></iq>", user+"@example.org/web")
}

// held waits until the session holds n requests.
func (w *web) held(n int) {
	w.t.Helper()
	b := w.h.srv.boshOf(w.sid)
	eventually(w.t, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.held) == n
	})
}

const modern = "wait='30' hold='1' ver='1.11'"

// XEP-0124 §7.1, §7.2, XEP-0206 §3, §4: what is agreed, and that nothing can be asked for beyond it.
func TestXEP0124_7_Creation(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	w := h.web(t)
	got := w.create("wait='3000' hold='9' ver='1.6' ack='1' content='text/html' xml:lang='de' stream='x'")
	for _, p := range []string{"wait='60'", "hold='1'", "requests='2'", "inactivity='60'", "polling='5'", "maxpause='120'", "from='example.org'",
		fmt.Sprintf("ack='%d'", w.rid), "xmpp:restartlogic='true'", "xmpp:version='1.0'", "<stream:features"} {
		if !strings.Contains(got, p) {
			t.Errorf("%s is not in %s", p, got)
		}
	}
	if strings.Contains(got, " stream=") {
		t.Error("several streams are offered")
	}
	first := w.sid
	a, _ := w.raw("POST", w.body(w.rid+1, "wait='0'", "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='NONE'/>"))
	if ct := a.Header.Get("Content-Type"); ct != "text/xml; charset=utf-8" || a.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("answered as %s", ct) // as text/html, what others send would be a page of ours
	}
	if w.create(modern); w.sid == first || len(w.sid) < 20 {
		t.Errorf("sid %s after %s", w.sid, first)
	}
	for attrs, condition := range map[string]string{
		"rid='7'":                                         "improper-addressing",
		"rid='7' to=''":                                   "improper-addressing",
		"rid='7' to='example.net'":                        "host-unknown",
		"to='example.org' ver='1'":                        "bad-request",
		"rid='-1' to='example.org' ver='1'":               "bad-request",
		"rid='x' to='example.org' ver='1'":                "bad-request",
		"rid='9007199254740993' to='example.org' ver='1'": "bad-request",
		"rid='7' sid='guessed' to='example.org'":          "item-not-found",
	} {
		_, got := w.raw("POST", "<body xmlns='http://jabber.org/protocol/httpbind' "+attrs+"/>")
		if !strings.Contains(got, "type='terminate'") || !strings.Contains(got, "condition='"+condition+"'") {
			t.Errorf("%s: %s, want %s", attrs, got, condition)
		}
	}
}

// XEP-0124 §17: what is no body; and the codes that clients without 'ver' know (§17.1).
func TestXEP0124_17_Faults(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	w := h.web(t)
	for _, text := range []string{"", "x", "<body/>", "<body xmlns='http://jabber.org/protocol/httpbind'", "<a xmlns='http://jabber.org/protocol/httpbind'/>",
		"<!DOCTYPE x><body xmlns='http://jabber.org/protocol/httpbind'/>", "<body xmlns='http://jabber.org/protocol/httpbind'>&lol;</body>"} {
		if _, got := w.raw("POST", text); !strings.Contains(got, "condition='bad-request'") {
			t.Errorf("%q: %s", text, got)
		}
	}
	big := "<body xmlns='http://jabber.org/protocol/httpbind' rid='1' to='example.org'>" + strings.Repeat("<a xmlns='u'/>", 2000) + "</body>"
	if _, got := w.raw("POST", big); !strings.Contains(got, "condition='policy-violation'") {
		t.Errorf("a stranger sends %d bytes: %s", len(big), got)
	}
	w.create("wait='30' hold='1'")
	if a, _ := w.raw("POST", w.body(w.rid+50, "", "")); a.StatusCode != 404 {
		t.Errorf("an old client is told %d", a.StatusCode)
	}
	if a, _ := w.raw("GET", ""); a.StatusCode != 405 {
		t.Errorf("GET: %d", a.StatusCode)
	}
}

// A page may use it exactly if it may use the WebSocket.
func TestBOSHOrigins(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *Config) { c.Origins = []string{"https://chat.example"} })
	w := h.web(t)
	for origin, ok := range map[string]bool{"https://chat.example": true, "https://evil.example": false, "null": false} {
		a, _ := w.raw("OPTIONS", "", "Origin", origin)
		if (a.StatusCode == 204) != ok || (a.Header.Get("Access-Control-Allow-Origin") == origin) != ok {
			t.Errorf("%s: %d %v", origin, a.StatusCode, a.Header)
		}
		if a, _ := w.raw("POST", "<body/>", "Origin", origin); (a.StatusCode == 403) == ok {
			t.Errorf("%s: %d", origin, a.StatusCode)
		}
	}
}

// XEP-0124 §8, XEP-0206 §2: stanzas both ways, also without their namespace; one held request brings what comes.
func TestXEP0124_8_Payloads(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	w := h.web(t)
	w.online("alice", modern)
	w.post("", "<presence/><iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>", "type='result'", "id='1'", "xmlns='jabber:client'")
	w.rid++
	next := w.later(w.rid, "", "")
	w.held(1)
	b := h.online("bob", "b")
	b.send("<message to='alice@example.org' type='chat' id='m'><body>hi</body></message>")
	want(t, next, "id='m'", "<body>hi</body>", "xmlns='jabber:client'")
	w.post("", "<message to='bob@example.org/b' type='chat' id='n' xmlns='jabber:client'><body>ho</body></message><r xmlns='urn:xmpp:sm:3'/>")
	b.expect("id='n'", "from='alice@example.org/web'")
	w.post("", "<frob xmlns='urn:x'/>", "type='terminate'", "condition='remote-stream-error'", "<stream:error", "unsupported-stanza-type")
	w.post("", "", "type='terminate'")
}

// XEP-0124 §14.2: requests are taken in the order of their ids, and one beyond the window ends the session.
func TestXEP0124_14_2_Order(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	w := h.web(t)
	w.online("alice", modern)
	ping := func(id string) string {
		return "<iq type='get' id='" + id + "' xmlns='jabber:client'><ping xmlns='urn:xmpp:ping'/></iq>"
	}
	second := w.later(w.rid+2, "", ping("2"))
	eventually(t, func() bool {
		b := h.srv.boshOf(w.sid)
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.early) == 1
	})
	first := w.later(w.rid+1, "", ping("1"))
	one, two := <-first, <-second
	if both := one + two; !strings.Contains(both, "id='1'") || strings.Index(both, "id='2'") < strings.Index(both, "id='1'") {
		t.Errorf("answered %s, then %s", one, two)
	}
	w.rid += 2
	w.at(w.rid+3, "", "", "type='terminate'", "condition='item-not-found'")
	w.at(w.rid+1, "", "", "type='terminate'")
}

// XEP-0124 §14.3: an answer that was lost comes again, and what was asked is not done again; a request that is held is held by its latest
// copy; an answer that is kept no longer ends the session.
func TestXEP0124_14_3_Broken(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	w := h.web(t)
	w.online("alice", modern)
	b := h.online("bob", "b")
	note := "<message to='bob@example.org/b' type='chat' id='once' xmlns='jabber:client'><body>x</body></message><iq type='get' id='p' xmlns='jabber:client'><ping xmlns='urn:xmpp:ping'/></iq>"
	one := w.post("", note, "id='p'")
	if two := w.at(w.rid, "", note); two != one {
		t.Errorf("answered %s, then %s", one, two)
	}
	b.expect("id='once'")
	b.sync()
	w.rid++
	old := w.later(w.rid, "", "")
	w.held(1)
	again := w.later(w.rid, "", "")
	want(t, old, "type='error'")
	b.send("<message to='alice@example.org/web' type='chat' id='m'><body>x</body></message>")
	want(t, again, "id='m'")
	w.at(w.rid-5, "", "", "type='terminate'", "condition='item-not-found'")
}

// XEP-0124 §15: a key that is not the one before the last ends the session, and nothing of the request is done.
func TestXEP0124_15_Keys(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	w := h.web(t)
	keys := []string{"seed"}
	for range 9 {
		sum := sha1.Sum([]byte(keys[len(keys)-1]))
		keys = append(keys, hex.EncodeToString(sum[:]))
	}
	next := func() string {
		k := keys[len(keys)-1]
		keys = keys[:len(keys)-1]
		return k
	}
	w.create(modern + " newkey='" + strings.ToUpper(next()) + "'")
	auth := "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + plainText("alice", "wrong") + "</auth>"
	w.post("key='"+next()+"'", auth, "not-authorized")
	w.post("key='"+next()+"'", auth, "<failure")
	next()
	got := w.post("key='"+next()+"'", auth, "type='terminate'", "condition='item-not-found'")
	if strings.Contains(got, "failure") {
		t.Error("it was done all the same")
	}
	w.create(modern + " newkey='" + keys[3] + "'")
	w.post("", auth, "condition='item-not-found'")
}

// XEP-0124 §12: a client that polls is answered at once, and not more often than it was told.
func TestXEP0124_12_Polling(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	w := h.web(t)
	if got := w.create("wait='0' hold='0' ver='1.11'"); !strings.Contains(got, "requests='1'") || !strings.Contains(got, "inactivity='90'") {
		t.Error(got)
	}
	began := time.Now()
	w.post("", "")
	got := w.post("", "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='NONE'/>")
	if got += w.post("", ""); !strings.Contains(got, "<failure") { // at once, or what waited
		t.Error(got)
	}
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("it was held for %s", d)
	}
	w.post("", "")
	w.post("", "", "condition='policy-violation'")
}

// XEP-0124 §10: a pause answers what is held and lengthens the patience; a silent client's stream is lost, and may be resumed (XEP-0198 §5).
func TestXEP0124_10_Inactivity(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	w := h.web(t)
	w.online("alice", modern)
	got := w.post("", "<enable xmlns='urn:xmpp:sm:3' resume='true'/>", "<enabled")
	id := smID.FindStringSubmatch(got)[1]
	w.rid++
	held := w.later(w.rid, "", "")
	w.held(1)
	w.post("pause='100'", "")
	want(t, held, "<body")
	now := time.Now()
	h.srv.sweepBOSH(now.Add(90 * time.Second))
	w.rid++
	held = w.later(w.rid, "", "")
	w.held(1)
	h.srv.sweepBOSH(now.Add(time.Hour)) // one that is held is a sign of life
	h.online("bob", "b").send("<message to='alice@example.org/web' type='chat' id='m'><body>x</body></message>")
	want(t, held, "id='m'")
	h.srv.sweepBOSH(now.Add(time.Hour))
	eventually(t, func() bool {
		s := h.router.Session(h.jid("alice@example.org/web"))
		return s != nil && s.Out.Hibernating()
	})
	w.post("", "", "condition='item-not-found'")
	p := h.signedIn("alice")
	p.send("<resume xmlns='urn:xmpp:sm:3' previd='%s' h='0'/>", id)
	p.expect("<resumed")
	p.expect("id='m'")
}

// XEP-0124 §13: the client ends the session; what came with it is still sent.
func TestXEP0124_13_Terminate(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	w := h.web(t)
	w.online("alice", modern)
	b := h.online("bob", "b")
	w.rid++
	held := w.later(w.rid, "", "")
	w.held(1)
	last := w.later(w.rid+1, "type='terminate'", "<message to='bob@example.org/b' type='chat' id='bye' xmlns='jabber:client'><body>x</body></message>")
	b.expect("id='bye'")
	want(t, held, "<body")
	want(t, last, "<body", "type='terminate'")
	eventually(t, func() bool { return h.router.Session(h.jid("alice@example.org/web")) == nil })
}

// RFC 6120 §4.9.3.20 over BOSH: who is held is told, nobody is waited for, and no session begins.
func TestBOSHShutdown(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	w := h.web(t)
	w.online("alice", modern)
	w.rid++
	held := w.later(w.rid, "", "")
	w.held(1)
	h.srv.EndHTTP()
	want(t, held, "type='terminate'", "condition='remote-stream-error'", "system-shutdown")
}

// What a stranger makes the server hold ends with the time to sign in.
func TestBOSHTimeToSignIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	w := h.web(t)
	w.create(modern)
	w.rid++
	held := w.later(w.rid, "", "")
	w.held(1)
	for _, c := range h.srv.all() {
		c.check(time.Now().Add(31 * time.Second))
	}
	want(t, held, "type='terminate'", "connection-timeout")
	eventually(t, func() bool { return len(h.srv.all()) == 0 })
	h.srv.sweepBOSH(time.Now().Add(time.Hour))
	if b := h.srv.boshOf(w.sid); b != nil {
		t.Error("the session is still there")
	}
}

// FuzzBOSH: no body makes the server fail, and what is answered is a body.
func FuzzBOSH(f *testing.F) {
	h := newHouse(f)
	handler := h.srv.BOSH()
	for _, s := range []string{"<body xmlns='http://jabber.org/protocol/httpbind' rid='1' to='example.org' wait='0'/>", "<body/>", "",
		"<body xmlns='http://jabber.org/protocol/httpbind' xmlns:xmpp='urn:xmpp:xbosh' rid='1' to='example.org' hold='0' xmpp:restart='true' pause='1'><a b='c'/><presence/></body>",
		"<body xmlns='http://jabber.org/protocol/httpbind' rid='1' to='example.org' wait='0' type='terminate'><x:y xmlns:x='z'/></body>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		w := httptest.NewRecorder()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond) // the client goes away
		defer cancel()
		handler.ServeHTTP(w, httptest.NewRequest("POST", "/http-bind", strings.NewReader(s)).WithContext(ctx))
		if w.Code == 200 {
			if _, err := xml.Index(w.Body.Bytes(), ""); err != nil {
				t.Errorf("%q: %v: %s", s, err, w.Body)
			}
		}
	})
}
