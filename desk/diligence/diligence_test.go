package diligence_test

import (
	"errors"
	"testing"
	"time"

	"writ/clock"
	"writ/desk/diligence"
	"writ/desk/law"
	"writ/desk/registry"
	"writ/passkey"
	"writ/passkey/softkey"
	"writ/store"
	"writ/store/storetest"
)

const origin = "http://localhost"

var start = time.Date(2020, 7, 6, 9, 0, 0, 0, time.UTC)

func content() diligence.Content {
	return diligence.Content{Trigger: "The National Security Law.", TriggerDate: time.Date(2020, 6, 30, 0, 0, 0, 0, time.UTC),
		Scope: diligence.Scope{Jurisdictions: []string{"hk"}}, Facts: []diligence.Fact{{Text: "Article 43 fines and jails.", Source: "the gazette"}},
		Rights: []string{"expression", "privacy"}, Groups: []string{"journalists"}, Risks: []diligence.Risk{{Text: "arrest", Scale: 5, Scope: 3, Remediability: 4, Likelihood: 3}},
		Consulted: []diligence.Consultation{{Who: "an expert", Sealed: true, Date: start}}, Options: []diligence.Option{{Text: "refuse", Rejected: "staff"}, {Text: "pause"}},
		StaffSafety: "No staff there.", Decision: "pause the review", Interim: "acknowledge", Resume: []string{"reviewed"}, Publication: "We assess.", Dissent: "one would refuse"}
}

type office struct {
	t    *testing.T
	book *diligence.Book
	db   *store.DB
	keys *passkey.Passkeys
	soft *softkey.Key
}

func open(t *testing.T, db *store.DB) *office {
	t.Helper()
	storetest.Migrate(t, db, diligence.Schema(), registry.Schema(), passkey.Schema())
	c := clock.NewFake(start)
	keys, err := passkey.Open(db, passkey.Config{RPID: "localhost", Name: "Writ", Origins: []string{origin}}, c)
	if err != nil {
		t.Fatal(err)
	}
	o := &office{t: t, db: db, keys: keys, soft: softkey.New(), book: diligence.New(db, c, keys)}
	r := registry.New(db, c)
	for id, roles := range map[string][]registry.Role{"carl": {registry.Counsel}, "hana": {registry.Rights}, "eve": {registry.Executive}, "two": {registry.Counsel, registry.Executive}, "rita": {registry.Reviewer}} {
		if _, err := r.AddStaff(t.Context(), registry.SystemPerson, registry.Person{ID: id, Name: id, Roles: roles}); err != nil {
			t.Fatal(err)
		}
		options, kept, err := keys.BeginRegister(t.Context(), id, id)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := o.soft.Create(options, origin)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Write(t.Context(), func(tx *store.Tx) error { _, err := keys.FinishRegister(t.Context(), tx, kept, answer, ""); return err }); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

func (o *office) sign(a diligence.Assessment, person string, role registry.Role) (diligence.Assessment, error) {
	o.t.Helper()
	options, err := o.keys.BeginSign(o.t.Context(), person, a.Hash)
	if err != nil {
		o.t.Fatal(err)
	}
	assertion, err := o.soft.Get(options, origin, person)
	if err != nil {
		o.t.Fatal(err)
	}
	return o.book.Sign(o.t.Context(), person, a.ID, a.Version, role, assertion)
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

// A version is active by three people's signatures; a change is a new version, and the old stays active until that is signed.
func TestVersions(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o := open(t, db)
		a, err := o.book.Write(t.Context(), "hana", "", content())
		if err != nil || a.Version != 1 || a.Status != diligence.Draft || a.Content.Scope.Jurisdictions[0] != "HK" {
			t.Fatalf("%+v %v", a, err)
		}
		if _, err := o.sign(a, "two", registry.Counsel); err != nil {
			t.Fatal(err)
		}
		if _, err := o.sign(a, "two", registry.Executive); code(err) != "sign.same_person" {
			t.Errorf("one person in two roles: %v", err)
		}
		if _, err := o.sign(a, "rita", registry.Rights); code(err) != "state.role" {
			t.Errorf("a reviewer: %v", err)
		}
		if _, err := o.sign(a, "hana", registry.Rights); err != nil {
			t.Fatal(err)
		}
		if ok, _ := diligence.IsActive(t.Context(), db, a.ID); ok {
			t.Error("active by two signatures")
		}
		if got, err := o.sign(a, "eve", registry.Executive); err != nil || got.Status != diligence.Active || len(got.Signatures) != 3 {
			t.Fatalf("%+v %v", got, err)
		}
		if _, err := o.sign(a, "carl", registry.Counsel); code(err) != "state.not_offered" {
			t.Errorf("signed again: %v", err)
		}
		next := content()
		next.Decision = "go on pausing"
		b, err := o.book.Write(t.Context(), "carl", a.ID, next)
		if err != nil || b.Version != 2 || b.Hash == a.Hash {
			t.Fatalf("%+v %v", b, err)
		}
		vs, err := o.book.Versions(t.Context(), a.ID)
		if err != nil || len(vs) != 2 || vs[0].Status != diligence.Draft || vs[1].Status != diligence.Active {
			t.Fatalf("%+v %v", vs, err)
		}
		for person, role := range map[string]registry.Role{"carl": registry.Counsel, "hana": registry.Rights, "eve": registry.Executive} {
			if _, err := o.sign(b, person, role); err != nil {
				t.Fatal(err)
			}
		}
		if vs, _ = o.book.Versions(t.Context(), a.ID); vs[0].Status != diligence.Active || vs[1].Status != diligence.Superseded {
			t.Errorf("%s %s", vs[0].Status, vs[1].Status)
		}
		if l, err := o.book.List(t.Context()); err != nil || len(l) != 1 || l[0].Version != 2 || l[0].Content.Dissent == "" || l[0].Content.Risks[0].Weight() != 15 {
			t.Errorf("%+v %v", l, err)
		}
		if _, err := o.book.Write(t.Context(), "hana", "as-none", content()); !errors.Is(err, diligence.ErrNotFound) {
			t.Errorf("a version of nothing: %v", err)
		}
	})
}

func TestFaults(t *testing.T) {
	t.Parallel()
	o := open(t, storetest.SQLite(t))
	for name, edit := range map[string]func(*diligence.Content){
		"no trigger":        func(c *diligence.Content) { c.Trigger = "" },
		"no decision":       func(c *diligence.Content) { c.Decision = " " },
		"no staff safety":   func(c *diligence.Content) { c.StaffSafety = "" },
		"no country":        func(c *diligence.Content) { c.Scope.Jurisdictions = []string{"XX"} },
		"no facts":          func(c *diligence.Content) { c.Facts = nil },
		"no options":        func(c *diligence.Content) { c.Options = nil },
		"a risk of 6":       func(c *diligence.Content) { c.Risks[0].Scale = 6 },
		"heard at no date":  func(c *diligence.Content) { c.Consulted[0].Date = time.Time{} },
		"review in a year":  func(c *diligence.Content) { c.Review = start.AddDate(1, 0, 0) },
		"no trigger's date": func(c *diligence.Content) { c.TriggerDate = time.Time{} },
	} {
		c := content()
		edit(&c)
		if _, err := o.book.Write(t.Context(), "hana", "", c); code(err) != "form.required" && code(err) != "form.unknown" && code(err) != "form.bad_time" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := o.book.Write(t.Context(), "rita", "", content()); code(err) != "state.role" {
		t.Errorf("a reviewer writes: %v", err)
	}
}
