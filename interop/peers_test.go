package interop

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"writ/writtest"
	"writ/xmpp/locate"
)

// foreign is a server that others wrote, with one person's client.
type foreign struct {
	domain, rooms string
	c2s           string // address
	person        *writtest.Client
	past          string // what a form says so that a room remembers what was said
	kill          func()
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
func background(t *testing.T, name string, cmd *exec.Cmd, log string) (kill func()) {
	t.Helper()
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second // what it has started may hold its output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // with what it has started
		cmd.Wait()
	})
	t.Cleanup(func() {
		kill()
		if t.Failed() {
			b, _ := os.ReadFile(log)
			t.Logf("%s said: %s\n%s", name, said.String(), b)
		}
	})
	return kill
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

// enter puts a foreign server into the world's DNS, and its rooms.
func (f *foreign) enter(w *writtest.World, port uint16) {
	for _, d := range []string{f.domain, f.rooms} {
		w.Point("_xmpp-server._tcp."+d, locate.Service{Host: f.domain, Port: port, Weight: 1})
	}
	w.Place(f.domain, netip.MustParseAddr("127.0.0.1"))
}

// certify makes a certificate for a foreign server and its rooms.
func (f *foreign) certify(t *testing.T, w *writtest.World, dir string) {
	t.Helper()
	cert, key := w.Certify(t, f.domain, func(c *x509.Certificate) { c.DNSNames = []string{f.domain, f.rooms} })
	copies(t, dir, cert, key, w.Root)
}

// prosody starts Debian's prosody.
func prosody(t *testing.T, w *writtest.World, resolver string) *foreign {
	t.Helper()
	f := &foreign{domain: "prosody.example", rooms: "rooms.prosody.example",
		past: "<field var='muc#roomconfig_historylength'><value>20</value></field><field var='muc#roomconfig_enablearchiving'><value>1</value></field>"}
	dir := openFolder(t, "prosody")
	f.certify(t, w, dir)
	c2s, s2s := writtest.FreePort(t), writtest.FreePort(t)
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
modules_enabled = { "disco"; "roster"; "saslauth"; "tls"; "dialback"; "s2s_bidi"; "smacks"; "pep"; "vcard4"; "vcard_legacy"; "blocklist"; "ping"; "register"; "version"; "dnsport" }
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
	modules_enabled = { "muc_mam" }
`, dir, c2s, s2s)), 0o644))
	f.kill = background(t, "prosody", exec.Command(need(t, "prosody"), "-F", "--config", filepath.Join(dir, "prosody.cfg.lua")), filepath.Join(dir, "prosody.log"))
	f.enter(w, s2s)
	reachable(t, f.c2s)
	return f
}

// ejabberd starts Debian's ejabberd.
func ejabberd(t *testing.T, w *writtest.World, resolver string) *foreign {
	t.Helper()
	f := &foreign{domain: "ejabberd.example", rooms: "rooms.ejabberd.example"}
	dir := openFolder(t, "ejabberd")
	f.certify(t, w, dir)
	c2s, s2s := writtest.FreePort(t), writtest.FreePort(t)
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
  mod_blocking: {}
  mod_caps: {}
  mod_disco: {}
  mod_mam: {}
  mod_muc: {hosts: [rooms.ejabberd.example], default_room_options: {mam: true}}
  mod_offline: {}
  mod_ping: {}
  mod_privacy: {}
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
	stop := background(t, "ejabberd", cmd, filepath.Join(dir, "logs", "ejabberd.log"))
	f.kill = sync.OnceFunc(func() { // su gives it a group of its own
		b, _ := os.ReadFile(filepath.Join(dir, "pid"))
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && pid > 1 {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		stop()
	})
	t.Cleanup(f.kill)
	f.enter(w, s2s)
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
