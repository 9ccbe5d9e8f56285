// Package report makes the transparency report: a pure function of published facts (verify.Count), which anyone can compute
// again from the file alone.
//
// At the cut-off of a period each counted case leaves one fact: a leaf of the log, whose salt is derived from the case's key. Facts
// of unsealed cases are published opened; sealed and statutory classes stay closed and appear only in their band.
//
// Invariants:
//   - Every number that is published is the count of opened facts whose leaves are in the log, or a legal band.
//   - No total includes a banded class, and the total that would is withheld (complementary suppression), so no difference between
//     cells, versions or periods narrows a band. Bands are fixed with the first version; a later version repeats them.
//   - A case that is unsealed later is counted in the period in which that happened, in a column of its own.
//   - All other counts are exact, also 0 and 1.
//   - A published version is never changed; a correction is a new version.
package report

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"writ/clock"
	"writ/config"
	"writ/obs"
	"writ/schedule"
	"writ/store"
	"writ/tlog"
	"writ/tlog/verify"

	"github.com/prometheus/client_golang/prometheus"
)

//go:embed schema
var schema embed.FS

// Schema is the room's tables.
func Schema() store.Schema { return store.Schema{Room: "report", FS: schema} }

// Data declares what the room keeps.
func Data() []schedule.Datum {
	return []schedule.Datum{{
		Name: "report-facts", Category: schedule.Impersonal, Tables: []string{"report_start", "report_closings", "report_facts", "report_published"},
		Fields:  []schedule.Field{{Name: "fact", Meaning: "What the report counts of a case: period, service, jurisdiction, instrument, number of accounts, outcome."}},
		Purpose: "So that the transparency report can be computed again.", Retention: schedule.Permanent, Process: schedule.Never,
		Never: "It is published, and names nobody.",
	}}
}

// Config of the report.
type Config struct {
	Delay config.Duration `toml:"delay" doc:"the cut-off is this long after a half-year's end: outcomes are reported as they stand then; default 30d"`
	Band  int             `toml:"band" doc:"width of the legal bands, 500 or 1000 (50 USC 1874(a)); never change it: two widths narrow each other; default 500"`
}

// WithDefaults fills what is zero.
func (c Config) WithDefaults() Config {
	if c.Delay == 0 {
		c.Delay = config.Duration(30 * 24 * time.Hour)
	}
	if c.Band == 0 {
		c.Band = 500
	}
	return c
}

// Check says what is wrong with a configuration, after defaults.
func (c Config) Check() error {
	c = c.WithDefaults()
	switch {
	case c.Delay < 0 || time.Duration(c.Delay) > 62*24*time.Hour:
		return errors.New("report: delay: from 0 to 62d (the European template is due two months after the period)")
	case c.Band != 500 && c.Band != 1000:
		return errors.New("report: band: 500 or 1000")
	}
	return nil
}

// Case is what the report needs to know of one request, as it stands at the cut-off. It holds no personal data.
type Case struct {
	ID           string // the desk's own id; it is not published
	Service      string // "chat", "facebook" …
	Jurisdiction string // ISO 3166-1 alpha-2; HK is its own
	Instrument   string // code of the policy table
	Class        Class
	Received     time.Time
	Accounts     int // accounts that the request names
	Emergency    bool
	Preservation bool
	Paused       bool // a standing held it at the cut-off
	Disposition  Disposition
	Reason       string   // code of the refusal, if refused
	Intake       [32]byte // the intake leaf
	TagSalt      [32]byte // for the tag; the requester's receipt holds it
	FactKey      [32]byte // salts of the case's facts are derived from it; derived itself from the case's key
	Erased       bool     // the case's key is gone: Intake and the salts are empty, and its fact gets a tag that nobody can find
}

// Class says whether a fact may be published opened.
type Class string

// The classes.
const (
	Open         Class = ""              // published opened and exact
	Sealed       Class = "sealed"        // under a seal or a non-disclosure order in force at the cut-off
	NSL          Class = "nsl"           // national security letter
	FISAContents Class = "fisa-contents" // order or directive under FISA for contents
	FISAOthers   Class = "fisa-others"   // order under FISA for non-contents
)

// Disposition is the outcome that the report counts.
type Disposition string

// The dispositions.
const (
	Pending   Disposition = "pending"       // not decided at the cut-off, a pause included
	Produced  Disposition = verify.Produced // some data was delivered
	NoRecords Disposition = "none-held"     // nothing in scope was held
	Refused   Disposition = verify.Refused  // with a reason
	Objected  Disposition = "objected"      // legal push-back, not answered at the cut-off
	Withdrawn Disposition = "withdrawn"     // by the requester
	Fraud     Disposition = "fraud"         // found to be forged
	Preserved Disposition = "preserved"     // a preservation that was put in place
)

// Source is where cases come from: the desk's events.
type Source interface {
	// Received gives every matter received in [from, to), as it stands at cutoff.
	Received(ctx context.Context, from, to, cutoff time.Time) ([]Case, error)
	// Unsealed gives the matters received before from whose seal ended in [from, to). A matter may come that was never closed in a
	// report: it is counted once all the same.
	Unsealed(ctx context.Context, from, to, cutoff time.Time) ([]Case, error)
}

// Signer signs a text as a note; tlog.Key is one.
type Signer interface {
	Sign(text string) ([]byte, error)
}

// Deps is what a report room is made of.
type Deps struct {
	DB       *store.DB
	Clock    clock.Clock
	Log      *slog.Logger
	Metrics  *obs.Metrics
	Tlog     *tlog.Log
	Source   Source
	Signer   Signer
	House    string   // name of the provider
	Services []string // every service of it, also one that nothing is asked of
	Config   Config
}

// Reports closes periods and publishes their reports. Its methods are safe for concurrent use.
type Reports struct {
	d      Deps
	failed prometheus.Counter
}

// New makes the room. The schema must have been migrated.
func New(d Deps) (*Reports, error) {
	d.Config = d.Config.WithDefaults()
	if err := d.Config.Check(); err != nil {
		return nil, err
	}
	if d.DB == nil || d.Clock == nil || d.Tlog == nil || d.Source == nil || d.Signer == nil {
		return nil, errors.New("report: database, clock, log, source and signer are needed")
	}
	d.Log = d.Log.With("room", "report")
	return &Reports{d: d, failed: d.Metrics.Counter("report", "failed_total", "turns of the report that failed")}, nil
}

// Errors that callers tell apart.
var (
	ErrNotDue    = errors.New("report: the period's cut-off has not come")
	ErrClosed    = errors.New("report: the period is closed; what changed since is a correction")
	ErrNotClosed = errors.New("report: the period is not closed")
	ErrNotLogged = errors.New("report: the facts are not in the published log yet")
	ErrNone      = errors.New("report: no such report")
)

// Period is a half-year: "2020-H1" is January to June 2020 (UTC).
type Period string

// PeriodOf is the period that t lies in.
func PeriodOf(t time.Time) Period {
	t = t.UTC()
	return Period(fmt.Sprintf("%04d-H%d", t.Year(), (int(t.Month())+5)/6))
}

// Span gives a period's first moment and the first moment after it.
func (p Period) Span() (from, to time.Time, err error) {
	var year, half int
	if n, err := fmt.Sscanf(string(p), "%4d-H%1d", &year, &half); n != 2 || err != nil || half < 1 || half > 2 {
		return from, to, fmt.Errorf("report: %q is no period: give a year and a half, such as 2020-H1", string(p))
	}
	from = time.Date(year, time.Month(6*half-5), 1, 0, 0, 0, 0, time.UTC)
	if PeriodOf(from) != p {
		return from, to, fmt.Errorf("report: %q is no period: give a year and a half, such as 2020-H1", string(p))
	}
	return from, from.AddDate(0, 6, 0), nil
}

// next is the period after p.
func (p Period) next() Period {
	_, to, err := p.Span()
	if err != nil {
		return p
	}
	return PeriodOf(to)
}
