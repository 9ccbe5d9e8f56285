package pubsub

import (
	"context"

	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// itemsEvent is the inside of an event for published items (XEP-0060 §7.1.2.1, §7.1.2.2).
func itemsEvent(n *node, published []item) []byte {
	var b xml.Builder
	b.Start("", "items", "node", n.name)
	for _, i := range published {
		b.Start("", "item", "id", i.id)
		if n.payloads {
			b.Raw(i.payload)
		}
		b.End()
	}
	return b.Bytes()
}

func event(from, to jid.JID, inner []byte) *stanza.Stanza {
	var b xml.Builder
	return stanza.New(stanza.Message, stanza.Headline, from, to, "", b.Start(EventNS, "event").Raw(inner).Bytes())
}

// announce sends an event to the owner's sessions and to those of contacts whom the node's access model admits, as far as their
// capabilities ask for the node (XEP-0163 §4.3), and to who has subscribed (XEP-0060 §7.1.2.1). Each session is told once; the
// stanza's children are shared by all copies.
func (p *PubSub) announce(ctx context.Context, owner jid.JID, n *node, inner []byte) {
	ctx = context.WithoutCancel(ctx)
	ev := event(owner, owner, inner)
	told := map[*feature.Session]bool{}
	send := func(s *feature.Session) {
		if !told[s] {
			told[s] = true
			s.Out.Push(ev.WithTo(s.JID))
		}
	}
	audience := []jid.JID{owner}
	if n.access != "whitelist" {
		contacts, err := p.Contacts.Watchers(ctx, owner)
		if err != nil {
			p.Log.Error("telling contacts of an event", "err", err)
		}
		audience = append(audience, contacts...)
	}
	abroad := map[jid.JID]bool{} // clients elsewhere, and their accounts
	away := func(to jid.JID) {
		if !abroad[to] {
			abroad[to], abroad[to.Bare()] = true, true
			p.Router.Deliver(ctx, to, ev.WithTo(to))
		}
	}
	for _, a := range audience {
		if !p.Router.Local(a) {
			for _, who := range p.wanting(a, n.name) {
				away(who)
			}
			continue
		}
		for _, s := range p.Router.Sessions(a.Bare()) {
			if wants(s, n.name) {
				send(s)
			}
		}
	}
	subscribed, elsewhere, err := p.subscribers(ctx, owner, n)
	if err != nil {
		p.Log.Error("telling subscribers of an event", "err", err)
	}
	for _, s := range subscribed {
		send(s)
	}
	for _, j := range elsewhere {
		away(j)
	}
}

// wanting are the clients of an account on another server that want events of a node.
func (p *PubSub) wanting(account jid.JID, node string) []jid.JID {
	if p.Away == nil {
		return nil
	}
	return p.Away.Wanting(account, node)
}

// Stranger sends the account's last items to a client on another server that has become known to it (XEP-0163 §4.3.4).
func (p *PubSub) Stranger(ctx context.Context, account, who jid.JID, caps *feature.Caps) {
	last, err := lastItems(ctx, p.DB, []jid.JID{account}, "open", "presence")
	if err != nil {
		p.Log.Error("sending last items", "err", err)
		return
	}
	for _, l := range last {
		if caps.Notify[l.node.name] {
			p.Router.Deliver(ctx, who, event(account, who, itemsEvent(l.node, []item{l.item})))
		}
	}
}

func wants(s *feature.Session, node string) bool {
	caps := s.Caps.Load()
	return s.Available() && caps != nil && caps.Notify[node]
}

// Newcomer sends the last items that a session has now shown interest in: its own account's, and those of the contacts whose
// presence it receives (XEP-0163 §4.3.4). It is called when a session's capabilities become known or change.
func (p *PubSub) Newcomer(ctx context.Context, s *feature.Session) {
	caps := s.Caps.Load()
	if caps == nil || len(caps.Notify) == 0 {
		return
	}
	own, err := lastItems(ctx, p.DB, []jid.JID{s.JID.Bare()}, "open", "presence", "whitelist")
	if err == nil {
		var contacts []jid.JID
		if contacts, err = p.Contacts.Watched(ctx, s.JID.Bare()); err == nil {
			var theirs []newest
			theirs, err = lastItems(ctx, p.DB, contacts, "open", "presence")
			own = append(own, theirs...)
		}
	}
	if err != nil {
		p.Log.Error("sending last items", "err", err)
		return
	}
	for _, l := range own {
		if !caps.Notify[l.node.name] {
			continue
		}
		s.Out.Push(event(l.account, s.JID, itemsEvent(l.node, []item{l.item})))
	}
}
