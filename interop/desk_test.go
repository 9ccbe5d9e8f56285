package interop

import (
	"bytes"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"writ/cli"
	"writ/clock"
	"writ/config"
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
	shots int
}

func openOffice(t *testing.T) *office {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") // the origin of the passkeys has the port in it
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	past := time.Now().Add(-30 * 24 * time.Hour).Truncate(24 * time.Hour) // what is signed in the future is no good to a verifier
	o := &office{t: t, fake: clock.NewFake(past.Add(9 * time.Hour)), url: "http://localhost:" + port(l.Addr()), pages: map[string]*browser.Page{}}
	o.house = start(t, writtest.Fake(o.fake), func(s *server.Options) {
		s.Dev = true
		s.Config.HTTP.Listen = []string{address}
		s.Config.Passkeys.Origins = []string{o.url}
		// The days of this test pass at once, and the log closes a batch for each cadence in them: by the minute that would be 13,000.
		s.Config.Tlog.Cadence, s.Config.Tlog.Promise = config.Duration(24*time.Hour), config.Duration(72*time.Hour)
	})
	o.Account(t, "alice")
	alice := o.Dial(t, writtest.TCP)
	if err := alice.Login("alice", "phone"); err != nil { // leaves something to be asked for
		t.Fatal(err)
	}
	if err := alice.End(); err != nil {
		t.Fatal(err)
	}
	for id, role := range map[string]registry.Role{"ines": registry.Intake, "rosa": registry.Reviewer, "amir": registry.Approver, "cleo": registry.Counsel, "hana": registry.Rights} {
		name := map[string]string{"ines": "Ines Wu", "rosa": "Rosa Lim", "amir": "Amir Haddad", "cleo": "Cleo Martin", "hana": "Hana Sato"}[id]
		if _, err := o.Registry.AddStaff(t.Context(), registry.SystemPerson, registry.Person{ID: id, Name: name, Roles: []registry.Role{role}}); err != nil {
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
	o.shoot(p, "enrol-"+person)
	p.Fill("form[data-passkey] input[name=label]", who.Name+"'s key")
	p.Loads(func() { p.TabTo("form[data-passkey] button"); p.Press("Enter") })
	if at := o.at(p); !strings.HasPrefix(at, "/staff/") && !strings.HasPrefix(at, "/portal/") {
		o.t.Fatalf("after registering a passkey, %s is at %s:\n%s", person, at, p.Text())
	}
	o.pages[person] = p
	return p
}

func (o *office) at(p *browser.Page) (place string) {
	o.t.Helper()
	p.Eval("location.pathname + location.search", &place)
	return place
}

// visit opens a page, signing in again if the session has ended.
func (o *office) visit(person, path string) *browser.Page {
	o.t.Helper()
	p := o.as(person)
	p.Go(o.url + path)
	if strings.HasPrefix(o.at(p), "/sign-in") {
		p.Loads(func() { p.TabTo("form[data-passkey] button"); p.Press("Enter") })
	}
	return p
}

// step fills in the form of a step by the keyboard, name by name in the order of the page, and sends it.
func (o *office) step(person, path, id, done string, fields ...string) *browser.Page {
	o.t.Helper()
	p := o.visit(person, path)
	open := false
	p.Eval(fmt.Sprintf(`document.querySelector("#do-%s").open`, id), &open)
	if !open {
		p.TabTo("#do-" + id + " > summary")
		p.Press("Enter")
	}
	for i := 0; i+1 < len(fields); i += 2 {
		p.Fill("#do-"+id+" "+fields[i], fields[i+1])
	}
	p.TabTo("#do-" + id + " form button")
	o.shoot(p, person+"-"+id)
	p.Loads(func() { p.Press("Enter") })
	if at := o.at(p); !strings.HasSuffix(at, "?done="+done) {
		o.t.Fatalf("%s: %s by %s led to %s:\n%s", path, id, person, at, p.Text())
	}
	return p
}

// act is a step of a case.
func (o *office) act(person, id, command string, fields ...string) *browser.Page {
	o.t.Helper()
	return o.step(person, "/staff/cases/"+id, command, command, fields...)
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

// shoot keeps a picture of the whole page (go test -artifacts).
func (o *office) shoot(p *browser.Page, name string) {
	o.t.Helper()
	o.shots++
	shoot(o.t, p, filepath.Join(o.t.ArtifactDir(), fmt.Sprintf("%02d-%s.png", o.shots, name)), 800)
}

// file files a request in the portal, by the keyboard, and gives the number of its case.
func (o *office) file(reference string) string {
	o.t.Helper()
	paper, err := browser.Paper(o.t.TempDir(), "搜查令 warrant.pdf", "A warrant, "+reference)
	if err != nil {
		o.t.Fatal(err)
	}
	p := o.visit("chan", "/portal/new")
	for _, f := range [][2]string{
		{"#instrument", "search_warrant"}, {"#jurisdiction", "HK"}, {"#legal_basis", "Cap. 106, section 1 香港法例"}, {"#reference", reference}, {"#documents", paper},
		{"#service", "chat"}, {"#identifiers", "alice@localhost"},
		{"[name=categories][value=subscriber]", "on"}, {"[name=categories][value=sign-in]", "on"}, {"[name=categories][value=last-seen]", "on"},
	} {
		p.Fill(f[0], f[1])
	}
	o.shoot(p, "chan-files")
	p.TabTo("form[action='/portal/new'] button")
	p.Loads(func() { p.Press("Enter") })
	id, ok := strings.CutPrefix(o.at(p), "/portal/cases/")
	if !ok {
		o.t.Fatalf("filing led to %s:\n%s", o.at(p), p.Text())
	}
	id, _, _ = strings.Cut(id, "?")
	o.says(p, reference, "搜查令 warrant.pdf")
	o.shoot(p, "chan-filed")
	return id
}

// One house, one Chromium, six people with a passkey in an authenticator of their own, and the keyboard alone: a case from the portal's door
// to the checked package, then a pause that stops the next one.
func TestTheDeskInTheBrowser(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	began := time.Now()
	lap := func(what string) {
		t.Logf("%6.1f s  %s", time.Since(began).Seconds(), what)
	}
	id := o.file("CN 142/2026")
	lap("filed")
	o.review(id)
	lap("reviewed and extracted")
	o.release(id)
	lap("released")
	o.check(id)
	lap("downloaded and verified")
	o.pause()
	lap("paused")
	o.standsStill(o.file("CN 143/2026"))
	lap("the next request stands still")
}

// review takes a case from the queue to the package: intake confirms and screens, the human-rights lead clears, the reviewer proposes, two sign.
func (o *office) review(id string) {
	t := o.t
	t.Helper()
	p := o.visit("ines", "/staff/")
	o.says(p, id, "香港警務處")
	o.shoot(p, "ines-queue")
	p = o.visit("ines", "/staff/cases/"+id)
	o.says(p, "搜查令", "Cap. 106", "+85228602000")
	o.act("ines", id, "authenticate", "[name=number]", "+85228602000", "[name=spoke_to]", "duty officer", "[name=result]", "confirmed")
	o.act("ines", id, "screen", "[value=protest]", "on", "[name=note]", "A march is mentioned.")
	o.act("hana", id, "clear", "[name=note]", "The offence is a theft; the march is where it happened.")
	o.act("rosa", id, "begin_review")
	p = o.act("rosa", id, "propose")
	o.says(p, "You sign that exactly these records may be taken out", "alice@localhost")
	o.act("rosa", id, "sign_scope")
	o.act("amir", id, "sign_scope")
	o.act("amir", id, "extract")
	if err := o.Desk.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// release waits for the person, whose objection counsel weighs, and has two people sign the package.
func (o *office) release(id string) {
	o.t.Helper()
	p := o.visit("amir", "/staff/cases/"+id)
	o.says(p, "Awaiting second approval", "The person was told and may object until the date shown", "not now")
	if err := o.Desk.Object(o.t.Context(), "alice@localhost", id, "I was at work that day."); err != nil {
		o.t.Fatal(err)
	}
	p = o.visit("cleo", "/staff/cases/"+id)
	o.says(p, "I was at work that day.")
	o.act("cleo", id, "overrule", "[name=text]", "That is for the court; the warrant is in order.")
	o.fake.Advance(8 * 24 * time.Hour)
	o.act("amir", id, "sign_release")
	p = o.visit("rosa", "/staff/cases/"+id)
	o.says(p, "You sign that this package may be handed over")
	p = o.act("rosa", id, "sign_release")
	o.says(p, "Your signature on the package is kept")
	o.shoot(p, "rosa-released")
}

// check downloads the package as the officer does, and runs `writ verify package` on it with the key of the public site.
func (o *office) check(id string) {
	t := o.t
	t.Helper()
	p := o.visit("chan", "/portal/cases/"+id)
	o.says(p, "Download the package")
	o.shoot(p, "chan-answer")
	p.TabTo("form[action$='/download'] button")
	file := p.Download(t.TempDir(), func() { p.Press("Enter") })
	public := o.b.Page()
	var key string
	public.Go(o.url + "/verify")
	public.Eval(`fetch("/log/key").then(r => r.text())`, &key)
	o.shoot(public, "public-verify")
	var out, errs bytes.Buffer
	if status := cli.Main([]string{"verify", "package", "--key", strings.TrimSpace(key), file}, nil, &out, &errs); status != 0 {
		t.Fatalf("writ verify package %s: status %d\n%s%s", file, status, &out, &errs)
	}
	t.Logf("writ verify package %s:\n%s", filepath.Base(file), &out)
	p = o.visit("cleo", "/staff/cases/"+id)
	o.says(p, "Package downloaded", "Release signed", "Person told")
	o.shoot(p, "cleo-delivered")
}

// pause has counsel draft a standing, counsel and the human-rights lead sign it, and looks for it on the public site.
func (o *office) pause() {
	o.t.Helper()
	p := o.visit("cleo", "/staff/standings/new")
	for _, f := range [][2]string{
		{"[name=stage]", "review_paused"}, {"[name=jurisdictions]", "HK"},
		{"[name=statement]", "We pause the review of requests from Hong Kong pending a human-rights assessment of the new law. 我們暫停審查。"},
		{"[name=resume]", "The assessment is signed."}, {"[name=exception1]", "Danger to life, with a call-back"},
	} {
		p.Fill("main "+f[0], f[1])
	}
	o.shoot(p, "cleo-drafts")
	p.TabTo("main form button")
	p.Loads(func() { p.Press("Enter") })
	at, _, _ := strings.Cut(o.at(p), "?")
	for _, who := range []string{"cleo", "hana"} {
		p = o.step(who, at, "sign", "signed")
	}
	o.says(p, "In force since")
	o.shoot(p, "hana-paused")
	p = o.b.Page()
	p.Go(o.url + "/standing")
	o.says(p, "Hong Kong", "We pause the review", "我們暫停審查", "Danger to life")
	o.shoot(p, "public-standing")
}

// standsStill looks at a request that came in under the pause, as the officer, as the staff and as the public do.
func (o *office) standsStill(id string) {
	t := o.t
	t.Helper()
	if err := o.Desk.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := o.visit("chan", "/portal/cases/"+id)
	o.says(p, "Paused", "We pause the review")
	o.shoot(p, "chan-paused")
	p = o.visit("rosa", "/staff/cases/"+id)
	o.says(p, "The review is paused", "Its clocks count on")
	o.shoot(p, "rosa-paused")
	var offered []string
	p.Eval(`[...document.querySelectorAll("details.step")].map(d => d.id)`, &offered)
	for _, d := range offered {
		switch d {
		case "do-begin_review", "do-propose", "do-sign_scope", "do-extract", "do-sign_release", "do-authenticate", "do-screen":
			t.Errorf("under the pause, %s is on offer", d)
		}
	}
	o.says(o.visit("ines", "/staff/"), id, "Paused")
}
