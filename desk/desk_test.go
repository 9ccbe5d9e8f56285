package desk

import (
	"archive/zip"
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"writ/desk/law"
	"writ/desk/standing"
	"writ/schedule"
	"writ/store"
	"writ/store/storetest"
)

// One request from door to door: filed, confirmed, reviewed, signed by two, extracted, the person told, signed by two, delivered once.
func TestDoorToDoor(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		r, err := h.desk.File(t.Context(), as("of-hkpf"), h.filing())
		must(t, err)
		if r.State != Received || len(r.Promise) == 0 || len(r.Clocks) == 0 || r.Answer == "" {
			t.Fatalf("the receipt: %+v", r)
		}
		h.toReview(r.Case)
		h.toApproved(r.Case)
		h.want(r.Case, Approved)
		h.toPackage(r.Case)
		c := h.want(r.Case, SecondApproval)
		if c.Package.Records["subscriber"] != 1 || c.Notice.Warned.IsZero() || len(h.box.sent) != 1 || !strings.HasPrefix(h.box.sent[0], "alice@chat.example: ") {
			t.Fatalf("package %+v, told %v", c.Package, h.box.sent)
		}
		h.refused("notice.wait", "abe", r.Case, SignRelease{Assertion: h.sign("abe", c.Package.Hash)})
		h.toDelivered(r.Case)
		c = h.want(r.Case, Notified)
		d, err := h.desk.Download(t.Context(), as("of-hkpf"), r.Case)
		must(t, err)
		z, err := zip.NewReader(bytes.NewReader(d.Body), int64(len(d.Body)))
		must(t, err)
		if len(z.File) < 4 {
			t.Errorf("%d files in the package", len(z.File))
		}
		if _, err := h.desk.Download(t.Context(), as("of-hkpf"), r.Case); codeOf(err) != "delivery.used" {
			t.Errorf("a second download: %v", err)
		}
		h.do("rita", r.Case, Reissue{"the download broke off"})
		if _, err := h.desk.Download(t.Context(), as("of-hkpf"), r.Case); err != nil {
			t.Errorf("a download opened again: %v", err)
		}
		h.do("ines", r.Case, Close{})
		if c = h.want(r.Case, Closed); !c.Produced() {
			t.Error("a delivered case does not count as productive")
		}
	})
}

func TestNoRecords(t *testing.T) {
	t.Parallel()
	h := newHouse(t, storetest.SQLite(t))
	for _, account := range []string{"nobody@chat.example"} {
		id := h.file("of-hkpf", func(f *Filing) { f.Identifiers = []string{account} })
		h.toReview(id)
		h.toApproved(id)
		h.toPackage(id)
		if c := h.want(id, NoRecords); c.Produced() {
			t.Error("no records counts as productive")
		}
	}
}

// The two-person rule: by person, never by role; the verifier of an emergency does not sign; who entered a request does not either.
func TestTwoPeople(t *testing.T) {
	t.Parallel()
	h := newHouse(t, storetest.SQLite(t))
	id := h.file("of-hkpf")
	h.toReview(id)
	h.refused("sign.nothing", "rita", id, SignScope{Assertion: []byte("x")})
	h.do("both", id, Propose{})
	p := h.get(id).Proposal
	h.refused("sign.invalid", "rita", id, SignScope{Assertion: h.sign("rita", [32]byte{1})})
	h.refused("sign.invalid", "rita", id, SignScope{Assertion: h.sign("abe", p.Hash)})
	h.refused("sign.passkey", "rita", id, SignScope{})
	h.refused("state.role", "carl", id, SignScope{Assertion: h.sign("carl", p.Hash)})
	h.do("both", id, SignScope{Assertion: h.sign("both", p.Hash)})
	h.refused("sign.same_person", "both", id, SignScope{Assertion: h.sign("both", p.Hash)}) // also an approver, but one person
	h.want(id, UnderReview)
	h.do("abe", id, SignScope{Assertion: h.sign("abe", p.Hash)})
	h.want(id, Approved)
	h.toPackage(id)
	h.clock.Advance(8 * 24 * time.Hour)
	k := h.want(id, SecondApproval).Package
	h.do("both", id, SignRelease{Assertion: h.sign("both", k.Hash)})
	h.refused("sign.same_person", "both", id, SignRelease{Assertion: h.sign("both", k.Hash)})
	// A change of role in between makes no second person.
	pid, err := h.desk.Registry().ProposeRoles(t.Context(), "adam", "both", []Role{"approver"})
	must(t, err)
	must(t, h.desk.Registry().ConfirmRoles(t.Context(), "eve", pid))
	h.refused("sign.same_person", "both", id, SignRelease{Assertion: h.sign("both", k.Hash)})
	h.refused("state.role", "abe", id, SignRelease{Assertion: h.sign("abe", k.Hash)}) // and the reviewer's signature counts no more
	h.want(id, SecondApproval)
	h.do("abe", id, SendBack{"the reviewer changed roles"})
	h.want(id, UnderReview)
}

// A signer who was suspended, or lost the role, before the second signature: the first counts no more.
func TestFirstSignatureIsCheckedAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t, storetest.SQLite(t))
	id := h.file("of-hkpf")
	h.toReview(id)
	h.toApproved(id)
	h.toPackage(id)
	h.clock.Advance(8 * 24 * time.Hour)
	k := h.get(id).Package
	h.do("rita", id, SignRelease{Assertion: h.sign("rita", k.Hash)})
	must(t, h.desk.Registry().Suspend(t.Context(), "adam", "rita", "left"))
	h.refused("auth.suspended", "abe", id, SignRelease{Assertion: h.sign("abe", k.Hash)})
	h.refused("auth.suspended", "rita", id, Note{"still here?"})
	h.want(id, SecondApproval)
}

func TestEmergency(t *testing.T) {
	t.Parallel()
	h := newHouse(t, storetest.SQLite(t))
	id := h.file("of-hkpf", func(f *Filing) {
		f.Instrument, f.Facts, f.Supervisor, f.Documents = law.Emergency, "A child is missing.", "Sgt Chan", nil
	})
	h.refused("auth.callback", "ines", id, Authenticate{})
	cb := h.callback("rita", "of-hkpf", "")
	h.refused("auth.callback", "rita", id, Authenticate{CallBack: cb}) // an earlier call, not about this emergency
	h.do("rita", id, Authenticate{CallBack: h.callback("rita", "of-hkpf", id)})
	h.do("ines", id, Screen{})
	h.do("both", id, BeginReview{})
	h.do("both", id, Propose{})
	p := h.get(id).Proposal
	if len(p.Scope.Categories) != 1 || p.Scope.Categories[0] != schedule.Subscriber {
		t.Errorf("an emergency reaches the minimum: %v", p.Scope.Categories)
	}
	h.refused("sign.verifier", "rita", id, SignScope{Assertion: h.sign("rita", p.Hash)})
	h.do("both", id, SignScope{Assertion: h.sign("both", p.Hash)})
	h.do("abe", id, SignScope{Assertion: h.sign("abe", p.Hash)})
	h.do("abe", id, Extract{})
	h.tick()
	k := h.want(id, SecondApproval).Package
	if len(h.box.sent) != 0 {
		t.Errorf("told before an emergency: %v", h.box.sent)
	}
	h.refused("sign.verifier", "rita", id, SignRelease{Assertion: h.sign("rita", k.Hash)})
	h.do("both", id, SignRelease{Assertion: h.sign("both", k.Hash)})
	h.do("abe", id, SignRelease{Assertion: h.sign("abe", k.Hash)})
	c := h.want(id, NoticeDue)
	if due, ok := c.Clock("follow_up"); !ok || !due.Due.Equal(h.clock.Now().Add(72*time.Hour)) {
		t.Errorf("legal process must follow: %+v", c.Clocks)
	}
	h.tick()
	if h.want(id, Notified); len(h.box.sent) != 1 {
		t.Errorf("told afterwards: %v", h.box.sent)
	}
	h.refused("emergency.follow_up", "ines", id, Close{})
	h.do("of-hkpf", id, FollowUp{Text: "The warrant."})
	if c := h.get(id); c.FollowUp.IsZero() || !c.NextDue().IsZero() {
		t.Errorf("still due: %v", c.NextDue())
	}
}

func (h *house) callback(by, officer, id string) string {
	h.t.Helper()
	cb, err := h.desk.Registry().RecordCallBack(h.t.Context(), by, registryCallBack(officer, id))
	must(h.t, err)
	return cb.ID
}

// Under an order not to tell nobody is told until it ends; then the person is.
func TestGag(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		id := h.file("of-fbi", func(f *Filing) { f.Gag = &gagged; f.Categories = f.Categories[:1] })
		h.toReview(id)
		h.toApproved(id)
		h.toPackage(id)
		k := h.get(id).Package
		h.do("abe", id, SignRelease{Assertion: h.sign("abe", k.Hash)})
		h.do("rita", id, SignRelease{Assertion: h.sign("rita", k.Hash)})
		h.want(id, Delivered)
		h.clock.Set(gagged.Until.Add(-time.Minute))
		h.tick()
		if h.want(id, Delivered); len(h.box.sent) != 0 {
			t.Fatalf("told under a gag: %v", h.box.sent)
		}
		h.clock.Advance(2 * time.Minute)
		h.tick()
		if h.want(id, Notified); len(h.box.sent) != 1 {
			t.Fatalf("told when it ended: %v", h.box.sent)
		}
	})
}

func TestGagWithoutEndIsADefect(t *testing.T) {
	t.Parallel()
	h := newHouse(t, storetest.SQLite(t))
	id := h.file("of-fbi", func(f *Filing) { g := gagged; g.Until = time.Time{}; f.Gag = &g })
	c := h.get(id)
	if k, ok := c.Clock("gag"); !c.Gag.Defect() || !ok || !k.Soft {
		t.Errorf("no defect is flagged: %+v %+v", c.Gag, c.Clocks)
	}
	h.do("carl", id, SetGag{Issuer: "Court", Until: h.clock.Now().AddDate(0, 3, 0)})
	if c = h.get(id); c.Gag.Defect() {
		t.Error("still a defect")
	}
}

// The person objects: counsel decides before anything leaves. Whoever was not told learns nothing.
func TestObjectionOfThePerson(t *testing.T) {
	t.Parallel()
	h := newHouse(t, storetest.SQLite(t))
	id := h.file("of-hkpf")
	h.toReview(id)
	h.toApproved(id)
	if err := h.desk.Object(t.Context(), "alice@chat.example", id, "No."); !errors.Is(err, ErrNotFound) {
		t.Errorf("before the message: %v", err)
	}
	h.toPackage(id)
	if err := h.desk.Object(t.Context(), "bob@chat.example", id, "No."); !errors.Is(err, ErrNotFound) {
		t.Errorf("by another person: %v", err)
	}
	if err := h.desk.Object(t.Context(), "bob@chat.example", "W-0000-0000", "No."); !errors.Is(err, ErrNotFound) {
		t.Errorf("of no case: %v", err)
	}
	must(t, h.desk.Object(t.Context(), "alice@chat.example", id, "It is about my protest."))
	h.clock.Advance(8 * 24 * time.Hour)
	k := h.get(id).Package
	h.refused("notice.objection", "abe", id, SignRelease{Assertion: h.sign("abe", k.Hash)})
	h.do("carl", id, Overrule{"The order covers it."})
	h.do("abe", id, SignRelease{Assertion: h.sign("abe", k.Hash)})
}

// A pause binds at intake, and again in the transaction that releases. Lifting it releases nothing.
func TestPauses(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		old := h.file("of-hkpf")
		us := h.file("of-fbi")
		h.toReview(old)
		h.toApproved(old)
		h.toPackage(old)
		h.clock.Advance(8 * 24 * time.Hour)
		k := h.get(old).Package
		h.do("abe", old, SignRelease{Assertion: h.sign("abe", k.Hash)})
		rec := h.pause(standing.ReviewPaused)
		// Not yet swept: the release transaction asks by itself.
		h.refused("standing.review_paused", "rita", old, SignRelease{Assertion: h.sign("rita", k.Hash)})
		r, err := h.desk.File(t.Context(), as("of-hkpf"), h.filing())
		must(t, err)
		if r.State != Standstill || !strings.Contains(r.Answer, "We pause.") || !strings.Contains(r.Answer, "not refused") || len(r.Promise) == 0 || len(r.Clocks) == 0 {
			t.Errorf("a paused request is received, clocked, logged and answered: %+v", r)
		}
		h.tick()
		h.want(old, Standstill)
		if h.want(us, Received); len(h.box.told) != 1 || h.box.told[0] != "HK: We pause." {
			t.Errorf("the people there are told once: %v", h.box.told)
		}
		h.refused("state.not_offered", "ines", r.Case, Authenticate{})
		h.refused("standing.in_force", "rita", r.Case, Resume{})
		h.refused("standing.no_exception", "carl", r.Case, Admit{Exception: "e1"})

		// Lapsed: an alarm, and it stays.
		h.clock.Advance(100 * 24 * time.Hour)
		h.tick()
		al, err := h.desk.Alarms(t.Context(), as("carl"))
		must(t, err)
		if len(al) == 0 || al[0].Code != "standing.lapsed" {
			t.Errorf("alarms: %v", al)
		}
		h.refused("standing.in_force", "rita", r.Case, Resume{})

		// Lifting: a new record with three signatures; every case stays where it is until someone takes it up.
		as1 := h.assessment()
		h.pause(standing.Open, func(x *standing.Record) { x.Replaces, x.Assessment, x.Statement = rec.ID, as1, "We resume." })
		h.tick()
		h.want(r.Case, Standstill)
		h.want(old, Standstill)
		h.do("rita", r.Case, Resume{})
		h.want(r.Case, Received)
		h.do("carl", old, Resume{})
		if c := h.want(old, SecondApproval); c.Paused() != nil {
			t.Error("still paused")
		}
	})
}

// Google's way: new requests only, reviewed, nothing produced; with exceptions that two people admit.
func TestProductionPausedForNewRequests(t *testing.T) {
	t.Parallel()
	h := newHouse(t, storetest.SQLite(t))
	old := h.file("of-hkpf")
	h.clock.Advance(time.Hour)
	h.pause(standing.ProductionPaused, func(r *standing.Record) {
		r.Scope.NewOnly = true
		r.Exceptions = []standing.Exception{{ID: "life", Instruments: []string{"emergency"}, Text: "A credible threat to life."},
			{ID: "trafficking", Instruments: []string{"search_warrant"}, Text: "Trafficking in persons."}}
	})
	h.clock.Advance(time.Hour)
	fresh := h.file("of-hkpf")
	h.toReview(old)
	h.toApproved(old)
	h.want(old, Approved)
	h.toReview(fresh)
	if c := h.want(fresh, UnderReview); c.Paused() == nil {
		t.Error("a request under a paused production does not show it")
	}
	h.toApproved(fresh)
	c := h.want(fresh, Standstill)
	h.do("carl", fresh, Admit{Exception: "trafficking", Assertion: h.sign("carl", c.AdmitHash("trafficking"))})
	h.want(fresh, Standstill)
	h.refused("sign.same_person", "carl", fresh, Admit{Exception: "trafficking", Assertion: h.sign("carl", c.AdmitHash("trafficking"))})
	h.do("hana", fresh, Admit{Exception: "trafficking", Assertion: h.sign("hana", c.AdmitHash("trafficking"))})
	h.want(fresh, Approved)
	h.toPackage(fresh)
	h.toDelivered(fresh)
	h.want(fresh, Notified)
}

func TestRefusedStanding(t *testing.T) {
	t.Parallel()
	h := newHouse(t, storetest.SQLite(t))
	h.pause(standing.Refused)
	r, err := h.desk.File(t.Context(), as("of-hkpf"), h.filing())
	must(t, err)
	c := h.want(r.Case, Refused)
	if r.State != Refused || c.Reasons[0] != "standing.refused" || len(r.Promise) == 0 {
		t.Errorf("%+v", r)
	}
}

// Records itself refuses to extract while a pause is in force, whatever the desk does.
func TestRecordsAsksTheStanding(t *testing.T) {
	t.Parallel()
	h := newHouse(t, storetest.SQLite(t))
	id := h.file("of-hkpf")
	h.toReview(id)
	h.toApproved(id)
	h.do("rita", id, Extract{})
	h.pause(standing.ReviewPaused)
	must(t, h.desk.extract(t.Context(), id))
	c := h.want(id, Standstill)
	if c.Held != Approved || c.Fault != "standing.production_paused" {
		t.Errorf("held at %s, fault %q", c.Held, c.Fault)
	}
}

func TestPreservation(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		id := h.file("of-fbi", func(f *Filing) { f.Instrument, f.Categories, f.Documents = law.Preservation, nil, nil })
		h.toReview(id)
		h.refused("policy.preserves_only", "rita", id, Propose{})
		h.do("rita", id, Preserve{})
		c := h.want(id, Closed)
		if !c.Hold.Until.Equal(c.Hold.From.AddDate(0, 0, 90)) || c.Produced() {
			t.Fatalf("%+v", c.Hold)
		}
		held, err := h.recs.Gate.Holds(t.Context(), h.db, id)
		must(t, err)
		if len(held) != 1 || !held[0].Ended.IsZero() {
			t.Fatalf("no real hold: %+v", held)
		}
		h.clock.Advance(80 * 24 * time.Hour)
		h.tick()
		h.do("ines", id, ExtendHold{"a renewed request"})
		h.refused("hold.extended", "ines", id, ExtendHold{"once more"})
		h.clock.Advance(99 * 24 * time.Hour)
		h.tick()
		if c = h.get(id); !c.Hold.Ended.IsZero() {
			t.Fatal("it ended before 180 days")
		}
		h.clock.Advance(2 * 24 * time.Hour)
		h.tick()
		if c = h.get(id); c.Hold.Why != "expired" {
			t.Fatalf("%+v", c.Hold)
		}
		if held, _ = h.recs.Gate.Holds(t.Context(), h.db, id); held[0].Ended.IsZero() {
			t.Error("the hold goes on in records")
		}
	})
}

// A fraud verdict suspends the agency and freezes its open cases; others go on.
func TestFraud(t *testing.T) {
	t.Parallel()
	h := newHouse(t, storetest.SQLite(t))
	a, b, us := h.file("of-hkpf"), h.file("of-hkpf"), h.file("of-fbi")
	h.do("carl", a, Fraud{"The mailbox was sold."})
	h.want(a, Fraudulent)
	if c := h.get(b); !c.Frozen || c.FrozenBy != a {
		t.Errorf("not frozen: %+v", c)
	}
	h.refused("state.frozen", "ines", b, Authenticate{})
	if _, err := h.desk.File(t.Context(), as("of-hkpf"), h.filing()); codeOf(err) != "auth.suspended" {
		t.Errorf("the suspended agency files: %v", err)
	}
	h.do("ines", us, Authenticate{})
	must(t, h.desk.Registry().Reinstate(t.Context(), "adam", "hkpf", "called back"))
	h.refused("state.role", "rita", b, Unfreeze{"ok"})
	h.do("carl", b, Unfreeze{"The agency was authenticated anew."})
	h.refused("auth.callback", "ines", b, Authenticate{}) // its officers have to be called back anew
}

// A sealed case does not exist for whoever is not on its team: not in pages, lists or counts.
func TestSealedCases(t *testing.T) {
	t.Parallel()
	h := newHouse(t, storetest.SQLite(t))
	id := h.file("of-fbi", func(f *Filing) { f.Sealed = true })
	for who, sees := range map[string]bool{"rita": false, "ines": false, "abe": false, "hana": false, "adam": false, "carl": true, "of-fbi": true, "of-hkpf": false} {
		_, err := h.desk.Case(t.Context(), as(who), id)
		p, perr := h.desk.Queue(t.Context(), as(who), Filter{})
		must(t, perr)
		n, nerr := h.desk.Counts(t.Context(), as(who))
		must(t, nerr)
		if (err == nil) != sees || !sees && !errors.Is(err, ErrNotFound) || (len(p.Lines) == 1) != sees || (n[Received] == 1) != sees {
			t.Errorf("%s: %v, %d lines, %v; sees it: %v", who, err, len(p.Lines), n, sees)
		}
		if _, err := h.desk.Do(t.Context(), as(who), id, Note{"x"}); !sees && !errors.Is(err, ErrNotFound) {
			t.Errorf("%s acts on it: %v", who, err)
		}
	}
	h.do("carl", id, Assign{"rita"})
	if _, err := h.desk.Case(t.Context(), as("rita"), id); err != nil {
		t.Errorf("on the team: %v", err)
	}
}

// An officer sees what they asked and what was said to them, and no hint of how it is weighed.
func TestOfficersView(t *testing.T) {
	t.Parallel()
	h := newHouse(t, storetest.SQLite(t))
	id := h.file("of-hkpf")
	h.do("ines", id, Authenticate{Note: "mail looks odd"})
	h.do("ines", id, Screen{Flags: []string{"sedition", "target_journalist"}, Note: "a reporter"})
	h.refused("screen.flagged", "rita", id, BeginReview{})
	h.do("hana", id, Clear{"reviewed"})
	h.do("rita", id, BeginReview{})
	h.do("rita", id, Ask{"Which period?"})
	h.do("rita", id, Note{"for the file"})
	c, err := h.desk.Case(t.Context(), as("of-hkpf"), id)
	must(t, err)
	if c.Flags != nil || c.Flagged || c.Verifier != "" || len(c.Talk) != 1 || c.Talk[0].Text != "Which period?" || c.Talk[0].By != "desk" {
		t.Errorf("the officer sees: %+v", c)
	}
	es, err := h.desk.Events(t.Context(), as("of-hkpf"), id)
	must(t, err)
	for _, e := range es {
		if e.By != "of-hkpf" && e.By != "desk" || e.Kind == EvScreened || e.Kind == EvNoted || e.Detail != nil && e.Detail.Flags != nil {
			t.Errorf("the officer sees the event %+v", e)
		}
	}
	h.do("of-hkpf", id, Answer{Text: "March."})
	h.want(id, UnderReview)
	if _, err := h.desk.Case(t.Context(), as("of-fbi"), id); !errors.Is(err, ErrNotFound) {
		t.Errorf("another agency's officer: %v", err)
	}
}
