package interop

import (
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"writ/server"
	"writ/writtest"
)

// dino runs the app on a screen of its own and ends it with the test, or when stop is called.
func dino(t *testing.T, home, certificate, screenshot string) (stop func()) {
	t.Helper()
	need(t, "dino-im")
	cmd := exec.Command("dino/run", home, certificate, screenshot)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	stop = func() {
		if !ended {
			ended = true
			syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
			cmd.Wait() // it was ended by a signal
		}
	}
	t.Cleanup(stop)
	return stop
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if holds() {
			return
		}
	}
	t.Fatalf("not in time: %s", what)
}

// dinoStarts makes Dino's database, enters the account and a group there, encrypted, because Dino has no command line for it, and starts it.
func dinoStarts(t *testing.T, h *house, home, screenshot string) (db string) {
	t.Helper()
	db = filepath.Join(home, "data", "dino", "dino.db")
	stop := dino(t, home, h.certificate(), screenshot)
	eventually(t, "Dino's database", func() bool { return ask(db, "select count(*) from account") == "0" })
	stop()
	out, err := exec.Command("python3", "-c", `import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.execute("insert into account (bare_jid, resourcepart, password, alias, enabled, mam_earliest_synced) values ('alice@localhost', 'dino', ?, '', 1, 0)", (sys.argv[2],))
c.execute("insert into jid (id, bare_jid) values (1, ?)", (sys.argv[3],))
c.execute("insert into conversation (account_id, jid_id, type, encryption, active, last_active, notification, send_typing, send_marker) values (1, 1, 1, 2, 1, 1, 0, 0, 0)")
c.commit()`, db, writtest.Password, garden).CombinedOutput()
	if err != nil {
		t.Fatalf("entering the account: %v %s", err, out)
	}
	dino(t, home, h.certificate(), screenshot)
	return db
}

// ask gives the first cell that Dino's database has for a question; nothing if it cannot be asked now.
func ask(db, sql string) string {
	out, _ := exec.Command("python3", "-c", `import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchone()[0])`, db, sql).Output()
	return strings.TrimSpace(string(out))
}

// hand moves the mouse and types on Dino's screen.
func hand(t *testing.T, home string, args ...string) {
	t.Helper()
	screen, err := os.ReadFile(filepath.Join(home, "screen"))
	if err != nil {
		t.Fatal(err)
	}
	display, authority, _ := strings.Cut(strings.TrimSpace(string(screen)), " ")
	cmd := exec.Command(need(t, "xdotool"), args...)
	cmd.Env = append(os.Environ(), "DISPLAY="+display, "XAUTHORITY="+authority)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("xdotool %v: %v %s", args, err, out)
	}
}

// Dino signs in, takes the roster, publishes its keys, enters a private group that another app has bookmarked, reads what slixmpp says there and is
// read, and sees a contact's picture. It speaks to port 5222 alone and wants a certificate that the system trusts; so this test has the
// standard port, and Dino a view of the system's certificates with ours among them.
func TestDino(t *testing.T) {
	t.Parallel()
	h := start(t, func(o *server.Options) { o.Config.XMPP.Listen = []string{"127.0.0.1:5222"} })
	h.Account(t, "alice")
	h.Account(t, "bob")
	h.befriend(t, "alice", "bob")
	bob, phone := h.slix(t, "bob", "old"), h.slix(t, "alice", "old")
	bob.await(event{"event": "ready"})
	bob.do(event{"do": "join", "room": garden, "nick": "bob"})
	bob.await(event{"event": "joined", "room": garden})
	bob.do(event{"do": "instant", "room": garden})
	bob.await(event{"event": "configured"})
	bob.do(event{"do": "members", "room": garden, "jids": []string{"alice@localhost"}})
	bob.await(event{"event": "admitted"})
	phone.await(event{"event": "ready"})
	phone.do(event{"do": "bookmark", "room": garden, "name": "Garden"})
	phone.await(event{"event": "bookmarked"})
	phone.do(event{"do": "quit"})
	phone.await(event{"event": "lost"})

	home, err := os.MkdirTemp("", "writ-dino") // Dino's children may still write when the test's own folder is removed
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	screenshot := filepath.Join(t.ArtifactDir(), "dino.png")
	if dir := os.Getenv("WRIT_SCREENSHOTS"); dir != "" {
		screenshot = filepath.Join(dir, "dino.png")
	}
	db := dinoStarts(t, h, home, screenshot)
	eventually(t, "Dino publishes its keys beside those of the other app", func() bool {
		var bundles int
		err := h.DB.QueryRow(t.Context(), `SELECT count(*) FROM pubsub_node WHERE account = 'alice@localhost' AND node LIKE 'eu.siacs.conversations.axolotl.bundles:%'`).Scan(&bundles)
		return err == nil && bundles == 2
	})
	eventually(t, "Dino has taken the roster", func() bool { return ask(db, "select count(*) from roster where jid = 'bob@localhost'") == "1" })

	read := func() bool {
		return ask(db, "select count(*) from message where body like 'said by a script%' and encryption = 2") > "0"
	}
	for try := 0; !read(); try++ { // slixmpp encrypts to Dino as soon as it has been told of its keys
		if try == 20 {
			t.Fatal("Dino reads nothing in the group")
		}
		bob.do(event{"do": "say", "room": garden, "jids": []string{"alice@localhost", "bob@localhost"}, "body": "said by a script"})
		bob.await(event{"event": "message", "how": "room", "body": "said by a script"})
		for end := time.Now().Add(2 * time.Second); !read() && time.Now().Before(end); {
			hand(t, home, "mousemove", "100", "80", "click", "1") // the group, in the list of conversations
		}
	}
	hand(t, home, "type", "--delay", "20", "said in a window")
	hand(t, home, "key", "Return")
	bob.await(event{"event": "message", "how": "room", "body": "said in a window", "encrypted": true})

	bob.do(event{"do": "show-picture", "hex": hex.EncodeToString(red)})
	bob.await(event{"event": "shown"})
	eventually(t, "Dino has the picture", func() bool { return ask(db, "select count(*) > 0 from contact_avatar") == "1" })
	eventually(t, "a screenshot", func() bool { _, err := os.Stat(screenshot); return err == nil })
}
