package e2ee

import (
	"testing"

	"writ/xmpp/stanza"
)

// What the apps really send, shortened in its base64. Sources: Conversations MessageGenerator, Monal MLOMEMO, Dino encrypt.vala and
// 0353, Gajim omemo, Converse omemo/utils, Profanity message.c, go-sendxmpp 0.5.
const (
	key     = `<key rid='1234567890' prekey='true'>MwohBd==</key><key rid='2'>MwohBQ==</key>`
	header3 = `<header sid='27183'>` + key + `<iv>A1b2C3d4E5f6A1b2</iv></header>`
	omemo3  = `<encrypted xmlns='eu.siacs.conversations.axolotl'>` + header3 + `<payload>c2VjcmV0</payload></encrypted>`
	key3    = `<encrypted xmlns='eu.siacs.conversations.axolotl'>` + header3 + `</encrypted>`
	omemo2  = `<encrypted xmlns='urn:xmpp:omemo:2'><header sid='27183'><keys jid='bob@example.org'><key rid='31415' kex='true'>b3VyIGtleQ==</key></keys>` +
		`<keys jid='alice@example.org'><key rid='1337'>b3VyIGtleQ==</key></keys></header><payload>c2VjcmV0</payload></encrypted>`
	store = `<store xmlns='urn:xmpp:hints'/>`
	eme3  = `<encryption xmlns='urn:xmpp:eme:0' name='OMEMO' namespace='eu.siacs.conversations.axolotl'/>`
)

func TestLook(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		app, what, children string
		want                View
	}{
		{"Conversations", "OMEMO message", omemo3 + store + eme3 + `<body>I sent you an OMEMO encrypted message but your client doesn’t seem to support that. Find more information on https://conversations.im/omemo</body><markable xmlns='urn:xmpp:chat-markers:0'/><origin-id xmlns='urn:xmpp:sid:0' id='x'/><request xmlns='urn:xmpp:receipts'/>`, View{Encrypted: true, Body: true}},
		{"Conversations", "key transport", key3 + store, View{Encrypted: true, Keys: true}},
		{"Conversations", "OpenPGP", `<body>This is an XEP-0027 encrypted message</body><x xmlns='jabber:x:encrypted'>hQEMA+2CfEZ+Nn8gAQf/dGVzdHRlc3R0ZXN0dGVzdHRlc3QQ
dGVzdHRlc3R0ZXN0dGVzdHRlc3Q=
=AbCd</x>`, View{Encrypted: true, Body: true}},
		{"Conversations", "plain message", `<body>hello</body><markable xmlns='urn:xmpp:chat-markers:0'/><active xmlns='http://jabber.org/protocol/chatstates'/><request xmlns='urn:xmpp:receipts'/>`, View{Readable: true, Body: true}},
		{"Conversations", "receipt", `<received xmlns='urn:xmpp:receipts' id='x'/>` + store, View{}},
		{"Conversations", "read marker", `<displayed xmlns='urn:xmpp:chat-markers:0' id='x'/>` + store, View{}},
		{"Conversations", "typing", `<composing xmlns='http://jabber.org/protocol/chatstates'/><no-store xmlns='urn:xmpp:hints'/>`, View{}},
		{"Conversations", "reaction", `<reactions xmlns='urn:xmpp:reactions:0' id='x'><reaction>👍</reaction></reactions>` + store, View{}},
		{"Conversations", "call", `<propose xmlns='urn:xmpp:jingle-message:0' id='c'><description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/></propose><request xmlns='urn:xmpp:receipts'/>` + store, View{}},
		{"Conversations", "invitation", `<x xmlns='jabber:x:conference' jid='room@muc.example.org'/>`, View{}},
		{"Conversations", "location in clear", `<body>geo:52.5,13.4</body>`, View{Readable: true, Body: true}},
		{"Conversations", "file in clear", `<body>https://up.example.org/a.jpg</body><x xmlns='jabber:x:oob'><url>https://up.example.org/a.jpg</url></x>`, View{Readable: true, Body: true}},
		{"Monal", "OMEMO message", `<body>[This message is OMEMO encrypted]</body>` + omemo3 + eme3 + store + `<markable xmlns='urn:xmpp:chat-markers:0'/>`, View{Encrypted: true, Body: true}},
		{"Monal", "retraction with fallback", `<retract xmlns='urn:xmpp:message-retract:1' id='x'/><fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:message-retract:1'/><body>This person attempted to retract a previous message, but it's unsupported by your client.</body>` + store, View{Body: true}},
		{"Dino", "OMEMO message", `<body>[This message is OMEMO encrypted]</body>` + omemo3 + eme3 + `<request xmlns='urn:xmpp:receipts'/>`, View{Encrypted: true, Body: true}},
		{"Dino", "call without a hint", `<propose xmlns='urn:xmpp:jingle-message:0' id='c'><description xmlns='urn:xmpp:jingle:apps:rtp:1' media='video'/></propose>`, View{}},
		{"Dino", "group call", `<invite xmlns='urn:xmpp:call-invites:0' id='c'><muji xmlns='urn:xmpp:jingle:muji:0' room='r@muc.example.org'/></invite><propose xmlns='urn:xmpp:call-message:1' id='c'/>`, View{}},
		{"Dino", "reaction with fallback", `<reactions xmlns='urn:xmpp:reactions:0' id='x'><reaction>👍</reaction></reactions><fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reactions:0'><body/></fallback><body>👍</body>`, View{Body: true}},
		{"Gajim", "OMEMO message", omemo3 + `<body>You received a message encrypted with OMEMO but your client doesn't support OMEMO.</body>` + eme3 + store + `<origin-id xmlns='urn:xmpp:sid:0' id='x'/>`, View{Encrypted: true, Body: true}},
		{"Gajim", "marker with thread", `<displayed xmlns='urn:xmpp:chat-markers:0' id='x'/><thread>t</thread>` + store, View{}},
		{"Gajim", "correction", omemo3 + `<replace xmlns='urn:xmpp:message-correct:0' id='x'/><body>fallback</body>`, View{Encrypted: true, Body: true}},
		{"Gajim", "OpenPGP for XMPP", `<openpgp xmlns='urn:xmpp:openpgp:0'>hQEMA+2CfEZ+Nn8gAQf/</openpgp>` + store + `<body>This message is *encrypted* (See :XEP:` + "`0373`" + `)</body>`, View{Encrypted: true, Body: true}},
		{"Converse", "OMEMO 2", omemo2 + `<body>This is an OMEMO encrypted message which your client doesn’t seem to support. Find more information on https://conversations.im/omemo</body><encryption xmlns='urn:xmpp:eme:0' namespace='urn:xmpp:omemo:2'/>` + store, View{Encrypted: true, Body: true}},
		{"Converse", "OMEMO 0.3", omemo3 + `<body>This is an OMEMO encrypted message which your client doesn’t seem to support.</body><active xmlns='http://jabber.org/protocol/chatstates'/>` + store, View{Encrypted: true, Body: true}},
		{"Converse", "chat state with type", `<active xmlns='http://jabber.org/protocol/chatstates'/><no-store xmlns='urn:xmpp:hints'/><no-permanent-store xmlns='urn:xmpp:hints'/>`, View{}},
		{"Profanity", "OMEMO message", `<body>You received a message encrypted with OMEMO but your client doesn't support OMEMO.</body>` + omemo3 + store + eme3, View{Encrypted: true, Body: true}},
		{"Profanity", "OTR query", `<body>?OTRv23? This user has requested an Off-the-Record private conversation.</body>`, View{Encrypted: true, Body: true, OTR: "?OTRv23?"}},
		{"Profanity", "OTR data", `<body>?OTR:AAMDJ+MVmSfjFZcAAAAAAQAAAAIAAADA1g5IjD1ZGLDVQEyCgCyn9hb.</body>`, View{Encrypted: true, Body: true, OTR: "?OTR:AAMDJ+MVmSfjFZcAAAAAAQAAAAIAAADA1g5IjD1ZGLDVQEyCgCyn9hb."}},
		{"go-sendxmpp", "plain message", `<body>disk full</body>`, View{Readable: true, Body: true}},
		{"go-sendxmpp", "Ox", `<openpgp xmlns='urn:xmpp:openpgp:0'>wV4Dh5u2aQ==</openpgp>` + store + `<body>OpenPGP encrypted message.</body><encryption xmlns='urn:xmpp:eme:0' namespace='urn:xmpp:openpgp:0'/>`, View{Encrypted: true, Body: true}},
		{"any", "mediated invitation", `<x xmlns='http://jabber.org/protocol/muc#user'><invite to='bob@example.org'/></x><body>you are invited</body>`, View{Body: true}},
		{"any", "read state for other devices", `<displayed xmlns='urn:xmpp:mds:displayed:0'/>`, View{}},
		{"any", "no children", ``, View{}},

		// What must not pass.
		{"liar", "a hint alone", `<body>hi</body>` + eme3, View{Readable: true, Body: true}},
		{"liar", "an empty encrypted element", `<body>hi</body><encrypted xmlns='eu.siacs.conversations.axolotl'/>`, View{Readable: true, Body: true, Keys: true}},
		{"liar", "no keys", `<body>hi</body><encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'><iv>AAAA</iv></header><payload>AAAA</payload></encrypted>`, View{Readable: true, Body: true}},
		{"liar", "a payload that is text", `<body>hi</body><encrypted xmlns='eu.siacs.conversations.axolotl'>` + header3 + `<payload>meet me at noon</payload></encrypted>`, View{Readable: true, Body: true}},
		{"liar", "a device that is no number", `<body>hi</body><encrypted xmlns='urn:xmpp:omemo:2'><header sid='mine'><keys jid='b@x'><key rid='1'>AAAA</key></keys></header></encrypted>`, View{Readable: true, Body: true, Keys: true}},
		{"liar", "text between the keys", `<encrypted xmlns='eu.siacs.conversations.axolotl'>meet me at noon` + header3 + `</encrypted><body>hi</body>`, View{Readable: true, Body: true, Keys: true}},
		{"liar", "another element inside", `<encrypted xmlns='eu.siacs.conversations.axolotl'>` + header3 + `<note>noon</note></encrypted><body>hi</body>`, View{Readable: true, Body: true, Keys: true}},
		{"liar", "a receipt beside text", `<body>hi</body><received xmlns='urn:xmpp:receipts' id='x'/>`, View{Readable: true, Body: true}},
		{"liar", "XHTML beside ciphertext", omemo3 + `<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'>hi</body></html>`, View{Readable: true, Encrypted: true}},
		{"liar", "a link beside ciphertext", omemo3 + `<x xmlns='jabber:x:oob'><url>https://example.org/</url></x>`, View{Readable: true, Encrypted: true}},
		{"liar", "a subject beside ciphertext", omemo3 + `<subject>noon</subject>`, View{Readable: true, Encrypted: true}},
		{"liar", "a forwarded message", `<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><body>hi</body></message></forwarded>`, View{Readable: true}},
		{"liar", "shared media", `<reference xmlns='urn:xmpp:reference:0' type='data'><media-sharing xmlns='urn:xmpp:sims:1'/></reference>`, View{Readable: true}},
		{"liar", "a file", `<file-sharing xmlns='urn:xmpp:sfs:0'/>`, View{Readable: true}},
		{"liar", "a place", `<geoloc xmlns='http://jabber.org/protocol/geoloc'><lat>1</lat></geoloc>`, View{Readable: true}},
		{"liar", "a link beside a reaction", `<reactions xmlns='urn:xmpp:reactions:0' id='x'/><x xmlns='jabber:x:oob'><url>https://example.org/</url></x>`, View{Readable: true}},
		{"liar", "OTR by name only", `<body>?OTR is what I say</body>`, View{Readable: true, Body: true}},
		{"liar", "OpenPGP that is text", `<body>hi</body><x xmlns='jabber:x:encrypted'>meet me at noon, at the place that we know</x>`, View{Readable: true, Body: true}},
		{"liar", "a fallback of nothing", `<body>hi</body><fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'/>`, View{Readable: true, Body: true}},
	} {
		s, err := stanza.Decode([]byte(`<message xmlns='jabber:client' type='chat' from='alice@example.org/a' to='bob@example.org'>` + c.children + `</message>`))
		if err != nil {
			t.Fatalf("%s, %s: %v", c.app, c.what, err)
		}
		if got := Look(s); got != c.want {
			t.Errorf("%s, %s: %+v, want %+v", c.app, c.what, got, c.want)
		}
	}
}

func FuzzLook(f *testing.F) {
	for _, seed := range []string{omemo3, omemo2, key3, `<body>?OTR:AAAA.</body>`, `<x xmlns='jabber:x:encrypted'>AAAA</x>`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, children string) {
		s, err := stanza.Decode([]byte(`<message xmlns='jabber:client' type='chat'>` + children + `</message>`))
		if err != nil {
			return // no stanza: nothing to judge
		}
		v := Look(s)
		if _, body := s.Body(); body && !v.Body {
			t.Errorf("a body was not seen: %s", s)
		}
	})
}

func BenchmarkLook(b *testing.B) {
	s, err := stanza.Decode([]byte(`<message xmlns='jabber:client' type='chat'><body>fallback</body>` + omemo3 + eme3 + store + `</message>`))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		Look(s)
	}
}
