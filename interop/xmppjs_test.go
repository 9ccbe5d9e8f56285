package interop

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"writ/chat/e2ee"
	"writ/server"
	"writ/writtest"
)

// xmpp.js signs in by SASL2 and Bind 2, and from then on with its token, over TCP and WebSocket; a lost session is taken up in the same exchange.
func TestXMPPJS(t *testing.T) {
	t.Parallel()
	node := need(t, "node")
	modules := inRepository(t, ".deps", "npm")
	h := start(t, func(o *server.Options) { o.Config.E2EE.Mode = e2ee.Off }) // what is tested is not what is said
	for _, way := range []string{"TCP", "WebSocket"} {
		t.Run(way, func(t *testing.T) {
			name, friend := h.Fresh("alice"), h.Fresh("bob")
			h.Account(t, name)
			h.Account(t, friend)
			service := "xmpp://localhost:" + h.port()
			if way == "WebSocket" {
				service = "wss://localhost:" + port(h.At.HTTPS[0]) + "/xmpp-websocket"
			}
			cmd := exec.Command(node, "--experimental-websocket", "--no-warnings", "xmppjs/client.mjs", name, writtest.Password, service)
			cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+h.certificate(), "XMPPJS="+modules)
			app := drive(t, "xmpp.js", cmd)

			app.do(event{"do": "start"})
			first := app.await(event{"event": "online"})
			if !strings.Contains(first["jid"].(string), "/xmppjs/") || first["mechanism"] == "HT-SHA-256-NONE" || !holds(first["inline"], "request-token") ||
				!holds(first["answer"], "bound") || !holds(first["answer"], "token") {
				t.Fatalf("the first sign-in: %v", first)
			}
			app.do(event{"do": "presence"})
			app.do(event{"do": "devices"})
			if d := app.await(event{"event": "devices"}); !holds(d["software"], "xmpp.js") || !holds(d["auth"], "password fast") {
				t.Errorf("devices: %v", d)
			}

			app.do(event{"do": "cut"})
			app.await(event{"event": "lost"})
			bob := h.Dial(t, writtest.DirectTLS)
			if err := bob.Login(friend, "desk"); err != nil {
				t.Fatal(err)
			}
			if err := bob.SendText("<message to='" + first["jid"].(string) + "' type='chat'><body>over the gap</body></message>"); err != nil {
				t.Fatal(err)
			}
			again := app.await(event{"event": "resumed"})
			if again["jid"] != first["jid"] || again["mechanism"] != "HT-SHA-256-NONE" || !holds(again["answer"], "resumed") {
				t.Errorf("the resumption: %v", again)
			}
			app.await(event{"event": "message", "body": "over the gap"})

			app.do(event{"do": "stop"})
			app.await(event{"event": "stopped"})
			app.do(event{"do": "start"})
			if e := app.await(event{"event": "online"}); e["jid"] != first["jid"] || e["mechanism"] != "HT-SHA-256-NONE" || !holds(e["answer"], "bound") || holds(e["answer"], "token") {
				t.Errorf("by the token: %v", e)
			}
		})
	}
}

func holds(list any, text string) bool {
	l, _ := list.([]any)
	return slices.ContainsFunc(l, func(v any) bool { return v == text })
}
