package interop

import (
	"testing"

	"writ/writtest"
)

// Two people with Profanity: a group with its settings form, an invitation, the subject, a nickname, a kick, coming back, a ban, a bookmark; then the
// commands of the account, of which the list of devices once ended Profanity, the list of who is blocked, and a new password.
func TestProfanityGroup(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.Account(t, "alice")
	h.Account(t, "bob")
	alice, bob := h.profanity(t, "alice"), h.profanity(t, "bob")
	alice.types("/join " + garden)
	alice.shows("Room locked, requires configuration.")
	alice.types("/room config")
	alice.shows("Only members enter: TRUE")
	alice.types("/field1 Garden")
	alice.types("/form submit")
	alice.shows("Room configuration successful")
	alice.types("/affiliation set member bob@localhost")
	alice.types("/invite send bob@localhost come")
	bob.shows("Chat room invite received:")
	bob.types("/join " + garden)
	bob.shows("You have joined the room as bob, role: participant, affiliation: member")
	alice.shows("Participants")
	alice.types("/subject set Flowers")
	bob.shows("alice has set the room subject: Flowers")
	bob.types("/nick bobby")
	alice.shows("bob is now known as bobby")
	alice.types("/kick bobby enough")
	bob.shows("Kicked from " + garden + " by alice, reason: enough")
	bob.types("/join " + garden)
	bob.shows("You have joined the room as bob")
	alice.types("/ban bob@localhost enough")
	bob.shows("Banned from " + garden + " by alice, reason: enough")
	bob.types("/join " + garden)
	bob.shows("Error joining room " + garden + ", reason: forbidden")
	alice.types("/bookmark add")
	alice.shows("Bookmark added for " + garden)

	alice.types("/win 1")
	alice.types("/bookmark list")
	alice.shows(garden + "/alice (autojoin)")
	alice.types("/cmd list localhost")
	alice.shows("urn:xmpp:invite#invite")
	alice.types("/cmd exec urn:writ:my-devices localhost")
	alice.shows("Sign out this app:")
	alice.types("/form submit")
	alice.shows("No app was signed out.")
	for command, answer := range map[string]string{"urn:writ:my-records": "Never given to anyone.", "urn:xmpp:invite#invite": "Link for a browser: https://localhost/invite/"} {
		alice.types("/win 1")
		alice.types("/cmd exec " + command + " localhost")
		alice.shows(answer)
	}

	bob.types("/blocked add carol@localhost")
	bob.shows("User carol@localhost successfully blocked.")
	bob.types("/changepassword")
	for _, asked := range []string{"Enter password:", "Confirm password:"} {
		bob.shows(asked)
		bob.types("a password of its own")
	}
	bob.shows("Password successfully changed.")
	c := h.Dial(t, writtest.TCP)
	if err := c.Login("bob", "phone"); err == nil {
		t.Error("the old password is good still")
	}
}
