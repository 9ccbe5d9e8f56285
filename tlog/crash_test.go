package tlog_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"

	"writ/clock"
	"writ/obs"
	"writ/store"
	"writ/store/storetest"
	"writ/tlog"
	"writ/tlog/verify"
)

// Each commit of a run is failed in turn, before and after it persisted; then the house is loaded anew. Whatever Append told the
// caller was accepted is in the log once, what it refused at most once; rows, folder and heads agree.
func TestFaultMatrix(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(testing.TB) *store.DB{"sqlite": storetest.SQLite, "postgresql": storetest.PostgreSQL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			commits := faultRun(t, open(t), 0, false)
			if commits < 9 {
				t.Fatalf("the run makes %d commits only", commits)
			}
			for n := 1; n <= commits; n++ {
				for _, persisted := range []bool{false, true} {
					t.Run(fmt.Sprintf("%d/persisted=%v", n, persisted), func(t *testing.T) { faultRun(t, open(t), n, persisted) })
				}
			}
		})
	}
}

func faultRun(t *testing.T, db *store.DB, n int, persisted bool) int {
	t.Helper()
	h := newHouse(t, db, nil)
	faults := storetest.NewFaults(db)
	faults.Fail(n, persisted)
	ctx := t.Context()
	accepted := map[int]bool{}
	for k := range 3 {
		err := db.Write(ctx, func(tx *store.Tx) error {
			_, err := h.log.Append(ctx, tx, commitment(k))
			return err
		})
		accepted[k] = err == nil
		_ = h.pub.Turn(ctx) // a turn that failed is made up for after the reload
		h.hour()
	}
	commits := faults.Commits()
	h.db = storetest.Reopen(t, db)
	h.restart()
	h.turn()
	h.sound()
	for k, ok := range accepted {
		_, err := h.log.Proof(ctx, commitment(k))
		if ok && err != nil {
			t.Errorf("accepted commitment %d: %v", k, err)
		}
		if err != nil && !errors.Is(err, tlog.ErrUnknown) {
			t.Errorf("commitment %d: %v", k, err)
		}
	}
	return commits
}

// The process dies between any two steps of a publication: the folder is brought into the state that each such death leaves.
func TestDeathBetweenTheStepsOfAPublication(t *testing.T) {
	t.Parallel()
	for name, die := range map[string]func(h *house, before string){
		"the batch is closed, nothing is appended": func(h *house, before string) {
			if _, err := h.log.CloseBatch(h.t.Context()); err != nil {
				h.t.Fatal(err)
			}
		},
		"bundles and tiles are written, the tree's state is not": func(h *house, before string) {
			h.turn()
			copyFile(h.t, filepath.Join(before, ".state/treeState"), filepath.Join(h.cfg.Dir, ".state/treeState"))
			copyFile(h.t, filepath.Join(before, "checkpoint"), filepath.Join(h.cfg.Dir, "checkpoint"))
		},
		"the tree is whole, its head is not signed": func(h *house, before string) {
			h.turn()
			copyFile(h.t, filepath.Join(before, "checkpoint"), filepath.Join(h.cfg.Dir, "checkpoint"))
		},
		"a part of the batch is in the tree": func(h *house, before string) {
			if _, err := h.log.CloseBatch(h.t.Context()); err != nil {
				h.t.Fatal(err)
			}
			appendBehind(h, rows(h, 16, 19))
		},
		"the folder is lost": func(h *house, before string) {
			if err := os.RemoveAll(h.cfg.Dir); err != nil {
				h.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, storetest.SQLite(t), nil)
			for n := range 2 {
				h.append(n)
				h.turn()
				h.hour()
			}
			old := h.head()
			before := filepath.Join(t.TempDir(), "before")
			if err := os.CopyFS(before, os.DirFS(h.cfg.Dir)); err != nil {
				t.Fatal(err)
			}
			h.append(2)
			die(h, before)
			h.restart()
			h.turn()
			if c := h.sound(); c.Leaves != 24 || c.Published != 24 {
				t.Errorf("check %+v", c)
			}
			proof, err := h.log.Consistency(t.Context(), old.Size)
			if err != nil {
				t.Fatal(err)
			}
			if err := verify.CheckConsistency(old, h.head(), proof); err != nil {
				t.Error(err)
			}
		})
	}
}

// A folder that is lost after many batches is made anew, in pieces, to the same head, and without a file more than it had.
func TestALongCatchingUp(t *testing.T) {
	t.Parallel()
	h := newHouse(t, storetest.SQLite(t), func(c *tlog.Config) { c.BatchSize, c.Open = 3000, 1500 })
	for range 4 {
		h.turn()
		h.hour()
	}
	files := func() (all []string) {
		err := fs.WalkDir(os.DirFS(h.cfg.Dir), "tile", func(p string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				all = append(all, p)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	head, before := h.head(), files()
	if err := os.RemoveAll(h.cfg.Dir); err != nil {
		t.Fatal(err)
	}
	h.restart()
	if err := h.pub.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h.head() != head || head.Size != 12000 {
		t.Errorf("head %+v, was %+v", h.head(), head)
	}
	h.sound()
	for _, f := range files() {
		if !slices.Contains(before, f) && !strings.HasPrefix(f, "tile/1/000.p/32") {
			t.Errorf("%s was not there before", f)
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func rows(h *house, from, to int) [][]byte {
	h.t.Helper()
	var all [][]byte
	for i := from; i < to; i++ {
		var leaf []byte
		if err := h.db.QueryRow(h.t.Context(), `SELECT leaf FROM tlog_leaves WHERE idx = $1`, i).Scan(&leaf); err != nil {
			h.t.Fatal(err)
		}
		all = append(all, leaf)
	}
	return all
}

// silent is a signer that signs nothing.
type silent struct{ *tlog.Key }

func (silent) Sign([]byte) ([]byte, error) { return nil, errors.New("dead") }
func (silent) KeyHash() uint32             { return 1 }

// appendBehind puts leaves into the tree without anyone signing it.
func appendBehind(h *house, leaves [][]byte) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(h.t.Context())
	defer cancel()
	driver, err := posix.New(ctx, posix.Config{Path: h.cfg.Dir})
	if err != nil {
		h.t.Fatal(err)
	}
	a, _, _, err := tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().WithCheckpointSigner(silent{h.key}).WithBatching(uint(len(leaves)), time.Second))
	if err != nil {
		h.t.Fatal(err)
	}
	for _, leaf := range leaves {
		f := a.Add(ctx, tessera.NewEntry(leaf))
		if string(leaf) == string(leaves[len(leaves)-1]) {
			if _, err := f(); err != nil {
				h.t.Fatal(err)
			}
		}
	}
}

// A database from an older backup beside the newer folder, an older folder beside a newer database, and both old with the
// operator's word for what outsiders saw: the house signs nothing below or beside what was published.
func TestAnOlderBackupIsNotSigned(t *testing.T) {
	t.Parallel()
	h := newHouse(t, storetest.SQLite(t), nil)
	h.turn()
	h.hour()
	h.append(1)
	h.turn() // 16 leaves are published
	published, err := os.ReadFile(filepath.Join(h.cfg.Dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}

	t.Run("older database", func(t *testing.T) {
		old := newHouse(t, storetest.SQLite(t), nil)
		old.key, old.cfg.Dir = h.key, h.cfg.Dir
		old.restart()
		if err := old.pub.Turn(t.Context()); !errors.Is(err, tlog.ErrBehind) {
			t.Errorf("8 rows beside 16 leaves: %v", err)
		}
		old.hour()
		old.hour()
		for range 3 { // with time the rows are as many, but they are others
			if _, err := old.log.CloseBatch(t.Context()); err != nil {
				t.Fatal(err)
			}
			old.hour()
		}
		if err := old.pub.Once(t.Context()); !errors.Is(err, tlog.ErrForked) {
			t.Errorf("other rows: %v", err)
		}
		if now, err := os.ReadFile(filepath.Join(h.cfg.Dir, "checkpoint")); err != nil || !bytes.Equal(now, published) {
			t.Error("the checkpoint changed")
		}
	})
	t.Run("both old, and the operator knows", func(t *testing.T) {
		old := newHouse(t, storetest.SQLite(t), func(c *tlog.Config) { c.Floor = 16 })
		if err := old.pub.Turn(t.Context()); !errors.Is(err, tlog.ErrBehind) {
			t.Errorf("below the floor: %v", err)
		}
		if _, err := os.Stat(filepath.Join(old.cfg.Dir, "checkpoint")); err == nil {
			t.Error("a head was signed")
		}
		old.hour()
		old.turn()
		if c := old.sound(); c.Published != 16 {
			t.Errorf("check %+v", c)
		}
	})
	t.Run("a foreign leaf in the tree", func(t *testing.T) {
		h := newHouse(t, storetest.SQLite(t), nil)
		h.turn()
		h.hour()
		if _, err := h.log.CloseBatch(t.Context()); err != nil {
			t.Fatal(err)
		}
		c := commitment(99)
		appendBehind(h, [][]byte{c[:]})
		if err := h.pub.Once(t.Context()); !errors.Is(err, tlog.ErrForked) {
			t.Errorf("while it runs: %v", err)
		}
		h.restart()
		if err := h.pub.Once(t.Context()); !errors.Is(err, tlog.ErrForked) {
			t.Errorf("after a restart: %v", err)
		}
	})
}

// A real process is killed at moments that nobody chose; the next one goes on. In the end all that it had reported as accepted is
// in the log, once, under one history.
func TestKilledProcess(t *testing.T) {
	if dir := os.Getenv("WRIT_TLOG_CHILD"); dir != "" {
		child(t, dir)
		return
	}
	t.Parallel()
	dir := t.TempDir()
	accepted := -1
	heads := []verify.Checkpoint{}
	for round := range 6 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledProcess$")
		cmd.Env = append(os.Environ(), "WRIT_TLOG_CHILD="+dir, "WRIT_TLOG_FIRST="+strconv.Itoa(accepted+1))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewScanner(out)
		for in.Scan() {
			if n, ok := strings.CutPrefix(in.Text(), "accepted "); ok {
				accepted, _ = strconv.Atoi(n)
				if accepted%(round+3) == round+2 {
					break
				}
			} else if strings.Contains(in.Text(), "FAIL") {
				t.Fatal(in.Text())
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for in.Scan() { // what it said before it died counts
			if n, ok := strings.CutPrefix(in.Text(), "accepted "); ok {
				accepted, _ = strconv.Atoi(n)
			}
		}
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
		h := childHouse(t, dir)
		if c, err := h.log.Checkpoint(t.Context()); err == nil {
			key, _ := verify.Key(h.log.VKey())
			head, err := verify.OpenCheckpoint(c, key)
			if err != nil {
				t.Fatal(err)
			}
			heads = append(heads, head)
		}
		h.db.Close()
	}
	h := childHouse(t, dir)
	defer h.db.Close()
	h.clock.Advance(10_000 * time.Hour)
	for range 20 {
		h.turn()
		h.hour()
	}
	c := h.sound()
	if c.Pending != 0 || accepted < 6 || int(c.Entries) < accepted+1 {
		t.Errorf("accepted %d, check %+v", accepted, c)
	}
	for n := range accepted + 1 {
		if _, err := h.log.Proof(t.Context(), commitment(n)); err != nil {
			t.Errorf("commitment %d: %v", n, err)
		}
	}
	for _, head := range heads {
		proof, err := h.log.Consistency(t.Context(), head.Size)
		if err == nil {
			err = verify.CheckConsistency(head, h.head(), proof)
		}
		if err != nil {
			t.Error(err)
		}
	}
}

func childHouse(t *testing.T, dir string) *house {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + filepath.Join(dir, "writ.db")}, obs.Discard())
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context(), []store.Schema{tlog.Schema()}); err != nil {
		t.Fatal(err)
	}
	key, err := tlog.LoadKey(filepath.Join(dir, "log.key"), origin)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, db: db, clock: clock.NewFake(start), key: key, cfg: newConfig(filepath.Join(dir, "log"))}
	h.restart()
	return h
}

// child accepts commitments and turns the log without end.
func child(t *testing.T, dir string) {
	h := childHouse(t, dir)
	first, err := strconv.Atoi(os.Getenv("WRIT_TLOG_FIRST"))
	if err != nil {
		t.Fatal(err)
	}
	// Time goes on from the last life: a day for each commitment so far is more than it can have used.
	h.clock.Advance(time.Duration(first) * 24 * time.Hour)
	for n := first; ; n++ {
		if _, err := h.log.Entry(t.Context(), h.db, commitment(n)); errors.Is(err, tlog.ErrUnknown) {
			h.append(n)
		}
		fmt.Printf("accepted %d\n", n)
		h.hour()
		h.turn()
	}
}
