package clock_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"writ/clock"
)

func TestRepeat(t *testing.T) {
	t.Parallel()
	start := time.Date(2020, 7, 6, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name  string
		first time.Duration
		want  []time.Duration // of the turns, since the start
	}{
		{"now", 0, []time.Duration{0, time.Hour, 3 * time.Hour}},
		{"later", time.Minute, []time.Duration{time.Minute, time.Minute + time.Hour, time.Minute + 3*time.Hour}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fake := clock.NewFake(start)
			var turns []time.Duration
			stop := clock.Repeat(t.Context(), fake, c.first, func(context.Context) time.Duration {
				turns = append(turns, fake.Now().Sub(start))
				return time.Duration(len(turns)) * time.Hour
			})
			fake.Advance(4 * time.Hour)
			if !slices.Equal(turns, c.want) {
				t.Errorf("the turns were at %v, not %v", turns, c.want)
			}
			stop()
			fake.Advance(100 * time.Hour)
			if len(turns) != len(c.want) {
				t.Error("a turn after the end")
			}
		})
	}
}

func TestRepeatEndsWithItsContext(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Unix(0, 0))
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	stop := clock.Repeat(ctx, fake, time.Second, func(context.Context) time.Duration { n++; return time.Second })
	fake.Advance(2 * time.Second)
	cancel()
	fake.Advance(time.Hour)
	if n != 2 {
		t.Errorf("%d turns", n)
	}
	stop()
}

// Stop cuts a turn's context and then waits for the turn: what it stands on may be closed after that.
func TestRepeatWaitsForATurn(t *testing.T) {
	t.Parallel()
	begun, over := make(chan struct{}), false
	stop := clock.Repeat(t.Context(), clock.System(), time.Nanosecond, func(ctx context.Context) time.Duration {
		close(begun)
		<-ctx.Done()
		over = true
		return time.Hour
	})
	<-begun
	stop()
	if !over {
		t.Error("the turn was still under way")
	}
}
