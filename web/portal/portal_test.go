package portal_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"writ/server"
	"writ/store/storetest"
	"writ/writtest"
)

// site is a whole house with the sample people, staff, agency and officer of writ dev.
type site struct {
	t    *testing.T
	h    *writtest.House
	base string
}

func open(t *testing.T) *site {
	t.Helper()
	data := t.TempDir()
	h := writtest.Start(t, storetest.SQLite(t), func(o *server.Options) {
		o.Config, o.Dev = server.DevConfig(data), true
		o.Config.XMPP.Listen, o.Config.XMPP.ListenTLS = []string{"127.0.0.1:0"}, []string{"127.0.0.1:0"}
		o.Config.HTTP = server.HTTPConfig{Listen: []string{"127.0.0.1:0"}}
	})
	if _, err := h.Sample(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &site{t, h, "http://" + h.At.HTTP[0].String()}
}

// person is somebody's browser or program.
type person struct {
	s     *site
	c     *http.Client
	token string
}

func (s *site) nobody() *person {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &person{s: s, c: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (s *site) as(id string) *person {
	p := s.nobody()
	if code, body, _ := p.post("/sign-in/dev", url.Values{"person": {id}}); code != http.StatusSeeOther {
		s.t.Fatalf("signing %s in: %d %s", id, code, body)
	}
	return p
}

func (p *person) do(method, path, contentType string, body io.Reader) (int, string, http.Header) {
	p.s.t.Helper()
	r, err := http.NewRequestWithContext(p.s.t.Context(), method, p.s.base+path, body)
	if err != nil {
		p.s.t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if p.token != "" {
		r.Header.Set("Authorization", "Bearer "+p.token)
	}
	res, err := p.c.Do(r)
	if err != nil {
		p.s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		p.s.t.Fatal(err)
	}
	return res.StatusCode, string(b), res.Header
}

func (p *person) get(path string) (int, string, http.Header) {
	p.s.t.Helper()
	return p.do("GET", path, "", nil)
}

func (p *person) post(path string, form url.Values) (int, string, http.Header) {
	p.s.t.Helper()
	return p.do("POST", path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
}

var pdf = []byte("%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n")

// good is a filing without a fault.
func good() url.Values {
	return url.Values{"instrument": {"subpoena"}, "service": {"chat"}, "jurisdiction": {"US"}, "legal_basis": {"18 USC 2703(c)(2)"}, "reference": {"2026-17"},
		"identifiers": {"alice@localhost\n"}, "categories": {"subscriber", "sign-in"}}
}

type file struct {
	name string
	body []byte
}

// upload posts the form as a browser does.
func (p *person) upload(path string, form url.Values, files ...file) (int, string, http.Header) {
	p.s.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for k, vs := range form {
		for _, v := range vs {
			w.WriteField(k, v)
		}
	}
	for _, f := range files {
		part, err := w.CreateFormFile("documents", f.name)
		if err != nil {
			p.s.t.Fatal(err)
		}
		part.Write(f.body)
	}
	w.Close()
	return p.do("POST", path, w.FormDataContentType(), &b)
}

func has(t *testing.T, body string, wants ...string) {
	t.Helper()
	for _, w := range wants {
		if !strings.Contains(body, w) {
			t.Errorf("the page lacks %q:\n%.3000s", w, regexp.MustCompile(`\n\s*\n`).ReplaceAllString(body, "\n"))
		}
	}
}

func TestFiling(t *testing.T) {
	t.Parallel()
	s := open(t)
	olive := s.as("olive")
	code, body, _ := olive.get("/portal/")
	if code != 200 {
		t.Fatal(code, body)
	}
	has(t, body, "You have filed nothing yet")
	code, body, head := olive.upload("/portal/new", good(), file{"order.pdf", pdf})
	if code != http.StatusSeeOther {
		t.Fatalf("filing: %d %s", code, body)
	}
	at := head.Get("Location")
	code, body, _ = olive.get(at)
	if code != 200 {
		t.Fatal(code, body)
	}
	has(t, body, "received, logged and counted", "alice@localhost", "2026-17", "Withdraw", "order.pdf")
	for _, no := range []string{"The answer is ready", "Your answer", "What you mended", "A smaller scope"} {
		if strings.Contains(body, no) {
			t.Errorf("a request that was just received shows %q", no)
		}
	}
	path := strings.TrimSuffix(at, "?filed=1")
	code, body, head = olive.get(path + "/receipt.json")
	if code != 200 || !strings.Contains(head.Get("Content-Disposition"), "attachment") || !strings.Contains(body, "promise") {
		t.Errorf("receipt: %d %s %s", code, head, body)
	}
	if code, body, _ = olive.upload(path+"/withdraw", url.Values{"text": {"settled"}}); code != http.StatusSeeOther {
		t.Fatalf("withdrawing: %d %s", code, body)
	}
	_, body, _ = olive.get(path)
	has(t, body, "Withdrawn", "settled")
	code, body, _ = olive.upload(path+"/answer", url.Values{"text": {"late"}})
	if code != http.StatusConflict {
		t.Errorf("an answer to a withdrawn request: %d", code)
	}
	has(t, body, "Nothing was changed", "state.not_offered")
}

// Bad input: which field, what was given, what is allowed; what was typed stays.
func TestBadInput(t *testing.T) {
	t.Parallel()
	s := open(t)
	olive := s.as("olive")
	big := append(bytes.Clone(pdf), bytes.Repeat([]byte("x"), 26<<20)...)
	many := strings.Repeat("alice@localhost\n", 10_000)
	for name, c := range map[string]struct {
		change url.Values
		files  []file
		wants  []string
	}{
		"nothing":            {url.Values{"instrument": {""}, "legal_basis": {""}, "identifiers": {""}, "categories": nil}, nil, []string{`id="instrument-wrong"`, `id="legal_basis-wrong"`, `id="identifiers-wrong"`, `id="categories-wrong"`, `id="documents-wrong"`, "Nothing was filed yet"}},
		"unknown country":    {url.Values{"jurisdiction": {"XX"}}, []file{{"a.pdf", pdf}}, []string{`id="jurisdiction-wrong"`, "XX", "ISO 3166-1"}},
		"bad date":           {url.Values{"from": {"yesterday"}}, []file{{"a.pdf", pdf}}, []string{`id="from-wrong"`, "yesterday", "2026-11-24"}},
		"foreign address":    {url.Values{"identifiers": {"alice@elsewhere.example"}}, []file{{"a.pdf", pdf}}, []string{`id="identifiers-wrong"`, "Number 1: ", "alice@elsewhere.example", "name@localhost"}},
		"10,000 identifiers": {url.Values{"identifiers": {many}}, []file{{"a.pdf", pdf}}, []string{`id="identifiers-wrong"`, "10000", "1 to 1000 accounts"}},
		"no PDF":             {nil, []file{{"a.pdf", []byte("MZ this is a program")}}, []string{`id="documents-wrong"`, "a.pdf", "a PDF document"}},
		"26 MiB":             {nil, []file{{"big.pdf", big}}, []string{`id="documents-wrong"`, "big.pdf", "26214400"}},
		"markup":             {url.Values{"reference": {`"><script>alert(1)</script>`}, "jurisdiction": {"XX"}}, []file{{"a.pdf", pdf}}, []string{`&lt;script&gt;`}},
	} {
		form := good()
		for k, v := range c.change {
			form[k] = v
		}
		code, body, _ := olive.upload("/portal/new", form, c.files...)
		if code != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", name, code)
		}
		t.Run(name, func(t *testing.T) {
			has(t, body, c.wants...)
			if form.Get("reference") != "" && !strings.Contains(body, `name="reference" type="text" value="`) {
				t.Error("what was typed is lost")
			}
			if strings.Contains(body, "<script>alert") {
				t.Error("markup gets through")
			}
		})
	}
	if _, body, _ := olive.get("/portal/"); !strings.Contains(body, "You have filed nothing yet") {
		t.Error("something was filed")
	}
}

func TestBrokenUploads(t *testing.T) {
	t.Parallel()
	s := open(t)
	olive := s.as("olive")
	for name, c := range map[string]struct {
		contentType, body string
		want              int
	}{
		"no multipart":   {"application/x-www-form-urlencoded", "instrument=subpoena", 400},
		"no boundary":    {"multipart/form-data", "x", 400},
		"broken off":     {"multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"reference\"\r\n\r\nhalf", 400},
		"a huge field":   {"multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"reference\"\r\n\r\n" + strings.Repeat("a", 300<<10) + "\r\n--b--\r\n", 422},
		"over the bound": {"multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"documents\"; filename=\"a\"\r\n\r\n" + strings.Repeat("a", 129<<20), 413},
	} {
		if code, body, _ := olive.do("POST", "/portal/new", c.contentType, strings.NewReader(c.body)); code != c.want {
			t.Errorf("%s: want %d, have %d %.200s", name, c.want, code, body)
		}
	}
}

// Who may come in: nobody sees the welcome, staff are refused, another officer's request does not exist.
func TestWho(t *testing.T) {
	t.Parallel()
	s := open(t)
	code, body, _ := s.nobody().get("/portal/")
	if code != 200 {
		t.Error(code)
	}
	has(t, body, "Sign in with your passkey", "How an agency is registered")
	_, _, head := s.as("olive").upload("/portal/new", good(), file{"order.pdf", pdf})
	at := strings.TrimSuffix(head.Get("Location"), "?filed=1")
	for _, c := range []struct {
		who          *person
		method, path string
		want         int
	}{
		{s.nobody(), "GET", "/portal/new", 303}, {s.nobody(), "POST", "/portal/new", 401}, {s.nobody(), "GET", at, 303},
		{s.as("ines"), "GET", "/portal/", 403}, {s.as("ines"), "POST", "/portal/new", 403}, {s.as("ines"), "GET", at, 403},
		{s.as("olive"), "GET", at, 200}, {s.as("olive"), "GET", "/portal/cases/W-2026-999999", 404}, {s.as("olive"), "GET", "/portal/none", 404},
		{s.as("olive"), "POST", at + "/approve", 404}, {s.as("olive"), "POST", at + "/download", 409},
	} {
		if code, body, _ := c.who.do(c.method, c.path, "", nil); code != c.want {
			t.Errorf("%s %s: want %d, have %d %.300s", c.method, c.path, c.want, code, body)
		}
	}
}

func TestAPI(t *testing.T) {
	t.Parallel()
	s := open(t)
	code, body, _ := s.nobody().get("/api/openapi.json")
	if code != 200 || !strings.Contains(body, `"openapi":"3.1`) {
		t.Errorf("the description: %d %.100s", code, body)
	}
	if code, body, head := s.nobody().get("/api/v1/requests"); code != 401 || head.Get("Content-Type") != "application/problem+json" {
		t.Errorf("without a token: %d %s %s", code, head.Get("Content-Type"), body)
	}
	olive := s.as("olive")
	if code, _, _ := olive.get("/api/v1/requests"); code != 401 {
		t.Errorf("a cookie is no token: %d", code)
	}
	_, body, _ = olive.post("/portal/token", nil)
	m := regexp.MustCompile(`writ_[A-Za-z0-9_-]+`).FindString(body)
	if m == "" {
		t.Fatalf("no token: %s", body)
	}
	program := s.nobody()
	program.token = m
	send := func(path string, v any) (int, map[string]any) {
		t.Helper()
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		code, body, _ := program.do("POST", path, "application/json", bytes.NewReader(b))
		out := map[string]any{}
		if err := json.Unmarshal([]byte(body), &out); err != nil {
			t.Fatalf("%s: %d %s", path, code, body)
		}
		return code, out
	}
	filing := map[string]any{"service": "chat", "instrument": "subpoena", "jurisdiction": "US", "legal_basis": "18 USC 2703(c)(2)", "reference": "A-1",
		"identifiers": []string{"alice@localhost"}, "categories": []string{"subscriber"}, "documents": []any{map[string]any{"name": "o.pdf", "body": pdf}}}
	code, got := send("/api/v1/requests", filing)
	if code != 201 || got["id"] == nil || got["receipt"] == nil {
		t.Fatalf("filing: %d %v", code, got)
	}
	id := fmt.Sprint(got["id"])
	filing["jurisdiction"], filing["identifiers"] = "XX", []string{"nobody@elsewhere.example"}
	code, got = send("/api/v1/requests", filing)
	if text := fmt.Sprint(got); code != 422 || !strings.Contains(text, "body.jurisdiction") || !strings.Contains(text, "body.identifiers[0]") || !strings.Contains(text, "allowed") {
		t.Errorf("a bad filing: %d %v", code, got)
	}
	code, got = send("/api/v1/requests/"+id+"/agree", map[string]any{})
	if code != 409 || !strings.Contains(fmt.Sprint(got["detail"]), "state.not_offered") {
		t.Errorf("agreeing to nothing: %d %v", code, got)
	}
	if code, got = send("/api/v1/requests/"+id+"/withdraw", map[string]any{"text": "settled"}); code != 200 || got["state"] != "withdrawn" {
		t.Errorf("withdrawing: %d %v", code, got)
	}
	for path, want := range map[string]int{"/api/v1/requests": 200, "/api/v1/requests/" + id: 200, "/api/v1/requests/" + id + "/receipt": 200, "/api/v1/requests/none": 404} {
		if code, body, _ := program.get(path); code != want {
			t.Errorf("%s: want %d, have %d %s", path, want, code, body)
		}
	}
}
