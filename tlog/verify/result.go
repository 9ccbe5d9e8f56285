package verify

import (
	"fmt"
	"io"
	"strings"
)

// State says how one point of a check ended.
type State int

const (
	Passed  State = iota // checked, and right
	Failed               // checked, and wrong
	Unknown              // cannot be checked with what was given, or not yet due
)

// String gives the word that a reader sees.
func (s State) String() string {
	switch s {
	case Passed:
		return "ok"
	case Failed:
		return "WRONG"
	}
	return "not checked"
}

// Point is one line of a Result: what was looked at and how it ended.
type Point struct {
	State State
	Text  string
}

// Result is the answer of a check in plain words. It is OK if no point failed; points that could not be checked are named.
type Result struct {
	Title  string // what was checked
	Answer string // the answer in one sentence
	Points []Point
}

// OK reports that no point failed.
func (r *Result) OK() bool {
	for _, p := range r.Points {
		if p.State == Failed {
			return false
		}
	}
	return true
}

func (r *Result) add(s State, format string, args ...any) {
	r.Points = append(r.Points, Point{s, fmt.Sprintf(format, args...)})
}

// check adds a passed point, or a failed one with the error's text; it reports which.
func (r *Result) check(err error, format string, args ...any) bool {
	text := fmt.Sprintf(format, args...)
	if err != nil {
		r.Points = append(r.Points, Point{Failed, text + ": " + strings.TrimPrefix(err.Error(), "verify: ")})
		return false
	}
	r.Points = append(r.Points, Point{Passed, text})
	return true
}

// WriteTo prints the result: the title, a line for each point, and the answer last.
func (r *Result) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	b.WriteString(r.Title + "\n")
	for _, p := range r.Points {
		fmt.Fprintf(&b, "  %-11s  %s\n", p.State, p.Text)
	}
	b.WriteString(r.Answer + "\n")
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}
