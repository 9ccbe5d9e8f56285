package invite_test

import (
	"testing"

	"writ/chat/invite"
	"writ/writtest"
	"writ/xmpp/jid"
)

func TestScripts(t *testing.T) { t.Parallel(); writtest.Scripts(t, "testdata/*.txt") }

// RFC 5122 section 2.7.2: what is no letter, digit or mark of a URI is escaped.
func TestURIs(t *testing.T) {
	t.Parallel()
	inviter, err := jid.New(`o.hara%?#ß`, "example.org", "")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := invite.ContactURI(inviter, "T0KEN", true), "xmpp:o.hara%25%3F%23%C3%9F@example.org?roster;preauth=T0KEN;ibr=y"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := invite.AccountURI(inviter.Domain(), "", "T"), "xmpp:example.org?register;preauth=T"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := invite.AccountURI(inviter.Domain(), "juliet", "T"), "xmpp:juliet@example.org?register;preauth=T"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
