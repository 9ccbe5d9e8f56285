package interop

import (
	"encoding/hex"
	"encoding/json"
	"flag"
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
	"writ/store"
	"writ/store/storetest"
	"writ/writtest"
)

// pictures says whether somebody will look at them: two hundred take a minute.
func pictures() bool { return flag.Lookup("test.artifacts").Value.String() == "true" }

// gallery is a house in which something has happened: a paused country, requests, and a published report.
type gallery struct {
	*writtest.House
	site, console         string
	invite, cased         string
	held, proposed, pause string // a paused case, one with a scope to sign, the standing
	draft, enrol          string
}

func newGallery(t *testing.T) *gallery {
	t.Helper()
	fake := clock.NewFake(time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC))
	h := writtest.Start(t, storetest.SQLite(t), writtest.Fake(fake), func(o *server.Options) {
		o.Config, o.Dev = server.DevConfig(t.TempDir()), true
		o.Config.XMPP.Listen, o.Config.XMPP.ListenTLS = []string{"127.0.0.1:0"}, []string{"127.0.0.1:0"}
		o.Config.HTTP = server.HTTPConfig{Listen: []string{"127.0.0.1:0"}, Console: "127.0.0.1:0"}
		o.Config.Tlog.Cadence, o.Config.Tlog.Promise = config.Duration(7*24*time.Hour), config.Duration(21*24*time.Hour)
	})
	if _, err := h.Sample(t.Context()); err != nil {
		t.Fatal(err)
	}
	g := &gallery{House: h, site: "http://localhost:" + port(h.At.HTTP[0]), console: "http://localhost:" + port(h.At.Console)}
	for i := range 3 {
		g.cased = g.file(t, i, law.SearchWarrant)
	}
	g.stand(t, "HK", law.SearchWarrant)
	fake.Advance(70 * 24 * time.Hour) // past the cut-off
	g.proposed = g.file(t, 4, law.SearchWarrant)
	g.propose(t, g.proposed)
	g.held = g.file(t, 5, law.Subpoena)
	g.pause = g.stand(t, "US", law.Subpoena)
	g.cased = g.file(t, 6, law.SearchWarrant)
	g.draft = g.drafts(t, "FR", law.CourtOrder).ID
	var err error
	if g.invite, _, err = h.Accounts.Invite(t.Context(), account.Invitation{Note: "for a friend"}); err != nil {
		t.Fatal(err)
	}
	if err := h.DB.Write(t.Context(), func(tx *store.Tx) error {
		g.enrol, err = h.Passkeys.Enrol(t.Context(), tx, "olive", "Olive Officer")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return g
}

// propose takes a case by the staff's pages to where a scope waits for a signature.
func (g *gallery) propose(t *testing.T, id string) {
	t.Helper()
	for _, s := range []struct {
		person, command string
		form            url.Values
	}{
		{"ines", "authenticate", url.Values{"number": {"+12025550142"}, "spoke_to": {"duty sergeant"}, "result": {registry.Confirmed}}},
		{"ines", "screen", nil}, {"rosa", "begin_review", nil},
		{"rosa", "propose", url.Values{"identifiers": {"alice@localhost"}, "categories": {string(schedule.Subscriber), string(schedule.SignIn)}, "to": {g.Clock.Now().Format(time.DateOnly)}}},
	} {
		v := g.Visit(t)
		v.SignIn(nil, s.person)
		if a := v.Post("/staff/cases/"+id+"/"+s.command, s.form); a.Status != 303 {
			t.Fatalf("%s: %d %s", s.command, a.Status, a.Body)
		}
	}
}

// file takes a request of the sample officer in.
func (g *gallery) file(t *testing.T, n int, kind law.Instrument) string {
	t.Helper()
	r, err := g.Desk.File(t.Context(), desk.Actor{Person: "olive", Auth: desk.ByPasskey}, desk.Filing{
		Channel: intake.Portal, Service: "chat", Instrument: kind, Jurisdiction: "US", LegalBasis: "18 USC 2703(c)(1)(A)", Reference: fmt.Sprintf("2026-CR-%04d", 1017+n),
		Authority: "Superior Court, County of Sample", Identifiers: []string{"alice@localhost"}, Categories: []law.Category{schedule.Subscriber, schedule.SignIn},
		Documents: []intake.Document{{Name: "warrant.pdf", Body: fmt.Appendf(nil, "%%PDF-1.7\n%d\nstartxref\n0\n%%%%EOF\n", n)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r.Case
}

// drafts is a standing that nobody has signed yet.
func (g *gallery) drafts(t *testing.T, where string, kind law.Instrument) standing.Record {
	t.Helper()
	place := law.JurisdictionName(where)
	r, err := g.Desk.Standings().Draft(t.Context(), "cleo", standing.Record{
		Stage: standing.ReviewPaused, Scope: standing.Scope{Jurisdictions: []string{where}, Instruments: []string{string(kind)}}, From: g.Clock.Now(), Review: g.Clock.Now().Add(60 * 24 * time.Hour),
		Statement:  "We pause the review of requests from " + place + " pending further assessment of its new law, including human rights due diligence and consultations with human rights experts.",
		Exceptions: []standing.Exception{{ID: "life", Instruments: []string{string(law.Emergency)}, Text: "danger to the life of a person, decided case by case by two people"}},
		Resume:     []string{"the assessment is signed and published"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// stand puts a standing into force, signed on the staff's pages.
func (g *gallery) stand(t *testing.T, where string, kind law.Instrument) string {
	t.Helper()
	r := g.drafts(t, where, kind)
	for person, role := range map[string]registry.Role{"cleo": registry.Counsel, "hana": registry.Rights} {
		v := g.Visit(t)
		v.SignIn(nil, person)
		if a := v.Post("/staff/standings/"+r.ID+"/sign", url.Values{"role": {string(role)}, "hash": {hex.EncodeToString(r.Hash[:])}}); a.Status != 303 {
			t.Fatalf("signing the standing as %s: %d %s", role, a.Status, a.Body)
		}
	}
	if err := g.Desk.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r.ID
}

// sight is one page to look at: before says how to get it when an address alone does not.
type sight struct {
	name, path string // path of the public pages, or the whole address
	person     string // signed in as
	before     string // JavaScript that leads from path to the page
	until      string // and what holds there
}

func (g *gallery) sights() []sight {
	return []sight{
		{name: "front", path: "/"}, {name: "held", path: "/held"}, {name: "requests", path: "/requests"}, {name: "standing", path: "/standing"},
		{name: "reports", path: "/reports"}, {name: "report", path: "/reports/2026-H2"}, {name: "verify", path: "/verify"}, {name: "missing", path: "/nothing"},
		{name: "sign-in", path: "/sign-in"}, {name: "portal", path: "/portal/"}, {name: "enrol", path: "/enrol/" + g.enrol}, {name: "enrol-ended", path: "/enrol/none"},
		{name: "join", path: "/invite/" + g.invite}, {name: "join-ended", path: "/invite/none"},
		{name: "join-wrong", path: "/invite/" + g.invite, before: send("form.card", "name", "alice", "password", "correct horse"), until: `document.querySelector("[aria-invalid]")`},
		{name: "chat", path: "/chat", until: `document.querySelector("converse-login-form input[name=password]")`},
		{name: "portal-list", path: "/portal/", person: "olive"}, {name: "portal-new", path: "/portal/new", person: "olive"},
		{name: "portal-wrong", path: "/portal/new", person: "olive", before: `document.querySelector("main form").submit()`, until: `document.querySelector("[aria-invalid]")`},
		{name: "portal-case", path: "/portal/cases/" + g.cased, person: "olive"}, {name: "portal-paused", path: "/portal/cases/" + g.held, person: "olive"},
		{name: "portal-missing", path: "/portal/cases/W-0000-0000", person: "olive"}, {name: "portal-token", path: "/portal/token", person: "olive"}, {name: "keys", path: "/keys", person: "olive"},
		{name: "staff-queue", path: "/staff/", person: "ines"}, {name: "staff-none", path: "/staff/?state=fraud", person: "ines"}, {name: "staff-file", path: "/staff/file", person: "ines"},
		{name: "staff-file-wrong", path: "/staff/file?agency=sample-police", person: "ines", before: `document.querySelector("main form[enctype]").submit()`, until: `document.querySelector("[aria-invalid]")`},
		{name: "staff-case", path: "/staff/cases/" + g.cased, person: "ines"}, {name: "staff-missing", path: "/staff/cases/W-0000-0000", person: "ines"},
		{name: "staff-sign", path: "/staff/cases/" + g.proposed, person: "rosa"}, {name: "staff-paused", path: "/staff/cases/" + g.held, person: "cleo"},
		{name: "staff-refuse-wrong", path: "/staff/cases/" + g.proposed, person: "rosa", before: `document.querySelector("#do-refuse form").submit()`, until: `document.querySelector("#do-refuse .wrong")`},
		{name: "staff-agencies", path: "/staff/agencies", person: "ines"}, {name: "staff-agency", path: "/staff/agencies/sample-police", person: "ines"},
		{name: "staff-people", path: "/staff/people", person: "ines"}, {name: "staff-officer", path: "/staff/people/olive", person: "ines"}, {name: "staff-person", path: "/staff/people/rosa", person: "ada"},
		{name: "staff-standings", path: "/staff/standings", person: "cleo"}, {name: "staff-standing", path: "/staff/standings/" + g.pause, person: "cleo"},
		{name: "staff-standing-draft", path: "/staff/standings/" + g.draft, person: "hana"}, {name: "staff-standing-new", path: "/staff/standings/new", person: "cleo"},
		{name: "staff-standing-lift", path: "/staff/standings/new?stage=open&replaces=" + g.pause, person: "cleo"},
		{name: "staff-assessments", path: "/staff/assessments", person: "cleo"}, {name: "staff-assessment-new", path: "/staff/assessments/new", person: "cleo"},
		{name: "staff-reports", path: "/staff/reports", person: "cleo"},
		{name: "admin", path: g.console + "/admin/", person: "ada"}, {name: "admin-invitations", path: g.console + "/admin/invitations", person: "ada"}, {name: "admin-accounts", path: g.console + "/admin/accounts", person: "ada"},
		{name: "admin-missing", path: g.console + "/admin/none", person: "ada"},
	}
}

func (g *gallery) address(s sight) string {
	if strings.HasPrefix(s.path, "/") {
		return g.site + s.path
	}
	return s.path
}

// send is JavaScript that sends a form with these values.
func send(form string, values ...string) string {
	s := fmt.Sprintf("{ const f = document.querySelector(%q); ", form)
	for i := 0; i+1 < len(values); i += 2 {
		s += fmt.Sprintf("f.elements[%q].value = %q; ", values[i], values[i+1])
	}
	return s + "f.submit() }"
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
		else if (e.tabIndex !== 0) say("out of the keyboard's order", e)
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
// With -artifacts each page is kept as a picture.
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
		t.Run("without JavaScript", func(t *testing.T) {
			t.Parallel()
			g.plain(t, b)
		})
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
		p.Go(g.address(s))
		if s.before != "" {
			p.Loads(func() { p.Eval(s.before, nil) })
		}
		if s.until != "" {
			p.Wait(s.until)
		}
		var wrong []string
		p.Eval(findings, &wrong)
		for _, w := range append(wrong, g.foul(p, s)...) {
			t.Errorf("%s (%s): %s", s.name, s.path, w)
		}
		if pictures() {
			shoot(t, p, filepath.Join(t.ArtifactDir(), s.name+".png"), width)
		}
	}
}

// tab is a watched tab of that look, signed in if person is given.
func (g *gallery) tab(t *testing.T, b *browser.Browser, width int, scheme, person string) *browser.Page {
	t.Helper()
	p := b.Page()
	for method, params := range map[string]any{
		"Emulation.setFocusEmulationEnabled": map[string]any{"enabled": true}, // four tabs have the focus at once
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

// plain is what must work without JavaScript: all of the public site, the sign-in's and the chat's word about it, and the forms.
func (g *gallery) plain(t *testing.T, b *browser.Browser) {
	p := b.Page()
	if err := p.Do("Emulation.setScriptExecutionDisabled", map[string]any{"value": true}, nil); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/": "We cannot read messages", "/held": "Subscriber", "/requests": "Search warrant", "/standing": "Hong Kong", "/reports": "2026-H2", "/reports/2026-H2": "United States", "/verify": "writ verify",
		"/portal/": "Sign in with your passkey", "/sign-in": "A passkey needs JavaScript", "/chat": "The web chat needs JavaScript", "/invite/" + g.invite: "Choose a name and a password", "/enrol/" + g.enrol: "A passkey needs JavaScript",
	} {
		p.Go(g.site + path)
		if text := p.Text(); !strings.Contains(text, want) {
			t.Errorf("%s does not say %q without JavaScript:\n%s", path, want, text)
		}
	}
	enter := func(selector string) {
		t.Helper()
		p.TabTo(selector)
		p.Loads(func() { p.Press("Enter") })
	}
	p.Go(g.site + "/sign-in?next=/portal/new")
	enter("button[value=olive]")
	paper, err := browser.Paper(t.TempDir(), "warrant.pdf", "A warrant")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range [][2]string{{"#instrument", "search_warrant"}, {"#legal_basis", "18 USC 2703(c)(1)(A)"}, {"#reference", "2026-CR-2000"}, {"#documents", paper},
		{"#identifiers", "alice@elsewhere.example"}, {"[name=categories][value=subscriber]", "on"}} {
		p.Fill(f[0], f[1])
	}
	enter("form[action='/portal/new'] button")
	for _, want := range []string{"Nothing was filed yet", "You gave alice@elsewhere.example"} {
		if text := p.Text(); !strings.Contains(text, want) {
			t.Fatalf("a wrong form does not say %q:\n%s", want, text)
		}
	}
	p.Fill("#documents", paper)
	p.Fill("#identifiers", "alice@localhost")
	enter("form[action='/portal/new'] button")
	if text := p.Text(); !strings.Contains(text, "Your request was received, logged and counted") {
		t.Errorf("filing without JavaScript led to:\n%s", text)
	}
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
		case e.Method == "Network.requestWillBeSent" && !strings.HasPrefix(v.Request.URL, g.site+"/") && !strings.HasPrefix(v.Request.URL, g.console+"/") && !strings.HasPrefix(v.Request.URL, "data:"):
			wrong = append(wrong, "asks "+v.Request.URL)
		case e.Method == "Runtime.exceptionThrown", e.Method == "Runtime.consoleAPICalled" && v.Type == "error":
			wrong = append(wrong, "console: "+string(e.Params))
		case e.Method == "Log.entryAdded" && v.Entry.Level == "error" && v.Entry.URL != g.address(s) && s.before == "":
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
