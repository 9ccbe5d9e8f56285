// Command bench puts load on an XMPP server and prints what it measured as JSON on stdout. See README.md here.
package main

import (
	"cmp"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// config is the flags.
type config struct {
	Label       string        `json:"label,omitempty"`
	Addr        string        `json:"addr"`
	Domain      string        `json:"domain"`
	TLS         string        `json:"tls"`
	TLSMin      string        `json:"-"`
	Mech        string        `json:"mech"`
	Prefix      string        `json:"-"`
	Pass        string        `json:"-"`
	Resource    string        `json:"-"`
	First       int           `json:"-"`
	Src         string        `json:"-"`
	SrcN        int           `json:"-"`
	Concurrency int           `json:"concurrency"`
	Loops       int           `json:"-"`
	Timeout     time.Duration `json:"-"`
	SM          bool          `json:"sm"`
	Resume      bool          `json:"sm_resume"`
	Carbons     bool          `json:"carbons"`
	Roster      bool          `json:"roster"`
	Presence    bool          `json:"presence"`
	ServerPID   string        `json:"-"`
	SaltedFile  string        `json:"-"`
	Repeat      int           `json:"-"`
	Warmup      time.Duration `json:"-"`
	Duration    time.Duration `json:"-"`
	Settle      time.Duration `json:"-"`

	N         int     `json:"n,omitempty"`
	Steps     string  `json:"-"`
	Pairs     int     `json:"pairs,omitempty"`
	Window    int     `json:"window,omitempty"`
	Rate      float64 `json:"rate,omitempty"`
	Body      int     `json:"body,omitempty"`
	Room      string  `json:"-"`
	MUCHost   string  `json:"-"`
	Occupants int     `json:"occupants,omitempty"`
	Senders   int     `json:"senders,omitempty"`
	Page      int     `json:"page,omitempty"`

	ServerPIDs []int        `json:"-"`
	dialer     *dialer      `json:"-"`
	minTLS     uint16       `json:"-"`
	alpn       []string     `json:"-"`
	salted     *saltedCache `json:"-"`
}

// mode is one subcommand.
type mode struct {
	help  string
	flags func(*flag.FlagSet, *config)
	run   func(*config) (any, error)
}

var modes = map[string]mode{
	"register": {"register -n accounts in-band (XEP-0077)", func(f *flag.FlagSet, c *config) {
		f.IntVar(&c.N, "n", 1000, "number of accounts")
	}, runRegister},
	"idle": {"log in connections in steps and hold them", func(f *flag.FlagSet, c *config) {
		f.StringVar(&c.Steps, "steps", "1000", "numbers of connections to hold, rising, comma separated")
	}, runIdle},
	"pingpong": {"chat messages between pairs of users", func(f *flag.FlagSet, c *config) {
		f.IntVar(&c.Pairs, "pairs", 100, "pairs of users")
		f.IntVar(&c.Window, "window", 1, "closed loop: messages in flight for each pair")
		f.Float64Var(&c.Rate, "rate", 0, "open loop: messages per second over all pairs; 0 is closed loop")
		f.IntVar(&c.Body, "body", 400, "bytes of base64 payload in each message")
	}, runPingPong},
	"muc": {"group chat: one room, everything sent reaches everyone", func(f *flag.FlagSet, c *config) {
		f.IntVar(&c.Occupants, "occupants", 200, "occupants of the room")
		f.IntVar(&c.Senders, "senders", 10, "occupants that send, in turn")
		f.IntVar(&c.Window, "window", 1, "closed loop: messages in flight in the room")
		f.Float64Var(&c.Rate, "rate", 0, "open loop: messages per second sent to the room; 0 is closed loop")
		f.IntVar(&c.Body, "body", 400, "bytes of base64 payload in each message")
		f.StringVar(&c.Room, "room", "bench", "name of the room")
		f.StringVar(&c.MUCHost, "muc-host", "", "group chat service (default: muc. and the domain)")
	}, runMUC},
	"mam": {"send to an offline user, then fetch by MAM and as offline messages", func(f *flag.FlagSet, c *config) {
		f.IntVar(&c.N, "n", 1000, "messages")
		f.IntVar(&c.Page, "page", 100, "messages for each MAM page")
		f.IntVar(&c.Body, "body", 400, "bytes of base64 payload in each message")
	}, runMAM},
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "table" {
		if err := writeTable(os.Stdout, os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "loadgen:", err)
			os.Exit(1)
		}
		return
	}
	if len(os.Args) < 2 || modes[os.Args[1]].run == nil {
		fmt.Fprintln(os.Stderr, "usage: loadgen MODE [flags]; loadgen MODE -h lists the flags; loadgen table DIR prints what bench/run has left. Modes:")
		for k, m := range modes {
			fmt.Fprintf(os.Stderr, "  %-9s %s\n", k, m.help)
		}
		os.Exit(2)
	}
	m := modes[os.Args[1]]
	cfg := &config{}
	fs := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	fs.StringVar(&cfg.Label, "label", "", "text to put in the result")
	fs.StringVar(&cfg.Addr, "addr", "127.0.0.1:5222", "server address")
	fs.StringVar(&cfg.Domain, "domain", "localhost", "XMPP domain")
	fs.StringVar(&cfg.TLS, "tls", "starttls", "starttls, direct or none")
	fs.StringVar(&cfg.TLSMin, "tls-min", "1.3", "lowest TLS version: 1.2 or 1.3")
	fs.StringVar(&cfg.Mech, "mech", "SCRAM-SHA-1", "SASL mechanism: PLAIN, SCRAM-SHA-1 or SCRAM-SHA-256")
	fs.StringVar(&cfg.Prefix, "prefix", "bench", "user names are this and a number")
	fs.StringVar(&cfg.Pass, "pass", "bench-%u", "password; %u stands for the user name")
	fs.StringVar(&cfg.Resource, "resource", "b", "resource to bind")
	fs.IntVar(&cfg.First, "first", 0, "number of the first user")
	fs.StringVar(&cfg.Src, "src", "127.1.0.1", "first source address; empty: leave it to the kernel")
	fs.IntVar(&cfg.SrcN, "src-n", 16, "number of source addresses")
	fs.IntVar(&cfg.Concurrency, "concurrency", 64, "logins or registrations at the same time")
	fs.IntVar(&cfg.Loops, "loops", 0, "epoll loops; 0: one for each CPU")
	fs.DurationVar(&cfg.Timeout, "timeout", time.Minute, "limit for one login")
	fs.BoolVar(&cfg.SM, "sm", true, "enable stream management")
	fs.BoolVar(&cfg.Resume, "sm-resume", true, "ask for a resumable session")
	fs.BoolVar(&cfg.Carbons, "carbons", true, "enable carbons")
	fs.BoolVar(&cfg.Roster, "roster", true, "fetch the roster")
	fs.BoolVar(&cfg.Presence, "presence", true, "send initial presence")
	fs.StringVar(&cfg.ServerPID, "server-pid", "", "process ids of the server, comma separated, for its CPU and memory")
	fs.StringVar(&cfg.SaltedFile, "salted-cache", "", "file that keeps salted passwords, so that the client skips PBKDF2")
	fs.IntVar(&cfg.Repeat, "repeat", 1, "measurements in one run")
	fs.DurationVar(&cfg.Warmup, "warmup", 2*time.Second, "load before each measurement")
	fs.DurationVar(&cfg.Duration, "duration", 10*time.Second, "length of each measurement")
	fs.DurationVar(&cfg.Settle, "settle", 5*time.Second, "idle: wait before memory is read")
	m.flags(fs, cfg)
	fs.Parse(os.Args[2:])

	res, err := func() (any, error) {
		if err := cfg.prepare(); err != nil {
			return nil, err
		}
		return m.run(cfg)
	}()
	if serr := cfg.salted.save(); serr != nil {
		logf("salted cache: %v", serr)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(map[string]any{"mode": os.Args[1], "config": cfg, "result": res})
}

func (cfg *config) prepare() (err error) {
	cfg.salted = loadSalted(cfg.SaltedFile)
	debug.SetGCPercent(200)
	cfg.minTLS = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}[cfg.TLSMin]
	if cfg.minTLS == 0 {
		return fmt.Errorf("-tls-min %q", cfg.TLSMin)
	}
	switch cfg.TLS {
	case "direct":
		cfg.alpn = []string{"xmpp-client"}
	case "starttls", "none":
	default:
		return fmt.Errorf("-tls %q", cfg.TLS)
	}
	for s := range strings.SplitSeq(cfg.ServerPID, ",") {
		if s == "" {
			continue
		}
		pid, err := strconv.Atoi(s)
		if err != nil {
			return fmt.Errorf("-server-pid: %w", err)
		}
		cfg.ServerPIDs = append(cfg.ServerPIDs, pid)
	}
	cfg.MUCHost = cmp.Or(cfg.MUCHost, "muc."+cfg.Domain)
	cfg.dialer, err = newDialer(cfg.Src, cfg.SrcN)
	return err
}

func (cfg *config) userName(i int) string { return cfg.Prefix + strconv.Itoa(cfg.First+i) }

func (cfg *config) password(user string) string { return strings.ReplaceAll(cfg.Pass, "%u", user) }

func logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}
