package muc_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"writ/schedule"
	"writ/store"
	"writ/store/storetest"
	"writ/writtest"
	"writ/xmpp/jid"
)

// ledger notes what an extraction finds, a line for each row.
type ledger struct {
	datum string
	rows  []string
}

func (l *ledger) Begin(_ context.Context, _ string, d schedule.Datum) error {
	l.datum = d.Name
	return nil
}
func (l *ledger) Row(values []any) error {
	line := l.datum
	for _, v := range values {
		if _, ok := v.(time.Time); !ok { // times differ from run to run
			line += " | " + fmt.Sprint(v)
		}
	}
	l.rows = append(l.rows, line)
	return nil
}
func (l *ledger) End(int64) error { return nil }

// own is what the account's own records hold in the data named.
func own(t *testing.T, h *writtest.House, account jid.JID, data ...string) []string {
	t.Helper()
	var l ledger
	if err := h.Records.Keeper.Own(t.Context(), account.String(), &l); err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(l.rows, func(row string) bool {
		name, _, _ := strings.Cut(row, " | ")
		return !slices.Contains(data, name)
	})
}

// member is a client that asks a room and waits for the answer.
type member struct {
	t *testing.T
	c *writtest.Client
	n int
}

func enrol(t *testing.T, h *writtest.House, local string) *member {
	t.Helper()
	h.Account(t, local)
	m := &member{t: t, c: h.Dial(t, writtest.TCP)}
	if err := m.c.Login(local, "app"); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *member) send(text string) {
	m.t.Helper()
	if err := m.c.SendText(text); err != nil {
		m.t.Fatal(err)
	}
}

// ask sends a request and passes over everything until its result.
func (m *member) ask(kind, to, payload string) {
	m.t.Helper()
	m.n++
	id := fmt.Sprint("ask", m.n)
	m.send(fmt.Sprintf("<iq type='%s' id='%s' to='%s'>%s</iq>", kind, id, to, payload))
	for {
		e, err := m.c.Next()
		if err != nil {
			m.t.Fatal(payload, ": ", err)
		}
		if e.Name.Local == "iq" && e.Attr("id") == id {
			if e.Attr("type") != "result" {
				m.t.Fatalf("%s: %s", payload, e.AppendTo(nil, ""))
			}
			return
		}
	}
}

// A person's own records, and a production by the same code, name the rooms, the standing there, and what was sent to them and when.
func TestRecordsOfRooms(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := writtest.Start(t, db)
		alice, bob := enrol(t, h, "alice"), enrol(t, h, "bob")
		room := "cave@rooms." + h.Domain.String()
		alice.send("<presence to='" + room + "/Alice'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
		alice.ask("set", room, "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query>")
		alice.ask("set", room, "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='member' jid='"+bob.c.JID.Bare().String()+"' nick='Bobby'/></query>")
		bob.send("<presence to='" + room + "/Bobby'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
		bob.send("<message type='groupchat' to='" + room + "'><body>12345</body></message>")
		bob.ask("get", room, "<ping xmlns='urn:xmpp:ping'/>")
		alice.send("<message type='groupchat' to='" + room + "'><subject>Tuesdays</subject></message>")
		alice.ask("get", room, "<ping xmlns='urn:xmpp:ping'/>")

		got := own(t, h, bob.c.JID.Bare(), "groups", "room-subjects", "messages")
		got = slices.DeleteFunc(got, func(s string) bool { return strings.Contains(s, "| invite") })
		if len(got) != 2 || got[0] != "groups | "+room+" | member | Bobby |  | false" || !strings.HasPrefix(got[1], "messages | bob@writ.example | "+room+" | ") ||
			!strings.HasSuffix(got[1], " | groupchat") {
			t.Errorf("%q", got)
		}
		got = own(t, h, alice.c.JID.Bare(), "groups", "room-subjects", "messages")
		if len(got) != 2 || got[0] != "groups | "+room+" | owner |  |  | false" || got[1] != "room-subjects | "+room+" | Alice | Tuesdays" {
			t.Errorf("%q", got)
		}
	})
}
