// Package clock is time as the house sees it. Everything that a retention, a deadline, a stamp or a batch depends on takes a
// Clock, so that a test can hold time still and a replay can live in 2020. Stream timeouts use package time instead: their
// tests run under testing/synctest.
//
// Invariant: Now is UTC, so that no zone of the machine reaches a stored or published time.
package clock

import (
	"sort"
	"sync"
	"time"
)

// Clock tells the time and wakes at a time.
type Clock interface {
	Now() time.Time
	// AfterFunc calls f on its own goroutine (Fake: on the caller's of Advance) once d has passed.
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer is a call that is due. Stop reports whether it was stopped before it ran.
type Timer interface{ Stop() bool }

// System is the machine's clock.
func System() Clock { return system{} }

type system struct{}

func (system) Now() time.Time { return time.Now().UTC() }

func (system) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }

// Fake is a clock that moves only when told.
type Fake struct {
	mu  sync.Mutex
	now time.Time
	due []*fakeTimer // by time, then by the order they were set
}

// NewFake returns a clock that stands at t.
func NewFake(t time.Time) *Fake { return &Fake{now: t.UTC()} }

// Now is the time the clock was last set to.
func (c *Fake) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// AfterFunc notes f; Advance or Set runs it. A d that is not positive runs with the next of them.
func (c *Fake) AfterFunc(d time.Duration, f func()) Timer {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &fakeTimer{clock: c, at: c.now.Add(d), f: f}
	i := sort.Search(len(c.due), func(i int) bool { return c.due[i].at.After(t.at) })
	c.due = append(c.due, nil)
	copy(c.due[i+1:], c.due[i:])
	c.due[i] = t
	return t
}

// Advance moves the clock by d.
func (c *Fake) Advance(d time.Duration) { c.Set(c.Now().Add(d)) }

// Set moves the clock to t and runs what is due by then, in order, each at its own time, on the caller's goroutine. What a due
// function sets in turn runs too if it is due by t. A t before now moves the clock back and runs nothing.
func (c *Fake) Set(t time.Time) {
	t = t.UTC()
	for {
		c.mu.Lock()
		if len(c.due) == 0 || c.due[0].at.After(t) {
			c.now = t
			c.mu.Unlock()
			return
		}
		next := c.due[0]
		c.due = c.due[1:]
		if next.at.After(c.now) {
			c.now = next.at
		}
		c.mu.Unlock()
		next.f()
	}
}

type fakeTimer struct {
	clock *Fake
	at    time.Time
	f     func()
}

func (t *fakeTimer) Stop() bool {
	c := t.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, d := range c.due {
		if d == t {
			c.due = append(c.due[:i], c.due[i+1:]...)
			return true
		}
	}
	return false
}
