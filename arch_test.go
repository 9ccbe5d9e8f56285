package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The import rule of docs/design/001-house.md as a table. Files are parsed here, in the process: a test that shells out to
// "go list" is served stale from the test cache.

// floors gives each folder with Go files its floor; a pattern covers one more step. Imports go to a lower floor.
var floors = []struct {
	pattern string
	floor   int
}{
	{".", 5}, {"cli", 5}, {"server", 5},
	{"web/*", 4},
	{"chat/*", 3}, {"desk", 3}, {"desk/*", 3}, {"report", 3},
	{"xmpp/feature", 2}, {"xmpp/route", 2}, {"xmpp/c2s", 2}, {"xmpp/s2s", 2}, {"account", 2}, {"records", 2}, {"tlog", 2},
	{"store", 1}, {"passkey", 1}, {"passkey/softkey", 1}, {"cluster", 1}, {"cluster/*", 1}, {"xmpp/stream", 1}, {"xmpp/sasl", 1}, {"xmpp/locate", 1},
	{"xmpp/xml", 0}, {"xmpp/jid", 0}, {"xmpp/stanza", 0}, {"schedule", 0}, {"config", 0}, {"clock", 0}, {"obs", 0}, {"spec", 0},
	{"tlog/verify", 0}, {"third_party/*", 0},
	{"writtest", testFloor}, {"store/storetest", testFloor}, {"bench", testFloor}, {"bench/*", testFloor}, {"interop", testFloor}, {"interop/*", testFloor}, {"story", testFloor},
}

// testFloor is for what only tests import; it may itself import any floor.
const testFloor = 9

type pair struct{ from, to string }

// sideways lists who may import a neighbour of the same floor.
var sideways = []pair{
	{".", "cli"}, {"cli", "server"},
	{"web/*", "web/session"}, {"web/*", "web/ui"},
	{"chat/*", "chat/archive"}, {"chat/*", "chat/roster"}, {"chat/*", "chat/pubsub"}, {"chat/*", "chat/adhoc"},
	{"desk", "desk/*"}, {"desk/*", "desk"}, {"desk/*", "desk/*"}, {"report", "desk"}, {"report", "desk/*"},
	{"xmpp/feature", "records"}, {"xmpp/route", "xmpp/feature"}, {"xmpp/c2s", "xmpp/route"}, {"xmpp/c2s", "xmpp/feature"}, {"xmpp/c2s", "account"},
	{"account", "records"}, {"account", "xmpp/feature"}, {"xmpp/c2s", "records"},
	{"xmpp/s2s", "xmpp/route"}, {"xmpp/s2s", "xmpp/feature"}, {"xmpp/s2s", "records"},
	{"passkey", "store"}, {"passkey/softkey", "passkey"}, {"cluster/*", "cluster"}, {"xmpp/stream", "xmpp/sasl"},
	{"xmpp/stanza", "xmpp/jid"}, {"xmpp/stanza", "xmpp/xml"},
	{"writtest", "*"}, {"store/storetest", "*"}, {"bench", "*"}, {"bench/*", "*"}, {"interop", "*"}, {"interop/*", "*"}, {"story", "*"},
}

// strangers must not meet, whatever their floors: the desk and its faces know nothing of accounts and chat.
var strangers = []pair{
	{"desk", "account"}, {"desk", "chat/*"}, {"desk/*", "account"}, {"desk/*", "chat/*"}, {"report", "account"}, {"report", "chat/*"},
	{"web/portal", "account"}, {"web/portal", "chat/*"}, {"web/staff", "account"}, {"web/staff", "chat/*"},
	{"web/admin", "account"}, {"web/admin", "chat/*"}, {"web/public", "account"}, {"web/public", "chat/*"},
	{"chat/*", "desk"}, {"chat/*", "desk/*"}, {"chat/*", "report"},
}

// only says which rooms may import a package from outside.
var only = []struct {
	outside string // a path, and what is below it
	rooms   []string
}{
	{"github.com/ncruces/go-sqlite3", []string{"store"}},
	{"github.com/jackc/pgx/v5", []string{"store", "store/storetest"}},
	{"github.com/nats-io", []string{"cluster/natsbus"}},
	{"github.com/miekg/dns", []string{"xmpp/locate", "writtest"}},
	{"flag", []string{"cli", "bench"}}, // bench is a command of its own
	{"github.com/alecthomas/kong", []string{"cli"}},
	{"encoding/xml", []string{"interop", "interop/*", "xmpp/c2s"}}, // accepts what XMPP must refuse; c2s writes host-meta with it
	{"math/rand", nil},
	{"math/rand/v2", []string{"bench", "bench/*"}},
}

var refusedNames = []string{"util", "utils", "common", "helpers", "helper", "model", "models", "types", "misc", "base"}

type room struct {
	dir   string
	files []*ast.File
}

func TestRooms(t *testing.T) {
	t.Parallel()
	rooms := parseRooms(t)
	if len(rooms) < 10 {
		t.Fatalf("only %d rooms were found", len(rooms))
	}
	for _, r := range rooms {
		floor, ok := floorOf(r.dir)
		if !ok {
			t.Errorf("%s has no floor: give it one in arch_test.go and in docs/design/001-house.md", r.dir)
			continue
		}
		if slices.Contains(refusedNames, path.Base(r.dir)) {
			t.Errorf("%s: the name says nothing; name the room for what it gives", r.dir)
		}
		for _, f := range r.files {
			for _, i := range f.Imports {
				p, _ := strconv.Unquote(i.Path.Value)
				if fault := importFault(r.dir, floor, p); fault != "" {
					t.Errorf("%s imports %s: %s", r.dir, p, fault)
				}
			}
			if !slices.Contains([]string{".", "cli", "store/storetest", "interop", "writtest", "bench", "story"}, r.dir) {
				checkEnvironment(t, r.dir, f)
			}
		}
	}
}

// importFault says what is wrong with an import; empty: nothing.
func importFault(dir string, floor int, imported string) string {
	for _, o := range only {
		if (imported == o.outside || strings.HasPrefix(imported, o.outside+"/")) && !slices.ContainsFunc(o.rooms, func(p string) bool { return match(p, dir) }) {
			return fmt.Sprintf("only %v may", o.rooms)
		}
	}
	inner, ours := strings.CutPrefix(imported, "writ/")
	if dir == "tlog/verify" && (ours || strings.Contains(imported, ".") && !strings.HasPrefix(imported, "golang.org/x/mod/")) {
		return "anyone must be able to read it alone, with the standard library and x/mod"
	}
	if !ours {
		return ""
	}
	to, ok := floorOf(inner)
	listed := func(table []pair) bool {
		return slices.ContainsFunc(table, func(p pair) bool { return match(p.from, dir) && (p.to == "*" || match(p.to, inner)) })
	}
	switch {
	case !ok:
		return "it has no floor"
	case listed(strangers):
		return "they are strangers"
	case to == testFloor && floor != testFloor:
		return "it is for tests"
	case to == floor && !listed(sideways):
		return "sideways: move what it needs one floor down, or list the pair"
	case to > floor:
		return fmt.Sprintf("imports go down, and this goes from floor %d to %d", floor, to)
	}
	return ""
}

// checkEnvironment finds reads of the environment and the command line.
func checkEnvironment(t *testing.T, dir string, f *ast.File) {
	t.Helper()
	ast.Inspect(f, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := s.X.(*ast.Ident); ok && x.Name == "os" && x.Obj == nil && slices.Contains([]string{"Getenv", "LookupEnv", "Environ", "ExpandEnv", "Args"}, s.Sel.Name) {
			t.Errorf("%s uses os.%s: only cli reads flags and the environment", dir, s.Sel.Name)
		}
		return true
	})
}

func floorOf(dir string) (int, bool) {
	for _, f := range floors {
		if f.pattern == dir {
			return f.floor, true
		}
	}
	for _, f := range floors {
		if match(f.pattern, dir) {
			return f.floor, true
		}
	}
	return 0, false
}

func match(pattern, dir string) bool {
	ok, _ := path.Match(pattern, dir)
	return ok
}

// parseRooms parses every Go file of the module that is not a test.
func parseRooms(t *testing.T) map[string]*room {
	t.Helper()
	rooms := map[string]*room{}
	set := token.NewFileSet()
	err := fs.WalkDir(os.DirFS("."), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && p != "." && (name == "testdata" || name == "node_modules" || name[0] == '.' || name[0] == '_') {
			return fs.SkipDir
		}
		if d.IsDir() && p != "." {
			if _, err := os.Stat(path.Join(p, "go.mod")); err == nil {
				return fs.SkipDir // another module, carried unchanged but for what NOTICE says
			}
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(set, p, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir := path.Dir(p)
		if rooms[dir] == nil {
			rooms[dir] = &room{dir: dir}
		}
		rooms[dir].files = append(rooms[dir].files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rooms
}

// Each rule is shown to bite: a planted fault turns the check red.
func TestTheRuleBites(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ dir, imported string }{
		{"xmpp/jid", "writ/store"}, {"store", "writ/records"}, {"chat/mam", "writ/chat/muc"}, {"desk", "writ/account"}, {"desk/intake", "writ/chat/mam"},
		{"web/staff", "writ/chat/roster"}, {"web/staff", "writ/web/portal"}, {"chat/mam", "github.com/jackc/pgx/v5"}, {"records", "writ/store/storetest"},
		{"tlog/verify", "writ/clock"}, {"tlog/verify", "golang.org/x/crypto/sha3"}, {"server", "flag"}, {"chat/mam", "writ/nowhere/at/all"}, {"account", "writ/xmpp/c2s"},
	} {
		if floor, _ := floorOf(c.dir); importFault(c.dir, floor, c.imported) == "" {
			t.Errorf("%s may import %s", c.dir, c.imported)
		}
	}
}
