package xml

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// scanner reads one element. It may be stopped after any byte and run again when more bytes stand behind b: it works on
// whole tokens, and remembers how far it has looked for the end of the one in hand, so no byte is looked at twice for
// that. All positions count from the element's first '<'.
type scanner struct {
	b    []byte
	src  string // b as a string while a tree is built: names, values and texts are parts of it
	pos  int    // next byte to look at
	tok  int    // start of the token in hand
	mark int    // start of the quoted value or CDATA section in hand
	mode mode
	lim  Limits

	depth, elements, decls int

	outer []binding // declared around the element
	binds []bound   // declared inside it
	stack []span    // names of the open elements
	attrs []attr    // of the tag in hand
	needs []need    // declarations to bring into children
	raw   *Raw      // the index; nil while a tree is built
	head  string    // the bytes of the first tag, whose parts are Raw's strings
	cur   *Element  // innermost open element of the tree
	root  *Element
	parts []part // texts of open elements, of the innermost last

	stream  bool // the element stands in a stream, where a second open tag has an answer of its own
	once    bool // stop behind the first tag
	foreign bool // needs are sought for the element itself, against the default namespace raw.Name.Space
}

type mode uint8

const (
	inText mode = iota
	inMarkup
	inTag
	inQuote
	inCDATA
)

type part struct {
	of   *Element
	text string
}

type span struct{ lo, hi int }

type binding struct{ prefix, space string }

type bound struct {
	binding
	depth int
}

// attr is an attribute as positions; colon is 0 without a prefix. plain: the value has no reference and no white space
// that a parser would normalise. It holds no pointer, so that the garbage collector has nothing to do with it.
type attr struct {
	lo, colon, hi int
	vlo, vhi      int
	plain         bool
	space         spaceRef
}

// spaceRef says where a namespace was declared: binds[n-1], or outer[-n-1].
type spaceRef int

const (
	noSpace  spaceRef = 0
	xmlSpace spaceRef = 1 << 30   // of the prefix xml, which needs no declaration
	declared spaceRef = 1<<30 + 1 // the attribute is itself a declaration
)

type need struct {
	child int
	binding
}

// Classes of bytes in text and in attribute values.
const (
	cPlain = iota
	cOpen  // <
	cAmp   // &
	cClose // ]
	cWhite // tab, LF, CR
	cQuote // ' and "
	cBad   // control characters
	cMulti // not ASCII
)

var class = func() (t [256]uint8) {
	for i := range t {
		switch {
		case i >= utf8.RuneSelf:
			t[i] = cMulti
		case i < ' ':
			t[i] = cBad
		}
	}
	t['\t'], t['\n'], t['\r'] = cWhite, cWhite, cWhite
	t['<'], t['&'], t[']'], t['\''], t['"'] = cOpen, cAmp, cClose, cQuote, cQuote
	return t
}()

// run goes on until the element is complete (then b[:pos] is it), bytes are missing, or a rule is broken.
func (s *scanner) run() (done bool, err *Error) {
	end := min(len(s.b), s.lim.Bytes)
	for s.pos < end {
		var more bool
		switch s.mode {
		case inText:
			more, err = s.text(end)
		case inMarkup:
			more, err = s.markup(end)
		case inTag, inQuote:
			more, err = s.findTagEnd(end)
		case inCDATA:
			more, err = s.cdata(end)
		}
		if err != nil {
			return false, err
		}
		if more {
			break
		}
		if s.mode == inText && (s.depth == 0 || s.once) {
			return true, nil
		}
	}
	if end == s.lim.Bytes {
		return false, tooBig()
	}
	return false, nil
}

// text reads character data up to the next '<'. s.tok is its start.
func (s *scanner) text(end int) (more bool, err *Error) {
	b, i := s.b, s.pos
	if b[i] == '<' && i == s.tok {
		s.pos, s.mode = i+1, inMarkup
		return false, nil
	}
	if n := bytes.IndexByte(b[i:end], '<'); n > 0 && i == s.tok && readable(b[i:i+n]) {
		if s.cur != nil {
			s.parts = append(s.parts, part{s.cur, s.src[i : i+n]})
		}
		i += n
		s.tok, s.pos, s.mode = i, i+1, inMarkup
		return false, nil
	}
	for i < end {
		if i = skipPlain(b, i, end); i == end {
			break
		}
		switch class[b[i]] {
		case cPlain, cWhite, cQuote:
			i++
			continue
		case cOpen:
			if s.cur != nil && i > s.tok {
				s.parts = append(s.parts, part{s.cur, unescape(s.src[s.tok:i], false)})
			}
			s.tok, s.pos, s.mode = i, i+1, inMarkup
			return false, nil
		case cClose:
			if bytes.HasPrefix(b[i+1:end], []byte("]>")) {
				return false, malformed("']]>' in text")
			}
			if end-i < 3 && (end-i < 2 || b[i+1] == ']') {
				s.pos = i
				return true, nil
			}
			i++
		default:
			n, e := s.special(i, end)
			if e != nil {
				return false, e
			}
			if n == 0 {
				s.pos = i
				return true, nil
			}
			i += n
		}
	}
	s.pos = i
	return true, nil
}

// skipPlain passes over eight bytes at a time while none of them is a control character, '<', '&', ']', or not ASCII.
func skipPlain(b []byte, i, end int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= end; i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		lt, amp, br := w^('<'*ones), w^('&'*ones), w^(']'*ones)
		if (w|(w-' '*ones)&^w|(lt-ones)&^lt|(amp-ones)&^amp|(br-ones)&^br)&tops != 0 {
			break
		}
	}
	return i
}

// special reads a reference or a character that is not ASCII at i; 0 means that its end is not there yet.
func (s *scanner) special(i, end int) (int, *Error) {
	switch class[s.b[i]] {
	case cAmp:
		return reference(s.b[i:end])
	case cMulti:
		r, n := utf8.DecodeRune(s.b[i:end])
		if r == utf8.RuneError && n == 1 {
			if !utf8.FullRune(s.b[i:end]) {
				return 0, nil
			}
			return 0, malformed("the bytes are not UTF-8")
		}
		if r == 0xfffe || r == 0xffff {
			return 0, malformed("a character that XML does not have")
		}
		return n, nil
	}
	return 0, malformed("a control character")
}

// markup decides by the bytes after '<' what it opens.
func (s *scanner) markup(end int) (more bool, err *Error) {
	rest := s.b[s.tok:end]
	if len(rest) < 2 {
		return true, nil
	}
	const open = "<![CDATA["
	switch {
	case rest[1] == '?':
		return declaration(rest)
	case rest[1] != '!':
		if done, err := s.quick(end); done {
			return false, err
		}
		s.mode = inTag
		return false, nil
	case s.depth > 0 && bytes.HasPrefix(rest, []byte(open)):
		s.mark = s.tok + len(open)
		s.pos, s.mode = s.mark, inCDATA
		return false, nil
	case s.depth > 0 && len(rest) < len(open) && open[:len(rest)] == string(rest):
		return true, nil
	}
	return false, restricted("comments and document types are not allowed")
}

// declaration tells a late XML declaration, which is malformed, from a processing instruction, which is restricted.
func declaration(rest []byte) (more bool, err *Error) {
	const open = "<?xml"
	if len(rest) <= len(open) && open[:min(len(rest), len(open))] == string(rest) {
		return true, nil
	}
	if string(rest[:min(len(rest), len(open))]) == open && white(rest[len(open)]) {
		return false, malformed("an XML declaration that is not at the start")
	}
	return false, restricted("processing instructions are not allowed")
}

// cdata reads a CDATA section, which is text without markup (XML 1.0 §2.7).
func (s *scanner) cdata(end int) (more bool, err *Error) {
	for i := s.pos; i < end; {
		switch class[s.b[i]] {
		case cClose:
			if bytes.HasPrefix(s.b[i:end], []byte("]]>")) {
				if s.cur != nil {
					s.parts = append(s.parts, part{s.cur, newlines(s.src[s.mark:i])})
				}
				s.pos, s.tok, s.mode = i+3, i+3, inText
				return false, nil
			}
			if end-i < 3 && string(s.b[i:end]) == "]]]"[:end-i] {
				s.pos = i
				return true, nil
			}
			i++
		case cMulti, cBad:
			n, e := s.special(i, end)
			if e != nil {
				return false, e
			}
			if n == 0 {
				s.pos = i
				return true, nil
			}
			i += n
		default:
			i++
		}
		s.pos = i
	}
	return true, nil
}

// findTagEnd looks for the '>' of a tag outside quotes, then reads the tag.
func (s *scanner) findTagEnd(end int) (more bool, err *Error) {
	b := s.b
	for i := s.pos; ; {
		if s.mode == inQuote {
			n := bytes.IndexByte(b[i:end], b[s.mark])
			if n < 0 {
				n = end - i
			}
			if i+n-s.mark-1 > s.lim.AttrBytes {
				return false, violation("an attribute is too long")
			}
			if i += n; i == end {
				s.pos = i
				return true, nil
			}
			i++
			s.mode = inTag
		}
		for ; i < end; i++ {
			switch b[i] {
			case '>':
				s.pos, s.mode = i+1, inText
				if b[s.tok+1] == '/' {
					err = s.endTag(i + 1)
				} else {
					err = s.startTag(i + 1)
				}
				s.tok = i + 1
				return false, err
			case '<':
				return false, malformed("'<' inside a tag")
			case '\'', '"':
				s.mark, s.mode = i, inQuote
			}
			if s.mode == inQuote {
				break
			}
		}
		if s.mode != inQuote {
			s.pos = i
			return true, nil
		}
		i++
	}
}

// endTag closes the innermost element; b[tok:end] is the tag.
func (s *scanner) endTag(end int) *Error {
	if s.depth == 0 {
		return malformed("an end tag without a start tag")
	}
	open := s.stack[s.depth-1]
	name := s.b[s.tok+2 : end-1]
	for len(name) > 0 && white(name[len(name)-1]) {
		name = name[:len(name)-1]
	}
	if !bytes.Equal(name, s.b[open.lo:open.hi]) {
		return malformed("an end tag of another name")
	}
	s.leave(s.tok, end)
	return nil
}

// leave ends the innermost element, whose end tag is b[tok:end].
func (s *scanner) leave(tok, end int) {
	for n := len(s.binds); n > 0 && s.binds[n-1].depth == s.depth; n-- {
		s.binds[n-1] = bound{}
		s.binds = s.binds[:n-1]
	}
	if s.cur != nil {
		s.cur.raw = s.src[s.cur.at:end]
		s.joinText()
		s.cur = s.cur.parent
	}
	switch {
	case s.raw == nil, s.foreign:
	case s.depth == 1:
		s.raw.Out = tok
	case s.depth == 2:
		s.raw.Children[len(s.raw.Children)-1].End = end
	}
	s.depth--
	s.stack = s.stack[:s.depth]
}

// joinText gives the innermost element its text. Texts are joined once, at its end: adding each piece to a growing string
// would take time with the square of their number.
func (s *scanner) joinText() {
	first := len(s.parts)
	for first > 0 && s.parts[first-1].of == s.cur {
		first--
	}
	switch own := s.parts[first:]; len(own) {
	case 0:
	case 1:
		s.cur.text = own[0].text
	default:
		var all strings.Builder
		for _, p := range own {
			all.WriteString(p.text)
		}
		s.cur.text = all.String()
	}
	clear(s.parts[first:])
	s.parts = s.parts[:first]
}

func malformed(text string) *Error { return &Error{Condition: "not-well-formed", Text: text} }

func restricted(text string) *Error { return &Error{Condition: "restricted-xml", Text: text} }

func violation(text string) *Error { return &Error{Condition: "policy-violation", Text: text} }

func tooBig() *Error {
	return &Error{Condition: "policy-violation", App: "stanza-too-big", Text: "the element has too many bytes"}
}
