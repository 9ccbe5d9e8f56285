package muc

import (
	"fmt"
	"strings"
	"testing"

	"writ/clock"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// reader is a session that writes what it gets into a buffer of its own, as a connection does.
type reader struct {
	jid jid.JID
	buf []byte
}

func (o *reader) Push(s *stanza.Stanza)                    { o.buf = s.AppendTo(o.buf[:0], "") }
func (o *reader) Share(s *stanza.Stanza, _ *feature.Burst) { o.buf = s.AppendFor(o.buf[:0], "", o.jid) }
func (o *reader) Hibernating() bool                        { return false }
func (o *reader) Close(string, string)                     {}

// crowdOf is a room with so many people in it.
func crowdOf(b *testing.B, n int) *Room {
	m := &MUC{Parts: Parts{Clock: clock.System()}}
	r := &Room{m: m, name: "square", jid: jid.MustParse("square@rooms.writ.example"), nicks: map[string]*Occupant{}, exists: true,
		options: Options{Broadcast: []string{"moderator", "participant", "visitor"}}}
	for i := range n {
		full := jid.MustParse(fmt.Sprintf("person%d@writ.example/phone", i))
		o := r.place(fmt.Sprint("Person ", i), full)
		s := &feature.Session{JID: full, Out: &reader{jid: full}}
		o.seats = []*seat{{jid: full, session: s, occupant: o, presence: stanza.New(stanza.Presence, stanza.Available, full, o.jid, "")}}
	}
	b.ReportAllocs()
	return r
}

// BenchmarkReflect gives a message to a room of 200, each of whom has it encoded: without TLS and the system's write, which are the rest of its cost.
func BenchmarkReflect(b *testing.B) {
	r := crowdOf(b, 200)
	body := "<encrypted xmlns='eu.siacs.conversations.axolotl'><payload>" + strings.Repeat("p", 800) + "</payload></encrypted>"
	st := stanza.New(stanza.Message, stanza.Groupchat, r.order[0].jid, jid.JID{}, "m1", []byte(body), r.order[0].id)
	for b.Loop() {
		r.reflect(st.Shared())
		r.burst.End()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(r.order)), "ns/delivery")
}

// BenchmarkWelcome gives a newcomer the presences of a room of 1,000.
func BenchmarkWelcome(b *testing.B) {
	r := crowdOf(b, 1000)
	x := &xml.Element{Name: xml.Name{Space: NS, Local: "x"}}
	for b.Loop() {
		if err := r.welcome(b.Context(), r.order[0].seats[0], x, nil, ""); err != nil {
			b.Fatal(err)
		}
		r.burst.End()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(r.order)), "ns/presence")
}
