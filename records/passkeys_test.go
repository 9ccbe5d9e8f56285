package records_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"writ/clock"
	"writ/passkey"
	"writ/passkey/softkey"
	"writ/records"
	"writ/schedule"
	"writ/store"
	"writ/store/storetest"
)

// TestPasskeysOpenTheGate: the gate with the house's own passkeys (ES256, user verification), which stand in the same database.
func TestPasskeysOpenTheGate(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		storetest.Migrate(t, db, append(records.Schemas(), passkey.Schema())...)
		clk := clock.NewFake(start)
		const origin = "https://desk.writ.example"
		people, err := passkey.Open(db, passkey.Config{RPID: "writ.example", Name: "Writ", Origins: []string{origin}}, clk)
		if err != nil {
			t.Fatal(err)
		}
		r, err := records.New(records.Deps{DB: db, Clock: clk, Log: slog.New(slog.DiscardHandler), Config: records.Defaults(), Verifier: people, Standing: &paused{}})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Declare(records.Room{Name: "passkey", Tables: true, Data: records.Words(passkey.Data()...)}); err != nil {
			t.Fatal(err)
		}
		if err := r.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		write := func(f func(tx *store.Tx) error) error { return db.Write(context.Background(), f) }
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		key := softkey.New()
		credential := map[string][]byte{}
		for _, person := range []string{rita, anna} {
			options, kept, err := people.BeginRegister(t.Context(), person, person)
			must(err)
			answer, err := key.Create(options, origin)
			must(err)
			must(write(func(tx *store.Tx) error {
				c, err := people.FinishRegister(t.Context(), tx, kept, answer, "test")
				credential[person] = c.ID
				return err
			}))
		}
		must(write(func(tx *store.Tx) error {
			return r.Recorder.SignIn(t.Context(), tx, records.SignIn{Account: alice, Time: start, Client: "Dino"})
		}))
		clk.Advance(time.Hour)

		var id string
		var hash [32]byte
		must(write(func(tx *store.Tx) (err error) {
			id, hash, err = r.Gate.Propose(t.Context(), tx, records.Grant{Case: "1", Proposer: rita, Targets: []string{alice}, Categories: []schedule.Category{schedule.SignIn}, Process: schedule.CourtOrder,
				From: start, To: start.Add(time.Hour), Expires: start.Add(48 * time.Hour), Jurisdiction: "US", Service: "chat", Agency: "fbi", Instrument: "subpoena", Received: start})
			return err
		}))
		sign := func(signer, as string, role records.Role) error {
			options, err := people.BeginSign(t.Context(), signer, hash)
			must(err)
			assertion, err := key.Get(options, origin, signer)
			must(err)
			return write(func(tx *store.Tx) error { return r.Gate.Sign(t.Context(), tx, id, as, role, assertion) })
		}
		if err := sign(rita, anna, records.Approver); !errors.Is(err, records.ErrSignature) {
			t.Errorf("Rita's passkey signs for Anna: %v", err)
		}
		must(sign(rita, rita, records.Reviewer))
		if _, err := r.Gate.Extract(t.Context(), id, new(found)); !errors.Is(err, records.ErrUnsigned) {
			t.Errorf("one signature: %v", err)
		}
		must(sign(anna, anna, records.Approver))
		for range 2 { // the counter has moved on: the kept assertions still hold
			var f found
			if _, err := r.Gate.Extract(t.Context(), id, &f); err != nil || len(f.lines) != 1 {
				t.Errorf("two signatures: %v %v", err, f.lines)
			}
		}
		must(write(func(tx *store.Tx) error { return people.Remove(t.Context(), tx, anna, credential[anna]) }))
		if _, err := r.Gate.Extract(t.Context(), id, new(found)); !errors.Is(err, records.ErrSignature) {
			t.Errorf("a passkey that was removed since: %v", err)
		}
	})
}
