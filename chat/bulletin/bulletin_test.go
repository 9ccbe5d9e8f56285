package bulletin_test

import (
	"context"
	"slices"
	"testing"

	"writ/server"
	"writ/store"
	"writ/store/storetest"
	"writ/writtest"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// message reads until a message comes and gives its body.
func message(t *testing.T, c *writtest.Client) string {
	t.Helper()
	for {
		e, err := c.Next()
		if err != nil {
			t.Fatal(err)
		}
		if e.Name.Local == "message" {
			if from := e.Attr("from"); from != writtest.Domain {
				t.Errorf("a message from %s", from)
			}
			if e.Attr("type") == "error" { // it holds what was written, too
				return "error"
			}
			if b := e.Child(xml.Client, "body"); b != nil {
				return b.Text()
			}
		}
	}
}

func online(t *testing.T, h *writtest.House, name string) *writtest.Client {
	t.Helper()
	h.Account(t, name)
	return login(t, h, name)
}

func login(t *testing.T, h *writtest.House, name string) *writtest.Client {
	t.Helper()
	c := h.Dial(t, writtest.TCP)
	if err := c.Login(name, "app"); err != nil {
		t.Fatal(err)
	}
	c.Write("<presence/>")
	return c
}

func TestAMessageIsSentOnceForEachId(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := writtest.Start(t, db)
		ctx := t.Context()
		alice := online(t, h, "alice")
		h.Account(t, "bob")
		for _, id := range []string{"one", "one", "two"} {
			for _, who := range []string{"alice", "bob", "nobody"} {
				if err := h.Bulletin.Send(ctx, id, who+"@"+writtest.Domain, "About "+id, "This is "+id); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, c := range []*writtest.Client{alice, login(t, h, "bob")} { // bob was away: it waited for him
			for _, want := range []string{"This is one", "This is two"} {
				if got := message(t, c); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		}
		if err := h.Bulletin.Send(ctx, "three", "alice@elsewhere.example", "", "x"); err != nil {
			t.Errorf("another server's account is no concern of ours: %v", err)
		}
	})
}

// Nothing is sent twice or lost when the commit fails, before or after it is durable.
func TestAMessageSurvivesAFailedCommit(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := writtest.Start(t, db)
		h.Account(t, "alice")
		h.Stop()
		for _, persisted := range []bool{false, true} {
			id := "lost"
			if persisted {
				id = "kept"
			}
			broken := storetest.Reopen(t, db)
			b := doomed(t, broken)
			f := storetest.NewFaults(broken)
			f.Fail(1, persisted)
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-broken.Failed(); cancel() }()
			if err := b.Bulletin.Send(ctx, id, "alice@"+writtest.Domain, "", "It is "+id); err == nil {
				t.Error("a failed commit is an error")
			}
		}
		again := writtest.Start(t, storetest.Reopen(t, db))
		for _, id := range []string{"lost", "kept"} { // whoever sent it tries again
			if err := again.Bulletin.Send(t.Context(), id, "alice@"+writtest.Domain, "", "It is "+id); err != nil {
				t.Fatal(err)
			}
		}
		if err := again.Bulletin.Send(t.Context(), "end", "alice@"+writtest.Domain, "", "That is all"); err != nil {
			t.Fatal(err)
		}
		alice := login(t, again, "alice")
		got := []string{message(t, alice), message(t, alice)}
		slices.Sort(got) // which commit failed is a race with the house's own
		if got = append(got, message(t, alice)); !slices.Equal(got, []string{"It is kept", "It is lost", "That is all"}) {
			t.Errorf("got %q", got)
		}
	})
}

// doomed runs a house whose store will fail, which ends it.
func doomed(t *testing.T, db *store.DB) *server.House {
	t.Helper()
	c := server.DefaultConfig()
	c.Domain, c.Data, c.HTTP = writtest.Domain, t.TempDir(), server.HTTPConfig{}
	c.XMPP.Listen, c.XMPP.ListenTLS = nil, []string{"127.0.0.1:0"}
	h, err := server.Build(t.Context(), server.Options{Config: c, DB: db})
	if err != nil {
		t.Fatal(err)
	}
	ready, ended := make(chan server.Addresses, 1), make(chan error, 1)
	go func() { ended <- h.Run(context.Background(), func(a server.Addresses) { ready <- a }) }()
	<-ready
	t.Cleanup(func() {
		if err := <-ended; err == nil {
			t.Error("a house ended well though its store failed")
		}
		h.Close()
	})
	return h
}

func TestAnnouncements(t *testing.T) {
	t.Parallel()
	h := writtest.Start(t, storetest.SQLite(t))
	h.Bulletin.Places = abroad{"bob@" + writtest.Domain: "HK"}
	alice, bob := online(t, h, "alice"), online(t, h, "bob")
	if err := h.Bulletin.Announce(t.Context(), "s1", "US", "For the US"); err != nil {
		t.Fatal(err)
	}
	if err := h.Bulletin.Announce(t.Context(), "s2", "", "For all"); err != nil {
		t.Fatal(err)
	}
	// Where alice is is not known: she is told.
	for c, want := range map[*writtest.Client][]string{alice: {"For the US", "For all"}, bob: {"For all"}} {
		for _, w := range want {
			if got := message(t, c); got != w {
				t.Errorf("got %q, want %q", got, w)
			}
		}
	}
}

// abroad knows where some accounts are.
type abroad map[string]string

func (a abroad) Elsewhere(_ context.Context, account, jurisdiction string) (bool, error) {
	return a[account] != "" && a[account] != jurisdiction, nil
}

func TestAnswersToTheServer(t *testing.T) {
	t.Parallel()
	h := writtest.Start(t, storetest.SQLite(t), func(o *server.Options) { o.Config.E2EE.Mode = "require" })
	h.Bulletin.OnAnswer(func(_ context.Context, account, text string) (string, error) {
		if text == "W-1 no" {
			return account + " objects", nil
		}
		return "", stanza.ItemNotFound("no such number")
	})
	alice := online(t, h, "alice")
	alice.Write("<message to='" + writtest.Domain + "' type='chat'><body> W-1 no </body></message>")
	if got := message(t, alice); got != "alice@"+writtest.Domain+" objects" {
		t.Errorf("answered %q", got)
	}
	alice.Write("<message to='" + writtest.Domain + "' type='chat' id='x'><body>hello</body></message>")
	if got := message(t, alice); got != "error" {
		t.Errorf("answered %q", got)
	}
}
