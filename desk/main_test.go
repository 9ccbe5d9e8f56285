package desk

import (
	"flag"
	"os"
	"testing"
)

// A walk builds a whole house; 25 of them say what 100 would.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		if err := f.Value.Set("25"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
