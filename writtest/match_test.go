package writtest

import (
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ pattern, got, fault string }{
		{"<message><body>hi</body></message>", "<message from='a' to='b' id='1' xml:lang='de'><body>hi</body></message>", ""},
		{"<message from='{alice}'/>", "<message from='alice@x/y'/>", ""},
		{"<message from='{alice}'/>", "<message from='bob@x/y'/>", `the attribute from is "bob@x/y"`},
		{"<message id='{id}'><a xmlns='u' id='{id}'/></message>", "<message id='1'><a xmlns='u' id='1'/></message>", ""},
		{"<message id='{id}'><a xmlns='u' id='{id}'/></message>", "<message id='1'><a xmlns='u' id='2'/></message>", `awaited`},
		{"<message type='{-}'/>", "<message/>", ""},
		{"<message type='{-}'/>", "<message type='chat'/>", "must not be there"},
		{"<message/>", "<message type='chat'/>", "was not awaited"},
		{"<message/>", "<message><body/></message>", "a child"},
		{"<message>...</message>", "<message type='chat'><body/></message>", ""},
		{"<message><body>a{*}c</body>...</message>", "<message><x xmlns='u'/><body>abbc</body></message>", ""},
		{"<message><b/><a/></message>", "<message><a/><b/></message>", ""},
		{"<message><a x='1'/><a x='2'/></message>", "<message><a x='2'/><a x='1'/></message>", ""},
		{"<message><a/><a/></message>", "<message><a/></message>", "no child a"},
		{"<message><body>x</body></message>", "<message><body>y</body></message>", "the text"},
		{"<message/>", "<presence/>", "where"},
		{"<message/>", "<message xmlns='u'/>", "where"},
		{"<iq><q xmlns='u'><a from='1'/></q></iq>", "<iq><q xmlns='u'><a from='1' id='2'/></q></iq>", "was not awaited"},
	} {
		p, err := pattern(c.pattern)
		if err != nil {
			t.Fatal(c.pattern, err)
		}
		g, err := pattern(c.got)
		if err != nil {
			t.Fatal(c.got, err)
		}
		v := vars{"alice": "alice@x/y"}
		d := v.match(p[0], g[0])
		if (c.fault == "") != (d == "") || !strings.Contains(d, c.fault) {
			t.Errorf("%s and %s: %q, not %q", c.pattern, c.got, d, c.fault)
		}
		if d != "" && len(v) != 1 {
			t.Errorf("%s: names were taken although it does not match: %v", c.pattern, v)
		}
	}
}

func TestFill(t *testing.T) {
	t.Parallel()
	v := vars{"a": "<'&>"}
	if s, err := v.fill("<m x='{a}'>{a} {1} {}</m>"); s != "<m x='&lt;&apos;&amp;&gt;'>&lt;&apos;&amp;&gt; {1} {}</m>" || err != nil {
		t.Error(s, err)
	}
	if _, err := v.fill("{b}"); err == nil {
		t.Error("a name without a text was sent")
	}
}

func TestParseScript(t *testing.T) {
	t.Parallel()
	_, err := parseScript("# title\nclient alice\nclient phone of alice\naccount carol\n\nalice connects\nalice connects resumable\nalice -> <a>\n  <b/></a>\nalice <- {\n  <a/>\n  <b/>\n}\nphone is closed with policy-violation\nphone receives nothing\n")
	if err == nil {
		t.Error("a '}' at the start of a line is no statement")
	}
	s, err := parseScript("# title\nclient alice\nclient phone of alice\naccount carol\n\nalice connects\nalice connects resumable\nalice -> <a>\n  <b/></a>\nalice <- {\n  <a/>\n  <b/>\n  }\nphone is closed with policy-violation\nphone receives nothing\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []statement{{6, "alice", "connects", ""}, {7, "alice", "connects resumable", ""}, {8, "alice", "->", "<a>\n<b/></a>"}, {10, "alice", "<-", "{\n<a/>\n<b/>\n}"},
		{14, "phone", "is closed with", "policy-violation"}, {15, "phone", "receives nothing", ""}}
	if len(s.clients) != 2 || s.clients[1] != (person{"phone", "alice"}) || len(s.accounts) != 1 || s.own || len(s.steps) != len(want) {
		t.Fatal(s)
	}
	for i := range want {
		if s.steps[i] != want[i] {
			t.Errorf("%+v, not %+v", s.steps[i], want[i])
		}
	}
	if s, err := parseScript("config a.b = 1\nadvance 7d\n"); err != nil || !s.own || !s.clock || s.config[0] != "a.b = 1" {
		t.Error(s, err)
	}
	for _, bad := range []string{"", "client a", "bob connects", "client a\na dances", "client a\na connectsX"} {
		if _, err := parseScript(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
