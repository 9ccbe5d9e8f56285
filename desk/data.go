package desk

import (
	"context"
	"fmt"
	"time"

	"writ/desk/diligence"
	"writ/desk/registry"
	"writ/desk/standing"
	"writ/records"
	"writ/schedule"
	"writ/store"
)

const neverProduced = "It is the house's own file about its work, not a record of a person's use of the service."

// Rooms declares what the desk and the rooms it is made of keep.
func Rooms() []records.Room {
	words := func(ds []schedule.Datum) []records.Datum {
		var out []records.Datum
		for _, d := range ds {
			out = append(out, records.Datum{Datum: d})
		}
		return out
	}
	return []records.Room{
		{Name: "desk", Tables: true, Data: Data()},
		{Name: "registry", Tables: true, Data: words(registry.Data())},
		{Name: "standing", Tables: true, Data: words(standing.Data())},
		{Name: "diligence", Tables: true, Data: words(diligence.Data())},
	}
}

// Data declares what the desk keeps.
func Data() []records.Datum {
	return []records.Datum{
		{Datum: schedule.Datum{Name: "case-files", Category: schedule.CaseFiles, Tables: []string{"desk_payload", "desk_key", "desk_document", "desk_chunk", "desk_outbox"},
			Fields: []schedule.Field{{Name: "request", Meaning: "What a legal request says: legal basis, reference, facts, the accounts named, the window."},
				{Name: "talk", Meaning: "What desk and requester wrote to each other, and the notes of the staff."},
				{Name: "documents", Meaning: "The papers that came with it, and the package that was delivered."},
				{Name: "messages", Meaning: "What the person was told about it."}},
			Purpose:   "To answer a legal request, and to answer for the answer. Sealed with a key of the case, which is erased with it.",
			Retention: "cases", Process: schedule.Never, Never: neverProduced}, Sweep: sweep},
		{Datum: schedule.Datum{Name: "case-looks", Category: schedule.StaffActions, Tables: []string{"desk_look"},
			Fields: []schedule.Field{{Name: "person", Meaning: "Who of the staff looked at a case, by registry id."},
				{Name: "what", Meaning: "The case, or which document of it."}, {Name: "time", Meaning: "The first time within an hour."}},
			Purpose:   "So that nobody browses cases unseen: counsel, the human-rights lead and the executive see it on the case's page. It is erased with the case's file.",
			Retention: "cases", Process: schedule.Never, Never: neverProduced}, Sweep: sweepLooks},
		{Datum: schedule.Datum{Name: "case-events", Category: schedule.StaffActions, Tables: []string{"desk_event", "desk_case", "desk_team"},
			Fields: []schedule.Field{{Name: "event", Meaning: "What happened to a case, when, by whom of the desk or which officer, by registry id; no personal text."},
				{Name: "case", Meaning: "Service, jurisdiction, instrument, agency, how many accounts, state and terms of a case."}},
			Purpose:   "So that no request disappears and every count can be made again. Without the key nothing in it leads to a person who was asked about.",
			Retention: schedule.Permanent, Process: schedule.Never, Never: neverProduced}},
	}
}

// sweep erases key, payloads, documents and messages of the cases that ended before a time. The events stay: they hold no personal
// text, and without the key their commitments can no longer be opened.
func sweep(ctx context.Context, tx *store.Tx, before time.Time, _ func(string) bool) (int64, error) {
	ids, err := store.Column[any](ctx, tx, "desk: finding old cases",
		`SELECT c.id FROM desk_case c JOIN desk_key k ON k.case_id = c.id WHERE c.ended <> 0 AND c.ended < $1 ORDER BY c.id LIMIT 200`, store.Time(before))
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	in := store.In(1, len(ids))
	for _, q := range []string{
		`DELETE FROM desk_chunk WHERE document IN (SELECT id FROM desk_document WHERE case_id IN ` + in + `)`,
		`DELETE FROM desk_document WHERE case_id IN ` + in, `DELETE FROM desk_payload WHERE case_id IN ` + in,
		`DELETE FROM desk_outbox WHERE case_id IN ` + in, `DELETE FROM desk_key WHERE case_id IN ` + in} {
		if _, err := tx.Exec(ctx, q, ids...); err != nil {
			return 0, fmt.Errorf("desk: erasing old cases: %w", err)
		}
	}
	return int64(len(ids)), nil
}
