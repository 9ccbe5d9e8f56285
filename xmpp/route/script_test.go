package route_test

import (
	"testing"

	"writ/writtest"
)

// The scripts are RFC 6121 §8 as a person with a client sees it; the tables of rules.go are tested beside them.
func TestScripts(t *testing.T) { t.Parallel(); writtest.Scripts(t, "testdata/*.txt") }
