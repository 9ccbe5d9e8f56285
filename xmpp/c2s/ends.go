package c2s

import (
	"sync"
	"time"

	"writ/account"
	"writ/xmpp/jid"
	"writ/xmpp/stream"
)

// ends remembers whose sessions were ended lately. A sign-in that began before such an end was checked against what may not be true
// any more (a password, a token): it must not become a session after it.
type ends struct {
	mu   sync.Mutex
	last map[endKey]time.Time
}

type endKey struct {
	account jid.JID
	device  string // empty: every device
}

// endsKept is how long an end is remembered beyond the time that a sign-in may take.
const endsKept = time.Minute

func (e *ends) mark(account jid.JID, device string, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.last == nil {
		e.last = map[endKey]time.Time{}
	}
	e.last[endKey{account, device}] = now
}

// since reports an end that came after began.
func (e *ends) since(account jid.JID, device string, began time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last[endKey{account, ""}].After(began) || device != "" && e.last[endKey{account, device}].After(began)
}

func (e *ends) forget(before time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for k, at := range e.last {
		if at.Before(before) {
			delete(e.last, k)
		}
	}
}

// Ended is for account.Accounts.OnEnd: it closes the sessions of the account, or of its device, and sees to it that no sign-in which began
// before becomes one.
func (s *Server) Ended(e account.Ending) {
	s.ends.mark(e.Account.Bare(), e.Device, time.Now())
	if e.Later {
		return
	}
	if e.Device == "" {
		s.End(e.Account)
		return
	}
	for _, x := range s.p.Router.Sessions(e.Account) {
		if x.Device == e.Device {
			x.Out.Close("not-authorized", "this app was signed out")
		}
	}
}

// late ends a session that has just been bound or resumed if its sign-in began before an end.
func (c *conn) late(s *session, began time.Time) {
	if c.srv.ends.since(s.JID.Bare(), s.Device, began) {
		s.mu.Lock()
		s.keep = 0
		s.mu.Unlock()
		c.stop(stream.Fail("not-authorized", "the account was changed while you signed in"), false)
		c.phase = finished
	}
}
