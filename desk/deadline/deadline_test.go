package deadline

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"writ/desk/law"
)

func at(s string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", s)
	if err != nil {
		panic(err)
	}
	return t
}

// The vector of the Commission's guidance: received Friday 17:10, runs from 18:00, expires Saturday 02:00.
func TestHoursFridayEvening(t *testing.T) {
	t.Parallel()
	got := Of(Facts{Instrument: law.EPOC, Urgent: true, Served: at("2026-11-20 17:10")}, Calendar{})
	if got[0].Due != at("2026-11-21 02:00") {
		t.Errorf("due %s; want Saturday 02:00", got[0].Due)
	}
}

func TestHours(t *testing.T) {
	t.Parallel()
	holidays := Calendar{Holidays: map[string]bool{"2026-12-25": true}}
	for in, want := range map[string]string{
		"2026-11-20 17:10": "2026-11-21 02:00",
		"2026-11-20 17:59": "2026-11-21 02:00",
		"2026-11-20 18:00": "2026-11-21 03:00", // 18:00 to 18:59 is the hour of receipt
		"2026-12-24 23:30": "2026-12-25 08:00", // hours never roll
		"2026-12-31 23:01": "2027-01-01 08:00",
	} {
		if got := Hours(at(in), 8, holidays); got != at(want) {
			t.Errorf("8 hours from %s: %s; want %s", in, got, want)
		}
	}
}

func TestDays(t *testing.T) {
	t.Parallel()
	c := Calendar{Holidays: map[string]bool{"2026-12-25": true, "2026-12-28": true}}
	for in, want := range map[string]string{
		"2026-11-10 09:00": "2026-11-21 00:00", // day 10 is Friday the 20th, to its end
		"2026-11-11 09:00": "2026-11-24 00:00", // Saturday rolls to Monday the 23rd
		"2026-11-12 23:59": "2026-11-24 00:00", // Sunday rolls to Monday
		"2026-12-15 00:00": "2026-12-30 00:00", // a holiday, a weekend, a holiday: Tuesday the 29th
	} {
		if got := Days(at(in), 10, c); got != at(want) {
			t.Errorf("10 days from %s: %s; want %s", in, got, want)
		}
	}
	berlin := time.FixedZone("CET", 3600)
	if got := Days(at("2026-11-09 23:30"), 10, Calendar{Zone: berlin}); got != at("2026-11-20 23:00") {
		t.Errorf("received on the 10th in Berlin: %s", got)
	}
}

func TestClocksOfInstruments(t *testing.T) {
	t.Parallel()
	served := at("2026-11-10 09:00")
	for _, c := range []struct {
		name  string
		f     Facts
		clock string
		due   string
		still bool
	}{
		{"order with notification: a stand-still", Facts{Instrument: law.EPOC, Notified: true}, Hold, "2026-11-21 00:00", true},
		{"order without: a deadline", Facts{Instrument: law.EPOC}, AnswerBy, "2026-11-21 00:00", false},
		{"emergency", Facts{Instrument: law.Emergency}, AnswerBy, "2026-11-11 09:00", false},
		{"preservation", Facts{Instrument: law.Preservation}, AnswerBy, "2026-11-12 00:00", false},
		{"date on the paper", Facts{Instrument: law.Subpoena, Respond: at("2026-11-30 00:00")}, AnswerBy, "2026-11-30 00:00", false},
		{"no date", Facts{Instrument: law.Subpoena}, AnswerBy, "2026-12-11 00:00", false},
	} {
		c.f.Served = served
		got := Of(c.f, Calendar{})
		if len(got) != 1 || got[0].Name != c.clock || got[0].Due != at(c.due) || got[0].NotBefore != c.still {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	gag := Of(Facts{Instrument: law.Subpoena, Served: served, Gagged: true}, Calendar{})
	if len(gag) != 2 || gag[1].Name != Gag || !gag[1].Soft {
		t.Errorf("a gag without an end has no clock of ours: %+v", gag)
	}
	gag = Of(Facts{Instrument: law.Subpoena, Served: served, Gagged: true, GagUntil: at("2027-05-01 00:00")}, Calendar{})
	if gag[1].Due != at("2027-05-01 00:00") || gag[1].Soft {
		t.Errorf("a gag ends when the order says: %+v", gag)
	}
}

func TestKeep(t *testing.T) {
	t.Parallel()
	from := at("2026-01-01 00:00")
	for _, c := range []struct {
		i        law.Instrument
		extended bool
		want     string
	}{{law.Preservation, false, "2026-04-01 00:00"}, {law.Preservation, true, "2026-06-30 00:00"}, {law.EPOCPR, false, "2026-03-02 00:00"}, {law.EPOCPR, true, "2026-04-01 00:00"}} {
		if got := Keep(c.i, from, c.extended); got.Due != at(c.want) {
			t.Errorf("%s extended %v: %s; want %s", c.i, c.extended, got.Due, c.want)
		}
	}
}

// A term never ends before it began, ends later when received later, and is the same each time.
func TestProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "served"), 0).UTC()
		later := s.Add(time.Duration(rapid.IntRange(0, 1e6).Draw(t, "later")) * time.Second)
		n := rapid.IntRange(1, 100).Draw(t, "n")
		c := Calendar{Holidays: map[string]bool{s.AddDate(0, 0, n).Format(time.DateOnly): rapid.Bool().Draw(t, "holiday")}}
		d, h := Days(s, n, c), Hours(s, n, c)
		if !d.After(s.AddDate(0, 0, n)) || !h.After(s.Add(time.Duration(n)*time.Hour)) {
			t.Fatalf("ends too early: %s %s", d, h)
		}
		if h.After(s.Add(time.Duration(n+1) * time.Hour)) {
			t.Fatalf("an hour clock rolled: %s", h)
		}
		if Days(later, n, c).Before(d) || Hours(later, n, c).Before(h) {
			t.Fatal("received later, due earlier")
		}
		if !reflect.DeepEqual(d, Days(s, n, c)) || !c.Working(d.Add(-time.Second)) {
			t.Fatal("ends on no working day")
		}
	})
}
