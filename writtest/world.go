package writtest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"writ/server"
	"writ/store"
	"writ/xmpp/locate"
	"writ/xmpp/s2s"
)

// Abroad is the domain of the other house in scripts that say "abroad".
const Abroad = "abroad.example"

// World is a little Internet for houses that talk with each other: an authority that certifies their names, and the DNS in which they find each
// other. It implements locate.Resolver.
type World struct {
	dir  string
	ca   *x509.Certificate
	key  *ecdsa.PrivateKey
	Root string // PEM file with the authority

	mu       sync.Mutex
	services map[string][]locate.Service
	hosts    map[string][]netip.Addr
	keys     map[string][]locate.Key
	secure   bool
	aliases  map[string]string
	faults   map[string]error
	asked    []string
}

// NewWorld makes a world without houses.
func NewWorld(t testing.TB) *World {
	t.Helper()
	w := &World{dir: t.TempDir(), services: map[string][]locate.Service{}, hosts: map[string][]netip.Addr{}, keys: map[string][]locate.Key{}, faults: map[string]error{}}
	w.Root = filepath.Join(w.dir, "root.pem")
	var err error
	if w.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "The authority of a test"}, NotBefore: began.AddDate(-1, 0, 0), NotAfter: began.AddDate(20, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, w.key.Public(), w.key)
	if err != nil {
		t.Fatal(err)
	}
	if w.ca, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	w.write(t, w.Root, "CERTIFICATE", der)
	return w
}

// began is inside the life of every certificate, and so are the clocks of tests.
var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (w *World) write(t testing.TB, file, kind string, blocks ...[]byte) {
	t.Helper()
	var b []byte
	for _, der := range blocks {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Certify makes a certificate of the authority and its key, as PEM files. Change may change what is certified.
func (w *World) Certify(t testing.TB, name string, change func(*x509.Certificate)) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: serial, DNSNames: []string{name}, NotBefore: began.AddDate(-1, 0, 0), NotAfter: began.AddDate(10, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if change != nil {
		change(tmpl)
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, w.ca, k.Public(), w.key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(w.dir, fmt.Sprintf("%s-%x", name, serial))
	w.write(t, base+".pem", "CERTIFICATE", der, w.ca.Raw)
	w.write(t, base+".key", "PRIVATE KEY", pkcs8)
	return base + ".pem", base + ".key"
}

// Living makes a house one of this world: with this domain, a certificate, and in the DNS once it runs (by Join).
func (w *World) Living(t testing.TB, domain string) Option {
	return func(o *server.Options) {
		o.Config.Domain = domain
		cert, key := w.Certify(t, domain, func(c *x509.Certificate) { c.DNSNames = []string{domain, "*." + domain} }) // and of its services
		o.Config.TLS.Certificate, o.Config.TLS.Key = cert, key
		o.Config.S2S = s2s.Config{Mode: s2s.On, Roots: w.Root, Networks: []string{"127.0.0.0/8"},
			Listen: []string{"127.0.0.1:0"}, ListenTLS: []string{"127.0.0.1:0"}, PerAddress: -1}
		o.Resolver = w
	}
}

// Join starts a house of this world and enters it into the DNS, with STARTTLS alone.
func (w *World) Join(t testing.TB, db *store.DB, domain string, options ...Option) *House {
	t.Helper()
	h := Start(t, db, append([]Option{w.Living(t, domain)}, options...)...)
	w.Enter(h)
	return h
}

// Enter makes a running house found. One that does not listen for other servers has a port that nobody answers at.
func (w *World) Enter(h *House) {
	at := uint16(deaf)
	if len(h.At.Peers) > 0 {
		at = port(h.At.Peers[0])
	}
	for _, host := range h.Router.Hosts() {
		domain := host.ASCII()
		w.Point("_xmpp-server._tcp."+domain, locate.Service{Host: domain, Port: at, Weight: 1})
		w.Place(domain, netip.MustParseAddr("127.0.0.1"))
	}
}

// deaf is a port of this machine that no test listens on: below those that the system gives away.
const deaf = 5299

// FreePort is a TCP port of this machine at which nothing listens: it was free a moment ago.
func FreePort(t testing.TB) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return port(l.Addr())
}

func port(a net.Addr) uint16 { return a.(*net.TCPAddr).AddrPort().Port() }

// Point sets the SRV records of a name; without any the name has none.
func (w *World) Point(name string, to ...locate.Service) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.services[name] = to
}

// Place sets the addresses of a host.
func (w *World) Place(host string, at ...netip.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hosts[host] = at
}

// Bind sets the TLSA records of a name; from then on DNSSEC proves all answers.
func (w *World) Bind(name string, keys ...locate.Key) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keys[name], w.secure = keys, true
}

// Break makes questions for a name fail; nil mends it.
func (w *World) Break(name string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults[name] = err
}

// Asked are the names that were asked for since the last call.
func (w *World) Asked() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := w.asked
	w.asked = nil
	return a
}

func find[T any](w *World, in map[string][]T, name string) ([]T, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, name)
	if err := w.faults[name]; err != nil {
		return nil, false, err
	}
	if len(in[name]) == 0 {
		return nil, w.secure, fmt.Errorf("%w: %s", locate.ErrNone, name)
	}
	return in[name], w.secure, nil
}

// Services implements locate.Resolver.
func (w *World) Services(_ context.Context, name string) ([]locate.Service, bool, error) {
	return find(w, w.services, name)
}

// Addresses implements locate.Resolver.
func (w *World) Addresses(_ context.Context, host string) ([]netip.Addr, bool, error) {
	return find(w, w.hosts, host)
}

// Keys implements locate.Resolver.
func (w *World) Keys(_ context.Context, name string) ([]locate.Key, bool, error) {
	return find(w, w.keys, name)
}
