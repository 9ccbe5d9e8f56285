package stanza

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"writ/xmpp/jid"
	"writ/xmpp/xml"
)

const stream = `<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' xmlns:o='urn:out'>`

// read gives the first stanza behind a stream header.
func read(t testing.TB, in string) (*Stanza, error) {
	t.Helper()
	d := xml.NewStream(xml.AfterLogin(256 << 10))
	d.Feed([]byte(stream + in))
	d.Next()
	ev, err := d.Next()
	if err != nil || ev.Kind != xml.Item {
		t.Fatal(in, ev.Kind, err)
	}
	return Parse(ev.Item)
}

func must(t testing.TB, in string) *Stanza {
	t.Helper()
	s, err := read(t, in)
	if err != nil {
		t.Fatal(in, err)
	}
	return s
}

// What was received is sent on byte for byte between the tags.
func TestBytesAreKept(t *testing.T) {
	t.Parallel()
	const inner = `<body>a &amp; b</body> <x  xmlns = "urn:x" ><![CDATA[<&>]]></x><o:y xmlns:o='urn:out'/>`
	s := must(t, `<message to='B@writ.example' from="a@writ.example/r" id='1' type='chat' xml:lang='de' foo='bar'>`+strings.Replace(inner, " xmlns:o='urn:out'", "", 1)+`</message>`)
	want := `<message to='b@writ.example' from='a@writ.example/r' id='1' type='chat' xml:lang='de'>` + inner + `</message>`
	if got := string(s.AppendTo(nil, "")); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if s.Kind != Message || s.Type != Chat || s.ID != "1" || s.Lang != "de" || s.Size() != len(inner) || len(s.Children()) != 3 {
		t.Error("head", s)
	}
	if body, ok := s.Body(); body != "a & b" || !ok || !s.Has("urn:x", "x") || s.Has("urn:x", "y") || s.Find("urn:x", "x").Text() != "<&>" || s.Find("urn:q", "x") != nil {
		t.Error("children", s)
	}
	if again, err := Decode(s.AppendTo(nil, xml.Client)); err != nil || again.String() != s.String() {
		t.Error(again, err)
	}
}

func TestEdit(t *testing.T) {
	t.Parallel()
	s := must(t, `<message to='b@x'><a xmlns='1'/>t<b xmlns='2'><a xmlns='1'/></b><a xmlns='1'>u</a></message>`)
	before := s.String()
	if w := s.Without(func(c Child) bool { return c.Space == "1" }); w.String() != `<message xmlns='jabber:client' to='b@x'>t<b xmlns='2'><a xmlns='1'/></b></message>` || !w.Has("2", "b") || w.Has("1", "a") {
		t.Error(w)
	} else if n := w.Without(func(Child) bool { return true }); n.String() != `<message xmlns='jabber:client' to='b@x'>t</message>` {
		t.Error(n)
	} else if string(w.Bytes(w.Children()[0])) != `<b xmlns='2'><a xmlns='1'/></b>` {
		t.Error(w.Children())
	}
	if s.Without(func(Child) bool { return false }) != s || s.With() != s || s.With(nil) != s {
		t.Error("a copy without need")
	}
	w := s.With([]byte(`<c xmlns='3'/>`), nil, []byte(`<d/>`))
	if !w.Has("3", "c") || !w.Has(xml.Client, "d") || string(w.Bytes(w.Children()[3])) != `<c xmlns='3'/>` {
		t.Error(w)
	}
	h := s.WithHead(jid.MustParse("f@x/y"), jid.JID{}, "i'd", Headline).WithLang("en")
	if h.String() != `<message xmlns='jabber:client' from='f@x/y' id='i&apos;d' type='headline' xml:lang='en'>`+s.String()[len(`<message xmlns='jabber:client' to='b@x'>`):] {
		t.Error(h)
	}
	if s.WithFrom(jid.MustParse("q")).WithTo(jid.MustParse("r")).String()[:53] != `<message xmlns='jabber:client' to='r' from='q'><a xml` {
		t.Error("from and to")
	}
	if s.String() != before {
		t.Error("the first stanza was changed to", s)
	}
}

// RFC 6120 §8.2.3, RFC 6121 §4.7.1, §5.2.2, RFC 7622: what a stanza must be.
func TestCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		want Condition
	}{
		{`<message/>`, ""}, {`<message type='frob'/>`, ""}, {`<message type='error'/>`, ""},
		{`<presence/>`, ""}, {`<presence type='subscribed'/>`, ""}, {`<presence type='available'/>`, "bad-request"},
		{`<iq type='get' id='1'><q xmlns='u'/></iq>`, ""}, {`<iq type='result' id='1'/>`, ""}, {`<iq type='error' id='1'><q/><error/></iq>`, ""},
		{`<iq type='get'><q xmlns='u'/></iq>`, "bad-request"}, {`<iq type='get' id=''><q xmlns='u'/></iq>`, "bad-request"},
		{`<iq type='get' id='1'/>`, "bad-request"}, {`<iq type='set' id='1'><q/><q/></iq>`, "bad-request"},
		{`<iq type='result' id='1'><q/><q/></iq>`, "bad-request"}, {`<iq type='frob' id='1'><q/></iq>`, "bad-request"}, {`<iq id='1'><q/></iq>`, "bad-request"},
		{`<message to='a b@c'/>`, "jid-malformed"}, {`<message from='@'/>`, "jid-malformed"}, {`<iq type='get' id='1' to='&quot;@c'><q/></iq>`, "jid-malformed"},
		{`<message to='` + strings.Repeat("a", 1024) + `@c'/>`, "jid-malformed"}, {`<message to='a` + "\u0378" + `@c'/>`, "jid-malformed"},
	} {
		s, err := read(t, c.in)
		var e *Error
		errors.As(err, &e)
		if s == nil || (c.want == "") != (err == nil) || e != nil && e.Condition != c.want {
			t.Errorf("%s: %v", c.in, err)
		}
	}
	for _, in := range []string{`<foo/>`, `<message xmlns='urn:x'/>`, `<iq xmlns='jabber:client#'/>`} {
		if s, err := read(t, in); s != nil || !errors.Is(err, ErrKind) {
			t.Errorf("%s: %v %v", in, s, err)
		}
	}
	if s := must(t, `<message type='frob'/>`); s.Type != Normal {
		t.Error(s.Type)
	}
}

// RFC 6120 §8.3.3: every condition has its recommended type, and the code that XEP-0086 §3 gives it.
func TestErrors(t *testing.T) {
	t.Parallel()
	if len(defaults) != 22 {
		t.Error(len(defaults), "conditions")
	}
	orig := must(t, `<message to='b@x' from='a@x/r' id='7'><body>secret</body></message>`)
	e := ItemNotFound("no <such> node").WithApp("urn:app", "gone-away")
	e.By = jid.MustParse("x")
	got := ErrorReply(orig, fmt.Errorf("pep: reading: %w", e)).String()
	want := `<message xmlns='jabber:client' to='a@x/r' from='b@x' id='7' type='error'><body>secret</body><error type='cancel' code='404' by='x'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>no &lt;such&gt; node</text><gone-away xmlns='urn:app'/></error></message>`
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	s := must(t, got)
	back := ErrorOf(s)
	if back == nil || back.Type != Cancel || !errors.Is(back, ItemNotFound("")) || back.Text != e.Text || string(back.App) != `<gone-away xmlns='urn:app'/>` {
		t.Error(back)
	}
	refused := must(t, `<message to='bob@example.org' from='alice@example.org/a' id='9' type='chat'><body>in clear</body><error type='cancel'/></message>`)
	whole := ErrorReply(refused, PolicyViolation("")).String()
	if want := `<message xmlns='jabber:client' to='alice@example.org/a' from='bob@example.org' id='9' type='error'><body>in clear</body><error type='modify'><policy-violation`; !strings.HasPrefix(whole, want) {
		t.Errorf("the message does not come back with its error: %s", whole)
	}
	if ErrorReply(s, e) != nil || ErrorReply(must(t, `<iq type='result' id='1'/>`), e) != nil {
		t.Error("an error is answered with an error")
	}
	if r := ErrorReply(orig, errors.New("the disk is full")); strings.Contains(r.String(), "disk") || ErrorOf(r).Condition != "internal-server-error" {
		t.Error(r)
	}
	if ErrorOf(orig) != nil || NewError("nonsense", "").Condition != "undefined-condition" || PolicyViolation("").WithType(Wait).Type != Wait {
		t.Error("small things")
	}
	for c, d := range defaults {
		s := must(t, `<iq type='error' id='1'>`+string(NewError(c, "").XML())+`</iq>`)
		if got := ErrorOf(s); got.Condition != c || got.Type != d.kind || got.Text != "" {
			t.Error(c, got)
		}
	}
	r := Reply(must(t, `<iq type='get' id='1' from='a@x/r' to='x'><q/></iq>`), []byte(`<q xmlns='u'/>`))
	if r.String() != `<iq xmlns='jabber:client' to='a@x/r' from='x' id='1' type='result'><q xmlns='u'/></iq>` {
		t.Error(r)
	}
}

// FuzzStanza: a stanza that is written and read again is the same; taking children out and putting them back changes nothing.
func FuzzStanza(f *testing.F) {
	for _, s := range []string{
		`<message to='a@b'><body>x</body></message>`, `<iq type='get' id='&lt;&#10;'><q xmlns='u'/></iq>`, `<o:message xmlns:o='jabber:client' xmlns='u'><a/>t<o:b/></o:message>`,
		`<presence from='A@B/c' xml:lang='x'><show>dnd</show> </presence>`, `<message><x xmlns='u'><y xmlns=''/></x></message>`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		d := xml.NewStream(xml.AfterLogin(4096))
		d.Feed([]byte(stream + in))
		d.Next()
		ev, err := d.Next()
		if err != nil || ev.Kind != xml.Item {
			return
		}
		s, err := Parse(ev.Item)
		if err != nil {
			if e := (*Error)(nil); errors.As(err, &e) {
				ErrorReply(s, e)
			}
			return
		}
		text := s.String()
		again, err := Decode([]byte(text))
		if err != nil || again.String() != text || len(again.Children()) != len(s.Children()) {
			t.Fatalf("%q gives %q, %v", text, again, err)
		}
		var cut [][]byte
		for i, c := range s.Children() {
			k := again.Children()[i]
			if k.Space != c.Space || k.Local != c.Local || string(again.Bytes(k)) != string(s.Bytes(c)) {
				t.Fatalf("child %d of %q: %v, %v", i, text, c, k)
			}
			s.Tree(c)
			cut = append(cut, s.Bytes(c))
		}
		bare := s.Without(func(Child) bool { return true })
		if len(bare.Children()) != 0 {
			t.Fatalf("children are left in %q", bare)
		}
		if joined := New(s.Kind, s.Type, s.From, s.To, s.ID, cut...); len(joined.Children()) != len(cut) {
			t.Fatalf("%q lost children of %q", joined, text)
		}
	})
}

func BenchmarkForward(b *testing.B) {
	s := must(b, `<message to='b@x' from='a@x/r' id='7'><encrypted xmlns='eu.siacs.conversations.axolotl'>`+strings.Repeat("a", 500)+`</encrypted></message>`)
	to, buf := jid.MustParse("b@x/phone"), []byte(nil)
	b.ReportAllocs()
	for b.Loop() {
		buf = s.WithTo(to).AppendTo(buf[:0], "")
	}
}

// A stanza made ready for many is written as it would be without, to whomever, and what is made of it is made of its own head.
func TestShared(t *testing.T) {
	t.Parallel()
	room, anna := jid.MustParse("room@rooms.example/it's"), jid.MustParse("anna@writ.example/phone")
	for _, in := range []string{
		`<message to='b@x' id='1' type='groupchat' xml:lang='de'>one<a xmlns='1'>u</a> <body>a &amp; b</body>two</message>`,
		`<presence id='&lt;'/>`, `<presence type='unavailable'><status>gone</status></presence>`,
	} {
		plain := must(t, in).WithFrom(room).With([]byte(`<c xmlns='3'/>`))
		ready := plain.Shared()
		if ready.Shared() != ready {
			t.Error("made twice")
		}
		for name, pair := range map[string][2]*Stanza{
			"itself": {plain, ready}, "to": {plain.WithTo(anna), ready.WithTo(anna)}, "from": {plain.WithFrom(anna), ready.WithFrom(anna)},
			"head": {plain.WithHead(anna, room, "2", Unavailable), ready.WithHead(anna, room, "2", Unavailable)}, "lang": {plain.WithLang("fr"), ready.WithLang("fr")},
			"with":    {plain.With([]byte(`<d/>`)), ready.With([]byte(`<d/>`))},
			"without": {plain.Without(func(c Child) bool { return c.Space == "3" }), ready.Without(func(c Child) bool { return c.Space == "3" })},
		} {
			if pair[0].String() != pair[1].String() || pair[0].Size() != pair[1].Size() {
				t.Errorf("%s: %s\nwant %s", name, pair[1], pair[0])
			}
			for i, c := range pair[0].Children() {
				if d := pair[1].Children()[i]; c.Local != d.Local || string(pair[0].Bytes(c)) != string(pair[1].Bytes(d)) {
					t.Errorf("%s: child %d", name, i)
				}
			}
		}
		if got, want := string(ready.AppendFor(nil, xml.Client, anna)), plain.WithTo(anna).String(); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
		c := ready.Children()
		if b := append(ready.Bytes(c[len(c)-1]), '!'); string(b) != `<c xmlns='3'/>!` || ready.String() != plain.String() {
			t.Error("a child that was appended to reached into the stanza")
		}
	}
}
