package server

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"writ/account"
	"writ/config"
	"writ/store"
	"writ/xmpp/jid"
	"writ/xmpp/s2s"
)

// devHTTP is the port of the pages of writ dev; passkeys work there because the name is localhost.
const devHTTP = "5280"

// DevConfig is the configuration of writ dev: everything on this machine, the standard ports, data in one folder.
func DevConfig(data string) Config {
	c := DefaultConfig()
	c.Domain = "localhost"
	c.Data = data
	c.XMPP.Listen = []string{"127.0.0.1:5222"}
	c.XMPP.ListenTLS = []string{"127.0.0.1:5223"}
	c.S2S = s2s.Config{Mode: s2s.Off}
	c.Desk.Provider = "Sample Provider"
	c.HTTP = HTTPConfig{Listen: []string{"127.0.0.1:" + devHTTP}, Console: "127.0.0.1:5282", Internal: "127.0.0.1:5281"}
	// Who tries it out sees a proof after a minute, not after six hours.
	c.Tlog.Cadence, c.Tlog.BatchSize, c.Tlog.Promise = config.Duration(time.Minute), 32, config.Duration(time.Hour)
	return c
}

// devMark stands in a folder that writ dev has made; EraseDev deletes no other.
const devMark = "dev.json"

// EraseDev deletes the data folder of writ dev. It refuses a folder with files that does not look like one.
func EraseDev(data string) error {
	entries, err := os.ReadDir(data)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(data, devMark)); err != nil {
		return fmt.Errorf("server: %s was not made by writ dev: it is not deleted", data)
	}
	return os.RemoveAll(data)
}

// Sample is what writ dev has made and tells at each start.
type Sample struct {
	Passwords map[string]string `json:"passwords"` // of alice and bob
}

// Sample makes the people of writ dev at the first start, and says how they sign in at every start.
func (h *House) Sample(ctx context.Context) (*Sample, error) {
	file := h.Config.inData(devMark)
	s := &Sample{Passwords: map[string]string{}}
	if b, err := os.ReadFile(file); err == nil {
		if err := json.Unmarshal(b, s); err != nil {
			return nil, fmt.Errorf("server: %s: %w", file, err)
		}
	}
	made := false
	for _, name := range devPeople {
		if s.Passwords[name] != "" {
			continue
		}
		made = true
		s.Passwords[name] = strings.ToLower(rand.Text()[:16])
		_, err := h.Accounts.Create(ctx, account.New{Local: name, Password: s.Passwords[name], Name: strings.ToUpper(name[:1]) + name[1:]})
		if err != nil {
			return nil, fmt.Errorf("server: making %s: %w", name, err)
		}
	}
	if made {
		if err := h.DB.Write(ctx, func(tx *store.Tx) error { return h.sampleFriends(ctx, tx) }); err != nil {
			return nil, fmt.Errorf("server: making contacts: %w", err)
		}
	}
	if err := h.sampleStaff(ctx); err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return nil, err
	}
	return s, os.WriteFile(file, append(b, '\n'), 0o600)
}

// devPeople are the sample people.
var devPeople = []string{"alice", "bob"}

// sampleFriends makes the sample people each other's contacts, so that they can write to each other at once.
func (h *House) sampleFriends(ctx context.Context, tx *store.Tx) error {
	var who []jid.JID
	for _, name := range devPeople {
		j, err := jid.New(name, h.Domain.Domain().String(), "")
		if err != nil {
			return err
		}
		who = append(who, j)
	}
	return h.contacts.Befriend(ctx, tx, who[0], who[1])
}

// Text is what writ dev prints when it is ready: every address, as localhost, where passkeys work.
func (s *Sample) Text(at Addresses) string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	site := "http://localhost:" + devHTTP
	fmt.Fprintf(&b, "Writ is ready. Stop it with Ctrl-C.\n\n")
	line("public site", "%s/", site)
	line("web chat", "%s/chat", site)
	line("requesters", "%s/portal/  and the API %s/api/openapi.json", site, site)
	line("staff desk", "%s/staff/", site)
	if at.Console != nil {
		_, port, _ := net.SplitHostPort(at.Console.String()) // an address of a listener
		line("operator", "http://localhost:%s/admin/  (as ada, on a listener of its own)", port)
	}
	line("apps", "localhost:5222 (STARTTLS), localhost:5223 (TLS), ws://localhost:%s/xmpp-websocket", devHTTP)
	if at.Internal != nil {
		line("metrics", "http://%s/metrics", at.Internal)
	}
	b.WriteByte('\n')
	for _, name := range devPeople {
		line(name, "%s@localhost, password %s", name, s.Passwords[name])
	}
	var staff []string
	for _, p := range devStaff {
		staff = append(staff, fmt.Sprintf("%s (%s)", p.ID, p.Roles[0]))
	}
	line("staff", "%s", strings.Join(staff, ", "))
	line("officer", "%s of the %s", devOfficer.ID, devAgency.Name)
	fmt.Fprintf(&b, "\nStaff and officer sign in at %s/sign-in, chosen from a list: this is for development only.\n", site)
	return b.String()
}
