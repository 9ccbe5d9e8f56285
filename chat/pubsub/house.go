package pubsub

import (
	"context"
	"fmt"

	"writ/store"
	"writ/xmpp/jid"
	"writ/xmpp/xml"
)

// What other rooms of the house do with nodes: they follow changes, and publish on the owner's behalf, in one transaction with what they keep
// themselves. Conversions of bookmarks and pictures stand on it.

// Item is an item of a node.
type Item struct {
	ID      string
	Payload *xml.Element
}

// Options say how a node must be for what the house publishes; a node that is not there is made so.
type Options struct {
	Private  bool // whitelist access, also for a node that had another
	MaxItems int  // at least so many items are kept; 0: one
}

// Follower runs inside the transaction of a change. published tells new items from items or nodes that went away. What it returns, if not nil,
// runs after the commit and after the change's own events. It may run twice and has no other effect outside the transaction.
type Follower func(ctx context.Context, tx *store.Tx, account jid.JID, published bool) (then func(), err error)

// Follow has f run at each change that the owner makes to the items of a node. Call it before there are sessions.
func (p *PubSub) Follow(node string, f Follower) { p.followers[node] = f }

func (p *PubSub) follow(ctx context.Context, tx *store.Tx, account jid.JID, node string, published bool) (func(), error) {
	if f := p.followers[node]; f != nil {
		then, err := f(ctx, tx, account, published)
		if then != nil || err != nil {
			return then, err
		}
	}
	return func() {}, nil
}

// Items are all items of a node, oldest first; none if there is no such node.
func (p *PubSub) Items(ctx context.Context, r store.Reader, account jid.JID, node string) ([]Item, error) {
	found, err := items(ctx, r, account, node, 0)
	if err != nil {
		return nil, err
	}
	all := make([]Item, 0, len(found))
	for _, i := range found {
		el, err := xml.Parse(i.payload, NS)
		if err != nil {
			return nil, fmt.Errorf("pubsub: a stored item: %w", err)
		}
		all = append(all, Item{i.id, el})
	}
	return all, nil
}

// Item is one item of a node, or nil.
func (p *PubSub) Item(ctx context.Context, r store.Reader, account jid.JID, node, id string) (*Item, error) {
	i, err := itemByID(ctx, r, account, node, id)
	if i == nil || err != nil {
		return nil, err
	}
	el, err := xml.Parse(i.payload, NS)
	if err != nil {
		return nil, fmt.Errorf("pubsub: a stored item: %w", err)
	}
	return &Item{i.id, el}, nil
}

// Admits reports whether reader may read the account's node. The zero address stands for all who see the account's presence.
func (p *PubSub) Admits(ctx context.Context, account jid.JID, node string, reader jid.JID) (bool, error) {
	n, err := loadNode(ctx, p.DB, account, node)
	switch {
	case err != nil || n == nil:
		return false, err
	case n.access == "open" || reader == account:
		return true, nil
	case n.access == "whitelist":
		return false, nil
	case reader.IsZero():
		return true, nil
	}
	return p.Contacts.Subscribed(ctx, account, reader)
}

// Put publishes on the owner's behalf. announce sends the events, one for each item; call it after the commit.
func (p *PubSub) Put(ctx context.Context, tx *store.Tx, account jid.JID, name string, o Options, published ...Item) (announce func(), err error) {
	n, err := p.nodeAs(ctx, tx, account, name, o)
	if err != nil {
		return nil, err
	}
	raw := make([]item, 0, len(published))
	for _, i := range published {
		put := item{id: i.ID, payload: i.Payload.AppendTo(nil, NS)}
		if err := setItem(ctx, tx, account, n, put, p.Clock.Now()); err != nil {
			return nil, err
		}
		raw = append(raw, put)
	}
	return func() {
		for i := range raw {
			p.announce(ctx, account, n, itemsEvent(n, raw[i:i+1]))
		}
	}, trim(ctx, tx, account, n)
}

// nodeAs gives a node that is as the options say.
func (p *PubSub) nodeAs(ctx context.Context, tx *store.Tx, account jid.JID, name string, o Options) (*node, error) {
	n, err := loadNode(ctx, tx, account, name)
	if err != nil {
		return nil, err
	}
	save := saveNode
	if n == nil {
		n, save = &node{name: name, config: defaultsOf(name)}, createNode
	}
	want := n.config
	want.persist, want.maxItems = true, max(want.maxItems, min(o.MaxItems, maxItems))
	if o.Private {
		want.access = "whitelist"
	}
	n.config = want
	return n, save(ctx, tx, account, n, p.Clock.Now())
}

// Take deletes items on the owner's behalf. announce sends the events; call it after the commit.
func (p *PubSub) Take(ctx context.Context, tx *store.Tx, account jid.JID, name string, ids ...string) (announce func(), err error) {
	n, err := loadNode(ctx, tx, account, name)
	if err != nil || n == nil {
		return func() {}, err
	}
	var b xml.Builder
	b.Start("", "items", "node", name)
	gone := false
	for _, id := range ids {
		had, err := deleteItem(ctx, tx, account, name, id)
		if err != nil {
			return nil, err
		}
		if had {
			gone = true
			b.Empty("", "retract", "id", id)
		}
	}
	inner := b.Bytes()
	return func() {
		if gone && n.retracts {
			p.announce(ctx, account, n, inner)
		}
	}, nil
}
