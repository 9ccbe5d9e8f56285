package admin_test

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"writ/account"
	"writ/clock"
	"writ/desk/registry"
	"writ/obs"
	"writ/passkey"
	"writ/passkey/softkey"
	"writ/server"
	"writ/store/storetest"
	"writ/web/admin"
	"writ/web/session"
	"writ/xmpp/jid"
	"writ/xmpp/sasl"
)

var ctx = context.Background()

// open runs the face over real accounts; sign-in gives a browser of a person with one role.
func open(t *testing.T) (a *account.Accounts, signIn func(role registry.Role) func(method, path string, form url.Values) (int, string)) {
	t.Helper()
	db := storetest.SQLite(t)
	storetest.Migrate(t, db, account.Schema(), passkey.Schema(), registry.Schema(), session.Schema())
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	base := strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)
	keys, err := passkey.Open(db, passkey.Config{RPID: "localhost", Origins: []string{base}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	reg := registry.New(db, clock.System())
	s, err := session.Open(session.Options{DB: db, Passkeys: keys, People: reg, Log: obs.Discard(), Dev: &session.Dev{Key: softkey.New(), Origin: base}})
	if err != nil {
		t.Fatal(err)
	}
	a = account.Open(account.Options{DB: db, Domain: jid.MustParse("example.org"), Config: account.Config{Iterations: sasl.MinIterations}})
	op := server.Operator{Accounts: a, Base: "https://example.org"}
	h, err := admin.Handler(admin.Options{Sessions: s, People: op, Invitations: op, Clock: clock.System(), Log: obs.Discard(), Metrics: "http://127.0.0.1:5281/metrics",
		Status: func(context.Context) []admin.Line { return []admin.Line{{Name: "Version", Value: "test"}} }})
	if err != nil {
		t.Fatal(err)
	}
	inner := http.NewServeMux()
	inner.Handle("/", s.Handler())
	inner.Handle(admin.Path, h)
	mux.Handle("/", s.Wrap(inner))
	return a, func(role registry.Role) func(string, string, url.Values) (int, string) {
		t.Helper()
		p, err := reg.AddStaff(ctx, registry.SystemPerson, registry.Person{Name: "The " + string(role), Roles: []registry.Role{role}})
		if err != nil {
			t.Fatal(err)
		}
		jar, _ := cookiejar.New(nil)
		client := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		do := func(method, path string, form url.Values) (int, string) {
			t.Helper()
			req, _ := http.NewRequest(method, base+path, strings.NewReader(form.Encode()))
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			b, _ := io.ReadAll(res.Body)
			return res.StatusCode, string(b)
		}
		if status, body := do("POST", "/sign-in/dev", url.Values{"person": {p.ID}}); status != 303 {
			t.Fatal(status, body)
		}
		return do
	}
}

var every = []struct{ method, path string }{
	{"GET", "/admin/"}, {"GET", "/admin/invitations"}, {"POST", "/admin/invitations"}, {"POST", "/admin/invitations/revoke"},
	{"GET", "/admin/accounts"}, {"POST", "/admin/accounts"}, {"GET", "/admin/nothing"},
}

func TestOnlyForTheOperator(t *testing.T) {
	t.Parallel()
	_, signIn := open(t)
	for _, role := range registry.StaffRoles() {
		do := signIn(role)
		for _, e := range every {
			status, _ := do(e.method, e.path, url.Values{})
			if (status == 403) == (role == registry.Admin) {
				t.Errorf("%s %s as %s: %d", e.method, e.path, role, status)
			}
		}
	}
}

func TestInvitations(t *testing.T) {
	t.Parallel()
	a, signIn := open(t)
	do := signIn(registry.Admin)
	for _, bad := range []url.Values{{}, {"uses": {"0"}, "days": {"7"}}, {"uses": {"1"}, "days": {"366"}}, {"uses": {"x"}, "days": {"7"}}, {"uses": {"1"}, "days": {"7"}, "note": {strings.Repeat("x", 201)}}} {
		if status, body := do("POST", "/admin/invitations", bad); status != 422 || strings.Contains(body, "/invite/") {
			t.Errorf("%v: %d", bad, status)
		}
	}
	status, body := do("POST", "/admin/invitations", url.Values{"uses": {"2"}, "days": {"3"}, "note": {"<b>team</b>"}})
	_, rest, ok := strings.Cut(body, "https://example.org/invite/")
	if status != 200 || !ok || !strings.Contains(body, "&lt;b&gt;team") {
		t.Fatal(status, body)
	}
	token, _, _ := strings.Cut(rest, "<")
	inv, err := a.Invitation(ctx, token)
	if err != nil || inv.Uses != 2 || time.Until(inv.Expires) > 3*24*time.Hour {
		t.Fatal(inv, err)
	}
	// What a person of the chat invites is not shown to the operator.
	bob, _ := a.Create(ctx, account.New{Local: "bob", Password: "a long password"})
	if _, _, err := a.Invite(ctx, account.Invitation{By: bob.Account, Note: "my sister"}); err != nil {
		t.Fatal(err)
	}
	if _, body := do("GET", "/admin/invitations", nil); strings.Contains(body, token) || strings.Contains(body, "my sister") || strings.Contains(body, "bob") {
		t.Error("the page shows a token or what a person noted")
	}
	if status, _ := do("POST", "/admin/invitations/revoke", url.Values{"id": {"1"}}); status != 200 {
		t.Error(status)
	}
	if _, err := a.Invitation(ctx, token); err == nil {
		t.Error("an invitation that was taken back is good")
	}
	for _, id := range []string{"", "x", "99"} {
		if status, _ := do("POST", "/admin/invitations/revoke", url.Values{"id": {id}}); status != 404 {
			t.Errorf("revoking %q: %d", id, status)
		}
	}
}

// The pages tell how many people there are, and about nobody whether they are.
func TestNobodyIsLookedUp(t *testing.T) {
	t.Parallel()
	a, signIn := open(t)
	do := signIn(registry.Admin)
	if _, err := a.Create(ctx, account.New{Local: "alice", Password: "a long password", Name: "Alice Liddell"}); err != nil {
		t.Fatal(err)
	}
	for _, e := range every {
		if _, body := do(e.method, e.path, url.Values{}); strings.Contains(body, "alice") || strings.Contains(body, "Liddell") {
			t.Errorf("%s %s names a person", e.method, e.path)
		}
	}
	_, known := do("POST", "/admin/accounts", url.Values{"address": {"alice@example.org"}, "do": {"disable"}})
	_, unknown := do("POST", "/admin/accounts", url.Values{"address": {"ghost@example.org"}, "do": {"disable"}})
	if known != unknown || !strings.Contains(known, "If this account exists") {
		t.Error("the answer tells whether an account exists")
	}
	if u, err := a.Get(ctx, jid.MustParse("alice@example.org")); err != nil || !u.Disabled() {
		t.Error("alice is not disabled", err)
	}
	if _, body := do("GET", "/admin/", nil); !strings.Contains(body, `<p class="figure">1</p><p>of them disabled`) {
		t.Error("the count is wrong")
	}
	do("POST", "/admin/accounts", url.Values{"address": {"alice@example.org"}, "do": {"enable"}})
	if u, _ := a.Get(ctx, jid.MustParse("alice@example.org")); u.Disabled() {
		t.Error("alice is still disabled")
	}
	for _, bad := range []url.Values{{}, {"address": {"alice@example.org"}}, {"do": {"disable"}}, {"address": {"alice"}, "do": {"disable"}}, {"address": {"alice@elsewhere.org"}, "do": {"disable"}}} {
		if status, _ := do("POST", "/admin/accounts", bad); status != 422 {
			t.Errorf("%v: %d", bad, status)
		}
	}
}
