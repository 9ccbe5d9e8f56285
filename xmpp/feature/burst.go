package feature

// Burst is what many sessions get at once. A client is written to when it ends, all that came for it in the meantime in one go. It belongs to one
// goroutine, which ends it before it waits for long. The zero value is one in which nothing was shared yet.
type Burst struct{ due []Flusher }

// Flusher writes what waits for one client.
type Flusher interface{ Flush() }

// Add notes a client that something waits for.
func (b *Burst) Add(f Flusher) { b.due = append(b.due, f) }

// Empty reports that nobody is to be written to.
func (b *Burst) Empty() bool { return len(b.due) == 0 }

// End has the clients written to. The burst may be used again.
func (b *Burst) End() {
	for i, f := range b.due {
		b.due[i] = nil
		f.Flush()
	}
	if b.due = b.due[:0]; cap(b.due) > keptDue {
		b.due = nil
	}
}

// keptDue is how many places an ended burst keeps for the next.
const keptDue = 4096
