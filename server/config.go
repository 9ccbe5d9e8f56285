package server

import (
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"writ/account"
	"writ/chat/addresses"
	"writ/chat/archive"
	"writ/chat/blocking"
	"writ/chat/e2ee"
	"writ/chat/muc"
	"writ/chat/offline"
	"writ/chat/pace"
	"writ/chat/roster"
	"writ/config"
	"writ/desk"
	"writ/passkey"
	"writ/records"
	"writ/report"
	"writ/store"
	"writ/tlog"
	"writ/xmpp/c2s"
	"writ/xmpp/jid"
	"writ/xmpp/s2s"
)

// Config is the whole configuration: a table for each room that has settings.
type Config struct {
	Domain string `toml:"domain" doc:"The served domain: the part of every address after the @."`
	Data   string `toml:"data" doc:"Folder for keys, certificates and the log's files; only the server's user may read it."`

	Profile string `toml:"profile" doc:"Empty in service. For conformance suites alone, on a domain of examples and addresses of this machine: test (sign-in without TLS), test-starttls. Registration is open, limits and the encryption rule are off, operators read people."`

	Log   LogConfig    `toml:"log" doc:"What is written to the standard error."`
	Store store.Config `toml:"store" doc:"Where the rows are."`
	TLS   TLSConfig    `toml:"tls" doc:"The certificate of the served domain."`
	XMPP  c2s.Config   `toml:"xmpp" doc:"Where apps connect."`
	S2S   s2s.Config   `toml:"federation" doc:"Other servers."`
	HTTP  HTTPConfig   `toml:"http" doc:"Where pages, the API and the WebSocket are served."`

	Accounts account.Config   `toml:"accounts" doc:"Passwords and invitations."`
	Contact  addresses.Config `toml:"contact" doc:"Where the people who run the server are reached; apps and other operators are told."`
	Roster   roster.Config    `toml:"roster" doc:"Contact lists."`
	Archive  archive.Config   `toml:"archive" doc:"The message archive; how long it keeps is records.archive."`
	Offline  offline.Config   `toml:"offline" doc:"Messages for people who are not online; how long they wait is records.offline."`
	E2EE     e2ee.Config      `toml:"e2ee" doc:"End-to-end encryption of private conversations."`
	Rooms    muc.Config       `toml:"rooms" doc:"Rooms: private groups, and channels where they are allowed."`
	Pace     pace.Config      `toml:"pace" doc:"How many people one account may begin to write to."`
	Blocking blocking.Config  `toml:"blocking" doc:"Block lists."`
	Records  records.Config   `toml:"records" doc:"How long records are kept."`
	Passkeys passkey.Config   `toml:"passkeys" doc:"Where staff and officers sign. Empty: the served domain."`
	Desk     desk.Config      `toml:"desk" doc:"The office that answers legal requests."`
	Services []ServiceConfig  `toml:"service" doc:"Each service of the provider; none: the chat of this server."`
	Report   report.Config    `toml:"report" doc:"The transparency report."`
	Tlog     tlog.Config      `toml:"tlog" doc:"The transparency log."`
}

// LogConfig is how the house logs.
type LogConfig struct {
	Level string `toml:"level" doc:"debug, info, warn or error."`
	JSON  bool   `toml:"json" doc:"JSON lines instead of text."`
}

// Check refuses an unknown level.
func (c LogConfig) Check() error {
	switch c.Level {
	case "debug", "info", "warn", "error":
		return nil
	}
	return config.Invalid("level", c.Level, "debug, info, warn, error")
}

// TLSConfig names the certificate.
type TLSConfig struct {
	Certificate string `toml:"certificate" doc:"PEM file with the certificate and its chain; read again when it changes. Empty: a certificate of our own, for trying out."`
	Key         string `toml:"key" doc:"PEM file with its private key."`
}

// Check refuses half a certificate.
func (c TLSConfig) Check() error {
	if (c.Certificate == "") != (c.Key == "") {
		return config.Invalid("key", c.Key, "certificate and key are given together, or neither")
	}
	return nil
}

// HTTPConfig is where HTTP is served. The internal address shows metrics and must not be reachable from outside; the console is the
// operator's pages, which the public addresses do not have.
type HTTPConfig struct {
	Listen    []string `toml:"listen" doc:"Addresses for HTTP without TLS, behind a proxy or on localhost."`
	ListenTLS []string `toml:"listen_tls" doc:"Addresses for HTTPS."`
	XMPP      bool     `toml:"xmpp" doc:"Serve XMPP on the HTTPS addresses too, to apps that ask for it by ALPN (XEP-0368): one port through every firewall."`
	Console   string   `toml:"console" doc:"Address of the operator's pages, over TLS with the domain's certificate; loopback, or inside a private network. Empty: none."`
	// ConsoleURL is what passkeys know of the console, so it cannot be guessed behind a tunnel or a proxy.
	ConsoleURL string `toml:"console_url" doc:"How the operator's browser reaches console, such as https://console.example.org. Empty: https, the served domain and the console's port."`
	Internal   string `toml:"internal" doc:"Address for metrics and health, loopback; empty: none."`
}

// DefaultConfig is what a file changes.
func DefaultConfig() Config {
	return Config{
		Domain: "localhost",
		Data:   "/var/lib/writ",
		Log:    LogConfig{Level: "info"},
		E2EE:   e2ee.Config{Mode: e2ee.Require},
		XMPP:   c2s.Defaults(),
		S2S:    s2s.Defaults(),
		HTTP:   HTTPConfig{ListenTLS: []string{":443"}, Console: "127.0.0.1:5282", Internal: "127.0.0.1:5281"},

		Records: records.Defaults(),
		Desk:    desk.Defaults(),
	}
}

// Check refuses a console that passkeys could not know.
func (c HTTPConfig) Check() error {
	if c.Console != "" {
		if _, _, err := net.SplitHostPort(c.Console); err != nil {
			return config.Invalid("console", c.Console, "an address such as 127.0.0.1:5282")
		}
	}
	if u, err := url.Parse(c.ConsoleURL); c.ConsoleURL != "" && (err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "") {
		return config.Invalid("console_url", c.ConsoleURL, "https:// and a host, with a port if need be")
	}
	return nil
}

// consoleURL is how the operator's browser reaches the console; empty: there is none.
func (c Config) consoleURL(dev bool) string {
	_, port, err := net.SplitHostPort(c.HTTP.Console)
	switch {
	case c.HTTP.Console == "" || err != nil:
		return ""
	case dev:
		return "http://localhost:" + port
	case c.HTTP.ConsoleURL != "":
		return strings.TrimRight(c.HTTP.ConsoleURL, "/")
	case port == "443":
		return "https://" + c.Domain
	}
	return "https://" + c.Domain + ":" + port
}

// Check refuses what no room can judge alone.
func (c Config) Check() error {
	d, err := jid.Parse(c.Domain)
	if err != nil || d.Local() != "" || d.Resource() != "" {
		return config.Invalid("domain", c.Domain, "a domain name (RFC 7622 §3.2)")
	}
	if c.Data == "" {
		return config.Invalid("data", c.Data, "a folder")
	}
	_, err = c.forProfile()
	return err
}

// passkeys fills what the configuration leaves empty. In development the pages are on localhost without TLS.
func (c Config) passkeys(dev bool) passkey.Config {
	p := c.Passkeys
	if p.Name == "" {
		p.Name = "Writ"
	}
	if p.RPID == "" {
		p.RPID = c.Domain
	}
	if len(p.Origins) == 0 {
		p.Origins = []string{"https://" + c.Domain}
		if dev {
			p.Origins = []string{"http://localhost:" + devHTTP}
		}
	}
	if at := c.consoleURL(dev); at != "" && !slices.Contains(p.Origins, at) {
		p.Origins = append(slices.Clone(p.Origins), at)
	}
	return p
}

// roomArchive is how long rooms keep messages; 0: not at all.
func (c Config) roomArchive() time.Duration {
	if c.archive().Off {
		return 0
	}
	return c.Records.Archive.Std()
}

// archive is off where nothing may be kept.
func (c Config) archive() archive.Config {
	a := c.Archive
	a.Off = a.Off || c.Records.Archive == 0
	return a
}

// log fills what the configuration leaves empty.
func (c Config) log() tlog.Config {
	t := c.Tlog.WithDefaults()
	if t.Origin == "" {
		t.Origin = c.Domain + "/log"
	}
	if t.Dir == "" {
		t.Dir = c.inData("log")
	}
	if t.Key == "" {
		t.Key = c.inData("log.key")
	}
	return t
}

// inData is a path in the data folder.
func (c Config) inData(parts ...string) string {
	return filepath.Join(append([]string{c.Data}, parts...)...)
}

// store is the database: without one in the configuration, an embedded one in the data folder.
func (c Config) store() store.Config {
	s := c.Store
	if s.URL == "" {
		s.URL = "sqlite:" + c.inData("writ.db")
	}
	return s
}

// sqliteFile is the path of the embedded database; empty: it is another engine.
func (c Config) sqliteFile() string {
	path, ok := strings.CutPrefix(c.store().URL, "sqlite:")
	if !ok {
		return ""
	}
	return path
}
