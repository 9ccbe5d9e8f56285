package addresses_test

import (
	"testing"

	"writ/chat/addresses"
	"writ/writtest"
)

func TestScripts(t *testing.T) { t.Parallel(); writtest.Scripts(t, "testdata/*.txt") }

// XEP-0157 §3: values are URIs.
func TestCheck(t *testing.T) {
	t.Parallel()
	for v, good := range map[string]bool{"mailto:abuse@example.org": true, "xmpp:abuse@example.org": true, "https://example.org/help": true, "tel:+4930123": true,
		"abuse@example.org": false, "": false, "mailto:": false, "javascript:alert(1)": false, "https:": false, "a b:c": false} {
		if err := (addresses.Config{Abuse: []string{v}}).Check(); (err == nil) != good {
			t.Errorf("%q: %v", v, err)
		}
	}
	if f := addresses.New(addresses.Config{}); f.Disco.Forms != nil {
		t.Errorf("a form without an address: %s", f.Disco.Forms)
	}
}
