// Package feature fixes what a room of the chat is: one Feature value from which dispatch, discovery, schema, the record
// schedule, erasure and the table of supported specifications follow. A second room must not change when a feature is added.
//
// Invariants:
//   - A handler returns its answer; the dispatcher sends, counts and logs it.
//   - The stages run once for each stanza, on the node of entry, in the order of the one list in server/features.go.
//   - Persist runs inside the transaction whose commit makes the stanza acknowledged; it has no effect outside the transaction.
//   - Rooms speak to later rooms through typed fields of the Envelope, never by import.
package feature

import (
	"context"
	"io/fs"
	"time"

	"writ/records"
	"writ/store"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// Feature is a room as the house sees it. A nil field means "nothing to do here".
type Feature struct {
	Name   string          // the room's package name; also its log attribute and table prefix
	Specs  []string        // "XEP-0313 1.1.3", as listed in spec/index.txt
	Disco  Disco           // what service discovery says because this room exists
	Schema fs.FS           // numbered migrations 001.sql …; nil without tables
	Data   []records.Datum // what the room keeps about people; required with Schema

	Host *Host // a domain of its own that the room serves, such as rooms.example.org

	IQ       []IQ
	Presence func(ctx context.Context, e *Envelope) (handled bool, err error) // first room that says handled ends the chain
	Session  SessionHooks
	Inline   []Inline                                     // what a client may have switched on while it binds (XEP-0386 §3.2)
	Bound    func(ctx context.Context, s *Session) []byte // adds to the answer of such a bind; runs behind Session.Open. nil bytes add nothing

	Screen  func(ctx context.Context, e *Envelope) error // may refuse (*stanza.Error, or Drop); writes nothing
	Shape   func(ctx context.Context, e *Envelope)       // replaces e.Stanza: strips forged elements and private markers
	Persist *Persist
	After   func(ctx context.Context, e *Envelope) // carbons, push; for presence: runs after the Presence chain. A failure is logged and undoes nothing

	Start func(ctx context.Context) error
	Stop  func(ctx context.Context) error
}

// Host is a domain beside the served one that a room serves. The router gives it everything that is addressed to the domain or to an address
// of it, bare or full; the tables of IQ rows and the rules of delivery to accounts are not asked.
type Host struct {
	Domain jid.JID
	// Take gets a message, presence or iq of a session, of another server or of the house, after Screen and Shape, in the order of sending
	// for each sender. It must not block. done must be called once, from any goroutine, when the effect is committed (or the stanza refused
	// and answered): only then does stream management count it. Answers go by Router.Deliver or the session's Outlet.
	Take func(ctx context.Context, e *Envelope, done func())
}

// Disco is a room's part of XEP-0030 answers.
type Disco struct {
	Domain     []string   // features of the domain
	Account    []string   // features of every account's bare JID
	Identities []Identity // of the domain
	Forms      [][]byte   // of the domain: XEP-0128 data forms, as XML
	AccountIDs []Identity // of the account's bare JID
	Items      func(ctx context.Context, r *Request) ([]Item, error)
	Node       func(ctx context.Context, r *Request, node string) (*Info, error) // disco#info of a node; nil if the room has no such node
	Stream     []string                                                          // raw XML for <stream:features/> after login (XEP-0115 caps, roster versioning …)
}

// Identity is a disco#info identity.
type Identity struct{ Category, Type, Name string }

// Info is the answer to a disco#info request.
type Info struct {
	Identities []Identity
	Features   []string
	Forms      [][]byte // XEP-0128 data forms, as XML
}

// Item is a disco#items item.
type Item struct {
	JID        jid.JID
	Node, Name string
}

// Place says to which kind of address an IQ row answers.
type Place uint8

const (
	AtDomain  Place = 1 << iota // the served domain
	AtOwn                       // the sender's own bare JID, or no 'to'
	AtAccount                   // the bare JID of another local account; the handler must authorise
)

// IQ is one row of the dispatch table: which request, where, and who answers. Two rows with the same key stop the start.
type IQ struct {
	Type   stanza.Type // stanza.Get or stanza.Set
	Space  string      // namespace and name of the one payload
	Local  string
	At     Place
	Handle func(ctx context.Context, r *Request) (Reply, error) // a *stanza.Error is answered as such; any other error is ours: internal-server-error

	// Nobody is what an account that does not exist answers, if that is no service-unavailable: who is blocked gets it too, and cannot tell the
	// one from the other.
	Nobody func(r *Request) Reply
}

// Request is an IQ to be answered. The session that sent it takes no further stanza until it is answered (a set is a barrier).
type Request struct {
	Stanza  *stanza.Stanza
	From    jid.JID              // full JID of the sender
	To      jid.JID              // bare JID of the account, or the domain
	Payload *xml.Element         // tree view of the one child
	Session *Session             // nil when the sender is not a local session
	Place   Place                // which one it was
	Send    func(*stanza.Stanza) // for answers in several stanzas (MAM): sent to the requester before the reply
}

// Reply is the answer of a handler: the payload of the result (empty: a result without payload).
type Reply struct {
	Payload []byte
	Then    func() // runs after the reply is queued (pushes that must come later)
}

// Envelope carries one message, presence or relayed IQ through the stages.
type Envelope struct {
	Stanza  *stanza.Stanza
	From    jid.JID  // true sender (full JID of the session, or a foreign address, or ours)
	To      jid.JID  // zero for broadcast presence; a message without 'to' has the sender's bare JID
	Session *Session // nil when it does not come from a local session
	Server  bool     // made by the server itself: Screen is passed over
	Time    time.Time
	Author  jid.JID // whose it is, if a service sends it for someone (an invitation): it is kept as that person's and goes with them; zero: From

	// Set along the way.
	Looked    *stanza.Stanza // the message that Form is about; nil if no room has looked at its form
	Form      Form
	Kind      string // what it is for the archive and the log: "chat", "encrypted", "receipt", "marker", "call", "headline", …
	NoStore   bool   // hints, or a kind that is not kept
	Judged    bool   // Kind, NoStore, Mute and the next two are set (by the archive's Shape)
	Archive   bool   // goes into archives (XEP-0313 §6.1.1)
	Waits     bool   // is kept for a recipient without a session (XEP-0160 §3)
	ArchiveID int64  // the recipient's archive id (XEP-0359), set in Persist
	SentID    int64  // the sender's own archive id
	Queued    int64  // the number of its row in the queue to another server, set in Persist
	Offline   bool   // kept for a recipient without an available session
	Delivered int    // sessions reached in Deliver
	Notice    string // set by Screen rooms in "warn" mode: told to the sender after delivery
	Initial   bool   // presence: this broadcast made the session available (RFC 6121 §4.2); rooms send what waited in After
	Receives  bool   // presence: this broadcast made the session one that gets messages: available, and the priority not negative (RFC 6121 §8.5.2.1.1)
	Mute      bool   // a message that reached nobody and is not kept is dropped, not bounced: chat states, markers (XEP-0160 §3)
	Away      bool   // set before Persist.Do: no session would get it now (RFC 6121 §8.5.2.2); the offline room's sign to keep it and set Offline
	Again     bool   // left unacknowledged by a session that ended (XEP-0198 §5): it enters at Persist a second time. Archives and ledgers pass it over; offline keeps it
}

// Form is what a message shows of itself without being understood. Looking for it means reading the encrypted element whole, so it is done
// once for a message.
type Form struct {
	Readable  bool   // it carries text in clear
	Encrypted bool   // it has a well-formed encrypted element
	Keys      bool   // the first encrypted element is OMEMO's and has no payload: it transports keys alone (XEP-0384)
	Body      bool   // it has a body, which then is a fallback, unless Readable
	OTR       string // the body's OTR message, if that is how it is encrypted
}

// Persist is a room's part of the transaction. Do may replace e.Stanza (to add a stanza-id) and set ArchiveID, SentID and Offline;
// when the transaction runs a second time these are as before the first.
type Persist struct {
	Wants func(e *Envelope) bool // cheap; an envelope nobody wants costs no transaction
	Do    func(ctx context.Context, tx *store.Tx, e *Envelope) error
}

// SessionHooks follow a session's life. They run on the session's own goroutine.
type SessionHooks struct {
	Open   func(ctx context.Context, s *Session) // bound
	Resume func(ctx context.Context, s *Session) // XEP-0198 resumption
	// Sleep runs when the connection is lost and the session may be resumed: unacked is what the client may not have got. It must not wait.
	Sleep func(ctx context.Context, s *Session, unacked []*stanza.Stanza)
	Close func(ctx context.Context, s *Session) // ended for good (not: hibernating)
	// Note gives what the room must remember of a session that outlives the process (XEP-0198 §5); nil: nothing. It is kept with the session.
	Note func(s *Session) []byte
	// Back runs instead of Open when a session was taken up after a restart, hibernating, with what Note gave. Nobody was told that it
	// went, and nobody is told that it is there.
	Back func(ctx context.Context, s *Session, note []byte)
}

// Inline is a part of Bind 2 (XEP-0386 §3.2): an element in the request that switches something on for the session.
type Inline struct {
	Space, Local string // the element; the namespace is what the stream's features name
	// Enable switches it on before the session can be found by anyone, and gives what the answer says of it, or nil.
	Enable func(ctx context.Context, s *Session, el *xml.Element) []byte
}

// Router is what a room may ask of the house. xmpp/route implements it; features receive it at construction.
type Router interface {
	Domain() jid.JID
	Local(j jid.JID) bool   // is it of the served domain
	Hosted(j jid.JID) bool  // is it of a domain that a room serves (Feature.Host); such an address is not Local
	Reaches(j jid.JID) bool // local, hosted, or of a domain that this server can talk to
	Exists(ctx context.Context, account jid.JID) (bool, error)
	Sessions(account jid.JID) []*Session                       // bound sessions of a bare JID, hibernating ones included
	Submit(ctx context.Context, e *Envelope)                   // enters at Screen (Shape if e.Server); a refusal is answered to the sender
	Deliver(ctx context.Context, to jid.JID, s *stanza.Stanza) // RFC 6121 §8 delivery without the stages: presence, pushes, carbons
	// Ask sends a request from the server to a session. done gets the answer, matched by id, sender and kind, or nil when the
	// session ended or 60 s passed. It runs on the session's goroutine (or a timer's) and must not block. An empty id is filled in.
	Ask(s *Session, iq *stanza.Stanza, done func(reply *stanza.Stanza))
	// AskAway is Ask for someone on another server, from an account or a domain of this one. The answer is matched by id, sender, addressee and kind.
	AskAway(ctx context.Context, iq *stanza.Stanza, done func(reply *stanza.Stanza))
}

// Contacts says who may know of an account. Package roster implements it.
type Contacts interface {
	// Subscribed reports whether other is the owner itself or has a subscription to the owner's presence. Both are bare JIDs.
	Subscribed(ctx context.Context, owner, other jid.JID) (bool, error)
}

// Drop is returned by Screen to discard an envelope in silence; it is counted.
var Drop = dropError{}

type dropError struct{}

func (dropError) Error() string { return "dropped" }
