package account

import (
	"context"
	"fmt"
	"time"

	"writ/records"
	"writ/schedule"
	"writ/store"
	"writ/xmpp/jid"
)

// Ending says whose sessions must end, and that a sign-in which began before must not succeed.
type Ending struct {
	Account jid.JID
	Device  string // of this device alone; empty: all
	Later   bool   // a session of the account asked for it, and ends the others itself when it has its answer
}

// end has sessions end once the transaction is durable. The process that serves them does it at once; another one, an
// administrator's command, leaves a row in the same transaction, which the serving process takes (TakeEnded).
func (a *Accounts) end(ctx context.Context, tx *store.Tx, e Ending) error {
	e.Later = ctx.Value(answering{}) != nil
	if a.o.Ended != nil {
		tx.AfterCommit(func() { a.o.Ended(e) })
		return nil
	}
	if e.Later {
		return nil
	}
	_, err := tx.Exec(ctx, `INSERT INTO account_ended (account, at) VALUES ($1, $2)`, e.Account.String(), store.Time(a.o.Clock.Now()))
	return err
}

type answering struct{}

// Answering is a context for a change that a session of the account asks for itself: the caller ends the sessions, once the session
// has its answer. Without it they would end with the commit, before the answer.
func Answering(ctx context.Context) context.Context {
	return context.WithValue(ctx, answering{}, true)
}

// TakeEnded takes the accounts whose sessions must end because another process disabled or deleted them or changed their
// password. The serving process asks every second or so. Each is given once; whoever dies after taking has no session left either.
func (a *Accounts) TakeEnded(ctx context.Context) ([]jid.JID, error) {
	var some bool
	err := a.o.DB.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM account_ended)`).Scan(&some)
	if err != nil || !some {
		return nil, wrapEnded(err)
	}
	var out []jid.JID
	err = a.o.DB.Write(ctx, func(tx *store.Tx) (err error) {
		out, err = store.Column[jid.JID](ctx, tx, "account: taking ended accounts", `DELETE FROM account_ended RETURNING account`)
		return err
	})
	return out, wrapEnded(err)
}

func wrapEnded(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("account: taking ended accounts: %w", err)
}

// endings is not erased with its account: the row is what ends the sessions of an erased one.
func endings() records.Datum {
	return records.Datum{
		Datum: schedule.Datum{
			Name: "ended-sessions", Category: schedule.Credentials, Tables: []string{"account_ended"},
			Fields: []schedule.Field{
				{Name: "account", Meaning: "The account whose sessions an administrator's command has ended."},
				{Name: "at", Meaning: "When."},
			},
			Purpose:   "So that the running server ends the sessions; a row is taken within seconds, and lasts an hour at most.",
			Retention: schedule.Expiry, Process: schedule.Never, Never: schedule.Credentials.Info().Never,
		},
		Sweep: records.SweepOlder("account_ended", time.Hour),
	}
}
