package c2s

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// FuzzStream sends bytes to a stream in each of its states: whatever they are, the stream ends or goes on, the server answers a ping of
// another client, and nothing is left behind.
func FuzzStream(f *testing.F) {
	bind := "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>fuzz</resource></bind></iq>"
	auth := "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + plainText("alice", password) + "</auth>"
	states := []string{"", streamHeader, streamHeader + auth + streamHeader, streamHeader + auth + streamHeader + bind,
		streamHeader + auth + streamHeader + bind + "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"}
	for i := range states {
		for _, s := range []string{
			"", "<", "</stream:stream>", streamHeader, "<message/>", "<iq id='1' type='get'/>", "<presence type='probe' to='bob@example.org'/>",
			"<r xmlns='urn:xmpp:sm:3'/><a xmlns='urn:xmpp:sm:3' h='4294967295'/>", "<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>",
			"<inactive xmlns='urn:xmpp:csi:0'/><active xmlns='urn:xmpp:csi:0'/>", "<message to='bob@example.org'><body>x</body></message>",
			"<iq type='set' id='2' to='alice@example.org'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
			"<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>=</response><abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
			"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>biwsbj1hbGljZSxyPWFiYw==</auth>",
			"<iq type='result' id='never'/><message type='error'/>", "<stream:error/>", "\xff\xfe<", "<!DOCTYPE a>",
		} {
			f.Add(uint8(i), s)
		}
	}
	h := newHouse(f, func(c *Config) { c.InsecureLogin, c.Rate, c.Failures = true, -1, -1 })
	other := h.pipe(StartTLS)
	other.auth("bob")
	other.bind("watch")
	f.Fuzz(func(t *testing.T, state uint8, data string) {
		a, b := net.Pipe()
		h.srv.ServeConn(b, StartTLS)
		drained := make(chan struct{})
		go func() {
			io.Copy(io.Discard, a)
			close(drained)
		}()
		a.SetWriteDeadline(time.Now().Add(5 * time.Second))
		io.WriteString(a, states[int(state)%len(states)]+data)
		a.Close()
		<-drained
		other.t = t
		other.send("<iq type='get' id='sync'><ping xmlns='urn:xmpp:ping'/></iq>")
		for {
			e := other.next()
			if e == "EOF" {
				t.Fatal("another client was cut off")
			}
			if strings.Contains(e, "id='sync'") {
				break
			}
		}
	})
}
