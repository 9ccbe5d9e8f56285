package interop

import (
	"crypto/rand"
	"slices"
	"strings"
	"testing"

	"writ/writtest"
	"writ/xmpp/xml"
)

const (
	nsMUC    = "http://jabber.org/protocol/muc"
	nsUser   = nsMUC + "#user"
	nsErrors = "urn:ietf:params:xml:ns:xmpp-stanzas"

	sealedText = "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='27183'><key rid='1234567890' prekey='true'>MwohBd==</key><iv>A1b2C3d4E5f6A1b2</iv></header><payload>c2VjcmV0</payload></encrypted>"
)

// codes are the status codes of a presence of a room (XEP-0045 has a registry of them).
func codes(e *xml.Element) (out []string) {
	for _, s := range e.Child(nsUser, "x").All(nsUser, "status") {
		out = append(out, s.Attr("code"))
	}
	return out
}

func has(e *xml.Element, want ...string) bool {
	for _, c := range want {
		if !slices.Contains(codes(e), c) {
			return false
		}
	}
	return true
}

// join asks to enter a room, and gives what came until the person is in it: the last is its own presence, or the refusal.
func join(t *testing.T, c *writtest.Client, room, nick string) (seen []*xml.Element) {
	t.Helper()
	c.Write("<presence xmlns='jabber:client' to='" + room + "/" + nick + "'><x xmlns='" + nsMUC + "'/></presence>")
	await(t, c, "entering "+room, func(e *xml.Element) bool {
		if e.Is(xml.Client, "presence") && strings.HasPrefix(e.Attr("from"), room) {
			seen = append(seen, e)
			return e.Attr("type") == "error" || has(e, "110")
		}
		return false
	})
	return seen
}

// entered is join for who must be let in, with these codes.
func entered(t *testing.T, c *writtest.Client, room, nick string, want ...string) (seen []*xml.Element) {
	t.Helper()
	seen = join(t, c, room, nick)
	if self := seen[len(seen)-1]; self.Attr("type") != "" || !has(self, want...) {
		t.Fatalf("%s enters %s: want codes %v, received %s", c.JID, room, want, self.AppendTo(nil, ""))
	}
	return seen
}

// asked sends a request, and gives its answer.
func asked(t *testing.T, c *writtest.Client, typ, to, payload string) *xml.Element {
	t.Helper()
	id := rand.Text()
	c.Write("<iq xmlns='jabber:client' type='" + typ + "' id='" + id + "' to='" + to + "'>" + payload + "</iq>")
	return await(t, c, payload, func(e *xml.Element) bool { return e.Is(xml.Client, "iq") && e.Attr("id") == id })
}

// does is asked for what must be done.
func does(t *testing.T, c *writtest.Client, typ, to, payload string) *xml.Element {
	t.Helper()
	e := asked(t, c, typ, to, payload)
	if e.Attr("type") != "result" {
		t.Fatalf("%s asked %s: %s", c.JID, payload, e.AppendTo(nil, ""))
	}
	return e
}

// fails wants the answer to be an error of one of the conditions.
func fails(t *testing.T, e *xml.Element, conditions ...string) {
	t.Helper()
	for _, c := range conditions {
		if e.Child(xml.Client, "error").Child(nsErrors, c) != nil {
			return
		}
	}
	t.Fatalf("want one of %v, received %s", conditions, e.AppendTo(nil, ""))
}

const instant = "<query xmlns='" + nsMUC + "#owner'><x xmlns='jabber:x:data' type='submit'/></query>"

// speaks says something to a room.
func speaks(c *writtest.Client, room, id, payload string) {
	c.Write("<message xmlns='jabber:client' type='groupchat' to='" + room + "' id='" + id + "'>" + payload + "</message>")
}

// gets wants a message of an occupant with the payload.
func gets(t *testing.T, c *writtest.Client, from, id, space, local string) *xml.Element {
	t.Helper()
	return await(t, c, id+" of "+from, func(e *xml.Element) bool {
		return e.Is(xml.Client, "message") && e.Attr("from") == from && e.Attr("type") == "groupchat" && e.Child(space, local) != nil && (id == "" || e.Attr("id") == id)
	})
}

func bare(c *writtest.Client) string { return c.JID.Bare().String() }

// presenceOf is a presence of an occupant, of a type and with codes.
func presenceOf(from, typ string, want ...string) func(*xml.Element) bool {
	return func(e *xml.Element) bool {
		return e.Is(xml.Client, "presence") && e.Attr("from") == from && e.Attr("type") == typ && has(e, want...)
	}
}

// theirRooms has a person of ours in a public room of theirs, from entering to the end of the room (XEP-0045 §7, §8, §10.9, XEP-0410 §3).
func theirRooms(t *testing.T, us, them *writtest.Client, host, past string) {
	room := "park@" + host
	entered(t, them, room, "juliet", "201")
	does(t, them, "set", room, "<query xmlns='"+nsMUC+"#owner'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>"+nsMUC+
		"#roomconfig</value></field><field var='muc#roomconfig_roomname'><value>The park</value></field>"+past+"</x></query>")
	speaks(them, room, "early", "<body>early</body>")
	gets(t, them, room+"/juliet", "early", xml.Client, "body")

	seen := entered(t, us, room, "romeo")
	if !slices.ContainsFunc(seen, presenceOf(room+"/juliet", "")) {
		t.Errorf("who is there comes before one's own presence: %v", seen)
	}
	if e := gets(t, us, room+"/juliet", "early", xml.Client, "body"); e.Child("urn:xmpp:delay", "delay") == nil {
		t.Errorf("the past has a stamp: %s", e.AppendTo(nil, ""))
	}
	await(t, them, "our entering", presenceOf(room+"/romeo", ""))

	speaks(us, room, "out", "<body>out</body>") // a room elsewhere has its own rule about encryption
	gets(t, them, room+"/romeo", "out", xml.Client, "body")
	gets(t, us, room+"/romeo", "out", xml.Client, "body")
	speaks(them, room, "back", "<body>back</body>")
	gets(t, us, room+"/juliet", "back", xml.Client, "body")
	speaks(us, room, "sealed", sealedText)
	gets(t, them, room+"/romeo", "sealed", "eu.siacs.conversations.axolotl", "encrypted")
	speaks(them, room, "topic", "<subject>balconies</subject>")
	gets(t, us, room+"/juliet", "", xml.Client, "subject")

	us.Write("<presence xmlns='jabber:client' to='" + room + "/montague'/>")
	if e := await(t, us, "the old nickname", presenceOf(room+"/romeo", "unavailable", "303")); e.Child(nsUser, "x").Child(nsUser, "item").Attr("nick") != "montague" {
		t.Errorf("%s", e.AppendTo(nil, ""))
	}
	await(t, us, "the new nickname", presenceOf(room+"/montague", "", "110"))
	await(t, them, "the new nickname", presenceOf(room+"/montague", ""))
	does(t, us, "get", room+"/montague", "<ping xmlns='urn:xmpp:ping'/>")

	does(t, them, "set", room, "<query xmlns='"+nsMUC+"#admin'><item nick='montague' role='none'><reason>late</reason></item></query>")
	await(t, us, "the kick", presenceOf(room+"/montague", "unavailable", "307"))
	fails(t, asked(t, us, "get", room+"/montague", "<ping xmlns='urn:xmpp:ping'/>"), "not-acceptable")
	speaks(us, room, "outside", "<body>outside</body>")
	fails(t, await(t, us, "a refusal", func(e *xml.Element) bool { return e.Attr("id") == "outside" && e.Attr("type") == "error" }), "not-acceptable")

	entered(t, us, room, "romeo")
	does(t, them, "set", room, "<query xmlns='"+nsMUC+"#owner'><destroy><reason>rain</reason></destroy></query>")
	if e := await(t, us, "the end of the room", presenceOf(room+"/romeo", "unavailable")); e.Child(nsUser, "x").Child(nsUser, "destroy") == nil {
		t.Errorf("%s", e.AppendTo(nil, ""))
	}
}

// ourRooms has a person of theirs in a private group of ours, in which encryption is required, and in a channel.
func ourRooms(t *testing.T, us, them *writtest.Client, host, name string) {
	den := "den-" + name + "@" + host
	entered(t, us, den, "romeo", "201", "100")
	does(t, us, "set", den, instant)
	refusal := join(t, them, den, "juliet")
	fails(t, refusal[len(refusal)-1], "registration-required")

	does(t, us, "set", den, "<query xmlns='"+nsMUC+"#admin'><item jid='"+bare(them)+"' affiliation='member'/></query>")
	us.Write("<message xmlns='jabber:client' to='" + den + "'><x xmlns='" + nsUser + "'><invite to='" + bare(them) + "'><reason>tea</reason></invite></x></message>")
	await(t, them, "an invitation", func(e *xml.Element) bool {
		return e.Attr("from") == den && e.Child(nsUser, "x").Child(nsUser, "invite").Attr("from") != ""
	})
	seen := entered(t, them, den, "juliet", "100", "170")
	if item := seen[0].Child(nsUser, "x").Child(nsUser, "item"); item.Attr("jid") != us.JID.String() || item.Attr("affiliation") != "owner" {
		t.Errorf("whom they see: %s", seen[0].AppendTo(nil, ""))
	}
	if e := await(t, us, "their entering", presenceOf(den+"/juliet", "")); e.Child(nsUser, "x").Child(nsUser, "item").Attr("jid") != them.JID.String() {
		t.Errorf("whom we see: %s", e.AppendTo(nil, ""))
	}

	const omemo = "eu.siacs.conversations.axolotl"
	speaks(us, den, "o1", sealedText)
	gets(t, them, den+"/romeo", "o1", omemo, "encrypted")
	speaks(them, den, "o2", sealedText)
	gets(t, us, den+"/juliet", "o2", omemo, "encrypted")
	gets(t, them, den+"/juliet", "o2", omemo, "encrypted")
	speaks(them, den, "clear", "<body>clear</body>")
	fails(t, await(t, them, "a refusal", func(e *xml.Element) bool { return e.Attr("id") == "clear" && e.Attr("type") == "error" }), "policy-violation")
	speaks(us, den, "topic", "<subject>tea</subject>")
	gets(t, them, den+"/romeo", "topic", xml.Client, "subject")

	them.Write("<iq xmlns='jabber:client' type='set' id='mam' to='" + den + "'><query xmlns='urn:xmpp:mam:2' queryid='q'/></iq>")
	var archived []string
	fin := await(t, them, "the archive", func(e *xml.Element) bool {
		if m := e.Child("urn:xmpp:mam:2", "result").Child("urn:xmpp:forward:0", "forwarded").Child(xml.Client, "message"); m != nil {
			archived = append(archived, m.Attr("id"))
		}
		return e.Attr("id") == "mam"
	})
	if fin.Child("urn:xmpp:mam:2", "fin") == nil || !slices.Contains(archived, "o1") || !slices.Contains(archived, "o2") || slices.Contains(archived, "clear") {
		t.Errorf("the archive holds %v: %s", archived, fin.AppendTo(nil, ""))
	}

	them.Write("<presence xmlns='jabber:client' to='" + den + "/capulet'/>")
	await(t, them, "the old nickname", presenceOf(den+"/juliet", "unavailable", "303", "110"))
	await(t, them, "the new nickname", presenceOf(den+"/capulet", "", "110"))
	does(t, them, "get", den+"/capulet", "<ping xmlns='urn:xmpp:ping'/>")
	does(t, us, "set", den, "<query xmlns='"+nsMUC+"#admin'><item jid='"+bare(them)+"' affiliation='admin'/></query>")
	await(t, them, "the affiliation", func(e *xml.Element) bool {
		return presenceOf(den+"/capulet", "")(e) && e.Child(nsUser, "x").Child(nsUser, "item").Attr("affiliation") == "admin"
	})
	does(t, them, "get", den, "<query xmlns='"+nsMUC+"#admin'><item affiliation='owner'/></query>")
	does(t, us, "set", den, "<query xmlns='"+nsMUC+"#admin'><item jid='"+bare(them)+"' affiliation='none'/></query>")
	await(t, them, "the end of the membership", presenceOf(den+"/capulet", "unavailable", "321", "110"))
	speaks(us, den, "o3", sealedText)
	speaks(them, den, "outside", sealedText)
	await(t, them, "a refusal, and nothing of the room before it", func(e *xml.Element) bool {
		if e.Attr("id") == "o3" {
			t.Fatal("who is no member any more gets what is said")
		}
		return e.Attr("id") == "outside" && e.Attr("type") == "error"
	})

	green := "green-" + name + "@" + host
	entered(t, us, green, "romeo", "201")
	does(t, us, "set", green, "<query xmlns='"+nsMUC+"#owner'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>"+nsMUC+
		"#roomconfig</value></field><field var='muc#roomconfig_membersonly'><value>0</value></field><field var='muc#roomconfig_whois'><value>moderators</value></field></x></query>")
	entered(t, them, green, "juliet", "170")
	speaks(them, green, "open", "<body>open</body>")
	gets(t, us, green+"/juliet", "open", xml.Client, "body")
	does(t, us, "set", green, "<query xmlns='"+nsMUC+"#admin'><item nick='juliet' role='none'/></query>")
	await(t, them, "the kick", presenceOf(green+"/juliet", "unavailable", "307", "110"))
}

// gone has the other server end without a word, while its person is in a room of ours and ours in a room there.
func gone(t *testing.T, us *writtest.Client, f *foreign, host string) {
	ours, theirs := "last-"+f.domain+"@"+host, "last@"+f.rooms
	entered(t, us, ours, "romeo", "201")
	does(t, us, "set", ours, "<query xmlns='"+nsMUC+"#owner'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>"+nsMUC+
		"#roomconfig</value></field><field var='muc#roomconfig_membersonly'><value>0</value></field></x></query>")
	entered(t, f.person, ours, "juliet")
	await(t, us, "their entering", presenceOf(ours+"/juliet", ""))
	entered(t, us, theirs, "romeo", "201")
	does(t, us, "set", theirs, instant)
	f.kill()
	speaks(us, ours, "anyone", "<body>anyone?</body>")
	await(t, us, "their leaving", presenceOf(ours+"/juliet", "unavailable", "307", "333"))
	fails(t, asked(t, us, "get", theirs+"/romeo", "<ping xmlns='urn:xmpp:ping'/>"), "remote-server-timeout") // XEP-0410 §3.2: the client enters again, later
	speaks(us, theirs, "lost", "<body>lost</body>")
	fails(t, await(t, us, "a refusal", func(e *xml.Element) bool { return e.Attr("id") == "lost" && e.Attr("type") == "error" }), "remote-server-timeout")
}
