package session_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"writ/interop/browser"
	"writ/store"
	"writ/store/storetest"
)

// A person registers a passkey by the link, signs out, signs in with it, signs a hash, and adds a second passkey: in Chromium, with its
// virtual authenticator and the pages' own script.
func TestPasskeysInABrowser(t *testing.T) {
	t.Parallel()
	h := open(t, storetest.SQLite(t), false)
	var token string
	if err := h.db.Write(ctx, func(tx *store.Tx) (err error) { token, err = h.keys.Enrol(ctx, tx, "rev", "Rita Reviewer"); return err }); err != nil {
		t.Fatal(err)
	}
	p := browser.Start(t).Page()
	p.Authenticator()
	p.Go(h.url + "/enrol/" + token)
	p.Eval(`document.querySelector("#label").value = "laptop"; document.querySelector("form[data-passkey] button").click()`, nil)
	p.Wait(`location.pathname === "/staff/"`)
	if got := p.Text(); got != "rev passkey [reviewer] true" {
		t.Fatalf("after the enrolment: %q", got)
	}

	p.Go(h.url + "/keys")
	if got := p.Text(); !strings.Contains(got, "laptop") {
		t.Errorf("the passkey is not listed:\n%s", got)
	}
	p.Eval(`document.querySelector("form.who button").click()`, nil)
	p.Wait(`location.pathname === "/sign-in" && document.readyState === "complete"`)
	p.Go(h.url + "/any/")
	p.Wait(`location.pathname === "/sign-in" && document.readyState === "complete"`)
	p.Eval(`document.querySelector("form[data-passkey] button").click()`, nil)
	p.Wait(`location.pathname === "/any/"`)
	if got := p.Text(); got != "rev passkey [reviewer] true" {
		t.Fatalf("after the sign-in: %q", got)
	}

	// A form that asks for a signature, as the desk's pages have it.
	hash := sha256.Sum256([]byte("scope"))
	p.Go(h.url + "/keys")
	p.Eval(fmt.Sprintf(`(() => {
		const f = document.createElement("form");
		f.method = "post"; f.action = "/any/sign"; f.id = "sign";
		f.dataset.passkey = "/sign/options"; f.dataset.hash = %q;
		for (const [type, name] of [["hidden", "assertion"], ["submit", "go"]]) {
			const i = document.createElement("input"); i.type = type; i.name = name; f.append(i);
		}
		document.querySelector("main").append(f);
		f.elements.go.click();
	})()`, hex.EncodeToString(hash[:])), nil)
	p.Wait(`location.pathname === "/any/sign"`)
	if got := p.Text(); got != "signed: <nil>" {
		t.Errorf("%q", got)
	}

	// The authenticator holds a passkey of this person already and says so; nothing is sent.
	p.Go(h.url + "/keys")
	p.Eval(`document.querySelector("form[action='/keys'] button").click()`, nil)
	p.Wait(`document.querySelector("[data-fault]")`)
	if got := p.Text(); !strings.Contains(got, "registered already") {
		t.Errorf("a second registration of one authenticator:\n%s", got)
	}
}

// What a person types is text, in every field of these pages, and another site's form does nothing.
func TestHostileTextInABrowser(t *testing.T) {
	t.Parallel()
	h := open(t, storetest.SQLite(t), true)
	b := h.client()
	b.do("POST", "/sign-in/dev", url.Values{"person": {"rev"}})
	p := browser.Start(t).Page()
	p.Go(h.url + "/sign-in?next=" + url.QueryEscape(`/"><script>window.hit=1</script><img src=x onerror="window.hit=1">`))
	p.Eval(`document.querySelector("form[data-passkey] button").click()`, nil)
	p.Wait(`document.querySelector("[data-fault]") || document.readyState === "complete"`)
	var hit bool
	p.Eval(`Boolean(window.hit)`, &hit)
	if hit {
		t.Error("a script from the address ran")
	}
	p.Eval(`(() => { const s = document.createElement("script"); s.textContent = "window.hit=1"; document.body.append(s); })()`, nil)
	p.Eval(`Boolean(window.hit)`, &hit)
	if hit {
		t.Error("an inline script ran: the policy is not in force")
	}
}
