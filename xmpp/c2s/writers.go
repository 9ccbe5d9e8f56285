package c2s

import (
	"runtime"
	"sync"
)

// writers write what waits for the connections that can be parked, one connection after the other, on as many goroutines as there are processors.
// What is said in a large room falls due for all occupants at once: a goroutine for each would cost more than the writing, and while a few
// work the list off, what comes next for the same clients gathers into the same records. A write to a client that takes nothing must not hold
// up the others: who has to wait for its peer is not counted, and another takes its place in the meantime.
type writers struct {
	crew *crew
	most int // goroutines that write at a time

	mu   sync.Mutex
	due  []*conn // due[head:] wait for a writer; each has its mark of conn.writing and stands here once
	head int
	busy int // goroutines that write, without those that wait for a peer
}

func (w *writers) init(c *crew) { w.crew, w.most = c, runtime.GOMAXPROCS(0) }

// add puts a connection at the end of the line, and starts a writer if there may be one more.
func (w *writers) add(c *conn) {
	w.mu.Lock()
	w.due = append(w.due, c)
	start := w.busy < w.most
	if start {
		w.busy++
	}
	w.mu.Unlock()
	if start {
		w.crew.do(nil, w.work)
	}
}

// turn is how many batches one connection may write before others have their turn.
const turn = 8

// work writes until nothing is due, or until others do so too.
func (w *writers) work(*conn) {
	for {
		c := w.next()
		if c == nil {
			return
		}
		c.lent.Store(true)
		more := c.drain(turn)
		c.lent.Store(false)
		if more {
			w.add(c)
		}
	}
}

// next takes the first in line; nil sends the writer home.
func (w *writers) next() *conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.head == len(w.due) || w.busy > w.most {
		if w.busy--; w.head == len(w.due) {
			w.due, w.head = nil, 0
		}
		return nil
	}
	c := w.due[w.head]
	w.due[w.head] = nil
	if w.head++; w.head >= 1024 && w.head*2 >= len(w.due) { // a line that never ends is not kept from its beginning
		w.due = append([]*conn(nil), w.due[w.head:]...)
		w.head = 0
	}
	return c
}

// wait says that a writer waits for its peer: another takes its place.
func (w *writers) wait() {
	w.mu.Lock()
	w.busy--
	start := w.head < len(w.due) && w.busy < w.most
	if start {
		w.busy++
	}
	w.mu.Unlock()
	if start {
		w.crew.do(nil, w.work)
	}
}

// goOn says that it writes again; if there are too many now, the first to finish goes home.
func (w *writers) goOn() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy++
}

// stalled says that a write to the connection waits for the peer; over says that it does no more.
func (c *conn) stalled() (over func()) {
	if !c.lent.Load() {
		return func() {} // the reader's goroutine writes
	}
	w := &c.srv.writers
	w.wait()
	return w.goOn
}
