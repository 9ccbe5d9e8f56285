package standing_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"writ/clock"
	"writ/desk/law"
	"writ/desk/registry"
	"writ/desk/standing"
	"writ/passkey"
	"writ/passkey/softkey"
	"writ/records"
	"writ/store"
	"writ/store/storetest"
)

var start = time.Date(2020, 7, 6, 9, 0, 0, 0, time.UTC)

const origin = "http://localhost"

type office struct {
	t      *testing.T
	db     *store.DB
	clock  *clock.Fake
	book   *standing.Book
	keys   *passkey.Passkeys
	soft   *softkey.Key
	forced []string
}

func open(t *testing.T, db *store.DB) *office {
	t.Helper()
	storetest.Migrate(t, db, standing.Schema(), registry.Schema(), passkey.Schema())
	o := &office{t: t, db: db, clock: clock.NewFake(start), soft: softkey.New()}
	var err error
	if o.keys, err = passkey.Open(db, passkey.Config{RPID: "localhost", Name: "Writ", Origins: []string{origin}}, o.clock); err != nil {
		t.Fatal(err)
	}
	r := registry.New(db, o.clock)
	for id, roles := range map[string][]registry.Role{"carl": {registry.Counsel}, "hana": {registry.Rights}, "eve": {registry.Executive}, "rita": {registry.Reviewer},
		"all": {registry.Counsel, registry.Rights, registry.Executive}} {
		if _, err := r.AddStaff(t.Context(), registry.SystemPerson, registry.Person{ID: id, Name: id, Roles: roles}); err != nil {
			t.Fatal(err)
		}
		options, kept, err := o.keys.BeginRegister(t.Context(), id, id)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := o.soft.Create(options, origin)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := o.keys.FinishRegister(t.Context(), tx, kept, answer, "")
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	o.book = standing.New(db, o.clock, o.keys, func(_ context.Context, _ store.Reader, id string) (bool, error) { return id == "signed", nil },
		func(_ context.Context, tx *store.Tx, r standing.Record) error {
			tx.AfterCommit(func() { o.forced = append(o.forced, r.ID) })
			return nil
		})
	return o
}

func (o *office) assert(person string, hash [32]byte) []byte {
	o.t.Helper()
	options, err := o.keys.BeginSign(o.t.Context(), person, hash)
	if err != nil {
		o.t.Fatal(err)
	}
	a, err := o.soft.Get(options, origin, person)
	if err != nil {
		o.t.Fatal(err)
	}
	return a
}

func (o *office) draft(r standing.Record) standing.Record {
	o.t.Helper()
	if r.Statement == "" {
		r.Statement = "We pause."
	}
	if r.Stage != standing.Open && r.Resume == nil {
		r.Resume = []string{"Due diligence is complete."}
	}
	r, err := o.book.Draft(o.t.Context(), "carl", r)
	if err != nil {
		o.t.Fatal(err)
	}
	return r
}

func (o *office) sign(r standing.Record, person string, role registry.Role) (standing.Record, error) {
	return o.book.Sign(o.t.Context(), person, r.ID, role, o.assert(person, r.Hash))
}

func (o *office) force(r standing.Record) standing.Record {
	o.t.Helper()
	r = o.draft(r)
	for person, role := range map[string]registry.Role{"carl": registry.Counsel, "hana": registry.Rights, "eve": registry.Executive} {
		if role == registry.Executive && len(r.Needs) < 3 {
			continue
		}
		var err error
		if r, err = o.sign(r, person, role); err != nil {
			o.t.Fatal(err)
		}
	}
	r, err := o.book.Record(o.t.Context(), r.ID)
	if err != nil || r.InForce.IsZero() {
		o.t.Fatalf("not in force: %+v %v", r, err)
	}
	return r
}

func (o *office) lookup(s standing.Subject) (standing.Match, bool) {
	o.t.Helper()
	m, ok, err := standing.Lookup(o.t.Context(), o.db, s, o.clock.Now())
	if err != nil {
		o.t.Fatal(err)
	}
	return m, ok
}

func code(err error) string {
	var r *law.Refusal
	if errors.As(err, &r) {
		return r.Code
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

var hk = standing.Subject{Jurisdiction: "HK", Service: "chat", Agency: "hkpf", Instrument: "search_warrant", Received: start.AddDate(0, -1, 0)}

// Counsel and the human-rights lead, two people, each by passkey over the record; before the last signature nothing is in force.
func TestSignatures(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o := open(t, db)
		r := o.draft(standing.Record{Stage: standing.ReviewPaused, Scope: standing.Scope{Jurisdictions: []string{"HK"}}})
		if _, err := o.sign(r, "rita", registry.Counsel); code(err) != "state.role" {
			t.Errorf("a reviewer signs as counsel: %v", err)
		}
		if _, err := o.sign(r, "eve", registry.Executive); code(err) != "state.role" {
			t.Errorf("a signature that is not needed: %v", err)
		}
		if _, err := o.book.Sign(t.Context(), "carl", r.ID, registry.Counsel, o.assert("hana", r.Hash)); code(err) != "sign.invalid" {
			t.Errorf("another's passkey: %v", err)
		}
		if _, err := o.book.Sign(t.Context(), "carl", r.ID, registry.Counsel, o.assert("carl", [32]byte{1})); code(err) != "sign.invalid" {
			t.Errorf("another hash: %v", err)
		}
		if _, err := o.sign(r, "all", registry.Counsel); err != nil {
			t.Fatal(err)
		}
		if _, err := o.sign(r, "all", registry.Rights); code(err) != "sign.same_person" {
			t.Errorf("one person in two roles: %v", err)
		}
		if _, ok := o.lookup(hk); ok {
			t.Error("in force by one signature")
		}
		got, err := o.sign(r, "hana", registry.Rights)
		if err != nil || got.InForce.IsZero() || len(o.forced) != 1 {
			t.Fatalf("%+v %v %v", got, err, o.forced)
		}
		if m, ok := o.lookup(hk); !ok || !m.Binds() || m.Code() != "standing.review_paused" {
			t.Errorf("%+v %v", m, ok)
		}
		if _, err := o.sign(r, "carl", registry.Counsel); code(err) != "state.not_offered" {
			t.Errorf("signed again: %v", err)
		}
		if err := o.book.Discard(t.Context(), "carl", r.ID); code(err) != "state.not_offered" {
			t.Errorf("a record in force is discarded: %v", err)
		}
		if h, err := o.book.History(t.Context()); err != nil || len(h) != 1 || len(h[0].Signatures) != 2 {
			t.Errorf("%+v %v", h, err)
		}
	})
}

func TestScope(t *testing.T) {
	t.Parallel()
	now := start.AddDate(0, 0, 1)
	base := standing.Record{Stage: standing.ReviewPaused, From: start, InForce: start}
	for _, c := range []struct {
		name  string
		scope standing.Scope
		edit  func(*standing.Subject)
		meets bool
	}{
		{"all", standing.Scope{}, nil, true},
		{"the jurisdiction", standing.Scope{Jurisdictions: []string{"HK"}}, nil, true},
		{"another", standing.Scope{Jurisdictions: []string{"CN"}}, nil, false},
		{"a part of it", standing.Scope{Jurisdictions: []string{"US"}}, func(s *standing.Subject) { s.Jurisdiction = "US-CA" }, true},
		{"the whole of a part", standing.Scope{Jurisdictions: []string{"US-CA"}}, func(s *standing.Subject) { s.Jurisdiction = "US" }, false},
		{"another service", standing.Scope{Services: []string{"photos"}}, nil, false},
		{"the agency", standing.Scope{Agencies: []string{"hkpf"}}, nil, true},
		{"another instrument", standing.Scope{Instruments: []string{"subpoena"}}, nil, false},
		{"new only, and old", standing.Scope{NewOnly: true}, nil, false},
		{"new only, and new", standing.Scope{NewOnly: true}, func(s *standing.Subject) { s.Received = now }, true},
		{"new only, at that moment", standing.Scope{NewOnly: true}, func(s *standing.Subject) { s.Received = start }, true},
	} {
		r, s := base, hk
		r.Scope = c.scope
		if c.edit != nil {
			c.edit(&s)
		}
		if got := r.Meets(s); got != c.meets {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestDraftFaults(t *testing.T) {
	t.Parallel()
	o := open(t, storetest.SQLite(t))
	for name, edit := range map[string]func(*standing.Record){
		"no stage":            func(r *standing.Record) { r.Stage = "frozen" },
		"no country":          func(r *standing.Record) { r.Scope.Jurisdictions = []string{"XX"} },
		"no instrument":       func(r *standing.Record) { r.Scope.Instruments = []string{"letter"} },
		"review in a year":    func(r *standing.Record) { r.Review = start.AddDate(1, 0, 0) },
		"review before":       func(r *standing.Record) { r.Review = start.AddDate(0, 0, -1) },
		"no statement":        func(r *standing.Record) { r.Statement = " " },
		"no resume criterion": func(r *standing.Record) { r.Resume = nil },
		"an exception unsaid": func(r *standing.Record) { r.Exceptions = []standing.Exception{{ID: "x"}} },
		"the same exception": func(r *standing.Record) {
			r.Exceptions = []standing.Exception{{ID: "x", Text: "a"}, {ID: "x", Text: "b"}}
		},
		"replaces what is none": func(r *standing.Record) { r.Replaces = "sd-none" },
	} {
		r := standing.Record{Stage: standing.ReviewPaused, Statement: "We pause.", Resume: []string{"x"}}
		edit(&r)
		if _, err := o.book.Draft(t.Context(), "carl", r); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := o.book.Draft(t.Context(), "rita", standing.Record{Stage: standing.Open, Statement: "x"}); code(err) != "state.role" {
		t.Errorf("a reviewer drafts: %v", err)
	}
	r := o.draft(standing.Record{Stage: standing.Refused})
	if !r.Review.Equal(r.From.Add(standing.MaxReview)) {
		t.Errorf("the review date is %s", r.Review)
	}
	if err := o.book.Discard(t.Context(), "hana", r.ID); err != nil {
		t.Error(err)
	}
	if _, err := o.sign(r, "carl", registry.Counsel); code(err) != "state.not_offered" {
		t.Errorf("a discarded draft is signed: %v", err)
	}
}

// Easing takes the executive too, and a signed assessment; making it stricter does not.
func TestEasing(t *testing.T) {
	t.Parallel()
	o := open(t, storetest.SQLite(t))
	first := o.force(standing.Record{Stage: standing.ReviewPaused, Scope: standing.Scope{Jurisdictions: []string{"HK"}, Services: []string{"chat"}}})
	o.clock.Advance(time.Hour)
	for _, c := range []struct {
		name  string
		edit  func(*standing.Record)
		needs int
	}{
		{"longer", func(r *standing.Record) {}, 2},
		{"stricter", func(r *standing.Record) { r.Stage = standing.Refused }, 2},
		{"wider", func(r *standing.Record) { r.Scope.Services = nil }, 2},
		{"milder", func(r *standing.Record) { r.Stage = standing.ProductionPaused }, 3},
		{"lifted", func(r *standing.Record) { r.Stage = standing.Open }, 3},
		{"narrower", func(r *standing.Record) { r.Scope.Instruments = []string{"subpoena"} }, 3},
		{"another country", func(r *standing.Record) { r.Scope.Jurisdictions = []string{"MO"} }, 3},
		{"new only", func(r *standing.Record) { r.Scope.NewOnly = true }, 3},
		{"with an exception", func(r *standing.Record) { r.Exceptions = []standing.Exception{{Text: "threat to life"}} }, 3},
	} {
		r := standing.Record{Replaces: first.ID, Stage: first.Stage, Scope: first.Scope, Statement: "x", Resume: []string{"x"}, Assessment: "signed"}
		c.edit(&r)
		got, err := o.book.Draft(t.Context(), "carl", r)
		if err != nil || len(got.Needs) != c.needs {
			t.Errorf("%s: needs %v, %v", c.name, got.Needs, err)
		}
		if r.Assessment = ""; c.needs == 3 {
			if _, err := o.book.Draft(t.Context(), "carl", r); code(err) != "form.required" {
				t.Errorf("%s without an assessment: %v", c.name, err)
			}
		}
	}
	lift := o.force(standing.Record{Replaces: first.ID, Stage: standing.Open, Scope: first.Scope, Statement: "We resume.", Assessment: "signed"})
	if m, ok := o.lookup(hk); !ok || m.Binds() || m.Record.ID != lift.ID {
		t.Errorf("after lifting: %+v", m.Record)
	}
	if old, _ := o.book.Record(t.Context(), first.ID); old.Ended.IsZero() {
		t.Error("the first has not ended")
	}
	if h, _ := o.book.History(t.Context()); len(h) != 2 {
		t.Errorf("the history has %d records", len(h))
	}
	late := standing.Record{Replaces: first.ID, Stage: standing.Refused, Statement: "x", Resume: []string{"x"}}
	if _, err := o.book.Draft(t.Context(), "carl", late); code(err) != "state.not_offered" {
		t.Errorf("a record that has ended is replaced: %v", err)
	}
}

// A lapsed review: reported once, and it stays in force.
func TestLapse(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o := open(t, db)
		o.force(standing.Record{Stage: standing.ReviewPaused, Scope: standing.Scope{Jurisdictions: []string{"HK"}}})
		lapsed := func() (all, fresh []standing.Record) {
			if err := db.Write(t.Context(), func(tx *store.Tx) (err error) {
				all, fresh, err = standing.Lapsed(t.Context(), tx, o.clock.Now())
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return all, fresh
		}
		if all, _ := lapsed(); len(all) != 0 {
			t.Error("lapsed at once")
		}
		o.clock.Advance(standing.MaxReview)
		if all, fresh := lapsed(); len(all) != 1 || len(fresh) != 1 {
			t.Errorf("%d lapsed, %d fresh", len(all), len(fresh))
		}
		if all, fresh := lapsed(); len(all) != 1 || len(fresh) != 0 {
			t.Errorf("again: %d lapsed, %d fresh", len(all), len(fresh))
		}
		if m, _ := o.lookup(hk); !m.Binds() || !m.Lapsed {
			t.Error("a lapsed standing binds no more")
		}
	})
}

// A standing of new requests that is renewed still holds what came in since the first one: its renewal eases nothing.
func TestRenewalOfNewOnly(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o := open(t, db)
		scope := standing.Scope{Jurisdictions: []string{"HK"}, NewOnly: true}
		r := o.force(standing.Record{Stage: standing.ProductionPaused, Scope: scope})
		before, between := hk, hk
		between.Received = start.AddDate(0, 1, 0)
		for range 2 {
			o.clock.Advance(standing.MaxReview)
			next := o.draft(standing.Record{Stage: standing.ProductionPaused, Scope: standing.Scope{Jurisdictions: []string{"HK"}, NewOnly: true, Then: o.clock.Now()}, Replaces: r.ID})
			if len(next.Needs) != 2 {
				t.Errorf("a renewal needs %v", next.Needs)
			}
			for person, role := range map[string]registry.Role{"carl": registry.Counsel, "hana": registry.Rights} {
				if _, err := o.sign(next, person, role); err != nil {
					t.Fatal(err)
				}
			}
			r = next
			if m, _ := o.lookup(between); !m.Binds() || m.Lapsed || m.Record.ID != r.ID {
				t.Errorf("what came in between: %+v", m)
			}
			if m, _ := o.lookup(before); m.Binds() {
				t.Error("what came in before the first one is held")
			}
		}
	})
}

// It begins when it says, not before; the strictest of several binds; an admission frees one case from one record.
func TestWhichBinds(t *testing.T) {
	t.Parallel()
	o := open(t, storetest.SQLite(t))
	a := o.force(standing.Record{Stage: standing.ProductionPaused, Scope: standing.Scope{Jurisdictions: []string{"HK"}}, From: start.AddDate(0, 0, 1),
		Exceptions: []standing.Exception{{ID: "life", Instruments: []string{"emergency"}, Text: "threat to life"}}})
	if _, ok := o.lookup(hk); ok {
		t.Error("in force before it begins")
	}
	o.clock.Advance(25 * time.Hour)
	if m, _ := o.lookup(hk); m.Record.ID != a.ID {
		t.Error("not in force when it begins")
	}
	s := hk
	s.Case, s.Instrument = "W-1", "emergency"
	if e, ok := a.Exception("", s); !ok || e.ID != "life" {
		t.Error("the exception does not fit an emergency")
	}
	if _, ok := a.Exception("", hk); ok {
		t.Error("the exception fits a warrant")
	}
	if err := o.db.Write(t.Context(), func(tx *store.Tx) error { return standing.AdmitIn(t.Context(), tx, "W-1", a.ID, "life", o.clock.Now()) }); err != nil {
		t.Fatal(err)
	}
	if m, ok := o.lookup(s); !ok || m.Binds() || m.Admitted != "life" {
		t.Errorf("admitted: %+v", m)
	}
	b := o.force(standing.Record{Stage: standing.ReviewPaused, Scope: standing.Scope{Jurisdictions: []string{"HK"}}})
	if m, _ := o.lookup(s); !m.Binds() || m.Record.ID != b.ID {
		t.Error("an admission under one record frees from another")
	}
	g := standing.Guard{Clock: o.clock}
	if err := g.Allows(t.Context(), o.db, records.Grant{Case: "W-1", Jurisdiction: "HK", Service: "chat", Instrument: "emergency"}); err == nil {
		t.Error("the guard lets through")
	}
	if err := g.Allows(t.Context(), o.db, records.Grant{Case: "W-2", Jurisdiction: "US", Service: "chat", Instrument: "emergency"}); err != nil {
		t.Errorf("another country: %v", err)
	}
}

// The record read back has the hash that was signed, whatever is in it.
func TestCanonical(t *testing.T) {
	t.Parallel()
	o := open(t, storetest.SQLite(t))
	rapid.Check(t, func(rt *rapid.T) {
		r := standing.Record{Stage: rapid.SampledFrom(standing.Stages()).Draw(rt, "stage"), Statement: rapid.StringN(1, 50, 200).Draw(rt, "statement") + "x",
			Resume: append(rapid.SliceOfN(rapid.String(), 0, 3).Draw(rt, "resume"), "x"), Assessment: rapid.String().Draw(rt, "assessment"),
			Scope: standing.Scope{Services: rapid.SliceOfN(rapid.String(), 0, 2).Draw(rt, "services"), NewOnly: rapid.Bool().Draw(rt, "new")}}
		d, err := o.book.Draft(t.Context(), "carl", r)
		if code(err) == "form.required" {
			return
		}
		if err != nil {
			rt.Fatal(err)
		}
		back, err := o.book.Record(t.Context(), d.ID)
		if err != nil || back.Hash != d.Hash {
			rt.Fatalf("%v %v", back.Hash == d.Hash, err)
		}
	})
}
