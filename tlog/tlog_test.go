package tlog_test

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"writ/clock"
	"writ/config"
	"writ/obs"
	"writ/store"
	"writ/store/storetest"
	"writ/tlog"
	"writ/tlog/verify"
)

const origin = "log.example/writ"

var start = time.Date(2020, 7, 1, 3, 0, 0, 0, time.UTC)

// house is a log on a database, with what a restart needs.
type house struct {
	t     *testing.T
	db    *store.DB
	clock *clock.Fake
	cfg   tlog.Config
	key   *tlog.Key
	log   *tlog.Log
	pub   *tlog.Publisher
}

func newHouse(t *testing.T, db *store.DB, change func(*tlog.Config)) *house {
	t.Helper()
	dir := t.TempDir()
	storetest.Migrate(t, db, tlog.Schema())
	key, err := tlog.LoadKey(filepath.Join(dir, "log.key"), origin)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, db: db, clock: clock.NewFake(start), key: key,
		cfg: newConfig(filepath.Join(dir, "log"))}
	if change != nil {
		change(&h.cfg)
	}
	h.restart()
	return h
}

func newConfig(dir string) tlog.Config {
	return tlog.Config{Origin: origin, Dir: dir, BatchSize: 8, Open: 4, Cadence: config.Duration(time.Hour), Promise: config.Duration(6 * time.Hour)}
}

// restart forgets all that is only in memory.
func (h *house) restart() {
	h.t.Helper()
	var err error
	if h.log, err = tlog.New(h.db, h.clock, h.cfg, h.key, obs.Discard(), nil); err != nil {
		h.t.Fatal(err)
	}
	h.pub = h.log.Publisher()
}

func commitment(n int) [32]byte {
	return sha256.Sum256(binary.BigEndian.AppendUint64([]byte("event"), uint64(n)))
}

func (h *house) append(n int) tlog.Entry {
	h.t.Helper()
	var e tlog.Entry
	err := h.db.Write(h.t.Context(), func(tx *store.Tx) (err error) {
		e, err = h.log.Append(h.t.Context(), tx, commitment(n))
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return e
}

func (h *house) turn() {
	h.t.Helper()
	if err := h.pub.Turn(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) hour() { h.clock.Advance(time.Hour) }

// sound asserts that rows, folder and heads agree.
func (h *house) sound() *tlog.Check {
	h.t.Helper()
	c, err := h.log.Fsck(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	for _, f := range c.Faults {
		h.t.Errorf("fsck: %s", f)
	}
	return c
}

func (h *house) head() verify.Checkpoint {
	h.t.Helper()
	signed, err := h.log.Checkpoint(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	key, err := verify.Key(h.log.VKey())
	if err != nil {
		h.t.Fatal(err)
	}
	c, err := verify.OpenCheckpoint(signed, key)
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

func TestACommitmentIsPromisedThenProved(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db, nil)
		ctx := t.Context()
		if _, err := h.log.Checkpoint(ctx); !errors.Is(err, tlog.ErrPending) {
			t.Errorf("a checkpoint before the first batch: %v", err)
		}
		h.turn()
		e := h.append(1)
		if e.By != start.Add(6*time.Hour) || e.Received != start {
			t.Errorf("entry %+v", e)
		}
		promise, err := h.log.Promise(e)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.log.Proof(ctx, commitment(1)); !errors.Is(err, tlog.ErrPending) {
			t.Errorf("a proof before the batch: %v", err)
		}
		if _, err := h.log.Proof(ctx, commitment(2)); !errors.Is(err, tlog.ErrUnknown) {
			t.Errorf("a proof of nothing: %v", err)
		}
		for range 3 {
			h.hour()
			h.turn()
		}
		p, err := h.log.Proof(ctx, commitment(1))
		if err != nil {
			t.Fatal(err)
		}
		res, err := verify.CheckReceipt(promise, p.Bytes(), h.log.VKey(), h.clock.Now())
		if err != nil || !res.OK() {
			t.Errorf("receipt: %+v, %v", res, err)
		}
		again, err := h.log.Entry(ctx, db, commitment(1))
		if err != nil || again != e {
			t.Errorf("the entry again: %+v, %v; want %+v", again, err, e)
		}
		if c := h.sound(); c.Leaves != 32 || c.Published != 32 || c.Entries != 1 {
			t.Errorf("check %+v", c)
		}
	})
}

func TestTheSameCommitmentTwiceIsRefused(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db, nil)
		h.append(1)
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := h.log.Append(t.Context(), tx, commitment(1))
			return err
		})
		if !store.IsConflict(err) {
			t.Errorf("got %v", err)
		}
		h.turn()
		h.sound()
	})
}

func TestACommitmentGoesWithItsTransaction(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db, nil)
		no := errors.New("no")
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			if _, err := h.log.Append(t.Context(), tx, commitment(1)); err != nil {
				return err
			}
			return no
		})
		if !errors.Is(err, no) {
			t.Fatal(err)
		}
		h.turn()
		if _, err := h.log.Proof(t.Context(), commitment(1)); !errors.Is(err, tlog.ErrUnknown) {
			t.Errorf("got %v", err)
		}
		if c := h.sound(); c.Entries != 0 || c.Leaves != 8 {
			t.Errorf("check %+v", c)
		}
	})
}

func TestBatchesFollowTheClockAlone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db, nil)
		for i := range 5 { // the second turn of an hour closes nothing
			h.turn()
			if i == 2 {
				h.append(1)
			}
			h.turn()
			h.hour()
		}
		h.clock.Advance(48 * time.Hour) // the house was down: one batch, not 48
		h.turn()
		h.clock.Advance(-50 * time.Hour) // the clock goes back: nothing
		h.turn()
		if c := h.sound(); c.Leaves != 6*8 {
			t.Errorf("%d leaves, want %d", c.Leaves, 6*8)
		}
	})
}

func TestOverflowWaitsAndTheAlarmRisesBeforeTheTime(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		m := obs.NewMetrics()
		h := newHouse(t, db, nil)
		var buf strings.Builder
		var err error
		if h.log, err = tlog.New(db, h.clock, h.cfg, h.key, obs.Logger(&buf, "info", false), m); err != nil {
			t.Fatal(err)
		}
		h.pub = h.log.Publisher()
		h.turn()
		var last tlog.Entry
		for n := range 30 { // 4 a batch: the last is in the 8th, two hours past its time
			last = h.append(n)
		}
		h.hour()
		h.turn()
		if !strings.Contains(buf.String(), "promised time") {
			t.Errorf("no alarm in the log: %q", buf.String())
		}
		if !h.clock.Now().Before(last.By) {
			t.Error("the alarm came after the promised time")
		}
		for range 7 {
			if c := h.sound(); c.Pending == 0 {
				t.Fatal("all is in the log too early")
			}
			h.hour()
			h.turn()
		}
		if c := h.sound(); c.Pending != 0 || c.Leaves != 9*8 {
			t.Errorf("check %+v", c)
		}
	})
}

// A full batch has the same number of opened leaves whatever else there is, so that a sealed one takes no opened one's place.
func TestAFullBatchTellsNothingOfTheOtherLane(t *testing.T) {
	t.Parallel()
	for _, sealed := range []int{0, 1, 9} {
		db := storetest.SQLite(t)
		h := newHouse(t, db, nil)
		for n := range sealed {
			h.append(1000 + n)
		}
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			for n := range 6 {
				if _, err := h.log.AppendOpen(t.Context(), tx, commitment(n)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for batch, want := range []int{4, 2} {
			h.turn()
			in := 0
			for n := range 6 {
				if p, err := h.log.Proof(t.Context(), commitment(n)); err == nil && p.Index/8 == int64(batch) {
					in++
				}
			}
			if in != want {
				t.Errorf("with %d sealed leaves batch %d has %d opened ones, want %d", sealed, batch, in, want)
			}
			h.hour()
		}
	}
}

// Places are drawn at random: over many batches each place holds the one real leaf about as often as another.
func TestAPlaceInABatchTellsNothing(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	h := newHouse(t, db, nil)
	var at [8]int
	const batches = 400
	for n := range batches {
		h.append(n)
		if _, err := h.log.CloseBatch(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.hour()
	}
	if err := h.pub.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	for n := range batches {
		p, err := h.log.Proof(t.Context(), commitment(n))
		if err != nil {
			t.Fatal(err)
		}
		at[p.Index%8]++
	}
	chi := 0.0
	for _, n := range at {
		d := float64(n) - batches/8.0
		chi += d * d / (batches / 8.0)
	}
	if chi > 40 { // 7 degrees of freedom: by chance once in 10^6
		t.Errorf("places %v: chi² %.1f", at, chi)
	}
	h.sound()
}

func TestRunWorksOnTheClock(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	h := newHouse(t, db, nil)
	ctx := t.Context()
	stop := h.pub.Start(ctx)
	if c := h.head(); c.Size != 8 {
		t.Errorf("%d leaves after the start, want 8", c.Size)
	}
	h.append(1)
	h.clock.Advance(2 * time.Hour)
	if c := h.head(); c.Size != 24 {
		t.Errorf("%d leaves after two hours, want 24", c.Size)
	}
	if _, err := h.log.Proof(ctx, commitment(1)); err != nil {
		t.Error(err)
	}
	stop()
	h.clock.Advance(2 * time.Hour)
	if c := h.head(); c.Size != 24 {
		t.Errorf("it went on after its end: %d leaves", c.Size)
	}
}

func TestTheKeyIsPrivate(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "data", "log.key")
	k, err := tlog.LoadKey(file, origin)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	again, err := tlog.LoadKey(file, "another.example/log")
	if err != nil || again.VKey() != k.VKey() {
		t.Errorf("a second start: %v, %v", again, err)
	}
	if strings.Contains(k.String(), "PRIVATE") {
		t.Error("the key prints itself")
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := tlog.LoadKey(file, origin); err == nil || !strings.Contains(err.Error(), "read by others") {
		t.Errorf("a readable key: %v", err)
	}
	for _, bad := range []string{"", "x\n", "PRIVATE+KEY+a+1+b\nc\n"} {
		f := filepath.Join(t.TempDir(), "k")
		if err := os.WriteFile(f, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := tlog.LoadKey(f, origin); err == nil || strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("key %q: %v", bad, err)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for _, c := range []tlog.Config{
		{Origin: "https://x.example"}, {Origin: "a b"}, {Origin: "writ.promise/v1"}, {Cadence: config.Duration(time.Millisecond)},
		{BatchSize: 1}, {BatchSize: 1 << 20}, {BatchSize: 8, Open: 8}, {Cadence: config.Duration(time.Hour), Promise: config.Duration(time.Hour)}, {Floor: -1},
	} {
		if c.Check() == nil {
			t.Errorf("%+v passes", c)
		}
	}
	if err := (tlog.Config{Origin: origin}).Check(); err != nil {
		t.Error(err)
	}
}
