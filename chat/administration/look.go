package administration

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"writ/account"
	"writ/chat/adhoc"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
)

// lookCommands are those of XEP-0133 §4.7 to §4.10, §4.18 to §4.22 and §4.29. In service nobody runs them.
func (r *Room) lookCommands() []adhoc.Command {
	stats := one("Whose statistics")
	stats.Required = false // suites fill in the field for several
	several := many("Whose statistics")
	several.Required = false
	list := []adhoc.Command{
		r.look("change-user-password", "Change User Password", fields(one("The address of the account"),
			adhoc.Field{Var: "password", Type: "text-private", Label: "The new password", Required: true}), r.setPassword),
		r.look("get-user-roster", "Get User Roster", fields(many("Whose contacts")), r.rosters),
		r.look("get-user-lastlogin", "Get User Last Login Time", fields(many("Whose last login")), r.lastLogin),
		r.look("user-stats", "Get User Statistics", fields(stats, several), r.statistics),
		r.look("edit-admin", "Edit Admin List", r.operators, r.setOperators),
	}
	for _, l := range []struct {
		node, name, field string
		pick              func(ctx context.Context, limit int) ([]string, error)
	}{
		{"get-registered-users-list", "Get List of Registered Users", "registereduserjids", r.people(func(account.User) bool { return true })},
		{"get-disabled-users-list", "Get List of Disabled Users", "disableduserjids", r.people(account.User.Disabled)},
		{"get-online-users-list", "Get List of Online Users", "onlineuserjids", r.present(func([]*feature.Session) bool { return true })},
		{"get-active-users", "Get List of Active Users", "activeuserjids", r.present(active)},
		{"get-idle-users", "Get List of Idle Users", "activeuserjids", r.present(idle)}, // the field's name in XEP-0133 §4.22
	} {
		list = append(list, r.look(l.node, l.name, fields(maxItems()), func(ctx context.Context, c *adhoc.Call) (adhoc.Stage, error) {
			limit, err := atMost(c)
			if err != nil {
				return adhoc.Stage{}, err
			}
			values, err := l.pick(ctx, limit)
			return shown(adhoc.Field{Var: l.field, Type: "jid-multi", Label: l.name, Values: values}), err
		}))
	}
	return list
}

// shown is a result of these fields.
func shown(f ...adhoc.Field) adhoc.Stage {
	return adhoc.Stage{Form: &adhoc.Form{Result: true, Kind: NS, Fields: f}}
}

func (r *Room) setPassword(ctx context.Context, c *adhoc.Call) (adhoc.Stage, error) {
	who, err := r.local(value(c, "accountjid"))
	if err != nil {
		return adhoc.Stage{}, err
	}
	return adhoc.Stage{}, refusal(r.Look.People.SetPassword(ctx, who.Bare(), value(c, "password")))
}

// rosters is XEP-0133 §4.8.
func (r *Room) rosters(ctx context.Context, c *adhoc.Call) (adhoc.Stage, error) {
	targets, err := r.targets(ctx, c)
	if err != nil {
		return adhoc.Stage{}, err
	}
	names := adhoc.Field{Var: "accountjids", Type: "jid-multi", Label: "Accounts"}
	var all []byte
	for _, t := range targets {
		query, _, err := r.Look.Rosters.Listing(ctx, t.Bare())
		if err != nil {
			return adhoc.Stage{}, err
		}
		names.Values, all = append(names.Values, t.Bare().String()), append(all, query...)
	}
	stage := shown(names)
	stage.Form.Extra = all
	return stage, nil
}

// lastLogin is XEP-0133 §4.9.
func (r *Room) lastLogin(ctx context.Context, c *adhoc.Call) (adhoc.Stage, error) {
	targets, err := r.targets(ctx, c)
	if err != nil {
		return adhoc.Stage{}, err
	}
	names := adhoc.Field{Var: "accountjids", Type: "jid-multi", Label: "Accounts"}
	last := adhoc.Field{Var: "lastlogin", Type: "text-single", Label: "Last login"}
	for _, t := range targets {
		at, err := r.Look.Seen.LastSeen(ctx, t.Bare().String())
		if err != nil {
			return adhoc.Stage{}, err
		}
		names.Values = append(names.Values, t.Bare().String())
		if !at.IsZero() {
			last.Values = append(last.Values, at.UTC().Format("2006-01-02T15:04:05Z"))
		}
	}
	return shown(names, last), nil
}

// statistics is XEP-0133 §4.10.
func (r *Room) statistics(ctx context.Context, c *adhoc.Call) (adhoc.Stage, error) {
	if v := value(c, "accountjid"); v != "" {
		c.Fields["accountjids"] = []string{v}
	}
	targets, err := r.targets(ctx, c)
	if err != nil {
		return adhoc.Stage{}, err
	}
	contacts := 0
	online := adhoc.Field{Var: "onlineresources", Type: "text-multi", Label: "Sessions"}
	for _, t := range targets {
		_, n, err := r.Look.Rosters.Listing(ctx, t.Bare())
		if err != nil {
			return adhoc.Stage{}, err
		}
		contacts += n
		for _, s := range r.Router.Sessions(t) {
			online.Values = append(online.Values, s.JID.Resource())
		}
	}
	return shown(adhoc.Field{Var: "rostersize", Type: "text-single", Label: "Contacts", Values: []string{strconv.Itoa(contacts)}}, online), nil
}

// operators is the form of XEP-0133 §4.29.
func (r *Room) operators(ctx context.Context) ([]adhoc.Field, error) {
	list, err := r.Look.People.Operators(ctx)
	f := adhoc.Field{Var: "adminjids", Type: "jid-multi", Label: "The operators"}
	for _, j := range list {
		f.Values = append(f.Values, j.String())
	}
	return []adhoc.Field{f}, err
}

func (r *Room) setOperators(ctx context.Context, c *adhoc.Call) (adhoc.Stage, error) {
	var want []jid.JID
	for _, v := range c.Fields["adminjids"] {
		j, err := r.local(strings.TrimSpace(v))
		if err != nil {
			return adhoc.Stage{}, err
		}
		want = append(want, j.Bare())
	}
	have, err := r.Look.People.Operators(ctx)
	if err != nil {
		return adhoc.Stage{}, err
	}
	for _, j := range want {
		if !slices.Contains(have, j) {
			if err := r.Look.People.SetOperator(ctx, j, true); err != nil {
				return adhoc.Stage{}, refusal(err)
			}
		}
	}
	for _, j := range have {
		if !slices.Contains(want, j) {
			if err := r.Look.People.SetOperator(ctx, j, false); err != nil {
				return adhoc.Stage{}, refusal(err)
			}
		}
	}
	return adhoc.Stage{}, nil
}

// people picks accounts.
func (r *Room) people(good func(account.User) bool) func(ctx context.Context, limit int) ([]string, error) {
	return func(ctx context.Context, limit int) (out []string, err error) {
		for after := ""; len(out) < limit; {
			page, err := r.Look.People.List(ctx, after, 500)
			if err != nil || len(page) == 0 {
				return out, err
			}
			for _, u := range page {
				if good(u) && len(out) < limit {
					out = append(out, u.Account.String())
				}
			}
			after = page[len(page)-1].Account.String()
		}
		return out, nil
	}
}

// present picks accounts that are online.
func (r *Room) present(good func([]*feature.Session) bool) func(ctx context.Context, limit int) ([]string, error) {
	return func(_ context.Context, limit int) (out []string, _ error) {
		r.Router.Each(func(account jid.JID, sessions []*feature.Session) bool {
			if good(sessions) && len(out) < limit {
				out = append(out, account.String())
			}
			return len(out) < limit
		})
		slices.Sort(out)
		return out, nil
	}
}

// maxItems is the form's question for the length of a list (XEP-0133 §4.18).
func maxItems() adhoc.Field {
	f := adhoc.Field{Var: "max_items", Type: "list-single", Label: "Maximum number of items to show"}
	for _, n := range []string{"25", "50", "75", "100", "150", "200"} {
		f.Options = append(f.Options, adhoc.Option{Label: n, Value: n})
	}
	f.Options = append(f.Options, adhoc.Option{Label: "None", Value: "none"})
	return f
}

// longest is what "none" stands for: a list must fit a stanza.
const longest = 2000

func atMost(c *adhoc.Call) (int, error) {
	v := value(c, "max_items")
	if v == "" || v == "none" {
		return longest, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > longest {
		return 0, adhoc.BadPayload("max_items is one of the options")
	}
	return n, nil
}
