package roster

import (
	"context"

	"writ/records"
	"writ/schedule"
	"writ/store"
)

func (r *Roster) contacts() records.Datum {
	return records.Datum{
		Datum: schedule.Datum{
			Name:     "contacts",
			Category: schedule.Contacts,
			Tables:   []string{"roster_item", "roster_version"},
			Fields: []schedule.Field{
				{Name: "contact", Meaning: "The address of the contact, or of someone whose request is not answered yet."},
				{Name: "name", Meaning: "The name that the account gave the contact."},
				{Name: "groups", Meaning: "The groups that the account put the contact in, as a JSON list."},
				{Name: "subscription", Meaning: "Who sees whose presence: none, to, from or both."},
				{Name: "asked", Meaning: "The account asked to see the contact's presence and has no answer yet."},
				{Name: "approved", Meaning: "The account approved in advance that the contact sees its presence."},
				{Name: "waiting", Meaning: "The contact asked to see the account's presence and has no answer yet."},
			},
			Purpose:   "Apps show the contact list, and the server sends presence to the people in it.",
			Retention: schedule.Account,
			Process:   schedule.Warrant,
		},
		Export: func(ctx context.Context, o *records.Opened, emit func(values ...any) error) error {
			return store.Each(ctx, o, "roster: exporting", func(row store.Scanner) error {
				var contact, name, groups string
				var s State
				if err := row.Scan(&contact, &name, &groups, &s); err != nil {
					return err
				}
				return emit(contact, name, groups, s.Subscription(), s.Has(Out), s.Has(Approved), s.Has(In))
			}, `SELECT contact, name, groups, state FROM roster_item WHERE account = $1 ORDER BY contact`, o.Account())
		},
		Erase: r.part,
	}
}
