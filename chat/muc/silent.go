package muc

import (
	"context"
	"crypto/rand"
	"time"

	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// lookEvery is how often a room looks for people of other servers who have sent nothing since the last look. They are asked whether they are there
// (XEP-0199 §4.5), and leave if their server cannot be reached or if nothing has come until the look after that. So a server that went without
// a word keeps its people in a silent room for two looks, one that takes requests and answers none for three. Where something is said, what comes
// back of that makes them leave at once (XEP-0045 §11.1). Sessions here need no such look: the house tells of their end.
const lookEvery = 15 * time.Minute

// watch has the room look, as long as there are people of other servers in it.
func (r *Room) watch() {
	if r.watching {
		return
	}
	r.watching = true
	r.m.Clock.AfterFunc(lookEvery, func() { r.later((*Room).look) })
}

// hear notes that something came from a session of another server.
func (r *Room) hear(from jid.JID) {
	if s := r.seats[from]; s != nil && s.session == nil {
		s.heard = true
	}
}

func (r *Room) look() {
	r.watching = false
	var away []*seat
	for _, s := range r.seats {
		if s.session == nil {
			away = append(away, s)
		}
	}
	for _, s := range away {
		switch {
		case s.heard:
			s.heard, s.asked = false, ""
		case s.asked != "":
			r.lose(s)
		default:
			var b xml.Builder
			s.asked = rand.Text()
			r.m.send(context.Background(), stanza.New(stanza.IQ, stanza.Get, r.jid, s.jid, s.asked, b.Empty(nsPing, "ping").Bytes()))
		}
	}
	if len(away) > 0 {
		r.watch()
	}
}

// present takes the answer to the question whether a session is there. An error of the session itself, or of its server on its behalf, says
// that there is somebody, except that these say that there is not; service-unavailable is also what a client says that knows no ping.
func (r *Room) present(s *seat, answer *stanza.Stanza) {
	s.asked = ""
	if e := stanza.ErrorOf(answer); e != nil && e.Condition != "service-unavailable" && r.unreachable(answer) {
		r.lose(s)
	}
}

// lose has a session leave that cannot be reached.
func (r *Room) lose(s *seat) {
	r.leave(s, r.goodbye(), &change{codes: []string{codeKicked, codeTechnical}})
}
