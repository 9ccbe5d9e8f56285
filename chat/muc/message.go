package muc

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"writ/chat/archive"
	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// maxSubject bounds a subject, in bytes.
const maxSubject = 4096

// speak checks a message to all occupants (XEP-0045 §7.4, §8.1). It reports whether the message now waits for flush; if not it has been answered.
func (r *Room) speak(ctx context.Context, j job) (waits bool) {
	say, err := r.heard(ctx, j.e)
	if err != nil {
		r.refuse(j.e, err)
		return false
	}
	say.job = j
	r.pending = append(r.pending, say)
	return true
}

// heard makes of a client's message what is to be reflected, or says why it is not.
func (r *Room) heard(ctx context.Context, e *feature.Envelope) (say, error) {
	s := r.seats[e.From]
	switch {
	case !r.exists || r.locked && s == nil:
		return say{}, stanza.ItemNotFound("there is no such room")
	case s == nil || s.session != e.Session:
		return say{}, stanza.NotAcceptable("you are not in this room")
	}
	o, st := s.occupant, e.Stanza
	w := say{sender: e.From, nick: o.nick}
	subject, topic := st.Find(xml.Client, "subject"), false
	if subject != nil && !st.Has(xml.Client, "body") && !st.Has(xml.Client, "thread") {
		topic = true
	}
	switch {
	case topic:
		text := subject.Text()
		if o.role < Moderator && !(r.options.ChangeSubject && o.role == Participant) {
			return say{}, stanza.Forbidden("only moderators change the subject of this room")
		}
		if len(text) > maxSubject {
			return say{}, stanza.NotAcceptable(fmt.Sprintf("a subject may have at most %d bytes", maxSubject))
		}
		w.subject = &text
	case o.role < Participant:
		return say{}, stanza.Forbidden("in this room you may listen, and ask for voice")
	case r.private():
		pass, advice, err := r.m.Encryption.Group(e.From, st)
		if err != nil {
			return say{}, err
		}
		if st = pass; advice != "" {
			r.advise(e, advice)
		}
	}
	w.stanza = r.reflected(o, st)
	v := archive.Judge(st.WithHead(st.From, st.To, st.ID, stanza.Normal)) // as if to a person: what it is does not depend on where it goes
	w.keep = v.Archive && !topic && !r.locked
	w.store = w.keep && r.options.Archive && r.m.Keep > 0
	var err error
	w.grave, err = r.takenBack(ctx, w)
	return w, err
}

// reflected is a message as all occupants get it: their only difference is the head (XEP-0045 §7.4, XEP-0421 §3, XEP-0359 §3).
func (r *Room) reflected(o *Occupant, st *stanza.Stanza) *stanza.Stanza {
	id := st.ID
	if id == "" {
		id = rand.Text()
	}
	return r.stripped(st).WithHead(o.jid, jid.JID{}, id, stanza.Groupchat).With(o.id)
}

// stripped is a client's message without what only the room may say, in every copy.
func (r *Room) stripped(st *stanza.Stanza) *stanza.Stanza {
	return st.Without(func(c stanza.Child) bool {
		switch c.Space {
		case NSUser, NS, nsOccupant:
			return true
		case archive.SID:
			return c.Local == "stanza-id" && r.ours(st.Tree(c).Attr("by"))
		case nsDelay:
			return c.Local == "delay" && r.ours(st.Tree(c).Attr("from"))
		case nsMAM:
			return true
		}
		return false
	})
}

// ours reports a name that only this server may use, or none at all.
func (r *Room) ours(name string) bool {
	j, err := jid.Parse(name)
	return err != nil || r.m.Router.Local(j) || r.m.Router.Hosted(j)
}

// advise tells a sender something beside what becomes of its message.
func (r *Room) advise(e *feature.Envelope, text string) {
	var b xml.Builder
	r.answer(e, stanza.New(stanza.Message, stanza.Headline, r.jid, e.From, "", b.Leaf("", "body", text).Bytes()))
}

// flush writes the messages that wait, in one transaction, and reflects them.
func (r *Room) flush() {
	if len(r.pending) == 0 {
		return
	}
	batch := r.pending
	r.pending = nil
	err := r.store(batch)
	if err != nil && len(batch) > 1 { // one of them spoiled it: each alone
		for i := range batch {
			r.spoken(batch[i:i+1], r.store(batch[i:i+1]))
		}
		return
	}
	r.spoken(batch, err)
}

// store writes a batch.
func (r *Room) store(batch []say) error {
	some := false
	for i := range batch {
		some = some || batch[i].store || batch[i].subject != nil
	}
	if !some {
		return nil
	}
	now := r.m.Clock.Now()
	return r.write(context.Background(), func(ctx context.Context, tx *store.Tx) error {
		for i := range batch {
			w := &batch[i]
			if w.subject != nil && !r.locked {
				if err := r.m.writeSubject(ctx, tx, r.name, subject{*w.subject, w.sender.Bare(), w.nick, now}); err != nil {
					return err
				}
			}
			if !w.store {
				continue
			}
			id, err := r.m.Archive.Append(ctx, tx, archive.Message{Stanza: w.stanza, From: w.sender, To: r.jid, Time: w.job.e.Time, Kind: archive.Groupchat, Holds: archive.ByRecipient})
			if err != nil {
				return err
			}
			w.id = id
			if w.grave != nil {
				if err := r.m.Archive.Replace(ctx, tx, r.jid, w.grave.id, w.grave.stone); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// spoken reflects what has been written, or answers for what has not.
func (r *Room) spoken(batch []say, err error) {
	for _, w := range batch {
		if err != nil {
			r.refuse(w.job.e, err)
			w.job.finish()
			continue
		}
		st := w.stanza
		if w.id != 0 {
			st = st.With(r.m.Archive.StanzaID(r.jid, w.id))
		}
		st = st.Shared()
		if w.subject != nil {
			r.subject = subject{*w.subject, w.sender.Bare(), w.nick, w.job.e.Time}
		} else if w.keep {
			r.keep(kept{stanza: st, sender: w.sender.Bare(), at: w.job.e.Time, id: w.id})
		}
		if w.grave != nil {
			r.bury(*w.grave)
		}
		r.reflect(st)
		r.toAbsent(w, st)
		w.job.finish()
	}
	r.burst.End()
}

// reflect sends a message to all occupants. It is encoded once; what each gets of its own is the address.
func (r *Room) reflect(st *stanza.Stanza) {
	for _, o := range r.order {
		for _, s := range o.seats {
			s.share(r, &r.burst, st)
		}
	}
}

// toAbsent gives a message to the members who asked for it and have no session in the room.
func (r *Room) toAbsent(w say, st *stanza.Stanza) {
	if r.absent == 0 || !w.store {
		return
	}
	here := map[jid.JID]bool{}
	for _, o := range r.order {
		here[o.user] = true
	}
	var b xml.Builder
	st = st.With(b.Empty(NSUser, "x").Bytes())
	for j, u := range r.users {
		if u.absent && u.affiliation >= Member && !here[j] {
			r.m.Router.Submit(context.Background(), &feature.Envelope{Stanza: st.WithTo(j), From: st.From, To: j, Author: w.sender, Server: true, Time: w.job.e.Time,
				Kind: archive.Groupchat, Judged: true, Waits: true, Mute: true})
		}
	}
}

// message takes what is not for all occupants: private messages, invitations, requests (XEP-0045 §7.5, §7.8, §7.13).
func (r *Room) message(ctx context.Context, e *feature.Envelope) error {
	s := r.seats[e.From]
	if s != nil && s.session != e.Session {
		s = nil
	}
	switch {
	case e.Stanza.Type == stanza.TypeError:
		if s != nil && r.unreachable(e.Stanza) {
			r.lose(s)
		}
		return nil
	case !r.exists, r.locked && s == nil:
		return stanza.ItemNotFound("there is no such room")
	case e.To.IsBare():
		return r.toRoom(ctx, e, s)
	case e.Stanza.Type == stanza.Groupchat:
		return stanza.BadRequest("a private message is of type chat")
	case s == nil:
		return stanza.NotAcceptable("you are not in this room")
	}
	return r.whisper(ctx, e, s)
}

// unreachable reports an error that says that the occupant is gone (XEP-0045 §18.1.2).
func (r *Room) unreachable(st *stanza.Stanza) bool {
	e := stanza.ErrorOf(st)
	if e == nil {
		return false
	}
	switch e.Condition {
	case "gone", "item-not-found", "recipient-unavailable", "redirect", "remote-server-not-found", "remote-server-timeout", "service-unavailable", "jid-malformed":
		return true
	}
	return false
}

// whisper passes a private message on (XEP-0045 §7.5).
func (r *Room) whisper(ctx context.Context, e *feature.Envelope, s *seat) error {
	o, to := s.occupant, r.occupantOf(e.To.Resource())
	allowed := false
	switch r.options.Private {
	case pmAnyone:
		allowed = true
	case pmParticipants:
		allowed = o.role >= Participant
	case pmModerators:
		allowed = o.role == Moderator
	}
	switch {
	case to == nil:
		return stanza.ItemNotFound("nobody of that nickname is in the room")
	case !allowed:
		return stanza.Forbidden("private messages are not allowed to you in this room")
	case r.m.Blocker.Blocked(ctx, to.user, o.user) && r.m.Router.Local(to.user):
		return stanza.ServiceUnavailable("")
	}
	st := e.Stanza
	if r.private() {
		pass, advice, err := r.m.Encryption.Group(e.From, st)
		if err != nil {
			return err
		}
		if st = pass; advice != "" {
			r.advise(e, advice)
		}
	}
	var b xml.Builder
	st = r.stripped(st).With(o.id, b.Empty(NSUser, "x").Bytes())
	for _, t := range to.seats {
		t.push(r, st.WithHead(o.jid, t.jid, st.ID, st.Type))
	}
	return nil
}

// subject is the room's subject and who set it. Without a time it was never set.
type subject struct {
	text string
	user jid.JID
	nick string
	at   time.Time
}

// subjectStanza is the message that tells the subject at entering (XEP-0045 §7.2.15).
func (r *Room) subjectStanza() *stanza.Stanza {
	var b xml.Builder
	from, children := r.jid, [][]byte{b.Leaf("", "subject", r.subject.text).Bytes()}
	if !r.subject.at.IsZero() {
		children = append(children, r.delay(r.subject.at))
		if r.subject.nick != "" {
			from = r.at(r.subject.nick)
		}
	}
	return stanza.New(stanza.Message, stanza.Groupchat, from, jid.JID{}, "", children...)
}
