package account

import (
	"context"
	"fmt"
	"time"

	"writ/records"
	"writ/schedule"
	"writ/store"
)

// Data declares what the room keeps about people.
func (a *Accounts) Data() []records.Datum {
	return []records.Datum{subscribers(), devices(), invitations(), credentials(), tokens(), endings()}
}

func subscribers() records.Datum {
	return records.Datum{
		Datum: schedule.Datum{
			Name: "subscribers", Category: schedule.Subscriber, Tables: []string{"account_user"},
			Fields: []schedule.Field{
				{Name: "account", Meaning: "The address of the account."},
				{Name: "name", Meaning: "The display name, if the person gave one."},
				{Name: "created", Meaning: "When the account was made."},
				{Name: "invited_by", Meaning: "The account whose invitation made it; empty if it was the operator's.", Process: schedule.Warrant},
				{Name: "disabled", Meaning: "Since when the operator bars it from signing in.", Process: schedule.CourtOrder},
				{Name: "deleted", Meaning: "When it was deleted, if a preservation keeps it from being erased."},
				{Name: "operator", Meaning: "Since when it may run the operator's commands.", Process: schedule.CourtOrder},
			},
			Purpose: "So that the account is there.", Retention: schedule.Account, Process: schedule.Subpoena,
		},
		Export: records.ExportRows(`SELECT account, name, created, invited_by, disabled, deleted, operator FROM account_user WHERE account = $1`,
			records.Text, records.Text, records.Time, records.Text, records.Moment, records.Moment, records.Moment),
		Erase: func(ctx context.Context, tx *store.Tx, account string) error {
			if _, err := tx.Exec(ctx, `UPDATE account_user SET invited_by = '' WHERE invited_by = $1`, account); err != nil {
				return fmt.Errorf("account: erasing an inviter: %w", err)
			}
			return records.EraseRows(schedule.Subscriber, "account_user", "account")(ctx, tx, account)
		},
	}
}

func devices() records.Datum {
	return records.Datum{
		Datum: schedule.Datum{
			Name: "devices", Category: schedule.Device, Tables: []string{"account_device"},
			Fields: []schedule.Field{
				{Name: "device", Meaning: "The identifier that the app made for itself."},
				{Name: "software", Meaning: "The software that the app says it is."},
				{Name: "model", Meaning: "The device that the app says it runs on."},
				{Name: "first_used", Meaning: "When it first signed in."},
				{Name: "last_used", Meaning: "When it last signed in."},
				{Name: "password_used", Meaning: "When it last signed in with the password that is in force; empty: with a token alone."},
			},
			Purpose: "So that a person sees which apps are signed in to the account.", Retention: schedule.Account, Process: schedule.CourtOrder,
		},
		Export: records.ExportRows(`SELECT id, software, model, first_seen, last_seen, password FROM account_device WHERE account = $1 ORDER BY first_seen, id`,
			records.Text, records.Text, records.Text, records.Time, records.Time, records.Moment),
		Erase: records.EraseRows(schedule.Device, "account_device", "account"),
	}
}

func invitations() records.Datum {
	sweep := records.SweepRows(schedule.Subscriber, "account_invite", "expires", "invited_by")
	return records.Datum{
		Datum: schedule.Datum{
			Name: "invitations", Category: schedule.Subscriber, Tables: []string{"account_invite"},
			Fields: []schedule.Field{
				{Name: "note", Meaning: "What the inviter noted."},
				{Name: "created", Meaning: "When the invitation was made."},
				{Name: "expires", Meaning: "When it ends."},
				{Name: "uses_left", Meaning: "How often it can still be used."},
				{Name: "revoked", Meaning: "When it was taken back."},
				{Name: "account", Meaning: "Whether it makes an account."},
				{Name: "contact", Meaning: "Whether it makes the inviter a contact of who uses it."},
				{Name: "name", Meaning: "The name that it keeps free for the account, if it does."},
			},
			Time:    "created",
			Purpose: "So that people can register and find each other; a row is deleted within hours of the invitation's end.", Retention: schedule.Expiry, Process: schedule.Subpoena,
		},
		Export: records.ExportRows(`SELECT note, created, expires, uses, revoked, makes_account <> 0, contact <> 0, local FROM account_invite
			WHERE invited_by = $1 AND created >= $2 AND created < $3 ORDER BY created, id`,
			records.Text, records.Time, records.Time, records.Number, records.Moment, records.Flag, records.Flag, records.Text),
		Erase: records.EraseRows(schedule.Subscriber, "account_invite", "invited_by"),
		Sweep: func(ctx context.Context, tx *store.Tx, before time.Time, held func(string) bool) (int64, error) {
			return sweep(ctx, tx, before.Add(-patience), held)
		},
	}
}

// patience is how long an invitation that has ended is kept for someone who showed it in time and is still filling in the form
// (XEP-0445 §4).
const patience = time.Hour

func credentials() records.Datum {
	return records.Datum{
		Datum: schedule.Datum{
			Name: "verifiers", Category: schedule.Credentials, Tables: []string{"account_credential", "account_secret"},
			Fields: []schedule.Field{
				{Name: "hash", Meaning: "Which of the three hashes the verifier is made with."},
				{Name: "salt", Meaning: "Random bytes that make two people with one password differ."},
				{Name: "iterations", Meaning: "How often the hash is repeated."},
				{Name: "stored_key", Meaning: "What a sign-in is checked against; the password cannot be read from it."},
				{Name: "server_key", Meaning: "With what the server proves itself to the app."},
			},
			Purpose: "To check sign-ins without keeping the password.", Retention: schedule.Account, Process: schedule.Never,
			Never: schedule.Credentials.Info().Never,
		},
		Erase: records.EraseRows(schedule.Credentials, "account_credential", "account"),
	}
}

func tokens() records.Datum {
	return records.Datum{
		Datum: schedule.Datum{
			Name: "tokens", Category: schedule.Credentials, Tables: []string{"account_token"},
			Fields: []schedule.Field{
				{Name: "device", Meaning: "The device that signs in with it."},
				{Name: "slot", Meaning: "Whether it is in use or its successor."},
				{Name: "mechanism", Meaning: "The one mechanism that it serves."},
				{Name: "nonce", Meaning: "The number that it is made of, together with a key of the server; neither is a token."},
				{Name: "issued", Meaning: "When it was made."},
				{Name: "expires", Meaning: "When it ends."},
				{Name: "count", Meaning: "How often the device says that it has used it."},
			},
			Purpose: "So that an app signs in without keeping the password; ended by signing the device out, or by a new password.", Retention: schedule.Expiry,
			Process: schedule.Never, Never: schedule.Credentials.Info().Never,
		},
		Erase: records.EraseRows(schedule.Credentials, "account_token", "account"),
		Sweep: records.SweepRows(schedule.Credentials, "account_token", "expires", "account"),
	}
}
