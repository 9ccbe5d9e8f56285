package adhoc

import (
	"writ/xmpp/xml"
)

// FormNS is the namespace of data forms (XEP-0004).
const FormNS = "jabber:x:data"

// Form is a data form to be filled in, or a result to be shown (XEP-0004 §3).
type Form struct {
	Result       bool   // shown, not filled in
	Kind         string // its FORM_TYPE (XEP-0068); empty: none
	Title        string
	Instructions string
	Fields       []Field
	Extra        []byte // elements behind the fields, as XML
}

// Field is one field (XEP-0004 §3.2). Type is one of the types of XEP-0004 §3.3; a text-multi has a value for each line.
type Field struct {
	Var, Label, Type string
	Required         bool
	Values           []string
	Options          []Option
}

// Option is one choice of a list (XEP-0004 §3.2).
type Option struct{ Label, Value string }

func (f *Form) write(b *xml.Builder) {
	kind := "form"
	if f.Result {
		kind = "result"
	}
	b.Start(FormNS, "x", "type", kind)
	if f.Title != "" {
		b.Leaf("", "title", f.Title)
	}
	if f.Instructions != "" {
		b.Leaf("", "instructions", f.Instructions)
	}
	if f.Kind != "" {
		b.Start("", "field", "var", "FORM_TYPE", "type", "hidden").Leaf("", "value", f.Kind).End()
	}
	for _, field := range f.Fields {
		b.Start("", "field", "var", field.Var, "type", field.Type, "label", field.Label)
		if field.Required {
			b.Empty("", "required")
		}
		for _, v := range field.Values {
			b.Leaf("", "value", v)
		}
		for _, o := range field.Options {
			b.Start("", "option", "label", o.Label).Leaf("", "value", o.Value).End()
		}
		b.End()
	}
	b.Raw(f.Extra)
	b.End()
}

// filled reads a submitted form; nil if x is none. A cancelled form counts as submitted, as XEP-0050 §3.5.1 says.
func filled(x *xml.Element) map[string][]string {
	if x == nil {
		return nil
	}
	out := map[string][]string{}
	for _, f := range x.All(FormNS, "field") {
		for _, v := range f.All(FormNS, "value") {
			out[f.Attr("var")] = append(out[f.Attr("var")], v.Text())
		}
	}
	return out
}
