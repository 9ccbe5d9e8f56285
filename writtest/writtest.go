// Package writtest runs a whole server in a test, and conversations with it that are written as short text.
//
// The server is the one of production, composed by server.Build, on loopback addresses with TLS. Tests of the rooms import
// this package from an external test package (package mam_test), because it stands above them all.
//
// # Scripts
//
// A script is a file testdata/NAME.txt beside the room that it tests, named after the section of the specification that it
// shows. Scripts runs each over TCP and over WebSocket, those that say so also over BOSH, on both databases, all in parallel:
//
//	func TestScripts(t *testing.T) { t.Parallel(); writtest.Scripts(t, "testdata/*.txt") }
//
// One line is one statement; a line that begins with white space goes on with the statement before it; '#' begins a comment line.
//
//	client alice                 an account, and a client of it with the resource "alice"
//	client phone of alice        another client of the same account
//	account carol                an account without a client
//	over BOSH                    the script runs over BOSH (XEP-0124) too; a drop takes seconds there
//	client bob abroad            an account and a client of it at another house, whose domain is {abroad}; the two talk with each other
//	account dora abroad          an account there without a client
//	operator carol               an account that is an operator
//	config e2ee.mode = "require" a setting, in TOML; the script gets a server of its own. Without it e2ee.mode is off
//
//	alice connects               TCP or WebSocket, TLS, login, bind; sends no presence
//	alice connects resumable     the same with XEP-0198: acknowledges by itself, hides <r/> and <a/>
//	alice opens                  TLS and stream features only
//	alice authenticates          login and new stream features, without bind
//	alice signs in XML           TLS and stream features if it is not connected; then SASL2 (XEP-0388) with PLAIN and a user-agent, and
//	                             the XML inside. What is answered is for the script to receive: <success/>, then the features
//	alice signs in by MECHANISM with TOKEN XML    the same with a token (XEP-0484); <fast/> in the XML says what its own is to say
//	alice signs in at once XML   the same, sent with the stream header, before the features are read
//	alice disconnects            ends the stream and waits for its end
//	alice drops                  cuts the connection, and waits until the server has noticed
//	alice resumes                comes back after a cut and resumes; what was missed can be received then
//	alice resumes and fails      comes back, is refused, and binds anew
//	alice is closed              the server ends the stream, and the session
//	alice is closed with CONDITION
//
//	alice -> <message to='{bob.bare}'><body>hi</body></message>
//	bob <- <message from='{alice}'><body>hi</body></message>
//	bob <- { <a/> <b/> }         these, in any order
//	bob never receives <message>...</message>
//	bob receives nothing
//	bob ignores <presence>...</presence>
//
//	advance 7d                   the clock; the script gets a server of its own
//	restart                      the server stops and starts on the same database; clients lose their connections and may resume
//	crash                        the same without a stop: what the process had in memory is lost
//
// "<-" looks at the very next thing that the client receives. "never receives" and "receives nothing" first let every
// client's stream come to rest (a request there and back), so they need not wait.
//
// In XML the default namespace is jabber:client, and the prefix stream is declared. {alice} is the full address of a client,
// {alice.bare}, {alice.local} and {alice.resource} are its parts, {alice.agent} is the id of its user-agent, {domain} is the server. Names of accounts are made unique,
// so always write {alice.bare}, never alice@…. Any other {name} stands for a text: the first time, in a "<-", it takes what
// is there; later it must be the same, and may be sent. {*} is any text; an attribute with the value {-} must not be there.
//
// What is received must be what is written: the same name, children (in any order) and text, and the written attributes.
// On the outermost element from, to, id and xml:lang may be there unwritten; anywhere else an unwritten attribute is a
// difference. "..." inside an element allows more children, more text and more attributes of it.
package writtest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"writ/account"
	"writ/chat/e2ee"
	"writ/clock"
	"writ/obs"
	"writ/server"
	"writ/store"
	"writ/xmpp/jid"
	"writ/xmpp/s2s"
	"writ/xmpp/sasl"
)

// Domain is what a House serves unless it is changed.
const Domain = "writ.example"

// Password is every account's.
const Password = "correct horse battery staple"

// Patience is how long anything may take before it is a failure. Machines that test are busy.
const Patience = 30 * time.Second

// House is a running server.
type House struct {
	*server.House
	At    server.Addresses
	Fake  *clock.Fake // nil: the system's clock
	roots *x509.CertPool
	stop  func()
	n     atomic.Int64

	crashed bool
}

// Option changes how a House is made.
type Option func(*server.Options)

// Fake gives the house a clock that only a test moves.
func Fake(f *clock.Fake) Option { return func(o *server.Options) { o.Clock = f } }

// Start builds and runs a house on db until the test ends.
func Start(t testing.TB, db *store.DB, options ...Option) *House {
	t.Helper()
	o := server.Options{Config: settings(t.TempDir()), Log: obs.Discard(), DB: db}
	for _, f := range options {
		f(&o)
	}
	h := &House{}
	h.Fake, _ = o.Clock.(*clock.Fake)
	var err error
	if h.House, err = server.Build(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan server.Addresses, 1), make(chan error, 1)
	go func() { ended <- h.Run(ctx, func(a server.Addresses) { ready <- a }) }()
	select {
	case h.At = <-ready:
	case err := <-ended:
		cancel()
		t.Fatal(err)
	}
	h.stop = func() {
		if cancel != nil {
			cancel()
			cancel = nil
			if err := <-ended; err != nil && !h.crashed {
				t.Error("stopping the house:", err)
			}
			if err := h.House.Close(); err != nil && !h.crashed {
				t.Error("closing the house:", err)
			}
		}
	}
	t.Cleanup(h.stop)
	file := filepath.Join(o.Config.Data, "tls", "cert.pem")
	if c := o.Config.TLS.Certificate; c != "" {
		file = c
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	h.roots = x509.NewCertPool()
	h.roots.AppendCertsFromPEM(pem)
	return h
}

// Stop stops the house before the test ends. The database stays open.
func (h *House) Stop() { h.stop() }

// Crash ends the house as a killed process ends: from now on nothing that it does reaches the database. Open it again with
// storetest.Reopen.
func (h *House) Crash() {
	h.crashed = true
	h.DB.Close() // what was committed stays; a failed close is part of it
	h.stop()
}

// Asleep waits until the server has noticed that the connection of a session is gone, and reports whether the session waits for its
// client (XEP-0198 §5).
func (h *House) Asleep(full jid.JID) bool {
	for end := time.Now().Add(Patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if there, awake := h.C2S.Session(full); !there || !awake {
			return there
		}
	}
	return false
}

func settings(data string) server.Config {
	c := server.DefaultConfig()
	c.Domain, c.Data = Domain, data
	c.E2EE.Mode = e2ee.Off  // so that scripts can say in clear what they mean; those about encryption set it
	c.Rooms.Channels = true // so that scripts of rooms can have any kind; those about private groups set it
	c.XMPP.Listen = []string{"127.0.0.1:0"}
	c.XMPP.ListenTLS = []string{"127.0.0.1:0"}
	c.S2S = s2s.Config{Mode: s2s.Off}
	c.XMPP.Failures, c.XMPP.Halfway = -1, -1 // all tests come from one address
	c.Accounts.Iterations = sasl.MinIterations
	c.Tlog.BatchSize = 16
	c.HTTP = server.HTTPConfig{ListenTLS: []string{"127.0.0.1:0"}}
	return c
}

// Account makes an account of that name with Password. Several tests that share a house use Fresh for the name.
func (h *House) Account(t testing.TB, local string) jid.JID {
	t.Helper()
	u, err := h.Accounts.Create(context.Background(), account.New{Local: local, Password: Password})
	if err != nil {
		t.Fatal(err)
	}
	return u.Account
}

// Fresh makes a name that no other test of this house has.
func (h *House) Fresh(name string) string {
	return name + "-" + strconv.FormatInt(h.n.Add(1), 36)
}

func (h *House) tls(alpn string) *tls.Config {
	return &tls.Config{RootCAs: h.roots, ServerName: h.Domain.ASCII(), NextProtos: []string{alpn}, MinVersion: tls.VersionTLS12}
}

// Via is a transport.
type Via uint8

const (
	TCP       Via = iota // port 5222: STARTTLS (RFC 6120 §5)
	DirectTLS            // port 5223: TLS from the first byte (XEP-0368)
	WebSocket            // RFC 7395, over TLS
	BOSH                 // XEP-0124, over HTTPS
)

func (v Via) String() string {
	return [...]string{"TCP", "direct TLS", "WebSocket", "BOSH"}[v]
}

// Dial connects and sends nothing.
func (h *House) Dial(t testing.TB, via Via) *Client {
	t.Helper()
	c := &Client{house: h, via: via}
	var err error
	switch via {
	case TCP:
		c.conn, err = net.DialTimeout("tcp", h.At.XMPP[0].String(), Patience)
	case DirectTLS:
		c.conn, err = tls.DialWithDialer(&net.Dialer{Timeout: Patience}, "tcp", h.At.XMPPTLS[0].String(), h.tls("xmpp-client"))
	case WebSocket:
		err = c.dialWebSocket()
	case BOSH:
		c.bosh = h.dialBOSH()
	default:
		err = fmt.Errorf("no transport %d", via)
	}
	if err != nil {
		t.Fatal("connecting by ", via, ": ", err)
	}
	t.Cleanup(c.Drop)
	c.Restart()
	return c
}
