package c2s

import (
	"slices"
	"strconv"

	"writ/xmpp/sasl"
	"writ/xmpp/stream"
	"writ/xmpp/xml"
)

// strengthens reports whether upgrades of verifiers can be made (XEP-0480).
func (s *Server) strengthens() bool { return s.p.Accounts != nil }

// plan finds what is to be done between the proof and the success: the upgrades that the client asked for and the account lacks
// (XEP-0480 §2.2). A token proves no password: what its holder sent as one would be anyone's.
func (c *conn) plan(a *attempt) error {
	if len(a.upgrades) == 0 || a.exchange.Token().ID != "" || !c.srv.strengthens() {
		return nil
	}
	lacks, err := c.srv.p.Accounts.Lacks(c.srv.ctx, a.exchange.Account())
	if err != nil {
		return err
	}
	for _, h := range a.upgrades {
		if slices.Contains(lacks, h) && !slices.Contains(a.todo, h) {
			a.todo = append(a.todo, h)
		}
	}
	return nil
}

// onward asks for the next task, or completes the authentication (XEP-0388 §2.6.3).
func (c *conn) onward() {
	a := c.auth.attempt
	if len(a.todo) == 0 {
		c.complete(a)
		return
	}
	var b xml.Builder
	b.Start(stream.SASL2, "continue")
	if a.hasData {
		b.Leaf("", "additional-data", sasl.Encode(a.additional))
		a.hasData = false // it is told once
	}
	b.Start("", "tasks").Leaf("", "task", sasl.UpgradeTask(a.todo[0])).End()
	b.Leaf("", "text", "The server needs another form of the password.")
	c.tell(b.Bytes())
}

// next begins the task that was asked for (XEP-0480 §2.3, §3).
func (c *conn) next(task string) {
	a := c.auth.attempt
	if task != sasl.UpgradeTask(a.todo[0]) {
		c.refuse2(sasl.Fail(sasl.MalformedRequest, "this task was not offered"), nil)
		return
	}
	a.salt = sasl.NewSalt()
	var b xml.Builder
	b.Start(stream.SASL2, "task-data")
	b.Leaf(stream.Scram, "salt", sasl.Encode(a.salt), "iterations", strconv.Itoa(c.srv.p.Accounts.Iterations()))
	c.tell(b.Bytes())
}

// taskData takes the salted password and makes the verifier of it (XEP-0480 §3).
func (c *conn) taskData(el *xml.Element) {
	a := c.auth.attempt
	salted, err := decode2(el.Child(stream.Scram, "hash"))
	if err != nil {
		c.refuse2(sasl.AsFailure(err), nil)
		return
	}
	v, err := sasl.FromSalted(a.todo[0], salted, a.salt, c.srv.p.Accounts.Iterations())
	if err != nil {
		c.refuse2(sasl.Fail(sasl.MalformedRequest, "the salted password has not the length of its hash"), nil)
		return
	}
	if err := c.srv.p.Accounts.Strengthen(c.srv.ctx, a.exchange.Account(), a.exchange.Shown(), v); err != nil {
		c.refuse2(sasl.AsFailure(err), nil)
		return
	}
	a.todo, a.salt = a.todo[1:], nil
	c.onward()
}
