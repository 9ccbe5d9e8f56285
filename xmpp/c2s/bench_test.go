package c2s

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// omemo is a message as apps send it, about 950 bytes on the wire.
func omemo(to string, n int) string {
	return fmt.Sprintf("<message to='%s' type='chat' id='m%d'><encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='27183'>"+
		"<key rid='31415'>%s</key><key rid='14142'>%s</key><iv>YWJjZGVmZ2hpamts</iv></header><payload>%s</payload></encrypted>"+
		"<encryption xmlns='urn:xmpp:eme:0' name='OMEMO' namespace='eu.siacs.conversations.axolotl'/><store xmlns='urn:xmpp:hints'/>"+
		"<body>I sent you an OMEMO encrypted message.</body></message>", to, n, strings.Repeat("k", 120), strings.Repeat("q", 120), strings.Repeat("p", 160))
}

func cpu() time.Duration {
	var r unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkMessage sends messages from one TLS session to another, acknowledged after the commit. The figures are of the server
// and the two clients of the test together.
func BenchmarkMessage(b *testing.B) {
	h := newHouse(b, func(c *Config) { c.Rate = -1 })
	x, y := h.online("alice", "x"), h.online("bob", "y")
	x.enable("")
	y.enable("")
	b.ResetTimer()
	began := cpu()
	const window = 100
	go func() {
		for i := range b.N {
			fmt.Fprint(x.nc, omemo("bob@example.org", i))
			if i%window == window-1 {
				fmt.Fprint(x.nc, "<r xmlns='urn:xmpp:sm:3'/>")
				for !strings.HasPrefix(x.next(), "<a ") {
				}
			}
		}
	}()
	for n := 0; n < b.N; {
		switch e := y.next(); {
		case strings.HasPrefix(e, "<message"):
			n++
		case strings.HasPrefix(e, "<r "):
			fmt.Fprintf(y.nc, "<a xmlns='urn:xmpp:sm:3' h='%d'/>", n)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64((cpu()-began).Milliseconds())*1000/float64(b.N), "CPU-ms/1000")
}

// BenchmarkLogin signs in, binds, and hangs up. The client's own PBKDF2 and handshake are in the figure.
func BenchmarkLogin(b *testing.B) {
	h := newHouse(b)
	address := h.listen(DirectTLS)
	began := cpu()
	for i := 0; b.Loop(); i++ {
		nc, err := tls.Dial("tcp", address, &tls.Config{RootCAs: h.cert, ServerName: "example.org"})
		if err != nil {
			b.Fatal(err)
		}
		p := h.peer(nc)
		p.auth("alice")
		p.bind("r")
		nc.Close()
	}
	b.ReportMetric(float64((cpu()-began).Microseconds())/1000/float64(b.N), "CPU-ms/login")
}

// idleClients is how many sessions BenchmarkIdle holds.
const idleClients = 1000

// TestMain looks for goroutines left behind when the tests are over. It is also the clients of BenchmarkIdle, in a process of their own, so
// that their memory is not counted.
func TestMain(m *testing.M) {
	if a := os.Getenv("WRIT_BENCH_CLIENTS"); a != "" {
		if err := holdIdle(a); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// The store of web sessions that a whole house has keeps a goroutine for as long as the process lives.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/alexedwards/scs/v2/memstore.(*MemStore).startCleanup"))
}

// holdIdle signs in, says so on stdout, and keeps the sessions until stdin ends.
func holdIdle(address string) error {
	var keep []net.Conn
	buf := make([]byte, 16<<10)
	for i := range idleClients {
		nc, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true}) // the test's own server, on loopback
		if err != nil {
			return err
		}
		keep = append(keep, nc)
		for _, s := range []struct{ send, want string }{
			{streamHeader, "</stream:features>"},
			{"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + plainText("alice", password) + "</auth>", "<success"},
			{streamHeader, "</stream:features>"},
			{fmt.Sprintf("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r%d</resource></bind></iq>", i), "<jid>"},
			{"<enable xmlns='urn:xmpp:sm:3' resume='true'/>", "<enabled"},
			{"<presence/><r xmlns='urn:xmpp:sm:3'/>", "<a "},
		} {
			if _, err := io.WriteString(nc, s.send); err != nil {
				return err
			}
			for got := ""; !strings.Contains(got, s.want); {
				n, err := nc.Read(buf)
				if err != nil {
					return fmt.Errorf("waiting for %s: %w", s.want, err)
				}
				got += string(buf[:n])
			}
		}
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(keep)
	return nil
}

// BenchmarkIdle prints the memory of an idle TLS session: what heap and stacks grow by, after a collection.
func BenchmarkIdle(b *testing.B) {
	h := newHouseOf(b, 2*idleClients, func(c *Config) { c.Halfway = -1 })
	address := h.listen(DirectTLS)
	inUse := func() (heap, stacks uint64) {
		runtime.GC()
		debug.FreeOSMemory()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse, m.StackInuse
	}
	heap, stacks := inUse()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	clients := exec.Command(self, "-test.run=^$")
	clients.Env = append(os.Environ(), "WRIT_BENCH_CLIENTS="+address)
	clients.Stderr = os.Stderr
	in, _ := clients.StdinPipe()
	out, _ := clients.StdoutPipe()
	if err := clients.Start(); err != nil {
		b.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		b.Fatal(err)
	}
	for b.Loop() { // the figure is of the state, not of time
	}
	heap2, stacks2 := inUse()
	if p := os.Getenv("WRIT_HEAP"); p != "" {
		f, _ := os.Create(p)
		pprof.WriteHeapProfile(f)
		f.Close()
	}
	b.ReportMetric(float64(heap2-heap)/idleClients, "heap-B/session")
	b.ReportMetric(float64(stacks2-stacks)/idleClients, "stack-B/session")
	in.Close()
	clients.Wait()
}
