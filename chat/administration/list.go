package administration

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"writ/chat/adhoc"
	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
)

// The lists.
const (
	black = "black" // is kept out
	white = "white" // if there are any: of other servers, these alone are let in
)

const maxEntries = 2000

// listCommands are XEP-0133 §4.11 and §4.12.
func (r *Room) listCommands() []adhoc.Command {
	return []adhoc.Command{
		r.command("edit-blacklist", "Edit Blacklist", r.entries(black, "blacklistjids", "Addresses and domains that are kept out"), r.setEntries(black, "blacklistjids")),
		r.command("edit-whitelist", "Edit Whitelist", r.entries(white, "whitelistjids", "Addresses and domains of other servers that alone are let in; none: all"), r.setEntries(white, "whitelistjids")),
	}
}

func (r *Room) entries(list, field, label string) func(context.Context) ([]adhoc.Field, error) {
	return func(context.Context) ([]adhoc.Field, error) {
		r.mu.RLock()
		defer r.mu.RUnlock()
		f := adhoc.Field{Var: field, Type: "jid-multi", Label: label}
		for e := range r.lists[list] {
			f.Values = append(f.Values, e)
		}
		slices.Sort(f.Values)
		return []adhoc.Field{f}, nil
	}
}

func (r *Room) setEntries(list, field string) func(ctx context.Context, c *adhoc.Call) (adhoc.Stage, error) {
	return func(ctx context.Context, c *adhoc.Call) (adhoc.Stage, error) {
		want := map[string]bool{}
		for _, v := range c.Fields[field] {
			if v = strings.TrimSpace(v); v == "" {
				continue
			}
			j, err := jid.Parse(v)
			if err != nil {
				return adhoc.Stage{}, adhoc.BadPayload("this is no address: " + v)
			}
			if j == r.Router.Domain() || j.Bare() == c.From.Bare() {
				return adhoc.Stage{}, stanza.NotAllowed("neither this server nor yourself")
			}
			want[j.String()] = true
		}
		if len(want) > maxEntries {
			return adhoc.Stage{}, adhoc.BadPayload(fmt.Sprintf("at most %d entries", maxEntries))
		}
		err := r.DB.Write(ctx, func(tx *store.Tx) error {
			if _, err := tx.Exec(ctx, `DELETE FROM administration_list WHERE list = $1`, list); err != nil {
				return err
			}
			for e := range want {
				if _, err := tx.Exec(ctx, `INSERT INTO administration_list (list, entry) VALUES ($1, $2)`, list, e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return adhoc.Stage{}, fmt.Errorf("administration: keeping a list: %w", err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.lists[list] = want
		return adhoc.Stage{}, nil
	}
}

func (r *Room) loadLists(ctx context.Context) error {
	r.lists = map[string]map[string]bool{}
	return store.Each(ctx, r.DB, "administration: reading lists", func(row store.Scanner) error {
		var list, entry string
		err := row.Scan(&list, &entry)
		if r.lists[list] == nil {
			r.lists[list] = map[string]bool{}
		}
		r.lists[list][entry] = true
		return err
	}, `SELECT list, entry FROM administration_list`)
}

// screen refuses what comes from or goes to who is kept out.
func (r *Room) screen(_ context.Context, e *feature.Envelope) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.lists[black]) == 0 && len(r.lists[white]) == 0 {
		return nil
	}
	for _, j := range []jid.JID{e.From, e.To} {
		if j.IsZero() {
			continue
		}
		if on(r.lists[black], j) {
			return stanza.NotAllowed("the operator of this server keeps this address out")
		}
		if w := r.lists[white]; len(w) > 0 && !r.Router.Local(j) && !r.Router.Hosted(j) && !on(w, j) {
			return stanza.NotAllowed("this server talks with chosen servers alone")
		}
	}
	return nil
}

// on reports an address that a list names: in full, without its resource, or by its domain (XEP-0133 §4.11).
func on(list map[string]bool, j jid.JID) bool {
	return list[j.String()] || list[j.Bare().String()] || list[j.Domainpart()]
}
