package presence

import (
	"context"
	"encoding/json"
	"fmt"

	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
)

// direct notes directed presence (RFC 6121 §4.6.3), so that its receiver learns of the end, or forgets it.
func (p *Presence) direct(s *feature.Session, to jid.JID, typ stanza.Type) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	set := p.directed[s]
	if typ == stanza.Unavailable {
		delete(set, to)
		if len(set) == 0 {
			delete(p.directed, s)
		}
		return nil
	}
	if _, ok := set[to]; !ok && len(set) >= maxDirected {
		return stanza.ResourceConstraint(fmt.Sprintf("this session shares its presence with %d addresses, which is the limit", maxDirected))
	}
	if set == nil {
		set = map[jid.JID]struct{}{}
		p.directed[s] = set
	}
	set[to] = struct{}{}
	return nil
}

// note gives the addresses that have directed presence of a session, for the next process.
func (p *Presence) note(s *feature.Session) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []string
	for to := range p.directed[s] {
		list = append(list, to.String())
	}
	if list == nil {
		return nil
	}
	b, _ := json.Marshal(list) // strings alone: it cannot fail
	return b
}

// back takes up what note gave.
func (p *Presence) back(_ context.Context, s *feature.Session, note []byte) {
	var list []string
	if json.Unmarshal(note, &list) != nil {
		return
	}
	for _, a := range list {
		if to, err := jid.Parse(a); err == nil {
			p.direct(s, to, stanza.Available)
		}
	}
}

// sentTo reports whether the session of a full JID has sent directed presence to an address or its account.
func (p *Presence) sentTo(full, other jid.JID) bool { return p.toldBy(p.session(full), other) }

// session is the session of a full JID, nil if there is none.
func (p *Presence) session(full jid.JID) *feature.Session {
	for _, s := range p.Router.Sessions(full) {
		if s.JID == full {
			return s
		}
	}
	return nil
}

// In reports whether the session of a full JID has entered a room: it has sent directed presence to an occupant's address there, and not taken it
// back (XEP-0045 §7.2, §7.14).
func (p *Presence) In(full, room jid.JID) bool {
	s := p.session(full)
	p.mu.Lock()
	defer p.mu.Unlock()
	for j := range p.directed[s] {
		if !j.IsBare() && j.Bare() == room.Bare() {
			return true
		}
	}
	return false
}

func (p *Presence) toldBy(s *feature.Session, other jid.JID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	set := p.directed[s]
	_, full := set[other]
	_, bare := set[other.Bare()]
	return full || bare
}

// probe answers a presence probe (RFC 6121 §4.3.2, §4.6.6).
func (p *Presence) probe(ctx context.Context, from, to jid.JID, id string) error {
	account := to.Bare()
	if account.Local() == "" || p.Blocker.Blocked(ctx, account, from) {
		return nil
	}
	allowed := account == from.Bare()
	if !allowed {
		var err error
		if allowed, err = p.Contacts.Subscribed(ctx, account, from.Bare()); err != nil {
			return err
		}
	}
	var answers []*stanza.Stanza
	for _, s := range p.Router.Sessions(account) {
		st := s.Presence.Load()
		switch {
		case !to.IsBare() && s.JID != to:
		case allowed && st != nil && to.IsBare():
			answers = append(answers, st)
		case allowed && st != nil, p.toldBy(s, from):
			answers = append(answers, stanza.New(stanza.Presence, stanza.Available, s.JID, from, "")) // no more than that it is there
		}
	}
	if len(answers) == 0 && allowed {
		st := stanza.New(stanza.Presence, stanza.Unavailable, to, from, id)
		if at := p.seen(ctx, account); at != nil {
			st = st.With(at)
		}
		answers = append(answers, st)
	}
	if len(answers) == 0 {
		answers = append(answers, stanza.New(stanza.Presence, stanza.Unsubscribed, account, from, id))
	}
	for _, st := range answers {
		p.answer(ctx, st.WithTo(from))
	}
	return nil
}

// answer sends an answer to who asked, also to a session that is not available.
func (p *Presence) answer(ctx context.Context, st *stanza.Stanza) {
	if p.Router.Local(st.To) {
		for _, s := range p.Router.Sessions(st.To) {
			if s.JID == st.To {
				s.Out.Push(st)
				return
			}
		}
	}
	p.Router.Deliver(ctx, st.To, st)
}

// seen is the time of the account's last unavailable presence as a <delay/>, or nil.
func (p *Presence) seen(ctx context.Context, account jid.JID) []byte {
	if p.Seen == nil {
		return nil
	}
	t, err := p.Seen.LastSeen(ctx, account.String())
	if err != nil {
		p.Log.Error("reading when an account was last seen", "err", err)
		return nil
	}
	if t.IsZero() {
		return nil
	}
	return Delay(p.Router.Domain(), t, "")
}

// Show sends the current presence of the account's available sessions to a contact (RFC 6121 §3.1.5).
func (p *Presence) Show(ctx context.Context, account, contact jid.JID) {
	for _, s := range p.Router.Sessions(account) {
		if st := s.Presence.Load(); st != nil {
			p.send(ctx, account, contact, st)
		}
	}
}

// Refresh sends the presence of the account's available sessions again as change gives it; a presence that change returns as it was is not sent.
// It may be called from any goroutine: a session that meanwhile sent another presence, or went, is what its watchers see in the end.
func (p *Presence) Refresh(ctx context.Context, account jid.JID, change func(*stanza.Stanza) *stanza.Stanza) {
	watchers, err := p.Contacts.Watchers(ctx, account)
	if err != nil {
		p.Log.Error("reading who sees an account", "err", err)
		return
	}
	for _, s := range p.Router.Sessions(account) {
		was := s.Presence.Load()
		if was == nil {
			continue
		}
		now := change(was)
		if now == was || !s.Presence.CompareAndSwap(was, now) {
			continue // unchanged, or a newer one is on its way by itself
		}
		for sent := now; ; {
			p.spread(ctx, account, watchers, sent)
			p.own(account, sent)
			last := s.Presence.Load()
			if last == nil && sent.Type != stanza.Unavailable {
				last = stanza.New(stanza.Presence, stanza.Unavailable, s.JID, jid.JID{}, "")
			}
			if last == sent || last == nil {
				break
			}
			sent = last // it changed while it was sent: the last word is the right one
		}
	}
}

// Hide tells a contact that the account's available sessions are not available (RFC 6121 §3.2.2). It asks no block list of the account,
// since it is how a block begins.
func (p *Presence) Hide(ctx context.Context, account, contact jid.JID) {
	for _, s := range p.Router.Sessions(account) {
		if !s.Available() || p.Router.Local(contact) && p.Blocker.Blocked(ctx, contact.Bare(), s.JID) {
			continue
		}
		p.Router.Deliver(ctx, contact, stanza.New(stanza.Presence, stanza.Unavailable, s.JID, contact, ""))
	}
}

// Cover makes the account seem offline to those whom a new block names and who saw it (XEP-0191 §3.3).
func (p *Presence) Cover(ctx context.Context, account, blocked jid.JID) {
	for _, to := range p.reached(ctx, account, blocked) {
		p.Hide(ctx, account, to)
	}
	for _, s := range p.Router.Sessions(account) {
		for _, to := range p.directedTo(s, blocked) {
			p.Router.Deliver(ctx, to, stanza.New(stanza.Presence, stanza.Unavailable, s.JID, to, ""))
		}
	}
}

// Uncover shows the account again to those whom a lifted block named and who may see it (XEP-0191 §3.4), and them to the account.
func (p *Presence) Uncover(ctx context.Context, account, blocked jid.JID) {
	for _, to := range p.reached(ctx, account, blocked) {
		p.Show(ctx, account, to)
	}
	watched, err := p.Contacts.Watched(ctx, account)
	if err != nil {
		p.Log.Error("reading whom an account watches", "err", err)
	}
	for _, c := range watched {
		if !covers(blocked, c) || !p.Router.Local(c) {
			continue
		}
		if ok, err := p.Contacts.Subscribed(ctx, c, account); err == nil && ok {
			p.Show(ctx, c, account)
		}
	}
}

// reached are the addresses of watchers that a block names.
func (p *Presence) reached(ctx context.Context, account, blocked jid.JID) (l []jid.JID) {
	watchers, err := p.Contacts.Watchers(ctx, account)
	if err != nil {
		p.Log.Error("reading who sees an account", "err", err)
	}
	for _, w := range watchers {
		switch {
		case covers(blocked, w):
			l = append(l, w)
		case blocked.Bare() == w: // one resource of a watcher
			l = append(l, blocked)
		}
	}
	return l
}

// directedTo takes the addresses that a block names out of a session's directed presence.
func (p *Presence) directedTo(s *feature.Session, blocked jid.JID) (l []jid.JID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for to := range p.directed[s] {
		if covers(blocked, to) {
			l = append(l, to)
			delete(p.directed[s], to)
		}
	}
	return l
}

// covers reports whether a block of one address is one of the other (XEP-0191 §6).
func covers(blocked, other jid.JID) bool {
	return blocked == other || blocked == other.Bare() || blocked == other.Domain()
}
