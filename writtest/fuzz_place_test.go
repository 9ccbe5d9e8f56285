package writtest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"writ/server"
	"writ/store/storetest"
	"writ/xmpp/locate"
)

// place is the server of a domain that a whole server connects to: of which a test is the inside.
type place struct {
	net.Conn
	domain string
}

// The states of a stream that the server opens.
const (
	dialled  = iota // TCP
	greeted         // a header, in clear
	wrapped         // TLS and a header
	offered         // features; our server proves its name
	opened          // both ways and acknowledgements; stanzas go out
	placings        // how many there are
)

const (
	ofTLS   = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
	ofStart = " version='1.0' xml:lang='en'>" // the end of our server's header
)

func (p *place) say(s string) { io.WriteString(p, s) }

func (p *place) greet() {
	p.say("<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback' from='" + p.domain + "' to='" + Domain + "' id='1' version='1.0'>")
}

// await reads until something has come.
func (p *place) await(mark string) error {
	var seen []byte
	for b := make([]byte, 1); !bytes.HasSuffix(seen, []byte(mark)); {
		if _, err := p.Read(b); err != nil {
			return fmt.Errorf("%q was awaited, %q came: %w", mark, seen, err)
		}
		seen = append(seen, b...)
	}
	return nil
}

// until takes the stream as far as a state.
func (p *place) until(at uint8, c *tls.Config) error {
	if at == dialled {
		return nil
	}
	p.greet()
	if at == greeted {
		return nil
	}
	p.say("<stream:features>" + ofTLS + "</stream:features>")
	err := p.await(ofTLS)
	p.say("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	p.Conn = tls.Server(p.Conn, c)
	err = errors.Join(err, p.await(ofStart))
	if p.greet(); at == wrapped || err != nil {
		return err
	}
	p.say("<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms><bidi xmlns='urn:xmpp:features:bidi'/>" +
		"<dialback xmlns='urn:xmpp:features:dialback'/></stream:features>")
	if err = p.await("</auth>"); at == offered || err != nil {
		return err
	}
	p.say("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
	err = p.await(ofStart)
	p.greet()
	p.say("<stream:features><sm xmlns='urn:xmpp:sm:3'/></stream:features>")
	err = errors.Join(err, p.await("<enable xmlns='urn:xmpp:sm:3'/>"))
	p.say("<enabled xmlns='urn:xmpp:sm:3'/>")
	return err
}

// FuzzPlace has a whole server connect to another, which answers with anything at each state of the stream, and ends. Whatever comes: the person whose
// request led there has an answer, nothing is logged as the server's own fault, and its people are served.
func FuzzPlace(f *testing.F) {
	for i, s := range []string{
		"", "</stream:stream>", "HTTP/1.1 400 Bad Request\r\n\r\n", "<!DOCTYPE x>", "<stream:features/>", "<stream:features><x/></stream:features></stream:stream>",
		"<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>", "<stream:stream xmlns='jabber:server'>",
		"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>", "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
		"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features><proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><stream:features/>",
		"<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/><challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
		"<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure><db:result from='{place}' to='writ.example' type='valid'/>",
		"<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/><db:result from='{place}' to='writ.example' type='error'/>",
		"<iq type='result' id='p' from='{place}' to='bob@writ.example/w'/>", "<iq type='error' id='p' from='{place}' to='bob@writ.example/w'/><a xmlns='urn:xmpp:sm:3' h='1'/>",
		"<a xmlns='urn:xmpp:sm:3' h='1'/>", "<a xmlns='urn:xmpp:sm:3' h='9'/>", "<r xmlns='urn:xmpp:sm:3'/>", "<message from='x@{place}' to='bob@writ.example'><body>x</body></message>",
		"<presence from='x@other.example' to='bob@writ.example'/>", "<db:verify from='{place}' to='writ.example' id='1'>k</db:verify>", "<enabled xmlns='urn:xmpp:sm:3'/>",
	} {
		for at := range placings {
			if at == opened || i%opened == at {
				f.Add(uint8(at), s)
			}
		}
	}
	log := &faults{}
	w := NewWorld(f)
	h := w.Join(f, storetest.SQLite(f), Domain, func(o *server.Options) { o.Log = slog.New(log) })
	h.Account(f, "bob")
	bob := h.Dial(f, DirectTLS)
	if err := bob.Login("bob", "w"); err != nil {
		f.Fatal(err)
	}
	cert, key := w.Certify(f, "p.example", func(c *x509.Certificate) { c.DNSNames = []string{"*.p.example"} })
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		f.Fatal(err)
	}
	n := 0
	f.Fuzz(func(t *testing.T, at uint8, data string) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		n++
		domain := fmt.Sprintf("n%d.p.example", n) // one that failed is not tried again at once
		w.Point("_xmpp-server._tcp."+domain, locate.Service{Host: domain, Port: port(l.Addr())})
		w.Place(domain, netip.MustParseAddr("127.0.0.1"))
		bob.Write("<iq type='get' id='p' to='" + domain + "'><ping xmlns='urn:xmpp:ping'/></iq>")
		nc, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		l.Close() // a second attempt, for what was not written on the first stream, fails at once
		nc.SetDeadline(time.Now().Add(Patience))
		p := &place{nc, domain}
		if err := p.until(at%placings, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}); err != nil {
			t.Fatal(err)
		}
		p.say(strings.ReplaceAll(data, "{place}", domain))
		p.Close()
		asked := at%placings != opened // there the request may be acknowledged and never answered
		for {
			if !asked {
				bob.Write("<iq type='get' id='still-there' to='" + Domain + "'><ping xmlns='urn:xmpp:ping'/></iq>")
			}
			e, err := bob.Next()
			if err != nil {
				t.Fatal("the person who asked: ", err)
			}
			if e.Attr("id") == "p" && e.Attr("from") == domain && e.Name.Local == "iq" && (e.Attr("type") == "result" || e.Attr("type") == "error") {
				asked = false
			}
			if !asked && e.Attr("id") == "still-there" && e.Attr("from") == Domain {
				break
			}
		}
		if seen := log.take(); len(seen) > 0 {
			t.Fatal(strings.Join(seen, "\n"))
		}
	})
}
