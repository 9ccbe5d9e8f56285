package server

import (
	"context"

	"writ/xmpp/c2s"
	"writ/xmpp/jid"
	"writ/xmpp/route"
)

// buildChat composes the messaging service: router, features, and the server for clients.
func (h *House) buildChat(context.Context) (err error) {
	h.Router = route.New(route.Config{
		Domain: h.Domain, DB: h.DB, Accounts: h.Accounts, Clock: h.Clock, Log: h.Log, Metrics: h.Metrics,
	})
	h.features = h.chatRooms()
	return h.Router.Use(h.features)
}

// openChat makes what reads tables at construction.
func (h *House) openChat(context.Context) (err error) {
	h.C2S, err = c2s.New(h.Config.XMPP, c2s.Parts{Router: h.Router, TLS: h.TLS, Log: h.Log})
	h.Accounts.OnEnd(func(account jid.JID) {
		for _, s := range h.Router.Sessions(account) {
			s.Out.Close("not-authorized", "the account may not be used any more")
		}
	})
	return err
}
