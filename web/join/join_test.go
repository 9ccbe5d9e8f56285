package join_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"writ/account"
	"writ/obs"
	"writ/store"
	"writ/store/storetest"
	"writ/web/join"
	"writ/xmpp/jid"
	"writ/xmpp/sasl"
)

func open(t *testing.T, db *store.DB) (*account.Accounts, string) {
	t.Helper()
	storetest.Migrate(t, db, account.Schema())
	a := account.Open(account.Options{DB: db, Domain: jid.MustParse("example.org"), Config: account.Config{Iterations: sasl.MinIterations}})
	h, err := join.Handler(join.Options{Accounts: a, Domain: jid.MustParse("example.org"), Chat: "/chat/", Log: obs.Discard()})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return a, srv.URL
}

func post(t *testing.T, link string, form url.Values, header ...string) (int, string) {
	t.Helper()
	req, _ := http.NewRequest("POST", link, strings.NewReader(form.Encode()))
	if form == nil {
		req, _ = http.NewRequest("GET", link, nil)
	} else {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b)
}

func TestRegistrationByLink(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a, base := open(t, db)
		ctx := context.Background()
		token, _, err := a.Invite(ctx, account.Invitation{})
		if err != nil {
			t.Fatal(err)
		}
		link := join.Link(base+"/", token)
		for range 2 { // opening spends nothing
			if status, body := post(t, link, nil); status != 200 || !strings.Contains(body, "invited to example.org") {
				t.Fatalf("%d %s", status, body)
			}
		}
		if _, err := a.Create(ctx, account.New{Local: "taken", Password: "a long password"}); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct{ name, password, nickname, want string }{
			{"taken", "a long password", "", "This name is taken"},
			{"a b", "a long password", "", "no spaces"},
			{"admin", "a long password", "", "keeps for itself"},
			{"carol", "short", "", "at least 8 characters"},
			{"carol", "a long password", strings.Repeat("x", 201), "At most 200 bytes"},
		} {
			status, body := post(t, link, url.Values{"name": {c.name}, "password": {c.password}, "nickname": {c.nickname}})
			if status != 422 || !strings.Contains(body, c.want) || !strings.Contains(body, "Nothing was registered") {
				t.Errorf("%q: %d without %q", c.name, status, c.want)
			}
			if strings.Contains(body, c.password) && c.password != "short" {
				t.Errorf("%q: the password comes back", c.name)
			}
		}
		carol := url.Values{"name": {" Carol "}, "password": {"a long password"}, "nickname": {"<i>Carol</i>"}}
		if status, _ := post(t, link, carol, "Sec-Fetch-Site", "cross-site"); status != 403 {
			t.Errorf("a form of another site: %d", status)
		}
		status, body := post(t, link, carol)
		if status != 200 || !strings.Contains(body, "carol@example.org") || !strings.Contains(body, `href="/chat/"`) {
			t.Fatalf("%d %s", status, body)
		}
		u, err := a.Get(ctx, jid.MustParse("carol@example.org"))
		if err != nil || u.Name != "<i>Carol</i>" {
			t.Errorf("%+v %v", u, err)
		}
		carol.Set("name", "dave")
		for _, l := range []string{link, join.Link(base, "nothing"), base + "/invite/%2e%2e"} {
			if status, body := post(t, l, carol); status != 404 {
				t.Errorf("%s: %d %s", l, status, body)
			}
		}
	})
}

// XEP-0401 §5.2, XEP-0379 §3.3: the page says who invites, and has the link for apps with the token and what it is good for.
func TestLandingPage(t *testing.T) {
	t.Parallel()
	a, base := open(t, storetest.SQLite(t))
	ctx := context.Background()
	alice, err := a.Create(ctx, account.New{Local: "alice", Password: "a long password"})
	if err != nil {
		t.Fatal(err)
	}
	link := func(i account.Invitation) (token, link string) {
		t.Helper()
		token, _, err := a.Invite(ctx, i)
		if err != nil {
			t.Fatal(err)
		}
		return token, join.Link(base, token)
	}
	both, l := link(account.Invitation{By: alice.Account, Contact: true})
	status, body := post(t, l, nil)
	for _, want := range []string{"alice@example.org invites you to example.org", `href="xmpp:alice@example.org?roster;preauth=` + both + `;ibr=y"`, `rel="noreferrer">Conversations`} {
		if status != 200 || !strings.Contains(body, want) {
			t.Errorf("%d, without %s", status, want)
		}
	}
	if status, body = post(t, l, url.Values{"name": {"bob"}, "password": {"a long password"}}); status != 200 || !strings.Contains(body, "alice@example.org is in your contact list") {
		t.Errorf("%d %s", status, body)
	}
	only, l := link(account.Invitation{By: alice.Account, Contact: true, NoAccount: true})
	status, body = post(t, l, nil)
	if status != 200 || !strings.Contains(body, `href="xmpp:alice@example.org?roster;preauth=`+only+`"`) || strings.Contains(body, "<form") {
		t.Errorf("for a contact alone: %d %s", status, body)
	}
	if status, _ := post(t, l, url.Values{"name": {"eve"}, "password": {"a long password"}}); status != 404 {
		t.Errorf("an account by an invitation for contacts: %d", status)
	}
	named, l := link(account.Invitation{Local: "juliet"})
	status, body = post(t, l, nil)
	if status != 200 || !strings.Contains(body, `href="xmpp:juliet@example.org?register;preauth=`+named+`"`) || !strings.Contains(body, "juliet@example.org") || strings.Contains(body, `id="name"`) {
		t.Errorf("with a name: %d %s", status, body)
	}
	if status, body := post(t, l, url.Values{"name": {"eve"}, "password": {"a long password"}}); status != 200 || !strings.Contains(body, "juliet@example.org") {
		t.Errorf("%d %s", status, body)
	}
}

// What runs where the page is read comes first.
func TestAppsOfThePlatform(t *testing.T) {
	t.Parallel()
	a, base := open(t, storetest.SQLite(t))
	token, _, err := a.Invite(context.Background(), account.Invitation{})
	if err != nil {
		t.Fatal(err)
	}
	for browser, first := range map[string]string{"Mozilla/5.0 (Windows NT 10.0)": "Gajim", "Mozilla/5.0 (iPhone; like Mac OS X)": "Monal", "Mozilla/5.0 (Linux; Android 15)": "Conversations", "Mozilla/5.0 (X11; Linux)": "Dino"} {
		req, _ := http.NewRequest("GET", join.Link(base, token), nil)
		req.Header.Set("User-Agent", browser)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		_, list, _ := strings.Cut(string(b), "<tbody>")
		list, _, _ = strings.Cut(list, "</tr>")
		if !strings.Contains(list, first) {
			t.Errorf("%s: the first is %s", browser, list)
		}
	}
}

func TestTooMuch(t *testing.T) {
	t.Parallel()
	a, base := open(t, storetest.SQLite(t))
	token, _, err := a.Invite(context.Background(), account.Invitation{})
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := post(t, join.Link(base, token), url.Values{"name": {"carol"}, "password": {strings.Repeat("x", 20<<10)}}); status != 422 {
		t.Errorf("a form of 20 KiB: %d", status)
	}
}
