package desk

import (
	"testing"
	"time"

	"writ/desk/law"
	"writ/desk/standing"
	"writ/store/storetest"
)

// The four half-years of Hong Kong, a twentieth of their size: answered, answered, then paused with its emergencies, while another
// country is answered throughout. The clock is theirs, so officers are called back anew and renewed as time goes.
func TestHongKong(t *testing.T) {
	t.Parallel()
	h := newHouseAt(t, storetest.SQLite(t), time.Date(2019, 7, 1, 9, 0, 0, 0, time.UTC))
	for _, p := range []struct {
		from                            string
		requests, productive, emergency int
		paused                          bool
	}{{"2019-07-01", 12, 5, 0, false}, {"2020-01-01", 13, 3, 0, false}, {"2020-07-01", 10, 0, 1, true}, {"2021-01-01", 8, 0, 2, true}} {
		from, err := time.Parse(time.DateOnly, p.from)
		must(t, err)
		to := from.AddDate(0, 6, 0)
		h.clock.Set(from.Add(9 * time.Hour))
		for _, o := range []string{"of-hkpf", "of-fbi"} {
			must(t, h.desk.Registry().Renew(t.Context(), "ines", o))
			h.callback("ines", o, "")
		}
		if p.from == "2020-07-01" {
			h.clock.Set(time.Date(2020, 7, 6, 9, 0, 0, 0, time.UTC))
			h.pause(standing.ReviewPaused)
		}
		var given []string
		for i := range p.requests {
			h.clock.Advance(24 * time.Hour)
			id := h.file("of-hkpf", func(f *Filing) {
				if i < p.emergency {
					f.Instrument, f.Facts, f.Supervisor, f.Documents = law.Emergency, "A person is missing.", "Sgt Chan", nil
				}
				if i >= p.productive && !p.paused { // about nobody here
					f.Identifiers = []string{"nobody@chat.example"}
				}
			})
			if p.paused {
				h.want(id, Standstill)
				continue
			}
			h.toReview(id)
			h.toApproved(id)
			h.do("rita", id, Extract{})
			if i < p.productive {
				given = append(given, id)
			}
		}
		given = append(given, h.file("of-fbi"))
		h.toReview(given[len(given)-1])
		h.toApproved(given[len(given)-1])
		h.toPackage(given[len(given)-1])
		h.clock.Advance(8 * 24 * time.Hour)
		for _, id := range given {
			k := h.want(id, SecondApproval).Package
			h.do("abe", id, SignRelease{Assertion: h.sign("abe", k.Hash)})
			h.do("rita", id, SignRelease{Assertion: h.sign("rita", k.Hash)})
		}
		h.tick()
		ns, err := h.desk.Received(t.Context(), from, to, to)
		must(t, err)
		requests, productive, emergencies, others := 0, 0, 0, 0
		for _, n := range ns {
			switch {
			case n.Jurisdiction != "HK":
				if n.Produced {
					others++
				}
				continue
			case n.Produced:
				productive++
			case n.Emergency:
				emergencies++
			}
			requests++
			if n.Paused != p.paused {
				t.Errorf("%s: %+v", p.from, n)
			}
		}
		if requests != p.requests || productive != p.productive || emergencies != p.emergency || others != 1 {
			t.Errorf("%s: %d requests, %d with data, %d emergencies, %d of the other country; want %+v", p.from, requests, productive, emergencies, others, p)
		}
	}
	h.whole()
}
