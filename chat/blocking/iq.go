package blocking

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"

	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// get answers with the list (XEP-0191 §3.2); from then on the session gets the changes.
func (b *Blocking) get(ctx context.Context, r *feature.Request) (feature.Reply, error) {
	if r.Session != nil {
		r.Session.Blocklist.Store(true) // before the list is read: a change in between is told twice rather than not at all
	}
	l, err := b.list(ctx, r.From.Bare())
	if err != nil {
		return feature.Reply{}, err
	}
	return feature.Reply{Payload: items("blocklist", sorted(l))}, nil
}

// block adds to the list (XEP-0191 §3.3).
func (b *Blocking) block(ctx context.Context, r *feature.Request) (feature.Reply, error) {
	asked, err := parse(r)
	if err != nil {
		return feature.Reply{}, err
	}
	if len(asked) == 0 {
		return feature.Reply{}, stanza.BadRequest("a block names at least one address")
	}
	account := r.From.Bare()
	old, err := b.list(ctx, account)
	if err != nil {
		return feature.Reply{}, err
	}
	err = b.change(ctx, account, func(tx *store.Tx) error {
		for _, j := range asked {
			if _, err := tx.Exec(ctx, `INSERT INTO blocking_item (account, blocked) VALUES ($1, $2) ON CONFLICT DO NOTHING`, account.String(), j.String()); err != nil {
				return err
			}
		}
		var n int
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM blocking_item WHERE account = $1`, account.String()).Scan(&n); err != nil {
			return err
		}
		if n > b.c.Max {
			return stanza.ResourceConstraint(fmt.Sprintf("an account may block %d addresses", b.c.Max))
		}
		return nil
	})
	if err != nil {
		return feature.Reply{}, err
	}
	for _, j := range asked {
		if _, ok := old[j]; !ok {
			b.coverer.Cover(ctx, account, j)
		}
	}
	return feature.Reply{Then: func() { b.push(account, items("block", asked)) }}, nil
}

// unblock takes from the list, or empties it (XEP-0191 §3.4, §3.5).
func (b *Blocking) unblock(ctx context.Context, r *feature.Request) (feature.Reply, error) {
	asked, err := parse(r)
	if err != nil {
		return feature.Reply{}, err
	}
	account := r.From.Bare()
	old, err := b.list(ctx, account)
	if err != nil {
		return feature.Reply{}, err
	}
	lifted := asked
	if len(asked) == 0 {
		lifted = sorted(old)
	}
	err = b.change(ctx, account, func(tx *store.Tx) error {
		for _, j := range lifted {
			if _, err := tx.Exec(ctx, `DELETE FROM blocking_item WHERE account = $1 AND blocked = $2`, account.String(), j.String()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return feature.Reply{}, err
	}
	return feature.Reply{Then: func() {
		b.push(account, items("unblock", asked))
		for _, j := range lifted {
			if _, ok := old[j]; ok {
				b.coverer.Uncover(ctx, account, j)
			}
		}
	}}, nil
}

// change writes, and takes the new list into use in the order of the commits.
func (b *Blocking) change(ctx context.Context, account jid.JID, f func(tx *store.Tx) error) error {
	err := b.DB.Write(ctx, func(tx *store.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		l, err := read(ctx, tx, account)
		tx.AfterCommit(func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.changes++
			b.lists[account] = l
		})
		return err
	})
	if err == nil {
		return nil
	}
	var se *stanza.Error
	if errors.As(err, &se) {
		return se
	}
	return fmt.Errorf("blocking: changing: %w", err)
}

// push tells the sessions that have asked for the list (XEP-0191 §3.3).
func (b *Blocking) push(account jid.JID, payload []byte) {
	for _, s := range b.Router.Sessions(account) {
		if s.Blocklist.Load() {
			s.Out.Push(stanza.New(stanza.IQ, stanza.Set, account, s.JID, rand.Text(), payload))
		}
	}
}

// maxItems bounds one command; a longer one is refused before anything is done.
const maxItems = 1000

func parse(r *feature.Request) ([]jid.JID, error) {
	all := r.Payload.All(Space, "item")
	if len(all) > maxItems {
		return nil, stanza.NotAcceptable(fmt.Sprintf("%d addresses at once, at most %d are allowed", len(all), maxItems))
	}
	var l []jid.JID
	for _, e := range all {
		j, err := jid.Parse(e.Attr("jid"))
		if err != nil {
			return nil, stanza.JIDMalformed("an item has no jid that is an address")
		}
		if j.Bare() == r.From.Bare() {
			return nil, stanza.NotAllowed("an account cannot block itself")
		}
		if !slices.Contains(l, j) {
			l = append(l, j)
		}
	}
	return l, nil
}

func items(name string, l []jid.JID) []byte {
	var b xml.Builder
	b.Start(Space, name)
	for _, j := range l {
		b.Empty("", "item", "jid", j.String())
	}
	return b.Bytes()
}

func sorted(l list) []jid.JID {
	out := make([]jid.JID, 0, len(l))
	for j := range l {
		out = append(out, j)
	}
	slices.SortFunc(out, func(a, b jid.JID) int { return strings.Compare(a.String(), b.String()) })
	return out
}
