// Package muc is the service of rooms (XEP-0045), on a host of its own: groups of friends first of all, and channels where the operator allows
// them. docs/design/012-rooms.md says why it is as it is. It answers self-pings (XEP-0410), gives occupants ids (XEP-0421) and messages stanza
// ids (XEP-0359), keeps them in the room's archive (XEP-0313), and passes invitations on (XEP-0249 goes by itself).
//
// Invariants:
//   - A room is an actor: what comes to it is done in the order of arrival, and only the job in hand touches its state. No lock is held
//     during I/O.
//   - A message is in the archive before it is reflected and before its sender is told; it is reflected in the order of the archive.
//   - Who is no occupant any more gets nothing that came to the room later, and what they send is refused.
//   - What the room alone may say (muc#user, occupant-id, its stanza-id, its delay) is stripped from what clients send, in every copy.
//   - Affiliations, configuration and subject are in the tables before anyone is told of them.
//   - A real address is shown only where the room is not anonymous, and to moderators.
package muc

import (
	"context"
	"embed"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"writ/chat/archive"
	"writ/clock"
	"writ/config"
	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
)

// Namespaces of XEP-0045 §16.1, and of what stands around it.
const (
	NS      = "http://jabber.org/protocol/muc"
	NSUser  = NS + "#user"
	NSAdmin = NS + "#admin"
	NSOwner = NS + "#owner"

	nsOccupant = "urn:xmpp:occupant-id:0"
	nsDelay    = "urn:xmpp:delay"
	nsForm     = "jabber:x:data"
	nsRegister = "jabber:iq:register"
	nsInfo     = "http://jabber.org/protocol/disco#info"
	nsItems    = "http://jabber.org/protocol/disco#items"
	nsRSM      = "http://jabber.org/protocol/rsm"
	nsPing     = "urn:xmpp:ping"
	nsCard     = "vcard-temp"
	nsMAM      = "urn:xmpp:mam:2"
	nsStable   = NS + "#stable_id"
	nsSelfPing = NS + "#self-ping-optimization"
	nsAbsent   = "http://tigase.org/protocol/muc#offline"
)

//go:embed schema
var schema embed.FS

// Schema is the room's migrations, for tests of other rooms.
var Schema = store.Schema{Room: "muc", FS: schema}

// What an instant room is, and who may make rooms.
const (
	Group   = "group"
	Channel = "channel"

	Members = "members" // everyone with an account here
	Nobody  = "nobody"
)

// Config is what an operator may set.
type Config struct {
	Off       bool   `toml:"off" doc:"true: there are no rooms."`
	Host      string `toml:"host" doc:"The domain of the rooms. Empty: rooms. before the served domain."`
	Channels  bool   `toml:"channels" doc:"Allows rooms that anyone may enter, or that do not show who is in them. Readable text passes in a room that anyone may enter. false: every room is a private group, members-only, hidden and with real addresses, as encryption needs it."`
	Instant   string `toml:"instant" doc:"What a room is whose maker sends no configuration: group or channel. Empty: group."`
	Create    string `toml:"create" doc:"Who may make rooms: members (everyone with an account here) or nobody. Empty: members."`
	PerPerson int    `toml:"per_person" doc:"Rooms that one person may own. 0 = 100."`
	Occupants int    `toml:"occupants" doc:"The most people in one room at a time. 0 = 1000."`
	History   int    `toml:"history" doc:"The most messages that a room sends at entering; the rest is in its archive. 0 = 20."`
	Joins     int    `toml:"joins" doc:"Entries a minute by one person, in all rooms; three minutes' worth may come at once. 0 = 60."`
	Nicks     int    `toml:"nicks" doc:"Changes of nickname a minute by one person. 0 = 10."`
}

// Check reports what is wrong with the configuration.
func (c Config) Check() error {
	if c.Host != "" {
		if j, err := jid.Parse(c.Host); err != nil || j != j.Domain() {
			return config.Invalid("host", c.Host, "a domain such as rooms.example.org")
		}
	}
	switch {
	case c.Instant != "" && c.Instant != Group && c.Instant != Channel:
		return config.Invalid("instant", c.Instant, "group, channel")
	case c.Instant == Channel && !c.Channels:
		return config.Invalid("instant", c.Instant, "group, unless channels = true")
	case c.Create != "" && c.Create != Members && c.Create != Nobody:
		return config.Invalid("create", c.Create, "members, nobody")
	}
	for key, n := range map[string]int{"per_person": c.PerPerson, "occupants": c.Occupants, "history": c.History, "joins": c.Joins, "nicks": c.Nicks} {
		if n < 0 {
			return config.Invalid(key, n, "a number that is not negative")
		}
	}
	return nil
}

func (c Config) orDefault() Config {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&c.PerPerson, 100)
	def(&c.Occupants, 1000)
	def(&c.History, 20)
	def(&c.Joins, 60)
	def(&c.Nicks, 10)
	return c
}

// Encryption is the rule for private groups. Package e2ee implements it.
type Encryption interface {
	// Required reports whether readable text is refused in private groups.
	Required() bool
	// Group judges a message to a private group: as it may pass, what its sender is told beside it, or the refusal.
	Group(from jid.JID, s *stanza.Stanza) (pass *stanza.Stanza, advice string, err error)
}

// Pages answers queries of an archive. Package mam implements it.
type Pages interface {
	// Room answers a query of the archive of a room (XEP-0313 §4); who may ask has been checked. show gives a message as the asker may see it.
	Room(ctx context.Context, r *feature.Request, show func(archive.Item) *stanza.Stanza) (feature.Reply, error)
}

// Cards reads business cards. Package vcard implements it.
type Cards interface {
	// Card is the account's card as a reader may see it, nil if that is nothing.
	Card(ctx context.Context, account, reader jid.JID) ([]byte, error)
}

// Blocker knows what accounts have blocked. Package blocking implements it.
type Blocker interface {
	Blocked(ctx context.Context, account, other jid.JID) bool
}

// Parts is what the room stands on.
type Parts struct {
	DB         *store.DB
	Router     feature.Router
	Clock      clock.Clock
	Log        *slog.Logger
	Archive    *archive.Archive
	Pages      Pages
	Encryption Encryption
	Cards      Cards
	Blocker    Blocker
	Keep       time.Duration // how long the archive keeps messages; 0: nothing is archived
}

// MUC is the service.
type MUC struct {
	Parts
	c        Config
	host     jid.JID
	requests map[requestKey]request
	pace     pace

	mu    sync.Mutex
	rooms map[string]*Room                        // those with something to do, by name
	seats map[*feature.Session]map[*Room]struct{} // the rooms that local sessions are in
}

// New makes the service of a configuration that has passed Check.
func New(c Config, p Parts) *MUC {
	p.Log = p.Log.With("room", "muc")
	m := &MUC{Parts: p, c: c.orDefault(), rooms: map[string]*Room{}, seats: map[*feature.Session]map[*Room]struct{}{}}
	m.host = HostOf(c, p.Router.Domain())
	m.requests = roomRequests()
	return m
}

// HostOf is the domain of the rooms.
func HostOf(c Config, served jid.JID) jid.JID {
	name := c.Host
	if name == "" {
		name = "rooms." + served.Domainpart()
	}
	return jid.MustParse(name)
}

// Host is the domain of the rooms.
func (m *MUC) Host() jid.JID { return m.host }

// Feature is the service as the house sees it.
func (m *MUC) Feature() *feature.Feature {
	return &feature.Feature{
		Name:    "muc",
		Specs:   []string{"XEP-0045", "XEP-0249", "XEP-0410", "XEP-0421", "XEP-0424", "XEP-0425", "XEP-0433", "XEP-0486"},
		Schema:  schema,
		Data:    m.data(),
		Host:    &feature.Host{Domain: m.host, Take: m.take},
		Disco:   feature.Disco{Items: m.listed},
		Session: feature.SessionHooks{Close: m.closed},
		After:   m.after,
		Start:   m.start,
	}
}

// listed puts the service into the list of the domain's items (XEP-0045 §6.1).
func (m *MUC) listed(_ context.Context, r *feature.Request) ([]feature.Item, error) {
	if r.Place != feature.AtDomain || r.Payload.Attr("node") != "" {
		return nil, nil
	}
	return []feature.Item{{JID: m.host, Name: "Rooms"}}, nil
}

// take is the way in (feature.Host).
func (m *MUC) take(ctx context.Context, e *feature.Envelope, done func()) {
	if e.To.Local() == "" {
		defer done()
		m.atHost(ctx, e)
		return
	}
	m.post(e.To.Local(), job{e: e, done: done})
}

// after makes a session that is not available any more leave its rooms (XEP-0045 §7.14).
func (m *MUC) after(_ context.Context, e *feature.Envelope) {
	if e.Stanza.Kind == stanza.Presence && e.To.IsZero() && e.Stanza.Type == stanza.Unavailable && e.Session != nil {
		m.departed(e.Session, e.Stanza)
	}
}

// closed makes a session that ended leave its rooms. A hibernating session has not ended.
func (m *MUC) closed(_ context.Context, s *feature.Session) {
	m.departed(s, stanza.New(stanza.Presence, stanza.Unavailable, s.JID, jid.JID{}, ""))
}

func (m *MUC) departed(s *feature.Session, last *stanza.Stanza) {
	m.mu.Lock()
	var in []*Room
	for r := range m.seats[s] {
		in = append(in, r)
	}
	m.mu.Unlock()
	for _, r := range in {
		m.post(r.name, job{do: func(r *Room) {
			if seat := r.seats[s.JID]; seat != nil && seat.session == s {
				r.leave(seat, last, nil)
			}
		}})
	}
}

// sit and rise note in which rooms a local session is.
func (m *MUC) sit(s *feature.Session, r *Room) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seats[s] == nil {
		m.seats[s] = map[*Room]struct{}{}
	}
	m.seats[s][r] = struct{}{}
}

func (m *MUC) rise(s *feature.Session, r *Room) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.seats[s], r)
	if len(m.seats[s]) == 0 {
		delete(m.seats, s)
	}
}

// start deletes the rooms that were not to outlive the process.
func (m *MUC) start(ctx context.Context) error {
	names, err := store.List(ctx, m.DB, "muc: rooms that are gone", func(row store.Scanner) (n string, err error) { return n, row.Scan(&n) },
		`SELECT room FROM muc_room WHERE temporary`)
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := m.DB.Write(ctx, func(tx *store.Tx) error { return m.wipe(ctx, tx, n) }); err != nil {
			return fmt.Errorf("muc: deleting a room that is gone: %w", err)
		}
	}
	return nil
}

// Farewell tells the occupants that the service goes (XEP-0045 §11.2), and waits until every room has done so. The house calls it before the streams
// of the clients end.
func (m *MUC) Farewell(ctx context.Context) error {
	m.mu.Lock()
	var names []string
	for n := range m.rooms {
		names = append(names, n)
	}
	m.mu.Unlock()
	var all sync.WaitGroup
	for _, n := range names {
		all.Add(1)
		m.post(n, job{do: func(r *Room) { r.shut() }, done: all.Done})
	}
	ended := make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("muc: stopping: %w", ctx.Err())
	}
}

// room is a room's address.
func (m *MUC) room(name string) jid.JID {
	j, err := jid.New(name, m.host.Domainpart(), "")
	if err != nil {
		panic("muc: a stored name is no address: " + err.Error())
	}
	return j
}

// send gives a stanza to whom it is addressed.
func (m *MUC) send(ctx context.Context, s *stanza.Stanza) { m.Router.Deliver(ctx, s.To, s) }

// submit sends a message of the room to an account, through archive, offline store and the ways to other servers: it is not lost.
// It is author's: it goes with that account.
func (m *MUC) submit(ctx context.Context, author jid.JID, s *stanza.Stanza) {
	m.Router.Submit(ctx, &feature.Envelope{Stanza: s, From: s.From, To: s.To, Server: true, Author: author})
}
