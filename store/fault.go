package store

// Fault decides, for tests, whether a commit fails. It is asked twice for each commit; an error is treated as a failed fsync.
type Fault func(at FaultPoint) error

// FaultPoint is where a Fault is asked.
type FaultPoint uint8

const (
	BeforeCommit FaultPoint = 1 + iota // an error here: the transaction is gone
	AfterCommit                        // an error here: the transaction is durable, and nobody was told
)

// SetFault has f asked at each commit from now on; nil ends it. It is for storetest.
func (db *DB) SetFault(f Fault) {
	if f == nil {
		db.e.fault.Store(nil)
		return
	}
	db.e.fault.Store(&f)
}

func (e *engine) inject(at FaultPoint) error {
	if f := e.fault.Load(); f != nil {
		return (*f)(at)
	}
	return nil
}
