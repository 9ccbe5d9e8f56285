package writtest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"writ/store/storetest"
	"writ/xmpp/xml"
)

// The hostile corpus: what a server of this kind is sent by those who wish it ill, each with the one answer that is right.
// After each input another client's ping must be answered at once.

// stage is how far a connection is when it turns hostile.
type stage uint8

const (
	fresh   stage = iota // connected
	clear                // the stream is open, without TLS; TCP only
	secured              // TLS, stream open, not signed in
	signed               // signed in, no resource
	bound                // a resource, no presence
)

// hostile is one input. In send, {me} is the sender's full address, {other} another client's, {domain} the server's.
type hostile struct {
	name string
	at   stage
	send string
	want string // see expect
	only string // "TCP" or "WebSocket"; empty: both
	ws   string // the answer on a WebSocket if it is another
}

// Answers: "S:a|b" a stream error of one of these conditions, then the end of the stream; "E:c" a stanza error; "F:c" a SASL
// failure, the stream stays; "failed:c" the refusal of an
// element of another kind ("failed:" if it says no more); "W:1007" a WebSocket closed with that code;
// "ok" a result, success or features; "drop" no answer, but the next ping's.
func (h hostile) answer(via Via) string {
	if via == WebSocket && h.ws != "" {
		return h.ws
	}
	return h.want
}

func runHostile(t *testing.T, corpus []hostile) {
	db := storetest.SQLite(t)
	house := Start(t, db)
	for _, who := range []string{"mallory", "bob", "witness"} {
		house.Account(t, who)
	}
	w := newWitness(t, house)
	for _, access := range []string{"open", "whitelist", "presence"} {
		w.publish(t, access)
	}
	t.Run("corpus", func(t *testing.T) {
		for _, h := range corpus {
			for _, via := range []Via{TCP, WebSocket} {
				if h.only != "" && h.only != via.String() {
					continue
				}
				t.Run(h.name+" over "+via.String(), func(t *testing.T) {
					t.Parallel()
					c, other := house.Dial(t, via), (*Client)(nil)
					resource := house.Fresh("r")
					if err := c.until(h.at, "mallory", resource); err != nil {
						t.Fatal(err)
					}
					me, you := "mallory@"+Domain+"/"+resource, "bob@"+Domain+"/none"
					if strings.Contains(h.send, "{other}") {
						other = house.Dial(t, via)
						if err := other.until(bound, "bob", resource); err != nil {
							t.Fatal(err)
						}
						you = other.JID.String()
					}
					sent := strings.NewReplacer("{me}", me, "{other}", you, "{domain}", Domain).Replace(h.send)
					c.Write(sent)
					if err := c.expect(h.answer(via), h.at); err != nil {
						t.Errorf("sent %.300q\n%v", sent, err)
					}
					if other != nil {
						if err := other.silent(); err != nil {
							t.Errorf("sent %.300q\nthe other client: %v", sent, err)
						}
					}
					w.ping(t)
				})
			}
		}
	})
}

// until brings a fresh connection to a stage.
func (c *Client) until(s stage, local, resource string) error {
	if c.as != nil && s >= signed {
		if _, err := c.Secure(); err != nil {
			return err
		}
		return c.Prove()
	}
	switch s {
	case fresh:
		return nil
	case clear:
		_, err := c.Open()
		return err
	}
	if _, err := c.Secure(); err != nil || s == secured {
		return err
	}
	if _, err := c.Authenticate(local); err != nil || s == signed {
		return err
	}
	return c.Bind(resource)
}

// expect reads the answer and compares it.
func (c *Client) expect(want string, at stage) error {
	kind, what, _ := strings.Cut(want, ":")
	switch kind {
	case "S":
		return c.expectStreamError(strings.Split(what, "|"), at)
	case "W":
		return c.expectCode(what)
	case "drop":
		return c.silent()
	}
	e, err := c.skipHeader()
	if err != nil {
		return fmt.Errorf("%s was awaited: %w", want, err)
	}
	got := string(e.AppendTo(nil, ""))
	switch kind {
	case "E":
		if e.Attr("type") != "error" || e.Child(e.Name.Space, "error").Child("urn:ietf:params:xml:ns:xmpp-stanzas", what) == nil {
			return fmt.Errorf("%s was awaited, received: %s", want, got)
		}
	case "F":
		if !e.Is(nsSASL, "failure") && !e.Is(nsSASL2, "failure") || e.Child(nsSASL, what) == nil {
			return fmt.Errorf("%s was awaited, received: %s", want, got)
		}
	case "failed":
		if e.Name.Local != "failed" && e.Name.Local != "failure" || what != "" && (e.First() == nil || e.First().Name.Local != what) {
			return fmt.Errorf("%s was awaited, received: %s", want, got)
		}
	case "ok":
		if e.Attr("type") == "error" || e.Name.Local == "failure" || e.Name.Local == "error" {
			return fmt.Errorf("received: %s", got)
		}
	default:
		return fmt.Errorf("the test knows no answer %q", want)
	}
	return nil
}

// skipHeader gives the next element, past a stream header.
func (c *Client) skipHeader() (*xml.Element, error) {
	for {
		ev, err := c.Event()
		switch {
		case err != nil:
			return nil, err
		case ev.Kind == xml.Item:
			return ev.Item.Tree(), nil
		case ev.Kind == xml.Close:
			return nil, errClosed
		}
	}
}

// expectStreamError wants the error, the end of the stream, and the end of the connection, and nothing else (RFC 6120 §4.9.1.1).
func (c *Client) expectStreamError(conditions []string, at stage) error {
	e, err := c.skipHeader()
	if err != nil {
		return fmt.Errorf("stream error %v was awaited: %w", conditions, err)
	}
	found := false
	for _, n := range conditions {
		found = found || e.Is(xml.Stream, "error") && e.Child("urn:ietf:params:xml:ns:xmpp-streams", n) != nil
	}
	if !found {
		return fmt.Errorf("stream error %v was awaited, received: %s", conditions, e.AppendTo(nil, ""))
	}
	if _, err := c.skipHeader(); !errors.Is(err, errClosed) {
		return fmt.Errorf("after the error the stream does not end: %v", err)
	}
	if _, err := c.skipHeader(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("after the stream the connection does not end: %v", err)
	}
	return nil
}

// expectCode wants a WebSocket to be closed with a code; a stream error may come before.
func (c *Client) expectCode(code string) error {
	for {
		if _, err := c.skipHeader(); err != nil && !errors.Is(err, errClosed) {
			if got := fmt.Sprint(int(websocket.CloseStatus(c.cause))); got != code {
				return fmt.Errorf("close code %s was awaited, received %s (%v)", code, got, c.cause)
			}
			return nil
		}
	}
}

// silent sends a ping and wants its answer to be the next thing.
func (c *Client) silent() error {
	head := "<iq xmlns='jabber:client'"
	if c.as != nil {
		head = "<iq xmlns='jabber:server' from='x@" + c.as.domain + "/x'"
	}
	c.Write(head + " type='get' id='silent' to='" + Domain + "'><ping xmlns='urn:xmpp:ping'/></iq>")
	e, err := c.skipHeader()
	for err == nil && e.Attr("type") == "get" && e.Child("urn:xmpp:ping", "ping") != nil { // it was silent for long (XEP-0199 §4.1)
		c.Write("<iq xmlns='jabber:client' type='result' id='" + e.Attr("id") + "' to='" + Domain + "'/>")
		e, err = c.skipHeader()
	}
	if err != nil {
		return err
	}
	if e.Attr("id") != "silent" || e.Attr("type") != "result" {
		return fmt.Errorf("nothing was awaited, received: %s", e.AppendTo(nil, ""))
	}
	return nil
}

// witness is a client that asks whether the server still lives.
type witness struct {
	mu sync.Mutex
	c  *Client
}

func newWitness(t *testing.T, h *House) *witness {
	t.Helper()
	w := &witness{c: h.Dial(t, DirectTLS)}
	if err := w.c.Login("witness", "w"); err != nil {
		t.Fatal(err)
	}
	return w
}

// publish makes a node that is named for who may read it.
func (w *witness) publish(t *testing.T, access string) {
	t.Helper()
	w.c.Write("<iq xmlns='jabber:client' type='set' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:" + access +
		"'><item id='1'><a xmlns='u'/></item></publish><publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>" +
		"<value>http://jabber.org/protocol/pubsub#publish-options</value></field><field var='pubsub#access_model'><value>" + access +
		"</value></field></x></publish-options></pubsub></iq>")
	if e, err := w.c.Next(); err != nil || e.Attr("type") != "result" {
		t.Fatal(access, e, err)
	}
}

// ping must be answered within a second; the machine of a test is given some more, because it runs many at once.
func (w *witness) ping(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	began := time.Now()
	if err := w.c.silent(); err != nil {
		t.Error("the witness: ", err)
	}
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("another client's ping took %s", d)
	}
}

// Part A of the corpus: bytes and XML.
func TestHostileXML(t *testing.T) {
	t.Parallel()
	var corpus []hostile
	add := func(h hostile) { corpus = append(corpus, h) }
	const open = "<?xml version='1.0'?><stream:stream to='" + Domain + "' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
	for _, h := range []hostile{
		{name: "entities", send: `<?xml version='1.0'?><!DOCTYPE l [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>` + open[21:], want: "S:restricted-xml"},
		{name: "external entity", send: `<!DOCTYPE l SYSTEM "file:///etc/passwd">`, want: "S:restricted-xml"},
		{name: "comment before the stream", send: `<!-- x -->`, want: "S:restricted-xml"},
		{name: "Latin-1", send: strings.Replace(open, "?>", " encoding='ISO-8859-1'?>", 1), want: "S:unsupported-encoding|bad-format"},
		{name: "UTF-7", send: strings.Replace(open, "?>", " encoding='UTF-7'?>", 1), want: "S:unsupported-encoding|bad-format"},
		{name: "UTF-16", send: "\xfe\xff\x00<\x00?", want: "S:unsupported-encoding|not-well-formed"},
		{name: "UTF-32", send: "\x00\x00\x00<", want: "S:unsupported-encoding|not-well-formed"},
		{name: "late declaration", send: " " + open, want: "S:not-well-formed"},
		{name: "undeclared stream prefix", send: "<stream:stream to='" + Domain + "' version='1.0' xmlns='jabber:client'>", want: "S:bad-namespace-prefix|not-well-formed"},
		{name: "HTTP", send: "GET / HTTP/1.1\r\nHost: x\r\n\r\n", want: "S:not-well-formed"},
		{name: "SSH", send: "SSH-2.0-OpenSSH_9.2\r\n", want: "S:not-well-formed"},
		{name: "SMTP", send: "EHLO mail.example\r\n", want: "S:not-well-formed"},
		{name: "TLS on the plain port", send: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", want: "S:not-well-formed"},
		{name: "wrong stream namespace", send: strings.Replace(open, "etherx", "other", 1), want: "S:invalid-namespace"},
		{name: "wrong content namespace", send: strings.Replace(open, "jabber:client", "jabber:server", 1), want: "S:invalid-namespace"},
		{name: "host not ours", send: strings.Replace(open, "to='"+Domain, "to='other.example", 1), want: "S:host-unknown"},
		{name: "no host", send: strings.Replace(open, "to='"+Domain+"'", "", 1), want: "S:host-unknown|improper-addressing"},
		{name: "no version", send: strings.Replace(open, "version='1.0' xmlns", "xmlns", 1), want: "S:unsupported-version"},
		{name: "version 9.9", send: strings.Replace(open, "version='1.0' xmlns", "version='9.9' xmlns", 1), want: "ok"},
		{name: "header without an end", send: "<stream:stream " + strings.Repeat("a", 9000), want: "S:policy-violation"},
	} {
		h.at, h.only = fresh, "TCP"
		add(h)
	}
	for _, h := range []hostile{
		{name: "host not ours", send: "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='other.example' version='1.0'/>", want: "S:host-unknown"},
		{name: "no host", send: "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' version='1.0'/>", want: "S:host-unknown"},
		{name: "no version", send: "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='" + Domain + "'/>", want: "S:unsupported-version"},
		{name: "wrong framing namespace", send: "<open xmlns='urn:x' to='" + Domain + "' version='1.0'/>", want: "S:invalid-namespace|not-authorized"},
		{name: "stream header", send: open, want: "S:not-well-formed|bad-format"},
		{name: "XML declaration", send: "<?xml version='1.0'?><open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='" + Domain + "' version='1.0'/>", want: "S:not-well-formed"},
		{name: "UTF-16", send: "\xfe\xff\x00<\x00?", want: "W:1007"},
		{name: "stanza before open", send: "<message xmlns='jabber:client'/>", want: "S:not-authorized"},
	} {
		h.at, h.only = fresh, "WebSocket"
		add(h)
	}
	for _, s := range []stage{secured, bound} {
		for _, h := range insideXML(s) {
			h.at, h.name = s, fmt.Sprintf("%s at stage %d", h.name, s)
			add(h)
		}
	}
	runHostile(t, corpus)
}

// insideXML are bytes that no stream may hold, whatever was negotiated.
func insideXML(s stage) []hostile {
	in := func(x string) string { return "<message xmlns='jabber:client'>" + x + "</message>" }
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	out := []hostile{
		{name: "document type", send: "<!DOCTYPE x>", want: "S:restricted-xml"},
		{name: "undefined entity", send: in("&foo;"), want: "S:restricted-xml"},
		{name: "comment between stanzas", send: "<!-- x -->", want: "S:restricted-xml|bad-format"},
		{name: "comment in a stanza", send: in("<!-- x -->"), want: "S:restricted-xml"},
		{name: "processing instruction", send: in("<?php x?>"), want: "S:restricted-xml"},
		{name: "late declaration", send: in("<?xml version='1.0'?>"), want: "S:not-well-formed"},
		{name: "overlong UTF-8", send: in("\xc0\xbc"), want: "S:not-well-formed|unsupported-encoding", ws: "W:1007"},
		{name: "surrogate", send: in("\xed\xa0\x80"), want: "S:not-well-formed|unsupported-encoding", ws: "W:1007"},
		{name: "F5", send: in("\xf5\x80\x80\x80"), want: "S:not-well-formed|unsupported-encoding", ws: "W:1007"},
		{name: "lead byte before <", send: in("a\xc3"), want: "S:not-well-formed|unsupported-encoding", ws: "W:1007"},
		{name: "lead byte before >", send: in("<a\xc3>"), want: "S:not-well-formed|unsupported-encoding", ws: "W:1007"},
		{name: "lead byte before '", send: in("<a b='\xc3'/>"), want: "S:not-well-formed|unsupported-encoding", ws: "W:1007"},
		{name: "NUL", send: in("\x00"), want: "S:not-well-formed"},
		{name: "U+0001", send: in("\x01"), want: "S:not-well-formed"},
		{name: "&#0;", send: in("&#0;"), want: "S:not-well-formed"},
		{name: "&#x1;", send: in("&#x1;"), want: "S:not-well-formed"},
		{name: "&#xD800;", send: in("&#xD800;"), want: "S:not-well-formed"},
		{name: "&#xFFFE;", send: in("&#xFFFE;"), want: "S:not-well-formed"},
		{name: "]]>", send: in("]]>"), want: "S:not-well-formed"},
		{name: "< in an attribute", send: in("<a b='<'/>"), want: "S:not-well-formed"},
		{name: "attribute twice", send: in("<a b='1' b='2'/>"), want: "S:not-well-formed"},
		{name: "attribute twice by two prefixes", send: in("<a xmlns:x='u' xmlns:y='u' x:b='1' y:b='2'/>"), want: "S:not-well-formed"},
		{name: "undeclared prefix", send: in("<x:a/>"), want: "S:not-well-formed"},
		{name: "undeclared prefix of an attribute", send: in("<a x:b='1'/>"), want: "S:not-well-formed"},
		{name: "xml rebound", send: in("<a xmlns:xml='u'/>"), want: "S:not-well-formed"},
		{name: "xmlns rebound", send: in("<a xmlns:xmlns='u'/>"), want: "S:not-well-formed"},
		{name: "prefix without namespace", send: in("<a xmlns:a=''/>"), want: "S:not-well-formed"},
		{name: "prefix for XML's namespace", send: in("<a xmlns:a='http://www.w3.org/XML/1998/namespace'/>"), want: "S:not-well-formed"},
		{name: "<:m/>", send: in("<:m/>"), want: "S:not-well-formed"},
		{name: "<a:b:c/>", send: in("<a:b:c/>"), want: "S:not-well-formed"},
		{name: "digit first", send: in("<1/>"), want: "S:not-well-formed"},
		{name: "no space between attributes", send: in("<a b='1'c='2'/>"), want: "S:not-well-formed"},
		{name: "unquoted value", send: in("<a b=1/>"), want: "S:not-well-formed"},
		{name: "wrong end", send: in("<a></b>"), want: "S:not-well-formed"},
		{name: "other prefix at the end", send: in("<x:a xmlns:x='u' xmlns:y='u'></y:a>"), want: "S:not-well-formed"},
		{name: "text between stanzas", send: "hello", want: "S:bad-format"},
		{name: "stream in the stream", send: "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:client' to='" + Domain + "' version='1.0'>", want: "S:unsupported-stanza-type"},
		{name: "open in the stream", send: "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='" + Domain + "' version='1.0'/>", only: "WebSocket", want: "S:unsupported-stanza-type|not-authorized"},
		{name: "two elements in a message", send: "<presence xmlns='jabber:client'/><presence xmlns='jabber:client'/>", only: "WebSocket", want: "S:bad-format|not-well-formed"},
		{name: "half an element in a message", send: "<presence xmlns='jabber:client'>", only: "WebSocket", want: "S:not-well-formed|bad-format"},
	}
	if s == secured {
		return append(out,
			hostile{name: "unknown element", send: "<frob xmlns='urn:x'/>", want: "S:not-authorized"},
			hostile{name: "stanza before login", send: in("<body>x</body>"), want: "S:not-authorized"},
			hostile{name: "8 KiB", send: "<auth xmlns='" + nsSASL + "' mechanism='PLAIN'>" + strings.Repeat("A", 8<<10), want: "S:policy-violation", ws: "W:1009"},
			hostile{name: "depth 33", send: "<auth xmlns='" + nsSASL + "'>" + strings.Repeat("<a>", 33), want: "S:policy-violation"},
			hostile{name: "33 elements", send: "<auth xmlns='" + nsSASL + "'>" + strings.Repeat("<a/>", 33), want: "S:policy-violation"},
			hostile{name: "many attributes", send: "<auth xmlns='" + nsSASL + "' " + many(100, "a%d='' ") + "/>", want: "S:policy-violation"},
		)
	}
	return append(out,
		hostile{name: "unknown element", send: "<frob xmlns='urn:x'/>", want: "S:unsupported-stanza-type"},
		hostile{name: "namespace with a line feed", send: "<message xmlns='jabber:client&#10;'/>", want: "S:unsupported-stanza-type"},
		hostile{name: "namespace with a space", send: "<message xmlns='jabber:client '/>", want: "S:unsupported-stanza-type"},
		hostile{name: "payload's namespace with a line feed", send: in("<a xmlns='jabber:client&#10;'/>"), want: "S:not-well-formed"},
		hostile{name: "namespace of servers", send: "<message xmlns='jabber:server'/>", want: "S:unsupported-stanza-type|invalid-namespace"},
		hostile{name: "depth 65", send: in(strings.Repeat("<a>", 65)), want: "S:policy-violation"},
		hostile{name: "8,000 attributes", send: in("<a " + many(8000, "a%d='' ") + "/>"), want: "S:policy-violation"},
		hostile{name: "attribute of 200 KiB", send: in("<a b='" + strings.Repeat("x", 200<<10) + "'/>"), want: "S:policy-violation"},
		hostile{name: "attribute of 300 KiB", send: in("<a b='" + strings.Repeat("x", 300<<10) + "'/>"), want: "S:policy-violation", ws: "W:1009"},
		hostile{name: "2,000 declarations", send: in(strings.Repeat("<a "+many(50, "xmlns:a%d='u' ")+"/>", 40)), want: "S:policy-violation"},
		hostile{name: "stanza without an end", send: "<message xmlns='jabber:client'><body>" + strings.Repeat("x", 300<<10), want: "S:policy-violation", ws: "W:1009"},
		hostile{name: "100,000 elements", send: in(strings.Repeat("<a/>", 50000)), want: "S:policy-violation"},
	)
}

// A valid stanza in one-byte pieces, also through a multi-byte character, is answered as usual.
func TestOneBytePieces(t *testing.T) {
	t.Parallel()
	h := Start(t, storetest.SQLite(t))
	h.Account(t, "alice")
	c := h.Dial(t, TCP)
	if err := c.Login("alice", "a"); err != nil {
		t.Fatal(err)
	}
	s := "<message to='" + c.JID.String() + "' type='chat'><subject>grüße 香港 𠝹</subject></message>"
	for i := range len(s) {
		c.Write(s[i : i+1])
	}
	if e, err := c.Next(); err != nil || e.Child(xml.Client, "subject").Text() != "grüße 香港 𠝹" {
		t.Fatal(e, err)
	}
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
