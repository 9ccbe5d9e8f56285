package interop

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"writ/server"
	"writ/store/storetest"
	"writ/writtest"
	"writ/xmpp/locate"
	"writ/xmpp/xml"
)

// foreign is a server that others wrote, with one person's client.
type foreign struct {
	domain string
	c2s    string // address
	person *writtest.Client
}

// freePort is a port that was free a moment ago.
func freePort(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort().Port()
}

// open makes a folder that the server's own user may use.
func openFolder(t *testing.T, user string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "writ-"+user)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// copies gives the server copies of a certificate and its key.
func copies(t *testing.T, dir, cert, key, root string) {
	t.Helper()
	var both []byte
	for name, from := range map[string]string{"cert.pem": cert, "key.pem": key, "root.pem": root} {
		b, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		if name != "root.pem" {
			both = append(both, b...)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "both.pem"), both, 0o644); err != nil {
		t.Fatal(err)
	}
}

// background runs a server until the test ends, and shows its log if the test failed.
func background(t *testing.T, name string, cmd *exec.Cmd, log string) {
	t.Helper()
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second // what it has started may hold its output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // with what it has started
		cmd.Wait()
		if t.Failed() {
			b, _ := os.ReadFile(log)
			t.Logf("%s said: %s\n%s", name, said.String(), b)
		}
	})
}

// reachable waits until a port accepts.
func reachable(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return
		}
	}
	t.Fatalf("nothing listens on %s", address)
}

// enter puts a foreign server into the world's DNS.
func enter(w *writtest.World, domain string, port uint16) {
	w.Point("_xmpp-server._tcp."+domain, locate.Service{Host: domain, Port: port, Weight: 1})
	w.Place(domain, netip.MustParseAddr("127.0.0.1"))
}

// prosody starts Debian's prosody.
func prosody(t *testing.T, w *writtest.World, resolver string) *foreign {
	t.Helper()
	f := &foreign{domain: "prosody.example"}
	dir := openFolder(t, "prosody")
	cert, key := w.Certify(t, f.domain, nil)
	copies(t, dir, cert, key, w.Root)
	c2s, s2s := freePort(t), freePort(t)
	f.c2s = fmt.Sprintf("127.0.0.1:%d", c2s)
	_, port, _ := net.SplitHostPort(resolver)
	// The resolver of prosody knows only port 53.
	must(t, os.MkdirAll(filepath.Join(dir, "plugins"), 0o755))
	must(t, os.MkdirAll(filepath.Join(dir, "data"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "plugins", "mod_dnsport.lua"), []byte(`
local socket = require "socket";
local methods = getmetatable(socket.udp()).__index;
local old = methods.setpeername;
methods.setpeername = function (s, host, port)
	if port == 53 then host, port = "127.0.0.1", `+port+`; end
	return old(s, host, port);
end
`), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "prosody.cfg.lua"), []byte(fmt.Sprintf(`
run_as_root = true
daemonize = false
data_path = "%[1]s/data"
pidfile = "%[1]s/prosody.pid"
plugin_paths = { "%[1]s/plugins" }
modules_enabled = { "disco"; "roster"; "saslauth"; "tls"; "dialback"; "s2s_bidi"; "smacks"; "pep"; "vcard4"; "ping"; "register"; "version"; "dnsport" }
modules_disabled = { "s2s_auth_dane_in" }
allow_registration = true
authentication = "internal_plain"
interfaces = { "127.0.0.1" }
c2s_ports = { %[2]d }
s2s_ports = { %[3]d }
c2s_direct_tls_ports = {}
s2s_direct_tls_ports = {}
http_ports = {}
https_ports = {}
c2s_require_encryption = false
s2s_require_encryption = true
s2s_secure_auth = true
s2s_insecure_domains = { "dial.example" }
allow_unencrypted_plain_auth = true
log = { debug = "%[1]s/prosody.log" }
ssl = { key = "%[1]s/key.pem"; certificate = "%[1]s/cert.pem"; cafile = "%[1]s/root.pem" }
VirtualHost "prosody.example"
Component "rooms.prosody.example" "muc"
`, dir, c2s, s2s)), 0o644))
	background(t, "prosody", exec.Command(need(t, "prosody"), "-F", "--config", filepath.Join(dir, "prosody.cfg.lua")), filepath.Join(dir, "prosody.log"))
	enter(w, f.domain, s2s)
	reachable(t, f.c2s)
	return f
}

// ejabberd starts Debian's ejabberd.
func ejabberd(t *testing.T, w *writtest.World, resolver string) *foreign {
	t.Helper()
	f := &foreign{domain: "ejabberd.example"}
	dir := openFolder(t, "ejabberd")
	cert, key := w.Certify(t, f.domain, nil)
	copies(t, dir, cert, key, w.Root)
	c2s, s2s := freePort(t), freePort(t)
	f.c2s = fmt.Sprintf("127.0.0.1:%d", c2s)
	_, port, _ := net.SplitHostPort(resolver)
	must(t, os.WriteFile(filepath.Join(dir, "inetrc"), []byte("{lookup,[file,dns]}.\n{resolv_conf,\"\"}.\n{hosts_file,\"\"}.\n{host,{127,0,0,1},[\"localhost\"]}.\n{nameserver,{127,0,0,1},"+port+"}.\n"), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "ejabberdctl.cfg"), []byte("POLL=true\nEJABBERD_PID_PATH="+dir+"/pid\nERL_OPTIONS=\"-env ERL_CRASH_DUMP_BYTES 0\"\n"), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "ejabberd.yml"), []byte(fmt.Sprintf(`
loglevel: debug
hosts: [ejabberd.example]
certfiles: [%[1]s/both.pem]
ca_file: %[1]s/root.pem
s2s_use_starttls: required
s2s_cafile: %[1]s/root.pem
listen:
  - {port: %[2]d, ip: "127.0.0.1", module: ejabberd_c2s, starttls: true, access: all, shaper: none}
  - {port: %[3]d, ip: "127.0.0.1", module: ejabberd_s2s_in}
registration_timeout: infinity
acl:
  local: {user_regexp: ""}
access_rules:
  local: {allow: local}
modules:
  mod_adhoc: {}
  mod_caps: {}
  mod_disco: {}
  mod_offline: {}
  mod_ping: {}
  mod_pubsub: {plugins: [flat, pep]}
  mod_register: {ip_access: all, password_strength: 0}
  mod_roster: {}
  mod_s2s_dialback: {}
  mod_stream_mgmt: {}
  mod_vcard: {}
  mod_version: {}
`, dir, c2s, s2s)), 0o644))
	run := []string{"-n", "writ" + strconv.Itoa(int(s2s)) + "@localhost", "-d", dir, "-s", filepath.Join(dir, "spool"), "-l", filepath.Join(dir, "logs"), "foreground"}
	cmd := exec.Command(need(t, "ejabberdctl"), run...)
	if os.Getuid() == 0 { // it refuses to run as root
		must(t, exec.Command("chown", "-R", "ejabberd:ejabberd", dir).Run())
		cmd = exec.Command("su", "-s", "/bin/sh", "-c", "exec ejabberdctl "+strings.Join(run, " "), "ejabberd")
	}
	must(t, os.Chmod(dir, 0o755))
	cmd.Dir = "/"
	background(t, "ejabberd", cmd, filepath.Join(dir, "logs", "ejabberd.log"))
	t.Cleanup(func() { // su gives it a group of its own
		b, _ := os.ReadFile(filepath.Join(dir, "pid"))
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && pid > 1 {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	enter(w, f.domain, s2s)
	reachable(t, f.c2s)
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// signUp makes the person's account and signs in.
func (f *foreign) signUp(t *testing.T, name string) {
	t.Helper()
	f.person = writtest.Elsewhere(t, f.c2s, f.domain)
	if _, err := f.person.Open(); err != nil {
		t.Fatal(err)
	}
	must(t, f.person.Register(name))
	f.person.Drop()
	f.person = writtest.Elsewhere(t, f.c2s, f.domain)
	if _, err := f.person.Open(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.person.Authenticate(name); err != nil {
		t.Fatal(err)
	}
	must(t, f.person.Bind("x"))
	f.person.Write("<iq xmlns='jabber:client' type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq><presence xmlns='jabber:client'/>")
}

// await gives the next element that fits; others are passed over.
func await(t *testing.T, c *writtest.Client, what string, fits func(*xml.Element) bool) *xml.Element {
	t.Helper()
	var last string
	for {
		e, err := c.Next()
		if err != nil {
			t.Fatalf("%s waits for %s: %v; the last that came: %s", c.JID, what, err, last)
		}
		if last = string(e.AppendTo(nil, "")); fits(e) {
			return e
		}
	}
}

// Debian's prosody and ejabberd, and Writ, one with a certificate that all trust and one that only the DNS vouches for: every pair exchanges
// messages, requests, errors, subscriptions and presence.
func TestOtherServers(t *testing.T) {
	t.Parallel()
	w := writtest.NewWorld(t)
	resolver := w.Serve(t)
	others := []*foreign{prosody(t, w, resolver), ejabberd(t, w, resolver)}
	real := func(o *server.Options) { o.Resolver, o.Config.S2S.Resolver = nil, []string{resolver} }
	houses := []*writtest.House{
		w.Join(t, storetest.SQLite(t), "writ.example", real),
		w.Join(t, storetest.SQLite(t), "dial.example", real, func(o *server.Options) {
			o.Config.S2S.Dialback = true
			o.Config.TLS.Certificate, o.Config.TLS.Key = writtest.NewWorld(t).Certify(t, "dial.example", nil) // of an authority that nobody knows
		}),
	}
	w.Place("localhost", netip.MustParseAddr("127.0.0.1"))
	for _, h := range houses { // ejabberd asks the machine, not the DNS, for the address of a target
		w.Point("_xmpp-server._tcp."+h.Domain.ASCII(), locate.Service{Host: "localhost", Port: h.At.Peers[0].(*net.TCPAddr).AddrPort().Port(), Weight: 1})
	}
	for _, f := range others {
		f.signUp(t, "juliet")
	}
	for _, h := range houses {
		h.Account(t, "romeo")
		c := h.Dial(t, writtest.DirectTLS)
		must(t, c.Login("romeo", "w"))
		c.Write("<iq xmlns='jabber:client' type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq><presence xmlns='jabber:client'/>")
		for _, f := range others {
			began := time.Now()
			converse(t, c, f.person)
			t.Logf("%s and %s: %s", h.Domain, f.domain, time.Since(began).Round(time.Millisecond))
		}
	}
}

// converse has two people talk, ask each other's server, and become contacts.
func converse(t *testing.T, us, them *writtest.Client) {
	t.Helper()
	id := us.JID.Domainpart()
	say := func(from, to *writtest.Client, text string) {
		t.Helper()
		from.Write("<message xmlns='jabber:client' type='chat' to='" + to.JID.String() + "' id='" + text + "'><body>" + text + "</body></message>")
		e := await(t, to, text, func(e *xml.Element) bool { return e.Child(xml.Client, "body").Text() == text })
		if e.Attr("from") != from.JID.String() {
			t.Fatalf("%s is from %s", text, e.Attr("from"))
		}
	}
	say(us, them, "out-"+id)
	say(them, us, "back-"+id)
	for _, c := range []struct{ from, to *writtest.Client }{{us, them}, {them, us}} {
		server := c.to.JID.Domainpart()
		c.from.Write("<iq xmlns='jabber:client' type='get' id='ping-" + server + "' to='" + server + "'><ping xmlns='urn:xmpp:ping'/></iq>" +
			"<iq xmlns='jabber:client' type='get' id='info-" + server + "' to='" + server + "'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>" +
			"<iq xmlns='jabber:client' type='get' id='none-" + server + "' to='" + server + "'><query xmlns='urn:example:none'/></iq>" +
			"<iq xmlns='jabber:client' type='get' id='nobody-" + server + "' to='nobody@" + server + "/x'><ping xmlns='urn:xmpp:ping'/></iq>")
		want := map[string]string{"ping-" + server: "result", "info-" + server: "result", "none-" + server: "error", "nobody-" + server: "error"}
		for len(want) > 0 {
			e := await(t, c.from, "an answer of "+server, func(e *xml.Element) bool { return want[e.Attr("id")] != "" })
			if e.Attr("type") != want[e.Attr("id")] {
				t.Fatalf("%s", e.AppendTo(nil, ""))
			}
			delete(want, e.Attr("id"))
		}
	}
	befriend(t, us, them)
}

// befriend has both see each other's presence, and then no more.
func befriend(t *testing.T, us, them *writtest.Client) {
	t.Helper()
	bare := func(c *writtest.Client) string { return c.JID.Bare().String() }
	presence := func(from, typ string) func(*xml.Element) bool {
		return func(e *xml.Element) bool {
			return e.Is(xml.Client, "presence") && e.Attr("type") == typ && strings.HasPrefix(e.Attr("from"), from)
		}
	}
	us.Write("<presence xmlns='jabber:client' type='subscribe' to='" + bare(them) + "'/>")
	await(t, them, "a request", presence(bare(us), "subscribe"))
	them.Write("<presence xmlns='jabber:client' type='subscribed' to='" + bare(us) + "'/><presence xmlns='jabber:client' type='subscribe' to='" + bare(us) + "'/>")
	await(t, us, "their presence", presence(them.JID.String(), ""))
	us.Write("<presence xmlns='jabber:client' type='subscribed' to='" + bare(them) + "'/>")
	await(t, them, "our presence", presence(us.JID.String(), ""))
	us.Write("<presence xmlns='jabber:client'><show>dnd</show></presence>")
	await(t, them, "our new presence", func(e *xml.Element) bool {
		return presence(us.JID.String(), "")(e) && e.Child(xml.Client, "show").Text() == "dnd"
	})
	them.Write("<presence xmlns='jabber:client' type='unsubscribed' to='" + bare(us) + "'/>")
	await(t, us, "the end of their presence", presence(bare(them), "unsubscribed"))
}
