package xml

import (
	"unicode/utf8"
)

// Builder writes XML. Element and attribute names come from the source of this program or from parsed names; all values
// are escaped. The zero value is ready.
//
//	var b xml.Builder
//	b.Start("jabber:iq:version", "query").Start("", "name").Text(name).End().End()
//	payload := b.Bytes()
type Builder struct {
	buf   []byte
	open  bool     // the last start tag lacks its '>'
	stack []string // names of open elements
}

// Start opens an element. An empty space writes no declaration: the element is in the namespace around it.
// attrs are pairs of name and value; a pair with an empty value is left out.
func (b *Builder) Start(space, local string, attrs ...string) *Builder {
	b.closeTag()
	b.buf = append(append(b.buf, '<'), local...)
	b.open = true
	b.stack = append(b.stack, local)
	if space != "" {
		b.Attr("xmlns", space)
	}
	for i := 0; i+1 < len(attrs); i += 2 {
		if attrs[i+1] != "" {
			b.Attr(attrs[i], attrs[i+1])
		}
	}
	return b
}

// Empty is Start and End.
func (b *Builder) Empty(space, local string, attrs ...string) *Builder {
	return b.Start(space, local, attrs...).End()
}

// Leaf is Start, Text and End; without text it is Empty.
func (b *Builder) Leaf(space, local, text string, attrs ...string) *Builder {
	return b.Start(space, local, attrs...).Text(text).End()
}

// Attr adds an attribute to the element just started, also an empty one. It panics after content was written: that is a
// fault of the program, never of input.
func (b *Builder) Attr(name, value string) *Builder {
	if !b.open {
		panic("xml: attribute outside a start tag")
	}
	b.buf = AppendAttr(b.buf, name, value)
	return b
}

// Text adds character data.
func (b *Builder) Text(s string) *Builder {
	if s != "" {
		b.closeTag()
		b.buf = AppendText(b.buf, s)
	}
	return b
}

// Raw adds bytes that are already XML: what this package wrote or accepted.
func (b *Builder) Raw(p []byte) *Builder {
	if len(p) > 0 {
		b.closeTag()
		b.buf = append(b.buf, p...)
	}
	return b
}

// End closes the innermost open element.
func (b *Builder) End() *Builder {
	n := len(b.stack) - 1
	if b.open {
		b.buf, b.open = append(b.buf, "/>"...), false
	} else {
		b.buf = append(append(append(b.buf, "</"...), b.stack[n]...), '>')
	}
	b.stack = b.stack[:n]
	return b
}

// Bytes closes what is open and gives the document. The builder must not be used afterwards, unless Reset.
func (b *Builder) Bytes() []byte {
	for len(b.stack) > 0 {
		b.End()
	}
	return b.buf
}

// Reset makes the builder append to dst.
func (b *Builder) Reset(dst []byte) *Builder {
	b.buf, b.open, b.stack = dst, false, b.stack[:0]
	return b
}

// Len is the number of bytes written.
func (b *Builder) Len() int { return len(b.buf) }

func (b *Builder) closeTag() {
	if b.open {
		b.buf, b.open = append(b.buf, '>'), false
	}
}

// AppendAttr appends " name='value'", escaped.
func AppendAttr(dst []byte, name, value string) []byte {
	dst = append(append(append(dst, ' '), name...), "='"...)
	return append(escape(dst, value, true), '\'')
}

// AppendText appends character data, escaped.
func AppendText(dst []byte, s string) []byte { return escape(dst, s, false) }

// escape writes s so that a parser reads s again. What XML cannot carry (control characters, invalid UTF-8) becomes
// U+FFFD. White space other than the space is written as a reference in attributes, and CR everywhere, or parsers would
// normalise it away (XML 1.0 §2.11, §3.3.3).
func escape(dst []byte, s string, attr bool) []byte {
	last := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 || r == 0xfffe || r == 0xffff {
				dst = append(append(dst, s[last:i]...), "\uFFFD"...)
				last = i + n
			}
			i += n
			continue
		}
		rep := ""
		switch c {
		case '<':
			rep = "&lt;"
		case '>':
			rep = "&gt;"
		case '&':
			rep = "&amp;"
		case '\'':
			if attr {
				rep = "&apos;"
			}
		case '\r':
			rep = "&#13;"
		case '\n':
			if attr {
				rep = "&#10;"
			}
		case '\t':
			if attr {
				rep = "&#9;"
			}
		default:
			if c < ' ' {
				rep = "\uFFFD"
			}
		}
		i++
		if rep != "" {
			dst = append(append(dst, s[last:i-1]...), rep...)
			last = i
		}
	}
	return append(dst, s[last:]...)
}
