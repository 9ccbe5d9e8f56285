package muc

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// Room is one room while there is something to do in it: people, or a job. Its fields below the queue belong to the goroutine that works the
// queue off; a function that takes a *Room runs there.
type Room struct {
	m    *MUC
	name string
	jid  jid.JID

	queue   []job // guarded by m.mu, as is running
	running bool

	crowd atomic.Int32 // how many people are in it, for those who ask from outside

	loaded  bool
	exists  bool // it has been made
	locked  bool // made, and not configured yet (XEP-0045 §10.1.1): it has no rows
	options Options
	secret  []byte
	created time.Time
	subject subject
	users   map[jid.JID]user // who has an affiliation: bare addresses and domains
	absent  int              // how many of them want messages while they are away

	order   []*Occupant          // in the order of entering
	nicks   map[string]*Occupant // by folded nickname
	seats   map[jid.JID]*seat    // by full address
	history []kept
	primed  bool // history holds what the archive has
	pending []say
	burst   feature.Burst // what occupants are sent in common by the job in hand
	moves   feature.Burst // and what they are told of each other's presence
	told    time.Time     // when moves was last written
	tells   bool          // it will be
	relays  map[string]*relay

	watching bool // it will look for those who have gone silent
}

// job is one thing to do. It has a stanza or a function.
type job struct {
	e    *feature.Envelope
	do   func(*Room)
	done func() // may be nil
}

// user is an affiliation (XEP-0045 §5.2).
type user struct {
	affiliation Affiliation
	nick        string // reserved (XEP-0045 §7.10); empty: none
	reason      string // of a ban
	absent      bool   // wants messages while away
	since       time.Time
}

// Occupant is who is in the room under one nickname, with one session or more of one account.
type Occupant struct {
	nick string
	jid  jid.JID // room@host/nick
	user jid.JID // bare address
	role Role
	id   []byte // its <occupant-id/> (XEP-0421 §3)
	// seats are its sessions; the last is the one whose presence is shown.
	seats []*seat
	shown [2]*stanza.Stanza // its presence without and with the real address, made when it is asked for
}

// seat is a session in the room.
type seat struct {
	jid      jid.JID          // full address
	session  *feature.Session // nil: of another server
	occupant *Occupant
	heard    bool           // of another server: something came since the room last looked (silent.go)
	asked    string         // and the id of the question whether it is there, if that has no answer
	presence *stanza.Stanza // as it was sent, without what only the room may say
}

// post gives a room a job, and the room a goroutine if it has none.
func (m *MUC) post(name string, j job) {
	m.mu.Lock()
	r := m.rooms[name]
	if r == nil {
		r = &Room{m: m, name: name, jid: m.room(name)}
		m.rooms[name] = r
	}
	r.queue = append(r.queue, j)
	start := !r.running
	r.running = true
	m.mu.Unlock()
	if start {
		go r.work()
	}
}

// work does what is queued until nothing is. An empty room is forgotten then: its rows have all that is to be known of it.
func (r *Room) work() {
	for {
		r.m.mu.Lock()
		jobs := r.queue
		r.queue = nil
		if len(jobs) == 0 {
			r.running = false
			if len(r.seats) == 0 {
				delete(r.m.rooms, r.name)
			}
			r.m.mu.Unlock()
			return
		}
		r.m.mu.Unlock()
		for _, j := range jobs {
			r.safely(func() { r.begin(j) }, j)
			r.burst.End()
			r.tidings()
		}
		r.safely(r.flush, job{})
		r.burst.End()
		r.crowd.Store(int32(len(r.order)))
	}
}

// In a room of at least manyPeople, occupants are told of who comes and goes at most once in tidingsEvery: when a thousand people enter at once, each
// gets the others' presences in a few writes. The first is told at once, and so is, with all that waits, who is written to for another reason.
const (
	manyPeople   = 32
	tidingsEvery = 50 * time.Millisecond
)

// tidings has the occupants told of who came and went, or sees to it that they will be.
func (r *Room) tidings() {
	if r.tells || r.moves.Empty() {
		return
	}
	now := time.Now() // not the house's clock: it is about writing, not about what is said
	wait := r.told.Add(tidingsEvery).Sub(now)
	if len(r.order) < manyPeople || wait <= 0 {
		r.told = now
		r.moves.End()
		return
	}
	r.tells = true
	time.AfterFunc(wait, func() { r.later(func(r *Room) { r.tells = false }) })
}

// later has the room do something of its own; a timer calls it. A room that was forgotten meanwhile has nobody left to do it for.
func (r *Room) later(do func(*Room)) {
	r.m.mu.Lock()
	there := r.m.rooms[r.name] == r
	r.m.mu.Unlock()
	if there {
		r.m.post(r.name, job{do: do})
	}
}

// safely keeps a fault in one job from the others: it is logged, answered and done.
func (r *Room) safely(f func(), j job) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		r.m.Log.Error("a room panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		if j.e != nil {
			r.refuse(j.e, stanza.InternalServerError(""))
		}
		if j.done != nil {
			j.done()
		}
	}()
	f()
}

// begin does one job. A message to all is only checked and put beside those that stand next to it; flush writes them together.
func (r *Room) begin(j job) {
	ctx := context.Background()
	if !r.loaded {
		if err := r.load(ctx); err != nil {
			if j.e != nil {
				r.refuse(j.e, err)
			}
			j.finish()
			return
		}
	}
	if j.e != nil {
		r.hear(j.e.From)
	}
	if j.e != nil && j.e.Stanza.Kind == stanza.Message && j.e.Stanza.Type == stanza.Groupchat && j.e.To.IsBare() {
		if waits := r.speak(ctx, j); waits {
			return // flush finishes it
		}
		j.finish()
		return
	}
	r.flush()
	if j.e == nil {
		j.do(r)
		j.finish()
		return
	}
	var err error
	switch j.e.Stanza.Kind {
	case stanza.Presence:
		err = r.attend(ctx, j.e)
	case stanza.Message:
		err = r.message(ctx, j.e)
	default:
		r.iq(ctx, j)
		return
	}
	if err != nil {
		r.refuse(j.e, err)
	}
	j.finish()
}

func (j job) finish() {
	if j.done != nil {
		j.done()
	}
}

// refuse answers a stanza with an error, which says that it is the room's (XEP-0045 §7.2.1). Faults of ours are logged here, once.
func (r *Room) refuse(e *feature.Envelope, err error) {
	se, ok := err.(*stanza.Error)
	if !ok {
		r.m.Log.Error("a stanza to a room failed", "kind", e.Stanza.Kind.String(), "err", err)
		se = stanza.InternalServerError("")
	}
	if e.Server && e.Session == nil {
		return
	}
	if e.Stanza.Kind != stanza.IQ {
		by := *se
		by.By = r.jid
		se = &by
	}
	if reply := stanza.ErrorReply(e.Stanza, se); reply != nil {
		r.answer(e, reply)
	}
}

// answer sends a stanza back to where another came from.
func (r *Room) answer(e *feature.Envelope, s *stanza.Stanza) {
	if e.Session != nil {
		e.Session.Out.Push(s)
		return
	}
	r.m.send(context.Background(), s)
}

// push sends a stanza to a session in the room.
func (s *seat) push(r *Room, st *stanza.Stanza) {
	if s.session != nil {
		s.session.Out.Push(st)
		return
	}
	r.m.send(context.Background(), st)
}

// share sends a session in the room what others get too. It is written when the burst ends.
func (s *seat) share(r *Room, b *feature.Burst, st *stanza.Stanza) {
	if s.session != nil {
		s.session.Out.Share(st, b)
		return
	}
	r.m.send(context.Background(), st.WithTo(s.jid))
}

// load reads the room's rows.
func (r *Room) load(ctx context.Context) error {
	r.users, r.nicks, r.seats = map[jid.JID]user{}, map[string]*Occupant{}, map[jid.JID]*seat{}
	r.exists, r.locked, r.absent = false, false, 0
	r.order, r.history, r.primed, r.subject = nil, nil, false, subject{}
	row, err := r.m.readRoom(ctx, r.name)
	if err != nil || row == nil {
		r.loaded = err == nil
		return err
	}
	r.exists, r.options, r.secret, r.created, r.subject = true, row.options, row.secret, row.created, row.subject
	if r.users, err = r.m.readUsers(ctx, r.name); err != nil {
		return err
	}
	r.countAbsent()
	r.loaded = true
	return nil
}

func (r *Room) countAbsent() {
	r.absent = 0
	for _, u := range r.users {
		if u.absent {
			r.absent++
		}
	}
}

// affiliation is that of an address: its own, or its domain's.
func (r *Room) affiliation(j jid.JID) Affiliation {
	if u, ok := r.users[j.Bare()]; ok {
		return u.affiliation
	}
	return r.users[j.Domain()].affiliation
}

// private reports a private group: only its members enter it, and the encryption rule holds in it.
func (r *Room) private() bool { return r.options.MembersOnly }

// sees reports whether an occupant of a role is shown real addresses (XEP-0045 §7.2.3, §7.2.4).
func (r *Room) sees(role Role) bool { return !r.options.Anonymous || role == Moderator }

// foldNick makes nicknames comparable: those that differ in case alone are one, so that nobody can look like another.
func foldNick(nick string) string { return strings.ToLower(nick) }

// occupantOf is the occupant of exactly this nickname, nil if there is none.
func (r *Room) occupantOf(nick string) *Occupant {
	if o := r.nicks[foldNick(nick)]; o != nil && o.nick == nick {
		return o
	}
	return nil
}

// reservedBy is the other person whose reserved nickname it is; none if it is free for the asker.
func (r *Room) reservedBy(nick string, asker jid.JID) (owner jid.JID, taken bool) {
	nick = foldNick(nick)
	for j, u := range r.users {
		if u.nick != "" && foldNick(u.nick) == nick && j != asker.Bare() {
			return j, true
		}
	}
	return jid.JID{}, false
}

// roleOf is the role with which an affiliation enters (XEP-0045 §5.1.2).
func (r *Room) roleOf(a Affiliation) Role {
	switch {
	case a >= Admin:
		return Moderator
	case a == Member, !r.options.Moderated:
		return Participant
	}
	return Visitor
}

// main is the seat whose presence and address stand for the occupant.
func (o *Occupant) main() *seat { return o.seats[len(o.seats)-1] }

// forget drops what was made of the occupant's presence, which has changed.
func (o *Occupant) forget() { o.shown = [2]*stanza.Stanza{} }

// kept is a message of the room's recent past.
type kept struct {
	stanza *stanza.Stanza // as it was reflected, without 'to'
	sender jid.JID        // bare address
	at     time.Time
	id     int64          // in the archive; 0: not archived
	late   *stanza.Stanza // with its delay, made when it is asked for
}

// say is a message that has been checked and waits to be written.
type say struct {
	job     job
	stanza  *stanza.Stanza // as it will be reflected
	sender  jid.JID        // full address
	keep    bool           // it belongs to the room's past
	store   bool           // and to its archive
	id      int64
	subject *string // it changes the subject
	nick    string
	grave   *grave // of the message that it takes back
}

// stamp writes a time as XEP-0082 §3.2 does.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// delay is the room's <delay/> (XEP-0045 §7.2.13).
func (r *Room) delay(at time.Time) []byte {
	var b xml.Builder
	return b.Empty(nsDelay, "delay", "from", r.jid.String(), "stamp", stamp(at)).Bytes()
}

// write runs a change in a transaction.
func (r *Room) write(ctx context.Context, f func(ctx context.Context, tx *store.Tx) error) error {
	return r.m.DB.Write(ctx, func(tx *store.Tx) error { return f(ctx, tx) })
}
