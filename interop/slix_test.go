package interop

import (
	"os/exec"
	"strings"
	"testing"

	"writ/writtest"
)

func (h *house) slix(t *testing.T, name string, more ...string) *driven {
	t.Helper()
	python := inRepository(t, ".deps", "venv", "bin", "python")
	return drive(t, name, exec.Command(python, append([]string{"slix/client.py", name + "@localhost", writtest.Password, h.port(), h.certificate()}, more...)...))
}

// Two slixmpp clients with OMEMO: both ways, to somebody who is away, to a second device, from the archive, and over a cut.
func TestSlixmpp(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.Account(t, "alice")
	h.Account(t, "bob")
	alice := h.slix(t, "alice")
	alice.await(event{"event": "ready"})
	bob := h.slix(t, "bob")
	bob.await(event{"event": "ready"})

	alice.do(event{"do": "encrypted", "to": "bob@localhost", "body": "over the wall"})
	bob.await(event{"event": "message", "body": "over the wall", "encrypted": true, "how": "message"})
	bob.do(event{"do": "encrypted", "to": "alice@localhost", "body": "and back"})
	alice.await(event{"event": "message", "body": "and back", "encrypted": true})

	alice.do(event{"do": "plain", "to": "bob@localhost", "body": "readable"})
	if e := alice.await(event{"event": "refused"}); !strings.Contains(e["text"].(string), "Switch on OMEMO") {
		t.Errorf("a readable message: the refusal does not say what to do: %v", e)
	}

	second := h.slix(t, "alice")
	second.await(event{"event": "ready"})
	// The first device encrypts to the second as soon as it has been told of it; until then the copy is not for the second.
	for try := 0; ; try++ {
		alice.do(event{"do": "encrypted", "to": "bob@localhost", "body": "to all my devices"})
		bob.await(event{"event": "message", "body": "to all my devices"})
		if e := second.await(event{"how": "carbon-sent"}); e["event"] == "message" && e["body"] == "to all my devices" {
			break
		} else if try == 20 {
			t.Fatalf("the second device is never encrypted to: %v", e)
		}
	}

	bob.do(event{"do": "cut"})
	bob.await(event{"event": "lost"})
	alice.do(event{"do": "encrypted", "to": "bob@localhost", "body": "while you were cut off"})
	bob.await(event{"event": "resumed"})
	bob.await(event{"event": "message", "body": "while you were cut off", "encrypted": true})

	bob.do(event{"do": "archive", "with": "alice@localhost"})
	archived := bob.await(event{"event": "archived"})["messages"].([]any)
	if len(archived) < 4 {
		t.Errorf("want at least 4 messages in the archive, have %v", archived)
	}
	for _, m := range archived {
		if m := m.(map[string]any); m["encrypted"] != true {
			t.Errorf("the archive holds what is not encrypted: %v", m)
		}
	}
}

// Who was away gets what waited, once.
func TestSlixmppOffline(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.Account(t, "alice")
	h.Account(t, "bob")
	// Bob's keys must be known before he leaves; they go with his process, so the message is only seen, not read.
	bob := h.slix(t, "bob")
	bob.await(event{"event": "ready"})
	bob.do(event{"do": "quit"})
	bob.await(event{"event": "lost"})
	alice := h.slix(t, "alice")
	alice.await(event{"event": "ready"})
	alice.do(event{"do": "encrypted", "to": "bob@localhost", "body": "for later"})
	alice.await(event{"event": "sent"})
	again := h.slix(t, "bob")
	if e := again.await(event{"event": "undecryptable"}); e["delayed"] != true {
		t.Errorf("what waited comes with a delay stamp: %v", e)
	}
}
