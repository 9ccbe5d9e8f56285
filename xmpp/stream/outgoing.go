package stream

import (
	"fmt"
	"time"

	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// Outgoing is the queue of stanzas to one client: what waits to be written and, once stream management is on, what was written
// and is not acknowledged (XEP-0198 §4). The zero value is an empty queue without stream management. An empty queue holds no memory.
type Outgoing struct {
	managed bool
	queue   []Queued // queue[head:]; the first sent of them were written
	head    int
	sent    int
	size    int    // bytes of all of them, roughly
	acked   uint32 // how many the client has acknowledged, modulo 2^32
}

// Queued is a stanza with the time it was queued at.
type Queued struct {
	Stanza *stanza.Stanza
	At     int64 // unix nanoseconds
	Shared bool  // many have it in their queues: whatever its 'to', it is for the client whose queue this is
}

// For is the stanza as it is for the client of that address, whose queue it was in.
func (q Queued) For(client jid.JID) *stanza.Stanza {
	if q.Shared {
		return q.Stanza.WithTo(client)
	}
	return q.Stanza
}

// overhead is what a queued stanza costs beside its payload.
const overhead = 200

// Manage begins to count (XEP-0198 §3). What was written before is forgotten; what waits is counted when it is written.
func (o *Outgoing) Manage() { o.managed = true }

// Managed reports whether stream management is on.
func (o *Outgoing) Managed() bool { return o.managed }

// Add queues a stanza.
func (o *Outgoing) Add(s *stanza.Stanza, at time.Time) {
	o.add(Queued{Stanza: s, At: at.UnixNano()})
}

// Share queues a stanza that many get.
func (o *Outgoing) Share(s *stanza.Stanza, at time.Time) {
	o.add(Queued{Stanza: s, At: at.UnixNano(), Shared: true})
}

func (o *Outgoing) add(q Queued) {
	o.queue = append(o.queue, q)
	o.size += q.Stanza.Size() + overhead
}

// Len is the number of stanzas held; Size their bytes, roughly.
func (o *Outgoing) Len() int  { return len(o.queue) - o.head }
func (o *Outgoing) Size() int { return o.size }

// Waiting is the number of stanzas to be written; Unacked of those written and not acknowledged.
func (o *Outgoing) Waiting() int { return o.Len() - o.sent }
func (o *Outgoing) Unacked() int { return o.sent }

// Next gives the next stanza to write, if there is one.
func (o *Outgoing) Next() (q Queued, ok bool) {
	if o.Waiting() == 0 {
		return Queued{}, false
	}
	q = o.queue[o.head+o.sent]
	if o.managed {
		o.sent++
	} else {
		o.pop()
	}
	return q, true
}

// pop forgets the first stanza.
func (o *Outgoing) pop() {
	o.size -= o.queue[o.head].Stanza.Size() + overhead
	o.queue[o.head] = Queued{}
	o.head++
	switch {
	case o.head == len(o.queue):
		o.queue, o.head = nil, 0
	case o.head >= 64 && o.head*2 >= len(o.queue):
		o.queue = append(make([]Queued, 0, len(o.queue)-o.head), o.queue[o.head:]...)
		o.head = 0
	}
}

// Ack takes the client's count of handled stanzas. A count of what was never sent is an error of the stream (XEP-0198 §4).
func (o *Outgoing) Ack(h uint32) *Error {
	n := h - o.acked // modulo 2^32
	if int64(n) > int64(o.sent) {
		var b xml.Builder
		e := Fail("undefined-condition", "you acknowledged more stanzas than were sent")
		e.App = b.Empty(Managed, "handled-count-too-high", "h", fmt.Sprint(h), "send-count", fmt.Sprint(o.acked+uint32(o.sent))).Bytes()
		return e
	}
	for range n {
		o.pop()
	}
	o.sent -= int(n)
	o.acked = h
	return nil
}

// Acked is the last count of the client.
func (o *Outgoing) Acked() uint32 { return o.acked }

// Rewind makes everything that is not acknowledged wait again, for a resumed stream (XEP-0198 §5).
func (o *Outgoing) Rewind() { o.sent = 0 }

// Held is what the queue of the client holds, oldest first.
func (o *Outgoing) Held(client jid.JID) []*stanza.Stanza {
	l := make([]*stanza.Stanza, 0, o.Len())
	for _, q := range o.queue[o.head:] {
		l = append(l, q.For(client))
	}
	return l
}

// Restore makes the queue one with stream management, holding what an earlier process had not been told to be handled. The first sent of it
// were written.
func (o *Outgoing) Restore(acked uint32, sent int, queue []Queued) {
	*o = Outgoing{managed: true, acked: acked, sent: min(sent, len(queue)), queue: queue}
	for _, q := range queue {
		o.size += q.Stanza.Size() + overhead
	}
	if len(queue) == 0 {
		o.queue = nil
	}
}

// Edit replaces what waits by what f makes of it. Who it is for stays.
func (o *Outgoing) Edit(f func(Queued) *stanza.Stanza) {
	for i := o.head + o.sent; i < len(o.queue); i++ {
		q := &o.queue[i]
		o.size -= q.Stanza.Size()
		q.Stanza = f(*q)
		o.size += q.Stanza.Size()
	}
}

// Drain empties the queue of the client and gives what was in it, addressed to it.
func (o *Outgoing) Drain(client jid.JID) []Queued {
	left := o.queue[o.head:]
	for i, q := range left {
		left[i] = Queued{Stanza: q.For(client), At: q.At}
	}
	o.queue, o.head, o.sent, o.size = nil, 0, 0, 0
	return left
}
