package storetest

import (
	"errors"
	"sync"

	"writ/store"
)

// ErrInjected is the cause of the failures that Faults makes.
var ErrInjected = errors.New("storetest: injected fault")

// Faults fails commits of one database. As after a real failed fsync, the database takes no write from then on: a test goes on with Reopen.
type Faults struct {
	mu        sync.Mutex
	n         int // the commit that fails, counted from 1; 0: none
	persisted bool
	seen      int
}

// NewFaults counts the commits of db from now on.
func NewFaults(db *store.DB) *Faults {
	f := &Faults{}
	db.SetFault(f.at)
	return f
}

// Fail has the n-th commit from now on fail, n ≥ 1: before anything of it is kept, or after it is durable but before anyone was told.
func (f *Faults) Fail(n int, persisted bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n, f.persisted, f.seen = n, persisted, 0
}

// Commits is how many commits there were since NewFaults or Fail, the failed one included.
func (f *Faults) Commits() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen
}

func (f *Faults) at(p store.FaultPoint) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p == store.BeforeCommit {
		f.seen++
	}
	if f.seen == f.n && f.persisted == (p == store.AfterCommit) {
		return ErrInjected
	}
	return nil
}
