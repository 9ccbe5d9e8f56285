// Package adhoc runs ad-hoc commands (XEP-0050): short dialogs of forms that every app can show. The commands are given at
// construction; one that each house has is MyRecords, by which a person sees what is kept about them.
//
// Invariants:
//   - A command that the requester may not run is not listed, and asking for it or running it is refused (XEP-0050 §2.2, §4.4).
//   - A session belongs to the full JID that began it and ends after its last stage, a cancel, an error, or ten minutes; its id is random
//     and not used again (XEP-0050 §3.3). The id carries a mark: one that was never given to this requester is told from one that has ended
//     without remembering either.
//   - The number of sessions is bounded, for each requester (one more ends the oldest) and in all.
package adhoc

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"time"

	"writ/clock"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// NS is the namespace of commands, and the node under which they are listed.
const NS = "http://jabber.org/protocol/commands"

// The bounds on sessions.
const (
	sessionLife   = 10 * time.Minute
	sessionsOfOne = 5
	sessionsOfAll = 1000
)

// Command is one command.
type Command struct {
	Node string // its name for machines
	Name string // for people
	At   feature.Place

	// Refused, if not empty, says why nobody may run it here: it is not listed, and running it is answered with not-allowed and this text.
	Refused string
	// May says whether the requester may run it; nil: every account of this server. It is asked at each stage.
	May func(ctx context.Context, from jid.JID) (bool, error)
	// Run does one stage. A *stanza.Error it returns is answered as such and ends the session.
	Run func(ctx context.Context, c *Call) (Stage, error)
}

// Call is what the requester sent for a stage.
type Call struct {
	From   jid.JID // full JID of the requester
	To     jid.JID
	Lang   string              // language asked for, as far as told
	Action string              // next, complete or prev; the first stage has complete
	Stage  int                 // 0 for the first
	Fields map[string][]string // what the form holds that was filled in; nil without one
	Kept   any                 // what the stage before kept
}

// Stage is the answer to a Call.
type Stage struct {
	Form    *Form
	Notes   []Note
	Done    bool     // the session is over
	Actions []string // allowed next, the first is the default: complete, next, prev. None: complete
	Keep    any      // given to the next stage
	Then    func()   // runs after the answer is queued; may be nil
	To      int      // number of the next stage; 0: the one after this
}

// Note is a remark beside the form (XEP-0050 §4.3). A command that failed says so with type error.
type Note struct{ Type, Text string }

// BadPayload is the error for a form that cannot be taken (XEP-0050 §4.4).
func BadPayload(text string) error { return stanza.BadRequest(text).WithApp(NS, "bad-payload") }

// Room runs the commands.
type Room struct {
	clock    clock.Clock
	commands []Command
	key      [32]byte // marks session ids

	mu       sync.Mutex
	sessions map[string]*session
	began    int64 // sessions so far: their order
}

type session struct {
	owner   jid.JID
	number  int64 // of Room.began; 0 before it was first kept
	node    string
	stage   int
	actions []string
	kept    any
	timer   clock.Timer
}

// New makes the room with its commands.
func New(clk clock.Clock, commands ...Command) *feature.Feature {
	r := &Room{clock: clk, commands: commands, sessions: map[string]*session{}}
	rand.Read(r.key[:])
	return &feature.Feature{
		Name:  "adhoc",
		Specs: []string{"XEP-0050", "XEP-0004"},
		Disco: feature.Disco{Domain: []string{NS}, Account: []string{NS}, Items: r.items, Node: r.node},
		IQ:    []feature.IQ{{Type: stanza.Set, Space: NS, Local: "command", At: feature.AtDomain | feature.AtOwn, Handle: r.handle}},
		Stop:  r.stop,
	}
}

// items lists the commands that the requester may run (XEP-0050 §2.2).
func (r *Room) items(ctx context.Context, q *feature.Request) ([]feature.Item, error) {
	if q.Payload.Attr("node") != NS {
		return nil, nil
	}
	list := []feature.Item{} // not nil: the node is ours also without commands
	for _, c := range r.commands {
		if ok, err := c.allowed(ctx, q); err != nil {
			return nil, err
		} else if ok {
			list = append(list, feature.Item{JID: q.To, Node: c.Node, Name: c.Name})
		}
	}
	return list, nil
}

// node describes the list and each command (XEP-0050 §2.2).
func (r *Room) node(ctx context.Context, q *feature.Request, node string) (*feature.Info, error) {
	if node == NS {
		return &feature.Info{Identities: []feature.Identity{{Category: "automation", Type: "command-list", Name: "Commands"}}, Features: []string{NS}}, nil
	}
	c, err := r.find(ctx, q, node)
	if c == nil || err != nil {
		return nil, err
	}
	return &feature.Info{Identities: []feature.Identity{{Category: "automation", Type: "command-node", Name: c.Name}}, Features: []string{NS, FormNS}}, nil
}

// find is the command of that node; nil if there is none here. One that the requester may not run is an error.
func (r *Room) find(ctx context.Context, q *feature.Request, node string) (*Command, error) {
	for i := range r.commands {
		c := &r.commands[i]
		if c.Node != node || c.At&q.Place == 0 {
			continue
		}
		switch ok, err := c.allowed(ctx, q); {
		case err != nil:
			return nil, err
		case ok:
			return c, nil
		case c.Refused != "":
			return nil, stanza.NotAllowed(c.Refused)
		}
		return nil, stanza.Forbidden("this command is not for you").WithType(stanza.Cancel)
	}
	return nil, nil
}

func (c *Command) allowed(ctx context.Context, q *feature.Request) (bool, error) {
	if c.At&q.Place == 0 || q.Session == nil || c.Refused != "" {
		return false, nil
	}
	if c.May == nil {
		return true, nil
	}
	return c.May(ctx, q.From)
}

// handle is one request of XEP-0050 §2.4.
func (r *Room) handle(ctx context.Context, q *feature.Request) (feature.Reply, error) {
	c, err := r.find(ctx, q, q.Payload.Attr("node"))
	if err != nil {
		return feature.Reply{}, err
	}
	if c == nil {
		return feature.Reply{}, stanza.ItemNotFound("there is no such command")
	}
	action, id := q.Payload.Attr("action"), q.Payload.Attr("sessionid")
	if action == "" {
		action = "execute"
	}
	if !slices.Contains([]string{"execute", "cancel", "prev", "next", "complete"}, action) {
		return feature.Reply{}, stanza.BadRequest("the action must be one of execute, next, prev, complete, cancel").WithApp(NS, "malformed-action")
	}
	call := &Call{From: q.From, To: q.To, Lang: lang(q), Action: action, Fields: filled(q.Payload.Child(FormNS, "x"))}
	if id == "" {
		return r.begin(ctx, q, c, call)
	}
	return r.proceed(ctx, c, call, id)
}

// begin runs the first stage. Apps differ in the action they begin with; only one that needs a session is refused.
func (r *Room) begin(ctx context.Context, q *feature.Request, c *Command, call *Call) (feature.Reply, error) {
	if call.Action == "prev" || call.Action == "cancel" {
		return feature.Reply{}, stanza.BadRequest("there is no session to go back in").WithApp(NS, "bad-action")
	}
	call.Action = "complete"
	stage, err := c.Run(ctx, call)
	if err != nil {
		return feature.Reply{}, err
	}
	id := r.newID(q.From, c.Node)
	if !stage.Done {
		s := &session{owner: q.From, node: c.Node, actions: actions(stage), kept: stage.Keep, stage: max(1, stage.To)}
		if !r.keep(id, s) {
			return feature.Reply{}, stanza.ResourceConstraint("too many commands are open; try again later")
		}
	}
	return reply(c, id, stage), nil
}

// proceed runs a later stage, or cancels.
func (r *Room) proceed(ctx context.Context, c *Command, call *Call, id string) (feature.Reply, error) {
	if !r.given(id, call.From, c.Node) {
		return feature.Reply{}, stanza.BadRequest("there never was such a session of yours").WithApp(NS, "bad-sessionid")
	}
	s := r.take(id, call.From, c.Node)
	if s == nil {
		return feature.Reply{}, stanza.NotAllowed("the session has ended").WithApp(NS, "session-expired")
	}
	if call.Action == "cancel" {
		var b xml.Builder
		b.Empty(NS, "command", "xml:lang", "en", "node", c.Node, "sessionid", id, "status", "canceled")
		return feature.Reply{Payload: b.Bytes()}, nil
	}
	if call.Action == "execute" {
		call.Action = s.actions[0] // XEP-0050 §3.4: execute stands for the default
	}
	if !slices.Contains(s.actions, call.Action) {
		r.keep(id, s)
		return feature.Reply{}, stanza.BadRequest("this action is not allowed now").WithApp(NS, "bad-action")
	}
	call.Stage, call.Kept = s.stage, s.kept
	stage, err := c.Run(ctx, call)
	if err != nil {
		return feature.Reply{}, err
	}
	if !stage.Done {
		s.actions, s.kept, s.stage = actions(stage), stage.Keep, stage.To
		if s.stage == 0 {
			s.stage = call.Stage + 1
		}
		r.keep(id, s)
	}
	return reply(c, id, stage), nil
}

// newID is a session id, marked for who may use it.
func (r *Room) newID(owner jid.JID, node string) string {
	id := rand.Text()
	return id + "." + r.mark(id, owner, node)
}

func (r *Room) mark(id string, owner jid.JID, node string) string {
	m := hmac.New(sha256.New, r.key[:])
	m.Write([]byte(id + "\x00" + owner.String() + "\x00" + node))
	return hex.EncodeToString(m.Sum(nil)[:12])
}

// given reports an id that was made for the requester and the command, whether or not its session lasts.
func (r *Room) given(id string, owner jid.JID, node string) bool {
	id, mark, _ := strings.Cut(id, ".")
	return hmac.Equal([]byte(mark), []byte(r.mark(id, owner, node)))
}

// keep opens a session, or opens it again after a stage. It is refused when there are too many in all; the oldest of the owner makes room for
// a new one, for apps that leave dialogs open.
func (r *Room) keep(id string, s *session) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.sessions) >= sessionsOfAll {
		return false
	}
	r.makeRoom(s)
	if s.number == 0 {
		r.began++
		s.number = r.began
	}
	s.timer = r.clock.AfterFunc(sessionLife, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.sessions[id] == s {
			delete(r.sessions, id)
		}
	})
	r.sessions[id] = s
	return true
}

// makeRoom ends the oldest session of the owner if it has as many as it may. mu is held.
func (r *Room) makeRoom(s *session) {
	var own []string
	for id, other := range r.sessions {
		if other.owner == s.owner {
			own = append(own, id)
		}
	}
	if len(own) < sessionsOfOne {
		return
	}
	oldest := slices.MinFunc(own, func(a, b string) int { return cmp.Compare(r.sessions[a].number, r.sessions[b].number) })
	r.sessions[oldest].timer.Stop()
	delete(r.sessions, oldest)
}

// take removes the requester's own session from the open ones: while a stage runs, nobody else can run it.
func (r *Room) take(id string, owner jid.JID, node string) *session {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sessions[id]
	if s == nil || s.owner != owner || s.node != node {
		return nil
	}
	s.timer.Stop()
	delete(r.sessions, id)
	return s
}

func (r *Room) stop(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sessions {
		s.timer.Stop()
	}
	clear(r.sessions)
	return nil
}

func actions(s Stage) []string {
	if len(s.Actions) == 0 {
		return []string{"complete"}
	}
	return s.Actions
}

// reply writes the answer of a stage (XEP-0050 §4.1).
func reply(c *Command, id string, s Stage) feature.Reply {
	var b xml.Builder
	status := "completed"
	if !s.Done {
		status = "executing"
	}
	b.Start(NS, "command", "xml:lang", "en", "node", c.Node, "sessionid", id, "status", status) // XEP-0050 §3.7
	if !s.Done {
		allowed := actions(s)
		b.Start("", "actions", "execute", allowed[0])
		for _, a := range []string{"prev", "next", "complete"} { // the order of the schema
			if slices.Contains(allowed, a) {
				b.Empty("", a)
			}
		}
		b.End()
	}
	for _, n := range s.Notes {
		b.Leaf("", "note", n.Text, "type", n.Type)
	}
	if s.Form != nil {
		s.Form.write(&b)
	}
	return feature.Reply{Payload: b.Bytes(), Then: s.Then}
}

// lang is the language asked for (XEP-0050 §3.7).
func lang(q *feature.Request) string {
	if l := q.Payload.Attr("xml:lang"); l != "" || q.Stanza == nil {
		return l
	}
	return q.Stanza.Lang
}
