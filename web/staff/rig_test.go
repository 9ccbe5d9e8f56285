package staff_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/url"
	"strings"
	"testing"
	"time"

	"writ/clock"
	"writ/desk"
	"writ/desk/intake"
	"writ/desk/law"
	"writ/desk/registry"
	"writ/passkey/softkey"
	"writ/schedule"
	"writ/server"
	"writ/store"
	"writ/store/storetest"
	"writ/writtest"
)

var ctx = context.Background()

// staff is who works at the desk of these tests.
var staff = map[string][]registry.Role{"ines": {registry.Intake}, "rita": {registry.Reviewer}, "abe": {registry.Approver}, "carl": {registry.Counsel}, "hana": {registry.Rights},
	"eve": {registry.Executive}, "adam": {registry.Admin}, "both": {registry.Reviewer, registry.Approver}}

// house is a whole server with a staffed desk, an agency with a confirmed officer, and people's browsers.
type house struct {
	*writtest.House
	t    testing.TB
	fake *clock.Fake
	key  *softkey.Key // nil: everyone signs in by the development sign-in
	in   map[string]*writtest.Visitor
}

// open starts a house; without dev everyone has a passkey of a software authenticator.
func open(t testing.TB, db *store.DB, dev bool) *house {
	t.Helper()
	h := &house{t: t, fake: clock.NewFake(time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)), in: map[string]*writtest.Visitor{}}
	h.House = writtest.Start(t, db, writtest.Fake(h.fake), func(o *server.Options) {
		if o.Dev = dev; dev {
			o.Config.Domain = "localhost"
			o.Config.HTTP = server.HTTPConfig{Listen: []string{"127.0.0.1:0"}}
		}
	})
	if !dev {
		h.key = softkey.New()
	}
	for id, roles := range staff {
		must(t, second(h.Registry.AddStaff(ctx, registry.SystemPerson, registry.Person{ID: id, Name: strings.ToUpper(id[:1]) + id[1:], Roles: roles})))
	}
	must(t, second(h.Registry.AddAgency(ctx, "ines", registry.Agency{ID: "hkpf", Name: "Hong Kong Police Force 香港警務處", Jurisdiction: "HK", Domains: []string{"police.gov.hk"},
		Numbers: []registry.Number{{Phone: "+85228602000", Source: "the government's telephone directory"}}})))
	must(t, second(h.Registry.AddOfficer(ctx, "ines", registry.Person{ID: "chan", Name: "Chan Tai-man 陳大文", Mail: "chan@police.gov.hk", Agency: "hkpf"})))
	must(t, second(h.Registry.RecordCallBack(ctx, "ines", registry.CallBack{Officer: "chan", Number: "+85228602000", SpokeTo: "duty officer", Result: registry.Confirmed})))
	h.Account(t, "alice")
	return h
}

func second[T any](_ T, err error) error { return err }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// as is the browser of a person, signed in.
func (h *house) as(person string) *writtest.Visitor {
	h.t.Helper()
	if v := h.in[person]; v != nil {
		return v
	}
	v := h.Visit(h.t)
	if h.key != nil && !h.key.Has(person) {
		h.Passkey(h.t, h.key, person)
	}
	v.SignIn(h.key, person)
	h.in[person] = v
	return v
}

func pdf(s string) []byte { return []byte("%PDF-1.7\n" + s + "\nstartxref\n0\n%%EOF\n") }

func (h *house) filing() desk.Filing {
	return desk.Filing{Channel: intake.Portal, Service: "chat", Instrument: law.SearchWarrant, LegalBasis: "Cap. 1, section 2", Reference: "CN 1",
		Identifiers: []string{"alice@" + h.Domain.ASCII()}, Categories: []law.Category{schedule.Subscriber, schedule.LastSeen},
		Documents: []intake.Document{{Name: "warrant 搜查令.pdf", Body: pdf(fmt.Sprint(h.fake.Now(), len(h.in)))}}}
}

// receive files a request of the officer.
func (h *house) receive(edit ...func(*desk.Filing)) string {
	h.t.Helper()
	f := h.filing()
	for _, e := range edit {
		e(&f)
	}
	r, err := h.Desk.File(ctx, desk.Actor{Person: "chan", Auth: desk.ByPasskey}, f)
	must(h.t, err)
	return r.Case
}

// look is what GET …json says.
type look struct {
	State   string `json:"state"`
	Package string `json:"package_sha256"`
	Actions []struct {
		Command, Hash, Blocked, Exception string
	} `json:"actions"`
}

func (h *house) look(person, id string) look {
	h.t.Helper()
	a := h.as(person).Get("/staff/cases/" + id + ".json")
	if a.Status != 200 {
		h.t.Fatalf("%s looks at %s: %d", person, id, a.Status)
	}
	var l look
	must(h.t, json.Unmarshal([]byte(a.Body), &l))
	return l
}

func (l look) hash(command string) string {
	for _, a := range l.Actions {
		if a.Command == command {
			return a.Hash
		}
	}
	return ""
}

// post sends a step of a case.
func (h *house) post(person, id, command string, form ...string) writtest.Answer {
	h.t.Helper()
	v := url.Values{}
	for i := 0; i+1 < len(form); i += 2 {
		v.Add(form[i], form[i+1])
	}
	return h.as(person).Post("/staff/cases/"+id+"/"+command, v)
}

// do sends a step that must be done.
func (h *house) do(person, id, command string, form ...string) {
	h.t.Helper()
	if a := h.post(person, id, command, form...); a.Status != 303 {
		h.t.Fatalf("%s by %s: %d\n%s", command, person, a.Status, plain(a.Body))
	}
}

// sign sends a signature over what the person is shown.
func (h *house) sign(person, id, command string, form ...string) writtest.Answer {
	h.t.Helper()
	hash := h.look(person, id).hash(command)
	form = append(form, "hash", hash)
	if h.key != nil && hash != "" {
		form = append(form, "assertion", h.as(person).Sign(h.key, person, hash))
	}
	return h.post(person, id, command, form...)
}

func (h *house) signed(person, id, command string, form ...string) {
	h.t.Helper()
	if a := h.sign(person, id, command, form...); a.Status != 303 {
		h.t.Fatalf("%s by %s: %d\n%s", command, person, a.Status, plain(a.Body))
	}
}

// later lets time pass. Sessions end by it, as for anybody.
func (h *house) later(d time.Duration) {
	h.fake.Advance(d)
	clear(h.in)
}

func (h *house) state(id string) desk.State {
	h.t.Helper()
	c, err := h.Desk.Case(ctx, desk.Actor{Auth: desk.BySystem}, id)
	must(h.t, err)
	return c.State
}

func (h *house) want(id string, s desk.State) {
	h.t.Helper()
	if got := h.state(id); got != s {
		h.t.Fatalf("the case is %s; want %s", got, s)
	}
}

func (h *house) tick() {
	h.t.Helper()
	must(h.t, h.Desk.Tick(ctx))
}

// toReview, toApproved and toPackage take a case along by the pages.
func (h *house) toReview(id string) {
	h.t.Helper()
	h.do("ines", id, "authenticate")
	h.do("ines", id, "screen")
	h.do("rita", id, "begin_review")
}

func (h *house) toApproved(id string) {
	h.t.Helper()
	h.toReview(id)
	h.do("rita", id, "propose")
	h.signed("rita", id, "sign_scope")
	h.signed("abe", id, "sign_scope")
	h.want(id, desk.Approved)
}

func (h *house) toPackage(id string) {
	h.t.Helper()
	h.toApproved(id)
	h.do("rita", id, "extract")
	h.tick()
	h.want(id, desk.SecondApproval)
}

// upload sends a form with documents.
func (h *house) upload(person, path string, form url.Values, docs map[string][]byte) writtest.Answer {
	h.t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for k, vs := range form {
		for _, v := range vs {
			must(h.t, m.WriteField(k, v))
		}
	}
	for name, body := range docs {
		w, err := m.CreateFormFile("documents", name)
		must(h.t, err)
		_, err = w.Write(body)
		must(h.t, err)
	}
	must(h.t, m.Close())
	return h.as(person).Send("POST", path, m.FormDataContentType(), &b)
}

// plain is a page without its tags, short.
func plain(s string) string {
	var b strings.Builder
	in := false
	if i := strings.Index(s, "<main"); i >= 0 {
		s = s[i:]
	}
	for _, r := range s {
		switch {
		case r == '<':
			in = true
		case r == '>':
			in = false
			b.WriteByte(' ')
		case !in:
			b.WriteRune(r)
		}
	}
	out := strings.Join(strings.Fields(b.String()), " ")
	return out[:min(len(out), 30000)]
}

func sqlite(t testing.TB) *store.DB { return storetest.SQLite(t) }
