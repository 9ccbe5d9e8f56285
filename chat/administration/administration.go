// Package administration is the operator's work from an app (XEP-0133): accounts are made, deleted, disabled, enabled and given new sessions, people are
// told something, and other servers kept out.
//
// Invariants:
//   - Only operators run the commands; others are refused and do not see them.
//   - What reads a person (contacts, last login, statistics, lists of people), and what lets one sign in as a person (a new password), is a look-up without
//     a case. The room is not even given the means (Parts.Look), except in the profile for conformance suites; the commands answer not-allowed.
//   - A message of the day comes to each account once, a welcome to an account that is new.
//   - Every command is logged with who ran it, never with a password or a text.
package administration

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"writ/account"
	"writ/chat/adhoc"
	"writ/clock"
	"writ/records"
	"writ/schedule"
	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
)

//go:embed schema/*.sql
var schema embed.FS

// NS begins the node of each command, and is the FORM_TYPE of each form (XEP-0133 §8.2).
const NS = "http://jabber.org/protocol/admin"

// Accounts is what operators change.
type Accounts interface {
	Create(ctx context.Context, who account.New) (account.User, error)
	Delete(ctx context.Context, account jid.JID) error
	Disable(ctx context.Context, account jid.JID) error
	Enable(ctx context.Context, account jid.JID) error
}

// Register is what is counted of the accounts, and who is an operator.
type Register interface {
	Exists(ctx context.Context, account jid.JID) (bool, error)
	Count(ctx context.Context) (all, disabled int, err error)
	Get(ctx context.Context, account jid.JID) (account.User, error) // asked when an account was made, for the welcome
	Operator(ctx context.Context, account jid.JID) (bool, error)
}

// Router is what the room asks of the router.
type Router interface {
	feature.Router
	// Each calls f for every account with sessions until it says false.
	Each(f func(account jid.JID, sessions []*feature.Session) bool)
}

// Voice sends the server's own messages; package bulletin does.
type Voice interface {
	Send(ctx context.Context, id, account, subject, body string) error
}

// Look is what reads a person, or signs in as one. In service it is nil.
type Look struct {
	Rosters interface {
		Listing(ctx context.Context, account jid.JID) (query []byte, n int, err error)
	}
	Seen interface {
		LastSeen(ctx context.Context, account string) (time.Time, error)
	}
	People People
}

// People is the part of Look that package account has.
type People interface {
	List(ctx context.Context, after string, n int) ([]account.User, error)
	SetPassword(ctx context.Context, account jid.JID, password string) error
	Operators(ctx context.Context) ([]jid.JID, error)
	SetOperator(ctx context.Context, account jid.JID, is bool) error
}

// Parts is what the room stands on.
type Parts struct {
	DB       *store.DB
	Router   Router
	Accounts Accounts
	Register Register
	Voice    Voice
	Clock    clock.Clock
	Log      *slog.Logger
	Look     *Look // nil in service
}

// Room is the room.
type Room struct {
	Parts
	log *slog.Logger

	mu    sync.RWMutex
	texts map[string]text            // by name, as in the table
	lists map[string]map[string]bool // by list, as in the table
}

// New makes the room.
func New(p Parts) *Room {
	return &Room{Parts: p, log: p.Log.With("room", "administration"), texts: map[string]text{}, lists: map[string]map[string]bool{}}
}

// Feature is the room as the house sees it.
func (r *Room) Feature() *feature.Feature {
	files, _ := fs.Sub(schema, "schema") // embedded: it cannot fail
	return &feature.Feature{
		Name: "administration", Specs: []string{"XEP-0133"}, Schema: files, Data: data(),
		Screen: r.screen, After: r.after, Start: r.load,
	}
}

// load reads the tables. This process alone changes them afterwards.
func (r *Room) load(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.loadTexts(ctx); err != nil {
		return fmt.Errorf("administration: reading texts: %w", err)
	}
	if err := r.loadLists(ctx); err != nil {
		return fmt.Errorf("administration: reading lists: %w", err)
	}
	return nil
}

// everywhere is the domain and the operator's own address.
const everywhere = feature.AtDomain | feature.AtOwn

// command makes one command: a form, unless fields is nil, and what is done with it.
func (r *Room) command(node, name string, fields func(ctx context.Context) ([]adhoc.Field, error), do func(ctx context.Context, c *adhoc.Call) (adhoc.Stage, error)) adhoc.Command {
	return adhoc.Command{Node: NS + "#" + node, Name: name, At: everywhere, May: r.Register.Operator,
		Run: func(ctx context.Context, c *adhoc.Call) (adhoc.Stage, error) {
			if fields != nil && c.Stage == 0 {
				f, err := fields(ctx)
				return adhoc.Stage{Form: &adhoc.Form{Title: name, Kind: NS, Fields: f}}, err
			}
			stage, err := do(ctx, c)
			if err == nil {
				stage.Done = true
				r.log.Info("a command of the operator was run", "command", node, "operator", c.From.Bare().String())
			}
			return stage, err
		}}
}

// fields makes a form that is always the same.
func fields(f ...adhoc.Field) func(context.Context) ([]adhoc.Field, error) {
	return func(context.Context) ([]adhoc.Field, error) { return f, nil }
}

// look makes a command that reads a person, or one that only says that it does not exist here.
func (r *Room) look(node, name string, f func(context.Context) ([]adhoc.Field, error), do func(ctx context.Context, c *adhoc.Call) (adhoc.Stage, error)) adhoc.Command {
	c := r.command(node, name, f, do)
	if r.Look == nil {
		c.Refused = "nobody on this server looks a person up from an app: that needs a case"
	}
	return c
}

// Commands are the room's ad-hoc commands, in the order of XEP-0133 §4.
func (r *Room) Commands() []adhoc.Command {
	list := append(r.accountCommands(), r.lookCommands()...)
	list = append(list, r.listCommands()...)
	list = append(list, r.countCommands()...)
	list = append(list, r.textCommands()...)
	for node, name := range map[string]string{"restart": "Restart Service", "shutdown": "Shut Down Service"} {
		list = append(list, adhoc.Command{Node: NS + "#" + node, Name: name, At: everywhere, Refused: "the machine's service manager starts and stops this server"})
	}
	return list
}

func data() []records.Datum {
	return []records.Datum{
		{Datum: schedule.Datum{Name: "operator-texts", Category: schedule.Impersonal, Tables: []string{"administration_text"},
			Fields:  []schedule.Field{{Name: "text", Meaning: "The operator's message of the day and welcome, and since when."}},
			Purpose: "To send it to people who sign in.", Retention: schedule.Permanent, Process: schedule.Never, Never: schedule.Impersonal.Info().Never}},
		{Datum: schedule.Datum{Name: "operator-lists", Category: schedule.StaffActions, Tables: []string{"administration_list"},
			Fields: []schedule.Field{
				{Name: "list", Meaning: "Whether the address is kept out, or one of those that alone are let in."},
				{Name: "entry", Meaning: "The address or the domain."},
			},
			Purpose: "To keep out servers and people that send what nobody wants, for as long as the operator says.", Retention: schedule.Account,
			Process: schedule.Never, Never: schedule.StaffActions.Info().Never},
			Erase: records.EraseRows(schedule.StaffActions, "administration_list", "entry")},
	}
}
