package xml

import (
	"bytes"
	"encoding/binary"
)

// quick reads the tag at tok in one pass, if all of it is there and nothing in it is out of the ordinary: names in ASCII, no white space
// around '=', values without references. Otherwise nothing has changed, and the tag takes the long way, which also says what is wrong.
func (s *scanner) quick(end int) (done bool, err *Error) {
	b := s.b[:end]
	if b[s.tok+1] == '/' {
		return s.quickEnd(b), nil
	}
	colon, hi := quickName(b, s.tok+1)
	if hi == 0 {
		return false, nil
	}
	e, ok := s.quickAttrs(b, hi)
	if !ok {
		return false, nil
	}
	empty := b[e] == '/'
	next := e + 1
	if empty {
		next++
	}
	s.pos, s.mode = next, inText
	if err = s.opens(); err == nil {
		err = s.named(colon, hi, next, empty)
	}
	s.tok = next
	return true, err
}

// quickEnd reads the end tag of the innermost element.
func (s *scanner) quickEnd(b []byte) bool {
	if s.depth == 0 {
		return false
	}
	open := s.stack[s.depth-1]
	last := s.tok + 2 + open.hi - open.lo
	if last >= len(b) || b[last] != '>' || string(b[s.tok+2:last]) != string(b[open.lo:open.hi]) {
		return false
	}
	s.leave(s.tok, last+1)
	s.tok, s.pos, s.mode = last+1, last+1, inText
	return true
}

// quickName reads a name at i, which ends before b does; hi is 0 if it cannot.
func quickName(b []byte, i int) (colon, hi int) {
	if i >= len(b) || nameClass[b[i]] != nameStart {
		return 0, 0
	}
	for i++; i < len(b); i++ {
		switch nameClass[b[i]] {
		case nameStart, nameRest:
		case nameColon:
			if colon != 0 || i+1 == len(b) || nameClass[b[i+1]] != nameStart {
				return 0, 0
			}
			colon = i
		case nameMulti:
			return 0, 0
		default:
			return colon, i
		}
	}
	return 0, 0
}

// quickAttrs reads the attributes from i up to the '>' or "/>" at e.
func (s *scanner) quickAttrs(b []byte, i int) (e int, ok bool) {
	s.attrs = s.attrs[:0]
	for {
		j := i
		for j < len(b) && white(b[j]) {
			j++
		}
		if j+1 >= len(b) { // "/>" needs two
			return j, j < len(b) && b[j] == '>'
		}
		switch {
		case b[j] == '>', b[j] == '/' && b[j+1] == '>':
			return j, true
		case j == i, len(s.attrs) == s.lim.Attrs:
			return 0, false
		}
		colon, hi := quickName(b, j)
		if hi == 0 || hi+1 >= len(b) || b[hi] != '=' || b[hi+1] != '\'' && b[hi+1] != '"' {
			return 0, false
		}
		lo := hi + 2
		n := bytes.IndexByte(b[lo:], b[hi+1])
		if n < 0 || n > s.lim.AttrBytes || !ordinary(b, lo, lo+n) {
			return 0, false
		}
		s.attrs = append(s.attrs, attr{lo: j, colon: colon, hi: hi, vlo: lo, vhi: lo + n, plain: true})
		i = lo + n + 1
	}
}

// readable reports that a text has only characters that stand for themselves: none that is not ASCII or a control character, no '&', no ']'.
func readable(b []byte) bool {
	const tops = 0x8080808080808080
	if bytes.IndexByte(b, '&') >= 0 || bytes.IndexByte(b, ']') >= 0 {
		return false
	}
	for ; len(b) >= 8; b = b[8:] {
		w := binary.LittleEndian.Uint64(b)
		if (w|(w-0x2020202020202020))&tops != 0 {
			return false
		}
	}
	for _, c := range b {
		if c < ' ' || c >= 0x80 {
			return false
		}
	}
	return true
}

// ordinary reports that b[i:end] has only characters that stand for themselves in a value.
func ordinary(b []byte, i, end int) bool {
	for i = skipPlain(b, i, end); i < end; i++ {
		switch class[b[i]] {
		case cPlain, cClose, cQuote:
		default:
			return false
		}
	}
	return true
}
