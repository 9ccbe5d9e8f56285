package muc_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"writ/server"
	"writ/store/storetest"
	"writ/writtest"
	"writ/xmpp/xml"
)

const nsStreams = "http://etherx.jabber.org/streams"

// alarm keeps what the server logs as its own fault, panics among it.
type alarm struct{ text atomic.Pointer[string] }

func (a *alarm) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }
func (a *alarm) WithAttrs([]slog.Attr) slog.Handler           { return a }
func (a *alarm) WithGroup(string) slog.Handler                { return a }
func (a *alarm) Handle(_ context.Context, r slog.Record) error {
	s := r.Message
	r.Attrs(func(at slog.Attr) bool { s += " " + at.String(); return true })
	a.text.Store(&s)
	return nil
}

// hand is a person of the fuzzed room.
type hand struct {
	*writtest.Client
	h        *writtest.House
	name     string
	answered map[string]int // by id of the request
	heard    []string       // what came to all occupants
	n        int
}

func (p *hand) login(t testing.TB) {
	t.Helper()
	p.Client = p.h.Dial(t, writtest.TCP)
	if err := p.Login(p.name, "r"); err != nil {
		t.Fatal(p.name, ": ", err)
	}
}

// fence reads everything up to the room's answer to a ping: what the room did for earlier stanzas has come by then. Requests of others are
// answered, so that none waits for its time to run out.
func (p *hand) fence(t testing.TB, room string) {
	t.Helper()
	p.n++
	id := fmt.Sprintf("fence-%d", p.n)
	p.Write("<iq type='get' id='" + id + "' to='" + room + "'><ping xmlns='urn:xmpp:ping'/></iq>")
	for {
		e, err := p.Next()
		if err != nil || e.Name.Local == "error" && e.Name.Space == nsStreams {
			p.Drop() // a stanza that ends the stream is the business of other tests
			p.login(t)
			return
		}
		switch typ := e.Attr("type"); {
		case e.Name.Local == "iq" && (typ == "get" || typ == "set"):
			var b xml.Builder
			b.Start(xml.Client, "iq", "type", "error", "id", e.Attr("id"), "to", e.Attr("from"))
			b.Start("", "error", "type", "cancel").Empty("urn:ietf:params:xml:ns:xmpp-stanzas", "service-unavailable").End()
			p.Write(string(b.Bytes()))
		case e.Name.Local == "iq" && e.Attr("id") == id:
			return
		case e.Name.Local == "iq":
			p.answered[e.Attr("id")]++
		case e.Name.Local == "message" && typ == "groupchat":
			p.heard = append(p.heard, string(e.AppendTo(nil, "")))
		}
	}
}

// FuzzRoom lets an owner, a member, an occupant without standing and somebody outside send anything to a room: requests, presence, messages, to the
// room and to any nickname. Whatever comes: nothing is logged as the server's own fault, each request is answered exactly once, who is outside hears
// nothing, and a room that is there has an owner.
func FuzzRoom(f *testing.F) {
	for who := range 4 {
		for _, s := range roomSeeds {
			f.Add(uint8(who), "Bob", s)
		}
	}
	for _, nick := range []string{"", " ", "Alice", "ALICE", "Bob\u0301", "\u2163", "\u00ad", "a/b", "a@b", "\U0001F469\u200d\U0001F467", "\u202eecila", strings.Repeat("n", 1023), strings.Repeat("n", 1024), "\u0130", "\u1e9e"} {
		f.Add(uint8(2), nick, "<presence><x xmlns='http://jabber.org/protocol/muc'/></presence><iq type='get'><ping xmlns='urn:xmpp:ping'/></iq>")
	}
	log := &alarm{}
	h := writtest.Start(f, storetest.SQLite(f), func(o *server.Options) {
		o.Log = slog.New(log)
		o.Config.Rooms.Joins, o.Config.Rooms.Nicks, o.Config.Rooms.PerPerson = 1<<30, 1<<30, 1<<30
	})
	var all [4]*hand
	for i, name := range []string{"alice", "bob", "carol", "eve"} {
		h.Account(f, name)
		all[i] = &hand{h: h, name: name}
		all[i].login(f)
	}
	f.Fuzz(func(t *testing.T, who uint8, nick, data string) {
		w, err := xml.Parse([]byte("<w xmlns='jabber:client'>"+data+"</w>"), "")
		if err != nil || len(nick) > 3000 {
			return
		}
		room := furnish(t, h, all)
		sender := all[who%4]
		asked := send(sender, room, nick, w)
		outside := sender != all[3] // who comes near the room by what it sends may hear something
		awaited := func() bool {
			for _, p := range all {
				p.fence(t, room)
			}
			for _, id := range asked {
				if sender.answered[id] == 0 {
					return false
				}
			}
			return true
		}
		client := sender.Client
		for end := time.Now().Add(writtest.Patience); !awaited() && sender.Client == client; {
			if time.Now().After(end) {
				t.Fatalf("not answered: %v of %v", asked, sender.answered)
			}
		}
		all[0].Write("<message type='groupchat' to='" + room + "'><body>for those who are in</body></message>")
		awaited()
		for _, id := range asked {
			if n := sender.answered[id]; n > 1 {
				t.Fatalf("%s was answered %d times", id, n)
			}
		}
		if outside && len(all[3].heard) > 0 && !strings.Contains(data, "eve") {
			t.Fatalf("heard outside: %q", all[3].heard)
		}
		owned(t, h, room)
		for _, p := range all { // the room goes with the last, unless it was made to stay
			p.Write("<presence type='unavailable' to='" + room + "/x'/>")
			p.fence(t, room)
		}
		if s := log.text.Swap(nil); s != nil {
			t.Fatal(*s)
		}
	})
}

// furnish makes a room with its owner, a member, and an occupant without standing in it.
func furnish(t testing.TB, h *writtest.House, all [4]*hand) string {
	t.Helper()
	room := h.Fresh("room") + "@rooms." + writtest.Domain
	enter := func(p *hand, nick string) {
		p.Write("<presence to='" + room + "/" + nick + "'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
	}
	for _, p := range all {
		p.answered, p.heard = map[string]int{}, nil
	}
	enter(all[0], "Alice")
	all[0].Write("<iq type='set' id='open' to='" + room + "'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'>" +
		"<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field><field var='muc#roomconfig_membersonly'><value>0</value></field>" +
		"<field var='muc#roomconfig_persistentroom'><value>0</value></field><field var='muc#roomconfig_whois'><value>moderators</value></field></x></query></iq>")
	all[0].Write("<iq type='set' id='admit' to='" + room + "'><query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='member' jid='" +
		all[1].JID.Bare().String() + "' nick='Bob'/></query></iq>")
	all[0].fence(t, room)
	if all[0].answered["open"] != 1 || all[0].answered["admit"] != 1 {
		t.Fatal("the room was not made: ", all[0].answered)
	}
	enter(all[1], "Bob")
	all[1].fence(t, room)
	enter(all[2], "Carol")
	all[2].fence(t, room)
	return room
}

// send gives the room what was found, each second stanza to a nickname, and says which requests were asked.
func send(p *hand, room, nick string, w *xml.Element) (asked []string) {
	for n, e := range w.Children {
		if n == 4 {
			break
		}
		kind, typ := e.Name.Local, e.Attr("type")
		if e.Name.Space != xml.Client || kind != "iq" && kind != "message" && kind != "presence" {
			continue
		}
		id, to := fmt.Sprintf("q%d", n), room
		if kind == "presence" || n%2 == 1 {
			to += "/" + nick
		}
		var b xml.Builder
		b.Start(xml.Client, kind, "id", id, "to", to)
		if e.HasAttr("type") {
			b.Attr("type", typ)
		}
		for _, c := range e.Children {
			b.Raw(c.AppendTo(nil, xml.Client))
		}
		if kind == "iq" && (typ == "get" || typ == "set") {
			asked = append(asked, id)
		}
		p.Write(string(b.End().Bytes()))
	}
	return asked
}

// owned checks that a room that has rows has an owner.
func owned(t testing.TB, h *writtest.House, room string) {
	t.Helper()
	name, _, _ := strings.Cut(room, "@")
	var rooms, owners int
	if err := h.DB.QueryRow(t.Context(), `SELECT (SELECT COUNT(*) FROM muc_room WHERE room = $1), (SELECT COUNT(*) FROM muc_affiliation WHERE room = $1 AND affiliation = 'owner')`, name).
		Scan(&rooms, &owners); err != nil {
		t.Fatal(err)
	}
	if rooms == 1 && owners == 0 {
		t.Fatal("the room has no owner")
	}
}

const (
	adminQuery = "<iq type='set'><query xmlns='http://jabber.org/protocol/muc#admin'>%s</query></iq>"
	ownerForm  = "<iq type='set'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>" +
		"<value>http://jabber.org/protocol/muc#roomconfig</value></field>%s</x></query></iq>"
	registerForm = "<iq type='set'><query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>" +
		"<value>http://jabber.org/protocol/muc#register</value></field>%s</x></query></iq>"
)

// roomSeeds are what each of the four sends.
var roomSeeds = []string{
	"<iq type='get'><query xmlns='http://jabber.org/protocol/disco#info'/></iq><iq type='get'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>",
	"<iq type='get'><query xmlns='http://jabber.org/protocol/disco#info' node='x-roomuser-item'/></iq><iq type='get'><query xmlns='jabber:iq:version'/></iq>",
	"<iq type='get'><query xmlns='http://jabber.org/protocol/muc#owner'/></iq><iq type='set'><query xmlns='http://jabber.org/protocol/muc#owner'><destroy jid='@'><reason/></destroy></query></iq>",
	"<iq type='set'><query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query></iq><presence><x xmlns='http://jabber.org/protocol/muc'/></presence><iq type='get'><ping xmlns='urn:xmpp:ping'/></iq>",
	"<iq type='set'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='cancel'/></query></iq>",
	fmt.Sprintf(ownerForm, "<field var='muc#roomconfig_roomowners'/><field var='muc#roomconfig_roomadmins'><value>bob@writ.example</value></field>"),
	fmt.Sprintf(ownerForm, "<field var='muc#roomconfig_roomowners'><value>bob@writ.example</value><value>BOB@writ.example/x</value><value>rooms.writ.example</value></field>"),
	fmt.Sprintf(ownerForm, "<field var='muc#roomconfig_membersonly'><value>1</value></field><field var='muc#roomconfig_moderatedroom'><value>true</value></field><field var='muc#roomconfig_maxusers'><value>none</value></field>"),
	fmt.Sprintf(ownerForm, "<field var='&#123;urn:writ:muc&#125;lock_nicknames'><value>1</value></field><field var='muc#roomconfig_passwordprotectedroom'><value>1</value></field>"),
	fmt.Sprintf(ownerForm, "<field var='muc#roomconfig_whois'><value>anyone</value></field><field var='muc#roomconfig_presencebroadcast'/><field/><field var=''><value/></field>"),
	"<iq type='get'><query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='member'/></query></iq><iq type='get'><query xmlns='http://jabber.org/protocol/muc#admin'><item role='moderator'/></query></iq>",
	fmt.Sprintf(adminQuery, "<item affiliation='none' jid='alice@writ.example'/>"), fmt.Sprintf(adminQuery, "<item affiliation='owner' jid='bob@writ.example'/><item affiliation='none' nick='Alice'/>"),
	fmt.Sprintf(adminQuery, "<item affiliation='outcast' jid='writ.example'/>"), fmt.Sprintf(adminQuery, "<item affiliation='outcast' jid='carol@writ.example'><reason>x</reason></item><item role='none' nick='Carol'/>"),
	fmt.Sprintf(adminQuery, "<item affiliation='member' jid='@'/>"), fmt.Sprintf(adminQuery, "<item affiliation='member' nick='Alice' jid='carol@writ.example'/>"),
	fmt.Sprintf(adminQuery, "<item role='none' nick='Bob'/><item role='none' nick='Bob'/>"), fmt.Sprintf(adminQuery, "<item role='visitor' nick='Carol'/><item role='moderator' nick='Carol'/>"),
	fmt.Sprintf(adminQuery, "<item role='x' affiliation='y'/>"), fmt.Sprintf(adminQuery, ""), fmt.Sprintf(adminQuery, "<item affiliation='member' jid='bob@writ.example' nick=''/>"),
	"<iq type='get'><query xmlns='jabber:iq:register'/></iq><iq type='set'><query xmlns='jabber:iq:register'><remove/></query></iq>",
	fmt.Sprintf(registerForm, "<field var='muc#register_roomnick'><value>Carol</value></field><field var='&#123;http://tigase.org/protocol/muc&#125;offline'><value>1</value></field>"),
	fmt.Sprintf(registerForm, "<field var='muc#register_roomnick'><value>a/Ⅳ</value></field>"), "<iq type='set'><query xmlns='jabber:iq:register'/></iq>",
	"<iq type='get'><vCard xmlns='vcard-temp'/></iq><iq type='set'><vCard xmlns='vcard-temp'><PHOTO><BINVAL>AAAA</BINVAL></PHOTO></vCard></iq>",
	"<iq type='set'><query xmlns='urn:xmpp:mam:2'><x xmlns='jabber:x:data' type='submit'/></query></iq><iq type='get'><query xmlns='urn:xmpp:mam:2'/></iq>",
	"<iq type='set'><moderate xmlns='urn:xmpp:message-moderate:1' id='1'><retract xmlns='urn:xmpp:message-retract:1'/></moderate></iq>",
	"<iq type='result'/><iq type='result'/><iq type='error'><error/></iq>", "<iq type='get'/><iq type='set'><a xmlns='u'/><b xmlns='u'/></iq>", "<iq/><iq type='x'/>",
	"<message type='groupchat'><body>x</body></message>", "<message type='groupchat'><subject>x</subject></message>", "<message type='groupchat'><retract xmlns='urn:xmpp:message-retract:1' id='1'/></message>",
	"<message/><message type='chat'><body>x</body></message>", "<message type='error'/><message type='error'><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
	"<message><x xmlns='http://jabber.org/protocol/muc#user'><invite to='bob@writ.example'><reason/><continue thread='t'/></invite><invite to=''/></x></message>",
	"<message><x xmlns='http://jabber.org/protocol/muc#user'><decline to='alice@writ.example'/></x></message>",
	"<message><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#request</value></field><field var='muc#role'><value>participant</value></field></x></message>",
	"<message><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#register</value></field><field var='muc#register_jid'><value>carol@writ.example</value></field><field var='muc#register_allow'><value>1</value></field></x></message>",
	"<presence><x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='-1' seconds='99999999999' since='x'/><password/></x></presence>", "<presence type='unavailable'/>", "<presence type='error'/>",
	"<presence/>", "<presence type='subscribe'/>", "<presence type='probe'/>", "<presence><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='owner'/></x><x xmlns='http://jabber.org/protocol/muc'/></presence>",
	"<iq type='get'><query xmlns='jabber:iq:version'/></iq><iq type='get'><query xmlns='jabber:iq:version'/></iq><presence type='unavailable'/><iq type='get'><query xmlns='jabber:iq:version'/></iq>",
}
