package server

import (
	"context"
	"time"

	"writ/chat/answers"
	"writ/chat/archive"
	"writ/chat/disco"
	"writ/chat/mam"
	"writ/chat/presence"
	"writ/chat/pubsub"
	"writ/chat/register"
	"writ/chat/roster"
	"writ/chat/vcard"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
)

// chatRooms makes THE list: every feature of the chat, in the order of their effects at every stage. A room that must see what
// another has done stands after it.
func (h *House) chatRooms() []*feature.Feature {
	contacts := roster.New(h.Config.Roster, roster.Parts{DB: h.DB, Router: h.Router, Clock: h.Clock, Log: h.Log, Blocker: nobody{}})
	seen := presence.New(presence.Parts{Router: h.Router, Log: h.Log, Contacts: contacts, Blocker: nobody{}, Seen: h.lastSeen})
	contacts.Share(seen)
	events := pubsub.New(pubsub.Config{Router: h.Router, DB: h.DB, Contacts: circles{contacts}, Clock: h.Clock, Log: h.Log})
	kept := archive.New(h.Config.archive(), archive.Parts{DB: h.DB, Router: h.Router, Clock: h.Clock, Log: h.Log, Contacts: contacts})
	found := disco.New(h.Router, contacts, events.Newcomer)
	list := []*feature.Feature{
		contacts.Feature(),
		seen.Feature(),
		kept.Feature(),
		mam.New(kept).Feature(),
		events.Feature(),
		vcard.New(vcard.Config{DB: h.DB, Contacts: contacts, Clock: h.Clock}),
		register.New(h.Router, h.Accounts),
		answers.New(answers.Config{Router: h.Router, Contacts: contacts, Seen: h.Records.Keeper, Clock: h.Clock, Version: h.Version}),
		found.Feature(),
	}
	found.Use(list)
	return list
}

// circles gives the roster's look-ups the names that pubsub knows them by.
type circles struct{ *roster.Roster }

func (c circles) Subscribers(ctx context.Context, account jid.JID) ([]jid.JID, error) {
	return c.Watchers(ctx, account)
}

func (c circles) Subscriptions(ctx context.Context, account jid.JID) ([]jid.JID, error) {
	return c.Watched(ctx, account)
}

func (h *House) lastSeen(ctx context.Context, account jid.JID) (time.Time, error) {
	return h.Records.Keeper.LastSeen(ctx, account.String())
}
