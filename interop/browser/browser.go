// Package browser drives Debian's Chromium in tests, over the DevTools protocol: pages as a person sees them, and a virtual
// authenticator for passkeys. A Chromium that is missing fails the test.
package browser

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// startTime is how long Chromium may take to come up on a busy machine, and a page to answer.
const startTime = 60 * time.Second

// Browser is a running Chromium with a profile of its own. It ends with the test.
type Browser struct {
	t    testing.TB
	conn *websocket.Conn

	mu      sync.Mutex
	next    int
	waiting map[int]chan reply
	watched map[string][]Event // by session, of those that are watched
	loads   map[string]int     // by session, how many pages were loaded
	told    chan struct{}      // closed and made anew at each event
	gone    error              // why nothing is answered any more
}

type message struct {
	ID      int    `json:"id,omitempty"`
	Session string `json:"sessionId,omitempty"`
	Method  string `json:"method,omitempty"`
	Params  any    `json:"params,omitempty"`
}

// Event is something that a watched tab told by itself, such as Network.requestWillBeSent.
type Event struct {
	Method string
	Params json.RawMessage
}

type reply struct {
	ID      int             `json:"id"`
	Session string          `json:"sessionId"`
	Method  string          `json:"method"` // of an event
	Params  json.RawMessage `json:"params"`
	Result  json.RawMessage `json:"result"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// Start runs Chromium without a window.
func Start(t testing.TB) *Browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("browser: Chromium is needed: %v", err)
	}
	dir, err := os.MkdirTemp("", "writ-browser") // not t.TempDir: Chromium's children may still write while it is removed
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0", "--user-data-dir="+dir, "about:blank")
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatalf("browser: starting Chromium: %v", err)
	}
	t.Cleanup(func() {
		cancel()
		cmd.Wait() // it was killed
		os.RemoveAll(dir)
	})
	address, err := devTools(filepath.Join(dir, "DevToolsActivePort"))
	if err != nil {
		t.Fatal(err)
	}
	dial, stop := context.WithTimeout(ctx, startTime)
	defer stop()
	conn, _, err := websocket.Dial(dial, address, nil)
	if err != nil {
		t.Fatalf("browser: connecting: %v", err)
	}
	conn.SetReadLimit(64 << 20)
	b := &Browser{t: t, conn: conn, waiting: map[int]chan reply{}, watched: map[string][]Event{}, loads: map[string]int{}, told: make(chan struct{})}
	go b.read(ctx)
	return b
}

// devTools waits for the file in which Chromium says where it listens.
func devTools(file string) (string, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(startTime); time.Now().Before(end); <-tick.C {
		b, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if port, path, ok := strings.Cut(strings.TrimSpace(string(b)), "\n"); ok {
			return "ws://127.0.0.1:" + port + path, nil
		}
	}
	return "", errors.New("browser: Chromium did not come up")
}

// read hands each answer to who waits for it, and keeps the events of watched tabs.
func (b *Browser) read(ctx context.Context) {
	for {
		_, data, err := b.conn.Read(ctx)
		var r reply
		if err == nil {
			err = json.Unmarshal(data, &r)
		}
		b.mu.Lock()
		if err != nil {
			b.gone = err
			for _, c := range b.waiting {
				close(c)
			}
			b.waiting = nil
			close(b.told)
			b.mu.Unlock()
			return
		}
		if r.Method == "Page.loadEventFired" {
			b.loads[r.Session]++
		}
		if seen, ok := b.watched[r.Session]; ok && r.Method != "" {
			b.watched[r.Session] = append(seen, Event{r.Method, r.Params})
		}
		if r.Method != "" {
			close(b.told)
			b.told = make(chan struct{})
		}
		c := b.waiting[r.ID]
		delete(b.waiting, r.ID)
		b.mu.Unlock()
		if c != nil {
			c <- r
		}
	}
}

// call runs one command of the DevTools protocol.
func (b *Browser) call(session, method string, params, result any) error {
	b.mu.Lock()
	if b.gone != nil {
		b.mu.Unlock()
		return fmt.Errorf("browser: %s: %w", method, b.gone)
	}
	b.next++
	id, c := b.next, make(chan reply, 1)
	b.waiting[id] = c
	b.mu.Unlock()
	data, err := json.Marshal(message{id, session, method, params})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	if err := b.conn.Write(ctx, websocket.MessageText, data); err != nil {
		return fmt.Errorf("browser: %s: %w", method, err)
	}
	select {
	case r, ok := <-c:
		switch {
		case !ok:
			return fmt.Errorf("browser: %s: Chromium is gone", method)
		case r.Error != nil:
			return fmt.Errorf("browser: %s: %s", method, r.Error.Message)
		case result != nil:
			return json.Unmarshal(r.Result, result)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("browser: %s: no answer in %v", method, startTime)
	}
}

// until waits until what the events told makes done true; done is called with the lock held.
func (b *Browser) until(done func() bool) error {
	end := time.NewTimer(startTime)
	defer end.Stop()
	for {
		b.mu.Lock()
		ok, told, gone := done(), b.told, b.gone
		b.mu.Unlock()
		switch {
		case ok:
			return nil
		case gone != nil:
			return gone
		}
		select {
		case <-told:
		case <-end.C:
			return fmt.Errorf("nothing in %v", startTime)
		}
	}
}

// Page is one tab.
type Page struct {
	b       *Browser
	session string
	box     string // its browser context
}

type object = map[string]any

// Page opens a tab with cookies of its own.
func (b *Browser) Page() *Page {
	b.t.Helper()
	var box struct {
		ID string `json:"browserContextId"`
	}
	var target struct {
		ID string `json:"targetId"`
	}
	var attached struct {
		ID string `json:"sessionId"`
	}
	err := b.call("", "Target.createBrowserContext", object{}, &box)
	if err == nil {
		err = b.call("", "Target.createTarget", object{"url": "about:blank", "browserContextId": box.ID}, &target)
	}
	if err == nil {
		err = b.call("", "Target.attachToTarget", object{"targetId": target.ID, "flatten": true}, &attached)
	}
	p := &Page{b, attached.ID, box.ID}
	if err == nil {
		err = p.Do("Page.enable", object{}, nil)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// Do runs a command of the DevTools protocol in the tab.
func (p *Page) Do(method string, params, result any) error {
	return p.b.call(p.session, method, params, result)
}

// Go opens an address and waits until it is loaded.
func (p *Page) Go(address string) {
	p.b.t.Helper()
	var nav struct {
		Error string `json:"errorText"`
	}
	p.Loads(func() {
		p.b.t.Helper()
		if err := p.Do("Page.navigate", object{"url": address}, &nav); err != nil || nav.Error != "" {
			p.b.t.Fatalf("browser: opening %s: %v %s", address, err, nav.Error)
		}
	})
}

// Loads does something that leads to another page, and waits until that is loaded.
func (p *Page) Loads(do func()) {
	p.b.t.Helper()
	p.b.mu.Lock()
	before := p.b.loads[p.session]
	p.b.mu.Unlock()
	do()
	if err := p.b.until(func() bool { return p.b.loads[p.session] > before }); err != nil {
		var text string
		p.eval("location.href + ' ' + (document.body && document.body.innerText)", &text) // what there is, for the message
		p.b.t.Fatalf("browser: waiting for a page: %v; there is:\n%s", err, text)
	}
}

// Download does something that makes the tab save a file in dir, and gives its path once it is whole.
func (p *Page) Download(dir string, do func()) string {
	p.b.t.Helper()
	p.b.mu.Lock()
	p.b.watched[""] = []Event{}
	p.b.mu.Unlock()
	err := p.b.call("", "Browser.setDownloadBehavior", object{"behavior": "allow", "browserContextId": p.box, "downloadPath": dir, "eventsEnabled": true}, nil)
	if err != nil {
		p.b.t.Fatal(err)
	}
	do()
	var name, state string
	err = p.b.until(func() bool {
		for _, e := range p.b.watched[""] {
			var v struct{ SuggestedFilename, State string }
			if json.Unmarshal(e.Params, &v) != nil {
				continue
			}
			switch e.Method {
			case "Browser.downloadWillBegin":
				name = v.SuggestedFilename
			case "Browser.downloadProgress":
				state = v.State
			}
		}
		return state == "completed" || state == "canceled"
	})
	if err != nil || state != "completed" {
		p.b.t.Fatalf("browser: downloading %q: %s %v", name, state, err)
	}
	return filepath.Join(dir, name)
}

// Watch keeps, from now on, what the tab asks of the network and what goes wrong in it, for Seen.
func (p *Page) Watch() {
	p.b.t.Helper()
	p.b.mu.Lock()
	p.b.watched[p.session] = []Event{}
	p.b.mu.Unlock()
	for _, domain := range []string{"Log", "Runtime", "Network"} {
		if err := p.Do(domain+".enable", object{}, nil); err != nil {
			p.b.t.Fatal(err)
		}
	}
}

// Seen gives the events since Watch or the last Seen.
func (p *Page) Seen() []Event {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	seen := p.b.watched[p.session]
	p.b.watched[p.session] = []Event{}
	return seen
}

// Eval evaluates JavaScript in the page, waits for a promise, and decodes the value into result (nil: ignored).
func (p *Page) Eval(script string, result any) {
	p.b.t.Helper()
	if err := p.eval(script, result); err != nil {
		p.b.t.Fatal(err)
	}
}

func (p *Page) eval(script string, result any) error {
	var out struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		Exception *struct {
			Text      string `json:"text"`
			Exception struct {
				Description string `json:"description"`
			} `json:"exception"`
		} `json:"exceptionDetails"`
	}
	err := p.Do("Runtime.evaluate", object{"expression": script, "awaitPromise": true, "returnByValue": true, "userGesture": true}, &out)
	switch {
	case err != nil:
		return err
	case out.Exception != nil:
		return fmt.Errorf("browser: %s: %s %s", script, out.Exception.Text, out.Exception.Exception.Description)
	case result == nil || out.Result.Value == nil:
		return nil
	}
	return json.Unmarshal(out.Result.Value, result)
}

// Wait waits until a JavaScript condition holds; the page may change while it waits.
func (p *Page) Wait(condition string) {
	p.b.t.Helper()
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	var last error
	for end := time.Now().Add(startTime); time.Now().Before(end); <-tick.C {
		var ok bool
		if last = p.eval("Boolean("+condition+")", &ok); last == nil && ok {
			return
		}
	}
	var text string
	p.eval("document.body && document.body.innerText", &text) // what there is, for the message
	p.b.t.Fatalf("browser: waiting for %s: %v; the page says:\n%s", condition, last, text)
}

// Text is what the page shows.
func (p *Page) Text() string {
	p.b.t.Helper()
	var s string
	p.Eval("document.body.innerText", &s)
	return s
}

// Authenticator gives the tab a virtual authenticator with a passkey store and a user who always says yes.
func (p *Page) Authenticator() {
	p.b.t.Helper()
	err := p.Do("WebAuthn.enable", object{}, nil)
	if err == nil {
		err = p.Do("WebAuthn.addVirtualAuthenticator", object{"options": object{"protocol": "ctap2", "transport": "internal",
			"hasResidentKey": true, "hasUserVerification": true, "isUserVerified": true, "automaticPresenceSimulation": true}}, nil)
	}
	if err != nil {
		p.b.t.Fatal(err)
	}
}

// Screenshot writes the visible part of the page as PNG.
func (p *Page) Screenshot(file string) {
	p.b.t.Helper()
	var shot struct {
		Data string `json:"data"`
	}
	err := p.Do("Page.captureScreenshot", object{"format": "png"}, &shot)
	if err == nil {
		var b []byte
		if b, err = base64.StdEncoding.DecodeString(shot.Data); err == nil {
			err = os.WriteFile(file, b, 0o644)
		}
	}
	if err != nil {
		p.b.t.Fatal(err)
	}
}
