package cli_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"writ/cli"
)

// TestMain lets the test binary be the program itself, as a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv("WRIT_TEST_PROGRAM") != "" {
		os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// serve starts the program and returns once it is ready.
func serve(t *testing.T, config string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "serve", "--config", config)
	cmd.Env = append(os.Environ(), "WRIT_TEST_PROGRAM=1")
	errors, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	lines := bufio.NewScanner(errors)
	for lines.Scan() {
		fmt.Fprintln(&log, lines.Text())
		if strings.Contains(lines.Text(), "msg=ready") {
			go func() { // the pipe must not fill up
				for lines.Scan() {
				}
			}()
			return cmd
		}
	}
	t.Fatalf("it did not start: %v\n%s", cmd.Wait(), log.String())
	return nil
}

// The program stops when it is told, with status 0; after kill -9 it starts again on the same data; a command beside it works.
func TestTheProgramAsAProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := filepath.Join(dir, "writ.toml")
	text := fmt.Sprintf("domain = 'writ.example'\ndata = '%[1]s/data'\n[store]\nurl = 'sqlite:%[1]s/data/writ.db'\n[xmpp]\nlisten = ['127.0.0.1:0']\nlisten_tls = ['127.0.0.1:0']\n"+
		"[http]\nlisten = []\nlisten_tls = ['127.0.0.1:0']\ninternal = ''\nconsole = ''\n[federation]\nmode = 'off'\n", dir)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	killed := serve(t, config)
	if status, out, log := writ(t, "a long password\n", "admin", "--config", config, "user", "add", "carol", "--password-stdin"); status != 0 {
		t.Errorf("beside the server: %d %s%s", status, out, log)
	}
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	killed.Wait()
	told := serve(t, config)
	if status, out, log := writ(t, "a long password\n", "admin", "--config", config, "user", "add", "carol", "--password-stdin"); status != 1 || !strings.Contains(log, "taken") {
		t.Errorf("after kill -9 the account is gone: %d %s%s", status, out, log)
	}
	if status, out, log := writ(t, "", "fsck", "--config", config); status != 0 {
		t.Errorf("fsck beside the server: %s%s", out, log)
	}
	if err := told.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := told.Wait(); err != nil {
		t.Errorf("it was told to stop and ended with %v", err)
	}
}
