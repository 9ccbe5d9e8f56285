package tlog_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"writ/config"
	"writ/store/storetest"
	"writ/tlog"
	"writ/tlog/verify"
)

// A stranger with nothing but HTTP and the public key fetches and checks the whole log, across full and partial tiles.
func TestAStrangerChecksTheLogOverHTTP(t *testing.T) {
	t.Parallel()
	h := newHouse(t, storetest.SQLite(t), func(c *tlog.Config) {
		c.BatchSize, c.Open, c.Cadence = 300, 100, config.Duration(3600e9)
	})
	s := httptest.NewServer(http.StripPrefix("/writ", h.log.Handler()))
	defer s.Close()
	get := func(path string) (int, http.Header, []byte) {
		t.Helper()
		r, err := http.Get(s.URL + "/writ/" + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, r.Header, b
	}
	fetch := func(path string) ([]byte, error) {
		code, _, b := get(path)
		if code != http.StatusOK {
			return nil, fmt.Errorf("%d", code)
		}
		return b, nil
	}
	if code, _, _ := get("checkpoint"); code != http.StatusNotFound {
		t.Errorf("a checkpoint before the first: %d", code)
	}
	var older []byte
	for round := range 3 {
		h.append(round)
		h.turn()
		h.hour()
		r, err := verify.CheckLog(verify.LogFiles{Fetch: fetch, Older: older, Batch: 300}, h.log.VKey())
		if err != nil || !r.OK() {
			t.Fatalf("round %d: %+v, %v", round, r, err)
		}
		if older, err = h.log.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		for n := range round + 1 {
			if p, err := h.log.Proof(t.Context(), commitment(n)); err != nil || p.Index >= int64(300*(round+1)) {
				t.Errorf("proof of %d: %v", n, err)
			}
		}
	}
	h.sound()
	for path, kind := range map[string]string{"checkpoint": "text/plain; charset=utf-8", "key": "text/plain; charset=utf-8", "tile/0/000": "application/octet-stream",
		"tile/entries/002": "application/octet-stream", "tile/entries/003.p/132": "application/octet-stream", "tile/1/000.p/3": "application/octet-stream"} {
		code, head, b := get(path)
		if code != http.StatusOK || head.Get("Content-Type") != kind || len(b) == 0 || head.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %s, %d bytes", path, code, head.Get("Content-Type"), len(b))
		}
	}
	for _, path := range []string{"", "tile", "tile/", ".state/treeState", "tile/../.state/treeState", "tile/0/..", "tile/0/1", "tile/0/0001", "tile/00/000", "tile/64/000", "tile/0/000.p/0",
		"tile/0/000.p/256", "tile/0/000.p/01", "tile/entries/999", "tile/0/x000", "tile/0/000/", "checkpoint/", "%2e%2e/log.key", "tile/0/%2e%2e/%2e%2e/%2e%2e/log.key", "log.key", "tile/0/000%00"} {
		if code, _, b := get(path); code != http.StatusNotFound && code != http.StatusBadRequest || strings.Contains(string(b), "PRIVATE") {
			t.Errorf("%q: %d", path, code)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		req, err := http.NewRequest(method, s.URL+"/writ/checkpoint", nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusMethodNotAllowed || r.Header.Get("Allow") == "" {
			t.Errorf("%s: %d", method, r.StatusCode)
		}
	}
}
