package records_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"writ/records"
	"writ/schedule"
	"writ/store"
	"writ/store/storetest"
)

func (h *house) extract(id string) (string, error) {
	var f found
	_, err := h.Gate.Extract(context.Background(), id, &f)
	return f.String(), err
}

// TestExtract: what two people approved comes out, by account and datum, and nothing else does.
func TestExtract(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, records.Defaults())
		h.signIn(alice, "192.0.2.1", "Dino")
		h.signIn(bob, "198.51.100.7", "Gajim")
		h.signal(records.CallSignal{From: bob, To: alice, ID: "1", Step: records.Propose, Video: true})
		h.clock.Advance(time.Minute)
		h.signal(records.CallSignal{From: alice, To: bob, ID: "1", Step: records.Reject})
		h.clock.Advance(time.Hour)

		g := h.grant()
		g.Targets = []string{alice, nobody}
		g.Categories = append(g.Categories, schedule.Device) // nothing of it is kept in this house
		id := h.approved(g)
		var f found
		x, err := h.Gate.Extract(t.Context(), id, &f)
		h.must(err)
		want := `alice@writ.example sign-ins: 2019-07-01T09:00:00Z 192.0.2.1 40000 Dino phone TLS 1.3 TLS_AES_128_GCM_SHA256 SCRAM-SHA-256-PLUS
alice@writ.example calls: 2019-07-01T09:00:00Z bob@writ.example alice@writ.example video - 2019-07-01T09:01:00Z declined
nobody@writ.example sign-ins: none
nobody@writ.example calls: none`
		if f.String() != want {
			t.Errorf("extracted\n%s\nwant\n%s", f.String(), want)
		}
		if x.Records[schedule.SignIn] != 1 || x.Records[schedule.CallLog] != 1 || x.Schedule != h.Schedule().Version() || !x.At.Equal(h.clock.Now()) {
			t.Errorf("the extraction says %+v", x)
		}
		if n, ok := x.Records[schedule.Device]; n != 0 || !ok {
			t.Errorf("a granted category of which nothing is kept must be answered with 0: %+v", x.Records)
		}
		if again, err := h.extract(id); err != nil || again != want {
			t.Errorf("again for the same case: %v\n%s", err, again)
		}
		h.must(h.write(func(tx *store.Tx) error { return h.Gate.Close(context.Background(), tx, id, "released") }))
		if _, err := h.extract(id); !errors.Is(err, records.ErrClosed) {
			t.Errorf("after the release: %v, want ErrClosed", err)
		}
		if n := h.count(`SELECT count(*) FROM gate_extraction WHERE case_id = $1 AND ended > 0 AND records = 2`, g.Case); n != 2 {
			t.Errorf("%d extractions are recorded, want 2", n)
		}
	})
}

// TestWhatThePaperReaches: of a category that a subpoena reaches it reaches the fields that the law lists (18 USC 2703(c)(2)), and a
// category with a higher floor not at all, whoever signed for it.
func TestWhatThePaperReaches(t *testing.T) {
	t.Parallel()
	h := open(t, storetest.SQLite(t), records.Defaults())
	h.signIn(alice, "192.0.2.1", "Dino")
	h.clock.Advance(time.Hour)
	g := h.grant()
	g.Categories, g.Process = []schedule.Category{schedule.SignIn}, schedule.Subpoena
	if got, err := h.extract(h.approved(g)); err != nil || got != "alice@writ.example sign-ins: 2019-07-01T09:00:00Z 192.0.2.1 40000" {
		t.Errorf("by a subpoena: %v\n%s", err, got)
	}
	g.Case, g.Categories = "2019-0002", []schedule.Category{schedule.CallLog}
	if got, err := h.extract(h.approved(g)); !errors.Is(err, records.ErrGrant) || got != "" {
		t.Errorf("calls by a subpoena: %v\n%s", err, got)
	}
	for _, p := range []schedule.Process{"", schedule.Never, "letter"} {
		g.Process = p
		if err := h.write(func(tx *store.Tx) error { _, _, err := h.Gate.Propose(t.Context(), tx, g); return err }); !errors.Is(err, records.ErrGrant) {
			t.Errorf("process %q: %v", p, err)
		}
	}
}

// TestExtractChecksAllInTheDatabase tampers with the rows behind the gate's back, as code with SQL access could, and lets the
// world change between signature and extraction. Nothing may come out.
func TestExtractChecksAllInTheDatabase(t *testing.T) {
	t.Parallel()
	widen := func(h *house, id, from, to string) {
		h.exec(`UPDATE gate_grant SET document = replace(document, $2, $3) WHERE id = $1`, id, from, to)
	}
	rehash := func(h *house, id string) { // the hash made to fit the altered document: only the signatures betray it
		var doc string
		h.must(h.db.QueryRow(context.Background(), `SELECT document FROM gate_grant WHERE id = $1`, id).Scan(&doc))
		sum := sha(doc)
		h.exec(`UPDATE gate_grant SET hash = $2 WHERE id = $1`, id, sum[:])
	}
	tests := []struct {
		name string
		do   func(h *house, id string)
		want error
	}{
		{"nothing is wrong", func(*house, string) {}, nil},
		{"a target is added", func(h *house, id string) {
			widen(h, id, `["alice@writ.example"]`, `["alice@writ.example","bob@writ.example"]`)
		}, records.ErrTampered},
		{"… and the hash made to fit", func(h *house, id string) {
			widen(h, id, `["alice@writ.example"]`, `["alice@writ.example","bob@writ.example"]`)
			rehash(h, id)
		}, records.ErrSignature},
		{"a category is added", func(h *house, id string) { widen(h, id, `"sign-in"`, `"last-seen","sign-in"`); rehash(h, id) }, records.ErrSignature},
		{"… out of order", func(h *house, id string) { widen(h, id, `"sign-in"`, `"sign-in","last-seen"`); rehash(h, id) }, records.ErrTampered},
		{"the window is widened", func(h *house, id string) { widen(h, id, `"from":"2019`, `"from":"2009`); rehash(h, id) }, records.ErrSignature},
		{"the expiry is put off", func(h *house, id string) { widen(h, id, `"expires":"2019`, `"expires":"2029`); rehash(h, id) }, records.ErrSignature},
		{"a member is smuggled in", func(h *house, id string) { widen(h, id, `{"type"`, `{"all":true,"type"`); rehash(h, id) }, records.ErrTampered},
		{"the case is another", func(h *house, id string) { h.exec(`UPDATE gate_grant SET case_id = 'other' WHERE id = $1`, id) }, records.ErrTampered},
		{"the hash alone is another", func(h *house, id string) {
			h.exec(`UPDATE gate_grant SET hash = $2 WHERE id = $1`, id, make([]byte, 32))
		}, records.ErrTampered},
		{"a signature is gone", func(h *house, id string) {
			h.exec(`DELETE FROM gate_signature WHERE grant_id = $1 AND role = 'approver'`, id)
		}, records.ErrUnsigned},
		{"a signature is forged", func(h *house, id string) {
			h.exec(`UPDATE gate_signature SET assertion = $2 WHERE grant_id = $1 AND role = 'approver'`, id, make([]byte, 64))
		}, records.ErrSignature},
		{"one person's signature stands for both", func(h *house, id string) {
			h.exec(`UPDATE gate_signature SET person = $2, assertion = (SELECT s.assertion FROM gate_signature s WHERE s.grant_id = $1 AND s.role = 'approver')
				WHERE grant_id = $1 AND role = 'reviewer'`, id, anna)
		}, records.ErrSamePerson},
		{"the approver is the proposer", func(h *house, id string) {
			h.exec(`UPDATE gate_signature SET role = 'x' WHERE grant_id = $1 AND role = 'approver'`, id)
			h.exec(`UPDATE gate_signature SET role = 'approver' WHERE grant_id = $1 AND role = 'reviewer'`, id)
		}, records.ErrSelfApproval},
		{"a signer's key was withdrawn", func(h *house, _ string) { h.keys.revoke(anna) }, records.ErrSignature},
		{"it is unknown", func(h *house, id string) { h.exec(`DELETE FROM gate_grant WHERE id = $1`, id) }, records.ErrUnknown},
		{"it has expired", func(h *house, _ string) { h.clock.Advance(7 * 24 * time.Hour) }, records.ErrExpired},
		{"the country was paused meanwhile", func(h *house, _ string) { h.pause.set(hongKong, true) }, records.ErrStanding},
		{"another country was paused", func(h *house, _ string) { h.pause.set("TW", true) }, nil},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, records.Defaults())
		h.signIn(alice, "192.0.2.1", "Dino")
		h.signIn(bob, "192.0.2.2", "Gajim")
		h.clock.Advance(time.Hour)
		for _, test := range tests {
			h.keys = renew(h.keys)
			id := h.approved(h.grant())
			test.do(h, id)
			got, err := h.extract(id)
			if !errors.Is(err, test.want) {
				t.Errorf("%s: %v, want %v", test.name, err, test.want)
			}
			if test.want != nil && got != "" {
				t.Errorf("%s: the extraction was refused and yet gave %q", test.name, got)
			}
			h.pause.set(hongKong, false)
		}
		if n := h.count(`SELECT count(*) FROM gate_extraction`); n != 2 {
			t.Errorf("%d extractions began, want 2", n)
		}
	})
}

// TestGateIsReachedByTheDesksHandle: the desk proposes, signs and holds in its own transactions, with a handle that cannot touch a
// record.
func TestGateIsReachedByTheDesksHandle(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, records.Defaults())
		desk := db.Scoped("gate", "desk")
		var id string
		h.must(desk.Write(t.Context(), func(tx *store.Tx) error {
			var hash [32]byte
			var err error
			if id, hash, err = h.Gate.Propose(t.Context(), tx, h.grant()); err != nil {
				return err
			}
			if err := h.Gate.Sign(t.Context(), tx, id, rita, records.Reviewer, h.keys.sign(rita, hash)); err != nil {
				return err
			}
			if err := h.Gate.Sign(t.Context(), tx, id, anna, records.Approver, h.keys.sign(anna, hash)); err != nil {
				return err
			}
			_, err = h.Gate.Hold(t.Context(), tx, records.Preservation{Case: "1", Accounts: []string{alice}, Categories: []schedule.Category{schedule.SignIn}, Until: start.AddDate(0, 0, 90)})
			return err
		}))
		if _, err := h.extract(id); err != nil {
			t.Error(err)
		}
		for _, text := range []string{`SELECT count(*) FROM records_signin`, `SELECT count(*) FROM records_call`, `SELECT count(*) FROM records_seen`} {
			var n int
			if err := desk.QueryRow(t.Context(), text).Scan(&n); err == nil {
				t.Errorf("the desk's handle ran %s", text)
			}
			if err := desk.Write(t.Context(), func(tx *store.Tx) error { return tx.QueryRow(t.Context(), text).Scan(&n) }); err == nil {
				t.Errorf("the desk's transaction ran %s", text)
			}
		}
	})
}

// TestOpenedCannotBeMadeOutside: another package can make only the zero value of Opened (its fields are unexported, so a literal with
// fields does not compile), and that opens nothing. One that an Export keeps is closed when the Export returns.
func TestOpenedCannotBeMadeOutside(t *testing.T) {
	t.Parallel()
	var kept *records.Opened
	d := toy()
	export := d.Export
	d.Export = func(ctx context.Context, o *records.Opened, emit func(...any) error) error {
		kept = o
		return export(ctx, o, emit)
	}
	h := open(t, toyDB(t), records.Defaults(), records.Room{Name: "chat/toy", Tables: true, Data: []records.Datum{d}})
	h.exec(`INSERT INTO toy_note (account, at, note) VALUES ($1, $2, 'x')`, alice, store.Time(start))
	if got := h.own(alice); !strings.Contains(got, "toys: ") {
		t.Fatalf("own records: %s", got)
	}
	for name, o := range map[string]*records.Opened{"the zero value": new(records.Opened), "one that was kept": kept} {
		if _, err := o.Query(t.Context(), `SELECT 1`); !errors.Is(err, records.ErrNotOpen) {
			t.Errorf("%s: Query: %v", name, err)
		}
		var n int
		if err := o.QueryRow(t.Context(), `SELECT 1`).Scan(&n); !errors.Is(err, records.ErrNotOpen) {
			t.Errorf("%s: QueryRow: %v", name, err)
		}
	}
	if o := new(records.Opened); o.Account() != "" {
		t.Error("the zero value names an account")
	}
}

// TestExportIsHeldToItsDeclaration: a room that emits too much, the wrong types or outside the window ends the extraction.
func TestExportIsHeldToItsDeclaration(t *testing.T) {
	t.Parallel()
	emits := map[string]func(emit func(...any) error) error{
		"too few values":     func(emit func(...any) error) error { return emit(start) },
		"too many values":    func(emit func(...any) error) error { return emit(start, "x", "y") },
		"bytes":              func(emit func(...any) error) error { return emit(start, []byte("ciphertext")) },
		"a structure":        func(emit func(...any) error) error { return emit(start, struct{}{}) },
		"before the window":  func(emit func(...any) error) error { return emit(start.AddDate(-1, 0, 0), "x") },
		"after the window":   func(emit func(...any) error) error { return emit(start.AddDate(0, 1, 0), "x") },
		"a row without time": func(emit func(...any) error) error { return emit(nil, "x") },
	}
	for name, do := range emits {
		d := toy()
		d.Export = func(_ context.Context, _ *records.Opened, emit func(...any) error) error { return do(emit) }
		h := open(t, toyDB(t), records.Defaults(), records.Room{Name: "chat/toy", Tables: true, Data: []records.Datum{d}})
		h.clock.Advance(time.Hour)
		g := h.grant()
		g.Categories, g.Process = []schedule.Category{schedule.Profile}, schedule.Warrant
		if _, err := h.extract(h.approved(g)); !errors.Is(err, records.ErrExport) {
			t.Errorf("%s: %v, want ErrExport", name, err)
		}
		if n := h.count(`SELECT count(*) FROM gate_extraction WHERE failed <> ''`); n != 1 {
			t.Errorf("%s: the failed extraction is not recorded", name)
		}
	}
}

// toy is a datum of a room chat/toy: one table, rows with a term.
func toy() records.Datum {
	return records.Datum{Datum: schedule.Datum{Name: "toys", Category: schedule.Profile, Tables: []string{"toy_note"}, Time: "time",
		Fields:  []schedule.Field{{Name: "time", Meaning: "When."}, {Name: "note", Meaning: "What."}},
		Purpose: "To test.", Retention: "archive", Process: schedule.Warrant},
		Sweep: records.SweepRows(schedule.Profile, "toy_note", "at", "account"),
		Erase: records.EraseRows(schedule.Profile, "toy_note", "account"),
		Export: func(ctx context.Context, o *records.Opened, emit func(...any) error) error {
			rows, err := o.Query(ctx, `SELECT at, note FROM toy_note WHERE account = $1 AND at >= $2 AND at < $3 ORDER BY at`, o.Account(), store.Time(o.From()), store.Time(o.To()))
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var at int64
				var note string
				if err := rows.Scan(&at, &note); err != nil {
					return err
				}
				if err := emit(store.FromTime(at), note); err != nil {
					return err
				}
			}
			return rows.Err()
		}}
}

var toySchema = store.Schema{Room: "toy", FS: fstest.MapFS{"001.sql": {Data: []byte(
	`CREATE TABLE toy_note (account TEXT NOT NULL, at BIGINT NOT NULL, note TEXT NOT NULL); CREATE INDEX toy_note_at ON toy_note (at);`)}}}

func toyDB(t testing.TB) *store.DB {
	db := storetest.SQLite(t)
	storetest.Migrate(t, db, toySchema)
	return db
}
