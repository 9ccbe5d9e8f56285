// Package register makes accounts in-band (XEP-0077 §3.1), for who shows an invitation (XEP-0445) or, in the profile for conformance suites, for anyone;
// and lets people change their password and delete their account from their app (XEP-0077 §3.2, §3.3).
//
// Invariants:
//   - Before sign-in nothing is answered but registration, and without a good token nothing is made. A token is used up by the account
//     that it makes, never by looking (XEP-0445 §4).
//   - After sign-in only the person's own session acts, and only on its own account (XEP-0077 §3.2).
//   - Deleting answers first and then ends every session of the account; what the account left is erased by every room.
package register

import (
	"context"
	"errors"
	"fmt"
	"time"

	"writ/account"
	"writ/clock"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// NS is the namespace of in-band registration.
const NS = "jabber:iq:register"

// Accounts is what the room asks of the accounts.
type Accounts interface {
	Register(ctx context.Context, who account.New) (account.User, error)
	SetPassword(ctx context.Context, account jid.JID, password string) error
	Delete(ctx context.Context, account jid.JID) error
}

// Invitations are what accounts are made by.
type Invitations interface {
	Invitation(ctx context.Context, token string) (account.Invitation, error)
	// RedeemShown makes an account by an invitation that was good when it was shown.
	RedeemShown(ctx context.Context, token string, shown time.Time, who account.New) (account.User, error)
}

// Parts is what the room stands on.
type Parts struct {
	Router      feature.Router
	Accounts    Accounts
	Invitations Invitations
	Clock       clock.Clock
	Open        bool // anyone registers, as often as they like, also several on one stream: for conformance suites alone
}

// Room is the room. It implements c2s.Newcomers.
type Room struct{ Parts }

// New makes the room.
func New(p Parts) *Room { return &Room{p} }

// Feature is the room as the house sees it.
func (r *Room) Feature() *feature.Feature {
	at := feature.AtDomain | feature.AtOwn
	return &feature.Feature{
		Name:  "register",
		Specs: []string{"XEP-0077", "XEP-0445"},
		Disco: feature.Disco{Domain: []string{NS}}, // apps offer to change the password where it is announced
		IQ: []feature.IQ{
			{Type: stanza.Get, Space: NS, Local: "query", At: at, Handle: r.get},
			{Type: stanza.Set, Space: NS, Local: "query", At: at, Handle: r.set},
		},
	}
}

// get tells a signed-in person that the account is registered and which fields a change needs (XEP-0077 §3.1).
func (r *Room) get(_ context.Context, q *feature.Request) (feature.Reply, error) {
	if q.Session == nil {
		return feature.Reply{}, stanza.NotAllowed("accounts are made by invitation")
	}
	var b xml.Builder
	b.Start(NS, "query").Empty("", "registered").Leaf("", "instructions", "You are registered. Send a new password to change it.").Leaf("", "username", q.From.Local()).Empty("", "password")
	return feature.Reply{Payload: b.Bytes()}, nil
}

func (r *Room) set(ctx context.Context, q *feature.Request) (feature.Reply, error) {
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
func (r *Room) password(ctx context.Context, q *feature.Request) (feature.Reply, error) {
	user, password, err := filled(q.Payload)
	if err != nil {
		return feature.Reply{}, err
	}
	if user == "" || password == "" {
		return feature.Reply{}, stanza.BadRequest("a change of password needs the user name and the new password")
	}
	named, err := jid.New(user, q.From.Domainpart(), "")
	if err != nil || named != q.From.Bare() {
		return feature.Reply{}, stanza.NotAllowed("a password can be changed for one's own account alone")
	}
	err = r.Accounts.SetPassword(account.Answering(ctx), named, password)
	if errors.Is(err, account.ErrPassword) {
		return feature.Reply{}, stanza.NotAcceptable("this password cannot be used: choose a longer one")
	}
	if err != nil {
		return feature.Reply{}, fmt.Errorf("register: changing a password: %w", err)
	}
	return feature.Reply{Then: func() {
		for _, s := range r.Router.Sessions(named) {
			if s != q.Session { // who changed it stays signed in; whoever else was, perhaps with the old password, does not
				s.Out.Close("not-authorized", "the password was changed")
			}
		}
	}}, nil
}

// remove is XEP-0077 §3.2.
func (r *Room) remove(ctx context.Context, q *feature.Request) (feature.Reply, error) {
	who := q.From.Bare()
	if err := r.Accounts.Delete(account.Answering(ctx), who); err != nil {
		return feature.Reply{}, fmt.Errorf("register: deleting an account: %w", err)
	}
	return feature.Reply{Then: func() {
		for _, s := range r.Router.Sessions(who) {
			s.Out.Close("not-authorized", "the account was deleted")
		}
	}}, nil
}
