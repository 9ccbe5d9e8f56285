package c2s

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/base64"
	"hash"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xdg-go/scram"

	"writ/account"
	"writ/xmpp/sasl"
	"writ/xmpp/xml"
)

const phone = "d4565fa7-4d72-4749-b3d3-740edbf87770"

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// authenticate writes an <authenticate/> (XEP-0388 §2.3) of the device phone.
func authenticate(mechanism, initial, inside string) string {
	return "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='" + mechanism + "'><initial-response>" + b64(initial) + "</initial-response>" +
		"<user-agent id='" + phone + "'><software>Tester</software><device>Bench</device></user-agent>" + inside + "</authenticate>"
}

func plain2(user, inside string) string {
	return authenticate("PLAIN", "\x00"+user+"\x00"+password, inside)
}

// open is a client over TLS whose stream is open, with the features that it was shown.
func (h *house) open(change ...func(*tls.Config)) (*peer, *tls.Conn, string) {
	h.t.Helper()
	p := h.dial(DirectTLS)
	tc := p.tls(change...)
	return p, tc, p.header()
}

// element parses what was received.
func (p *peer) element(s string) *xml.Element {
	p.t.Helper()
	e, err := xml.Parse([]byte(strings.Replace(s, "<stream:", "<stream:", 1)), xml.Client)
	if err != nil {
		p.t.Fatalf("%s: %v", s, err)
	}
	return e
}

var tokenText = regexp.MustCompile(` token='([^']+)'`)

// XEP-0388 §2.1, XEP-0386 §3.1, XEP-0484 §3.1, XEP-0480 §2.1, XEP-0440 §2, XEP-0509 §2.1: the features before sign-in.
func TestXEP0388_2_1_Features(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for version, want := range map[uint16]struct{ bindings, tokens string }{
		tls.VersionTLS13: {"tls-exporter tls-server-end-point", "EXPR ENDP NONE"},
		tls.VersionTLS12: {"tls-exporter tls-unique tls-server-end-point", "EXPR UNIQ ENDP NONE"},
	} {
		p, _, f := h.open(func(c *tls.Config) { c.MaxVersion = version })
		e := p.element(strings.Replace(f, "<stream:features>", "<stream:features xmlns:stream='http://etherx.jabber.org/streams'>", 1))
		a := e.Child("urn:xmpp:sasl:2", "authentication")
		var one, two []string
		for _, m := range e.Child("urn:ietf:params:xml:ns:xmpp-sasl", "mechanisms").Children {
			one = append(one, m.Text())
		}
		for _, m := range a.All("urn:xmpp:sasl:2", "mechanism") {
			two = append(two, m.Text())
		}
		if !slices.Equal(one, two) || len(two) != 7 {
			t.Errorf("TLS %x: SASL %v, SASL2 %v", version, one, two)
		}
		var vars, kinds, tokens []string
		inline := a.Child("urn:xmpp:sasl:2", "inline")
		for _, v := range inline.Child("urn:xmpp:bind:0", "bind").Child("urn:xmpp:bind:0", "inline").Children {
			vars = append(vars, v.Attr("var"))
		}
		if !slices.Contains(vars, "urn:xmpp:sm:3") || !slices.Contains(vars, "urn:xmpp:csi:0") || inline.Child("urn:xmpp:sm:3", "sm") == nil {
			t.Errorf("TLS %x: inline %v", version, vars)
		}
		fast := inline.Child("urn:xmpp:fast:0", "fast")
		if fast.HasAttr("tls-0rtt") {
			t.Error("early data is on offer")
		}
		for _, m := range fast.Children {
			if rest, ok := strings.CutPrefix(m.Text(), "HT-SHA-512-"); ok {
				tokens = append(tokens, rest)
				if !strings.Contains(f, "HT-SHA-256-"+rest) {
					t.Errorf("%s without SHA-256", m.Text())
				}
			}
		}
		for _, k := range e.Child("urn:xmpp:sasl-cb:0", "sasl-channel-binding").Children {
			kinds = append(kinds, k.Attr("type"))
		}
		if got := strings.Join(kinds, " "); got != want.bindings {
			t.Errorf("TLS %x: channel bindings %s", version, got)
		}
		if got := strings.Join(tokens, " "); got != want.tokens {
			t.Errorf("TLS %x: token mechanisms %s", version, got)
		}
		if len(a.All("urn:xmpp:sasl:upgrade:0", "upgrade")) != 2 || e.Child("urn:xmpp:stream-limits:0", "limits") == nil {
			t.Errorf("TLS %x: %s", version, f)
		}
	}
	p := h.dial(StartTLS) // XEP-0388 §3: never without TLS
	if f := p.header(); strings.Contains(f, "urn:xmpp:sasl:2") || strings.Contains(f, "urn:xmpp:iap:0") {
		t.Errorf("before TLS: %s", f)
	}
	p.send("%s", plain2("alice", ""))
	p.expect("<failure xmlns='urn:xmpp:sasl:2'>", "<encryption-required")
}

// XEP-0484 §3.4: each token mechanism with the channel binding of the connection, and its proof of the server. A token serves its own
// mechanism alone, and a proof of another connection none.
func TestXEP0484_3_4_Bindings(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, kind := range []string{"EXPR", "UNIQ", "ENDP", "NONE"} {
		for name, sum := range map[string]func() hash.Hash{"HT-SHA-256-": sha256.New, "HT-SHA-512-": sha512.New} {
			version := uint16(tls.VersionTLS13)
			if kind == "UNIQ" {
				version = tls.VersionTLS12
			}
			at := func(c *tls.Config) { c.MaxVersion = version }
			p, _, _ := h.open(at)
			p.send("%s", plain2("alice", "<request-token xmlns='urn:xmpp:fast:0' mechanism='"+name+kind+"'/>"))
			token := tokenText.FindStringSubmatch(p.expect("<success", "<token"))[1]
			prove := func(cs tls.ConnectionState, role string) string {
				m := hmac.New(sum, []byte(token))
				m.Write([]byte(role))
				m.Write(bindingOf(t, kind, &cs))
				return string(m.Sum(nil))
			}
			quick, tc, _ := h.open(at)
			quick.send("%s", authenticate(name+kind, "alice\x00"+prove(tc.ConnectionState(), "Initiator"), "<fast xmlns='urn:xmpp:fast:0'/>"))
			quick.expect("<success", "<additional-data>"+b64(prove(tc.ConnectionState(), "Responder"))+"<")
			if kind == "EXPR" || kind == "UNIQ" { // row 46: the proof of that connection, on another one
				other, _, _ := h.open(at)
				other.send("%s", authenticate(name+kind, "alice\x00"+prove(tc.ConnectionState(), "Initiator"), "<fast xmlns='urn:xmpp:fast:0'/>"))
				other.expect("<failure", "<credentials-expired")
			}
			if kind != "NONE" { // no way down to a mechanism without binding
				m := hmac.New(sum, []byte(token))
				m.Write([]byte("Initiator"))
				other, _, _ := h.open(at)
				other.send("%s", authenticate(name+"NONE", "alice\x00"+string(m.Sum(nil)), "<fast xmlns='urn:xmpp:fast:0'/>"))
				other.expect("<failure", "<credentials-expired")
			}
		}
	}
}

func bindingOf(t *testing.T, kind string, cs *tls.ConnectionState) []byte {
	t.Helper()
	var b sasl.Binding
	var err error
	switch kind {
	case "EXPR":
		b, err = sasl.Exporter(cs)
	case "UNIQ":
		b, err = sasl.Unique(cs)
	case "ENDP":
		b, err = sasl.EndPoint(cs.PeerCertificates[0])
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Data
}

var configValue = regexp.MustCompile(`<config-version xmlns='urn:xmpp:iap:0' scheme='opaque' value='([^']+)'/>`)

// XEP-0509 §2.2, §2.3: the value is the same on like connections, another where the features differ, and lets an <authenticate/> through that
// comes with the header.
func TestXEP0509_2_2_Pipelined(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	value := func(version uint16) string {
		_, _, f := h.open(func(c *tls.Config) { c.MaxVersion = version })
		m := configValue.FindStringSubmatch(f)
		if m == nil {
			t.Fatal("no config-version in ", f)
		}
		return m[1]
	}
	now, older := value(tls.VersionTLS13), value(tls.VersionTLS12)
	if now != value(tls.VersionTLS13) || now == older {
		t.Errorf("values %s, %s; with TLS 1.2 %s", now, value(tls.VersionTLS13), older)
	}
	with := func(v string) string {
		return "<config-version xmlns='urn:xmpp:iap:0' scheme='opaque' value='" + v + "'/><bind xmlns='urn:xmpp:bind:0'/>"
	}
	for _, k := range []Kind{DirectTLS, StartTLS} {
		p := h.dial(k)
		if k == StartTLS {
			p.header()
			p.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
			p.expect("<proceed")
		}
		p.tls()
		p.send("%s", streamHeader+plain2("alice", with(now))+"<presence/><iq type='get' id='sync'><ping xmlns='urn:xmpp:ping'/></iq>")
		p.expect("<stream>")
		p.expect("features")
		p.expect("<success", "alice@example.org/")
		p.expect("features")
		p.expect("id='sync'", "result")
	}
	p := h.dial(DirectTLS)
	p.tls()
	p.send("%s", streamHeader+plain2("alice", with(older)))
	p.expect("<stream>")
	p.expect("features")
	p.expect("<failure", "<aborted", "<config-version-mismatch")
	p.send("%s", plain2("alice", with(now)))
	p.expect("<success")
}

// XEP-0386 §3.2: an app that binds again, under whatever tag, ends its earlier session.
func TestXEP0386_3_2_EarlierSession(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	first, _, _ := h.open()
	first.send("%s", plain2("alice", "<bind xmlns='urn:xmpp:bind:0'><tag>A</tag><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>"))
	first.expect("<success", "/A/")
	first.expect("features")
	asleep, _, _ := h.open()
	asleep.send("%s", strings.ReplaceAll(plain2("alice", "<bind xmlns='urn:xmpp:bind:0'/>"), phone, "00000000-0000-4000-8000-000000000000"))
	asleep.expect("<success")
	second, _, _ := h.open()
	second.send("%s", plain2("alice", "<bind xmlns='urn:xmpp:bind:0'><tag>B</tag></bind>"))
	second.expect("<success", "/B/")
	first.expect("<stream:error>", "<conflict")
	eventually(t, func() bool { return len(h.router.Sessions(h.jid("alice@example.org"))) == 2 })
}

// RFC 6120 §7.6.2.1 by Bind 2: at the limit of resources the sign-in fails, and the stream is as it was.
func TestXEP0386_3_2_TooMany(t *testing.T) {
	t.Parallel()
	h := newHouseOf(t, 1)
	h.online("alice", "a")
	p, _, _ := h.open()
	p.send("%s", plain2("alice", "<bind xmlns='urn:xmpp:bind:0'/>"))
	p.expect("<failure xmlns='urn:xmpp:sasl:2'>", "<temporary-auth-failure", "<resource-limit-exceeded xmlns='urn:xmpp:errors'/>")
	p.send("%s", plain2("bob", "<bind xmlns='urn:xmpp:bind:0'/>"))
	p.expect("<success", "bob@example.org/")
}

// XEP-0388 §2.3: an authorization identity must be who the header said.
func TestXEP0388_2_3_From(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	from := func(who string) *peer {
		p := h.dial(DirectTLS)
		p.tls()
		p.send("%s", strings.Replace(streamHeader, " to=", " from='"+who+"' to=", 1))
		p.expect("<stream>")
		return p
	}
	p := from("bob@example.org")
	p.expect("features")
	p.send("%s", authenticate("PLAIN", "alice@example.org\x00alice\x00"+password, ""))
	p.expect("<failure", "<invalid-authzid")
	p.send("%s", authenticate("PLAIN", "bob@example.org\x00bob\x00"+password, ""))
	p.expect("<success")
	from("alice@elsewhere.example").expect("<stream:error>", "<invalid-from") // XEP-0388 §2.1
}

// weaken leaves the account the one verifier of SHA-1, as an account has that came from elsewhere.
func (h *house) weaken(user string) {
	h.t.Helper()
	v, err := sasl.DeriveAll(password, sasl.MinIterations)
	if err != nil {
		h.t.Fatal(err)
	}
	i := slices.IndexFunc(v, func(v sasl.Verifier) bool { return v.Hash == sasl.SHA1 })
	h.write("DELETE FROM account_credential WHERE account = $1", user+"@example.org")
	h.write(`INSERT INTO account_credential (account, hash, salt, iterations, stored_key, server_key) VALUES ($1, $2, $3, $4, $5, $6)`,
		user+"@example.org", "SHA-1", v[i].Salt, v[i].Iterations, v[i].StoredKey, v[i].ServerKey)
}

var firstText = regexp.MustCompile(`>([A-Za-z0-9+/=]+)</`)

// scram2 signs in with SCRAM by XEP-0388, as far as the answer to the final message.
func (p *peer) scram2(mechanism string, h scram.HashGeneratorFcn, user, inside string) string {
	p.t.Helper()
	c, err := h.NewClient(user, password, "")
	if err != nil {
		p.t.Fatal(err)
	}
	conv := c.NewConversation()
	first, _ := conv.Step("")
	p.send("%s", authenticate(mechanism, first, inside))
	got := p.expect("<challenge xmlns='urn:xmpp:sasl:2'>")
	challenge, _ := base64.StdEncoding.DecodeString(firstText.FindStringSubmatch(got)[1])
	final, err := conv.Step(string(challenge))
	if err != nil {
		p.t.Fatal(err)
	}
	p.send("<response xmlns='urn:xmpp:sasl:2'>%s</response>", b64(final))
	return p.next()
}

// XEP-0480 §3: an account with SHA-1 alone is offered that alone, signs in, and makes the stronger verifiers; then it is like any other.
func TestXEP0480_3_Upgrade(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.weaken("alice")
	named := strings.Replace(streamHeader, " to=", " from='alice@example.org' to=", 1)
	open := func() (*peer, string) {
		p := h.dial(DirectTLS)
		p.tls()
		p.send("%s", named)
		p.expect("<stream>")
		return p, p.expect("features")
	}
	p, f := open()
	if strings.Contains(f, ">SCRAM-SHA-256<") || !strings.Contains(f, ">SCRAM-SHA-1<") {
		t.Fatal("offered what the account does not have: ", f)
	}
	got := p.scram2("SCRAM-SHA-1", scram.SHA1, "alice", "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-512</upgrade>"+
		"<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-FROB</upgrade><upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-256</upgrade><bind xmlns='urn:xmpp:bind:0'/>")
	for i, task := range []struct {
		name string
		hash sasl.Hash
	}{{"UPGR-SCRAM-SHA-512", sasl.SHA512}, {"UPGR-SCRAM-SHA-256", sasl.SHA256}} {
		if !strings.Contains(got, "<continue xmlns='urn:xmpp:sasl:2'>") || !strings.Contains(got, "<task>"+task.name+"</task>") ||
			strings.Contains(got, "<additional-data>") != (i == 0) {
			t.Fatalf("task %d: %s", i, got)
		}
		p.send("<next xmlns='urn:xmpp:sasl:2' task='%s'/>", task.name)
		salt, _ := base64.StdEncoding.DecodeString(firstText.FindStringSubmatch(p.expect("<task-data", "<salt xmlns='urn:xmpp:scram-upgrade:0' iterations='4096'>"))[1])
		p.send("<task-data xmlns='urn:xmpp:sasl:2'><hash xmlns='urn:xmpp:scram-upgrade:0'>%s</hash></task-data>", b64(string(salted(task.hash, salt))))
		got = p.next()
	}
	if !strings.Contains(got, "<success") || strings.Contains(got, "<additional-data>") || !strings.Contains(got, "<bound") {
		t.Fatal(got)
	}
	again, f := open()
	if !strings.Contains(f, ">SCRAM-SHA-256<") {
		t.Fatal("after the upgrade: ", f)
	}
	if got := again.scram2("SCRAM-SHA-512", scram.SHA512, "alice", "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-256</upgrade>"); !strings.Contains(got, "<success") {
		t.Error("by the new verifier, with nothing left to do: ", got)
	}
}

func salted(h sasl.Hash, salt []byte) []byte {
	sum := map[sasl.Hash]func() hash.Hash{sasl.SHA1: sha1.New, sasl.SHA256: sha256.New, sasl.SHA512: sha512.New}[h]
	m := hmac.New(sum, []byte(password))
	m.Write(append(bytes.Clone(salt), 0, 0, 0, 1)) // RFC 5802's Hi()
	u := m.Sum(nil)
	out := bytes.Clone(u)
	for range sasl.MinIterations - 1 {
		m.Reset()
		m.Write(u)
		u = m.Sum(nil)
		for i := range out {
			out[i] ^= u[i]
		}
	}
	return out
}

// XEP-0480 §3, XEP-0388 §2.6.3: tasks out of order, of another name, or with a hash of another length fail the sign-in.
func TestXEP0480_3_Faults(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ask := "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-256</upgrade>"
	begin := func() *peer {
		h.weaken("alice")
		p, _, _ := h.open()
		if got := p.scram2("SCRAM-SHA-1", scram.SHA1, "alice", ask); !strings.Contains(got, "<continue") {
			t.Fatal(got)
		}
		return p
	}
	p := begin()
	p.send("<next xmlns='urn:xmpp:sasl:2' task='UPGR-SCRAM-SHA-512'/>")
	p.expect("<failure", "<malformed-request")
	p = begin()
	p.send("<next xmlns='urn:xmpp:sasl:2' task='UPGR-SCRAM-SHA-256'/>")
	p.expect("<task-data")
	p.send("<task-data xmlns='urn:xmpp:sasl:2'><hash xmlns='urn:xmpp:scram-upgrade:0'>%s</hash></task-data>", b64("short"))
	p.expect("<failure", "<malformed-request")
	p = begin()
	p.send("<task-data xmlns='urn:xmpp:sasl:2'/>")
	p.expect("<stream:error>", "<policy-violation")
	p = begin()
	p.send("<abort xmlns='urn:xmpp:sasl:2'/>")
	p.expect("<failure", "<aborted")
	p = begin()
	p.send("%s", plain2("alice", "")) // XEP-0388 §4.8: once <continue/> was sent there is no other authentication
	p.expect("<stream:error>", "<policy-violation")
	p = begin() // the password changes while the task is under way: no verifier of the old one is left behind
	p.send("<next xmlns='urn:xmpp:sasl:2' task='UPGR-SCRAM-SHA-256'/>")
	p.expect("<task-data")
	if err := h.accounts.SetPassword(t.Context(), h.jid("alice@example.org"), "a new password"); err != nil {
		t.Fatal(err)
	}
	p.send("<task-data xmlns='urn:xmpp:sasl:2'><hash xmlns='urn:xmpp:scram-upgrade:0'>%s</hash></task-data>", b64(strings.Repeat("x", 32)))
	p.expect("<failure", "<temporary-auth-failure")
	p, _, _ = h.open()
	p.send("%s", authenticate("PLAIN", "\x00alice\x00a new password", ""))
	p.expect("<success")
}

// A sign-in with PLAIN makes what the account lacks, without a task; a token is no password, and makes nothing.
func TestUpgradeByPlain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	alice := h.jid("alice@example.org")
	p, _, _ := h.open()
	p.send("%s", plain2("alice", "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>"))
	token := tokenText.FindStringSubmatch(p.expect("<token"))[1]
	h.weaken("alice")
	m := hmac.New(sha256.New, []byte(token))
	m.Write([]byte("Initiator"))
	p, _, _ = h.open()
	p.send("%s", authenticate("HT-SHA-256-NONE", "alice\x00"+string(m.Sum(nil)), "<fast xmlns='urn:xmpp:fast:0'/><upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-256</upgrade>"))
	p.expect("<success")
	if lacks, _ := h.accounts.Lacks(t.Context(), alice); len(lacks) != 2 {
		t.Fatal("a token made verifiers: ", lacks)
	}
	p, _, _ = h.open()
	p.send("%s", plain2("alice", ""))
	p.expect("<success")
	if lacks, err := h.accounts.Lacks(t.Context(), alice); err != nil || len(lacks) != 0 {
		t.Fatal("after PLAIN the account lacks ", lacks, err)
	}
	p, _, _ = h.open()
	if got := p.scram2("SCRAM-SHA-512", scram.SHA512, "alice", ""); !strings.Contains(got, "<success") {
		t.Error(got)
	}
}

// A sign-in that began before its account or device was signed out, or its password changed, does not become a session.
func TestLateSignIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	alice := h.jid("alice@example.org")
	for name, end := range map[string]func(){
		"the account":            func() { h.srv.Ended(account.Ending{Account: alice}) },
		"the device":             func() { h.srv.Ended(account.Ending{Account: alice, Device: phone}) },
		"by a session of itself": func() { h.srv.Ended(account.Ending{Account: alice, Later: true}) },
	} {
		p, _, _ := h.open()
		p.send("%s", plain2("alice", ""))
		p.expect("<success")
		p.expect("features")
		end()
		p.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
		p.expect("result")
		if got := p.next(); !strings.Contains(got, "<not-authorized") {
			t.Errorf("%s was ended: %s", name, got)
		}
	}
	p, _, _ := h.open() // another device, and whoever begins after it
	h.srv.Ended(account.Ending{Account: alice, Device: "another"})
	p.send("%s", plain2("alice", "<bind xmlns='urn:xmpp:bind:0'/>"))
	p.expect("<success")
	p.expect("features")
	p.sync()
}

// What an app says of itself is kept with its sign-in and its device, and what it has not said is not made up.
func TestUserAgentIsKept(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p, _, _ := h.open()
	p.send("%s", plain2("alice", "<bind xmlns='urn:xmpp:bind:0'><tag>T</tag></bind>"))
	p.expect("<success")
	p.expect("features")
	d, err := h.accounts.Devices(t.Context(), h.jid("alice@example.org"))
	if err != nil || len(d) != 1 || d[0].ID != phone || d[0].Software != "Tester" || d[0].Model != "Bench" || d[0].Password.IsZero() || !d[0].Token.IsZero() {
		t.Errorf("devices %+v, %v", d, err)
	}
	s := h.router.Sessions(h.jid("alice@example.org"))[0]
	if s.Device != phone || strings.Contains(s.JID.String(), phone[:8]) {
		t.Errorf("session %s of %q", s.JID, s.Device)
	}
}

// XEP-0474 §5.1 within SASL2: h= is the hash of the mechanisms and channel bindings on offer, with the separators 0x1E and 0x1F.
func TestXEP0474_5_1_InSASL2(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p, _, _ := h.open()
	p.send("%s", authenticate("SCRAM-SHA-256", "n,,n=alice,r=abcdefgh", ""))
	challenge, _ := base64.StdEncoding.DecodeString(firstText.FindStringSubmatch(p.expect("<challenge"))[1])
	sum := sha256.Sum256([]byte("PLAIN\x1eSCRAM-SHA-1\x1eSCRAM-SHA-1-PLUS\x1eSCRAM-SHA-256\x1eSCRAM-SHA-256-PLUS\x1eSCRAM-SHA-512\x1eSCRAM-SHA-512-PLUS" +
		"\x1ftls-exporter\x1etls-server-end-point"))
	if want := ",h=" + base64.StdEncoding.EncodeToString(sum[:]); !strings.HasSuffix(string(challenge), want) {
		t.Errorf("got %s, want …%s", challenge, want)
	}
}

// FuzzSASL2 sends anything where an <authenticate/>, a response or a task may stand: the stream ends or goes on in order, and nobody is signed
// in who has not proved it.
func FuzzSASL2(f *testing.F) {
	for i, s := range []string{
		plain2("alice", ""), plain2("alice", "<bind xmlns='urn:xmpp:bind:0'><tag>x</tag><enable xmlns='urn:xmpp:sm:3' resume='true' max='1'/><inactive xmlns='urn:xmpp:csi:0'/></bind>"),
		plain2("alice", "<resume xmlns='urn:xmpp:sm:3' previd='x' h='y'/>"), plain2("alice", "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>"),
		authenticate("HT-SHA-256-NONE", "alice\x00"+strings.Repeat("x", 32), "<fast xmlns='urn:xmpp:fast:0' count='1' invalidate='1'/>"),
		"<authenticate xmlns='urn:xmpp:sasl:2'/>", "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-1'><initial-response/></authenticate>",
		"<response xmlns='urn:xmpp:sasl:2'>Yz1iaXdz</response>", "<abort xmlns='urn:xmpp:sasl:2'><text>x</text></abort>",
		"<next xmlns='urn:xmpp:sasl:2' task='UPGR-SCRAM-SHA-256'/><task-data xmlns='urn:xmpp:sasl:2'><hash xmlns='urn:xmpp:scram-upgrade:0'>eA==</hash></task-data>",
		"<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><config-version xmlns='urn:xmpp:iap:0' value='x'/></authenticate>", "<frob xmlns='urn:xmpp:sasl:2'/>",
	} {
		f.Add(uint8(i), s)
	}
	h := newHouse(f, func(c *Config) { c.Rate, c.Failures = -1, -1 })
	h.weaken("bob")
	states := []string{"", "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-256'/>", authenticate("SCRAM-SHA-1", "n,,n=bob,r=abcdefgh", "")}
	right := b64("\x00alice\x00" + password)
	f.Fuzz(func(t *testing.T, state uint8, data string) {
		h.t = t
		p := h.pipe(DirectTLS)
		tc := p.tls()
		go func() { // what is cut short ends with the connection
			tc.SetWriteDeadline(time.Now().Add(10 * time.Second))
			io.WriteString(tc, streamHeader+states[int(state)%len(states)]+data)
			tc.CloseWrite()
		}()
		for {
			e := p.next()
			if strings.HasPrefix(e, "<success") && !strings.Contains(data, right) {
				t.Fatalf("%q signed in: %s", data, e)
			}
			if e == "EOF" {
				return
			}
		}
	})
}

// XEP-0440 §3: tls-server-end-point is on offer in a resumed TLS session too, and is that of the session's first handshake: a ticket of
// a certificate that was replaced is not taken.
func TestXEP0440_3_ResumedTLS(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		h := newHouse(t)
		cache := tls.NewLRUClientSessionCache(4)
		at := func(c *tls.Config) { c.MaxVersion, c.ClientSessionCache = version, cache }
		signIn := func(wantResumed bool) {
			t.Helper()
			p, tc, f := h.open(at)
			cs := tc.ConnectionState()
			if cs.DidResume != wantResumed || !strings.Contains(f, "tls-server-end-point") {
				t.Fatalf("TLS %x: resumed %v: %s", version, cs.DidResume, f)
			}
			p.send("%s", plain2("alice", "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-ENDP'/>"))
			token := tokenText.FindStringSubmatch(p.expect("<success", "<token"))[1]
			p.expect("features") // and with it the ticket
			q, tc, _ := h.open(at)
			cs = tc.ConnectionState()
			m := hmac.New(sha256.New, []byte(token))
			m.Write([]byte("Initiator"))
			m.Write(bindingOf(t, "ENDP", &cs))
			q.send("%s", authenticate("HT-SHA-256-ENDP", "alice\x00"+string(m.Sum(nil)), "<fast xmlns='urn:xmpp:fast:0'/>"))
			q.expect("<success")
			q.expect("features")
			if !cs.DidResume {
				t.Errorf("TLS %x: the second connection was not resumed", version)
			}
		}
		signIn(false)
		signIn(true)
		renewed, roots := certificate(t)
		h.renew(renewed)
		h.cert = roots
		p, tc, _ := h.open(func(c *tls.Config) { at(c); c.InsecureSkipVerify = true })
		if tc.ConnectionState().DidResume {
			t.Errorf("TLS %x: a ticket of the old certificate was taken", version)
		}
		p.send("%s", plain2("alice", ""))
		p.expect("<success")
	}
}
