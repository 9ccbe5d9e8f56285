// Package software notes what an app calls itself: the node of its entity capabilities (XEP-0115 §4), which nearly every app sends
// with its first presence, such as "https://conversations.im". It becomes part of the sign-in and of the device, so that a person
// can tell their apps apart in their own records.
//
// Invariants:
//   - It is what the app says, and is recorded as such; nothing depends on it.
//   - It costs one small write in a session's life, and nobody waits for it.
package software

import (
	"context"
	"log/slog"
	"time"

	"writ/account"
	"writ/store"
	"writ/xmpp/feature"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
)

const capsNS = "http://jabber.org/protocol/caps"

// Recorder keeps sign-ins; records.Recorder is one.
type Recorder interface {
	Told(ctx context.Context, tx *store.Tx, account string, at time.Time, client string) error
}

// Devices keeps the devices of accounts; account.Accounts is one.
type Devices interface {
	Told(ctx context.Context, tx *store.Tx, account jid.JID, d account.Device) error
}

// Parts is what the room stands on.
type Parts struct {
	DB       *store.DB
	Recorder Recorder
	Devices  Devices
	Log      *slog.Logger
}

// New makes the room.
func New(p Parts) *feature.Feature {
	p.Log = p.Log.With("room", "software")
	return &feature.Feature{Name: "software", Specs: []string{"XEP-0115"}, After: p.after}
}

// after looks at a session's presence broadcasts until one of them has told.
func (p Parts) after(_ context.Context, e *feature.Envelope) {
	s := e.Session
	if e.Stanza.Kind != stanza.Presence || s == nil || !e.To.IsZero() || e.Stanza.Type != stanza.Available || s.Software.Load() != nil {
		return
	}
	node := e.Stanza.Find(capsNS, "c").Attr("node")
	if node == "" {
		return
	}
	s.Software.Store(&node)
	at := s.Since.Load()
	if at == 0 {
		return
	}
	p.DB.Enqueue(func(tx *store.Tx) error {
		if err := p.Recorder.Told(context.Background(), tx, s.JID.Bare().String(), store.FromTime(at), node); err != nil {
			return err
		}
		return p.Devices.Told(context.Background(), tx, s.JID, account.Device{ID: s.Device, Software: node})
	}, func(err error) {
		if err != nil {
			p.Log.Error("an app's name was not recorded", "err", err)
		}
	})
}
