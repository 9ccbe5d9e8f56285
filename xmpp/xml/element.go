package xml

// Element is the tree view of an element, made when a room asks. It is read-only.
type Element struct {
	Name     Name
	Attrs    []Attr
	Children []*Element

	text   string
	raw    []byte
	parent *Element
	decls  []binding
}

type binding struct{ prefix, space string }

// Parse makes the tree of one element whose surrounding default namespace is space.
func Parse(b []byte, space string) (*Element, error) { return nil, nil }

// Attr is the value of an attribute without a namespace, or empty; xml:lang is Attr("xml:lang").
func (e *Element) Attr(local string) string { return find(e.Attrs, local) }

// HasAttr tells an empty attribute from a missing one.
func (e *Element) HasAttr(local string) bool { return false }

// Child is the first child of that name, or nil. Methods of a nil Element give zero values, so look-ups can be chained.
func (e *Element) Child(space, local string) *Element { return nil }

// All are the children of that name.
func (e *Element) All(space, local string) []*Element { return nil }

// Text is the character data directly inside, references resolved.
func (e *Element) Text() string { return e.text }

// Is compares the name.
func (e *Element) Is(space, local string) bool { return false }

// AppendTo writes the element as it was received, for a place whose default namespace is space; namespaces declared
// outside the element are brought in.
func (e *Element) AppendTo(dst []byte, space string) []byte { return dst }

// Index checks one complete element and makes its index. space is the default namespace around it.
func Index(b []byte, space string) (*Raw, error) { return nil, nil }

// NameOf checks one complete element and gives its name. space is the default namespace around it.
func NameOf(b []byte, space string) (Name, error) { return Name{}, nil }
