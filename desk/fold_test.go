package desk

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	"writ/desk/registry"
)

// FuzzFold folds any sequence of kinds, states and facts: it never fails, and folding in one go or event by event is the same.
func FuzzFold(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 13, 14, 15, 18, 22, 23}, `{"accounts":1,"hold":"h","hash":"00","standing":"s"}`, `{"text":"x","scope":{}}`)
	f.Add([]byte{40, 41, 42, 23, 24, 25, 6}, `{"gagged":true,"clocks":[{"Name":"gag"}]}`, `{}`)
	kinds := []Kind{EvReceived}
	for _, r := range table {
		if !slices.Contains(kinds, r.Logged) {
			kinds = append(kinds, r.Logged)
		}
	}
	f.Fuzz(func(t *testing.T, order []byte, facts, detail string) {
		var x Facts
		var d Detail
		if json.Unmarshal([]byte(facts), &x) != nil || json.Unmarshal([]byte(detail), &d) != nil {
			return
		}
		var es []Event
		for i, b := range order {
			e := Event{Case: "W-1", Seq: i + 1, At: time.Unix(int64(i), 0).UTC(), Kind: kinds[int(b)%len(kinds)], By: "x", Role: registry.Reviewer, To: States()[int(b)%len(States())], Facts: x}
			if b%3 == 0 {
				e.Detail = &d
			}
			es = append(es, e)
		}
		whole := Fold(es)
		var c Case
		for _, e := range es {
			c.apply(e)
		}
		if !reflect.DeepEqual(whole, c) {
			t.Fatal("folded otherwise")
		}
		c.as(Actor{Person: "o", Roles: []Role{registry.Officer}})
		_, _, _ = c.NextDue(), c.Wake(), c.Answer()
	})
}
