package writtest

import (
	"bufio"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"writ/xmpp/xml"
)

// wire is a raw connection to the HTTPS port.
type wire struct {
	t *testing.T
	c *tls.Conn
	r *bufio.Reader
}

func (h *House) wire(t *testing.T) *wire {
	t.Helper()
	c, err := tls.Dial("tcp", h.At.HTTPS[0].String(), h.tls("http/1.1"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(Patience))
	return &wire{t, c, bufio.NewReader(c)}
}

// status sends a request and gives the status of the answer; 0 if the connection ends without one.
func (w *wire) status(request string) int {
	io.WriteString(w.c, request)
	r, err := http.ReadResponse(w.r, nil)
	if err != nil {
		return 0
	}
	return r.StatusCode
}

func upgrade(header string) string {
	var key [16]byte
	rand.Read(key[:])
	return "GET /xmpp-websocket HTTP/1.1\r\nHost: " + Domain + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " +
		base64.StdEncoding.EncodeToString(key[:]) + "\r\n" + header + "\r\n"
}

// frame sends a masked frame with whatever length it is told to claim.
func (w *wire) frame(op byte, final bool, claim uint64, payload string) {
	if final {
		op |= 0x80
	}
	b := []byte{op}
	switch {
	case claim < 126:
		b = append(b, 0x80|byte(claim))
	case claim < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(claim))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), claim)
	}
	b = append(b, 0, 0, 0, 0) // the mask: nothing is changed
	w.c.Write(append(b, payload...))
}

// code reads frames up to the close frame and gives its code, and the texts before it.
func (w *wire) code() (int, string) {
	var text strings.Builder
	for {
		var h [2]byte
		if _, err := io.ReadFull(w.r, h[:]); err != nil {
			return 0, text.String()
		}
		n := int(h[1])
		if n == 126 {
			var l [2]byte
			io.ReadFull(w.r, l[:])
			n = int(binary.BigEndian.Uint16(l[:]))
		}
		p := make([]byte, n)
		if _, err := io.ReadFull(w.r, p); err != nil {
			return 0, text.String()
		}
		switch h[0] & 15 {
		case 8:
			if n < 2 {
				return 1005, text.String()
			}
			return int(binary.BigEndian.Uint16(p)), text.String()
		case 1:
			text.Write(p)
			if strings.Contains(text.String(), "features>") {
				return -1, text.String()
			}
		}
	}
}

// Part F of the corpus: the WebSocket's handshake (RFC 7395 §3.1).
func TestHostileHandshake(t *testing.T) {
	t.Parallel()
	h, w := loginHouse(t)
	const protocol = "Sec-WebSocket-Protocol: xmpp\r\n"
	for _, c := range []struct {
		name, request string
		want          int
	}{
		{"an app", upgrade(protocol), 101},
		{"our own page", upgrade(protocol + "Origin: https://" + Domain + "\r\n"), 101},
		{"foreign origin", upgrade(protocol + "Origin: https://evil.example\r\n"), 403},
		{"null origin", upgrade(protocol + "Origin: null\r\n"), 403},
		{"origin that begins like ours", upgrade(protocol + "Origin: https://" + Domain + ".evil.example\r\n"), 403},
		{"no subprotocol", upgrade(""), 400},
		{"another subprotocol", upgrade("Sec-WebSocket-Protocol: chat\r\n"), 400},
		{"no upgrade", "GET /xmpp-websocket HTTP/1.1\r\nHost: " + Domain + "\r\n\r\n", 426},
		{"another method", strings.Replace(upgrade(protocol), "GET", "POST", 1), 405},
		{"old version", strings.Replace(upgrade(protocol), "Version: 13", "Version: 8", 1), 400},
		{"length and chunks at once", "POST /xmpp-websocket HTTP/1.1\r\nHost: " + Domain + "\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET", 426},
		{"two lengths", "POST / HTTP/1.1\r\nHost: " + Domain + "\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400},
		{"header of 1 MiB", "GET / HTTP/1.1\r\nHost: " + Domain + "\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n", 431},
		{"no host", "GET / HTTP/1.1\r\n\r\n", 400},
	} {
		got := h.wire(t).status(c.request)
		if got != c.want && !(c.name == "length and chunks at once" && got == 400) && !(c.name == "another method" && got >= 400 && got < 500) {
			t.Errorf("%s: %d, not %d", c.name, got, c.want)
		}
		w.ping(t)
	}
}

// Frames that lie, that never end, or that are not text (RFC 6455 §5.2, §7.4.1).
func TestHostileFrames(t *testing.T) {
	t.Parallel()
	h, w := loginHouse(t)
	open := "<open xmlns='" + xml.Framing + "' to='" + Domain + "' version='1.0'/>"
	for _, c := range []struct {
		name string
		send func(w *wire)
		want int // -1: features; 0: the connection ends without a code
	}{
		{"a message in fragments", func(w *wire) {
			w.frame(1, false, 1, open[:1])
			for i := 1; i < len(open)-1; i++ {
				w.frame(0, false, 1, open[i:i+1])
			}
			w.frame(0, true, 1, open[len(open)-1:])
		}, -1},
		{"endless fragments", func(w *wire) {
			w.frame(1, false, 1, "<")
			for range 9000 {
				w.frame(0, false, 1, "a")
			}
		}, 1009},
		{"2^63", func(w *wire) { w.frame(1, true, 1<<63, "<") }, 0}, // no length at all: the connection fails without a close frame (RFC 6455 §7.1.7)
		{"2^40", func(w *wire) { w.frame(1, true, 1<<40, strings.Repeat("<", 9000)) }, 1009},
		{"10 KiB before login", func(w *wire) { w.frame(1, true, 10<<10, strings.Repeat("a", 10<<10)) }, 1009},
		{"binary", func(w *wire) { w.frame(2, true, uint64(len(open)), open) }, 1003},
		{"bad UTF-8", func(w *wire) { w.frame(1, true, 2, "\xc0\xbc") }, 1007},
		{"unknown opcode", func(w *wire) { w.frame(3, true, 1, "x") }, 1002},
		{"continuation of nothing", func(w *wire) { w.frame(0, true, 1, "x") }, 1002},
		{"reserved bit", func(w *wire) { w.frame(0x41, true, 1, "x") }, 1002},
		{"long ping", func(w *wire) { w.frame(9, true, 200, strings.Repeat("x", 200)) }, 1002},
	} {
		x := h.wire(t)
		if got := x.status(upgrade("Sec-WebSocket-Protocol: xmpp\r\n")); got != 101 {
			t.Fatal(c.name, got)
		}
		c.send(x)
		if got, text := x.code(); got != c.want {
			t.Errorf("%s: close code %d, not %d; %s", c.name, got, c.want, text)
		}
		w.ping(t)
	}
}

// What a request claims of its host or its origin changes nothing of what the server says of itself (row 95).
func TestHostileHost(t *testing.T) {
	t.Parallel()
	h, w := loginHouse(t)
	for _, path := range []string{"/.well-known/host-meta", "/.well-known/host-meta.json"} {
		first := ""
		for _, header := range []string{"", "X-Forwarded-Host: evil.example\r\n", "Forwarded: host=evil.example\r\n", "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\n"} {
			for _, host := range []string{Domain, "evil.example"} {
				x := h.wire(t)
				fmt.Fprintf(x.c, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", path, host, header)
				r, err := http.ReadResponse(x.r, nil)
				if err != nil {
					t.Fatal(err)
				}
				b, _ := io.ReadAll(r.Body)
				if host != Domain && r.StatusCode == http.StatusMisdirectedRequest {
					continue
				}
				if first == "" {
					first = string(b)
				}
				if r.StatusCode != 200 || string(b) != first || strings.Contains(first, "evil") || !strings.Contains(first, "wss://"+Domain+"/xmpp-websocket") {
					t.Errorf("%s for %s with %q: %d %s", path, host, header, r.StatusCode, b)
				}
			}
		}
	}
	w.ping(t)
}
