package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"writ/writtest"
)

// terminal is a program in a tmux window, driven by keys and read from the screen.
type terminal struct {
	t      *testing.T
	socket string
}

func inTerminal(t *testing.T, command string, env ...string) *terminal {
	t.Helper()
	tmux := need(t, "tmux")
	dir, err := os.MkdirTemp("", "writ-tmux") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	x := &terminal{t, filepath.Join(dir, "s")}
	cmd := exec.Command(tmux, "-S", x.socket, "-f", os.DevNull, "new-session", "-d", "-x", "150", "-y", "50", command)
	cmd.Env = append(os.Environ(), append(env, "TERM=screen-256color", "LC_ALL=C.UTF-8")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("tmux: %v %s", err, out)
	}
	t.Cleanup(func() {
		exec.Command(tmux, "-S", x.socket, "kill-server").Run()
		os.RemoveAll(dir)
	})
	return x
}

func (x *terminal) tmux(args ...string) string {
	x.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", x.socket}, args...)...).CombinedOutput()
	if err != nil {
		x.t.Fatalf("tmux %v: %v %s", args, err, out)
	}
	return string(out)
}

// types types a line and the return key.
func (x *terminal) types(line string) {
	x.t.Helper()
	x.tmux("send-keys", "-l", line)
	x.tmux("send-keys", "Enter")
}

// shows waits until the screen shows a text.
func (x *terminal) shows(text string) {
	x.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var screen string
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if screen = x.tmux("capture-pane", "-p"); strings.Contains(screen, text) {
			return
		}
	}
	x.t.Fatalf("the screen does not show %q:\n%s", text, screen)
}

// profanity signs in and makes keys.
func (h *house) profanity(t *testing.T, name string) *terminal {
	t.Helper()
	home := t.TempDir()
	x := inTerminal(t, need(t, "profanity"), "XDG_CONFIG_HOME="+home, "XDG_DATA_HOME="+home, "HOME="+home)
	x.shows("Welcome to")
	x.types("/connect " + name + "@localhost server 127.0.0.1 port " + h.port() + " tls trust")
	x.shows("Enter password")
	x.types(writtest.Password)
	x.shows("logged in successfully")
	x.types("/omemo trustmode blind")
	x.types("/omemo gen")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s sees:\n%s", name, x.tmux("capture-pane", "-p"))
		}
	})
	x.shows("Could not find own OMEMO device ID. Going to publish")
	return x
}

// encrypts opens the chat with a contact; only when the contact's keys have come can anything be encrypted to them.
func (x *terminal) encrypts(contact string) {
	x.t.Helper()
	x.types("/msg " + contact + "@localhost")
	x.types("/omemo start")
	x.types("/win 1")
	x.shows("Blind trust for " + contact + "@localhost")
	x.types("/win 2")
}

// Two profanities with OMEMO, both ways. Profanity publishes its devices only if item-not-found carries the code 404.
func TestProfanity(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.Account(t, "alice")
	h.Account(t, "bob")
	h.befriend(t, "alice", "bob")
	alice, bob := h.profanity(t, "alice"), h.profanity(t, "bob")
	alice.encrypts("bob")
	alice.types("through the terminal")
	bob.types("/msg alice@localhost")
	bob.shows("through the terminal")
	bob.encrypts("alice")
	bob.types("heard in the terminal")
	alice.shows("heard in the terminal")
	for _, x := range []*terminal{alice, bob} {
		x.shows("[OMEMO]")
	}
}
