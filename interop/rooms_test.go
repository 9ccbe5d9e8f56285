package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const garden = "garden@rooms.localhost"

// enter opens a room in the web chat and waits until its messages are encrypted.
func (p chatPage) enter(room string) {
	p.Eval(`location.hash = "#converse/room?jid=`+room+`"`, nil)
	p.Wait(`document.querySelector(".chatroom .chat-textarea")`)
	p.Wait(`document.querySelector(".chatroom .toggle-omemo .fa-lock, .chatroom .toggle-omemo converse-icon.fa-lock, .chatroom .toggle-omemo [class*='fa-lock']")`)
}

// A private group made by slixmpp (OMEMO 0.3 alone: it reads no text of OMEMO 2, and Converse.js refuses some of its keys of that version), with Profanity and Converse.js in it, all with OMEMO: each reads the others, one who was away reads the room's
// archive, and one who is kicked gets nothing more.
func TestRoom(t *testing.T) {
	t.Parallel()
	h := start(t)
	names := []string{"alice", "bob", "carol", "dave", "erin"}
	var jids []string
	for _, n := range names {
		h.Account(t, n)
		jids = append(jids, n+"@localhost")
	}
	h.Account(t, "frank")
	h.befriend(t, "bob", "frank") // Converse.js is ready when it shows a contact
	carol, dave, erin := h.slix(t, "carol", "old"), h.slix(t, "dave", "old"), h.slix(t, "erin", "old")
	for _, d := range []*driven{carol, dave, erin} {
		d.await(event{"event": "ready"})
	}
	carol.do(event{"do": "join", "room": garden, "nick": "carol"})
	carol.await(event{"event": "joined", "room": garden})
	carol.do(event{"do": "instant", "room": garden})
	carol.await(event{"event": "configured"})
	carol.do(event{"do": "members", "room": garden, "jids": append(jids[:2:2], jids[3:]...)})
	carol.await(event{"event": "admitted"})
	for _, d := range []*driven{dave, erin} {
		d.do(event{"do": "join", "room": garden, "nick": d.name})
		d.await(event{"event": "joined", "room": garden})
	}
	erin.do(event{"do": "away"})
	erin.await(event{"event": "lost"})

	bob := h.converse(t, "bob")
	alice := h.profanity(t, "alice")
	bob.enter(garden)
	alice.types("/join " + garden)
	alice.shows("dave")
	alice.types("/omemo start")
	for _, n := range []string{"bob", "carol", "dave", "erin"} {
		alice.types("/win 1")
		alice.shows("Blind trust for " + n + "@localhost")
	}
	alice.types("/win 2")
	for _, n := range []string{"alice", "bob"} { // the others need their keys, and read them as strangers
		eventually(t, n+" has published keys that members of the room can read", func() bool {
			var open int
			err := h.DB.QueryRow(t.Context(), `SELECT count(*) FROM pubsub_node n JOIN pubsub_item i ON i.account = n.account AND i.node = n.node
				WHERE n.account = $1 AND n.access = 'open' AND n.node LIKE 'eu.siacs.conversations.axolotl.%'`, n+"@localhost").Scan(&open)
			return err == nil && open >= 2
		})
	}

	heard := func(text string, from int) {
		t.Helper()
		if from != 0 {
			alice.shows(text)
		}
		if from != 1 {
			bob.hears(text)
		}
		if from != 2 {
			carol.await(event{"event": "message", "how": "room", "body": text, "encrypted": true})
		}
	}
	alice.types("said in the terminal")
	heard("said in the terminal", 0)
	bob.say("said in the browser")
	heard("said in the browser", 1)
	carol.do(event{"do": "say", "room": garden, "jids": jids, "body": "said by a script"})
	heard("said by a script", 2)
	for _, text := range []string{"said in the terminal", "said in the browser", "said by a script"} {
		dave.await(event{"event": "message", "how": "room", "body": text, "encrypted": true})
	}

	carol.do(event{"do": "plain-room", "room": garden, "body": "readable"})
	if e := carol.await(event{"event": "refused"}); !strings.Contains(fmt.Sprint(e["text"]), "OMEMO") {
		t.Errorf("readable text in a private group: the refusal does not say what to do: %v", e)
	}

	carol.do(event{"do": "kick", "room": garden, "nick": "dave"})
	if e := dave.await(event{"event": "left", "room": garden}); !strings.Contains(fmt.Sprint(e["codes"]), "307") {
		t.Errorf("a kicked person is told so: %v", e)
	}
	bob.say("said without dave")
	heard("said without dave", 1)
	dave.do(event{"do": "plain-room", "room": garden, "body": "let me in"})
	dave.await(event{"event": "refused"})
	dave.do(event{"do": "ping"})
	dave.await(event{"event": "pinged"})
	for _, e := range dave.seen {
		if e["how"] == "room" {
			t.Errorf("a kicked person got %v", e)
		}
	}

	erin.do(event{"do": "back"})
	erin.await(event{"event": "started"})
	erin.do(event{"do": "join", "room": garden, "nick": "erin"})
	erin.await(event{"event": "joined", "room": garden})
	erin.do(event{"do": "room-archive", "room": garden})
	var read []string
	for _, m := range erin.await(event{"event": "room-archived"})["messages"].([]any) {
		m := m.(map[string]any)
		if m["body"] == nil {
			t.Errorf("the room's archive holds what the absent member cannot read: %v", m)
		}
		read = append(read, fmt.Sprint(m["body"]))
	}
	if want := "said in the terminal|said in the browser|said by a script|said without dave"; strings.Join(read, "|") != want {
		t.Errorf("the absent member reads %q, want %q", read, want)
	}
	if dir := os.Getenv("WRIT_SCREENSHOTS"); dir != "" {
		bob.Screenshot(filepath.Join(dir, "room.png"))
	}
	var clear int
	if err := h.DB.QueryRow(t.Context(), `SELECT count(*) FROM archive_stanza WHERE instr(CAST(stanza AS TEXT), 'said ') > 0 OR instr(CAST(stanza AS TEXT), 'readable') > 0`).Scan(&clear); err != nil {
		t.Fatal(err)
	}
	if clear > 0 {
		t.Errorf("%d messages stand readable in the archive", clear)
	}
}
