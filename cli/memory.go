package cli

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The collector's pace. A server that works lets its heap grow to three times of what lives before it is searched, which costs half the time of the
// default; a server that rests gives back what the work left behind. Without the second, what thousands of sign-ins at once took would stay with
// the process for as long as it runs.
const (
	gcPercent = 200 // unless GOGC says another
	look      = 500 * time.Millisecond
	restful   = 128 << 10 // bytes allocated between two looks by a server that rests
	restAfter = 2         // looks at a server at rest before memory is given back
	worthIt   = 16 << 20  // bytes allocated since the last time, at least; and half of what lives
)

// tend sets the collector's pace and gives memory back until ctx ends.
func tend(ctx context.Context) {
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(gcPercent)
	}
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	tick := time.NewTicker(look)
	defer tick.Stop()
	for r := (rest{}); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(sample)
		if r.due(sample[0].Value.Uint64(), sample[1].Value.Uint64()) {
			debug.FreeOSMemory()
		}
	}
}

// rest watches what is allocated.
type rest struct {
	last, given uint64 // allocated by the last look, and when memory was last given back
	quiet       int    // looks at a server at rest
}

// due is asked at each look, with the bytes allocated since the start and those that lived at the last collection. It reports that memory should
// be given back now.
func (r *rest) due(allocated, live uint64) bool {
	if allocated-r.last > restful {
		r.quiet = 0
	} else {
		r.quiet++
	}
	r.last = allocated
	if r.quiet < restAfter || allocated-r.given < max(worthIt, live/2) {
		return false
	}
	r.given = allocated
	return true
}
