package writtest

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/xdg-go/scram"

	"writ/account"
	"writ/server"
	"writ/store"
	"writ/store/storetest"
	"writ/xmpp/xml"
)

// suite is a conformance suite's view of a server under test: one connection in clear, and what it asks there.
type suite struct {
	*Client
	t *testing.T
	n int
}

func (h *House) suite(t *testing.T) *suite {
	s := &suite{Client: h.Dial(t, TCP), t: t}
	f, err := s.Open()
	if err != nil {
		t.Fatal(err)
	}
	if tls := f.Child(nsTLS, "starttls"); tls == nil || tls.Child(nsTLS, "required") != nil {
		t.Fatalf("STARTTLS is to be offered and not required: %s", f.AppendTo(nil, ""))
	}
	var mechanisms []string
	for _, m := range f.Child(nsSASL, "mechanisms").Children {
		mechanisms = append(mechanisms, m.Text())
	}
	if list := strings.Join(mechanisms, " "); !strings.Contains(list, "SCRAM-SHA-1 ") && !strings.HasSuffix(list, "SCRAM-SHA-1") || !strings.Contains(list, "PLAIN") {
		t.Fatalf("some clients know nothing but SCRAM-SHA-1 and PLAIN: %s", list)
	}
	if f.Child("http://jabber.org/features/iq-register", "register") == nil {
		t.Fatal("registration is not announced")
	}
	return s
}

// plain signs in with PLAIN and binds.
func (s *suite) plain(local, password string) error {
	s.Write("<auth xmlns='" + nsSASL + "' mechanism='PLAIN'>" + base64.StdEncoding.EncodeToString([]byte("\x00"+local+"\x00"+password)) + "</auth>")
	return s.signedIn()
}

// sha1 signs in with SCRAM-SHA-1 and binds.
func (s *suite) sha1(local, password string) error {
	client, err := scram.SHA1.NewClient(local, password, "")
	if err != nil {
		return err
	}
	talk := client.NewConversation()
	first, _ := talk.Step("")
	s.Write("<auth xmlns='" + nsSASL + "' mechanism='SCRAM-SHA-1'>" + base64.StdEncoding.EncodeToString([]byte(first)) + "</auth>")
	challenge, err := s.Next()
	if err != nil {
		return err
	}
	text, _ := base64.StdEncoding.DecodeString(challenge.Text())
	last, err := talk.Step(string(text))
	if err != nil {
		return err
	}
	s.Write("<response xmlns='" + nsSASL + "'>" + base64.StdEncoding.EncodeToString([]byte(last)) + "</response>")
	return s.signedIn()
}

func (s *suite) signedIn() error {
	e, err := s.Next()
	if err != nil {
		return err
	}
	if !e.Is(nsSASL, "success") {
		return fmt.Errorf("%s", e.AppendTo(nil, ""))
	}
	s.Restart()
	if _, err := s.Open(); err != nil {
		return err
	}
	return s.Bind("suite")
}

// ask sends a request and gives the answer.
func (s *suite) ask(kind, to, payload string) *xml.Element {
	s.t.Helper()
	s.n++
	id := fmt.Sprint("suite-", s.n)
	if to != "" {
		to = " to='" + to + "'"
	}
	s.Write("<iq type='" + kind + "' id='" + id + "'" + to + ">" + payload + "</iq>")
	for {
		e, err := s.Next()
		if err != nil {
			s.t.Fatal(err)
		}
		if e.Is(xml.Client, "iq") && e.Attr("id") == id {
			return e
		}
	}
}

const nsAdministration = "http://jabber.org/protocol/admin"

// command runs a command of two steps, as suites do: the form, then the same session with the action.
func (s *suite) command(to, node, action string, fields ...string) {
	s.t.Helper()
	const ns = "http://jabber.org/protocol/commands"
	e := s.ask("set", to, "<command xmlns='"+ns+"' node='"+nsAdministration+"#"+node+"' action='execute'/>")
	c := e.Child(ns, "command")
	if c == nil || c.Attr("status") != "executing" || c.Child("jabber:x:data", "x") == nil {
		s.t.Fatalf("%s at %s begins with %s", node, to, e.AppendTo(nil, ""))
	}
	var b xml.Builder
	b.Start(ns, "command", "node", nsAdministration+"#"+node, "sessionid", c.Attr("sessionid"), "action", action).Start("jabber:x:data", "x", "type", "submit")
	b.Start("", "field", "var", "FORM_TYPE", "type", "hidden").Leaf("", "value", nsAdministration).End()
	for i := 0; i < len(fields); i += 2 {
		b.Start("", "field", "var", fields[i]).Leaf("", "value", fields[i+1]).End()
	}
	e = s.ask("set", to, string(b.Bytes()))
	if c := e.Child(ns, "command"); c == nil || c.Attr("status") != "completed" {
		s.t.Fatalf("%s at %s ends with %s", node, to, e.AppendTo(nil, ""))
	}
}

// The doors of a conformance suite, as one walks through them: an administrator who adds and deletes accounts at the domain and at the own address,
// registration of several accounts on one stream, sign-in without TLS by SCRAM-SHA-1 and PLAIN, hundreds of sign-ins, messages in clear.
func TestSuite(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := Start(t, db, func(o *server.Options) {
			o.Config.Profile = server.ProfileTest
			o.Config.XMPP.Failures, o.Config.XMPP.Halfway = 1, 1 // the profile lifts them
			o.Config.E2EE.Mode = "require"
			o.Config.Accounts.Operators = []string{"admin"}
		})
		if _, err := h.Accounts.Create(t.Context(), account.New{Local: "admin", Password: "admin"}); err != nil {
			t.Fatal(err)
		}
		admin := h.suite(t)
		if err := admin.sha1("admin", "admin"); err != nil {
			t.Fatal(err)
		}
		own := "admin@" + Domain
		admin.command(Domain, "set-welcome", "complete", "welcome", "Welcome to the suite.")
		admin.command(Domain, "add-user", "execute", "accountjid", "one@"+Domain, "password", "one", "password-verify", "one")
		admin.command(own, "add-user", "complete", "accountjid", "two@"+Domain, "password", "password", "password-verify", "password")
		one, two := h.suite(t), h.suite(t)
		if err := one.plain("one", "one"); err != nil {
			t.Fatal(err)
		}
		if err := two.sha1("two", "password"); err != nil {
			t.Fatal(err)
		}
		two.Write("<presence/>")
		if e := two.message(); e.Child(xml.Client, "body").Text() != "Welcome to the suite." {
			t.Errorf("a new account is not welcomed: %s", e.AppendTo(nil, ""))
		}
		one.Write("<message type='chat' to='two@" + Domain + "'><body>in clear</body></message>")
		if e := two.message(); e.Child(xml.Client, "body").Text() != "in clear" {
			t.Errorf("%s", e.AppendTo(nil, ""))
		}
		admin.command(own, "delete-user", "complete", "accountjids", "one@"+Domain)
		if err := h.suite(t).plain("one", "one"); err == nil {
			t.Error("a deleted account signs in")
		}

		guest := h.suite(t)
		form := guest.ask("get", Domain, "<query xmlns='jabber:iq:register'/>").Child("jabber:iq:register", "query")
		if form == nil || form.Child("jabber:iq:register", "username") == nil || form.Child("jabber:iq:register", "password") == nil {
			t.Fatalf("the fields of registration: %s", form.AppendTo(nil, ""))
		}
		for i := range 5 {
			e := guest.ask("set", "", fmt.Sprintf("<query xmlns='jabber:iq:register'><username>guest%d</username><password>p</password></query>", i))
			if e.Attr("type") != "result" {
				t.Fatalf("registration %d on a stream: %s", i+1, e.AppendTo(nil, ""))
			}
		}
		if err := guest.plain("guest4", "p"); err != nil {
			t.Fatal(err)
		}
		for range 150 {
			s := h.suite(t)
			if err := s.plain("guest0", "p"); err != nil {
				t.Fatal(err)
			}
			if err := s.End(); err != nil {
				t.Fatal(err)
			}
		}
		for range 20 { // wrong ones bar nobody
			if err := h.suite(t).plain("guest0", "q"); err == nil {
				t.Fatal("a wrong password signs in")
			}
		}
		if err := h.suite(t).plain("guest0", "p"); err != nil {
			t.Error(err)
		}
	})
}

// message gives the next message; what else comes is passed over.
func (s *suite) message() *xml.Element {
	s.t.Helper()
	for {
		e, err := s.Next()
		if err != nil {
			s.t.Fatal(err)
		}
		if e.Is(xml.Client, "message") {
			return e
		}
	}
}

// With test-starttls nothing is said before TLS but that it is needed.
func TestSuiteStartTLS(t *testing.T) {
	t.Parallel()
	h := Start(t, storetest.SQLite(t), func(o *server.Options) { o.Config.Profile = server.ProfileStartTLS })
	h.Account(t, "one")
	c := h.Dial(t, TCP)
	f, err := c.Open()
	if err != nil || len(f.Children) != 1 || f.Child(nsTLS, "starttls").Child(nsTLS, "required") == nil {
		t.Fatalf("%v %v", f, err)
	}
	if err := h.Dial(t, TCP).Login("one", "suite"); err != nil {
		t.Error(err)
	}
	guest := &suite{Client: h.Dial(t, DirectTLS), t: t}
	if _, err := guest.Open(); err != nil {
		t.Fatal(err)
	}
	if e := guest.ask("set", Domain, "<query xmlns='jabber:iq:register'><username>x</username><password>p</password></query>"); e.Attr("type") != "result" {
		t.Errorf("%s", e.AppendTo(nil, ""))
	}
}
