package archive

import (
	"context"
	"fmt"

	"writ/records"
	"writ/schedule"
	"writ/store"
	"writ/xmpp/jid"
)

var senderUnheld = records.Unheld("archive_stanza", 1, "sender")

// Drop deletes the archive of a room that is destroyed: whoever takes the room's name finds nothing. What is held for its sender stays until the
// hold ends, in no archive.
func (a *Archive) Drop(ctx context.Context, tx *store.Tx, room jid.JID) error {
	ids, err := mentions(ctx, tx, room.String())
	if err != nil {
		return err
	}
	for len(ids) > 0 {
		n := min(len(ids), piece)
		args := []any{string(schedule.MessageLog), room.String()}
		for _, id := range ids[:n] {
			args = append(args, id)
		}
		ids = ids[n:]
		some := ` WHERE recipient = $2 AND id IN ` + store.In(3, n)
		if _, err := tx.Exec(ctx, `DELETE FROM archive_stanza`+some+` AND `+senderUnheld, args...); err != nil {
			return fmt.Errorf("archive: deleting the messages of a room: %w", err)
		}
		args[0] = int64(0)
		if _, err := tx.Exec(ctx, `UPDATE archive_stanza SET holds = $1`+some, args...); err != nil {
			return fmt.Errorf("archive: deleting the messages of a room: %w", err)
		}
	}
	tx.AfterCommit(func() { a.tail.forget(room) })
	if _, err := tx.Exec(ctx, `DELETE FROM archive_posting WHERE account = $1`, room.String()); err != nil {
		return fmt.Errorf("archive: deleting the messages of a room: %w", err)
	}
	return nil
}
