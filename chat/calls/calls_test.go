package calls_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"writ/chat/calls"
	"writ/clock"
	"writ/records"
	"writ/schedule"
	"writ/store"
	"writ/store/storetest"
	"writ/xmpp/feature"
	"writ/xmpp/stanza"
)

const (
	romeo  = "romeo@writ.example/orchard"
	juliet = "juliet@writ.example/phone"
	hints  = `<store xmlns='urn:xmpp:hints'/>`
	audio  = `<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/>`
	video  = `<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='video'/>`
)

// jmi is a message of XEP-0353 as apps send it.
func jmi(from, to, name, inside string) string {
	return fmt.Sprintf(`<message xmlns='jabber:client' from='%s' to='%s' type='chat' id='m'><%s xmlns='urn:xmpp:jingle-message:0' id='call1'>%s</%[3]s>%s</message>`, from, to, name, inside, hints)
}

// jingle is an IQ of XEP-0166.
func jingle(from, to, action, inside string) string {
	return fmt.Sprintf(`<iq xmlns='jabber:client' from='%s' to='%s' type='set' id='i'><jingle xmlns='urn:xmpp:jingle:1' action='%s' sid='call1' initiator='mallory@evil.example/x'>%s</jingle></iq>`, from, to, action, inside)
}

func content(description string) string {
	return `<content creator='initiator' name='m'>` + description +
		`<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='8hhy'><candidate ip='203.0.113.99' port='8998'/></transport></content>`
}

func because(reason string) string {
	return `<reason xmlns='urn:xmpp:jingle:1'><` + reason + `/><text>canary text</text></reason>`
}

// TestCalls sends what the apps send, one stanza a second, and reads both people's own records.
func TestCalls(t *testing.T) {
	t.Parallel()
	bareRomeo, bareJuliet := "romeo@writ.example", "juliet@writ.example"
	tests := []struct {
		name    string
		stanzas []string
		want    string // kind answered ended outcome
	}{
		{"XEP-0353 with finish from both (Conversations, Monal)", []string{
			jmi(romeo, bareJuliet, "propose", audio+video), jmi(juliet, romeo, "ringing", ""), jmi(juliet, romeo, "proceed", ""),
			jingle(romeo, juliet, "session-initiate", content(audio)+content(video)), jingle(juliet, romeo, "session-accept", content(audio)+content(video)),
			jingle(romeo, juliet, "transport-info", content("")), jingle(romeo, juliet, "session-terminate", because("success")),
			jmi(romeo, juliet, "finish", because("success")), jmi(juliet, romeo, "finish", because("success"))},
			"video 4 6 answered"},
		{"XEP-0353 without finish, with the old accept to the own account (Dino)", []string{
			jmi(romeo, bareJuliet, "propose", audio), jmi(juliet, bareJuliet, "accept", ""), jmi(juliet, romeo, "proceed", ""),
			jingle(romeo, juliet, "session-initiate", content(audio)), jingle(juliet, romeo, "session-accept", content(audio)),
			jingle(juliet, romeo, "session-terminate", because("success"))},
			"audio 4 5 answered"},
		{"Jingle alone", []string{jingle(romeo, juliet, "session-initiate", content(audio)), jingle(juliet, romeo, "session-info", ""),
			jingle(juliet, romeo, "session-accept", content(audio)), jingle(romeo, juliet, "session-terminate", because("success"))},
			"audio 2 3 answered"},
		{"declined (XEP-0353 §3.5 has busy for it)", []string{jmi(romeo, bareJuliet, "propose", audio), jmi(juliet, romeo, "reject", because("busy"))}, "audio - 1 busy"},
		{"declined, told to the own account (old apps)", []string{jmi(romeo, bareJuliet, "propose", audio), jmi(juliet, bareJuliet, "reject", "")}, "audio - 1 declined"},
		{"taken back (XEP-0353 §3.3)", []string{jmi(romeo, bareJuliet, "propose", audio), jmi(romeo, bareJuliet, "retract", because("cancel"))}, "audio - 1 cancelled"},
		{"two proposals crossed (XEP-0353 §4.1)", []string{jmi(romeo, bareJuliet, "propose", audio), jmi(juliet, romeo, "reject", because("expired")+"<tie-break/>")}, "audio - 1 moved"},
		{"moved to another device (XEP-0353 §4.2)", []string{jmi(romeo, bareJuliet, "propose", audio), jmi(juliet, romeo, "proceed", ""),
			jmi(romeo, bareJuliet, "finish", because("expired")+"<migrated to='call2'/>")}, "audio 1 2 moved"},
		{"no connection", []string{jingle(romeo, juliet, "session-initiate", content(video)), jingle(juliet, romeo, "session-accept", content(video)),
			jingle(romeo, juliet, "session-terminate", because("connectivity-error"))}, "video 1 2 failed"},
		{"a proposal without media", []string{jmi(romeo, bareJuliet, "propose", "")}, "none"},
		{"a file transfer is no call", []string{jingle(romeo, juliet, "session-initiate", content(`<description xmlns='urn:xmpp:jingle:apps:file-transfer:5'/>`)),
			jingle(juliet, romeo, "session-accept", ""), jingle(romeo, juliet, "session-terminate", because("success"))}, "none"},
		{"no id", []string{strings.ReplaceAll(jmi(romeo, bareJuliet, "propose", audio), " id='call1'", "")}, "none"},
		{"an error that quotes a proposal", []string{strings.Replace(jmi(romeo, bareJuliet, "propose", audio), "type='chat'", "type='error'", 1)}, "none"},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		for _, test := range tests {
			begin := h.clock.Now()
			for _, text := range test.stanzas {
				h.send(text, false)
				h.clock.Advance(time.Second)
			}
			for _, who := range []string{bareRomeo, bareJuliet} {
				want := "none"
				if test.want != "none" {
					want = "0 romeo@writ.example juliet@writ.example " + test.want
				}
				if got := h.calls(who, begin); got != want {
					t.Errorf("%s: the log of %s says %q, want %q", test.name, who, got, want)
				}
			}
			h.must(db.Write(t.Context(), func(tx *store.Tx) error { _, err := tx.Exec(t.Context(), `DELETE FROM records_call`); return err }))
		}
	})
}

// TestWants: what signals no call costs no transaction, and a stanza that enters a second time is not recorded twice.
func TestWants(t *testing.T) {
	t.Parallel()
	h := open(t, storetest.SQLite(t))
	for name, text := range map[string]string{
		"a chat message":  `<message xmlns='jabber:client' type='chat'><body>hi</body></message>`,
		"a groupchat":     strings.Replace(jmi(romeo, juliet, "propose", audio), "type='chat'", "type='groupchat'", 1),
		"presence":        `<presence xmlns='jabber:client'/>`,
		"a result":        `<iq xmlns='jabber:client' type='result' id='1'><jingle xmlns='urn:xmpp:jingle:1'/></iq>`,
		"another request": `<iq xmlns='jabber:client' type='set' id='1'><query xmlns='jabber:iq:roster'/></iq>`,
	} {
		if h.send(text, false) {
			t.Errorf("%s was wanted", name)
		}
	}
	if h.send(jmi(romeo, "juliet@writ.example", "propose", audio), true) {
		t.Error("a stanza that enters a second time was wanted")
	}
}

// TestNothingElseIsKept: candidates, fingerprints and texts are in the stanzas and nowhere in the log.
func TestNothingElseIsKept(t *testing.T) {
	t.Parallel()
	h := open(t, storetest.SQLite(t))
	for _, text := range []string{jmi(romeo, "juliet@writ.example", "propose", audio), jingle(romeo, juliet, "session-initiate", content(audio)),
		jingle(juliet, romeo, "session-terminate", because("success"))} {
		h.send(text, false)
	}
	var row string
	h.must(h.db.QueryRow(t.Context(), `SELECT a || ' ' || b || ' ' || call || ' ' || caller || ' ' || kind || ' ' || outcome FROM records_call`).Scan(&row))
	if want := "juliet@writ.example romeo@writ.example call1 romeo@writ.example audio declined"; row != want {
		t.Errorf("the row has %q, want %q", row, want)
	}
}

type house struct {
	t     *testing.T
	db    *store.DB
	clock *clock.Fake
	room  *feature.Feature
	all   *records.Records
}

func open(t *testing.T, db *store.DB) *house {
	t.Helper()
	h := &house{t: t, db: db, clock: clock.NewFake(time.Date(2019, 7, 1, 9, 0, 0, 0, time.UTC))}
	storetest.Migrate(t, db, records.Schemas()...)
	var err error
	h.all, err = records.New(records.Deps{DB: db, Clock: h.clock, Log: slog.New(slog.DiscardHandler), Config: records.Defaults(), Verifier: nobodySigns{}, Standing: nobodySigns{}})
	h.must(err)
	h.must(h.all.Declare())
	h.room = calls.New(h.all.Recorder)
	return h
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// send takes a stanza through the room as the router does, and says whether the room wanted it.
func (h *house) send(text string, again bool) bool {
	h.t.Helper()
	s, err := stanza.Decode([]byte(text))
	h.must(err)
	e := &feature.Envelope{Stanza: s, From: s.From, To: s.To, Time: h.clock.Now(), Again: again}
	if !h.room.Persist.Wants(e) {
		return false
	}
	h.must(h.db.Write(context.Background(), func(tx *store.Tx) error { return h.room.Persist.Do(context.Background(), tx, e) }))
	return true
}

// calls is the call log in a person's own records, times as seconds since begin.
func (h *house) calls(account string, begin time.Time) string {
	h.t.Helper()
	l := lines{begin: begin}
	h.must(h.all.Keeper.Own(context.Background(), account, &l))
	return strings.Join(l.out, " | ")
}

type lines struct {
	begin time.Time
	calls bool
	out   []string
}

func (l *lines) Begin(_ context.Context, _ string, d schedule.Datum) error {
	l.calls = d.Name == "calls"
	return nil
}

func (l *lines) Row(values []any) error {
	var words []string
	for _, v := range values {
		switch v := v.(type) {
		case time.Time:
			words = append(words, fmt.Sprint(v.Sub(l.begin).Seconds()))
		case nil:
			words = append(words, "-")
		default:
			words = append(words, fmt.Sprint(v))
		}
	}
	if l.calls {
		l.out = append(l.out, strings.Join(words, " "))
	}
	return nil
}

func (l *lines) End(rows int64) error {
	if l.calls && rows == 0 {
		l.out = append(l.out, "none")
	}
	return nil
}

// nobodySigns keeps the gate shut: no test here extracts.
type nobodySigns struct{}

func (nobodySigns) Verify(context.Context, *store.Tx, string, [32]byte, []byte) error {
	return records.ErrSignature
}

func (nobodySigns) Check(context.Context, *store.Tx, string, [32]byte, []byte) error {
	return records.ErrSignature
}

func (nobodySigns) Allows(context.Context, store.Reader, records.Grant) error {
	return records.ErrStanding
}

// FuzzRead: whatever a stanza holds, reading it ends, and what it gives is fit for the log.
func FuzzRead(f *testing.F) {
	f.Add(jmi(romeo, juliet, "propose", audio+video))
	f.Add(jmi(romeo, juliet, "finish", because("success")))
	f.Add(jingle(romeo, juliet, "session-initiate", content(audio)))
	f.Fuzz(func(t *testing.T, text string) {
		s, err := stanza.Decode([]byte(text))
		if err != nil {
			return
		}
		signal, ok := calls.Read(s)
		if ok && (signal.ID == "" || signal.Step == 0) {
			t.Errorf("%+v is no signal", signal)
		}
	})
}
