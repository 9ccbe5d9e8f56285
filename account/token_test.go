package account_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"writ/account"
	"writ/records"
	"writ/store"
	"writ/store/storetest"
	"writ/xmpp/jid"
	"writ/xmpp/sasl"
)

const (
	phone     = "d4565fa7-4d72-4749-b3d3-740edbf87770"
	mechanism = "HT-SHA-256-EXPR"
)

// tokens are those that the device may use now.
func tokens(t *testing.T, a *account.Accounts, who jid.JID, device, mechanism string) []sasl.Token {
	t.Helper()
	l, _, err := a.Tokens(ctx, who, device, mechanism)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func use(t *testing.T, a *account.Accounts, who jid.JID, u account.Use) *account.Fresh {
	t.Helper()
	if u.Device.ID == "" {
		u.Device.ID = phone
	}
	f, err := a.UseToken(ctx, who, u)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// XEP-0484 §5.1: two places; the new token replaces the one in use when it is used, and a token that was never used when another is made.
func TestXEP0484_5_1_TwoTokens(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a, c := open(t, db)
		alice := create(t, a, "alice")
		lost := use(t, a, alice, account.Use{Wants: mechanism})
		one := use(t, a, alice, account.Use{Wants: mechanism})
		l := tokens(t, a, alice, phone, mechanism)
		if len(l) != 1 || string(l[0].Key) != one.Text || one.Text == lost.Text || len(one.Text) < 40 || !l[0].Unused || l[0].Due || !one.Expires.Equal(start.Add(30*24*time.Hour)) {
			t.Fatalf("%d tokens, %+v", len(l), one)
		}
		if use(t, a, alice, account.Use{Spent: l[0], Mechanism: mechanism}) != nil {
			t.Error("a new token that nobody asked for")
		}
		c.Advance(25 * time.Hour)
		l = tokens(t, a, alice, phone, mechanism)
		if len(l) != 1 || l[0].Unused || !l[0].Due {
			t.Fatalf("after a day: %v", l)
		}
		two := use(t, a, alice, account.Use{Spent: l[0], Mechanism: mechanism})
		l = tokens(t, a, alice, phone, mechanism)
		if two == nil || len(l) != 2 || string(l[0].Key) != two.Text || string(l[1].Key) != one.Text {
			t.Fatalf("after the renewal: %v", l)
		}
		use(t, a, alice, account.Use{Spent: l[0], Mechanism: mechanism})
		if l = tokens(t, a, alice, phone, mechanism); len(l) != 1 || string(l[0].Key) != two.Text {
			t.Errorf("after the new one was used: %v", l)
		}
		if _, err := a.UseToken(ctx, alice, account.Use{Device: account.Device{ID: phone}, Spent: sasl.Token{ID: "00", Due: true}, Mechanism: mechanism}); !errors.Is(err, account.ErrToken) {
			t.Errorf("a token that is gone: %v", err)
		}
		for what, l := range map[string][]sasl.Token{
			"another mechanism": tokens(t, a, alice, phone, "HT-SHA-256-NONE"), "another device": tokens(t, a, alice, "x", mechanism),
			"nobody": tokens(t, a, jid.MustParse("nobody@example.org"), phone, mechanism), "no name": tokens(t, a, jid.JID{}, phone, mechanism),
		} {
			if len(l) != 0 {
				t.Errorf("%s has %v", what, l)
			}
		}
		c.Advance(31 * 24 * time.Hour)
		if l = tokens(t, a, alice, phone, mechanism); len(l) != 0 {
			t.Errorf("after its time: %v", l)
		}
	})
}

// XEP-0484 §3.4: of many who come with the same count at once, one is let in.
func TestXEP0484_3_4_CountAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a, _ := open(t, db)
		alice := create(t, a, "alice")
		use(t, a, alice, account.Use{Wants: mechanism})
		spent := tokens(t, a, alice, phone, mechanism)[0]
		results := make(chan error, 10)
		for range cap(results) {
			go func() {
				_, err := a.UseToken(ctx, alice, account.Use{Device: account.Device{ID: phone}, Spent: spent, Mechanism: mechanism, Count: 1})
				results <- err
			}()
		}
		in := 0
		for range cap(results) {
			if err := <-results; err == nil {
				in++
			} else if !errors.Is(err, account.ErrToken) {
				t.Error(err)
			}
		}
		if in != 1 {
			t.Errorf("%d came in with one count", in)
		}
	})
}

// A token ends with the password, with its device, with its account, and when its device makes room for others; a disabled account is told so.
func TestTokensEnd(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a, c := open(t, db)
		var ended []account.Ending
		a.OnEnd(func(e account.Ending) { ended = append(ended, e) })
		alice := create(t, a, "alice")
		give := func() {
			t.Helper()
			use(t, a, alice, account.Use{Device: account.Device{ID: phone, Software: "App", Password: c.Now()}, Wants: mechanism})
			if len(tokens(t, a, alice, phone, mechanism)) != 1 {
				t.Fatal("no token")
			}
		}
		give()
		if d, _ := a.Devices(ctx, alice); len(d) != 1 || d[0].Software != "App" || d[0].Password.IsZero() || !d[0].Token.Equal(start.Add(30*24*time.Hour)) {
			t.Errorf("a device that never bound a session: %+v", d)
		}
		if err := a.SetPassword(ctx, alice, "another password"); err != nil {
			t.Fatal(err)
		}
		if l := tokens(t, a, alice, phone, mechanism); len(l) != 0 {
			t.Error("after a change of the password: ", l)
		}
		if d, _ := a.Devices(ctx, alice); len(d) != 1 || !d[0].Password.IsZero() || !d[0].Token.IsZero() {
			t.Errorf("after a change of the password: %+v", d)
		}
		if err := a.SignOut(ctx, alice, phone); err != nil {
			t.Fatal(err)
		}
		if d, _ := a.Devices(ctx, alice); len(d) != 0 {
			t.Errorf("a device without access that was signed out: %+v", d)
		}
		give()
		if err := a.SignOut(ctx, alice, phone); err != nil {
			t.Fatal(err)
		}
		if d, _ := a.Devices(ctx, alice); len(tokens(t, a, alice, phone, mechanism)) != 0 || len(d) != 0 {
			t.Errorf("a device that knows the password and was signed out: %+v", d)
		}
		if err := a.SignOut(ctx, alice, phone); !errors.Is(err, account.ErrUnknown) {
			t.Error("signed out twice:", err)
		}
		if err := a.SignOut(ctx, alice, "none"); !errors.Is(err, account.ErrUnknown) {
			t.Error(err)
		}
		if fmt.Sprint(ended) != fmt.Sprint([]account.Ending{{Account: alice}, {Account: alice, Device: phone}, {Account: alice, Device: phone}}) {
			t.Errorf("ended: %+v", ended)
		}
		give()
		if err := a.Disable(ctx, alice); err != nil {
			t.Fatal(err)
		}
		if l, disabled, err := a.Tokens(ctx, alice, phone, mechanism); err != nil || len(l) != 1 || !disabled {
			t.Errorf("disabled: %v %v %v", l, disabled, err)
		}
		for i := range 51 {
			c.Advance(time.Second)
			use(t, a, alice, account.Use{Device: account.Device{ID: fmt.Sprint("d", i)}, Wants: mechanism})
		}
		if d, _ := a.Devices(ctx, alice); len(d) != 50 || len(tokens(t, a, alice, phone, mechanism)) != 0 || len(tokens(t, a, alice, "d0", mechanism)) != 0 {
			t.Errorf("%d devices; the oldest have tokens", len(d))
		}
	})
}

// What stands in the table of tokens signs nobody in, and the table goes with the account.
func TestTokensAtRest(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a, _ := open(t, db)
		alice := create(t, a, "alice")
		fresh := use(t, a, alice, account.Use{Wants: mechanism})
		rows := func() (n int, all []byte) {
			r, err := db.Query(ctx, `SELECT account, device, slot, mechanism, nonce FROM account_token`)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			for r.Next() {
				var s [4]string
				var nonce []byte
				if err := r.Scan(&s[0], &s[1], &s[2], &s[3], &nonce); err != nil {
					t.Fatal(err)
				}
				n++
				all = append(append(all, strings.Join(s[:], " ")...), nonce...)
			}
			return n, all
		}
		if n, all := rows(); n != 1 || bytes.Contains(all, []byte(fresh.Text)) {
			t.Errorf("%d rows; the token stands in one", n)
		}
		for _, f := range []string{"%v", "%+v", "%#v"} {
			if s := fmt.Sprintf(f, tokens(t, a, alice, phone, mechanism)); strings.Contains(s, fresh.Text) {
				t.Errorf("%s prints a token", f)
			}
		}
		var declared records.Datum
		for _, d := range a.Data() {
			if d.Name == "tokens" {
				declared = d
			}
		}
		if declared.Export != nil || declared.Never == "" {
			t.Error("tokens can be exported")
		}
		if err := db.Write(ctx, func(tx *store.Tx) error { return declared.Erase(ctx, tx, alice.String()) }); err != nil {
			t.Fatal(err)
		}
		if n, _ := rows(); n != 0 {
			t.Errorf("%d rows are left", n)
		}
	})
}

// XEP-0480 §3: a verifier of a password that was changed meanwhile is refused; a rise of the iterations makes every account lack.
func TestStrengthen(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a, _ := open(t, db)
		alice := create(t, a, "alice")
		shown, _, err := a.Verifier(ctx, alice, sasl.SHA1)
		if err != nil {
			t.Fatal(err)
		}
		fresh, err := sasl.Derive(sasl.SHA256, "a long password", sasl.NewSalt(), 5000)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Strengthen(ctx, alice, shown.Verifier, fresh); err != nil {
			t.Fatal(err)
		}
		if r, _, _ := a.Verifier(ctx, alice, sasl.SHA256); r.Verifier.Iterations != 5000 || !r.Verifier.Matches("a long password") {
			t.Errorf("%+v", r)
		}
		if err := a.SetPassword(ctx, alice, "another password"); err != nil {
			t.Fatal(err)
		}
		if err := a.Strengthen(ctx, alice, shown.Verifier, fresh); err == nil {
			t.Error("a verifier of the old password was taken")
		}
		raised := account.Open(account.Options{DB: db, Domain: domain, Config: account.Config{Iterations: 6000}})
		if l, err := raised.Lacks(ctx, alice); err != nil || len(l) != 3 {
			t.Errorf("lacks %v, %v", l, err)
		}
		if l, err := a.Lacks(ctx, jid.MustParse("nobody@example.org")); err != nil || len(l) != 0 {
			t.Errorf("nobody lacks %v, %v", l, err)
		}
		if err := signIn(t, raised, "alice", "another password"); err != nil {
			t.Fatal(err)
		}
		if l, _ := raised.Lacks(ctx, alice); len(l) != 0 {
			t.Errorf("after a sign-in with PLAIN it lacks %v", l)
		}
	})
}
