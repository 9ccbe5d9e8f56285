package server_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"writ/server"
	"writ/store/storetest"
	"writ/writtest"
)

// The operator's pages are on a listener of their own, and on no other.
func TestTheConsoleStandsAlone(t *testing.T) {
	t.Parallel()
	h := writtest.Start(t, storetest.SQLite(t), func(o *server.Options) {
		o.Config, o.Dev = server.DevConfig(t.TempDir()), true
		o.Config.XMPP.Listen, o.Config.XMPP.ListenTLS = []string{"127.0.0.1:0"}, []string{"127.0.0.1:0"}
		o.Config.HTTP = server.HTTPConfig{Listen: []string{"127.0.0.1:0"}, Console: "127.0.0.1:0"}
	})
	public, console := "http://"+h.At.HTTP[0].String(), "http://"+h.At.Console.String()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, c := range []struct {
		method, url string
		status      int
		place       string
	}{
		{"GET", public + "/admin/", 404, ""},
		{"POST", public + "/admin/invitations", 405, ""},
		{"GET", public + "/%61dmin/", 404, ""},
		{"GET", console + "/", 303, "/admin/"},
		{"GET", console + "/admin/", 303, "/sign-in?next=%2Fadmin%2F"},
		{"POST", console + "/admin/invitations", 401, ""},
		{"GET", console + "/sign-in", 200, ""},
		{"GET", console + "/held?x=1", 303, "http://localhost:5280/held?x=1"},
		{"GET", console + "//elsewhere.example/", 303, ""},
		{"GET", console + "/staff/", 303, "http://localhost:5280/staff/"},
		{"POST", console + "/portal/new", 404, ""},
		{"GET", console + "/xmpp-websocket", 303, "http://localhost:5280/xmpp-websocket"},
		{"GET", console + "/metrics", 303, "http://localhost:5280/metrics"},
	} {
		req, err := http.NewRequest(c.method, c.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		place := res.Header.Get("Location")
		if res.StatusCode != c.status && !(c.place == "" && c.status == 303 && res.StatusCode/100 == 3) || c.place != "" && place != c.place {
			t.Errorf("%s %s: %d %s; want %d %s", c.method, c.url, res.StatusCode, place, c.status, c.place)
		}
		if strings.Contains(place, "elsewhere.example") && !strings.HasPrefix(place, "/") && !strings.HasPrefix(place, "http://localhost:5280/") {
			t.Errorf("%s leads to %s", c.url, place)
		}
	}
}

// A proxy that is named in the configuration is believed about who asks; nobody else is (the rate of sign-ins counts by network).
func TestSignInsBehindAProxy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		proxies []string
		refused bool
	}{"named": {[]string{"127.0.0.0/8"}, false}, "not named": {nil, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := writtest.Start(t, storetest.SQLite(t), func(o *server.Options) {
				o.Config.XMPP.Proxies = c.proxies
				o.Config.HTTP.Listen = []string{"127.0.0.1:0"}
			})
			ask := func(client string) int {
				req, err := http.NewRequest("POST", "http://"+h.At.HTTP[0].String()+"/sign-in/options", nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("X-Forwarded-For", "203.0.113.1, "+client)
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				io.Copy(io.Discard, res.Body) // so that the connection is used again
				return res.StatusCode
			}
			last := 0
			for range 200 { // a flood from one network
				if last = ask("198.51.100.7"); last == http.StatusTooManyRequests {
					break
				}
			}
			if last != http.StatusTooManyRequests {
				t.Fatalf("a flood from one network ends with %d", last)
			}
			if got := ask("192.0.2.7"); (got == http.StatusTooManyRequests) != c.refused {
				t.Errorf("another network is answered %d", got)
			}
		})
	}
}
