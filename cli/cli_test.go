package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"writ/cli"
)

// writ runs a command line and gives its status, its output and what it logged.
func writ(t *testing.T, input string, args ...string) (status int, out, log string) {
	t.Helper()
	var o, e bytes.Buffer
	status = cli.Main(args, strings.NewReader(input), &o, &e)
	return status, o.String(), e.String()
}

func TestTheLifeOfAnAccount(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	for _, c := range []struct {
		args   []string
		input  string
		status int
		want   string // in output or log
	}{
		{[]string{"user", "add", "carol", "--password-stdin", "--display-name", "Carol"}, "a long password\n", 0, "account made: carol@localhost"},
		{[]string{"user", "add", "carol", "--password-stdin"}, "a long password\n", 1, "the name is taken"},
		{[]string{"user", "add", "dave", "--password-stdin"}, "", 1, "no password"},
		{[]string{"user", "add", "dave", "--password-stdin"}, "short\n", 1, "at least 8"},
		{[]string{"user", "add", "dave"}, "", 2, "--password-stdin"},
		{[]string{"user", "add", "d ave", "--password-stdin"}, "a long password\n", 1, "not a usable name"},
		{[]string{"user", "password", "carol", "--password-stdin"}, "another password\n", 0, "password changed"},
		{[]string{"user", "disable", "carol"}, "", 0, "account disabled"},
		{[]string{"user", "enable", "carol"}, "", 0, "account enabled"},
		{[]string{"user", "enable", "nobody"}, "", 1, "no such account"},
		{[]string{"user", "operator", "carol"}, "", 0, "operator: carol@localhost"},
		{[]string{"user", "operator", "carol", "--off"}, "", 0, "no operator any more"},
		{[]string{"user", "operator", "nobody"}, "", 1, "no such account"},
		{[]string{"user", "delete", "nobody"}, "", 1, "no such account"},
		{[]string{"user", "delete", "carol"}, "", 0, "would be deleted"},
		{[]string{"user", "delete", "carol", "--yes"}, "", 0, "account deleted"},
		{[]string{"user", "delete", "carol", "--yes"}, "", 1, "no such account"},
		{[]string{"invite", "--uses", "3", "--life", "2d"}, "", 0, "http://localhost:5280/invite/"},
		{[]string{"invite", "--life", "tomorrow"}, "", 2, "not a length of time"},
		{[]string{"staff", "add", "rosa", "--name", "Rosa", "--roles", "reviewer,counsel"}, "", 0, "/enrol/"},
		{[]string{"staff", "add", "rudi", "--name", "Rudi", "--roles", "king"}, "", 1, "king"},
	} {
		status, out, log := writ(t, c.input, append([]string{"admin", "--data", data}, c.args...)...)
		if status != c.status || !strings.Contains(out+log, c.want) {
			t.Errorf("writ admin %s: %d, want %d with %q\n%s%s", strings.Join(c.args, " "), status, c.status, c.want, out, log)
		}
		if strings.Contains(out+log, "a long password") {
			t.Errorf("writ admin %s shows the password", strings.Join(c.args, " "))
		}
		if c.status == 0 && strings.Contains(c.want, "deleted") && !strings.Contains(c.want, "would") && !strings.Contains(log, "by=") {
			t.Errorf("who deleted the account is not logged:\n%s", log)
		}
	}
}

// A list of accounts is made as far as it can be; what is refused is named by its line, and no password is shown.
func TestAListOfAccounts(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	file := filepath.Join(t.TempDir(), "people")
	if err := os.WriteFile(file, []byte("alice a long password\r\n\nbob a long password\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from, input string
		status      int
		want        string
	}{
		{file, "", 0, "accounts made: 2\n"},
		{"-", "carol a long password\nbob a long password\ndave short\n", 1, "accounts made: 1\n"},
		{"-", "alice a long password\nbob a long password\n", 1, "line 2: account: creating: account: the name is taken: bob@localhost"},
		{"-", "erin a long password\nfrank\n", 1, "line 2 is not a name, a space and a password; no account was made"},
		{"-", "erin a long password\n", 0, "accounts made: 1\n"}, // the line before it made none
		{"-", "\n", 1, "the list is empty"},
		{file + ".none", "", 1, "no such file"},
	} {
		status, out, log := writ(t, c.input, "admin", "--data", data, "user", "import", c.from)
		if status != c.status || !strings.Contains(out+log, c.want) {
			t.Errorf("a list of %q: %d, want %d with %q\n%s%s", c.input, status, c.status, c.want, out, log)
		}
		if strings.Contains(out+log, "a long password") || strings.Contains(out+log, "short\n") {
			t.Errorf("the import shows a password:\n%s%s", out, log)
		}
	}
	if status, out, log := writ(t, "another password\n", "admin", "--data", data, "user", "password", "carol", "--password-stdin"); status != 0 {
		t.Errorf("an imported account is none: %s%s", out, log)
	}
}

func TestAConfigurationIsDescribedAndChecked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	status, text, log := writ(t, "", "describe")
	if status != 0 {
		t.Fatal(log)
	}
	file := filepath.Join(dir, "writ.toml")
	text = strings.ReplaceAll(text, "/var/lib/writ", filepath.Join(dir, "data"))
	check := func(text string) (int, string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		status, out, log := writ(t, "", "check", "--config", file)
		return status, out + log
	}
	if status, out := check(text); status != 0 || !strings.Contains(out, "does not exist yet") {
		t.Errorf("what describe prints is not right: %d\n%s", status, out)
	}
	if status, out := check("domain = 'localhost'\n[xmpp]\nlisten = [':5222']\nport = 5222\n"); status != 1 || !strings.Contains(out, file+":4: xmpp.port: unknown key: allowed are listen, listen_tls") {
		t.Errorf("an unknown key: %d %s", status, out)
	}
	if status, out := check("domain = 'local host'\n"); status != 1 || !strings.Contains(out, file+":1: domain: ") {
		t.Errorf("a wrong value: %d %s", status, out)
	}
	if status, _, log := writ(t, "", "serve", "--config", filepath.Join(dir, "none.toml")); status != 1 || !strings.Contains(log, "none.toml") {
		t.Errorf("no file: %d %s", status, log)
	}
	for _, args := range [][]string{{"nonsense"}, {"serve"}, {"admin", "--config", "a", "--data", "b", "invite"}} {
		if status, _, log := writ(t, "", args...); status != 2 || !strings.Contains(log, "writ:") {
			t.Errorf("%v: %d %s", args, status, log)
		}
	}
}

func TestMigrationBackupAndFsck(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	run := func(want int, contains string, args ...string) {
		t.Helper()
		if status, out, log := writ(t, "", args...); status != want || !strings.Contains(out+log, contains) {
			t.Errorf("writ %s: %d, want %d with %q\n%s%s", strings.Join(args, " "), status, want, contains, out, log)
		}
	}
	run(0, "would be applied", "migrate", "--data", data)
	run(0, "would be applied", "migrate", "--data", data) // it was a dry run
	if _, err := os.Stat(filepath.Join(data, "log.key")); err == nil {
		t.Error("looking made a key")
	}
	run(0, "migrated", "migrate", "--data", data, "--yes")
	run(0, "up to date", "migrate", "--data", data)
	run(0, "log: 0 entries", "fsck", "--data", data)
	to := data + ".backup"
	run(0, "database: writ.db", "backup", "--data", data, to)
	run(1, "file exists", "backup", "--data", data, to)
	for _, f := range []string{"writ.db", "data/log.key", "data/tls/key.pem"} {
		st, err := os.Stat(filepath.Join(to, f))
		if err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("the backup's %s: %v", f, err)
		}
	}
	if _, err := os.Stat(filepath.Join(to, "data", "writ.db")); err == nil {
		t.Error("the live database file was copied")
	}
	run(1, "was not made by writ dev", "dev", "--data", to, "--fresh")
}
