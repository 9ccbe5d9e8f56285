package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The table stands the servers side by side and says where Writ misses a target; what was not measured is a dash, and a file
// that holds no figures is an error and not a dash.
func TestTable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("writ.idle.json", `{"result":[{"connections":0},{"server_pss_bytes_per_conn":12000,"server_cpu_ms_per_login":0.8},{"server_pss_bytes_per_conn":30000}]}`)
	put("writ.first.json", `{"result":[{"server_cpu_ms_per_1k":40}]}`)
	put("writ.again.json", `{"result":[{"server_cpu_ms_per_1k":80}]}`)
	put("writ.room1000.json", `{"result":{"join":{"seconds":4},"runs":[{"server_cpu_ms_per_1k":9.5}]}}`)
	put("ejabberd.idle.json", ``) // a run that failed
	var out strings.Builder
	if err := writeTable(&out, dir); err != nil {
		t.Fatal(err)
	}
	lines := map[string]string{}
	for l := range strings.Lines(out.String()) {
		if what, rest, ok := strings.Cut(l, "  "); ok {
			lines[what] = strings.Join(strings.Fields(rest), " ")
		}
	}
	for what, want := range map[string]string{
		"user kB per idle TLS session, fewer sessions": "≤ 25 12 - - met",
		"user kB per idle TLS session, more sessions":  "≤ 25 30 - - MISSED",
		"CPU-ms per login, fewer sessions":             "≤ 1 0.80 - - met",
		"growth of that (1 = flat)":                    "≤ 1.25 2 - - MISSED",
		"messages fetched from the archive":            "- - -",
		"room of 200: CPU-ms per 1,000 deliveries":     "≤ 10 - - -",
		"room of 1,000: CPU-ms per 1,000 deliveries":   "9.50 - -",
		"1,000 people join one room, seconds":          "≤ 5 4 - - met",
	} {
		if lines[what] != want {
			t.Errorf("%s: %q, want %q", what, lines[what], want)
		}
	}
	put("prosody.mam.json", `{"result":`)
	if err := writeTable(&out, dir); err == nil || !strings.Contains(err.Error(), "mam of prosody") {
		t.Errorf("a broken file: %v", err)
	}
}
