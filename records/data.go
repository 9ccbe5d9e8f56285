package records

import (
	"context"
	"time"

	"writ/schedule"
	"writ/store"
)

// own is what this package itself keeps about people.
func (r *Records) own() []Datum {
	data := []Datum{signIns(), lastSeen(), calls(),
		{Datum: schedule.Datum{Name: "erased-accounts", Category: schedule.CaseFiles, Tables: []string{"records_erased"},
			Fields:  []schedule.Field{{Name: "account", Meaning: "An account that was erased while a preservation kept a part of its records."}, {Name: "time", Meaning: "When it was erased."}},
			Purpose: "To erase the rest when the preservation ends, and to keep the name from being given away until then.", Retention: schedule.Expiry,
			Process: schedule.Never, Never: schedule.CaseFiles.Info().Never},
			Sweep: func(ctx context.Context, tx *store.Tx, _ time.Time, _ func(string) bool) (int64, error) {
				return r.Keeper.finishErasures(ctx, tx)
			}},
		{Datum: schedule.Datum{Name: "preserved-copies", Category: schedule.CaseFiles, Tables: []string{"records_kept"},
			Fields:  []schedule.Field{{Name: "copy", Meaning: "What a preservation copied of an account's contacts, profile and other states, as the records of these categories say."}},
			Purpose: "To keep what its owner may change while the law asks that it be kept; deleted when the preservation ends.", Retention: schedule.Expiry,
			Process: schedule.Never, Never: "A copy is produced under the name of what it is a copy of, by a grant for that category."},
			Sweep: func(ctx context.Context, tx *store.Tx, _ time.Time, _ func(string) bool) (int64, error) {
				return tx.Exec(ctx, `DELETE FROM records_kept WHERE NOT EXISTS (SELECT 1 FROM gate_hold h WHERE h.id = records_kept.hold AND h.ended = 0)`)
			}},
		{Datum: schedule.Datum{Name: "record-schedules", Category: schedule.Impersonal, Tables: []string{"records_schedule", "records_pace"},
			Fields:  []schedule.Field{{Name: "version", Meaning: "A version of the record schedule and when it was first in force; when deleted rows were last removed from the files."}},
			Purpose: "To say later what was held at a time.", Retention: schedule.Permanent,
			Process: schedule.Never, Never: schedule.Impersonal.Info().Never}},
	}
	if r.places != nil {
		data = append(data, locations(r.places))
	}
	return data
}

func (r *Records) gateData() []Datum {
	grants := SweepRows(schedule.CaseFiles, "gate_grant", "proposed")
	extractions := SweepRows(schedule.CaseFiles, "gate_extraction", "began")
	return []Datum{
		{Datum: schedule.Datum{Name: "grants", Category: schedule.CaseFiles, Tables: []string{"gate_grant", "gate_signature", "gate_extraction"},
			Fields:  []schedule.Field{{Name: "grant", Meaning: "The scope of an extraction, who proposed and who signed it, and when it was run."}},
			Purpose: "To let nothing out that two people have not signed, and to prove it.", Retention: "cases",
			Process: schedule.Never, Never: schedule.CaseFiles.Info().Never},
			Sweep: func(ctx context.Context, tx *store.Tx, before time.Time, held func(string) bool) (int64, error) {
				n, err := grants(ctx, tx, before, held) // signatures go with their grant
				if err != nil || n > 0 {
					return n, err
				}
				return extractions(ctx, tx, before, held)
			}},
		{Datum: schedule.Datum{Name: "preservations", Category: schedule.CaseFiles, Tables: []string{"gate_hold", "gate_hold_account"},
			Fields:  []schedule.Field{{Name: "hold", Meaning: "Which accounts and categories a preservation keeps, for which case, until when, and when what it kept was deleted."}},
			Purpose: "To keep records from deletion while the law asks for it, and to prove that they were deleted after.", Retention: "cases",
			Process: schedule.Never, Never: schedule.CaseFiles.Info().Never},
			Sweep: func(ctx context.Context, tx *store.Tx, before time.Time, _ func(string) bool) (int64, error) {
				return tx.Exec(ctx, `DELETE FROM gate_hold WHERE ended <> 0 AND ended < $1 AND scrubbed <> 0`, store.Time(before))
			}},
	}
}

func signIns() Datum {
	return Datum{Datum: schedule.Datum{Name: "sign-ins", Category: schedule.SignIn, Tables: []string{"records_signin"}, Time: "time",
		Fields: []schedule.Field{
			{Name: "time", Meaning: "When an app signed in."},
			{Name: "ip", Meaning: "The IP address that the connection came from."},
			{Name: "port", Meaning: "The port of that address; several people can share an address."},
			{Name: "client", Meaning: "The software, as the app told.", Process: schedule.CourtOrder},
			{Name: "device", Meaning: "The device, as the app told.", Process: schedule.CourtOrder},
			{Name: "tls", Meaning: "The version of TLS.", Process: schedule.CourtOrder},
			{Name: "cipher", Meaning: "The cipher suite of the connection.", Process: schedule.CourtOrder},
			{Name: "mechanism", Meaning: "How the app proved who it is (SASL mechanism).", Process: schedule.CourtOrder},
		},
		Purpose: "To let people see who signed in to their account, and to find break-ins.", Retention: "sign-ins", Process: schedule.Subpoena},
		Sweep: SweepRows(schedule.SignIn, "records_signin", "at", "account"),
		Erase: EraseRows(schedule.SignIn, "records_signin", "account"),
		Export: ExportRows(`SELECT at, ip, port, client, device, tls, cipher, mechanism FROM records_signin
			WHERE account = $1 AND at >= $2 AND at < $3 ORDER BY at, id`, Time, Text, Number, Text, Text, Text, Text, Text)}
}

func locations(places *Places) Datum {
	return Datum{Datum: schedule.Datum{Name: "locations", Category: schedule.Location, Time: "time",
		Fields: []schedule.Field{
			{Name: "time", Meaning: "When an app signed in."},
			{Name: "ip", Meaning: "The IP address that the connection came from."},
			{Name: "country", Meaning: "The country that the file gives for the address (ISO 3166-1).", Derived: true},
			{Name: "region", Meaning: "The region that the file gives (ISO 3166-2), if it does.", Derived: true},
			{Name: "city", Meaning: "The city that the file gives, if it does.", Derived: true},
			{Name: "file_of", Meaning: "When the file was made that the address was looked up in.", Derived: true},
		},
		Purpose: "Nothing is kept: the place is looked up when it is asked for, from the addresses of the sign-ins.", Retention: "sign-ins", Process: schedule.CourtOrder},
		Export: func(ctx context.Context, o *Opened, emit func(...any) error) error {
			return store.Each(ctx, o, "records: reading sign-ins", func(row store.Scanner) error {
				var at int64
				var ip string
				if err := row.Scan(&at, &ip); err != nil {
					return err
				}
				p, ok := places.Lookup(ip)
				if !ok {
					return nil
				}
				return emit(store.FromTime(at), ip, p.Country, p.Region, p.City, places.Built())
			}, `SELECT at, ip FROM records_signin WHERE account = $1 AND at >= $2 AND at < $3 ORDER BY at, id`,
				o.Account(), store.Time(o.From()), store.Time(o.To()))
		}}
}

func lastSeen() Datum {
	return Datum{Datum: schedule.Datum{Name: "last-seen", Category: schedule.LastSeen, Tables: []string{"records_seen"},
		Fields:  []schedule.Field{{Name: "last_seen", Meaning: "When the account was last connected."}},
		Purpose: "To tell contacts when someone was last there, and to find accounts that nobody uses.", Retention: schedule.Account, Process: schedule.Subpoena},
		Erase:  EraseRows(schedule.LastSeen, "records_seen", "account"),
		Export: ExportRows(`SELECT at FROM records_seen WHERE account = $1`, Time)}
}

func calls() Datum {
	return Datum{Datum: schedule.Datum{Name: "calls", Category: schedule.CallLog, Tables: []string{"records_call"}, Time: "started",
		Fields: []schedule.Field{
			{Name: "started", Meaning: "When the app began to ring the other."},
			{Name: "from", Meaning: "Who called."},
			{Name: "to", Meaning: "Who was called."},
			{Name: "kind", Meaning: "audio or video, as the caller's app offered."},
			{Name: "answered", Meaning: "When it was answered; empty if it was not."},
			{Name: "ended", Meaning: "When it ended; empty if no app said."},
			{Name: "outcome", Meaning: "answered, declined, busy, cancelled, unanswered, failed, moved, unfinished; empty while it lasts."},
		},
		Purpose: "To let people see their calls on every device, and to find faults.", Retention: "calls", Process: schedule.CourtOrder},
		Sweep: SweepRows(schedule.CallLog, "records_call", "started", "a", "b"),
		Erase: EraseRows(schedule.CallLog, "records_call", "a", "b"),
		Export: func(ctx context.Context, o *Opened, emit func(...any) error) error {
			return store.Each(ctx, o, "records: reading calls", func(row store.Scanner) error {
				var c call
				if err := row.Scan(&c.id, &c.a, &c.b, &c.caller, &c.kind, &c.started, &c.proceeded, &c.answered, &c.ended, &c.outcome); err != nil {
					return err
				}
				return emit(store.FromTime(c.started), c.caller, c.callee(), c.kind, known(c.answered, c.proceeded), known(c.ended, 0), c.outcome)
			}, `SELECT id, a, b, caller, kind, started, proceeded, answered, ended, outcome FROM records_call WHERE a = $1 AND started >= $2 AND started < $3
				UNION ALL SELECT id, a, b, caller, kind, started, proceeded, answered, ended, outcome FROM records_call WHERE b = $1 AND a <> $1 AND started >= $2 AND started < $3
				ORDER BY started, id`, o.Account(), store.Time(o.From()), store.Time(o.To()))
		}}
}

// known is the first of two stored times that happened, nil if neither did.
func known(t, or int64) any {
	if t == 0 {
		t = or
	}
	return Moment.given(&t)
}
