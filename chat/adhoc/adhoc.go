// Package adhoc runs ad-hoc commands (XEP-0050): short dialogs of forms that every app can show. The commands are given at
// construction; one that each house has is MyRecords, by which a person sees what is kept about them.
//
// Invariants:
//   - A command that the requester may not run is neither listed nor described, and running it is refused.
//   - A session belongs to the full JID that began it and ends after its last stage, a cancel, or ten minutes; its id is random
//     and not used again (XEP-0050 §3.3).
//   - The number of sessions is bounded, for each requester and in all.
package adhoc

import (
	"context"
	"crypto/rand"
	"slices"
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
	To      int      // number of the next stage; 0: the one after this
}

// Note is a remark beside the form (XEP-0050 §4.3). A command that failed says so with type error.
type Note struct{ Type, Text string }

// Room runs the commands.
type Room struct {
	clock    clock.Clock
	commands []Command

	mu       sync.Mutex
	sessions map[string]*session
}

type session struct {
	owner   jid.JID
	node    string
	stage   int
	actions []string
	kept    any
	timer   clock.Timer
}

// New makes the room with its commands.
func New(clk clock.Clock, commands ...Command) *feature.Feature {
	r := &Room{clock: clk, commands: commands, sessions: map[string]*session{}}
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

// find is the command of that node, if there is one here that the requester may run.
func (r *Room) find(ctx context.Context, q *feature.Request, node string) (*Command, error) {
	for i := range r.commands {
		c := &r.commands[i]
		if c.Node != node {
			continue
		}
		if ok, err := c.allowed(ctx, q); !ok || err != nil {
			return nil, err
		}
		return c, nil
	}
	return nil, nil
}

func (c *Command) allowed(ctx context.Context, q *feature.Request) (bool, error) {
	if c.At&q.Place == 0 || q.Session == nil {
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
		return feature.Reply{}, stanza.ItemNotFound("there is no such command, or it is not for you")
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
	id := rand.Text()
	if !stage.Done {
		s := &session{owner: q.From, node: c.Node, actions: actions(stage), kept: stage.Keep, stage: max(1, stage.To)}
		if !r.keep(id, s) {
			return feature.Reply{}, stanza.ResourceConstraint("too many commands are open; finish or cancel one")
		}
	}
	return reply(c, id, stage), nil
}

// proceed runs a later stage, or cancels.
func (r *Room) proceed(ctx context.Context, c *Command, call *Call, id string) (feature.Reply, error) {
	s := r.take(id, call.From, c.Node)
	if s == nil {
		return feature.Reply{}, stanza.NotAllowed("the session has ended").WithApp(NS, "session-expired")
	}
	if call.Action == "cancel" {
		var b xml.Builder
		b.Empty(NS, "command", "node", c.Node, "sessionid", id, "status", "canceled")
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

// keep opens a session, or opens it again after a stage. It is refused when there are too many.
func (r *Room) keep(id string, s *session) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	own := 0
	for _, other := range r.sessions {
		if other.owner == s.owner {
			own++
		}
	}
	if len(r.sessions) >= sessionsOfAll || own >= sessionsOfOne {
		return false
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
	b.Start(NS, "command", "node", c.Node, "sessionid", id, "status", status)
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
	return feature.Reply{Payload: b.Bytes()}
}

// lang is the language asked for (XEP-0050 §3.7).
func lang(q *feature.Request) string {
	if l := q.Payload.Attr("xml:lang"); l != "" || q.Stanza == nil {
		return l
	}
	return q.Stanza.Lang
}
