package pubsub

import (
	"context"
	"errors"
	"fmt"
	"time"

	"writ/store"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
)

// maxNodes is the most nodes of one account: each OMEMO device has one, and each kind of private data.
const maxNodes = 500

type node struct {
	name string
	config
}

type item struct {
	seq     int64
	id      string
	payload []byte // the one child of <item/>, as published
}

const nodeColumns = `node, title, kind, access, persist, max_items, send_last, payloads, retracts, deletes`

func scanNode(row store.Scanner, more ...any) (*node, error) {
	n := &node{}
	to := []any{&n.name, &n.title, &n.kind, &n.access, &n.persist, &n.maxItems, &n.sendLast, &n.payloads, &n.retracts, &n.deletes}
	return n, row.Scan(append(to, more...)...)
}

// loadNode returns nil if the account has no such node.
func loadNode(ctx context.Context, r store.Reader, account jid.JID, name string) (*node, error) {
	n, err := scanNode(r.QueryRow(ctx, `SELECT `+nodeColumns+` FROM pubsub_node WHERE account = $1 AND node = $2`, account.String(), name))
	if errors.Is(err, store.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("pubsub: reading a node: %w", err)
	}
	return n, nil
}

// nodes lists an account's nodes by name.
func nodes(ctx context.Context, r store.Reader, account jid.JID) ([]*node, error) {
	return store.List(ctx, r, "pubsub: listing nodes", func(row store.Scanner) (*node, error) { return scanNode(row) },
		`SELECT `+nodeColumns+` FROM pubsub_node WHERE account = $1 ORDER BY node`, account.String())
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// saveNode makes or changes a node.
func saveNode(ctx context.Context, tx *store.Tx, account jid.JID, n *node, now time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO pubsub_node (account, `+nodeColumns+`, created)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (account, node) DO UPDATE SET title = excluded.title, kind = excluded.kind, access = excluded.access,
			persist = excluded.persist, max_items = excluded.max_items, send_last = excluded.send_last,
			payloads = excluded.payloads, retracts = excluded.retracts, deletes = excluded.deletes`,
		account.String(), n.name, n.title, n.kind, n.access, flag(n.persist), n.maxItems, n.sendLast,
		flag(n.payloads), flag(n.retracts), flag(n.deletes), store.Time(now))
	if err != nil {
		return fmt.Errorf("pubsub: saving a node: %w", err)
	}
	return trim(ctx, tx, account, n)
}

// createNode is saveNode for a node that is not there yet; it keeps the number of nodes bounded.
func createNode(ctx context.Context, tx *store.Tx, account jid.JID, n *node, now time.Time) error {
	var have int
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM pubsub_node WHERE account = $1`, account.String()).Scan(&have); err != nil {
		return fmt.Errorf("pubsub: counting nodes: %w", err)
	}
	if have >= maxNodes {
		return stanza.PolicyViolation(fmt.Sprintf("an account may have at most %d nodes", maxNodes))
	}
	return saveNode(ctx, tx, account, n, now)
}

func deleteNode(ctx context.Context, tx *store.Tx, account jid.JID, name string) error {
	if err := purge(ctx, tx, account, name); err != nil {
		return err
	}
	for _, text := range []string{
		`DELETE FROM pubsub_subscription WHERE account = $1 AND node = $2`,
		`DELETE FROM pubsub_node WHERE account = $1 AND node = $2`,
	} {
		if _, err := tx.Exec(ctx, text, account.String(), name); err != nil {
			return fmt.Errorf("pubsub: deleting a node: %w", err)
		}
	}
	return nil
}

func purge(ctx context.Context, tx *store.Tx, account jid.JID, name string) error {
	if _, err := tx.Exec(ctx, `DELETE FROM pubsub_item WHERE account = $1 AND node = $2`, account.String(), name); err != nil {
		return fmt.Errorf("pubsub: purging a node: %w", err)
	}
	return nil
}

// putItem stores an item as the newest, in place of one with the same id, and lets the oldest go.
func putItem(ctx context.Context, tx *store.Tx, account jid.JID, n *node, i item, now time.Time) error {
	if err := setItem(ctx, tx, account, n, i, now); err != nil {
		return err
	}
	return trim(ctx, tx, account, n)
}

// setItem is putItem without letting go: who stores many trims once.
func setItem(ctx context.Context, tx *store.Tx, account jid.JID, n *node, i item, now time.Time) error {
	if _, err := deleteItem(ctx, tx, account, n.name, i.id); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO pubsub_item (account, node, item, payload, published) VALUES ($1, $2, $3, $4, $5)`,
		account.String(), n.name, i.id, i.payload, store.Time(now))
	if err != nil {
		return fmt.Errorf("pubsub: storing an item: %w", err)
	}
	return nil
}

// trim deletes what is older than the newest max_items.
func trim(ctx context.Context, tx *store.Tx, account jid.JID, n *node) error {
	_, err := tx.Exec(ctx, `DELETE FROM pubsub_item WHERE account = $1 AND node = $2 AND seq <=
		(SELECT seq FROM pubsub_item WHERE account = $1 AND node = $2 ORDER BY seq DESC LIMIT 1 OFFSET $3)`,
		account.String(), n.name, n.maxItems)
	if err != nil {
		return fmt.Errorf("pubsub: trimming a node: %w", err)
	}
	return nil
}

func deleteItem(ctx context.Context, tx *store.Tx, account jid.JID, name, id string) (bool, error) {
	n, err := tx.Exec(ctx, `DELETE FROM pubsub_item WHERE account = $1 AND node = $2 AND item = $3`, account.String(), name, id)
	if err != nil {
		return false, fmt.Errorf("pubsub: deleting an item: %w", err)
	}
	return n > 0, nil
}

// items are the newest n of a node, oldest first; all if n is 0.
func items(ctx context.Context, r store.Reader, account jid.JID, name string, n int) ([]item, error) {
	if n <= 0 {
		n = maxItems
	}
	return store.List(ctx, r, "pubsub: reading items", func(row store.Scanner) (i item, err error) {
		return i, row.Scan(&i.seq, &i.id, &i.payload)
	}, `SELECT seq, item, payload FROM (SELECT seq, item, payload FROM pubsub_item
		WHERE account = $1 AND node = $2 ORDER BY seq DESC LIMIT $3) AS newest ORDER BY seq`, account.String(), name, n)
}

// itemByID is nil if there is none of that id.
func itemByID(ctx context.Context, r store.Reader, account jid.JID, name, id string) (*item, error) {
	i := item{id: id}
	err := r.QueryRow(ctx, `SELECT seq, payload FROM pubsub_item WHERE account = $1 AND node = $2 AND item = $3`,
		account.String(), name, id).Scan(&i.seq, &i.payload)
	if errors.Is(err, store.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("pubsub: reading an item: %w", err)
	}
	return &i, nil
}

// newest is the last item of a node, with its owner.
type newest struct {
	account jid.JID
	node    *node
	item
}

// lastItems are the newest items of the accounts' nodes that are sent to newcomers, of the given access models.
// One query serves up to 100 accounts, so that a login costs few of them.
func lastItems(ctx context.Context, r store.Reader, accounts []jid.JID, access ...string) ([]newest, error) {
	var all []newest
	for len(accounts) > 0 {
		part := accounts[:min(100, len(accounts))]
		accounts = accounts[len(part):]
		args := make([]any, 0, len(part)+len(access))
		for _, a := range part {
			args = append(args, a.String())
		}
		for _, a := range access {
			args = append(args, a)
		}
		err := store.Each(ctx, r, "pubsub: reading last items", func(row store.Scanner) (err error) {
			var l newest
			l.node, err = scanNode(row, &l.account, &l.seq, &l.id, &l.payload)
			all = append(all, l)
			return err
		}, `SELECT n.node, n.title, n.kind, n.access, n.persist, n.max_items, n.send_last, n.payloads, n.retracts,
				n.deletes, n.account, i.seq, i.item, i.payload
			FROM pubsub_node n JOIN pubsub_item i ON i.account = n.account AND i.node = n.node AND i.seq =
				(SELECT MAX(seq) FROM pubsub_item l WHERE l.account = n.account AND l.node = n.node)
			WHERE n.account IN `+store.In(1, len(part))+` AND n.access IN `+store.In(len(part)+1, len(access))+`
				AND n.send_last = 'on_sub_and_presence'`, args...)
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}
