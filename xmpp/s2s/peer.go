package s2s

import (
	"crypto/rand"
	"errors"
	"math/big"
	"sync"
	"time"

	"writ/xmpp/locate"
	"writ/xmpp/stanza"
)

// peer owns what goes from one host of this server to one domain elsewhere: its queue, its stream, and when it is tried again. It has a goroutine
// while something waits or a stream is up.
type peer struct {
	srv  *Server
	at   pair
	wake chan struct{} // something changed: a stream is on offer, or work has come

	mu      sync.Mutex
	q       queue
	link    *link         // what is written now
	offers  []*link       // streams of the other server that carry both ways (XEP-0288)
	running bool          // there is a goroutine
	dead    bool          // forgotten: another peer may own the pair by now
	hurry   bool          // the other server is known to be up: the pause is over
	fails   int           // in a row
	fault   *stanza.Error // of the last failure; nil when it is not failing
	final   bool          // there is no such server
	used    time.Time     // when something was last written
}

// Pauses between attempts, each drawn from half to the whole.
const (
	firstPause = 2 * time.Second
	lastPause  = 2 * time.Minute
)

// errDead says that the peer was forgotten in the meantime.
var errDead = errors.New("s2s: the peer is forgotten")

// add queues a stanza. While the server cannot be reached, what does not last is refused at once.
func (p *peer) add(i item) error {
	s := p.srv
	p.mu.Lock()
	if p.dead {
		p.mu.Unlock()
		return errDead
	}
	if f := p.fault; f != nil && p.link == nil && len(p.offers) == 0 && (p.final || i.row == 0) {
		p.mu.Unlock()
		return f
	}
	if i.row == 0 {
		switch {
		case p.q.len() >= s.c.MaxQueue, p.q.size+i.size() > s.c.MaxQueued, s.waiting.Load()+int64(i.size()) > int64(s.c.MaxWaiting):
			p.mu.Unlock()
			return full()
		}
	}
	p.q.add(i)
	s.waiting.Add(int64(i.size()))
	l, start := p.link, !p.running
	p.running = true
	p.mu.Unlock()
	switch {
	case start && s.begin():
		go p.run()
	case l != nil:
		l.kick()
	}
	return nil
}

func full() *stanza.Error {
	return stanza.ResourceConstraint("too much waits for that server").WithType(stanza.Wait)
}

// begin counts a goroutine in, unless the room is closing.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.work.Add(1)
	return true
}

// full reports that nothing more may be written down for the peer.
func (p *peer) full() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.q.len() >= p.srv.c.MaxQueue || p.q.size >= p.srv.c.MaxQueued
}

// run finds a stream for what waits, again and again, until nothing does.
func (p *peer) run() {
	defer p.srv.work.Done()
	for {
		if !p.busy() {
			return
		}
		l, err := p.stream()
		if err != nil {
			p.failed(err)
			if p.srv.ctx.Err() != nil {
				continue
			}
			p.pause()
			continue
		}
		began := time.Now()
		p.attach(l)
		p.follow(l)
		p.detach(l, time.Since(began) > firstPause || !l.over())
		p.breathe()
	}
}

// busy reports that there is work. If not, the peer is forgotten and its goroutine must end.
func (p *peer) busy() bool {
	s := p.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.q.len() > 0 && !s.closed {
		return true
	}
	p.running = false
	p.forget()
	return false
}

// forget takes the peer out of the room if there is nothing to remember. Both locks are held.
func (p *peer) forget() {
	if !p.running && p.q.len() == 0 && len(p.offers) == 0 && p.fails == 0 {
		p.dead = true
		delete(p.srv.peers, p.at)
	}
}

// stream gives a stream that is up: one that the other server offers, or a new one.
func (p *peer) stream() (*link, error) {
	if l := p.offered(); l != nil {
		return l, nil
	}
	return p.srv.connect(p.srv.ctx, p.at)
}

func (p *peer) offered() *link {
	p.mu.Lock()
	offers := append([]*link(nil), p.offers...)
	p.mu.Unlock() // a link's lock comes before a peer's
	for i := len(offers) - 1; i >= 0; i-- {
		if !offers[i].over() {
			return offers[i]
		}
	}
	return nil
}

// offer gives the peer a stream of the other server that carries both ways. It reports whether the peer is still the owner.
func (p *peer) offer(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return false
	}
	p.offers = append(p.offers, l)
	p.stir()
	return true
}

// isUp tells the peer that the other server works: it has just come to us.
func (p *peer) isUp() {
	p.mu.Lock()
	p.hurry = true
	p.mu.Unlock()
	p.stir()
}

// withdraw takes it back: the stream is over.
func (p *peer) withdraw(l *link) {
	s := p.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, o := range p.offers {
		if o == l {
			p.offers = append(p.offers[:i], p.offers[i+1:]...)
			break
		}
	}
	p.forget()
}

func (p *peer) stir() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// attach makes the link the one that is written.
func (p *peer) attach(l *link) {
	p.mu.Lock()
	p.q.rewind()
	p.link, p.fault, p.fails, p.used = l, nil, 0, time.Now()
	p.mu.Unlock()
	l.carry(p)
}

// follow waits until the link is over. One of our own on which nothing happens for long is closed; one of the other server's is given back
// as soon as nothing waits, so that the goroutine can end.
func (p *peer) follow(l *link) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		if l.in && p.rests() {
			return
		}
		select {
		case <-l.gone:
			return
		case <-p.wake:
		case <-tick.C:
			p.mu.Lock()
			idle := p.q.len() == 0 && time.Since(p.used) >= p.srv.c.Idle.Std()
			p.mu.Unlock()
			if idle && !l.heardSince(p.srv.c.Idle.Std()) {
				l.stop(nil, true)
			} else {
				l.probe()
			}
		}
	}
}

// rests reports that nothing waits and nothing is unacknowledged.
func (p *peer) rests() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.q.len() == 0
}

// detach takes the link away. What was written on it and is not acknowledged is written again on the next; a request is answered with an error
// instead, because it may have been carried out.
func (p *peer) detach(l *link, lasted bool) {
	l.carry(nil)
	p.mu.Lock()
	p.link = nil
	p.q.rewind()
	lost := p.q.cut(func(i item) bool { return i.written && i.s.Kind == stanza.IQ })
	if !lasted && p.q.len() > 0 { // it came up and went down at once: that is as good as failing
		p.fails++
	}
	p.mu.Unlock()
	for _, i := range lost {
		p.gone(i)
		p.srv.giveBack(i, unreachable("the connection to that server was lost"))
	}
}

// breathe waits before the next stream if the last one did not last.
func (p *peer) breathe() {
	p.mu.Lock()
	n := p.fails
	p.mu.Unlock()
	if n > 0 {
		p.pause()
	}
}

// fill appends what is to be written now, for one write. n is how many stanzas that are.
func (p *peer) fill(l *link, b []byte, most int) (out []byte, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.link != l {
		return b, 0
	}
	for len(b) < most {
		i, ok := p.q.next()
		if !ok {
			break
		}
		n++
		b = i.s.AppendTo(b, "")
		p.srv.m.out[i.s.Kind].Inc()
	}
	if n > 0 {
		p.used = time.Now()
	}
	return b, n
}

func (p *peer) waits() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.q.waiting() > 0
}

// acked takes n stanzas off the queue: the other server has them. It gives how many were written on the link and not acknowledged before.
func (p *peer) acked(l *link, n int) (of int) {
	p.mu.Lock()
	if p.link != l { // they are to be written again on another one already
		p.mu.Unlock()
		return n
	}
	of = p.q.sent
	done := p.q.ack(n)
	empty := p.q.len() == 0
	p.mu.Unlock()
	var rows []int64
	for _, i := range done {
		p.gone(i)
		if i.row != 0 {
			rows = append(rows, i.row)
		}
	}
	p.srv.drop(rows...)
	if empty {
		p.stir()
	}
	return of
}

// answered takes what st answers off the queue, if that has no acknowledgement yet: what has an answer has arrived. It must be neither written
// again nor answered a second time when the stream is lost.
func (p *peer) answered(st *stanza.Stanza, id string) {
	p.mu.Lock()
	i, ok := p.q.answer(func(q *stanza.Stanza) bool {
		switch {
		case q.Kind != st.Kind, q.ID != id, q.Type == stanza.TypeError, q.Type == stanza.Result:
			return false
		case q.Kind == stanza.IQ:
			return q.From == st.To && q.To == st.From
		}
		return q.From.Bare() == st.To.Bare() && q.To.Bare() == st.From.Bare() // one of the devices answers, perhaps to all of the sender's
	})
	p.mu.Unlock()
	if ok {
		p.gone(i)
		p.srv.drop(i.row)
	}
}

// answerTo is the id of what a stanza proves to have arrived: the request of a result or error, the message of an error (RFC 6120 §8.3.1) or
// of a receipt (XEP-0184 §7). Empty: it proves nothing.
func answerTo(st *stanza.Stanza) string {
	switch {
	case st.Type == stanza.TypeError, st.Kind == stanza.IQ && st.Type == stanza.Result:
		return st.ID
	case st.Kind == stanza.Message:
		return st.Find(receiptNS, "received").Attr("id")
	}
	return ""
}

const receiptNS = "urn:xmpp:receipts"

// gone takes the item's bytes off the books.
func (p *peer) gone(i item) { p.srv.waiting.Add(-int64(i.size())) }

// failed gives back what does not wait for another attempt: everything if there is no such server; else requests and presence, and messages
// that have waited too long.
func (p *peer) failed(err error) {
	s := p.srv
	if s.ctx.Err() != nil {
		return // going down: what is on disk waits there
	}
	fault, final := verdict(err)
	s.log.Debug("a server cannot be reached", "peer", p.at.remote.String(), "err", err)
	p.mu.Lock()
	p.fault, p.final = fault, final
	p.fails = min(p.fails+1, 30)
	now := s.p.Clock.Now()
	back := p.q.cut(func(i item) bool {
		return final || !i.lasting() || now.Sub(i.at) >= s.c.Keep.Std()
	})
	p.mu.Unlock()
	for _, i := range back {
		p.gone(i)
		s.giveBack(i, fault)
	}
}

// verdict is the answer to a failure, and whether it is final (RFC 6120 §8.3.3.15, §8.3.3.16).
func verdict(err error) (fault *stanza.Error, final bool) {
	switch {
	case errors.As(err, &fault):
		return fault, true
	case errors.Is(err, locate.ErrNone):
		return stanza.RemoteServerNotFound("there is no such server"), true
	case errors.Is(err, errUntrusted):
		return unreachable("the server cannot prove that it is the one of its name").WithType(stanza.Cancel), false
	}
	return unreachable("the server cannot be reached"), false
}

func unreachable(text string) *stanza.Error { return stanza.RemoteServerTimeout(text) }

// pause waits for the next attempt: until the pause is over, a message has waited long enough, a stream is on offer, or the room closes. A peer
// for which nothing waits keeps its fault for that time, so that requests are answered without another attempt.
func (p *peer) pause() {
	s := p.srv
	p.mu.Lock()
	wait := firstPause << min(p.fails-1, 20)
	if wait <= 0 || wait > lastPause {
		wait = lastPause
	}
	wait = wait/2 + jitter(wait/2)
	if t := p.q.oldest(); !t.IsZero() {
		wait = max(min(wait, t.Add(s.c.Keep.Std()).Sub(s.p.Clock.Now())), 0)
	}
	p.mu.Unlock()
	over := make(chan struct{})
	timer := s.p.Clock.AfterFunc(wait, func() { close(over) })
	defer timer.Stop()
	for {
		select {
		case <-over:
		case <-s.ctx.Done():
		case <-p.wake:
			if p.offered() == nil && !p.hurried() {
				continue
			}
		}
		break
	}
	p.mu.Lock()
	p.hurry = false
	if p.q.len() == 0 {
		p.fault, p.fails = nil, 0
	}
	p.mu.Unlock()
}

func (p *peer) hurried() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hurry
}

func jitter(most time.Duration) time.Duration {
	n, err := rand.Int(rand.Reader, big.NewInt(int64(most)+1))
	if err != nil {
		return most
	}
	return time.Duration(n.Int64())
}

// giveBack returns a stanza to its sender with an error. Whoever wrote a message and is not here gets it on return; errors, results and what needs
// no answer are dropped.
func (s *Server) giveBack(i item, fault *stanza.Error) {
	s.m.returned.WithLabelValues(string(fault.Condition)).Inc()
	switch {
	case i.s.Kind == stanza.Presence && i.s.Type != stanza.Available && i.s.Type != stanza.Subscribe:
		return
	}
	reply := stanza.ErrorReply(i.s, fault)
	if reply == nil {
		return
	}
	if i.row == 0 {
		s.p.House.Deliver(s.life(), reply.To, reply)
		return
	}
	if s.tell(reply) {
		s.drop(i.row)
		return
	}
	s.leaveFor(i.row, fault)
}

// tell gives an error to the session that sent what it answers, or to the account's others if that one is gone. It reports whether
// anyone was there.
func (s *Server) tell(reply *stanza.Stanza) bool {
	sessions := s.p.House.Sessions(reply.To)
	for _, x := range sessions {
		if x.JID == reply.To {
			x.Out.Push(reply)
			return true
		}
	}
	told := false
	for _, x := range sessions {
		if x.Available() {
			x.Out.Push(reply.WithTo(x.JID))
			told = true
		}
	}
	return told
}
