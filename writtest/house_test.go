package writtest

import (
	"testing"

	"writ/store"
	"writ/store/storetest"
)

// Everyone can sign in by every way, on both databases, and a ping is answered.
func TestLogin(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := Start(t, db)
		h.Account(t, "alice")
		for _, via := range []Via{TCP, DirectTLS, WebSocket, BOSH} {
			c := h.Dial(t, via)
			if err := c.Login("alice", via.String()); err != nil {
				t.Fatal(via, err)
			}
			if err := c.SendText("<iq type='get' id='1' to='" + Domain + "'><ping xmlns='urn:xmpp:ping'/></iq>"); err != nil {
				t.Fatal(err)
			}
			if e, err := c.Next(); err != nil || e.Attr("type") != "result" || e.Attr("id") != "1" {
				t.Fatal(via, e, err)
			}
			if err := c.End(); err != nil {
				t.Fatal(via, err)
			}
		}
	})
}

func TestScripts(t *testing.T) {
	t.Parallel()
	Scripts(t, "testdata/*.txt")
}
