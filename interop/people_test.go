package interop

import (
	"bytes"
	"encoding/hex"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"testing"
)

const lawn = "lawn@rooms.localhost"

// red is a picture.
var red = func() []byte {
	var b bytes.Buffer
	m := image.NewNRGBA(image.Rect(0, 0, 32, 32))
	draw.Draw(m, m.Bounds(), image.NewUniform(color.NRGBA{200, 20, 20, 255}), image.Point{}, draw.Src)
	png.Encode(&b, m) // into memory
	return b.Bytes()
}()

// What slixmpp does for an account beside talking: bookmarks in their three forms, from device to device; a picture, for contacts and in the
// business card; signs of a call; blocking; a new password, which ends the other devices; the end of the account, of which contacts hear.
func TestSlixmppAccount(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.Account(t, "alice")
	h.Account(t, "bob")
	h.befriend(t, "alice", "bob")
	alice, second, bob := h.slix(t, "alice"), h.slix(t, "alice"), h.slix(t, "bob")
	for _, d := range []*driven{alice, second, bob} {
		d.await(event{"event": "ready"})
	}

	alice.do(event{"do": "bookmark", "room": lawn, "name": "The lawn"})
	alice.await(event{"event": "bookmarked"})
	if e := second.await(event{"event": "published", "node": "urn:xmpp:bookmarks:1"}); !holds(e["items"], lawn) {
		t.Errorf("the other device hears of %v", e)
	}
	second.do(event{"do": "bookmarks"})
	e := second.await(event{"event": "bookmarks"})
	for _, form := range []string{"items", "list", "private"} {
		if !holds(e[form], lawn) {
			t.Errorf("the bookmark is not in %s: %v", form, e)
		}
	}

	bob.do(event{"do": "show-picture", "hex": hex.EncodeToString(red)})
	bob.await(event{"event": "shown"})
	id := alice.await(event{"event": "published", "node": "urn:xmpp:avatar:metadata", "by": "bob@localhost"})["items"].([]any)[0]
	alice.do(event{"do": "picture", "of": "bob@localhost", "id": id})
	if e := alice.await(event{"event": "picture"}); e["hex"] != hex.EncodeToString(red) || e["card"] != hex.EncodeToString(red) {
		t.Errorf("the picture: %v", e)
	}

	for _, c := range []struct{ answer, id string }{{"proceed", "c1"}, {"reject", "c2"}} {
		alice.do(event{"do": "call", "step": "propose", "to": "bob@localhost", "id": c.id})
		bob.await(event{"event": "call", "step": "propose", "by": "alice@localhost", "id": c.id})
		bob.do(event{"do": "call", "step": c.answer, "to": "alice@localhost", "id": c.id})
		for _, d := range []*driven{alice, second} {
			d.await(event{"event": "call", "step": c.answer, "by": "bob@localhost", "id": c.id})
		}
	}

	bob.do(event{"do": "block", "who": "alice@localhost"})
	if e := bob.await(event{"event": "blocked"}); !holds(e["all"], "alice@localhost") {
		t.Errorf("blocked: %v", e)
	}
	alice.do(event{"do": "call", "step": "propose", "to": "bob@localhost", "id": "c3"})
	alice.await(event{"event": "refused"})

	bob.do(event{"do": "unblock", "who": "alice@localhost"})
	bob.await(event{"event": "unblocked"})
	second.do(event{"do": "quit"})
	second.await(event{"event": "lost"})
	bob.do(event{"do": "password", "new": "a password of its own"})
	bob.await(event{"event": "password-changed"})
	bob.do(event{"do": "delete"})
	bob.await(event{"event": "lost"})
	alice.await(event{"event": "gone", "who": "bob@localhost"})
	alice.do(event{"do": "contacts"})
	if e := alice.await(event{"event": "contacts"}); holds(e["all"], "bob@localhost") {
		t.Errorf("who has no account any more is still a contact: %v", e)
	}
	if gone := h.slix(t, "bob").await(event{"event": "failed_auth"}); gone == nil {
		t.Error("the account is still there")
	}
}
