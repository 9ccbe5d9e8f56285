package route

import (
	"context"
	"hash/maphash"
	"maps"
	"slices"
	"sync"

	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

const shards = 64

var seed = maphash.MakeSeed()

// shard holds the bound sessions of a part of the accounts. The slices are replaced, never written, so that readers need no copy.
type shard struct {
	mu    sync.RWMutex
	bound map[jid.JID][]*feature.Session
}

func (r *Router) shard(account jid.JID) *shard {
	return &r.sessions[maphash.String(seed, account.String())%shards]
}

// Sessions implements feature.Router. The slice must not be written.
func (r *Router) Sessions(account jid.JID) []*feature.Session {
	account = account.Bare()
	s := r.shard(account)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.bound[account]
}

// Each calls f for every account with sessions, in no order, and stops when f says false. It holds no lock meanwhile; the slice must not be written.
func (r *Router) Each(f func(account jid.JID, sessions []*feature.Session) bool) {
	for i := range r.sessions {
		s := &r.sessions[i]
		s.mu.RLock()
		bound := maps.Clone(s.bound)
		s.mu.RUnlock()
		for account, sessions := range bound {
			if !f(account, sessions) {
				return
			}
		}
	}
}

// Session is the session of a full JID, or nil.
func (r *Router) Session(full jid.JID) *feature.Session {
	for _, s := range r.Sessions(full) {
		if s.JID == full {
			return s
		}
	}
	return nil
}

// Bind enters a session and runs the rooms' Open. A session of the same full JID is closed with conflict (RFC 6120 §7.7.2.2). At
// the limit of resources the longest-bound hibernating session gives way; without one the error is resource-constraint
// (RFC 6120 §7.6.2.1).
func (r *Router) Bind(ctx context.Context, s *feature.Session) *stanza.Error {
	if e := r.place(s); e != nil {
		return e
	}
	for _, f := range r.rooms.open {
		r.hook(ctx, "opening a session", f, s)
	}
	return nil
}

// place enters a session among those of its account.
func (r *Router) place(s *feature.Session) *stanza.Error {
	account := s.JID.Bare()
	sh := r.shard(account)
	sh.mu.Lock()
	old := sh.bound[account]
	var gone *feature.Session
	list := make([]*feature.Session, 0, len(old)+1)
	for _, o := range old {
		if o.JID == s.JID {
			gone = o
			continue
		}
		list = append(list, o)
	}
	condition, text := "conflict", "this resource was bound by another connection"
	if len(list) >= r.c.MaxResources {
		i := slices.IndexFunc(list, func(o *feature.Session) bool { return o.Out.Hibernating() })
		if i < 0 {
			sh.mu.Unlock()
			return stanza.ResourceConstraint("this account has too many sessions").
				WithApp("urn:xmpp:errors", "resource-limit-exceeded")
		}
		gone, condition, text = list[i], "resource-constraint", "newer sessions took the place of this one"
		list = slices.Delete(list, i, i+1)
	}
	sh.bound[account] = append(list, s)
	sh.mu.Unlock()
	r.m.sessions.Inc()
	if gone != nil {
		gone.Out.Close(condition, text)
	}
	return nil
}

// Resumed runs the rooms' Resume (XEP-0198 §5).
func (r *Router) Resumed(ctx context.Context, s *feature.Session) {
	for _, f := range r.rooms.resume {
		r.hook(ctx, "resuming a session", f, s)
	}
}

// Slept runs the rooms' Sleep when a session begins to hibernate, with what it has queued. Call it before the session can be resumed.
func (r *Router) Slept(ctx context.Context, s *feature.Session, unacked []*stanza.Stanza) {
	for _, f := range r.rooms.sleep {
		r.hook(ctx, "a session falls asleep", func(ctx context.Context, s *feature.Session) { f(ctx, s, unacked) }, s)
	}
}

// Unbind takes a session out and runs the rooms' Close. Questions asked of it are answered with nil. Call it once for each
// session that Bind took.
func (r *Router) Unbind(ctx context.Context, s *feature.Session) {
	r.remove(s)
	r.asks.drop(s)
	for _, f := range r.rooms.close {
		r.hook(ctx, "closing a session", f, s)
	}
}

// remove takes a session out of those of its account.
func (r *Router) remove(s *feature.Session) {
	account := s.JID.Bare()
	sh := r.shard(account)
	sh.mu.Lock()
	list := slices.DeleteFunc(slices.Clone(sh.bound[account]), func(o *feature.Session) bool { return o == s })
	if len(list) == 0 {
		delete(sh.bound, account)
	} else {
		sh.bound[account] = list
	}
	sh.mu.Unlock()
	r.m.sessions.Dec()
}

func (r *Router) hook(ctx context.Context, what string, f func(context.Context, *feature.Session), s *feature.Session) {
	defer r.guard(what, nil)
	f(ctx, s)
}

// Inline are the parts of Bind 2 that the rooms have (XEP-0386 §3.1).
func (r *Router) Inline() []feature.Inline {
	var out []feature.Inline
	for _, f := range r.features {
		out = append(out, f.Inline...)
	}
	return out
}

// Enable runs a part of Bind 2 for a session that is not bound yet (XEP-0386 §3.2).
func (r *Router) Enable(ctx context.Context, i feature.Inline, s *feature.Session, el *xml.Element) (answer []byte) {
	defer r.guard("binding", nil)
	return i.Enable(ctx, s, el)
}

// Bound gives what the rooms add to the answer of a bind by XEP-0386 §3.2. Call it behind Bind.
func (r *Router) Bound(ctx context.Context, s *feature.Session) []byte {
	var out []byte
	for _, f := range r.features {
		if f.Bound != nil {
			r.hook(ctx, "binding", func(ctx context.Context, s *feature.Session) { out = append(out, f.Bound(ctx, s)...) }, s)
		}
	}
	return out
}
