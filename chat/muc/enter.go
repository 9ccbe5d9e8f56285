package muc

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"strings"

	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// attend takes a presence: entering, leaving, and what lies between (XEP-0045 §7.2, §7.6, §7.7, §7.14).
func (r *Room) attend(ctx context.Context, e *feature.Envelope) error {
	s, nick := r.seats[e.From], e.To.Resource()
	switch e.Stanza.Type {
	case stanza.Available:
	case stanza.Unavailable:
		if s != nil && s.session == e.Session { // of another session with the same address it says nothing
			r.leave(s, clean(e.Stanza), nil)
		}
		return nil
	case stanza.TypeError: // the other side is gone, or does not want it (XEP-0045 §11.1)
		if s != nil {
			r.lose(s)
		}
		return nil
	default: // a probe or a subscription is no request to enter (XEP-0045 §17.3)
		return nil
	}
	if strings.TrimSpace(nick) == "" {
		return stanza.JIDMalformed("choose a nickname: room@service/nickname")
	}
	if s != nil && s.session != e.Session { // another session has taken the address over
		r.leave(s, r.goodbye(), nil)
		s = nil
	}
	x := e.Stanza.Find(NS, "x")
	switch {
	case s == nil && x == nil:
		r.unjoined(e)
		return nil
	case s == nil:
		return r.enter(ctx, e, nick, x)
	}
	before := s.occupant.main().presence
	s.presence = clean(e.Stanza)
	o := s.occupant
	o.seats = append(slices.DeleteFunc(o.seats, func(t *seat) bool { return t == s }), s)
	c := &change{codes: r.warnings()}
	if own := r.lockedNick(e.From); x != nil && own != "" && nick != own {
		nick, c.codes = own, append(c.codes, codeNickChanged)
	}
	if o.nick != nick {
		return r.rename(ctx, s, nick, e.Stanza.ID)
	}
	if x != nil { // it has lost its place: everything again, and the others what is new (XEP-0045 §17.3)
		o.forget()
		if !same(before, s.presence) {
			r.appear(o)
		}
		return r.welcome(ctx, s, x, c, e.Stanza.ID)
	}
	r.spread(o, nil, s, e.Stanza.ID)
	return nil
}

// unjoined answers a presence of someone who is not in the room and does not ask to be (XEP-0045 §7.2.18).
func (r *Room) unjoined(e *feature.Envelope) {
	var b xml.Builder
	b.Start(NSUser, "x").Start("", "item", "affiliation", r.affiliation(e.From).String(), "role", NoRole.String())
	b.Leaf("", "reason", "You are not in the room.").End()
	for _, code := range []string{codeSelf, codeKicked, codeTechnical} {
		b.Empty("", "status", "code", code)
	}
	r.answer(e, stanza.New(stanza.Presence, stanza.Unavailable, e.To, e.From, e.Stanza.ID, b.Bytes()))
}

// enter lets a session in, or says why not (XEP-0045 §7.2).
func (r *Room) enter(ctx context.Context, e *feature.Envelope, nick string, x *xml.Element) error {
	if !r.m.pace.enter(e.From.Bare(), r.m.Clock.Now(), r.m.c.Joins) {
		return stanza.ResourceConstraint("you enter rooms too fast; wait a minute")
	}
	made := false
	if !r.exists {
		if err := r.make(ctx, e.From); err != nil {
			return err
		}
		made = true
	}
	asked := nick
	if own := r.lockedNick(e.From); own != "" {
		nick = own
	}
	if err := r.admit(e.From, nick, x); err != nil {
		return err
	}
	o := r.nicks[foldNick(nick)]
	if o == nil {
		o = r.place(nick, e.From)
	}
	s := &seat{jid: e.From, session: e.Session, occupant: o, presence: clean(e.Stanza)}
	o.seats = append(o.seats, s)
	o.forget()
	r.seats[s.jid] = s
	if s.session != nil {
		r.m.sit(s.session, r)
	} else {
		s.heard = true
		r.watch()
	}
	c := &change{codes: r.warnings()}
	if made {
		c.codes = append(c.codes, codeCreated)
	}
	if nick != asked {
		c.codes = append(c.codes, codeNickChanged) // XEP-0045 §7.2.2
	}
	r.appear(o)
	for _, t := range o.seats[:len(o.seats)-1] {
		r.showSelf(o, t, nil, "")
	}
	return r.welcome(ctx, s, x, c, e.Stanza.ID)
}

// warnings are the status codes that tell who enters what the room shows of them (XEP-0045 §7.2.3, §7.2.12).
func (r *Room) warnings() (codes []string) {
	if !r.options.Anonymous {
		codes = append(codes, codeNonAnonymous)
	}
	if r.options.Archive && r.m.Keep > 0 {
		codes = append(codes, codeLogged)
	}
	return codes
}

// appear shows an occupant to all others.
func (r *Room) appear(o *Occupant) {
	for _, other := range r.order {
		if other == o || !r.maySee(other, o) {
			continue
		}
		st := r.show(o, r.sees(other.role))
		for _, t := range other.seats {
			t.share(r, &r.moves, st)
		}
	}
}

// lockedNick is the only nickname that the room lets a person use; empty: any that is free (XEP-0045 §7.10).
func (r *Room) lockedNick(from jid.JID) string {
	if !r.options.LockNicks {
		return ""
	}
	return r.users[from.Bare()].nick
}

// admit checks who may enter, in the order of what the answer gives away.
func (r *Room) admit(from jid.JID, nick string, x *xml.Element) error {
	a := r.affiliation(from)
	other, reserved := r.reservedBy(nick, from)
	o := r.nicks[foldNick(nick)]
	switch {
	case a == Outcast:
		return stanza.Forbidden("you are banned from this room")
	case r.locked && a != Owner:
		return stanza.ItemNotFound("this room is not open yet")
	case r.options.MembersOnly && a < Member:
		return stanza.RegistrationRequired("only members enter this room; ask one of them to invite you")
	case r.options.Password != "" && a < Owner && subtle.ConstantTimeCompare([]byte(r.options.Password), []byte(x.Child(NS, "password").Text())) != 1:
		return stanza.NotAuthorized("this room has a password")
	case o != nil && (o.user != from.Bare() || o.nick != nick), reserved && other != from.Bare():
		return stanza.Conflict("this nickname is another's here")
	case o == nil && len(r.order) >= r.maxUsers() && (a < Admin || len(r.order) >= r.maxUsers()+extraAdmins):
		return stanza.ServiceUnavailable("the room is full").WithType(stanza.Wait)
	case o != nil && len(o.seats) >= maxSeats:
		return stanza.ResourceConstraint("you are in this room with too many apps")
	}
	return nil
}

// extraAdmins are the admins who may still enter a full room (XEP-0045 §7.2.9); maxSeats the sessions of one occupant.
const (
	extraAdmins = 10
	maxSeats    = 20
)

func (r *Room) maxUsers() int {
	if n := r.options.MaxUsers; n > 0 {
		return min(n, r.m.c.Occupants)
	}
	return r.m.c.Occupants
}

// place makes an occupant.
func (r *Room) place(nick string, from jid.JID) *Occupant {
	o := &Occupant{nick: nick, user: from.Bare(), role: r.roleOf(r.affiliation(from)), id: r.occupantID(from)}
	o.jid = r.at(nick)
	r.nicks[foldNick(nick)] = o
	r.order = append(r.order, o)
	return o
}

// at is an occupant's address.
func (r *Room) at(nick string) jid.JID {
	j, err := r.jid.WithResource(nick)
	if err != nil {
		panic("muc: a nickname that was an address is none: " + err.Error())
	}
	return j
}

// occupantID is the account's pseudonym in this room, the same whatever its nickname (XEP-0421 §3).
func (r *Room) occupantID(from jid.JID) []byte {
	h := hmac.New(sha256.New, r.secret)
	h.Write([]byte(from.Bare().String()))
	var b xml.Builder
	return b.Empty(nsOccupant, "occupant-id", "id", base64.RawURLEncoding.EncodeToString(h.Sum(nil))).Bytes()
}

// welcome sends a session that is in the room all that it must know, in the order of XEP-0045 §7.1.
func (r *Room) welcome(ctx context.Context, s *seat, x *xml.Element, c *change, id string) error {
	o := s.occupant
	open := r.sees(o.role)
	for _, other := range r.order {
		if other != o && r.maySee(o, other) {
			s.share(r, &r.burst, r.show(other, open))
		}
	}
	r.showSelf(o, s, c, id)
	if !r.locked {
		past, err := r.past(ctx, x.Child(NS, "history"))
		if err != nil {
			r.m.Log.Error("reading a room's past", "err", err)
		}
		for _, st := range past {
			s.share(r, &r.burst, st)
		}
	}
	s.share(r, &r.burst, r.subjectStanza())
	return nil
}

// make makes the room, locked, with its maker as owner (XEP-0045 §10.1.1). It has no rows until it is configured.
func (r *Room) make(ctx context.Context, from jid.JID) error {
	if !r.m.Router.Local(from) || r.m.c.Create == Nobody {
		return stanza.NotAllowed("you may not make rooms here")
	}
	n, err := r.m.owned(ctx, from.Bare())
	if err != nil {
		return err
	}
	if n >= r.m.c.PerPerson {
		return stanza.NotAllowed("you own as many rooms as one person may")
	}
	r.exists, r.locked, r.created = true, true, r.m.Clock.Now()
	r.options = r.m.instant()
	r.secret = make([]byte, 32)
	rand.Read(r.secret)
	r.users = map[jid.JID]user{from.Bare(): {affiliation: Owner, since: r.created}}
	r.subject, r.history, r.primed, r.absent = subject{}, nil, true, 0
	return nil
}

// rename changes a nickname (XEP-0045 §7.6). Of an occupant with several sessions only the one that asks takes the new name.
func (r *Room) rename(ctx context.Context, s *seat, nick, id string) error {
	o := s.occupant
	other, reserved := r.reservedBy(nick, s.jid)
	taken := r.nicks[foldNick(nick)]
	switch {
	case r.lockedNick(s.jid) != "" && r.lockedNick(s.jid) != nick:
		return stanza.NotAcceptable("this room lets you use your registered nickname alone")
	case taken == o && len(o.seats) > 1, taken != nil && taken != o && (taken.user != o.user || taken.nick != nick), reserved && other != o.user:
		return stanza.Conflict("this nickname is another's here")
	case !r.m.pace.rename(o.user, r.m.Clock.Now(), r.m.c.Nicks):
		return stanza.ResourceConstraint("you change your nickname too fast; wait a minute")
	}
	r.renamed(s, nick, id, nil)
	return nil
}

// renamed does so. codes are for the new presence.
func (r *Room) renamed(s *seat, nick, id string, codes []string) {
	o := s.occupant
	c := &change{codes: []string{codeNewNick}, nick: nick}
	alone := len(o.seats) == 1
	if alone {
		r.hide(o, s, r.goodbye(), c)
	}
	r.part(o, s, r.goodbye(), c)
	if !alone {
		r.unseat(s)
	} else {
		r.remove(o)
	}
	next := r.nicks[foldNick(nick)]
	if next == nil {
		next = r.place(nick, s.jid)
		next.role = o.role
	}
	s.occupant = next
	next.seats = append(next.seats, s)
	if !alone {
		r.spread(o, nil, nil, "")
	}
	var then *change
	if codes != nil {
		then = &change{codes: codes}
	}
	r.spread(next, then, s, id)
}

// unseat takes a session from its occupant, which has others.
func (r *Room) unseat(s *seat) {
	o := s.occupant
	o.seats = slices.DeleteFunc(o.seats, func(t *seat) bool { return t == s })
	o.forget()
}

// remove takes an occupant out of the list.
func (r *Room) remove(o *Occupant) {
	delete(r.nicks, foldNick(o.nick))
	r.order = slices.DeleteFunc(r.order, func(p *Occupant) bool { return p == o })
}

// leave takes a session out (XEP-0045 §7.14), with the words it left. The room of which it was the last goes if it is not to last.
func (r *Room) leave(s *seat, status *stanza.Stanza, c *change) {
	if c == nil {
		c = &change{}
	}
	c.gone = true
	o := s.occupant
	last := len(o.seats) == 1
	r.part(o, s, status, c)
	r.clear(s)
	if last {
		r.hide(o, s, status, c)
		r.remove(o)
		r.emptied()
		return
	}
	r.unseat(s)
	r.spread(o, nil, nil, "")
}

// clear forgets where a session is.
func (r *Room) clear(s *seat) {
	delete(r.seats, s.jid)
	if s.session != nil {
		r.m.rise(s.session, r)
	}
	r.unasked(s)
}

// emptied deletes a room that nobody is in, if it was never configured or is not to last (XEP-0045 §7.14, §10.1.3).
func (r *Room) emptied() {
	if len(r.order) > 0 || !r.exists || !r.locked && r.options.Persistent {
		return
	}
	if !r.locked {
		ctx := context.Background()
		if err := r.write(ctx, func(ctx context.Context, tx *store.Tx) error { return r.m.wipe(ctx, tx, r.name) }); err != nil {
			r.m.Log.Error("deleting a room that emptied", "err", err)
			return // it goes at the next start
		}
	}
	r.loaded = false
}

// expel takes occupants out who must go, each with the same reason, and tells them. The function it returns tells the others, after the answer to
// who did it (XEP-0045 §8.2).
func (r *Room) expel(gone []*Occupant, c *change) (tell func()) {
	c.gone = true
	for _, o := range gone {
		for _, s := range o.seats {
			r.part(o, s, r.goodbye(), c)
			r.clear(s)
		}
		r.remove(o)
	}
	return func() {
		for _, o := range gone {
			r.hide(o, o.main(), r.goodbye(), c)
		}
		r.emptied()
	}
}

// shut tells everyone that the service goes (XEP-0045 §11.2).
func (r *Room) shut() {
	for _, o := range r.order {
		for _, s := range o.seats {
			r.part(o, s, r.goodbye(), &change{codes: []string{codeShutDown}, gone: true})
			r.clear(s)
		}
	}
	r.order, r.nicks = nil, map[string]*Occupant{}
	r.emptied()
}
