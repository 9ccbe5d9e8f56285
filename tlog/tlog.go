// Package tlog is the house's append-only Merkle log. Every event of a case leaves a salted commitment in the transaction
// that makes the event; on a fixed cadence a batch of constant size, padded with dummy leaves, is closed as numbered rows,
// and a publisher appends exactly these rows to a log of tiles that anyone can fetch and check (C2SP tlog-tiles,
// tlog-checkpoint, tlog-proof; hashes of RFC 6962 §2.1).
//
// Invariants:
//   - A commitment is a row of the transaction of its event: neither without the other.
//   - Size and time of the log say nothing: a batch is closed at each tick of the clock whether anything happened or not,
//     always with BatchSize leaves, in random order; a dummy is 32 random bytes, as a commitment looks to those without its salt.
//   - A batch has Config.Open places for leaves that will be published opened and the rest for all others, so that a full
//     batch does not tell how many sealed leaves are in it.
//   - The numbered rows are the truth and are never changed. The tree holds exactly these: none twice, none missing, also after a crash.
//   - Nothing is signed that is not the tree of the rows at the end of a batch, or is smaller than what was ever published.
package tlog

import (
	"time"

	"writ/tlog/verify"
)

// Entry is a commitment that was accepted into the queue.
type Entry struct {
	Commitment [32]byte
	Received   time.Time // when Append took it
	By         time.Time // the promised time: a batch with it will be closed by then
}

// Promise gives the entry as the statement that the house signs at filing.
func (e Entry) promise(origin string) verify.Promise {
	return verify.Promise{Origin: origin, Commitment: e.Commitment, Received: e.Received, By: e.By}
}
