package desk

import (
	"testing"
	"time"

	"writ/desk/law"
	"writ/desk/registry"
	"writ/desk/standing"
	"writ/store"
	"writ/store/storetest"
	"writ/tlog/verify"
)

// The counts are of the stated cut-off: what happened later changes nothing, and nothing is read but events and keys.
func TestReceivedAtCutoff(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		begin := h.clock.Now()
		a := h.file("of-hkpf", func(f *Filing) { f.Identifiers = []string{"alice@chat.example", "bob@chat.example"} })
		h.clock.Advance(time.Minute)
		b := h.file("of-fbi")
		h.toReview(a)
		h.toApproved(a)
		h.toPackage(a)
		h.toDelivered(a)
		delivered := h.clock.Now()
		h.do("ines", b, Authenticate{})
		h.clock.Advance(time.Hour)
		h.do("carl", b, Refuse{Reasons: []string{"request.overbroad"}})
		h.clock.Advance(time.Hour)
		h.pause(standing.ReviewPaused)
		c := h.file("of-hkpf")
		end := h.clock.Now().Add(time.Hour)

		at := func(cutoff time.Time) map[string]Counted {
			ns, err := h.desk.Received(t.Context(), begin, end, cutoff)
			must(t, err)
			out := map[string]Counted{}
			for i, n := range ns {
				if i > 0 && n.Received.Before(ns[i-1].Received) {
					t.Error("not in order of receipt")
				}
				out[n.ID] = n
			}
			return out
		}
		early, late := at(delivered), at(end)
		if len(early) != 2 || len(late) != 3 {
			t.Fatalf("%d early, %d late", len(early), len(late))
		}
		if n := early[a]; n.Produced || n.State != SecondApproval {
			t.Errorf("before the delivery: %+v", n)
		}
		if n := late[a]; !n.Produced || n.Accounts != 2 || n.Jurisdiction != "HK" || n.Service != "chat" || n.Instrument != "search_warrant" || n.Emergency {
			t.Errorf("delivered: %+v", n)
		}
		if n := late[b]; n.State != Refused || n.Reason != "request.overbroad" || n.Produced {
			t.Errorf("refused: %+v", n)
		}
		if n := late[c]; !n.Paused || n.State != Standstill || n.Produced {
			t.Errorf("paused: %+v", n)
		}
		// The requester finds its own: the receipt opens the intake leaf and holds the tag's salt.
		r, err := h.desk.Receipt(t.Context(), as("of-hkpf"), a)
		must(t, err)
		if n := late[a]; n.Intake != verify.Commit([32]byte(r.Opening.Salt), []byte(r.Opening.Event)) || n.TagSalt != [32]byte(r.TagSalt) || n.FactSalt == early[a].FactSalt {
			t.Error("intake leaf, tag or salt of the fact")
		}
	})
}

// An order not to tell hides a case from the open count until it ends, by its date or because it is lifted.
func TestUnsealed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		begin := h.clock.Now()
		dated := h.file("of-fbi", func(f *Filing) { f.Gag = &gagged })
		lifted := h.file("of-fbi", func(f *Filing) { g := gagged; g.Until = time.Time{}; f.Gag = &g })
		h.file("of-fbi")
		secret := h.file("of-fbi", func(f *Filing) { f.Instrument = law.SecurityLetter })
		h.clock.Advance(24 * time.Hour)
		ns, err := h.desk.Received(t.Context(), begin, h.clock.Now(), h.clock.Now())
		must(t, err)
		for _, n := range ns {
			if n.Sealed != (n.ID == dated || n.ID == lifted || n.ID == secret) || n.Secret != (n.ID == secret) || !n.SealEnds.IsZero() {
				t.Errorf("at first: %+v", n)
			}
		}
		from := h.clock.Now()
		h.do("carl", lifted, SetGag{})
		h.clock.Set(gagged.Until.Add(time.Hour))
		ns, err = h.desk.Unsealed(t.Context(), from, h.clock.Now())
		must(t, err)
		if len(ns) != 2 {
			t.Fatalf("%d unsealed; want two: %+v", len(ns), ns)
		}
		for _, n := range ns {
			if n.ID != dated && n.ID != lifted || n.Sealed {
				t.Errorf("%+v", n)
			}
		}
		if ns, err = h.desk.Unsealed(t.Context(), h.clock.Now(), h.clock.Now().AddDate(0, 6, 0)); err != nil || len(ns) != 0 {
			t.Errorf("again in the next period: %+v %v", ns, err)
		}
	})
}

// Until its first call-back a new account has few requests waiting.
func TestCoolDown(t *testing.T) {
	t.Parallel()
	h := newHouse(t, storetest.SQLite(t))
	_, err := h.desk.Registry().AddOfficer(t.Context(), "ines", registry.Person{ID: "of-new", Name: "New", Mail: "new@fbi.gov", Agency: "fbi"})
	must(t, err)
	var first string
	for range registry.CoolDown {
		first = h.file("of-new")
	}
	if _, err := h.desk.File(t.Context(), as("of-new"), h.filing()); codeOf(err) != "auth.cooldown" {
		t.Errorf("a new account floods the queue: %v", err)
	}
	h.refused("auth.callback", "ines", first, Authenticate{})
	h.do("ines", first, Authenticate{CallBack: h.callback("ines", "of-new", first)})
	h.file("of-new")
}
