package writtest

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"strings"
	"testing"
	"time"

	"writ/server"
	"writ/store/storetest"
)

// The corpus over the third transport: what a server sends by its stream. {from} is the stranger's domain, {other} an address here that is online.
func runStrangers(t *testing.T, corpus []hostile, options ...Option) {
	w := NewWorld(t)
	house := w.Join(t, storetest.SQLite(t), Domain, options...)
	for _, who := range []string{"bob", "witness"} {
		house.Account(t, who)
	}
	watch := newWitness(t, house)
	bob := house.Dial(t, DirectTLS)
	if err := bob.Login("bob", "b"); err != nil {
		t.Fatal(err)
	}
	t.Run("corpus", func(t *testing.T) {
		for i, h := range corpus {
			t.Run(h.name, func(t *testing.T) {
				t.Parallel()
				from := fmt.Sprintf("s%d.example", i)
				c := w.Stranger(t, house, from, nil)
				if err := c.until(h.at, "", ""); err != nil {
					t.Fatal(err)
				}
				c.Write(strings.NewReplacer("{from}", from, "{other}", bob.JID.String(), "{domain}", Domain).Replace(h.send))
				if err := c.expect(h.want, h.at); err != nil {
					t.Errorf("sent %.300q\n%v", h.send, err)
				}
				watch.ping(t)
			})
		}
	})
	if err := bob.silent(); err != nil { // nothing of all this has reached a person
		t.Error(err)
	}
}

// Parts A and B of the corpus for servers.
func TestHostileServerXML(t *testing.T) {
	t.Parallel()
	const open = "<?xml version='1.0'?><stream:stream to='" + Domain + "' from='{from}' version='1.0' xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>"
	var corpus []hostile
	for _, h := range []hostile{
		{name: "entities", send: `<?xml version='1.0'?><!DOCTYPE l [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>`, want: "S:restricted-xml"},
		{name: "external entity", send: `<!DOCTYPE l SYSTEM "file:///etc/passwd">`, want: "S:restricted-xml"},
		{name: "UTF-7", send: strings.Replace(open, "?>", " encoding='UTF-7'?>", 1), want: "S:unsupported-encoding|bad-format"},
		{name: "UTF-16", send: "\xfe\xff\x00<\x00?", want: "S:unsupported-encoding|not-well-formed"},
		{name: "HTTP", send: "GET / HTTP/1.1\r\nHost: x\r\n\r\n", want: "S:not-well-formed"},
		{name: "TLS on the plain port", send: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", want: "S:not-well-formed"},
		{name: "wrong stream namespace", send: strings.Replace(open, "etherx", "other", 1), want: "S:invalid-namespace"},
		{name: "namespace of clients", send: strings.Replace(open, "jabber:server", "jabber:client", 1), want: "S:invalid-namespace"},
		{name: "host not ours", send: strings.Replace(open, "to='"+Domain, "to='other.example", 1), want: "S:host-unknown"},
		{name: "no host", send: strings.Replace(open, "to='"+Domain+"'", "", 1), want: "S:host-unknown|improper-addressing"},
		{name: "no sender", send: strings.Replace(open, "from='{from}'", "", 1), want: "S:improper-addressing"},
		{name: "sender with a name", send: strings.Replace(open, "from='", "from='x@", 1), want: "S:improper-addressing"},
		{name: "sender that is us", send: strings.Replace(open, "{from}", Domain, 1), want: "S:invalid-from"},
		{name: "no version", send: strings.Replace(open, "version='1.0' xmlns", "xmlns", 1), want: "S:unsupported-version"},
		{name: "version 9.9", send: strings.Replace(open, "version='1.0' xmlns", "version='9.9' xmlns", 1), want: "ok"},
		{name: "header without an end", send: "<stream:stream " + strings.Repeat("a", 9000), want: "S:policy-violation"},
	} {
		h.at = fresh
		corpus = append(corpus, h)
	}
	for _, s := range []stage{secured, bound} {
		for _, h := range insideXML(s) {
			if h.only == "WebSocket" || h.name == "namespace of servers" || h.name == "stanza without an end" || strings.HasPrefix(h.name, "attribute of") {
				continue // of the other side, or larger here
			}
			h.at, h.name = s, fmt.Sprintf("%s at stage %d", h.name, s)
			h.send = strings.ReplaceAll(h.send, "jabber:client", "jabber:server")
			corpus = append(corpus, h)
		}
	}
	add := func(h hostile) { corpus = append(corpus, h) }
	add(hostile{name: "stanza without an end", at: bound, send: "<message xmlns='jabber:server'><body>" + strings.Repeat("x", 600<<10), want: "S:policy-violation"})
	add(hostile{name: "stanza of clients", at: bound, send: "<message xmlns='jabber:client' from='x@{from}' to='{other}'/>", want: "S:invalid-namespace"})
	add(hostile{name: "compression", at: secured, send: "<compress xmlns='http://jabber.org/protocol/compress'><method>zlib</method></compress>", want: "failed:unsupported-method"})
	add(hostile{name: "authentication before TLS", at: clear, send: "<auth xmlns='" + nsSASL + "' mechanism='EXTERNAL'>=</auth>", want: "F:encryption-required"})
	add(hostile{name: "stanza before TLS", at: clear, send: "<message xmlns='jabber:server' from='x@{from}' to='{other}'/>", want: "S:not-authorized"})
	add(hostile{name: "dialback before TLS", at: clear, send: "<db:result from='{from}' to='{domain}'>x</db:result>", want: "S:not-authorized"})
	add(hostile{name: "TLS twice", at: secured, send: "<starttls xmlns='" + nsTLS + "'/>", want: "failed:"})
	add(hostile{name: "unknown mechanism", at: secured, send: "<auth xmlns='" + nsSASL + "' mechanism='PLAIN'>AA==</auth>", want: "F:invalid-mechanism"})
	add(hostile{name: "another's name", at: secured, send: "<auth xmlns='" + nsSASL + "' mechanism='EXTERNAL'>" + b64("other.example") + "</auth>", want: "F:invalid-authzid"})
	add(hostile{name: "bad base64", at: secured, send: "<auth xmlns='" + nsSASL + "' mechanism='EXTERNAL'>%%%</auth>", want: "F:incorrect-encoding"})
	add(hostile{name: "response to nothing", at: secured, send: "<response xmlns='" + nsSASL + "'/>", want: "F:malformed-request"})
	add(hostile{name: "aborted", at: secured, send: "<abort xmlns='" + nsSASL + "'/>", want: "F:aborted"})
	add(hostile{name: "authentication twice", at: bound, send: "<auth xmlns='" + nsSASL + "' mechanism='EXTERNAL'>=</auth>", want: "S:policy-violation"})
	add(hostile{name: "empty name", at: secured, send: "<auth xmlns='" + nsSASL + "' mechanism='EXTERNAL'>=</auth>", want: "ok"})
	runStrangers(t, corpus)
}

// Part E of the corpus.
func TestHostileServers(t *testing.T) {
	t.Parallel()
	message := func(attrs string) string {
		return "<message xmlns='jabber:server' " + attrs + "><body>x</body></message>"
	}
	var corpus []hostile
	add := func(name string, at stage, send, want string) {
		corpus = append(corpus, hostile{name: name, at: at, send: send, want: want})
	}
	add("86 stanza before authentication", secured, message("from='x@{from}' to='{other}'"), "S:not-authorized")
	add("86 domain that is not proved", bound, message("from='x@other.example' to='{other}'"), "S:invalid-from")
	add("86 our own domain", bound, message("from='bob@{domain}' to='{other}'"), "S:invalid-from")
	add("86 below the proved domain", bound, message("from='x@sub.{from}' to='{other}'"), "S:invalid-from")
	add("86 host not ours", bound, message("from='x@{from}' to='x@other.example'"), "S:host-unknown")
	add("87 result valid before", secured, "<db:result from='{from}' to='{domain}' type='valid'/>"+message("from='x@{from}' to='{other}'"), "S:not-authorized")
	add("87 verify valid before", secured, "<db:verify from='{from}' to='{domain}' id='1' type='valid'/>"+message("from='x@{from}' to='{other}'"), "S:not-authorized")
	add("87 result valid for another", bound, "<db:result from='other.example' to='{domain}' type='valid'/>"+message("from='x@other.example' to='{other}'"), "S:not-authorized|invalid-from")
	add("88 dialback that is off", secured, "<db:result from='{from}' to='{domain}'>0123</db:result>", "S:not-authorized")
	add("91 no to", bound, message("from='x@{from}'"), "S:improper-addressing")
	add("91 no from", bound, message("to='{other}'"), "S:improper-addressing")
	add("91 malformed from", bound, message("from='@{from}' to='{other}'"), "S:improper-addressing")
	add("malformed to", bound, message("from='x@{from}' to='@@'"), "E:jid-malformed")
	add("iq without id", bound, "<iq xmlns='jabber:server' type='get' from='x@{from}/x' to='{domain}'><ping xmlns='urn:xmpp:ping'/></iq>", "E:bad-request")
	add("child of servers", bound, "<message xmlns='jabber:server' from='x@{from}/x' to='{other}'><body xmlns='jabber:server'>x</body></message>", "E:bad-request")
	add("answer that nobody asked for", bound, "<iq xmlns='jabber:server' type='result' id='1' from='x@{from}/x' to='{domain}'/>", "drop")
	add("unknown request", bound, "<iq xmlns='jabber:server' type='get' id='1' from='x@{from}/x' to='{domain}'><x xmlns='urn:x'/></iq>", "E:service-unavailable")
	add("request to a session", bound, "<iq xmlns='jabber:server' type='get' id='1' from='x@{from}/x' to='{other}'><query xmlns='jabber:iq:version'/></iq>", "E:service-unavailable")
	add("request to nobody", bound, "<iq xmlns='jabber:server' type='get' id='1' from='x@{from}/x' to='nobody@{domain}/x'><query xmlns='jabber:iq:version'/></iq>", "E:service-unavailable")
	add("archive of another", bound, "<iq xmlns='jabber:server' type='set' id='1' from='x@{from}/x' to='bob@{domain}'><query xmlns='urn:xmpp:mam:2'/></iq>", "E:forbidden")
	add("roster of another", bound, "<iq xmlns='jabber:server' type='get' id='1' from='x@{from}/x' to='bob@{domain}'><query xmlns='jabber:iq:roster'/></iq>", "E:forbidden")
	add("registration", bound, "<iq xmlns='jabber:server' type='set' id='1' from='x@{from}/x' to='{domain}'><query xmlns='jabber:iq:register'><username>x</username><password>y</password></query></iq>", "E:not-allowed")
	add("command", bound, "<iq xmlns='jabber:server' type='set' id='1' from='x@{from}/x' to='{domain}'><command xmlns='http://jabber.org/protocol/commands' node='x' action='execute'/></iq>", "E:item-not-found")
	add("acknowledged too much", bound, "<enable xmlns='"+nsSM+"'/><a xmlns='"+nsSM+"' h='5'/>", "failed2:")
	add("resumption", bound, "<resume xmlns='"+nsSM+"' previd='x' h='0'/>", "failed:item-not-found")
	add("acknowledgement without counting", bound, "<r xmlns='"+nsSM+"'/>", "failed:unexpected-request")
	add("no count", bound, "<a xmlns='"+nsSM+"' h='x'/>", "S:invalid-xml")
	add("both ways too late", bound, "<bidi xmlns='urn:xmpp:bidi'/>", "S:unsupported-stanza-type")
	corpus = corpus[:len(corpus):len(corpus)]
	for i := range corpus {
		if corpus[i].want == "failed2:" { // two answers: the first is enabled
			corpus[i].send = "<enable xmlns='" + nsSM + "'/>" + "<enable xmlns='" + nsSM + "'/>"
			corpus[i].name, corpus[i].want = "counting twice", "ok"
		}
	}
	runStrangers(t, corpus)
}

// Row 89: what no certificate proves. Each is refused as soon as its name is known (XEP-0178 §3).
func TestHostileCertificates(t *testing.T) {
	t.Parallel()
	w := NewWorld(t)
	house := w.Join(t, storetest.SQLite(t), Domain)
	for name, change := range map[string]func(*x509.Certificate){
		"common name alone": func(c *x509.Certificate) { c.DNSNames, c.Subject = nil, pkix.Name{CommonName: "evil.example"} },
		"common name inside a unit": func(c *x509.Certificate) {
			c.DNSNames, c.Subject = nil, pkix.Name{OrganizationalUnit: []string{"CN=evil.example"}}
		},
		"another name":                func(c *x509.Certificate) { c.DNSNames = []string{"other.example"} },
		"a longer name":               func(c *x509.Certificate) { c.DNSNames = []string{"evil.example.org"} },
		"wildcard of two levels":      func(c *x509.Certificate) { c.DNSNames = []string{"*.*.example", "*.example"} },
		"name behind a NUL":           func(c *x509.Certificate) { c.DNSNames = []string{"evil.example\x00.other.example"} },
		"expired":                     func(c *x509.Certificate) { c.NotAfter = began.AddDate(0, 0, -1) },
		"not yet":                     func(c *x509.Certificate) { c.NotBefore = began.AddDate(9, 0, 0) },
		"for signing code":            func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} },
		"no certificate of the world": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from := w
			if change == nil {
				from = NewWorld(t)
			}
			c := from.Stranger(t, house, "evil.example", change)
			if _, err := c.Open(); err != nil {
				t.Fatal(err)
			}
			c.Write("<starttls xmlns='" + nsTLS + "'/>")
			if e, err := c.Next(); err != nil || !e.Is(nsTLS, "proceed") {
				t.Fatal(e, err)
			}
			if err := c.Upgrade(); err != nil {
				t.Fatal(err)
			}
			c.Write(c.Header())
			if err := c.expectStreamError([]string{"not-authorized"}, secured); err != nil {
				t.Error(err)
			}
		})
	}
}

// Row 28 for servers: who connects and proves nothing is let go, whatever drips.
func TestSilentServers(t *testing.T) {
	t.Parallel()
	w := NewWorld(t)
	house := w.Join(t, storetest.SQLite(t), Domain, func(o *server.Options) { o.Config.S2S.AuthTimeout.UnmarshalText([]byte("1s")) })
	c := w.Stranger(t, house, "slow.example", nil)
	if _, err := c.Secure(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := c.expectStreamError([]string{"connection-timeout"}, secured); err != nil {
		t.Error(err)
	}
	if d := time.Since(began); d > Patience/2 {
		t.Errorf("it took %s", d)
	}
}
