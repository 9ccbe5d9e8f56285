package records

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"writ/store"
)

// Step is what a stanza of call signalling says.
type Step uint8

// The steps. Those of Jingle Message Initiation (XEP-0353) first, then those of Jingle (XEP-0166).
const (
	Propose      Step = iota + 1
	Ringing           // a device rings
	Proceed           // answered on one device
	Accept            // "answered elsewhere", to the own account
	Reject            // declined or busy
	Retract           // taken back by the caller
	Finish            // over, says either side
	Moved             // over here, goes on under another id
	SessionStart      // Jingle session-initiate
	SessionOpen       // Jingle session-accept
	SessionEnd        // Jingle session-terminate
)

// The outcomes of a call, as they are exported. An open call has none.
const (
	Answered   = "answered"   // answered and ended
	Declined   = "declined"   // by the one who was called
	Busy       = "busy"       // likewise
	Cancelled  = "cancelled"  // by the caller, before an answer
	Unanswered = "unanswered" // nobody took it
	Failed     = "failed"     // the connection did not come about or broke
	Superseded = "moved"      // went on under another id
	Unfinished = "unfinished" // answered; no end was signalled within a day
)

// callTerm is when a call without an end is closed (XEP-0353 §5: a call whose finish never came).
const callTerm = 24 * time.Hour

// CallSignal is the metadata of one signalling stanza. Candidates, keys and texts of the stanza have no field here.
type CallSignal struct {
	From, To string // bare JIDs; equal when an app tells its own account's other devices
	ID       string // of the call: JMI id, Jingle sid
	Step     Step
	Video    bool   // Propose, SessionStart: some media is video
	Reason   string // Jingle reason element's name (XEP-0166 §7.4), empty if none
	Time     time.Time
}

// call is a row of the call log.
type call struct {
	id                                  int64
	a, b, key                           string
	caller, kind                        string
	started, proceeded, answered, ended int64
	outcome                             string
}

func (c call) callee() string {
	if c.caller == c.a {
		return c.b
	}
	return c.a
}

// next is the call after a signal. It is pure, so that the rules stand in one place: only the one who was called can answer or
// decline, only the caller can retract, the first end is the end, and the last word of an end gives the outcome.
func (c call) next(s CallSignal) call {
	at := store.Time(s.Time)
	fromCallee := s.From == c.callee()
	switch s.Step {
	case SessionStart:
		if s.Video && c.outcome == "" {
			c.kind = "video"
		}
	case Proceed, Accept:
		if fromCallee && c.proceeded == 0 && c.ended == 0 {
			c.proceeded = at
		}
	case SessionOpen:
		if fromCallee && c.answered == 0 && c.ended == 0 {
			c.answered = at
		}
	case Reject:
		if fromCallee && c.answered == 0 {
			c = c.end(at, s, Declined)
		}
	case Retract:
		if !fromCallee && c.answered == 0 {
			c = c.end(at, s, Cancelled)
		}
	case Finish, SessionEnd:
		c = c.end(at, s, "")
	case Moved:
		c = c.end(at, s, Superseded)
	}
	return c
}

// end closes the call, or lets a later word on a closed one refine the outcome.
func (c call) end(at int64, s CallSignal, outcome string) call {
	if c.outcome == Superseded || (c.ended != 0 && outcome == "" && s.Reason == "") {
		return c
	}
	if outcome != Superseded {
		outcome = c.says(s, outcome)
	}
	if c.ended == 0 {
		c.ended = at
	}
	c.outcome = outcome
	return c
}

// says turns a reason into an outcome.
func (c call) says(s CallSignal, outcome string) string {
	switch s.Reason {
	case "connectivity-error", "failed-application", "failed-transport", "general-error", "incompatible-parameters", "media-error",
		"security-error", "unsupported-applications", "unsupported-transports":
		return Failed
	}
	if c.answered != 0 || (c.proceeded != 0 && s.Step != Retract) { // a retraction that crossed the answer was meant before it
		return Answered
	}
	switch s.Reason {
	case "busy":
		return Busy
	case "decline":
		return Declined
	case "cancel":
		return Cancelled
	case "timeout", "gone", "expired":
		return Unanswered
	}
	if outcome != "" {
		return outcome
	}
	if c.outcome != "" {
		return c.outcome
	}
	if s.From == c.callee() {
		return Declined
	}
	return Cancelled
}

// Call records a signal. A call is a row under the unordered pair of bare JIDs and the apps' id; only a proposal or a Jingle
// session that begins makes one. With a term of zero nothing is recorded.
func (r *Recorder) Call(ctx context.Context, tx *store.Tx, s CallSignal) error {
	if r.config.Calls == 0 || s.ID == "" {
		return nil
	}
	if len(s.ID) > maxTold { // an app's id may be long; the log needs it only to tell calls apart
		sum := sha256.Sum256([]byte(s.ID))
		s.ID = hex.EncodeToString(sum[:])
	}
	c, err := r.findCall(ctx, tx, s)
	switch {
	case errors.Is(err, store.ErrNoRows):
		if s.From == s.To || (s.Step != Propose && s.Step != SessionStart) {
			return nil
		}
		return r.newCall(ctx, tx, s)
	case err != nil:
		return fmt.Errorf("records: recording a call: %w", err)
	}
	n := c.next(s)
	if n == c {
		return nil
	}
	_, err = tx.Exec(ctx, `UPDATE records_call SET kind = $2, proceeded = $3, answered = $4, ended = $5, outcome = $6 WHERE id = $1`,
		n.id, n.kind, n.proceeded, n.answered, n.ended, n.outcome)
	if err != nil {
		return fmt.Errorf("records: recording a call: %w", err)
	}
	return nil
}

func (r *Recorder) newCall(ctx context.Context, tx *store.Tx, s CallSignal) error {
	kind := "audio"
	if s.Video {
		kind = "video"
	}
	a, b := pair(s.From, s.To)
	_, err := tx.Exec(ctx, `INSERT INTO records_call (a, b, call, caller, kind, started) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (a, b, call) DO NOTHING`, a, b, s.ID, s.From, kind, store.Time(s.Time))
	if err != nil {
		return fmt.Errorf("records: recording a call: %w", err)
	}
	return nil
}

const callColumns = `SELECT id, a, b, call, caller, kind, started, proceeded, answered, ended, outcome FROM records_call `

// findCall finds the row of a signal. One that an app sends to its own account does not name the other party: then it is the open
// call with this id in which the account takes part.
func (r *Recorder) findCall(ctx context.Context, tx *store.Tx, s CallSignal) (call, error) {
	var c call
	scan := func(row *store.Row) error {
		return row.Scan(&c.id, &c.a, &c.b, &c.key, &c.caller, &c.kind, &c.started, &c.proceeded, &c.answered, &c.ended, &c.outcome)
	}
	if s.From != s.To {
		a, b := pair(s.From, s.To)
		err := scan(tx.QueryRow(ctx, callColumns+`WHERE a = $1 AND b = $2 AND call = $3`, a, b, s.ID))
		return c, err
	}
	err := scan(tx.QueryRow(ctx, callColumns+`WHERE outcome = '' AND call = $2 AND (a = $1 OR b = $1) ORDER BY started DESC LIMIT 1`, s.From, s.ID))
	return c, err
}

// closeCalls closes the calls that began before the time and never ended: an answered one as unfinished, another as unanswered.
// When they ended is not known and stays so.
func closeCalls(ctx context.Context, tx *store.Tx, before time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE records_call SET outcome = CASE WHEN answered > 0 OR proceeded > 0 THEN 'unfinished' ELSE 'unanswered' END
		WHERE outcome = '' AND started < $1`, store.Time(before))
	if err != nil {
		return fmt.Errorf("records: closing calls: %w", err)
	}
	return nil
}

func pair(x, y string) (string, string) {
	if x < y {
		return x, y
	}
	return y, x
}
