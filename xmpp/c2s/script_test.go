package c2s_test

import (
	"testing"

	"writ/writtest"
)

// The scripts are signing in as an app sees it, over the whole house: SASL2, Bind 2, tokens, resumption.
func TestScripts(t *testing.T) { t.Parallel(); writtest.Scripts(t, "testdata/*.txt") }
