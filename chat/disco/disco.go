// Package disco answers service discovery (XEP-0030) from what the other rooms declare, and keeps entity capabilities
// (XEP-0115): the server's own in the stream features, and those of clients, verified against their hash before anyone
// relies on them.
//
// Invariants:
//   - A feature is announced exactly if a room with it is in the house: nothing is listed by hand.
//   - A stranger learns nothing of an account: who may not see its presence gets the answer of an unknown account (XEP-0030 §8), which is an
//     error for what it is and an empty list for its items.
//   - Capabilities under a hash that does not fit are never cached (XEP-0115 §5.4).
package disco

import (
	"context"
	"errors"
	"slices"

	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// Namespaces of service discovery.
const (
	InfoNS  = "http://jabber.org/protocol/disco#info"
	ItemsNS = "http://jabber.org/protocol/disco#items"
)

// Disco is the room. Make it with New, then give it all rooms with Use.
type Disco struct {
	router   feature.Router
	contacts feature.Contacts
	known    func(context.Context, *feature.Session)
	own      *feature.Feature

	domain, account feature.Info
	items           []func(context.Context, *feature.Request) ([]feature.Item, error)
	nodes           []func(context.Context, *feature.Request, string) (*feature.Info, error)
	ver             string
	caps            *capsCache
	away            *away
	stranger        func(ctx context.Context, account, who jid.JID, caps *feature.Caps)
}

// New makes the room. known, if not nil, is called when the capabilities of an available session become known or change;
// it runs on the session's goroutine.
func New(router feature.Router, contacts feature.Contacts, known func(context.Context, *feature.Session)) *Disco {
	d := &Disco{router: router, contacts: contacts, known: known, caps: newCapsCache(10_000), away: newAway(20_000)}
	d.own = &feature.Feature{
		Name:  "disco",
		Specs: []string{"XEP-0030", "XEP-0115"},
		Disco: feature.Disco{
			Domain:     []string{InfoNS, ItemsNS, CapsNS},
			Account:    []string{InfoNS, ItemsNS},
			Identities: []feature.Identity{{Category: "server", Type: "im", Name: "Writ"}},
			AccountIDs: []feature.Identity{{Category: "account", Type: "registered"}},
		},
		IQ: []feature.IQ{
			{Type: stanza.Get, Space: InfoNS, Local: "query", At: feature.AtDomain | feature.AtOwn | feature.AtAccount, Handle: d.info},
			{Type: stanza.Get, Space: ItemsNS, Local: "query", At: feature.AtDomain | feature.AtOwn | feature.AtAccount, Handle: d.list, Nobody: none},
		},
		Presence: d.presence,
	}
	return d
}

// Feature is the room as the house sees it.
func (d *Disco) Feature() *feature.Feature { return d.own }

// Use collects what all rooms, this one included, declare. Call it once, before there are sessions.
func (d *Disco) Use(features []*feature.Feature) {
	for _, f := range features {
		d.domain.Identities = append(d.domain.Identities, f.Disco.Identities...)
		d.domain.Features = append(d.domain.Features, f.Disco.Domain...)
		d.domain.Forms = append(d.domain.Forms, f.Disco.Forms...)
		d.account.Identities = append(d.account.Identities, f.Disco.AccountIDs...)
		d.account.Features = append(d.account.Features, f.Disco.Account...)
		if f.Disco.Items != nil {
			d.items = append(d.items, f.Disco.Items)
		}
		if f.Disco.Node != nil {
			d.nodes = append(d.nodes, f.Disco.Node)
		}
	}
	for _, i := range []*feature.Info{&d.domain, &d.account} {
		slices.Sort(i.Features)
		i.Features = slices.Compact(i.Features)
	}
	d.ver = Ver(&d.domain)
	var b xml.Builder
	b.Empty(CapsNS, "c", "hash", "sha-1", "node", Node, "ver", d.ver)
	d.own.Disco.Stream = []string{string(b.Bytes())}
}

// info answers disco#info (XEP-0030 §3.1), of a node too (XEP-0030 §3.2).
func (d *Disco) info(ctx context.Context, r *feature.Request) (feature.Reply, error) {
	switch ok, err := d.allowed(ctx, r); {
	case err != nil:
		return feature.Reply{}, err
	case !ok:
		return feature.Reply{}, stanza.ServiceUnavailable("") // XEP-0030 §8, rule 1
	}
	node := r.Payload.Attr("node")
	info := &d.account
	if r.Place == feature.AtDomain {
		info = &d.domain
	}
	if node != "" && !(r.Place == feature.AtDomain && node == Node+"#"+d.ver) {
		var err error
		if info, err = d.node(ctx, r, node); err != nil {
			return feature.Reply{}, err
		}
	}
	var b xml.Builder
	b.Start(InfoNS, "query", "node", node)
	for _, id := range info.Identities {
		b.Empty("", "identity", "category", id.Category, "type", id.Type, "name", id.Name)
	}
	for _, f := range info.Features {
		b.Empty("", "feature", "var", f)
	}
	for _, form := range info.Forms {
		b.Raw(form)
	}
	return feature.Reply{Payload: b.Bytes()}, nil
}

func (d *Disco) node(ctx context.Context, r *feature.Request, node string) (*feature.Info, error) {
	for _, f := range d.nodes {
		if info, err := f(ctx, r, node); err != nil || info != nil {
			return info, err
		}
	}
	return nil, stanza.ItemNotFound("there is no such node")
}

// none is the empty list that strangers get, and who asks an account that does not exist (XEP-0030 §8, rule 2).
func none(r *feature.Request) feature.Reply {
	var b xml.Builder
	b.Empty(ItemsNS, "query", "node", r.Payload.Attr("node"))
	return feature.Reply{Payload: b.Bytes()}
}

// list answers disco#items (XEP-0030 §4.1).
func (d *Disco) list(ctx context.Context, r *feature.Request) (feature.Reply, error) {
	ok, err := d.allowed(ctx, r)
	if err != nil {
		return feature.Reply{}, err
	}
	if !ok {
		return none(r), nil
	}
	node := r.Payload.Attr("node")
	var b xml.Builder
	b.Start(ItemsNS, "query", "node", node)
	var missing error // a room that knows no such node says so, and another may know it: the list of commands stands beside PEP nodes
	found := node == ""
	for _, f := range d.items {
		items, err := f(ctx, r)
		if node != "" && errors.Is(err, stanza.ItemNotFound("")) {
			missing = err
			continue
		}
		if err != nil {
			return feature.Reply{}, err
		}
		found = found || items != nil
		for _, i := range items {
			b.Empty("", "item", "jid", i.JID.String(), "node", i.Node, "name", i.Name)
		}
	}
	if missing != nil && !found {
		return feature.Reply{}, missing
	}
	return feature.Reply{Payload: b.Bytes()}, nil
}

// allowed reports whether the asker may look at this place: at an account who may see its presence. Of an account that does not exist nobody does.
func (d *Disco) allowed(ctx context.Context, r *feature.Request) (bool, error) {
	if r.Place != feature.AtAccount {
		return true, nil
	}
	return d.contacts.Subscribed(ctx, r.To, r.From.Bare())
}
