package writtest

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"writ/server"
	"writ/store/storetest"
	"writ/xmpp/xml"
)

// faults collects what the server logs as its own fault.
type faults struct {
	mu   sync.Mutex
	seen []string
}

func (f *faults) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }

func (f *faults) Handle(_ context.Context, r slog.Record) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := r.Message
	r.Attrs(func(a slog.Attr) bool { s += " " + a.String(); return true })
	f.seen = append(f.seen, s)
	return nil
}

func (f *faults) WithAttrs([]slog.Attr) slog.Handler { return f }

func (f *faults) WithGroup(string) slog.Handler { return f }

func (f *faults) take() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.seen
	f.seen = nil
	return s
}

// FuzzServer sends anything to a whole server at each state of a stream. Whatever comes: no room panics and nothing is logged as
// the server's own fault, what it answers is well-formed, its stream ends in order, and another client is served.
func FuzzServer(f *testing.F) {
	for i, s := range []string{
		"", " ", "<presence/>", "<message to='bob@writ.example' type='chat'><body>x</body></message>", "</stream:stream>", "GET / HTTP/1.1\r\n\r\n", "<!DOCTYPE x>",
		"<iq type='get' id='1' to='writ.example'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
		"<iq type='get' id='1'><query xmlns='http://jabber.org/protocol/disco#items' node='x'/></iq>",
		"<iq type='get' id='1'><query xmlns='jabber:iq:roster' ver=''/></iq><presence><priority>5</priority></presence>",
		"<iq type='set' id='1'><query xmlns='jabber:iq:roster'><item jid='bob@writ.example' name='x'><group>g</group></item></query></iq><presence type='subscribe' to='bob@writ.example'/>",
		"<iq type='set' id='1'><query xmlns='urn:xmpp:mam:2' queryid='q'><set xmlns='http://jabber.org/protocol/rsm'><max>1</max><before/></set></query></iq>",
		"<iq type='set' id='1'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='n'><item id='1'><a xmlns='u'/></item></publish></pubsub></iq>",
		"<iq type='get' id='1'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='n' max_items='1'/></pubsub></iq>",
		"<iq type='set' id='1'><pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><configure node='n'><x xmlns='jabber:x:data' type='submit'/></configure></pubsub></iq>",
		"<iq type='set' id='1'><query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'><conference jid='a@b' name='x'><nick>n</nick></conference></storage></query></iq>",
		"<iq type='set' id='1'><vCard xmlns='vcard-temp'><PHOTO><TYPE>image/png</TYPE><BINVAL>AAAA</BINVAL></PHOTO></vCard></iq>",
		"<iq type='get' id='1' to='rooms.writ.example'><search xmlns='urn:xmpp:channel-search:0:search'><x xmlns='jabber:x:data' type='submit'><field var='q'><value>abc</value></field></x></search></iq>",
		"<iq type='set' id='1' to='r@rooms.writ.example'><moderate xmlns='urn:xmpp:message-moderate:1' id='x'><retract xmlns='urn:xmpp:message-retract:1'/></moderate></iq>",
		"<iq type='get' id='1'><vCard xmlns='vcard-temp'/></iq><iq type='set' id='2'><vCard xmlns='vcard-temp'><FN>x</FN></vCard></iq>",
		"<iq type='set' id='1'><block xmlns='urn:xmpp:blocking'><item jid='x@y'/></block></iq><iq type='set' id='2'><unblock xmlns='urn:xmpp:blocking'/></iq>",
		"<iq type='set' id='1'><enable xmlns='urn:xmpp:carbons:2'/></iq>", "<iq type='get' id='1' to='writ.example'><query xmlns='jabber:iq:last'/></iq>",
		"<iq type='set' id='1' to='writ.example'><command xmlns='http://jabber.org/protocol/commands' node='x' action='execute'/></iq>",
		"<iq type='get' id='1'><query xmlns='jabber:iq:register'/></iq><iq type='set' id='2'><query xmlns='jabber:iq:register'><username>x</username><password>y</password></query></iq>",
		"<message to='bob@writ.example' type='chat'><propose xmlns='urn:xmpp:jingle-message:0' id='c'><description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/></propose></message>",
		"<enable xmlns='urn:xmpp:sm:3' resume='true'/><r xmlns='urn:xmpp:sm:3'/><a xmlns='urn:xmpp:sm:3' h='0'/>", "<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>",
		"<inactive xmlns='urn:xmpp:csi:0'/><active xmlns='urn:xmpp:csi:0'/>", "<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind></iq>",
		"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>biwsbj1tYWxsb3J5LHI9YWJjZGVmZ2g=</auth><response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>Yz1iaXdz</response>",
		"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "<message type='error' to='bob@writ.example'><error/></message>", "<presence type='probe' to='bob@writ.example'/>",
	} {
		for s0 := range 5 {
			if s0 == 4 || i%5 == s0 {
				f.Add(uint8(s0), s)
			}
		}
	}
	for _, s := range signIns() {
		f.Add(uint8(secured), s)
	}
	log := &faults{}
	h := Start(f, storetest.SQLite(f), func(o *server.Options) { o.Log = slog.New(log) })
	for _, who := range []string{"mallory", "bob"} {
		h.Account(f, who)
	}
	w := h.Dial(f, DirectTLS)
	if err := w.Login("bob", "w"); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, at uint8, data string) {
		s := stage(at % 5)
		if strings.Contains(data, "jabber:iq:register") && strings.Contains(data, "remove") {
			return // an account that deletes itself cannot be fuzzed again
		}
		via := TCP
		if s > clear {
			via = DirectTLS
		}
		c := h.Dial(t, via)
		defer c.Drop()
		if err := c.until(s, "mallory", ""); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(data, "jabber:iq:register") && s == bound {
			return // it may change the password
		}
		c.Write(data)
		c.finish(t)
		w.Write("<iq type='get' id='still-there' to='" + Domain + "'><ping xmlns='urn:xmpp:ping'/></iq>")
		for { // what mallory sent to bob may come first
			e, err := w.Next()
			if err != nil {
				t.Fatal("the other client: ", err)
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

// signIns are what today's apps send to sign in (XEP-0388, XEP-0386, XEP-0484, XEP-0480), whole and broken, alone and with what may follow at once.
func signIns() []string {
	me := "\x00mallory\x00" + Password
	agent := "<user-agent id='" + agentID + "'><software>x</software><device>y</device></user-agent>"
	bind := "<bind xmlns='" + nsBind2 + "'><tag>x</tag><enable xmlns='urn:xmpp:carbons:2'/><enable xmlns='" + nsSM + "' resume='true'/><inactive xmlns='urn:xmpp:csi:0'/></bind>"
	fast := "<fast xmlns='" + nsFAST + "' count='1'/>"
	token := "mallory\x00" + strings.Repeat("x", 32)
	return []string{
		auth2("PLAIN", me, ""), auth2("PLAIN", me, agent+bind) + "<presence/>", auth2("PLAIN", me, bind+bind), auth2("PLAIN", me, "<bind xmlns='"+nsBind2+"'/>") + "<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>",
		auth2("PLAIN", me, agent+bind+"<request-token xmlns='"+nsFAST+"' mechanism='HT-SHA-256-EXPR'/>"), auth2("PLAIN", me, "<request-token xmlns='"+nsFAST+"' mechanism='HT-SHA-256-NONE'/>"),
		auth2("PLAIN", me, bind+"<resume xmlns='"+nsSM+"' previd='x' h='0'/>"), auth2("PLAIN", me, "<resume xmlns='"+nsSM+"' previd='x' h='4294967296'/>"),
		auth2("HT-SHA-256-NONE", token, agent+fast), auth2("HT-SHA-256-EXPR", token, agent+fast+bind), auth2("HT-SHA-512-ENDP", token, agent+"<fast xmlns='"+nsFAST+"' invalidate='true'/>"),
		auth2("SCRAM-SHA-256", "n,,n=mallory,r=abcdefgh", agent+bind) + "<response xmlns='" + nsSASL2 + "'>Yz1iaXdz</response>", auth2("SCRAM-SHA-256-PLUS", "p=tls-exporter,,n=mallory,r=abcdefgh", ""),
		auth2("PLAIN", me, "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-256</upgrade>") + "<next xmlns='" + nsSASL2 + "' task='UPGR-SCRAM-SHA-256'/><task-data xmlns='" + nsSASL2 + "'><hash xmlns='urn:xmpp:scram-upgrade:0'>eA==</hash></task-data>",
		"<authenticate xmlns='" + nsSASL2 + "' mechanism='PLAIN'/><response xmlns='" + nsSASL2 + "'>" + b64(me) + "</response>", "<abort xmlns='" + nsSASL2 + "'/>", auth2("PLAIN", me, "") + auth2("PLAIN", me, ""),
	}
}

// finish closes the client's half and reads to the end: all of it must be XML.
func (c *Client) finish(t *testing.T) {
	if w, ok := c.conn.(interface{ CloseWrite() error }); ok {
		w.CloseWrite()
	}
	for {
		ev, err := c.Event()
		var xe *xml.Error
		var ne net.Error
		switch {
		case errors.As(err, &xe):
			t.Fatal("the server's answer: ", err)
		case errors.As(err, &ne) && ne.Timeout():
			t.Fatal("the server does not end the connection")
		case err != nil || ev.Kind == xml.Close:
			return
		}
	}
}
