package pubsub

import (
	"context"
	"strings"

	"writ/records"
	"writ/schedule"
	"writ/store"
	"writ/xmpp/xml"
)

// Nodes whose payload says something of the person in clear.
const (
	nickNode     = "http://jabber.org/protocol/nick"
	avatarNode   = "urn:xmpp:avatar:metadata"
	bookmarkNode = "urn:xmpp:bookmarks:1"
	storageNode  = "storage:bookmarks" // the same list as old apps have it (XEP-0048), and links to pages
)

// data splits what stands in the two tables by what it is: the profile, the bookmarks, what else apps keep, and the public
// keys of devices, which are held and never produced.
func data() []records.Datum {
	kept := func(name string, c schedule.Category, process schedule.Process, purpose string) records.Datum {
		return records.Datum{Datum: schedule.Datum{
			Name: name, Category: c, Tables: []string{"pubsub_item", "pubsub_node"}, Purpose: purpose,
			Retention: schedule.Account, Process: process,
		}, Erase: erase}
	}
	profile := kept("profile", schedule.Profile, schedule.Warrant, "Shows contacts the nickname and picture that a person chose.")
	profile.Fields = []schedule.Field{
		{Name: "published", Meaning: "when the person's app published it"},
		{Name: "node", Meaning: "nickname or picture (its size, type and hash, not the picture itself)"},
		{Name: "value", Meaning: "what was published, in XML"},
	}
	profile.Export = records.ExportRows(`SELECT published, node, payload FROM pubsub_item WHERE account = $1 AND node IN ('`+nickNode+`', '`+avatarNode+`') ORDER BY seq`,
		records.Time, records.Text, records.Text)
	bookmarks := kept("bookmarks", schedule.Bookmarks, schedule.Warrant, "Lets all of a person's apps show the same list of rooms.")
	bookmarks.Fields = []schedule.Field{
		{Name: "published", Meaning: "when the person's app published it"},
		{Name: "room", Meaning: "the address of the room, or of the page that was marked"},
	}
	bookmarks.Export = func(ctx context.Context, o *records.Opened, emit func(values ...any) error) error {
		return store.Each(ctx, o, "pubsub: exporting bookmarks", func(row store.Scanner) error {
			var published int64
			var node, room string
			var payload []byte
			if err := row.Scan(&published, &node, &room, &payload); err != nil {
				return err
			}
			if node == bookmarkNode {
				return emit(store.FromTime(published), room)
			}
			return pages(payload, func(page string) error { return emit(store.FromTime(published), page) })
		}, `SELECT published, node, item, payload FROM pubsub_item WHERE account = $1 AND node IN ($2, $3) ORDER BY seq`, o.Account(), bookmarkNode, storageNode)
	}
	other := kept("app-data", schedule.Profile, schedule.Warrant, "Lets a person's apps keep settings and states of their own on the server.")
	other.Fields = []schedule.Field{
		{Name: "published", Meaning: "when the person's app published it"},
		{Name: "node", Meaning: "the name that the app gave to the place"},
		{Name: "size", Meaning: "the bytes that stand there; not what they say"},
	}
	other.Export = records.ExportRows(`SELECT published, node, LENGTH(payload) FROM pubsub_item WHERE account = $1
		AND node NOT IN ('`+strings.Join([]string{nickNode, avatarNode, bookmarkNode, storageNode}, "', '")+`')
		AND node NOT LIKE 'eu.siacs.conversations.axolotl%' AND node NOT LIKE 'urn:xmpp:omemo:%' ORDER BY seq`, records.Time, records.Text, records.Number)
	subscriptions := kept("app-subscriptions", schedule.Contacts, schedule.Warrant, "Tells a person's apps when somebody publishes, who need not be a contact.")
	subscriptions.Tables = []string{"pubsub_subscription"}
	subscriptions.Erase = func(ctx context.Context, tx *store.Tx, account string) error {
		_, err := tx.Exec(ctx, `DELETE FROM pubsub_subscription WHERE account = $1 OR subscriber = $1`, account)
		return err
	}
	subscriptions.Fields = []schedule.Field{
		{Name: "since", Meaning: "when the app subscribed"},
		{Name: "account", Meaning: "whose published data"},
		{Name: "node", Meaning: "which of them"},
	}
	subscriptions.Export = records.ExportRows(`SELECT created, account, node FROM pubsub_subscription WHERE subscriber = $1 ORDER BY account, node, jid`,
		records.Time, records.Text, records.Text)
	keys := kept("device-keys", schedule.Ciphertext, schedule.Never, "Lets contacts encrypt to each of a person's devices.")
	keys.Never = "They are keys of the encryption that people use; they are no records of use."
	keys.Fields = []schedule.Field{
		{Name: "devices", Meaning: "the list of the account's encrypting devices"},
		{Name: "bundles", Meaning: "the public keys of each"},
	}
	return []records.Datum{profile, bookmarks, other, subscriptions, keys}
}

// pages calls f for each link in a list of bookmarks (XEP-0048 §2.2). Its rooms stand in the other node too.
func pages(payload []byte, f func(page string) error) error {
	el, err := xml.Parse(payload, NS)
	if err != nil {
		return err
	}
	for _, u := range el.All(storageNode, "url") {
		if err := f(u.Attr("url")); err != nil {
			return err
		}
	}
	return nil
}

func erase(ctx context.Context, tx *store.Tx, account string) error {
	if _, err := tx.Exec(ctx, `DELETE FROM pubsub_item WHERE account = $1`, account); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM pubsub_node WHERE account = $1`, account)
	return err
}
