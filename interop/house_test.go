// Package interop talks with a running Writ through programs that others wrote: apps, libraries and a browser. A program that
// is missing fails its test.
package interop

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"writ/chat/e2ee"
	"writ/server"
	"writ/store/storetest"
	"writ/writtest"
)

// patience is how long a foreign program may take for one step on a busy machine.
const patience = 60 * time.Second

// house is Writ on localhost, as `writ dev` has it, on ports of its own, with end-to-end encryption required.
type house struct {
	*writtest.House
	data string
}

func start(t *testing.T, options ...writtest.Option) *house {
	t.Helper()
	data := t.TempDir()
	base := func(o *server.Options) {
		o.Config = server.DevConfig(data)
		o.Config.XMPP.Listen = []string{"127.0.0.1:0"}
		o.Config.XMPP.ListenTLS = []string{"127.0.0.1:0"}
		o.Config.HTTP = server.HTTPConfig{Listen: []string{"127.0.0.1:0"}, ListenTLS: []string{"127.0.0.1:0"}}
		o.Config.E2EE.Mode = e2ee.Require
	}
	return &house{writtest.Start(t, storetest.SQLite(t), append([]writtest.Option{base}, options...)...), data}
}

func (h *house) certificate() string { return filepath.Join(h.data, "tls", "cert.pem") }

func (h *house) port() string { return port(h.At.XMPP[0]) }

func port(a net.Addr) string {
	_, port, _ := net.SplitHostPort(a.String())
	return port
}

// need finds a program or fails the test.
func need(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is needed (make deps installs it): %v", name, err)
	}
	return path
}

// inRepository is a path from the root of the repository.
func inRepository(t *testing.T, parts ...string) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(append([]string{root}, parts...)...)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s is needed (make deps installs it): %v", path, err)
	}
	return path
}

// event is something that a driven program told.
type event map[string]any

func (e event) String() string {
	b, _ := json.Marshal(e)
	return string(b)
}

// driven is a program that takes orders on its standard input and tells events on its standard output, as lines of JSON.
type driven struct {
	t      *testing.T
	name   string
	in     io.WriteCloser
	events chan event
	seen   []event // came and were not asked for yet
}

func drive(t *testing.T, name string, cmd *exec.Cmd) *driven {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs strings.Builder
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d := &driven{t: t, name: name, in: in, events: make(chan event, 1000)}
	go func() {
		defer close(d.events)
		s := bufio.NewScanner(out)
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			var e event
			if json.Unmarshal(s.Bytes(), &e) == nil {
				d.events <- e
			}
		}
	}()
	t.Cleanup(func() {
		in.Close()
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s said: %s", name, errs.String())
		}
	})
	return d
}

func (d *driven) do(order event) {
	d.t.Helper()
	if _, err := fmt.Fprintln(d.in, order); err != nil {
		d.t.Fatalf("%s: %v", d.name, err)
	}
}

// await gives the next event for which all the given members are as given. Other events are kept for later calls.
func (d *driven) await(like event) event {
	d.t.Helper()
	for i, e := range d.seen {
		if fits(e, like) {
			d.seen = append(d.seen[:i:i], d.seen[i+1:]...)
			return e
		}
	}
	deadline := time.After(patience)
	for {
		select {
		case e, ok := <-d.events:
			if !ok {
				d.t.Fatalf("%s ended before %v; it told %v", d.name, like, d.seen)
			}
			if fits(e, like) {
				return e
			}
			d.seen = append(d.seen, e)
		case <-deadline:
			d.t.Fatalf("%s did not tell %v; it told %v", d.name, like, d.seen)
		}
	}
}

func fits(e, like event) bool {
	for k, v := range like {
		if e[k] != v {
			return false
		}
	}
	return true
}
