package s2s_test

import (
	"testing"

	"writ/writtest"
)

// The scripts are federation as people with clients see it: two houses, each found by the other.
func TestScripts(t *testing.T) { t.Parallel(); writtest.Scripts(t, "testdata/*.txt") }
