package writtest

import (
	"fmt"
	"os"
	"strings"
)

// statement is one line of a script, with what goes on with it.
type statement struct {
	line int
	who  string // a client, or empty
	verb string
	rest string
}

// script is a parsed file.
type script struct {
	clients  []person
	accounts []string
	abroad   map[string]bool // accounts at the other house
	config   []string        // TOML lines
	bosh     bool            // it runs over BOSH too
	own      bool            // it needs a server of its own
	clock    bool            // it moves the clock
	heads    []string        // accounts that are operators
	steps    []statement
}

type person struct{ name, account string }

// verbs of clients, the longer ones first.
var verbs = []string{"never receives", "receives nothing", "connects resumable", "resumes and fails", "is closed with", "is closed",
	"signs in at once", "signs in", "connects", "opens", "authenticates", "disconnects", "drops", "resumes", "ignores", "->", "<-"}

func readScript(file string) (*script, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return parseScript(string(b))
}

func parseScript(text string) (*script, error) {
	s := &script{}
	for _, st := range statements(text) {
		if err := s.add(st); err != nil {
			return nil, fmt.Errorf("line %d: %w", st.line, err)
		}
	}
	if len(s.steps) == 0 {
		return nil, fmt.Errorf("the script does nothing")
	}
	return s, nil
}

// statements joins the lines that go on.
func statements(text string) []statement {
	var out []statement
	for i, l := range strings.Split(text, "\n") {
		switch {
		case strings.TrimSpace(l) == "" || l[0] == '#':
		case (l[0] == ' ' || l[0] == '\t') && len(out) > 0:
			out[len(out)-1].rest += "\n" + strings.TrimSpace(l)
		default:
			out = append(out, statement{line: i + 1, rest: strings.TrimRight(l, " \t\r")})
		}
	}
	return out
}

func (s *script) add(st statement) error {
	word, rest, _ := strings.Cut(st.rest, " ")
	rest = strings.TrimSpace(rest)
	away := false
	if word == "client" || word == "account" {
		rest, away = strings.CutSuffix(rest, " abroad")
	}
	switch word {
	case "client":
		name, of, ok := strings.Cut(rest, " of ")
		if !ok {
			of = name
		}
		s.clients = append(s.clients, person{name, of})
		s.away(of, away)
		return nil
	case "account":
		s.accounts = append(s.accounts, rest)
		s.away(rest, away)
		return nil
	case "operator":
		s.heads = append(s.heads, rest)
		return nil
	case "config":
		s.config, s.own = append(s.config, rest), true
		return nil
	case "over":
		if rest != "BOSH" {
			return fmt.Errorf("over BOSH, or nothing")
		}
		s.bosh = true
		return nil
	case "alone":
		s.own = true
		return nil
	case "advance":
		s.own, s.clock = true, true
	case "restart", "crash":
		s.own = true
	default:
		return s.step(st, word, rest)
	}
	s.steps = append(s.steps, statement{st.line, "", word, rest})
	return nil
}

func (s *script) away(account string, away bool) {
	if away {
		if s.abroad == nil {
			s.abroad = map[string]bool{}
		}
		s.abroad[account] = true
	}
}

func (s *script) step(st statement, who, rest string) error {
	known := false
	for _, c := range s.clients {
		known = known || c.name == who
	}
	if !known {
		return fmt.Errorf("%q is neither a statement nor a client", who)
	}
	for _, v := range verbs {
		if tail, ok := strings.CutPrefix(rest, v); ok && (tail == "" || strings.TrimLeft(tail, " \n<{") != tail) {
			s.steps = append(s.steps, statement{st.line, who, v, strings.TrimSpace(tail)})
			return nil
		}
	}
	return fmt.Errorf("a client does not %q; it %s", rest, strings.Join(verbs, ", "))
}
