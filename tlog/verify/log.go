package verify

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

const tileWidth = 256

// LogFiles is how CheckLog reads a log: from a folder or over HTTP, it does not care.
type LogFiles struct {
	// Fetch gives a file by its path under the log's prefix: "checkpoint", "tile/entries/000" (C2SP tlog-tiles).
	Fetch func(path string) ([]byte, error)
	// Older is a signed head that was kept from before, if there is one.
	Older []byte
	// Batch is the number of leaves of every batch, if known: the log must be a whole number of them.
	Batch int64
}

// CheckLog reads the whole published log, recomputes its root from the entries and compares it with the signed head; if an older
// head was kept, it checks that the log still begins with that log.
func CheckLog(in LogFiles, vkey string) (*Result, error) {
	key, err := Key(vkey)
	if err != nil {
		return nil, err
	}
	signed, err := in.Fetch("checkpoint")
	if err != nil {
		return nil, fmt.Errorf("verify: fetching the checkpoint: %w", err)
	}
	res := &Result{Title: "Log " + key.Name(), Answer: "The log is NOT what its head says."}
	head, err := OpenCheckpoint(signed, key)
	if !res.check(err, "the head is signed by %s", key.Name()) {
		return res, nil
	}
	older := Checkpoint{Size: -1}
	if len(in.Older) > 0 {
		older, err = OpenCheckpoint(in.Older, key)
		if !res.check(err, "the older head is signed by the same key") {
			return res, nil
		}
		if older.Size > head.Size {
			res.add(Failed, "the log shrank from %d leaves to %d: it was rolled back", older.Size, head.Size)
			return res, nil
		}
	}
	if in.Batch > 0 && head.Size%in.Batch != 0 {
		res.add(Failed, "%d leaves are no whole number of batches of %d", head.Size, in.Batch)
	}
	root, then, err := recompute(in.Fetch, head.Size, older.Size)
	if !res.check(err, "%d leaves could be read", head.Size) {
		return res, nil
	}
	if root != head.Root {
		err = errors.New("the root is another one")
	}
	res.check(err, "the root of the leaves is that of the signed head")
	if older.Size >= 0 {
		err = nil
		if then != older.Root {
			err = errors.New("it was rewritten")
		}
		res.check(err, "the log begins with the %d leaves of the older head", older.Size)
	} else {
		res.add(Unknown, "that nothing was rewritten before: no older head was given; keep this one")
	}
	res.add(Unknown, "that others see the same log: ask a witness, or compare heads with someone else")
	if res.OK() {
		res.Answer = fmt.Sprintf("The log of %d leaves is whole and is what its head says.", head.Size)
	}
	return res, nil
}

// recompute reads all leaves and gives the root of the first size, and of the first old of them.
func recompute(fetch func(string) ([]byte, error), size, old int64) (root, then tlog.Hash, err error) {
	var stack []tlog.Hash
	fold := func() tlog.Hash {
		if len(stack) == 0 {
			return EmptyRoot()
		}
		h := stack[len(stack)-1]
		for i := len(stack) - 2; i >= 0; i-- {
			h = tlog.NodeHash(stack[i], h)
		}
		return h
	}
	if old == 0 {
		then = fold()
	}
	for first := int64(0); first < size; first += tileWidth {
		width := min(tileWidth, size-first)
		bundle, longer, err := fetchBundle(fetch, first/tileWidth, width)
		if err != nil {
			return root, then, err
		}
		for i := range width {
			leaf, rest, err := nextEntry(bundle)
			if err != nil {
				return root, then, fmt.Errorf("verify: leaf %d: %w", first+i, err)
			}
			bundle = rest
			h := tlog.RecordHash(leaf)
			for n := first + i; n&1 == 1; n >>= 1 {
				h = tlog.NodeHash(stack[len(stack)-1], h)
				stack = stack[:len(stack)-1]
			}
			stack = append(stack, h)
			if first+i+1 == old {
				then = fold()
			}
		}
		if len(bundle) > 0 && !longer {
			return root, then, fmt.Errorf("verify: %d bytes behind leaf %d", len(bundle), first+width-1)
		}
	}
	return fold(), then, nil
}

// fetchBundle fetches a bundle; longer says that it may hold more than width entries, since the log has grown.
func fetchBundle(fetch func(string) ([]byte, error), n, width int64) (bundle []byte, longer bool, err error) {
	name := "tile/entries/" + tileNumber(n)
	if width < tileWidth {
		if b, err := fetch(fmt.Sprintf("%s.p/%d", name, width)); err == nil {
			return b, false, nil
		}
	}
	b, err := fetch(name)
	if err != nil {
		return nil, false, fmt.Errorf("verify: fetching %s: %w", name, err)
	}
	return b, width < tileWidth, nil
}

// tileNumber writes a tile's number as its path: 1234067 is x001/x234/067.
func tileNumber(n int64) string {
	s := fmt.Sprintf("%03d", n%1000)
	for n /= 1000; n > 0; n /= 1000 {
		s = fmt.Sprintf("x%03d/%s", n%1000, s)
	}
	return s
}

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
