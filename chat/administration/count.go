package administration

import (
	"context"
	"strconv"

	"writ/chat/adhoc"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
)

// countCommands are XEP-0133 §4.13 to §4.17: numbers, and nobody's name.
func (r *Room) countCommands() []adhoc.Command {
	var out []adhoc.Command
	for _, n := range []struct {
		node, name, field string
		count             func(ctx context.Context) (int, error)
	}{
		{"get-registered-users-num", "Get Number of Registered Users", "registeredusersnum", func(ctx context.Context) (int, error) {
			all, _, err := r.Register.Count(ctx)
			return all, err
		}},
		{"get-disabled-users-num", "Get Number of Disabled Users", "disabledusersnum", func(ctx context.Context) (int, error) {
			_, disabled, err := r.Register.Count(ctx)
			return disabled, err
		}},
		{"get-online-users-num", "Get Number of Online Users", "onlineusersnum", r.count(func([]*feature.Session) bool { return true })},
		{"get-active-users-num", "Get Number of Active Users", "activeusersnum", r.count(active)},
		{"get-idle-users-num", "Get Number of Idle Users", "idleusersnum", r.count(idle)},
	} {
		out = append(out, r.command(n.node, n.name, nil, func(ctx context.Context, _ *adhoc.Call) (adhoc.Stage, error) {
			v, err := n.count(ctx)
			return shown(adhoc.Field{Var: n.field, Type: "text-single", Label: n.name, Values: []string{strconv.Itoa(v)}}), err
		}))
	}
	return out
}

func (r *Room) count(good func([]*feature.Session) bool) func(context.Context) (int, error) {
	return func(context.Context) (n int, _ error) {
		r.Router.Each(func(_ jid.JID, sessions []*feature.Session) bool {
			if good(sessions) {
				n++
			}
			return true
		})
		return n, nil
	}
}

// active reports an account one of whose apps is connected and in use: not inactive (XEP-0352), not away (RFC 6121 §4.7.2.1).
func active(sessions []*feature.Session) bool {
	for _, s := range sessions {
		if s.Inactive.Load() || s.Out.Hibernating() {
			continue
		}
		if p := s.Presence.Load(); p == nil || p.Find("jabber:client", "show").Text() != "away" && p.Find("jabber:client", "show").Text() != "xa" {
			return true
		}
	}
	return false
}

func idle(sessions []*feature.Session) bool { return !active(sessions) }
