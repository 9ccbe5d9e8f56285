package register

import (
	"context"
	"errors"
	"fmt"
	"time"

	"writ/account"
	"writ/xmpp/feature"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// The namespaces of registration with a token (XEP-0445).
const (
	PreauthNS = "urn:xmpp:pars:0"
	formNS    = "jabber:x:data"
)

// Features implements c2s.Newcomers. Apps begin to register only where they are all told, also those that know the token's feature by its older name
// (XEP-0401 before 0.5.0).
func (r *Room) Features() []string {
	open := "<register xmlns='http://jabber.org/features/iq-register'/>"
	return []string{open, "<register xmlns='urn:xmpp:ibr-token:0'/>", "<register xmlns='urn:xmpp:invite'/>"}
}

// Serves implements c2s.Newcomers.
func (r *Room) Serves(payload xml.Name) bool {
	return payload == xml.Name{Space: NS, Local: "query"} || payload == xml.Name{Space: PreauthNS, Local: "preauth"}
}

// maxTries is how many registrations one client may get wrong with one token: a person looks for a free name.
const maxTries = 20

// guest is what a client that is not signed in has shown.
type guest struct {
	room  *Room
	token string // a good one; empty: none
	shown time.Time
	local string // the name that the token is for; empty: any
	tries int
	done  bool // it has registered
}

// Greet implements c2s.Newcomers.
func (r *Room) Greet() func(ctx context.Context, q *feature.Request) (feature.Reply, error) {
	g := &guest{room: r}
	return g.answer
}

func (g *guest) answer(ctx context.Context, q *feature.Request) (feature.Reply, error) {
	set := q.Stanza.Type == stanza.Set
	switch {
	case q.Payload.Name.Space == PreauthNS && set:
		return feature.Reply{}, g.preauth(ctx, q.Payload.Attr("token"))
	case q.Payload.Name.Space == PreauthNS:
		return feature.Reply{}, stanza.BadRequest("a token is set, not got")
	case !set:
		return g.fields()
	case q.Payload.Child(NS, "remove") != nil: // XEP-0077 §3.2
		return feature.Reply{}, stanza.UnexpectedRequest("sign in to delete an account")
	}
	return feature.Reply{}, g.register(ctx, q.Payload)
}

// preauth takes a token (XEP-0445 §4). That it may end is looked at now and not again; it is used up by the registration alone.
func (g *guest) preauth(ctx context.Context, token string) error {
	shown := g.room.Clock.Now()
	i, err := g.room.Invitations.Invitation(ctx, token)
	if errors.Is(err, account.ErrInvite) || err == nil && i.NoAccount {
		return stanza.ItemNotFound("the token is unknown, used up or has ended")
	}
	if err != nil {
		return fmt.Errorf("register: looking at a token: %w", err)
	}
	g.token, g.shown, g.local, g.done = token, shown, i.Local, false
	return nil
}

// may reports whether the client may register.
func (g *guest) may() error {
	switch {
	case g.room.Open:
		return nil
	case g.done:
		return stanza.NotAcceptable("this client has registered already: sign in") // XEP-0077 §3.1.1
	case g.token == "":
		return stanza.NotAllowed("accounts are made by invitation: open the link that you were given")
	case g.tries >= maxTries:
		return stanza.ResourceConstraint("too many attempts; try again later").WithType(stanza.Wait)
	}
	return nil
}

// fields says what a registration needs, for old apps and as a form (XEP-0077 §3.1, §4, §6).
func (g *guest) fields() (feature.Reply, error) {
	if err := g.may(); err != nil {
		return feature.Reply{}, err
	}
	const text = "Choose a user name and a password."
	var b xml.Builder
	b.Start(NS, "query").Leaf("", "instructions", text).Leaf("", "username", g.local).Empty("", "password")
	b.Start(formNS, "x", "type", "form").Leaf("", "title", "A new account").Leaf("", "instructions", text)
	b.Start("", "field", "var", "FORM_TYPE", "type", "hidden").Leaf("", "value", NS).End()
	b.Start("", "field", "var", "username", "type", "text-single", "label", "User name").Empty("", "required")
	if g.local != "" {
		b.Leaf("", "value", g.local)
	}
	b.End()
	b.Start("", "field", "var", "password", "type", "text-private", "label", "Password").Empty("", "required").End()
	return feature.Reply{Payload: b.Bytes()}, nil
}

// register makes the account (XEP-0077 §3.1).
func (g *guest) register(ctx context.Context, query *xml.Element) error {
	if err := g.may(); err != nil {
		return err
	}
	name, password, err := filled(query)
	if err != nil {
		return err
	}
	if name == "" || password == "" {
		return stanza.NotAcceptable("a user name and a password are needed")
	}
	who := account.New{Local: name, Password: password}
	if g.token != "" {
		_, err = g.room.Invitations.RedeemShown(ctx, g.token, g.shown, who)
	} else {
		_, err = g.room.Accounts.Register(ctx, who)
	}
	if err != nil {
		g.tries++
		return refusal(err)
	}
	g.token, g.done = "", true
	return nil
}

// filled reads what was filled in; a form goes before the fields (XEP-0077 §4).
func filled(query *xml.Element) (name, password string, err error) {
	x := query.Child(formNS, "x")
	if x == nil {
		return query.Child(NS, "username").Text(), query.Child(NS, "password").Text(), nil
	}
	if x.Attr("type") != "submit" {
		return "", "", stanza.BadRequest("the form was not submitted")
	}
	for _, f := range x.All(formNS, "field") {
		value := f.Child(formNS, "value").Text()
		switch f.Attr("var") {
		case "FORM_TYPE":
			if value != NS {
				return "", "", stanza.NotAcceptable("this is another form")
			}
		case "username":
			name = value
		case "password":
			password = value
		}
	}
	return name, password, nil
}

// refusal is what the client is told (XEP-0077 §3.1).
func refusal(err error) error {
	switch {
	case errors.Is(err, account.ErrExists):
		return stanza.Conflict("this name is taken")
	case errors.Is(err, account.ErrName):
		return stanza.NotAcceptable("this name cannot be used: choose letters, digits, dots, - and _, and no name that the operator keeps or other than the invitation's")
	case errors.Is(err, account.ErrPassword):
		return stanza.NotAcceptable("this password cannot be used: choose a longer one")
	case errors.Is(err, account.ErrInvite):
		return stanza.NotAllowed("the invitation was used or taken back in the meantime")
	}
	return fmt.Errorf("register: registering: %w", err)
}
