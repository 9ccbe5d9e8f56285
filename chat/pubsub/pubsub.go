// Package pubsub is the personal eventing service of every account (XEP-0163 on XEP-0060): device lists and keys of OMEMO,
// avatars, nicknames, bookmarks and private data (XEP-0223). The account's bare JID is the service; its owner is the only
// publisher.
//
// Invariants:
//   - A node is read by exactly those whom its access model admits; the same check stands before items, events and discovery.
//   - Publish options are preconditions: a node that differs from them is not published to (XEP-0060 §7.1.5).
//   - An event is sent after the commit that made it, to sessions whose capabilities ask for the node (XEP-0163 §4.3).
//   - Nodes, items and their sizes are bounded; keys of OMEMO are declared as held and never produced.
package pubsub

import (
	"context"
	"embed"
	"io/fs"
	"log/slog"

	"writ/clock"
	"writ/records"
	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// Namespaces of XEP-0060.
const (
	NS       = "http://jabber.org/protocol/pubsub"
	OwnerNS  = NS + "#owner"
	EventNS  = NS + "#event"
	ErrorsNS = NS + "#errors"
)

//go:embed schema
var schemas embed.FS

// Contacts is what the room asks of the rosters.
type Contacts interface {
	feature.Contacts
	// Watchers are the bare JIDs that receive the account's presence.
	Watchers(ctx context.Context, account jid.JID) ([]jid.JID, error)
	// Watched are the bare JIDs whose presence the account receives.
	Watched(ctx context.Context, account jid.JID) ([]jid.JID, error)
}

// Config is what the room stands on.
type Config struct {
	Router   feature.Router
	DB       *store.DB
	Contacts Contacts
	Clock    clock.Clock
	Log      *slog.Logger
	Away     Away // nil: nothing is known of clients on other servers
}

// Away knows the clients of contacts on other servers. Package disco implements it.
type Away interface {
	// Wanting are the clients of an account elsewhere that are known to be there and to want events of the node.
	Wanting(account jid.JID, node string) []jid.JID
}

// PubSub is the room.
type PubSub struct {
	Config
	followers map[string]Follower // by node
}

// New makes the room.
func New(c Config) *PubSub {
	c.Log = c.Log.With("room", "pubsub")
	return &PubSub{Config: c, followers: map[string]Follower{}}
}

// Feature is the room as the house sees it.
func (p *PubSub) Feature() *feature.Feature {
	schema, _ := fs.Sub(schemas, "schema") // the folder is embedded: it cannot fail
	at := feature.AtOwn | feature.AtAccount
	return &feature.Feature{
		Name:  "pubsub",
		Specs: []string{"XEP-0060", "XEP-0163", "XEP-0223"},
		Disco: feature.Disco{
			Account:    accountFeatures(),
			Domain:     []string{NS + "#publish-options"},
			Identities: []feature.Identity{{Category: "pubsub", Type: "pep"}},
			AccountIDs: []feature.Identity{{Category: "pubsub", Type: "pep"}},
			Items:      p.discoItems,
			Node:       p.discoNode,
		},
		Schema: schema,
		Data:   p.data(),
		IQ: []feature.IQ{
			{Type: stanza.Get, Space: NS, Local: "pubsub", At: at, Handle: p.read},
			{Type: stanza.Set, Space: NS, Local: "pubsub", At: at, Handle: p.write},
			{Type: stanza.Get, Space: OwnerNS, Local: "pubsub", At: at, Handle: p.ownerGet},
			{Type: stanza.Set, Space: OwnerNS, Local: "pubsub", At: at, Handle: p.ownerSet},
		},
	}
}

// accountFeatures are those of XEP-0060 §10 that this room has.
func accountFeatures() []string {
	f := []string{NS}
	for _, s := range []string{
		"access-open", "access-presence", "access-whitelist", "auto-create", "auto-subscribe", "config-node",
		"config-node-max", "create-and-configure", "create-nodes", "delete-items", "delete-nodes", "filtered-notifications",
		"item-ids", "last-published", "meta-data", "multi-items", "persistent-items", "presence-notifications",
		"presence-subscribe", "publish", "publish-options", "purge-nodes", "retract-items", "retrieve-default", "retrieve-items",
		"retrieve-subscriptions", "subscribe",
	} {
		f = append(f, NS+"#"+s)
	}
	return f
}

// unsupported is the answer to a use case that this service does not have (XEP-0060 §6.1.3.12 and its likes).
func unsupported(what string) error {
	var b xml.Builder
	return stanza.FeatureNotImplemented("").WithAppXML(b.Empty(ErrorsNS, "unsupported", "feature", what).Bytes())
}

// own refuses all but the owner of the account that the request is for. Who may not even see the account learns nothing.
func (p *PubSub) own(ctx context.Context, r *feature.Request, node string) error {
	if r.Place == feature.AtOwn {
		return nil
	}
	n, err := loadNode(ctx, p.DB, r.To, node)
	if err != nil {
		return err
	}
	if err := p.admit(ctx, n, r.To, r.From.Bare()); err != nil {
		return err
	}
	return stanza.Forbidden("only the owner of the account publishes and configures here")
}

// admit applies a node's access model to a reader (XEP-0060 §4.5). A node that is not there is item-not-found to those who
// may see the account, and service-unavailable, as for an unknown account, to strangers.
func (p *PubSub) admit(ctx context.Context, n *node, owner, reader jid.JID) error {
	if owner == reader {
		if n == nil {
			return stanza.ItemNotFound("there is no such node")
		}
		return nil
	}
	if n != nil && n.access == "open" {
		return nil
	}
	sees, err := p.Contacts.Subscribed(ctx, owner, reader)
	switch {
	case err != nil:
		return err
	case n == nil && sees:
		return stanza.ItemNotFound("there is no such node")
	case n == nil:
		return stanza.ServiceUnavailable("")
	case n.access == "presence" && sees:
		return nil
	case n.access == "presence":
		return stanza.NotAuthorized("").WithApp(ErrorsNS, "presence-subscription-required") // XEP-0060 §6.5.9.6
	default:
		return stanza.NotAllowed("").WithApp(ErrorsNS, "closed-node") // XEP-0060 §6.5.9.8
	}
}

// data declares what stands in the tables, by kind of node.
func (p *PubSub) data() []records.Datum { return data() }
