package report

import (
	"context"
	"errors"
	"fmt"
	"time"

	"writ/store"
)

// closing is one version of a period, as it was fixed.
type closing struct {
	period  Period
	version int
	cutoff  time.Time
	reason  string
	bands   string // JSON
}

// lastClosing gives the newest closing of a period; version 0 if there is none.
func lastClosing(ctx context.Context, r store.Reader, p Period) (closing, error) {
	c := closing{period: p}
	var cutoff int64
	err := r.QueryRow(ctx, `SELECT version, cutoff, reason, bands FROM report_closings WHERE period = $1 ORDER BY version DESC LIMIT 1`, string(p)).
		Scan(&c.version, &cutoff, &c.reason, &c.bands)
	if errors.Is(err, store.ErrNoRows) {
		return closing{period: p}, nil
	}
	if err != nil {
		return closing{}, fmt.Errorf("report: reading closings: %w", err)
	}
	c.cutoff = store.FromTime(cutoff)
	return c, nil
}

// factsOf gives the facts that count in a version: of each case its newest up to then.
func factsOf(ctx context.Context, r store.Reader, p Period, version int) ([]fact, error) {
	rows, err := r.Query(ctx, `SELECT leaf, version, case_id, opened, text, salt FROM report_facts WHERE period = $1 AND version <= $2 ORDER BY case_id, version`, string(p), version)
	if err != nil {
		return nil, fmt.Errorf("report: reading facts: %w", err)
	}
	defer rows.Close()
	var all []fact
	for rows.Next() {
		var f fact
		var leaf, salt []byte
		var opened int
		if err := rows.Scan(&leaf, &f.version, &f.caseID, &opened, &f.text, &salt); err != nil {
			return nil, fmt.Errorf("report: reading facts: %w", err)
		}
		f.opened = opened == 1
		if len(leaf) != 32 || f.opened && len(salt) != 32 {
			return nil, errors.New("report: a fact's row is damaged")
		}
		f.leaf = [32]byte(leaf)
		copy(f.salt[:], salt)
		if n := len(all); n > 0 && all[n-1].caseID == f.caseID {
			all[n-1] = f
			continue
		}
		all = append(all, f)
	}
	return all, rows.Err()
}
