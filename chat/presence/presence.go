// Package presence sends presence where it belongs (RFC 6121 §4): broadcasts, probes, directed presence.
//
// Invariants:
//   - Who may see an account's presence is asked of the roster and of the block list each time; nothing is remembered here.
//   - A probe of someone who may not see tells nothing but "unsubscribed" (RFC 6121 §4.3.2), and the same for an account that does
//     not exist.
//   - Whoever was told that a session is available is told when it no longer is, also after a lost connection
//     (RFC 6121 §4.5.2, §4.6.3).
//   - A hibernating session (XEP-0198 §5) stays available until it ends for good.
package presence

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// Contacts is what presence asks of the roster. Package roster implements it. All addresses are bare JIDs.
type Contacts interface {
	feature.Contacts
	Watchers(ctx context.Context, account jid.JID) ([]jid.JID, error) // who may see the account's presence
	Watched(ctx context.Context, account jid.JID) ([]jid.JID, error)  // whose presence the account asked to see
	Allowing(ctx context.Context, watcher jid.JID) ([]jid.JID, error) // local accounts whose presence the address may see
}

// Blocker knows what accounts have blocked. Package blocking implements it.
type Blocker interface {
	Blocked(ctx context.Context, account, other jid.JID) bool
}

// Seen tells when an account was last connected; the zero time if that is not known. Package records implements it.
type Seen interface {
	LastSeen(ctx context.Context, account string) (time.Time, error)
}

// Parts is what the room stands on.
type Parts struct {
	Router   feature.Router
	Log      *slog.Logger
	Contacts Contacts
	Blocker  Blocker
	Seen     Seen // nil: probes of absent contacts are answered without a time
}

// maxDirected bounds the addresses that one session may have sent directed presence to: rooms joined, strangers talked to.
const maxDirected = 500

// Presence is the room.
type Presence struct {
	Parts

	mu       sync.Mutex
	directed map[*feature.Session]map[jid.JID]struct{} // RFC 6121 §4.6.1; no entry for most sessions
}

// New makes the room.
func New(p Parts) *Presence {
	p.Log = p.Log.With("room", "presence")
	return &Presence{Parts: p, directed: map[*feature.Session]map[jid.JID]struct{}{}}
}

// Feature is the room as the house sees it. It stands behind the rooms that take presence of their own (roster), since it takes
// every broadcast.
func (p *Presence) Feature() *feature.Feature {
	return &feature.Feature{
		Name:     "presence",
		Specs:    []string{"RFC 6121", "XEP-0203"},
		Screen:   p.screen,
		Presence: p.presence,
		Session:  feature.SessionHooks{Close: p.close, Note: p.note, Back: p.back},
	}
}

// screen refuses requests to a session of someone who does not share presence with the sender: the answer would show that the
// session is there (RFC 6121 §8.5.3.1).
func (p *Presence) screen(ctx context.Context, e *feature.Envelope) error {
	s := e.Stanza
	if s.Kind != stanza.IQ || s.Type != stanza.Get && s.Type != stanza.Set || e.To.IsBare() || !p.Router.Local(e.To) || e.To.Bare() == e.From.Bare() {
		return nil
	}
	ok, err := p.Contacts.Subscribed(ctx, e.To.Bare(), e.From.Bare())
	if err != nil {
		return err
	}
	if ok || p.sentTo(e.To, e.From) || p.In(e.To, e.From) { // all in a room that it has entered see its presence (XEP-0045 §17.4)
		return nil
	}
	return stanza.ServiceUnavailable("")
}

// presence takes broadcasts and probes, and keeps track of directed presence, which the router then delivers.
func (p *Presence) presence(ctx context.Context, e *feature.Envelope) (bool, error) {
	typ := e.Stanza.Type
	switch {
	case typ == stanza.Probe:
		if !e.To.IsZero() && p.Router.Local(e.To) {
			return true, p.probe(ctx, e.From, e.To, e.Stanza.ID)
		}
		return e.To.IsZero(), nil
	case e.Session == nil:
		return p.Router.Local(e.To) && p.Blocker.Blocked(ctx, e.To.Bare(), e.From), nil
	case e.To.IsZero() && typ == stanza.Available:
		return true, p.available(ctx, e)
	case e.To.IsZero() && typ == stanza.Unavailable:
		p.unavailable(ctx, e.Session, e.Stanza)
		return true, nil
	case e.To.IsZero():
		return true, nil // an error for nobody
	case typ == stanza.Available || typ == stanza.Unavailable:
		if err := p.direct(e.Session, e.To, typ); err != nil {
			return true, err
		}
	}
	return p.Router.Local(e.To) && p.Blocker.Blocked(ctx, e.To.Bare(), e.From), nil // XEP-0191 §3.3: no answer
}

// available broadcasts the availability of a session (RFC 6121 §4.2.2, §4.4.2).
func (p *Presence) available(ctx context.Context, e *feature.Envelope) error {
	s, st := e.Session, e.Stanza.WithHead(e.Session.JID, jid.JID{}, e.Stanza.ID, stanza.Available)
	priority, err := priorityOf(st)
	if err != nil {
		return err
	}
	account := s.JID.Bare()
	watchers, err := p.Contacts.Watchers(ctx, account)
	if err != nil {
		return err
	}
	e.Initial = !s.Available()
	e.Receives = priority >= 0 && (e.Initial || s.Priority.Load() < 0)
	s.Priority.Store(int32(priority))
	s.Presence.Store(st.With(Delay(p.Router.Domain(), e.Time, ""))) // as later watchers get it
	p.spread(ctx, account, watchers, st)
	if e.Initial {
		if err := p.gather(ctx, s); err != nil {
			return err
		}
	}
	p.own(account, st) // last: a client that has its own presence back has all that there was
	return nil
}

// unavailable broadcasts that a session is not available any more (RFC 6121 §4.5.2), also to those who had directed presence of it.
func (p *Presence) unavailable(ctx context.Context, s *feature.Session, st *stanza.Stanza) {
	st = st.WithHead(s.JID, jid.JID{}, st.ID, stanza.Unavailable)
	p.mu.Lock()
	directed := p.directed[s]
	delete(p.directed, s)
	p.mu.Unlock()
	account := s.JID.Bare()
	var watchers []jid.JID
	if s.Available() {
		var err error
		if watchers, err = p.Contacts.Watchers(ctx, account); err != nil {
			p.Log.Error("reading who sees an account", "err", err)
		}
	}
	if s.Presence.Swap(nil) != nil && !p.succeeded(s) {
		p.spread(ctx, account, watchers, st)
		for _, w := range watchers {
			delete(directed, w)
		}
		p.own(account, st)
		s.Out.Push(st.WithTo(account)) // the session itself is told too
	}
	s.Priority.Store(0)
	for to := range directed {
		p.send(ctx, account, to, st)
	}
}

// succeeded reports that another session has the full JID of this one by now and is available: an app that reconnects may be faster than
// the end of its old session, and must not be told to be away by it.
func (p *Presence) succeeded(s *feature.Session) bool {
	for _, o := range p.Router.Sessions(s.JID) {
		if o != s && o.JID == s.JID && o.Available() {
			return true
		}
	}
	return false
}

// close makes a session that ended unavailable (RFC 6121 §4.5.2).
func (p *Presence) close(ctx context.Context, s *feature.Session) {
	p.unavailable(ctx, s, stanza.New(stanza.Presence, stanza.Unavailable, s.JID, jid.JID{}, ""))
}

// gather sends a session that became available the presence of its account's other sessions and of the contacts that it may see
// (RFC 6121 §4.2.2). Local contacts are looked up, others are probed (RFC 6121 §4.3.1).
func (p *Presence) gather(ctx context.Context, s *feature.Session) error {
	account := s.JID.Bare()
	for _, o := range p.Router.Sessions(account) {
		if st := o.Presence.Load(); st != nil && o != s {
			s.Out.Push(st.WithTo(account))
		}
	}
	watched, err := p.Contacts.Watched(ctx, account)
	if err != nil || len(watched) == 0 {
		return err
	}
	allowing, err := p.Contacts.Allowing(ctx, account)
	if err != nil {
		return err
	}
	allowed := make(map[jid.JID]bool, len(allowing))
	for _, a := range allowing {
		allowed[a] = true
	}
	for _, c := range watched {
		switch {
		case !p.Router.Local(c):
			p.Router.Deliver(ctx, c, stanza.New(stanza.Presence, stanza.Probe, account, c, ""))
		case allowed[c] && !p.Blocker.Blocked(ctx, c, account) && !p.Blocker.Blocked(ctx, account, c):
			for _, o := range p.Router.Sessions(c) {
				if st := o.Presence.Load(); st != nil {
					s.Out.Push(st.WithTo(account))
				}
			}
		}
	}
	return nil
}

// spread sends a presence to all watchers.
func (p *Presence) spread(ctx context.Context, account jid.JID, watchers []jid.JID, st *stanza.Stanza) {
	for _, w := range watchers {
		p.send(ctx, account, w, st)
	}
}

// send sends a presence to one address unless a block stands between the two.
func (p *Presence) send(ctx context.Context, account, to jid.JID, st *stanza.Stanza) {
	if p.Blocker.Blocked(ctx, account, to) || p.Router.Local(to) && p.Blocker.Blocked(ctx, to.Bare(), st.From) {
		return
	}
	p.Router.Deliver(ctx, to, st.WithTo(to))
}

// own sends a presence to the account's available sessions: everyone sees their own (RFC 6121 §4.2.2).
func (p *Presence) own(account jid.JID, st *stanza.Stanza) {
	st = st.WithTo(account)
	for _, o := range p.Router.Sessions(account) {
		if o.Available() {
			o.Out.Push(st)
		}
	}
}

// priorityOf reads the priority (RFC 6121 §4.7.2.3); without one it is 0.
func priorityOf(st *stanza.Stanza) (int8, error) {
	el := st.Find(xml.Client, "priority")
	if el == nil {
		return 0, nil
	}
	n, err := strconv.ParseInt(strings.TrimSpace(el.Text()), 10, 8)
	if err != nil {
		return 0, stanza.BadRequest("a priority is a number from -128 to 127")
	}
	return int8(n), nil
}

// Delay is a <delay/> by an address (XEP-0203 §2).
func Delay(by jid.JID, at time.Time, reason string) []byte {
	var b xml.Builder
	return b.Leaf("urn:xmpp:delay", "delay", reason, "from", by.String(), "stamp", at.UTC().Format("2006-01-02T15:04:05.000Z")).Bytes()
}
