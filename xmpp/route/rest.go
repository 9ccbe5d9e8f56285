package route

import (
	"context"

	"writ/xmpp/feature"
	"writ/xmpp/stanza"
)

// Lay takes a session out that the next process takes up again (XEP-0198 §5), and gives what the rooms want to remember of it, by room.
// No room is told of an end. Questions asked of the session are answered with nil.
func (r *Router) Lay(s *feature.Session) map[string][]byte {
	notes := map[string][]byte{}
	for _, n := range r.rooms.notes {
		if n.note == nil {
			continue
		}
		func() {
			defer r.guard("noting a session", nil)
			if b := n.note(s); b != nil {
				notes[n.room] = b
			}
		}()
	}
	r.remove(s)
	r.asks.drop(s)
	return notes
}

// Rise enters a session that an earlier process has laid, hibernating, and runs the rooms' Back with what they wanted to remember. The
// limit of resources holds as in Bind.
func (r *Router) Rise(ctx context.Context, s *feature.Session, notes map[string][]byte) *stanza.Error {
	if e := r.place(s); e != nil {
		return e
	}
	for _, n := range r.rooms.notes {
		if n.back != nil {
			r.hook(ctx, "taking a session up", func(ctx context.Context, s *feature.Session) { n.back(ctx, s, notes[n.room]) }, s)
		}
	}
	return nil
}
