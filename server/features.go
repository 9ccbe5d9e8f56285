package server

import (
	"context"

	"writ/chat/addresses"
	"writ/chat/adhoc"
	"writ/chat/administration"
	"writ/chat/answers"
	"writ/chat/archive"
	"writ/chat/blocking"
	"writ/chat/bulletin"
	"writ/chat/calls"
	"writ/chat/carbons"
	"writ/chat/devices"
	"writ/chat/disco"
	"writ/chat/e2ee"
	"writ/chat/invite"
	"writ/chat/mam"
	"writ/chat/muc"
	"writ/chat/offline"
	"writ/chat/pace"
	"writ/chat/presence"
	"writ/chat/private"
	"writ/chat/pubsub"
	"writ/chat/register"
	"writ/chat/roster"
	"writ/chat/software"
	"writ/chat/vcard"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
)

// chatRooms makes THE list: every feature of the chat, in the order of their effects at every stage. A room that must see what
// another has done stands after it.
func (h *House) chatRooms() []*feature.Feature {
	blocks := blocking.New(h.Config.Blocking, blocking.Parts{DB: h.DB, Router: h.Router, Log: h.Log})
	contacts := roster.New(h.Config.Roster, roster.Parts{DB: h.DB, Router: h.Router, Clock: h.Clock, Log: h.Log, Blocker: blocks, Inviter: h.Accounts})
	h.Accounts.OnJoin(contacts.Befriend)
	h.contacts = contacts
	seen := presence.New(presence.Parts{Router: h.Router, Log: h.Log, Contacts: contacts, Blocker: blocks, Seen: h.Records.Keeper})
	contacts.Share(seen)
	blocks.Cover(seen)
	events := pubsub.New(pubsub.Config{Router: h.Router, DB: h.DB, Contacts: contacts, Clock: h.Clock, Log: h.Log})
	cards := vcard.New(vcard.Config{DB: h.DB, Contacts: contacts, Nodes: events, Presence: seen, Clock: h.Clock, Log: h.Log})
	kept := archive.New(h.Config.archive(), archive.Parts{DB: h.DB, Router: h.Router, Clock: h.Clock, Log: h.Log, Contacts: contacts})
	waiting := offline.New(h.Config.Offline, offline.Parts{DB: h.DB, Router: h.Router, Clock: h.Clock, Log: h.Log, Archive: kept})
	secret := e2ee.New(h.Config.E2EE, h.Router, seen)
	pages := mam.New(kept, waiting)
	h.Rooms = muc.New(h.Config.Rooms, muc.Parts{DB: h.DB, Router: h.Router, Clock: h.Clock, Log: h.Log, Archive: kept, Pages: pages, Encryption: secret,
		Cards: cards, Blocker: blocks, Keep: h.Config.roomArchive()})
	h.forget = func(account jid.JID) {
		contacts.Parted()
		blocks.Forget()
		kept.Forget(account)
		h.Rooms.Forget(account)
	}
	found := disco.New(h.Router, contacts, events.Newcomer)
	found.OnStranger(events.Stranger)
	events.Away = found
	h.Bulletin = bulletin.New(bulletin.Parts{DB: h.DB, Router: h.Router, People: residents{h.Accounts}, Places: h.Records.Keeper, Clock: h.Clock, Log: h.Log})
	h.Bulletin.OnAnswer(h.answer)
	access := devices.New(h.Accounts, h.Router)
	newcomers := register.New(register.Parts{Router: h.Router, Accounts: h.Accounts, Invitations: h.Accounts, Clock: h.Clock, Open: h.Config.testing()})
	h.newcomers = newcomers
	office := administration.New(administration.Parts{DB: h.DB, Router: h.Router, Accounts: h.Accounts, Register: h.Accounts, Voice: h.Bulletin, Clock: h.Clock, Log: h.Log,
		Look: h.look(contacts)})
	invited := invite.New(invite.Parts{Domain: h.Domain, Invitations: h.Accounts, Rights: h.Accounts, Link: h.InviteLink})
	list := []*feature.Feature{
		h.Bulletin.Feature(),
		found.Feature(), // sees each presence's capabilities before the presence room takes it
		blocks.Feature(),
		secret.Feature(),
		pace.New(h.Config.Pace, pace.Parts{Router: h.Router, Contacts: contacts, Clock: h.Clock, Log: h.Log, Metrics: h.Metrics}).Feature(),
		contacts.Feature(),
		cards.Feature(), // stamps presence before it is sent on
		seen.Feature(),
		kept.Feature(),
		waiting.Feature(),
		pages.Feature(),
		carbons.New(h.Router, kept).Feature(),
		calls.New(h.Records.Recorder),
		software.New(software.Parts{DB: h.DB, Recorder: h.Records.Recorder, Devices: h.Accounts, Log: h.Log}),
		events.Feature(),
		private.New(private.Parts{DB: h.DB, Nodes: events, Clock: h.Clock}),
		newcomers.Feature(),
		addresses.New(h.Config.Contact),
		invited.Feature(),
		office.Feature(),
		adhoc.New(h.Clock, append(append(invited.Commands(), office.Commands()...), adhoc.MyRecords(h.Records.Keeper, h.Records.Schedule), adhoc.MyDevices(apps{access}))...),
		access.Feature(),
		h.S2S.Feature(), // writes down what goes to other servers as the rooms before it have made it
		answers.New(answers.Config{Router: h.Router, Contacts: contacts, Seen: h.Records.Keeper, Clock: h.Clock, Version: h.Version}),
	}
	if !h.Config.Rooms.Off {
		list = append(list, h.Rooms.Feature())
	}
	found.Use(list)
	return list
}

// apps are the devices as the command "My devices" shows them.
type apps struct{ room *devices.Devices }

func (a apps) Devices(ctx context.Context, who jid.JID) ([]adhoc.Device, error) {
	clients, err := a.room.Clients(ctx, who)
	var out []adhoc.Device
	for _, c := range clients {
		out = append(out, adhoc.Device{ID: c.ID, Text: c.String()})
	}
	return out, err
}

func (a apps) SignOut(ctx context.Context, who jid.JID, id string) (then func(), told bool, err error) {
	return a.room.SignOut(ctx, who, id)
}
