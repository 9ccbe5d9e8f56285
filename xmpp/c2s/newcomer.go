package c2s

import (
	"context"
	"errors"
	"time"

	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/stream"
	"writ/xmpp/xml"
)

// Newcomers serves clients before they sign in: registration (XEP-0077 §3.1.1, XEP-0445 §4). Package chat/register implements it.
type Newcomers interface {
	// Features are the stream features that announce it, as XML.
	Features() []string
	// Serves reports a request that the function of Greet answers. Any other stanza before sign-in ends the stream.
	Serves(payload xml.Name) bool
	// Greet begins with a client. The function answers its requests, one after the other; From is zero and Session nil in them. It remembers what
	// the client has shown.
	Greet() func(ctx context.Context, q *feature.Request) (feature.Reply, error)
}

// guestTime is how long a client that may register can take, counted from the connection: a person fills in a form.
const guestTime = 10 * time.Minute

// newcomer handles a stanza before sign-in. Only a request about registration is answered (RFC 6120 §4.9.3.12); what would be one by guesses counts
// like a wrong password.
func (c *conn) newcomer(r *xml.Raw) {
	n := c.srv.p.Newcomers
	st, err := stanza.Parse(r)
	if n == nil || !c.secure() && !c.srv.c.InsecureLogin || st == nil || !c.ofNewcomer(st, n) {
		c.fail("not-authorized", "sign in first")
		return
	}
	st = st.WithHead(jid.JID{}, c.srv.p.Router.Domain(), st.ID, st.Type) // who it says it is counts for nothing yet
	if c.srv.gate.barred(c.peer.Addr(), time.Now()) {
		err = stanza.ResourceConstraint("too many attempts from your address; try again in a minute").WithType(stanza.Wait)
	}
	var reply feature.Reply
	if err == nil {
		if c.auth.guest == nil {
			c.auth.guest = n.Greet()
		}
		child := st.Children()[0]
		reply, err = c.auth.guest(c.srv.ctx, &feature.Request{Stanza: st, To: st.To, Payload: st.Tree(child), Place: feature.AtDomain})
	}
	if err != nil {
		c.turnAway(st, err)
		return
	}
	c.guest.Store(true)
	if len(reply.Payload) > 0 {
		c.answer(stanza.Reply(st, reply.Payload))
	} else {
		c.answer(stanza.Reply(st))
	}
	if reply.Then != nil {
		reply.Then()
	}
}

// ofNewcomer reports a request that somebody without an account may make.
func (c *conn) ofNewcomer(st *stanza.Stanza, n Newcomers) bool {
	if st.Kind != stanza.IQ || st.Type != stanza.Get && st.Type != stanza.Set || !st.To.IsZero() && st.To != c.srv.p.Router.Domain() {
		return false
	}
	children := st.Children()
	return len(children) > 0 && n.Serves(xml.Name{Space: children[0].Space, Local: children[0].Local})
}

// turnAway answers a request that was refused. One without a good token counts as a guess.
func (c *conn) turnAway(st *stanza.Stanza, err error) {
	var se *stanza.Error
	if !errors.As(err, &se) {
		c.srv.log.Error("a registration failed", "err", err)
	}
	c.answer(stanza.ErrorReply(st, err))
	if !errors.Is(err, stanza.ItemNotFound("")) && !errors.Is(err, stanza.NotAllowed("")) {
		return
	}
	c.srv.gate.fail(c.peer.Addr(), time.Now())
	if c.auth.failures++; c.auth.failures > maxFailures {
		c.stop(stream.Fail("policy-violation", "too many failed attempts on this stream"), false)
		c.phase = finished
	}
}

// patience is how long a client that is not signed in may stay.
func (c *conn) patience() time.Duration {
	if c.guest.Load() {
		return max(guestTime, c.srv.c.AuthTimeout.Std())
	}
	return c.srv.c.AuthTimeout.Std()
}
