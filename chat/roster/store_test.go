package roster

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"writ/clock"
	"writ/obs"
	"writ/records"
	"writ/store"
	"writ/store/storetest"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// house is a router without sessions, in which every account of the domain exists.
type house struct {
	feature.Router
	sent *[]*stanza.Stanza
}

func (house) Domain() jid.JID                                          { return jid.MustParse("writ.example") }
func (house) Local(j jid.JID) bool                                     { return j.Domainpart() == "writ.example" }
func (house) Hosted(jid.JID) bool                                      { return false }
func (house) Reaches(jid.JID) bool                                     { return true }
func (house) Exists(context.Context, jid.JID) (bool, error)            { return true, nil }
func (house) Sessions(jid.JID) []*feature.Session                      { return nil }
func (h house) Deliver(_ context.Context, _ jid.JID, s *stanza.Stanza) { *h.sent = append(*h.sent, s) }

type nobody struct{}

func (nobody) Blocked(context.Context, jid.JID, jid.JID) bool { return false }
func (nobody) Show(context.Context, jid.JID, jid.JID)         {}
func (nobody) Hide(context.Context, jid.JID, jid.JID)         {}

var (
	alice = jid.MustParse("alice@writ.example")
	bob   = jid.MustParse("bob@writ.example")
)

func start(t *testing.T, db *store.DB, c Config) (*Roster, *[]*stanza.Stanza) {
	t.Helper()
	storetest.Migrate(t, db, append(records.Schemas(), Schema)...)
	var sent []*stanza.Stanza
	r := New(c, Parts{DB: db, Router: house{sent: &sent}, Clock: clock.NewFake(time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)), Log: obs.Discard(), Blocker: nobody{}})
	r.Share(nobody{})
	return r, &sent
}

func send(t *testing.T, r *Roster, from, to jid.JID, typ stanza.Type, children ...[]byte) error {
	t.Helper()
	e := &feature.Envelope{Stanza: stanza.New(stanza.Presence, typ, from, to, "", children...), From: from, To: to}
	_, err := r.presence(t.Context(), e)
	return err
}

func state(t *testing.T, r *Roster, account, contact jid.JID) Item {
	t.Helper()
	i, err := r.Item(t.Context(), r.DB, account, contact)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// Both sides of a local subscription change together (RFC 6121 §3.1).
func TestBothSidesInOneTransaction(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r, _ := start(t, db, Config{})
		check := func(a, b State) {
			t.Helper()
			if i, j := state(t, r, alice, bob), state(t, r, bob, alice); i.State != a || j.State != b {
				t.Errorf("states %b and %b, want %b and %b", i.State, j.State, a, b)
			}
		}
		for _, step := range []struct {
			from, to jid.JID
			typ      stanza.Type
			a, b     State
		}{
			{alice, bob, stanza.Subscribe, Out, In},
			{bob, alice, stanza.Subscribe, Out | In, Out | In},
			{bob, alice, stanza.Subscribed, To | In, From | Out},
			{alice, bob, stanza.Subscribed, To | From, To | From},
			{alice, bob, stanza.Unsubscribe, From, To},
			{alice, bob, stanza.Unsubscribed, 0, 0},
		} {
			if err := send(t, r, step.from, step.to, step.typ); err != nil {
				t.Fatal(err)
			}
			check(step.a, step.b)
		}
		if l, err := r.Watchers(t.Context(), alice); err != nil || len(l) != 0 {
			t.Errorf("watchers %v, %v", l, err)
		}
	})
}

// A subscription stanza for another domain is sent from the bare address, after the commit.
func TestForeignContacts(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r, sent := start(t, db, Config{})
		far := jid.MustParse("carol@example.net")
		phone, err := alice.WithResource("phone")
		if err != nil {
			t.Fatal(err)
		}
		if err := send(t, r, phone, far, stanza.Subscribe); err != nil {
			t.Fatal(err)
		}
		if len(*sent) != 1 || (*sent)[0].From != alice || (*sent)[0].To != far {
			t.Fatalf("sent: %v", *sent)
		}
		if err := send(t, r, far, alice, stanza.Subscribed); err != nil {
			t.Fatal(err)
		}
		if i := state(t, r, alice, far); i.State != To {
			t.Errorf("state %b", i.State)
		}
		if err := send(t, r, far, alice, stanza.Subscribe); err != nil {
			t.Fatal(err)
		}
		if err := send(t, r, far, alice, stanza.Unsubscribe); err != nil {
			t.Fatal(err)
		}
		if last := (*sent)[len(*sent)-1]; last.Type != stanza.Unsubscribed || last.From != alice {
			t.Errorf("the answer on alice's behalf: %s", last)
		}
	})
}

func TestLimits(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r, _ := start(t, db, Config{MaxItems: 3, MaxRequests: 2})
		stranger := func(i int) jid.JID { return jid.MustParse(fmt.Sprintf("s%d@example.net", i)) }
		for i := range 5 {
			if err := send(t, r, stranger(i), alice, stanza.Subscribe); err != nil {
				t.Fatal(err)
			}
		}
		if _, waiting, err := r.count(t.Context(), db, alice); err != nil || waiting != 2 {
			t.Errorf("%d requests wait, %v", waiting, err)
		}
		for i := range 3 {
			if err := send(t, r, alice, stranger(10+i), stanza.Subscribe); err != nil {
				t.Fatal(err)
			}
		}
		err := send(t, r, alice, stranger(20), stanza.Subscribe)
		if !errors.Is(err, stanza.UnexpectedRequest("")) {
			t.Errorf("a fourth contact: %v", err)
		}
		// a request that is too large is kept without its children
		var b xml.Builder
		big := b.Leaf("", "status", string(make([]byte, maxRequest+1))).Bytes()
		if err := send(t, r, alice, stranger(0), stanza.Unsubscribed); err != nil {
			t.Fatal(err)
		}
		if err := send(t, r, stranger(0), alice, stanza.Subscribe, big); err != nil {
			t.Fatal(err)
		}
		if i := state(t, r, alice, stranger(0)); i.request == nil || len(i.request.Children()) != 0 {
			t.Errorf("kept: %v", i.request)
		}
	})
}

// Others who list an erased account no longer do, and their clients learn of it by the version.
func TestErase(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r, _ := start(t, db, Config{})
		for _, typ := range []stanza.Type{stanza.Subscribe, stanza.Subscribed} {
			if err := errors.Join(send(t, r, alice, bob, typ), send(t, r, bob, alice, typ)); err != nil {
				t.Fatal(err)
			}
		}
		before, _, err := r.version(t.Context(), db, bob)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Write(t.Context(), func(tx *store.Tx) error { return r.contacts().Erase(t.Context(), tx, alice.String()) }); err != nil {
			t.Fatal(err)
		}
		ver, removed, err := r.version(t.Context(), db, bob)
		if err != nil || ver <= before || removed != ver {
			t.Errorf("bob's version was %d and is %d, removed %d, %v", before, ver, removed, err)
		}
		var n int
		if err := db.QueryRow(t.Context(), `SELECT COUNT(*) FROM roster_item WHERE account = $1 OR contact = $1`, alice.String()).Scan(&n); err != nil || n != 0 {
			t.Errorf("%d rows name her, %v", n, err)
		}
		if err := r.contacts().Check(); err != nil {
			t.Error(err)
		}
	})
}
