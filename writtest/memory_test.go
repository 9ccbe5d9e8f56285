package writtest

import (
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
)

// What a peer that has not signed in can make the server hold: 8 KiB of the most costly shapes, never completed. It counts the memory of
// the process, its own ends of the connections included, so it runs alone.
func TestMemoryOfStrangers(t *testing.T) {
	const n, most = 300, 64 << 10
	open := "<stream:stream to='" + Domain + "' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
	pad := func(s string) string { return s + strings.Repeat("x", 8000-len(s)) }
	for name, shape := range map[string]string{
		"one long text":     pad("<a>"),
		"nested elements":   pad(strings.Repeat("<a b='1' xmlns:c='urn:"+strings.Repeat("u", 60)+"'>", 31)),
		"small elements":    pad("<a>" + strings.Repeat("<a b='1' c='2'/>", 30)),
		"many declarations": pad("<a>" + strings.Repeat("<b xmlns:p='urn:"+strings.Repeat("v", 200)+"'>", 30)),
		"open attribute":    "<a b='" + strings.Repeat("x", 4000),
		"header":            "",
	} {
		t.Run(name, func(t *testing.T) {
			h, w := loginHouse(t)
			before := inUse()
			conns := make([]net.Conn, n)
			for i := range conns {
				c, err := net.Dial("tcp", h.At.XMPP[0].String())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				conns[i] = c
				if name == "header" {
					fmt.Fprint(c, strings.TrimSuffix(open, ">")+strings.Repeat(" ", 7000))
					continue
				}
				fmt.Fprint(c, open)
				c.SetReadDeadline(time.Now().Add(Patience))
				if k, err := c.Read(make([]byte, 2048)); k == 0 {
					t.Fatal(err)
				}
				fmt.Fprint(c, shape)
			}
			w.ping(t)
			got := (inUse() - before) / n
			t.Logf("%d bytes a connection", got)
			if got > most {
				t.Errorf("a stranger makes the server hold %d bytes, at most %d are allowed", got, most)
			}
			for _, c := range conns { // all of them are still served: it was held, not refused
				c.SetReadDeadline(time.Now().Add(time.Millisecond))
				if _, err := c.Read(make([]byte, 2048)); name != "header" && !isTimeout(err) && err != nil {
					t.Fatal("a connection was closed: ", err)
				}
			}
		})
	}
}

func isTimeout(err error) bool {
	ne, ok := err.(net.Error)
	return ok && ne.Timeout()
}

// inUse is the memory that is in use, in bytes.
func inUse() int64 {
	var m runtime.MemStats
	for range 3 { // pools are emptied in two rounds
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
