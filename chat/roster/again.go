package roster

import (
	"context"
	"crypto/rand"
	"time"

	"writ/clock"
	"writ/store"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
)

// A request to subscribe to somebody on another server may have been lost there without a word. As long as it has no answer it is sent again once a
// day (RFC 6121 §3.1.2), with an id; the other server shows its person one request, however often it comes. Not at sign-in: that happens too often.
const (
	againFirst = time.Hour // after the start
	againEvery = 24 * time.Hour
	againPage  = 500 // rows read at a time
)

func (r *Roster) start(context.Context) error {
	again := clock.Repeat(context.Background(), r.Clock, againFirst, func(ctx context.Context) time.Duration {
		if err := r.again(ctx); err != nil {
			r.Log.Error("sending unanswered requests again", "err", err)
		}
		return againEvery
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); r.leaving(ctx) }()
	r.stop = func() { again(); cancel(); <-done }
	return nil
}

func (r *Roster) end(context.Context) error {
	if r.stop != nil {
		r.stop()
	}
	return nil
}

// pending is a request without an answer.
type pending struct{ account, contact jid.JID }

// again sends all requests that wait for people of other servers.
func (r *Roster) again(ctx context.Context) error {
	var last pending
	for {
		page, err := store.List(ctx, r.DB, "roster: unanswered requests", func(row store.Scanner) (p pending, err error) {
			return p, row.Scan(&p.account, &p.contact)
		}, `SELECT account, contact FROM roster_item WHERE (account > $1 OR account = $1 AND contact > $2) AND (state / $3) % 2 = 1
			ORDER BY account, contact LIMIT $4`, last.account.String(), last.contact.String(), int(Out), againPage)
		if err != nil {
			return err
		}
		for _, p := range page {
			if !r.Router.Local(p.contact) && r.Router.Reaches(p.contact) && !r.Blocker.Blocked(ctx, p.account, p.contact) {
				r.Router.Deliver(ctx, p.contact, stanza.New(stanza.Presence, stanza.Subscribe, p.account, p.contact, rand.Text()))
			}
		}
		if len(page) < againPage {
			return nil
		}
		last = page[len(page)-1]
	}
}
