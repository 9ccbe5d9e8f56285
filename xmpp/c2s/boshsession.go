package c2s

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"writ/xmpp/xml"
)

// bosh is a session of XEP-0124. Its requests are taken in the order of their ids, one at a time; answers leave in the same order.
// Stanzas stay in the session's queue until a request is held, so that its limits hold.
type bosh struct {
	srv     *Server
	c       *conn
	sid     string
	secure  bool // it began over TLS: all its requests must come so
	ver     bool // the client knows terminal conditions; without, it knows HTTP's codes (XEP-0124 §17.1)
	acks    bool // the client says what it has received
	content string
	wait    time.Duration
	hold    int
	polling bool

	turn sync.Mutex // held by who takes a request

	mu       sync.Mutex
	begun    bool  // the first answer is given
	rid      int64 // of the last request that was taken
	early    map[int64]*ask
	held     []slot   // taken and not answered, oldest first
	answered []answer // the last ones, oldest first
	key      string   // what the next request's key must hash to; empty: keys are not used
	out      []byte   // what the next answer carries
	over     bool     // out is the last
	cond     string   // why
	lastPoll time.Time
	since    time.Time // when the last request was answered; of no meaning while one is held
	patience time.Duration
}

// slot is a request that is to be answered; a is nil when its connection broke.
type slot struct {
	rid int64
	a   *ask
}

type answer struct {
	rid   int64
	body  []byte
	at    time.Time
	empty bool
}

// ask is one request.
type ask struct {
	rid     int64
	body    *xml.Raw
	answer  chan []byte // takes one
	repeats int
}

func newAsk(rid int64, body *xml.Raw) *ask {
	return &ask{rid: rid, body: body, answer: make(chan []byte, 1)}
}

func (a *ask) empty() bool {
	return len(a.body.Children) == 0 && a.body.Attr("type") == "" && a.body.Attr("pause") == "" && attrIn(a.body, "restart") == ""
}

// leaves reports a request that may come beyond the number of those allowed at one time (XEP-0124 §11).
func (a *ask) leaves() bool { return a.body.Attr("pause") != "" || a.body.Attr("type") == "terminate" }

// negotiate settles what the creation of the session asks for (XEP-0124 §7.1, §12).
func (b *bosh) negotiate(body *xml.Raw) {
	number := func(name string, most int) int {
		n, err := strconv.Atoi(body.Attr(name))
		if err != nil {
			return most
		}
		return max(0, min(n, most))
	}
	b.wait, b.hold = time.Duration(number("wait", maxWait))*time.Second, number("hold", maxHold)
	b.polling = b.wait == 0 || b.hold == 0
	b.patience, b.since = b.quietest(), time.Now()
	b.rid, _ = strconv.ParseInt(body.Attr("rid"), 10, 64)
	b.rid--
}

// requests is how many may be made at one time.
func (b *bosh) requests() int { return b.hold + 1 }

func (b *bosh) quietest() time.Duration {
	if b.polling {
		return pollingSilent * time.Second
	}
	return inactivity * time.Second
}

// serve takes a request and answers it.
func (b *bosh) serve(w http.ResponseWriter, r *http.Request, a *ask) {
	if body, ok := b.arrive(a); ok {
		b.say(w, body)
		return
	}
	b.advance(r.Context())
	t := time.NewTimer(b.wait)
	defer t.Stop()
	select {
	case body := <-a.answer:
		b.say(w, body)
	case <-t.C:
		b.expire(a)
		b.say(w, <-a.answer)
	case <-r.Context().Done():
		b.broken(a)
	}
}

// say writes an answer. Old clients know HTTP's codes alone (XEP-0124 §17.1).
func (b *bosh) say(w http.ResponseWriter, body []byte) {
	if !b.ver {
		for condition, code := range map[string]int{"bad-request": 400, "policy-violation": 403, "item-not-found": 404} {
			if bytes.Equal(body, terminal(condition)) {
				http.Error(w, condition, code)
				return
			}
		}
	}
	sayBody(w, b.content, body)
}

// refuse ends the session for what the client did.
func (b *bosh) refuse(w http.ResponseWriter, condition string) {
	b.cut(condition)
	b.say(w, terminal(condition))
}

// arrive finds the place of a request. ok says that it is answered at once.
func (b *bosh) arrive(a *ask) (body []byte, ok bool) {
	b.c.heard.Store(time.Now().UnixNano())
	b.mu.Lock()
	defer b.mu.Unlock()
	ahead := a.rid - b.rid
	window := int64(b.requests())
	if a.leaves() {
		window++
	}
	switch {
	case ahead <= 0:
		return b.again(a)
	case b.over && len(b.out) == 0 && b.cond == "":
		return terminal("item-not-found"), true
	case ahead > window: // XEP-0124 §14.2
		b.endLocked("item-not-found")
		return terminal("item-not-found"), true
	}
	if old := b.early[a.rid]; old != nil {
		old.answer <- recoverable()
	}
	b.early[a.rid] = a
	return nil, false
}

// again serves a request that comes a second time (XEP-0124 §14.3): its connection broke, or the client thinks so. mu is held.
func (b *bosh) again(a *ask) (body []byte, ok bool) {
	for i := range b.held {
		s := &b.held[i]
		if s.rid != a.rid {
			continue
		}
		if s.a != nil {
			a.repeats = s.a.repeats + 1
			s.a.answer <- recoverable()
		}
		if a.repeats > maxRepeats {
			b.endLocked("policy-violation")
			return terminal("policy-violation"), true
		}
		s.a = a
		return nil, false
	}
	for _, old := range b.answered {
		if old.rid == a.rid {
			return old.body, true
		}
	}
	b.endLocked("item-not-found") // the same as for an id that is too large: a guesser learns nothing
	return terminal("item-not-found"), true
}

// recoverable tells a client to send again what is not answered (XEP-0124 §17.3).
func recoverable() []byte {
	var x xml.Builder
	return x.Start(httpBind, "body").Attr("type", "error").Bytes()
}

// advance takes the requests whose turn it is.
func (b *bosh) advance(ctx context.Context) {
	b.turn.Lock()
	defer b.turn.Unlock()
	for {
		a, first := b.next()
		if a == nil {
			break
		}
		opens := first || truth(attrIn(a.body, "restart"))
		var pause time.Duration
		for _, f := range framesOf(a.body, opens) {
			pause = max(pause, b.c.take(f))
		}
		if len(a.body.Children) == 0 {
			pause = max(pause, b.c.charge(itemCost))
		}
		b.settle(a)
		if pause > 0 { // a client that sends too fast is read slowly
			b.srv.m.paused.Inc()
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			case <-b.srv.ctx.Done():
			}
		}
	}
	b.c.kick()
}

// next is the request whose turn it is, or nil. One that breaks the rules ends the session instead.
func (b *bosh) next() (a *ask, first bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a = b.early[b.rid+1]
	if a == nil {
		return nil, false
	}
	delete(b.early, a.rid)
	first = !b.begun && len(b.held) == 0 && len(b.answered) == 0
	b.rid = a.rid
	b.held = append(b.held, slot{a.rid, a})
	if b.over {
		b.flush()
		return nil, false
	}
	if condition := b.breach(a); condition != "" {
		b.endLocked(condition)
		return nil, false
	}
	b.patience = b.quietest()
	b.acknowledged(a)
	return a, first
}

// breach checks the rules of a session: keys (XEP-0124 §15.4) and polling (XEP-0124 §12).
func (b *bosh) breach(a *ask) string {
	if b.key != "" {
		sum := sha1.Sum([]byte(a.body.Attr("key"))) // what the specification has; nothing secret rests on it
		if a.body.Attr("key") == "" || !strings.EqualFold(hex.EncodeToString(sum[:]), b.key) {
			return "item-not-found"
		}
		b.key = a.body.Attr("key")
	}
	if k := a.body.Attr("newkey"); k != "" {
		b.key = k
	}
	now := time.Now()
	if !b.polling || !a.empty() || !b.begun {
		b.lastPoll = time.Time{}
		return ""
	}
	n := len(b.answered)
	fast := !b.lastPoll.IsZero() && now.Sub(b.lastPoll) < polling*time.Second && n > 0 && b.answered[n-1].empty
	b.lastPoll = now
	if fast {
		return "policy-violation"
	}
	return ""
}

// acknowledged drops answers that the client says it has (XEP-0124 §9.2).
func (b *bosh) acknowledged(a *ask) {
	n, err := strconv.ParseInt(a.body.Attr("ack"), 10, 64)
	if !b.acks || err != nil || !b.begun {
		return
	}
	b.answered = slices.DeleteFunc(b.answered, func(x answer) bool { return x.rid < n })
}

// settle answers what need not be held any longer behind a request that was taken.
func (b *bosh) settle(a *ask) {
	b.mu.Lock()
	pause, err := strconv.Atoi(a.body.Attr("pause"))
	if err == nil && pause >= 0 && pause <= maxPause && !b.over { // XEP-0124 §10: nothing is sent with it
		keep := b.out
		b.out = nil
		for len(b.held) > 0 {
			b.answer()
		}
		b.out, b.patience = keep, time.Duration(pause)*time.Second
		b.mu.Unlock()
		return
	}
	b.mu.Unlock()
	b.c.kickInline() // what waits goes out with the oldest
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flush()
	for len(b.held) > b.hold || b.polling && len(b.held) > 0 {
		if b.held[0].rid == a.rid && !b.polling && b.hold > 0 {
			break
		}
		b.answer()
	}
}

// ready reports that there is a request that can carry more.
func (b *bosh) ready() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.out) == 0 && slices.ContainsFunc(b.held, func(s slot) bool { return s.a != nil })
}

// send takes frames of the stream for the next answer.
func (b *bosh) send(p []byte, cuts []int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	from := 0
	for _, to := range cuts {
		f := p[from:to]
		from = to
		switch {
		case b.over || bytes.HasPrefix(f, []byte("<open ")):
		case bytes.HasPrefix(f, []byte("<close ")):
			b.over = true
		default:
			if bytes.HasPrefix(f, []byte("<stream:error")) {
				b.cond = "remote-stream-error"
			}
			b.out = append(b.out, f...)
		}
	}
	b.flush()
	return nil
}

// flush answers with what waits. mu is held.
func (b *bosh) flush() {
	for len(b.held) > 1 && b.held[0].a == nil { // the client has given it up, or will ask again
		keep := b.out
		b.out = nil
		b.write(false)
		b.out = keep
	}
	if len(b.held) == 0 || b.held[0].a == nil {
		return
	}
	switch {
	case b.over:
		b.write(true)
		for len(b.held) > 0 {
			b.write(false)
		}
	case len(b.out) > 0:
		b.answer()
	}
}

// answer answers the oldest request with what waits. mu is held.
func (b *bosh) answer() { b.write(b.over) }

func (b *bosh) write(last bool) {
	s := b.held[0]
	b.held = b.held[1:]
	var x xml.Builder
	x.Start(httpBind, "body")
	if last {
		x.Attr("type", "terminate")
		if b.cond != "" {
			x.Attr("condition", b.cond)
		}
	}
	if !b.begun {
		b.announce(&x)
	}
	if b.begun && b.rid > s.rid {
		x.Attr("ack", strconv.FormatInt(b.rid, 10)) // XEP-0124 §9.1
	}
	x.Attr("xmlns:stream", xml.Stream)
	empty := len(b.out) == 0
	body := x.Raw(b.out).Bytes()
	b.begun, b.out = true, nil
	b.answered = append(b.answered, answer{s.rid, body, time.Now(), empty})
	if n := len(b.answered) - b.requests(); n > 0 {
		b.answered = slices.Delete(b.answered, 0, n)
	}
	if s.a != nil {
		s.a.answer <- body
	}
	if len(b.held) == 0 {
		b.since = time.Now()
	}
}

// announce writes what the answer to the creation says (XEP-0124 §7.2, XEP-0206 §4).
func (b *bosh) announce(x *xml.Builder) {
	number := func(name string, n int) { x.Attr(name, strconv.Itoa(n)) }
	x.Attr("sid", b.sid).Attr("from", b.srv.p.Router.Domain().String()).Attr("ver", "1.11")
	number("wait", int(b.wait/time.Second))
	number("hold", b.hold)
	number("requests", b.requests())
	number("inactivity", int(b.quietest()/time.Second))
	number("polling", polling)
	number("maxpause", maxPause)
	x.Attr("ack", strconv.FormatInt(b.rid, 10)).Attr("charsets", "UTF-8")
	x.Attr("xmlns:xmpp", xbosh).Attr("xmpp:version", "1.0").Attr("xmpp:restartlogic", "true")
}

// expire answers a request that was held as long as its client wants.
func (b *bosh) expire(a *ask) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.early[a.rid] == a { // those before it never came
		delete(b.early, a.rid)
		a.answer <- recoverable()
		return
	}
	for slices.ContainsFunc(b.held, func(s slot) bool { return s.a == a }) {
		b.answer()
	}
}

// broken notes that a request can no longer be answered; the client may make it again.
func (b *bosh) broken(a *ask) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.early[a.rid] == a {
		delete(b.early, a.rid)
	}
	for i := range b.held {
		if b.held[i].a == a {
			b.held[i].a = nil
		}
	}
	b.since = time.Now()
}

// cut ends the session without a word of the stream.
func (b *bosh) cut(condition string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.over {
		b.endLocked(condition)
	}
}

// endLocked ends the session; who waits is told. The stream is lost, so that what it carried may be resumed. mu is held.
func (b *bosh) endLocked(condition string) {
	if !b.over {
		b.over, b.out, b.cond = true, nil, condition
		go b.c.lost(nil)
	}
	b.flush()
	for rid, a := range b.early {
		delete(b.early, rid)
		a.answer <- terminal("other-request")
	}
}

// silent reports that nothing was asked for too long.
func (b *bosh) silent(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	live := slices.ContainsFunc(b.held, func(s slot) bool { return s.a != nil })
	return !live && now.Sub(b.since) > b.patience
}
