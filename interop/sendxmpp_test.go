package interop

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"writ/writtest"
)

// go-sendxmpp has no OMEMO: its message is refused, in words that a person can act on.
func TestGoSendxmpp(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.Account(t, "alice")
	h.Account(t, "bob")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, need(t, "go-sendxmpp"), "-d", "-n", "-u", "alice@localhost", "-p", writtest.Password,
		"-j", "localhost:"+h.port(), "bob@localhost")
	cmd.Stdin = strings.NewReader("hello\n")
	out, err := cmd.CombinedOutput()
	if err != nil && ctx.Err() != nil {
		t.Fatalf("go-sendxmpp: %v\n%s", err, out)
	}
	for _, want := range []string{"policy-violation", "Switch on OMEMO encryption"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the refusal lacks %q:\n%s", want, out)
		}
	}
}
