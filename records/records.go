// Package records keeps the little that the server records about people, and is the boundary that only an approved extraction
// opens.
//
// Invariants:
//   - The recorder is handed metadata, never a body: its types have no field that could hold one.
//   - No look-up without a grant: an Export needs a *Opened, whose fields are unexported. Only Gate.Extract makes one, after it has
//     checked in the database that two distinct people signed exactly this scope, that it has not expired and that the standing
//     allows it; and Keeper.Own, for the person's own records.
//   - What is past its retention, or belongs to an erased account, is deleted by the next sweep and gone from the files within
//     24 hours, except what a preservation (Gate.Hold) names, until that ends.
//   - An account that does not exist and one without records give the same answer.
//
// Three handles divide the powers, so that none can do what its holder must not: Recorder writes (for the chat), Gate holds and
// extracts by grant (for the desk), Keeper sweeps, erases and answers the person (for the house). The desk is never handed a Keeper.
package records

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"writ/clock"
	"writ/config"
	"writ/obs"
	"writ/schedule"
	"writ/store"
)

//go:embed schema
var schemas embed.FS

// Schemas are the tables of this package: records_* hold metadata about people; gate_* hold preservation and grants, and are the
// ones that the desk's handle may reach (store.DB.Scoped), since it places holds and signs grants in its own transactions.
func Schemas() []store.Schema {
	var out []store.Schema
	for _, room := range []string{"records", "gate"} {
		sub, err := fs.Sub(schemas, "schema/"+room)
		if err != nil {
			panic("records: embedded schema: " + err.Error())
		}
		out = append(out, store.Schema{Room: room, FS: sub})
	}
	return out
}

// Config are the retention settings, the pace of deletion and the source of locations.
type Config struct {
	Archive  config.Duration `toml:"archive" doc:"how long encrypted messages and what the archive says of them are kept; 0: no archive"`
	Offline  config.Duration `toml:"offline" doc:"how long a message waits for a recipient who does not come online; at least 1d, since a message that was accepted must not vanish at once"`
	SignIns  config.Duration `toml:"sign_ins" doc:"how long sign-ins (time, IP address, app) are kept; 0: not recorded"`
	Calls    config.Duration `toml:"calls" doc:"how long the log of calls is kept; 0: not recorded"`
	Cases    config.Duration `toml:"cases" doc:"how long grants and holds of closed cases are kept"`
	Sweep    config.Duration `toml:"sweep" doc:"how often rows past their term are deleted, at most 2h"`
	Scrub    config.Duration `toml:"scrub" doc:"how often at most deleted rows are removed from the database files, at most 24h less twice the sweep"`
	Location string          `toml:"location" doc:"file (.mmdb) to look IP addresses up in; empty: no location is derived"`
}

// Defaults are the settings of a house that says nothing.
func Defaults() Config {
	const day = config.Duration(24 * time.Hour)
	return Config{Archive: 7 * day, Offline: 30 * day, SignIns: 90 * day, Calls: 90 * day, Cases: 730 * day,
		Sweep: config.Duration(time.Hour), Scrub: config.Duration(20 * time.Hour)}
}

// Check refuses a term below zero and a pace that would break the 24 hours.
func (c Config) Check() error {
	for key, d := range map[string]config.Duration{"archive": c.Archive, "sign_ins": c.SignIns, "calls": c.Calls, "cases": c.Cases} {
		if d < 0 {
			return config.Invalid(key, d, "0 (not recorded) or a time such as 90d")
		}
	}
	if c.Offline < config.Duration(24*time.Hour) {
		return config.Invalid("offline", c.Offline, "1d or more")
	}
	if c.Cases < config.Duration(MaxGrant) {
		return config.Invalid("cases", c.Cases, "30d or more: a grant may live that long")
	}
	if s := c.Sweep.Std(); s < time.Minute || s > 2*time.Hour {
		return config.Invalid("sweep", c.Sweep, "1m to 2h")
	}
	// A row is swept at most one sweep after its term; a scrub comes with the first sweep after its pace has run out.
	if s := c.Scrub.Std(); s < time.Hour || s+2*c.Sweep.Std() > 24*time.Hour {
		return config.Invalid("scrub", c.Scrub, "1h to 24h less twice the sweep: deleted rows must be gone from the files within 24 hours")
	}
	return nil
}

// Terms are the retention settings by the keys that Datum.Retention uses: archive, offline, sign-ins, calls, cases.
func (c Config) Terms() schedule.Terms {
	return schedule.Terms{"archive": c.Archive.Std(), "offline": c.Offline.Std(), "sign-ins": c.SignIns.Std(), "calls": c.Calls.Std(), "cases": c.Cases.Std()}
}

// Deps is what the package is made of.
type Deps struct {
	DB       *store.DB // of the whole house, not scoped: the sweeper and the exports reach every room's tables
	Clock    clock.Clock
	Log      *slog.Logger
	Config   Config
	Verifier Verifier
	Standing Standing
	Metrics  *obs.Metrics // nil: none

	// Living says whether an account is there. A sign-in or last-seen that comes after the account's erasure, as a session's end does,
	// is then not written down: nothing would ever erase it. Nil: every account is.
	Living func(ctx context.Context, r store.Reader, account string) (bool, error)
}

// Records is the package as the house builds it. The handles may be given away at once; the schedule is fixed by Declare, and
// before that nothing can be extracted.
type Records struct {
	Recorder *Recorder
	Gate     *Gate
	Keeper   *Keeper

	db       *store.DB
	clock    clock.Clock
	log      *slog.Logger
	config   Config
	verifier Verifier
	standing Standing
	places   *Places
	m        meters
	declared atomic.Pointer[declared]

	preserving sync.Mutex // one copy at a time
}

type declared struct {
	schedule schedule.Schedule
	data     []Datum // in the schedule's order
}

// Gate holds and extracts by grant. It is what the desk gets.
type Gate struct{ r *Records }

// New opens the location file if one is named and makes the handles.
func New(d Deps) (*Records, error) {
	if d.DB == nil || d.Clock == nil || d.Log == nil || d.Verifier == nil || d.Standing == nil {
		return nil, errors.New("records: a database, a clock, a logger, a verifier and a standing are needed")
	}
	if err := d.Config.Check(); err != nil {
		return nil, err
	}
	r := &Records{db: d.DB, clock: d.Clock, log: d.Log.With("room", "records"), config: d.Config, verifier: d.Verifier, standing: d.Standing,
		m: newMeters(d.Metrics)}
	if d.Config.Location != "" {
		var err error
		if r.places, err = OpenPlaces(d.Config.Location); err != nil {
			return nil, err
		}
	}
	r.Recorder, r.Gate, r.Keeper = &Recorder{config: d.Config, living: d.Living}, &Gate{r: r}, &Keeper{r: r}
	return r, nil
}

// Declare collects the record schedule from the rooms and from this package. It is called once, before the house opens. It reports
// every fault: a room with tables and no data, a datum that is wrong, a table outside the room's prefix, rows with a term that
// nobody sweeps.
func (r *Records) Declare(rooms ...Room) error {
	rooms = append(rooms, Room{Name: "records", Tables: true, Data: r.own()}, Room{Name: "gate", Tables: true, Data: r.gateData()})
	var errs []error
	var all []Datum
	byName := map[string]Datum{}
	swept := map[string]bool{}
	for _, room := range rooms {
		name := room.Name[strings.LastIndexByte(room.Name, '/')+1:]
		if room.Tables && len(room.Data) == 0 {
			errs = append(errs, fmt.Errorf("records: room %s has tables and declares no data", room.Name))
		}
		for _, d := range room.Data {
			errs = append(errs, d.check())
			for _, t := range d.Tables {
				if t != name && !strings.HasPrefix(t, name+"_") {
					errs = append(errs, fmt.Errorf("records: datum %q names the table %s, which is not of room %s", d.Name, t, name))
				}
				swept[t] = swept[t] || d.Sweep != nil
			}
			all = append(all, d)
			byName[d.Name] = d
		}
	}
	words := make([]schedule.Datum, len(all))
	for i, d := range all {
		words[i] = d.Datum
		if d.Retention == schedule.Account || d.Retention == schedule.Permanent {
			continue
		}
		for _, t := range d.Tables {
			if !swept[t] {
				errs = append(errs, fmt.Errorf("records: datum %q: rows of %s have a term and nobody sweeps them", d.Name, t))
			}
		}
	}
	s, err := schedule.Collect(words, r.config.Terms())
	if err := errors.Join(append(errs, err)...); err != nil {
		return err
	}
	out := &declared{schedule: s}
	for _, d := range s.Data() {
		out.data = append(out.data, byName[d.Name])
	}
	r.declared.Store(out)
	return nil
}

// Check compares the migrated database with the schedule: a table that no datum names stops the start. It notes the version of the
// schedule if it is new.
func (r *Records) Check(ctx context.Context) error {
	tables, err := r.db.Tables(ctx)
	if err != nil {
		return err
	}
	named := r.Schedule().Tables()
	have := map[string]bool{}
	var errs []error
	for _, t := range tables {
		have[t] = true
		if !named[t] && !strings.HasPrefix(t, "store_") {
			errs = append(errs, fmt.Errorf("records: the table %s is declared by no datum", t))
		}
	}
	for t := range named {
		if !have[t] {
			errs = append(errs, fmt.Errorf("records: the declared table %s does not exist", t))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	s := r.Schedule()
	return r.db.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO records_schedule (version, first, body) VALUES ($1, $2, $3) ON CONFLICT (version) DO NOTHING`,
			s.Version(), store.Time(r.clock.Now()), string(s.Canonical()))
		return err
	})
}

// Schedule is the record schedule; empty before Declare.
func (r *Records) Schedule() schedule.Schedule {
	if d := r.declared.Load(); d != nil {
		return d.schedule
	}
	return schedule.Schedule{}
}

func (r *Records) data() []Datum {
	if d := r.declared.Load(); d != nil {
		return d.data
	}
	return nil
}

// meters are what an operator watches: that deletion happens, and how often the gate is tried.
type meters struct {
	swept, failures prometheus.Counter
	scrubbed        prometheus.Gauge
	extractions     *prometheus.CounterVec
}

func newMeters(m *obs.Metrics) meters {
	return meters{
		swept:       m.Counter("records", "swept_rows_total", "Rows deleted past their term."),
		failures:    m.Counter("records", "sweep_failures_total", "Sweeps that failed."),
		scrubbed:    m.Gauge("records", "scrubbed_timestamp_seconds", "When deleted rows were last removed from the files."),
		extractions: m.Counters("records", "extractions_total", "Extractions by result: done, refused by the gate, failed.", "result"),
	}
}

// newID is a random id, 26 characters.
func newID() string { return strings.ToLower(rand.Text()) }
