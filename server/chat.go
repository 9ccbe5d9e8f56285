package server

import (
	"context"

	"writ/account"
	"writ/xmpp/c2s"
	"writ/xmpp/jid"
	"writ/xmpp/route"
	"writ/xmpp/s2s"
	"writ/xmpp/sasl"
)

// buildChat composes the messaging service: the router and the features.
func (h *House) buildChat(context.Context) (err error) {
	h.Router = route.New(route.Config{
		Domain: h.Domain, DB: h.DB, Accounts: h.Accounts, Clock: h.Clock, Log: h.Log, Metrics: h.Metrics,
	})
	h.S2S, err = s2s.New(h.Config.S2S, s2s.Parts{House: h.Router, Domain: h.Domain, TLS: h.TLS, DB: h.DB, Clock: h.Clock, Log: h.Log, Metrics: h.Metrics, Resolver: h.Resolver})
	if err != nil {
		return err
	}
	h.Router.Connect(h.S2S)
	h.features = h.chatRooms()
	return h.Router.Use(h.features)
}

// openClients makes the server for clients. It is Run's: a command beside a running server must not end sessions that are not its own,
// nor take the rows by which it tells the server to.
func (h *House) openClients(ctx context.Context) error {
	secret, err := h.Accounts.Secret(ctx, "sasl")
	if err != nil {
		return err
	}
	auth, err := sasl.New(sasl.Config{Domain: h.Domain, Source: h.Accounts, Secret: secret, Iterations: h.Config.Accounts.Iterations})
	if err != nil {
		return err
	}
	resources, err := h.Accounts.Secret(ctx, "resources")
	if err != nil {
		return err
	}
	h.C2S, err = c2s.New(h.Config.XMPP, c2s.Parts{
		Router: h.Router, SASL: auth, TLS: h.TLS, DB: h.DB, Accounts: atWork{h.Accounts, h.forget}, Recorder: h.Records.Recorder,
		Clock: h.Clock, Log: h.Log, Metrics: h.Metrics, WebSocketURL: h.webSocketURL(), BOSHURL: h.boshURL(), ResourceKey: resources, Newcomers: h.newcomers,
	})
	if err != nil {
		return err
	}
	h.Accounts.OnEnd(h.C2S.Ended)
	return nil
}

// atWork are the accounts as the serving process asks them: what is remembered of an account goes when another process has changed it.
type atWork struct {
	*account.Accounts
	forget func(jid.JID)
}

func (a atWork) TakeEnded(ctx context.Context) ([]jid.JID, error) {
	ended, err := a.Accounts.TakeEnded(ctx)
	for _, j := range ended {
		a.forget(j)
	}
	return ended, err
}

// boshURL is what host-meta tells apps of BOSH (XEP-0156 §3).
func (h *House) boshURL() string {
	if h.Dev {
		return "http://localhost:" + devHTTP + "/http-bind"
	}
	return "https://" + h.Domain.ASCII() + "/http-bind"
}

// webSocketURL is what host-meta tells apps (XEP-0156 §3).
func (h *House) webSocketURL() string {
	if h.Dev {
		return "ws://localhost:" + devHTTP + "/xmpp-websocket"
	}
	return "wss://" + h.Domain.ASCII() + "/xmpp-websocket"
}
