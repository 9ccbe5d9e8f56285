package xml

// known are the names that nearly every stanza uses; looking one up allocates nothing.
var known = func() map[string]string {
	m := map[string]string{}
	for _, s := range []string{
		"", Stream, Client, Server, Framing, xmlNS, xmlnsNS, "xml", "xmlns", "stream", "lang",
		"message", "presence", "iq", "body", "subject", "thread", "error", "text", "show", "status", "priority",
		"query", "item", "items", "pubsub", "publish", "publish-options", "event", "x", "c", "field", "value", "ping",
		"encrypted", "header", "key", "keys", "iv", "payload", "store", "no-store", "no-copy", "no-permanent-store", "encryption",
		"request", "received", "sent", "markable", "displayed", "active", "composing", "paused", "inactive", "gone",
		"origin-id", "stanza-id", "delay", "replace", "reactions", "reaction", "reply", "fallback", "retract", "forwarded",
		"propose", "ringing", "proceed", "accept", "reject", "finish", "jingle", "private", "enable", "enabled", "resume",
		"r", "a", "auth", "response", "bind", "session", "vCard", "blocklist", "block", "unblock", "time",
		"urn:ietf:params:xml:ns:xmpp-sasl", "urn:ietf:params:xml:ns:xmpp-tls", "urn:ietf:params:xml:ns:xmpp-bind",
		"urn:ietf:params:xml:ns:xmpp-session", "urn:ietf:params:xml:ns:xmpp-stanzas", "urn:ietf:params:xml:ns:xmpp-streams",
		"jabber:iq:roster", "jabber:iq:version", "jabber:iq:last", "jabber:iq:register", "jabber:x:data", "vcard-temp",
		"http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/disco#items", "http://jabber.org/protocol/caps",
		"http://jabber.org/protocol/chatstates", "http://jabber.org/protocol/pubsub", "http://jabber.org/protocol/pubsub#event",
		"http://jabber.org/protocol/rsm", "http://jabber.org/protocol/muc", "http://jabber.org/protocol/muc#user",
		"http://jabber.org/protocol/commands", "urn:xmpp:ping", "urn:xmpp:time", "urn:xmpp:sm:3", "urn:xmpp:csi:0",
		"urn:xmpp:receipts", "urn:xmpp:chat-markers:0", "urn:xmpp:hints", "urn:xmpp:eme:0", "urn:xmpp:sid:0", "urn:xmpp:delay",
		"urn:xmpp:carbons:2", "urn:xmpp:forward:0", "urn:xmpp:mam:2", "urn:xmpp:blocking", "urn:xmpp:jingle:1",
		"urn:xmpp:jingle-message:0", "urn:xmpp:message-correct:0", "urn:xmpp:reactions:0", "urn:xmpp:reply:0", "urn:xmpp:fallback:0",
		"urn:xmpp:omemo:1", "urn:xmpp:omemo:2", "eu.siacs.conversations.axolotl", "jabber:x:encrypted", "jabber:x:conference",
		"jabber:x:oob", "vcard-temp:x:update", "urn:xmpp:message-retract:1", "urn:xmpp:openpgp:0",
	} {
		m[s] = s
	}
	return m
}()

func intern(b []byte) string {
	if s, ok := known[string(b)]; ok {
		return s
	}
	return string(b)
}
