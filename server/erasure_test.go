package server_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"writ/clock"
	"writ/store"
	"writ/store/storetest"
	"writ/writtest"
)

// person is a signed-in client that sends requests and waits for their answers.
type person struct {
	t *testing.T
	c *writtest.Client
	n int
}

func signIn(t *testing.T, h *writtest.House, local string) *person {
	t.Helper()
	h.Account(t, local)
	p := &person{t: t, c: h.Dial(t, writtest.TCP)}
	if err := p.c.Login(local, "canaryresource"); err != nil {
		t.Fatal(err)
	}
	return p
}

// send sends a stanza; %s in it is the address given.
func (p *person) send(stanza string, args ...any) {
	p.t.Helper()
	if err := p.c.SendText(fmt.Sprintf(stanza, args...)); err != nil {
		p.t.Fatal(err)
	}
}

// do sends an IQ's payload and waits for the result; what else comes meanwhile is passed over.
func (p *person) do(kind, to, payload string) {
	p.t.Helper()
	p.n++
	id := fmt.Sprintf("do%d", p.n)
	if to != "" {
		to = " to='" + to + "'"
	}
	p.send("<iq type='%s' id='%s'%s>%s</iq>", kind, id, to, payload)
	for {
		e, err := p.c.Next()
		if err != nil {
			p.t.Fatalf("%s: %v", payload, err)
		}
		if e.Name.Local == "iq" && e.Attr("id") == id {
			if e.Attr("type") != "result" {
				p.t.Fatalf("%s was answered with %s", payload, e.AppendTo(nil, ""))
			}
			return
		}
	}
}

// TestErasureLeavesNothing: a person who used every room deletes the account. Within 24 hours none of what they left is in a
// table, nor in the files: neither their address nor anything they wrote.
func TestErasureLeavesNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		clk := clock.NewFake(time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC))
		h := writtest.Start(t, db, writtest.Fake(clk))
		alice, bob := signIn(t, h, "alicecanary"), signIn(t, h, "bob")
		who, other := alice.c.JID.Bare().String(), bob.c.JID.Bare().String()

		bob.send("<presence/>")
		bob.do("set", "", "<query xmlns='jabber:iq:roster'><item jid='"+who+"' name='nickcanary'/></query>")
		bob.do("set", "", "<block xmlns='urn:xmpp:blocking'><item jid='x@elsewhere.example'/></block>")
		alice.send("<presence/>")
		alice.send("<presence type='subscribe' to='%s'/>", other)
		alice.do("set", "", "<query xmlns='jabber:iq:roster'><item jid='"+other+"' name='namecanary'><group>groupcanary</group></item></query>")
		alice.do("set", "", "<vCard xmlns='vcard-temp'><FN>cardcanary</FN></vCard>")
		alice.do("set", "", "<block xmlns='urn:xmpp:blocking'><item jid='blockcanary@elsewhere.example'/></block>")
		alice.do("set", "", "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='http://jabber.org/protocol/nick'><item id='current'><nick xmlns='http://jabber.org/protocol/nick'>pepcanary</nick></item></publish></pubsub>")
		alice.do("set", "", "<prefs xmlns='urn:xmpp:mam:2' default='always'><always><jid>prefscanary@elsewhere.example</jid></always><never/></prefs>")
		alice.send("<message to='%s' type='chat'><body>bodycanary</body></message>", other)
		alice.send("<message to='%s' type='chat'><propose xmlns='urn:xmpp:jingle-message:0' id='callcanary'><description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/></propose></message>", other)
		alice.do("get", "", "<ping xmlns='urn:xmpp:ping'/>")
		for _, room := range []string{"grove", "cave"} { // bob stays in the one, nobody in the other
			at := room + "@rooms." + h.Domain.String()
			alice.send("<presence to='%s/nickincanary'><x xmlns='http://jabber.org/protocol/muc'/></presence>", at)
			alice.do("set", at, "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query>")
			alice.do("set", at, "<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'><field var='muc#register_roomnick'><value>nickincanary</value></field></x></query>")
			alice.send("<message type='groupchat' to='%s'><body>roomcanary</body></message>", at)
			alice.send("<message type='groupchat' to='%s'><subject>subjectcanary</subject></message>", at)
			if room == "grove" {
				alice.do("set", at, "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='member' jid='"+other+"'/></query>")
			}
			alice.do("get", at, "<ping xmlns='urn:xmpp:ping'/>")
		}
		bob.send("<presence type='unavailable'/>")
		bob.do("get", "", "<ping xmlns='urn:xmpp:ping'/>")
		alice.send("<message to='%s' type='chat'><body>offlinecanary</body></message>", other)
		alice.do("get", "", "<ping xmlns='urn:xmpp:ping'/>")

		settle := func() { // what was sent is written
			if err := db.Write(t.Context(), func(*store.Tx) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
		settle()
		canaries := []string{"alicecanary", "namecanary", "groupcanary", "cardcanary", "blockcanary", "pepcanary", "prefscanary", "bodycanary", "callcanary", "offlinecanary",
			"nickincanary", "roomcanary", "subjectcanary"}
		if found := dump(t, db); len(missing(found, canaries)) > 0 {
			t.Fatalf("these were never stored, so that the test would prove nothing: %v", missing(found, canaries))
		}
		alice.do("set", "", "<query xmlns='jabber:iq:register'><remove/></query>")
		bob.do("get", "", "<ping xmlns='urn:xmpp:ping'/>")
		settle()
		clk.Advance(24 * time.Hour)

		for table, text := range dump(t, db) {
			for _, canary := range canaries {
				if i := strings.Index(text, canary); i >= 0 {
					t.Errorf("%s is still in the table %s: %.200q", canary, table, text[max(0, i-60):])
				}
			}
		}
		if db.Dialect() == store.SQLite {
			for _, canary := range canaries {
				for _, file := range filesWith(t, filepath.Dir(strings.TrimPrefix(db.URL(), "sqlite:")), canary) {
					t.Errorf("%s is still in the file %s", canary, file)
				}
			}
		}
	})
}

// dump is all rows of all tables as text.
func dump(t *testing.T, db *store.DB) map[string]string {
	t.Helper()
	tables, err := db.Tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, table := range tables {
		rows, err := db.Query(t.Context(), "SELECT * FROM "+table)
		if err != nil {
			t.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for rows.Next() {
			values := make([]any, len(columns))
			into := make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			for _, v := range values {
				if raw, ok := v.([]byte); ok {
					v = string(raw)
				}
				fmt.Fprint(&b, v, " | ")
			}
			b.WriteByte('\n')
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
		out[table] = b.String()
	}
	return out
}

func missing(found map[string]string, canaries []string) (out []string) {
	for _, canary := range canaries {
		seen := false
		for _, text := range found {
			seen = seen || strings.Contains(text, canary)
		}
		if !seen {
			out = append(out, canary)
		}
	}
	return out
}

func filesWith(t *testing.T, dir, text string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(text)) {
			names = append(names, filepath.Base(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
