package writtest

import (
	"crypto/tls"
	"encoding/base64"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/xdg-go/scram"
	"golang.org/x/sys/unix"

	"writ/store/storetest"
	"writ/xmpp/xml"
)

// BenchmarkSession measures the way from the TCP connect to a session that can be used: a resource, carbons, stream management, and the ends
// of the archive known; by each way that there is to sign in. "trips" are round trips, TCP and TLS 1.3 included: times the latency of the
// link they are what a person waits. "server-CPU-ms" is the whole process without the client, whose thread is measured beside it. The
// password's PBKDF2 is the client's, and remembered, as apps do.
func BenchmarkSession(b *testing.B) {
	h := Start(b, storetest.SQLite(b))
	h.Account(b, "mallory")
	client, err := scram.SHA256.NewClient("mallory", Password, "")
	if err != nil {
		b.Fatal(err)
	}
	for _, way := range []struct {
		name  string
		usual bool // what it needs is there after the first sign-in
		do    func(s *signer)
	}{
		{"tls-alone", false, func(*signer) {}},
		{"rfc6120-scram", false, (*signer).classic},
		{"sasl2-bind2-scram", false, func(s *signer) { s.modern(false) }},
		{"sasl2-bind2-scram-pipelined", false, func(s *signer) { s.modern(true) }},
		{"fast-pipelined", true, func(s *signer) { s.fast("<bind xmlns='urn:xmpp:bind:0'>" + wishes + "</bind>") }},
		{"rfc6120-scram-resumption", true, (*signer).classicResume},
		{"fast-pipelined-resumption", true, func(s *signer) {
			s.fast("<resume xmlns='urn:xmpp:sm:3' previd='" + s.session + "' h='0'/>")
		}},
	} {
		b.Run(way.name, func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			s := &signer{b: b, h: h, scram: client}
			if way.usual {
				s.connect()
				s.modern(false)
				s.conn.Close()
			}
			var trips int
			all, own := processTime(), threadTime()
			for b.Loop() {
				s.connect()
				way.do(s)
				trips = s.trips.n + 1 // of TCP
				s.conn.Close()
			}
			all, own = processTime()-all, threadTime()-own
			b.ReportMetric(float64(trips), "trips")
			b.ReportMetric(float64((all-own).Microseconds())/1000/float64(b.N), "server-CPU-ms")
			b.ReportMetric(float64(own.Microseconds())/1000/float64(b.N), "client-CPU-ms")
		})
	}
}

const wishes = "<tag>Bench</tag><enable xmlns='urn:xmpp:carbons:2'/><enable xmlns='urn:xmpp:sm:3' resume='true'/>"

func processTime() time.Duration {
	var r unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func threadTime() time.Duration {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
	return time.Duration(t.Nano())
}

// tripConn counts the times that a peer waits for an answer to what it has sent.
type tripConn struct {
	net.Conn
	sent bool
	n    int
}

func (c *tripConn) Write(p []byte) (int, error) {
	c.sent = true
	return c.Conn.Write(p)
}

func (c *tripConn) Read(p []byte) (int, error) {
	if c.sent {
		c.sent = false
		c.n++
	}
	return c.Conn.Read(p)
}

// signer is a client that signs in again and again.
type signer struct {
	*Client
	b              *testing.B
	h              *House
	scram          *scram.Client
	trips          *tripConn
	token, session string
}

func (s *signer) connect() {
	nc, err := net.Dial("tcp", s.h.At.XMPPTLS[0].String())
	if err != nil {
		s.b.Fatal(err)
	}
	s.trips = &tripConn{Conn: nc}
	t := tls.Client(s.trips, s.h.tls("xmpp-client"))
	if err := t.Handshake(); err != nil {
		s.b.Fatal(err)
	}
	s.Client = &Client{house: s.h, via: DirectTLS, conn: t}
	s.Restart()
}

// next reads an element of that name.
func (s *signer) next(local string) *xml.Element {
	e, err := s.Next()
	if err != nil || e.Name.Local != local {
		s.b.Fatalf("%s was awaited: %s, %v", local, e.AppendTo(nil, ""), err)
	}
	return e
}

func (s *signer) opened() {
	if _, err := s.Opened(); err != nil {
		s.b.Fatal(err)
	}
}

// proof begins SCRAM, and gives the first message and what makes the final one of the challenge.
func (s *signer) proof() (first string, final func(e *xml.Element) string) {
	conv := s.scram.NewConversation()
	first, err := conv.Step("")
	if err != nil {
		s.b.Fatal(err)
	}
	return first, func(e *xml.Element) string {
		challenge, _ := base64.StdEncoding.DecodeString(e.Text())
		f, err := conv.Step(string(challenge))
		if err != nil {
			s.b.Fatal(err)
		}
		return f
	}
}

// classicAuth signs in by RFC 6120 and opens the stream again.
func (s *signer) classicAuth() {
	s.Write(s.Header())
	s.opened()
	first, final := s.proof()
	s.Write(auth("SCRAM-SHA-256", first))
	s.Write(response(final(s.next("challenge"))))
	s.next("success")
	s.Restart()
	s.Write(s.Header())
	s.opened()
}

func (s *signer) classic() {
	s.classicAuth()
	if err := s.Bind(""); err != nil {
		s.b.Fatal(err)
	}
	s.Write("<enable xmlns='urn:xmpp:sm:3' resume='true'/><iq type='set' id='1'><enable xmlns='urn:xmpp:carbons:2'/></iq>" +
		"<iq type='get' id='2'><metadata xmlns='urn:xmpp:mam:2'/></iq>")
	for seen := 0; seen < 3; { // <enabled/> and two answers
		if e, err := s.Next(); err != nil {
			s.b.Fatal(err)
		} else if e.Name.Local != "r" {
			seen++
		}
	}
}

func (s *signer) classicResume() {
	s.classicAuth()
	s.Write("<resume xmlns='urn:xmpp:sm:3' previd='" + s.session + "' h='0'/>")
	s.next("resumed")
}

// modern signs in by XEP-0388 with everything in it, and a token for the next time.
func (s *signer) modern(pipelined bool) {
	first, final := s.proof()
	a := auth2("SCRAM-SHA-256", first, "<user-agent id='"+agentID+"'><software>Bench</software></user-agent><bind xmlns='urn:xmpp:bind:0'>"+wishes+
		"</bind><request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-EXPR'/>")
	if pipelined {
		s.WriteAll(s.Header(), a)
		s.opened()
	} else {
		s.Write(s.Header())
		s.opened()
		s.Write(a)
	}
	s.Write("<response xmlns='" + nsSASL2 + "'>" + b64(final(s.next("challenge"))) + "</response>")
	e := s.next("success")
	s.next("features")
	s.token, s.session = e.Child(nsFAST, "token").Attr("token"), e.Child(nsBind2, "bound").Child(nsSM, "enabled").Attr("id")
}

// fast signs in with the token.
func (s *signer) fast(inside string) {
	a, err := s.Authenticate2(SignIn{Local: "mallory", Agent: agentID, Mechanism: "HT-SHA-256-EXPR", Token: s.token, Inside: inside})
	if err != nil {
		s.b.Fatal(err)
	}
	s.WriteAll(s.Header(), a)
	s.opened()
	e := s.next("success")
	if e.Child(nsBind2, "bound") == nil && e.Child(nsSM, "resumed") == nil {
		s.b.Fatal(string(e.AppendTo(nil, "")))
	}
	if e.Child(nsSM, "resumed") == nil {
		s.next("features")
	}
}
