package adhoc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"writ/clock"
	"writ/records"
	"writ/schedule"
	"writ/store"
	"writ/store/storetest"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

var (
	alice  = jid.MustParse("alice@writ.example/app")
	other  = jid.MustParse("alice@writ.example/other")
	bob    = jid.MustParse("bob@writ.example/app")
	domain = jid.MustParse("writ.example")
	start  = time.Date(2019, 7, 1, 9, 0, 0, 0, time.UTC)
)

type bench struct {
	t     *testing.T
	room  *feature.Feature
	clock *clock.Fake
}

func open(t *testing.T, commands ...Command) *bench {
	b := &bench{t: t, clock: clock.NewFake(start)}
	b.room = New(b.clock, commands...)
	return b
}

func (b *bench) request(from jid.JID, payload string) *feature.Request {
	b.t.Helper()
	el, err := xml.Parse([]byte(payload), "")
	if err != nil {
		b.t.Fatal(err)
	}
	return &feature.Request{From: from, To: domain, Payload: el, Place: feature.AtDomain, Session: &feature.Session{JID: from}}
}

// do sends <command/> with the attributes and children and gives the answer.
func (b *bench) do(from jid.JID, attrs, inside string) (string, error) {
	b.t.Helper()
	reply, err := b.room.IQ[0].Handle(b.t.Context(), b.request(from, `<command xmlns='`+NS+`' `+attrs+`>`+inside+`</command>`))
	return string(reply.Payload), err
}

func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

// greet is a command of two stages that remembers a name.
func greet() Command {
	return Command{Node: "greet", Name: "Greet", At: feature.AtDomain, Run: func(_ context.Context, c *Call) (Stage, error) {
		switch {
		case c.Stage == 0 || c.Action == "prev":
			return Stage{Form: &Form{Title: "Greet", Fields: []Field{{Var: "name", Type: "text-single", Label: "Name", Required: true}}}, Actions: []string{"next"}, To: 1}, nil
		case c.Stage == 1:
			if len(c.Fields["name"]) == 0 {
				return Stage{}, stanza.BadRequest("a name is needed").WithApp(NS, "bad-payload")
			}
			return Stage{Form: &Form{Fields: []Field{{Var: "sure", Type: "list-single", Values: []string{"yes"}, Options: []Option{{"Yes", "yes"}}}}},
				Actions: []string{"complete", "prev"}, Keep: c.Fields["name"][0]}, nil
		}
		return Stage{Done: true, Notes: []Note{{"info", fmt.Sprintf("Hello %s.", c.Kept)}}}, nil
	}}
}

// XEP-0050 §2.4.2: a command of several stages, forward, back and to its end.
func TestStages(t *testing.T) {
	t.Parallel()
	b := open(t, greet())
	first, err := b.do(alice, `node='greet' action='execute'`, "")
	if err != nil {
		t.Fatal(err)
	}
	id := between(first, `sessionid='`, `'`)
	want := `<command xmlns='` + NS + `' xml:lang='en' node='greet' sessionid='` + id + `' status='executing'><actions execute='next'><next/></actions>` +
		`<x xmlns='jabber:x:data' type='form'><title>Greet</title><field var='name' type='text-single' label='Name'><required/></field></x></command>`
	if first != want || len(id) < 20 {
		t.Errorf("first stage:\n%s\nwant\n%s", first, want)
	}
	session := `node='greet' sessionid='` + id + `'`
	form := `<x xmlns='jabber:x:data' type='submit'><field var='name'><value>Åsa &amp; 香</value></field></x>`
	second, err := b.do(alice, session, form) // without an action: the default
	if err != nil || !strings.Contains(second, `<actions execute='complete'><prev/><complete/></actions>`) || !strings.Contains(second, `<option label='Yes'><value>yes</value></option>`) {
		t.Fatalf("second stage: %v %s", err, second)
	}
	if back, err := b.do(alice, session+` action='prev'`, ""); err != nil || !strings.Contains(back, "<title>Greet</title>") {
		t.Errorf("back: %v %s", err, back)
	}
	if _, err := b.do(alice, session+` action='next'`, form); err != nil {
		t.Fatal(err)
	}
	last, err := b.do(alice, session+` action='complete'`, "")
	if want := `status='completed'><note type='info'>Hello Åsa &amp; 香.</note></command>`; err != nil || !strings.HasSuffix(last, want) {
		t.Errorf("last stage: %v %s", err, last)
	}
	if _, err := b.do(alice, session, ""); !errors.Is(err, stanza.NotAllowed("")) {
		t.Errorf("a session that has ended: %v", err)
	}
}

// XEP-0050 §4.4, and who may meddle with whose session.
func TestErrors(t *testing.T) {
	t.Parallel()
	staff := greet()
	staff.Node, staff.May = "staff", func(_ context.Context, from jid.JID) (bool, error) { return from.Bare() == bob.Bare(), nil }
	lookUp := greet()
	lookUp.Node, lookUp.Refused = "look-up", "nobody looks people up"
	b := open(t, greet(), staff, lookUp)
	first, _ := b.do(alice, `node='greet'`, "")
	session := `node='greet' sessionid='` + between(first, `sessionid='`, `'`) + `'`
	for name, c := range map[string]struct {
		from          jid.JID
		attrs, inside string
		want          *stanza.Error
		app           string
	}{
		"an unknown command":       {alice, `node='nothing'`, "", stanza.ItemNotFound(""), ""},
		"a command for others":     {alice, `node='staff'`, "", stanza.Forbidden(""), ""},
		"a command for nobody":     {bob, `node='look-up'`, "", stanza.NotAllowed("nobody looks people up"), ""},
		"an unknown action":        {alice, `node='greet' action='explode'`, "", stanza.BadRequest(""), "malformed-action"},
		"back before the begin":    {alice, `node='greet' action='prev'`, "", stanza.BadRequest(""), "bad-action"},
		"an action not allowed":    {alice, session + ` action='complete'`, "", stanza.BadRequest(""), "bad-action"},
		"another app's session":    {other, session, "", stanza.BadRequest(""), "bad-sessionid"},
		"another person's session": {bob, session, "", stanza.BadRequest(""), "bad-sessionid"},
		"another command's":        {bob, strings.Replace(session, "greet", "staff", 1), "", stanza.BadRequest(""), "bad-sessionid"},
		"a made-up session":        {alice, `node='greet' sessionid='x'`, "", stanza.BadRequest(""), "bad-sessionid"},
	} {
		_, err := b.do(c.from, c.attrs, c.inside)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		var e *stanza.Error
		if errors.As(err, &e) && c.app != "" && !strings.Contains(string(e.XML()), c.app) {
			t.Errorf("%s: %s lacks %s", name, e.XML(), c.app)
		}
	}
	if _, err := b.do(alice, session+` action='next'`, ""); !errors.Is(err, stanza.BadRequest("")) {
		t.Errorf("the session is alive, and its form was empty: %v", err)
	}
	if _, err := b.do(alice, session, ""); !errors.Is(err, stanza.NotAllowed("")) {
		t.Errorf("an error ends the session: %v", err)
	}
	q := b.request(alice, `<command xmlns='`+NS+`' node='greet'/>`)
	q.Session = nil // from another server
	if _, err := b.room.IQ[0].Handle(t.Context(), q); !errors.Is(err, stanza.Forbidden("")) {
		t.Errorf("a foreign requester: %v", err)
	}
}

// XEP-0050 §3.3: cancelled, forgotten after ten minutes, and bounded in number.
func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	b := open(t, greet())
	begin := func(from jid.JID) (string, error) {
		first, err := b.do(from, `node='greet'`, "")
		return `node='greet' sessionid='` + between(first, `sessionid='`, `'`) + `'`, err
	}
	session, _ := begin(alice)
	if got, err := b.do(alice, session+` action='cancel'`, ""); err != nil || !strings.Contains(got, `status='canceled'`) {
		t.Errorf("cancel: %v %s", err, got)
	}
	if _, err := b.do(alice, session, ""); !errors.Is(err, stanza.NotAllowed("")) {
		t.Errorf("after a cancel: %v", err)
	}
	session, _ = begin(alice)
	b.clock.Advance(sessionLife)
	if _, err := b.do(alice, session, ""); !errors.Is(err, stanza.NotAllowed("")) {
		t.Errorf("after ten minutes: %v", err)
	}
	var open []string
	for i := range sessionsOfOne + 1 {
		session, err := begin(alice)
		if err != nil {
			t.Errorf("session %d: %v", i+1, err)
		}
		open = append(open, session)
	}
	if _, err := b.do(alice, open[0], ""); !errors.Is(err, stanza.NotAllowed("")) {
		t.Errorf("the oldest of too many: %v", err)
	}
	for _, session := range open[1:] {
		if got, err := b.do(alice, session+` action='cancel'`, ""); err != nil {
			t.Errorf("one of the others: %v %s", err, got)
		}
	}
	if _, err := begin(bob); err != nil {
		t.Errorf("another's sessions are their own: %v", err)
	}
	if err := b.room.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// XEP-0050 §2.2: a command is listed for those who may run it.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	staff := greet()
	staff.Node, staff.Name, staff.May = "staff", "Staff", func(_ context.Context, from jid.JID) (bool, error) { return from.Bare() == bob.Bare(), nil }
	b := open(t, greet(), staff)
	for who, want := range map[jid.JID]int{alice: 1, bob: 2} {
		q := b.request(who, `<query xmlns='http://jabber.org/protocol/disco#items' node='`+NS+`'/>`)
		items, err := b.room.Disco.Items(t.Context(), q)
		if err != nil || len(items) != want || items[0].Node != "greet" || items[0].JID != domain {
			t.Errorf("%s sees %+v %v", who, items, err)
		}
		info, err := b.room.Disco.Node(t.Context(), q, "staff")
		if (info != nil) != (want == 2) || errors.Is(err, stanza.Forbidden("")) != (want == 1) {
			t.Errorf("%s: the node says %+v %v", who, info, err)
		}
	}
	q := b.request(alice, `<query xmlns='http://jabber.org/protocol/disco#items' node='`+NS+`'/>`)
	q.Place, q.To = feature.AtOwn, alice.Bare()
	if items, err := b.room.Disco.Items(t.Context(), q); err != nil || items == nil || len(items) != 0 {
		t.Errorf("at the own account there is an empty list, not none: %v %v", items, err)
	}
	if info, err := b.room.Disco.Node(t.Context(), q, NS); err != nil || info.Identities[0].Type != "command-list" {
		t.Errorf("%+v %v", info, err)
	}
}

// TestMyRecords: a person sees their records and only theirs, with what is held and never given out.
func TestMyRecords(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		storetest.Migrate(t, db, records.Schemas()...)
		clk := clock.NewFake(start)
		all, err := records.New(records.Deps{DB: db, Clock: clk, Log: slog.New(slog.DiscardHandler), Config: records.Defaults(), Verifier: shut{}, Standing: shut{}})
		if err != nil {
			t.Fatal(err)
		}
		if err := all.Declare(records.Room{Name: "chat/archive", Data: records.Words(schedule.Datum{Name: "ciphertext", Category: schedule.Ciphertext, Fields: []schedule.Field{{Name: "a", Meaning: "A."}},
			Purpose: "To bring messages to all devices.", Retention: schedule.Account, Process: schedule.Never, Never: "There is no key."})}); err != nil {
			t.Fatal(err)
		}
		if err := db.Write(t.Context(), func(tx *store.Tx) error {
			for i := range 60 {
				for _, who := range []jid.JID{alice, bob} {
					s := records.SignIn{Account: who.Bare().String(), Time: start.Add(time.Duration(i) * time.Minute), Addr: netip.MustParseAddrPort("192.0.2.1:40000"), Client: fmt.Sprint(who.Local(), "-app-", i)}
					if err := all.Recorder.SignIn(t.Context(), tx, s); err != nil {
						return err
					}
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		b := open(t, MyRecords(all.Keeper, all.Schedule))
		got, err := b.do(alice, `node='`+MyRecordsNode+`'`, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`status='completed'><x xmlns='jabber:x:data' type='result'><title>What is kept about alice@writ.example</title>`,
			`label='Sign-ins: sign-ins (kept 90 days)'`, "60 records, of which 50 are shown here.", "<value>time: 2019-07-01 09:59:00, ip: 192.0.2.1, port: 40000, client: alice-app-59</value></field>",
			"client: alice-app-10<", "<value>No records.</value>", "Never given to anyone. There is no key."} {
			if !strings.Contains(got, want) {
				t.Errorf("the answer lacks %q:\n%s", want, got)
			}
		}
		for _, wrong := range []string{"bob", "alice-app-9<"} {
			if strings.Contains(got, wrong) {
				t.Errorf("the answer has %q", wrong)
			}
		}
		if i, j := strings.Index(got, "alice-app-10<"), strings.Index(got, "alice-app-59<"); i > j {
			t.Error("the rows are not in their order")
		}
	})
}

// shut keeps the gate shut: no test here extracts.
type shut struct{}

func (shut) Verify(context.Context, *store.Tx, string, [32]byte, []byte) error {
	return records.ErrSignature
}

func (shut) Check(context.Context, *store.Tx, string, [32]byte, []byte) error {
	return records.ErrSignature
}

func (shut) Allows(context.Context, store.Reader, records.Grant) error { return records.ErrStanding }
