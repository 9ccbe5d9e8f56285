package s2s

import (
	"slices"
	"time"

	"writ/xmpp/stanza"
)

// item is a stanza that waits for another server.
type item struct {
	s   *stanza.Stanza
	row int64 // of s2s_message; 0: it is in memory alone
	at  time.Time

	written  bool // on a stream, this one or one before
	answered bool // its answer proves that the other server has it; only its place in the count of XEP-0198 is left
}

// overhead is what a queued stanza costs beside its payload.
const overhead = 300

func (i item) size() int { return i.s.Size() + overhead }

// lasting reports that the item waits for a server that cannot be reached now. Requests and presence do not.
func (i item) lasting() bool { return i.row != 0 }

// queue is first in, first out: what was written and is not acknowledged stands at its front. The zero value is empty.
type queue struct {
	items []item // items[head:]
	head  int
	sent  int // of those, how many were written on the stream at hand
	size  int
}

func (q *queue) len() int     { return len(q.items) - q.head }
func (q *queue) waiting() int { return q.len() - q.sent }

func (q *queue) add(i item) {
	q.items = append(q.items, i)
	q.size += i.size()
}

// next gives the next one to write; it stays at the front until it is acknowledged.
func (q *queue) next() (item, bool) {
	if q.waiting() == 0 {
		return item{}, false
	}
	q.sent++
	i := &q.items[q.head+q.sent-1]
	i.written = true
	return *i, true
}

// answer takes out the one that was written and that f finds; until the stream is over a mark keeps its place in the count.
func (q *queue) answer(f func(s *stanza.Stanza) bool) (item, bool) {
	for n := range q.len() {
		i := &q.items[q.head+n]
		if !i.written || i.answered || !f(i.s) {
			continue
		}
		out := *i
		q.size -= out.size()
		if *i = (item{written: true, answered: true}); n >= q.sent {
			q.items = slices.Delete(q.items, q.head+n, q.head+n+1)
		}
		return out, true
	}
	return item{}, false
}

// ack takes n away from the front, at most those that were written, and gives those that had no answer yet.
func (q *queue) ack(n int) (out []item) {
	n = min(n, q.sent)
	for k := range n {
		i := &q.items[q.head+k]
		if !i.answered {
			q.size -= i.size()
			out = append(out, *i)
		}
		*i = item{}
	}
	q.head += n
	q.sent -= n
	switch {
	case q.head == len(q.items):
		q.items, q.head = nil, 0
	case q.head >= 64 && q.head*2 >= len(q.items):
		q.items, q.head = append([]item(nil), q.items[q.head:]...), 0
	}
	return out
}

// rewind makes everything that has no answer wait again, for another stream.
func (q *queue) rewind() {
	q.items, q.head, q.sent = slices.DeleteFunc(q.items[q.head:], func(i item) bool { return i.answered }), 0, 0
}

// cut takes those out for which f is true. Call it only while nothing is written.
func (q *queue) cut(f func(i item) bool) (out []item) {
	var keep []item
	q.size = 0
	for _, i := range q.items[q.head:] {
		if f(i) {
			out = append(out, i)
		} else {
			keep = append(keep, i)
			q.size += i.size()
		}
	}
	q.items, q.head = keep, 0
	return out
}

// oldest is the time of the first item that lasts; zero if there is none.
func (q *queue) oldest() time.Time {
	for _, i := range q.items[q.head:] {
		if i.lasting() {
			return i.at
		}
	}
	return time.Time{}
}
