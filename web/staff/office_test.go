package staff_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"writ/desk"
	"writ/writtest"
)

// form makes values of pairs.
func values(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

// send posts a form that must be accepted, and gives where it leads.
func (h *house) send(who, path string, pairs ...string) string {
	h.t.Helper()
	a := h.as(who).Post(path, values(pairs...))
	if a.Status != 303 {
		h.t.Fatalf("%s by %s: %d\n%s", path, who, a.Status, plain(a.Body))
	}
	at, _, _ := strings.Cut(a.Place, "?")
	return at
}

// refuses posts a form that must be refused, with words.
func (h *house) refuses(status int, words, who, path string, pairs ...string) {
	h.t.Helper()
	if a := h.as(who).Post(path, values(pairs...)); a.Status != status || !strings.Contains(plain(a.Body), words) {
		h.t.Errorf("%s by %s: %d, want %d and %q\n%.1500s", path, who, a.Status, status, words, plain(a.Body))
	}
}

var hashField = regexp.MustCompile(`name="hash" value="([0-9a-f]{64})"`)

// signPage signs the record that stands on a page.
func (h *house) signPage(who, path, role string, more ...string) writtest.Answer {
	h.t.Helper()
	m := hashField.FindStringSubmatch(h.as(who).Get(path).Body)
	if m == nil {
		return writtest.Answer{}
	}
	return h.as(who).Post(path+"/sign", values(append(more, "role", role, "hash", m[1])...))
}

var assessment = []string{"trigger", "A national security law came into force.", "trigger_date", "2026-11-30", "jurisdictions", "HK", "facts", "Article 43 fines and jails. | the Gazette", "rights", "expression\nprivacy",
	"risk1", "arrest for what was written", "risk1_scale", "5", "risk1_scope", "4", "risk1_remediability", "5", "risk1_likelihood", "4", "consulted1", "An academic", "consulted1_date", "2026-11-29", "consulted1_sealed", "yes",
	"option1", "pause", "option2", "go on", "option2_rejected", "people could be harmed", "staff_safety", "No staff there.", "decision", "Pause.", "interim", "Acknowledge.", "resume", "The review is done.", "publication", "We assessed."}

// A pause from draft to its end by the pages: signed by two it stops a case, whose clocks stay visible; an exception is admitted by
// two; lifting needs a signed assessment and the executive, and releases nothing.
func TestStandingByPages(t *testing.T) {
	t.Parallel()
	h := open(t, sqlite(t), true)
	held := h.receive()
	h.refuses(403, "", "rita", "/staff/standings", "stage", "review_paused")
	h.refuses(422, "1 to 8000 bytes", "carl", "/staff/standings", "stage", "review_paused", "jurisdictions", "HK", "resume", "reviewed")
	h.refuses(422, "ISO 3166", "carl", "/staff/standings", "stage", "review_paused", "jurisdictions", "Hongkong", "resume", "reviewed", "statement", "We pause.")
	h.refuses(422, "no agency nobody", "carl", "/staff/standings", "stage", "review_paused", "agencies", "nobody", "resume", "reviewed", "statement", "We pause.")
	at := h.send("carl", "/staff/standings", "stage", "review_paused", "jurisdictions", "HK", "resume", "Reviewed.", "statement", "We pause. 我們暫停。", "exception1", "danger to life", "exception1_for", "search_warrant")
	h.refuses(409, "not what stands here now", "carl", at+"/sign", "role", "counsel", "hash", strings.Repeat("0", 64))
	if a := h.signPage("carl", at, "counsel"); a.Status != 303 {
		t.Fatalf("counsel signs: %d %s", a.Status, plain(a.Body))
	}
	if a := h.signPage("carl", at, "counsel"); a.Status == 303 {
		t.Error("counsel signs twice")
	}
	if a := h.signPage("hana", at, "rights"); a.Status != 303 {
		t.Fatalf("the human-rights lead signs: %d %s", a.Status, plain(a.Body))
	}
	h.tick()
	h.want(held, desk.Standstill)
	a := h.as("carl").Get("/staff/cases/" + held)
	for _, want := range []string{"The review is paused", "Its clocks count on", "我們暫停", "30 days", "danger to life"} {
		if !strings.Contains(plain(a.Body), want) {
			t.Errorf("the paused case does not say %q", want)
		}
	}
	h.signed("carl", held, "admit", "exception", "e1")
	h.signed("hana", held, "admit", "exception", "e1")
	h.want(held, desk.Received)
	second := h.receive()

	id := strings.TrimPrefix(at, "/staff/standings/")
	lift := []string{"replaces", id, "stage", "open", "jurisdictions", "HK", "statement", "We resume."}
	h.refuses(422, "signed assessment", "carl", "/staff/standings", lift...)
	h.refuses(422, "has no source", "hana", "/staff/assessments", append(assessment, "facts", "no source")...)
	h.refuses(422, "This is needed", "hana", "/staff/assessments", "trigger", "x")
	as := h.send("hana", "/staff/assessments", assessment...)
	for who, role := range map[string]string{"carl": "counsel", "hana": "rights", "eve": "executive"} {
		if a := h.signPage(who, as, role, "version", "1"); a.Status != 303 {
			t.Fatalf("%s signs the assessment: %d %s", who, a.Status, plain(a.Body))
		}
	}
	if a := h.as("rita").Get(as); !strings.Contains(plain(a.Body), "name sealed") || strings.Contains(a.Body, "An academic") || !strings.Contains(a.Body, "active") {
		t.Errorf("the assessment for a reviewer:\n%s", plain(a.Body))
	}
	h.send("carl", as, append(assessment, "dissent", "One voice against.")...)
	at = h.send("carl", "/staff/standings", append(lift, "assessment", strings.TrimPrefix(as, "/staff/assessments/"))...)
	for who, role := range map[string]string{"carl": "counsel", "hana": "rights", "eve": "executive"} {
		if a := h.signPage(who, at, role); a.Status != 303 {
			t.Fatalf("%s signs the lifting: %d %s", who, a.Status, plain(a.Body))
		}
	}
	h.tick()
	h.want(second, desk.Standstill)
	h.do("rita", second, "resume")
	h.want(second, desk.Received)
	draft := h.send("hana", "/staff/standings", "stage", "refused", "jurisdictions", "US", "resume", "Never.", "statement", "No.")
	h.send("hana", draft+"/discard")
	for _, path := range []string{"/staff/standings", "/staff/standings/" + id, draft, "/staff/standings/new?replaces=" + strings.TrimPrefix(at, "/staff/standings/"), as + "?version=1", as + "/edit"} {
		if a := h.as("carl").Get(path); a.Status != 200 {
			t.Errorf("%s: %d", path, a.Status)
		}
	}
}

// The registry by the pages: an agency with its own numbers, an officer with a call and a link, a member of the staff whose roles two
// others grant.
func TestRegistryByPages(t *testing.T) {
	t.Parallel()
	h := open(t, sqlite(t), true)
	agency := []string{"id", "fbi", "name", "Federal Bureau of Investigation", "jurisdiction", "US", "domains", "fbi.gov", "numbers", "+12023243000 the bureau's own page"}
	h.refuses(403, "", "rita", "/staff/agencies", agency...)
	h.refuses(422, "international form", "ines", "/staff/agencies", append(values2(agency, "numbers"), "numbers", "911 nowhere")...)
	h.refuses(422, "where we found it", "ines", "/staff/agencies", append(values2(agency, "numbers"), "numbers", "+12023243000")...)
	if at := h.send("ines", "/staff/agencies", agency...); at != "/staff/agencies/fbi" {
		t.Fatal(at)
	}
	h.send("ines", "/staff/agencies/fbi", "name", "FBI", "domains", "fbi.gov", "numbers", "+12023243000 the bureau's own page")
	h.refuses(422, "An address of fbi.gov", "ines", "/staff/agencies/fbi/officers", "name", "Ann Agent", "mail", "ann@example.org")
	officer := h.send("ines", "/staff/agencies/fbi/officers", "id", "ann", "name", "Ann Agent", "mail", "ann@fbi.gov", "badge", "7")
	h.refuses(422, "one of the registry", "ines", officer+"/call-back", "number", "+12025550100", "spoke_to", "desk", "result", "confirmed")
	h.send("ines", officer+"/call-back", "number", "+12023243000", "spoke_to", "desk", "result", "confirmed")
	h.refuses(403, "", "rita", officer+"/enrol")
	a := h.as("ines").Post(officer+"/enrol", nil)
	link := regexp.MustCompile(`/enrol/[A-Za-z0-9_-]+`).FindString(a.Body)
	if a.Status != 200 || link == "" || h.Visit(t).Get(link).Status != 200 {
		t.Fatalf("the link: %d %s", a.Status, plain(a.Body))
	}
	if a := h.as("ines").Post("/staff/people/rita/enrol", nil); a.Status != 404 {
		t.Errorf("a link for the staff: %d", a.Status)
	}
	h.send("ines", officer+"/renew")
	h.refuses(422, "Say why", "ines", officer+"/suspend")
	h.send("ines", officer+"/suspend", "reason", "left")
	h.refuses(403, "", "ines", officer+"/reinstate", "reason", "back")
	h.send("adam", officer+"/reinstate", "reason", "back")

	h.send("adam", "/staff/people", "id", "nora", "name", "Nora New")
	h.refuses(403, "", "rita", "/staff/people", "id", "x", "name", "X")
	h.send("adam", "/staff/people/nora/roles", "roles", "reviewer")
	page := h.as("eve").Get("/staff/people")
	confirm := regexp.MustCompile(`/staff/proposals/[a-z0-9-]+/confirm`).FindString(page.Body)
	h.refuses(409, "another person", "adam", confirm)
	h.send("eve", confirm)
	if p, err := h.Registry.Person(ctx, "nora"); err != nil || !p.Has("reviewer") {
		t.Errorf("nora: %v %v", p.Roles, err)
	}
	for _, path := range []string{"/staff/agencies/nobody", "/staff/people/nobody", "/staff/standings/nothing", "/staff/assessments/nothing", "/staff/cases/nothing", "/staff/nothing"} {
		if a := h.as("carl").Get(path); a.Status != 404 {
			t.Errorf("%s: %d", path, a.Status)
		}
	}
}

// values2 is pairs without those of a name.
func values2(pairs []string, without string) []string {
	var out []string
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i] != without {
			out = append(out, pairs[i], pairs[i+1])
		}
	}
	return out
}

// A request that came by post is entered with its paper, which comes back as a file and is never shown; what is wrong stands beside
// its field; fraud freezes what else the agency asked.
func TestEnteredByStaff(t *testing.T) {
	t.Parallel()
	h := open(t, sqlite(t), true)
	paper := values("channel", "post", "agency", "hkpf", "officer", "chan", "service", "chat", "instrument", "search_warrant", "jurisdiction", "HK", "legal_basis", "Cap. 1", "reference", "CN 2",
		"identifiers", "alice@localhost", "categories", "subscriber", "served", "2026-11-30T10:00")
	if a := h.upload("ines", "/staff/file", paper, map[string][]byte{"x.pdf": []byte("<script>alert(1)</script>")}); a.Status != 422 || !strings.Contains(a.Body, `id="file-documents-wrong"`) {
		t.Errorf("no PDF: %d %s", a.Status, plain(a.Body))
	}
	if a := h.upload("rita", "/staff/file", paper, nil); a.Status != 403 {
		t.Errorf("entered by a reviewer: %d", a.Status)
	}
	a := h.upload("ines", "/staff/file", paper, map[string][]byte{"搜查令.pdf": pdf("post")})
	if a.Status != 303 {
		t.Fatalf("entering: %d %s", a.Status, plain(a.Body))
	}
	at, _, _ := strings.Cut(a.Place, "?")
	id := strings.TrimPrefix(at, "/staff/cases/")
	doc := regexp.MustCompile(at + `/documents/[a-z0-9-]+`).FindString(h.as("rita").Get(at).Body)
	if a := h.as("rita").Get(doc); a.Status != 200 || a.Body != string(pdf("post")) || !strings.HasPrefix(a.Header.Get("Content-Disposition"), "attachment") || a.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("the document: %d %v", a.Status, a.Header)
	}
	if a := h.as("eve").Get(doc); a.Status != 403 {
		t.Errorf("the document for an executive: %d", a.Status)
	}
	h.toReview(id)
	h.do("rita", id, "return", "reasons", "request.not_signed", "text", "Sign it.")
	if a := h.upload("ines", at+"/cure", values("text", "Here it is."), map[string][]byte{"signed.pdf": pdf("signed")}); a.Status != 303 {
		t.Fatalf("mending: %d %s", a.Status, plain(a.Body))
	}
	h.do("rita", id, "narrow", "identifiers", "alice@localhost", "categories", "subscriber", "from", "2026-11-01", "reasons", "request.overbroad")
	h.do("ines", id, "agree")
	h.do("carl", id, "set_gag", "issuer", "District Court")
	if a := h.as("carl").Get(at); !strings.Contains(plain(a.Body), "names no end. Counsel has to get one") {
		t.Error("the order without an end is not flagged")
	}
	other := h.receive()
	h.do("carl", id, "fraud", "text", "The court knows nothing of it.")
	h.want(id, desk.Fraudulent)
	if a := h.as("carl").Get("/staff/cases/" + other); !strings.Contains(plain(a.Body), "The case is frozen") || !strings.Contains(a.Body, "suspended") {
		t.Errorf("the other case:\n%s", plain(a.Body))
	}
	h.do("carl", other, "unfreeze", "text", "Called anew.")

	sealed := values("sealed", "1")
	for k, v := range paper {
		sealed[k] = v
	}
	h.send("adam", "/staff/agencies/hkpf/reinstate", "reason", "called anew")
	h.send("ines", "/staff/people/chan/call-back", "number", "+85228602000", "spoke_to", "sergeant", "result", "confirmed")
	if a := h.upload("ines", "/staff/file", sealed, map[string][]byte{"a.pdf": pdf("sealed")}); a.Status != 201 || !strings.Contains(plain(a.Body), "It is sealed") {
		t.Errorf("a sealed one: %d %s", a.Status, plain(a.Body))
	}
}

// Who may close and correct a report, and what is said when it cannot be.
func TestReportsByPages(t *testing.T) {
	t.Parallel()
	h := open(t, sqlite(t), true)
	h.refuses(403, "", "rita", "/staff/reports/2026-H2/close")
	h.refuses(409, "cut-off has not passed", "carl", "/staff/reports/2026-H2/close")
	h.refuses(422, "Say why", "carl", "/staff/reports/2026-H1/correct")
	h.refuses(409, "not closed yet", "carl", "/staff/reports/2024-H1/correct", "reason", "x")
	h.refuses(404, "", "carl", "/staff/reports/summer/close")
	h.refuses(404, "", "carl", "/staff/reports/2026-H1/burn")
}

// A term that has passed, and a standing past its review, stand above the queue.
func TestAlarms(t *testing.T) {
	t.Parallel()
	h := open(t, sqlite(t), true)
	h.receive()
	at := h.send("carl", "/staff/standings", "stage", "production_paused", "jurisdictions", "FR", "resume", "Reviewed.", "statement", "We pause.")
	h.signPage("carl", at, "counsel")
	h.signPage("hana", at, "rights")
	h.later(100 * 24 * time.Hour)
	a := h.as("carl").Get("/staff/")
	for _, want := range []string{"1 case is past a term", "review date of a standing has passed", "overdue by"} {
		if !strings.Contains(plain(a.Body), want) {
			t.Errorf("the queue does not say %q:\n%s", want, plain(a.Body))
		}
	}
}
