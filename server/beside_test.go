package server_test

import (
	"context"
	"testing"

	"writ/server"
	"writ/store"
	"writ/store/storetest"
	"writ/writtest"
	"writ/xmpp/jid"
)

// beside composes what a command runs beside a server on the same database.
func beside(t *testing.T, db *store.DB) *server.House {
	t.Helper()
	c := server.DevConfig(t.TempDir())
	c.Domain = writtest.Domain
	h, err := server.Build(t.Context(), server.Options{Config: c, DB: storetest.Reopen(t, db)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// What an operator's command does to an account, the running server does to its sessions within seconds.
func TestACommandBesideTheServerEndsSessions(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h, op := writtest.Start(t, db), beside(t, db)
		for name, do := range map[string]func(context.Context, jid.JID) error{
			"disabled": op.Accounts.Disable,
			"deleted":  op.Accounts.Delete,
			"changed":  func(ctx context.Context, j jid.JID) error { return op.Accounts.SetPassword(ctx, j, "another password") },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				account := h.Account(t, name)
				h.Account(t, name+"-neighbour")
				c, other := h.Dial(t, writtest.TCP), h.Dial(t, writtest.TCP)
				for client, local := range map[*writtest.Client]string{c: name, other: name + "-neighbour"} {
					if err := client.Login(local, "app"); err != nil {
						t.Fatal(err)
					}
				}
				if err := do(t.Context(), account); err != nil {
					t.Fatal(err)
				}
				e, err := c.Next() // it comes by itself
				if err != nil || e.Name.Local != "error" || len(e.Children) == 0 {
					t.Fatalf("the session got %v, %v", e, err)
				}
				again := h.Dial(t, writtest.TCP)
				if err := again.Login(name, "app"); err == nil {
					t.Error("it signs in again with what it had")
				}
				if err := other.End(); err != nil {
					t.Errorf("the neighbour's session: %v", err)
				}
			})
		}
	})
}
