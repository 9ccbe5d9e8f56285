package writtest

import (
	"encoding/hex"
	"net"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// Serve answers questions for this world's records as a recursive resolver does, by UDP and TCP, and gives its address. It says that DNSSEC proves
// its answers if Bind was called.
func (w *World) Serve(t testing.TB) string {
	t.Helper()
	var pc net.PacketConn
	var l net.Listener
	for tries := 0; l == nil; tries++ { // the number must be free for both
		var err error
		if pc, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		if l, err = net.Listen("tcp", pc.LocalAddr().String()); err == nil {
			break
		}
		pc.Close()
		if tries == 20 {
			t.Fatal(err)
		}
	}
	for _, s := range []*dns.Server{{PacketConn: pc, Handler: dns.HandlerFunc(w.answer)}, {Listener: l, Handler: dns.HandlerFunc(w.answer)}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go s.ActivateAndServe()
		<-started
		t.Cleanup(func() { s.Shutdown() })
	}
	return pc.LocalAddr().String()
}

// Alias sets a CNAME.
func (w *World) Alias(name, to string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.aliases == nil {
		w.aliases = map[string]string{}
	}
	w.aliases[name] = to
}

func (w *World) answer(out dns.ResponseWriter, q *dns.Msg) {
	r := new(dns.Msg)
	r.SetReply(q)
	r.RecursionAvailable = true
	question := q.Question[0]
	owner := question.Name
	w.mu.Lock()
	r.AuthenticatedData = w.secure
	for range 8 {
		to, ok := w.aliases[strings.TrimSuffix(owner, ".")]
		if !ok {
			break
		}
		r.Answer = append(r.Answer, &dns.CNAME{Hdr: head(owner, dns.TypeCNAME), Target: dns.Fqdn(to)})
		owner = dns.Fqdn(to)
	}
	name := strings.ToLower(strings.TrimSuffix(owner, "."))
	known := len(w.services[name])+len(w.hosts[name])+len(w.keys[name]) > 0 || len(r.Answer) > 0
	fault := w.faults[name]
	records := w.records(owner, name, question.Qtype)
	w.mu.Unlock()
	r.Answer = append(r.Answer, records...)
	switch {
	case fault != nil:
		r.Rcode, r.Answer = dns.RcodeServerFailure, nil
	case !known:
		r.Rcode = dns.RcodeNameError
	}
	size := dns.MinMsgSize
	if o := q.IsEdns0(); o != nil {
		size = int(o.UDPSize())
		r.SetEdns0(4096, false)
	}
	if out.LocalAddr().Network() == "udp" {
		r.Truncate(size)
	}
	out.WriteMsg(r)
}

func head(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: 5}
}

// records are those of a name. mu is held.
func (w *World) records(owner, name string, kind uint16) (out []dns.RR) {
	switch kind {
	case dns.TypeSRV:
		for _, s := range w.services[name] {
			out = append(out, &dns.SRV{Hdr: head(owner, kind), Priority: s.Priority, Weight: s.Weight, Port: s.Port, Target: dns.Fqdn(s.Host)})
		}
	case dns.TypeA:
		for _, a := range w.hosts[name] {
			if a.Is4() {
				out = append(out, &dns.A{Hdr: head(owner, kind), A: a.AsSlice()})
			}
		}
	case dns.TypeAAAA:
		for _, a := range w.hosts[name] {
			if a.Is6() {
				out = append(out, &dns.AAAA{Hdr: head(owner, kind), AAAA: a.AsSlice()})
			}
		}
	case dns.TypeTLSA:
		for _, k := range w.keys[name] {
			out = append(out, &dns.TLSA{Hdr: head(owner, kind), Usage: k.Usage, Selector: k.Selector, MatchingType: k.Matching, Certificate: hex.EncodeToString(k.Data)})
		}
	}
	return out
}
