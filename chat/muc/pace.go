package muc

import (
	"sync"
	"time"

	"writ/xmpp/jid"
)

// pace bounds how fast one person enters rooms and changes nicknames: each is n presences for a room of n (XEP-0045 §14.6).
type pace struct {
	mu       sync.Mutex
	entries  map[jid.JID]*spent
	renames  map[jid.JID]*spent
	searches map[jid.JID]*spent
}

// spent is what a person has used of a minute's worth, and when that was counted.
type spent struct {
	n  float64
	at time.Time
}

const maxSpenders = 100_000

func (p *pace) enter(who jid.JID, now time.Time, perMinute int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return take(&p.entries, who, now, perMinute, 3*perMinute)
}

func (p *pace) rename(who jid.JID, now time.Time, perMinute int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return take(&p.renames, who, now, perMinute, perMinute)
}

func (p *pace) search(who jid.JID, now time.Time, perMinute int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return take(&p.searches, who, now, perMinute, perMinute)
}

// take spends one. burst is how much may be spent at once.
func take(all *map[jid.JID]*spent, who jid.JID, now time.Time, perMinute, burst int) bool {
	if *all == nil || len(*all) >= maxSpenders {
		*all = map[jid.JID]*spent{}
	}
	s := (*all)[who]
	if s == nil {
		s = &spent{at: now}
		(*all)[who] = s
	}
	s.n = max(0, s.n-now.Sub(s.at).Minutes()*float64(perMinute))
	s.at = now
	if s.n+1 > float64(burst) {
		return false
	}
	s.n++
	return true
}
