package pubsub

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"

	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// Limits on what is published. Pictures of the size that XEP-0084 recommends fit; key bundles are far smaller.
const (
	maxName    = 1023
	maxPayload = 192 << 10
	maxBundle  = 64 << 10
	maxKeys    = 500 // one-time keys of a bundle, devices of a list
)

// read answers retrieval of items (XEP-0060 §6.5) and of the default configuration.
func (p *PubSub) read(ctx context.Context, r *feature.Request) (feature.Reply, error) {
	for _, c := range r.Payload.Children {
		switch {
		case c.Is(NS, "items"):
			return p.retrieve(ctx, r, c)
		case c.Is(NS, "subscriptions"):
			return p.subscriptions(ctx, r, c)
		case c.Is(NS, "affiliations"):
			return feature.Reply{}, unsupported("retrieve-affiliations")
		case c.Is(NS, "options"):
			return feature.Reply{}, unsupported("subscription-options")
		}
	}
	return feature.Reply{}, stanza.BadRequest("a request for <items/> is expected")
}

func (p *PubSub) retrieve(ctx context.Context, r *feature.Request, want *xml.Element) (feature.Reply, error) {
	name := want.Attr("node")
	if name == "" {
		return feature.Reply{}, nodeIDRequired()
	}
	n, err := loadNode(ctx, p.DB, r.To, name)
	if err != nil {
		return feature.Reply{}, err
	}
	if err := p.admit(ctx, n, r.To, r.From.Bare()); err != nil {
		return feature.Reply{}, err
	}
	found, err := p.find(ctx, r, want, name)
	if err != nil {
		return feature.Reply{}, err
	}
	var b xml.Builder
	b.Start(NS, "pubsub").Start("", "items", "node", name)
	for _, i := range found {
		b.Start("", "item", "id", i.id).Raw(i.payload).End()
	}
	return feature.Reply{Payload: b.Bytes()}, nil
}

// find gives the items asked for by id (XEP-0060 §6.5.8), the newest (§6.5.7), or all.
func (p *PubSub) find(ctx context.Context, r *feature.Request, want *xml.Element, name string) ([]item, error) {
	if ids := want.All(NS, "item"); len(ids) > 0 {
		var found []item
		for _, id := range ids {
			i, err := itemByID(ctx, p.DB, r.To, name, id.Attr("id"))
			if err != nil {
				return nil, err
			}
			if i != nil {
				found = append(found, *i)
			}
		}
		if len(found) == 0 {
			return nil, stanza.ItemNotFound("the node has no such item")
		}
		return found, nil
	}
	n := 0
	if v := want.Attr("max_items"); v != "" {
		var err error
		if n, err = strconv.Atoi(v); err != nil || n < 1 {
			return nil, stanza.BadRequest("max_items is a number from 1 on")
		}
	}
	return items(ctx, p.DB, r.To, name, n)
}

// write answers publishing (XEP-0060 §7.1), retracting (§7.2) and creating (§8.1).
func (p *PubSub) write(ctx context.Context, r *feature.Request) (feature.Reply, error) {
	for _, c := range r.Payload.Children {
		switch {
		case c.Is(NS, "publish"):
			return p.publish(ctx, r, c)
		case c.Is(NS, "retract"):
			return p.retract(ctx, r, c)
		case c.Is(NS, "create"):
			return p.create(ctx, r, c)
		case c.Is(NS, "subscribe"):
			return p.subscribe(ctx, r, c)
		case c.Is(NS, "unsubscribe"):
			return p.unsubscribe(ctx, r, c)
		}
	}
	return feature.Reply{}, stanza.BadRequest("<publish/>, <retract/> or <create/> is expected")
}

func nodeIDRequired() error {
	return stanza.BadRequest("").WithApp(ErrorsNS, "nodeid-required") // XEP-0060 §7.2.3.3
}

// publish stores items, makes the node if it is not there (XEP-0060 §7.1.4) and tells those who want to know.
func (p *PubSub) publish(ctx context.Context, r *feature.Request, pub *xml.Element) (feature.Reply, error) {
	name := pub.Attr("node")
	switch {
	case name == "":
		return feature.Reply{}, nodeIDRequired()
	case len(name) > maxName:
		return feature.Reply{}, stanza.PolicyViolation("the name of a node may have at most 1,023 bytes")
	}
	if err := p.own(ctx, r, name); err != nil {
		return feature.Reply{}, err
	}
	published, err := readItems(pub)
	if err != nil {
		return feature.Reply{}, err
	}
	var n *node
	var then func()
	err = p.DB.Write(ctx, func(tx *store.Tx) (err error) {
		n, err = p.nodeFor(ctx, tx, r, name)
		for i := 0; err == nil && n.persist && i < len(published); i++ {
			err = putItem(ctx, tx, r.To, n, published[i], p.Clock.Now())
		}
		if err == nil {
			then, err = p.follow(ctx, tx, r.To, name, true)
		}
		return err
	})
	if err != nil {
		return feature.Reply{}, err
	}
	var b xml.Builder
	b.Start(NS, "pubsub").Start("", "publish", "node", name)
	for _, i := range published {
		b.Empty("", "item", "id", i.id)
	}
	return feature.Reply{Payload: b.Bytes(), Then: func() {
		p.announce(ctx, r.To, n, itemsEvent(n, published))
		then()
	}}, nil
}

// nodeFor finds the node, makes it as the publish options say, or refuses because it is not as they say (XEP-0060 §7.1.5).
func (p *PubSub) nodeFor(ctx context.Context, tx *store.Tx, r *feature.Request, name string) (*node, error) {
	options := r.Payload.Child(NS, "publish-options").Child(formNS, "x")
	n, err := loadNode(ctx, tx, r.To, name)
	if err != nil {
		return nil, err
	}
	if n == nil {
		n = &node{name: name, config: defaultsOf(name)}
		if err := submit(&n.config, options, optionsForm); err != nil {
			return nil, precondition(err)
		}
		return n, createNode(ctx, tx, r.To, n, p.Clock.Now())
	}
	want := n.config
	if err := submit(&want, options, optionsForm); err != nil {
		return nil, precondition(err)
	}
	if want != n.config {
		return nil, precondition(errors.New("the node is configured in another way"))
	}
	return n, nil
}

// precondition is XEP-0060 §7.1.5, example 112.
func precondition(why error) error {
	text := why.Error()
	var e *stanza.Error
	if errors.As(why, &e) {
		text = e.Text
	}
	return stanza.Conflict(text).WithApp(ErrorsNS, "precondition-not-met")
}

// readItems checks what is published. An item without an id gets one (XEP-0060 §7.1.2).
func readItems(pub *xml.Element) ([]item, error) {
	els := pub.All(NS, "item")
	if len(els) == 0 {
		return nil, stanza.BadRequest("").WithApp(ErrorsNS, "item-required") // XEP-0060 §7.1.3.6
	}
	var all []item
	for _, el := range els {
		if len(el.Children) != 1 {
			return nil, stanza.BadRequest("an item has one payload").WithApp(ErrorsNS, "invalid-payload")
		}
		i := item{id: el.Attr("id"), payload: el.Children[0].AppendTo(nil, NS)}
		if i.id == "" {
			i.id = rand.Text()
		}
		if len(i.id) > maxName {
			return nil, stanza.PolicyViolation("the id of an item may have at most 1,023 bytes")
		}
		if err := checkSize(el.Children[0], len(i.payload)); err != nil {
			return nil, err
		}
		all = append(all, i)
	}
	return all, nil
}

// checkSize bounds payloads, those of OMEMO more closely: nobody needs thousands of devices or one-time keys.
func checkSize(payload *xml.Element, size int) error {
	limit := maxPayload
	switch payload.Name.Space {
	case "eu.siacs.conversations.axolotl", "urn:xmpp:omemo:1", "urn:xmpp:omemo:2":
		limit = maxBundle
		if n := countChildren(payload); n > maxKeys {
			return stanza.PolicyViolation(fmt.Sprintf("a list of devices or keys may have at most %d entries, not %d", maxKeys, n))
		}
	}
	if size > limit {
		return stanza.PolicyViolation(fmt.Sprintf("an item of this kind may have at most %d bytes, not %d", limit, size)).
			WithApp(ErrorsNS, "payload-too-big") // XEP-0060 §7.1.3.4
	}
	return nil
}

func countChildren(e *xml.Element) int {
	n := len(e.Children)
	for _, c := range e.Children {
		n += countChildren(c)
	}
	return n
}

// retract is XEP-0060 §7.2.
func (p *PubSub) retract(ctx context.Context, r *feature.Request, el *xml.Element) (feature.Reply, error) {
	name := el.Attr("node")
	if name == "" {
		return feature.Reply{}, nodeIDRequired()
	}
	if err := p.own(ctx, r, name); err != nil {
		return feature.Reply{}, err
	}
	id := el.Child(NS, "item").Attr("id")
	if id == "" {
		return feature.Reply{}, stanza.BadRequest("").WithApp(ErrorsNS, "item-required") // XEP-0060 §7.2.3.4
	}
	var then func()
	n, err := p.changed(ctx, r.To, name, func(tx *store.Tx, n *node) error {
		gone, err := deleteItem(ctx, tx, r.To, name, id)
		if err == nil && !gone {
			err = stanza.ItemNotFound("the node has no such item") // XEP-0060 §7.2.3.2
		}
		if err == nil {
			then, err = p.follow(ctx, tx, r.To, name, false)
		}
		return err
	})
	if err != nil {
		return feature.Reply{}, err
	}
	tell := n.retracts || el.Attr("notify") == "1" || el.Attr("notify") == "true"
	return feature.Reply{Then: func() {
		if tell {
			var b xml.Builder
			p.announce(ctx, r.To, n, b.Start("", "items", "node", name).Empty("", "retract", "id", id).Bytes())
		}
		then()
	}}, nil
}

// changed runs f on an existing node in a transaction.
func (p *PubSub) changed(ctx context.Context, account jid.JID, name string, f func(tx *store.Tx, n *node) error) (*node, error) {
	var n *node
	err := p.DB.Write(ctx, func(tx *store.Tx) (err error) {
		if n, err = loadNode(ctx, tx, account, name); err != nil {
			return err
		}
		if n == nil {
			return stanza.ItemNotFound("there is no such node")
		}
		return f(tx, n)
	})
	return n, err
}

// create is XEP-0060 §8.1, with a configuration if one is given (§8.1.3).
func (p *PubSub) create(ctx context.Context, r *feature.Request, el *xml.Element) (feature.Reply, error) {
	n := &node{name: el.Attr("node"), config: defaultsOf(el.Attr("node"))}
	if len(n.name) > maxName {
		return feature.Reply{}, stanza.PolicyViolation("the name of a node may have at most 1,023 bytes")
	}
	if err := p.own(ctx, r, n.name); err != nil {
		return feature.Reply{}, err
	}
	instant := n.name == ""
	if instant {
		n.name = rand.Text() // XEP-0060 §8.1.2
	}
	if err := submit(&n.config, r.Payload.Child(NS, "configure").Child(formNS, "x"), configForm); err != nil {
		return feature.Reply{}, err
	}
	err := p.DB.Write(ctx, func(tx *store.Tx) error {
		have, err := loadNode(ctx, tx, r.To, n.name)
		if err != nil {
			return err
		}
		if have != nil {
			return stanza.Conflict("there is a node of that name") // XEP-0060 §8.1.1
		}
		return createNode(ctx, tx, r.To, n, p.Clock.Now())
	})
	if err != nil {
		return feature.Reply{}, err
	}
	if !instant {
		return feature.Reply{}, nil
	}
	var b xml.Builder
	return feature.Reply{Payload: b.Start(NS, "pubsub").Empty("", "create", "node", n.name).Bytes()}, nil
}
