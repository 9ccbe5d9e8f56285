package pubsub

import (
	"strconv"

	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

const formNS = "jabber:x:data"

// Form types of XEP-0060 §16.4.
const (
	configForm  = NS + "#node_config"
	optionsForm = NS + "#publish-options"
	metaForm    = NS + "#meta-data"
)

// config is a node's configuration (XEP-0060 §16.4.4), as far as this service has choices.
type config struct {
	title    string
	kind     string // pubsub#type: the payload's namespace, as the owner names it
	access   string // open, presence, whitelist
	persist  bool
	maxItems int
	sendLast string // never, on_sub, on_sub_and_presence
	payloads bool   // events carry the payload
	retracts bool   // events when an item goes
	deletes  bool   // events when the node goes
}

// maxItems is the most items of a node, and what "max" means (XEP-0060 §8.2, config-node-max).
const maxItems = 1000

// defaults are those of XEP-0163 §3: presence access, one item, kept.
func defaults() config {
	return config{access: "presence", persist: true, maxItems: 1, sendLast: "on_sub_and_presence", payloads: true, retracts: true, deletes: true}
}

// defaultsOf are the defaults of a node. Bookmarks are their owner's alone also when an app forgets to say so (XEP-0402 §5.2).
func defaultsOf(node string) config {
	c := defaults()
	switch node {
	case bookmarkNode:
		c.access, c.maxItems = "whitelist", maxItems
	case storageNode:
		c.access = "whitelist"
	}
	return c
}

// field is one configurable value: how it is read from a form, and how it is shown.
type field struct {
	name string
	get  func(c *config) string
	set  func(c *config, v string) bool // false: not a value of this field
}

func boolean(of func(c *config) *bool) (func(*config) string, func(*config, string) bool) {
	return func(c *config) string {
			if *of(c) {
				return "1"
			}
			return "0"
		}, func(c *config, v string) bool {
			switch v {
			case "1", "true":
				*of(c) = true
			case "0", "false":
				*of(c) = false
			default:
				return false
			}
			return true
		}
}

func choice(of func(c *config) *string, allowed ...string) (func(*config) string, func(*config, string) bool) {
	return func(c *config) string { return *of(c) }, func(c *config, v string) bool {
		for _, a := range allowed {
			if a == v {
				*of(c) = v
				return true
			}
		}
		return len(allowed) == 0 && len(v) <= 1024 && setString(of(c), v)
	}
}

func setString(to *string, v string) bool { *to = v; return true }

// fixed is a field with one possible value: it is accepted as a precondition and shown in forms, and cannot be changed.
func fixed(value string, also ...string) (func(*config) string, func(*config, string) bool) {
	return func(*config) string { return value }, func(_ *config, v string) bool {
		for _, a := range append(also, value) {
			if a == v {
				return true
			}
		}
		return false
	}
}

var fields = makeFields()

func makeFields() []field {
	var all []field
	add := func(name string) func(func(*config) string, func(*config, string) bool) {
		return func(get func(*config) string, set func(*config, string) bool) {
			all = append(all, field{"pubsub#" + name, get, set})
		}
	}
	add("title")(choice(func(c *config) *string { return &c.title }))
	add("type")(choice(func(c *config) *string { return &c.kind }))
	add("access_model")(choice(func(c *config) *string { return &c.access }, "open", "presence", "whitelist"))
	add("persist_items")(persistItems())
	add("max_items")(maxItemsField())
	add("send_last_published_item")(choice(func(c *config) *string { return &c.sendLast }, "never", "on_sub", "on_sub_and_presence"))
	add("deliver_payloads")(boolean(func(c *config) *bool { return &c.payloads }))
	add("notify_retract")(boolean(func(c *config) *bool { return &c.retracts }))
	add("notify_delete")(boolean(func(c *config) *bool { return &c.deletes }))
	add("deliver_notifications")(fixed("1", "true"))
	add("notify_config")(fixed("0", "false"))
	add("notification_type")(fixed("headline", "normal"))
	add("publish_model")(fixed("publishers"))
	add("node_type")(fixed("leaf"))
	return all
}

// persistItems takes "max" as true: the text of XEP-0384 §5.3 asks for it in one place, its examples do not.
func persistItems() (func(*config) string, func(*config, string) bool) {
	get, set := boolean(func(c *config) *bool { return &c.persist })
	return get, func(c *config, v string) bool {
		if v == "max" {
			v = "1"
		}
		return set(c, v)
	}
}

func maxItemsField() (func(*config) string, func(*config, string) bool) {
	return func(c *config) string { return strconv.Itoa(c.maxItems) }, func(c *config, v string) bool {
		if v == "max" {
			c.maxItems = maxItems
			return true
		}
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return false
		}
		c.maxItems = min(n, maxItems)
		return true
	}
}

// submit reads a submitted form into c. An unknown field or value is refused with its name.
func submit(c *config, x *xml.Element, formType string) error {
	if x == nil {
		return nil
	}
	for _, f := range x.All(formNS, "field") {
		name, value := f.Attr("var"), f.Child(formNS, "value").Text()
		if name == "FORM_TYPE" {
			if value != formType {
				return stanza.NotAcceptable("the form is of type " + formType)
			}
			continue
		}
		if !setField(c, name, value) {
			return stanza.NotAcceptable("the field " + name + " does not take this value here")
		}
	}
	return nil
}

func setField(c *config, name, value string) bool {
	for _, f := range fields {
		if f.name == name {
			return f.set(c, value)
		}
	}
	return false
}

// form writes the configuration as a data form of the given kind ("form" or "result").
func (c *config) form(kind, formType string) []byte {
	var b xml.Builder
	b.Start(formNS, "x", "type", kind)
	b.Start("", "field", "var", "FORM_TYPE", "type", "hidden").Leaf("", "value", formType).End()
	for _, f := range fields {
		b.Start("", "field", "var", f.name).Leaf("", "value", f.get(c)).End()
	}
	return b.Bytes()
}
