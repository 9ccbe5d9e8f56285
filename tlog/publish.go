package tlog

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/storage/posix"
	"k8s.io/klog/v2"

	"writ/clock"
	"writ/store"
	"writ/tlog/verify"
)

// quiet keeps the tile library's own log lines off the terminal; what goes wrong comes back to us as an error.
var quiet = sync.OnceFunc(func() { klog.SetSlogLogger(slog.New(slog.DiscardHandler)) })

// publishTime bounds one publication (the tile library works on the machine's clock).
const publishTime = time.Minute

// Publisher appends the numbered rows to the log of tiles and has its head signed. One house has one publisher; two on one
// folder are kept apart by the guard, since both can only ever sign the tree of the rows.
type Publisher struct {
	l       *Log
	mu      sync.Mutex
	checked int64 // leaves of the tree that were compared with the rows since the start; -1: compare all again
}

// Publisher returns the publisher of the log's folder.
func (l *Log) Publisher() *Publisher { return &Publisher{l: l, checked: -1} }

// Start closes a batch and publishes now and at each tick of the clock, until stop is called or ctx ends. Errors are logged and
// tried again at the next tick. The first turn is done when Start returns; on a fake clock the others are done inside Advance.
func (p *Publisher) Start(ctx context.Context) (stop func()) {
	return clock.Repeat(ctx, p.l.clock, 0, func(ctx context.Context) time.Duration {
		if err := p.Turn(ctx); err != nil && ctx.Err() == nil {
			p.l.log.Error("the log was not published", "err", err)
		}
		now := p.l.clock.Now()
		return p.l.tick(now).Add(time.Duration(p.l.cfg.Cadence)).Sub(now)
	})
}

// Run is Start until ctx ends.
func (p *Publisher) Run(ctx context.Context) {
	stop := p.Start(ctx)
	<-ctx.Done()
	stop()
}

// Turn closes the batch that is due, if any, and publishes.
func (p *Publisher) Turn(ctx context.Context) error {
	if _, err := p.l.CloseBatch(ctx); err != nil {
		return err
	}
	return p.Once(ctx)
}

// Once brings the published log up to the rows. After a start, and after any error, it first compares the whole tree with the
// rows. It signs nothing, and fails with ErrBehind or ErrForked, if the rows are fewer than what was ever published or differ.
func (p *Publisher) Once(ctx context.Context) (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer func() {
		if err != nil {
			p.checked = -1
			if errors.Is(err, ErrBehind) || errors.Is(err, ErrForked) {
				p.l.refused.Inc()
			}
			err = fmt.Errorf("tlog: publishing: %w", err)
		}
	}()
	last, err := lastBatch(ctx, p.l.db)
	if err != nil {
		return err
	}
	high, err := p.highest(ctx)
	if err != nil {
		return err
	}
	if last.end() < high {
		return fmt.Errorf("%w: %d rows, %d leaves were published; restore the newer database, or give up this log's origin", ErrBehind, last.end(), high)
	}
	if last.n == 0 || p.checked == last.end() && p.done(ctx, last) {
		return nil
	}
	g := &guard{Key: p.l.key, db: p.l.db, high: high}
	defer g.close()
	if err := p.extend(ctx, g, last); err != nil {
		return errors.Join(err, g.reason())
	}
	return p.record(ctx, last)
}

// done reports whether the head of last is published and recorded.
func (p *Publisher) done(ctx context.Context, last batch) bool {
	c, _, err := p.l.published(ctx)
	return err == nil && c.Size == last.end()
}

// highest is the largest size that was ever signed, as far as this house remembers: in the rows, in the folder, or by the operator's word.
func (p *Publisher) highest(ctx context.Context) (int64, error) {
	high := p.l.cfg.Floor
	c, _, err := p.l.published(ctx)
	if err != nil && !errors.Is(err, ErrPending) {
		return 0, err
	}
	high = max(high, c.Size)
	signed, err := os.ReadFile(filepath.Join(p.l.cfg.Dir, layout.CheckpointPath))
	if errors.Is(err, fs.ErrNotExist) {
		return high, nil
	}
	if err != nil {
		return 0, err
	}
	if c, err = p.l.open(signed); err != nil {
		return 0, fmt.Errorf("%w: the checkpoint in %s: %w", ErrForked, p.l.cfg.Dir, err)
	}
	return max(high, c.Size), nil
}

// piece is the most leaves that are appended at once. It is a multiple of a tile, so that a long catching-up leaves no partial tiles.
const piece = 32 * layout.EntryBundleWidth

// extend compares the tree with the rows, appends what is missing piece by piece, and waits until the head is signed.
func (p *Publisher) extend(ctx context.Context, g *guard, last batch) error {
	for {
		done, err := p.extendBy(ctx, g, last)
		if err != nil || done {
			return err
		}
	}
}

// extendBy opens the tree and appends one piece; done says that it was the last and that the head is signed.
func (p *Publisher) extendBy(ctx context.Context, g *guard, last batch) (done bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, publishTime)
	// The library's goroutines end with the context, not with its shutdown; that would wait for a head which the guard does not
	// sign inside a batch. All that was added is waited for before.
	defer cancel()
	have, err := treeSize(p.l.cfg.Dir)
	if err != nil {
		return false, err
	}
	if have > last.end() {
		return false, fmt.Errorf("%w: %d rows, %d leaves in the tree", ErrBehind, last.end(), have)
	}
	end := min(last.end(), (have/piece+1)*piece)
	add, tree, err := openTree(ctx, p.l.cfg.Dir, g, max(1, end-have))
	if err != nil {
		return false, err
	}
	if size, err := tree.IntegratedSize(ctx); err != nil || int64(size) != have {
		return false, fmt.Errorf("the tree changes under our hands: %d leaves, then %d, %w", have, size, errors.Join(err, ErrForked))
	}
	if p.checked < 0 {
		if err := p.compare(ctx, tree, have); err != nil {
			return false, err
		}
	} else if have != p.checked {
		return false, fmt.Errorf("%w: the tree went from %d to %d leaves by another hand", ErrForked, p.checked, have)
	}
	if err := p.append(ctx, add, have, end); err != nil {
		return false, err
	}
	p.checked = end
	if end < last.end() {
		return false, nil
	}
	return true, awaitHead(ctx, tree, g, end)
}

// treeSize is the size of the tree in a folder, signed or not; 0 for a folder that is not there yet.
func treeSize(dir string) (int64, error) {
	var state struct {
		Size int64 `json:"size"`
	}
	b, err := os.ReadFile(filepath.Join(dir, ".state", "treeState"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &state)
	}
	if err != nil {
		return 0, fmt.Errorf("%w: the state of the tree in %s: %w", ErrForked, dir, err)
	}
	return state.Size, nil
}

// openTree opens the folder. An empty folder's first head (of no leaves) is not signed once more was published; the tree itself
// is then made all the same, and filled from the rows.
//
// The library's queue is told the exact number of leaves that will come and never to go by age: its clock is not ours, and a queue
// that is emptied half full leaves files behind that depend on the machine's mood.
func openTree(ctx context.Context, dir string, g *guard, leaves int64) (*tessera.Appender, tessera.LogReader, error) {
	opts := tessera.NewAppendOptions().WithCheckpointSigner(g).WithBatching(uint(leaves), 2*publishTime).
		WithCheckpointInterval(100 * time.Millisecond).WithCheckpointRepublishInterval(0).WithGarbageCollectionInterval(0)
	for try := 0; ; try++ {
		driver, err := posix.New(ctx, posix.Config{Path: dir})
		if err != nil {
			return nil, nil, fmt.Errorf("opening %s: %w", dir, err)
		}
		add, _, tree, err := tessera.NewAppender(ctx, driver, opts)
		if err == nil || try > 0 || !errors.Is(g.reason(), errEmptyHead) {
			return add, tree, err
		}
		g.forget()
	}
}

// compare reads the whole tree and finds each leaf equal to its row.
func (p *Publisher) compare(ctx context.Context, tree tessera.LogReader, size int64) error {
	return eachRow(ctx, p.l.db, 0, size, func(first int64, leaves [][]byte) error {
		bundle, err := tree.ReadEntryBundle(ctx, uint64(first/layout.EntryBundleWidth), layout.PartialTileSize(0, uint64(first/layout.EntryBundleWidth), uint64(size)))
		if err != nil {
			return fmt.Errorf("%w: reading its leaves from %d: %w", ErrForked, first, err)
		}
		for i, leaf := range leaves {
			var got []byte
			if got, bundle, err = nextEntry(bundle); err != nil {
				return fmt.Errorf("%w: leaf %d: %w", ErrForked, first+int64(i), err)
			}
			if !bytes.Equal(got, leaf) {
				return fmt.Errorf("%w: leaf %d is another one", ErrForked, first+int64(i))
			}
		}
		return nil
	})
}

// append adds the rows from have to end, in order, all at once.
func (p *Publisher) append(ctx context.Context, a *tessera.Appender, have, end int64) error {
	var futures []tessera.IndexFuture
	err := eachRow(ctx, p.l.db, have, end, func(_ int64, leaves [][]byte) error {
		for _, leaf := range leaves {
			futures = append(futures, a.Add(ctx, tessera.NewEntry(leaf)))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, f := range futures {
		index, err := wait(ctx, f)
		if err != nil {
			return err
		}
		if index.Index != uint64(have)+uint64(i) {
			return fmt.Errorf("%w: leaf %d became %d", ErrForked, have+int64(i), index.Index)
		}
	}
	return nil
}

// wait gets a future's answer, or the end of ctx (after which the library answers nothing).
func wait(ctx context.Context, f tessera.IndexFuture) (tessera.Index, error) {
	type answer struct {
		index tessera.Index
		err   error
	}
	c := make(chan answer, 1)
	go func() {
		i, err := f()
		c <- answer{i, err}
	}()
	select {
	case a := <-c:
		return a.index, a.err
	case <-ctx.Done():
		return tessera.Index{}, ctx.Err()
	}
}

// awaitHead waits until the signed head has size leaves.
func awaitHead(ctx context.Context, tree tessera.LogReader, g *guard, size int64) error {
	t := time.NewTicker(20 * time.Millisecond)
	defer t.Stop()
	for {
		signed, err := tree.ReadCheckpoint(ctx)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err == nil {
			text, _, _ := bytes.Cut(signed, []byte("\n\n"))
			if c, err := verify.ParseCheckpoint(string(text) + "\n"); err == nil && c.Size >= size {
				return nil
			}
		}
		if err := g.reason(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
}

// record notes the head that is now in the folder, after checking that it is the head of the rows.
func (p *Publisher) record(ctx context.Context, last batch) error {
	signed, err := os.ReadFile(filepath.Join(p.l.cfg.Dir, layout.CheckpointPath))
	if err != nil {
		return err
	}
	c, err := p.l.open(signed)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrForked, err)
	}
	if c.Size != last.end() || !bytes.Equal(c.Root[:], last.root) {
		return fmt.Errorf("%w: the signed head of %d leaves is not that of batch %d", ErrForked, c.Size, last.n)
	}
	err = p.l.db.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO tlog_published (size, root, note, at) VALUES ($1, $2, $3, $4) ON CONFLICT (size) DO NOTHING`,
			c.Size, c.Root[:], string(signed), store.Time(p.l.clock.Now()))
		return err
	})
	if err != nil {
		return err
	}
	p.checked = c.Size
	p.l.size.Set(float64(c.Size))
	return nil
}

// eachRow gives the leaves from..end in order, in pieces that do not cross a bundle's end. first is the number of the piece's first leaf.
func eachRow(ctx context.Context, r store.Reader, from, end int64, f func(first int64, leaves [][]byte) error) error {
	for from < end {
		to := min(end, (from/layout.EntryBundleWidth+1)*layout.EntryBundleWidth)
		leaves, err := readRows(ctx, r, from, to)
		if err != nil {
			return err
		}
		if err := f(from, leaves); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// readRows reads the leaves from..to; a gap is ErrForked.
func readRows(ctx context.Context, r store.Reader, from, to int64) ([][]byte, error) {
	rows, err := r.Query(ctx, `SELECT idx, leaf FROM tlog_leaves WHERE idx >= $1 AND idx < $2 ORDER BY idx`, from, to)
	if err != nil {
		return nil, fmt.Errorf("tlog: reading leaves: %w", err)
	}
	defer rows.Close()
	leaves := make([][]byte, 0, to-from)
	for rows.Next() {
		var idx int64
		var leaf []byte
		if err := rows.Scan(&idx, &leaf); err != nil {
			return nil, fmt.Errorf("tlog: reading leaves: %w", err)
		}
		if idx != from+int64(len(leaves)) {
			break
		}
		leaves = append(leaves, leaf)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("tlog: reading leaves: %w", err)
	}
	if int64(len(leaves)) != to-from {
		return nil, fmt.Errorf("%w: row %d is missing", ErrForked, from+int64(len(leaves)))
	}
	return leaves, nil
}

// nextEntry takes one entry off a bundle (C2SP tlog-tiles: length as 2 bytes, then the entry).
func nextEntry(bundle []byte) (entry, rest []byte, err error) {
	if len(bundle) < 2 {
		return nil, nil, errors.New("the bundle ends early")
	}
	n := int(binary.BigEndian.Uint16(bundle))
	if len(bundle) < 2+n {
		return nil, nil, errors.New("the bundle ends inside an entry")
	}
	return bundle[2 : 2+n], bundle[2+n:], nil
}
