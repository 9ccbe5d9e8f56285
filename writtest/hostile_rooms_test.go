package writtest

import (
	"fmt"
	"strings"
	"testing"

	"writ/server"
	"writ/xmpp/xml"
)

const (
	rooms   = "rooms." + Domain
	nsAdmin = "http://jabber.org/protocol/muc#admin"
	nsOwner = "http://jabber.org/protocol/muc#owner"
)

// enters asks to enter a room; more stands inside the <x/>.
func enters(room, nick, more string) string {
	return "<presence xmlns='jabber:client' id='h1' to='" + room + "@" + rooms + "/" + nick + "'><x xmlns='http://jabber.org/protocol/muc'>" + more + "</x></presence>"
}

// roomForm is a room's configuration.
func roomForm(fields ...string) string {
	var b strings.Builder
	b.WriteString("<query xmlns='" + nsOwner + "'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>")
	for i := 0; i < len(fields); i += 2 {
		b.WriteString("<field var='muc#roomconfig_" + fields[i] + "'><value>" + fields[i+1] + "</value></field>")
	}
	b.WriteString("</x></query>")
	return b.String()
}

// answered sends and gives the next element that like accepts; what else a room tells is passed over.
func answered(t *testing.T, c *Client, s string, like func(e *xml.Element) bool) *xml.Element {
	t.Helper()
	c.Write(s)
	for {
		e, err := c.Next()
		if err != nil {
			t.Fatalf("sent %.200q: %v", s, err)
		}
		if like(e) {
			return e
		}
	}
}

func withID(e *xml.Element) bool { return e.Attr("id") == "h1" }

// inOrError is the end of entering: one's own presence, or the refusal.
func inOrError(e *xml.Element) bool {
	if e.Name.Local != "presence" {
		return false
	}
	if e.Attr("type") == "error" {
		return true
	}
	for _, s := range e.Child("http://jabber.org/protocol/muc#user", "x").All("http://jabber.org/protocol/muc#user", "status") {
		if s.Attr("code") == "110" {
			return true
		}
	}
	return false
}

// wants compares an answer with "ok" or the condition of an error.
func wants(e *xml.Element, want string) error {
	if want == "ok" && e.Attr("type") == "error" ||
		want != "ok" && (e.Attr("type") != "error" || e.Child(xml.Client, "error").Child("urn:ietf:params:xml:ns:xmpp-stanzas", want) == nil) {
		return fmt.Errorf("%s was awaited, received: %.500s", want, e.AppendTo(nil, ""))
	}
	return nil
}

// Rooms and those who wish them ill (rows 76 to 80).
func TestHostileRooms(t *testing.T) {
	t.Parallel()
	h, w := loginHouse(t, func(c *server.Config) {
		c.Rooms.Channels, c.Rooms.PerPerson = true, 20
	})
	for _, who := range []string{"owner", "admin"} {
		h.Account(t, who)
	}
	owner, admin := h.Dial(t, TCP), h.Dial(t, WebSocket)
	for name, c := range map[string]*Client{"owner": owner, "admin": admin} {
		if err := c.Login(name, "x"); err != nil {
			t.Fatal(err)
		}
	}
	set := func(room, payload string) {
		t.Helper()
		if err := wants(answered(t, owner, iq("set", room+"@"+rooms, payload), withID), "ok"); err != nil {
			t.Fatal(err)
		}
	}
	for room, form := range map[string]string{
		"den":    roomForm("membersonly", "0"),
		"banned": roomForm("membersonly", "0"),
		"closed": roomForm("membersonly", "1"),
		"secret": roomForm("membersonly", "0", "passwordprotectedroom", "1", "roomsecret", "sesame"),
	} {
		answered(t, owner, enters(room, "Owner", ""), inOrError)
		set(room, form)
	}
	set("banned", "<query xmlns='"+nsAdmin+"'><item affiliation='outcast' jid='mallory@"+Domain+"'/></query>")
	set("den", "<query xmlns='"+nsAdmin+"'><item affiliation='admin' jid='admin@"+Domain+"'/></query>")
	answered(t, admin, enters("den", "Admin", ""), inOrError)

	for _, via := range []Via{TCP, WebSocket} {
		c := h.Dial(t, via)
		if err := c.Login("mallory", via.String()); err != nil {
			t.Fatal(err)
		}
		for _, x := range []struct{ name, send, want string }{
			{"banned", enters("banned", "M", ""), "forbidden"},
			{"members-only", enters("closed", "M", ""), "registration-required"},
			{"taken nick", enters("den", "Owner", ""), "conflict"},
			{"taken nick in another case", enters("den", "OWNER", ""), "conflict"},
			{"no password", enters("secret", "M", ""), "not-authorized"},
			{"wrong password", enters("secret", "M", "<password>x</password>"), "not-authorized"},
			{"no nickname", "<presence xmlns='jabber:client' id='h1' to='den@" + rooms + "'><x xmlns='http://jabber.org/protocol/muc'/></presence>", "jid-malformed"},
			{"history of 10^9", enters("den", "M", "<history maxstanzas='1000000000' maxchars='99999999999999999999' seconds='-1' since='never'/>"), "ok"},
		} {
			if err := wants(answered(t, c, x.send, inOrError), x.want); err != nil {
				t.Errorf("%s over %s: %v", x.name, via, err)
			}
			w.ping(t)
		}
		admins := func(item string) string { return "<query xmlns='" + nsAdmin + "'><item " + item + "/></query>" }
		for _, x := range []struct{ name, send, want string }{
			{"the list of the banned", iq("get", "den@"+rooms, admins("affiliation='outcast'")), "forbidden"},
			{"kicking", iq("set", "den@"+rooms, admins("nick='Owner' role='none'")), "forbidden"},
			{"making oneself an owner", iq("set", "den@"+rooms, admins("affiliation='owner' jid='mallory@"+Domain+"'")), "forbidden"},
			{"making oneself a moderator", iq("set", "den@"+rooms, admins("nick='M' role='moderator'")), "forbidden"},
			{"banning the owner", iq("set", "den@"+rooms, admins("affiliation='outcast' jid='owner@"+Domain+"'")), "forbidden"},
			{"reading the configuration", iq("get", "den@"+rooms, "<query xmlns='"+nsOwner+"'/>"), "forbidden"},
			{"configuring", iq("set", "den@"+rooms, roomForm("roomname", "mine")), "forbidden"},
			{"destroying", iq("set", "den@"+rooms, "<query xmlns='"+nsOwner+"'><destroy/></query>"), "forbidden"},
			{"a picture", iq("set", "den@"+rooms, "<vCard xmlns='vcard-temp'/>"), "forbidden"},
			{"taking back what others said", iq("set", "den@"+rooms, "<moderate xmlns='urn:xmpp:message-moderate:1' id='x'><retract xmlns='urn:xmpp:message-retract:1'/></moderate>"), "forbidden"},
			{"a role of another room", iq("set", "closed@"+rooms, admins("nick='Owner' role='none'")), "forbidden"},
			{"destroying another room", iq("set", "closed@"+rooms, "<query xmlns='"+nsOwner+"'><destroy/></query>"), "forbidden"},
			{"destroying no room", iq("set", "none@"+rooms, "<query xmlns='"+nsOwner+"'><destroy/></query>"), "item-not-found"},
			{"an order without items", iq("set", "den@"+rooms, "<query xmlns='"+nsAdmin+"'/>"), "forbidden|bad-request"},
		} {
			e := answered(t, c, x.send, withID)
			err := fmt.Errorf("no answer is right")
			for _, want := range strings.Split(x.want, "|") {
				if e := wants(e, want); e == nil || err != nil {
					err = e
				}
			}
			if err != nil {
				t.Errorf("%s over %s: %v", x.name, via, err)
			}
		}
		for _, x := range []struct{ name, send, want string }{
			{"an admin destroys", iq("set", "den@"+rooms, "<query xmlns='"+nsOwner+"'><destroy/></query>"), "forbidden"},
			{"an admin configures", iq("set", "den@"+rooms, roomForm("roomname", "mine")), "forbidden"},
			{"an admin makes an owner", iq("set", "den@"+rooms, admins("affiliation='owner' jid='admin@"+Domain+"'")), "forbidden"},
			{"an admin bans the owner", iq("set", "den@"+rooms, admins("affiliation='outcast' jid='owner@"+Domain+"'")), "not-allowed"},
		} {
			if err := wants(answered(t, admin, x.send, withID), x.want); err != nil {
				t.Errorf("%s: %v", x.name, err)
			}
		}
		if err := wants(answered(t, owner, message("type='groupchat' id='h1' to='den@"+rooms+"'", "<subject>"+strings.Repeat("s", 100<<10)+"</subject>"), withID), "not-acceptable"); err != nil {
			t.Errorf("a subject of 100 KiB: %v", err)
		}
		// A message that is on its way while its sender is kicked comes after the kick: it is refused, and nobody gets it.
		set("den", "<query xmlns='"+nsAdmin+"'><item nick='M' role='none'/></query>")
		e := answered(t, c, message("type='groupchat' id='h1' to='den@"+rooms+"'", "<body>after the kick over "+via.String()+"</body>"), withID)
		if err := wants(e, "not-acceptable"); err != nil {
			t.Error("kicked:", err)
		}
		answered(t, admin, iq("get", "", "<query xmlns='jabber:iq:roster'/>"), func(e *xml.Element) bool {
			if e.Child(xml.Client, "body") != nil {
				t.Error("a kicked person is heard:", string(e.AppendTo(nil, "")))
			}
			return withID(e)
		})
		w.ping(t)
	}
}

// Entering, changing nicknames and making rooms without end (row 78): each comes to a bound that is told, and others are served.
func TestRoomFloods(t *testing.T) {
	t.Parallel()
	for _, via := range []Via{TCP, WebSocket} {
		t.Run(via.String(), func(t *testing.T) {
			t.Parallel()
			h, w := loginHouse(t, func(c *server.Config) {
				c.Rooms.Channels, c.Rooms.PerPerson, c.Rooms.Joins, c.Rooms.Nicks = true, 3, 20, 5
			})
			c := h.Dial(t, via)
			if err := c.Login("mallory", "x"); err != nil {
				t.Fatal(err)
			}
			made := 0
			for ; made < 100; made++ {
				room := fmt.Sprintf("flood%d", made)
				if e := answered(t, c, enters(room, "M", ""), inOrError); e.Attr("type") == "error" {
					if err := wants(e, "not-allowed"); err != nil {
						t.Error(err)
					}
					break
				}
				if err := wants(answered(t, c, iq("set", room+"@"+rooms, roomForm("membersonly", "0")), withID), "ok"); err != nil {
					t.Error(err)
				}
			}
			if made != 3 {
				t.Errorf("%d rooms could be made, where 3 are allowed", made)
			}
			renamed := 0
			for ; renamed < 1000; renamed++ {
				if e := answered(t, c, enters("flood0", fmt.Sprintf("M%d", renamed), ""), inOrError); e.Attr("type") == "error" {
					if err := wants(e, "resource-constraint"); err != nil {
						t.Error(err)
					}
					break
				}
			}
			if renamed > 20 {
				t.Errorf("%d changes of nickname in a row", renamed)
			}
			entered := 0
			for ; entered < 1000; entered++ {
				if e := answered(t, c, enters("flood1", "M", ""), inOrError); e.Attr("type") == "error" {
					if err := wants(e, "resource-constraint"); err != nil {
						t.Error(err)
					}
					if typ := e.Child(xml.Client, "error").Attr("type"); typ != "wait" {
						t.Errorf("the error is of type %q, not wait", typ)
					}
					break
				}
				answered(t, c, "<presence xmlns='jabber:client' type='unavailable' to='flood1@"+rooms+"/M'/>", inOrError)
			}
			if entered > 100 {
				t.Errorf("%d times in and out in a row", entered)
			}
			w.ping(t)
		})
	}
}
