package offline

import (
	"context"

	"writ/records"
	"writ/schedule"
	"writ/store"
)

// log is what the store says of a message while it waits.
func (o *Offline) log() records.Datum {
	erase := records.EraseRows(schedule.MessageLog, "offline_message", "account", "sender")
	return records.Datum{
		Datum: schedule.Datum{
			Name:     "waiting-messages",
			Category: schedule.MessageLog,
			Tables:   []string{"offline_message"},
			Fields: []schedule.Field{
				{Name: "time", Meaning: "When the server took the message."},
				{Name: "from", Meaning: "The account that sent it."},
				{Name: "size", Meaning: "The bytes of its content, encrypted or not."},
				{Name: "kind", Meaning: "What it is for, as in the message log."},
			},
			Time:      "time",
			Purpose:   "A message waits for an account that is not online, until it is delivered.",
			Retention: "offline",
			Process:   schedule.CourtOrder,
		},
		Export: records.ExportRows(`SELECT at, sender, size, kind FROM offline_message WHERE account = $1 AND at >= $2 AND at < $3 AND NOT given ORDER BY id`,
			records.Time, records.Text, records.Number, records.Text),
		Erase: func(ctx context.Context, tx *store.Tx, account string) error {
			tx.AfterCommit(o.forgetCounts)
			return erase(ctx, tx, account)
		},
		Sweep: records.SweepRows(schedule.MessageLog, "offline_message", "at", "account"),
	}
}

func (o *Offline) forgetCounts() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.counts)
}

// ciphertext is what stands in the same rows and is never produced.
func ciphertext() records.Datum {
	return records.Datum{Datum: schedule.Datum{
		Name:      "waiting-stanzas",
		Category:  schedule.Ciphertext,
		Fields:    []schedule.Field{{Name: "stanza", Meaning: "The message that waits: ciphertext, and what the app added to it in clear."}},
		Purpose:   "A message waits for an account that is not online, until it is delivered.",
		Retention: "offline",
		Process:   schedule.Never,
		Never:     "The server cannot read it. It is shown to nobody but the account's own apps.",
	}}
}
