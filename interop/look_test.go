package interop

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"writ/account"
	"writ/clock"
	"writ/config"
	"writ/desk"
	"writ/desk/intake"
	"writ/desk/law"
	"writ/desk/registry"
	"writ/desk/standing"
	"writ/interop/browser"
	"writ/schedule"
	"writ/server"
	"writ/store/storetest"
	"writ/writtest"
)

// gallery is a house in which something has happened: a paused country, requests, and a published report.
type gallery struct {
	*writtest.House
	site, invite, cased string
}

func newGallery(t *testing.T) *gallery {
	t.Helper()
	fake := clock.NewFake(time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC))
	h := writtest.Start(t, storetest.SQLite(t), writtest.Fake(fake), func(o *server.Options) {
		o.Config, o.Dev = server.DevConfig(t.TempDir()), true
		o.Config.XMPP.Listen, o.Config.XMPP.ListenTLS = []string{"127.0.0.1:0"}, []string{"127.0.0.1:0"}
		o.Config.HTTP = server.HTTPConfig{Listen: []string{"127.0.0.1:0"}}
		o.Config.Tlog.Cadence, o.Config.Tlog.Promise = config.Duration(24*time.Hour), config.Duration(72*time.Hour)
	})
	if _, err := h.Sample(t.Context()); err != nil {
		t.Fatal(err)
	}
	g := &gallery{House: h, site: "http://localhost:" + port(h.At.HTTP[0])}
	for i := range 3 {
		g.cased = g.file(t, i)
	}
	g.pause(t)
	g.file(t, 3)
	for range 70 { // past the cut-off, a batch of the log at a time
		fake.Advance(24 * time.Hour)
	}
	g.cased = g.file(t, 4)
	var err error
	if g.invite, _, err = h.Accounts.Invite(t.Context(), account.Invitation{Note: "for a friend"}); err != nil {
		t.Fatal(err)
	}
	return g
}

// file takes a request of the sample officer in.
func (g *gallery) file(t *testing.T, n int) string {
	t.Helper()
	r, err := g.Desk.File(t.Context(), desk.Actor{Person: "olive", Auth: desk.ByPasskey}, desk.Filing{
		Channel: intake.Portal, Service: "chat", Instrument: law.SearchWarrant, Jurisdiction: "US", LegalBasis: "18 USC 2703(c)(1)(A)", Reference: fmt.Sprintf("2026-CR-%04d", 1017+n),
		Authority: "Superior Court, County of Sample", Identifiers: []string{"alice@localhost"}, Categories: []law.Category{schedule.Subscriber, schedule.SignIn},
		Documents: []intake.Document{{Name: "warrant.pdf", Body: fmt.Appendf(nil, "%%PDF-1.7\n%d\nstartxref\n0\n%%%%EOF\n", n)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r.Case
}

// pause puts a standing for Hong Kong into force, signed on the staff's pages.
func (g *gallery) pause(t *testing.T) {
	t.Helper()
	r, err := g.Desk.Standings().Draft(t.Context(), "cleo", standing.Record{
		Stage: standing.ReviewPaused, Scope: standing.Scope{Jurisdictions: []string{"HK"}}, From: g.Clock.Now(), Review: g.Clock.Now().Add(60 * 24 * time.Hour),
		Statement:  "We pause the review of requests from Hong Kong pending further assessment of the National Security Law, including human rights due diligence and consultations with human rights experts.",
		Exceptions: []standing.Exception{{ID: "life", Instruments: []string{string(law.Emergency)}, Text: "danger to the life of a person, decided case by case by two people"}},
		Resume:     []string{"the assessment is signed and published"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for person, role := range map[string]registry.Role{"cleo": registry.Counsel, "hana": registry.Rights} {
		v := g.Visit(t)
		v.SignIn(nil, person)
		if a := v.Post("/staff/standings/"+r.ID+"/sign", url.Values{"role": {string(role)}, "hash": {hex.EncodeToString(r.Hash[:])}}); a.Status != 303 {
			t.Fatalf("signing the standing as %s: %d %s", role, a.Status, a.Body)
		}
	}
}

// sight is one page to look at: before says how to get it when an address alone does not.
type sight struct {
	name, path string
	person     string // signed in as
	before     string // JavaScript that leads from path to the page
	until      string // and what holds there
}

func (g *gallery) sights() []sight {
	return []sight{
		{name: "front", path: "/"}, {name: "held", path: "/held"}, {name: "requests", path: "/requests"}, {name: "standing", path: "/standing"},
		{name: "reports", path: "/reports"}, {name: "report", path: "/reports/2026-H2"}, {name: "verify", path: "/verify"}, {name: "missing", path: "/nothing"},
		{name: "sign-in", path: "/sign-in"}, {name: "join", path: "/invite/" + g.invite}, {name: "portal", path: "/portal/"},
		{name: "portal-list", path: "/portal/", person: "olive"}, {name: "portal-new", path: "/portal/new", person: "olive"},
		{name: "portal-wrong", path: "/portal/new", person: "olive", before: `document.querySelector("main form").submit()`, until: `document.querySelector("[aria-invalid]")`},
		{name: "portal-case", path: "/portal/cases/" + g.cased, person: "olive"}, {name: "portal-token", path: "/portal/token", person: "olive"},
		{name: "keys", path: "/keys", person: "olive"},
		{name: "admin", path: "/admin/", person: "ada"}, {name: "admin-invitations", path: "/admin/invitations", person: "ada"}, {name: "admin-accounts", path: "/admin/accounts", person: "ada"},
	}
}

// findings is what is wrong with a page, computed by the browser itself.
const findings = `(() => {
	const wrong = [], seen = e => e.checkVisibility({visibilityProperty: true}) && e.getClientRects().length > 0
	const say = (what, e) => wrong.push(what + ": " + e.outerHTML.slice(0, 120))
	if (document.scrollingElement.scrollWidth > innerWidth) {
		wrong.push("scrolls sideways: " + document.scrollingElement.scrollWidth + " px")
		for (const e of document.querySelectorAll("body *")) if (e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll, pre, figure")) { say("sticks out", e); break }
	}
	if (!document.documentElement.lang) wrong.push("no language")
	if (!document.title) wrong.push("no title")
	if (document.querySelectorAll("h1").length !== 1) wrong.push(document.querySelectorAll("h1").length + " h1")
	const ids = [...document.querySelectorAll("[id]")].map(e => e.id)
	for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i))) wrong.push("id twice: " + id)
	for (const e of document.querySelectorAll("input:not([type=hidden]), select, textarea"))
		if (seen(e) && !(e.labels.length && e.labels[0].textContent.trim()) && !e.getAttribute("aria-label")) say("no label", e)
	for (const e of document.querySelectorAll("a[href], button"))
		if (!e.textContent.trim() && !e.getAttribute("aria-label")) say("no name", e)
	for (const e of document.querySelectorAll("img")) if (!e.hasAttribute("alt")) say("no alt", e)
	for (const e of document.querySelectorAll("th")) if (!e.textContent.trim()) say("an empty heading", e)
	for (const e of document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary")) {
		if (!seen(e) || e.disabled) continue
		e.focus({preventScroll: true})
		const s = getComputedStyle(e)
		if (document.activeElement !== e) say("takes no focus", e)
		else if (s.outlineStyle === "none" || parseFloat(s.outlineWidth) < 2) say("no visible focus", e)
	}
	document.activeElement?.blur()
	const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true}), known = {}
	const rgba = c => known[c] ??= (canvas.clearRect(0, 0, 1, 1), canvas.fillStyle = c, canvas.fillRect(0, 0, 1, 1), [...canvas.getImageData(0, 0, 1, 1).data].map((v, i) => i < 3 ? v : v / 255))
	const over = (a, b) => [0, 1, 2].map(i => a[i] * a[3] + b[i] * (1 - a[3])).concat(1)
	const light = c => { const l = c.slice(0, 3).map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * l[0] + .7152 * l[1] + .0722 * l[2] }
	const ground = e => { const up = []; for (; e; e = e.parentElement) up.push(rgba(getComputedStyle(e).backgroundColor)); return up.reverse().reduce((b, a) => over(a, b), [255, 255, 255, 1]) }
	const contrast = (e, colour) => { const b = ground(e), x = light(over(rgba(colour), b)), y = light(b); return (Math.max(x, y) + .05) / (Math.min(x, y) + .05) }
	const done = new Set
	for (let w = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), n; n = w.nextNode();) {
		const e = n.parentElement
		if (!n.data.trim() || done.has(e) || !seen(e) || e.closest("option, noscript, script, style, title, [disabled]")) continue
		done.add(e)
		const c = contrast(e, e.closest("svg") ? getComputedStyle(e).fill : getComputedStyle(e).color)
		if (c < 4.5) say("contrast " + c.toFixed(2), e)
	}
	for (const e of document.querySelectorAll("input:not([type=hidden], [type=checkbox], [type=radio]), select, textarea"))
		if (seen(e) && contrast(e, getComputedStyle(e).color) < 4.5) say("contrast of a field", e)
	return wrong
})()`

// Every page fits a phone and a desk, in light and dark: no sideways scrolling, everything named, one heading, a visible focus, enough
// contrast (WCAG 2.2, criterion 1.4.3), nothing in the console, and nothing from elsewhere.
// With WRIT_SCREENSHOTS=DIR each page is kept as a picture.
func TestPagesAreFitToBeSeen(t *testing.T) {
	t.Parallel()
	g, b := newGallery(t), browser.Start(t)
	t.Run("at", func(t *testing.T) { // ends when all four have, before house and browser do
		for _, width := range []int{390, 1200} {
			for _, scheme := range []string{"light", "dark"} {
				t.Run(fmt.Sprint(width, " ", scheme), func(t *testing.T) {
					t.Parallel()
					g.walk(t, b, width, scheme)
				})
			}
		}
	})
}

func (g *gallery) walk(t *testing.T, b *browser.Browser, width int, scheme string) {
	tabs := map[string]*browser.Page{}
	for _, s := range g.sights() {
		p := tabs[s.person]
		if p == nil {
			p = g.tab(t, b, width, scheme, s.person)
			tabs[s.person] = p
		}
		p.Go(g.site + s.path)
		if s.before != "" {
			p.Eval(s.before, nil)
			p.Wait(s.until + ` && document.readyState === "complete"`)
		}
		var wrong []string
		p.Eval(findings, &wrong)
		for _, w := range append(wrong, g.foul(p, s)...) {
			t.Errorf("%s (%s): %s", s.name, s.path, w)
		}
		if dir := os.Getenv("WRIT_SCREENSHOTS"); dir != "" {
			shoot(t, p, filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", s.name, width, scheme)), width)
		}
	}
}

// tab is a watched tab of that look, signed in if person is given.
func (g *gallery) tab(t *testing.T, b *browser.Browser, width int, scheme, person string) *browser.Page {
	t.Helper()
	p := b.Page()
	for method, params := range map[string]any{
		"Emulation.setDeviceMetricsOverride": map[string]any{"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600},
		"Emulation.setEmulatedMedia":         map[string]any{"features": []any{map[string]any{"name": "prefers-color-scheme", "value": scheme}}},
	} {
		if err := p.Do(method, params, nil); err != nil {
			t.Fatal(err)
		}
	}
	if person != "" {
		p.Go(g.site + "/sign-in")
		p.Eval(fmt.Sprintf(`document.querySelector("button[value=%s]").click()`, person), nil)
		p.Wait(`!location.pathname.startsWith("/sign-in") && document.readyState === "complete"`)
	}
	p.Watch()
	return p
}

// foul tells what the tab asked of others and what went wrong in it. A page that is not there is an answer, no fault.
func (g *gallery) foul(p *browser.Page, s sight) (wrong []string) {
	for _, e := range p.Seen() {
		var v struct {
			Request struct {
				URL string `json:"url"`
			} `json:"request"`
			Entry struct {
				Level, Text, URL string
			} `json:"entry"`
			Type string `json:"type"`
		}
		if err := json.Unmarshal(e.Params, &v); err != nil {
			wrong = append(wrong, err.Error())
		}
		switch {
		case e.Method == "Network.requestWillBeSent" && !strings.HasPrefix(v.Request.URL, g.site+"/") && !strings.HasPrefix(v.Request.URL, "data:"):
			wrong = append(wrong, "asks "+v.Request.URL)
		case e.Method == "Runtime.exceptionThrown", e.Method == "Runtime.consoleAPICalled" && v.Type == "error":
			wrong = append(wrong, "console: "+string(e.Params))
		case e.Method == "Log.entryAdded" && v.Entry.Level == "error" && v.Entry.URL != g.site+"/nothing" && s.before == "":
			wrong = append(wrong, "console: "+v.Entry.Text+" "+v.Entry.URL)
		}
	}
	return wrong
}

// shoot keeps the whole page as a picture.
func shoot(t *testing.T, p *browser.Page, file string, width int) {
	t.Helper()
	var height float64
	p.Eval(`document.documentElement.scrollHeight`, &height)
	var shot struct {
		Data []byte `json:"data"`
	}
	err := p.Do("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true,
		"clip": map[string]any{"x": 0, "y": 0, "width": width, "height": min(height, 6000), "scale": 1}}, &shot)
	if err == nil {
		err = os.WriteFile(file, shot.Data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
