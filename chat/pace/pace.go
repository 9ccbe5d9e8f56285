// Package pace slows accounts that write to many strangers or ask many people to be contacts: what spam does and people do not
// (XEP-0205 §4.6).
//
// Invariants:
//   - Writing to one's contacts, and to whom one is talking with already, is never counted.
//   - A refusal says to wait; nothing of the stanza has any effect, and no account is locked.
//   - Nothing is stored; what is remembered dies with the process.
package pace

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"writ/clock"
	"writ/config"
	"writ/obs"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
)

// Config is what an operator may set.
type Config struct {
	Strangers int `toml:"strangers" doc:"people outside the contact list that an account may begin to write to in a minute; 0 means 60"`
	Requests  int `toml:"requests" doc:"subscription requests that an account may send in a minute; 0 means 60"`
}

// Check reports what is wrong with the configuration.
func (c Config) Check() error {
	for key, n := range map[string]int{"strangers": c.Strangers, "requests": c.Requests} {
		if n < 0 {
			return config.Invalid(key, n, "a number that is not negative")
		}
	}
	return nil
}

// Contacts tells who is no stranger. Package roster implements it.
type Contacts interface {
	Knows(ctx context.Context, account, other jid.JID) (bool, error)
}

// Parts is what the room stands on.
type Parts struct {
	Router   feature.Router
	Contacts Contacts
	Clock    clock.Clock
	Log      *slog.Logger
	Metrics  *obs.Metrics // nil counts in vain
}

// Pace is the room.
type Pace struct {
	Parts
	c       Config
	refused *prometheus.CounterVec

	mu       sync.Mutex
	accounts map[jid.JID]*account
}

// account is what is remembered of one sender.
type account struct {
	strangers, requests bucket
	talking             map[jid.JID]time.Time // whom it has written to, and when last
	last                time.Time
}

// How long someone who was written to is no stranger, and how many are remembered.
const (
	memory    = time.Hour
	maxTalks  = 1000
	maxSender = 100_000
)

// New makes the room.
func New(c Config, p Parts) *Pace {
	if c.Strangers == 0 {
		c.Strangers = 60
	}
	if c.Requests == 0 {
		c.Requests = 60
	}
	p.Log = p.Log.With("room", "pace")
	return &Pace{Parts: p, c: c, accounts: map[jid.JID]*account{},
		refused: p.Metrics.Counters("pace", "refused_total", "Stanzas refused because their sender wrote to too many people, by what they were.", "kind")}
}

// Feature is the room as the house sees it.
func (p *Pace) Feature() *feature.Feature {
	return &feature.Feature{
		Name:    "pace",
		Specs:   []string{"XEP-0205"},
		Screen:  p.screen,
		Session: feature.SessionHooks{Close: p.close},
	}
}

// screen counts what begins a conversation.
func (p *Pace) screen(ctx context.Context, e *feature.Envelope) error {
	s := e.Stanza
	if e.Session == nil && !e.Server && !p.Router.Local(e.From) && !p.Router.Hosted(e.From) {
		return p.foreign(ctx, e)
	}
	if e.Session == nil || e.To.Local() == "" || e.To.Bare() == e.From.Bare() {
		return nil
	}
	if s.Kind == stanza.Presence {
		if s.Type == stanza.Subscribe && !p.take(e.From.Bare(), jid.JID{}) {
			p.refused.WithLabelValues("request").Inc()
			return stanza.UnexpectedRequest(fmt.Sprintf("at most %d subscription requests in a minute", p.c.Requests)).WithApp("urn:xmpp:errors", "too-many-stanzas")
		}
		return nil
	}
	if s.Kind != stanza.Message || s.Type == stanza.Groupchat || s.Type == stanza.TypeError {
		return nil // requests do not reach strangers' sessions anyway, and a room is no person
	}
	from, to := e.From.Bare(), e.To.Bare()
	if p.talks(from, to) {
		return nil
	}
	known, err := p.Contacts.Knows(ctx, from, to)
	if err != nil {
		return fmt.Errorf("pace: looking for a contact: %w", err)
	}
	if known {
		p.note(from, to)
		return nil
	}
	if !p.take(from, to) {
		p.refused.WithLabelValues("message").Inc()
		return stanza.PolicyViolation(fmt.Sprintf("you have written to many people who are not your contacts: at most %d in a minute", p.c.Strangers)).WithType(stanza.Wait)
	}
	return nil
}

// perDomain is how many people of one other server together may begin conversations, in people who do so as fast as they may: an address there
// costs nothing.
const perDomain = 10

// foreign counts what begins a conversation from another server, for its sender and for the server. Who is in the contact list of the addressee
// is no stranger.
func (p *Pace) foreign(ctx context.Context, e *feature.Envelope) error {
	s := e.Stanza
	if !p.Router.Local(e.To) || e.To.Local() == "" {
		return nil
	}
	from, to := e.From.Bare(), e.To.Bare()
	switch {
	case s.Kind == stanza.Presence && s.Type == stanza.Subscribe:
		if !p.takes(from, from.Domain(), jid.JID{}, p.c.Requests) {
			p.refused.WithLabelValues("foreign-request").Inc()
			return feature.Drop // an error would be for a person who sees only that the request is not answered
		}
	case s.Kind == stanza.Message && s.Type != stanza.Groupchat && s.Type != stanza.TypeError:
		if p.talks(from, to) {
			return nil
		}
		known, err := p.Contacts.Knows(ctx, to, from)
		if err != nil {
			return fmt.Errorf("pace: looking for a contact: %w", err)
		}
		if known {
			p.note(from, to)
			return nil
		}
		if !p.takes(from, from.Domain(), to, p.c.Strangers) {
			p.refused.WithLabelValues("foreign-message").Inc()
			return stanza.PolicyViolation(fmt.Sprintf("you have written to many people here who do not know you: at most %d in a minute", p.c.Strangers)).WithType(stanza.Wait)
		}
	}
	return nil
}

// takes spends one from the bucket of a sender elsewhere and one from that of its server.
func (p *Pace) takes(from, domain, to jid.JID, perMinute int) bool {
	if !p.take(from, to) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.of(domain)
	b := &d.strangers
	if to.IsZero() {
		b = &d.requests
	}
	return b.take(d.last, perMinute*perDomain)
}

// talks reports whether the two talk already, and that they do now.
func (p *Pace) talks(from, to jid.JID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.of(from)
	t, ok := a.talking[to]
	if ok = ok && a.last.Sub(t) < memory; ok {
		a.talking[to] = a.last
	}
	return ok
}

func (p *Pace) note(from, to jid.JID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.of(from).talk(to)
}

// take spends one from the bucket for strangers, or, without an address, from that for requests.
func (p *Pace) take(from, to jid.JID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.of(from)
	if to.IsZero() {
		return a.requests.take(a.last, p.c.Requests)
	}
	if !a.strangers.take(a.last, p.c.Strangers) {
		return false
	}
	a.talk(to)
	return true
}

// of is the memory of a sender, made now if there is none. Its last is the present.
func (p *Pace) of(from jid.JID) *account {
	now := p.Clock.Now()
	a := p.accounts[from]
	if a == nil {
		if len(p.accounts) >= maxSender {
			for j, old := range p.accounts {
				if now.Sub(old.last) > time.Minute {
					delete(p.accounts, j)
				}
			}
		}
		a = &account{}
		p.accounts[from] = a
	}
	a.last = now
	return a
}

func (a *account) talk(to jid.JID) {
	if a.talking == nil {
		a.talking = map[jid.JID]time.Time{}
	}
	if len(a.talking) >= maxTalks {
		for j, t := range a.talking {
			if a.last.Sub(t) >= memory {
				delete(a.talking, j)
			}
		}
		if len(a.talking) >= maxTalks {
			clear(a.talking)
		}
	}
	a.talking[to] = a.last
}

// close forgets an account whose last session has ended, unless it would get a full bucket by that.
func (p *Pace) close(_ context.Context, s *feature.Session) {
	account := s.JID.Bare()
	if len(p.Router.Sessions(account)) > 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if a := p.accounts[account]; a != nil && a.strangers.full(p.Clock.Now(), p.c.Strangers) && a.requests.full(p.Clock.Now(), p.c.Requests) {
		delete(p.accounts, account)
	}
}

// bucket holds what may be spent: at most a minute's worth, refilled evenly. The zero value is full.
type bucket struct {
	spent float64
	at    time.Time
}

func (b *bucket) refill(now time.Time, perMinute int) {
	b.spent = max(0, b.spent-now.Sub(b.at).Minutes()*float64(perMinute))
	b.at = now
}

func (b *bucket) take(now time.Time, perMinute int) bool {
	b.refill(now, perMinute)
	if b.spent+1 > float64(perMinute) {
		return false
	}
	b.spent++
	return true
}

func (b *bucket) full(now time.Time, perMinute int) bool {
	b.refill(now, perMinute)
	return b.spent == 0
}
