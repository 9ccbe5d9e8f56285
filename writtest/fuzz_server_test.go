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
	const ( // the states of a stream of another server
		begun    = iota // TCP
		headed          // a header, in clear
		sealed          // TLS, a certificate that proves the name
		stranded        // TLS, a certificate that proves nothing: dialback is what is left
		proved          // EXTERNAL, both ways
		counted         // and acknowledgements; a message and a request of ours are out and not acknowledged
		states
	)
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
		"<iq from='x@s.example' to='bob@writ.example/w' type='result' id='asked'/><iq from='x@s.example' to='bob@writ.example/w' type='result' id='asked'/>",
		"<message from='x@s.example' to='bob@writ.example/w' type='error' id='said'><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message><a xmlns='urn:xmpp:sm:3' h='1'/>",
		"<message from='x@s.example/r' to='bob@writ.example'><received xmlns='urn:xmpp:receipts' id='said'/></message><a xmlns='urn:xmpp:sm:3' h='2'/>",
		"<a xmlns='urn:xmpp:sm:3' h='2'/><a xmlns='urn:xmpp:sm:3' h='1'/>", "<a xmlns='urn:xmpp:sm:3' h='4294967295'/>", "<resume xmlns='urn:xmpp:sm:3' h='0' previd='x'/>",
		"<enable xmlns='urn:xmpp:sm:3' resume='true'/><enable xmlns='urn:xmpp:sm:3'/>", "<r xmlns='urn:xmpp:sm:3'/><enabled xmlns='urn:xmpp:sm:3'/><failed xmlns='urn:xmpp:sm:3'/>",
		"<db:result from='t.example' to='rooms.writ.example'>k</db:result><db:result from='t.example' to='rooms.writ.example'>k</db:result>",
		"<db:result from='s.example' to='writ.example' type='valid'/><db:verify from='s.example' to='writ.example' id='1' type='valid'/>",
		"<db:result from='writ.example' to='writ.example'>k</db:result>", "<db:result from='' to='writ.example'/>", "<db:other from='s.example' to='writ.example'/>",
		"<bidi xmlns='urn:xmpp:bidi'/><bidi xmlns='urn:xmpp:bidi'/>", "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
		"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>\x16\x03\x01\x00\x05hello", "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03",
		"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><message from='x@s.example' to='bob@writ.example'><body>before TLS</body></message>",
		"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "<message xmlns='jabber:client' from='x@s.example' to='bob@writ.example'/>",
	} {
		for at := range states {
			if at >= proved || i%proved == at {
				f.Add(uint8(at), s)
			}
		}
	}
	log := &faults{}
	w, nowhere := NewWorld(f), NewWorld(f)
	h := w.Join(f, storetest.SQLite(f), Domain, func(o *server.Options) { o.Log, o.Config.S2S.Dialback = slog.New(log), true })
	h.Account(f, "bob")
	bob := h.Dial(f, DirectTLS)
	if err := bob.Login("bob", "w"); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, at uint8, data string) {
		from := w
		if at %= states; at == stranded {
			from = nowhere
		}
		c := from.Stranger(t, h, "s.example", nil)
		defer c.Drop()
		if err := c.until([]stage{fresh, clear, secured, secured, bound, bound}[at], "", ""); err != nil {
			t.Fatal(err)
		}
		if at == counted {
			c.Write("<enable xmlns='urn:xmpp:sm:3'/>")
			bob.Write("<message to='x@s.example' type='chat' id='said'><body>said</body></message><iq to='x@s.example' type='get' id='asked'><ping xmlns='urn:xmpp:ping'/></iq>")
			for left := 2; left > 0; {
				e, err := c.Next()
				if err != nil {
					t.Fatal("what is said to the stranger: ", err)
				}
				if id := e.Attr("id"); id == "said" || id == "asked" {
					left--
				}
			}
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
