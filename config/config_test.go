package config_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"writ/config"
)

type chat struct {
	Keep  config.Duration `toml:"keep" doc:"How long the archive keeps a message; 0 keeps none."`
	Mode  string          `toml:"mode" doc:"off, warn or require."`
	Limit int             `toml:"limit" doc:"Most stanzas in a queue."`
}

func (c chat) Check() error {
	switch c.Mode {
	case "off", "warn", "require":
		return nil
	}
	return config.Invalid("mode", c.Mode, "off, warn, require")
}

type service struct {
	Name string `toml:"name" doc:"Its name."`
}

func (s service) Check() error {
	if s.Name == "" {
		return config.Invalid("name", s.Name, "a name")
	}
	return nil
}

type all struct {
	Domain   string        `toml:"domain" doc:"The served domain."`
	Password config.Secret `toml:"password" doc:"Of the database."`
	Names    []string      `toml:"names" doc:"Other names."`
	Chat     chat          `toml:"chat" doc:"The chat."`
	Services []service     `toml:"service" doc:"Each service of the provider."`
}

func defaults() all {
	return all{Domain: "localhost", Chat: chat{Keep: config.Duration(7 * 24 * time.Hour), Mode: "require", Limit: 500}}
}

func TestAFileIsReadOverTheDefaults(t *testing.T) {
	t.Parallel()
	c := defaults()
	err := config.Parse("writ.toml", []byte("domain = 'example.org'\npassword = 'geheim'\n[chat]\nkeep = '1d12h'\n[[service]]\nname = 'chat'\n"), &c)
	if err != nil {
		t.Fatal(err)
	}
	if c.Domain != "example.org" || c.Chat.Keep.Std() != 36*time.Hour || c.Chat.Limit != 500 || c.Services[0].Name != "chat" || c.Password.Reveal() != "geheim" {
		t.Errorf("%+v", c)
	}
}

func TestWhatIsWrongNamesFileLineAndWhatIsAllowed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"domain = 'a'\nmdoe = 'x'\n", `writ.toml:2: mdoe: unknown key: allowed are domain, password, names, chat, service`},
		{"[chat]\n\nmdoe = 'x'\n", `writ.toml:3: chat.mdoe: unknown key: allowed are keep, mode, limit`},
		{"[[service]]\nnaem = 'x'\n", `writ.toml:2: service.naem: unknown key: allowed are name`},
		{"[chat]\nlimit = 'many'\n", `writ.toml:2: chat.limit: `},
		{"[chat]\nlimit = 'many'\n", `allowed is a whole number`},
		{"[chat]\nkeep = 'a week'\n", `writ.toml:2: chat.keep: `},
		{"[chat]\nkeep = 'a week'\n", `allowed are 7d, 12h, 30m, 90s, 250ms, sums of them, and 0`},
		{"[chat]\nlimit = 3\nmode = 'maybe'\n", `writ.toml:3: chat.mode: "maybe" is not allowed: off, warn, require`},
		{"[[service]]\nname = ''\n", `writ.toml:2: service.name: "" is not allowed: a name`},
		{"domain = \n", `writ.toml:1: `},
	} {
		v := defaults()
		err := config.Parse("writ.toml", []byte(c.text), &v)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q:\n got %v\nwant %s", c.text, err, c.want)
		}
	}
}

func TestDescribeIsAFileThatLoads(t *testing.T) {
	t.Parallel()
	c := defaults()
	c.Password = "geheim"
	var b strings.Builder
	if err := config.Describe(&b, c); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{
		"# The served domain. (a text)\ndomain = 'localhost'\n", "[chat]\n", "keep = '7d'", "# How long the archive keeps a message; 0 keeps none. (a length of time such as 7d, 12h, 30m, or 0)",
		"# [[service]] with the keys name",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("description lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "geheim") {
		t.Error("a secret is shown")
	}
	again := defaults()
	if err := config.Parse("described", []byte(text), &again); err != nil || again.Chat != c.Chat {
		t.Errorf("%v, %+v", err, again)
	}
}

func TestSecretsMaskThemselves(t *testing.T) {
	t.Parallel()
	s := config.Secret("geheim")
	var b strings.Builder
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "s", s, "in", struct{ S config.Secret }{s})
	b.WriteString(fmt.Sprintf("%v %s %q %+v %#v", s, s, s, struct{ S config.Secret }{s}, s))
	if strings.Contains(b.String(), "geheim") {
		t.Errorf("shown: %s", b.String())
	}
}

func TestDurations(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"0": 0, "7d": 168 * time.Hour, "1d12h": 36 * time.Hour, "90s": 90 * time.Second, "250ms": 250 * time.Millisecond} {
		var d config.Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.Std() != want {
			t.Errorf("%s is %v, %v", text, d.Std(), err)
		}
		var again config.Duration
		if err := again.UnmarshalText([]byte(d.String())); err != nil || again != d {
			t.Errorf("%s is written %s", text, d)
		}
	}
	for _, text := range []string{"", "d", "7", "-1h", "7dd", "1h1d", "99999999d", "a week"} {
		if err := new(config.Duration).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("domain = 'a'\n[chat]\nkeep = '7d'\n"))
	f.Add([]byte("[[service]]\nname='x'\n[chat]\nmode=1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := defaults()
		_ = config.Parse("f", b, &c) // must not panic
	})
}
