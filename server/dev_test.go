package server_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"writ/server"
)

// A second start keeps people and passwords; beginning anew forgets them, and deletes only what writ dev has made.
func TestTheSampleHouse(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	sample := func() string {
		t.Helper()
		h, err := server.Build(t.Context(), server.Options{Config: server.DevConfig(data), Dev: true})
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		s, err := h.Sample(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ok, err := h.Desk.Staffed(t.Context())
		if err != nil || !ok {
			t.Errorf("the desk of the sample house is not open: %v", err)
		}
		return s.Text(server.Addresses{Console: &net.TCPAddr{Port: 5282}})
	}
	first := sample()
	for _, want := range []string{"http://localhost:5280/ ", "http://localhost:5280/chat", "/portal/", "/staff/", "http://localhost:5282/admin/", "localhost:5222", "localhost:5223",
		"alice@localhost, password ", "bob@localhost, password ", "rosa (reviewer)", "amir (approver)", "olive of the Sample Police Department", "/sign-in"} {
		if !strings.Contains(strings.ReplaceAll(first, "\n", " "), want) {
			t.Errorf("it does not tell %q:\n%s", want, first)
		}
	}
	if again := sample(); again != first {
		t.Errorf("a second start tells something else:\n%s", again)
	}
	if err := server.EraseDev(data); err != nil {
		t.Fatal(err)
	}
	if anew := sample(); anew == first {
		t.Error("beginning anew kept the passwords")
	}
	if err := os.Remove(filepath.Join(data, "dev.json")); err != nil {
		t.Fatal(err)
	}
	if err := server.EraseDev(data); err == nil {
		t.Error("a folder that is not known to be of writ dev was deleted")
	}
}
