package records_test

import (
	"strings"
	"testing"
	"time"

	"writ/records"
	"writ/store"
	"writ/store/storetest"
)

// TestCalls holds what the log says of a call for each way in which apps signal one: with XEP-0353 and its finish, without it,
// with Jingle alone, and with the legacy messages to the own account.
func TestCalls(t *testing.T) {
	t.Parallel()
	type s = records.CallSignal
	const id = "c1"
	tests := []struct {
		name    string
		signals []s // one second apart
		want    string
	}{
		{"JMI with finish: answered when the session is accepted", []s{{alice, bob, id, records.Propose, true, "", time.Time{}},
			{bob, alice, id, records.Ringing, false, "", time.Time{}}, {bob, alice, id, records.Proceed, false, "", time.Time{}},
			{alice, bob, id, records.SessionStart, true, "", time.Time{}}, {bob, alice, id, records.SessionOpen, false, "", time.Time{}},
			{bob, alice, id, records.SessionEnd, false, "success", time.Time{}}, {bob, alice, id, records.Finish, false, "success", time.Time{}}},
			"0 alice bob video 4 5 answered"},
		{"JMI without finish: the session's end is the call's", []s{{alice, bob, id, records.Propose, false, "", time.Time{}},
			{bob, alice, id, records.Proceed, false, "", time.Time{}}, {bob, bob, id, records.Accept, false, "", time.Time{}},
			{alice, bob, id, records.SessionStart, false, "", time.Time{}}, {bob, alice, id, records.SessionOpen, false, "", time.Time{}},
			{alice, bob, id, records.SessionEnd, false, "", time.Time{}}},
			"0 alice bob audio 4 5 answered"},
		{"JMI whose session the server never saw: proceed is the answer", []s{{alice, bob, id, records.Propose, false, "", time.Time{}},
			{bob, alice, id, records.Proceed, false, "", time.Time{}}, {alice, bob, id, records.Finish, false, "success", time.Time{}}},
			"0 alice bob audio 1 2 answered"},
		{"answered elsewhere, told to the own account only", []s{{alice, bob, id, records.Propose, false, "", time.Time{}},
			{bob, bob, id, records.Accept, false, "", time.Time{}}, {bob, alice, id, records.Finish, false, "", time.Time{}}},
			"0 alice bob audio 1 2 answered"},
		{"Jingle alone", []s{{alice, bob, id, records.SessionStart, false, "", time.Time{}}, {bob, alice, id, records.SessionOpen, false, "", time.Time{}},
			{alice, bob, id, records.SessionEnd, false, "success", time.Time{}}},
			"0 alice bob audio 1 2 answered"},
		{"Jingle alone, declined", []s{{alice, bob, id, records.SessionStart, true, "", time.Time{}}, {bob, alice, id, records.SessionEnd, false, "decline", time.Time{}}},
			"0 alice bob video - 1 declined"},
		{"Jingle alone, busy", []s{{alice, bob, id, records.SessionStart, false, "", time.Time{}}, {bob, alice, id, records.SessionEnd, false, "busy", time.Time{}}},
			"0 alice bob audio - 1 busy"},
		{"declined", []s{{alice, bob, id, records.Propose, false, "", time.Time{}}, {bob, alice, id, records.Reject, false, "", time.Time{}}},
			"0 alice bob audio - 1 declined"},
		{"busy", []s{{alice, bob, id, records.Propose, false, "", time.Time{}}, {bob, alice, id, records.Reject, false, "busy", time.Time{}}},
			"0 alice bob audio - 1 busy"},
		{"taken back: a missed call", []s{{alice, bob, id, records.Propose, false, "", time.Time{}}, {alice, bob, id, records.Retract, false, "cancel", time.Time{}}},
			"0 alice bob audio - 1 cancelled"},
		{"nobody took it", []s{{alice, bob, id, records.Propose, false, "", time.Time{}}, {alice, bob, id, records.Finish, false, "timeout", time.Time{}}},
			"0 alice bob audio - 1 unanswered"},
		{"the connection never came about", []s{{alice, bob, id, records.Propose, false, "", time.Time{}}, {bob, alice, id, records.Proceed, false, "", time.Time{}},
			{alice, bob, id, records.SessionEnd, false, "connectivity-error", time.Time{}}},
			"0 alice bob audio 1 2 failed"},
		{"moved to another call", []s{{alice, bob, id, records.Propose, false, "", time.Time{}}, {alice, bob, id, records.Moved, false, "expired", time.Time{}},
			{alice, bob, id, records.Finish, false, "success", time.Time{}}},
			"0 alice bob audio - 1 moved"},
		{"the last word gives the outcome, the first end the time", []s{{alice, bob, id, records.SessionStart, false, "", time.Time{}},
			{bob, alice, id, records.SessionEnd, false, "", time.Time{}}, {bob, alice, id, records.Finish, false, "busy", time.Time{}}},
			"0 alice bob audio - 1 busy"},
		{"the caller cannot answer or decline for the other", []s{{alice, bob, id, records.Propose, false, "", time.Time{}}, {alice, bob, id, records.Proceed, false, "", time.Time{}},
			{alice, bob, id, records.Reject, false, "", time.Time{}}},
			"0 alice bob audio - - "},
		{"the one called cannot retract", []s{{alice, bob, id, records.Propose, false, "", time.Time{}}, {bob, alice, id, records.Retract, false, "", time.Time{}}},
			"0 alice bob audio - - "},
		{"a stranger's word changes nothing", []s{{alice, bob, id, records.Propose, false, "", time.Time{}}, {carol, bob, id, records.Finish, false, "", time.Time{}}},
			"0 alice bob audio - - "},
		{"an end without a begin is no call", []s{{alice, bob, id, records.Finish, false, "", time.Time{}}, {bob, bob, id, records.Accept, false, "", time.Time{}}}, "none"},
		{"an id of any length", []s{{alice, bob, strings.Repeat("x", 5000), records.Propose, false, "", time.Time{}},
			{bob, alice, strings.Repeat("x", 5000), records.Reject, false, "", time.Time{}}}, "0 alice bob audio - 1 declined"},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, records.Defaults())
		for _, test := range tests {
			begin := h.clock.Now()
			for i, signal := range test.signals {
				signal.Time = begin.Add(time.Duration(i) * time.Second)
				h.signal(signal)
			}
			for _, who := range []string{alice, bob} {
				if got := callLine(h.own(who), begin); got != test.want {
					t.Errorf("%s: %s's log says %q, want %q", test.name, who, got, test.want)
				}
			}
			h.exec(`DELETE FROM records_call`)
			h.clock.Advance(time.Hour)
		}
	})
}

// callLine is the one call in an account's own records, times as seconds since begin and names without their domain.
func callLine(own string, begin time.Time) string {
	var out []string
	for _, line := range strings.Split(own, "\n") {
		_, values, ok := strings.Cut(line, " calls: ")
		if !ok {
			continue
		}
		words := strings.Split(values, " ")
		for i, w := range words {
			if at, err := time.Parse("2006-01-02T15:04:05Z", w); err == nil {
				words[i] = strings.TrimSuffix(at.Sub(begin).String(), "s")
			}
			words[i] = strings.TrimSuffix(words[i], "@writ.example")
		}
		if len(words) == 7 { // started from to kind answered ended outcome
			out = append(out, strings.Join(words, " "))
			continue
		}
		out = append(out, values)
	}
	return strings.Join(out, " | ")
}

// TestCallClosesAfterADay: XEP-0353 has no word for an app that vanished; after 24 hours the log says so.
func TestCallClosesAfterADay(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, records.Defaults())
		begin := h.clock.Now()
		h.signal(records.CallSignal{From: alice, To: bob, ID: "rang", Step: records.Propose})
		h.signal(records.CallSignal{From: carol, To: bob, ID: "talked", Step: records.Propose})
		h.signal(records.CallSignal{From: bob, To: carol, ID: "talked", Step: records.Proceed})
		h.clock.Advance(23 * time.Hour)
		_, err := h.Keeper.Sweep(t.Context())
		h.must(err)
		if got, want := callLine(h.own(alice), begin), "0 alice bob audio - - "; got != want {
			t.Errorf("after 23 h: %q, want %q", got, want)
		}
		h.clock.Advance(2 * time.Hour)
		_, err = h.Keeper.Sweep(t.Context())
		h.must(err)
		if got, want := callLine(h.own(alice), begin), "0 alice bob audio - - unanswered"; got != want {
			t.Errorf("after 25 h: %q, want %q", got, want)
		}
		if got, want := callLine(h.own(carol), begin), "0 carol bob audio 0 - unfinished"; got != want {
			t.Errorf("after 25 h: %q, want %q", got, want)
		}
	})
}

func TestCallsAreNotRecordedAtTermZero(t *testing.T) {
	t.Parallel()
	c := records.Defaults()
	c.Calls, c.SignIns = 0, 0
	h := open(t, storetest.SQLite(t), c)
	h.signal(records.CallSignal{From: alice, To: bob, ID: "1", Step: records.Propose})
	h.signIn(alice, "192.0.2.1", "Dino")
	if n := h.count(`SELECT (SELECT count(*) FROM records_call) + (SELECT count(*) FROM records_signin)`); n != 0 {
		t.Errorf("%d rows were recorded although the term is zero", n)
	}
	for _, d := range h.Schedule().Data() {
		if d.Name == "calls" && h.Schedule().Kept(d) != "not recorded" {
			t.Errorf("the schedule says of calls: %s", h.Schedule().Kept(d))
		}
	}
}
