package roster

import (
	"context"
	"time"

	"writ/records"
	"writ/schedule"
	"writ/store"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
)

// When an account ends, all its subscriptions do (XEP-0077 §3.2): contacts see it go and, on another server, forget it. It may be another process
// that erases it, an administrator's command, which speaks to nobody: so what is to be said is written down with the erasure, and the server that
// runs takes it: at its start, after an erasure of its own, and when it learns of one (Parted).

// farewell is one contact of an account that is gone.
type farewell struct {
	account, contact jid.JID
	state            State
	listed           bool
}

// part writes down who must be told that the account is gone, and forgets its contacts.
func (r *Roster) part(ctx context.Context, tx *store.Tx, account string) error {
	now := store.Time(r.Clock.Now())
	if _, err := tx.Exec(ctx, `INSERT INTO roster_farewell (account, contact, state, listed, at)
		SELECT account, contact, state, FALSE, $2 FROM roster_item WHERE account = $1 ON CONFLICT (account, contact) DO NOTHING`, account, now); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO roster_farewell (account, contact, state, listed, at)
		SELECT contact, account, 0, TRUE, $2 FROM roster_item WHERE contact = $1 AND listed
		ON CONFLICT (account, contact) DO UPDATE SET listed = TRUE`, account, now); err != nil {
		return err
	}
	// Others who list the account get a new version, as after a removal of their own.
	if _, err := tx.Exec(ctx, `UPDATE roster_version SET ver = ver + 1, removed = ver + 1
		WHERE account IN (SELECT account FROM roster_item WHERE contact = $1 AND listed)`, account); err != nil {
		return err
	}
	for _, text := range []string{
		`DELETE FROM roster_item WHERE account = $1`,
		`DELETE FROM roster_item WHERE contact = $1`,
		`DELETE FROM roster_version WHERE account = $1`,
	} {
		if _, err := tx.Exec(ctx, text, account); err != nil {
			return err
		}
	}
	tx.AfterCommit(r.Parted)
	return nil
}

// Parted has the room look whether an account was erased: another process may have done it.
func (r *Roster) Parted() {
	select {
	case r.gone <- struct{}{}:
	default: // a look is due already
	}
}

// leaving tells contacts of accounts that are gone until ctx ends.
func (r *Roster) leaving(ctx context.Context) {
	for {
		if err := r.farewells(ctx); err != nil && ctx.Err() == nil {
			r.Log.Error("telling contacts that an account is gone", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-r.gone:
		}
	}
}

// farewells says what is to be said. What the process takes and does not say, because it ends in between, is not said at all.
func (r *Roster) farewells(ctx context.Context) error {
	var some bool
	if err := r.DB.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM roster_farewell)`).Scan(&some); err != nil || !some {
		return err
	}
	var list []farewell
	err := r.DB.Write(ctx, func(tx *store.Tx) (err error) {
		list, err = store.List(ctx, tx, "roster: taking farewells", func(row store.Scanner) (f farewell, err error) {
			return f, row.Scan(&f.account, &f.contact, &f.state, &f.listed)
		}, `DELETE FROM roster_farewell RETURNING account, contact, state, listed`)
		return err
	})
	if err != nil {
		return err // they are there still
	}
	for _, f := range list {
		r.bid(ctx, f)
	}
	return nil
}

// bid tells one contact: unavailable before unsubscribed (RFC 6121 §3.2.2).
func (r *Roster) bid(ctx context.Context, f farewell) {
	send := func(t stanza.Type) {
		r.Router.Deliver(ctx, f.contact, stanza.New(stanza.Presence, t, f.account, f.contact, ""))
	}
	if f.state.Has(From) {
		send(stanza.Unavailable)
	}
	if r.Router.Local(f.contact) {
		if !f.listed {
			return
		}
		ver, _, err := r.version(ctx, r.DB, f.contact)
		if err != nil {
			r.Log.Error("telling contacts that an account is gone", "err", err)
			return
		}
		r.pushAll(f.contact, pushXML(Item{Contact: f.account}, ver, true))
		return
	}
	if f.state&(To|Out) != 0 {
		send(stanza.Unsubscribe)
	}
	if f.state&(From|In) != 0 {
		send(stanza.Unsubscribed)
	}
}

// farewellRows are erased with the contact, not with the account: they are what tells its contacts.
func farewellRows() records.Datum {
	return records.Datum{
		Datum: schedule.Datum{
			Name: "farewells", Category: schedule.Contacts, Tables: []string{"roster_farewell"},
			Fields: []schedule.Field{
				{Name: "account", Meaning: "An account that was erased."},
				{Name: "contact", Meaning: "Somebody who had it as a contact, or was one of it."},
				{Name: "state", Meaning: "Who saw whose presence."},
				{Name: "listed", Meaning: "The contact is of this server and had the account in its list."},
				{Name: "at", Meaning: "When it was erased."},
			},
			Purpose:   "So that contacts are told that the account is gone; a row is taken within seconds, and lasts an hour at most.",
			Retention: schedule.Expiry, Process: schedule.Never, Never: "The account is erased, and the row is gone when its contacts are told.",
		},
		Erase: records.EraseRows(schedule.Contacts, "roster_farewell", "contact"),
		Sweep: records.SweepOlder("roster_farewell", time.Hour),
	}
}
