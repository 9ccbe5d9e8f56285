package server

import (
	"writ/account"
	"writ/desk"
	"writ/desk/diligence"
	"writ/desk/registry"
	"writ/desk/standing"
	"writ/passkey"
	"writ/records"
	"writ/report"
	"writ/store"
	"writ/tlog"
	"writ/web/session"
	"writ/xmpp/c2s"
)

// tables lists the rooms that keep rows. Accounts come first: they are the only table that other rooms may refer to.
func (h *House) tables() []room {
	list := []room{{account.Schema(), h.Accounts.Data()}, {c2s.Schema(), c2s.Data()}}
	for _, s := range records.Schemas() {
		list = append(list, room{schema: s})
	}
	list = append(list,
		room{passkey.Schema(), records.Words(passkey.Data()...)},
		room{tlog.Schema(), records.Words(tlog.Data()...)},
		room{registry.Schema(), records.Words(registry.Data()...)},
		room{standing.Schema(), records.Words(standing.Data()...)},
		room{diligence.Schema(), records.Words(diligence.Data()...)},
		room{report.Schema(), records.Words(report.Data()...)},
		room{session.Schema(), session.Data()},
	)
	for _, s := range desk.Schemas() {
		if s.Room == "desk" { // the others stand above
			list = append(list, room{s, desk.Data()})
		}
	}
	for _, f := range h.features {
		if f.Schema != nil {
			list = append(list, room{store.Schema{Room: f.Name, FS: f.Schema}, f.Data})
		}
	}
	return list
}
