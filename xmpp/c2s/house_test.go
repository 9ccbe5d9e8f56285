package c2s

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"writ/account"
	"writ/records"
	"writ/store"
	"writ/store/storetest"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/route"
	"writ/xmpp/sasl"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

const password = "correct horse"

// house is a server of the domain example.org on a real store, with the least rooms that these tests need.
type house struct {
	t      testing.TB
	srv    *Server
	router *route.Router
	db     *store.DB
	cert   *x509.CertPool

	accounts *account.Accounts
	pair     atomic.Pointer[tls.Certificate]
	kept     *keeper
}

// keeper is an offline room in little: it keeps messages for accounts without a session, in memory but in the transaction's order.
type keeper struct {
	mu   sync.Mutex
	kept []kept
}

type kept struct {
	*stanza.Stanza
	at time.Time
}

func (k *keeper) list() []kept {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.kept)
}

func newHouse(t testing.TB, change ...func(*Config)) *house { return newHouseOf(t, 0, change...) }

// newHouseOf is newHouse with another limit of resources for an account.
func newHouseOf(t testing.TB, resources int, change ...func(*Config)) *house {
	db := storetest.SQLite(t)
	storetest.Migrate(t, db, append(records.Schemas(), account.Schema(), Schema())...)
	h := &house{t: t, db: db, kept: &keeper{}}
	domain := jid.MustParse("example.org")
	accounts := account.Open(account.Options{DB: db, Domain: domain, Config: account.Config{Iterations: sasl.MinIterations}})
	for _, n := range []string{"alice", "bob"} {
		if _, err := accounts.Create(t.Context(), account.New{Local: n, Password: password}); err != nil {
			t.Fatal(err)
		}
	}
	h.accounts = accounts
	h.router = route.New(route.Config{Domain: domain, DB: db, Accounts: accounts, MaxResources: resources})
	if err := h.router.Use([]*feature.Feature{h.presence(), h.ping(), h.store()}); err != nil {
		t.Fatal(err)
	}
	auth, err := sasl.New(sasl.Config{Domain: domain, Source: accounts, Secret: make([]byte, 32), Iterations: sasl.MinIterations})
	if err != nil {
		t.Fatal(err)
	}
	c := Config{WebSocket: "wss://example.org/xmpp-websocket"}
	for _, f := range change {
		f(&c)
	}
	pair, roots := certificate(t)
	h.cert = roots
	h.renew(pair)
	h.srv, err = New(c, Parts{Router: h.router, SASL: auth, TLS: &tls.Config{GetCertificate: h.certificate}, DB: db, Accounts: accounts})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := h.srv.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return h
}

// renew changes the certificate of the running server.
func (h *house) renew(pair tls.Certificate) { h.pair.Store(&pair) }

func (h *house) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return h.pair.Load(), nil
}

// presence is a presence room in little: it notes broadcasts.
func (h *house) presence() *feature.Feature {
	return &feature.Feature{Name: "presence", Presence: func(_ context.Context, e *feature.Envelope) (bool, error) {
		if !e.To.IsZero() || e.Session == nil {
			return false, nil
		}
		if e.Stanza.Type == stanza.Unavailable {
			e.Session.Presence.Store(nil)
			return true, nil
		}
		n := int32(0)
		if p := e.Stanza.Find(xml.Client, "priority"); p != nil {
			fmt.Sscan(p.Text(), &n)
		}
		e.Session.Priority.Store(n)
		e.Session.Presence.Store(e.Stanza)
		return true, nil
	}}
}

func (h *house) ping() *feature.Feature {
	return &feature.Feature{Name: "ping", IQ: []feature.IQ{{Type: stanza.Get, Space: "urn:xmpp:ping", Local: "ping", At: feature.AtDomain | feature.AtOwn,
		Handle: func(context.Context, *feature.Request) (feature.Reply, error) { return feature.Reply{}, nil }}}}
}

func (h *house) store() *feature.Feature {
	return &feature.Feature{Name: "keeper", Persist: &feature.Persist{
		Wants: func(e *feature.Envelope) bool { return e.Stanza.Has(xml.Client, "body") },
		Do: func(ctx context.Context, tx *store.Tx, e *feature.Envelope) error {
			if e.Away {
				e.Offline = true
				s := kept{e.Stanza, e.Time}
				tx.AfterCommit(func() {
					h.kept.mu.Lock()
					h.kept.kept = append(h.kept.kept, s)
					h.kept.mu.Unlock()
				})
			}
			return nil
		},
	}}
}

func certificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "example.org"}, DNSNames: []string{"example.org"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

// listen serves a loopback port.
func (h *house) listen(k Kind) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	go h.srv.Serve(l, k)
	return l.Addr().String()
}

// peer is a client that reads and writes what the test says.
type peer struct {
	t   testing.TB
	h   *house
	nc  net.Conn
	dec *xml.Decoder
	buf []byte

	patience time.Duration // for the next element
}

// dial connects over TCP.
func (h *house) dial(k Kind) *peer {
	h.t.Helper()
	nc, err := net.Dial("tcp", h.listen(k))
	if err != nil {
		h.t.Fatal(err)
	}
	return h.peer(nc)
}

// pipe connects without a network.
func (h *house) pipe(k Kind) *peer {
	a, b := net.Pipe()
	h.srv.ServeConn(b, k)
	return h.peer(a)
}

func (h *house) peer(nc net.Conn) *peer {
	h.t.Cleanup(func() { nc.Close() })
	return &peer{t: h.t, h: h, nc: nc, buf: make([]byte, 64<<10), dec: xml.NewStream(xml.AfterLogin(1 << 20)), patience: 10 * time.Second}
}

func (p *peer) send(format string, args ...any) {
	p.t.Helper()
	text := format
	if len(args) > 0 {
		text = fmt.Sprintf(format, args...)
	}
	p.nc.SetWriteDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(p.nc, text); err != nil {
		p.t.Fatalf("sending %.80q: %v", text, err)
	}
}

// next is the next element, "<stream>" for a header, "</stream>" for the end of the stream, "EOF" for the end of the connection.
func (p *peer) next() string {
	p.t.Helper()
	for {
		ev, err := p.dec.Next()
		if err != nil {
			p.t.Fatalf("the server sent bad XML: %v", err)
		}
		switch ev.Kind {
		case xml.Open:
			return "<stream>"
		case xml.Close:
			return "</stream>"
		case xml.Item:
			return string(ev.Item.Bytes)
		case xml.Space:
			continue
		}
		p.nc.SetReadDeadline(time.Now().Add(p.patience))
		n, err := p.nc.Read(p.buf)
		if n == 0 && err != nil {
			if e, ok := err.(net.Error); ok && e.Timeout() {
				p.t.Fatal("the server sends nothing")
			}
			return "EOF"
		}
		p.dec.Feed(bytes.Clone(p.buf[:n]))
	}
}

// expect reads one element and wants each part in it.
func (p *peer) expect(parts ...string) string {
	p.t.Helper()
	got := p.next()
	for _, w := range parts {
		if !strings.Contains(got, w) {
			p.t.Fatalf("got %q, want %q in it", got, w)
		}
	}
	return got
}

const streamHeader = "<?xml version='1.0'?><stream:stream to='example.org' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

func (p *peer) header() string {
	p.t.Helper()
	p.send(streamHeader)
	p.expect("<stream>")
	return p.expect("features")
}

// secure upgrades to TLS, or begins with it.
func (p *peer) tls(change ...func(*tls.Config)) *tls.Conn {
	p.t.Helper()
	c := &tls.Config{RootCAs: p.h.cert, ServerName: "example.org"}
	for _, f := range change {
		f(c)
	}
	tc := tls.Client(p.nc, c)
	p.nc.SetDeadline(time.Now().Add(10 * time.Second))
	if err := tc.Handshake(); err != nil {
		p.t.Fatalf("handshake: %v", err)
	}
	p.nc = tc
	p.dec = xml.NewStream(xml.AfterLogin(1 << 20))
	return tc
}

func plainText(user, pass string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + pass))
}

func (p *peer) auth(user string) {
	p.t.Helper()
	p.header()
	p.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>", plainText(user, password))
	p.expect("success")
	p.dec = xml.NewStream(xml.AfterLogin(1 << 20))
	p.header()
}

func (p *peer) bind(resource string) {
	p.t.Helper()
	p.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>%s</resource></bind></iq>", resource)
	p.expect("result", "/"+resource+"<")
}

// online is a client signed in over loopback with direct TLS, available, with that resource.
func (h *house) online(user, resource string) *peer {
	h.t.Helper()
	p := h.dial(DirectTLS)
	p.tls()
	p.auth(user)
	p.bind(resource)
	p.send("<presence/>")
	p.sync()
	return p
}

// sync makes sure that everything sent before was handled.
func (p *peer) sync() {
	p.t.Helper()
	p.send("<iq type='get' id='sync'><ping xmlns='urn:xmpp:ping'/></iq>")
	p.expect("type='result'", "id='sync'")
}

// write runs one statement on the store.
func (h *house) write(sql string, args ...any) {
	h.t.Helper()
	err := h.db.Write(context.Background(), func(tx *store.Tx) error {
		_, err := tx.Exec(context.Background(), sql, args...)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) jid(s string) jid.JID { return jid.MustParse(s) }

// eventually waits for something that another goroutine does.
func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatal("it did not happen")
}
