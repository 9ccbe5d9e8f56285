package tlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/transparency-dev/tessera/api/layout"
	modlog "golang.org/x/mod/sumdb/tlog"

	"writ/store"
)

// maxFaults bounds the list of an Fsck: with more than this much wrong, more lines say nothing new.
const maxFaults = 1000

// Check is what Fsck found.
type Check struct {
	Entries, Pending, Batches, Leaves, Published int64 // how much was looked at; Published is the size of the last head
	Faults                                       []string
}

func (c *Check) fault(format string, args ...any) {
	if len(c.Faults) < maxFaults {
		c.Faults = append(c.Faults, fmt.Sprintf(format, args...))
	}
}

// Fsck reads everything, changes nothing, and lists what does not fit: each commitment has its one leaf or waits; the batches
// follow each other without a gap and their roots are those of the rows; every published head is signed and is a root of the
// rows; the entries and tiles of the folder are those of the rows. An error is only what kept it from looking.
func (l *Log) Fsck(ctx context.Context) (*Check, error) {
	c := &Check{}
	for _, step := range []func(context.Context, *Check) error{l.fsckEntries, l.fsckRows, l.fsckFolder} {
		if err := step(ctx, c); err != nil {
			return c, fmt.Errorf("tlog: checking: %w", err)
		}
	}
	return c, nil
}

// fsckEntries: each accepted commitment is a leaf or waits, not both; nothing waits that was not accepted; ids have no gap that
// a deleted row would leave behind a leaf.
func (l *Log) fsckEntries(ctx context.Context, c *Check) error {
	for _, q := range []struct {
		into *int64
		sql  string
	}{
		{&c.Entries, `SELECT count(*) FROM tlog_entries`},
		{&c.Pending, `SELECT count(*) FROM tlog_pending`},
		{&c.Batches, `SELECT count(*) FROM tlog_batches`},
		{&c.Leaves, `SELECT count(*) FROM tlog_leaves`},
	} {
		if err := l.db.QueryRow(ctx, q.sql).Scan(q.into); err != nil {
			return err
		}
	}
	for _, q := range []struct{ text, sql string }{
		{"commitment %d was accepted, and is neither in the log nor waiting", `SELECT e.id FROM tlog_entries e WHERE NOT EXISTS (SELECT 1 FROM tlog_leaves f WHERE f.leaf = e.commitment)
			AND NOT EXISTS (SELECT 1 FROM tlog_pending p WHERE p.commitment = e.commitment AND p.id = e.id AND p.lane = e.lane AND p.by_time = e.by_time) ORDER BY e.id`},
		{"commitment %d is in the log and still waiting", `SELECT p.id FROM tlog_pending p WHERE EXISTS (SELECT 1 FROM tlog_leaves f WHERE f.leaf = p.commitment) ORDER BY p.id`},
		{"row %d waits and was never accepted", `SELECT p.id FROM tlog_pending p WHERE NOT EXISTS (SELECT 1 FROM tlog_entries e WHERE e.id = p.id AND e.commitment = p.commitment) ORDER BY p.id`},
	} {
		if err := l.fsckQuery(ctx, c, q.text, q.sql); err != nil {
			return err
		}
	}
	return nil
}

func (l *Log) fsckQuery(ctx context.Context, c *Check, text, sql string) error {
	ids, err := store.Column[int64](ctx, l.db, "tlog: checking the rows", sql)
	for _, id := range ids {
		c.fault(text, id)
	}
	return err
}

// fsckRows walks the batches and their leaves and compares every root, batch by batch, with what was stored and published.
func (l *Log) fsckRows(ctx context.Context, c *Check) error {
	heads, err := l.heads(ctx, c)
	if err != nil {
		return err
	}
	batches, err := allBatches(ctx, l.db)
	if err != nil {
		return err
	}
	e := &edge{}
	whole := true
	for i, b := range batches {
		if b.n != int64(i)+1 || b.first != e.size || b.size < 1 || i > 0 && b.tick <= batches[i-1].tick {
			c.fault("batch %d does not follow batch %d", b.n, i)
			whole = false
			break
		}
		leaves, err := readRows(ctx, l.db, b.first, b.end())
		if errors.Is(err, ErrForked) {
			c.fault("batch %d: %v", b.n, err)
			whole = false
			break
		}
		if err != nil {
			return err
		}
		for _, leaf := range leaves {
			if len(leaf) != 32 {
				c.fault("batch %d has a leaf of %d bytes", b.n, len(leaf))
			}
			e.add(leaf)
		}
		root := e.root()
		if !bytes.Equal(root[:], b.root) || !bytes.Equal(e.bytes(), b.edge) {
			c.fault("batch %d: its root is not that of the leaves", b.n)
		}
		if h, ok := heads[e.size]; ok {
			delete(heads, e.size)
			if h != root {
				c.fault("the head published for %d leaves is not that of the rows", e.size)
			}
		}
	}
	if whole && c.Leaves != e.size {
		c.fault("%d leaves stand outside of any batch", c.Leaves-e.size)
	}
	for size := range heads {
		c.fault("a head of %d leaves was published, and no batch ends there", size)
	}
	return nil
}

// heads reads every published head and checks its signature.
func (l *Log) heads(ctx context.Context, c *Check) (map[int64]modlog.Hash, error) {
	rows, err := l.db.Query(ctx, `SELECT size, root, note FROM tlog_published ORDER BY size`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	heads := map[int64]modlog.Hash{}
	for rows.Next() {
		var size int64
		var root []byte
		var signed string
		if err := rows.Scan(&size, &root, &signed); err != nil {
			return nil, err
		}
		h, err := l.open([]byte(signed))
		if err != nil || h.Size != size || !bytes.Equal(h.Root[:], root) {
			c.fault("the recorded head of %d leaves is not what was signed", size)
		}
		if len(root) == modlog.HashSize {
			heads[size] = modlog.Hash(root)
		}
		c.Published = size
	}
	return heads, rows.Err()
}

func allBatches(ctx context.Context, r store.Reader) ([]batch, error) {
	return store.List(ctx, r, "tlog: reading batches", func(row store.Scanner) (b batch, err error) {
		err = row.Scan(&b.n, &b.tick, &b.first, &b.size, &b.root, &b.edge)
		return b, err
	}, `SELECT n, tick, first_leaf, size, root, edge FROM tlog_batches ORDER BY n`)
}

// fsckFolder compares the folder with the rows: the signed head, every entry bundle and every tile that its size needs.
func (l *Log) fsckFolder(ctx context.Context, c *Check) error {
	signed, err := os.ReadFile(filepath.Join(l.cfg.Dir, layout.CheckpointPath))
	if errors.Is(err, fs.ErrNotExist) {
		if c.Published > 0 {
			c.fault("checkpoint: the file is missing")
		}
		return nil
	}
	if err != nil {
		return err
	}
	h, err := l.open(signed)
	if err != nil {
		c.fault("checkpoint: %v", err)
		return nil
	}
	if h.Size < c.Published {
		c.fault("checkpoint: %d leaves, %d were published: the folder was rolled back", h.Size, c.Published)
	}
	if h.Size > c.Leaves {
		c.fault("checkpoint: %d leaves, the database has %d: it was rolled back", h.Size, c.Leaves)
		return nil
	}
	w := &tileWalk{log: l, check: c, size: h.Size}
	err = eachRow(ctx, l.db, 0, h.Size, w.bundle)
	if errors.Is(err, ErrForked) { // already listed with the rows
		return nil
	}
	if err != nil {
		return err
	}
	if w.root() != h.Root {
		c.fault("checkpoint: the signed root is not that of the rows")
	}
	return nil
}

// tileWalk computes the tiles from the rows as they come and compares each with the folder.
type tileWalk struct {
	log    *Log
	check  *Check
	size   int64
	edge   edge
	levels [][]byte // the hashes of the unfinished tile of each level
}

func (w *tileWalk) root() modlog.Hash { return w.edge.root() }

func (w *tileWalk) bundle(first int64, leaves [][]byte) error {
	var want []byte
	for _, leaf := range leaves {
		want = append(want, byte(len(leaf)>>8), byte(len(leaf)))
		want = append(want, leaf...)
		w.edge.add(leaf)
		h := modlog.RecordHash(leaf)
		w.hash(0, h)
	}
	index := uint64(first / layout.EntryBundleWidth)
	w.compare(layout.PartialTileSize(0, index, uint64(w.size)), want, func(p uint8) string { return layout.EntriesPath(index, p) })
	if w.edge.size == w.size {
		for level := range w.levels {
			w.flush(level)
		}
	}
	return nil
}

// hash adds a hash to a level; a full tile's own hash goes up.
func (w *tileWalk) hash(level int, h modlog.Hash) {
	if level == len(w.levels) {
		w.levels = append(w.levels, nil)
	}
	w.levels[level] = append(w.levels[level], h[:]...)
	if len(w.levels[level]) == layout.TileWidth*modlog.HashSize {
		up := tileRoot(w.levels[level])
		w.flush(level)
		w.hash(level+1, up)
	}
}

// flush compares the tile that a level has come to with the file.
func (w *tileWalk) flush(level int) {
	want := w.levels[level]
	if len(want) == 0 {
		return
	}
	w.levels[level] = nil
	n := uint64(len(want) / modlog.HashSize)
	done := uint64(w.edge.size) >> (8 * level) // hashes of this level so far
	index := (done - n) / layout.TileWidth
	partial := uint8(0)
	if n < layout.TileWidth {
		partial = uint8(n)
	}
	w.compare(partial, want, func(p uint8) string { return layout.TilePath(uint64(level), index, p) })
}

func (w *tileWalk) compare(partial uint8, want []byte, path func(uint8) string) {
	got, full, err := readPartial(w.log.cfg.Dir, partial, path)
	if err != nil {
		w.check.fault("%s: missing", path(partial))
		return
	}
	if partial > 0 && full && len(got) > len(want) { // the log went on behind the signed head
		got = got[:len(want)]
	}
	if !bytes.Equal(got, want) {
		w.check.fault("%s: not that of the rows", path(partial))
	}
}

// tileRoot is the hash of a full tile.
func tileRoot(hashes []byte) modlog.Hash {
	var level []modlog.Hash
	for ; len(hashes) > 0; hashes = hashes[modlog.HashSize:] {
		level = append(level, modlog.Hash(hashes[:modlog.HashSize]))
	}
	for len(level) > 1 {
		for i := range len(level) / 2 {
			level[i] = modlog.NodeHash(level[2*i], level[2*i+1])
		}
		level = level[:len(level)/2]
	}
	return level[0]
}
