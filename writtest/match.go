package writtest

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"writ/xmpp/xml"
)

// vars are the texts of {names}.
type vars map[string]string

var reference = regexp.MustCompile(`\{(\*|-|[a-zA-Z][a-zA-Z0-9._-]*)\}`)

// fill puts the texts into what is sent. They are escaped: a text never becomes markup.
func (v vars) fill(s string) (string, error) {
	var missing string
	s = reference.ReplaceAllStringFunc(s, func(r string) string {
		text, ok := v[r[1:len(r)-1]]
		if !ok {
			missing = r
		}
		return quote(text)
	})
	if missing != "" {
		return "", fmt.Errorf("%s has no text yet", missing)
	}
	return s, nil
}

// known puts in the texts of the names that have one, and leaves the others.
func (v vars) known(s string) string {
	return reference.ReplaceAllStringFunc(s, func(r string) string {
		if text, ok := v[r[1:len(r)-1]]; ok {
			return quote(text)
		}
		return r
	})
}

// quote escapes a text for content and attributes alike.
func quote(s string) string {
	b := xml.AppendAttr(nil, "", s) // " ='…'"
	return string(b[len(" ='") : len(b)-1])
}

// text compares a text with a pattern and takes what new names stand for.
func (v vars) text(pattern, got string) bool {
	if !strings.Contains(pattern, "{") {
		return pattern == got
	}
	var expr strings.Builder
	var names []string
	expr.WriteString(`(?s)\A`)
	last := 0
	for _, m := range reference.FindAllStringSubmatchIndex(pattern, -1) {
		expr.WriteString(regexp.QuoteMeta(pattern[last:m[0]]))
		name := pattern[m[2]:m[3]]
		if text, ok := v[name]; ok {
			expr.WriteString(regexp.QuoteMeta(text))
		} else if name == "*" {
			expr.WriteString(`.*`)
		} else {
			names = append(names, name)
			expr.WriteString(`(.+)`)
		}
		last = m[1]
	}
	expr.WriteString(regexp.QuoteMeta(pattern[last:]) + `\z`)
	m := regexp.MustCompile(expr.String()).FindStringSubmatch(got)
	if m == nil {
		return false
	}
	for i, n := range names {
		if old, ok := v[n]; ok && old != m[i+1] {
			return false
		}
		v[n] = m[i+1]
	}
	return true
}

// match compares a received element with a pattern. It returns what differs, or "". Names are taken only if all matches.
func (v vars) match(pattern, got *xml.Element) string { return v.try(pattern, got, true) }

func (v vars) try(p, g *xml.Element, outermost bool) string {
	t := maps.Clone(v)
	d := t.element(p, g, outermost)
	if d == "" {
		maps.Copy(v, t)
	}
	return d
}

func (v vars) element(p, g *xml.Element, outermost bool) string {
	if p.Name != g.Name {
		return fmt.Sprintf("{%s}%s where {%s}%s was awaited", g.Name.Space, g.Name.Local, p.Name.Space, p.Name.Local)
	}
	text := strings.TrimSpace(p.Text())
	open := strings.Contains(text, "...")
	if d := v.attrs(p, g, open, outermost); d != "" {
		return d
	}
	if open {
		text = strings.TrimSpace(strings.Replace(text, "...", "", 1))
	}
	if (text != "" || !open) && !v.text(text, strings.TrimSpace(g.Text())) {
		return fmt.Sprintf("%s: the text %q where %q was awaited", p.Name.Local, g.Text(), text)
	}
	echoes := outermost && p.Name.Local != "iq" && slices.Contains(p.Attrs, xml.Attr{Name: xml.Name{Local: "type"}, Value: "error"}) // what was refused comes back
	return v.children(p, g, open || echoes)
}

func (v vars) attrs(p, g *xml.Element, open, outermost bool) string {
	for _, a := range p.Attrs {
		got, ok := attr(g, a.Name)
		switch {
		case a.Value == "{-}" && ok:
			return fmt.Sprintf("%s: an attribute %s, which must not be there", p.Name.Local, a.Name.Local)
		case a.Value == "{-}":
		case !ok:
			return fmt.Sprintf("%s: no attribute %s", p.Name.Local, a.Name.Local)
		case !v.text(a.Value, got):
			return fmt.Sprintf("%s: the attribute %s is %q where %q was awaited", p.Name.Local, a.Name.Local, got, a.Value)
		}
	}
	if open {
		return ""
	}
	for _, a := range g.Attrs {
		if _, ok := attr(p, a.Name); ok {
			continue
		}
		switch a.Name.Local {
		case "from", "to", "id", "lang":
			if outermost {
				continue
			}
		}
		return fmt.Sprintf("%s: an attribute %s=%q that was not awaited", p.Name.Local, a.Name.Local, a.Value)
	}
	return ""
}

func attr(e *xml.Element, n xml.Name) (string, bool) {
	for _, a := range e.Attrs {
		if a.Name == n {
			return a.Value, true
		}
	}
	return "", false
}

// children pairs each awaited child with the first received one that matches.
func (v vars) children(p, g *xml.Element, open bool) string {
	left := append([]*xml.Element(nil), g.Children...)
next:
	for _, want := range p.Children {
		why := "no child " + want.Name.Local
		for i, have := range left {
			if have == nil {
				continue
			}
			d := v.try(want, have, false)
			if d == "" {
				left[i] = nil
				continue next
			}
			if have.Name == want.Name {
				why = d
			}
		}
		return fmt.Sprintf("%s: %s", p.Name.Local, why)
	}
	if !open {
		for _, have := range left {
			if have != nil {
				return fmt.Sprintf("%s: a child {%s}%s that was not awaited", p.Name.Local, have.Name.Space, have.Name.Local)
			}
		}
	}
	return ""
}
