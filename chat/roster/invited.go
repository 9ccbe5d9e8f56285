package roster

import (
	"context"
	"fmt"

	"writ/store"
	"writ/xmpp/jid"
	"writ/xmpp/stanza"
)

// PreauthNS is the namespace of pre-authenticated roster subscriptions (XEP-0379).
const PreauthNS = "urn:xmpp:pars:0"

// welcome reports a subscription request that comes with a good token of the user (XEP-0379 §3.5): it is approved for the user, who asks in turn.
// A contact that is an account here has said with the token that it wants the user to see its presence, so the user's own request is
// approved in advance; one of another server answers for itself (XEP-0379 §3.6).
func (w *work) welcome(ctx context.Context, was Item, user, contact jid.JID, st *stanza.Stanza) (bool, error) {
	if st.Type != stanza.Subscribe || was.State.Has(From) || w.r.Inviter == nil {
		return false, nil
	}
	e := st.Find(PreauthNS, "preauth")
	if e == nil || e.Attr("token") == "" {
		return false, nil
	}
	if full, err := w.full(ctx, user, was); err != nil || full {
		return false, err // as if there were no token
	}
	ok, err := w.r.Inviter.Spend(ctx, w.tx, e.Attr("token"), user, contact)
	if err != nil || !ok || !w.r.Router.Local(contact) || contact.Local() == "" {
		return ok, err
	}
	item, err := w.r.Item(ctx, w.tx, contact, user)
	if err != nil || !item.Listed {
		return ok, err
	}
	item.State |= Approved
	return ok, w.r.save(ctx, w.tx, contact, &item, true)
}

// full reports that the contact would be one too many for the account.
func (w *work) full(ctx context.Context, account jid.JID, contact Item) (bool, error) {
	if contact.Listed {
		return false, nil
	}
	listed, _, err := w.r.count(ctx, w.tx, account)
	return listed >= w.r.c.MaxItems, err
}

// Befriend makes two local accounts each other's contacts with a subscription both ways, in the caller's transaction; the pushes
// (RFC 6121 §2.1.6) and presences follow the commit. An inviter whose roster is full gets no contact more; that is no error.
func (r *Roster) Befriend(ctx context.Context, tx *store.Tx, inviter, newcomer jid.JID) error {
	w := r.begin(ctx, tx)
	for _, p := range [][2]jid.JID{{inviter, newcomer}, {newcomer, inviter}} {
		was, err := r.Item(ctx, tx, p[0], p[1])
		if err != nil {
			return fmt.Errorf("roster: making a contact: %w", err)
		}
		if full, err := w.full(ctx, p[0], was); err != nil || full {
			return err
		}
		now := was
		now.State, now.Listed = To|From, true
		if err := w.keep(ctx, p[0], was, &now); err != nil {
			return fmt.Errorf("roster: making a contact: %w", err)
		}
		w.push(p[0], was, now)
	}
	w.then(func(ctx context.Context) {
		r.sharer.Show(ctx, inviter, newcomer)
		r.sharer.Show(ctx, newcomer, inviter)
	})
	return nil
}
