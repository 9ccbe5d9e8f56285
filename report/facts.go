package report

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"writ/store"
	"writ/tlog/verify"
)

// fact is a case as one version of a period's report counts it.
type fact struct {
	leaf    [32]byte
	caseID  string
	opened  bool
	version int
	text    string
	salt    [32]byte
	late    bool // a late disclosure
}

// newFact makes the fact of a case for a report. disclosed is the period of a late disclosure, else empty.
func newFact(c Case, p, disclosed Period, version int) (fact, error) {
	if c.Erased { // two erased cases must not share a tag
		rand.Read(c.Intake[:])
		rand.Read(c.FactKey[:])
	}
	tag := verify.Tag(c.Intake, c.TagSalt)
	reason := ""
	if c.Disposition == Refused {
		reason = c.Reason
	}
	text, err := verify.FactText(verify.Fact{Period: string(p), Service: c.Service, Jurisdiction: c.Jurisdiction, Instrument: c.Instrument, Accounts: c.Accounts,
		Emergency: c.Emergency, Preservation: c.Preservation, Paused: c.Paused, Disposition: string(c.Disposition), Reason: reason,
		Disclosed: string(disclosed), Version: version, Tag: hex.EncodeToString(tag[:])})
	if err != nil {
		return fact{}, err
	}
	mac := hmac.New(sha256.New, c.FactKey[:])
	mac.Write([]byte("writ report fact\x00" + string(p) + "\x00" + string(disclosed) + "\x00" + strconv.Itoa(version)))
	f := fact{caseID: c.ID, opened: c.Class == Open, late: disclosed != "", version: version, text: text, salt: [32]byte(mac.Sum(nil))}
	f.leaf = verify.Commit(f.salt, []byte(f.text))
	return f, nil
}

// Close fixes the facts of a period: what was received in it, as it stands at the cut-off, and what of earlier periods was unsealed
// in it. Facts, their leaves and the closing are one transaction.
func (r *Reports) Close(ctx context.Context, p Period) error {
	from, to, err := p.Span()
	if err != nil {
		return err
	}
	now := r.d.Clock.Now()
	cutoff := to.Add(time.Duration(r.d.Config.Delay))
	if now.Before(cutoff) {
		return fmt.Errorf("%w: %s is closed on %s", ErrNotDue, p, cutoff.Format(time.RFC3339))
	}
	cases, err := r.d.Source.Received(ctx, from, to, cutoff)
	if err != nil {
		return fmt.Errorf("report: closing %s: %w", p, err)
	}
	late, err := r.d.Source.Unsealed(ctx, from, to, cutoff)
	if err != nil {
		return fmt.Errorf("report: closing %s: %w", p, err)
	}
	bands, err := json.Marshal(bandsOf(cases, r.d.Config.Band))
	if err != nil {
		return fmt.Errorf("report: closing %s: %w", p, err)
	}
	facts, err := firstFacts(p, cases, late) // late disclosures that were opened already are taken out in the transaction
	if err != nil {
		return fmt.Errorf("report: closing %s: %w", p, err)
	}
	err = r.d.DB.Write(ctx, func(tx *store.Tx) error {
		last, err := lastClosing(ctx, tx, p)
		if err == nil && last.version > 0 {
			err = ErrClosed
		}
		if err != nil {
			return err
		}
		fresh, err := unopened(ctx, tx, p, facts)
		if err != nil {
			return err
		}
		return r.keep(ctx, tx, closing{period: p, version: 1, cutoff: cutoff, bands: string(bands)}, fresh)
	})
	if err != nil {
		return fmt.Errorf("report: closing %s: %w", p, err)
	}
	r.d.Log.Info("period closed", "period", p, "version", 1)
	return nil
}

func firstFacts(p Period, cases, late []Case) ([]fact, error) {
	var facts []fact
	for _, c := range cases {
		f, err := newFact(c, p, "", 1)
		if err != nil {
			return nil, err
		}
		facts = append(facts, f)
	}
	for _, c := range late {
		if c.Class != Open { // sealed again, or of a class that stays in its band
			continue
		}
		f, err := newFact(c, PeriodOf(c.Received), p, 1)
		if err != nil {
			return nil, err
		}
		facts = append(facts, f)
	}
	return facts, nil
}

// unopened leaves out late disclosures of cases that an earlier report has opened: their seal ended before its cut-off, or began
// after it, or ended twice.
func unopened(ctx context.Context, r store.Reader, p Period, facts []fact) ([]fact, error) {
	var fresh []fact
	for _, f := range facts {
		if f.late {
			var n int
			err := r.QueryRow(ctx, `SELECT count(*) FROM report_facts WHERE case_id = $1 AND period <> $2 AND opened = 1`, f.caseID, string(p)).Scan(&n)
			if err != nil {
				return nil, err
			}
			if n > 0 {
				continue
			}
		}
		fresh = append(fresh, f)
	}
	return fresh, nil
}

// keep writes a closing, its new facts and their leaves.
func (r *Reports) keep(ctx context.Context, tx *store.Tx, c closing, facts []fact) error {
	_, err := tx.Exec(ctx, `INSERT INTO report_closings (period, version, cutoff, closed, reason, bands) VALUES ($1, $2, $3, $4, $5, $6)`,
		string(c.period), c.version, store.Time(c.cutoff), store.Time(r.d.Clock.Now()), c.reason, c.bands)
	if err != nil {
		return err
	}
	for _, f := range facts {
		add, opened, text, salt := r.d.Tlog.Append, 0, "", []byte{}
		if f.opened { // a closed fact keeps neither text nor salt
			add, opened, text, salt = r.d.Tlog.AppendOpen, 1, f.text, f.salt[:]
		}
		if _, err := add(ctx, tx, f.leaf); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO report_facts (leaf, period, version, case_id, opened, text, salt) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			f.leaf[:], string(c.period), c.version, f.caseID, opened, text, salt); err != nil {
			return err
		}
	}
	return nil
}

// Correct makes a new version of a period's report from the cases as they stand now. Opened facts that are unchanged keep their
// leaf; one that changed is replaced. A case that was sealed at the first cut-off stays closed here: once unsealed it is counted
// late, in the period of that moment. reason is published.
func (r *Reports) Correct(ctx context.Context, p Period, reason string) error {
	if reason == "" {
		return errors.New("report: a correction needs a reason; it is published")
	}
	now := r.d.Clock.Now()
	cases, err := r.casesAt(ctx, p, now)
	if err != nil {
		return err
	}
	version := 0
	err = r.d.DB.Write(ctx, func(tx *store.Tx) error {
		last, changed, err := changesOf(ctx, tx, p, cases)
		if err != nil {
			return err
		}
		version = last.version + 1
		var facts []fact
		for _, c := range changed {
			facts = append(facts, c.now)
		}
		return r.keep(ctx, tx, closing{period: p, version: version, cutoff: now, reason: reason, bands: last.bands}, facts)
	})
	if err != nil {
		return fmt.Errorf("report: correcting %s: %w", p, err)
	}
	r.d.Log.Info("period corrected", "period", p, "version", version)
	return nil
}

// Change is a fact that a correction would replace.
type Change struct{ Was, Now verify.Fact }

// Changes says what Correct would change now, and changes nothing.
func (r *Reports) Changes(ctx context.Context, p Period) ([]Change, error) {
	cases, err := r.casesAt(ctx, p, r.d.Clock.Now())
	if err != nil {
		return nil, err
	}
	_, changed, err := changesOf(ctx, r.d.DB, p, cases)
	if err != nil {
		return nil, fmt.Errorf("report: comparing %s: %w", p, err)
	}
	var all []Change
	for _, c := range changed {
		was, err := verify.ParseFact(c.was.text)
		if err != nil {
			return nil, fmt.Errorf("report: comparing %s: %w", p, err)
		}
		now, err := verify.ParseFact(c.now.text)
		if err != nil {
			return nil, fmt.Errorf("report: comparing %s: %w", p, err)
		}
		all = append(all, Change{was, now})
	}
	return all, nil
}

func (r *Reports) casesAt(ctx context.Context, p Period, at time.Time) ([]Case, error) {
	from, to, err := p.Span()
	if err != nil {
		return nil, err
	}
	cases, err := r.d.Source.Received(ctx, from, to, at)
	if err != nil {
		return nil, fmt.Errorf("report: reading the cases of %s: %w", p, err)
	}
	return cases, nil
}

// changesOf gives the last closing of a period, and the opened facts of it that the cases now say otherwise.
func changesOf(ctx context.Context, r store.Reader, p Period, cases []Case) (closing, []changedFact, error) {
	last, err := lastClosing(ctx, r, p)
	if err != nil {
		return last, nil, err
	}
	if last.version == 0 {
		return last, nil, ErrNotClosed
	}
	old, err := factsOf(ctx, r, p, last.version)
	if err != nil {
		return last, nil, err
	}
	changed, err := changedFacts(p, last.version+1, cases, old)
	return last, changed, err
}

type changedFact struct{ was, now fact }

// changedFacts are the opened facts of old that the cases now say otherwise.
func changedFacts(p Period, version int, cases []Case, old []fact) ([]changedFact, error) {
	byCase := map[string]fact{}
	for _, f := range old {
		byCase[f.caseID] = f
	}
	var changed []changedFact
	for _, c := range cases {
		before, ok := byCase[c.ID]
		if !ok || !before.opened || c.Erased {
			continue
		}
		c.Class = Open // what was published opened stays so; a later seal takes nothing back
		same, err := newFact(c, p, "", before.version)
		if err != nil {
			return nil, err
		}
		if same.text == before.text {
			continue
		}
		f, err := newFact(c, p, "", version)
		if err != nil {
			return nil, err
		}
		changed = append(changed, changedFact{before, f})
	}
	return changed, nil
}
