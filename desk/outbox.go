package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"writ/desk/deadline"
	"writ/desk/law"
	"writ/desk/notice"
	"writ/desk/registry"
	"writ/store"
)

// The kinds of outbox items.
const (
	outWarn     = "warn"     // to a person, before delivery
	outNotice   = "notice"   // to a person, afterwards
	outStanding = "standing" // to the people of a jurisdiction
)

// outItem is one thing that has to be sent.
type outItem struct {
	id, kind, caseID, subject string
	body                      []byte
	due                       time.Time
	tries                     int
}

// letter is the sealed body of an item to a person.
type letter struct {
	Account, Subject, Body string
}

// takenFor is how long a sender has an item; when the house dies while sending, it is sent again after that, with the same id.
const takenFor = 5 * time.Minute

func enqueue(ctx context.Context, tx *store.Tx, o outItem) error {
	_, err := tx.Exec(ctx, `INSERT INTO desk_outbox (id, kind, case_id, subject, body, due, taken, tries, done) VALUES ($1, $2, $3, $4, $5, $6, 0, 0, 0) ON CONFLICT DO NOTHING`,
		o.id, o.kind, o.caseID, o.subject, o.body, store.Time(o.due))
	if err != nil {
		return fmt.Errorf("desk: queueing a message: %w", err)
	}
	return nil
}

// about is what a notice of the case speaks of.
func (t *turn) about() (notice.About, error) {
	a, err := registry.GetAgency(t.ctx, t.tx, t.c.Request.Agency)
	if err != nil {
		return notice.About{}, err
	}
	n := notice.About{Case: t.c.ID, Provider: t.d.d.Config.Provider, Agency: a.Name, Jurisdiction: law.JurisdictionName(a.Jurisdiction),
		Instrument: t.c.Request.Instrument.Title(), LegalBasis: t.c.Request.LegalBasis, Emergency: t.c.Emergency(), Delivered: t.c.Effect, Until: t.now.Add(notice.Lead)}
	if p := t.c.Proposal; p != nil {
		n.From, n.To = p.Scope.From, p.Scope.To
		for _, c := range p.Scope.Categories {
			n.Categories = append(n.Categories, c.Info().Title)
		}
	}
	return n, nil
}

// write queues a message to each account of the scope, sealed with the case's key.
func (t *turn) write(kind, subject, body string) error {
	for i, account := range t.c.Proposal.Scope.Identifiers {
		b, err := json.Marshal(letter{account, subject, body})
		if err != nil {
			return fmt.Errorf("desk: writing a notice: %w", err)
		}
		id := fmt.Sprintf("%s-%s-%d-%d", kind, t.c.ID, t.c.Seq, i)
		if err := enqueue(t.ctx, t.tx, outItem{id: id, kind: kind, caseID: t.c.ID, body: seal(t.key.derive("outbox"), id, b), due: t.now}); err != nil {
			return err
		}
	}
	return nil
}

// warnIfDue queues the message before delivery: when the scope is approved, or when a gag ends before anything was delivered.
func (t *turn) warnIfDue() error {
	if !slices.Contains(producing, t.c.State) || !t.c.Notice.Queued.IsZero() || !t.c.tellsFirst(t.now) || t.c.Proposal == nil || t.c.Frozen || t.c.Erased {
		return nil
	}
	a, err := t.about()
	if err != nil {
		return err
	}
	subject, body := notice.Before(a)
	if err := t.write(outWarn, subject, body); err != nil {
		return err
	}
	return t.system("queue_warning", Facts{}, nil)
}

// notifyIfDue moves a delivered case on: the person was told before, or is told now that nothing bars it.
func (t *turn) notifyIfDue() error {
	if t.c.State != Delivered || t.c.Erased {
		return nil
	}
	if !t.c.Notice.Warned.IsZero() {
		return t.system("told_before", Facts{}, nil)
	}
	if t.c.Gag.In(t.now) {
		return nil
	}
	a, err := t.about()
	if err != nil {
		return err
	}
	subject, body := notice.After(a)
	if err := t.write(outNotice, subject, body); err != nil {
		return err
	}
	return t.system("notice_falls_due", Facts{}, nil)
}

// send sends what is due: each item is taken and marked first, so that two nodes do not send it at once, and done only after it was sent.
func (d *Desk) send(ctx context.Context) error {
	for range 1000 {
		o, ok, err := d.take(ctx)
		if err != nil || !ok {
			return err
		}
		if err := d.deliver(ctx, o); err != nil {
			if ctx.Err() != nil {
				return err
			}
			d.log.Warn("a message could not be sent", "kind", o.kind, "tries", o.tries, "err", err)
			continue // it is taken again later
		}
	}
	return nil
}

func (d *Desk) take(ctx context.Context) (o outItem, ok bool, err error) {
	kinds := []any{}
	if d.d.Messenger != nil {
		kinds = append(kinds, outWarn, outNotice)
	}
	if d.d.Notifier != nil {
		kinds = append(kinds, outStanding)
	}
	if len(kinds) == 0 {
		return o, false, nil
	}
	now := d.d.Clock.Now()
	var n int
	if err := d.d.DB.QueryRow(ctx, `SELECT count(*) FROM desk_outbox WHERE done = 0 AND due <= $1 AND taken <= $1`, store.Time(now)).Scan(&n); err != nil || n == 0 {
		return o, false, err
	}
	err = d.write(ctx, func(tx *store.Tx) error {
		ok = false
		o = outItem{}
		err := tx.QueryRow(ctx, `SELECT id, kind, case_id, subject, body, tries FROM desk_outbox WHERE done = 0 AND due <= $1 AND taken <= $1 AND kind IN `+store.In(2, len(kinds))+` ORDER BY due, id LIMIT 1`,
			append([]any{store.Time(now)}, kinds...)...).Scan(&o.id, &o.kind, &o.caseID, &o.subject, &o.body, &o.tries)
		if errors.Is(err, store.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("desk: taking a message: %w", err)
		}
		wait := takenFor << min(o.tries, 8)
		k, err := tx.Exec(ctx, `UPDATE desk_outbox SET taken = $2, tries = tries + 1 WHERE id = $1 AND done = 0 AND taken <= $3`, o.id, store.Time(now.Add(wait)), store.Time(now))
		ok = k == 1
		if err != nil {
			return fmt.Errorf("desk: taking a message: %w", err)
		}
		return nil
	})
	return o, ok, err
}

// deliver sends one item and marks it, with the event that follows, in one transaction.
func (d *Desk) deliver(ctx context.Context, o outItem) error {
	if o.kind == outStanding {
		if err := d.d.Notifier.Announce(ctx, o.id, o.subject, string(o.body)); err != nil {
			return fmt.Errorf("desk: announcing a standing: %w", err)
		}
		return d.write(ctx, func(tx *store.Tx) error { return markDone(ctx, tx, o.id, d.d.Clock.Now()) })
	}
	c, k, _, err := d.load(ctx, d.d.DB, o.caseID)
	if err != nil {
		return err
	}
	send := !c.Erased && (o.kind == outNotice && c.State == NoticeDue || o.kind == outWarn && slices.Contains(producing, c.State))
	now := d.d.Clock.Now()
	if o.kind == outWarn && (c.State == Standstill || c.Frozen) || c.Gag.In(now) && send {
		return nil // later: nobody is told while nothing is given, or while an order bars it
	}
	if send {
		b, err := unseal(k.derive("outbox"), o.id, o.body)
		if err != nil {
			return fmt.Errorf("desk: message %s: %w", o.id, err)
		}
		var l letter
		if err := json.Unmarshal(b, &l); err != nil {
			return fmt.Errorf("desk: message %s: %w", o.id, err)
		}
		if err := d.d.Messenger.Send(ctx, o.id, l.Account, l.Subject, l.Body); err != nil {
			return fmt.Errorf("desk: sending a notice: %w", err)
		}
	}
	return d.turnSystem(ctx, o.caseID, func(t *turn) error {
		if err := markDone(ctx, t.tx, o.id, t.now); err != nil {
			return err
		}
		var left int
		if err := t.tx.QueryRow(ctx, `SELECT count(*) FROM desk_outbox WHERE case_id = $1 AND kind = $2 AND done = 0`, o.caseID, o.kind).Scan(&left); err != nil {
			return fmt.Errorf("desk: counting messages: %w", err)
		}
		if !send || left > 0 || t.c.Erased {
			return nil
		}
		switch {
		case o.kind == outWarn && t.c.Notice.Warned.IsZero() && find(t.c.State, "warn") != nil:
			until := t.now.Add(notice.Lead)
			return t.system("warn", Facts{Until: &until, Clocks: []Clock{{Name: deadline.Objection, Start: t.now, Due: until, NotBefore: true, Soft: true,
				Rule: "7 days in which the person can object: ours [" + deadline.Version + "]"}}}, nil)
		case o.kind == outNotice && t.c.State == NoticeDue:
			return t.system("notice_sent", Facts{}, nil)
		}
		return nil
	})
}

// markDone marks an item as sent and drops its text.
func markDone(ctx context.Context, tx *store.Tx, id string, now time.Time) error {
	if _, err := tx.Exec(ctx, `UPDATE desk_outbox SET done = $2, body = $3 WHERE id = $1`, id, store.Time(now), []byte{}); err != nil {
		return fmt.Errorf("desk: marking a message: %w", err)
	}
	return nil
}

// Object takes in a person's objection, before delivery. account is who wrote, as the chat authenticated them. Whoever was not told of
// the case gets ErrNotFound, whether or not it exists.
func (d *Desk) Object(ctx context.Context, account, caseID, words string) error {
	if err := checkText(words, true); err != nil {
		return err
	}
	return d.turnSystem(ctx, caseID, func(t *turn) error {
		p := t.c.Proposal
		if p == nil || t.c.Notice.Warned.IsZero() || !slices.Contains(p.Scope.Identifiers, account) {
			return ErrNotFound
		}
		if find(t.c.State, "user_objects") == nil {
			return refuse("notice.late", "")
		}
		return t.system("user_objects", Facts{}, text(words))
	})
}
