package sasl

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	peer "github.com/xdg-go/scram"

	"writ/xmpp/jid"
)

var ctx = context.Background()

// shelf is a Source of a few accounts.
type shelf map[jid.JID]map[Hash]Record

func (s shelf) Verifier(_ context.Context, a jid.JID, h Hash) (Record, bool, error) {
	if h == AnyHash {
		h = SHA256
	}
	r, ok := s[a][h]
	return r, ok, nil
}

func (s shelf) add(t testing.TB, address, password string, disabled bool) {
	t.Helper()
	vs, err := DeriveAll(password, MinIterations)
	if err != nil {
		t.Fatal(err)
	}
	m := map[Hash]Record{}
	for _, v := range vs {
		m[v.Hash] = Record{v, disabled}
	}
	s[jid.MustParse(address)] = m
}

func house(t testing.TB) *Server {
	t.Helper()
	s := shelf{}
	s.add(t, "alice@example.org", "correct horse", false)
	s.add(t, "bob@example.org", "tr0ub4dor", false)
	s.add(t, "zoë,=x@example.org", "ﬁancé\u00a0x", false)
	s.add(t, "closed@example.org", "correct horse", true)
	srv, err := New(Config{Domain: jid.MustParse("example.org"), Source: s, Secret: bytes.Repeat([]byte{7}, 32), Iterations: MinIterations})
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

var exporter = Binding{TLSExporter, []byte("0123456789abcdef0123456789abcdef")}

// condition gives the RFC 6120 condition of an error.
func condition(err error) Condition {
	var f *Failure
	if errors.As(err, &f) {
		return f.Condition
	}
	return ""
}

// generators of the other side.
func generator(h Hash) peer.HashGeneratorFcn {
	return map[Hash]peer.HashGeneratorFcn{SHA1: peer.SHA1, SHA256: peer.SHA256, SHA512: peer.SHA512}[h]
}

// login runs an exchange with xdg-go/scram as the client.
func login(o *Offer, mechanism, name, password, authzid string, cb *peer.ChannelBinding) (*Exchange, error) {
	h := Hash(strings.TrimSuffix(strings.TrimPrefix(mechanism, "SCRAM-"), "-PLUS"))
	client, err := generator(h).NewClient(name, password, authzid)
	if err != nil {
		return nil, err
	}
	conv := client.NewConversation()
	if cb != nil {
		conv = client.NewConversationWithChannelBinding(*cb)
	}
	e, err := o.Start(mechanism)
	if err != nil {
		return nil, err
	}
	msg := ""
	for {
		reply, err := conv.Step(msg)
		if err != nil {
			return nil, err
		}
		challenge, done, err := e.Step(ctx, []byte(reply))
		if err != nil {
			return e, err
		}
		if msg = string(challenge); done {
			if _, err := conv.Step(msg); err != nil {
				return nil, err // the server's signature
			}
			return e, nil
		}
	}
}

func TestScramAgainstForeignClient(t *testing.T) {
	t.Parallel()
	srv := house(t)
	cb := &peer.ChannelBinding{Type: peer.ChannelBindingTLSExporter, Data: exporter.Data}
	for _, h := range Hashes {
		t.Run(string(h), func(t *testing.T) {
			t.Parallel()
			name := "SCRAM-" + string(h)
			for _, c := range []struct {
				what, mech, user, password, authzid string
				offer                               *Offer
				cb                                  *peer.ChannelBinding
				want                                Condition
			}{
				{"right", name, "alice", "correct horse", "", srv.Offer(true), nil, ""},
				{"own address as authzid", name, "alice", "correct horse", "alice@example.org", srv.Offer(true), nil, ""},
				{"case folds (RFC 7622 §3.3)", name, "ALICE", "correct horse", "", srv.Offer(true), nil, ""},
				{"bound", name + "-PLUS", "alice", "correct horse", "", srv.Offer(true, exporter), cb, ""},
				{"wrong password", name, "alice", "wrong", "", srv.Offer(true), nil, NotAuthorized},
				{"unknown", name, "nobody", "correct horse", "", srv.Offer(true), nil, NotAuthorized},
				{"no account name", name, "a b", "correct horse", "", srv.Offer(true), nil, NotAuthorized},
				{"somebody else", name, "alice", "correct horse", "bob@example.org", srv.Offer(true), nil, InvalidAuthzid},
				{"nobody else", name, "alice", "correct horse", "ghost@example.org", srv.Offer(true), nil, InvalidAuthzid},
				{"the domain", name, "alice", "correct horse", "example.org", srv.Offer(true), nil, InvalidAuthzid},
				{"disabled", name, "closed", "correct horse", "", srv.Offer(true), nil, AccountDisabled},
				{"disabled, wrong password", name, "closed", "wrong", "", srv.Offer(true), nil, NotAuthorized},
				{"another connection", name + "-PLUS", "alice", "correct horse", "", srv.Offer(true, Binding{TLSExporter, []byte("other")}), cb, NotAuthorized},
				{"escaped name, prepared password", name, "zoë,=x", "fiancé x", "", srv.Offer(true), nil, ""},
			} {
				e, err := login(c.offer, c.mech, c.user, c.password, c.authzid, c.cb)
				if got := condition(err); got != c.want || (err != nil) != (c.want != "") {
					t.Errorf("%s: %v, want condition %q", c.what, err, c.want)
					continue
				}
				if err != nil {
					if e.Account() != (jid.JID{}) {
						t.Errorf("%s: a failed exchange has the account %s", c.what, e.Account())
					}
					continue
				}
				if want := strings.ToLower(c.user) + "@example.org"; e.Account().String() != want {
					t.Errorf("%s: account %s, want %s", c.what, e.Account(), want)
				}
			}
		})
	}
}

// The example of RFC 5802 §5 and of RFC 7677 §3, byte by byte (the attribute h comes in addition).
func TestExamplesOfTheRFCs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ h, clientNonce, serverNonce, salt, proof, signature string }{
		{"SHA-1", "fyko+d2lbbFgONRv9qkxdawL", "3rfcNHYJY1ZVvWVs7j", "QSXCR+Q6sek8bf92", "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "rmF9pqV8S7suAoZWja4dJRkFsKQ="},
		{"SHA-256", "rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", "W22ZaJ0SNY7soEsUEjb6gQ==", "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
	} {
		salt, _ := base64.StdEncoding.DecodeString(c.salt)
		v, err := Derive(Hash(c.h), "pencil", salt, 4096)
		if err != nil {
			t.Fatal(err)
		}
		m := &scram{h: Hash(c.h), found: true, rec: Record{Verifier: v}, full: c.clientNonce + c.serverNonce, gs2: "n,,",
			authText: "n=user,r=" + c.clientNonce + ",r=" + c.clientNonce + c.serverNonce + ",s=" + c.salt + ",i=4096"}
		out, err := m.final("c=biws,r=" + m.full + ",p=" + c.proof)
		if err != nil || string(out) != "v="+c.signature {
			t.Errorf("%s: %q, %v; want v=%s", c.h, out, err, c.signature)
		}
	}
}

// The example of XEP-0474 §5 gives this hash for these lists.
func TestListHashOfTheXEP(t *testing.T) {
	t.Parallel()
	lists := "SCRAM-SHA-1\x1eSCRAM-SHA-1-PLUS\x1ftls-exporter\x1etls-server-end-point"
	if got := base64.StdEncoding.EncodeToString(digest(SHA1, []byte(lists))); got != "G6k/rBLDqgOhRRaCuuatSDFkJ08=" {
		t.Errorf("hash of the example's lists: %s", got)
	}
	o := house(t).Offer(true, exporter, Binding{TLSServerEndPoint, []byte("x")})
	want := "PLAIN\x1eSCRAM-SHA-1\x1eSCRAM-SHA-1-PLUS\x1eSCRAM-SHA-256\x1eSCRAM-SHA-256-PLUS\x1eSCRAM-SHA-512\x1eSCRAM-SHA-512-PLUS" +
		"\x1ftls-exporter\x1etls-server-end-point"
	if !bytes.Equal(o.listHash(SHA256), digest(SHA256, []byte(want))) {
		t.Error("the hash is not over the sorted lists on offer")
	}
}

func TestMalformedAndHostileMessages(t *testing.T) {
	t.Parallel()
	srv := house(t)
	bound, free := srv.Offer(true, exporter), srv.Offer(true)
	for _, c := range []struct {
		what, mech string
		o          *Offer
		first      string
		want       Condition
	}{
		{"y though -PLUS was offered", "SCRAM-SHA-256", bound, "y,,n=alice,r=abc", NotAuthorized},
		{"y without -PLUS", "SCRAM-SHA-256", free, "y,,n=alice,r=abc", ""},
		{"p with a mechanism that is not -PLUS", "SCRAM-SHA-256", bound, "p=tls-exporter,,n=alice,r=abc", NotAuthorized},
		{"n with -PLUS", "SCRAM-SHA-256-PLUS", bound, "n,,n=alice,r=abc", NotAuthorized},
		{"a binding not on offer", "SCRAM-SHA-256-PLUS", bound, "p=tls-unique,,n=alice,r=abc", NotAuthorized},
		{"an empty binding type", "SCRAM-SHA-256-PLUS", bound, "p=,,n=alice,r=abc", MalformedRequest},
		{"mandatory extension", "SCRAM-SHA-256", free, "n,,m=x,n=alice,r=abc", MalformedRequest},
		{"mandatory extension behind", "SCRAM-SHA-256", free, "n,,n=alice,r=abc,m=x", MalformedRequest},
		{"optional extension", "SCRAM-SHA-256", free, "n,,n=alice,r=abc,x=y", ""},
		{"empty", "SCRAM-SHA-256", free, "", MalformedRequest},
		{"no gs2 header", "SCRAM-SHA-256", free, "n=alice,r=abc", MalformedRequest},
		{"bad escape", "SCRAM-SHA-256", free, "n,,n=al=2cice,r=abc", MalformedRequest},
		{"empty name", "SCRAM-SHA-256", free, "n,,n=,r=abc", MalformedRequest},
		{"empty nonce", "SCRAM-SHA-256", free, "n,,n=alice,r=", MalformedRequest},
		{"space in nonce", "SCRAM-SHA-256", free, "n,,n=alice,r=a b", MalformedRequest},
		{"no nonce", "SCRAM-SHA-256", free, "n,,n=alice", MalformedRequest},
		{"not UTF-8", "SCRAM-SHA-256", free, "n,,n=\xc0\xbc,r=abc", MalformedRequest},
		{"NUL", "SCRAM-SHA-256", free, "n,,n=a\x00b,r=abc", MalformedRequest},
		{"too long", "SCRAM-SHA-256", free, "n,,n=alice,r=" + strings.Repeat("a", maxResponse), MalformedRequest},
		{"PLAIN without NUL", "PLAIN", free, "alice", MalformedRequest},
		{"PLAIN with one NUL", "PLAIN", free, "alice\x00pw", MalformedRequest},
		{"PLAIN with three NULs", "PLAIN", free, "\x00alice\x00pw\x00", MalformedRequest},
		{"PLAIN without a name", "PLAIN", free, "\x00\x00pw", MalformedRequest},
		{"PLAIN for another", "PLAIN", free, "bob@example.org\x00alice\x00correct horse", InvalidAuthzid},
		{"PLAIN wrong", "PLAIN", free, "\x00alice\x00wrong", NotAuthorized},
		{"PLAIN unknown", "PLAIN", free, "\x00nobody\x00correct horse", NotAuthorized},
		{"PLAIN disabled", "PLAIN", free, "\x00closed\x00correct horse", AccountDisabled},
		{"PLAIN right", "PLAIN", free, "\x00alice\x00correct horse", ""},
		{"PLAIN with own address", "PLAIN", free, "alice@example.org\x00Alice\x00correct horse", ""},
	} {
		e, err := c.o.Start(c.mech)
		if err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		_, _, err = e.Step(ctx, []byte(c.first))
		if got := condition(err); got != c.want {
			t.Errorf("%s: %v, want condition %q", c.what, err, c.want)
		}
		if err != nil {
			if _, _, err := e.Step(ctx, []byte(c.first)); condition(err) != MalformedRequest {
				t.Errorf("%s: a failed exchange went on: %v", c.what, err)
			}
		}
	}
}

func TestFinalMessage(t *testing.T) {
	t.Parallel()
	srv := house(t)
	for _, c := range []struct {
		what, final string
		want        Condition
	}{
		{"no proof", "c=biws,r=NONCE", MalformedRequest},
		{"bad base64 in the proof", "c=biws,r=NONCE,p=!!!", MalformedRequest},
		{"bad base64 in the header", "c=!,r=NONCE,p=AAAA", MalformedRequest},
		{"a short proof", "c=biws,r=NONCE,p=AAAA", NotAuthorized},
		{"our nonce alone", "c=biws,r=abc,p=AAAA", NotAuthorized},
		{"another gs2 header", "c=eSws,r=NONCE,p=AAAA", NotAuthorized},
		{"swapped attributes", "r=NONCE,c=biws,p=AAAA", MalformedRequest},
		{"mandatory extension", "c=biws,r=NONCE,m=x,p=AAAA", MalformedRequest},
		{"empty", "", MalformedRequest},
	} {
		e, _ := srv.Offer(true).Start("SCRAM-SHA-256")
		challenge, _, err := e.Step(ctx, []byte("n,,n=alice,r=abc"))
		if err != nil {
			t.Fatal(err)
		}
		nonce, _, _ := strings.Cut(strings.TrimPrefix(string(challenge), "r="), ",")
		_, done, err := e.Step(ctx, []byte(strings.ReplaceAll(c.final, "NONCE", nonce)))
		if condition(err) != c.want || done {
			t.Errorf("%s: done %v, %v; want condition %q", c.what, done, err, c.want)
		}
	}
}

// RFC 6120 §6.4.2: without an initial response the server asks for one by an empty challenge.
func TestNoInitialResponse(t *testing.T) {
	t.Parallel()
	for _, mech := range []string{"PLAIN", "SCRAM-SHA-1"} {
		e, _ := house(t).Offer(true).Start(mech)
		if c, done, err := e.Step(ctx, nil); len(c) != 0 || done || err != nil {
			t.Errorf("%s: %q %v %v", mech, c, done, err)
		}
	}
}

func TestOffer(t *testing.T) {
	t.Parallel()
	srv := house(t)
	if got := strings.Join(srv.Offer(false).Mechanisms(), " "); got != "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1" {
		t.Errorf("without TLS data: %s", got)
	}
	for _, name := range []string{"PLAIN", "SCRAM-SHA-1-PLUS", "SCRAM-MD5", "EXTERNAL", "", "scram-sha-1"} {
		if _, err := srv.Offer(false).Start(name); condition(err) != InvalidMechanism {
			t.Errorf("%q: %v, want invalid-mechanism", name, err)
		}
	}
}

// An account that does not exist answers like one that does: same salt each time, another for each name and hash.
func TestUnknownAccountLooksReal(t *testing.T) {
	t.Parallel()
	srv := house(t)
	ask := func(mech, name string) string {
		e, _ := srv.Offer(true).Start(mech)
		c, _, err := e.Step(ctx, []byte("n,,n="+name+",r=abc"))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(c), ",s=")
		return rest
	}
	a, b := ask("SCRAM-SHA-256", "ghost"), ask("SCRAM-SHA-256", "GHOST")
	if a != b {
		t.Errorf("the record of an unknown name changes: %s, %s", a, b)
	}
	if a == ask("SCRAM-SHA-256", "ghost2") || a == ask("SCRAM-SHA-1", "ghost") {
		t.Error("two unknown names or hashes have one salt")
	}
	real := ask("SCRAM-SHA-256", "alice")
	if len(real) != len(a) || !strings.Contains(a, ",i=4096,") {
		t.Errorf("unknown %q does not look like real %q", a, real)
	}
}

// The work for an unknown account is that for a wrong password: PLAIN pays the derivation in both cases.
func TestUnknownAccountCostsTheSame(t *testing.T) {
	srv := house(t)
	least := func(msg string) time.Duration { // the least is the work itself; a busy machine only adds
		best := time.Hour
		for range 31 {
			e, _ := srv.Offer(true).Start("PLAIN")
			t0 := time.Now()
			_, _, _ = e.Step(ctx, []byte(msg))
			best = min(best, time.Since(t0))
		}
		return best
	}
	known, unknown := least("\x00alice\x00wrong"), least("\x00ghost\x00wrong")
	if unknown < known/2 || unknown > known*2 {
		t.Errorf("known %v, unknown %v", known, unknown)
	}
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{"I\u00adX", "IX"}, {"user", "user"}, {"USER", "USER"}, {"\u00aa", "a"}, {"\u2168", "IX"}, // the examples of RFC 4013
		{"🔑 key", "🔑 key"}, // unassigned in Unicode 3.2: used as it is
	} {
		if got, err := Prepare(c.in); err != nil || got != c.want {
			t.Errorf("Prepare(%q) = %q, %v; want %q", c.in, got, err, c.want)
		}
	}
	for _, bad := range []string{"", "\u00ad", "a\x07b", "a\x00b", "\xff\xfe", strings.Repeat("x", MaxPassword+1)} {
		if _, err := Prepare(bad); !errors.Is(err, ErrPassword) {
			t.Errorf("Prepare(%.10q) = %v, want ErrPassword", bad, err)
		}
	}
	if _, err := DeriveAll("password", 1000); err == nil {
		t.Error("1000 iterations were accepted")
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		want []byte
		bad  bool
	}{
		{"", nil, false}, {"=", []byte{}, false}, {"YQ==", []byte("a"), false},
		{"YQ=", nil, true}, {"Y=Q=", nil, true}, {"YR==", nil, true}, {"YQ==\n", nil, true}, {"_-8=", nil, true}, {"==", nil, true},
	} {
		got, err := Decode(c.in)
		if c.bad != (condition(err) == IncorrectEncoding) || !c.bad && (!bytes.Equal(got, c.want) || (got == nil) != (c.want == nil)) {
			t.Errorf("Decode(%q) = %v, %v", c.in, got, err)
		}
	}
}

// Both ends of one TLS 1.3 connection see the same bindings, and our types agree with the other implementation's.
func TestBindingsOfARealConnection(t *testing.T) {
	t.Parallel()
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"example.org"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		a, b := net.Pipe()
		srv := tls.Server(a, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MaxVersion: version})
		cli := tls.Client(b, &tls.Config{InsecureSkipVerify: true, ServerName: "example.org"})
		errc := make(chan error, 1)
		go func() { errc <- srv.Handshake() }()
		if err := cli.Handshake(); err != nil {
			t.Fatal(err)
		}
		if err := <-errc; err != nil {
			t.Fatal(err)
		}
		ss, cs := srv.ConnectionState(), cli.ConnectionState()
		ours := Bindings(&ss, leaf)
		want := 2
		if version == tls.VersionTLS12 { // RFC 9266: there is no tls-unique in TLS 1.3
			want = 3
			unique, err := Unique(&cs)
			if err != nil || ours[1].Type != TLSUnique || !bytes.Equal(unique.Data, ours[1].Data) {
				t.Errorf("tls-unique differs between the ends: %v", err)
			}
		}
		if len(ours) != want {
			t.Fatalf("TLS %x: %d bindings, want %d", version, len(ours), want)
		}
		end, err := peer.NewTLSServerEndpointBinding(&cs)
		if err != nil || !bytes.Equal(end.Data, ours[want-1].Data) {
			t.Errorf("TLS %x: tls-server-end-point differs: %v", version, err)
		}
		theirs, err := Exporter(&cs)
		if err != nil || !bytes.Equal(theirs.Data, ours[0].Data) {
			t.Errorf("TLS %x: tls-exporter differs between the ends: %v", version, err)
		}
		if version == tls.VersionTLS13 {
			x, err := peer.NewTLSExporterBinding(&cs)
			if err != nil || !bytes.Equal(x.Data, ours[0].Data) {
				t.Errorf("tls-exporter differs from the other implementation's: %v", err)
			}
		}
		a.Close()
		b.Close()
	}
}

func TestVerifiersDoNotPrint(t *testing.T) {
	t.Parallel()
	v := Verifier{Hash: SHA1, StoredKey: []byte("secretsecret")}
	for _, s := range []string{v.String(), v.GoString()} {
		if strings.Contains(s, "secret") {
			t.Errorf("a verifier prints its key: %s", s)
		}
	}
}

// No input makes an exchange panic, succeed, or answer anything but a defined condition.
func FuzzExchange(f *testing.F) {
	srv := house(f)
	o := srv.Offer(true, exporter)
	f.Add(uint8(0), []byte("n,,n=alice,r=abc"), []byte("c=biws,r=abc,p=AAAA"))
	f.Add(uint8(1), []byte("p=tls-exporter,,n=alice,r=abc"), []byte("c=,r=,p="))
	f.Add(uint8(6), []byte("\x00alice\x00pw"), []byte{})
	f.Fuzz(func(t *testing.T, mech uint8, first, final []byte) {
		mechs := o.Mechanisms()
		e, err := o.Start(mechs[int(mech)%len(mechs)])
		if err != nil {
			t.Fatal(err)
		}
		for _, msg := range [][]byte{first, final} {
			_, done, err := e.Step(ctx, msg)
			if done && !bytes.Contains(first, []byte("correct horse")) && !bytes.Contains(first, []byte("tr0ub4dor")) {
				t.Fatalf("logged in by %q, %q", first, final)
			}
			if err != nil && condition(err) == TemporaryAuthFailure {
				t.Fatalf("a fault of ours: %v", err)
			}
		}
	})
}

func BenchmarkScramServer(b *testing.B) {
	srv := house(b)
	o := srv.Offer(true)
	b.ReportAllocs()
	for b.Loop() {
		e, _ := o.Start("SCRAM-SHA-256")
		if _, _, err := e.Step(ctx, []byte("n,,n=alice,r=fyko+d2lbbFgONRv9qkxdawL")); err != nil {
			b.Fatal(err)
		}
		_, _, _ = e.Step(ctx, []byte("c=biws,r=x,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="))
	}
}

func BenchmarkPlain(b *testing.B) {
	o := house(b).Offer(true)
	for b.Loop() {
		e, _ := o.Start("PLAIN")
		if _, _, err := e.Step(ctx, []byte("\x00alice\x00correct horse")); err != nil {
			b.Fatal(err)
		}
	}
}
