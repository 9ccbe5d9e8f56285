package writtest

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"writ/passkey/softkey"
	"writ/store"
)

// Visitor is one person's browser without a screen: it keeps cookies and follows no redirect by itself.
type Visitor struct {
	t    testing.TB
	h    *House
	http *http.Client
	base string // as the house knows its own address
}

// Answer is what a page answered.
type Answer struct {
	Status int
	Place  string // where a redirect leads
	Body   string
	Header http.Header
}

// Visit makes a visitor of the house's pages.
func (h *House) Visit(t testing.TB) *Visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v := &Visitor{t: t, h: h, base: "https://" + h.Domain.ASCII()}
	dial := &net.Dialer{Timeout: Patience}
	trust := h.tls("http/1.1")
	trust.Time = h.Clock.Now // the certificate is of the house's time
	tr := &http.Transport{TLSClientConfig: trust, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		if len(h.At.HTTPS) > 0 {
			return dial.DialContext(ctx, "tcp", h.At.HTTPS[0].String())
		}
		return dial.DialContext(ctx, "tcp", h.At.HTTP[0].String())
	}, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
	if h.Dev {
		v.base = "http://localhost:5280"
	}
	t.Cleanup(tr.CloseIdleConnections)
	v.http = &http.Client{Jar: jar, Transport: tr, Timeout: 2 * Patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return v
}

// Base is the address of the house's pages, as passkeys and cookies know it.
func (v *Visitor) Base() string { return v.base }

// Get asks for a page.
func (v *Visitor) Get(path string) Answer {
	v.t.Helper()
	return v.Send(http.MethodGet, path, "", nil)
}

// Post sends a form.
func (v *Visitor) Post(path string, form url.Values) Answer {
	v.t.Helper()
	return v.Send(http.MethodPost, path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
}

// Send makes any request; header holds pairs of name and value.
func (v *Visitor) Send(method, path, contentType string, body io.Reader, header ...string) Answer {
	v.t.Helper()
	req, err := http.NewRequest(method, v.base+path, body)
	if err != nil {
		v.t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := v.http.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return Answer{res.StatusCode, res.Header.Get("Location"), string(b), res.Header}
}

// Passkey registers a passkey of key for a person of the registry.
func (h *House) Passkey(t testing.TB, key *softkey.Key, person string) {
	t.Helper()
	ctx := context.Background()
	options, kept, err := h.Passkeys.BeginRegister(ctx, person, person)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := key.Create(options, "https://"+h.Domain.ASCII())
	if err != nil {
		t.Fatal(err)
	}
	if err := h.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := h.Passkeys.FinishRegister(ctx, tx, kept, answer, "test")
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// SignIn signs a person in through the pages: with their passkey of key, or, if it is nil, by the development sign-in.
func (v *Visitor) SignIn(key *softkey.Key, person string) {
	v.t.Helper()
	a := Answer{}
	if key == nil {
		a = v.Post("/sign-in/dev", url.Values{"person": {person}})
	} else {
		options := v.Post("/sign-in/options", nil)
		answer, err := key.Get([]byte(options.Body), v.base, person)
		if err != nil {
			v.t.Fatalf("signing in as %s: %v (%d %s)", person, err, options.Status, options.Body)
		}
		a = v.Post("/sign-in", url.Values{"answer": {string(answer)}})
	}
	if a.Status != http.StatusSeeOther {
		v.t.Fatalf("signing in as %s: %d %s", person, a.Status, a.Body)
	}
}

// Sign answers the house's question for a signature over a hash, in hexadecimal: what goes into a form's field "assertion".
func (v *Visitor) Sign(key *softkey.Key, person, hash string) string {
	v.t.Helper()
	options := v.Post("/sign/options", url.Values{"hash": {hash}})
	if options.Status != http.StatusOK {
		v.t.Fatalf("asking to sign as %s: %d %s", person, options.Status, options.Body)
	}
	answer, err := key.Get([]byte(options.Body), v.base, person)
	if err != nil {
		v.t.Fatal(err)
	}
	return string(answer)
}
