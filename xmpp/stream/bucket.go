package stream

import "time"

// Bucket is a token bucket on what a client sends. It never refuses: it says how long the reader should pause. The zero value
// lets everything pass.
type Bucket struct {
	Rate  int // tokens a second; 0 is without limit
	Burst int // most tokens saved up

	spent float64 // tokens used and not yet regained
	last  time.Time
}

// Spend takes n tokens at a time and gives the pause until the debt is regained.
func (b *Bucket) Spend(n int, now time.Time) time.Duration {
	if b.Rate <= 0 {
		return 0
	}
	if !b.last.IsZero() {
		b.spent = max(0, b.spent-now.Sub(b.last).Seconds()*float64(b.Rate))
	}
	b.last = now
	b.spent += float64(n)
	over := b.spent - float64(b.Burst)
	if over <= 0 {
		return 0
	}
	return time.Duration(over / float64(b.Rate) * float64(time.Second))
}
