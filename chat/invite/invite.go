// Package invite lets people invite others from their app (XEP-0401): a link that makes an account here, makes the two each other's
// contacts, or both. Package account keeps the invitations, package register makes the accounts, package roster the contacts.
//
// Invariants:
//   - An invitation names who made it, is used once and has an end. How many one person may have open is bounded.
//   - Whose invitations make accounts is the operator's choice; without that right a link still makes contacts (and has no ibr=y).
//   - People see and take back their own open invitations, and no others. A link is shown once: the server cannot show it again.
package invite

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"writ/account"
	"writ/chat/adhoc"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
)

// The nodes of the commands. The first two are XEP-0401 §3, the last is our own.
const (
	InviteNode  = "urn:xmpp:invite#invite"
	CreateNode  = "urn:xmpp:invite#create-account"
	OwnNode     = "urn:writ:invitations"
	resultForm  = "urn:xmpp:invite#invitation"
	dateTime    = "2006-01-02T15:04:05Z" // XEP-0082 §3.2
	everywhere  = feature.AtDomain | feature.AtOwn
	maxToRevoke = 500
)

// Invitations are the invitations of people; *account.Accounts has them.
type Invitations interface {
	Invite(ctx context.Context, i account.Invitation) (token string, made account.Invitation, err error)
	InvitationsOf(ctx context.Context, by jid.JID) ([]account.Invitation, error)
	RevokeOwn(ctx context.Context, by jid.JID, id int64) error
}

// Rights says who may do what; *account.Accounts does.
type Rights interface {
	// Operator reports an account that may run the operator's commands.
	Operator(ctx context.Context, account jid.JID) (bool, error)
	// MayBring reports whether the invitations of an account make accounts.
	MayBring(ctx context.Context, account jid.JID) (bool, error)
}

// Parts is what the room stands on.
type Parts struct {
	Domain      jid.JID
	Invitations Invitations
	Rights      Rights
	Link        func(token string) string // the landing page's address (XEP-0379 §3.3)
}

// Room is the room.
type Room struct{ Parts }

// New makes the room.
func New(p Parts) *Room { return &Room{p} }

// Feature is the room as the house sees it.
func (r *Room) Feature() *feature.Feature {
	return &feature.Feature{Name: "invite", Specs: []string{"XEP-0401"}}
}

// Commands are the room's ad-hoc commands.
func (r *Room) Commands() []adhoc.Command {
	return []adhoc.Command{
		{Node: InviteNode, Name: "Invite a person", At: everywhere, Run: r.invite},
		{Node: CreateNode, Name: "Invite a person to a new account", At: everywhere, May: r.Rights.Operator, Run: r.create},
		{Node: OwnNode, Name: "My invitations", At: everywhere, Run: r.own},
	}
}

// invite is XEP-0401 §5.1: a link at once, without questions.
func (r *Room) invite(ctx context.Context, c *adhoc.Call) (adhoc.Stage, error) {
	who := c.From.Bare()
	brings, err := r.Rights.MayBring(ctx, who)
	if err != nil {
		return adhoc.Stage{}, err
	}
	token, made, err := r.Invitations.Invite(ctx, account.Invitation{By: who, Contact: true, NoAccount: !brings})
	if err != nil {
		return adhoc.Stage{}, refusal(err)
	}
	return r.shown(ContactURI(who, token, brings), token, made), nil
}

// create is XEP-0401 §5.4.
func (r *Room) create(ctx context.Context, c *adhoc.Call) (adhoc.Stage, error) {
	if c.Stage == 0 {
		return adhoc.Stage{Form: &adhoc.Form{Title: "Invite a person to a new account", Instructions: "The person chooses the password. Leave the name empty to let them choose it too.",
			Fields: []adhoc.Field{
				{Var: "username", Type: "text-single", Label: "User name"},
				{Var: "roster-subscription", Type: "boolean", Label: "Make us each other's contacts", Values: []string{"1"}},
			}}}, nil
	}
	i := account.Invitation{By: c.From.Bare()}
	if v := c.Fields["username"]; len(v) > 0 {
		i.Local = v[0]
	}
	switch v := c.Fields["roster-subscription"]; {
	case len(v) == 0 || v[0] == "0" || v[0] == "false":
	case v[0] == "1" || v[0] == "true":
		i.Contact = true
	default:
		return adhoc.Stage{}, adhoc.BadPayload("roster-subscription is 1 or 0")
	}
	token, made, err := r.Invitations.Invite(ctx, i)
	if err != nil {
		return adhoc.Stage{}, refusal(err)
	}
	return r.shown(AccountURI(r.Domain, made.Local, token), token, made), nil
}

// shown is the result that both commands have (XEP-0401 §5.1, §5.4).
func (r *Room) shown(uri, token string, made account.Invitation) adhoc.Stage {
	return adhoc.Stage{Done: true, Form: &adhoc.Form{Result: true, Kind: resultForm, Title: "Invitation",
		Instructions: "Hand the link over yourself. It can be used once, and is not shown again.",
		Fields: []adhoc.Field{
			{Var: "uri", Type: "text-single", Label: "Link for an app", Values: []string{uri}},
			{Var: "landing-url", Type: "text-single", Label: "Link for a browser", Values: []string{r.Link(token)}},
			{Var: "expire", Type: "text-single", Label: "Until", Values: []string{made.Expires.UTC().Format(dateTime)}},
		}}}
}

// own lists the open invitations and takes back those that are chosen.
func (r *Room) own(ctx context.Context, c *adhoc.Call) (adhoc.Stage, error) {
	who := c.From.Bare()
	if c.Stage == 0 {
		list, err := r.Invitations.InvitationsOf(ctx, who)
		if err != nil {
			return adhoc.Stage{}, err
		}
		if len(list) == 0 {
			return adhoc.Stage{Done: true, Notes: []adhoc.Note{{Type: "info", Text: "You have no open invitations."}}}, nil
		}
		field := adhoc.Field{Var: "revoke", Type: "list-multi", Label: "Take back"}
		for _, i := range list {
			field.Options = append(field.Options, adhoc.Option{Label: describe(i), Value: strconv.FormatInt(i.ID, 10)})
		}
		return adhoc.Stage{Form: &adhoc.Form{Title: "My invitations", Instructions: "Each of these can still be used. Choose those that shall end.", Fields: []adhoc.Field{field}}}, nil
	}
	chosen := c.Fields["revoke"]
	if len(chosen) > maxToRevoke {
		return adhoc.Stage{}, adhoc.BadPayload("too many values")
	}
	n := 0
	for _, v := range slices.Compact(slices.Sorted(slices.Values(chosen))) {
		id, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return adhoc.Stage{}, adhoc.BadPayload("a value is none of the options")
		}
		switch err := r.Invitations.RevokeOwn(ctx, who, id); {
		case errors.Is(err, account.ErrInvite):
			return adhoc.Stage{}, stanza.ItemNotFound("there is no such invitation of yours")
		case err != nil:
			return adhoc.Stage{}, err
		}
		n++
	}
	return adhoc.Stage{Done: true, Notes: []adhoc.Note{{Type: "info", Text: fmt.Sprintf("Taken back: %d.", n)}}}, nil
}

func describe(i account.Invitation) string {
	what := "account and contact"
	switch {
	case i.NoAccount:
		what = "contact"
	case i.Local != "":
		what = "account " + i.Local
	case !i.Contact:
		what = "account"
	}
	return fmt.Sprintf("%s, made %s, until %s UTC", what, i.Created.UTC().Format("2006-01-02 15:04"), i.Expires.UTC().Format("2006-01-02 15:04"))
}

// refusal is what the requester is told.
func refusal(err error) error {
	switch {
	case errors.Is(err, account.ErrInvites):
		return stanza.ResourceConstraint("you have too many open invitations: wait until one is used or ends, or take one back").WithType(stanza.Wait)
	case errors.Is(err, account.ErrExists):
		return stanza.Conflict("this name is taken")
	case errors.Is(err, account.ErrName), errors.Is(err, account.ErrInvite):
		return adhoc.BadPayload("this name cannot be used")
	}
	return fmt.Errorf("invite: %w", err)
}

// ContactURI is the URI that makes the holder of a token a contact of the inviter (XEP-0401 §5.1); account: it makes an account too.
func ContactURI(inviter jid.JID, token string, account bool) string {
	uri := "xmpp:" + url.PathEscape(inviter.Local()) + "@" + url.PathEscape(inviter.Domainpart()) + "?roster;preauth=" + url.QueryEscape(token)
	if account {
		uri += ";ibr=y"
	}
	return uri
}

// AccountURI is the URI with which an account is registered (XEP-0445 §2); local is its name, or empty.
func AccountURI(domain jid.JID, local, token string) string {
	if local != "" {
		local = url.PathEscape(local) + "@"
	}
	return "xmpp:" + local + url.PathEscape(domain.Domainpart()) + "?register;preauth=" + url.QueryEscape(token)
}
