package c2s

import (
	"embed"

	"writ/records"
	"writ/schedule"
	"writ/store"
)

//go:embed schema
var schema embed.FS

// Schema is the room's migrations.
func Schema() store.Schema { return store.Schema{Room: "c2s", FS: schema} }

// Data declares what the room keeps about people: sessions, between the stop of the server and its next start.
func Data() []records.Datum {
	const purpose = "An app that lost its connection goes on where it was, also over a restart of the server. The rows are there only while the server does not run, and for a day after the session's end at most."
	return []records.Datum{
		{
			Datum: schedule.Datum{
				Name: "lost-sessions", Category: schedule.Credentials, Tables: []string{"c2s_session"},
				Fields: []schedule.Field{
					{Name: "token", Meaning: "The hash of the secret by which the app takes the session up."},
					{Name: "account", Meaning: "The account."},
					{Name: "state", Meaning: "The address of the session, its counters, its end, its presence, and what the app had switched on."},
				},
				Purpose: purpose, Retention: schedule.Expiry, Process: schedule.Never, Never: schedule.Credentials.Info().Never,
			},
			Erase: records.EraseRows(schedule.Credentials, "c2s_session", "account"),
			Sweep: records.SweepRows(schedule.Credentials, "c2s_session", "forgot", "account"),
		},
		{
			Datum: schedule.Datum{
				Name: "lost-session-stanzas", Category: schedule.Ciphertext, Tables: []string{"c2s_waiting"},
				Fields: []schedule.Field{
					{Name: "account", Meaning: "The account that the stanza is for."},
					{Name: "sender", Meaning: "The account that sent it."},
					{Name: "at", Meaning: "When it was to be delivered."},
					{Name: "stanza", Meaning: "What the app has not acknowledged: ciphertext, presence, and what apps add in clear."},
				},
				Purpose: purpose, Retention: schedule.Expiry, Process: schedule.Never, Never: schedule.Ciphertext.Info().Never,
			},
			Erase: records.EraseRows(schedule.Ciphertext, "c2s_waiting", "account", "sender"),
			Sweep: records.SweepRows(schedule.Ciphertext, "c2s_waiting", "forgot", "account"),
		},
	}
}
