package xml

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

const head = `<?xml version='1.0'?><stream:stream to='writ.example' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`

// events feeds in pieces of n bytes and describes what comes out.
func events(d *Decoder, in string, n int) ([]string, error) {
	var out []string
	buf := make([]byte, n)
	for len(in) > 0 {
		k := copy(buf, in)
		in = in[k:]
		d.Feed(buf[:k])
		for {
			ev, err := d.Next()
			if err != nil {
				return out, err
			}
			if ev.Kind == Need {
				break
			}
			out = append(out, describe(ev))
		}
		clear(buf) // the decoder must not read what was lent to it
	}
	return out, nil
}

func describe(ev Event) string {
	switch ev.Kind {
	case Open:
		return fmt.Sprintf("open %s %s", ev.Open.Content, ev.Open.Attr("to"))
	case Item:
		s := string(ev.Item.Bytes)
		for _, c := range ev.Item.Children {
			s += fmt.Sprintf(" [{%s}%s %s]", c.Space, c.Local, ev.Item.Bytes[c.Start:c.End])
		}
		return s
	case Space:
		return "space"
	}
	return "close"
}

// RFC 6120 §4: an open tag, elements, white space, an end tag; in pieces of any size, also through a multi-byte character.
func TestStreamInPieces(t *testing.T) {
	t.Parallel()
	const msg = `<message to='a@b' xml:lang='de'><body>grüße 香港 𠝹 &amp; &#x41;]]</body><x xmlns='urn:x'><![CDATA[<a>]]]]></x></message>`
	in := head + "\n" + msg + `<presence/>` + `</stream:stream >`
	want := []string{"open jabber:client writ.example", "space",
		msg + ` [{jabber:client}body <body>grüße 香港 𠝹 &amp; &#x41;]]</body>] [{urn:x}x <x xmlns='urn:x'><![CDATA[<a>]]]]></x>]`, "<presence/>", "close"}
	for n := 1; n <= len(in); n++ {
		d := NewStream(BeforeLogin())
		got, err := events(d, in, n)
		if err != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Fatalf("pieces of %d: %v\n%s\nwant\n%s", n, err, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if d.Pending() != 0 || d.s != nil {
			t.Fatalf("pieces of %d: the decoder holds something between elements", n)
		}
	}
}

// What breaks a rule of RFC 6120 §11, XML 1.0 or Namespaces in XML ends the stream with a defined condition.
func TestRefused(t *testing.T) {
	t.Parallel()
	in := func(s string) string { return head + "<message>" + s + "</message>" }
	for _, c := range []struct{ name, in, condition string }{
		{"document type", `<!DOCTYPE x [<!ENTITY a "b">]>`, "restricted-xml"},
		{"document type after the declaration", `<?xml version='1.0'?><!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>`, "restricted-xml"},
		{"document type in a stanza", in(`<!DOCTYPE x>`), "restricted-xml"},
		{"undefined entity", in(`&foo;`), "restricted-xml"},
		{"undefined entity in an attribute", in(`<a b='&foo;'/>`), "restricted-xml"},
		{"comment at stream level", head + `<!-- x -->`, "restricted-xml"},
		{"comment in a stanza", in(`<!-- x -->`), "restricted-xml"},
		{"processing instruction", in(`<?php x?>`), "restricted-xml"},
		{"processing instruction like a declaration", in(`<?xml-stylesheet x?>`), "restricted-xml"},
		{"late declaration", in(`<?xml version='1.0'?>`), "not-well-formed"},
		{"late declaration at stream level", head + `<?xml version='1.0'?>`, "not-well-formed"},
		{"white space before the declaration", ` ` + head, "not-well-formed"},
		{"declared Latin-1", `<?xml version='1.0' encoding='ISO-8859-1'?>`, "unsupported-encoding"},
		{"declared UTF-7", `<?xml version='1.0' encoding='UTF-7'?>`, "unsupported-encoding"},
		{"UTF-16", "\xfe\xff\x00<", "unsupported-encoding"},
		{"UTF-16 little endian without mark", "<\x00s\x00", "unsupported-encoding"},
		{"UTF-32", "\x00\x00\x00<", "unsupported-encoding"},
		{"overlong", in("\xc0\xbc"), "not-well-formed"},
		{"surrogate", in("\xed\xa0\x80"), "not-well-formed"},
		{"beyond Unicode", in("\xf5\x80\x80\x80"), "not-well-formed"},
		{"FF", in("\xff"), "not-well-formed"},
		{"lead byte before <", in("\xc3"), "not-well-formed"},
		{"lead byte before >", in("<a\xc3>"), "not-well-formed"},
		{"lead byte before a quote", in("<a b='\xc3'/>"), "not-well-formed"},
		{"lead byte at stream level", head + "\xc3<", "not-well-formed"},
		{"NUL", in("\x00"), "not-well-formed"},
		{"U+0001", in("\x01"), "not-well-formed"},
		{"U+FFFE", in("\uFFFE"), "not-well-formed"},
		{"control in an attribute", in("<a b='\x01'/>"), "not-well-formed"},
		{"control at stream level", head + "\x00", "not-well-formed"},
		{"&#0;", in("&#0;"), "not-well-formed"},
		{"&#x1;", in("&#x1;"), "not-well-formed"},
		{"&#xD800;", in("&#xD800;"), "not-well-formed"},
		{"&#xFFFE;", in("&#xFFFE;"), "not-well-formed"},
		{"&#x110000;", in("&#x110000;"), "not-well-formed"},
		{"&#X41;", in("&#X41;"), "not-well-formed"},
		{"&;", in("&;"), "not-well-formed"},
		{"lone &", in("a & b"), "not-well-formed"},
		{"]]> in text", in("a]]>b"), "not-well-formed"},
		{"< in an attribute", in(`<a b='<'/>`), "not-well-formed"},
		{"line feed in a namespace", in(`<a xmlns='jabber:cl&#10;ient'/>`), "not-well-formed"},
		{"space in a namespace", in(`<a xmlns:p='urn:a b'/>`), "not-well-formed"},
		{"brace in a namespace", in(`<a xmlns='u}a'/>`), "not-well-formed"},
		{"namespace of a stanza that is no URI", head + `<message xmlns='jabber:client '/>`, "unsupported-stanza-type"},
		{"attribute twice", in(`<a b='1' b='2'/>`), "not-well-formed"},
		{"same expanded name", in(`<a xmlns:x='u' xmlns:y='u' x:b='1' y:b='2'/>`), "not-well-formed"},
		{"declaration twice", in(`<a xmlns='u' xmlns='v'/>`), "not-well-formed"},
		{"undeclared prefix", in(`<x:a/>`), "not-well-formed"},
		{"undeclared prefix of an attribute", in(`<a x:b='1'/>`), "not-well-formed"},
		{"undeclared stream prefix", `<stream:stream xmlns='jabber:client'>`, "bad-namespace-prefix"},
		{"prefix out of scope", in(`<a xmlns:x='u'/><x:a/>`), "not-well-formed"},
		{"xml rebound", in(`<a xmlns:xml='u'/>`), "not-well-formed"},
		{"xmlns rebound", in(`<a xmlns:xmlns='u'/>`), "not-well-formed"},
		{"prefix without namespace", in(`<a xmlns:x=''/>`), "not-well-formed"},
		{"prefix for the XML namespace", in(`<a xmlns:x='http://www.w3.org/XML/1998/namespace'/>`), "not-well-formed"},
		{"default for the XML namespace", in(`<a xmlns='http://www.w3.org/XML/1998/namespace'/>`), "not-well-formed"},
		{"prefix for the xmlns namespace", in(`<a xmlns:x='http://www.w3.org/2000/xmlns/'/>`), "not-well-formed"},
		{"element with prefix xmlns", in(`<xmlns:a/>`), "not-well-formed"},
		{"empty prefix", in(`<:m/>`), "not-well-formed"},
		{"empty local name", in(`<m:/>`), "not-well-formed"},
		{"two colons", in(`<a:b:c/>`), "not-well-formed"},
		{"digit first", in(`<1a/>`), "not-well-formed"},
		{"no space between attributes", in(`<a b='1'c='2'/>`), "not-well-formed"},
		{"unquoted value", in(`<a b=1/>`), "not-well-formed"},
		{"no value", in(`<a b/>`), "not-well-formed"},
		{"slash inside a tag", in(`<a/b/>`), "not-well-formed"},
		{"space before the name", in(`< a/>`), "not-well-formed"},
		{"empty tag", in(`<>`), "not-well-formed"},
		{"tag in a tag", in(`<a <b/>`), "not-well-formed"},
		{"mismatched end", in(`<a></b>`), "not-well-formed"},
		{"other prefix of the same namespace", in(`<x:a xmlns:x='u' xmlns:y='u'></y:a>`), "not-well-formed"},
		{"name of the fifth edition alone", in("<\u2c00/>"), "not-well-formed"},
		{"text at stream level", head + `hello`, "bad-format"},
		{"other end of the stream", head + `</stream>`, "not-well-formed"},
		{"bytes behind the end", head + `</stream:stream>x`, "not-well-formed"},
		{"HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "not-well-formed"},
		{"SSH", "SSH-2.0-OpenSSH_9.2\r\n", "not-well-formed"},
		{"SMTP", "EHLO x\r\n", "not-well-formed"},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01", "not-well-formed"},
		{"wrong stream namespace", `<stream:stream xmlns:stream='urn:x'>`, "invalid-namespace"},
		{"no stream", `<flow xmlns='http://etherx.jabber.org/streams'>`, "bad-format"},
		{"stream in a stream", head + head[len(`<?xml version='1.0'?>`):], "unsupported-stanza-type"},
		{"too many bytes", head + "<message><body>" + strings.Repeat("a", 8<<10), "policy-violation"},
		{"too many bytes in a tag", head + "<message a='1' " + strings.Repeat(" ", 8<<10), "policy-violation"},
		{"too many bytes in the open tag", "<stream:stream " + strings.Repeat(" ", 8<<10), "policy-violation"},
		{"too deep", in(strings.Repeat("<a>", 32)), "policy-violation"},
		{"too many elements", in(strings.Repeat("<a/>", 32)), "policy-violation"},
		{"too many attributes", in("<a " + attrs(40, "a%d='' ") + "/>"), "policy-violation"},
		{"too long an attribute", in("<a b='" + strings.Repeat("x", 5000)), "policy-violation"},
		{"too many declarations", in(strings.Repeat("<a "+attrs(10, "xmlns:a%d='u' ")+"/>", 4)), "policy-violation"},
	} {
		for _, n := range []int{1, 7, 100000} {
			_, err := events(NewStream(BeforeLogin()), c.in, n)
			var e *Error
			if !errors.As(err, &e) || e.Condition != c.condition {
				t.Errorf("%s in pieces of %d: %v, want %s", c.name, n, err, c.condition)
			}
		}
	}
}

func attrs(n int, format string) string {
	var s strings.Builder
	for i := range n {
		fmt.Fprintf(&s, format, i)
	}
	return s.String()
}

// A limit acts at the limit, not when the element is complete.
func TestLimitActsAtTheLimit(t *testing.T) {
	t.Parallel()
	d := NewStream(BeforeLogin())
	if _, err := events(d, head+"<message>", 4096); err != nil {
		t.Fatal(err)
	}
	fed := len("<message>")
	for ; ; fed++ {
		d.Feed([]byte("x"))
		if _, err := d.Next(); err != nil {
			break
		}
		if d.Pending() > 8<<10 {
			t.Fatal("more is held than the limit allows")
		}
	}
	if fed != 8<<10-1 {
		t.Errorf("refused after %d bytes", fed+1)
	}
}

// Declarations that stand outside a child are brought into it, and only those that it uses.
func TestDeclarationsAreBroughtIn(t *testing.T) {
	t.Parallel()
	const open = `<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns='jabber:client' xmlns:o='urn:out' xmlns:c='jabber:client'>`
	for _, c := range []struct{ in, want string }{
		{`<message><o:a/></message>`, `<o:a xmlns:o='urn:out'/>`},
		{`<message><a><b o:c='1'/></a></message>`, `<a xmlns:o='urn:out'><b o:c='1'/></a>`},
		{`<message xmlns:p='urn:p'><a/><b><p:c/><p:d/></b></message>`, `<a/><b xmlns:p='urn:p'><p:c/><p:d/></b>`},
		{`<message xmlns:p='urn:p'><a xmlns:p='urn:q'><p:c/></a></message>`, `<a xmlns:p='urn:q'><p:c/></a>`},
		{`<c:message xmlns='urn:d'><a/><c:b/></c:message>`, `<a xmlns='urn:d'/><c:b xmlns:c='jabber:client'/>`},
		{`<message><x xmlns='urn:x'><y/></x></message>`, `<x xmlns='urn:x'><y/></x>`},
		{`<message xmlns:p="urn:'&amp;"><p:a></p:a></message>`, `<p:a xmlns:p='urn:&apos;&amp;'></p:a>`},
		{`<message><a xml:lang='x'/></message>`, `<a xml:lang='x'/>`},
	} {
		d := NewStream(AfterLogin(4096))
		d.Feed([]byte(open + c.in))
		if _, err := d.Next(); err != nil {
			t.Fatal(err)
		}
		ev, err := d.Next()
		if err != nil {
			t.Fatalf("%s: %v", c.in, err)
		}
		var got string
		for _, k := range ev.Item.Children {
			got += string(ev.Item.Bytes[k.Start:k.End])
		}
		if got != c.want || string(ev.Item.Bytes[ev.Item.In:ev.Item.Out]) != c.want {
			t.Errorf("%s gives %s, want %s", c.in, got, c.want)
		}
	}
}

// Bringing in may not make a small stanza large.
func TestBringingInIsBounded(t *testing.T) {
	t.Parallel()
	d := NewStream(AfterLogin(64 << 10))
	_, err := events(d, head+`<message xmlns:p='`+strings.Repeat("u", 10000)+`'>`+strings.Repeat("<p:a/>", 500)+`</message>`, 1<<20)
	var e *Error
	if !errors.As(err, &e) || e.Condition != "policy-violation" {
		t.Fatal(err)
	}
}

// RFC 7395 §3.3: each message is one element.
func TestFraming(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{`<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='x' version='1.0'/>`, "open jabber:client x"},
		{`<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>`, "close"},
		{`<message xmlns='jabber:client'><body>x</body></message>`, `<message xmlns='jabber:client'><body>x</body></message> [{jabber:client}body <body>x</body>]`},
		{` `, "space"},
		{`<a/> `, "<a/>"},
		{`<a/><b/>`, "bad-format"},
		{` <a/>`, "bad-format"},
		{`<a>`, "not-well-formed"},
		{`<?xml version='1.0'?><a/>`, "not-well-formed"},
		{`hello`, "bad-format"},
		{`</a>`, "not-well-formed"},
	} {
		d := NewFramed(AfterLogin(4096))
		got, err := events(d, c.in, 4096)
		var e *Error
		if errors.As(err, &e) {
			got = []string{e.Condition}
		}
		if strings.Join(got, "|") != c.want {
			t.Errorf("%s: %v, want %s", c.in, got, c.want)
		}
	}
}

// RFC 6120 §4.3.3: a restart begins a new stream, whose header may have been sent already; what stands behind
// <starttls/> is discarded.
func TestRestart(t *testing.T) {
	t.Parallel()
	d := NewStream(BeforeLogin())
	d.Feed([]byte(head + `<auth xmlns='urn:x'>a</auth>` + "\n" + head))
	d.Next()
	ev, err := d.Next()
	if err != nil || ev.Item.Tree().Text() != "a" {
		t.Fatal(ev, err)
	}
	d.Restart()
	if ev, err = d.Next(); err != nil || ev.Kind != Open {
		t.Fatal(ev, err)
	}
	d.Feed([]byte(`<starttls xmlns='urn:x'/><injected/>`))
	if ev, err = d.Next(); err != nil || ev.Kind != Item {
		t.Fatal(ev, err)
	}
	if n := d.Discard(); n != len(`<injected/>`) {
		t.Error(n, "bytes discarded")
	}
}
