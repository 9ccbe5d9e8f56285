package interop

import (
	"os"
	"os/exec"
	"path/filepath"
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

// Dino signs in, takes the roster and publishes its keys. It speaks to port 5222 alone and wants a certificate that the system
// trusts; so this test has the standard port, and Dino a view of the system's certificates with ours among them.
func TestDino(t *testing.T) {
	t.Parallel()
	h := start(t, func(o *server.Options) { o.Config.XMPP.Listen = []string{"127.0.0.1:5222"} })
	h.Account(t, "alice")
	h.Account(t, "bob")
	h.befriend(t, "alice", "bob")
	home, err := os.MkdirTemp("", "writ-dino") // Dino's children may still write when the test's own folder is removed
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	screenshot := filepath.Join(t.ArtifactDir(), "dino.png")
	if dir := os.Getenv("WRIT_SCREENSHOTS"); dir != "" {
		screenshot = filepath.Join(dir, "dino.png")
	}
	db := filepath.Join(home, "data", "dino", "dino.db")

	// The first start makes Dino's database; the account is then entered there, because Dino has no command line for it.
	stop := dino(t, home, h.certificate(), screenshot)
	eventually(t, "Dino's database", func() bool {
		return exec.Command("python3", "-c", `import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute("select count(*) from account").fetchone()`, db).Run() == nil
	})
	stop()
	out, err := exec.Command("python3", "-c", `import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.execute("insert into account (bare_jid, resourcepart, password, alias, enabled, mam_earliest_synced) values ('alice@localhost', 'dino', ?, '', 1, 0)", (sys.argv[2],))
c.commit()`, db, writtest.Password).CombinedOutput()
	if err != nil {
		t.Fatalf("entering the account: %v %s", err, out)
	}

	dino(t, home, h.certificate(), screenshot)
	count := func(sql string) (n int) {
		if err := h.DB.QueryRow(t.Context(), sql).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	eventually(t, "Dino publishes its keys", func() bool {
		return count(`SELECT count(*) FROM pubsub_item WHERE account = 'alice@localhost' AND node = 'eu.siacs.conversations.axolotl.devicelist'`) == 1
	})
	eventually(t, "Dino has taken the roster", func() bool {
		return exec.Command("python3", "-c", `import sqlite3, sys; sys.exit(0 if sqlite3.connect(sys.argv[1]).execute("select count(*) from roster where jid = 'bob@localhost'").fetchone()[0] == 1 else 1)`, db).Run() == nil
	})
	eventually(t, "a screenshot", func() bool { _, err := os.Stat(screenshot); return err == nil })
}
