package account_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"writ/account"
	"writ/clock"
	"writ/store"
	"writ/store/storetest"
	"writ/xmpp/jid"
	"writ/xmpp/sasl"
)

var (
	ctx    = context.Background()
	domain = jid.MustParse("example.org")
	start  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

// open gives the room on a database, with a clock that the test turns.
func open(t *testing.T, db *store.DB) (*account.Accounts, *clock.Fake) {
	t.Helper()
	storetest.Migrate(t, db, account.Schema())
	c := clock.NewFake(start)
	return account.Open(account.Options{DB: db, Domain: domain, Clock: c, Config: account.Config{Iterations: sasl.MinIterations}}), c
}

func create(t *testing.T, a *account.Accounts, name string) jid.JID {
	t.Helper()
	u, err := a.Create(ctx, account.New{Local: name, Password: "a long password", Name: "The " + name})
	if err != nil {
		t.Fatal(err)
	}
	return u.Account
}

// signIn runs PLAIN against the room.
func signIn(t *testing.T, a *account.Accounts, name, password string) error {
	t.Helper()
	secret, err := a.Secret(ctx, "sasl")
	if err != nil {
		t.Fatal(err)
	}
	s, err := sasl.New(sasl.Config{Domain: domain, Source: a, Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	e, err := s.Offer(true).Start("PLAIN")
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = e.Step(ctx, []byte("\x00"+name+"\x00"+password))
	return err
}

func TestLifeOfAnAccount(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a, c := open(t, db)
		alice := create(t, a, "Alice")
		if alice.String() != "alice@example.org" {
			t.Fatalf("address %s", alice)
		}
		u, err := a.Get(ctx, alice)
		if err != nil || u.Name != "The Alice" || !u.Created.Equal(start) || u.Disabled() || !u.InvitedBy.IsZero() {
			t.Fatalf("%+v, %v", u, err)
		}
		if err := signIn(t, a, "alice", "a long password"); err != nil {
			t.Fatal(err)
		}
		for _, h := range sasl.Hashes {
			if r, ok, err := a.Verifier(ctx, alice, h); err != nil || !ok || !r.Verifier.Matches("a long password") {
				t.Errorf("%s: no verifier that matches: %v", h, err)
			}
		}
		if err := a.SetPassword(ctx, alice, "another password"); err != nil {
			t.Fatal(err)
		}
		if err := signIn(t, a, "alice", "a long password"); sasl.AsFailure(err).Condition != sasl.NotAuthorized {
			t.Errorf("the old password still works: %v", err)
		}
		c.Advance(time.Hour)
		if err := a.Disable(ctx, alice); err != nil {
			t.Fatal(err)
		}
		if err := signIn(t, a, "alice", "another password"); sasl.AsFailure(err).Condition != sasl.AccountDisabled {
			t.Errorf("disabled account: %v", err)
		}
		if u, _ := a.Get(ctx, alice); !u.DisabledAt.Equal(start.Add(time.Hour)) {
			t.Errorf("disabled at %v", u.DisabledAt)
		}
		if all, disabled, err := a.Count(ctx); all != 1 || disabled != 1 || err != nil {
			t.Errorf("count %d, %d, %v", all, disabled, err)
		}
		if err := a.Enable(ctx, alice); err != nil {
			t.Fatal(err)
		}
		if err := signIn(t, a, "alice", "another password"); err != nil {
			t.Errorf("enabled again: %v", err)
		}
	})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a, _ := open(t, db)
		create(t, a, "alice")
		ghost := jid.MustParse("ghost@example.org")
		for _, c := range []struct {
			what string
			n    account.New
			want error
		}{
			{"taken", account.New{Local: "alice", Password: "a long password"}, account.ErrExists},
			{"taken in another spelling", account.New{Local: "ＡLICE", Password: "a long password"}, account.ErrExists},
			{"space", account.New{Local: "a b", Password: "a long password"}, account.ErrName},
			{"empty", account.New{Local: "", Password: "a long password"}, account.ErrName},
			{"an address", account.New{Local: "bob@example.org", Password: "a long password"}, account.ErrName},
			{"soft hyphen", account.New{Local: "al\u00adice", Password: "a long password"}, account.ErrName},
			{"short password", account.New{Local: "bob", Password: "1234567"}, account.ErrPassword},
			{"the name as password", account.New{Local: "bobbobbob", Password: "BobBobBob"}, account.ErrPassword},
			{"control character", account.New{Local: "bob", Password: "12345678\x07"}, account.ErrPassword},
			{"display name too long", account.New{Local: "bob", Password: "a long password", Name: strings.Repeat("x", 201)}, account.ErrName},
		} {
			if _, err := a.Create(ctx, c.n); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", c.what, err, c.want)
			}
		}
		for what, err := range map[string]error{
			"password": a.SetPassword(ctx, ghost, "a long password"),
			"name":     a.SetName(ctx, ghost, "x"),
			"disable":  a.Disable(ctx, ghost),
			"get":      func() error { _, err := a.Get(ctx, ghost); return err }(),
		} {
			if !errors.Is(err, account.ErrUnknown) {
				t.Errorf("%s of an unknown account: %v", what, err)
			}
		}
		if err := a.Delete(ctx, jid.MustParse("alice@example.org")); err == nil {
			t.Error("deleted without a way to erase")
		}
	})
}

// Another process (here: another handle on the database) creates, disables and deletes; this one sees it at once.
func TestOtherProcess(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		here, _ := open(t, db)
		there := account.Open(account.Options{DB: storetest.Reopen(t, db), Domain: domain, Config: account.Config{Iterations: sasl.MinIterations}})
		erase(there)
		alice, bob, carol := create(t, there, "alice"), create(t, there, "bob"), create(t, there, "carol")
		if ok, err := here.Exists(ctx, alice); !ok || err != nil {
			t.Fatal("the new account is not seen", err)
		}
		if err := there.Disable(ctx, bob); err != nil {
			t.Fatal(err)
		}
		if err := there.Delete(ctx, alice); err != nil {
			t.Fatal(err)
		}
		if ok, err := here.Exists(ctx, alice); ok || err != nil {
			t.Fatal("the deleted account is still seen", err)
		}
		took, err := here.TakeEnded(ctx)
		if again, err2 := here.TakeEnded(ctx); len(took) == 0 || len(again) != 0 || err != nil || err2 != nil {
			t.Fatal("the serving process takes what another one ended, once:", took, again, err, err2)
		}
		got, err := here.Barred(ctx, []jid.JID{alice, bob, carol, jid.MustParse("x@example.org")})
		if err != nil || fmt.Sprint(got) != "[alice@example.org bob@example.org x@example.org]" {
			t.Fatal(got, err)
		}
	})
}

// erase gives a room the erasure that the house would: its own data.
func erase(a *account.Accounts) {
	a.OnErase(func(ctx context.Context, tx *store.Tx, account string) error {
		for _, d := range a.Data() {
			if d.Erase == nil {
				continue
			}
			if err := d.Erase(ctx, tx, account); err != nil {
				return err
			}
		}
		return nil
	}, nil)
}

func TestDelete(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a, _ := open(t, db)
		alice, bob := create(t, a, "alice"), create(t, a, "bob")
		ended := make(chan jid.JID, 8)
		a.OnEnd(func(e account.Ending) {
			if !e.Later {
				ended <- e.Account
			}
		})

		// A room that cannot erase keeps the account whole.
		broken := errors.New("no")
		a.OnErase(func(context.Context, *store.Tx, string) error { return broken }, nil)
		if err := a.Delete(ctx, alice); !errors.Is(err, broken) {
			t.Fatal(err)
		}
		if ok, _ := a.Exists(ctx, alice); !ok || len(ended) != 0 {
			t.Fatal("the account is gone though the erasure failed")
		}

		// A preservation leaves the row: the account is closed, and its name is not free.
		a.OnErase(func(context.Context, *store.Tx, string) error { return nil }, nil)
		if err := a.Delete(ctx, alice); err != nil {
			t.Fatal(err)
		}
		if got := <-ended; got != alice {
			t.Errorf("sessions of %s end", got)
		}
		if ok, _ := a.Exists(ctx, alice); ok {
			t.Error("a closed account exists")
		}
		if err := signIn(t, a, "alice", "a long password"); sasl.AsFailure(err).Condition != sasl.NotAuthorized {
			t.Errorf("a closed account signs in: %v", err)
		}
		if _, err := a.Create(ctx, account.New{Local: "alice", Password: "a long password"}); !errors.Is(err, account.ErrExists) {
			t.Errorf("the name of a closed account is free: %v", err)
		}
		if err := a.Delete(ctx, alice); !errors.Is(err, account.ErrUnknown) {
			t.Errorf("deleted twice: %v", err)
		}

		// Erasure leaves nothing, also not what others' rows say.
		erase(a)
		if _, _, err := a.Invite(ctx, account.Invitation{By: bob}); err != nil {
			t.Fatal(err)
		}
		token, _, err := a.Invite(ctx, account.Invitation{By: bob})
		if err != nil {
			t.Fatal(err)
		}
		guest, err := a.Redeem(ctx, token, account.New{Local: "guest", Password: "a long password"})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Write(ctx, func(tx *store.Tx) error { return a.Seen(ctx, tx, bob, account.Device{ID: "d"}) }); err != nil {
			t.Fatal(err)
		}
		if err := a.Delete(ctx, bob); err != nil {
			t.Fatal(err)
		}
		for _, table := range []string{"user WHERE account", "user WHERE invited_by", "credential WHERE account", "device WHERE account", "invite WHERE invited_by"} {
			var n int
			if err := db.QueryRow(ctx, `SELECT COUNT(*) FROM account_`+table+` = $1`, bob.String()).Scan(&n); err != nil || n != 0 {
				t.Errorf("%s: %d rows left, %v", table, n, err)
			}
		}
		a.OnErase(nil, func(_ context.Context, _ store.Reader, account string) (bool, error) {
			return account == "bob@example.org", nil
		})
		if _, err := a.Create(ctx, account.New{Local: "bob", Password: "a long password"}); !errors.Is(err, account.ErrExists) {
			t.Errorf("a name whose records are preserved is free: %v", err)
		}
		if ok, _ := a.Exists(ctx, guest.Account); !ok {
			t.Error("the guest is gone with the host")
		}
	})
}

func TestInvitations(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a, c := open(t, db)
		alice := create(t, a, "alice")
		token, inv, err := a.Invite(ctx, account.Invitation{By: alice, Note: "for the team", Uses: 2})
		if err != nil || len(token) != 26 || !inv.Expires.Equal(start.Add(7*24*time.Hour)) {
			t.Fatalf("%q %+v %v", token, inv, err)
		}
		register := func(token, name string) error {
			_, err := a.Redeem(ctx, token, account.New{Local: name, Password: "a long password"})
			return err
		}
		// A refused registration takes no use.
		if err := register(token, "alice"); !errors.Is(err, account.ErrExists) {
			t.Fatal(err)
		}
		if err := register(token, "admin"); !errors.Is(err, account.ErrName) {
			t.Fatalf("a reserved name: %v", err)
		}
		if err := register(token, "bob"); err != nil {
			t.Fatal(err)
		}
		if u, _ := a.Get(ctx, jid.MustParse("bob@example.org")); u.InvitedBy != alice {
			t.Errorf("invited by %q", u.InvitedBy)
		}
		if err := register(token, "carol"); err != nil {
			t.Fatal(err)
		}
		for what, bad := range map[string]string{"used up": token, "unknown": "x", "empty": ""} {
			if err := register(bad, "dave"); !errors.Is(err, account.ErrInvite) {
				t.Errorf("%s: %v", what, err)
			}
		}
		token, _, _ = a.Invite(ctx, account.Invitation{})
		c.Advance(7*24*time.Hour - time.Second)
		if _, err := a.Invitation(ctx, token); err != nil {
			t.Errorf("a second before its end: %v", err)
		}
		c.Advance(time.Second)
		if err := register(token, "dave"); !errors.Is(err, account.ErrInvite) {
			t.Errorf("expired: %v", err)
		}
		token, inv, _ = a.Invite(ctx, account.Invitation{})
		if err := a.Revoke(ctx, inv.ID); err != nil {
			t.Fatal(err)
		}
		if err := register(token, "dave"); !errors.Is(err, account.ErrInvite) {
			t.Errorf("revoked: %v", err)
		}
		if err := a.Revoke(ctx, 999); !errors.Is(err, account.ErrInvite) {
			t.Errorf("revoking what is not there: %v", err)
		}
		for _, bad := range []account.Invitation{{Uses: -1}, {Uses: 1001}, {Expires: start}, {Expires: c.Now().AddDate(2, 0, 0)}, {Note: strings.Repeat("x", 201)}} {
			if _, _, err := a.Invite(ctx, bad); !errors.Is(err, account.ErrInvite) {
				t.Errorf("%+v: %v", bad, err)
			}
		}
		if all, err := a.Invitations(ctx); err != nil || len(all) != 3 || !all[0].Revoked || all[2].Uses != 0 || all[2].Note != "for the team" {
			t.Errorf("%+v %v", all, err)
		}
		// The token itself is stored nowhere.
		var n int
		if err := db.QueryRow(ctx, `SELECT COUNT(*) FROM account_invite WHERE token = $1`, []byte(token)).Scan(&n); err != nil || n != 0 {
			t.Errorf("the token is in the table: %d %v", n, err)
		}
	})
}

// Two who redeem the last use at once: one account, one refusal.
func TestLastUseOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a, _ := open(t, db)
		token, _, err := a.Invite(ctx, account.Invitation{})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		errs := make([]error, 6)
		for i := range errs {
			wg.Go(func() {
				_, errs[i] = a.Redeem(ctx, token, account.New{Local: fmt.Sprintf("user%d", i), Password: "a long password"})
			})
		}
		wg.Wait()
		made := 0
		for _, err := range errs {
			if err == nil {
				made++
			} else if !errors.Is(err, account.ErrInvite) {
				t.Errorf("%v", err)
			}
		}
		if all, _, _ := a.Count(ctx); made != 1 || all != 1 {
			t.Errorf("%d made, %d there", made, all)
		}
	})
}

func TestDevices(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a, c := open(t, db)
		alice := create(t, a, "alice")
		seen := func(d account.Device) {
			t.Helper()
			c.Advance(time.Minute)
			if err := db.Write(ctx, func(tx *store.Tx) error { return a.Seen(ctx, tx, alice, d) }); err != nil {
				t.Fatal(err)
			}
		}
		seen(account.Device{ID: "one", Software: "Conversations 2.17", Model: "Phone"})
		seen(account.Device{ID: "two", Software: strings.Repeat("é", 80)})
		seen(account.Device{ID: "one", Software: "Conversations 2.18", Model: "Phone"})
		seen(account.Device{})
		ds, err := a.Devices(ctx, alice)
		if err != nil || len(ds) != 2 {
			t.Fatal(ds, err)
		}
		if d := ds[0]; d.ID != "one" || d.Software != "Conversations 2.18" || !d.First.Equal(start.Add(time.Minute)) || !d.Last.Equal(start.Add(3*time.Minute)) {
			t.Errorf("%+v", d)
		}
		if s := ds[1].Software; s != strings.Repeat("é", 50) {
			t.Errorf("cut inside a character: %q", s)
		}
		for i := range 55 {
			seen(account.Device{ID: fmt.Sprint("many", i)})
		}
		if ds, _ := a.Devices(ctx, alice); len(ds) != 50 || ds[0].ID != "many54" {
			t.Errorf("%d devices, first %s", len(ds), ds[0].ID)
		}
	})
}

func TestSecretIsMadeOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a, _ := open(t, db)
		one, err := a.Secret(ctx, "sasl")
		two, err2 := a.Secret(ctx, "sasl")
		other, err3 := a.Secret(ctx, "other")
		if err := errors.Join(err, err2, err3); err != nil || len(one) != 32 || string(one) != string(two) || string(one) == string(other) {
			t.Errorf("%x %x %x %v", one, two, other, err)
		}
	})
}

func TestConfig(t *testing.T) {
	t.Parallel()
	if err := (account.Config{}).Check(); err != nil {
		t.Error("the zero value is not safe:", err)
	}
	for _, bad := range []account.Config{{Iterations: 1000}, {MinPassword: -1}, {InviteLife: -1}} {
		if bad.Check() == nil {
			t.Errorf("%+v is allowed", bad)
		}
	}
}

func BenchmarkExists(b *testing.B) {
	db := storetest.SQLite(b)
	storetest.Migrate(b, db, account.Schema())
	a := account.Open(account.Options{DB: db, Domain: domain, Config: account.Config{Iterations: sasl.MinIterations}})
	if _, err := a.Create(ctx, account.New{Local: "alice", Password: "a long password"}); err != nil {
		b.Fatal(err)
	}
	alice := jid.MustParse("alice@example.org")
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := a.Exists(ctx, alice); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
