package writtest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"writ/account"
	"writ/config"
	"writ/server"
	"writ/store/storetest"
	"writ/xmpp/xml"
)

func auth(mechanism, initial string) string {
	if initial != "" && initial != "=" {
		initial = b64(initial)
	}
	return "<auth xmlns='" + nsSASL + "' mechanism='" + mechanism + "'>" + initial + "</auth>"
}

func response(s string) string {
	return "<response xmlns='" + nsSASL + "'>" + b64(s) + "</response>"
}

// Part C of the corpus: signing in.
func TestHostileLogin(t *testing.T) {
	t.Parallel()
	var corpus []hostile
	for _, h := range []hostile{
		{name: "auth before TLS", at: clear, only: "TCP", send: auth("PLAIN", "\x00mallory\x00"+Password), want: "F:encryption-required"},
		{name: "SCRAM before TLS", at: clear, only: "TCP", send: auth("SCRAM-SHA-256", "n,,n=mallory,r=abc"), want: "F:encryption-required"},
		{name: "stanza before TLS", at: clear, only: "TCP", send: "<message/>", want: "S:not-authorized"},
		{name: "unknown mechanism", send: auth("FROB", ""), want: "F:invalid-mechanism"},
		{name: "no mechanism", send: "<auth xmlns='" + nsSASL + "'/>", want: "F:invalid-mechanism"},
		{name: "EXTERNAL without a certificate", send: auth("EXTERNAL", "="), want: "F:invalid-mechanism"},
		{name: "ANONYMOUS", send: auth("ANONYMOUS", ""), want: "F:invalid-mechanism"},
		{name: "bad base64", send: "<auth xmlns='" + nsSASL + "' mechanism='PLAIN'>A!B=</auth>", want: "F:incorrect-encoding"},
		{name: "inner =", send: "<auth xmlns='" + nsSASL + "' mechanism='PLAIN'>AA=A</auth>", want: "F:incorrect-encoding"},
		{name: "base64 cut short", send: "<auth xmlns='" + nsSASL + "' mechanism='PLAIN'>AAA</auth>", want: "F:incorrect-encoding"},
		{name: "1 MiB", send: "<auth xmlns='" + nsSASL + "' mechanism='PLAIN'>" + strings.Repeat("A", 1<<20) + "</auth>", want: "S:policy-violation", ws: "W:1009"},
		{name: "no NUL", send: auth("PLAIN", "mallory"), want: "F:malformed-request"},
		{name: "one NUL", send: auth("PLAIN", "mallory\x00x"), want: "F:malformed-request"},
		{name: "three NULs", send: auth("PLAIN", "\x00mallory\x00"+Password+"\x00"), want: "F:malformed-request"},
		{name: "empty name", send: auth("PLAIN", "\x00\x00"+Password), want: "F:malformed-request"},
		{name: "empty password", send: auth("PLAIN", "\x00mallory\x00"), want: "F:malformed-request"},
		{name: "authzid of another", send: auth("PLAIN", "bob@"+Domain+"\x00mallory\x00"+Password), want: "F:invalid-authzid"},
		{name: "authzid of the domain", send: auth("PLAIN", Domain+"\x00mallory\x00"+Password), want: "F:invalid-authzid"},
		{name: "authzid of nobody", send: auth("PLAIN", "nobody@"+Domain+"\x00mallory\x00"+Password), want: "F:invalid-authzid"},
		{name: "authzid elsewhere", send: auth("PLAIN", "mallory@other.example\x00mallory\x00"+Password), want: "F:invalid-authzid"},
		{name: "authzid of one's own", send: auth("PLAIN", "mallory@"+Domain+"\x00mallory\x00"+Password), want: "ok"},
		{name: "wrong password", send: auth("PLAIN", "\x00mallory\x00wrong"), want: "F:not-authorized"},
		{name: "unknown user", send: auth("PLAIN", "\x00nobody\x00wrong"), want: "F:not-authorized"},
		{name: "upper case", send: auth("PLAIN", "\x00MALLORY\x00"+Password), want: "ok"},
		{name: "full width", send: auth("PLAIN", "\x00ｍallory\x00"+Password), want: "ok"},
		{name: "soft hyphen", send: auth("PLAIN", "\x00mal\u00adlory\x00"+Password), want: "F:not-authorized"},
		{name: "right to left", send: auth("PLAIN", "\x00\u202emallory\x00"+Password), want: "F:not-authorized"},
		{name: "mixed script", send: auth("PLAIN", "\x00m\u0430llory\x00"+Password), want: "F:not-authorized"},
		{name: "an address as name", send: auth("PLAIN", "\x00mallory@"+Domain+"\x00"+Password), want: "F:not-authorized"},
		{name: "invalid UTF-8 in the name", send: auth("PLAIN", "\x00mall\xff\x00"+Password), want: "F:malformed-request"},
		{name: "response without auth", send: response("x"), want: "F:malformed-request"},
		{name: "abort", send: "<abort xmlns='" + nsSASL + "'/>", want: "F:aborted"},
		{name: "SCRAM with m=", send: auth("SCRAM-SHA-256", "n,,m=x,n=mallory,r=abcdefgh"), want: "F:malformed-request"},
		{name: "SCRAM without a nonce", send: auth("SCRAM-SHA-256", "n,,n=mallory"), want: "F:malformed-request"},
		{name: "SCRAM rubbish", send: auth("SCRAM-SHA-256", "rubbish"), want: "F:malformed-request"},
		{name: "SCRAM with a foreign authzid", send: auth("SCRAM-SHA-256", "n,a=bob@"+Domain+",n=mallory,r=abcdefgh"), want: "F:invalid-authzid"},
		{name: "SCRAM with y although PLUS is offered", send: auth("SCRAM-SHA-256", "y,,n=mallory,r=abcdefgh"), want: "F:not-authorized"},
		{name: "SCRAM with p= without PLUS", send: auth("SCRAM-SHA-256", "p=tls-exporter,,n=mallory,r=abcdefgh"), want: "F:not-authorized"},
		{name: "PLUS without p=", send: auth("SCRAM-SHA-256-PLUS", "n,,n=mallory,r=abcdefgh"), want: "F:not-authorized"},
		{name: "PLUS with an unknown binding", send: auth("SCRAM-SHA-256-PLUS", "p=frob,,n=mallory,r=abcdefgh"), want: "F:not-authorized"},
		{name: "compress before login", send: "<compress xmlns='http://jabber.org/protocol/compress'><method>zlib</method></compress>", want: "failed:unsupported-method"},
		{name: "bind before login", send: "<iq xmlns='jabber:client' type='set' id='1'><bind xmlns='" + nsBind + "'/></iq>", want: "S:not-authorized"},
		{name: "registration without an invitation", send: newcomer("set", "<username>eve</username><password>a long password</password>"), want: "E:not-allowed"},
		{name: "the fields without an invitation", send: newcomer("get", ""), want: "E:not-allowed"},
		{name: "deletion before login", send: newcomer("set", "<remove/>"), want: "E:unexpected-request"},
		{name: "a guessed token", send: "<iq xmlns='jabber:client' type='set' id='1'><preauth xmlns='urn:xmpp:pars:0' token='guess'/></iq>", want: "E:item-not-found"},
		{name: "a token of 1 MiB", send: "<iq xmlns='jabber:client' type='set' id='1'><preauth xmlns='urn:xmpp:pars:0' token='" + strings.Repeat("A", 1<<20) + "'/></iq>", want: "S:policy-violation", ws: "W:1009"},
		{name: "registration with two payloads", send: "<iq xmlns='jabber:client' type='set' id='1'><query xmlns='jabber:iq:register'/><x xmlns='urn:x'/></iq>", want: "E:bad-request"},
		{name: "registration at another address", send: "<iq xmlns='jabber:client' type='set' id='1' to='mallory@" + Domain + "'><query xmlns='jabber:iq:register'/></iq>", want: "S:not-authorized"},
		{name: "registration as an answer", send: "<iq xmlns='jabber:client' type='result' id='1'><query xmlns='jabber:iq:register'/></iq>", want: "S:not-authorized"},
		{name: "registration before TLS", at: clear, only: "TCP", send: newcomer("set", "<username>eve</username><password>a long password</password>"), want: "S:not-authorized"},
		{name: "enable before login", send: "<enable xmlns='" + nsSM + "'/>", want: "failed:unexpected-request"},
		{name: "resume before login", send: "<resume xmlns='" + nsSM + "' previd='x' h='0'/>", want: "failed:unexpected-request"},
		{name: "starttls inside TLS", only: "TCP", send: "<starttls xmlns='" + nsTLS + "'/>", want: "failed:"},

		{name: "compress after login", at: signed, send: "<compress xmlns='http://jabber.org/protocol/compress'><method>zlib</method></compress>", want: "S:unsupported-stanza-type|not-authorized"},
		{name: "message before bind", at: signed, send: "<message xmlns='jabber:client' to='{other}'/>", want: "S:not-authorized"},
		{name: "iq to another before bind", at: signed, send: "<iq xmlns='jabber:client' type='get' id='1' to='{other}'><ping xmlns='urn:xmpp:ping'/></iq>", want: "S:not-authorized"},
		{name: "long resource", at: signed, send: bind(strings.Repeat("r", 2000)), want: "E:bad-request"},
		{name: "control characters in a resource", at: signed, send: bind("a&#10;b"), want: "E:bad-request"},
		{name: "bind without an id", at: signed, send: "<iq xmlns='jabber:client' type='set'><bind xmlns='" + nsBind + "'/></iq>", want: "E:bad-request"},
		{name: "enable before bind", at: signed, send: "<enable xmlns='" + nsSM + "'/>", want: "failed:unexpected-request"},
		{name: "resume of a guessed id", at: signed, send: "<resume xmlns='" + nsSM + "' previd='guess' h='0'/>", want: "failed:item-not-found"},
		{name: "resume without an id", at: signed, send: "<resume xmlns='" + nsSM + "' h='0'/>", want: "failed:item-not-found"},
		{name: "resume with h=x", at: signed, send: "<resume xmlns='" + nsSM + "' previd='guess' h='x'/>", want: "S:invalid-xml"},
		{name: "auth after login", at: signed, send: auth("PLAIN", "\x00mallory\x00"+Password), want: "S:not-authorized|unsupported-stanza-type"},
	} {
		if h.at == fresh {
			h.at = secured
		}
		corpus = append(corpus, h)
	}
	runHostile(t, corpus)
}

func newcomer(kind, fields string) string {
	return "<iq xmlns='jabber:client' type='" + kind + "' id='1'><query xmlns='jabber:iq:register'>" + fields + "</query></iq>"
}

// Row 52: who registers without an invitation, or guesses tokens, loses the stream, and after a while the address is told to wait. Passwords and
// tokens are counted together.
func TestRegistrationFlood(t *testing.T) {
	t.Parallel()
	h, w := loginHouse(t, func(c *server.Config) { c.XMPP.Failures = 6 })
	token, _, err := h.Accounts.Invite(t.Context(), account.Invitation{})
	if err != nil {
		t.Fatal(err)
	}
	guess := "<iq type='set' id='1'><preauth xmlns='urn:xmpp:pars:0' token='guess'/></iq>"
	first := h.Dial(t, TCP)
	if _, err := first.Secure(); err != nil {
		t.Fatal(err)
	}
	for i, condition := range []string{"item-not-found", "not-allowed", "item-not-found", "not-allowed"} {
		send := guess
		if condition == "not-allowed" {
			send = newcomer("set", "<username>eve</username><password>a long password</password>")
		}
		if e := ask(t, first, send); e.Child(xml.Client, "error").Child("urn:ietf:params:xml:ns:xmpp-stanzas", condition) == nil {
			t.Errorf("attempt %d: %s", i+1, e.AppendTo(nil, ""))
		}
	}
	if e, err := first.Next(); err != nil || e.Child("urn:ietf:params:xml:ns:xmpp-streams", "policy-violation") == nil {
		t.Errorf("the stream goes on: %v %v", e, err)
	}
	c := h.Dial(t, TCP)
	if _, err := c.Secure(); err != nil {
		t.Fatal(err)
	}
	for i, condition := range []string{"item-not-found", "item-not-found", "resource-constraint"} {
		e := ask(t, c, guess)
		failure := e.Child(xml.Client, "error")
		if failure.Child("urn:ietf:params:xml:ns:xmpp-stanzas", condition) == nil || (condition == "resource-constraint") != (failure.Attr("type") == "wait") {
			t.Errorf("attempt %d on the second stream: %s", i+1, e.AppendTo(nil, ""))
		}
	}
	if e := ask(t, c, "<iq type='set' id='2'><preauth xmlns='urn:xmpp:pars:0' token='"+token+"'/></iq>"); e.Attr("type") != "error" {
		t.Error("the address need not wait")
	}
	w.ping(t)
}

func bind(resource string) string {
	return "<iq xmlns='jabber:client' type='set' id='1'><bind xmlns='" + nsBind + "'><resource>" + resource + "</resource></bind></iq>"
}

// loginHouse is a house with one account and a witness.
func loginHouse(t *testing.T, change ...func(*server.Config)) (*House, *witness) {
	t.Helper()
	h := Start(t, storetest.SQLite(t), func(o *server.Options) {
		for _, f := range change {
			f(&o.Config)
		}
	})
	h.Account(t, "mallory")
	h.Account(t, "witness")
	return h, newWitness(t, h)
}

// ask sends and gives the next element.
func ask(t *testing.T, c *Client, s string) *xml.Element {
	t.Helper()
	c.Write(s)
	e, err := c.Next()
	if err != nil {
		t.Fatalf("sent %q: %v", s, err)
	}
	return e
}

// No mechanism is listed before TLS, and what is sent with <starttls/> is never acted upon (RFC 6120 §5.4.3.3).
func TestInjectionBeforeTLS(t *testing.T) {
	t.Parallel()
	h, w := loginHouse(t)
	c := h.Dial(t, TCP)
	f, err := c.Open()
	if err != nil || f.Child(nsSASL, "mechanisms") != nil || f.Child(nsTLS, "starttls").Child(nsTLS, "required") == nil {
		t.Fatal("features before TLS:", f, err)
	}
	if e := ask(t, c, "<starttls xmlns='"+nsTLS+"'/>"+auth("PLAIN", "\x00mallory\x00"+Password)); !e.Is(nsTLS, "proceed") {
		t.Fatal(e)
	}
	if err := c.Upgrade(); err != nil {
		t.Fatal(err)
	}
	if f, err := c.Open(); err != nil || f.Child(nsSASL, "mechanisms") == nil {
		t.Fatal("after TLS:", f, err)
	}
	if e := ask(t, c, "<message/>"); e.Child("urn:ietf:params:xml:ns:xmpp-streams", "not-authorized") == nil {
		t.Fatal("the injected <auth/> was acted upon")
	}
	w.ping(t)
}

// A wrong password and an unknown user are answered with the same bytes, and no state is left between exchanges.
func TestExchanges(t *testing.T) {
	t.Parallel()
	h, w := loginHouse(t)
	for _, via := range []Via{TCP, WebSocket} {
		c := h.Dial(t, via)
		if _, err := c.Secure(); err != nil {
			t.Fatal(err)
		}
		wrong := ask(t, c, auth("PLAIN", "\x00mallory\x00wrong"))
		unknown := ask(t, c, auth("PLAIN", "\x00nobody\x00wrong"))
		if a, b := string(wrong.AppendTo(nil, "")), string(unknown.AppendTo(nil, "")); a != b {
			t.Errorf("%s\n%s", a, b)
		}
		if e := ask(t, c, auth("SCRAM-SHA-256", "n,,n=mallory,r=abcdefgh")); !e.Is(nsSASL, "challenge") {
			t.Fatal(e)
		}
		if e := ask(t, c, response("c=biws,r=wrong,p=AAAA")); e.Child(nsSASL, "not-authorized") == nil && e.Child(nsSASL, "malformed-request") == nil {
			t.Error("a wrong nonce:", string(e.AppendTo(nil, "")))
		}
		// The fourth failure ends the stream.
		c.Write(auth("FROB", ""))
		if e, err := c.Next(); err != nil || e.Child(nsSASL, "invalid-mechanism") == nil {
			t.Error(e, err)
		}
		if err := c.expectStreamError([]string{"policy-violation"}, secured); err != nil {
			t.Error("after four failures:", err)
		}
		w.ping(t)
	}
}

// Two <auth/> at once, and an abort in the middle.
func TestInterruptedExchange(t *testing.T) {
	t.Parallel()
	h, _ := loginHouse(t)
	for _, via := range []Via{TCP, WebSocket} {
		c := h.Dial(t, via)
		if _, err := c.Secure(); err != nil {
			t.Fatal(err)
		}
		ask(t, c, auth("SCRAM-SHA-256", "n,,n=mallory,r=abcdefgh"))
		if e := ask(t, c, auth("SCRAM-SHA-256", "n,,n=mallory,r=abcdefgh")); e.Child(nsSASL, "malformed-request") == nil {
			t.Error("a second <auth/>:", string(e.AppendTo(nil, "")))
		}
		ask(t, c, auth("SCRAM-SHA-256", "n,,n=mallory,r=abcdefgh"))
		if e := ask(t, c, "<abort xmlns='"+nsSASL+"'/>"); e.Child(nsSASL, "aborted") == nil {
			t.Error("<abort/>:", string(e.AppendTo(nil, "")))
		}
		if _, err := c.Authenticate("mallory"); err != nil {
			t.Error("after an abort:", err)
		}
	}
}

// Too many failures of one address are answered with temporary-auth-failure; the account stays open to others.
func TestGuessingIsSlowed(t *testing.T) {
	t.Parallel()
	h, _ := loginHouse(t, func(c *server.Config) { c.XMPP.Failures = 5 })
	var last *xml.Element
	for range 3 {
		c := h.Dial(t, DirectTLS)
		if _, err := c.Secure(); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			last = ask(t, c, auth("PLAIN", "\x00mallory\x00wrong"))
		}
	}
	if last.Child(nsSASL, "temporary-auth-failure") == nil {
		t.Error(string(last.AppendTo(nil, "")))
	}
}

// Connections that do not sign in are limited by network, refused without a word, and given up after an absolute time.
func TestHalfOpenConnections(t *testing.T) {
	t.Parallel()
	h, w := loginHouse(t, func(c *server.Config) { c.XMPP.Halfway, c.XMPP.AuthTimeout = 5, config.Duration(6*time.Second) })
	clients := make([]*Client, 5)
	for i := range clients {
		clients[i] = h.Dial(t, TCP)
		if _, err := clients[i].Open(); err != nil {
			t.Fatal(err)
		}
	}
	over := h.Dial(t, TCP)
	if _, err := over.Open(); err == nil {
		t.Error("a sixth half-open connection was served")
	}
	w.ping(t)
	stop := make(chan struct{})
	go func() { // a byte now and then does not help
		for {
			select {
			case <-stop:
				return
			case <-time.After(500 * time.Millisecond):
				clients[0].conn.Write([]byte(" "))
			}
		}
	}()
	defer close(stop)
	for _, c := range clients {
		for {
			ev, err := c.Event()
			if err != nil || ev.Kind == xml.Close {
				if errors.Is(err, io.EOF) || err == nil {
					break
				}
				t.Fatal("a connection that never signs in stays: ", err)
			}
			if ev.Kind == xml.Item && ev.Item.Tree().Child("urn:ietf:params:xml:ns:xmpp-streams", "connection-timeout") == nil {
				t.Error(string(ev.Item.Bytes))
			}
		}
	}
	fresh := h.Dial(t, TCP)
	if _, err := fresh.Open(); err != nil {
		t.Error("after the timeout there is no place for another:", err)
	}
}

// Old TLS is refused; on the port for direct TLS another protocol is too (RFC 7301 §3.2).
func TestTLSRefusals(t *testing.T) {
	t.Parallel()
	h, w := loginHouse(t)
	dial := func(c *tls.Config) error {
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: Patience}, "tcp", h.At.XMPPTLS[0].String(), c)
		if err == nil {
			conn.Close()
		}
		return err
	}
	old := h.tls("xmpp-client")
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if dial(old) == nil {
		t.Error("TLS 1.1 is spoken")
	}
	if err := dial(h.tls("h2")); err == nil || !strings.Contains(err.Error(), "no application protocol") {
		t.Error("another ALPN protocol:", err)
	}
	if err := dial(h.tls("xmpp-client")); err != nil {
		t.Error(err)
	}
	w.ping(t)
}

// What answers a stranger on the plain port is short.
func TestStrangersGetLittle(t *testing.T) {
	t.Parallel()
	h, w := loginHouse(t)
	for _, s := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "SSH-2.0-x\r\n", "\x16\x03\x01\x02\x00", "\x00"} {
		c, err := net.Dial("tcp", h.At.XMPP[0].String())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, s)
		c.SetReadDeadline(time.Now().Add(Patience))
		b, err := io.ReadAll(c)
		c.Close()
		if err != nil || len(b) >= 1024 {
			t.Errorf("%q: %d bytes, %v", s, len(b), err)
		}
	}
	w.ping(t)
}

// Nothing of a connection is left when it is over. It counts the objects of the process, so it runs alone.
func TestConnectAndGo(t *testing.T) {
	h, w := loginHouse(t)
	cycle := func(n int) {
		for i := range n {
			c, err := net.Dial("tcp", h.At.XMPP[0].String())
			if err != nil {
				t.Fatal(err)
			}
			if i%2 == 0 {
				fmt.Fprintf(c, "<stream:stream to='%s' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>", Domain)
				c.Read(make([]byte, 64))
			}
			c.Close()
		}
		w.ping(t)
	}
	held := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapObjects
	}
	cycle(200)
	before := held()
	cycle(2000)
	for deadline := time.Now().Add(Patience); ; time.Sleep(20 * time.Millisecond) { // connections end on their own goroutines
		if after := held(); after < before+20000 {
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("%d objects before, %d after 2,000 connections", before, after)
		}
	}
}
