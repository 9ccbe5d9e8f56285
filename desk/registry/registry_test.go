package registry

import (
	"errors"
	"testing"
	"time"

	"filippo.io/age"

	"writ/clock"
	"writ/desk/law"
	"writ/store"
	"writ/store/storetest"
)

var start = time.Date(2020, 1, 6, 9, 0, 0, 0, time.UTC)

func open(t *testing.T, db *store.DB) (*Registry, *clock.Fake) {
	t.Helper()
	storetest.Migrate(t, db, Schema())
	c := clock.NewFake(start)
	r := New(db.Scoped("registry"), c)
	for id, roles := range map[string][]Role{"ines": {Intake}, "rita": {Reviewer}, "adam": {Admin}, "eve": {Executive}, "carl": {Counsel}} {
		if _, err := r.AddStaff(t.Context(), SystemPerson, Person{ID: id, Name: id, Roles: roles}); err != nil {
			t.Fatal(err)
		}
	}
	return r, c
}

func police() Agency {
	return Agency{ID: "hkpf", Name: "Hong Kong Police Force", Jurisdiction: "CN-HK", Domains: []string{"Police.gov.hk"},
		Numbers: []Number{{Phone: "+852 2860 2000", Source: "the government's telephone directory"}}}
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

func TestAgency(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r, _ := open(t, db)
		a, err := r.AddAgency(t.Context(), "ines", police())
		if err != nil || a.Jurisdiction != "HK" || a.Domains[0] != "police.gov.hk" || a.Numbers[0].Phone != "+85228602000" {
			t.Fatalf("%+v %v", a, err)
		}
		for name, edit := range map[string]func(*Agency){
			"no name":            func(a *Agency) { a.Name = " " },
			"no country":         func(a *Agency) { a.Jurisdiction = "XX" },
			"no domain":          func(a *Agency) { a.Domains = nil },
			"an address":         func(a *Agency) { a.Domains = []string{"x@police.gov.hk"} },
			"no number":          func(a *Agency) { a.Numbers = nil },
			"a local number":     func(a *Agency) { a.Numbers[0].Phone = "2860 2000" },
			"a number unsourced": func(a *Agency) { a.Numbers[0].Source = "" },
			"a bad key":          func(a *Agency) { a.Recipient = "age1xyz" },
			"a secret key":       func(a *Agency) { a.Recipient = "AGE-SECRET-KEY-1QQQQQQQQQQ" },
			"taken":              func(a *Agency) {},
		} {
			b := police()
			edit(&b)
			if _, err := r.AddAgency(t.Context(), "ines", b); code(err) != "form.unknown" && code(err) != "form.required" {
				t.Errorf("%s: %v", name, err)
			}
		}
		id, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		a.Recipient = id.Recipient().String()
		if err := r.ChangeAgency(t.Context(), "adam", a); err != nil {
			t.Error(err)
		}
		a.Jurisdiction = "CN"
		if err := r.ChangeAgency(t.Context(), "adam", a); code(err) != "form.unknown" {
			t.Errorf("an agency moves to another country: %v", err)
		}
		for _, who := range []string{"rita", "carl", "eve", "nobody", ""} {
			b := police()
			b.ID = "x"
			if _, err := r.AddAgency(t.Context(), who, b); code(err) != "state.role" {
				t.Errorf("%q adds an agency: %v", who, err)
			}
		}
		h, err := r.History(t.Context(), 10)
		if err != nil || len(h) != 7 || h[0].What != "agency changed" || h[0].Who != "adam" {
			t.Errorf("history: %+v %v", h, err)
		}
	})
}

func TestOfficer(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r, c := open(t, db)
		if _, err := r.AddAgency(t.Context(), "ines", police()); err != nil {
			t.Fatal(err)
		}
		for _, mail := range []string{"wong@gmail.com", "wong@police.gov.hk.evil.example", "no address", "Wong <wong@police.gov.hk>"} {
			if _, err := r.AddOfficer(t.Context(), "ines", Person{ID: "w", Name: "Wong", Mail: mail, Agency: "hkpf"}); code(err) != "form.unknown" {
				t.Errorf("%s: %v", mail, err)
			}
		}
		p, err := r.AddOfficer(t.Context(), "ines", Person{ID: "wong", Name: "Wong", Mail: "Wong@Police.gov.hk", Agency: "hkpf", Badge: "12345", Roles: []Role{Approver}})
		if err != nil || len(p.Roles) != 1 || p.Roles[0] != Officer || p.Confirmed(c.Now()) {
			t.Fatalf("%+v %v", p, err)
		}
		// A call to a number that the request gave confirms nothing.
		if _, err := r.RecordCallBack(t.Context(), "rita", CallBack{Officer: "wong", Number: "+85299999999", SpokeTo: "him", Result: Confirmed}); code(err) != "auth.callback" {
			t.Errorf("a number that is not ours: %v", err)
		}
		if _, err := r.RecordCallBack(t.Context(), "carl", CallBack{Officer: "wong", Number: "+85228602000", SpokeTo: "him", Result: Confirmed}); code(err) != "state.role" {
			t.Errorf("counsel calls: %v", err)
		}
		for _, result := range []string{NoAnswer, Denied} {
			if _, err := r.RecordCallBack(t.Context(), "rita", CallBack{Officer: "wong", Number: "+852 2860 2000", SpokeTo: "switchboard", Result: result}); err != nil {
				t.Error(err)
			}
		}
		if p, _ = r.Person(t.Context(), "wong"); p.Confirmed(c.Now()) {
			t.Error("confirmed by a call that confirmed nothing")
		}
		if _, err := r.RecordCallBack(t.Context(), "rita", CallBack{Officer: "wong", Number: "+852 2860 2000", SpokeTo: "duty officer", Result: Confirmed}); err != nil {
			t.Error(err)
		}
		if p, _ = r.Person(t.Context(), "wong"); !p.Confirmed(c.Now()) || p.Confirmed(c.Now().Add(CallBackTerm)) {
			t.Error("a call-back confirms for its term")
		}
		if cbs, err := r.CallBacks(t.Context(), "wong"); err != nil || len(cbs) != 3 {
			t.Errorf("%v %v", cbs, err)
		}
		if !p.Active(c.Now()) || p.Active(c.Now().Add(OfficerTerm)) {
			t.Error("an account expires")
		}
		c.Advance(OfficerTerm - time.Hour)
		if err := r.Renew(t.Context(), "ines", "wong"); err != nil {
			t.Error(err)
		}
		if p, _ = r.Person(t.Context(), "wong"); !p.Active(c.Now().Add(2 * time.Hour)) {
			t.Error("renewed and expired")
		}
		if err := r.Suspend(t.Context(), "carl", "hkpf", "fraud"); err != nil {
			t.Error(err)
		}
		if p, _ = r.Person(t.Context(), "wong"); p.Confirmed(c.Now()) {
			t.Error("the officers of a suspended agency have to be called back anew")
		}
		if a, _ := r.Agency(t.Context(), "hkpf"); a.Suspended.IsZero() || a.Reason != "fraud" {
			t.Errorf("%+v", a)
		}
		if err := r.Reinstate(t.Context(), "ines", "hkpf", "x"); code(err) != "state.role" {
			t.Errorf("the intake reinstates: %v", err)
		}
		if err := r.Reinstate(t.Context(), "adam", "hkpf", "authenticated anew"); err != nil {
			t.Error(err)
		}
	})
}

// Roles are granted by two people, neither of them the one who gets them.
func TestRoles(t *testing.T) {
	t.Parallel()
	r, c := open(t, storetest.SQLite(t))
	ctx := t.Context()
	if _, err := r.AddStaff(ctx, "adam", Person{ID: "ann", Name: "Ann", Roles: []Role{Approver}}); code(err) != "state.role" {
		t.Errorf("one person grants a role: %v", err)
	}
	if _, err := r.AddStaff(ctx, "adam", Person{ID: "ann", Name: "Ann"}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ProposeRoles(ctx, "adam", "adam", []Role{Approver}); code(err) != "sign.same_person" {
		t.Errorf("for oneself: %v", err)
	}
	if _, err := r.ProposeRoles(ctx, "rita", "ann", []Role{Approver}); code(err) != "state.role" {
		t.Errorf("by a reviewer: %v", err)
	}
	if _, err := r.ProposeRoles(ctx, "adam", "ann", []Role{"root"}); code(err) != "form.unknown" {
		t.Errorf("no role: %v", err)
	}
	id, err := r.ProposeRoles(ctx, "adam", "ann", []Role{Approver})
	if err != nil {
		t.Fatal(err)
	}
	if ps, err := r.Proposals(ctx); err != nil || len(ps) != 1 || ps[0].ID != id || ps[0].Roles[0] != Approver {
		t.Errorf("waiting: %+v %v", ps, err)
	}
	if err := r.ConfirmRoles(ctx, "adam", id); code(err) != "sign.same_person" {
		t.Errorf("by the same person: %v", err)
	}
	if p, _ := r.Person(ctx, "ann"); p.Has(Approver) {
		t.Error("granted by one")
	}
	if err := r.ConfirmRoles(ctx, "eve", id); err != nil {
		t.Fatal(err)
	}
	if p, _ := r.Person(ctx, "ann"); !p.Has(Approver) {
		t.Error("not granted by two")
	}
	if err := r.ConfirmRoles(ctx, "eve", id); code(err) != "state.not_offered" {
		t.Errorf("confirmed twice: %v", err)
	}
	if err := r.ConfirmRoles(ctx, "eve", "rp-none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("no proposal: %v", err)
	}
	reviewers, approvers, either, err := CountStaffed(ctx, r.db, c.Now())
	if err != nil || reviewers != 1 || approvers != 1 || either != 2 {
		t.Errorf("%d %d %d %v", reviewers, approvers, either, err)
	}
	if err := r.Suspend(ctx, "adam", "ann", "left"); err != nil {
		t.Fatal(err)
	}
	if _, approvers, _, _ = CountStaffed(ctx, r.db, c.Now()); approvers != 0 {
		t.Error("a suspended approver counts")
	}
	if ps, err := r.Staff(ctx); err != nil || len(ps) != 6 {
		t.Errorf("%d staff, %v", len(ps), err)
	}
}
