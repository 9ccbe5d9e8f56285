// Package records keeps the little that the server records about people, and is the boundary that only an approved extraction
// opens.
//
// Invariants:
//   - The recorder is handed metadata, never a body: its types have no field that could hold one.
//   - No look-up without a grant: an Export needs a *Opened, whose fields are unexported. Only Gate.Extract makes one, after it has
//     checked in the database that two distinct people signed exactly this scope, that it has not expired and that the standing
//     allows it; and Keeper.Own, for the person's own records.
//   - What is past its retention, or belongs to an erased account, is deleted by the next sweep and gone from the files within
//     24 hours, except what a preservation (Hold) names, until that ends.
//   - An account that does not exist and one without records give the same answer.
//
// Three handles divide the powers, so that none can do what its holder must not: Recorder writes (for the chat), Gate holds and
// extracts by grant (for the desk), Keeper sweeps, erases and answers the person (for the house). The desk is never handed a Keeper.
package records

import (
	"errors"
	"fmt"
	"time"
)

// Config are the retention settings and the pace of deletion.
type Config struct {
	Archive  time.Duration
	SignIns  time.Duration
	Calls    time.Duration
	Location string
}

// Check refuses a term below zero.
func (c Config) Check() error {
	if c.Archive < 0 || c.SignIns < 0 || c.Calls < 0 {
		return errors.New("records: a term must not be below zero")
	}
	return nil
}

type reader interface{}

var _ = fmt.Sprint
