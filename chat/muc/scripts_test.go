package muc_test

import (
	"testing"

	"writ/writtest"
)

func TestScripts(t *testing.T) { t.Parallel(); writtest.Scripts(t, "testdata/*.txt") }
