package xml

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
)

// Whoever receives a stanza reads it with another parser than ours. If one of them read another tree, an element could be
// smuggled past the server's rules (CVE-2022-22784). So some thousand documents that the decoder accepts are read again by expat,
// libxml2 and encoding/xml: all must accept each and read the same.
func TestOtherParsersReadTheSame(t *testing.T) {
	t.Parallel()
	docs := accepted(5000)
	for name, read := range map[string]func([]string) ([]*Element, error){"expat": readExpat, "libxml2": readLibxml2, "encoding/xml": readStd} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wrapped := make([]string, len(docs))
			for i, d := range docs {
				wrapped[i] = "<w xmlns='jabber:client' xmlns:stream='" + Stream + "' xmlns:o='urn:o'>" + d.doc + "</w>"
			}
			roots, err := read(wrapped)
			if err != nil {
				t.Fatal(err)
			}
			if len(roots) != len(docs) {
				t.Fatalf("%d of %d documents", len(roots), len(docs))
			}
			for i, r := range roots {
				if name == "encoding/xml" && strings.ContainsAny(docs[i].doc, "\r\n\t") {
					continue // it does not normalise attributes (XML 1.0 §3.3.3)
				}
				if got, want := draw(r.Children[0]), draw(docs[i].tree); got != want || len(r.Children) != 1 {
					t.Fatalf("%q\nwe read %s\n%s reads %s", docs[i].doc, want, name, got)
				}
			}
		})
	}
}

type sample struct {
	doc  string
	tree *Element
}

// accepted makes documents by changing valid ones at random, with a fixed seed, and keeps those that the decoder accepts.
func accepted(n int) []sample {
	seeds := []string{omemo, `<message to='a@b'><body>x &amp; y</body><x xmlns='u'><![CDATA[a]]></x></message>`, `<p:a xmlns:p='u'><p:b p:c='d'/></p:a>`,
		`<a xmlns='u'><b xmlns=''/><c xml:lang='x'>é𠝹</c></a>`, `<iq type='get' id='1'><q xmlns="urn:x" a=">"/></iq>`, `<o:a><o:b stream:c='1'/>]] &gt;</o:a>`}
	pieces := []string{"<", ">", "/>", "</a>", "<a>", "<b/>", "'", "\"", "=", " ", "\t", "\r\n", "\r", "&", "&lt;", "&#65;", "&#x9;", "&#13;", "&#10;", ";", "xmlns='u'", " xmlns:p='v'", "p:", "o:",
		"stream:", "xml:lang='x'", " a='1'", "<![CDATA[", "]]>", "]]", "<!--x-->", "<?x?>", "\x00", "\x01", "\x7f", "\u0085", "\u2028", "\uFFFD", "\uFFFE", "é", "\u00b7", "\u2c00", "𠝹", "\xc3", "\xed\xa0\x80", ":", "0", "-", "<é/>", "<_a.-0/>"}
	r := rand.New(rand.NewPCG(1, 2))
	seen := map[string]bool{}
	var out []sample
	for len(out) < n {
		doc := seeds[r.IntN(len(seeds))]
		if len(out) > 100 && r.IntN(2) == 0 {
			doc = out[r.IntN(len(out))].doc
		}
		for range 1 + r.IntN(3) {
			i := r.IntN(len(doc) + 1)
			j := min(len(doc), i+r.IntN(4)*r.IntN(2))
			doc = doc[:i] + pieces[r.IntN(len(pieces))] + doc[j:]
		}
		if seen[doc] || len(doc) > 2000 {
			continue
		}
		seen[doc] = true
		d := &Decoder{lim: AfterLogin(4096), ctx: []binding{{"", Client}, {"stream", Stream}, {"o", "urn:o"}}, root: "stream:stream", state: between}
		d.Feed([]byte(doc))
		if ev, err := d.Next(); err == nil && ev.Kind == Item && d.Pending() == 0 {
			out = append(out, sample{doc, ev.Item.Tree()})
		}
	}
	return out
}

// expat is Python's, as the apps use it: namespaces on, text and attributes as they come.
const expat = `
import json, sys
from xml.parsers import expat
def name(n):
    space, _, local = n.rpartition('\n')
    return [space, local]
def read(doc):
    root, stack = [], []
    def start(n, attrs):
        e = [name(n), [[name(attrs[i]), attrs[i+1]] for i in range(0, len(attrs), 2)], [], []]
        (stack[-1][3] if stack else root).append(e)
        stack.append(e)
    p = expat.ParserCreate(namespace_separator='\n')
    p.ordered_attributes = True
    p.StartElementHandler, p.EndElementHandler, p.CharacterDataHandler = start, lambda n: stack.pop(), lambda s: stack[-1][2].append(s)
    try:
        p.Parse(doc.encode(), True)
    except expat.ExpatError as e:
        sys.exit(repr(doc) + ': ' + str(e))
    return root[0]
json.dump([read(d) for d in json.load(sys.stdin)], sys.stdout)
`

func readExpat(docs []string) ([]*Element, error) {
	in, err := json.Marshal(docs)
	if err != nil {
		return nil, err
	}
	out, err := output(exec.Command("python3", "-c", expat), string(in))
	if err != nil {
		return nil, err
	}
	var trees []any
	if err := json.Unmarshal(out, &trees); err != nil {
		return nil, err
	}
	var roots []*Element
	for _, v := range trees {
		roots = append(roots, fromJSON(v))
	}
	return roots, nil
}

func fromJSON(v any) *Element {
	f := v.([]any)
	name := func(v any) Name { n := v.([]any); return Name{n[0].(string), n[1].(string)} }
	e := &Element{Name: name(f[0])}
	for _, a := range f[1].([]any) {
		e.Attrs = append(e.Attrs, Attr{name(a.([]any)[0]), a.([]any)[1].(string)})
	}
	for _, s := range f[2].([]any) {
		e.text += s.(string)
	}
	for _, c := range f[3].([]any) {
		e.Children = append(e.Children, fromJSON(c))
	}
	return e
}

// readLibxml2 has libxml2 parse all documents as one and write what it read; encoding/xml reads that.
func readLibxml2(docs []string) ([]*Element, error) {
	out, err := output(exec.Command("xmllint", "--nonet", "--nocdata", "-"), "<all>"+strings.Join(docs, "")+"</all>")
	if err != nil {
		return nil, err
	}
	root, err := foreignTree(string(out))
	if err != nil {
		return nil, err
	}
	return root.Children, nil
}

func readStd(docs []string) ([]*Element, error) {
	var roots []*Element
	for _, d := range docs {
		r, err := foreignTree(d)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", d, err)
		}
		roots = append(roots, r)
	}
	return roots, nil
}

func output(c *exec.Cmd, in string) ([]byte, error) {
	var errs bytes.Buffer
	c.Stdin, c.Stderr = strings.NewReader(in), &errs
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %.500s", c.Path, err, errs.String())
	}
	return out, nil
}
