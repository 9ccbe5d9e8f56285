package private

import (
	"bytes"
	"context"
	"strings"

	"writ/chat/pubsub"
	"writ/store"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// The nodes of XEP-0402 and of XEP-0048 §3, whose names are also the namespaces of what stands in them.
const (
	itemsNode = "urn:xmpp:bookmarks:1"
	listNode  = "storage:bookmarks"
)

// listName is the element that older apps store.
var listName = xml.Name{Space: listNode, Local: "storage"}

// maxBookmarks is the most rooms of a list: as many as the items that a node keeps.
const maxBookmarks = 1000

// bookmark is one room, as far as both formats know it.
type bookmark struct {
	name, nick, password string
	join                 bool
}

// read takes a bookmark from a <conference/> of either format. Its children are in the element's own namespace.
func read(c *xml.Element) bookmark {
	join := c.Attr("autojoin")
	return bookmark{
		name: c.Attr("name"), join: join == "true" || join == "1",
		nick: c.Child(c.Name.Space, "nick").Text(), password: c.Child(c.Name.Space, "password").Text(),
	}
}

// write builds a <conference/> of the format; room stands in that of XEP-0048 alone. more is what goes into it besides.
func (m bookmark) write(space, room string, more []byte) []byte {
	join := ""
	if m.join {
		join = "true"
	}
	var b xml.Builder
	b.Start(space, "conference", "jid", room, "name", m.name, "autojoin", join)
	if m.nick != "" {
		b.Leaf("", "nick", m.nick)
	}
	if m.password != "" {
		b.Leaf("", "password", m.password)
	}
	return b.Raw(more).Bytes()
}

// beyond is what a bookmark of XEP-0402 says that the older format cannot: its extensions.
func beyond(c *xml.Element) (more []byte) {
	if c == nil {
		return nil
	}
	for _, k := range c.Children {
		if !k.Is(itemsNode, "nick") && !k.Is(itemsNode, "password") {
			more = k.AppendTo(more, itemsNode)
		}
	}
	return more
}

// rooms are the bookmarks by address. Items without an address or a bookmark are of no room and are passed over.
func rooms(items []pubsub.Item) (order []jid.JID, by map[jid.JID]pubsub.Item) {
	by = map[jid.JID]pubsub.Item{}
	for _, i := range items {
		room, err := jid.Parse(i.ID)
		if err != nil || !i.Payload.Is(itemsNode, "conference") {
			continue
		}
		if _, twice := by[room.Bare()]; !twice {
			order = append(order, room.Bare())
		}
		by[room.Bare()] = i
	}
	return order, by
}

// collate is the list of XEP-0048 for the items (XEP-0402 §5.3.1). What old, the list so far, says besides rooms stays, and so does the
// wording of what has not changed.
func collate(old *xml.Element, items []pubsub.Item) []byte {
	order, by := rooms(items)
	var b xml.Builder
	b.Start(listNode, "storage")
	if old != nil {
		for _, c := range old.Children {
			if !c.Is(listNode, "conference") {
				b.Raw(c.AppendTo(nil, listNode))
				continue
			}
			room, err := jid.Parse(c.Attr("jid"))
			if err != nil {
				continue
			}
			room = room.Bare()
			if i, ok := by[room]; ok && read(i.Payload) == read(c) {
				b.Raw(c.AppendTo(nil, listNode))
				delete(by, room)
			}
		}
	}
	for _, room := range order {
		if i, ok := by[room]; ok {
			b.Raw(read(i.Payload).write("", room.String(), nil))
		}
	}
	return b.Bytes()
}

// old is the list of XEP-0048 that stands in its node, and the id of its item.
func (r *room) old(ctx context.Context, from store.Reader, account jid.JID) (list *xml.Element, id string, err error) {
	have, err := r.Nodes.Items(ctx, from, account, listNode)
	if err != nil || len(have) == 0 {
		return nil, "current", err
	}
	last := have[len(have)-1]
	if last.Payload.Name == listName {
		list = last.Payload
	}
	return list, last.ID, nil
}

// list is what private storage answers for the list of bookmarks.
func (r *room) list(ctx context.Context, account jid.JID) ([]byte, error) {
	old, _, err := r.old(ctx, r.DB, account)
	if err != nil {
		return nil, err
	}
	items, err := r.Nodes.Items(ctx, r.DB, account, itemsNode)
	if err != nil {
		return nil, err
	}
	return collate(old, items), nil
}

// itemsChanged brings a change of the items into the list (XEP-0402 §5.3.1).
func (r *room) itemsChanged(ctx context.Context, tx *store.Tx, account jid.JID, _ bool) (func(), error) {
	items, err := r.Nodes.Items(ctx, tx, account, itemsNode)
	if err != nil {
		return nil, err
	}
	old, id, err := r.old(ctx, tx, account)
	if err != nil {
		return nil, err
	}
	list := collate(old, items)
	if old != nil && bytes.Equal(list, collate(old, fromList(old))) {
		return nil, nil // nothing that the list says has changed
	}
	el, err := xml.Parse(list, "")
	if err != nil {
		return nil, err
	}
	return r.Nodes.Put(ctx, tx, account, listNode, pubsub.Options{Private: true}, pubsub.Item{ID: id, Payload: el})
}

// fromList are the rooms of a list as items, so that two lists can be compared by what they say.
func fromList(list *xml.Element) (items []pubsub.Item) {
	for _, c := range list.All(listNode, "conference") {
		el, err := xml.Parse(read(c).write(itemsNode, "", nil), "")
		if err == nil {
			items = append(items, pubsub.Item{ID: c.Attr("jid"), Payload: el})
		}
	}
	return items
}

// listChanged brings a list that was published into the items (XEP-0402 §5.3.2). A list that is taken away changes nothing: apps that have moved
// to the items delete it.
func (r *room) listChanged(ctx context.Context, tx *store.Tx, account jid.JID, published bool) (func(), error) {
	if !published {
		return nil, nil
	}
	list, _, err := r.old(ctx, tx, account)
	if err != nil || list == nil {
		return nil, err
	}
	return r.spread(ctx, tx, account, list)
}

// putList stores the list that came by private storage; apps that watch the node are told (XEP-0411 §3).
func (r *room) putList(ctx context.Context, tx *store.Tx, account jid.JID, list *xml.Element) (func(), error) {
	_, id, err := r.old(ctx, tx, account)
	if err != nil {
		return nil, err
	}
	if n := len(list.All(listNode, "conference")); n > maxBookmarks {
		return nil, stanza.PolicyViolation("a list may have at most 1,000 bookmarks")
	}
	announce, err := r.Nodes.Put(ctx, tx, account, listNode, pubsub.Options{Private: true}, pubsub.Item{ID: id, Payload: list})
	if err != nil {
		return nil, err
	}
	then, err := r.spread(ctx, tx, account, list)
	return func() { announce(); then() }, err
}

// spread makes the items say what the list says. Only what differs is published or taken away.
func (r *room) spread(ctx context.Context, tx *store.Tx, account jid.JID, list *xml.Element) (func(), error) {
	have, err := r.Nodes.Items(ctx, tx, account, itemsNode)
	if err != nil {
		return nil, err
	}
	order, by := rooms(have)
	var changed []pubsub.Item
	wanted := map[jid.JID]bool{}
	for _, c := range list.All(listNode, "conference") {
		room, err := jid.Parse(strings.TrimSpace(c.Attr("jid")))
		switch {
		case err != nil:
			return nil, stanza.BadRequest("a bookmark needs the address of a room")
		case wanted[room.Bare()]:
			continue // the first one counts
		}
		room = room.Bare()
		wanted[room] = true
		i, ok := by[room]
		if ok && read(i.Payload) == read(c) {
			continue
		}
		if !ok {
			i.ID = room.String()
		}
		el, err := xml.Parse(read(c).write(itemsNode, "", beyond(i.Payload)), "")
		if err != nil {
			return nil, err
		}
		changed = append(changed, pubsub.Item{ID: i.ID, Payload: el})
	}
	if len(wanted) > maxBookmarks {
		return nil, stanza.PolicyViolation("a list may have at most 1,000 bookmarks")
	}
	var gone []string
	for _, room := range order {
		if !wanted[room] {
			gone = append(gone, by[room].ID)
		}
	}
	return r.apply(ctx, tx, account, changed, gone)
}

// apply publishes and takes away items, in a node that is its owner's alone and keeps them all (XEP-0402 §3.3).
func (r *room) apply(ctx context.Context, tx *store.Tx, account jid.JID, changed []pubsub.Item, gone []string) (func(), error) {
	retract, err := r.Nodes.Take(ctx, tx, account, itemsNode, gone...)
	if err != nil {
		return nil, err
	}
	if len(changed) == 0 {
		return retract, nil
	}
	announce, err := r.Nodes.Put(ctx, tx, account, itemsNode, pubsub.Options{Private: true, MaxItems: maxBookmarks}, changed...)
	return func() {
		retract()
		announce()
	}, err
}
