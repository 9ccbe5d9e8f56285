package server_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"writ/server"
	"writ/store"
	"writ/store/storetest"
)

// house composes a house on a test's database, listening on free ports of this machine.
func house(t testing.TB, db *store.DB) *server.House {
	t.Helper()
	c := server.DevConfig(t.TempDir())
	c.XMPP.Listen, c.XMPP.ListenTLS = []string{"127.0.0.1:0"}, []string{"127.0.0.1:0"}
	c.HTTP.Listen, c.HTTP.ListenTLS, c.HTTP.Internal = []string{"127.0.0.1:0"}, []string{"127.0.0.1:0"}, "127.0.0.1:0"
	h, err := server.Build(t.Context(), server.Options{Config: c, DB: db, Dev: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func TestTheHouseStartsAndStops(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := house(t, db)
		ctx, stop := context.WithCancel(t.Context())
		began := time.Now()
		ready, over := make(chan server.Addresses, 1), make(chan error, 1)
		go func() { over <- h.Run(ctx, func(at server.Addresses) { ready <- at }) }()
		var at server.Addresses
		select {
		case at = <-ready:
		case err := <-over:
			t.Fatalf("it stopped: %v", err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("ready after %v, at most 2 s", took)
		}
		for path, want := range map[string]string{"/health": "ok", "/metrics": "writ_store_transactions_total"} {
			res, err := http.Get("http://" + at.Internal.String() + path)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if res.StatusCode != 200 || !strings.Contains(string(body), want) {
				t.Errorf("%s: %d %.200s", path, res.StatusCode, body)
			}
		}
		stop()
		if err := <-over; err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
}

func TestAFailedStoreStopsTheHouse(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	h := house(t, db)
	f := storetest.NewFaults(db)
	over := make(chan error, 1)
	go func() {
		over <- h.Run(t.Context(), func(server.Addresses) {
			f.Fail(1, false)
			db.Enqueue(func(*store.Tx) error { return nil }, nil)
		})
	}()
	if err := <-over; err == nil || !strings.Contains(err.Error(), "the store has failed") {
		t.Errorf("it ended with %v", err)
	}
}

func TestAPortInUseIsSaidWithItsName(t *testing.T) {
	t.Parallel()
	h := house(t, storetest.SQLite(t))
	h.Config.HTTP.Internal = "256.0.0.1:1"
	err := h.Run(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), "256.0.0.1:1") {
		t.Errorf("it started with a wrong address: %v", err)
	}
}

// The list that a house holds itself to, that its page shows and that its desk reads is the one that `writ describe records` prints.
func TestThereIsOneSchedule(t *testing.T) {
	t.Parallel()
	h := house(t, storetest.SQLite(t))
	told, err := server.Schedule(t.Context(), h.Config)
	if err != nil {
		t.Fatal(err)
	}
	if held := h.Records.Schedule(); string(told.Canonical()) != string(held.Canonical()) || told.Version() != held.Version() {
		t.Errorf("told %s, held %s", told.Version(), held.Version())
	}
	var text strings.Builder
	if err := told.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{told.Version(), "sign-ins", "reached  by a subpoena or more", "The software, as the app told. (a court order or more)", "Never produced."} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in it:\n%s", want, &text)
		}
	}
}
