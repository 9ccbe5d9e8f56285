package administration

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"writ/account"
	"writ/chat/adhoc"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
)

// maxTargets is how many accounts one command may name.
const maxTargets = 500

// one and many are the fields that name accounts (XEP-0133 §8.2).
func one(label string) adhoc.Field {
	return adhoc.Field{Var: "accountjid", Type: "jid-single", Label: label, Required: true}
}

func many(label string) adhoc.Field {
	return adhoc.Field{Var: "accountjids", Type: "jid-multi", Label: label, Required: true}
}

// accountCommands are XEP-0133 §4.1 to §4.5.
func (r *Room) accountCommands() []adhoc.Command {
	return []adhoc.Command{
		r.command("add-user", "Add a User", fields(
			one("The address of the account to be added"),
			adhoc.Field{Var: "password", Type: "text-private", Label: "The password for this account", Required: true},
			adhoc.Field{Var: "password-verify", Type: "text-private", Label: "Retype password", Required: true},
			adhoc.Field{Var: "email", Type: "text-single", Label: "Mail address (it is not kept)"},
			adhoc.Field{Var: "given_name", Type: "text-single", Label: "Given name"},
			adhoc.Field{Var: "surname", Type: "text-single", Label: "Family name"},
		), r.add),
		r.command("delete-user", "Delete a User", fields(many("The addresses of the accounts to delete")), r.each(r.Accounts.Delete)),
		r.command("disable-user", "Disable a User", fields(many("The addresses of the accounts to disable")), r.each(r.Accounts.Disable)),
		r.command("reenable-user", "Re-Enable a User", fields(many("The addresses of the accounts to enable again")), r.each(r.Accounts.Enable)),
		r.command("end-user-session", "End User Session", fields(many("Whose sessions to end; with a resource, that session alone")), r.endSessions),
	}
}

// add is XEP-0133 §4.1.
func (r *Room) add(ctx context.Context, c *adhoc.Call) (adhoc.Stage, error) {
	who, err := r.local(value(c, "accountjid"))
	if err != nil {
		return adhoc.Stage{}, err
	}
	password := value(c, "password")
	if password == "" || password != value(c, "password-verify") {
		return adhoc.Stage{}, adhoc.BadPayload("the two passwords are not the same, or empty")
	}
	_, err = r.Accounts.Create(ctx, account.New{Local: who.Local(), Password: password, Name: strings.TrimSpace(value(c, "given_name") + " " + value(c, "surname"))})
	return adhoc.Stage{}, refusal(err)
}

// each does the same with every account that is named. All are looked at before anything is done with the first.
func (r *Room) each(do func(ctx context.Context, account jid.JID) error) func(ctx context.Context, c *adhoc.Call) (adhoc.Stage, error) {
	return func(ctx context.Context, c *adhoc.Call) (adhoc.Stage, error) {
		targets, err := r.targets(ctx, c)
		if err != nil {
			return adhoc.Stage{}, err
		}
		for _, t := range targets {
			if t.Bare() == c.From.Bare() {
				return adhoc.Stage{}, stanza.NotAllowed("this is your own account: it stays as it is while you are the one who asks")
			}
		}
		for _, t := range targets {
			if err := do(ctx, t.Bare()); err != nil {
				return adhoc.Stage{}, refusal(err)
			}
		}
		return adhoc.Stage{}, nil
	}
}

// endSessions is XEP-0133 §4.5. The operator's own answer goes out first.
func (r *Room) endSessions(ctx context.Context, c *adhoc.Call) (adhoc.Stage, error) {
	targets, err := r.targets(ctx, c)
	if err != nil {
		return adhoc.Stage{}, err
	}
	var ending []*feature.Session
	for _, t := range targets {
		for _, s := range r.Router.Sessions(t) {
			if t.IsBare() || s.JID == t {
				ending = append(ending, s)
			}
		}
	}
	return adhoc.Stage{Then: func() {
		for _, s := range ending {
			s.Out.Close("policy-violation", "the operator has ended this session")
		}
	}}, nil
}

// targets are the accounts that the form names, as they were written: with a resource or without.
func (r *Room) targets(ctx context.Context, c *adhoc.Call) ([]jid.JID, error) {
	var out []jid.JID
	for _, v := range c.Fields["accountjids"] {
		if v = strings.TrimSpace(v); v == "" {
			continue
		}
		j, err := r.local(v)
		if err != nil {
			return nil, err
		}
		if ok, err := r.Register.Exists(ctx, j.Bare()); err != nil {
			return nil, err
		} else if !ok {
			return nil, stanza.ItemNotFound("there is no account " + j.Bare().String())
		}
		out = append(out, j)
	}
	if len(out) == 0 || len(out) > maxTargets {
		return nil, adhoc.BadPayload(fmt.Sprintf("name at least one account, and at most %d", maxTargets))
	}
	return out, nil
}

// local reads the address of an account of this server.
func (r *Room) local(s string) (jid.JID, error) {
	j, err := jid.Parse(s)
	if err != nil {
		return jid.JID{}, adhoc.BadPayload("this is no address: " + s)
	}
	if !r.Router.Local(j) || j.Local() == "" {
		return jid.JID{}, stanza.NotAllowed("accounts of this server have addresses name@" + r.Router.Domain().String())
	}
	return j, nil
}

// value is the first value of a field.
func value(c *adhoc.Call, name string) string {
	if v := c.Fields[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// refusal is what the operator is told (XEP-0133 §5).
func refusal(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, account.ErrExists):
		return stanza.Conflict("this name is taken")
	case errors.Is(err, account.ErrUnknown):
		return stanza.ItemNotFound("there is no such account")
	case errors.Is(err, account.ErrName):
		return stanza.NotAllowed("this name cannot be used, or the configuration says otherwise")
	case errors.Is(err, account.ErrPassword):
		return adhoc.BadPayload("this password cannot be used: choose a longer one")
	}
	return fmt.Errorf("administration: %w", err)
}
