package muc

import (
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// readForm reads a submitted form (XEP-0004 §3.2): the values of each field. kind is its FORM_TYPE.
func readForm(x *xml.Element, kind string) (map[string][]string, error) {
	if x.Attr("type") != "submit" {
		return nil, stanza.BadRequest("the form is not of type submit")
	}
	sent := map[string][]string{}
	for _, f := range x.All(nsForm, "field") {
		name := f.Attr("var")
		var values []string
		for _, v := range f.All(nsForm, "value") {
			values = append(values, v.Text())
		}
		if name == "FORM_TYPE" {
			if one(values) != kind {
				return nil, stanza.BadRequest("the form's FORM_TYPE is not " + kind)
			}
			continue
		}
		if len(sent) > 200 {
			return nil, stanza.NotAcceptable("the form has too many fields")
		}
		sent[name] = values
	}
	return sent, nil
}

// startForm begins a form of a type, of a kind (XEP-0068).
func startForm(b *xml.Builder, typ, title, kind string) {
	b.Start(nsForm, "x", "type", typ)
	if title != "" {
		b.Leaf("", "title", title)
	}
	b.Start("", "field", "var", "FORM_TYPE", "type", "hidden").Leaf("", "value", kind).End()
}

// addField writes a field.
func addField(b *xml.Builder, name, kind, label string, choices [][2]string, values ...string) {
	b.Start("", "field", "var", name, "type", kind, "label", label)
	for _, c := range choices {
		b.Start("", "option", "label", c[0]).Leaf("", "value", c[1]).End()
	}
	for _, v := range values {
		b.Leaf("", "value", v)
	}
	b.End()
}

// configForm is the configuration as a form to be filled in (XEP-0045 §10.1.3).
func (r *Room) configForm(b *xml.Builder) {
	startForm(b, "form", "Configuration of "+r.jid.String(), nsConfig)
	for _, f := range r.m.fields() {
		if !f.alias {
			addField(b, f.name, f.kind, f.label, f.choices, f.get(&r.options)...)
		}
	}
	var admins, owners []string
	for _, j := range r.listed(func(u user) bool { return u.affiliation == Admin }) {
		admins = append(admins, j.String())
	}
	for _, j := range r.listed(func(u user) bool { return u.affiliation == Owner }) {
		owners = append(owners, j.String())
	}
	addField(b, "muc#roomconfig_roomadmins", "jid-multi", "Admins", nil, admins...)
	addField(b, "muc#roomconfig_roomowners", "jid-multi", "Owners", nil, owners...)
	b.End()
}
