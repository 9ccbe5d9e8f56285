package muc

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"time"

	"writ/chat/archive"
	"writ/store"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
	"writ/xmpp/xml"
)

const (
	nsModerate = "urn:xmpp:message-moderate:1"
	nsRetract  = "urn:xmpp:message-retract:1"
)

// grave is the place of a message that is retracted, and the tombstone for it (XEP-0424 §4, XEP-0425 §4).
type grave struct {
	id    int64
	stone *stanza.Stanza
}

// moderate takes a message back for a moderator (XEP-0425 §3): the order, the tombstone and the answer are one transaction.
func (r *Room) moderate(ctx context.Context, c *call) ([]byte, func(), error) {
	if r.roleHere(c.from) < Moderator {
		return nil, nil, stanza.Forbidden("only moderators take back what others have said") // XEP-0425 §3.2
	}
	if c.payload.Child(nsRetract, "retract") == nil {
		return nil, nil, stanza.FeatureNotImplemented("a message can be retracted, and nothing else")
	}
	was, err := r.find(ctx, c.payload.Attr("id"))
	if err != nil {
		return nil, nil, err
	}
	if buried(was.Stanza) {
		return nil, nil, nil // another moderator was faster
	}
	by := r.moderator(c)
	reason := clip(c.payload.Child(nsModerate, "reason").Text())
	now := r.m.Clock.Now()
	order := r.retraction(c.payload.Attr("id"), by, reason)
	g := grave{was.ID, tombstone(was.Stanza, order.ID, now, by, reason)}
	var id int64
	err = r.write(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if err = r.m.Archive.Replace(ctx, tx, r.jid, g.id, g.stone); err != nil {
			return err
		}
		id, err = r.m.Archive.Append(ctx, tx, archive.Message{Stanza: order, From: c.from, To: r.jid, Time: now, Kind: archive.Groupchat,
			Holds: archive.ByRecipient})
		return err
	})
	if errors.Is(err, archive.ErrNotFound) {
		err = stanza.ItemNotFound("there is no such message any more")
	}
	if err != nil {
		return nil, nil, err
	}
	return nil, func() {
		st := order.With(r.m.Archive.StanzaID(r.jid, id))
		r.bury(g)
		r.keep(kept{stanza: st, sender: c.from.Bare(), at: now, id: id})
		r.reflect(st)
		r.toAbsent(say{job: job{e: c.e}, stanza: order, sender: c.from, store: true, id: id}, st)
	}, nil
}

// find is the message that a stanza-id of the room names.
func (r *Room) find(ctx context.Context, id string) (archive.Item, error) {
	if id == "" {
		return archive.Item{}, stanza.BadRequest("the id of the message is missing")
	}
	n, ok := r.m.Archive.Position(r.jid, id)
	if !ok {
		return archive.Item{}, stanza.ItemNotFound("there is no such message in this room")
	}
	i, err := r.m.Archive.Look(ctx, r.jid, n)
	if errors.Is(err, archive.ErrNotFound) {
		return archive.Item{}, stanza.ItemNotFound("there is no such message in this room")
	}
	return i, err
}

// moderator is the <moderated/> of who does it: the nickname, which all see, and the occupant id.
func (r *Room) moderator(c *call) []byte {
	var b xml.Builder
	b.Start(nsModerate, "moderated")
	for _, o := range r.order {
		if o.user == c.from.Bare() && o.role == Moderator {
			b.Attr("by", o.jid.String()).Raw(o.id)
			break
		}
	}
	return b.Bytes()
}

// retraction is what all are told (XEP-0425 §3.1). It comes from the room itself: nothing else is to be believed.
func (r *Room) retraction(id string, by []byte, reason string) *stanza.Stanza {
	var b xml.Builder
	b.Start(nsRetract, "retract", "id", id).Raw(by)
	if reason != "" {
		b.Leaf("", "reason", reason)
	}
	return stanza.New(stanza.Message, stanza.Groupchat, r.jid, jid.JID{}, rand.Text(), b.Bytes())
}

// tombstone is what stands in the archive in the place of a message: who sent it and when, and that it was taken back.
func tombstone(was *stanza.Stanza, order string, at time.Time, by []byte, reason string) *stanza.Stanza {
	var b xml.Builder
	b.Start(nsRetract, "retracted", "id", order, "stamp", stamp(at)).Raw(by)
	if reason != "" {
		b.Leaf("", "reason", reason)
	}
	return was.Without(func(c stanza.Child) bool { return c.Space != nsOccupant }).With(b.Bytes())
}

func buried(s *stanza.Stanza) bool { return s.Has(nsRetract, "retracted") }

// bury keeps a message that was taken back from those who enter later (XEP-0425 §5).
func (r *Room) bury(g grave) {
	r.history = slices.DeleteFunc(r.history, func(k kept) bool { return k.id == g.id })
}

// takenBack is the grave that a message of an occupant asks for by retracting an earlier one of the same account (XEP-0424 §4); nil if it asks
// for none that is theirs. The message itself is reflected either way: whether the room keeps the other does not concern it.
func (r *Room) takenBack(ctx context.Context, w say) (*grave, error) {
	el := w.stanza.Find(nsRetract, "retract")
	if el == nil || !w.store {
		return nil, nil
	}
	was, err := r.find(ctx, el.Attr("id"))
	var unknown *stanza.Error
	switch {
	case errors.As(err, &unknown):
		return nil, nil
	case err != nil:
		return nil, err
	case was.Sender != w.sender.Bare() || was.Stanza.From.IsBare() || buried(was.Stanza):
		return nil, nil
	}
	return &grave{was.ID, tombstone(was.Stanza, w.stanza.ID, r.m.Clock.Now(), nil, "")}, nil
}
