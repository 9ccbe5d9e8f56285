package clock_test

import (
	"slices"
	"testing"
	"time"

	"writ/clock"
)

func TestFakeRunsDueFunctionsInOrderAtTheirTime(t *testing.T) {
	t.Parallel()
	start := time.Date(2020, 7, 1, 0, 0, 0, 0, time.UTC)
	c := clock.NewFake(start)
	var got []string
	note := func(name string) func() {
		return func() { got = append(got, name+"@"+c.Now().Sub(start).String()) }
	}
	c.AfterFunc(2*time.Hour, note("second"))
	c.AfterFunc(time.Hour, func() {
		note("first")()
		c.AfterFunc(30*time.Minute, note("between"))
	})
	stopped := c.AfterFunc(time.Hour, note("stopped"))
	late := c.AfterFunc(3*time.Hour, note("late"))
	if !stopped.Stop() || stopped.Stop() {
		t.Error("Stop must be true once")
	}
	c.Advance(2 * time.Hour)
	want := []string{"first@1h0m0s", "between@1h30m0s", "second@2h0m0s"}
	if !slices.Equal(got, want) {
		t.Errorf("ran %v, want %v", got, want)
	}
	if c.Now() != start.Add(2*time.Hour) {
		t.Errorf("now %v", c.Now())
	}
	c.Set(start)
	if len(got) != 3 || !late.Stop() {
		t.Error("moving back must run nothing and forget nothing")
	}
}

func TestSystemIsUTC(t *testing.T) {
	t.Parallel()
	if clock.System().Now().Location() != time.UTC {
		t.Error("the system clock must be UTC")
	}
	done := make(chan struct{})
	clock.System().AfterFunc(0, func() { close(done) })
	<-done
}
