package c2s

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The PROXY protocol, versions 1 and 2, as HAProxy specifies it: what a load balancer says of the client, before the client's first byte. It is
// required from the configured addresses and believed from no other. Reading never takes a byte that is the client's.

// headTime is how long a header may take.
const headTime = 5 * time.Second

// maxHead bounds a header of version 2 with its additional values; those of version 1 have 107 bytes at most.
const maxHead = 2 << 10

var headSign = []byte("\r\n\r\n\x00\r\nQUIT\n")

var errHead = errors.New("c2s: no PROXY header")

// proxied reports a peer from which a header is required.
func (s *Server) proxied(peer netip.Addr) bool {
	return slices.ContainsFunc(s.fronts, func(p netip.Prefix) bool { return p.Contains(peer) })
}

// behind reads the header of a load balancer and gives the client's address.
func behind(nc net.Conn, peer netip.AddrPort) (netip.AddrPort, error) {
	nc.SetReadDeadline(time.Now().Add(headTime))
	defer nc.SetReadDeadline(time.Time{})
	src, err := readHead(nc)
	if err != nil {
		return peer, err
	}
	if !src.IsValid() {
		return peer, nil // the balancer's own connection: a health check
	}
	return src, nil
}

// readHead reads a header. The zero address is that of a connection that the proxy makes for itself (LOCAL), or whose client it does not know.
func readHead(r io.Reader) (netip.AddrPort, error) {
	var head [16]byte
	if _, err := io.ReadFull(r, head[:12]); err != nil { // the shortest header of version 1 has 15 bytes
		return netip.AddrPort{}, fmt.Errorf("c2s: reading a PROXY header: %w", err)
	}
	if bytes.Equal(head[:12], headSign) {
		if _, err := io.ReadFull(r, head[12:]); err != nil {
			return netip.AddrPort{}, fmt.Errorf("c2s: reading a PROXY header: %w", err)
		}
		return readBinary(r, head)
	}
	if string(head[:6]) != "PROXY " {
		return netip.AddrPort{}, errHead
	}
	line := append(make([]byte, 0, 107), head[:12]...)
	for !bytes.HasSuffix(line, []byte("\r\n")) {
		var one [1]byte
		if _, err := io.ReadFull(r, one[:]); err != nil {
			return netip.AddrPort{}, fmt.Errorf("c2s: reading a PROXY header: %w", err)
		}
		if line = append(line, one[0]); len(line) > 107 {
			return netip.AddrPort{}, errHead
		}
	}
	return parseLine(string(line[6 : len(line)-2]))
}

// parseLine reads what stands behind "PROXY " in version 1.
func parseLine(line string) (netip.AddrPort, error) {
	if line == "UNKNOWN" || strings.HasPrefix(line, "UNKNOWN ") {
		return netip.AddrPort{}, nil
	}
	f := strings.Split(line, " ")
	if len(f) != 5 {
		return netip.AddrPort{}, errHead
	}
	var at [2]netip.AddrPort
	for i := range at {
		a, err := netip.ParseAddr(f[1+i])
		port, perr := strconv.ParseUint(f[3+i], 10, 16)
		v4 := f[0] == "TCP4" && a.Is4()
		v6 := f[0] == "TCP6" && a.Is6() && a.Zone() == ""
		if err != nil || perr != nil || f[3+i] != strconv.FormatUint(port, 10) || !v4 && !v6 {
			return netip.AddrPort{}, errHead
		}
		at[i] = netip.AddrPortFrom(a.Unmap(), uint16(port))
	}
	return at[0], nil
}

// readBinary reads the rest of a header of version 2.
func readBinary(r io.Reader, head [16]byte) (netip.AddrPort, error) {
	n := int(binary.BigEndian.Uint16(head[14:]))
	if n > maxHead || head[12] != 0x20 && head[12] != 0x21 {
		return netip.AddrPort{}, errHead
	}
	rest := make([]byte, n)
	if _, err := io.ReadFull(r, rest); err != nil {
		return netip.AddrPort{}, fmt.Errorf("c2s: reading a PROXY header: %w", err)
	}
	size, ok := map[byte]int{0x00: 0, 0x11: 12, 0x21: 36}[head[13]] // unspecified; TCP over IPv4; TCP over IPv6
	if !ok || n < size || !valuesFit(head[:], rest, size) {
		return netip.AddrPort{}, errHead
	}
	if head[12] == 0x20 || size == 0 { // LOCAL, or nothing is known
		return netip.AddrPort{}, nil
	}
	width := (size - 4) / 2
	a, _ := netip.AddrFromSlice(rest[:width])
	return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(rest[2*width:])), nil
}

// valuesFit checks the additional values behind the addresses: that they end where the header ends, and the checksum if there is one.
// What they say is not used.
func valuesFit(head, rest []byte, size int) bool {
	const checksum = 0x03
	for i := size; i < len(rest); {
		if i+3 > len(rest) {
			return false
		}
		n := int(binary.BigEndian.Uint16(rest[i+1:]))
		v := i + 3
		if v+n > len(rest) {
			return false
		}
		if rest[i] == checksum {
			if n != 4 {
				return false
			}
			whole := slices.Concat(head, rest)
			clear(whole[len(head)+v : len(head)+v+4])
			if crc32.Checksum(whole, crc32.MakeTable(crc32.Castagnoli)) != binary.BigEndian.Uint32(rest[v:]) {
				return false
			}
		}
		i = v + n
	}
	return true
}
