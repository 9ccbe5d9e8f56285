package c2s

import (
	"context"
	"time"

	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/stream"
)

// sweepEvery is how often the server looks for what is due. One ticker serves all connections, so that none needs a timer.
const sweepEvery = 5 * time.Second

// barredEvery is how often the accounts are asked who may still be signed in.
const barredEvery = 30 * time.Second

func shutdown() *stream.Error { return stream.Fail("system-shutdown", "the server is going down") }

func (s *Server) sweep() {
	defer close(s.swept)
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	last := time.Now()
	for {
		select {
		case <-s.ctx.Done():
			return
		case now := <-t.C:
			for _, c := range s.all() {
				c.check(now)
			}
			s.expire(s.p.Clock.Now())
			s.sweepBOSH(now)
			s.crew.trim()
			s.gate.forget(now)
			s.ends.forget(now.Add(-s.c.AuthTimeout.Std() - endsKept))
			s.takeEnded()
			if now.Sub(last) >= barredEvery {
				last = now
				s.bar()
			}
		}
	}
}

// check does what is due on one connection: the time to sign in (an absolute one, so that a byte now and then does not help),
// and signs of life.
func (c *conn) check(now time.Time) {
	x := c.bound.Load()
	if x == nil {
		if now.Sub(c.born) >= c.patience()-sweepEvery/2 {
			c.stop(stream.Fail("connection-timeout", "signing in took too long"), false)
		}
		return
	}
	if c.ws != nil && c.ws.bosh != nil {
		return // its requests are its signs of life
	}
	x.remind(c)
	quiet := now.Sub(time.Unix(0, c.heard.Load()))
	limit := c.srv.c.Idle.Std()
	switch {
	case quiet >= limit*3/2-sweepEvery:
		c.stop(stream.Fail("connection-timeout", "nothing was heard of you"), true)
	case quiet >= limit-sweepEvery && c.asked.CompareAndSwap(false, true):
		x.prod(c)
	}
}

// prod asks the client for a sign of life: an acknowledgement, or an answer to a ping (XEP-0199 §4.1).
func (s *session) prod(c *conn) {
	if s.managed() {
		c.tell([]byte(askAck))
		c.kick()
		return
	}
	ping := stanza.New(stanza.IQ, stanza.Get, s.srv.p.Router.Domain(), s.JID, "", []byte("<ping xmlns='urn:xmpp:ping'/>"))
	s.srv.p.Router.Ask(&s.Session, ping, func(*stanza.Stanza) {})
}

// expire ends the sessions that nobody came back for.
func (s *Server) expire(now time.Time) {
	s.mu.Lock()
	var due []*session
	for _, x := range s.tokens {
		x.mu.Lock()
		if x.conn == nil && !x.ended && !x.until.After(now) {
			due = append(due, x)
		}
		x.mu.Unlock()
	}
	s.mu.Unlock()
	for _, x := range due {
		x.end()
	}
}

// takeEnded ends the sessions of accounts that another process disabled or deleted, or whose password it changed.
func (s *Server) takeEnded() {
	if s.p.Accounts == nil {
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, sweepEvery)
	defer cancel()
	gone, err := s.p.Accounts.TakeEnded(ctx)
	if err != nil && s.ctx.Err() == nil {
		s.log.Error("whose sessions must end could not be asked", "err", err)
	}
	for _, a := range gone {
		s.End(a)
	}
}

// bar ends the sessions that were made while their account was being disabled or deleted.
func (s *Server) bar() {
	if s.p.Accounts == nil {
		return
	}
	seen := map[jid.JID]bool{}
	var list []jid.JID
	note := func(x *session) {
		if a := x.JID.Bare(); !seen[a] {
			seen[a] = true
			list = append(list, a)
		}
	}
	for _, c := range s.all() {
		if x := c.bound.Load(); x != nil {
			note(x)
		}
	}
	s.mu.Lock()
	for _, x := range s.tokens {
		note(x)
	}
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(s.ctx, sweepEvery)
	defer cancel()
	gone, err := s.p.Accounts.Barred(ctx, list)
	if err != nil {
		if s.ctx.Err() == nil {
			s.log.Error("who may be signed in could not be asked", "err", err)
		}
		return
	}
	for _, a := range gone {
		s.End(a)
	}
}

// Session reports whether a session of the full JID is bound, and whether it has a connection. The answer comes when nothing of it is
// under way: a session that has lost its connection is wholly asleep.
func (s *Server) Session(full jid.JID) (there, awake bool) {
	o := s.p.Router.Session(full)
	if o == nil {
		return false, false
	}
	if x, ok := o.Out.(*session); ok {
		x.own.Lock()
		defer x.own.Unlock()
	}
	return true, !o.Out.Hibernating()
}

// End closes every session of an account with not-authorized: it was disabled or deleted, or its password changed.
func (s *Server) End(account jid.JID) {
	s.ends.mark(account.Bare(), "", time.Now())
	for _, x := range s.p.Router.Sessions(account) {
		x.Out.Close("not-authorized", "this account may not be signed in any more")
	}
}
