package cli

import "testing"

// Memory is given back once after work, when two looks found it at rest; not while work goes on, and not for little.
func TestRest(t *testing.T) {
	t.Parallel()
	const mb = 1 << 20
	var r rest
	for i, s := range []struct {
		allocated, live uint64
		want            bool
	}{
		{4 * mb, 2 * mb, false}, // the start
		{4 * mb, 2 * mb, false},
		{4 * mb, 2 * mb, false},   // quiet, but it was little
		{40 * mb, 20 * mb, false}, // work
		{40*mb + 9000, 20 * mb, false},
		{60 * mb, 30 * mb, false}, // work again
		{60 * mb, 30 * mb, false},
		{60 * mb, 30 * mb, true},
		{60 * mb, 30 * mb, false}, // once
		{100 * mb, 200 * mb, false},
		{100 * mb, 200 * mb, false},
		{100 * mb, 200 * mb, false}, // less than half of what lives
		{165 * mb, 200 * mb, false},
		{165 * mb, 200 * mb, false},
		{165 * mb, 200 * mb, true},
	} {
		if got := r.due(s.allocated, s.live); got != s.want {
			t.Errorf("look %d: %t", i, got)
		}
	}
}
