package tlog

import (
	"fmt"
	"math/bits"

	modlog "golang.org/x/mod/sumdb/tlog"

	"writ/tlog/verify"
)

// edge is the right edge of a Merkle tree: the roots of the perfect subtrees that its size is the sum of, largest first.
// It is all that is needed to go on growing the tree and to know its root (RFC 6962 §2.1).
type edge struct {
	size   int64
	hashes []modlog.Hash
}

// add appends a leaf.
func (e *edge) add(leaf []byte) {
	h := modlog.RecordHash(leaf)
	for n := e.size; n&1 == 1; n >>= 1 {
		last := len(e.hashes) - 1
		h = modlog.NodeHash(e.hashes[last], h)
		e.hashes = e.hashes[:last]
	}
	e.hashes = append(e.hashes, h)
	e.size++
}

// root is the root hash of the tree.
func (e *edge) root() modlog.Hash {
	if len(e.hashes) == 0 {
		return verify.EmptyRoot()
	}
	h := e.hashes[len(e.hashes)-1]
	for i := len(e.hashes) - 2; i >= 0; i-- {
		h = modlog.NodeHash(e.hashes[i], h)
	}
	return h
}

func (e *edge) bytes() []byte {
	var b []byte
	for _, h := range e.hashes {
		b = append(b, h[:]...)
	}
	return b
}

// readEdge is the inverse of bytes.
func readEdge(size int64, b []byte) (*edge, error) {
	if len(b) != modlog.HashSize*bits.OnesCount64(uint64(size)) {
		return nil, fmt.Errorf("tlog: the stored edge of %d leaves has %d bytes", size, len(b))
	}
	e := &edge{size: size}
	for ; len(b) > 0; b = b[modlog.HashSize:] {
		e.hashes = append(e.hashes, modlog.Hash(b[:modlog.HashSize]))
	}
	return e, nil
}
