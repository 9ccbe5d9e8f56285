package xml

import (
	"math"
	"sync"
)

// Element is the tree view of an element, made when a room asks. It is read-only. The methods of a nil Element give zero
// values, so that look-ups can be chained.
type Element struct {
	Name     Name
	Attrs    []Attr
	Children []*Element

	text   string
	raw    string // as received
	at     int    // where raw begins
	parent *Element
	decls  []binding // declared on it
	outer  []binding // declared around the root; set on the root alone
}

// Attr is the value of an attribute without a namespace, or empty; xml:lang is Attr("xml:lang").
func (e *Element) Attr(local string) string {
	if e == nil {
		return ""
	}
	return find(e.Attrs, local)
}

// HasAttr tells an empty attribute from a missing one.
func (e *Element) HasAttr(local string) bool {
	if e != nil {
		for i := range e.Attrs {
			if e.Attrs[i].Name == (Name{Local: local}) {
				return true
			}
		}
	}
	return false
}

// Child is the first child of that name, or nil.
func (e *Element) Child(space, local string) *Element {
	if e != nil {
		for _, c := range e.Children {
			if c.Is(space, local) {
				return c
			}
		}
	}
	return nil
}

// All are the children of that name, in order.
func (e *Element) All(space, local string) []*Element {
	var all []*Element
	if e != nil {
		for _, c := range e.Children {
			if c.Is(space, local) {
				all = append(all, c)
			}
		}
	}
	return all
}

// First is the first child, or nil.
func (e *Element) First() *Element {
	if e == nil || len(e.Children) == 0 {
		return nil
	}
	return e.Children[0]
}

// Text is the character data directly inside, references resolved; texts around children are joined.
func (e *Element) Text() string {
	if e == nil {
		return ""
	}
	return e.text
}

// Is compares the name.
func (e *Element) Is(space, local string) bool {
	return e != nil && e.Name.Local == local && e.Name.Space == space
}

// AppendTo writes the element as it was received, for a place whose default namespace is space; declarations that stand
// outside the element and are used in it are brought in.
func (e *Element) AppendTo(dst []byte, space string) []byte {
	if e == nil {
		return dst
	}
	s := borrow()
	defer s.release()
	s.b, s.lim = []byte(e.raw), unlimited
	s.raw = &Raw{Name: Name{Space: space}}
	s.outer = e.around()
	s.foreign = true
	if done, err := s.run(); !done {
		panic("xml: an element of a tree does not parse: " + err.Error()) // it was parsed to make the tree
	}
	return bringIn(dst, s.b, s.needs)
}

// around are the declarations in force where the element stands, innermost first.
func (e *Element) around() []binding {
	var out []binding
	for p := e.parent; p != nil; p = p.parent {
		out = append(out, p.decls...)
	}
	root := e
	for root.parent != nil {
		root = root.parent
	}
	return append(out, root.outer...)
}

// bringIn copies an element with declarations added to its first tag.
func bringIn(dst, b []byte, needs []need) []byte {
	_, hi, _ := name(b, 1, len(b))
	dst = append(dst, b[:hi]...)
	for _, n := range needs {
		attr := "xmlns"
		if n.prefix != "" {
			attr = "xmlns:" + n.prefix
		}
		dst = AppendAttr(dst, attr, n.space)
	}
	return append(dst, b[hi:]...)
}

var unlimited = Limits{Bytes: math.MaxInt, Elements: math.MaxInt, Depth: math.MaxInt, Attrs: math.MaxInt, AttrBytes: math.MaxInt, Decls: math.MaxInt}

// Parse makes the tree of one element around which space is the default namespace.
func Parse(b []byte, space string) (*Element, error) {
	return tree(b, []binding{{"", space}})
}

// Tree is the tree view of the whole element.
func (r *Raw) Tree() *Element {
	e, err := tree(r.Bytes, r.outer)
	if err != nil {
		panic("xml: an indexed element does not parse: " + err.Error()) // the decoder accepted these bytes before
	}
	return e
}

func tree(b []byte, outer []binding) (*Element, error) {
	s := borrow()
	defer s.release()
	s.b, s.src, s.lim, s.outer = b, string(b), unlimited, outer
	if err := s.whole(); err != nil {
		return nil, err
	}
	return s.root, nil
}

// Index checks one complete element and makes its index, which keeps b. space is the default namespace around it.
func Index(b []byte, space string) (*Raw, error) {
	s := borrow()
	defer s.release()
	s.b, s.lim, s.outer = b, unlimited, []binding{{"", space}}
	s.raw = &Raw{outer: s.outer}
	if err := s.whole(); err != nil {
		return nil, err
	}
	return s.finish(b)
}

// NameOf gives the name of one complete element. It reads the first tag alone: the element was made by a Builder, or was read before.
// space is the default namespace around it.
func NameOf(b []byte, space string) (Name, error) {
	if len(b) == 0 || b[0] != '<' || b[len(b)-1] != '>' {
		return Name{}, malformed("no element")
	}
	s := borrow()
	defer s.release()
	s.b, s.lim, s.outer, s.once = b, unlimited, []binding{{"", space}}, true
	s.raw = &Raw{outer: s.outer}
	if done, err := s.run(); err != nil {
		return Name{}, err
	} else if !done {
		return Name{}, malformed("the element has no end")
	}
	return s.raw.Name, nil
}

// whole reads b, which must be exactly one element.
func (s *scanner) whole() error {
	if len(s.b) == 0 || s.b[0] != '<' {
		return malformed("no element")
	}
	done, err := s.run()
	switch {
	case err != nil:
		return err
	case !done:
		return malformed("the element has no end")
	case s.pos != len(s.b):
		return malformed("something stands behind the element")
	}
	return nil
}

// finish completes the index of the element b, which belongs to the Raw from now on, and brings declarations into the
// children that need them.
func (s *scanner) finish(b []byte) (*Raw, error) {
	r := s.raw
	r.Bytes, r.Content = b, r.Name.Space
	if len(s.needs) == 0 {
		return r, nil
	}
	out, at, k := make([]byte, 0, len(b)+64*len(s.needs)), 0, 0
	for i := range r.Children {
		c := &r.Children[i]
		out = append(out, b[at:c.Start]...)
		first := k
		for k < len(s.needs) && s.needs[k].child == i {
			k++
		}
		start := len(out)
		out = bringIn(out, b[c.Start:c.End], s.needs[first:k])
		at = c.End
		c.Start, c.End = start, len(out)
		if len(out) > s.lim.Bytes {
			return nil, tooBig()
		}
	}
	grown := len(out) - at
	out = append(out, b[at:]...)
	r.Bytes, r.Out = out, r.Out+grown
	return r, nil
}

// scanners are lent to decoders while an element is incomplete, so that an idle connection has none.
var scanners = sync.Pool{New: func() any { return new(scanner) }}

func borrow() *scanner { return scanners.Get().(*scanner) }

func (s *scanner) release() {
	const keep = 256 // one large element must not make every later scanner large
	if cap(s.stack) > keep || cap(s.binds) > keep || cap(s.attrs) > keep || cap(s.needs) > keep || cap(s.parts) > keep {
		return
	}
	clear(s.binds) // what was popped is cleared already: the pool must not keep the strings of an element alive
	clear(s.needs)
	clear(s.parts)
	*s = scanner{binds: s.binds[:0], stack: s.stack[:0], attrs: s.attrs[:0], needs: s.needs[:0], parts: s.parts[:0]}
	scanners.Put(s)
}
