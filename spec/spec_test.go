package spec

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// comments calls f for each comment group of the module's Go files.
func comments(t *testing.T, f func(where, text string)) {
	t.Helper()
	fset := token.NewFileSet()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch d.Name() {
			case "third_party", "node_modules", ".git", ".deps", "spec":
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, g := range file.Comments {
			f(fset.Position(g.Pos()).String(), commentText(g))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// commentText joins a group's lines so that a reference may break over two of them.
func commentText(g *ast.CommentGroup) string {
	return strings.Join(strings.Fields(g.Text()), " ")
}

func TestEveryReferenceResolves(t *testing.T) {
	t.Parallel()
	known := Sections()
	n := 0
	comments(t, func(where, text string) {
		n += strings.Count(text, "§")
		for _, w := range Check(text, known) {
			t.Errorf("%s: %s", where, w)
		}
	})
	t.Logf("%d references", n)
}

func TestIndex(t *testing.T) {
	t.Parallel()
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, s := range all {
		if len(s.Rooms) == 0 {
			t.Errorf("%s names no room", s.Name)
		}
		for _, room := range s.Rooms {
			named[room] = true
			if _, err := os.Stat(filepath.Join("..", room)); err != nil {
				t.Errorf("%s: no room %s", s.Name, room)
			}
		}
	}
	for _, floor := range []string{"chat", "xmpp"} { // each room of the protocol obeys a specification and is listed under it
		dirs, err := os.ReadDir(filepath.Join("..", floor))
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range dirs {
			room := floor + "/" + d.Name()
			if d.IsDir() && !named[room] && !unspecified[room] {
				t.Errorf("room %s is named by no row of spec/index.txt", room)
			}
		}
	}
}

// unspecified rooms obey no outside specification: the contract between rooms, and the server's own voice.
var unspecified = map[string]bool{"xmpp/feature": true, "chat/bulletin": true}

func TestCheckFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	known := Sections()
	for _, c := range []struct {
		text  string
		wrong int
	}{
		{"RFC 6121 §8.5.2 says", 0},
		{"XEP-0313 §4.1, §4.2 and §6", 0},
		{"RFC 6121 §8.5.9", 1},
		{"XEP-0313 §4.1, §4.9", 1},
		{"XEP-0313 §4.1 for items, and for pages (§4.2)", 0},
		{"see §4.1", 1},
		{"RFC 1 §1", 1},
	} {
		if got := Check(c.text, known); len(got) != c.wrong {
			t.Errorf("%q: want %d faults, have %v", c.text, c.wrong, got)
		}
	}
}
