package records_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"testing"

	"writ/records"
)

// TestOnlyExtractAndOwnMakeAnOpened reads the package's own source: no field of Opened is exported, no exported function or method
// hands one out, and a literal with fields stands in exactly three places: behind the gate's checks, for the person, and for a copy that
// stays in the database.
func TestOnlyExtractAndOwnMakeAnOpened(t *testing.T) {
	t.Parallel()
	o := reflect.TypeFor[records.Opened]()
	for i := range o.NumField() {
		if o.Field(i).IsExported() {
			t.Errorf("the field %s is exported", o.Field(i).Name)
		}
	}
	makers := map[string]int{}
	names, err := fs.Glob(os.DirFS("."), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if fn.Name.IsExported() && fn.Type.Results != nil && mentions(fn.Type.Results, "Opened") {
				t.Errorf("%s hands out an Opened", fn.Name.Name)
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				if lit, ok := n.(*ast.CompositeLit); ok && mentions(lit.Type, "Opened") {
					makers[fn.Name.Name]++
				}
				return true
			})
		}
	}
	if len(makers) != 3 || makers["run"] != 1 || makers["Own"] != 1 || makers["preserve"] != 1 {
		t.Errorf("an Opened is made in %v; only run, which Extract calls after its checks, Own, and preserve, which copies within the database, may", makers)
	}
}

func mentions(n ast.Node, name string) (found bool) {
	if n == nil {
		return false
	}
	ast.Inspect(n, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && id.Name == name {
			found = true
		}
		return true
	})
	return found
}
