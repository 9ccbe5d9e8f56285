package writtest

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"

	"writ/clock"
	"writ/config"
	"writ/server"
	"writ/store"
	"writ/store/storetest"
	"writ/xmpp/jid"
	"writ/xmpp/xml"
)

// Scripts runs every script that the pattern names, over TCP and WebSocket, on both databases. Scripts share a server for each
// database unless they need their own.
func Scripts(t *testing.T, pattern string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts at ", pattern)
	}
	parsed := map[string]*script{}
	for _, f := range files {
		if parsed[f], err = readScript(f); err != nil {
			t.Fatal(f, ": ", err)
		}
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		shared := &places{home: Start(t, db)}
		for _, f := range files {
			if parsed[f].abroad != nil && !parsed[f].own && shared.away == nil {
				shared.world = NewWorld(t)
				shared.federated = shared.world.Join(t, like(t, db), Domain)
				shared.away = shared.world.Join(t, like(t, db), Abroad)
			}
		}
		t.Run("scripts", func(t *testing.T) {
			for _, f := range files {
				for _, via := range []Via{TCP, WebSocket, BOSH} {
					if via == BOSH && !parsed[f].bosh {
						continue
					}
					t.Run(strings.TrimSuffix(filepath.Base(f), ".txt")+" over "+via.String(), func(t *testing.T) {
						t.Parallel()
						runScript(t, f, parsed[f], via, shared, db)
					})
				}
			}
		})
	})
}

// places are the houses that scripts share: one alone, and two that talk with each other.
type places struct {
	home            *House
	federated, away *House
	world           *World
}

// like makes a database of the same kind.
func like(t *testing.T, model *store.DB) *store.DB {
	if strings.HasPrefix(model.URL(), "sqlite:") {
		return storetest.SQLite(t)
	}
	return storetest.PostgreSQL(t)
}

// runScript plays one script.
func runScript(t *testing.T, file string, s *script, via Via, shared *places, db *store.DB) {
	r := &run{t: t, s: s, via: via, house: shared.home, vars: vars{}, players: map[string]*player{}}
	switch {
	case s.own:
		r.fresh(db)
	case s.abroad != nil:
		r.house, r.away = shared.federated, shared.away
	}
	r.cast()
	for _, st := range s.steps {
		if err := r.step(st); err != nil {
			t.Fatalf("%s:%d: %s %s %s\n%v", file, st.line, st.who, st.verb, st.rest, err)
		}
	}
}

type run struct {
	t       *testing.T
	s       *script
	via     Via
	house   *House
	away    *House // the other house; nil: the script has none
	world   *World // of a script that has houses of its own
	db      *store.DB
	options []Option
	vars    vars
	players map[string]*player
	pings   int
}

// player is a client of a script.
type player struct {
	*Client
	name, account, resource string
	abroad                  bool
	inbox                   []*xml.Element // received, not yet looked at
	gone                    error          // why nothing more will come
	ignored                 []*xml.Element
	resumable               bool
	sm                      smState
}

// fresh gives the script a server and a database of its own.
func (r *run) fresh(model *store.DB) {
	r.db = like(r.t, model)
	if r.s.abroad != nil {
		r.world = NewWorld(r.t)
		r.options = append(r.options, r.world.Living(r.t, Domain))
	}
	data := r.t.TempDir() // kept over a restart
	r.options = append(r.options, func(o *server.Options) {
		o.Config.Data = data
		o.Config.Tlog.Cadence = config.Duration(30 * 24 * time.Hour) // a script moves the clock by days, and a batch costs a tenth of a second
	})
	if len(r.s.config) > 0 {
		text := strings.Join(r.s.config, "\n")
		r.options = append(r.options, func(o *server.Options) {
			if err := toml.NewDecoder(strings.NewReader(text)).DisallowUnknownFields().Decode(&o.Config); err != nil {
				r.t.Fatalf("the script's config: %v", err)
			}
		})
	}
	if r.s.clock {
		r.options = append(r.options, Fake(clock.NewFake(time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC))))
	}
	r.house = Start(r.t, r.db, r.options...)
	if r.world == nil {
		return
	}
	r.world.Enter(r.house)
	var there []Option
	if r.s.clock {
		there = append(there, func(o *server.Options) { o.Clock = r.house.Clock })
	}
	r.away = r.world.Join(r.t, like(r.t, model), Abroad, there...)
}

// at is the house of an account.
func (r *run) at(account string) *House {
	if r.s.abroad[account] {
		return r.away
	}
	return r.house
}

// homeOf is the house of a client.
func (r *run) homeOf(p *player) *House {
	if p.abroad {
		return r.away
	}
	return r.house
}

// cast makes the accounts and what names stand for them.
func (r *run) cast() {
	domain := r.house.Domain.String()
	r.vars["domain"], r.vars["abroad"] = domain, Abroad
	accounts := map[string]jid.JID{}
	make := func(name string) jid.JID {
		if _, ok := accounts[name]; !ok {
			h := r.at(name)
			accounts[name] = h.Account(r.t, h.Fresh(name))
			r.name(name, accounts[name])
		}
		return accounts[name]
	}
	for _, a := range r.s.accounts {
		make(a)
	}
	for _, name := range r.s.heads {
		if err := r.house.Accounts.SetOperator(r.t.Context(), make(name), true); err != nil {
			r.t.Fatal(err)
		}
	}
	for _, c := range r.s.clients {
		full, err := make(c.account).WithResource(c.name)
		if err != nil {
			r.t.Fatal(err)
		}
		r.name(c.name, full)
		r.vars[c.name+".agent"] = agentOf(full.Local(), c.name)
		r.players[c.name] = &player{name: c.name, account: full.Local(), resource: c.name, abroad: r.s.abroad[c.account]}
	}
}

func (r *run) name(name string, j jid.JID) {
	r.vars[name], r.vars[name+".bare"], r.vars[name+".local"], r.vars[name+".resource"] = j.String(), j.Bare().String(), j.Local(), j.Resource()
}

func (r *run) step(st statement) error {
	switch st.verb {
	case "advance":
		return r.advance(st.rest)
	case "restart", "crash":
		r.restart(st.verb == "crash")
		r.house = Start(r.t, r.db, r.options...)
		if r.world != nil {
			r.world.Enter(r.house)
		}
		return nil
	}
	p := r.players[st.who]
	switch st.verb {
	case "opens", "authenticates", "connects", "connects resumable", "resumes", "resumes and fails":
		return r.connect(p, st.verb)
	case "signs in", "signs in at once":
		return r.signIn(p, st)
	}
	if p.Client == nil {
		return errors.New("the client is not connected")
	}
	switch st.verb {
	case "->":
		return r.send(p, st.rest)
	case "<-":
		if strings.HasPrefix(st.rest, "{ ") || strings.HasPrefix(st.rest, "{\n") {
			return r.unordered(p, strings.TrimSuffix(strings.TrimPrefix(st.rest, "{"), "}"))
		}
		return r.receive(p, st.rest)
	case "never receives", "receives nothing":
		return r.never(p, st.rest)
	case "ignores":
		e, err := pattern(r.vars.known(st.rest))
		p.ignored = append(p.ignored, e...)
		return err
	case "disconnects":
		if p.sm.id != "" { // the last word of what was read (XEP-0198 §4), or the server gives it to another session
			p.Write("<a xmlns='" + nsSM + "' h='" + strconv.FormatUint(uint64(p.sm.received), 10) + "'/>")
		}
		err := p.End()
		p.Client = nil
		return err
	case "drops":
		full, err := jid.Parse(r.vars[p.name]) // also of a session that it has resumed by hand
		p.Drop()
		p.Client = nil
		r.left(p, full)
		return err
	}
	return r.closed(p, st.rest)
}

// restart stops the server. Clients read until their streams end, as apps do: a WebSocket is closed by both sides.
func (r *run) restart(crash bool) {
	var readers sync.WaitGroup
	for _, p := range r.players {
		if p.Client == nil || p.abroad {
			continue
		}
		readers.Go(func() {
			for {
				if _, err := p.Next(); err != nil && !errors.Is(err, errClosed) {
					return
				}
			}
		})
	}
	if crash {
		r.house.Crash()
		r.db = storetest.Reopen(r.t, r.db)
	} else {
		r.house.Stop()
	}
	readers.Wait()
	for _, p := range r.players {
		if p.Client != nil && !p.abroad {
			p.Drop()
			p.Client = nil
		}
	}
}

func (r *run) advance(d string) error {
	var by config.Duration
	if err := by.UnmarshalText([]byte(d)); err != nil {
		return err
	}
	r.house.Fake.Advance(time.Duration(by))
	return nil
}

func (r *run) send(p *player, text string) error {
	text, err := r.vars.fill(text)
	if err != nil {
		return err
	}
	elements, err := pattern(text)
	for _, e := range elements {
		p.Send(e)
		p.sm.sent(e)
	}
	return err
}

// pattern parses elements that stand one behind the other.
func pattern(text string) ([]*xml.Element, error) {
	e, err := xml.Parse([]byte("<w xmlns='jabber:client' xmlns:stream='"+xml.Stream+"'>"+text+"</w>"), "")
	if err != nil {
		return nil, err
	}
	return e.Children, nil
}

func (r *run) receive(p *player, text string) error {
	want, err := pattern(text)
	if err != nil {
		return err
	}
	for _, w := range want {
		got, err := p.take()
		if err != nil {
			return fmt.Errorf("nothing was received: %w", err)
		}
		if d := r.vars.match(w, got); d != "" {
			return fmt.Errorf("%s\nreceived: %s", d, got.AppendTo(nil, xml.Client))
		}
	}
	return nil
}

func (r *run) unordered(p *player, text string) error {
	want, err := pattern(text)
	if err != nil {
		return err
	}
	for len(want) > 0 {
		got, err := p.take()
		if err != nil {
			var left []byte
			for _, w := range want {
				left = w.AppendTo(append(left, '\n'), xml.Client)
			}
			return fmt.Errorf("missing: %w%s", err, left)
		}
		found, why := -1, ""
		for i, w := range want {
			d := r.vars.match(w, got)
			if d == "" {
				found = i
				break
			}
			why += "\n  " + d
		}
		if found < 0 {
			return fmt.Errorf("none of %d awaited:%s\nreceived: %s", len(want), why, got.AppendTo(nil, xml.Client))
		}
		want = append(want[:found], want[found+1:]...)
	}
	return nil
}

// never lets all streams come to rest, the client's own last, and looks at what came.
func (r *run) never(p *player, text string) error {
	for _, other := range r.players {
		if other != p && other.Client != nil && !other.JID.IsZero() && other.gone == nil {
			if err := r.settle(other); err != nil {
				return fmt.Errorf("%s: %w", other.name, err)
			}
		}
	}
	if err := r.settle(p); err != nil {
		return err
	}
	banned, err := pattern(text)
	if err != nil {
		return err
	}
	for _, got := range p.inbox {
		if len(banned) == 0 {
			return fmt.Errorf("received: %s", got.AppendTo(nil, xml.Client))
		}
		for _, b := range banned {
			if r.vars.match(b, got) == "" {
				return fmt.Errorf("received: %s", got.AppendTo(nil, xml.Client))
			}
		}
	}
	return nil
}

// settle sends a request and takes in all that comes before the answer. It is a set, which the server answers after what was sent
// before it is committed and delivered; that it is refused is as good an answer.
func (r *run) settle(p *player) error {
	if r.away == nil {
		return r.rest(p, r.house)
	}
	for _, h := range []*House{r.house, r.away, r.house} { // there and back, so that what one house sent the other because of the other is in
		if err := r.rest(p, h); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) rest(p *player, at *House) error {
	r.pings++
	id := "settle-" + strconv.Itoa(r.pings)
	ping, err := xml.Parse([]byte("<iq type='set' id='"+id+"' to='"+at.Domain.String()+"'><rest xmlns='urn:example:rest'/></iq>"), xml.Client)
	if err != nil {
		return err
	}
	p.Send(ping)
	p.sm.sent(ping)
	for {
		e, err := p.fetch()
		if err != nil {
			return err
		}
		if e.Is(xml.Client, "iq") && e.Attr("id") == id {
			return nil
		}
		p.inbox = append(p.inbox, e)
	}
}

// take gives the next element that the script looks at.
func (p *player) take() (*xml.Element, error) {
	if len(p.inbox) > 0 {
		e := p.inbox[0]
		p.inbox = p.inbox[1:]
		return e, nil
	}
	return p.fetch()
}

func (p *player) fetch() (*xml.Element, error) {
next:
	for {
		if p.gone != nil {
			return nil, p.gone
		}
		e, err := p.Next()
		if err != nil {
			p.gone = err
			return nil, err
		}
		if e.Is(nsSASL2, "success") {
			p.named(e)
		}
		if p.resumable && p.acknowledge(e) {
			continue
		}
		for _, i := range p.ignored {
			if (vars{}).match(i, e) == "" {
				continue next
			}
		}
		return e, nil
	}
}

// left waits until the server has noticed that the stream of a bound session is over.
func (r *run) left(p *player, full jid.JID) {
	if h := r.homeOf(p); !full.IsZero() {
		h.Asleep(full)
	}
}

// closed waits until the server has ended the stream, with that condition if one is given, and has let go of the session; not of one that
// another client has taken.
func (r *run) closed(p *player, condition string) error {
	full := p.JID
	if condition == "conflict" {
		full = jid.JID{}
	}
	defer p.Drop()
	for {
		e, err := p.take()
		switch {
		case errors.Is(err, errClosed) || errors.Is(err, io.EOF):
			p.Client = nil
			r.left(p, full)
			if condition != "" {
				return fmt.Errorf("the stream ended without %s", condition)
			}
			return nil
		case err != nil:
			return err
		case e.Is(xml.Stream, "error"):
			if condition != "" && e.Child("urn:ietf:params:xml:ns:xmpp-streams", condition) == nil {
				return fmt.Errorf("received: %s", e.AppendTo(nil, ""))
			}
			condition = ""
		default:
			return fmt.Errorf("received: %s", e.AppendTo(nil, xml.Client))
		}
	}
}
