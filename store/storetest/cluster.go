package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// cluster is the URL of the process's PostgreSQL, started when first asked for.
var cluster = sync.OnceValues(func() (string, error) {
	if url := os.Getenv("WRIT_TEST_POSTGRES"); url != "" {
		return url, nil
	}
	return startCluster()
})

// guard runs as a shell beside PostgreSQL: when the test process is gone, however it ended, its end of the pipe closes,
// and the guard stops the server and removes the folder.
const guard = `cat >/dev/null; kill -QUIT "$(head -1 "$1/data/postmaster.pid")" 2>/dev/null; for i in 1 2 3 4 5 6 7 8 9 10; do [ -e "$1/data/postmaster.pid" ] || break; sleep 0.1; done; rm -rf "$1"`

func startCluster() (string, error) {
	bin, err := binaries()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "writpg")
	if err != nil {
		return "", err
	}
	who, err := serverUser()
	if err != nil {
		return "", err
	}
	if who != nil {
		if err := os.Chown(dir, int(who.Uid), int(who.Gid)); err != nil {
			return "", err
		}
	}
	if err := startGuard(dir, who); err != nil {
		return "", err
	}
	data := filepath.Join(dir, "data")
	err = run(who, dir, filepath.Join(bin, "initdb"), "-D", data, "-U", "writ", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	if err != nil {
		return "", err
	}
	options := "-k " + dir + " -c listen_addresses='' -c fsync=off -c full_page_writes=off -c synchronous_commit=off -c max_connections=400" +
		" -c shared_buffers=64MB -c wal_level=minimal -c max_wal_senders=0 -c autovacuum=off -c dynamic_shared_memory_type=mmap"
	err = run(who, dir, filepath.Join(bin, "pg_ctl"), "-D", data, "-s", "-w", "-t", "60", "-l", filepath.Join(dir, "log"), "-o", options, "start")
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		return "", fmt.Errorf("%w\n%s", err, log)
	}
	return "postgres:///postgres?user=writ&host=" + url.QueryEscape(dir), nil
}

// binaries is the folder of the newest PostgreSQL of this machine: Debian's, or where PATH has it.
func binaries() (string, error) {
	best, version := "", 0
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	for _, f := range found {
		if v, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(f)))); v > version {
			best, version = filepath.Dir(f), v
		}
	}
	if best != "" {
		return best, nil
	}
	if p, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(p), nil
	}
	return "", errors.New("no initdb: install postgresql (make deps), or set WRIT_TEST_POSTGRES")
}

// serverUser is who runs the server: PostgreSQL refuses root.
func serverUser() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err1, err2)
}

func run(who *syscall.Credential, dir, name string, args ...string) error {
	var out bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
	cmd.Env = append(os.Environ(), "TZ=UTC")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	// The server that pg_ctl leaves behind writes to its log, but whoever holds these pipes is not waited for.
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return fmt.Errorf("%s: %w: %s", filepath.Base(name), err, strings.TrimSpace(out.String()))
	}
	return nil
}

func startGuard(dir string, who *syscall.Credential) error {
	cmd := exec.Command("sh", "-c", guard, "guard", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who, Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	held = append(held, in)
	return cmd.Start()
}

// held keeps the guard's pipe open for the life of the process.
var held []io.Closer

func withParam(base, key, value string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	q := u.Query()
	q.Set(key, value)
	u.RawQuery = q.Encode()
	return u.String()
}
