package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"writ/interop/browser"
	"writ/writtest"
)

// opens opens one of Converse.js's windows from its button.
func (p chatPage) opens(button string) {
	p.Wait(`!document.querySelector(".modal.show") && document.querySelector("` + button + `")`)
	p.Eval(`document.querySelector("`+button+`").click()`, nil)
	p.Wait(`document.querySelector(".modal.show form")`)
}

// sends sends the form of the window that is open.
func (p chatPage) sends() {
	p.Eval(`document.querySelector(".modal.show form [type=submit]").click()`, nil)
}

func (p chatPage) closes() {
	p.Eval(`document.querySelector(".modal.show [data-bs-dismiss]").click()`, nil)
	p.Wait(`!document.querySelector(".modal.show")`)
}

func (p chatPage) sees(text string) {
	p.Wait(fmt.Sprintf(`document.body.innerText.includes(%q)`, text))
}

// orders gives a command of the box in which messages are written, such as /kick.
func (p chatPage) orders(line string) {
	p.Wait(`document.querySelector(".chat-textarea").value === ""`)
	p.say(line)
}

// Two people with Converse.js, one of them with slixmpp too: a group, its settings and picture, a bookmark that the other app hears of, an invitation, a message that a moderator
// takes away, a correction, the subject, a nickname, a kick.
func TestConverseGroup(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.Account(t, "alice")
	h.Account(t, "bob")
	h.befriend(t, "alice", "bob")
	b := browser.Start(t)
	alice, bob := h.chat(b, "alice"), h.chat(b, "bob")
	phone := h.slix(t, "alice", "old")
	phone.await(event{"event": "ready"})

	alice.enter(lawn)
	if e := phone.await(event{"event": "published", "node": "urn:xmpp:bookmarks:1"}); !holds(e["items"], lawn) {
		t.Errorf("Converse.js bookmarks what it enters; the other app hears of %v", e)
	}
	phone.do(event{"do": "join", "room": lawn, "nick": "alice's phone"})
	phone.await(event{"event": "joined", "room": lawn})
	alice.opens("converse-muc-heading .configure-chatroom-button")
	alice.Wait(`document.querySelector('.modal.show [name="muc#roomconfig_roomname"]')`)
	alice.typed(`.modal.show [name="muc#roomconfig_roomname"]`, "The lawn")
	alice.paints()
	alice.sends()
	alice.Wait(`document.querySelector("converse-muc-heading").innerText.includes("The lawn")`)

	alice.opens("converse-muc .open-invite-modal")
	alice.typed(".modal.show input[name=invitee_jids]", "bob@localhost")
	alice.typed(".modal.show textarea[name=reason]", "tea")
	alice.sends()
	bob.sees("alice@localhost has invited you to join the groupchat")
	bob.sends()
	bob.Wait(`document.querySelector("converse-muc .chat-textarea")`)
	bob.locked()
	bob.Wait(`document.querySelector("converse-muc-heading image")`)
	alice.Wait(`document.querySelector("converse-muc").model.occupants.models.some(o => o.get("nick") === "bob")`)

	bob.say("a rude word")
	alice.hears("a rude word")
	alice.Eval(`document.querySelector("converse-muc .chat-msg__action-retract").click()`, nil)
	alice.Wait(`document.querySelector(".modal.show form.confirm")`)
	alice.typed(".modal.show form input[type=text], .modal.show form textarea", "be kind")
	alice.sends()
	alice.sees("alice has removed a message")
	if e := phone.await(event{"event": "moderated", "by": lawn}); e["reason"] != "be kind" {
		t.Errorf("slixmpp hears of %v", e)
	}
	bob.say("a civil word")
	alice.hears("a civil word")
	bob.Eval(`[...document.querySelectorAll("converse-muc .chat-msg__action-edit")].pop().click()`, nil)
	bob.Wait(`document.querySelector(".chat-textarea").value === "a civil word"`)
	bob.say("a kind word")
	alice.hears("a kind word")

	alice.orders("/topic What grows")
	bob.sees("What grows")
	bob.orders("/nick bobby")
	alice.Wait(`document.querySelector("converse-muc").model.occupants.models.some(o => o.get("nick") === "bobby")`)
	alice.orders("/kick bobby enough")
	bob.sees("You have been kicked from this groupchat")
	bob.sees("enough")
	if dir := os.Getenv("WRIT_SCREENSHOTS"); dir != "" {
		alice.Screenshot(filepath.Join(dir, "group.png"))
		bob.Screenshot(filepath.Join(dir, "kicked.png"))
	}
}

// The account in Converse.js: a picture, which a contact with Converse.js and one with slixmpp see; the commands of the account; an invitation,
// by which a third person makes an account in the browser and is a contact; a new password.
func TestConverseAccount(t *testing.T) {
	t.Parallel()
	h := start(t)
	h.Account(t, "alice")
	h.Account(t, "bob")
	h.befriend(t, "alice", "bob")
	b := browser.Start(t)
	alice, bob := h.chat(b, "alice"), h.chat(b, "bob")
	phone := h.slix(t, "bob")
	phone.await(event{"event": "ready"})

	alice.opens(".show-profile")
	alice.paints()
	alice.typed(".modal.show input[name=nickname]", "Alice L.")
	alice.Eval(`document.querySelector(".modal.show .save-form").click()`, nil)
	alice.Wait(`!document.querySelector(".modal.show") && document.querySelector(".show-profile image")`)
	picture := phone.await(event{"event": "published", "node": "urn:xmpp:avatar:metadata", "by": "alice@localhost"})["items"].([]any)[0]
	phone.do(event{"do": "picture", "of": "alice@localhost", "id": picture})
	if e := phone.await(event{"event": "picture"}); e["hex"] == "" || e["hex"] != e["card"] {
		t.Errorf("the picture of Converse.js in slixmpp, published and in the business card: %v", e)
	}
	bob.Wait(`[...document.querySelectorAll("converse-roster .list-item-link")].some(e => e.querySelector("image") && e.innerText.includes("Alice L."))`)

	alice.opens(".show-client-info")
	alice.typed(".modal.show input[name=jid]", "localhost")
	alice.sends()
	alice.runs("My devices", "Sign out this app")
	alice.runs("My records", "What is kept about alice@localhost")
	alice.runs("Invite a person", "Link for a browser")
	var link string
	alice.Eval(`document.querySelector(".modal.show").innerText.match(/\/invite\/[A-Z0-9]+/)[0]`, &link)
	alice.closes()
	carol := chatPage{b.Page()}
	carol.Go("http://localhost:" + port(h.At.HTTP[0]) + link)
	carol.typed("input[name=username], input[name=name]", "carol")
	carol.typed("input[type=password]", writtest.Password)
	carol.Loads(func() { carol.Eval(`document.querySelector("input[type=password]").form.requestSubmit()`, nil) })
	carol = h.chat(b, "carol")
	carol.Wait(`document.querySelector("converse-roster").innerText.includes("alice@localhost")`)
	alice.Wait(`document.querySelector("converse-roster").innerText.includes("carol")`)

	alice.opens(".show-profile")
	alice.Eval(`[...document.querySelectorAll(".modal.show .nav-link")].find(e => e.textContent.includes("Reset Password")).click()`, nil)
	alice.Wait(`document.querySelectorAll(".modal.show input[type=password]").length > 1`)
	alice.Eval(`for (const i of document.querySelectorAll(".modal.show input[type=password]")) i.value = "a password of its own"`, nil)
	alice.Eval(`document.querySelector(".modal.show input[type=password]").form.requestSubmit()`, nil)
	alice.sees("Your new password has been set")
	if dir := os.Getenv("WRIT_SCREENSHOTS"); dir != "" {
		alice.Screenshot(filepath.Join(dir, "account.png"))
	}
}

// paints gives the window that is open a picture, as choosing a file would.
func (p chatPage) paints() {
	p.Eval(`(async () => {
		const c = document.createElement("canvas"); c.width = c.height = 64; c.getContext("2d").fillRect(0, 0, 64, 64);
		const d = new DataTransfer(); d.items.add(new File([await new Promise(r => c.toBlob(r, "image/png"))], "me.png", {type: "image/png"}));
		const i = document.querySelector(".modal.show input[name=avatar_image]"); i.files = d.files; i.dispatchEvent(new Event("change", {bubbles: true}));
	})()`, nil)
}

// runs runs a command of the list that is open, and waits for what it shows.
func (p chatPage) runs(command, shows string) {
	c := fmt.Sprintf(`[...document.querySelectorAll(".modal.show a.open-room")].find(e => e.textContent.includes(%q))`, command)
	p.Wait(c)
	p.Eval(c+`.click()`, nil)
	p.Wait(fmt.Sprintf(`document.querySelector(".modal.show").innerText.includes(%q)`, shows))
}
