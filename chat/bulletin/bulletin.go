// Package bulletin is the server's own voice: messages from its address to one person, or to the people of a jurisdiction, and the
// answers that people write to them.
//
// Invariants:
//   - A message is sent once for each id and person, also after a crash: the note that it was sent is a row of the transaction that keeps
//     the message.
//   - Who the people of a jurisdiction are is known here alone and told to nobody. Someone whose place is not known is told too.
//   - An answer is taken when its effect is durable; only then is it acknowledged.
package bulletin

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"writ/clock"
	"writ/records"
	"writ/schedule"
	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

//go:embed schema/*.sql
var schema embed.FS

// People says who is there.
type People interface {
	Exists(ctx context.Context, account jid.JID) (bool, error)
	// Page gives up to n accounts after one (the zero JID: from the start), in a fixed order.
	Page(ctx context.Context, after jid.JID, n int) ([]jid.JID, error)
}

// Places says whether an account is known to be outside a jurisdiction.
type Places interface {
	Elsewhere(ctx context.Context, account, jurisdiction string) (bool, error)
}

// Parts is what the room stands on.
type Parts struct {
	DB     *store.DB
	Router feature.Router
	People People
	Places Places
	Clock  clock.Clock
	Log    *slog.Logger
}

// Bulletin is the room.
type Bulletin struct {
	Parts
	log *slog.Logger

	mu      sync.Mutex
	waiting map[sent]chan struct{} // messages on their way to their commit
	answers func(ctx context.Context, account, text string) (string, error)
}

type sent struct{ id, account string }

// New makes the room.
func New(p Parts) *Bulletin {
	return &Bulletin{Parts: p, log: p.Log.With("room", "bulletin"), waiting: map[sent]chan struct{}{}}
}

// OnAnswer sets who takes what people write to the server's address. f gives what is answered; a *stanza.Error refuses. Call it before
// there are sessions; without it such a message is refused with service-unavailable.
func (b *Bulletin) OnAnswer(f func(ctx context.Context, account, text string) (string, error)) {
	b.answers = f
}

// patience is how long a message may take to its commit.
const patience = 30 * time.Second

// Send sends a person a message and returns once it is kept for them. The same id is sent to the same account once. An account that does not exist
// is no error.
func (b *Bulletin) Send(ctx context.Context, id, account, subject, body string) error {
	to, err := jid.Parse(account)
	if err != nil || !b.Router.Local(to) || to.Local() == "" {
		return nil
	}
	to = to.Bare()
	if ok, err := b.People.Exists(ctx, to); err != nil || !ok {
		return wrap(err)
	}
	done, err := b.done(ctx, id, to)
	if err != nil || done {
		return wrap(err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	key := sent{id, to.String()}
	b.mu.Lock()
	kept, twice := b.waiting[key]
	if !twice {
		kept = make(chan struct{})
		b.waiting[key] = kept
	}
	b.mu.Unlock()
	if !twice {
		defer func() {
			b.mu.Lock()
			delete(b.waiting, key)
			b.mu.Unlock()
		}()
		b.Router.Submit(ctx, b.envelope(id, to, subject, body))
	}
	select {
	case <-kept:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("bulletin: the message was not kept: %w", ctx.Err())
	}
}

func (b *Bulletin) envelope(id string, to jid.JID, subject, body string) *feature.Envelope {
	var s, t xml.Builder
	children := [][]byte{t.Leaf("", "body", body).Bytes()}
	if subject != "" {
		children = append([][]byte{s.Leaf("", "subject", subject).Bytes()}, children...)
	}
	m := stanza.New(stanza.Message, stanza.Chat, b.Router.Domain(), to, id, children...)
	return &feature.Envelope{Stanza: m, From: b.Router.Domain(), To: to, Server: true, Time: b.Clock.Now()}
}

func (b *Bulletin) done(ctx context.Context, id string, to jid.JID) (bool, error) {
	var n int
	err := b.DB.QueryRow(ctx, `SELECT 1 FROM bulletin_sent WHERE id = $1 AND account = $2`, id, to.String()).Scan(&n)
	if errors.Is(err, store.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// flying is how many messages of an announcement are on their way at once: they share commits.
const flying = 64

// Announce tells the people of a jurisdiction, or everyone ("").
func (b *Bulletin) Announce(ctx context.Context, id, jurisdiction, statement string) error {
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(flying)
	for after := (jid.JID{}); within.Err() == nil; {
		page, err := b.People.Page(within, after, 500)
		if err != nil {
			g.Go(func() error { return wrap(err) })
			break
		}
		if len(page) == 0 {
			break
		}
		for _, account := range page {
			g.Go(func() error { return b.tell(within, id, jurisdiction, account, statement) })
		}
		after = page[len(page)-1]
	}
	if err := errors.Join(g.Wait(), ctx.Err()); err != nil {
		return err
	}
	b.log.Info("announced", "jurisdiction", jurisdiction)
	return nil
}

// tell sends an account its part of an announcement, unless it is known to be elsewhere.
func (b *Bulletin) tell(ctx context.Context, id, jurisdiction string, account jid.JID, statement string) error {
	if jurisdiction != "" {
		if other, err := b.Places.Elsewhere(ctx, account.String(), jurisdiction); err != nil || other {
			return wrap(err)
		}
	}
	return b.Send(ctx, id, account.String(), "", statement)
}

// Feature is the room as the house sees it. It stands before the rooms that judge private conversations: what is written to the server
// is none.
func (b *Bulletin) Feature() *feature.Feature {
	files, _ := fs.Sub(schema, "schema") // embedded: it cannot fail
	return &feature.Feature{
		Name: "bulletin", Schema: files, Data: b.data(),
		Screen:  b.screen,
		Persist: &feature.Persist{Wants: func(e *feature.Envelope) bool { return b.kept(e) != nil }, Do: b.persist},
	}
}

// kept is the channel of one of our own messages on its way.
func (b *Bulletin) kept(e *feature.Envelope) chan struct{} {
	if !e.Server || e.Stanza.Kind != stanza.Message || e.From != b.Router.Domain() {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waiting[sent{e.Stanza.ID, e.To.String()}]
}

func (b *Bulletin) persist(ctx context.Context, tx *store.Tx, e *feature.Envelope) error {
	n, err := tx.Exec(ctx, `INSERT INTO bulletin_sent (id, account, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, e.Stanza.ID, e.To.String(), store.Time(e.Time))
	if err != nil {
		return err
	}
	if n == 0 {
		return stanza.Conflict("it was sent already") // by another process, a moment ago: it is not kept twice
	}
	if kept := b.kept(e); kept != nil {
		tx.AfterCommit(func() { close(kept) })
	}
	return nil
}

// screen takes a message to the server's address. The sender waits for its effect, which is written before the message is acknowledged.
func (b *Bulletin) screen(ctx context.Context, e *feature.Envelope) error {
	if b.answers == nil || e.Stanza.Kind != stanza.Message || e.To != b.Router.Domain() || e.Session == nil {
		return nil
	}
	switch e.Stanza.Type {
	case stanza.TypeError, stanza.Headline, stanza.Groupchat:
		return nil
	}
	body, ok := e.Stanza.Body()
	if !ok {
		return feature.Drop // typing, receipts and the like: they want no answer
	}
	answer, err := b.answers(ctx, e.From.Bare().String(), strings.TrimSpace(body))
	if err != nil {
		return err
	}
	var t xml.Builder
	b.Router.Deliver(ctx, e.From, stanza.New(stanza.Message, stanza.Chat, b.Router.Domain(), e.From, "", t.Leaf("", "body", answer).Bytes()))
	return feature.Drop
}

// keep is how long it is known that a message was sent: longer than whoever asks for it goes on trying.
const keep = 30 * 24 * time.Hour

func (b *Bulletin) data() []records.Datum {
	return []records.Datum{{
		Datum: schedule.Datum{
			Name: "bulletins", Category: schedule.CaseFiles, Tables: []string{"bulletin_sent"},
			Fields: []schedule.Field{
				{Name: "id", Meaning: "Which message of the server it was."},
				{Name: "account", Meaning: "To whom it was sent."},
				{Name: "at", Meaning: "When."},
			},
			Purpose:   "So that no message of the server is sent twice; a row lasts 30 days.",
			Retention: schedule.Expiry, Process: schedule.Never, Never: "It is the house's own work, not a record of a person's use of the service.",
		},
		Erase: records.EraseRows(schedule.CaseFiles, "bulletin_sent", "account"),
		Sweep: records.SweepOlder("bulletin_sent", keep),
	}}
}

func wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("bulletin: %w", err)
}
