// Package register lets people change their password and delete their account from their app (XEP-0077 §3.2, §3.3).
// Registration of new accounts is by invitation and not here.
//
// Invariants:
//   - Only the person's own signed-in session acts, and only on its own account (XEP-0077 §3.2).
//   - Deleting answers first and then ends every session of the account; what the account left is erased by every room.
package register

import (
	"context"
	"errors"
	"fmt"

	"writ/account"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// NS is the namespace of in-band registration.
const NS = "jabber:iq:register"

// Accounts is what the room asks of the accounts.
type Accounts interface {
	SetPassword(ctx context.Context, account jid.JID, password string) error
	Delete(ctx context.Context, account jid.JID) error
}

type room struct {
	router   feature.Router
	accounts Accounts
}

// New makes the room.
func New(router feature.Router, accounts Accounts) *feature.Feature {
	r := &room{router, accounts}
	at := feature.AtDomain | feature.AtOwn
	return &feature.Feature{
		Name:  "register",
		Specs: []string{"XEP-0077"},
		Disco: feature.Disco{Domain: []string{NS}},
		IQ: []feature.IQ{
			{Type: stanza.Get, Space: NS, Local: "query", At: at, Handle: r.get},
			{Type: stanza.Set, Space: NS, Local: "query", At: at, Handle: r.set},
		},
	}
}

// get tells a signed-in person that the account is registered and which fields a change needs (XEP-0077 §3.1).
func (r *room) get(_ context.Context, q *feature.Request) (feature.Reply, error) {
	if q.Session == nil {
		return feature.Reply{}, stanza.NotAllowed("accounts are made by invitation")
	}
	var b xml.Builder
	b.Start(NS, "query").Empty("", "registered").Leaf("", "username", q.From.Local()).Empty("", "password")
	return feature.Reply{Payload: b.Bytes()}, nil
}

func (r *room) set(ctx context.Context, q *feature.Request) (feature.Reply, error) {
	if q.Session == nil {
		return feature.Reply{}, stanza.NotAllowed("accounts are made by invitation")
	}
	if q.Payload.Child(NS, "remove") != nil {
		if len(q.Payload.Children) != 1 {
			return feature.Reply{}, stanza.BadRequest("<remove/> stands alone") // XEP-0077 §3.2
		}
		return r.remove(ctx, q)
	}
	return r.password(ctx, q)
}

// password is XEP-0077 §3.3.
func (r *room) password(ctx context.Context, q *feature.Request) (feature.Reply, error) {
	user, password := q.Payload.Child(NS, "username"), q.Payload.Child(NS, "password")
	if user == nil || password == nil || password.Text() == "" {
		return feature.Reply{}, stanza.BadRequest("a change of password needs the user name and the new password")
	}
	named, err := jid.New(user.Text(), q.From.Domainpart(), "")
	if err != nil || named != q.From.Bare() {
		return feature.Reply{}, stanza.NotAllowed("a password can be changed for one's own account alone")
	}
	err = r.accounts.SetPassword(account.Answering(ctx), named, password.Text())
	if errors.Is(err, account.ErrPassword) {
		return feature.Reply{}, stanza.NotAcceptable("this password cannot be used: choose a longer one")
	}
	if err != nil {
		return feature.Reply{}, fmt.Errorf("register: changing a password: %w", err)
	}
	return feature.Reply{Then: func() {
		for _, s := range r.router.Sessions(named) {
			if s != q.Session { // who changed it stays signed in; whoever else was, perhaps with the old password, does not
				s.Out.Close("not-authorized", "the password was changed")
			}
		}
	}}, nil
}

// remove is XEP-0077 §3.2.
func (r *room) remove(ctx context.Context, q *feature.Request) (feature.Reply, error) {
	who := q.From.Bare()
	if err := r.accounts.Delete(account.Answering(ctx), who); err != nil {
		return feature.Reply{}, fmt.Errorf("register: deleting an account: %w", err)
	}
	return feature.Reply{Then: func() {
		for _, s := range r.router.Sessions(who) {
			s.Out.Close("not-authorized", "the account was deleted")
		}
	}}, nil
}
