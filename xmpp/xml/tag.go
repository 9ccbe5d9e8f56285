package xml

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// startTag reads a start tag or empty-element tag; b[tok:end] is it.
func (s *scanner) startTag(end int) *Error {
	b, e := s.b, end-1
	empty := b[e-1] == '/'
	if empty {
		e--
	}
	if err := s.opens(); err != nil {
		return err
	}
	colon, hi, err := name(b, s.tok+1, e)
	if err != nil {
		return err
	}
	s.attrs = s.attrs[:0]
	if err := s.readAttrs(hi, e); err != nil {
		return err
	}
	return s.named(colon, hi, end, empty)
}

// opens counts an element.
func (s *scanner) opens() *Error {
	if s.elements++; s.elements > s.lim.Elements {
		return violation("too many elements")
	}
	if s.depth++; s.depth > s.lim.Depth {
		return violation("elements are nested too deep")
	}
	return nil
}

// named goes on when the name of a start tag, which ends at hi, and its attributes have been read; b[tok:end] is the tag.
func (s *scanner) named(colon, hi, end int, empty bool) *Error {
	s.stack = append(s.stack, span{s.tok + 1, hi})
	if s.depth == 1 && s.src == "" {
		s.head = string(s.b[:end])
	}
	if len(s.attrs) > 0 {
		if err := s.declare(); err != nil {
			return err
		}
	}
	n, err := s.elementName(s.tok+1, colon, hi)
	if err != nil {
		return err
	}
	if len(s.attrs) > 0 {
		if err := s.attrNames(); err != nil {
			return err
		}
	}
	s.enter(n, end)
	if empty {
		s.leave(end, end)
	}
	return nil
}

// readAttrs reads the attributes between the name and the tag's end.
func (s *scanner) readAttrs(i, e int) *Error {
	b := s.b
	for {
		j := skipWhite(b, i, e)
		if j == e {
			return nil
		}
		if j == i {
			return malformed("no white space before an attribute")
		}
		if len(s.attrs) == s.lim.Attrs {
			return violation("too many attributes")
		}
		colon, hi, err := name(b, j, e)
		if err != nil {
			return err
		}
		a := attr{lo: j, colon: colon, hi: hi}
		if i = skipWhite(b, hi, e); i == e || b[i] != '=' {
			return malformed("an attribute without a value")
		}
		if i = skipWhite(b, i+1, e); i == e || b[i] != '\'' && b[i] != '"' {
			return malformed("an attribute's value without quotes")
		}
		a.vlo = i + 1
		if a.vhi, a.plain, err = s.value(i+1, e, b[i]); err != nil {
			return err
		}
		i = a.vhi + 1
		s.attrs = append(s.attrs, a)
	}
}

// value reads up to the closing quote.
func (s *scanner) value(i, e int, quote byte) (hi int, plain bool, err *Error) {
	plain = true
	for i < e {
		switch class[s.b[i]] {
		case cPlain, cClose:
			i++
		case cQuote:
			if s.b[i] == quote {
				return i, plain, nil
			}
			i++
		case cWhite:
			plain = false
			i++
		case cOpen:
			return 0, false, malformed("'<' in an attribute")
		default:
			if s.b[i] == '&' {
				plain = false
			}
			n, err := s.special(i, e)
			if err != nil {
				return 0, false, err
			}
			if n == 0 {
				return 0, false, malformed("a reference or a character that is cut short")
			}
			i += n
		}
	}
	return 0, false, malformed("an attribute without a closing quote")
}

// declare takes up the namespace declarations of the tag (Namespaces in XML 1.0 §3).
func (s *scanner) declare() *Error {
	for i := range s.attrs {
		a := &s.attrs[i]
		prefix := ""
		switch {
		case a.colon == 0 && string(s.b[a.lo:a.hi]) == "xmlns":
		case a.colon != 0 && string(s.b[a.lo:a.colon]) == "xmlns":
			prefix = s.string(a.colon+1, a.hi)
		default:
			continue
		}
		if s.decls++; s.decls > s.lim.Decls {
			return violation("too many namespace declarations")
		}
		space, ok := "", false
		if a.plain {
			space, ok = known[string(s.b[a.vlo:a.vhi])] // and so a URI
		}
		if !ok {
			space = s.valueOf(a)
		}
		switch {
		case prefix == "xmlns", space == xmlnsNS:
			return malformed("the prefix xmlns cannot be declared")
		case (prefix == "xml") != (space == xmlNS):
			return malformed("the prefix xml cannot be declared anew")
		case prefix != "" && space == "":
			return malformed("a prefix without a namespace")
		case !ok && !uri(space) && s.depth == 1:
			return &Error{Condition: "unsupported-stanza-type", Text: "a namespace that is no URI"}
		case !ok && !uri(space):
			return malformed("a namespace that is no URI")
		}
		for n := len(s.binds) - 1; n >= 0 && s.binds[n].depth == s.depth; n-- {
			if s.binds[n].prefix == prefix {
				return malformed("an attribute twice")
			}
		}
		s.binds = append(s.binds, bound{binding{prefix, space}, s.depth})
		a.space = declared
	}
	return nil
}

// uri reports that a namespace has no character that a URI or IRI cannot have. Parsers put namespace and name together with one of
// those between (expat with a space, a line feed or '}', as an app chose) and, since CVE-2022-25236, refuse a namespace that
// holds it: whoever receives such a stanza would lose the stream, again at each fetch of the archive.
func uri(s string) bool {
	for i := 0; i < len(s); i++ {
		if notInURI[s[i]] {
			return false
		}
	}
	return true
}

var notInURI = func() (t [256]bool) {
	for c := range t {
		t[c] = c <= ' ' || c == 0x7f || strings.IndexByte("<>\"{}|\\^`", byte(c)) >= 0
	}
	return t
}()

// elementName resolves the name of the element in hand.
func (s *scanner) elementName(lo, colon, hi int) (Name, *Error) {
	prefix, local := s.b[lo:lo], lo
	if colon != 0 {
		prefix, local = s.b[lo:colon], colon+1
	}
	ref, ok := s.resolve(prefix)
	space := s.space(ref)
	if !ok {
		if s.depth == 1 && string(prefix) == "stream" {
			return Name{}, &Error{Condition: "bad-namespace-prefix", Text: "the prefix stream is not declared"}
		}
		return Name{}, malformed("a prefix that is not declared")
	}
	if s.outside(ref) && (colon != 0 || space != s.raw.Name.Space) {
		s.want(prefix, space)
	}
	if s.raw != nil && s.depth > 2 {
		return Name{}, nil // nobody asks
	}
	n := Name{space, s.string(local, hi)}
	if s.stream && s.depth == 1 && n.Space == Stream && n.Local == "stream" {
		return n, &Error{Condition: "unsupported-stanza-type", Text: "a stream inside a stream"}
	}
	return n, nil
}

// attrNames resolves the prefixes of the attributes and refuses two of the same name.
func (s *scanner) attrNames() *Error {
	for i := range s.attrs {
		a := &s.attrs[i]
		if a.colon != 0 && a.space != declared {
			ref, ok := s.resolve(s.b[a.lo:a.colon])
			if !ok {
				return malformed("a prefix that is not declared")
			}
			if a.space = ref; s.outside(ref) {
				s.want(s.b[a.lo:a.colon], s.space(ref))
			}
		}
		for k := range s.attrs[:i] {
			if s.sameName(&s.attrs[k], a) {
				return malformed("an attribute twice")
			}
		}
	}
	return nil
}

func (s *scanner) sameName(a, b *attr) bool {
	if a.hi-a.lo == b.hi-b.lo && bytes.Equal(s.b[a.lo:a.hi], s.b[b.lo:b.hi]) {
		return true
	}
	return a.colon != 0 && b.colon != 0 && a.space != declared && b.space != declared && s.space(a.space) == s.space(b.space) &&
		bytes.Equal(s.b[a.colon+1:a.hi], s.b[b.colon+1:b.hi])
}

// resolve finds where a prefix was declared, innermost first.
func (s *scanner) resolve(prefix []byte) (spaceRef, bool) {
	for i := len(s.binds) - 1; i >= 0; i-- {
		if p := s.binds[i].prefix; len(p) == len(prefix) && (len(p) == 0 || p == string(prefix)) {
			return spaceRef(i + 1), true
		}
	}
	if string(prefix) == "xml" {
		return xmlSpace, true
	}
	for i := range s.outer {
		if s.outer[i].prefix == string(prefix) {
			return spaceRef(-i - 1), true
		}
	}
	return noSpace, len(prefix) == 0
}

func (s *scanner) space(r spaceRef) string {
	switch {
	case r == noSpace:
		return ""
	case r == xmlSpace:
		return xmlNS
	case r > 0:
		return s.binds[r-1].space
	}
	return s.outer[-r-1].space
}

// outside reports that a declaration, or the lack of one, stands outside the child in hand.
func (s *scanner) outside(r spaceRef) bool {
	switch {
	case r == xmlSpace:
		return false
	case s.foreign:
		return r <= 0
	}
	return s.raw != nil && s.depth > 1 && (r <= 0 || s.binds[r-1].depth == 1)
}

// want notes that the child in hand uses a declaration that stands outside it.
func (s *scanner) want(prefix []byte, space string) {
	child := len(s.raw.Children) - 1
	if s.foreign {
		child = 0
	} else if s.depth == 2 {
		child++ // it is entered after its names are resolved
	}
	for i := len(s.needs) - 1; i >= 0 && s.needs[i].child == child; i-- {
		if s.needs[i].prefix == string(prefix) {
			return
		}
	}
	s.needs = append(s.needs, need{child, binding{string(prefix), space}})
}

// enter opens an element whose tag ends at end.
func (s *scanner) enter(n Name, end int) {
	switch {
	case s.raw == nil:
		s.grow(n)
	case s.foreign:
	case s.depth == 1:
		s.raw.Name, s.raw.In, s.raw.Out = n, end, end
		s.raw.Attrs = s.plainAttrs()
	case s.depth == 2:
		if s.raw.Children == nil {
			s.raw.Children = make([]Child, 0, 4)
		}
		s.raw.Children = append(s.raw.Children, Child{Space: n.Space, Local: n.Local, Start: s.tok})
	}
}

// grow adds an element to the tree.
func (s *scanner) grow(n Name) {
	e := &Element{Name: n, Attrs: s.plainAttrs(), parent: s.cur, at: s.tok}
	for i := len(s.binds) - 1; i >= 0 && s.binds[i].depth == s.depth; i-- {
		e.decls = append(e.decls, s.binds[i].binding)
	}
	if s.cur == nil {
		s.root = e
		e.outer = s.outer
	} else {
		s.cur.Children = append(s.cur.Children, e)
	}
	s.cur = e
}

// plainAttrs are the attributes of the tag in hand that are no declarations.
func (s *scanner) plainAttrs() []Attr {
	n := 0
	for i := range s.attrs {
		if s.attrs[i].space != declared {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	out := make([]Attr, 0, n)
	for i := range s.attrs {
		if a := &s.attrs[i]; a.space != declared {
			lo := a.lo
			if a.colon != 0 {
				lo = a.colon + 1
			}
			out = append(out, Attr{Name{s.space(a.space), s.string(lo, a.hi)}, s.valueOf(a)})
		}
	}
	return out
}

func (s *scanner) valueOf(a *attr) string {
	v := s.string(a.vlo, a.vhi)
	if a.plain {
		return v
	}
	return unescape(v, true)
}

// string is a part of b, without a copy where one is at hand.
func (s *scanner) string(lo, hi int) string {
	switch {
	case s.src != "":
		return s.src[lo:hi]
	case hi <= len(s.head):
		return s.head[lo:hi]
	}
	return intern(s.b[lo:hi])
}

// name reads a qualified name (Namespaces in XML 1.0 §4); colon is 0 without a prefix.
func name(b []byte, i, e int) (colon, hi int, err *Error) {
	first := true // a name, or its local part, begins here
	for i < e {
		switch k := nameClass[b[i]]; {
		case k == nameStart || k == nameRest && !first:
			i++
			first = false
			continue
		case k == nameColon:
			if first || colon != 0 {
				return 0, 0, malformed("a colon at a wrong place")
			}
			colon, first = i, true
			i++
			continue
		case k == nameMulti:
			if n := letter(b[i:e]); n > 0 {
				i += n
				first = false
				continue
			}
		}
		break
	}
	if first {
		return 0, 0, malformed("a name that is none")
	}
	return colon, i, nil
}

// Classes of bytes in names.
const (
	nameStart = 1 + iota
	nameRest  // not at the start
	nameColon
	nameMulti
)

var nameClass = func() (t [256]uint8) {
	for c := range t {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
			t[c] = nameStart
		case '0' <= c && c <= '9', c == '-', c == '.':
			t[c] = nameRest
		case c == ':':
			t[c] = nameColon
		case c >= utf8.RuneSelf:
			t[c] = nameMulti
		}
	}
	return t
}()

// letter is the length of the letter beyond ASCII at the start of b, or 0.
func letter(b []byte) int {
	r, n := utf8.DecodeRune(b)
	for _, l := range letters {
		if l.lo <= r && r <= l.hi {
			return n
		}
	}
	return 0
}

// letters are characters beyond ASCII that a name may have in the fourth and in the fifth edition of XML 1.0. Parsers
// follow the one or the other: what only one of them reads would end the stream of whoever receives it.
var letters = []struct{ lo, hi rune }{
	{0xc0, 0xd6}, {0xd8, 0xf6}, {0xf8, 0x131}, {0x134, 0x13e}, {0x141, 0x148}, {0x14a, 0x17e}, {0x391, 0x3a1}, {0x3a3, 0x3ce},
	{0x401, 0x40c}, {0x40e, 0x44f}, {0x451, 0x45c}, {0x5d0, 0x5ea}, {0x621, 0x63a}, {0x641, 0x64a}, {0x905, 0x939},
	{0xe01, 0xe2e}, {0x3041, 0x3094}, {0x30a1, 0x30fa}, {0x4e00, 0x9fa5}, {0xac00, 0xd7a3},
}

func white(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func skipWhite(b []byte, i, e int) int {
	for i < e && white(b[i]) {
		i++
	}
	return i
}

// reference reads "&name;" or "&#n;" at the start of b; 0 means that its end is not there yet.
func reference(b []byte) (int, *Error) {
	const longest = 12 // &#x0010FFFF;
	end := bytes.IndexByte(b[:min(len(b), longest)], ';')
	if end < 0 {
		if len(b) < longest && !bytes.ContainsAny(b[1:], "<>&'\" ") {
			return 0, nil
		}
		return 0, malformed("'&' that begins no reference")
	}
	if r, ok := entity(string(b[1:end])); !ok {
		if b[1] == '#' || end == 1 {
			return 0, malformed("a reference to no character")
		}
		return 0, restricted("an entity that is not predefined")
	} else if r == 0 {
		return 0, malformed("a reference to no character")
	}
	return end + 1, nil
}

// entity gives the character of a reference's inside.
func entity(s string) (rune, bool) {
	switch s {
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "amp":
		return '&', true
	case "apos":
		return '\'', true
	case "quot":
		return '"', true
	}
	digits, isChar := strings.CutPrefix(s, "#")
	base := rune(10)
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	if !isChar || digits == "" {
		return 0, false
	}
	r := rune(0)
	for i := 0; i < len(digits); i++ {
		d := strings.IndexByte("0123456789abcdef", digits[i]|0x20)
		if digits[i] < '0' || d < 0 || rune(d) >= base {
			return 0, false
		}
		if r = r*base + rune(d); r > utf8.MaxRune {
			return 0, false
		}
	}
	if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r >= 0xd800 && r < 0xe000 || r == 0xfffe || r == 0xffff {
		return 0, false
	}
	return r, true
}

// unescape resolves the references that the scanner has checked, and normalises white space as XML 1.0 §2.11 and, in
// attributes, §3.3.3 say.
func unescape(s string, attr bool) string {
	i := 0
	for i < len(s) && !unescaped[s[i]] {
		i++
	}
	if i == len(s) {
		return s
	}
	out := append(make([]byte, 0, len(s)), s[:i]...)
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case c == '&':
			end := strings.IndexByte(s[i:], ';')
			r, _ := entity(s[i+1 : i+end])
			out = utf8.AppendRune(out, r)
			i += end
		case c == '\r':
			if i+1 < len(s) && s[i+1] == '\n' {
				i++
			}
			if c = '\n'; attr {
				c = ' '
			}
			out = append(out, c)
		case attr && white(c):
			out = append(out, ' ')
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

// unescaped are the characters for which unescape may have to do something.
var unescaped = [256]bool{'&': true, '\r': true, '\n': true, '\t': true}

// newlines normalises the line ends of a CDATA section, in which '&' is only '&'.
func newlines(s string) string {
	if strings.IndexByte(s, '\r') < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}
