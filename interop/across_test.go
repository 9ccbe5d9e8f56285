package interop

import (
	"crypto/sha1"
	"encoding/base64"
	"strings"
	"testing"

	"writ/writtest"
	"writ/xmpp/xml"
)

const (
	nsInfo     = "http://jabber.org/protocol/disco#info"
	nsPubSub   = "http://jabber.org/protocol/pubsub"
	nsMetadata = "urn:xmpp:avatar:metadata"
	nsDevices  = "eu.siacs.conversations.axolotl.devicelist"
)

// What the people's client can do, and wants to be told (XEP-0163 §4.3), sorted as XEP-0115 §5.1 has it.
var wants = []string{nsDevices + "+notify", "http://jabber.org/protocol/caps", nsInfo, nsMetadata + "+notify"}

// present is the presence of a client with capabilities.
func present() string {
	sum := sha1.Sum([]byte("client/pc//T<" + strings.Join(wants, "<") + "<"))
	return "<presence xmlns='jabber:client'><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:example:app' ver='" + base64.StdEncoding.EncodeToString(sum[:]) + "'/></presence>"
}

// tells answers a server that asks what the client can do.
func tells(c *writtest.Client, e *xml.Element) {
	q := e.Child(nsInfo, "query")
	if q == nil || !e.Is(xml.Client, "iq") || e.Attr("type") != "get" {
		return
	}
	var b xml.Builder
	b.Start(xml.Client, "iq", "type", "result", "id", e.Attr("id"), "to", e.Attr("from")).Start(nsInfo, "query")
	if n := q.Attr("node"); n != "" {
		b.Attr("node", n)
	}
	b.Empty("", "identity", "category", "client", "type", "pc", "name", "T")
	for _, f := range wants {
		b.Empty("", "feature", "var", f)
	}
	c.Write(string(b.Bytes()))
}

// event is an event of an account with an item of a node.
func eventOf(from, node, id string) func(*xml.Element) bool {
	return func(e *xml.Element) bool {
		items := e.Child(nsPubSub+"#event", "event").Child(nsPubSub+"#event", "items")
		return e.Attr("from") == from && items.Attr("node") == node && items.Child(nsPubSub+"#event", "item").Attr("id") == id
	}
}

func publish(node, id, payload string) string {
	return "<pubsub xmlns='" + nsPubSub + "'><publish node='" + node + "'><item id='" + id + "'>" + payload + "</item></publish>" +
		"<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>" + nsPubSub + "#publish-options</value></field>" +
		"<field var='pubsub#access_model'><value>open</value></field></x></publish-options></pubsub>"
}

const devices = "<list xmlns='eu.siacs.conversations.axolotl'><device id='27183'/></list>"

// contacts has two people who see each other's presence share devices of OMEMO, pictures, business cards, calls, and block each other.
func contacts(t *testing.T, us, them *writtest.Client) {
	for _, c := range []*writtest.Client{us, them} {
		does(t, c, "set", bare(c), publish(nsDevices, "current", devices))
		does(t, c, "set", bare(c), "<vCard xmlns='vcard-temp'><FN>"+bare(c)+"</FN></vCard>")
		c.Write(present())
	}
	mutual(t, us, them)
	for _, c := range []struct{ from, to *writtest.Client }{{us, them}, {them, us}} {
		does(t, c.from, "set", bare(c.from), publish(nsMetadata, "0123", "<metadata xmlns='"+nsMetadata+"'><info bytes='1' id='0123' type='image/png'/></metadata>"))
		await(t, c.to, "a picture's event", eventOf(bare(c.from), nsMetadata, "0123"))
		does(t, c.from, "set", bare(c.from), publish(nsDevices, "newer", devices))
		await(t, c.to, "a new device", eventOf(bare(c.from), nsDevices, "newer"))

		e := does(t, c.to, "get", bare(c.from), "<pubsub xmlns='"+nsPubSub+"'><items node='"+nsDevices+"'/></pubsub>")
		if e.Child(nsPubSub, "pubsub").Child(nsPubSub, "items").Child(nsPubSub, "item") == nil {
			t.Errorf("the devices of %s: %s", c.from.JID, e.AppendTo(nil, ""))
		}
		e = does(t, c.to, "get", bare(c.from), "<vCard xmlns='vcard-temp'/>")
		if e.Child("vcard-temp", "vCard").Child("vcard-temp", "FN").Text() != bare(c.from) {
			t.Errorf("the card of %s: %s", c.from.JID, e.AppendTo(nil, ""))
		}
		id := "call-" + c.from.JID.Domainpart()
		c.from.Write("<message xmlns='jabber:client' type='chat' to='" + bare(c.to) + "' id='" + id + "'><propose xmlns='urn:xmpp:jingle-message:0' id='" + id +
			"'><description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/></propose><store xmlns='urn:xmpp:hints'/></message>")
		await(t, c.to, "a call", func(e *xml.Element) bool { return e.Child("urn:xmpp:jingle-message:0", "propose").Attr("id") == id })

		does(t, c.to, "set", bare(c.to), "<block xmlns='urn:xmpp:blocking'><item jid='"+bare(c.from)+"'/></block>")
		c.from.Write("<message xmlns='jabber:client' type='chat' to='" + bare(c.to) + "' id='b-" + id + "'>" + sealedText + "</message>")
		fails(t, await(t, c.from, "a refusal", func(e *xml.Element) bool { return e.Attr("id") == "b-"+id && e.Attr("type") == "error" }), "service-unavailable")
		does(t, c.to, "set", bare(c.to), "<unblock xmlns='urn:xmpp:blocking'><item jid='"+bare(c.from)+"'/></unblock>")
		c.from.Write("<message xmlns='jabber:client' type='chat' to='" + bare(c.to) + "' id='u-" + id + "'>" + sealedText + "</message>")
		await(t, c.to, "a message after it", func(e *xml.Element) bool { return e.Attr("id") == "u-"+id })
	}
}

// mutual has both see each other's presence.
func mutual(t *testing.T, us, them *writtest.Client) {
	t.Helper()
	for _, c := range []struct{ from, to *writtest.Client }{{us, them}, {them, us}} {
		c.from.Write("<presence xmlns='jabber:client' type='subscribe' to='" + bare(c.to) + "'/>")
		await(t, c.to, "a request", func(e *xml.Element) bool { return e.Attr("type") == "subscribe" && e.Attr("from") == bare(c.from) })
		c.to.Write("<presence xmlns='jabber:client' type='subscribed' to='" + bare(c.from) + "'/>")
		await(t, c.from, "the presence", func(e *xml.Element) bool {
			return e.Is(xml.Client, "presence") && e.Attr("type") == "" && e.Attr("from") == c.to.JID.String()
		})
	}
}
