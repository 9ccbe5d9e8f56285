package c2s

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func binaryHead(command, family byte, addresses string, values ...string) string {
	rest := addresses + strings.Join(values, "")
	return string(headSign) + string([]byte{command, family, byte(len(rest) >> 8), byte(len(rest))}) + rest
}

func value(kind byte, v string) string {
	return string([]byte{kind, byte(len(v) >> 8), byte(len(v))}) + v
}

// summed fills in the checksum, whose value ends the header.
func summed(head string) string {
	b := []byte(head)
	binary.BigEndian.PutUint32(b[len(b)-4:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return string(b)
}

const four, six = "\xc0\x00\x02\x01\xc6\x33\x64\x01\x30\x39\x01\xbb", "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x30\x39\x01\xbb"

var heads = []struct {
	name, head, want string // want: the address; "-" none is told; empty: refused
}{
	{"v1, IPv4", "PROXY TCP4 192.0.2.1 198.51.100.1 12345 443\r\n", "192.0.2.1:12345"},
	{"v1, IPv6", "PROXY TCP6 2001:db8::1 2001:db8::2 12345 443\r\n", "[2001:db8::1]:12345"},
	{"v1, unknown", "PROXY UNKNOWN\r\n", "-"},
	{"v1, unknown with words", "PROXY UNKNOWN ffff::1 ::1 1 2\r\n", "-"},
	{"v1, too long", "PROXY UNKNOWN " + strings.Repeat("x", 120) + "\r\n", ""},
	{"v1, family that does not fit", "PROXY TCP6 192.0.2.1 198.51.100.1 12345 443\r\n", ""},
	{"v1, port", "PROXY TCP4 192.0.2.1 198.51.100.1 65536 443\r\n", ""},
	{"v1, port with a zero before", "PROXY TCP4 192.0.2.1 198.51.100.1 012345 443\r\n", ""},
	{"v1, two spaces", "PROXY TCP4  192.0.2.1 198.51.100.1 12345 443\r\n", ""},
	{"v1, zone", "PROXY TCP6 fe80::1%eth0 2001:db8::2 12345 443\r\n", ""},
	{"v1, UDP", "PROXY UDP4 192.0.2.1 198.51.100.1 12345 443\r\n", ""},
	{"v1, lower case", "proxy TCP4 192.0.2.1 198.51.100.1 12345 443\r\n", ""},
	{"v2, IPv4", binaryHead(0x21, 0x11, four), "192.0.2.1:12345"},
	{"v2, IPv6", binaryHead(0x21, 0x21, six), "[2001:db8::1]:12345"},
	{"v2, values", binaryHead(0x21, 0x11, four, value(0x02, "example.org"), value(0x04, "")), "192.0.2.1:12345"},
	{"v2, checksum", summed(binaryHead(0x21, 0x11, four, value(0x03, "\x00\x00\x00\x00"))), "192.0.2.1:12345"},
	{"v2, wrong checksum", binaryHead(0x21, 0x11, four, value(0x03, "abcd")), ""},
	{"v2, local", binaryHead(0x20, 0x00, ""), "-"},
	{"v2, local with addresses", binaryHead(0x20, 0x11, four), "-"},
	{"v2, unspecified", binaryHead(0x21, 0x00, "", value(0x04, "xxxx")), "-"},
	{"v2, value beyond the end", binaryHead(0x21, 0x11, four, "\x02\x01\x00x"), ""},
	{"v2, half a value", binaryHead(0x21, 0x11, four, "\x02\x00"), ""},
	{"v2, too short", binaryHead(0x21, 0x11, four[:8]), ""},
	{"v2, too long", binaryHead(0x21, 0x11, four, value(0x04, strings.Repeat("x", 3000))), ""},
	{"v2, UDP", binaryHead(0x21, 0x12, four), ""},
	{"v2, another version", binaryHead(0x31, 0x11, four), ""},
	{"v2, another command", binaryHead(0x22, 0x11, four), ""},
	{"a stream", streamHeader, ""},
	{"nothing", "", ""},
}

func TestPROXYHead(t *testing.T) {
	t.Parallel()
	for _, c := range heads {
		r := strings.NewReader(c.head + "rest")
		a, err := readHead(r)
		switch {
		case c.want == "" && err == nil:
			t.Errorf("%s: taken as %v", c.name, a)
		case c.want == "-" && (err != nil || a.IsValid()), c.want != "" && c.want != "-" && (err != nil || a != netip.MustParseAddrPort(c.want)):
			t.Errorf("%s: %v %v", c.name, a, err)
		case c.want != "":
			if left, _ := io.ReadAll(r); string(left) != "rest" {
				t.Errorf("%s: %q is left", c.name, left)
			}
		}
	}
}

// FuzzPROXYHead: a header is refused or says an address, and nothing behind it is read.
func FuzzPROXYHead(f *testing.F) {
	for _, c := range heads {
		f.Add([]byte(c.head))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		a, err := readHead(r)
		if err != nil {
			return
		}
		if n := len(b) - r.Len(); n > 16+maxHead || a.IsValid() && a.Addr().Is4In6() {
			t.Errorf("%v after %d bytes of %q", a, n, b)
		}
		again, err := readHead(bytes.NewReader(b[:len(b)-r.Len()]))
		if err != nil || again != a {
			t.Errorf("%v, alone %v %v", a, again, err)
		}
	})
}

// From a configured address the header is required and believed, on each kind of port; from another it is no XMPP.
func TestPROXYOnPorts(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *Config) { c.ProxyProtocol = []string{"127.0.0.0/8"} })
	head := binaryHead(0x21, 0x21, six)
	for _, k := range []Kind{StartTLS, DirectTLS} {
		p := h.dial(k)
		p.send("%s", head)
		if k == DirectTLS {
			p.tls()
		}
		p.header()
		eventually(t, func() bool {
			for _, c := range h.srv.all() {
				if c.peer.String() == "[2001:db8::1]:12345" && c.kind == k {
					return true
				}
			}
			return false
		})
		p = h.dial(k)
		p.send("%s", streamHeader)
		if got := p.next(); got != "EOF" {
			t.Errorf("without a header: %s", got)
		}
	}
	p := h.dial(StartTLS)
	p.send("PROXY UNKNOWN\r\n%s", streamHeader)
	p.expect("<stream>")

	plain := newHouse(t)
	p = plain.dial(StartTLS)
	p.send("%s", head)
	p.expect("<stream>")
	p.expect("not-well-formed")
}

// A load balancer that sends no header, or half of one, holds nothing for long and costs others nothing.
func TestPROXYThatNeverComes(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *Config) { c.ProxyProtocol = []string{"127.0.0.1"} })
	p := h.dial(StartTLS)
	p.send("PROXY TCP4 ")
	began := time.Now()
	if got := p.next(); got != "EOF" || time.Since(began) > 8*time.Second {
		t.Errorf("%s after %s", got, time.Since(began))
	}
}

// fronted serves HTTPS behind Front and tells who asks.
func (h *house) fronted(t *testing.T, share bool) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{TLSConfig: &tls.Config{GetCertificate: h.certificate}, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s from %s", r.Proto, r.RemoteAddr)
	})}
	go s.ServeTLS(h.srv.Front(l, share), "", "")
	t.Cleanup(func() { s.Close() })
	return l.Addr().String()
}

// XEP-0368 §3: one port for HTTPS and XMPP, told apart by ALPN; behind a load balancer too.
func TestXEP0368_3_SharedPort(t *testing.T) {
	t.Parallel()
	for _, head := range []string{"", binaryHead(0x21, 0x11, four)} {
		h := newHouse(t, func(c *Config) {
			if head != "" {
				c.ProxyProtocol = []string{"127.0.0.1"}
			}
		})
		at := h.fronted(t, true)
		dial := func() *peer {
			nc, err := net.Dial("tcp", at)
			if err != nil {
				t.Fatal(err)
			}
			p := h.peer(nc)
			if head != "" {
				p.send("%s", head)
			}
			return p
		}
		p := dial()
		p.tls(func(c *tls.Config) { c.NextProtos = []string{"xmpp-client"} })
		p.auth("alice")
		p.bind("a")
		p.sync()
		for proto, want := range map[string]string{"http/1.1": "HTTP/1.1 from ", "": "HTTP/1.1 from "} {
			p = dial()
			tc := p.tls(func(c *tls.Config) {
				if proto != "" {
					c.NextProtos = []string{proto}
				}
			})
			fmt.Fprint(tc, "GET / HTTP/1.0\r\nHost: example.org\r\n\r\n")
			b, _ := io.ReadAll(tc)
			if !strings.Contains(string(b), strings.Replace(want, "1.1", "1.0", 1)) || head != "" && !strings.Contains(string(b), "192.0.2.1:12345") {
				t.Errorf("ALPN %q: %s", proto, b)
			}
		}
		p = dial()
		p.send("GET / HTTP/1.0\r\n\r\n")
		if b, _ := io.ReadAll(p.nc); !strings.Contains(string(b), "400") {
			t.Errorf("HTTP without TLS: %q", b)
		}
		p = dial()
		c := tls.Client(p.nc, &tls.Config{RootCAs: h.cert, ServerName: "example.org", NextProtos: []string{"imap"}})
		if err := c.Handshake(); err == nil || !strings.Contains(err.Error(), "no application protocol") {
			t.Errorf("another protocol: %v", err)
		}
	}
}
