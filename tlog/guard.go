package tlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"writ/store"
	"writ/tlog/verify"
)

var errEmptyHead = errors.New("the head of an empty log is not signed any more")

// guard is the only signer that the tile library gets. It looks at what it is asked to sign: the head of the rows at the end
// of a batch, not smaller than what was published, and nothing else. So no fault of the tree, of the folder or of a backup
// can make the house sign two histories.
type guard struct {
	*Key
	db   *store.DB
	high int64

	mu     sync.Mutex
	closed bool
	err    error // why it refused last
}

// Sign implements note.Signer.
func (g *guard) Sign(text []byte) ([]byte, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, errors.New("tlog: this publication has ended")
	}
	later, err := g.check(text)
	if err != nil {
		if !later {
			g.err = err
		}
		return nil, err
	}
	g.err = nil
	return g.signer.Sign(text)
}

// KeyHash implements note.Signer.
func (g *guard) KeyHash() uint32 { return g.signer.KeyHash() }

// check refuses a wrong head. later says that the head is only unfinished, so that the library's next try may succeed.
func (g *guard) check(text []byte) (later bool, err error) {
	c, err := verify.ParseCheckpoint(string(text))
	if err != nil {
		return false, err
	}
	if c.Size == 0 && g.high == 0 {
		return false, nil
	}
	if c.Size == 0 {
		return false, errEmptyHead
	}
	var root []byte
	err = g.db.QueryRow(context.Background(), `SELECT root FROM tlog_batches WHERE first_leaf + size = $1`, c.Size).Scan(&root)
	if errors.Is(err, store.ErrNoRows) {
		return true, fmt.Errorf("tlog: %d leaves are not the end of a batch", c.Size)
	}
	switch {
	case err != nil:
		return false, err
	case !bytes.Equal(root, c.Root[:]):
		return false, fmt.Errorf("%w: the tree of %d leaves has another root", ErrForked, c.Size)
	case c.Size < g.high:
		return true, fmt.Errorf("%w: %d leaves, %d were published", ErrBehind, c.Size, g.high)
	}
	return false, nil
}

func (g *guard) reason() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}

func (g *guard) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.err = nil
}

// close makes the guard refuse from now on: a goroutine of the library that is late signs nothing.
func (g *guard) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}
