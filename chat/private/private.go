// Package private keeps what a person's older apps store for themselves (XEP-0049), and makes one list of bookmarks of the three that apps
// know: the items of XEP-0402, the list of XEP-0048 in a personal node, and the same list in private storage (XEP-0411).
//
// Invariants:
//   - Only the owner reads and writes; another's request is answered as for an account that does not exist (XEP-0049 §2.3 allows
//     service-unavailable).
//   - The items of XEP-0402 are the truth. A change by any of the three ways is in all three after one transaction, and each app is told of
//     what changed and of nothing else.
//   - What a list of XEP-0048 cannot say (extensions, such as the notification settings of XEP-0492) stays with its bookmark.
//   - Converted nodes are readable by their owner alone, whatever they were before (XEP-0411 §5).
package private

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"writ/chat/pubsub"
	"writ/clock"
	"writ/records"
	"writ/schedule"
	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// NS is the namespace of private storage.
const NS = "jabber:iq:private"

// Limits of what an account may store: the bytes of one request, the bytes in all, and how many different elements.
const (
	MaxSize  = 64 << 10
	MaxTotal = 256 << 10
	MaxNames = 200
)

//go:embed schema
var schemas embed.FS

// Nodes are the personal nodes. Package pubsub has them.
type Nodes interface {
	Follow(node string, f pubsub.Follower)
	Items(ctx context.Context, r store.Reader, account jid.JID, node string) ([]pubsub.Item, error)
	Put(ctx context.Context, tx *store.Tx, account jid.JID, node string, o pubsub.Options, items ...pubsub.Item) (announce func(), err error)
	Take(ctx context.Context, tx *store.Tx, account jid.JID, node string, ids ...string) (announce func(), err error)
}

// Parts is what the room stands on.
type Parts struct {
	DB    *store.DB
	Nodes Nodes
	Clock clock.Clock
}

type room struct{ Parts }

// New makes the room.
func New(p Parts) *feature.Feature {
	r := &room{p}
	p.Nodes.Follow(itemsNode, r.itemsChanged)
	p.Nodes.Follow(listNode, r.listChanged)
	schema, _ := fs.Sub(schemas, "schema") // the folder is embedded: it cannot fail
	return &feature.Feature{
		Name:  "private",
		Specs: []string{"XEP-0048", "XEP-0049", "XEP-0402", "XEP-0411"},
		Disco: feature.Disco{
			Domain:  []string{NS},
			Account: []string{NS, itemsNode + "#compat", itemsNode + "#compat-pep", "urn:xmpp:bookmarks-conversion:0"},
		},
		Schema: schema,
		Data:   []records.Datum{datum()},
		IQ: []feature.IQ{
			{Type: stanza.Get, Space: NS, Local: "query", At: feature.AtOwn, Handle: r.get},
			{Type: stanza.Set, Space: NS, Local: "query", At: feature.AtOwn, Handle: r.set},
		},
	}
}

// asked checks the elements of a request (XEP-0049 §2.3).
func asked(q *xml.Element) ([]*xml.Element, error) {
	if len(q.Children) == 0 {
		return nil, stanza.NotAcceptable("the element that is stored or asked for is missing")
	}
	for _, c := range q.Children {
		switch s := c.Name.Space; {
		case s == NS || s == "":
			return nil, stanza.NotAcceptable("what is stored has a namespace of its own")
		case strings.HasPrefix(s, "jabber:"), strings.HasPrefix(s, "http://jabber.org/"), s == "vcard-temp":
			return nil, stanza.NotAcceptable("this namespace is reserved")
		case len(s)+len(c.Name.Local) > 1024:
			return nil, stanza.PolicyViolation("the name and the namespace may have at most 1,024 bytes")
		}
	}
	return q.Children, nil
}

// get is XEP-0049 §2.3: what is stored under the element's name, or the empty element.
func (r *room) get(ctx context.Context, q *feature.Request) (feature.Reply, error) {
	els, err := asked(q.Payload)
	if err != nil {
		return feature.Reply{}, err
	}
	if len(els) > 1 {
		return feature.Reply{}, stanza.NotAcceptable("a request asks for one element")
	}
	n := els[0].Name
	var data []byte
	if n == listName {
		data, err = r.list(ctx, q.To)
	} else {
		data, err = r.stored(ctx, q.To, n)
	}
	if err != nil {
		return feature.Reply{}, err
	}
	var b xml.Builder
	b.Start(NS, "query")
	if data == nil {
		b.Empty(n.Space, n.Local)
	}
	return feature.Reply{Payload: b.Raw(data).Bytes()}, nil
}

func (r *room) stored(ctx context.Context, account jid.JID, n xml.Name) (data []byte, err error) {
	err = r.DB.QueryRow(ctx, `SELECT data FROM private_data WHERE account = $1 AND space = $2 AND name = $3`, account.String(), n.Space, n.Local).Scan(&data)
	if errors.Is(err, store.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("private: reading: %w", err)
	}
	return data, nil
}

// set is XEP-0049 §2.3. Elements of one name are stored together, in place of what was there under that name.
func (r *room) set(ctx context.Context, q *feature.Request) (feature.Reply, error) {
	els, err := asked(q.Payload)
	if err != nil {
		return feature.Reply{}, err
	}
	var order []xml.Name
	parts := map[xml.Name][]byte{}
	size := 0
	var list *xml.Element
	for _, el := range els {
		if el.Name == listName {
			if list != nil {
				return feature.Reply{}, stanza.NotAcceptable("there is one list of bookmarks")
			}
			list = el
			continue
		}
		if parts[el.Name] == nil {
			order = append(order, el.Name)
		}
		had := len(parts[el.Name])
		parts[el.Name] = el.AppendTo(parts[el.Name], NS)
		size += len(parts[el.Name]) - had
	}
	if size > MaxSize {
		return feature.Reply{}, stanza.PolicyViolation(fmt.Sprintf("at most %d bytes can be stored at once", MaxSize))
	}
	var then func()
	err = r.DB.Write(ctx, func(tx *store.Tx) (err error) {
		then = nil
		for _, n := range order {
			if err := r.store(ctx, tx, q.To, n, parts[n]); err != nil {
				return err
			}
		}
		if err := within(ctx, tx, q.To); err != nil {
			return err
		}
		if list != nil {
			then, err = r.putList(ctx, tx, q.To, list)
		}
		return err
	})
	return feature.Reply{Then: then}, err
}

func (r *room) store(ctx context.Context, tx *store.Tx, account jid.JID, n xml.Name, data []byte) error {
	_, err := tx.Exec(ctx, `INSERT INTO private_data (account, space, name, data, updated) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (account, space, name) DO UPDATE SET data = excluded.data, updated = excluded.updated`,
		account.String(), n.Space, n.Local, data, store.Time(r.Clock.Now()))
	if err != nil {
		return fmt.Errorf("private: storing: %w", err)
	}
	return nil
}

// within refuses what would be more than an account may store.
func within(ctx context.Context, tx *store.Tx, account jid.JID) error {
	var names, bytes int64
	err := tx.QueryRow(ctx, `SELECT COUNT(*), COALESCE(SUM(LENGTH(data)), 0) FROM private_data WHERE account = $1`, account.String()).Scan(&names, &bytes)
	switch {
	case err != nil:
		return fmt.Errorf("private: counting: %w", err)
	case names > MaxNames:
		return stanza.ResourceConstraint(fmt.Sprintf("an account stores at most %d different elements", MaxNames))
	case bytes > MaxTotal:
		return stanza.ResourceConstraint(fmt.Sprintf("an account stores at most %d bytes", MaxTotal))
	}
	return nil
}

func datum() records.Datum {
	return records.Datum{
		Datum: schedule.Datum{
			Name:     "private-storage",
			Category: schedule.Profile,
			Tables:   []string{"private_data"},
			Fields: []schedule.Field{
				{Name: "updated", Meaning: "when the person's app last stored it"},
				{Name: "namespace", Meaning: "what kind of settings, as the app names it"},
				{Name: "name", Meaning: "which of them, as the app names it"},
				{Name: "size", Meaning: "the bytes that stand there; not what they say"},
			},
			Purpose:   "Lets a person's older apps keep settings of their own on the server.",
			Retention: schedule.Account,
			Process:   schedule.Warrant,
		},
		Export: records.ExportRows(`SELECT updated, space, name, LENGTH(data) FROM private_data WHERE account = $1 ORDER BY space, name`,
			records.Time, records.Text, records.Text, records.Number),
		Erase: records.EraseRows(schedule.Profile, "private_data", "account"),
	}
}
