package writtest

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	"writ/server"
	"writ/xmpp/xml"
)

func iq(kind, to, payload string) string {
	if to != "" {
		to = " to='" + to + "'"
	}
	return "<iq xmlns='jabber:client' type='" + kind + "' id='h1'" + to + ">" + payload + "</iq>"
}

func bookmarks(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "<conference jid='r%d@rooms.example'/>", i)
	}
	return b.String()
}

func message(head, inner string) string {
	return "<message xmlns='jabber:client' " + head + ">" + inner + "</message>"
}

// Part D of the corpus: stanzas of a signed-in client.
func TestHostileStanzas(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 1024)
	const ping = "<ping xmlns='urn:xmpp:ping'/>"
	mam := func(x string) string {
		return "<query xmlns='urn:xmpp:mam:2'>" + x + "</query>"
	}
	form := func(field, value string) string {
		return "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>urn:xmpp:mam:2</value></field><field var='" + field + "'><value>" + value + "</value></field></x>"
	}
	rsm := func(x string) string { return "<set xmlns='http://jabber.org/protocol/rsm'>" + x + "</set>" }
	const pubsub = "<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
	var corpus []hostile
	for _, h := range []hostile{
		{name: "from of another user", send: message("to='{other}' from='witness@{domain}/w'", ""), want: "S:invalid-from"},
		{name: "from of another resource", send: message("to='{other}' from='mallory@{domain}/other'", ""), want: "S:invalid-from"},
		{name: "from of the domain", send: message("to='{other}' from='{domain}'", ""), want: "S:invalid-from"},
		{name: "from that is no address", send: message("to='{other}' from='@@'", ""), want: "E:jid-malformed"},
		{name: "to with a space", send: message("to='a b@{domain}'", ""), want: "E:jid-malformed"},
		{name: "to with quotes", send: message("to='a&quot;b@{domain}'", ""), want: "E:jid-malformed"},
		{name: "local part of 1,024 bytes", send: message("to='"+long+"@{domain}'", ""), want: "E:jid-malformed"},
		{name: "resource of 1,024 bytes", send: message("to='bob@{domain}/"+long+"'", ""), want: "E:jid-malformed"},
		{name: "unassigned code point", send: message("to='a\u0378@{domain}'", ""), want: "E:jid-malformed"},
		{name: "iq to no address", send: iq("get", "@", ping), want: "E:jid-malformed"},
		{name: "presence to no address", send: "<presence xmlns='jabber:client' to='@'/>", want: "E:jid-malformed"},
		{name: "iq without id", send: "<iq xmlns='jabber:client' type='get' to='{domain}'>" + ping + "</iq>", want: "E:bad-request"},
		{name: "iq of type frob", send: iq("frob", "{domain}", ping), want: "E:bad-request"},
		{name: "iq without type", send: "<iq xmlns='jabber:client' id='1' to='{domain}'>" + ping + "</iq>", want: "E:bad-request"},
		{name: "get without a child", send: iq("get", "{domain}", ""), want: "E:bad-request"},
		{name: "set with two children", send: iq("set", "{domain}", ping+ping), want: "E:bad-request"},
		{name: "presence of type frob", send: "<presence xmlns='jabber:client' type='frob'/>", want: "E:bad-request"},
		{name: "result never asked for", send: iq("result", "", ""), want: "drop"},
		{name: "error never asked for", send: iq("error", "{domain}", "<error type='cancel'/>"), want: "drop"},
		{name: "result to the domain", send: iq("result", "{domain}", ""), want: "drop"},
		{name: "result to nobody", send: iq("result", "nobody@{domain}/x", ""), want: "drop"},
		{name: "error to nobody", send: message("type='error' to='nobody@{domain}'", "<error type='cancel'/>"), want: "drop"},
		{name: "error to a dead session", send: message("type='error' to='bob@{domain}/dead'", "<error type='cancel'/>"), want: "drop"},
		{name: "presence error to nobody", send: "<presence xmlns='jabber:client' type='error' to='nobody@{domain}'><error type='cancel'/></presence>", want: "drop"},
		{name: "unknown namespace at the domain", send: iq("get", "{domain}", "<q xmlns='urn:frob'/>"), want: "E:service-unavailable"},
		{name: "unknown namespace at one's account", send: iq("get", "", "<q xmlns='urn:frob'/>"), want: "E:service-unavailable"},
		{name: "unknown namespace at nobody", send: iq("get", "nobody@{domain}", "<q xmlns='urn:frob'/>"), want: "E:service-unavailable"},
		{name: "unknown namespace at another", send: iq("get", "witness@{domain}", "<q xmlns='urn:frob'/>"), want: "E:service-unavailable"},
		{name: "unknown namespace at a dead session", send: iq("get", "bob@{domain}/dead", "<q xmlns='urn:frob'/>"), want: "E:service-unavailable"},
		{name: "known name, wrong namespace", send: iq("get", "{domain}", "<ping xmlns='urn:xmpp:ping#'/>"), want: "E:service-unavailable"},
		{name: "message to another server", send: message("to='x@other.example'", "<body>x</body>"), want: "E:remote-server-not-found"},
		{name: "iq to another server", send: iq("get", "other.example", ping), want: "E:remote-server-not-found"},
		{name: "bind twice", send: bind("again"), want: "E:not-allowed"},

		{name: "archive of another", send: iq("set", "witness@{domain}", mam("")), want: "E:forbidden"},
		{name: "archive of nobody", send: iq("set", "nobody@{domain}", mam("")), want: "E:forbidden"},
		{name: "page of -1", send: iq("set", "", mam(rsm("<max>-1</max>"))), want: "E:bad-request"},
		{name: "page of a word", send: iq("set", "", mam(rsm("<max>many</max>"))), want: "E:bad-request"},
		{name: "page of 10^12", send: iq("set", "", mam(rsm("<max>1000000000000</max>"))), want: "ok"},
		{name: "unknown before", send: iq("set", "", mam(rsm("<before>frob</before>"))), want: "E:item-not-found"},
		{name: "after with SQL", send: iq("set", "", mam(rsm("<after>1' OR 1=1 --%</after>"))), want: "E:item-not-found"},
		{name: "after of 1 MiB", send: iq("set", "", mam(rsm("<after>"+strings.Repeat("1", 1<<20)+"</after>"))), want: "S:policy-violation", ws: "W:1009"},
		{name: "after of 100 KiB", send: iq("set", "", mam(rsm("<after>"+strings.Repeat("1", 100<<10)+"</after>"))), want: "E:item-not-found"},
		{name: "start that is no time", send: iq("set", "", mam(form("start", "yesterday"))), want: "E:bad-request"},
		{name: "end before start", send: iq("set", "", mam("<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>urn:xmpp:mam:2</value></field><field var='start'><value>2026-01-02T00:00:00Z</value></field><field var='end'><value>2026-01-01T00:00:00Z</value></field></x>")), want: "ok"},
		{name: "unknown field", send: iq("set", "", mam(form("frob", "1"))), want: "E:feature-not-implemented"},
		{name: "form of 10,000 fields", send: iq("set", "", mam("<x xmlns='jabber:x:data' type='submit'>"+strings.Repeat("<field var='a'/>", 10000)+"</x>")), want: "E:feature-not-implemented"},
		{name: "archive get", send: iq("get", "", mam(form("with", "@@"))), want: "ok"},
		{name: "with that is no address", send: iq("set", "", mam(form("with", "@@"))), want: "E:jid-malformed"},

		{name: "publish without node", send: iq("set", "", pubsub+"<publish><item id='1'><a xmlns='u'/></item></publish></pubsub>"), want: "E:bad-request"},
		{name: "publish to a node that another lacks", send: iq("set", "witness@{domain}", pubsub+"<publish node='urn:x'><item id='1'><a xmlns='u'/></item></publish></pubsub>"), want: "E:service-unavailable"},
		{name: "publish to an open node of another", send: iq("set", "witness@{domain}", pubsub+"<publish node='urn:open'><item id='1'><a xmlns='u'/></item></publish></pubsub>"), want: "E:forbidden"},
		{name: "read an open node of another", send: iq("get", "witness@{domain}", pubsub+"<items node='urn:open'/></pubsub>"), want: "ok"},
		{name: "read a whitelist node of another", send: iq("get", "witness@{domain}", pubsub+"<items node='urn:whitelist'/></pubsub>"), want: "E:not-allowed"},
		{name: "read a presence node of a stranger", send: iq("get", "witness@{domain}", pubsub+"<items node='urn:presence'/></pubsub>"), want: "E:not-authorized"},
		{name: "10,000 devices", send: iq("set", "", pubsub+"<publish node='eu.siacs.conversations.axolotl.devicelist'><item id='current'><list xmlns='eu.siacs.conversations.axolotl'>"+
			strings.Repeat("<device id='1'/>", 10000)+"</list></item></publish></pubsub>"), want: "E:policy-violation"},
		{name: "bundle of 200 KiB", send: iq("set", "", pubsub+"<publish node='eu.siacs.conversations.axolotl.bundles:1'><item id='current'><bundle xmlns='eu.siacs.conversations.axolotl'>"+
			"<identityKey>"+strings.Repeat("A", 200<<10)+"</identityKey></bundle></item></publish></pubsub>"), want: "E:policy-violation"},
		{name: "5,000 prekeys", send: iq("set", "", pubsub+"<publish node='eu.siacs.conversations.axolotl.bundles:1'><item id='current'><bundle xmlns='eu.siacs.conversations.axolotl'><prekeys>"+
			strings.Repeat("<preKeyPublic preKeyId='1'>AAAA</preKeyPublic>", 5000)+"</prekeys></bundle></item></publish></pubsub>"), want: "E:policy-violation"},
		{name: "node of 2,000 bytes", send: iq("set", "", pubsub+"<publish node='"+strings.Repeat("n", 2000)+"'><item id='1'><a xmlns='u'/></item></publish></pubsub>"), want: "E:policy-violation"},
		{name: "item of 2,000 bytes of id", send: iq("set", "", pubsub+"<publish node='urn:x'><item id='"+strings.Repeat("n", 2000)+"'><a xmlns='u'/></item></publish></pubsub>"), want: "E:policy-violation"},
		{name: "roster group of 100 KiB", send: iq("set", "", "<query xmlns='jabber:iq:roster'><item jid='a@b'><group>"+strings.Repeat("g", 100<<10)+"</group></item></query>"), want: "E:not-acceptable"},
		{name: "roster name of 100 KiB", send: iq("set", "", "<query xmlns='jabber:iq:roster'><item jid='a@b' name='"+strings.Repeat("g", 60<<10)+"'/></query>"), want: "E:not-acceptable"},
		{name: "10,000 roster groups", send: iq("set", "", "<query xmlns='jabber:iq:roster'><item jid='a@b'>"+strings.Repeat("<group>g</group>", 10000)+"</item></query>"), want: "E:not-acceptable"},
		{name: "10,000 blocked at once", send: iq("set", "", "<block xmlns='urn:xmpp:blocking'>"+strings.Repeat("<item jid='a@b'/>", 10000)+"</block>"), want: "E:not-acceptable"},
		{name: "a name by registration", send: iq("set", "", "<query xmlns='jabber:iq:register'><username>other</username><password>x</password></query>"), want: "E:not-allowed"},
		{name: "register before a form", send: iq("set", "{domain}", "<query xmlns='jabber:iq:register'><frob/></query>"), want: "E:bad-request"},
		{name: "command of nobody", send: iq("set", "nobody@{domain}", "<command xmlns='http://jabber.org/protocol/commands' node='x'/>"), want: "E:service-unavailable"},
		{name: "unknown command", send: iq("set", "{domain}", "<command xmlns='http://jabber.org/protocol/commands' node='frob'/>"), want: "E:item-not-found"},
		{name: "probe of a stranger", send: "<presence xmlns='jabber:client' type='probe' to='witness@{domain}'/>", want: "ok"},
		{name: "priority of 200", send: "<presence xmlns='jabber:client'><priority>200</priority></presence>", want: "E:bad-request"},
		{name: "subscription to oneself", send: "<presence xmlns='jabber:client' type='subscribe' to='mallory@{domain}'/>", want: "drop"},
		{name: "subscribed by nobody's wish", send: "<presence xmlns='jabber:client' type='subscribed' to='nobody@{domain}'/>", want: "drop"},
		{name: "groupchat to a person", send: message("type='groupchat' to='witness@{domain}'", "<body>x</body>"), want: "E:service-unavailable"},
		{name: "empty pubsub", send: iq("set", "", pubsub+"</pubsub>"), want: "E:bad-request"},
		{name: "items of an unknown node", send: iq("get", "", pubsub+"<items node='urn:none'/></pubsub>"), want: "E:item-not-found"},
		{name: "two payloads in an item", send: iq("set", "", pubsub+"<publish node='urn:x'><item id='1'><a xmlns='u'/><b xmlns='u'/></item></publish></pubsub>"), want: "E:bad-request"},
		{name: "delete a node of another", send: iq("set", "witness@{domain}", "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><delete node='urn:open'/></pubsub>"), want: "E:forbidden"},

		{name: "last activity of a stranger", send: iq("get", "witness@{domain}", "<query xmlns='jabber:iq:last'/>"), want: "E:forbidden"},
		{name: "last activity of nobody", send: iq("get", "nobody@{domain}", "<query xmlns='jabber:iq:last'/>"), want: "E:forbidden"},
		{name: "roster of another", send: iq("get", "witness@{domain}", "<query xmlns='jabber:iq:roster'/>"), want: "E:forbidden"},
		{name: "roster set for another", send: iq("set", "witness@{domain}", "<query xmlns='jabber:iq:roster'><item jid='a@b'/></query>"), want: "E:forbidden"},
		{name: "roster set without an item", send: iq("set", "", "<query xmlns='jabber:iq:roster'/>"), want: "E:bad-request"},
		{name: "roster item without jid", send: iq("set", "", "<query xmlns='jabber:iq:roster'><item/></query>"), want: "E:bad-request"},
		{name: "roster item that is no address", send: iq("set", "", "<query xmlns='jabber:iq:roster'><item jid='@'/></query>"), want: "E:jid-malformed"},
		{name: "private storage of another", send: iq("get", "witness@{domain}", "<query xmlns='jabber:iq:private'><a xmlns='a:b'/></query>"), want: "E:service-unavailable"},
		{name: "private storage of nobody", send: iq("set", "nobody@{domain}", "<query xmlns='jabber:iq:private'><a xmlns='a:b'/></query>"), want: "E:service-unavailable"},
		{name: "private storage of nothing", send: iq("set", "", "<query xmlns='jabber:iq:private'/>"), want: "E:not-acceptable"},
		{name: "private storage of a reserved name", send: iq("set", "", "<query xmlns='jabber:iq:private'><query xmlns='jabber:iq:roster'/></query>"), want: "E:not-acceptable"},
		{name: "private storage of 100 KiB", send: iq("set", "", "<query xmlns='jabber:iq:private'><a xmlns='a:b'>"+strings.Repeat("a", 100<<10)+"</a></query>"), want: "E:policy-violation"},
		{name: "private storage under 2,000 bytes of name", send: iq("set", "", "<query xmlns='jabber:iq:private'><a xmlns='"+strings.Repeat("n", 2000)+"'/></query>"), want: "E:policy-violation"},
		{name: "bookmark of no address", send: iq("set", "", "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'><conference jid='@'/></storage></query>"), want: "E:bad-request"},
		{name: "two lists of bookmarks", send: iq("set", "", "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/><storage xmlns='storage:bookmarks'/></query>"), want: "E:not-acceptable"},
		{name: "2,000 bookmarks", send: iq("set", "", "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'>"+bookmarks(2000)+"</storage></query>"), want: "E:policy-violation"},
		{name: "picture that is no base64", send: iq("set", "", "<vCard xmlns='vcard-temp'><PHOTO><BINVAL>*</BINVAL></PHOTO></vCard>"), want: "E:bad-request"},
		{name: "vcard of another set", send: iq("set", "witness@{domain}", "<vCard xmlns='vcard-temp'/>"), want: "E:forbidden"},
		{name: "block without an item", send: iq("set", "", "<block xmlns='urn:xmpp:blocking'/>"), want: "E:bad-request"},
		{name: "block no address", send: iq("set", "", "<block xmlns='urn:xmpp:blocking'><item jid='@'/></block>"), want: "E:jid-malformed"},
		{name: "block list of another", send: iq("get", "witness@{domain}", "<blocklist xmlns='urn:xmpp:blocking'/>"), want: "E:service-unavailable"},
		{name: "carbons for another", send: iq("set", "witness@{domain}", "<enable xmlns='urn:xmpp:carbons:2'/>"), want: "E:service-unavailable"},

		{name: "resume after bind", send: "<resume xmlns='" + nsSM + "' previd='x' h='0'/>", want: "failed:unexpected-request"},
		{name: "a without enable", send: "<a xmlns='" + nsSM + "' h='5'/>", want: "S:undefined-condition"},
		{name: "h=x", send: "<a xmlns='" + nsSM + "' h='x'/>", want: "S:invalid-xml"},
		{name: "h=2^32", send: "<a xmlns='" + nsSM + "' h='4294967296'/>", want: "S:invalid-xml"},
		{name: "h negative", send: "<a xmlns='" + nsSM + "' h='-1'/>", want: "S:invalid-xml"},
		{name: "r without enable", send: "<r xmlns='" + nsSM + "'/>", want: "failed:unexpected-request"},
		{name: "unknown state", send: "<frob xmlns='urn:xmpp:csi:0'/>", want: "S:unsupported-stanza-type"},
	} {
		h.at = bound
		corpus = append(corpus, h)
	}
	runHostile(t, corpus)
}

// The answers to an IQ do not tell an account without a session from none, or from one that blocks (row 60).
func TestAnswersDoNotTell(t *testing.T) {
	t.Parallel()
	h, _ := loginHouse(t)
	h.Account(t, "offline")
	h.Account(t, "blocker")
	b := h.Dial(t, TCP)
	if err := b.Login("blocker", "b"); err != nil {
		t.Fatal(err)
	}
	if e := ask(t, b, iq("set", "", "<block xmlns='urn:xmpp:blocking'><item jid='mallory@"+Domain+"'/></block>")); e.Attr("type") != "result" {
		t.Fatal(string(e.AppendTo(nil, "")))
	}
	for _, via := range []Via{TCP, WebSocket} {
		c := h.Dial(t, via)
		if err := c.Login("mallory", via.String()); err != nil {
			t.Fatal(err)
		}
		for _, payload := range []string{"<query xmlns='jabber:iq:version'/>", "<ping xmlns='urn:xmpp:ping'/>", "<query xmlns='jabber:iq:last'/>",
			"<query xmlns='http://jabber.org/protocol/disco#info'/>", "<query xmlns='http://jabber.org/protocol/disco#items'/>", "<vCard xmlns='vcard-temp'/>",
			"<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:bookmarks:1'/></pubsub>", "<q xmlns='urn:frob'/>"} {
			first := ""
			for _, who := range []string{"nobody", "offline", "blocker"} {
				if who == "blocker" && strings.Contains(payload, "jabber:iq:last") {
					continue // XEP-0012 §3 wants forbidden for strangers, XEP-0191 §3.2 service-unavailable for the blocked
				}
				e := ask(t, c, iq("get", who+"@"+Domain, payload))
				got := strings.ReplaceAll(string(e.AppendTo(nil, "")), who, "WHO")
				if first == "" {
					first = got
				} else if got != first {
					t.Errorf("%s: %s\nis not\n%s", who, got, first)
				}
			}
		}
		first := ""
		for _, who := range []string{"nobody", "offline"} {
			e := ask(t, c, "<presence xmlns='jabber:client' type='probe' to='"+who+"@"+Domain+"'/>")
			got := strings.ReplaceAll(string(e.AppendTo(nil, "")), who, "WHO")
			if first == "" {
				first = got
			} else if got != first {
				t.Errorf("probing %s: %s\nis not\n%s", who, got, first)
			}
		}
	}
}

// An answer counts only from whom was asked, with the id that was used (row 59).
func TestForeignAnswer(t *testing.T) {
	t.Parallel()
	h, _ := loginHouse(t)
	a, b, m := h.Dial(t, TCP), h.Dial(t, WebSocket), h.Dial(t, TCP)
	for name, c := range map[string]*Client{"alice": a, "bob": b} {
		h.Account(t, name)
		if err := c.Login(name, "x"); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Login("mallory", "x"); err != nil {
		t.Fatal(err)
	}
	b.Write("<presence xmlns='jabber:client' to='" + a.JID.String() + "'/>") // a stranger's client answers nobody
	if e, err := a.Next(); err != nil || e.Name.Local != "presence" {
		t.Fatal(e, err)
	}
	a.Write(iq("get", b.JID.String(), "<query xmlns='jabber:iq:version'/>"))
	if e, err := b.Next(); err != nil || e.Attr("id") != "h1" {
		t.Fatal(e, err)
	}
	m.Write(iq("result", a.JID.String(), "<query xmlns='jabber:iq:version'><name>forged</name></query>"))
	if err := m.silent(); err != nil {
		t.Fatal(err)
	}
	b.Write(iq("result", a.JID.String(), "<query xmlns='jabber:iq:version'><name>true</name></query>"))
	for { // what mallory sent may arrive, but never as bob's
		e, err := a.Next()
		if err != nil {
			t.Fatal(err)
		}
		if e.Attr("from") == b.JID.String() {
			if e.First().Child("jabber:iq:version", "name").Text() != "true" {
				t.Error(string(e.AppendTo(nil, "")))
			}
			return
		}
		if e.Attr("from") != m.JID.String() {
			t.Error(string(e.AppendTo(nil, "")))
		}
	}
}

// Elements that only a server makes are stripped, all copies of them; a forged carbon is no carbon (rows 62 to 65).
func TestForgedElements(t *testing.T) {
	t.Parallel()
	h, w := loginHouse(t)
	h.Account(t, "bob")
	bob := h.Dial(t, TCP)
	if err := bob.Login("bob", "b"); err != nil {
		t.Fatal(err)
	}
	for _, via := range []Via{TCP, WebSocket} {
		c := h.Dial(t, via)
		if err := c.Login("mallory", via.String()); err != nil {
			t.Fatal(err)
		}
		const sid, delay = "<stanza-id xmlns='urn:xmpp:sid:0' id='forged' by='bob@" + Domain + "'/>", "<delay xmlns='urn:xmpp:delay' from='" + Domain + "' stamp='999999-01-01T00:00:00Z'/>"
		carbon := "<received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='witness@" + Domain + "' to='bob@" + Domain + "'><body>forged</body></message></forwarded></received>"
		inner := "<body>&lt;/message&gt;<message from='x'/></body><x xmlns='jabber:server'/>"
		c.Write(message("type='chat' id='f' to='"+bob.JID.String()+"'", sid+inner+delay+carbon+sid+delay))
		e, err := bob.Next()
		if err != nil {
			t.Fatal(err)
		}
		got := string(e.AppendTo(nil, xml.Client))
		if e.Attr("from") != c.JID.String() {
			t.Error("from:", got)
		}
		for _, s := range e.All("urn:xmpp:sid:0", "stanza-id") {
			if s.Attr("id") == "forged" {
				t.Error("a forged stanza-id:", got)
			}
		}
		for _, d := range e.All("urn:xmpp:delay", "delay") {
			if d.Attr("from") == Domain {
				t.Error("a forged delay of the server:", got)
			}
		}
		if body := e.Child(xml.Client, "body"); body.Text() != "</message>" || body.Child(xml.Client, "message") == nil || e.Child("jabber:server", "x") == nil {
			t.Error("the tree is another:", got)
		}
		w.ping(t)
	}
}

// Stream management of a bound session (row 83, 85).
func TestHostileStreamManagement(t *testing.T) {
	t.Parallel()
	h, w := loginHouse(t)
	for _, via := range []Via{TCP, WebSocket} {
		open := func() *Client {
			c := h.Dial(t, via)
			if err := c.Login("mallory", h.Fresh("sm")); err != nil {
				t.Fatal(err)
			}
			if e := ask(t, c, "<enable xmlns='"+nsSM+"' resume='true'/>"); !e.Is(nsSM, "enabled") {
				t.Fatal(string(e.AppendTo(nil, "")))
			}
			return c
		}
		c := open()
		c.Write("<a xmlns='" + nsSM + "' h='7'/>")
		e, err := c.Next()
		if err != nil || e.Child("urn:ietf:params:xml:ns:xmpp-streams", "undefined-condition") == nil || e.Child(nsSM, "handled-count-too-high") == nil {
			t.Error("h above sent:", e, err)
		}
		c = open()
		c.Write("<enable xmlns='" + nsSM + "'/>")
		if e, err := c.Next(); err != nil || !e.Is(xml.Stream, "error") && !e.Is(nsSM, "failed") {
			t.Error("enable twice:", e, err)
		}
		w.ping(t)
	}
}

// Two resumptions of one session at once: one wins (row 84). Another account's id is as good as none.
func TestResumptionRace(t *testing.T) {
	t.Parallel()
	h, _ := loginHouse(t)
	h.Account(t, "bob")
	c := h.Dial(t, TCP)
	if err := c.Login("mallory", "race"); err != nil {
		t.Fatal(err)
	}
	id := ask(t, c, "<enable xmlns='"+nsSM+"' resume='true'/>").Attr("id")
	c.Drop()
	resume := "<resume xmlns='" + nsSM + "' h='0' previd='" + id + "'/>"
	foreign := h.Dial(t, TCP)
	if err := foreign.until(signed, "bob", ""); err != nil {
		t.Fatal(err)
	}
	if e := ask(t, foreign, resume); !e.Is(nsSM, "failed") || e.Child("urn:ietf:params:xml:ns:xmpp-stanzas", "item-not-found") == nil || e.HasAttr("h") {
		t.Error("another account resumes:", string(e.AppendTo(nil, "")))
	}
	one, two := h.Dial(t, TCP), h.Dial(t, WebSocket)
	for _, c := range []*Client{one, two} {
		if err := c.until(signed, "mallory", ""); err != nil {
			t.Fatal(err)
		}
	}
	one.Write(resume)
	two.Write(resume)
	for _, c := range []*Client{one, two} {
		if e, err := c.Next(); err != nil || !e.Is(nsSM, "resumed") && !e.Is(nsSM, "failed") {
			t.Fatal(e, err)
		}
	}
	// Both may have been told that they resumed: then the later one took the session over, and the earlier one's stream ended.
	alive := 0
	for _, c := range []*Client{one, two} {
		c.Write("<iq xmlns='jabber:client' type='get' id='p' to='" + Domain + "'><ping xmlns='urn:xmpp:ping'/></iq>")
		e, err := c.Next()
		switch {
		case err == nil && e.Attr("type") == "result":
			alive++
		case err == nil && !e.Is(xml.Stream, "error"):
			t.Error(string(e.AppendTo(nil, "")))
		}
	}
	if alive != 1 {
		t.Errorf("%d streams have the session", alive)
	}
}

// An account has at most ten resources (row 55).
func TestEleventhResource(t *testing.T) {
	t.Parallel()
	h, _ := loginHouse(t)
	for i := range 11 {
		c := h.Dial(t, TCP)
		if err := c.until(signed, "mallory", ""); err != nil {
			t.Fatal(err)
		}
		e := ask(t, c, bind("r"+strconv.Itoa(i)))
		if i < 10 && e.Attr("type") != "result" {
			t.Fatal(i, string(e.AppendTo(nil, "")))
		}
		if i == 10 && (e.Child(xml.Client, "error").Child("urn:ietf:params:xml:ns:xmpp-stanzas", "resource-constraint") == nil ||
			e.Child(xml.Client, "error").Child("http://jabber.org/protocol/errors", "resource-limit-exceeded") == nil && !strings.Contains(string(e.AppendTo(nil, "")), "resource-limit-exceeded")) {
			t.Error(string(e.AppendTo(nil, "")))
		}
	}
}

// A client that does not read costs the server its queue and no more; the others notice nothing (row 36).
func TestClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	h, w := loginHouse(t, func(c *server.Config) { c.XMPP.MaxQueue, c.XMPP.Rate = 50, -1 })
	h.Account(t, "deaf")
	h.Account(t, "talker")
	deaf, talker := h.Dial(t, DirectTLS), h.Dial(t, TCP)
	if err := deaf.Login("deaf", "d"); err != nil {
		t.Fatal(err)
	}
	if err := talker.Login("talker", "t"); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, discard{talker})
	text := message("type='headline' to='"+deaf.JID.String()+"'", "<x xmlns='u'>"+strings.Repeat("x", 32<<10)+"</x>")
	for range 600 {
		talker.Write(text)
	}
	w.ping(t)
	for {
		ev, err := deaf.Event()
		if err != nil || ev.Kind == xml.Close {
			return // ended, as it must be: it was sent more than the queue and the kernel hold
		}
		if ev.Kind == xml.Item && ev.Item.Name.Local == "error" {
			if !strings.Contains(string(ev.Item.Bytes), "resource-constraint") {
				t.Error(string(ev.Item.Bytes))
			}
			return
		}
	}
}

// discard reads a client's connection to its end.
type discard struct{ c *Client }

func (d discard) Read(p []byte) (int, error) {
	_, err := d.c.Event()
	if err != nil {
		return 0, err
	}
	return 1, nil
}

// A flood is read more slowly; nobody is thrown out, and others are served (row 38).
func TestFloodIsSlowed(t *testing.T) {
	t.Parallel()
	h, w := loginHouse(t, func(c *server.Config) { c.XMPP.Rate, c.XMPP.Burst = 200_000, 300_000 })
	for _, via := range []Via{TCP, WebSocket} {
		c := h.Dial(t, via)
		if err := c.Login("mallory", via.String()); err != nil {
			t.Fatal(err)
		}
		const n = 1500
		go func() {
			for i := range n {
				c.Write(fmt.Sprintf("<iq xmlns='jabber:client' type='get' id='f%d' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>", i, Domain))
				if i%10 == 0 {
					c.Write("<inactive xmlns='urn:xmpp:csi:0'/>")
					c.Write("<active xmlns='urn:xmpp:csi:0'/>")
				}
			}
		}()
		for i := range n {
			if i%500 == 0 {
				w.ping(t)
			}
			if e, err := c.Next(); err != nil || e.Attr("id") != "f"+strconv.Itoa(i) {
				t.Fatal(via, i, e, err)
			}
		}
	}
}
