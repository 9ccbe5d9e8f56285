// Package devices shows a person which apps have access to the account, and takes access away (XEP-0494).
//
// Invariants:
//   - The list is the owner's alone; everyone else gets forbidden, whether the account exists or not (XEP-0494 §5).
//   - Everything that has access stands in the list: devices that showed the password in force, devices with a token, sessions. What was
//     signed out has none: it leaves the list, and is back with its next sign-in.
//   - Signing a device out ends its tokens and its sessions in that order; a sign-in of it that is under way does not outlive it.
//   - What has shown the password cannot be kept out without a new one: it is signed out all the same, and the answer says what is left
//     to do (XEP-0494 §3.2).
package devices

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"writ/account"
	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// Space is the namespace of client access management.
const Space = "urn:xmpp:cam:0"

// Accounts keeps the devices; account.Accounts does.
type Accounts interface {
	Devices(ctx context.Context, account jid.JID) ([]account.Device, error)
	SignOut(ctx context.Context, account jid.JID, device string) error
}

// Devices is the room.
type Devices struct {
	accounts Accounts
	router   feature.Router
}

// New makes the room.
func New(a Accounts, r feature.Router) *Devices { return &Devices{a, r} }

// Feature is the room as the house sees it.
func (d *Devices) Feature() *feature.Feature {
	return &feature.Feature{
		Name:  "devices",
		Specs: []string{"XEP-0494"},
		Disco: feature.Disco{Account: []string{Space}},
		IQ: []feature.IQ{
			{Type: stanza.Get, Space: Space, Local: "list", At: feature.AtOwn, Handle: d.list},
			{Type: stanza.Set, Space: Space, Local: "revoke", At: feature.AtOwn, Handle: d.revoke},
			{Type: stanza.Get, Space: Space, Local: "list", At: feature.AtAccount, Handle: forbidden},
			{Type: stanza.Set, Space: Space, Local: "revoke", At: feature.AtAccount, Handle: forbidden},
		},
	}
}

func forbidden(context.Context, *feature.Request) (feature.Reply, error) {
	return feature.Reply{}, stanza.Forbidden("only the account itself sees its devices")
}

// Client is something that has access to an account.
type Client struct {
	account.Device
	ID        string // for the owner, to name it by; it tells nothing else
	Connected bool   // it has a session, perhaps one that may be resumed
	Here      bool   // it is the one that asks

	sessions []*feature.Session
}

// Clients lists what has access to the account of the address, the latest used first; the full address is who asks.
func (d *Devices) Clients(ctx context.Context, who jid.JID) ([]Client, error) {
	kept, err := d.accounts.Devices(ctx, who.Bare())
	if err != nil {
		return nil, fmt.Errorf("devices: listing: %w", err)
	}
	var out []Client
	at := map[string]int{}
	for _, k := range kept {
		at[k.ID] = len(out)
		out = append(out, Client{Device: k, ID: reference(who, "device", k.ID)})
	}
	for _, s := range d.router.Sessions(who) {
		i, known := at[s.Device]
		if !known { // it told nothing by which it could be known again
			since := store.FromTime(s.Since.Load())
			c := Client{ID: reference(who, "session", s.JID.Resource()), Device: account.Device{First: since, Last: since, Password: since}}
			if told := s.Software.Load(); told != nil {
				c.Software = *told
			}
			i = len(out)
			out = append(out, c)
		}
		out[i].Connected = true
		out[i].Here = out[i].Here || s.JID == who
		out[i].sessions = append(out[i].sessions, s)
	}
	list := out[:0]
	for _, c := range out { // one whose password was changed and whose tokens are gone has no access
		if c.Connected || !c.Password.IsZero() || !c.Token.IsZero() {
			list = append(list, c)
		}
	}
	return list, nil
}

// reference names a client of an account without giving away what it said of itself.
func reference(who jid.JID, kind, id string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{who.Bare().String(), kind, id}, "\x00")))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// list answers XEP-0494 §3.1.
func (d *Devices) list(ctx context.Context, r *feature.Request) (feature.Reply, error) {
	clients, err := d.Clients(ctx, r.From)
	if err != nil {
		return feature.Reply{}, err
	}
	var b xml.Builder
	b.Start(Space, "clients")
	for _, c := range clients {
		c.write(&b)
	}
	return feature.Reply{Payload: b.Bytes()}, nil
}

func (c Client) write(b *xml.Builder) {
	connected := "false"
	if c.Connected {
		connected = "true"
	}
	b.Start("", "client", "connected", connected, "id", c.ID, "type", "session")
	b.Leaf("", "first-seen", stamp(c.First)).Leaf("", "last-seen", stamp(c.Last))
	b.Start("", "auth")
	if !c.Password.IsZero() {
		b.Empty("", "password")
	}
	if !c.Token.IsZero() {
		b.Empty("", "fast")
	}
	b.End()
	b.Empty("", "permission", "status", "unrestricted")
	if c.Software != "" || c.Model != "" {
		b.Start("", "user-agent")
		if c.Software != "" {
			b.Leaf("", "software", c.Software)
		}
		if c.Model != "" {
			b.Leaf("", "device", c.Model)
		}
		b.End()
	}
	b.End()
}

// String tells a person which client it is.
func (c Client) String() string {
	s := c.Software
	if s == "" {
		s = "An app that does not say what it is"
	}
	if c.Model != "" {
		s += " on " + c.Model
	}
	s += ", last sign-in " + c.Last.UTC().Format("2006-01-02 15:04")
	switch {
	case c.Here:
		s += " (this one)"
	case c.Connected:
		s += " (connected)"
	}
	return s
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// revoke answers XEP-0494 §3.2. A client that has shown the password is signed out, and its owner told that it can come back; the session
// that asks is spared, if it is that client's: it has still to change the password.
func (d *Devices) revoke(ctx context.Context, r *feature.Request) (feature.Reply, error) {
	id := r.Payload.Attr("id")
	if id == "" {
		return feature.Reply{}, stanza.BadRequest("the id of a client is needed")
	}
	then, told, err := d.SignOut(ctx, r.From, id)
	if err == nil && told {
		err = stanza.ServiceUnavailable("it is signed out, but it has used the password: change the password to keep it out").WithApp(Space, "password-reset-required")
	}
	if err != nil {
		return feature.Reply{}, err
	}
	return feature.Reply{Then: then}, nil
}

// SignOut ends the tokens and the sessions of a client by its ID, also if it knows the password; told reports that it does. The session of
// who asks is ended by then, to be called when the answer is under way. A client that is not there is item-not-found.
func (d *Devices) SignOut(ctx context.Context, who jid.JID, id string) (then func(), told bool, err error) {
	c, err := d.find(ctx, who, id)
	if err != nil {
		return nil, false, err
	}
	if c == nil {
		return nil, false, stanza.ItemNotFound("no app of this account has that id")
	}
	then, err = d.signOut(ctx, who, c)
	return then, !c.Password.IsZero(), err
}

func (d *Devices) find(ctx context.Context, who jid.JID, id string) (*Client, error) {
	clients, err := d.Clients(ctx, who)
	if err != nil {
		return nil, err
	}
	for i := range clients {
		if clients[i].ID == id {
			return &clients[i], nil
		}
	}
	return nil, nil
}

func (d *Devices) signOut(ctx context.Context, who jid.JID, c *Client) (then func(), err error) {
	if c.Device.ID != "" {
		err = d.accounts.SignOut(account.Answering(ctx), who, c.Device.ID)
		if err != nil && !errors.Is(err, account.ErrUnknown) {
			return nil, fmt.Errorf("devices: signing out: %w", err)
		}
	}
	end := func(own bool) {
		for _, s := range c.sessions {
			if (s.JID == who) == own {
				s.Out.Close("not-authorized", "this app was signed out")
			}
		}
	}
	end(false)
	return func() { end(true) }, nil
}
