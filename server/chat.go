package server

import (
	"context"

	"writ/xmpp/c2s"
	"writ/xmpp/jid"
	"writ/xmpp/route"
)

// buildChat composes the messaging service: accounts, router, features, and the server for clients.
func (h *House) buildChat(ctx context.Context) (err error) {
	h.Router = route.New(route.Config{
		Domain: h.Domain, DB: h.DB, Accounts: nobody{}, Clock: h.Clock, Log: h.Log, Metrics: h.Metrics,
	})
	h.features = h.rooms()
	if err := h.Router.Use(h.features); err != nil {
		return err
	}
	h.C2S, err = c2s.New(h.Config.XMPP, c2s.Parts{Router: h.Router, TLS: h.tls, Log: h.Log})
	return err
}

type nobody struct{}

func (nobody) Exists(context.Context, jid.JID) (bool, error) { return false, nil }
