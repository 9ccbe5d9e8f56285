package staff_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"writ/desk"
)

// names are the steps that a person can take at all.
func names() []string {
	var out []string
	for _, row := range desk.Table() {
		if !slices.Contains(out, row.Command) && row.Command != "file" && row.Who[0] != "system" {
			out = append(out, row.Command)
		}
	}
	return out
}

// In each state each person is shown exactly the steps that the desk offers to them, and every other one is refused: 403 where it is
// for another role, 409 where the state does not hold it, 404 for who reads no case. Nothing changes by it.
func TestEveryStepByRoleAndState(t *testing.T) {
	t.Parallel()
	h := open(t, sqlite(t), true)
	id := h.receive()
	check := func(t *testing.T, state desk.State) {
		h.tick() // what the clockwork still has to do
		h.want(id, state)
		before, err := h.Desk.Case(ctx, desk.Actor{Auth: desk.BySystem}, id)
		must(t, err)
		for who, roles := range staff {
			a := desk.Actor{Person: who, Auth: desk.ByDev}
			offers, err := h.Desk.Actions(ctx, a, id)
			if who == "adam" {
				if !(err == desk.ErrNotFound) || h.as(who).Get("/staff/cases/"+id).Status != 404 || h.post(who, id, "note", "text", "x").Status != 404 {
					t.Errorf("%s: an administrator sees the case", state)
				}
				continue
			}
			must(t, err)
			page := h.as(who).Get("/staff/cases/" + id)
			for _, name := range names() {
				i := slices.IndexFunc(offers, func(o desk.Offer) bool { return o.Command == name })
				open := i >= 0 && offers[i].Blocked == ""
				if shown := strings.Contains(page.Body, `id="do-`+name+`"`); shown != open {
					t.Errorf("%s: %s is shown to %s: %v; the desk says %v", state, name, who, shown, open)
				}
				if open {
					continue
				}
				want := 409
				if i < 0 && slices.ContainsFunc(desk.Table(), func(r desk.Row) bool {
					return r.Command == name && slices.Contains(r.From, before.State) && !slices.ContainsFunc(slices.Concat(r.Who, r.Second), func(x desk.Role) bool { return slices.Contains(roles, x) })
				}) {
					want = 403
				}
				if got := h.post(who, id, name, "text", "x"); got.Status != want {
					t.Errorf("%s: %s by %s: %d; want %d\n%s", state, name, who, got.Status, want, plain(got.Body)[:200])
				}
			}
		}
		after, err := h.Desk.Case(ctx, desk.Actor{Auth: desk.BySystem}, id)
		must(t, err)
		if after.Seq != before.Seq {
			t.Errorf("%s: something changed", state)
		}
	}
	check(t, desk.Received)
	h.do("ines", id, "authenticate")
	check(t, desk.Authenticated)
	h.do("rita", id, "screen", "flags", "protest", "note", "a demonstration")
	check(t, desk.Screened)
	h.do("hana", id, "clear")
	h.do("rita", id, "begin_review")
	check(t, desk.UnderReview)
	h.do("carl", id, "object", "reasons", "request.overbroad", "text", "too much")
	check(t, desk.Objected)
	h.do("rita", id, "take_back", "text", "settled")
	h.do("rita", id, "propose")
	h.signed("rita", id, "sign_scope")
	h.signed("abe", id, "sign_scope")
	check(t, desk.Approved)
	h.do("rita", id, "extract")
	h.tick()
	check(t, desk.SecondApproval)
	h.do("rita", id, "send_back", "text", "The window is wrong.")
	h.do("rita", id, "refuse", "reasons", "request.overbroad")
	check(t, desk.Refused)
}

// Each page, for nobody, an officer, each role; and by GET nothing is changed.
func TestWhoSeesWhichPage(t *testing.T) {
	t.Parallel()
	h := open(t, sqlite(t), true)
	id, sealed := h.receive(), h.receive(func(f *desk.Filing) { f.Sealed = true })
	everyone := []string{"/staff/", "/staff/agencies", "/staff/agencies/hkpf", "/staff/people", "/staff/people/rita", "/staff/people/chan", "/staff/standings", "/staff/assessments", "/staff/reports"}
	cases := []string{"/staff/cases/" + id, "/staff/cases/" + id + ".json", "/staff/cases/" + id + "/receipt"}
	for _, path := range append(everyone, cases...) {
		if a := h.Visit(t).Get(path); a.Status != 303 || !strings.HasPrefix(a.Place, "/sign-in") {
			t.Errorf("%s for nobody: %d %s", path, a.Status, a.Place)
		}
		if a := h.as("chan").Get(path); a.Status != 403 {
			t.Errorf("%s for an officer: %d", path, a.Status)
		}
	}
	for who := range staff {
		for _, path := range everyone {
			if a := h.as(who).Get(path); a.Status != 200 {
				t.Errorf("%s for %s: %d", path, who, a.Status)
			}
		}
		for _, path := range cases {
			want := 200
			if who == "adam" {
				want = 404
			}
			if a := h.as(who).Get(path); a.Status != want {
				t.Errorf("%s for %s: %d; want %d", path, who, a.Status, want)
			}
		}
		h.only(who, "/staff/file", "ines")
		h.only(who, "/staff/standings/new", "carl", "hana", "eve")
		h.only(who, "/staff/assessments/new", "carl", "hana", "eve")
		h.unseen(who, sealed, who == "carl")
		if a := h.as(who).Get("/staff/cases/" + id + "/authenticate"); a.Status != 404 {
			t.Errorf("a step by GET for %s: %d", who, a.Status)
		}
	}
	h.want(id, desk.Received)
	h.do("carl", sealed, "assign", "person", "rita")
	h.unseen("rita", sealed, true)
	h.unseen("ines", sealed, false)
}

// only asserts that a page is for some people alone.
func (h *house) only(who, path string, people ...string) {
	h.t.Helper()
	want := 403
	if slices.Contains(people, who) {
		want = 200
	}
	if a := h.as(who).Get(path); a.Status != want {
		h.t.Errorf("%s for %s: %d; want %d", path, who, a.Status, want)
	}
}

// unseen asserts that a sealed case exists for a person, or does not, at each of its addresses.
func (h *house) unseen(who, id string, sees bool) {
	h.t.Helper()
	c, err := h.Desk.Case(ctx, desk.Actor{Auth: desk.BySystem}, id)
	must(h.t, err)
	for _, path := range []string{"", ".json", "/receipt", "/documents/" + c.Documents[0].ID} {
		if a := h.as(who).Get("/staff/cases/" + id + path); (a.Status == 200) != sees || !sees && a.Status != 404 {
			h.t.Errorf("sealed case%s for %s: %d", path, who, a.Status)
		}
	}
	if !sees {
		if a := h.post(who, id, "note", "text", "x"); a.Status != 404 {
			h.t.Errorf("a note on the sealed case by %s: %d", who, a.Status)
		}
	}
	if a := h.as(who).Get("/staff/"); strings.Contains(a.Body, id) != sees {
		h.t.Errorf("the sealed case stands in the queue of %s: %v", who, !sees)
	}
}

// What a step lacks is said beside its field, and what was given stands there again.
func TestFaultsOfForms(t *testing.T) {
	t.Parallel()
	h := open(t, sqlite(t), true)
	id := h.receive(func(f *desk.Filing) {
		f.Instrument, f.Facts, f.Supervisor = "emergency", "A life is in danger.", "Sgt Lee"
	})
	wrong := func(status int, who, command, field, words string, form ...string) {
		t.Helper()
		a := h.post(who, id, command, form...)
		if a.Status != status || !strings.Contains(plain(a.Body), words) || field != "" && !strings.Contains(a.Body, `id="`+command+"-"+field+`-wrong"`) && !strings.Contains(a.Body, `aria-describedby="`+command+"-"+field+`-wrong"`) {
			t.Errorf("%s with %.200v: %d\n%.1500s", command, form, a.Status, plain(a.Body))
		}
	}
	wrong(422, "ines", "authenticate", "number", "A call-back on the registry&#39;s number is needed")
	wrong(422, "ines", "authenticate", "result", "Say what came of the call", "number", "+85228602000", "spoke_to", "sergeant")
	wrong(422, "ines", "authenticate", "spoke_to", "function of who answered", "number", "+85228602000", "result", "confirmed")
	wrong(422, "ines", "authenticate", "number", "one of the registry", "number", "+85299999999", "spoke_to", "x", "result", "confirmed")
	if a := h.post("ines", id, "authenticate", "number", "+85228602000", "result", "no_answer"); a.Status != 303 || !strings.Contains(a.Place, "called") {
		t.Errorf("nobody answered: %d %s", a.Status, a.Place)
	}
	h.want(id, desk.Received)
	h.do("ines", id, "authenticate", "number", "+85228602000", "spoke_to", "sergeant", "result", "confirmed")
	wrong(422, "ines", "screen", "flags", "No such flag", "flags", "weather")
	h.do("ines", id, "screen")
	h.do("rita", id, "begin_review")
	wrong(422, "rita", "return", "reasons", "A reason is needed", "text", "mend <it>")
	if a := h.post("rita", id, "return", "text", "mend <it>"); !strings.Contains(a.Body, "mend &lt;it&gt;</textarea>") {
		t.Error("what was given is gone")
	}
	wrong(422, "rita", "return", "reasons", "No such reason", "reasons", "request.nonsense")
	wrong(422, "rita", "ask", "text", "A text is needed")
	wrong(422, "rita", "ask", "text", "The text is too long", "text", strings.Repeat("長", 3000))
	wrong(422, "rita", "narrow", "from", "no date that we can read", "identifiers", "alice@localhost", "categories", "subscriber", "from", "yesterday")
	wrong(422, "rita", "propose", "categories", "Choose at least one", "identifiers", "alice@localhost")
	wrong(422, "rita", "propose", "", "wider than what was asked", "identifiers", "bob@localhost", "categories", "subscriber")
	wrong(422, "carl", "set_gag", "until", "After the request was received", "issuer", "Court", "until", "2020-01-01")
	wrong(422, "carl", "fraud", "text", "A text is needed")
	h.do("rita", id, "propose")
	wrong(409, "rita", "sign_scope", "", "what was shown is not what stands here now", "hash", strings.Repeat("0", 64))
	wrong(409, "rita", "sign_scope", "", "what was shown is not what stands here now")
	if a := h.sign("ines", id, "sign_scope"); a.Status != 403 {
		t.Errorf("intake signs: %d", a.Status)
	}
	h.signed("both", id, "sign_scope", "as", "reviewer")
	if a := h.sign("both", id, "sign_scope", "as", "approver"); a.Status != 409 {
		t.Errorf("one person signs twice: %d", a.Status)
	}
}

// A form from another site is refused, whoever is signed in.
func TestAnotherSite(t *testing.T) {
	t.Parallel()
	h := open(t, sqlite(t), true)
	id := h.receive()
	a := h.as("ines").Send("POST", "/staff/cases/"+id+"/authenticate", "application/x-www-form-urlencoded", strings.NewReader(url.Values{}.Encode()), "Sec-Fetch-Site", "cross-site")
	if a.Status != 403 {
		t.Errorf("from another site: %d", a.Status)
	}
	h.want(id, desk.Received)
	a = h.as("ines").Get("/staff/cases/" + id)
	if a.Header.Get("Cache-Control") != "no-store" || strings.Contains(a.Header.Get("Content-Security-Policy"), "unsafe") {
		t.Errorf("headers: %v", a.Header)
	}
}
