package interop

import (
	"fmt"
	"testing"

	"writ/writtest"
)

// befriend makes two accounts contacts of each other, as their apps would (RFC 6121 §3.1).
func (h *house) befriend(t *testing.T, a, b string) {
	t.Helper()
	one, two := h.Dial(t, writtest.TCP), h.Dial(t, writtest.TCP)
	for _, step := range []struct {
		c                   *writtest.Client
		local, typ, partner string
	}{
		{one, a, "subscribe", b}, {two, b, "subscribed", a}, {two, b, "subscribe", a}, {one, a, "subscribed", b},
	} {
		if step.c.JID.IsZero() {
			if err := step.c.Login(step.local, "befriends"); err != nil {
				t.Fatal(err)
			}
		}
		for i, s := range []string{
			fmt.Sprintf(`<presence to='%s@localhost' type='%s'/>`, step.partner, step.typ),
			`<iq id='done' type='get' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>`,
		} {
			if err := step.c.SendText(s); err != nil {
				t.Fatal(err)
			}
			for i == 1 { // the answer says that what went before is done
				e, err := step.c.Next()
				if err != nil {
					t.Fatal(err)
				}
				if e.Attr("id") == "done" {
					break
				}
			}
		}
	}
	for _, c := range []*writtest.Client{one, two} {
		if err := c.End(); err != nil {
			t.Fatal(err)
		}
	}
}
