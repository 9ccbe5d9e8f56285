package story

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"writ/cli"
	"writ/server"
	"writ/writtest"
)

// figures are a half-year's, of one jurisdiction over all services.
type figures struct {
	requests, accounts, productive, emergency, paused, refused int
}

// line is a line of the table that the story prints.
type line struct {
	provider, period, news string
	got                    figures
	percent                string
}

// scale is the volume: a tenth with -short.
func scale(n int) int {
	if testing.Short() {
		return (n + 9) / 10
	}
	return n
}

// TestStory replays the two years in four houses at once.
func TestStory(t *testing.T) {
	t.Parallel()
	tables := make([][]line, 4)
	t.Run("houses", func(t *testing.T) {
		for i, h := range []struct {
			name string
			play func(*testing.T) []line
		}{{"Meta", meta}, {"Google", google}, {"Twitter", twitter}, {"Telegram", telegram}} {
			t.Run(h.name, func(t *testing.T) {
				t.Parallel()
				tables[i] = h.play(t)
			})
		}
	})
	var b strings.Builder
	fmt.Fprintf(&b, "\n%-9s %-8s %9s %9s %10s %6s %10s %7s %8s   %s\n", "", "Hong Kong", "requests", "accounts", "productive", "%", "emergency", "paused", "refused", "the news")
	for _, table := range tables {
		for _, l := range table {
			g := l.got
			fmt.Fprintf(&b, "%-9s %-8s %10d %9d %10d %6s %10d %7d %8d   %s\n", l.provider, l.period, g.requests, g.accounts, g.productive, l.percent, g.emergency, g.paused, g.refused, l.news)
		}
	}
	t.Log(b.String())
}

// verified fetches a report from the public site, runs `writ verify report` on it, and gives the line of a jurisdiction.
func (p *provider) verified(period, where string) (figures, string) {
	p.t.Helper()
	v := p.Visit(p.t)
	dir := p.t.TempDir()
	args := []string{"verify", "report", "--key", regexp.MustCompile(`[^\s<>]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+`).FindString(strings.ReplaceAll(v.Get("/verify").Body, "&#43;", "+"))}
	files := map[string]string{}
	for _, kind := range []string{"json", "csv", "sig"} {
		a := v.Get("/reports/" + period + "." + kind)
		if a.Status != 200 {
			p.t.Fatalf("%s.%s: %d", period, kind, a.Status)
		}
		files[kind] = a.Body
		name := filepath.Join(dir, period+"."+kind)
		if err := os.WriteFile(name, []byte(a.Body), 0o600); err != nil {
			p.t.Fatal(err)
		}
		args = append(args, name)
	}
	var out, errs bytes.Buffer
	if code := cli.Main(args, strings.NewReader(""), &out, &errs); code != 0 {
		p.t.Fatalf("writ %s: %d\n%s%s", strings.Join(args, " "), code, out.String(), errs.String())
	}
	p.t.Logf("writ verify report %s:\n%s", period, out.String())
	return p.row(files["csv"], where)
}

// row reads a jurisdiction's line over all services.
func (p *provider) row(table, where string) (figures, string) {
	p.t.Helper()
	r := csv.NewReader(strings.NewReader(table))
	head, err := r.Read()
	if err != nil {
		p.t.Fatal(err)
	}
	for {
		cells, err := r.Read()
		if err == io.EOF {
			return figures{}, ""
		}
		if err != nil {
			p.t.Fatal(err)
		}
		m := map[string]string{}
		for i, c := range cells {
			m[head[i]] = c
		}
		if m["service"] != "all" || m["jurisdiction"] != where {
			continue
		}
		n := func(k string) int {
			x, err := strconv.Atoi(m[k])
			if err != nil {
				p.t.Fatal(err)
			}
			return x
		}
		return figures{n("requests"), n("accounts"), n("productive"), n("emergency"), n("paused"), n("refused")}, m["percent_some_data"]
	}
}

// period is what is played of a half-year: what Hong Kong asks on which days.
type period struct {
	name string
	days []string
	list []*request
}

// play files and answers a half-year's requests, and on each day one of the United States, which is answered throughout.
func (p *provider) play(h period) {
	p.t.Helper()
	service := p.Config.Services[0].ID
	for i, d := range h.days {
		p.to(day(d))
		if i == 0 {
			p.renew()
		}
		p.prolong()
		p.chat()
		var today []*request
		for j := i; j < len(h.list); j += len(h.days) {
			today = append(today, h.list[j])
		}
		today = append(today, &request{agency: "fbi", where: "US", service: service, instrument: "search_warrant", accounts: []string{"ben@" + p.Domain.ASCII()}, end: deliver})
		p.each(today, p.handle)
		var ready []*request
		for _, r := range today {
			if r.end == deliver || r.end == except {
				ready = append(ready, r)
			}
		}
		p.to(p.fake.Now().Add(8 * 24 * time.Hour))
		p.each(ready, p.release)
	}
}

// requests makes a half-year's list: the first productive ones of accounts that exist, then those that are not answered, of which
// emergencies come last. accounts are spread so that their sum is as given.
func (p *provider) requests(n, accounts, productive, emergencies int, answered, other ending) []*request {
	var list []*request
	for i := range n {
		r := &request{agency: "hkpf", where: "HK", service: p.Config.Services[0].ID, instrument: "foreign_order", end: other}
		if i < productive {
			r.end = answered
		}
		if i >= n-emergencies {
			r.instrument = "emergency"
		}
		names := []string{"anna", "ben", "chloe"}
		domain := "@" + p.Domain.ASCII()
		if len(p.Config.Services) > 1 && r.end != answered && i%2 == 1 {
			r.service, domain = p.Config.Services[1].ID, ""
		}
		r.accounts = []string{names[i%3] + domain}
		if i < accounts-n {
			r.accounts = append(r.accounts, names[(i+1)%3]+domain)
		}
		list = append(list, r)
	}
	return list
}

// chat has two people sign in by XMPP, one of whom calls the other.
func (p *provider) chat() {
	p.t.Helper()
	anna, ben := p.online("anna"), p.online("ben")
	id := fmt.Sprint("call-", p.fake.Now().Unix())
	for _, x := range []struct {
		from, to *writtest.Client
		what     string
	}{{anna, ben, "propose"}, {ben, anna, "proceed"}, {anna, ben, "finish"}} {
		inner := ""
		if x.what == "propose" {
			inner = "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/>"
		}
		if err := x.from.SendText(fmt.Sprintf("<message to='%s' type='chat'><%s xmlns='urn:xmpp:jingle-message:0' id='%s'>%s</%s></message>", x.to.JID, x.what, id, inner, x.what)); err != nil {
			p.t.Fatal(err)
		}
		p.reads(x.to, id)
	}
	for _, c := range []*writtest.Client{anna, ben} {
		if err := c.End(); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *provider) online(local string) *writtest.Client {
	p.t.Helper()
	c := p.Dial(p.t, writtest.DirectTLS)
	if err := c.Login(local, "app"); err != nil {
		p.t.Fatal(err)
	}
	if err := c.SendText("<presence/>"); err != nil {
		p.t.Fatal(err)
	}
	return c
}

// reads receives until a stanza with the text comes.
func (p *provider) reads(c *writtest.Client, text string) {
	p.t.Helper()
	for {
		e, err := c.Next()
		if err != nil {
			p.t.Fatalf("waiting for %q: %v", text, err)
		}
		if strings.Contains(string(e.AppendTo(nil, "")), text) {
			return
		}
	}
}

// people makes the accounts, as `writ admin user add` does.
func (p *provider) people() {
	for _, name := range []string{"anna", "ben", "chloe"} {
		p.Account(p.t, name)
	}
}

// stand has counsel and human-rights lead put a standing in force, and a person read the server's notice of it.
func (p *provider) stand(stage, statement string, form ...string) {
	p.t.Helper()
	anna := p.online("anna")
	p.pause = append([]string{"stage", stage, "jurisdictions", "HK", "statement", statement, "resume", "Legal due diligence on the law is complete and published."}, form...)
	p.sealed(p.pause)
	p.reads(anna, statement)
	if err := anna.End(); err != nil {
		p.t.Fatal(err)
	}
	if a := p.Visit(p.t).Get("/standing"); !strings.Contains(a.Body, statement) {
		p.t.Errorf("the public site lacks the statement: %s", plain(a.Body))
	}
}

// sealed drafts a standing and has both sign it.
func (p *provider) sealed(form []string) {
	p.t.Helper()
	at := p.post("carl", "/staff/standings", form...)
	for person, role := range map[string]string{"carl": "counsel", "hana": "rights"} {
		page := p.as(person).Get(at).Body
		hash := regexp.MustCompile(`name="hash" value="([0-9a-f]{64})"|data-hash="([0-9a-f]{64})"`).FindStringSubmatch(page)
		if hash == nil {
			p.t.Fatalf("%s finds nothing to sign at %s: %s", person, at, plain(page))
		}
		sum := hash[1] + hash[2]
		p.post(person, at+"/sign", "role", role, "hash", sum, "assertion", p.as(person).Sign(p.key, person, sum))
	}
	p.standing = at[strings.LastIndex(at, "/")+1:]
}

// prolong renews a standing whose review date has passed: the desk raises an alarm, it binds on, and a new record follows it.
func (p *provider) prolong() {
	p.t.Helper()
	const alarm = "The review date of a standing has passed"
	if p.pause == nil || !strings.Contains(p.as("carl").Get("/staff/").Body, alarm) {
		return
	}
	if a := p.Visit(p.t).Get("/standing"); !strings.Contains(a.Body, "review overdue: stays in force") {
		p.t.Errorf("the public site does not say that the review is overdue: %s", plain(a.Body))
	}
	p.sealed(append([]string{"replaces", p.standing}, p.pause...))
	p.renewed++
	if a := p.as("carl").Get("/staff/"); strings.Contains(a.Body, alarm) {
		p.t.Errorf("after the renewal the alarm goes on: %s", plain(a.Body))
	}
}

// check compares a published line with what was played.
func (p *provider) check(name, period, news string, want figures, percent string) line {
	p.t.Helper()
	got, pc := p.verified(period, "HK")
	if got != want || percent != "" && !testing.Short() && pc != percent {
		p.t.Errorf("%s %s: published %+v (%s %%), want %+v (%s %%)", name, period, got, pc, want, percent)
	}
	us, _ := p.verified(period, "US")
	if us.requests == 0 || us.productive != us.requests {
		p.t.Errorf("%s %s: the United States asked %d times and were answered %d times", name, period, us.requests, us.productive)
	}
	return line{name, period, news, got, pc}
}

var (
	h2019 = []string{"2019-07-08", "2019-09-02", "2019-10-28", "2019-12-09"}
	h1    = []string{"2020-01-13", "2020-03-02", "2020-04-27", "2020-06-15"}
	h2    = []string{"2020-07-13", "2020-09-07", "2020-11-02", "2020-12-14"}
	h2021 = []string{"2021-01-11", "2021-03-01", "2021-04-26", "2021-06-14"}
)

func meta(t *testing.T) []line {
	p := open(t, "whatsapp.example", "Meta", server.ServiceConfig{ID: "whatsapp", Name: "WhatsApp", Chat: true}, server.ServiceConfig{ID: "facebook", Name: "Facebook"})
	p.people()
	a := [4]figures{{requests: scale(241), accounts: scale(257), productive: scale(111)}, {requests: scale(262), accounts: scale(262), productive: scale(63)},
		{requests: scale(202), accounts: scale(223), emergency: 1}, {requests: scale(152), accounts: scale(152), emergency: 2}}
	a[0].refused, a[1].refused = a[0].requests-a[0].productive, a[1].requests-a[1].productive
	a[2].paused, a[3].paused = a[2].requests, a[3].requests
	p.play(period{"2019-H2", h2019, p.requests(a[0].requests, a[0].accounts, a[0].productive, 0, deliver, refuse)})
	p.play(period{"2020-H1", h1, p.requests(a[1].requests, a[1].accounts, a[1].productive, 0, deliver, refuse)})

	// What came in between the law and the pause is under review when the pause begins, and is stopped too.
	list := p.requests(a[2].requests, a[2].accounts, 0, 1, deliver, hold)
	p.to(day("2020-07-02"))
	early := list[:2]
	for _, r := range early {
		r.end = reviewed
	}
	p.each(early, p.handle)
	p.to(day("2020-07-06"))
	p.stand("review_paused", "We pause the review of government requests for user data from Hong Kong pending further assessment of the National Security Law.")
	for _, r := range early {
		p.await("ines0", r.id, "standstill")
	}
	p.play(period{"2020-H2", h2, list[2:]})
	p.play(period{"2021-H1", h2021, p.requests(a[3].requests, a[3].accounts, 0, 2, deliver, hold)})
	if p.renewed < 3 {
		t.Errorf("in a year the pause was renewed %d times", p.renewed)
	}
	p.to(day("2021-08-25"))
	return []line{
		p.check("Meta", "2019-H2", "241 requests, 257 accounts, 46 % with some data", a[0], "46.1"), p.check("Meta", "2020-H1", "262 requests, 24 % with some data", a[1], "24.0"),
		p.check("Meta", "2020-H2", "202 requests, 223 accounts, none answered, 1 emergency", a[2], "0.0"), p.check("Meta", "2021-H1", "152 requests, none answered, 2 emergencies", a[3], "0.0"),
	}
}
