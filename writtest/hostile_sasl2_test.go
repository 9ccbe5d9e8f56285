package writtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"io"
	"math/big"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xdg-go/scram"

	"writ/xmpp/sasl"
	"writ/xmpp/xml"
)

const agentID = "d4565fa7-4d72-4749-b3d3-740edbf87770"

func auth2(mechanism, initial, inside string) string {
	return "<authenticate xmlns='" + nsSASL2 + "' mechanism='" + mechanism + "'><initial-response>" + b64(initial) + "</initial-response>" + inside + "</authenticate>"
}

// Part C of the corpus once more, in the profile of XEP-0388.
func TestHostileSASL2(t *testing.T) {
	t.Parallel()
	fast := "<user-agent id='" + agentID + "'/><fast xmlns='" + nsFAST + "'/>"
	plain := func(s string) string { return auth2("PLAIN", s, "") }
	var corpus []hostile
	for _, h := range []hostile{
		{name: "before TLS", at: clear, only: "TCP", send: plain("\x00mallory\x00" + Password), want: "F:encryption-required"},
		{name: "unknown mechanism", send: auth2("FROB", "", ""), want: "F:invalid-mechanism"},
		{name: "no mechanism", send: "<authenticate xmlns='" + nsSASL2 + "'/>", want: "F:invalid-mechanism"},
		{name: "EXTERNAL without a certificate", send: auth2("EXTERNAL", "", ""), want: "F:invalid-mechanism"},
		{name: "bad base64", send: "<authenticate xmlns='" + nsSASL2 + "' mechanism='PLAIN'><initial-response>A!B=</initial-response></authenticate>", want: "F:incorrect-encoding"},
		{name: "the = of RFC 6120", send: "<authenticate xmlns='" + nsSASL2 + "' mechanism='PLAIN'><initial-response>=</initial-response></authenticate>", want: "F:incorrect-encoding"},
		{name: "1 MiB", send: auth2("PLAIN", strings.Repeat("A", 1<<20), ""), want: "S:policy-violation", ws: "W:1009"},
		{name: "no NUL", send: plain("mallory"), want: "F:malformed-request"},
		{name: "three NULs", send: plain("\x00mallory\x00" + Password + "\x00"), want: "F:malformed-request"},
		{name: "empty name", send: plain("\x00\x00" + Password), want: "F:malformed-request"},
		{name: "authzid of another", send: plain("bob@" + Domain + "\x00mallory\x00" + Password), want: "F:invalid-authzid"},
		{name: "authzid of the domain", send: plain(Domain + "\x00mallory\x00" + Password), want: "F:invalid-authzid"},
		{name: "authzid of nobody", send: plain("nobody@" + Domain + "\x00mallory\x00" + Password), want: "F:invalid-authzid"},
		{name: "authzid elsewhere", send: plain("mallory@other.example\x00mallory\x00" + Password), want: "F:invalid-authzid"},
		{name: "authzid of one's own", send: plain("mallory@" + Domain + "\x00mallory\x00" + Password), want: "ok"},
		{name: "wrong password", send: plain("\x00mallory\x00wrong"), want: "F:not-authorized"},
		{name: "unknown user", send: plain("\x00nobody\x00wrong"), want: "F:not-authorized"},
		{name: "wrong password with a bind", send: auth2("PLAIN", "\x00mallory\x00wrong", "<bind xmlns='"+nsBind2+"'/>"), want: "F:not-authorized"},
		{name: "SCRAM with a foreign authzid", send: auth2("SCRAM-SHA-256", "n,a=bob@"+Domain+",n=mallory,r=abcdefgh", ""), want: "F:invalid-authzid"},
		{name: "SCRAM with m=", send: auth2("SCRAM-SHA-256", "n,,m=x,n=mallory,r=abcdefgh", ""), want: "F:malformed-request"},
		{name: "SCRAM with y although PLUS is offered", send: auth2("SCRAM-SHA-512", "y,,n=mallory,r=abcdefgh", ""), want: "F:not-authorized"},
		{name: "SCRAM with p= without PLUS", send: auth2("SCRAM-SHA-256", "p=tls-exporter,,n=mallory,r=abcdefgh", ""), want: "F:not-authorized"},
		{name: "PLUS without p=", send: auth2("SCRAM-SHA-256-PLUS", "n,,n=mallory,r=abcdefgh", ""), want: "F:not-authorized"},
		{name: "PLUS with tls-unique in TLS 1.3", send: auth2("SCRAM-SHA-256-PLUS", "p=tls-unique,,n=mallory,r=abcdefgh", ""), want: "F:not-authorized"},
		{name: "response without authenticate", send: "<response xmlns='" + nsSASL2 + "'/>", want: "F:malformed-request"},
		{name: "next without authenticate", send: "<next xmlns='" + nsSASL2 + "' task='UPGR-SCRAM-SHA-256'/>", want: "F:malformed-request"},
		{name: "task data without authenticate", send: "<task-data xmlns='" + nsSASL2 + "'/>", want: "F:malformed-request"},
		{name: "abort", send: "<abort xmlns='" + nsSASL2 + "'/>", want: "F:aborted"},
		{name: "success of a client", send: "<success xmlns='" + nsSASL2 + "'/>", want: "S:unsupported-stanza-type"},
		{name: "a token without its mark", send: auth2("HT-SHA-256-NONE", "mallory\x00"+strings.Repeat("x", 32), "<user-agent id='"+agentID+"'/>"), want: "F:malformed-request"},
		{name: "a token without a device", send: auth2("HT-SHA-256-NONE", "mallory\x00"+strings.Repeat("x", 32), "<fast xmlns='"+nsFAST+"'/>"), want: "F:malformed-request"},
		{name: "a token of nobody", send: auth2("HT-SHA-256-NONE", "nobody\x00"+strings.Repeat("x", 32), fast), want: "F:credentials-expired"},
		{name: "a token that was never given", send: auth2("HT-SHA-256-NONE", "mallory\x00"+strings.Repeat("x", 32), fast), want: "F:credentials-expired"},
		{name: "a token of no length", send: auth2("HT-SHA-256-NONE", "mallory\x00", fast), want: "F:malformed-request"},
		{name: "a token mechanism that is none", send: auth2("HT-SHA-1-NONE", "mallory\x00"+strings.Repeat("x", 20), fast), want: "F:invalid-mechanism"},
		{name: "a token bound to nothing", send: auth2("HT-SHA-256-UNIQ", "mallory\x00"+strings.Repeat("x", 32), fast), want: "F:invalid-mechanism"},
		{name: "a count that is none", send: auth2("HT-SHA-256-NONE", "mallory\x00"+strings.Repeat("x", 32), "<user-agent id='"+agentID+"'/><fast xmlns='"+nsFAST+"' count='9223372036854775808'/>"), want: "F:malformed-request"},
		{name: "resume without a number", send: auth2("PLAIN", "\x00mallory\x00"+Password, "<resume xmlns='"+nsSM+"' previd='x' h='-1'/>"), want: "S:invalid-xml"},
		{name: "after login", at: signed, send: plain("\x00mallory\x00" + Password), want: "S:not-authorized"},
		{name: "after bind", at: bound, send: plain("\x00mallory\x00" + Password), want: "S:unsupported-stanza-type"},
	} {
		if h.at == fresh {
			h.at = secured
		}
		corpus = append(corpus, h)
	}
	runHostile(t, corpus)
}

// Rows 43 and 51: a wrong password, an unknown name; a token that is wrong, of another device, of nobody: the same bytes each.
func TestSameBytesInSASL2(t *testing.T) {
	t.Parallel()
	h, w := loginHouse(t)
	for _, via := range []Via{TCP, WebSocket} {
		said := func(s string) string {
			c := h.Dial(t, via)
			if _, err := c.Secure(); err != nil {
				t.Fatal(err)
			}
			return string(ask(t, c, s).AppendTo(nil, ""))
		}
		same := func(list ...string) {
			for _, s := range list[1:] {
				if a, b := said(list[0]), said(s); a != b {
					t.Errorf("%s\n%s", a, b)
				}
			}
		}
		same(auth2("PLAIN", "\x00mallory\x00wrong", ""), auth2("PLAIN", "\x00nobody\x00wrong", ""), auth2("PLAIN", "\x00no body\x00wrong", ""))
		token := func(who, agent string) string {
			return auth2("HT-SHA-256-NONE", who+"\x00"+strings.Repeat("x", 32), "<user-agent id='"+agent+"'/><fast xmlns='"+nsFAST+"'/>")
		}
		same(token("mallory", agentID), token("mallory", "00000000-0000-4000-8000-000000000000"), token("nobody", agentID), token("no body", agentID))
		w.ping(t)
	}
}

// relay stands between client and server with a certificate of its own, which the client trusts: what a state, an employer, or the thief of a
// certificate's issuance has. It may change what the server says.
type relay struct {
	t      testing.TB
	h      *House
	config *tls.Config
	roots  *x509.CertPool
	l      net.Listener
	change func(server string) string // nil: nothing
}

func newRelay(t testing.TB, h *House) *relay {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: Domain}, DNSNames: []string{Domain}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	r := &relay{t: t, h: h, roots: x509.NewCertPool(), config: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{"xmpp-client"}}}
	r.roots.AddCert(leaf)
	if r.l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.l.Close() })
	go func() {
		for {
			c, err := r.l.Accept()
			if err != nil {
				return
			}
			go r.serve(c)
		}
	}()
	return r
}

func (r *relay) serve(c net.Conn) {
	near := tls.Server(c, r.config)
	defer near.Close()
	far, err := tls.Dial("tcp", r.h.At.XMPPTLS[0].String(), r.h.tls("xmpp-client"))
	if err != nil {
		return
	}
	defer far.Close()
	go io.Copy(far, near)
	buf := make([]byte, 64<<10) // the server writes an answer at once
	for {
		n, err := far.Read(buf)
		if n > 0 {
			s := string(buf[:n])
			if r.change != nil {
				s = r.change(s)
			}
			io.WriteString(near, s)
		}
		if err != nil {
			return
		}
	}
}

// dial is a client that believes to be connected with the server. Its features are those that the relay lets through.
func (r *relay) dial() (*Client, *xml.Element) {
	r.t.Helper()
	conn, err := tls.Dial("tcp", r.l.Addr().String(), &tls.Config{RootCAs: r.roots, ServerName: Domain, NextProtos: []string{"xmpp-client"}})
	if err != nil {
		r.t.Fatal(err)
	}
	c := &Client{house: r.h, via: DirectTLS, conn: conn}
	r.t.Cleanup(c.Drop)
	c.Restart()
	f, err := c.Open()
	if err != nil {
		r.t.Fatal(err)
	}
	return c, f
}

// scram runs SCRAM-SHA-256 in either profile with a client that knows the password, and gives what the server says at the end, and its first
// message as the client got it.
func (c *Client) scram(t *testing.T, two bool, binding *scram.ChannelBinding) (last *xml.Element, first string) {
	t.Helper()
	client, err := scram.SHA256.NewClient("mallory", Password, "")
	if err != nil {
		t.Fatal(err)
	}
	conv, mechanism := client.NewConversation(), "SCRAM-SHA-256"
	if binding != nil {
		conv, mechanism = client.NewConversationWithChannelBinding(*binding), "SCRAM-SHA-256-PLUS"
	}
	initial, err := conv.Step("")
	if err != nil {
		t.Fatal(err)
	}
	space, begin := nsSASL, auth(mechanism, initial)
	if two {
		space, begin = nsSASL2, auth2(mechanism, initial, "")
	}
	e := ask(t, c, begin)
	if e.Name.Local != "challenge" {
		return e, ""
	}
	challenge, _ := base64.StdEncoding.DecodeString(e.Text())
	final, err := conv.Step(string(challenge))
	if err != nil {
		t.Fatal(err)
	}
	return ask(t, c, "<response xmlns='"+space+"'>"+b64(final)+"</response>"), string(challenge)
}

// Row 46: the channel binding of another TLS connection. The relay passes everything on unchanged, and nobody is signed in; without the
// relay the same client is.
func TestRelayWithItsOwnCertificate(t *testing.T) {
	t.Parallel()
	h, w := loginHouse(t)
	r := newRelay(t, h)
	bindings := func(c *Client) map[string]scram.ChannelBinding {
		cs := c.conn.(*tls.Conn).ConnectionState()
		x, err1 := sasl.Exporter(&cs)
		e, err2 := sasl.EndPoint(cs.PeerCertificates[0])
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		return map[string]scram.ChannelBinding{
			x.Type: {Type: scram.ChannelBindingTLSExporter, Data: x.Data},
			e.Type: {Type: scram.ChannelBindingTLSServerEndpoint, Data: e.Data},
		}
	}
	attempts, signedIn := 0, 0
	for range 10 {
		for _, two := range []bool{false, true} {
			for _, kind := range []string{sasl.TLSExporter, sasl.TLSServerEndPoint} {
				c, _ := r.dial()
				b := bindings(c)[kind]
				e, _ := c.scram(t, two, &b)
				attempts++
				if e.Name.Local == "success" {
					signedIn++
				} else if e.Child(nsSASL, "not-authorized") == nil {
					t.Errorf("%s: %s", kind, e.AppendTo(nil, ""))
				}
			}
		}
	}
	t.Logf("%d of %d sign-ins through the relay succeeded", signedIn, attempts)
	if signedIn > 0 {
		t.Fail()
	}
	for _, two := range []bool{false, true} {
		for _, kind := range []string{sasl.TLSExporter, sasl.TLSServerEndPoint} {
			c := h.Dial(t, DirectTLS)
			if _, err := c.Secure(); err != nil {
				t.Fatal(err)
			}
			b := bindings(c)[kind]
			if e, _ := c.scram(t, two, &b); e.Name.Local != "success" {
				t.Errorf("without the relay, %s: %s", kind, e.AppendTo(nil, ""))
			}
		}
	}
	w.ping(t)
}

// Row 46 for tokens: one that is bound to the channel is of no use through a relay, nor does the relay get one that it could use.
func TestRelayAndTokens(t *testing.T) {
	t.Parallel()
	h, _ := loginHouse(t)
	r := newRelay(t, h)
	for _, mechanism := range []string{"HT-SHA-256-EXPR", "HT-SHA-512-ENDP"} {
		c := h.Dial(t, DirectTLS)
		if _, err := c.Secure(); err != nil {
			t.Fatal(err)
		}
		e, err := c.SignIn(SignIn{Local: "mallory", Agent: agentID, Inside: "<request-token xmlns='" + nsFAST + "' mechanism='" + mechanism + "'/>"})
		if err != nil {
			t.Fatal(err)
		}
		token := e.Child(nsFAST, "token").Attr("token")
		through, _ := r.dial()
		e, err = through.SignIn(SignIn{Local: "mallory", Agent: agentID, Mechanism: mechanism, Token: token})
		if err != nil || e.Child(nsSASL, "credentials-expired") == nil {
			t.Errorf("%s through the relay: %s, %v", mechanism, e.AppendTo(nil, ""), err)
		}
		direct := h.Dial(t, DirectTLS)
		if _, err := direct.Secure(); err != nil {
			t.Fatal(err)
		}
		if e, err = direct.SignIn(SignIn{Local: "mallory", Agent: agentID, Mechanism: mechanism, Token: token}); err != nil || !e.Is(nsSASL2, "success") {
			t.Errorf("%s without it: %s, %v", mechanism, e.AppendTo(nil, ""), err)
		}
	}
}

var (
	plusMechanism = regexp.MustCompile(`<mechanism>SCRAM-[A-Z0-9-]+-PLUS</mechanism>`)
	bindingList   = regexp.MustCompile(`<sasl-channel-binding.*</sasl-channel-binding>`)
	exporterType  = regexp.MustCompile(`<channel-binding type='tls-exporter'/>`)
	challengeText = regexp.MustCompile(`(<challenge xmlns='[^']+'>)([^<]+)(</challenge>)`)
	hashOfLists   = regexp.MustCompile(`,h=[^,]+`)
)

// listsShown is the hash of what a client was shown (XEP-0474 §5.2).
func listsShown(f *xml.Element, two bool) string {
	var mechanisms, kinds []string
	list := f.Child(nsSASL, "mechanisms")
	space := nsSASL
	if two {
		list, space = f.Child(nsSASL2, "authentication"), nsSASL2
	}
	for _, m := range list.All(space, "mechanism") {
		mechanisms = append(mechanisms, m.Text())
	}
	slices.Sort(mechanisms)
	s := strings.Join(mechanisms, "\x1e")
	if cb := f.Child("urn:xmpp:sasl-cb:0", "sasl-channel-binding"); cb != nil {
		for _, k := range cb.Children {
			kinds = append(kinds, k.Attr("type"))
		}
		slices.Sort(kinds)
		s += "\x1f" + strings.Join(kinds, "\x1e")
	}
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Row 47: the lists of mechanisms or channel bindings are altered in flight. The client sees another hash than the server's; if the relay
// alters that too, the proof is about other messages, and the server refuses it. A client that says "y" is refused at once.
func TestAlteredLists(t *testing.T) {
	t.Parallel()
	h, w := loginHouse(t)
	strip := map[string]func(string) string{
		"the -PLUS mechanisms": func(s string) string { return plusMechanism.ReplaceAllString(s, "") },
		"all that binds": func(s string) string {
			return bindingList.ReplaceAllString(plusMechanism.ReplaceAllString(s, ""), "")
		},
		"tls-exporter": func(s string) string { return exporterType.ReplaceAllString(s, "") },
		"SCRAM-SHA-512": func(s string) string {
			return strings.ReplaceAll(s, "<mechanism>SCRAM-SHA-512</mechanism>", "")
		},
	}
	for name, change := range strip {
		for _, two := range []bool{false, true} {
			r := newRelay(t, h)
			r.change = change
			c, f := r.dial()
			told := listsShown(f, two)
			_, first := c.scram(t, two, nil)
			got := hashOfLists.FindString(first)
			if got == "" || got == ",h="+told {
				t.Errorf("%s were taken out, SASL2 %v: the client sees %q and computes %q", name, two, got, told)
			}
			// The same with the hash that the client expects.
			r = newRelay(t, h)
			r.change = func(s string) string {
				return challengeText.ReplaceAllStringFunc(change(s), func(m string) string {
					part := challengeText.FindStringSubmatch(m)
					b, _ := base64.StdEncoding.DecodeString(part[2])
					return part[1] + b64(hashOfLists.ReplaceAllString(string(b), ",h="+told)) + part[3]
				})
			}
			c, f = r.dial()
			e, first := c.scram(t, two, nil)
			if hashOfLists.FindString(first) != ",h="+listsShown(f, two) {
				t.Fatal("the relay of this test does not deceive the client")
			}
			if e.Child(nsSASL, "not-authorized") == nil {
				t.Errorf("%s were taken out and the hash put right, SASL2 %v: %s", name, two, e.AppendTo(nil, ""))
			}
		}
	}
	// Unaltered, the client agrees with the server.
	c := h.Dial(t, DirectTLS)
	f, err := c.Secure()
	if err != nil {
		t.Fatal(err)
	}
	if e, first := c.scram(t, true, nil); hashOfLists.FindString(first) != ",h="+listsShown(f, true) || !e.Is(nsSASL2, "success") {
		t.Errorf("unaltered: %q, %s", first, e.AppendTo(nil, ""))
	}
	w.ping(t)
}

// XEP-0440 §3: a WebSocket offers both bindings too, and the one of the certificate is that of the HTTP server.
func TestXEP0440_3_OverWebSocket(t *testing.T) {
	t.Parallel()
	h, _ := loginHouse(t)
	direct := h.Dial(t, DirectTLS)
	cs := direct.conn.(*tls.Conn).ConnectionState()
	end, err := sasl.EndPoint(cs.PeerCertificates[0])
	if err != nil {
		t.Fatal(err)
	}
	c := h.Dial(t, WebSocket)
	f, err := c.Secure()
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, k := range f.Child("urn:xmpp:sasl-cb:0", "sasl-channel-binding").Children {
		kinds = append(kinds, k.Attr("type"))
	}
	if !slices.Equal(kinds, []string{sasl.TLSExporter, sasl.TLSServerEndPoint}) {
		t.Error(kinds)
	}
	if e, _ := c.scram(t, true, &scram.ChannelBinding{Type: scram.ChannelBindingTLSServerEndpoint, Data: end.Data}); !e.Is(nsSASL2, "success") {
		t.Error(string(e.AppendTo(nil, "")))
	}
}
