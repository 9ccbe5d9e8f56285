package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"writ/account"
	"writ/chat/bulletin"
	"writ/config"
	"writ/desk"
	"writ/report"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
)

// ServiceConfig is one service of the provider.
type ServiceConfig struct {
	ID   string `toml:"id" doc:"Short name in reports and forms: lower-case letters, digits, -."`
	Name string `toml:"name" doc:"Its name."`
	Chat bool   `toml:"chat" doc:"It is the chat of this server: its records can be extracted. At most one."`
}

// Check refuses a service without a name.
func (s ServiceConfig) Check() error {
	if s.ID == "" || strings.Trim(s.ID, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return config.Invalid("id", s.ID, "lower-case letters, digits and -")
	}
	if s.Name == "" {
		return config.Invalid("name", s.Name, "a name")
	}
	return nil
}

// services are those of the configuration; without any, the chat.
func (c Config) services() []desk.Service {
	var out []desk.Service
	for _, s := range c.Services {
		d := desk.Service{ID: s.ID, Name: s.Name, Connected: s.Chat}
		if s.Chat {
			d.Domain = c.Domain
		}
		out = append(out, d)
	}
	if out == nil {
		out = []desk.Service{{ID: "chat", Name: "Chat", Domain: c.Domain, Connected: true}}
	}
	return out
}

// buildDesk makes the office. Its handle reaches the tables of its own rooms and of those that write in its transactions, and no table of
// the chat.
func (h *House) buildDesk(context.Context) error {
	house, err := secretFile(h.Config.inData("desk.key"))
	if err != nil {
		return err
	}
	h.Desk, err = desk.New(desk.Deps{
		DB: h.DB.Scoped(desk.Prefixes()...), Clock: h.Clock, Log: h.Log, Passkeys: h.Passkeys, Tlog: h.Tlog, Signer: h.key, VKey: h.key.VKey(),
		Gate: h.Records.Gate, Schedule: h.Records.Schedule, Messenger: h.Bulletin, Notifier: h.Bulletin,
		Services: h.Config.services(), Config: h.Config.Desk, HouseKey: house,
	})
	if err == nil {
		h.Registry = h.Desk.Registry()
	}
	return err
}

// buildReports makes the transparency report of the desk's cases.
func (h *House) buildReports(context.Context) (err error) {
	var names []string
	for _, s := range h.Config.services() {
		names = append(names, s.ID)
	}
	h.Reports, err = report.New(report.Deps{
		DB: h.DB.Scoped("report", "tlog"), Clock: h.Clock, Log: h.Log, Metrics: h.Metrics, Tlog: h.Tlog, Source: report.FromDesk(h.Desk),
		Signer: h.key, House: h.Config.Desk.Provider, Services: names, Config: h.Config.Report,
	})
	return err
}

// answer takes what a person writes to the server's address: an objection, which begins with the number of the case.
func (h *House) answer(ctx context.Context, account, text string) (string, error) {
	number, words, _ := strings.Cut(text, " ")
	number = strings.Trim(number, ".:,;()[]#")
	var refusal *desk.Refusal
	switch err := h.Desk.Object(ctx, account, number, strings.TrimSpace(words)); {
	case err == nil:
		return "Your objection to " + number + " was received. Someone will read it before anything is given.", nil
	case errors.Is(err, desk.ErrNotFound):
		return "", stanza.ItemNotFound("To object to a notice, begin your message with the number that stands in it. Nothing else is read here.")
	case errors.As(err, &refusal):
		return "", stanza.NotAllowed(refusal.Error())
	default:
		return "", err
	}
}

// residents are the accounts of the house, in pages, for announcements.
type residents struct{ *account.Accounts }

var _ bulletin.People = residents{}

func (r residents) Page(ctx context.Context, after jid.JID, n int) ([]jid.JID, error) {
	users, err := r.List(ctx, after.String(), n)
	if err != nil {
		return nil, err
	}
	out := make([]jid.JID, len(users))
	for i, u := range users {
		out[i] = u.Account
	}
	return out, nil
}

// clockwork is the desk's own work: pauses that begin, extractions, messages, alarms.
func (h *House) clockwork() part {
	var stop context.CancelFunc
	done := make(chan struct{})
	return part{"desk",
		func(context.Context) error {
			var ctx context.Context
			ctx, stop = context.WithCancel(context.Background())
			go func() { h.Desk.Run(ctx); close(done) }()
			return nil
		},
		func(ctx context.Context) error {
			stop()
			select {
			case <-done:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	}
}

// secretFile reads 32 random bytes from a file that only its owner may read, and makes it at the first start.
func secretFile(name string) (key [32]byte, err error) {
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		rand.Read(key[:])
		return key, writeNew(name, key[:])
	}
	if err != nil {
		return key, err
	}
	st, err := os.Stat(name)
	if err != nil {
		return key, err
	}
	if len(b) != len(key) || st.Mode().Perm()&0o077 != 0 {
		return key, fmt.Errorf("%s must hold %d bytes and be readable by its owner alone", name, len(key))
	}
	copy(key[:], b)
	return key, nil
}

// writeNew writes a file that must survive a power cut before anything is sealed with it.
func writeNew(name string, b []byte) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}
