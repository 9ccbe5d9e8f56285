package s2s

import (
	"time"

	"writ/xmpp/stanza"
)

// item is a stanza that waits for another server.
type item struct {
	s   *stanza.Stanza
	row int64 // of s2s_message; 0: it is in memory alone
	at  time.Time
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
	return q.items[q.head+q.sent-1], true
}

// ack takes n away from the front, at most those that were written.
func (q *queue) ack(n int) []item {
	n = min(n, q.sent)
	out := append([]item(nil), q.items[q.head:q.head+n]...)
	for i := range n {
		q.size -= q.items[q.head+i].size()
		q.items[q.head+i] = item{}
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

// rewind makes everything wait again, for another stream.
func (q *queue) rewind() { q.sent = 0 }

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
