package chat

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHandler(t *testing.T) {
	t.Parallel()
	h, err := Handler("writ.test")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{
		"/chat":                               200,
		"/chat/dist/converse.min.js":          200,
		"/chat/dist/converse.min.css":         200,
		"/chat/dist/libomemo.esm.min.js":      200,
		"/chat/dist/curve25519_compiled.wasm": 200,
		"/chat/own/start.js":                  200,
		"/chat/own/before.js":                 200,
		"/chat/dist/":                         404,
		"/chat/own/chat.html":                 404,
		"/chat/dist/images/":                  404,
		"/chat/dist/%2e%2e/chat.go":           404,
		"/chat/dist/..%2f..%2fchat.go":        404,
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != want {
			t.Errorf("%s: want %d, have %d", path, want, w.Code)
		}
		if csp := w.Header().Get("Content-Security-Policy"); w.Code == 200 && csp != Policy {
			t.Errorf("%s: policy %q", path, csp)
		}
	}
}

func TestPageLoadsThisOriginOnly(t *testing.T) {
	t.Parallel()
	h, err := Handler(`writ.test"><script>`)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/chat", nil))
	body := w.Body.String()
	if strings.Contains(body, "//") || strings.Contains(body, `"><script>`) {
		t.Errorf("the page names another origin or is not escaped: %s", body)
	}
}
