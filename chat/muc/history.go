package muc

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"writ/chat/archive"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

// keep adds a message to the recent past.
func (r *Room) keep(k kept) {
	n := r.m.c.History
	if r.history = append(r.history, k); len(r.history) > 2*n {
		r.history = append([]kept(nil), r.history[len(r.history)-n:]...)
	}
}

// prime reads the recent past of a room that has just been loaded, once.
func (r *Room) prime(ctx context.Context) error {
	if r.primed || !r.options.Archive || r.m.Keep == 0 {
		return nil
	}
	page, err := r.m.Archive.Page(ctx, r.jid, archive.Query{Max: r.m.c.History, Backwards: true})
	if err != nil {
		return err
	}
	var old []kept
	for _, i := range page.Items {
		if i.ID != 0 && slices.ContainsFunc(r.history, func(k kept) bool { return k.id == i.ID }) {
			continue // said since the room was loaded
		}
		old = append(old, kept{stanza: i.Stanza.WithTo(jid.JID{}).With(r.m.Archive.StanzaID(r.jid, i.ID)), sender: i.Sender, at: i.Time, id: i.ID})
	}
	r.history, r.primed = append(old, r.history...), true
	return nil
}

// wish is what of the past a client wants (XEP-0045 §7.2.14). The least that all of it allows is sent.
type wish struct {
	chars, stanzas int
	since          time.Time
}

// past is the discussion history for someone who enters (XEP-0045 §7.2.13), oldest first.
func (r *Room) past(ctx context.Context, asked *xml.Element) ([]*stanza.Stanza, error) {
	w := r.wish(asked)
	if w.stanzas == 0 || w.chars == 0 {
		return nil, nil
	}
	err := r.prime(ctx)
	var out []*stanza.Stanza
	size := 0
	for i := len(r.history) - 1; i >= 0 && len(out) < w.stanzas; i-- {
		k := &r.history[i]
		if k.at.Before(w.since) {
			break
		}
		if k.late == nil {
			k.late = k.stanza.With(r.delay(k.at)).Shared()
		}
		if w.chars > 0 {
			if size += len(k.late.AppendTo(nil, "")); size > w.chars {
				break
			}
		}
		out = append(out, k.late)
	}
	slices.Reverse(out)
	return out, err
}

// wish reads the request. What is no number, or more than there is, asks for what the service gives by itself.
func (r *Room) wish(asked *xml.Element) wish {
	now := r.m.Clock.Now()
	w := wish{chars: -1, stanzas: min(r.m.c.History, r.options.History)}
	if r.m.Keep > 0 {
		w.since = now.Add(-r.m.Keep) // what the archive does not keep any more is not told either
	}
	if n, ok := count(asked.Attr("maxchars")); ok {
		w.chars = n
	}
	if n, ok := count(asked.Attr("maxstanzas")); ok {
		w.stanzas = min(w.stanzas, n)
	}
	if n, ok := count(asked.Attr("seconds")); ok {
		w.later(now.Add(-time.Duration(n) * time.Second))
	}
	if t, err := time.Parse(time.RFC3339, asked.Attr("since")); err == nil {
		w.later(t)
	}
	return w
}

func (w *wish) later(t time.Time) {
	if t.After(w.since) {
		w.since = t
	}
}

// count reads a number; one beyond 10^9 is 10^9.
func count(s string) (int, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	if len(s) > 9 {
		return 1_000_000_000, true
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}

// forgetSender drops from the recent past what an erased account has said.
func (r *Room) forgetSender(account jid.JID) {
	r.history = slices.DeleteFunc(r.history, func(k kept) bool { return k.sender == account })
	if r.subject.user == account {
		r.subject = subject{}
	}
}
