// Package spec is the index of the specifications that Writ obeys, and the checker that keeps comments and index true:
// every § reference in a comment names a specification of the index and a section that exists, and every room that the
// index names is a folder. Only section numbers are kept here, not the texts.
package spec

import (
	_ "embed"
	"fmt"
	"regexp"
	"strings"
)

//go:embed index.txt
var index string

//go:embed sections.txt
var sections string

// Spec is one row of the index.
type Spec struct {
	Name    string   // "XEP-0313", "RFC 6121"
	Version string   // of the text that was followed
	Status  string   // done, partial or routed
	Rooms   []string // folders that implement it
}

// All returns the rows of index.txt in their order.
func All() ([]Spec, error) {
	var all []Spec
	seen := map[string]bool{}
	for i, line := range lines(index) {
		f := strings.Split(line, "|")
		if len(f) != 4 {
			return nil, fmt.Errorf("spec: index row %d: want 4 columns, have %d", i+1, len(f))
		}
		for j := range f {
			f[j] = strings.TrimSpace(f[j])
		}
		switch f[2] {
		case "done", "partial", "routed":
		default:
			return nil, fmt.Errorf("spec: %s: status %q is none of done, partial, routed", f[0], f[2])
		}
		if seen[f[0]] {
			return nil, fmt.Errorf("spec: %s stands twice in the index", f[0])
		}
		seen[f[0]] = true
		all = append(all, Spec{Name: f[0], Version: f[1], Status: f[2], Rooms: strings.Fields(f[3])})
	}
	return all, nil
}

// Sections returns for each specification the set of its section numbers.
func Sections() map[string]map[string]bool {
	all := map[string]map[string]bool{}
	for _, line := range lines(sections) {
		name, numbers, _ := strings.Cut(line, "\t")
		set := map[string]bool{}
		for _, n := range strings.Fields(numbers) {
			set[n] = true
		}
		all[name] = set
	}
	return all
}

func lines(text string) []string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			out = append(out, line)
		}
	}
	return out
}

// mark finds the name of a specification, or a § with a section number. A § belongs to the specification named last before it
// in the same comment.
var mark = regexp.MustCompile(`(RFC \d{4}|XEP-\d{4}|(?:Namespaces in )?XML 1\.0)|§§?\s?([0-9A-Z](?:[0-9.]*[0-9])?)?`)

// Check returns what is wrong with the § references of a comment, nothing if all resolve.
func Check(comment string, known map[string]map[string]bool) []string {
	var wrong []string
	name := ""
	for _, m := range mark.FindAllStringSubmatch(comment, -1) {
		if m[1] != "" {
			name = m[1]
			continue
		}
		set, ok := known[name]
		switch {
		case name == "":
			wrong = append(wrong, fmt.Sprintf("§%s without a specification before it", m[2]))
		case !ok:
			wrong = append(wrong, fmt.Sprintf("%s has no section numbers in spec/sections.txt", name))
		case !set[m[2]]:
			wrong = append(wrong, fmt.Sprintf("%s has no section %q", name, m[2]))
		}
	}
	return wrong
}
