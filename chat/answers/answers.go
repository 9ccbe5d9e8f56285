// Package answers holds the small questions that a server answers at once: ping (XEP-0199), software version (XEP-0092),
// entity time (XEP-0202) and last activity (XEP-0012).
//
// Invariants:
//   - Nothing is stored here. Last activity reads what the ledger holds, and only for those who may see the presence
//     (XEP-0012 §8).
package answers

import (
	"context"
	"strconv"
	"time"

	"writ/clock"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// Namespaces of the questions.
const (
	PingNS    = "urn:xmpp:ping"
	VersionNS = "jabber:iq:version"
	TimeNS    = "urn:xmpp:time"
	LastNS    = "jabber:iq:last"
)

// Seen is the ledger's knowledge of when an account was last connected; the zero time if it has none.
type Seen interface {
	LastSeen(ctx context.Context, account string) (time.Time, error)
}

// Config is what the room stands on.
type Config struct {
	Router   feature.Router
	Contacts feature.Contacts // who may know when an account was last seen
	Seen     Seen
	Clock    clock.Clock
	Version  string // of the program
}

type room struct {
	Config
	started time.Time
}

// New makes the room.
func New(c Config) *feature.Feature {
	r := &room{Config: c, started: c.Clock.Now()}
	everywhere := feature.AtDomain | feature.AtOwn | feature.AtAccount
	return &feature.Feature{
		Name:  "answers",
		Specs: []string{"XEP-0199", "XEP-0092", "XEP-0202", "XEP-0012"},
		Disco: feature.Disco{
			Domain:  []string{PingNS, VersionNS, TimeNS, LastNS},
			Account: []string{PingNS, LastNS},
		},
		IQ: []feature.IQ{
			{Type: stanza.Get, Space: PingNS, Local: "ping", At: everywhere, Handle: r.ping},
			{Type: stanza.Get, Space: VersionNS, Local: "query", At: feature.AtDomain, Handle: r.version},
			{Type: stanza.Get, Space: TimeNS, Local: "time", At: feature.AtDomain, Handle: r.time},
			{Type: stanza.Get, Space: LastNS, Local: "query", At: everywhere, Handle: r.last},
		},
	}
}

// ping is XEP-0199 §4.2 and §4.3. A ping of another's account answers as if there were no such account, for the server
// does not say who exists.
func (r *room) ping(_ context.Context, q *feature.Request) (feature.Reply, error) {
	if q.Place == feature.AtAccount {
		return feature.Reply{}, stanza.ServiceUnavailable("")
	}
	return feature.Reply{}, nil
}

// version is XEP-0092 §2. The operating system stays untold: it helps nobody but an attacker.
func (r *room) version(context.Context, *feature.Request) (feature.Reply, error) {
	var b xml.Builder
	b.Start(VersionNS, "query").Leaf("", "name", "Writ").Leaf("", "version", r.Version)
	return feature.Reply{Payload: b.Bytes()}, nil
}

// time is XEP-0202 §2, in UTC.
func (r *room) time(context.Context, *feature.Request) (feature.Reply, error) {
	var b xml.Builder
	b.Start(TimeNS, "time").Leaf("", "tzo", "+00:00").Leaf("", "utc", r.Clock.Now().UTC().Format("2006-01-02T15:04:05Z"))
	return feature.Reply{Payload: b.Bytes()}, nil
}

// last is XEP-0012: the server's uptime at the domain (§5), an account's last activity otherwise (§3, §4).
func (r *room) last(ctx context.Context, q *feature.Request) (feature.Reply, error) {
	now, since := r.Clock.Now(), r.started
	if q.Place != feature.AtDomain {
		// XEP-0012 §8: who has no subscription to the presence MUST get forbidden; so does who asks for an unknown account.
		ok, err := r.Contacts.Subscribed(ctx, q.To, q.From.Bare())
		if err != nil {
			return feature.Reply{}, err
		}
		if !ok {
			return feature.Reply{}, stanza.Forbidden("")
		}
		if since, err = r.active(ctx, q.To, now); err != nil {
			return feature.Reply{}, err
		}
	}
	var b xml.Builder
	b.Empty(LastNS, "query", "seconds", strconv.FormatInt(max(0, int64(now.Sub(since)/time.Second)), 10))
	return feature.Reply{Payload: b.Bytes()}, nil
}

// active is now for an account with an available session, else the time it was last seen.
func (r *room) active(ctx context.Context, account jid.JID, now time.Time) (time.Time, error) {
	for _, s := range r.Router.Sessions(account) {
		if s.Available() {
			return now, nil
		}
	}
	seen, err := r.Seen.LastSeen(ctx, account.String())
	if err != nil {
		return time.Time{}, err
	}
	if seen.IsZero() {
		return time.Time{}, stanza.ItemNotFound("nothing is recorded")
	}
	return seen, nil
}
