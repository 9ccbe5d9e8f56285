package writtest

import (
	"log/slog"
	"strings"
	"testing"

	"writ/server"
	"writ/store/storetest"
)

// FuzzStranger sends anything to a whole server by the stream of another server, at each state of it. Whatever comes: nothing is logged as the
// server's own fault, what it answers is well-formed, its stream ends in order, and its people are served.
func FuzzStranger(f *testing.F) {
	for i, s := range []string{
		"", "<presence/>", "</stream:stream>", "GET / HTTP/1.1\r\n\r\n", "<!DOCTYPE x>",
		"<message from='x@s.example/r' to='bob@writ.example' type='chat'><body>x</body></message>",
		"<message from='x@s.example/r' to='bob@writ.example' type='error'><error/></message>",
		"<presence from='x@s.example' to='bob@writ.example' type='subscribe'/><presence from='x@s.example/r' to='bob@writ.example' type='probe'/>",
		"<presence from='x@s.example/r' to='bob@writ.example'><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n' ver='v'/></presence>",
		"<presence from='x@s.example/r' to='den@rooms.writ.example/n'><x xmlns='http://jabber.org/protocol/muc'/></presence>",
		"<iq from='x@s.example/r' to='writ.example' type='get' id='1'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
		"<iq from='x@s.example/r' to='bob@writ.example' type='get' id='1'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='eu.siacs.conversations.axolotl.devicelist'/></pubsub></iq>",
		"<iq from='x@s.example/r' to='bob@writ.example' type='get' id='1'><vCard xmlns='vcard-temp'/></iq>",
		"<iq from='x@s.example/r' to='bob@writ.example' type='set' id='1'><query xmlns='urn:xmpp:mam:2'/></iq>",
		"<iq from='x@s.example/r' to='bob@writ.example/w' type='result' id='1'/>",
		"<enable xmlns='urn:xmpp:sm:3'/><r xmlns='urn:xmpp:sm:3'/><a xmlns='urn:xmpp:sm:3' h='0'/>",
		"<db:result from='s.example' to='writ.example'>k</db:result>", "<db:verify from='s.example' to='writ.example' id='1'>k</db:verify>",
		"<bidi xmlns='urn:xmpp:bidi'/><auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>",
		"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'/><response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>=</response>",
		"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "<message xmlns='jabber:client' from='x@s.example' to='bob@writ.example'/>",
	} {
		for s0 := range 4 {
			if s0 == 3 || i%4 == s0 {
				f.Add(uint8(s0), s)
			}
		}
	}
	log := &faults{}
	w := NewWorld(f)
	h := w.Join(f, storetest.SQLite(f), Domain, func(o *server.Options) { o.Log = slog.New(log) })
	h.Account(f, "bob")
	bob := h.Dial(f, DirectTLS)
	if err := bob.Login("bob", "w"); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, at uint8, data string) {
		c := w.Stranger(t, h, "s.example", nil)
		defer c.Drop()
		if err := c.until([]stage{fresh, clear, secured, bound}[at%4], "", ""); err != nil {
			t.Fatal(err)
		}
		c.Write(data)
		c.finish(t)
		bob.Write("<iq type='get' id='still-there' to='" + Domain + "'><ping xmlns='urn:xmpp:ping'/></iq>")
		for {
			e, err := bob.Next()
			if err != nil {
				t.Fatal("the other side's person: ", err)
			}
			if e.Attr("id") == "still-there" && e.Attr("from") == Domain {
				break
			}
		}
		if seen := log.take(); len(seen) > 0 {
			t.Fatal(strings.Join(seen, "\n"))
		}
	})
}
