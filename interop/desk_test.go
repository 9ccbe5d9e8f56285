package interop

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"writ/clock"
	"writ/desk/registry"
	"writ/interop/browser"
	"writ/server"
	"writ/store"
	"writ/writtest"
)

// office is a house with a staffed desk, an agency and its officer, each of whom has a browser with an authenticator of its own.
type office struct {
	*house
	t     *testing.T
	fake  *clock.Fake
	b     *browser.Browser
	url   string
	pages map[string]*browser.Page
}

func openOffice(t *testing.T) *office {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") // the origin of the passkeys has the port in it
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	o := &office{t: t, fake: clock.NewFake(time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)), url: "http://localhost:" + port(l.Addr()), pages: map[string]*browser.Page{}}
	o.house = start(t, writtest.Fake(o.fake), func(s *server.Options) {
		s.Dev = true
		s.Config.HTTP.Listen = []string{address}
		s.Config.Passkeys.Origins = []string{o.url}
	})
	o.Account(t, "alice")
	for _, p := range []registry.Person{{ID: "ines", Name: "Ines Intake", Roles: []registry.Role{registry.Intake}}, {ID: "rosa", Name: "Rosa Reviewer", Roles: []registry.Role{registry.Reviewer, registry.Intake}},
		{ID: "amir", Name: "Amir Approver", Roles: []registry.Role{registry.Approver}}, {ID: "cleo", Name: "Cleo Counsel", Roles: []registry.Role{registry.Counsel}},
		{ID: "hana", Name: "Hana Human-Rights", Roles: []registry.Role{registry.Rights}}} {
		if _, err := o.Registry.AddStaff(t.Context(), registry.SystemPerson, p); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := o.Registry.AddAgency(t.Context(), "ines", registry.Agency{ID: "hkpf", Name: "Hong Kong Police Force 香港警務處", Jurisdiction: "HK", Domains: []string{"police.gov.hk"},
		Numbers: []registry.Number{{Phone: "+85228602000", Source: "the government's telephone directory"}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Registry.AddOfficer(t.Context(), "ines", registry.Person{ID: "chan", Name: "Chan Tai-man 陳大文", Mail: "chan@police.gov.hk", Agency: "hkpf", Badge: "PC 0142"}); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Registry.RecordCallBack(t.Context(), "ines", registry.CallBack{Officer: "chan", Number: "+85228602000", SpokeTo: "duty officer", Result: registry.Confirmed}); err != nil {
		t.Fatal(err)
	}
	o.fake.Advance(25 * time.Hour) // a new officer's account has cooled down
	o.b = browser.Start(t)
	return o
}

// as is a person's browser, with a passkey registered by the link that the operator made at the machine.
func (o *office) as(person string) *browser.Page {
	o.t.Helper()
	if p := o.pages[person]; p != nil {
		return p
	}
	who, err := o.Registry.Person(o.t.Context(), person)
	if err != nil {
		o.t.Fatal(err)
	}
	var token string
	if err := o.DB.Write(o.t.Context(), func(tx *store.Tx) error {
		token, err = o.Passkeys.Enrol(o.t.Context(), tx, person, who.Name)
		return err
	}); err != nil {
		o.t.Fatal(err)
	}
	p := o.b.Page()
	p.Authenticator()
	p.Go(o.url + "/enrol/" + token)
	p.Eval(`document.querySelector("form[data-passkey] button").click()`, nil)
	p.Wait(`location.pathname.startsWith("/staff/") || location.pathname.startsWith("/portal/")`)
	o.pages[person] = p
	return p
}

// visit opens a page, signing in again if the session has ended.
func (o *office) visit(person, path string) *browser.Page {
	o.t.Helper()
	p := o.as(person)
	p.Go(o.url + path)
	var at string
	p.Eval("location.pathname", &at)
	if at == "/sign-in" {
		p.Eval(`document.querySelector("form[data-passkey] button").click()`, nil)
		p.Wait(`location.pathname !== "/sign-in" && document.readyState === "complete"`)
	}
	return p
}

// step fills in the form of a step, by the names of its controls, and sends it.
func (o *office) step(person, id, command string, fields ...string) {
	o.t.Helper()
	p := o.visit(person, "/staff/cases/"+id)
	fill := fmt.Sprintf(`(() => { const f = document.querySelector("#do-%s form"); f.closest("details").open = true; `, command)
	for i := 0; i+1 < len(fields); i += 2 {
		fill += fmt.Sprintf(`f.elements[%q].value = %q; `, fields[i], fields[i+1])
	}
	p.Eval(fill+`f.querySelector("button").click(); })()`, nil)
	p.Wait(fmt.Sprintf(`location.search === "?done=%s" && document.readyState === "complete"`, command))
}

func (o *office) says(p *browser.Page, words ...string) {
	o.t.Helper()
	text := p.Text()
	for _, w := range words {
		if !strings.Contains(text, w) {
			o.t.Fatalf("the page does not say %q:\n%s", w, text)
		}
	}
}

// shoot keeps a picture of the whole page, wide and narrow, in light and in dark (go test -v -artifacts).
func (o *office) shoot(p *browser.Page, name string) {
	o.t.Helper()
	if !testing.Verbose() {
		return // four pictures take a while: they are for who looks at them
	}
	for _, width := range []int{1280, 390} {
		for _, scheme := range []string{"light", "dark"} {
			if err := p.Do("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil); err != nil {
				o.t.Fatal(err)
			}
			set := func(height int) {
				if err := p.Do("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}, nil); err != nil {
					o.t.Fatal(err)
				}
			}
			set(800)
			var height, over int
			p.Eval("document.documentElement.scrollHeight", &height)
			p.Eval("document.documentElement.scrollWidth - document.documentElement.clientWidth", &over)
			if over > 0 {
				o.t.Errorf("%s at %d px: the page is %d px too wide", name, width, over)
			}
			set(min(height, 6000))
			p.Screenshot(filepath.Join(o.t.ArtifactDir(), name+"-"+strconv.Itoa(width)+"-"+scheme+".png"))
		}
	}
}

// One case from the portal's door to the download, in Chromium, with a passkey in each person's own authenticator: the officer files,
// the staff confirms, reviews, signs twice by two, waits until the person could object, and releases; the officer downloads.
func TestACaseInTheBrowser(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	p := o.visit("chan", "/portal/new")
	p.Eval(`(() => {
		const f = document.querySelector("form[action='/portal/new']"), paper = new DataTransfer();
		paper.items.add(new File(["%PDF-1.7\nA warrant.\nstartxref\n0\n%%EOF\n"], "搜查令 warrant.pdf", { type: "application/pdf" }));
		f.elements.documents.files = paper.files;
		const v = { instrument: "search_warrant", jurisdiction: "HK", legal_basis: "Cap. 106, section 1 香港法例", reference: "CN 142/2026", service: "chat", identifiers: "alice@localhost" };
		for (const k in v) f.elements[k].value = v[k];
		for (const c of f.elements.categories) c.checked = ["subscriber", "sign-in", "last-seen"].includes(c.value);
		f.querySelector("button").click();
	})()`, nil)
	p.Wait(`/^\/portal\/cases\//.test(location.pathname) && document.readyState === "complete"`)
	var id string
	p.Eval(`location.pathname.split("/")[3]`, &id)

	p = o.visit("ines", "/staff/")
	o.says(p, id, "香港警務處")
	o.shoot(p, "queue")
	p = o.visit("ines", "/staff/cases/"+id)
	o.says(p, "搜查令", "Cap. 106", "+85228602000")
	o.shoot(p, "case")
	o.step("ines", id, "authenticate", "number", "+85228602000", "spoke_to", "duty officer", "result", "confirmed")
	o.step("ines", id, "screen")
	o.step("rosa", id, "begin_review")
	o.step("rosa", id, "propose")
	p = o.visit("rosa", "/staff/cases/"+id)
	o.says(p, "You sign that exactly these records may be taken out", "alice@localhost")
	o.shoot(p, "sign")
	o.step("rosa", id, "sign_scope")
	o.step("amir", id, "sign_scope")
	o.step("amir", id, "extract")
	if err := o.Desk.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	p = o.visit("amir", "/staff/cases/"+id)
	o.says(p, "Awaiting second approval", "The person was told and may object until the date shown", "not now")
	o.fake.Advance(8 * 24 * time.Hour)
	o.step("amir", id, "sign_release")
	p = o.visit("rosa", "/staff/cases/"+id)
	o.says(p, "You sign that this package may be handed over")
	o.shoot(p, "release")
	o.step("rosa", id, "sign_release")
	o.says(o.as("rosa"), "Your signature on the package is kept")
	p = o.visit("chan", "/portal/cases/"+id)
	o.says(p, "Download the package")
	var got string
	p.Eval(`fetch(document.querySelector("form[action$='/download']").action, { method: "POST" }).then(r => r.arrayBuffer()).then(b => new TextDecoder("latin1").decode(b.slice(0, 2)) + b.byteLength)`, &got)
	if !strings.HasPrefix(got, "PK") || len(got) < 5 {
		t.Errorf("the download is %s", got)
	}
	p = o.visit("cleo", "/staff/cases/"+id)
	o.says(p, "Package downloaded", "Release signed", "Person told")
	o.shoot(p, "delivered")
}

// Counsel pauses a jurisdiction and the human-rights lead signs too, each with a passkey; what comes in then stands still and says so.
func TestAPauseInTheBrowser(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	p := o.visit("cleo", "/staff/standings/new")
	p.Eval(`(() => { const f = document.querySelector("main form"); f.elements.stage.value = "review_paused"; f.elements.jurisdictions.value = "HK";
		f.elements.statement.value = "We pause the review of requests from Hong Kong pending a human-rights assessment of the new law. 我們暫停審查。"; f.elements.resume.value = "The assessment is signed.";
		f.elements.exception1.value = "Danger to life, with a call-back"; f.querySelector("button").click(); })()`, nil)
	p.Wait(`location.search === "?done=drafted" && document.readyState === "complete"`)
	var at string
	p.Eval(`location.pathname`, &at)
	o.shoot(p, "standing-draft")
	for _, who := range []string{"cleo", "hana"} {
		p = o.visit(who, at)
		p.Eval(`document.querySelector("#do-sign button").click()`, nil)
		p.Wait(`location.search === "?done=signed" && document.readyState === "complete"`)
	}
	o.says(p, "In force since")
	o.shoot(p, "standing")
	o.shoot(o.visit("cleo", "/staff/standings"), "standings")
	o.shoot(o.visit("cleo", "/staff/standings/new?stage=open"), "standing-form")
	o.shoot(o.visit("cleo", "/staff/assessments/new"), "assessment-form")
	o.shoot(o.visit("ines", "/staff/agencies/hkpf"), "agency")
	o.shoot(o.visit("ines", "/staff/people"), "people")
	o.shoot(o.visit("ines", "/staff/file?agency=hkpf"), "file")
	o.shoot(o.visit("cleo", "/staff/reports"), "reports")
}
