package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// key is a key of the keyboard as the DevTools protocol names it.
type key struct {
	code string
	num  int
	text string
}

var keys = map[string]key{
	"Tab": {"Tab", 9, ""}, "Enter": {"Enter", 13, "\r"}, " ": {"Space", 32, " "}, "ArrowDown": {"ArrowDown", 40, ""}, "Home": {"Home", 36, ""},
}

// Press presses keys, one after the other: Tab, Enter, ArrowDown, Home, or the space.
func (p *Page) Press(names ...string) {
	p.b.t.Helper()
	for _, name := range names {
		k, ok := keys[name]
		if !ok {
			p.b.t.Fatalf("browser: the key %q is not known", name)
		}
		down := object{"type": "keyDown", "key": name, "code": k.code, "windowsVirtualKeyCode": k.num}
		if k.text != "" {
			down["text"] = k.text
		}
		err := p.Do("Input.dispatchKeyEvent", down, nil)
		if err == nil {
			err = p.Do("Input.dispatchKeyEvent", object{"type": "keyUp", "key": name, "code": k.code, "windowsVirtualKeyCode": k.num}, nil)
		}
		if err != nil {
			p.b.t.Fatal(err)
		}
	}
}

// far is more controls than any page has.
const far = 600

// TabTo presses Tab until the focus is on what the selector says. It fails if the keyboard does not reach that.
func (p *Page) TabTo(selector string) {
	p.b.t.Helper()
	for range far {
		var there bool
		p.Eval(fmt.Sprintf("document.activeElement.matches(%q)", selector), &there)
		if there {
			return
		}
		p.Press("Tab")
	}
	p.b.t.Fatalf("browser: the keyboard does not reach %s; the page says:\n%s", selector, p.Text())
}

// Fill goes to a control by the keyboard alone and gives it a value: text, an option's value, "on" or "off", or the path of a file.
func (p *Page) Fill(selector, value string) {
	p.b.t.Helper()
	p.TabTo(selector)
	var kind, now string
	p.Eval(`document.activeElement.type`, &kind)
	p.Eval(`document.activeElement.type === "checkbox" ? document.activeElement.checked ? "on" : "off" : document.activeElement.value`, &now)
	switch {
	case kind == "file":
		p.choose(selector, value)
	case kind == "checkbox":
		if now != value {
			p.Press(" ")
		}
	case strings.HasPrefix(kind, "select"):
		p.Press("Home")
		for range far {
			if p.Eval(`document.activeElement.value`, &now); now == value {
				return
			}
			p.Press("ArrowDown")
		}
		p.b.t.Fatalf("browser: %s has no option %q", selector, value)
	default:
		p.Eval(`document.activeElement.select()`, nil)
		if err := p.Do("Input.insertText", object{"text": value}, nil); err != nil {
			p.b.t.Fatal(err)
		}
	}
}

// choose gives a control a file, as the system's own window for that would.
func (p *Page) choose(selector, file string) {
	p.b.t.Helper()
	var root struct {
		Root struct{ NodeID int }
	}
	var node struct{ NodeID int }
	err := p.Do("DOM.getDocument", object{"depth": 0}, &root)
	if err == nil {
		err = p.Do("DOM.querySelector", object{"nodeId": root.Root.NodeID, "selector": selector}, &node)
	}
	if err == nil {
		err = p.Do("DOM.setFileInputFiles", object{"nodeId": node.NodeID, "files": []string{file}}, nil)
	}
	if err != nil {
		p.b.t.Fatal(err)
	}
}

// Paper writes a small PDF for a person to choose, and gives its path.
func Paper(dir, name, text string) (string, error) {
	file := filepath.Join(dir, name)
	return file, os.WriteFile(file, fmt.Appendf(nil, "%%PDF-1.7\n%% %s\nstartxref\n0\n%%%%EOF\n", text), 0o600)
}
