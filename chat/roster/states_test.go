package roster

import (
	"strings"
	"testing"
)

// The tables of RFC 6121 Appendix A, in its words. "yes" is MUST; "no" is MUST NOT or SHOULD NOT; "=" is no state change.
var tables = map[string]string{
	"out subscribe": `
		None                  yes  None + Pending Out
		None + Pending Out    yes  =
		None + Pending In     yes  None + Pending Out+In
		None + Pending Out+In yes  =
		To                    yes  =
		To + Pending In       yes  =
		From                  yes  From + Pending Out
		From + Pending Out    yes  =
		Both                  yes  =`,
	"out unsubscribe": `
		None                  yes  =
		None + Pending Out    yes  None
		None + Pending In     yes  =
		None + Pending Out+In yes  None + Pending In
		To                    yes  None
		To + Pending In       yes  None + Pending In
		From                  yes  =
		From + Pending Out    yes  From
		Both                  yes  From`,
	"out subscribed": `
		None                  no   None, approved
		None + Pending Out    no   None + Pending Out, approved
		None + Pending In     yes  From
		None + Pending Out+In yes  From + Pending Out
		To                    no   To, approved
		To + Pending In       yes  Both
		From                  no   =
		From + Pending Out    no   =
		Both                  no   =`,
	"out unsubscribed": `
		None                  no   =
		None + Pending Out    no   =
		None + Pending In     yes  None
		None + Pending Out+In yes  None + Pending Out
		To                    no   =
		To + Pending In       yes  To
		From                  yes  None
		From + Pending Out    yes  None + Pending Out
		Both                  yes  To`,
	"in subscribe": `
		None                  yes  None + Pending In
		None + Pending Out    yes  None + Pending Out+In
		None + Pending In     no   =
		None + Pending Out+In no   =
		To                    yes  To + Pending In
		To + Pending In       no   =
		From                  no   =
		From + Pending Out    no   =
		Both                  no   =`,
	"in unsubscribe": `
		None                  no   =
		None + Pending Out    no   =
		None + Pending In     yes  None
		None + Pending Out+In yes  None + Pending Out
		To                    no   =
		To + Pending In       yes  To
		From                  yes  None
		From + Pending Out    yes  None + Pending Out
		Both                  yes  To`,
	"in subscribed": `
		None                  no   =
		None + Pending Out    yes  To
		None + Pending In     no   =
		None + Pending Out+In yes  To + Pending In
		To                    no   =
		To + Pending In       no   =
		From                  no   =
		From + Pending Out    yes  Both
		Both                  no   =`,
	"in unsubscribed": `
		None                  no   =
		None + Pending Out    yes  None
		None + Pending In     no   =
		None + Pending Out+In yes  None + Pending In
		To                    yes  None
		To + Pending In       yes  None + Pending In
		From                  no   =
		From + Pending Out    yes  From
		Both                  yes  From`,
}

var names = map[string]State{
	"None": 0, "None + Pending Out": Out, "None + Pending In": In, "None + Pending Out+In": Out | In,
	"To": To, "To + Pending In": To | In, "From": From, "From + Pending Out": From | Out, "Both": To | From,
}

func stateOf(t *testing.T, s string) State {
	t.Helper()
	s, approved := strings.CutSuffix(s, ", approved")
	st, ok := names[s]
	if !ok {
		t.Fatalf("no such state: %q", s)
	}
	if approved {
		st |= Approved
	}
	return st
}

func TestAppendixA(t *testing.T) {
	t.Parallel()
	for name, table := range tables {
		way, typ, _ := strings.Cut(name, " ")
		step := Outbound
		if way == "in" {
			step = Inbound
		}
		rows := strings.Split(strings.TrimSpace(table), "\n")
		if len(rows) != len(names) {
			t.Errorf("%s: %d rows, want %d", name, len(rows), len(names))
		}
		for _, row := range rows {
			row = strings.TrimSpace(row)
			from, to, pass := row[:21], "", false
			if before, after, ok := strings.Cut(row, " yes "); ok {
				from, to, pass = before, after, true
			} else if before, after, ok := strings.Cut(row, " no "); ok {
				from, to = before, after
			}
			old := stateOf(t, strings.TrimSpace(from))
			want := old
			if to = strings.TrimSpace(to); to != "=" {
				want = stateOf(t, to)
			}
			if got := step(old, typ); got.Next != want || got.Pass != pass {
				t.Errorf("%s in state %q: %+v, want next %b, pass %v", name, from, got, want, pass)
			}
		}
	}
}

func TestRepliesOnBehalf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		state State
		typ   string
		want  Step
	}{
		{From, "subscribe", Step{Next: From, Reply: "subscribed"}},                                          // Appendix A.3.1 [2]
		{To | From, "subscribe", Step{Next: To | From, Reply: "subscribed"}},                                // Appendix A.3.1 [2]
		{Approved, "subscribe", Step{Next: From | Approved, Reply: "subscribed"}},                           // Appendix A.3.1 [1], RFC 6121 §3.4.2
		{To | Approved, "subscribe", Step{Next: To | From | Approved, Reply: "subscribed"}},                 // RFC 6121 §3.4.2
		{In, "unsubscribe", Step{Pass: true, Reply: "unsubscribed"}},                                        // Appendix A.3.2 [1]
		{To | From | Approved, "unsubscribe", Step{Next: To | Approved, Pass: true, Reply: "unsubscribed"}}, // the approval outlives it (RFC 6121 §3.4.2)
	} {
		if got := Inbound(c.state, c.typ); got != c.want {
			t.Errorf("%s in %b: %+v, want %+v", c.typ, c.state, got, c.want)
		}
	}
	if got := Outbound(To|Approved, "unsubscribed"); got != (Step{Next: To}) {
		t.Errorf("a pre-approval is taken back without a word to the contact (§3.2.2): %+v", got)
	}
}
