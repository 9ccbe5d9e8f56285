package tlog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/client"
	modlog "golang.org/x/mod/sumdb/tlog"

	"writ/store"
	"writ/tlog/verify"
)

// Proof gives the inclusion proof of a commitment in the log as it was published last. ErrUnknown, or ErrPending while its batch is
// not published. It answers for a dummy leaf as for any other, so that asking does not tell which is which.
func (l *Log) Proof(ctx context.Context, commitment [32]byte) (verify.Proof, error) {
	index, err := l.index(ctx, commitment)
	if err != nil {
		return verify.Proof{}, err
	}
	c, signed, err := l.published(ctx)
	if err != nil {
		return verify.Proof{}, err
	}
	if index >= c.Size {
		return verify.Proof{}, ErrPending
	}
	path, err := l.path(ctx, index, c.Size)
	if err != nil {
		return verify.Proof{}, err
	}
	if err := c.Includes(commitment[:], index, path); err != nil {
		return verify.Proof{}, fmt.Errorf("%w: %w", ErrForked, err)
	}
	return verify.Proof{Index: index, Path: path, Checkpoint: signed}, nil
}

func (l *Log) index(ctx context.Context, commitment [32]byte) (int64, error) {
	var index int64
	err := l.db.QueryRow(ctx, `SELECT idx FROM tlog_leaves WHERE leaf = $1`, commitment[:]).Scan(&index)
	if err == nil {
		return index, nil
	}
	if !errors.Is(err, store.ErrNoRows) {
		return 0, fmt.Errorf("tlog: finding a leaf: %w", err)
	}
	if _, err := l.Entry(ctx, l.db, commitment); err != nil {
		return 0, err
	}
	return 0, ErrPending
}

func (l *Log) path(ctx context.Context, index, size int64) (modlog.RecordProof, error) {
	b, err := client.NewProofBuilder(ctx, uint64(size), l.tile)
	if err != nil {
		return nil, fmt.Errorf("tlog: reading tiles: %w", err)
	}
	hashes, err := b.InclusionProof(ctx, uint64(index))
	if err != nil {
		return nil, fmt.Errorf("tlog: proving leaf %d of %d: %w", index, size, err)
	}
	return toHashes[modlog.RecordProof](hashes)
}

// Consistency proves that the log as it was published last begins with the log of size leaves.
func (l *Log) Consistency(ctx context.Context, size int64) (modlog.TreeProof, error) {
	c, _, err := l.published(ctx)
	if err != nil {
		return nil, err
	}
	if size < 0 || size > c.Size {
		return nil, fmt.Errorf("tlog: a log of %d leaves was not published", size)
	}
	if size == 0 || size == c.Size {
		return nil, nil
	}
	b, err := client.NewProofBuilder(ctx, uint64(c.Size), l.tile)
	if err != nil {
		return nil, fmt.Errorf("tlog: reading tiles: %w", err)
	}
	hashes, err := b.ConsistencyProof(ctx, uint64(size), uint64(c.Size))
	if err != nil {
		return nil, fmt.Errorf("tlog: proving %d in %d: %w", size, c.Size, err)
	}
	return toHashes[modlog.TreeProof](hashes)
}

func toHashes[P ~[]modlog.Hash](hashes [][]byte) (P, error) {
	var p P
	for _, h := range hashes {
		if len(h) != modlog.HashSize {
			return nil, fmt.Errorf("tlog: a tile gave a hash of %d bytes", len(h))
		}
		p = append(p, modlog.Hash(h))
	}
	return p, nil
}

// tile reads a tile of hashes from the folder; where a partial one is gone, the full one serves.
func (l *Log) tile(_ context.Context, level, index uint64, partial uint8) ([]byte, error) {
	b, _, err := readPartial(l.cfg.Dir, partial, func(p uint8) string { return layout.TilePath(level, index, p) })
	return b, err
}

// readPartial also says whether the full one served.
func readPartial(dir string, partial uint8, path func(uint8) string) (b []byte, full bool, err error) {
	b, err = os.ReadFile(filepath.Join(dir, filepath.FromSlash(path(partial))))
	if partial > 0 && errors.Is(err, fs.ErrNotExist) {
		b, err = os.ReadFile(filepath.Join(dir, filepath.FromSlash(path(0))))
		return b, true, err
	}
	return b, partial == 0, err
}
