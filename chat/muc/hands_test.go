package muc_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"writ/store"
	"writ/store/storetest"
	"writ/writtest"
	"writ/xmpp/xml"
)

// guest is a client in a room that notes all that the room tells it.
type guest struct {
	*member
	room, nick string

	in      bool            // by what it was told last
	stays   [][]string      // what was said during each stay
	open    map[string]bool // what it said and has no answer to
	refused []string        // what was not said
	seen    map[string]bool // who else is in the room
}

func newGuest(t *testing.T, h *writtest.House, local, room string) *guest {
	return &guest{member: enrol(t, h, local), room: room, nick: local, open: map[string]bool{}, seen: map[string]bool{}}
}

// next takes one element. It gives the answer to a request, or nil.
func (h *guest) next() *xml.Element {
	h.t.Helper()
	e, err := h.c.Next()
	if err != nil {
		h.t.Fatalf("%s: %v", h.nick, err)
	}
	text := func() string { return string(e.AppendTo(nil, "")) }
	bare, nick, _ := strings.Cut(e.Attr("from"), "/")
	switch {
	case bare != h.room:
	case e.Name.Local == "iq":
		return e
	case e.Attr("type") == "error":
		if e.Name.Local != "message" || !h.open[e.Attr("id")] {
			h.t.Fatalf("%s is told of a fault: %s", h.nick, text())
		}
		delete(h.open, e.Attr("id"))
		h.refused = append(h.refused, e.Attr("id"))
	case e.Name.Local == "presence" && nick == h.nick:
		gone := e.Attr("type") == "unavailable"
		if gone && !h.in {
			h.t.Fatalf("%s, in the room: %v, is told %s", h.nick, h.in, text())
		}
		if h.in = !gone; h.in {
			h.stays = append(h.stays, nil)
		}
	case e.Name.Local == "presence" && e.Attr("type") == "unavailable":
		delete(h.seen, nick)
	case e.Name.Local == "presence":
		h.seen[nick] = true
	case e.Name.Local == "message" && !h.in:
		h.t.Fatalf("%s is not in the room and hears %s", h.nick, text())
	case e.Name.Local == "message":
		body := e.Child(xml.Client, "body")
		if body == nil {
			break // the subject
		}
		said := body.Text()
		last := &h.stays[len(h.stays)-1]
		*last = append(*last, said)
		if nick == h.nick {
			delete(h.open, e.Attr("id"))
		}
	}
	return nil
}

func (h *guest) enter() {
	h.t.Helper()
	h.send(fmt.Sprintf("<presence to='%s/%s'><x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x></presence>", h.room, h.nick))
	for !h.in {
		h.next()
	}
}

// say sends messages in one go, each with what it is as its id.
func (h *guest) say(round, n int) {
	var all []string
	for i := range n {
		id := fmt.Sprintf("%s.%02d.%02d", h.nick, round, i)
		h.open[id] = true
		all = append(all, fmt.Sprintf("<message type='groupchat' to='%s' id='%s'><body>%s</body></message>", h.room, id, id))
	}
	h.c.WriteAll(all...)
}

// settle reads until everything said has its answer.
func (h *guest) settle() {
	h.t.Helper()
	for len(h.open) > 0 {
		h.next()
	}
}

func (h *guest) leave() {
	h.t.Helper()
	if h.in { // it may have been made to leave meanwhile
		h.send(fmt.Sprintf("<presence type='unavailable' to='%s/%s'/>", h.room, h.nick))
	}
	for h.in {
		h.next()
	}
}

// request asks the room and reads until it answers.
func (h *guest) request(payload string) *xml.Element {
	h.t.Helper()
	h.n++
	id := fmt.Sprint("ask", h.n)
	h.send(fmt.Sprintf("<iq type='set' id='%s' to='%s'>%s</iq>", id, h.room, payload))
	for {
		if e := h.next(); e != nil && e.Attr("id") == id {
			return e
		}
	}
}

// until reads until something is said.
func (h *guest) until(said string) {
	h.t.Helper()
	for {
		h.next()
		if last := h.stays[len(h.stays)-1]; len(last) > 0 && last[len(last)-1] == said {
			return
		}
	}
}

// Many hands in one room: they enter, speak, leave, are kicked and lose their connections, all at once. Everyone who is in the room hears all that
// is said there, once and in the same order; nobody hears anything behind the word that they have left; what was refused was heard by nobody.
func TestManyHands(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const people, rounds, words = 8, 6, 5
		h := writtest.Start(t, db)
		room := "square@rooms." + h.Domain.String()
		owner := newGuest(t, h, "owner", room)
		owner.enter()
		owner.request("<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query>")
		ear := newGuest(t, h, "ear", room)
		hands := make([]*guest, people)
		for i := range hands {
			hands[i] = newGuest(t, h, fmt.Sprint("hand", i), room)
		}
		for _, x := range append([]*guest{ear}, hands...) {
			owner.request("<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='member' jid='" + x.c.JID.Bare().String() + "'/></query>")
		}
		ear.enter()

		var working sync.WaitGroup
		var left atomic.Int32
		left.Store(people)
		for i, x := range hands {
			working.Go(func() {
				defer left.Add(-1)
				for round := range rounds {
					x.enter()
					x.say(round, words)
					if (round+i)%rounds == 2 { // the network goes; what it said may have been heard
						x.c.Drop()
						x.c, x.in, x.open = h.Dial(t, writtest.TCP), false, map[string]bool{}
						if err := x.c.Login(x.nick, "app"); err != nil {
							t.Error(err)
							return
						}
						continue
					}
					x.settle()
					x.leave()
				}
			})
		}
		for i := 0; left.Load() > 0; i++ {
			e := owner.request(fmt.Sprintf("<query xmlns='http://jabber.org/protocol/muc#admin'><item nick='hand%d' role='none'/></query>", i%people))
			if e.Attr("type") != "result" && !strings.Contains(string(e.AppendTo(nil, "")), "item-not-found") {
				t.Errorf("kicking: %s", e.AppendTo(nil, ""))
			}
		}
		working.Wait()
		owner.say(99, 1)
		owner.until("owner.99.00")
		ear.until("owner.99.00")

		all := owner.stays[0]
		if len(owner.stays) != 1 || len(ear.stays) != 1 || !slices.Equal(ear.stays[0], all) {
			t.Fatalf("those who stayed heard\n%q\nand\n%q", owner.stays, ear.stays)
		}
		place := map[string]int{}
		for i, said := range all {
			if _, twice := place[said]; twice {
				t.Errorf("%s was said twice", said)
			}
			place[said] = i
		}
		for _, x := range hands {
			for _, stay := range x.stays {
				for i, said := range stay {
					if at, known := place[said]; !known || i > 0 && at != place[stay[i-1]]+1 {
						t.Errorf("%s heard %q, which is no part of\n%q", x.nick, stay, all)
						break
					}
				}
			}
			for _, id := range x.refused {
				if _, heard := place[id]; heard {
					t.Errorf("%s was told that %s was refused; it was heard", x.nick, id)
				}
			}
			var own []string
			for _, said := range all {
				if strings.HasPrefix(said, x.nick+".") {
					own = append(own, said)
				}
			}
			if !slices.IsSorted(own) {
				t.Errorf("what %s said came as %q", x.nick, own)
			}
		}
	})
}

// Many people enter a room at once and half of them leave at once: everyone gets word of everyone, though a large room tells it in few writes.
func TestManyEnter(t *testing.T) {
	t.Parallel()
	const people = 40
	h := writtest.Start(t, storetest.SQLite(t))
	room := "square@rooms." + h.Domain.String()
	owner := newGuest(t, h, "owner", room)
	owner.enter()
	owner.request("<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query>")
	hands := make([]*guest, people)
	for i := range hands {
		hands[i] = newGuest(t, h, fmt.Sprint("hand", i), room)
		owner.request("<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='member' jid='" + hands[i].c.JID.Bare().String() + "'/></query>")
	}
	var entered, done sync.WaitGroup
	entered.Add(people)
	for i, x := range hands {
		done.Go(func() {
			here := sync.OnceFunc(entered.Done)
			defer here()
			x.enter()
			x.others(people) // the owner is one
			here()
			entered.Wait()
			if i%2 == 0 {
				x.leave()
				return
			}
			x.others(people / 2)
		})
	}
	done.Wait()
}

// others reads until so many others are in the room.
func (h *guest) others(n int) {
	h.t.Helper()
	for len(h.seen) != n {
		h.next()
	}
}
