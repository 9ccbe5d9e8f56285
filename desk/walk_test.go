package desk

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"writ/desk/law"
	"writ/desk/standing"
	"writ/schedule"
	"writ/store/storetest"
)

// walker drives random people through random commands on a few cases, with pauses that come and go and time that passes, and holds
// up what must always be true.
type walker struct {
	h      *house
	t      *rapid.T
	ids    []string
	paused string
	n      *int // releases
}

func (w *walker) pick() string { return rapid.SampledFrom(w.ids).Draw(w.t, "case") }

func (w *walker) person() string {
	return rapid.SampledFrom([]string{"ines", "rita", "abe", "carl", "hana", "eve", "adam", "both", "of-hkpf", "of-fbi"}).Draw(w.t, "who")
}

// command draws a command that fits the case now and then: real hashes are signed, sometimes by another than the one who acts.
func (w *walker) command(who string, c Case) Command {
	signer := who
	if rapid.IntRange(0, 9).Draw(w.t, "forge") == 0 {
		signer = rapid.SampledFrom([]string{"rita", "abe", "both"}).Draw(w.t, "signer")
	}
	sum := func(p *Proposal, k *Package) (h [32]byte) {
		if k != nil {
			return k.Hash
		}
		if p != nil {
			return p.Hash
		}
		return h
	}
	all := commands()
	switch x := rapid.SampledFrom(all).Draw(w.t, "command").(type) {
	case SignScope:
		return SignScope{Assertion: w.h.signAny(signer, sum(c.Proposal, nil))}
	case SignRelease:
		return SignRelease{Assertion: w.h.signAny(signer, sum(nil, c.Package))}
	case Admit:
		return Admit{Exception: "life", Assertion: w.h.signAny(signer, c.AdmitHash("life"))}
	case Fraud, Withdraw, Refuse: // ends come seldom, or no walk gets far
		if rapid.IntRange(0, 5).Draw(w.t, "end") > 0 {
			return Note{"x"}
		}
		return x
	default:
		return x
	}
}

// useful draws what brings a case forward, so that walks reach the end of the line.
func (w *walker) useful(c Case) (string, Command) {
	switch c.State {
	case Received:
		return "ines", Authenticate{CallBack: w.h.callback("ines", c.Request.Officer, c.ID)}
	case Authenticated:
		return "ines", Screen{}
	case Screened:
		return "rita", BeginReview{}
	case UnderReview:
		if c.Proposal == nil {
			return "rita", Propose{}
		}
		who := rapid.SampledFrom([]string{"rita", "abe"}).Draw(w.t, "signs")
		return who, SignScope{Assertion: w.h.signAny(who, c.Proposal.Hash)}
	case Approved:
		return "rita", Extract{}
	case Standstill:
		return "rita", Resume{}
	case Extracting:
		w.tick()
	case SecondApproval:
		who := rapid.SampledFrom([]string{"rita", "abe"}).Draw(w.t, "signs")
		return who, SignRelease{Assertion: w.h.signAny(who, c.Package.Hash)}
	}
	return "rita", TakeBack{"x"}
}

func (h *house) signAny(person string, sum [32]byte) []byte {
	options, err := h.keys.BeginSign(h.t.Context(), person, sum)
	if err != nil {
		return []byte("no passkey")
	}
	a, err := h.soft.Get(options, origin, person)
	must(h.t, err)
	return a
}

func (w *walker) act(who string, c Command, id string) {
	before := w.h.get(id)
	now := w.h.clock.Now()
	after, err := w.h.desk.Do(w.h.t.Context(), as(who), id, c)
	var r *Refusal
	if err != nil && !errors.As(err, &r) && !errors.Is(err, ErrNotFound) {
		w.t.Fatalf("%s by %s in %s: %v", c.Name(), who, before.State, err)
	}
	if err != nil {
		if got := w.h.get(id); got.Seq != before.Seq {
			w.t.Fatalf("%s was refused and left events", c.Name())
		}
		return
	}
	if after = w.h.get(id); slices.Contains(handed, after.State) && !slices.Contains(handed, before.State) {
		w.released(after, now)
	}
}

// released checks everything that must hold when something left the house.
func (w *walker) released(c Case, now time.Time) {
	*w.n++
	t := w.t
	people := map[string]bool{}
	for _, s := range c.Package.Signatures {
		people[s.Person] = true
		if c.Emergency() && s.Person == c.Verifier {
			t.Fatalf("the verifier released an emergency")
		}
	}
	scope := map[string]bool{}
	for _, s := range c.Proposal.Signatures {
		scope[s.Person] = true
	}
	if len(people) != 2 || len(scope) != 2 {
		t.Fatalf("released by %v, scope by %v", people, scope)
	}
	if !c.Proposal.Scope.within(widest(c.Request.Asked)) || len(c.Proposal.Scope.Categories) == 0 {
		t.Fatalf("released wider than asked: %+v of %+v", c.Proposal.Scope, c.Request.Asked)
	}
	for _, k := range c.Proposal.Scope.Categories {
		if !k.Producible() {
			t.Fatalf("released %s", k)
		}
	}
	m, _, err := standing.Lookup(w.h.t.Context(), w.h.db, c.subject(), now)
	must(w.h.t, err)
	if m.Binds() {
		t.Fatalf("released under the standing %+v", m.Record)
	}
	if !c.Emergency() && !c.Gag.In(now) && (c.Notice.Warned.IsZero() || now.Before(c.Notice.NotBefore) || !c.Notice.Objected.IsZero() && !c.Notice.Overruled) {
		t.Fatalf("released without the person's week: %+v", c.Notice)
	}
	if c.Gag.In(now) && !c.Notice.Told.IsZero() {
		t.Fatalf("told under a gag")
	}
	if c.Frozen || c.Request.Service != "chat" || !c.Called && c.Emergency() {
		t.Fatalf("released: %+v", c)
	}
}

func (w *walker) standing() {
	ctx := w.h.t.Context()
	if w.paused == "" {
		stage := rapid.SampledFrom([]standing.Stage{standing.ReviewPaused, standing.ProductionPaused}).Draw(w.t, "stage")
		w.paused = w.h.pause(stage, func(r *standing.Record) {
			r.Exceptions = []standing.Exception{{ID: "life", Instruments: []string{"emergency"}, Text: "A threat to life."}}
		}).ID
		return
	}
	old, err := w.h.desk.Standings().Record(ctx, w.paused)
	must(w.h.t, err)
	if now := w.h.clock.Now(); !now.After(old.InForce) {
		w.h.clock.Advance(time.Second)
	}
	w.h.pause(standing.Open, func(r *standing.Record) { r.Replaces, r.Assessment = w.paused, w.h.assessment() })
	w.paused = ""
}

// Whatever anyone does in whatever order: nothing leaves but as it must, and the file stays whole.
func TestWalks(t *testing.T) {
	t.Parallel()
	released := 0
	defer func() { t.Logf("%d releases, each as it must be", released) }()
	rapid.Check(t, func(rt *rapid.T) {
		h := newHouse(t, storetest.SQLite(t))
		defer h.db.Close()
		w := &walker{h: h, t: rt, n: &released}
		for i := range 2 {
			officer := []string{"of-hkpf", "of-fbi"}[i]
			w.ids = append(w.ids, h.file(officer, func(f *Filing) {
				f.Instrument = rapid.SampledFrom([]law.Instrument{law.SearchWarrant, law.Emergency, law.Subpoena}).Draw(rt, "instrument")
				f.Facts, f.Supervisor = "A child is missing.", "Sgt Chan"
				f.Categories = rapid.SliceOfNDistinct(rapid.SampledFrom([]law.Category{schedule.Subscriber, schedule.SignIn, schedule.CallLog, schedule.Contacts, schedule.Credentials, schedule.Ciphertext}), 1, 4, rapid.ID).Draw(rt, "categories")
				if rapid.Bool().Draw(rt, "gag") {
					g := gagged
					f.Gag = &g
				}
				f.Reference = fmt.Sprint(i)
			}))
		}
		for range rapid.IntRange(20, 90).Draw(rt, "steps") {
			switch n := rapid.IntRange(0, 19).Draw(rt, "step"); {
			case n < 3:
				id, who := w.pick(), w.person()
				w.act(who, w.command(who, h.get(id)), id)
			case n < 14:
				id := w.pick()
				who, c := w.useful(h.get(id))
				w.act(who, c, id)
			case n < 17:
				h.clock.Advance(time.Duration(rapid.IntRange(1, 10*24).Draw(rt, "hours")) * time.Hour)
				w.tick()
			case n == 17 || n == 18 && w.paused != "":
				w.standing()
			default:
				w.tick()
			}
		}
		h.whole()
	})
}

func (w *walker) tick() {
	now := w.h.clock.Now()
	var before []Case
	for _, id := range w.ids {
		before = append(before, w.h.get(id))
	}
	if err := w.h.desk.Tick(w.h.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	for i, id := range w.ids {
		c := w.h.get(id)
		if slices.Contains(handed, c.State) && !slices.Contains(handed, before[i].State) {
			w.t.Fatalf("the clockwork released %s", id)
		}
		if c.Gag.In(now) && c.Notice.Told.After(before[i].Notice.Told) {
			w.t.Fatalf("told under a gag")
		}
	}
}
