package archive

import (
	"context"
	"errors"
	"fmt"

	"writ/store"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// Look reads one message of an archive; ErrNotFound if it is not there.
func (a *Archive) Look(ctx context.Context, account jid.JID, id int64) (Item, error) {
	p, err := a.Page(ctx, account, Query{IDs: []int64{id}})
	switch {
	case errors.Is(err, ErrNotFound):
		return Item{}, ErrNotFound
	case err != nil:
		return Item{}, err
	case len(p.Items) == 0:
		return Item{}, ErrNotFound
	}
	return p.Items[0], nil
}

// Replace puts another stanza in the place of a message of an archive that has no other owner: the tombstone of one that was retracted
// (XEP-0424 §4). When it was sent, by whom and how large it was stays: the log tells of what happened, and a hold may need it.
func (a *Archive) Replace(ctx context.Context, tx *store.Tx, account jid.JID, id int64, s *stanza.Stanza) error {
	n, err := tx.Exec(ctx, `UPDATE archive_stanza SET stanza = $1 WHERE id = $2 AND recipient = $3 AND holds = 2`, s.AppendTo(nil, xml.Client), id, account.String())
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("archive: replacing a message: %w", err)
	}
	return nil
}
