package report

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"writ/clock"
	"writ/store"
	"writ/tlog"
	"writ/tlog/verify"
)

// Publish makes the published form of a period's newest version, once all its opened facts are in the published log (ErrNotLogged
// before). It does nothing if that version is published.
func (r *Reports) Publish(ctx context.Context, p Period) error {
	c, err := lastClosing(ctx, r.d.DB, p)
	if err != nil {
		return err
	}
	if c.version == 0 {
		return ErrNotClosed
	}
	var n int // the row itself may be large
	err = r.d.DB.QueryRow(ctx, `SELECT count(*) FROM report_published WHERE period = $1 AND version = $2`, string(p), c.version).Scan(&n)
	if err != nil || n > 0 {
		return err
	}
	doc, err := r.build(ctx, c)
	if err != nil {
		return fmt.Errorf("report: publishing %s: %w", p, err)
	}
	text, err := doc.Text()
	if err != nil {
		return fmt.Errorf("report: publishing %s: %w", p, err)
	}
	signed, err := r.d.Signer.Sign(text)
	if err != nil {
		return fmt.Errorf("report: signing %s: %w", p, err)
	}
	sig, err := verify.SignatureLines(text, signed)
	if err != nil {
		return fmt.Errorf("report: signing %s: %w", p, err)
	}
	err = r.d.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO report_published (period, version, at, json, csv, signature) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (period, version) DO NOTHING`,
			string(p), c.version, store.Time(r.d.Clock.Now()), text, string(doc.CSV()), string(sig))
		return err
	})
	if err != nil {
		return fmt.Errorf("report: publishing %s: %w", p, err)
	}
	r.d.Log.Info("report published", "period", p, "version", c.version)
	return nil
}

// build makes the document. It is a function of the closing, the opened facts and the log's head, and of nothing else.
func (r *Reports) build(ctx context.Context, c closing) (verify.Report, error) {
	from, to, err := c.period.Span()
	if err != nil {
		return verify.Report{}, err
	}
	d := verify.Report{Format: verify.ReportFormat, House: r.d.House, Log: r.d.Tlog.Origin(), Period: string(c.period), From: from, To: to, Cutoff: c.cutoff.UTC(),
		Version: c.version, Correction: c.reason, Services: r.d.Services, Definitions: definitions, Withheld: withheld, Facts: []verify.Opened{}}
	if err := json.Unmarshal([]byte(c.bands), &d.Bands); err != nil {
		return d, err
	}
	all, err := factsOf(ctx, r.d.DB, c.period, c.version)
	if err != nil {
		return d, err
	}
	head, err := r.d.Tlog.Checkpoint(ctx)
	if err != nil {
		return d, notLogged(err)
	}
	d.Checkpoint = string(head)
	var facts []verify.Fact
	for _, f := range all {
		if !f.opened {
			continue
		}
		proof, err := r.d.Tlog.Proof(ctx, f.leaf)
		if err != nil {
			return d, notLogged(err)
		}
		if string(proof.Checkpoint) != d.Checkpoint { // a batch was published meanwhile: the next turn begins again
			return d, ErrNotLogged
		}
		o := verify.Opened{Fact: f.text, Salt: f.salt[:], Index: proof.Index, Path: []string{}}
		for _, h := range proof.Path {
			o.Path = append(o.Path, base64.StdEncoding.EncodeToString(h[:]))
		}
		d.Facts = append(d.Facts, o)
		v, err := verify.ParseFact(f.text)
		if err != nil {
			return d, err
		}
		facts = append(facts, v)
	}
	slices.SortFunc(d.Facts, func(a, b verify.Opened) int { return cmp.Compare(a.Index, b.Index) })
	d.Rows = verify.Count(d.Period, d.Services, facts)
	return d, nil
}

func notLogged(err error) error {
	if errors.Is(err, tlog.ErrPending) {
		return ErrNotLogged
	}
	return err
}

// Published is one published version, byte for byte as it is served.
type Published struct {
	Period    Period
	Version   int
	At        time.Time
	JSON      []byte
	CSV       []byte
	Signature []byte // signature lines over JSON
}

// Report reads the document.
func (p Published) Report() (verify.Report, error) { return verify.ReadReport(p.JSON) }

const publishedColumns = `SELECT period, version, at, json, csv, signature FROM report_published `

// List gives the newest version of every published period, newest period first.
func (r *Reports) List(ctx context.Context) ([]Published, error) {
	return r.list(ctx, publishedColumns+`a WHERE version = (SELECT max(version) FROM report_published b WHERE b.period = a.period) ORDER BY period DESC`)
}

// Versions gives every version of a period, newest first.
func (r *Reports) Versions(ctx context.Context, p Period) ([]Published, error) {
	return r.list(ctx, publishedColumns+`WHERE period = $1 ORDER BY version DESC`, string(p))
}

// Latest gives the newest version of a period; ErrNone without one.
func (r *Reports) Latest(ctx context.Context, p Period) (Published, error) {
	return one(r.list(ctx, publishedColumns+`WHERE period = $1 ORDER BY version DESC LIMIT 1`, string(p)))
}

// Version gives one version of a period; ErrNone without it.
func (r *Reports) Version(ctx context.Context, p Period, version int) (Published, error) {
	return one(r.list(ctx, publishedColumns+`WHERE period = $1 AND version = $2`, string(p), version))
}

func one(all []Published, err error) (Published, error) {
	if err != nil {
		return Published{}, err
	}
	if len(all) == 0 {
		return Published{}, ErrNone
	}
	return all[0], nil
}

func (r *Reports) list(ctx context.Context, sql string, args ...any) ([]Published, error) {
	return store.List(ctx, r.d.DB, "report: reading reports", func(row store.Scanner) (p Published, err error) {
		var text, csv, sig string
		var at int64
		err = row.Scan(&p.Period, &p.Version, &at, &text, &csv, &sig)
		p.At, p.JSON, p.CSV, p.Signature = store.FromTime(at), []byte(text), []byte(csv), []byte(sig)
		return p, err
	}, sql, args...)
}

// Turn closes every period whose cut-off has passed and publishes what the log has come to hold. The first period is that in which
// the first turn was made.
func (r *Reports) Turn(ctx context.Context) error {
	first, err := r.first(ctx)
	if err != nil {
		return err
	}
	now := r.d.Clock.Now()
	var errs []error
	for p := first; ; p = p.next() {
		_, to, err := p.Span()
		if err != nil {
			return err
		}
		if now.Before(to.Add(time.Duration(r.d.Config.Delay))) {
			break
		}
		last, err := lastClosing(ctx, r.d.DB, p)
		if err == nil && last.version == 0 { // the cases of a closed period are not read again
			err = r.Close(ctx, p)
		}
		if err != nil && !errors.Is(err, ErrClosed) {
			errs = append(errs, err)
			continue
		}
		if err := r.Publish(ctx, p); err != nil && !errors.Is(err, ErrNotLogged) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// first is the period of the first turn.
func (r *Reports) first(ctx context.Context) (Period, error) {
	var at int64
	err := r.d.DB.QueryRow(ctx, `SELECT at FROM report_start WHERE id = 1`).Scan(&at)
	if errors.Is(err, store.ErrNoRows) {
		at = store.Time(r.d.Clock.Now())
		err = r.d.DB.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO report_start (id, at) VALUES (1, $1) ON CONFLICT (id) DO NOTHING`, at)
			return err
		})
	}
	if err != nil {
		return "", fmt.Errorf("report: the first period: %w", err)
	}
	return PeriodOf(store.FromTime(at)), nil
}

// Start makes a turn now and after each batch of the log, until stop is called or ctx ends. On a fake clock the later turns are
// made inside Advance. Start it after the log's publisher, so that a turn sees the batch of its tick.
func (r *Reports) Start(ctx context.Context) (stop func()) {
	return clock.Repeat(ctx, r.d.Clock, 0, func(ctx context.Context) time.Duration {
		if err := r.Turn(ctx); err != nil && ctx.Err() == nil {
			r.failed.Inc()
			r.d.Log.Error("the report's turn failed", "err", err)
		}
		return r.d.Tlog.Cadence()
	})
}
