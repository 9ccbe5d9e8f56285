package account_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"writ/account"
	"writ/store"
	"writ/store/storetest"
	"writ/xmpp/jid"
	"writ/xmpp/sasl"
)

// XEP-0401 §6.2 and XEP-0445 §5: a name that an open invitation keeps free is given to nobody else, until the invitation ends.
func TestKeptName(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a, c := open(t, db)
		token, i, err := a.Invite(ctx, account.Invitation{Local: "Juliet", Uses: 5})
		if err != nil || i.Local != "juliet" || i.Uses != 1 {
			t.Fatalf("%+v %v", i, err)
		}
		other, _, _ := a.Invite(ctx, account.Invitation{})
		juliet := account.New{Local: "juliet", Password: "a long password"}
		if _, err := a.Redeem(ctx, other, juliet); !errors.Is(err, account.ErrExists) {
			t.Errorf("the name by another invitation: %v", err)
		}
		if _, err := a.Create(ctx, juliet); !errors.Is(err, account.ErrExists) {
			t.Errorf("the name without one: %v", err)
		}
		if _, _, err := a.Invite(ctx, account.Invitation{Local: "juliet"}); !errors.Is(err, account.ErrExists) {
			t.Errorf("the name kept twice: %v", err)
		}
		if _, err := a.Redeem(ctx, token, account.New{Local: "nurse", Password: "a long password"}); !errors.Is(err, account.ErrName) {
			t.Errorf("another name by it: %v", err)
		}
		if u, err := a.Redeem(ctx, token, account.New{Password: "a long password"}); err != nil || u.Account.Local() != "juliet" {
			t.Errorf("%+v %v", u, err)
		}
		if _, _, err := a.Invite(ctx, account.Invitation{Local: "juliet"}); !errors.Is(err, account.ErrExists) {
			t.Errorf("a name that is an account: %v", err)
		}
		if _, _, err := a.Invite(ctx, account.Invitation{Local: "nurse"}); err != nil {
			t.Fatal(err)
		}
		c.Advance(8 * 24 * time.Hour)
		if _, err := a.Create(ctx, account.New{Local: "nurse", Password: "a long password"}); err != nil {
			t.Errorf("the invitation has ended, its name is not free: %v", err)
		}
	})
}

// An account and the contact are one transaction; a token that was shown in time may expire while the form is filled in (XEP-0445 §4).
func TestRedeemShown(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a, c := open(t, db)
		alice := create(t, a, "alice")
		var joined [][2]jid.JID
		fault := errors.New("no contacts today")
		a.OnJoin(func(_ context.Context, _ *store.Tx, inviter, newcomer jid.JID) error { return fault })
		token, i, err := a.Invite(ctx, account.Invitation{By: alice, Contact: true})
		if err != nil {
			t.Fatal(err)
		}
		bob := account.New{Local: "bob", Password: "a long password"}
		if _, err := a.Redeem(ctx, token, bob); !errors.Is(err, fault) {
			t.Errorf("the contacts failed: %v", err)
		}
		if ok, _ := a.Exists(ctx, jid.MustParse("bob@example.org")); ok {
			t.Error("the account was made without the contacts")
		}
		a.OnJoin(func(_ context.Context, tx *store.Tx, inviter, newcomer jid.JID) error {
			tx.AfterCommit(func() { joined = append(joined, [2]jid.JID{inviter, newcomer}) })
			return nil
		})
		shown := c.Now()
		c.Set(i.Expires.Add(time.Minute))
		if _, err := a.Redeem(ctx, token, bob); !errors.Is(err, account.ErrInvite) {
			t.Errorf("shown after its end: %v", err)
		}
		if _, err := a.RedeemShown(ctx, token, shown, bob); err != nil || len(joined) != 1 || joined[0][0] != alice || joined[0][1].Local() != "bob" {
			t.Errorf("shown before its end: %v %v", joined, err)
		}
		if _, err := a.RedeemShown(ctx, token, shown, account.New{Local: "eve", Password: "a long password"}); !errors.Is(err, account.ErrInvite) {
			t.Errorf("used twice: %v", err)
		}
	})
}

// XEP-0379 §5.2: a token serves once, for a time, for what it was made, and for nobody but who made it.
func TestSpend(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a, c := open(t, db)
		alice, bob := create(t, a, "alice"), create(t, a, "bob")
		far := jid.MustParse("juliet@far.example")
		spend := func(token string, by, who jid.JID) (ok bool) {
			t.Helper()
			if err := db.Write(ctx, func(tx *store.Tx) (err error) { ok, err = a.Spend(ctx, tx, token, by, who); return err }); err != nil {
				t.Fatal(err)
			}
			return ok
		}
		invite := func(i account.Invitation) string {
			t.Helper()
			token, _, err := a.Invite(ctx, i)
			if err != nil {
				t.Fatal(err)
			}
			return token
		}
		contact := invite(account.Invitation{By: alice, Contact: true, NoAccount: true})
		if _, err := a.Redeem(ctx, contact, account.New{Local: "eve", Password: "a long password"}); !errors.Is(err, account.ErrInvite) {
			t.Errorf("an account by an invitation for contacts: %v", err)
		}
		if spend(contact, bob, far) || spend("x", alice, far) || !spend(contact, alice, far) || spend(contact, alice, far) {
			t.Error("a token serves its maker once")
		}
		if spend(invite(account.Invitation{By: alice}), alice, far) {
			t.Error("an invitation that makes no contact made one")
		}
		if named := invite(account.Invitation{By: alice, Contact: true, Local: "juliet"}); spend(named, alice, far) || spend(named, alice, bob) {
			t.Error("an invitation for another name made a contact")
		}
		late := invite(account.Invitation{By: alice, Contact: true, NoAccount: true})
		c.Advance(8 * 24 * time.Hour)
		if spend(late, alice, far) {
			t.Error("an invitation that has ended made a contact")
		}
		barred := invite(account.Invitation{By: alice, Contact: true, NoAccount: true})
		if err := a.Disable(ctx, alice); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Invitation(ctx, barred); !errors.Is(err, account.ErrInvite) || spend(barred, alice, far) {
			t.Error("the invitation of a disabled account serves")
		}
	})
}

func TestOpenInvitations(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a, _ := open(t, db)
		alice, bob := create(t, a, "alice"), create(t, a, "bob")
		var last account.Invitation
		for n := range 11 {
			_, i, err := a.Invite(ctx, account.Invitation{By: alice})
			if (n < 10) != (err == nil) || n == 10 && !errors.Is(err, account.ErrInvites) {
				t.Fatalf("invitation %d: %v", n+1, err)
			}
			if err == nil {
				last = i
			}
		}
		if _, _, err := a.Invite(ctx, account.Invitation{By: bob}); err != nil {
			t.Errorf("another person: %v", err)
		}
		if err := a.RevokeOwn(ctx, bob, last.ID); !errors.Is(err, account.ErrInvite) {
			t.Errorf("bob takes back what is alice's: %v", err)
		}
		if err := a.RevokeOwn(ctx, alice, last.ID); err != nil {
			t.Fatal(err)
		}
		if own, err := a.InvitationsOf(ctx, alice); err != nil || len(own) != 9 {
			t.Errorf("%d %v", len(own), err)
		}
		if _, _, err := a.Invite(ctx, account.Invitation{By: alice}); err != nil {
			t.Errorf("one was taken back: %v", err)
		}
		for _, bad := range []account.Invitation{{Contact: true}, {By: alice, NoAccount: true}, {By: bob, Contact: true, NoAccount: true, Local: "x"}} {
			if _, _, err := a.Invite(ctx, bad); !errors.Is(err, account.ErrInvite) {
				t.Errorf("%+v: %v", bad, err)
			}
		}
	})
}

// Operators are named by the configuration or appointed; the names of the configuration are nobody's to take.
func TestOperators(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		storetest.Migrate(t, db, account.Schema())
		a := account.Open(account.Options{DB: db, Domain: jid.MustParse("example.org"),
			Config: account.Config{Iterations: sasl.MinIterations, Operators: []string{"Olga"}, Invites: account.InvitesOperators}})
		olga, alice := jid.MustParse("olga@example.org"), create(t, a, "alice")
		is := func(j jid.JID) bool {
			t.Helper()
			ok, err := a.Operator(ctx, j)
			if err != nil {
				t.Fatal(err)
			}
			return ok
		}
		token, _, err := a.Invite(ctx, account.Invitation{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Redeem(ctx, token, account.New{Local: "olga", Password: "a long password"}); !errors.Is(err, account.ErrName) {
			t.Errorf("the name of an operator by invitation: %v", err)
		}
		if _, err := a.Register(ctx, account.New{Local: "OLGA", Password: "a long password"}); !errors.Is(err, account.ErrName) {
			t.Errorf("the name of an operator by open registration: %v", err)
		}
		if is(olga) || is(alice) || is(jid.MustParse("olga@far.example")) {
			t.Error("an account that does not exist, or is none, is an operator")
		}
		create(t, a, "olga")
		if !is(olga) {
			t.Error("the configuration names her")
		}
		if err := a.SetOperator(ctx, olga, false); !errors.Is(err, account.ErrName) {
			t.Errorf("dismissed against the configuration: %v", err)
		}
		if err := a.SetOperator(ctx, alice, true); err != nil || !is(alice) {
			t.Errorf("appointed: %v", err)
		}
		if l, err := a.Operators(ctx); err != nil || len(l) != 2 || l[0] != alice || l[1] != olga {
			t.Errorf("%v %v", l, err)
		}
		if ok, err := a.MayBring(ctx, alice); err != nil || !ok {
			t.Errorf("an operator brings nobody: %v", err)
		}
		if err := a.SetOperator(ctx, alice, false); err != nil || is(alice) {
			t.Errorf("dismissed: %v", err)
		}
		if ok, err := a.MayBring(ctx, alice); err != nil || ok {
			t.Errorf("anyone brings people: %v", err)
		}
		if err := a.SetOperator(ctx, jid.MustParse("nobody@example.org"), true); !errors.Is(err, account.ErrUnknown) {
			t.Errorf("nobody appointed: %v", err)
		}
		if err := a.Disable(ctx, olga); err != nil || is(olga) {
			t.Errorf("a disabled account is an operator: %v", err)
		}
	})
}
