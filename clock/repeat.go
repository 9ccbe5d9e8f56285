package clock

import (
	"context"
	"sync"
	"time"
)

// Repeat calls turn after first, and again after what each turn returns, until stop is called or ctx ends. With first = 0 the first
// turn is done when Repeat returns. On a Fake the later turns run inside Advance. The turn's context ends with stop, which waits for
// a turn under way; stop must not be called from a turn.
func Repeat(ctx context.Context, c Clock, first time.Duration, turn func(context.Context) (again time.Duration)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	r := &repeat{ctx: ctx, clock: c, turn: turn}
	if first > 0 {
		r.arm(first)
	} else {
		r.run()
	}
	return func() {
		cancel()
		r.mu.Lock()
		if r.timer != nil {
			r.timer.Stop()
		}
		r.mu.Unlock()
		r.busy.Lock() // until the turn under way is over
		defer r.busy.Unlock()
	}
}

type repeat struct {
	ctx   context.Context
	clock Clock
	turn  func(context.Context) time.Duration

	busy  sync.Mutex // held during a turn
	mu    sync.Mutex
	timer Timer
}

func (r *repeat) run() {
	r.busy.Lock()
	defer r.busy.Unlock()
	if r.ctx.Err() == nil {
		r.arm(r.turn(r.ctx))
	}
}

func (r *repeat) arm(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() == nil {
		r.timer = r.clock.AfterFunc(d, r.run)
	}
}
