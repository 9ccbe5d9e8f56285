package s2s

import (
	"strconv"

	"writ/xmpp/stream"
	"writ/xmpp/xml"
)

// managed is the counting of XEP-0198 on a link, each way for itself. There is no resumption: the queue outlives the stream anyway.
type managed struct {
	out     bool   // the other side acknowledges
	pending bool   // an <r/> of ours is not answered
	acked   uint32 // its last count, modulo 2^32

	in   bool   // we acknowledge
	got  uint32 // stanzas received since
	done uint32 // of those, handled: committed, delivered, answered
	owe  bool   // an <a/> is owed when owed stanzas are handled
	owed uint32
}

const ackRequest = "<r xmlns='" + stream.Managed + "'/>"

// wrote is called when n stanzas are about to be written; it asks for an acknowledgement at the end of a batch.
func (m *managed) wrote(b []byte, n int, more bool) []byte {
	if !m.out || n == 0 || m.pending || more {
		return b
	}
	m.pending = true
	return append(b, ackRequest...)
}

func ackOf(h uint32) []byte {
	return []byte("<a xmlns='" + stream.Managed + "' h='" + strconv.FormatUint(uint64(h), 10) + "'/>")
}

// probe makes sure that a dead connection is noticed: with stream management the other side must answer, without it the network must take a space
// (RFC 6120 §4.6.1), and TCP tells when it does not.
func (l *link) probe() {
	l.mu.Lock()
	out, pending := l.sm.out, l.sm.pending
	if out && !pending {
		l.sm.pending = true
	}
	l.mu.Unlock()
	switch {
	case !out:
		l.say([]byte(" "))
	case pending && !l.heardSince(2*probeEvery):
		l.stop(stream.Fail("connection-timeout", "nothing was heard of you"), false)
	case !pending:
		l.say([]byte(ackRequest))
	}
}

// counted handles an element of stream management on a stream that is up (XEP-0198 §3, §4).
func (l *link) counted(r *xml.Raw) {
	switch r.Name.Local {
	case "enable":
		l.enable()
	case "r":
		l.askedFor()
	case "a":
		l.acknowledged(r)
	case "enabled", "failed":
		l.fail("unsupported-stanza-type", "nothing was asked to be enabled")
	case "resume":
		l.say(smFailed("item-not-found")) // XEP-0198 §5: there is nothing to resume
	default:
		l.fail("unsupported-stanza-type", "stream management has no such element")
	}
}

func smFailed(condition string) []byte {
	var b xml.Builder
	return b.Start(stream.Managed, "failed").Empty("urn:ietf:params:xml:ns:xmpp-stanzas", condition).Bytes()
}

// enable begins to count what the other side sends (XEP-0198 §3).
func (l *link) enable() {
	if !l.in {
		l.say(smFailed("unexpected-request")) // it is the initiating server that enables
		return
	}
	l.way.Drain() // what came before is not counted
	l.mu.Lock()
	twice := l.sm.in
	if !twice {
		l.sm.in, l.sm.out = true, l.bidi
		l.ctl = append(l.ctl, "<enabled xmlns='"+stream.Managed+"'/>"...) // under the lock: no stanza may come before it and be counted
	}
	l.mu.Unlock()
	if twice {
		l.fail("policy-violation", "stream management is on already")
		return
	}
	l.kick()
}

// askedFor answers <r/> once everything before it is handled (XEP-0198 §4).
func (l *link) askedFor() {
	l.mu.Lock()
	on, now, h := l.sm.in, l.sm.done == l.sm.got, l.sm.done
	if on && !now {
		l.sm.owe, l.sm.owed = true, l.sm.got
	}
	l.mu.Unlock()
	switch {
	case !on:
		l.say(smFailed("unexpected-request"))
	case now:
		l.say(ackOf(h))
	}
}

// handled counts a stanza whose effect is committed. It may run on any goroutine.
func (l *link) handled() {
	l.mu.Lock()
	l.sm.done++
	answer := l.sm.owe && l.sm.done == l.sm.owed
	if answer {
		l.sm.owe = false
	}
	h := l.sm.done
	l.mu.Unlock()
	if answer {
		l.say(ackOf(h))
	}
}

// acknowledged takes the other side's count.
func (l *link) acknowledged(r *xml.Raw) {
	n, err := strconv.ParseUint(r.Attr("h"), 10, 32)
	if err != nil {
		l.fail("invalid-xml", "'h' is a number from 0 to 4294967295")
		return
	}
	l.mu.Lock()
	out, p := l.sm.out, l.peer
	k := uint32(n) - l.sm.acked // modulo 2^32
	l.sm.acked, l.sm.pending = uint32(n), false
	before := uint32(n) - k
	l.mu.Unlock()
	if !out || p == nil && k == 0 {
		return
	}
	of := 0
	if p != nil {
		of = p.acked(l, int(min(k, 1<<30)))
	}
	if int64(k) > int64(of) {
		var b xml.Builder
		e := stream.Fail("undefined-condition", "you acknowledged more stanzas than were sent")
		e.App = b.Empty(stream.Managed, "handled-count-too-high", "h", r.Attr("h"), "send-count", strconv.FormatUint(uint64(before+uint32(of)), 10)).Bytes()
		l.stop(e, false)
		return
	}
	if p.waits() {
		l.kick()
	}
}
