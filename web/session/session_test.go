package session_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"writ/clock"
	"writ/desk/registry"
	"writ/obs"
	"writ/passkey"
	"writ/passkey/softkey"
	"writ/store"
	"writ/store/storetest"
	"writ/web/session"
	"writ/web/ui"
)

var ctx = context.Background()

// house is the room behind a real server, with a reviewer (rev), an administrator (adm) and an officer (off).
type house struct {
	*session.Sessions
	t        *testing.T
	db       *store.DB
	url      string
	clock    *clock.Fake
	keys     *passkey.Passkeys
	registry *registry.Registry
	key      *softkey.Key
}

func open(t *testing.T, db *store.DB, dev bool) *house {
	t.Helper()
	storetest.Migrate(t, db, passkey.Schema(), registry.Schema(), session.Schema())
	h := &house{t: t, db: db, clock: clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)), key: softkey.New()}
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	h.url = strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)
	h.registry = registry.New(db, h.clock)
	var err error
	if h.keys, err = passkey.Open(db, passkey.Config{RPID: "localhost", Origins: []string{h.url}}, h.clock); err != nil {
		t.Fatal(err)
	}
	o := session.Options{DB: db, Passkeys: h.keys, People: h.registry, Clock: h.clock, Log: obs.Discard()}
	if dev {
		o.Dev = &session.Dev{Key: h.key, Origin: h.url}
	}
	if h.Sessions, err = session.Open(o); err != nil {
		t.Fatal(err)
	}
	inner := http.NewServeMux()
	inner.Handle("/", h.Handler())
	whoami := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := session.ActorOf(r)
		fmt.Fprintf(w, "%s %s %s %v", a.Person, a.Auth, a.Roles, h.Signer(r))
	})
	inner.Handle("/staff/", h.Require(whoami, registry.Reviewer, registry.Approver))
	inner.Handle("/portal/", h.Require(whoami, registry.Officer))
	inner.Handle("/any/", h.Require(whoami))
	inner.Handle("POST /any/sign", h.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hash := sha256.Sum256([]byte("scope"))
		a, err := h.Assertion(r, hash)
		if err == nil {
			err = db.Write(r.Context(), func(tx *store.Tx) error { return h.keys.Verify(r.Context(), tx, session.ActorOf(r).Person, hash, a) })
		}
		fmt.Fprintf(w, "signed: %v", err)
	})))
	mux.Handle("/static/", ui.Static())
	mux.Handle("/", h.Wrap(inner))
	for _, p := range []registry.Person{{ID: "rev", Name: "Rita Reviewer", Roles: []registry.Role{registry.Reviewer}}, {ID: "adm", Name: "Ada Admin", Roles: []registry.Role{registry.Admin}}} {
		if _, err := h.registry.AddStaff(ctx, registry.SystemPerson, p); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.registry.AddAgency(ctx, registry.SystemPerson, registry.Agency{ID: "police", Name: "Police", Jurisdiction: "HK",
		Domains: []string{"police.gov.hk"}, Numbers: []registry.Number{{Phone: "+85228600000", Source: "the government's directory"}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.registry.AddOfficer(ctx, registry.SystemPerson, registry.Person{ID: "off", Name: "Olive Officer", Mail: "o@police.gov.hk", Agency: "police"}); err != nil {
		t.Fatal(err)
	}
	return h
}

// client is one person's browser without a screen; it does not follow redirects by itself.
type client struct {
	*http.Client
	h   *house
	jar *cookiejar.Jar
}

func (h *house) client() *client {
	jar, _ := cookiejar.New(nil)
	return &client{&http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, h, jar}
}

type answer struct {
	status int
	place  string
	body   string
	header http.Header
}

func (b *client) do(method, path string, form url.Values, header ...string) answer {
	b.h.t.Helper()
	req, err := http.NewRequest(method, b.h.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.h.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := b.Do(req)
	if err != nil {
		b.h.t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header.Get("Location"), string(body), res.Header}
}

// enrol registers a passkey of the house's key for a person through the pages.
func (h *house) enrol(person string) *client {
	h.t.Helper()
	var token string
	if err := h.db.Write(ctx, func(tx *store.Tx) (err error) { token, err = h.keys.Enrol(ctx, tx, person, "Name"); return err }); err != nil {
		h.t.Fatal(err)
	}
	b := h.client()
	if got := b.do("GET", "/enrol/"+token, nil); got.status != 200 || !strings.Contains(got.body, "registers one passkey") {
		h.t.Fatalf("enrolment page: %d %s", got.status, got.body)
	}
	options := b.do("POST", "/enrol/"+token+"/options", url.Values{})
	reply, err := h.key.Create([]byte(options.body), h.url)
	if err != nil {
		h.t.Fatal(err, options.body)
	}
	if got := b.do("POST", "/enrol/"+token, url.Values{"answer": {string(reply)}, "label": {"my key"}}); got.status != 303 {
		h.t.Fatalf("enrolment: %d %s", got.status, got.body)
	}
	if got := b.do("GET", "/enrol/"+token, nil); got.status != 404 {
		h.t.Errorf("the link is good twice: %d", got.status)
	}
	return b
}

// signIn signs a person in with the house's key.
func (b *client) signIn(person, next string) answer {
	b.h.t.Helper()
	options := b.do("POST", "/sign-in/options", url.Values{})
	reply, err := b.h.key.Get([]byte(options.body), b.h.url, person)
	if err != nil {
		b.h.t.Fatal(err)
	}
	return b.do("POST", "/sign-in", url.Values{"answer": {string(reply)}, "next": {next}})
}

func (b *client) cookie() string {
	u, _ := url.Parse(b.h.url)
	for _, c := range b.jar.Cookies(u) {
		return c.Value
	}
	return ""
}

func TestEnrolSignInSignOut(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, false)
		b := h.enrol("rev")
		if got := b.do("GET", "/staff/x", nil); got.body != "rev passkey [reviewer] true" {
			t.Errorf("after the enrolment: %d %q", got.status, got.body)
		}
		for path, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin", "Content-Security-Policy": ui.CSP} {
			if got := b.do("GET", "/staff/", nil).header.Get(path); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %q", path, got)
			}
		}
		before := b.cookie()
		if got := b.do("POST", "/sign-out", url.Values{}); got.place != "/sign-in" {
			t.Errorf("sign-out: %d %s", got.status, got.place)
		}
		old := h.client()
		u, _ := url.Parse(h.url)
		old.jar.SetCookies(u, []*http.Cookie{{Name: "writ", Value: before}})
		for _, x := range []*client{b, old} {
			if got := x.do("GET", "/staff/?a=b", nil); got.status != 303 || got.place != "/sign-in?next=%2Fstaff%2F%3Fa%3Db" {
				t.Errorf("after the sign-out: %d %s", got.status, got.place)
			}
		}
		if got := b.signIn("rev", "/staff/?a=b"); got.place != "/staff/?a=b" {
			t.Errorf("sign-in leads to %q", got.place)
		}
		for _, next := range []string{"https://evil.example/", "//evil.example/", `/\evil.example`, "staff", "javascript:alert(1)", "/a\r\nb"} {
			if got := b.signIn("rev", next); got.place != "/staff/" {
				t.Errorf("sign-in with next=%q leads to %q", next, got.place)
			}
		}
	})
}

// A session id that someone planted is worth nothing after the sign-in.
func TestSignInChangesTheSessionsID(t *testing.T) {
	t.Parallel()
	h := open(t, storetest.SQLite(t), false)
	h.enrol("rev")
	b := h.client()
	b.do("POST", "/sign-in/options", url.Values{})
	planted := b.cookie()
	if got := b.signIn("rev", ""); got.status != 303 || planted == "" || b.cookie() == planted {
		t.Fatalf("%d: id before %q, after %q", got.status, planted, b.cookie())
	}
	thief := h.client()
	u, _ := url.Parse(h.url)
	thief.jar.SetCookies(u, []*http.Cookie{{Name: "writ", Value: planted}})
	if got := thief.do("GET", "/any/", nil); got.status != 303 {
		t.Errorf("the planted id is signed in: %s", got.body)
	}
	var n int
	if err := h.db.QueryRow(ctx, `SELECT COUNT(*) FROM session_session WHERE token = $1`, b.cookie()).Scan(&n); err != nil || n != 0 {
		t.Errorf("the cookie's value is in the table: %d, %v", n, err)
	}
}

func TestRolesAreReadEachTime(t *testing.T) {
	t.Parallel()
	h := open(t, storetest.SQLite(t), false)
	rev, off := h.enrol("rev"), h.enrol("off")
	if got := off.do("GET", "/portal/", nil); got.body != "off passkey [officer] true" {
		t.Errorf("%q", got.body)
	}
	if got := off.do("GET", "/staff/", nil); got.status != 403 {
		t.Errorf("an officer on the staff's pages: %d", got.status)
	}
	if got := rev.do("GET", "/portal/", nil); got.status != 403 {
		t.Errorf("staff on the portal: %d", got.status)
	}
	if err := h.registry.Suspend(ctx, registry.SystemPerson, "police", "a fraud verdict"); err != nil {
		t.Fatal(err)
	}
	if got := off.do("GET", "/portal/", nil); got.status != 303 {
		t.Errorf("an officer of a suspended agency: %d", got.status)
	}
	if got := off.signIn("off", ""); got.status != 403 || !strings.Contains(got.body, "suspended") {
		t.Errorf("sign-in of one: %d", got.status)
	}
	if err := h.registry.Suspend(ctx, registry.SystemPerson, "rev", "left"); err != nil {
		t.Fatal(err)
	}
	if got := rev.do("GET", "/staff/", nil); got.status != 303 {
		t.Errorf("suspended staff: %d", got.status)
	}
	if got := rev.do("POST", "/any/sign", url.Values{}); got.status != 401 {
		t.Errorf("a form of suspended staff: %d", got.status)
	}
}

func TestOtherSitesChangeNothing(t *testing.T) {
	t.Parallel()
	h := open(t, storetest.SQLite(t), true)
	b := h.client()
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
		for _, path := range []string{"/sign-in", "/sign-in/dev", "/sign-out", "/sign/options", "/keys", "/keys/remove", "/enrol/x", "/any/sign", "/nothing"} {
			if got := b.do("POST", path, url.Values{"person": {"rev"}}, header...); got.status != 403 || !strings.Contains(got.body, "another site") {
				t.Errorf("POST %s with %v: %d", path, header, got.status)
			}
		}
	}
}

func TestBadAnswers(t *testing.T) {
	t.Parallel()
	h := open(t, storetest.SQLite(t), false)
	h.enrol("rev")
	b := h.client()
	if got := b.do("POST", "/sign-in", url.Values{}); got.status != 400 {
		t.Errorf("no answer: %d", got.status)
	}
	if got := b.do("POST", "/sign-in", url.Values{"answer": {"{}"}}); got.status != 403 {
		t.Errorf("an empty answer: %d", got.status)
	}
	options := b.do("POST", "/sign-in/options", url.Values{})
	for origin, want := range map[string]int{"https://evil.example": 403, h.url: 403} { // the second: the ceremony was answered
		reply, _ := h.key.Get([]byte(options.body), origin, "rev")
		if origin == h.url {
			b.do("POST", "/sign-in", url.Values{"answer": {"x"}})
		}
		if got := b.do("POST", "/sign-in", url.Values{"answer": {string(reply)}}); got.status != want {
			t.Errorf("answer from %s: %d", origin, got.status)
		}
	}
	if got := b.do("POST", "/sign-in", url.Values{"answer": {strings.Repeat("x", 100<<10)}}); got.status != 400 {
		t.Errorf("an answer of 100 KiB: %d", got.status)
	}
	for _, path := range []string{"/enrol/nothing", "/enrol/" + strings.Repeat("x", 5000)} {
		if got := b.do("GET", path, nil); got.status != 404 {
			t.Errorf("%.20s: %d", path, got.status)
		}
	}
	if got := b.do("POST", "/sign-in/dev", url.Values{"person": {"rev"}}); got.status == 303 {
		t.Error("the development sign-in is there without Dev")
	}
	if got := b.do("GET", "/sign-in", nil); strings.Contains(got.body, "Development") {
		t.Error("the sign-in page offers it")
	}
}

func TestSignatures(t *testing.T) {
	t.Parallel()
	h := open(t, storetest.SQLite(t), false)
	b := h.enrol("rev")
	hash := sha256.Sum256([]byte("scope"))
	if got := b.do("POST", "/any/sign", url.Values{}); !strings.Contains(got.body, "signature is missing") {
		t.Errorf("without an assertion: %q", got.body)
	}
	if got := b.do("POST", "/sign/options", url.Values{"hash": {"abc"}}); got.status != 400 {
		t.Errorf("half a hash: %d", got.status)
	}
	if got := h.client().do("POST", "/sign/options", url.Values{"hash": {hex.EncodeToString(hash[:])}}); got.status != 401 {
		t.Errorf("nobody signs: %d", got.status)
	}
	options := b.do("POST", "/sign/options", url.Values{"hash": {hex.EncodeToString(hash[:])}})
	reply, err := h.key.Get([]byte(options.body), h.url, "")
	if err != nil {
		t.Fatal(err)
	}
	if got := b.do("POST", "/any/sign", url.Values{"assertion": {string(reply)}}); got.body != "signed: <nil>" {
		t.Errorf("%q", got.body)
	}
}

func TestDevelopmentSignIn(t *testing.T) {
	t.Parallel()
	h := open(t, storetest.SQLite(t), true)
	b := h.client()
	page := b.do("GET", "/sign-in", nil)
	for _, name := range []string{"Rita Reviewer", "Ada Admin", "Olive Officer"} {
		if !strings.Contains(page.body, name) {
			t.Errorf("%s is not on the list", name)
		}
	}
	for person, place := range map[string]string{"rev": "/staff/", "off": "/portal/", "adm": "/staff/"} {
		if got := b.do("POST", "/sign-in/dev", url.Values{"person": {person}}); got.status != 303 || got.place != place {
			t.Errorf("%s: %d to %q: %s", person, got.status, got.place, got.body)
		}
		if got := b.do("GET", "/any/", nil); !strings.HasPrefix(got.body, person+" dev ") || !strings.HasSuffix(got.body, "false") {
			t.Errorf("%s: %q", person, got.body)
		}
		for range 2 {
			if got := b.do("POST", "/any/sign", url.Values{}); got.body != "signed: <nil>" {
				t.Errorf("%s: %q", person, got.body)
			}
		}
	}
	if got := b.do("POST", "/sign-in/dev", url.Values{"person": {"nobody"}}); got.status != 400 {
		t.Errorf("nobody: %d", got.status)
	}
}

func TestOwnKeys(t *testing.T) {
	t.Parallel()
	h := open(t, storetest.SQLite(t), false)
	b := h.enrol("rev")
	keys, _ := h.keys.Credentials(ctx, "rev")
	id := base64.RawURLEncoding.EncodeToString(keys[0].ID)
	if got := b.do("POST", "/keys/remove", url.Values{"id": {id}}); got.status != 409 {
		t.Errorf("the only passkey was removed: %d", got.status)
	}
	second := softkey.New()
	options := b.do("POST", "/keys/options", url.Values{})
	reply, err := second.Create([]byte(options.body), h.url)
	if err != nil {
		t.Fatal(err, options.body)
	}
	if got := b.do("POST", "/keys", url.Values{"answer": {string(reply)}, "label": {`<b>"second"</b>`}}); got.status != 200 || !strings.Contains(got.body, "&lt;b&gt;") {
		t.Errorf("adding: %d %s", got.status, got.body)
	}
	if got := b.do("POST", "/keys", url.Values{"answer": {string(reply)}}); got.status != 400 {
		t.Errorf("adding it again: %d", got.status)
	}
	if got := b.do("POST", "/keys/remove", url.Values{"id": {"AAAA"}}); got.status != 404 {
		t.Errorf("removing what is not there: %d", got.status)
	}
	h.clock.Advance(16 * time.Minute)
	if got := b.do("POST", "/keys/remove", url.Values{"id": {id}}); got.status != 403 {
		t.Errorf("removing long after the sign-in: %d", got.status)
	}
	b.signIn("rev", "")
	if got := b.do("POST", "/keys/remove", url.Values{"id": {id}}); got.status != 200 {
		t.Errorf("removing: %d", got.status)
	}
	if left, _ := h.keys.Credentials(ctx, "rev"); len(left) != 1 {
		t.Errorf("%d passkeys left", len(left))
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, false)
		token, expires, err := h.NewToken(ctx, "off")
		if err != nil || !expires.Equal(h.clock.Now().Add(time.Hour)) {
			t.Fatal(expires, err)
		}
		b := h.client()
		if got := b.do("GET", "/portal/", nil, "Authorization", "Bearer "+token); got.body != "off token [officer] false" {
			t.Errorf("%d %q", got.status, got.body)
		}
		for _, bad := range []string{"Bearer x", "Basic b2ZmOng=", "Bearer", token} {
			if got := b.do("GET", "/portal/", nil, "Authorization", bad); got.status != 401 {
				t.Errorf("%.10s: %d", bad, got.status)
			}
		}
		if got := b.do("GET", "/keys", nil, "Authorization", "Bearer "+token); got.status != 401 {
			t.Errorf("passkeys by a token: %d", got.status)
		}
		h.clock.Advance(time.Hour)
		if got := b.do("GET", "/portal/", nil, "Authorization", "Bearer "+token); got.status != 401 {
			t.Errorf("after its end: %d", got.status)
		}
	})
}

// Cookies of an https house: bound to the host, not readable by scripts, not sent from other sites.
func TestSecureCookie(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	h := open(t, db, false)
	s, err := session.Open(session.Options{DB: db, Passkeys: h.keys, People: h.registry, Clock: h.clock, Log: obs.Discard(), Secure: true})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.Wrap(s.Handler()).ServeHTTP(w, httptest.NewRequest("POST", "https://desk.example.org/sign-in/options", nil))
	got := w.Header().Get("Set-Cookie")
	for _, want := range []string{"__Host-writ=", "Path=/", "HttpOnly", "Secure", "SameSite=Strict"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing in %q", want, got)
		}
	}
	if strings.Contains(got, "Domain") || strings.Contains(got, "Expires") {
		t.Errorf("%q", got)
	}
}

func TestData(t *testing.T) {
	t.Parallel()
	for _, d := range session.Data() {
		if err := d.Datum.Check(); err != nil || d.Sweep == nil {
			t.Errorf("%s: %v", d.Name, err)
		}
	}
}

// Each sign-in that is begun leaves a row for ten minutes: one network cannot begin them without end, and locks nobody out.
func TestSignInsBegunAreBounded(t *testing.T) {
	t.Parallel()
	h := open(t, storetest.SQLite(t), false)
	signedIn := h.enrol("rev")
	refused := 0
	for range 70 {
		if got := h.client().do("POST", "/sign-in/options", url.Values{}); got.status == 429 {
			refused++
		}
	}
	if refused != 10 {
		t.Errorf("%d of 70 refused, want 10", refused)
	}
	if got := signedIn.do("POST", "/sign-in/options", url.Values{}); got.status != 200 {
		t.Errorf("one who is signed in: %d", got.status)
	}
	h.clock.Advance(time.Minute)
	if got := h.client().do("POST", "/sign-in/options", url.Values{}); got.status != 200 {
		t.Errorf("a minute later: %d", got.status)
	}
}
