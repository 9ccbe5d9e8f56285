package standing

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"writ/desk/law"
	"writ/desk/registry"
	"writ/store"
)

// drafters may draft and discard; signers are the roles whose signature counts.
var drafters = []registry.Role{registry.Counsel, registry.Rights, registry.Executive}

func may(ctx context.Context, rd store.Reader, by string, roles []registry.Role, now time.Time) error {
	p, err := registry.GetPerson(ctx, rd, by)
	if err != nil {
		return law.Refuse("state.role", by)
	}
	if !p.Active(now) {
		return law.Refuse("auth.suspended", by)
	}
	if !slices.ContainsFunc(roles, p.Has) {
		return law.Refuse("state.role", by)
	}
	return nil
}

// check normalises a draft, or says which field is wrong.
func (r *Record) check(now time.Time) error {
	if r.Stage.rank() < 0 {
		return law.Refuse("form.unknown", "stage: open, production_paused, review_paused or refused")
	}
	for i, j := range r.Scope.Jurisdictions {
		c, ok := law.Jurisdiction(j)
		if !ok {
			return law.Refuse("form.unknown", fmt.Sprintf("jurisdiction %q: ISO 3166-1 alpha-2 or 3166-2", j))
		}
		r.Scope.Jurisdictions[i] = c
	}
	for _, i := range r.Scope.Instruments {
		if !law.Instrument(i).Known() {
			return law.Refuse("form.unknown", "instrument "+i)
		}
	}
	if r.From.IsZero() {
		r.From = now
	}
	if y := r.From.Year(); y < 2000 || y > 9000 {
		return law.Refuse("form.bad_time", "from: a year from 2000 on")
	}
	if r.Review.IsZero() {
		r.Review = r.From.Add(MaxReview)
	}
	if !r.Review.After(r.From) || r.Review.After(r.From.Add(MaxReview)) {
		return law.Refuse("form.bad_time", "review: within 90 days from the beginning")
	}
	if r.Statement = strings.TrimSpace(r.Statement); r.Statement == "" || len(r.Statement) > 8000 {
		return law.Refuse("form.required", "statement: 1 to 8000 bytes")
	}
	if r.Stage != Open && len(r.Resume) == 0 {
		return law.Refuse("form.required", "resume: at least one criterion that can be checked")
	}
	seen := map[string]bool{}
	for i, e := range r.Exceptions {
		if e.ID == "" {
			e.ID = fmt.Sprintf("e%d", i+1)
		}
		if seen[e.ID] || strings.TrimSpace(e.Text) == "" {
			return law.Refuse("form.required", "exception: an id of its own and a text")
		}
		for _, in := range e.Instruments {
			if !law.Instrument(in).Known() {
				return law.Refuse("form.unknown", "instrument "+in)
			}
		}
		seen[e.ID], r.Exceptions[i] = true, e
	}
	return nil
}

// eases reports whether next lets through what old held back: then the executive has to sign too.
func eases(old, next Record) bool {
	if next.Stage.rank() < old.Stage.rank() || next.Scope.NewOnly && !old.Scope.NewOnly || len(next.Exceptions) > len(old.Exceptions) {
		return true
	}
	covers := func(wide, narrow []string) bool {
		return len(wide) == 0 || len(narrow) > 0 && !slices.ContainsFunc(narrow, func(s string) bool { return !slices.Contains(wide, s) })
	}
	for _, e := range next.Exceptions {
		if !slices.ContainsFunc(old.Exceptions, func(o Exception) bool { return o.Text == e.Text && slices.Equal(o.Instruments, e.Instruments) }) {
			return true
		}
	}
	return !covers(next.Scope.Jurisdictions, old.Scope.Jurisdictions) || !covers(next.Scope.Services, old.Scope.Services) ||
		!covers(next.Scope.Agencies, old.Scope.Agencies) || !covers(next.Scope.Instruments, old.Scope.Instruments)
}

// Draft writes down a record to be signed. Replaces names the record in force that it follows.
func (b *Book) Draft(ctx context.Context, by string, r Record) (Record, error) {
	if err := r.check(b.clock.Now()); err != nil {
		return r, err
	}
	r.ID = registry.NewID("sd")
	err := b.db.Write(ctx, func(tx *store.Tx) error {
		now := b.clock.Now()
		if err := may(ctx, tx, by, drafters, now); err != nil {
			return err
		}
		r.Needs, r.Scope.Then = []string{string(registry.Counsel), string(registry.Rights)}, time.Time{} // nobody chooses it
		if r.Replaces != "" {
			old, err := get(ctx, tx, r.Replaces)
			if err != nil {
				return err
			}
			if old.InForce.IsZero() || !old.Ended.IsZero() {
				return law.Refuse("state.not_offered", "only a record in force is replaced")
			}
			if r.Scope.NewOnly && old.Scope.NewOnly {
				r.Scope.Then = old.Then().UTC()
			}
			if eases(old, r) {
				r.Needs = append(r.Needs, string(registry.Executive))
				if ok, err := b.active(ctx, tx, r.Assessment); err != nil || !ok {
					if err == nil {
						err = law.Refuse("form.required", "assessment: a standing is eased on a signed assessment only")
					}
					return err
				}
			}
		}
		r.DraftedBy, r.Created = by, now
		doc := r.Canonical()
		parsed, err := parse(string(doc))
		if err != nil {
			return err
		}
		r.Hash = parsed.Hash
		if _, err := tx.Exec(ctx, `INSERT INTO standing_record (id, document, hash, drafted_by, created) VALUES ($1, $2, $3, $4, $5)`,
			r.ID, string(doc), r.Hash[:], by, store.Time(now)); err != nil {
			return fmt.Errorf("standing: drafting: %w", err)
		}
		if _, err := tx.Exec(ctx, `INSERT INTO standing_state (record, replaces, stage, starts, review, in_force, ended, discarded, alarmed) VALUES ($1, $2, $3, $4, $5, 0, 0, 0, 0)`,
			r.ID, r.Replaces, string(r.Stage), store.Time(r.From), store.Time(r.Review)); err != nil {
			return fmt.Errorf("standing: drafting: %w", err)
		}
		return nil
	})
	return r, err
}

// Discard drops a draft that was not signed by all.
func (b *Book) Discard(ctx context.Context, by, id string) error {
	return b.db.Write(ctx, func(tx *store.Tx) error {
		now := b.clock.Now()
		if err := may(ctx, tx, by, drafters, now); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `UPDATE standing_state SET discarded = $2 WHERE record = $1 AND in_force = 0 AND discarded = 0`, id, store.Time(now))
		if err != nil {
			return fmt.Errorf("standing: discarding: %w", err)
		}
		if n == 0 {
			return law.Refuse("state.not_offered", "only a draft is discarded")
		}
		return nil
	})
}

// Sign adds a signature: a passkey assertion over the record's hash by a person who holds the role now. With the last one that is
// needed the record comes into force, and the one it replaces ends.
func (b *Book) Sign(ctx context.Context, by, id string, role registry.Role, assertion []byte) (Record, error) {
	var r Record
	err := b.db.Write(ctx, func(tx *store.Tx) error {
		now := b.clock.Now()
		var err error
		if r, err = get(ctx, tx, id); err != nil {
			return err
		}
		if err := r.signable(by, role); err != nil {
			return err
		}
		if err := may(ctx, tx, by, []registry.Role{role}, now); err != nil {
			return err
		}
		if err := b.keys.Verify(ctx, tx, by, r.Hash, assertion); err != nil {
			return law.Refuse("sign.invalid", err.Error())
		}
		if _, err := tx.Exec(ctx, `INSERT INTO standing_signature (record, role, person, assertion, at) VALUES ($1, $2, $3, $4, $5)`,
			id, string(role), by, assertion, store.Time(now)); err != nil {
			return fmt.Errorf("standing: signing: %w", err)
		}
		r.Signatures = append(r.Signatures, Signature{Person: by, Role: string(role), At: now})
		if len(r.Signatures) < len(r.Needs) {
			return nil
		}
		r.InForce = now
		return b.enforce(ctx, tx, r, now)
	})
	return r, err
}

// signable refuses a signature that is not needed, or by one who has signed.
func (r Record) signable(by string, role registry.Role) error {
	switch {
	case !r.InForce.IsZero() || !r.Discarded.IsZero():
		return law.Refuse("state.not_offered", "the record is no draft")
	case !slices.Contains(r.Needs, string(role)):
		return law.Refuse("state.role", "signatures needed: "+strings.Join(r.Needs, ", "))
	}
	for _, s := range r.Signatures {
		if s.Person == by {
			return law.Refuse("sign.same_person", "")
		}
		if s.Role == string(role) {
			return law.Refuse("state.not_offered", "signed as "+s.Role+" already")
		}
	}
	return nil
}

func (b *Book) enforce(ctx context.Context, tx *store.Tx, r Record, now time.Time) error {
	if _, err := tx.Exec(ctx, `UPDATE standing_state SET in_force = $2 WHERE record = $1`, r.ID, store.Time(now)); err != nil {
		return fmt.Errorf("standing: coming into force: %w", err)
	}
	if r.Replaces != "" {
		n, err := tx.Exec(ctx, `UPDATE standing_state SET ended = $2 WHERE record = $1 AND in_force <> 0 AND ended = 0`, r.Replaces, store.Time(r.Since()))
		if err != nil {
			return fmt.Errorf("standing: coming into force: %w", err)
		}
		if n == 0 {
			return law.Refuse("state.not_offered", "the record that this one replaces has ended")
		}
	}
	return b.force(ctx, tx, r)
}
