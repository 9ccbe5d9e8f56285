package locate

import (
	"io"
	"net/netip"
	"os"
	"strings"
)

// maxHosts bounds how much of a file of names is read, in bytes.
const maxHosts = 1 << 20

// Hosts has the addresses that a file such as /etc/hosts gives a name go before those of the DNS. It is read at each question, so that changes count at
// once; one that cannot be read gives none. No DNSSEC proves what is in it, and Networks holds for it too.
func (d *DNS) Hosts(file string) { d.hosts = file }

// ownAddresses are those of a name in the file of names.
func (d *DNS) ownAddresses(host string) (list []netip.Addr) {
	if d.hosts == "" {
		return nil
	}
	f, err := os.Open(d.hosts)
	if err != nil {
		return nil
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxHosts))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(b)) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		a, err := netip.ParseAddr(words[0])
		for _, name := range words[1:] {
			if err == nil && strings.EqualFold(strings.TrimSuffix(name, "."), host) {
				list = append(list, a.Unmap())
				break
			}
		}
	}
	return list
}
