package c2s

import "sync"

// crew lends goroutines that have worked before: a fresh one begins with a small stack and copies it several times on its way down to
// the tokenizer and TLS, which for a message costs more than reading it does.
type crew struct {
	mu    sync.Mutex
	idle  []chan task // the latest to finish is the first to be called: its stack is in the cache
	ended bool
}

// task is what a worker does for a connection.
type task struct {
	c *conn
	f func(*conn)
}

// maxIdle bounds the workers that wait for work: each has a stack as deep as a TLS handshake.
const maxIdle = 64

// do runs f on a goroutine of its own and does not wait.
func (w *crew) do(c *conn, f func(*conn)) {
	w.mu.Lock()
	if n := len(w.idle) - 1; n >= 0 {
		next := w.idle[n]
		w.idle = w.idle[:n]
		w.mu.Unlock()
		next <- task{c, f} // never waits: it has room for one, and who is idle has none
		return
	}
	w.mu.Unlock()
	go w.work(task{c, f})
}

func (w *crew) work(t task) {
	var next chan task
	for {
		t.f(t.c)
		t = task{} // a worker that waits keeps no connection alive
		w.mu.Lock()
		if w.ended || len(w.idle) >= maxIdle {
			w.mu.Unlock()
			return
		}
		if next == nil {
			next = make(chan task, 1)
		}
		w.idle = append(w.idle, next)
		w.mu.Unlock()
		var more bool
		if t, more = <-next; !more {
			return
		}
	}
}

// trim sends half of those home that wait, those who have waited longest: a house in which nothing happens has none.
func (w *crew) trim() {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := (len(w.idle) + 1) / 2
	for _, next := range w.idle[:n] {
		close(next)
	}
	w.idle = append([]chan task(nil), w.idle[n:]...)
}

// end sends those home that wait; those that work go when they are done.
func (w *crew) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	for _, next := range w.idle {
		close(next)
	}
	w.idle = nil
}
