package writtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"writ/server"
	"writ/store/storetest"
	"writ/xmpp/xml"
)

// Row 34: what TLS must not do: a record of a handshake in the stream ends the connection, tickets allow no early data, and
// peers that connect and say nothing do not keep others from their handshakes.
func TestHostileTLS(t *testing.T) {
	t.Parallel()
	h, w := loginHouse(t)
	t.Run("renegotiation", func(t *testing.T) {
		c := h.tls("xmpp-client")
		c.MaxVersion = tls.VersionTLS12
		raw, err := net.Dial("tcp", h.At.XMPPTLS[0].String())
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		tap := &tapped{Conn: raw}
		conn := tls.Client(tap, c)
		if err := conn.Handshake(); err != nil {
			t.Fatal(err)
		}
		tap.kind = 22 // what is written next goes out as a record of the handshake; crypto/tls has no second one for servers, and none is offered
		fmt.Fprint(conn, "\x01\x00\x00\x00")
		conn.SetReadDeadline(time.Now().Add(Patience))
		if n, err := conn.Read(make([]byte, 1)); err == nil || isTimeout(err) {
			t.Errorf("the connection goes on: %d bytes, %v", n, err)
		}
	})
	t.Run("early data", func(t *testing.T) {
		tickets := tls.NewLRUClientSessionCache(1)
		c := h.tls("xmpp-client")
		c.ClientSessionCache = tickets
		conn, err := tls.Dial("tcp", h.At.XMPPTLS[0].String(), c)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, "<stream:stream xmlns='jabber:client' xmlns:stream='"+xml.Stream+"' to='"+Domain+"' version='1.0'>")
		conn.SetReadDeadline(time.Now().Add(Patience))
		if _, err := conn.Read(make([]byte, 64)); err != nil { // the ticket comes before it
			t.Fatal(err)
		}
		state, ok := tickets.Get(c.ServerName)
		if !ok {
			return // no ticket, no early data
		}
		_, s, err := state.ResumptionState()
		if err != nil || s.EarlyData {
			t.Errorf("a ticket for early data: %v", err)
		}
	})
	t.Run("silent peers", func(t *testing.T) {
		for range 300 {
			c, err := net.Dial("tcp", h.At.XMPPTLS[0].String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.Write([]byte("\x16\x03\x01")) // a handshake that never goes on
		}
		began := time.Now()
		c, err := tls.DialWithDialer(&net.Dialer{Timeout: Patience}, "tcp", h.At.XMPPTLS[0].String(), h.tls("xmpp-client"))
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if d := time.Since(began); d > 10*time.Second {
			t.Errorf("a handshake beside silent peers took %s", d)
		}
	})
	w.ping(t)
}

// tapped changes the type of the records that go through it, once told.
type tapped struct {
	net.Conn
	kind byte
}

func (t *tapped) Write(b []byte) (int, error) {
	if t.kind != 0 && len(b) > 0 {
		b = append([]byte{t.kind}, b[1:]...)
	}
	return t.Conn.Write(b)
}

// Row 34: ten thousand handshakes as fast as they come, each left when its work is done: others are served meanwhile.
func TestHandshakeFlood(t *testing.T) {
	t.Parallel()
	h, w := loginHouse(t)
	var crowd sync.WaitGroup
	each := 250
	if testing.Short() {
		each = 25
	}
	for range 4 {
		crowd.Go(func() {
			for range each {
				c, err := tls.DialWithDialer(&net.Dialer{Timeout: Patience}, "tcp", h.At.XMPPTLS[0].String(), h.tls("xmpp-client"))
				if err == nil {
					c.NetConn().Close()
				}
			}
		})
	}
	for range 5 {
		w.ping(t)
	}
	crowd.Wait()
	w.ping(t)
}

// Row 35: whatever name a client asks for by SNI, or none, it gets the certificate of the domain and no other; another domain is served to nobody;
// and a client's certificate signs nobody in, least of all by the name in its subject.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	h, w := loginHouse(t)
	for _, name := range []string{"", "other.example", "127.0.0.1", "xn--nxasmq6b.example", strings.Repeat("a.", 100) + "example"} {
		c := h.tls("xmpp-client")
		c.ServerName, c.InsecureSkipVerify = name, true
		conn, err := tls.Dial("tcp", h.At.XMPPTLS[0].String(), c)
		if err != nil {
			t.Errorf("SNI %q: %v", name, err)
			continue
		}
		leaf := conn.ConnectionState().PeerCertificates[0]
		if leaf.VerifyHostname(Domain) != nil || name == "other.example" && leaf.VerifyHostname(name) == nil {
			t.Errorf("SNI %q: a certificate for %v", name, leaf.DNSNames)
		}
		fmt.Fprint(conn, "<stream:stream xmlns='jabber:client' xmlns:stream='"+xml.Stream+"' to='other.example' version='1.0'>")
		conn.SetReadDeadline(time.Now().Add(Patience))
		if b, _ := io.ReadAll(conn); !strings.Contains(string(b), "host-unknown") {
			t.Errorf("SNI %q, another domain: %s", name, b)
		}
		conn.Close()
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	subject := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mallory@" + Domain}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, subject, subject, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c := h.tls("xmpp-client")
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
	}
	conn, err := tls.Dial("tcp", h.At.XMPPTLS[0].String(), c)
	if err != nil {
		t.Fatal(err)
	}
	client := &Client{house: h, via: DirectTLS, conn: conn}
	client.Restart()
	defer client.Drop()
	f, err := client.Open()
	if err != nil || strings.Contains(string(f.AppendTo(nil, "")), "EXTERNAL") {
		t.Fatal(err, f)
	}
	client.Write(auth("EXTERNAL", "="))
	if err := client.expect("F:invalid-mechanism", secured); err != nil {
		t.Error(err)
	}
	w.ping(t)
}

// Row 94: streams of HTTP/2 that are opened and reset as fast as they go out cost a bounded number of goroutines, and others are served.
func TestRapidReset(t *testing.T) {
	t.Parallel()
	h, w := loginHouse(t)
	conn, err := tls.Dial("tcp", h.At.HTTPS[0].String(), h.tls("h2"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, http2.ClientPreface)
	framer := http2.NewFramer(conn, conn)
	framer.WriteSettings()
	ended := make(chan string, 1)
	go func() {
		for {
			f, err := framer.ReadFrame()
			if err != nil {
				ended <- err.Error()
				return
			}
			if g, ok := f.(*http2.GoAwayFrame); ok {
				ended <- g.ErrCode.String()
				return
			}
		}
	}()
	var head strings.Builder
	e := hpack.NewEncoder(&head)
	for _, x := range [][2]string{{":method", "POST"}, {":scheme", "https"}, {":authority", Domain}, {":path", "/http-bind"}} {
		e.WriteField(hpack.HeaderField{Name: x[0], Value: x[1]})
	}
	before, most := runtime.NumGoroutine(), 0
	conn.SetWriteDeadline(time.Now().Add(Patience))
	for i := range 20000 {
		id := uint32(2*i + 1)
		fragment := head.String()
		if i > 0 { // the encoder's table has them by now
			var again strings.Builder
			e = hpack.NewEncoder(&again)
			for _, x := range [][2]string{{":method", "POST"}, {":scheme", "https"}, {":authority", Domain}, {":path", "/http-bind"}} {
				e.WriteField(hpack.HeaderField{Name: x[0], Value: x[1], Sensitive: true})
			}
			fragment = again.String()
		}
		if framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: []byte(fragment), EndHeaders: true}) != nil ||
			framer.WriteRSTStream(id, http2.ErrCodeCancel) != nil {
			break
		}
		if i%500 == 0 {
			most = max(most, runtime.NumGoroutine())
		}
	}
	if most > before+1500 {
		t.Errorf("%d goroutines before, %d meanwhile", before, most)
	}
	w.ping(t)
	select {
	case how := <-ended:
		t.Log("the connection ended: ", how)
	default:
	}
}

// Row 92: however a path is written, what needs a sign-in is not shown without one (CVE-2023-32315 was such a path).
func TestHostilePaths(t *testing.T) {
	t.Parallel()
	h, w := loginHouse(t)
	for _, page := range []string{"staff/", "portal/", "admin/"} {
		for _, path := range []string{"/static/../" + page, "/static/%2e%2e/" + page, "/static/%2E%2E%2F" + page, "/static/..%2f" + page, "/static/%u002e%u002e/" + page,
			"/setup/setup-s/%u002e%u002e/%u002e%u002e/" + page, "//" + page, "///" + page + "/", "/./" + page, "/" + page + ";/", "/" + page + "..;/", "/static/..;/" + page,
			"/" + page + "%00", "/" + page + "%2500", "/static/%252e%252e/" + page, "/sign-in/../" + page, "/sign-in/%2e%2e/" + page, "/\\" + page, "/" + strings.ToUpper(page),
			"/chat/../" + page, "/http-bind/../" + page} {
			x := h.wire(t)
			fmt.Fprintf(x.c, "GET %s HTTP/1.1\r\nHost: %s\r\nX-Original-URL: /\r\nX-Rewrite-URL: /\r\n\r\n", path, Domain)
			r, err := http.ReadResponse(x.r, nil)
			if err != nil {
				continue // the connection was closed without an answer
			}
			to := r.Header.Get("Location")
			switch {
			case r.StatusCode == 400, r.StatusCode == 401, r.StatusCode == 403, r.StatusCode == 404, r.StatusCode == 405:
			case r.StatusCode >= 300 && r.StatusCode < 400 && (strings.Contains(to, "sign-in") || strings.HasPrefix(to, "/")): // to the sign-in, or to the path as it should be written
			default:
				t.Errorf("%s: %d to %q", path, r.StatusCode, to)
			}
		}
	}
	w.ping(t)
}

// BenchmarkConnectAndGo is row 30: what 100,000 connections leave behind:
//
//	go test -run xxx -bench ConnectAndGo -benchtime 100000x ./writtest
func BenchmarkConnectAndGo(b *testing.B) {
	h := Start(b, storetest.SQLite(b), func(o *server.Options) { o.Config.XMPP.Halfway = -1 })
	cycle := func(n int) {
		for i := range n {
			c, err := net.Dial("tcp", h.At.XMPP[0].String())
			if err != nil {
				b.Fatal(err)
			}
			if i%2 == 0 {
				fmt.Fprintf(c, "<stream:stream to='%s' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>", Domain)
				c.Read(make([]byte, 64))
			}
			c.(*net.TCPConn).SetLinger(0) // a hundred thousand ports are not to be had otherwise
			c.Close()
		}
	}
	cycle(5000)
	before := settled(b)
	for b.Loop() {
		cycle(1)
	}
	after := settled(b)
	b.ReportMetric(float64(before.heap)/1e6, "MB-heap-before")
	b.ReportMetric(float64(after.heap)/1e6, "MB-heap-after")
	b.ReportMetric(float64(before.rss)/1e6, "MB-RSS-before")
	b.ReportMetric(float64(after.rss)/1e6, "MB-RSS-after")
	if after.heap > before.heap*11/10+1<<20 || after.rss > before.rss*11/10+4<<20 {
		b.Errorf("%+v before, %+v after", before, after)
	}
}

// use is what the process holds.
type use struct{ heap, rss uint64 }

// settled reads it when the connections' goroutines are done.
func settled(b *testing.B) use {
	b.Helper()
	last := -1
	for end := time.Now().Add(Patience); time.Now().Before(end) && runtime.NumGoroutine() != last; time.Sleep(500 * time.Millisecond) {
		last = runtime.NumGoroutine()
	}
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		b.Fatal(err)
	}
	u := use{heap: m.HeapAlloc}
	if f := strings.Fields(string(text)); len(f) > 1 {
		pages, _ := strconv.ParseUint(f[1], 10, 64)
		u.rss = pages * uint64(os.Getpagesize())
	}
	return u
}
