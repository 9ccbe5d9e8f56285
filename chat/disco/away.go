package disco

import (
	"container/list"
	"context"
	"sync"

	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// away keeps what is known of clients on other servers: the capabilities of those whose presence came to an account that lets them see its own, as
// long as they are available (XEP-0163 §4.3.2 needs them). It is bounded, dies with the process, and the least recently heard of goes first.
type away struct {
	mu       sync.Mutex
	max      int
	order    *list.List // of *stranger, most recent first
	byJID    map[jid.JID]*list.Element
	accounts map[jid.JID]map[jid.JID]*stranger // by bare address
}

// stranger is one such client.
type stranger struct {
	jid  jid.JID
	ver  string
	caps *feature.Caps        // nil while it is asked
	told map[jid.JID]struct{} // accounts here whose last items it has, or will have with the answer
}

func newAway(max int) *away {
	return &away{max: max, order: list.New(), byJID: map[jid.JID]*list.Element{}, accounts: map[jid.JID]map[jid.JID]*stranger{}}
}

// seen notes presence of a client to an account. It reports whether the account's last items are due now, with the capabilities, and
// whether the client must be asked for these.
func (a *away) seen(who, account jid.JID, ver string, known *feature.Caps) (due *feature.Caps, ask bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.byJID[who]
	if e == nil || e.Value.(*stranger).ver != ver {
		a.drop(who)
		if a.order.Len() >= a.max {
			a.drop(a.order.Back().Value.(*stranger).jid)
		}
		s := &stranger{jid: who, ver: ver, caps: known, told: map[jid.JID]struct{}{}}
		e = a.order.PushFront(s)
		a.byJID[who] = e
		if a.accounts[who.Bare()] == nil {
			a.accounts[who.Bare()] = map[jid.JID]*stranger{}
		}
		a.accounts[who.Bare()][who] = s
		ask = known == nil
	}
	a.order.MoveToFront(e)
	s := e.Value.(*stranger)
	if _, ok := s.told[account]; ok {
		return nil, ask
	}
	s.told[account] = struct{}{}
	return s.caps, ask
}

// learned gives a client its capabilities, and the accounts whose last items are due.
func (a *away) learned(who jid.JID, caps *feature.Caps) (due []jid.JID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.byJID[who]
	if e == nil || e.Value.(*stranger).ver != caps.Ver || e.Value.(*stranger).caps != nil {
		return nil
	}
	s := e.Value.(*stranger)
	s.caps = caps
	for account := range s.told {
		due = append(due, account)
	}
	return due
}

// forget drops a client that has gone.
func (a *away) forget(who jid.JID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.drop(who)
}

// drop forgets one. mu is held.
func (a *away) drop(who jid.JID) {
	e := a.byJID[who]
	if e == nil {
		return
	}
	a.order.Remove(e)
	delete(a.byJID, who)
	bare := who.Bare()
	if delete(a.accounts[bare], who); len(a.accounts[bare]) == 0 {
		delete(a.accounts, bare)
	}
}

// Wanting are the clients of an account on another server that are known to be there and to want events of the node.
func (d *Disco) Wanting(account jid.JID, node string) (out []jid.JID) {
	d.away.mu.Lock()
	defer d.away.mu.Unlock()
	for who, s := range d.away.accounts[account.Bare()] {
		if s.caps != nil && s.caps.Notify[node] {
			out = append(out, who)
		}
	}
	return out
}

// OnStranger sets what is called when a client on another server, who may see an account's presence, has become known to it.
func (d *Disco) OnStranger(known func(ctx context.Context, account, who jid.JID, caps *feature.Caps)) {
	d.stranger = known
}

// presenceFrom takes presence from another server. It never takes it from the rooms behind it.
func (d *Disco) presenceFrom(ctx context.Context, e *feature.Envelope) error {
	who, account := e.From, e.To.Bare()
	if who.IsBare() || !d.router.Local(account) || account.Local() == "" || d.router.Local(who) || d.router.Hosted(who) {
		return nil
	}
	if e.Stanza.Type == stanza.Unavailable {
		d.away.forget(who)
		return nil
	}
	c := e.Stanza.Find(CapsNS, "c")
	if e.Stanza.Type != stanza.Available || c == nil || c.Attr("hash") != "sha-1" || c.Attr("ver") == "" {
		return nil
	}
	if sees, err := d.contacts.Subscribed(ctx, account, who.Bare()); err != nil || !sees {
		return err // of others nothing is remembered
	}
	ver := c.Attr("ver")
	due, ask := d.away.seen(who, account, ver, d.caps.get(ver))
	if due != nil {
		d.greet(ctx, account, who, due)
	}
	if !ask {
		return nil
	}
	var b xml.Builder
	b.Empty(InfoNS, "query", "node", c.Attr("node")+"#"+ver)
	ctx = context.WithoutCancel(ctx)
	d.router.AskAway(ctx, stanza.New(stanza.IQ, stanza.Get, account, who, "", b.Bytes()), func(reply *stanza.Stanza) {
		caps := read(reply, ver)
		if caps == nil {
			return
		}
		d.caps.put(caps)
		for _, a := range d.away.learned(who, caps) {
			d.greet(ctx, a, who, caps)
		}
	})
	return nil
}

func (d *Disco) greet(ctx context.Context, account, who jid.JID, caps *feature.Caps) {
	if d.stranger != nil && len(caps.Notify) > 0 {
		d.stranger(ctx, account, who, caps)
	}
}
