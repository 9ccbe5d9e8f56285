package xml

import (
	stdxml "encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestTree(t *testing.T) {
	t.Parallel()
	e, err := Parse([]byte(`<iq xml:lang='de' a="1&#10;2&quot;`+"\t"+`x"><q xmlns='urn:q' xmlns:p='urn:p'>a&lt;b<![CDATA[<c>&]]>d<p:i/>e`+"\r\nf"+`</q><q xmlns='urn:r'/><q xmlns='urn:q'/></iq>`), Client)
	if err != nil {
		t.Fatal(err)
	}
	if !e.Is(Client, "iq") || e.Attr("xml:lang") != "de" || e.Attr("a") != "1\n2\" x" || !e.HasAttr("a") || e.HasAttr("b") {
		t.Error("the root is", e)
	}
	q := e.Child("urn:q", "q")
	if q.Text() != "a<b<c>&de\nf" {
		t.Errorf("text %q", q.Text())
	}
	if len(e.All("urn:q", "q")) != 2 || q.Child("urn:p", "i") == nil || q.Child("urn:q", "i") != nil || e.First() != q {
		t.Error("children are not found")
	}
	var none *Element
	if none.Child("a", "b").Attr("c") != "" || none.Text() != "" || none.All("a", "b") != nil || none.First() != nil || none.HasAttr("x") || none.Is("", "") {
		t.Error("no element has something")
	}
}

// An element is written as it was received; only what it takes from outside is added.
func TestAppendTo(t *testing.T) {
	t.Parallel()
	e, err := Parse([]byte(`<a xmlns:p='urn:p' xmlns='urn:d'><b><p:c  d="&#65;" /></b><x xmlns='urn:x'/><p:y xmlns=''/></a>`), Client)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{`<b xmlns='urn:d' xmlns:p='urn:p'><p:c  d="&#65;" /></b>`, `<x xmlns='urn:x'/>`, `<p:y xmlns:p='urn:p' xmlns=''/>`} {
		if got := string(e.Children[i].AppendTo(nil, Client)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if got := string(e.Children[0].AppendTo(nil, "urn:d")); got != `<b xmlns:p='urn:p'><p:c  d="&#65;" /></b>` {
		t.Error(got)
	}
	if got := string(e.Children[0].Children[0].AppendTo(nil, "")); got != `<p:c xmlns:p='urn:p'  d="&#65;" />` {
		t.Error(got)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "a", " <a/>", "<a/> ", "<a/><b/>", "<a>", "</a>", "<a/>x"} {
		if _, err := Parse([]byte(s), ""); err == nil {
			t.Errorf("%q is accepted", s)
		}
		if _, err := Index([]byte(s), ""); err == nil {
			t.Errorf("%q is indexed", s)
		}
	}
}

// Whatever is put in comes out of a parser; what XML cannot carry becomes U+FFFD.
func TestBuilder(t *testing.T) {
	t.Parallel()
	nasty := "<&>'\"]]>\r\n\t\x00\x1b\uFFFE𠝹\xff"
	clean := "<&>'\"]]>\r\n\t\uFFFD\uFFFD\uFFFD𠝹\uFFFD"
	var b Builder
	b.Start("urn:a", "a", "x", nasty, "y", "").Attr("z", "").Text(nasty).Leaf("", "b", "").Empty("urn:c", "c").Raw([]byte("<d/>")).Start("", "e").Text("t")
	doc := b.Bytes()
	e, err := Parse(doc, "")
	if err != nil {
		t.Fatal(err, string(doc))
	}
	if e.Attr("x") != clean || e.HasAttr("y") || !e.HasAttr("z") || e.Text() != clean {
		t.Errorf("%s\n%q\n%q", doc, e.Attr("x"), e.Text())
	}
	if len(e.Children) != 4 || !e.Children[3].Is("urn:a", "e") || e.Children[3].Text() != "t" || b.Len() != len(doc) {
		t.Errorf("%s", doc)
	}
}

// draw writes a tree in one canonical text.
func draw(e *Element) string {
	s := fmt.Sprintf("{%s}%s", e.Name.Space, e.Name.Local)
	for _, a := range e.Attrs {
		s += fmt.Sprintf(" {%s}%s=%q", a.Name.Space, a.Name.Local, a.Value)
	}
	s += fmt.Sprintf(" %q(", e.text)
	for _, c := range e.Children {
		s += draw(c)
	}
	return s + ")"
}

// foreignTree is what encoding/xml in strict mode makes of a document. Attribute values are compared as XML 1.0 §3.3.3
// normalises them, which encoding/xml leaves out: the caller avoids raw white space in them.
func foreignTree(doc string) (*Element, error) {
	d := stdxml.NewDecoder(strings.NewReader(doc))
	var root, cur *Element
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) && root != nil && cur == nil {
			return root, nil
		} else if err != nil {
			return nil, err
		}
		switch x := tok.(type) {
		case stdxml.StartElement:
			e := &Element{Name: Name(x.Name), parent: cur}
			for _, a := range x.Attr {
				if a.Name.Space == "xmlns" || a.Name == (stdxml.Name{Local: "xmlns"}) {
					continue
				}
				if a.Name.Space == "xml" {
					a.Name.Space = xmlNS
				}
				e.Attrs = append(e.Attrs, Attr{Name(a.Name), a.Value})
			}
			if cur != nil {
				cur.Children = append(cur.Children, e)
			} else {
				root = e
			}
			cur = e
		case stdxml.EndElement:
			cur = cur.parent
		case stdxml.CharData:
			if cur != nil {
				cur.text += string(x)
			}
		}
	}
}

// FuzzDecoder: what we accept, encoding/xml in strict mode accepts too and reads the same tree; the pieces in which the
// bytes come do not matter; every child stands on its own; limits hold.
func FuzzDecoder(f *testing.F) {
	for _, s := range []string{
		`<a/>`, `<message to='a@b'><body>x &amp; y</body></message>`, `<p:a xmlns:p='u'><p:b p:c='d'/></p:a>`,
		`<a xmlns='u'><b xmlns=''/><c xml:lang='x'/></a>`, `<a><![CDATA[x]]]]></a>`, "<a b='\t\r\n'>\r\n\r</a>", `<a>&#x10FFFF;&#9;</a>`,
		`<a xmlns:xml='http://www.w3.org/XML/1998/namespace'/>`, `<é/>`, `<a b = "c" ></a >`, "<a>\u0085\u2028</a>", `<a>]]</a>`,
		`<a xmlns:x='u' xmlns:y='u' x:b='1' y:b='2'/>`, `<a><!--x--></a>`, `<a><?x?></a>`, `<!DOCTYPE a><a/>`, "<a>\xc0\xbc</a>",
	} {
		f.Add(s, 3)
	}
	f.Fuzz(func(t *testing.T, doc string, piece int) {
		d := &Decoder{lim: AfterLogin(4096), ctx: []binding{{"", Client}, {"stream", Stream}, {"o", "urn:o"}}, root: "stream:stream", state: between}
		d.Feed([]byte(doc))
		ev, err := d.Next()
		if err != nil || ev.Kind != Item {
			return
		}
		r := ev.Item
		doc = doc[:len(doc)-d.Pending()]
		if len(doc) > 4096 || len(r.Bytes) > 4096+64 {
			t.Fatalf("%d bytes passed the limit", len(doc))
		}
		again := &Decoder{lim: d.lim, ctx: d.ctx, root: d.root, state: between}
		got, err := events(again, doc, max(1, piece%64))
		if err != nil || len(got) != 1 || got[0] != describe(ev) {
			t.Fatalf("in pieces: %v %v\nwhole: %s", got, err, describe(ev))
		}
		mine := draw(r.Tree())
		wrapped := `<w xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' xmlns:o='urn:o'>` + string(r.Bytes) + `</w>`
		w, err := foreignTree(wrapped)
		if err != nil {
			t.Fatalf("encoding/xml refuses %q: %v", r.Bytes, err)
		}
		if theirs := draw(w.Children[0]); theirs != mine && !strings.ContainsAny(doc, "\t\r\n") {
			t.Fatalf("%q\nwe read      %s\nencoding/xml %s", doc, mine, theirs)
		}
		for i, c := range r.Children {
			child, err := Parse(r.Bytes[c.Start:c.End], r.Content)
			if err != nil {
				t.Fatalf("child %q alone: %v", r.Bytes[c.Start:c.End], err)
			}
			if in := r.Tree().Children[i]; draw(in) != draw(child) || child.Name != (Name{c.Space, c.Local}) {
				t.Fatalf("child alone %s\nin place %s", draw(child), draw(in))
			}
			for _, g := range child.Children {
				alone, err := Parse(g.AppendTo(nil, "urn:z"), "urn:z")
				if err != nil || draw(alone) != draw(g) {
					t.Fatalf("grandchild written: %v\n%s\n%s", err, draw(alone), draw(g))
				}
			}
		}
	})
}

// FuzzBuilder: any text survives.
func FuzzBuilder(f *testing.F) {
	f.Add("<&>'\"]]>\r\n\t\x00", "a")
	f.Fuzz(func(t *testing.T, text, attr string) {
		var b Builder
		doc := string(b.Start("u", "a").Attr("b", attr).Text(text).Bytes())
		e, err := Parse([]byte(doc), "")
		if err != nil {
			t.Fatal(err)
		}
		other, err := foreignTree(doc)
		if err != nil || draw(other) != draw(e) {
			t.Fatalf("%v %q", err, doc)
		}
	})
}

const omemo = `<message type='chat' to='bob@writ.example' from='alice@writ.example/phone' id='0f2c6a1e-8a0b-4a3e-9f4f-3c1d2b4a5e6f'><encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1234567890'><key rid='1122334455'>MwohBQm0Ul1mZJmN0u2bQpTt7dYy3wZ5r0nq5V1n2m3oEAAYACIwq5x1l1mYp0r7QeUqv1Yy8fZ0dM2mT3pX4sK5tV6uW7xY8zA9bB0cC1dD2eE</key><key rid='5544332211' prekey='true'>MwohBQm0Ul1mZJmN0u2bQpTt7dYy3wZ5r0nq5V1n2m3oEAAYACIwq5x1l1mYp0r7QeUqv1Yy8fZ0dM2mT3pX4sK5tV6uW7xY</key><iv>q83vEjRWeJCrze8S</iv></header><payload>3q2+796tvu/erb7v3q2+796tvu8=</payload></encrypted><store xmlns='urn:xmpp:hints'/><encryption xmlns='urn:xmpp:eme:0' namespace='eu.siacs.conversations.axolotl' name='OMEMO'/></message>`

func BenchmarkDecoder(b *testing.B) {
	d := NewStream(AfterLogin(256 << 10))
	d.Feed([]byte(head))
	d.Next()
	in := []byte(omemo)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		d.Feed(in)
		if ev, err := d.Next(); err != nil || ev.Kind != Item {
			b.Fatal(ev, err)
		}
	}
}

func BenchmarkTree(b *testing.B) {
	in := []byte(omemo)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(in, Client); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStandardLibrary is the yardstick: the tokens of encoding/xml, without a tree.
func BenchmarkStandardLibrary(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		d := stdxml.NewDecoder(strings.NewReader(omemo))
		for {
			if _, err := d.Token(); err != nil {
				break
			}
		}
	}
}
