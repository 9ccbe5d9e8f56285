package interop

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"writ/interop/browser"
	"writ/writtest"
	"writ/xmpp/jid"
)

// chatPage is the web chat in a browser profile of its own.
type chatPage struct{ *browser.Page }

func (h *house) converse(t *testing.T, name string, before ...func(*browser.Page)) chatPage {
	t.Helper()
	return h.chat(browser.Start(t), name, before...)
}

// chat is the web chat in another tab, with cookies of its own, of a browser that runs already.
func (h *house) chat(b *browser.Browser, name string, before ...func(*browser.Page)) chatPage {
	p := chatPage{b.Page()}
	for _, f := range before {
		f(p.Page)
	}
	p.Go("http://localhost:" + port(h.At.HTTP[0]) + "/chat")
	p.Wait(`document.querySelector("#converse-login-jid")`)
	p.typed("#converse-login-jid", name)
	p.typed("#converse-login-password", writtest.Password)
	p.Eval(`document.querySelector("#converse-login-password").form.requestSubmit()`, nil)
	p.Wait(`document.querySelector("converse-roster .list-item-link")`)
	return p
}

// typed puts a value into a control and tells the page, as typing does.
func (p chatPage) typed(selector, value string) {
	v, _ := json.Marshal(value)
	s, _ := json.Marshal(selector)
	p.Eval(`(() => { const e = document.querySelector(`+string(s)+`); e.focus(); e.value = `+string(v)+`;
		e.dispatchEvent(new Event("input", {bubbles: true})); e.dispatchEvent(new Event("change", {bubbles: true})); })()`, nil)
}

// open opens the chat with a contact and waits until it is encrypted.
func (p chatPage) open(contact string) {
	link := `[...document.querySelectorAll("converse-roster .list-item-link")].find(e => e.textContent.includes("` + contact + `@"))`
	p.Wait(link)
	p.Eval(link+`.click()`, nil)
	p.Wait(`document.querySelector(".chat-textarea")`)
	p.locked()
}

// locked waits until what is said in the open conversation is encrypted.
func (p chatPage) locked() {
	p.Wait(`document.querySelector(".toggle-omemo .fa-lock, .toggle-omemo converse-icon.fa-lock, .toggle-omemo [class*='fa-lock']")`)
}

func (p chatPage) say(text string) {
	p.typed(".chat-textarea", text)
	p.Eval(`document.querySelector(".chat-textarea").dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", code: "Enter", keyCode: 13, bubbles: true, cancelable: true}))`, nil)
}

func (p chatPage) hears(text string) {
	v, _ := json.Marshal(text)
	p.Wait(`[...document.querySelectorAll(".chat-msg__text")].some(e => e.textContent.includes(` + string(v) + `))`)
}

// Converse.js in a browser without WebSocket: BOSH (XEP-0206), from signing in to the contacts, and requests that go on.
func TestConverseOverBOSH(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.Account(t, "alice")
	h.Account(t, "bob")
	h.befriend(t, "alice", "bob")
	alice := h.converse(t, "alice", func(p *browser.Page) {
		if err := p.Do("Page.addScriptToEvaluateOnNewDocument", map[string]any{"source": "delete window.WebSocket"}, nil); err != nil {
			t.Fatal(err)
		}
	})
	var requests int
	alice.Wait(`performance.getEntriesByType("resource").filter(e => e.name.endsWith("/http-bind")).length > 5`)
	alice.Eval(`performance.getEntriesByType("resource").filter(e => e.name.includes("websocket")).length`, &requests)
	if requests > 0 {
		t.Error("it came by WebSocket")
	}
	if len(h.Router.Sessions(jid.MustParse("alice@"+h.Domain.String()))) != 1 {
		t.Error("no session")
	}
}

// Converse.js in two profiles: WebSocket, encrypted both ways, and nothing readable in the archive.
func TestConverse(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.Account(t, "alice")
	h.Account(t, "bob")
	h.befriend(t, "alice", "bob")
	alice, bob := h.converse(t, "alice"), h.converse(t, "bob")
	bob.open("alice")
	alice.open("bob")
	alice.say("nobody between us reads this")
	bob.hears("nobody between us reads this")
	bob.say("nor this")
	alice.hears("nor this")
	if dir := os.Getenv("WRIT_SCREENSHOTS"); dir != "" {
		alice.Screenshot(filepath.Join(dir, "converse.png"))
	}
	var loaded []string
	alice.Eval(`performance.getEntriesByType("resource").map(e => e.name).filter(n => !n.startsWith(location.origin) && !n.startsWith("data:") && !n.startsWith("blob:"))`, &loaded)
	if len(loaded) > 0 {
		t.Errorf("the web chat loads from elsewhere: %v", loaded)
	}
	var stanzas int
	if err := h.DB.QueryRow(t.Context(), `SELECT count(*) FROM archive_stanza`).Scan(&stanzas); err != nil {
		t.Fatal(err)
	}
	if stanzas == 0 {
		t.Error("the archive is empty")
	}
}
