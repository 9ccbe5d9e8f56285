package account_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"writ/account"
	"writ/passkey"
	"writ/records"
	"writ/schedule"
	"writ/store"
	"writ/store/storetest"
)

// always is a standing that forbids nothing: these tests extract nothing by grant.
type always struct{}

func (always) Allows(context.Context, store.Reader, records.Grant) error { return nil }

// lines is a sink that writes each row as text.
type lines struct{ strings.Builder }

func (l *lines) Begin(_ context.Context, account string, d schedule.Datum) error {
	fmt.Fprintf(l, "# %s of %s\n", d.Name, account)
	return nil
}

func (l *lines) Row(values []any) error {
	for i, v := range values {
		if t, ok := v.(time.Time); ok {
			v = t.Format("15:04")
		}
		if i > 0 {
			l.WriteString(" | ")
		}
		fmt.Fprint(l, v)
	}
	l.WriteByte('\n')
	return nil
}

func (l *lines) End(int64) error { return nil }

// What the room declares is what it keeps: every table is named, a person sees their own rows, deletion and the sweep leave nothing.
func TestDeclaredRecords(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a, c := open(t, db)
		storetest.Migrate(t, db, append(records.Schemas(), account.Schema())...)
		p, err := passkey.Open(db, passkey.Config{RPID: "localhost", Origins: []string{"http://localhost"}}, c)
		if err != nil {
			t.Fatal(err)
		}
		r, err := records.New(records.Deps{DB: db, Clock: c, Log: slog.New(slog.DiscardHandler), Config: records.Defaults(), Verifier: p, Standing: always{}})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Declare(records.Room{Name: "account", Tables: true, Data: a.Data()}); err != nil {
			t.Fatal(err)
		}
		if err := r.Check(ctx); err != nil {
			t.Fatal(err)
		}
		a.OnErase(r.Keeper.Erase, r.Keeper.Awaited)
		alice := create(t, a, "alice")
		if err := db.Write(ctx, func(tx *store.Tx) error {
			return a.Seen(ctx, tx, alice, account.Device{ID: "phone", Software: "Dino", Model: "PC"})
		}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := a.Invite(ctx, account.Invitation{By: alice, Note: "bob"}); err != nil {
			t.Fatal(err)
		}
		c.Advance(time.Hour)
		var got lines
		if err := r.Keeper.Own(ctx, alice.String(), &got); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			"# subscribers of alice@example.org\nalice@example.org | The alice | 12:00 |  | <nil> | <nil> | <nil>\n",
			"# devices of alice@example.org\nphone | Dino | PC | 12:00 | 12:00 | <nil>\n",
			"# invitations of alice@example.org\nbob | 12:00 | 12:00 | 1 | <nil> | true | false | \n",
		} {
			if !strings.Contains(got.String(), want) {
				t.Errorf("missing %q in\n%s", want, got.String())
			}
		}
		if strings.Contains(got.String(), "verifiers") {
			t.Error("credentials are shown")
		}
		count := func(table string) (n int) {
			t.Helper()
			if err := db.QueryRow(ctx, `SELECT COUNT(*) FROM `+table).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		if _, _, err := a.Invite(ctx, account.Invitation{Expires: c.Now().Add(time.Minute)}); err != nil {
			t.Fatal(err)
		}
		c.Advance(2 * time.Hour) // an hour after its end: someone may still be filling in the form
		if _, err := r.Keeper.Sweep(ctx); err != nil || count("account_invite") != 1 {
			t.Errorf("the sweep leaves %d invitations, %v; want 1", count("account_invite"), err)
		}
		if err := a.Delete(ctx, alice); err != nil {
			t.Fatal(err)
		}
		for _, table := range []string{"account_user", "account_credential", "account_device", "account_invite"} {
			if n := count(table); n != 0 {
				t.Errorf("%s: %d rows left", table, n)
			}
		}
	})
}
