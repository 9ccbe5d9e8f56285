package desk

import (
	"encoding/hex"
	"slices"
	"time"

	"writ/desk/deadline"
)

// Fold makes the case from its events. It takes any sequence without failing, also one that someone has tampered with; Fsck tells. Events whose payload was erased, or that the reader may not open, fold to the same state,
// clocks and counts: everything that decides stands in the facts.
func Fold(es []Event) Case {
	var c Case
	for _, e := range es {
		c.apply(e)
	}
	return c
}

// apply adds one event.
func (c *Case) apply(e Event) {
	x := e.Detail
	if x == nil {
		x = &Detail{}
	}
	c.Seq = e.Seq
	before := c.State
	c.State = e.To
	for _, k := range e.Facts.Clocks {
		c.setClock(k)
	}
	c.Documents = append(c.Documents, x.Documents...)
	switch e.Kind {
	case EvReceived:
		c.received(e, x)
	case EvAuthenticated:
		c.Called, c.Verifier, c.CallBack = c.Called || e.Facts.Called, e.By, x.CallBack
		if x.Verifier != "" {
			c.Verifier = x.Verifier
		}
	case EvScreened:
		c.Flags, c.Flagged = x.Flags, e.Facts.Flagged
	case EvCleared:
		c.Cleared = true
	case EvPaused:
		c.Held = before
		c.pause(e, x)
	case EvAdmitted:
		c.admitted(e, x)
	case EvResumed:
		c.unpause(e.At)
		c.Held = ""
	case EvNarrowed:
		c.Offered, c.Reasons = x.Scope, e.Facts.Reasons
	case EvAgreed:
		c.Agreed, c.Offered = c.Offered, nil
	case EvReturned, EvObjected:
		c.Reasons = e.Facts.Reasons
	case EvTakenBack, EvCured, EvAnswered:
		c.Reasons, c.Offered = nil, nil
	case EvRefused:
		c.Reasons, c.Effect = e.Facts.Reasons, e.At
		if e.Facts.Standing != "" {
			c.pause(e, x)
		}
	case EvNothingHeld:
		c.Effect = e.At
	case EvHoldExtended, EvHoldReleased, EvHoldEnded, EvPreserved:
		c.hold(e)
	case EvFrozen:
		c.Frozen, c.FrozenBy = true, e.Facts.Cause
	case EvUnfrozen:
		c.Frozen, c.FrozenBy = false, ""
	case EvAssigned:
		if !slices.Contains(c.Team, e.Facts.Person) {
			c.Team = append(c.Team, e.Facts.Person)
		}
	case EvFollowedUp:
		c.FollowUp = e.At
	case EvGagSet:
		c.gag(e, x)
	default:
		c.release(e, x)
	}
	c.speak(e, x)
	if c.State.Ended() && !before.Ended() {
		c.Ended = e.At
		if p := c.Paused(); p != nil && c.State != Refused {
			p.Over = e.At
		}
	}
}

func (c *Case) received(e Event, x *Detail) {
	c.ID, c.Received = e.Case, e.At
	if x.Request != nil {
		c.Request = *x.Request
	}
	f := e.Facts
	c.Request.Channel, c.Request.Service, c.Request.Agency, c.Request.Officer = f.Channel, f.Service, f.Agency, f.Officer
	c.Request.Instrument, c.Request.Jurisdiction, c.Request.Accounts, c.Request.Sealed = f.Instrument, f.Jurisdiction, f.Accounts, f.Sealed
	c.Request.FiledBy = e.By
	if f.Served != nil {
		c.Request.Served = *f.Served
	}
	c.SeenIn = x.SeenIn
	c.gag(e, x)
	if f.Standing != "" {
		c.pause(e, x)
	}
}

func (c *Case) gag(e Event, x *Detail) {
	if !e.Facts.Gagged {
		if e.Kind == EvGagSet {
			c.Gag = nil
		}
		return
	}
	g := Gag{}
	if x.Gag != nil {
		g = *x.Gag
	}
	g.Until = deref(e.Facts.GagUntil)
	c.Gag = &g
}

func deref(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// pause notes the standing that met the case, once for each standing.
func (c *Case) pause(e Event, x *Detail) {
	if p := c.Paused(); p != nil {
		if p.Standing == e.Facts.Standing {
			return
		}
		p.Over = e.At
	}
	c.Pauses = append(c.Pauses, Pause{Standing: e.Facts.Standing, Stage: e.Facts.Stage, Since: deref(e.Facts.Since), At: e.At,
		Statement: x.Statement, Exception: e.Facts.Exception})
}

func (c *Case) unpause(at time.Time) {
	if p := c.Paused(); p != nil {
		p.Over = at
	}
}

func (c *Case) admitted(e Event, x *Detail) {
	if c.Admission == nil || c.Admission.Done || c.Admission.Exception != e.Facts.Exception || c.Admission.Standing != e.Facts.Standing {
		c.Admission = &Admission{Standing: e.Facts.Standing, Exception: e.Facts.Exception}
	}
	c.Admission.Signatures = append(slices.Clone(c.Admission.Signatures), sign(e, x))
	if e.To != Standstill {
		c.Admission.Done = true
		c.Held = ""
		c.unpause(e.At)
	}
}

func sign(e Event, x *Detail) Signature {
	return Signature{Person: e.By, Role: e.Role, At: e.At, assertion: x.Assertion}
}

func (c *Case) hold(e Event) {
	switch e.Kind {
	case EvPreserved:
		c.Hold = &Preserved{Holds: []string{e.Facts.Hold}, From: e.At, Until: deref(e.Facts.Until)}
		if c.Request.Instrument.Preserves() {
			c.Effect = e.At
		}
	case EvHoldExtended:
		var h Preserved
		if c.Hold != nil {
			h = *c.Hold
		}
		h.Until, h.Extended = deref(e.Facts.Until), true
		c.Hold = &h
	default:
		var h Preserved
		if c.Hold != nil {
			h = *c.Hold
		}
		h.Ended, h.Why = e.At, e.Facts.Why
		c.Hold = &h
	}
}

// release folds the events from the proposal to the notice.
func (c *Case) release(e Event, x *Detail) {
	switch e.Kind {
	case EvProposed:
		p := &Proposal{Grant: e.Facts.Grant, Hash: hash(e.Facts.Hash), By: e.By, At: e.At, Expires: deref(e.Facts.Expires)}
		if x.Scope != nil {
			p.Scope = *x.Scope
		}
		if x.Decision != nil {
			p.Decision = *x.Decision
		}
		c.Proposal = p
	case EvScopeSigned:
		if c.Proposal != nil {
			p := *c.Proposal
			p.Signatures = append(slices.Clone(p.Signatures), sign(e, x))
			c.Proposal = &p
		}
	case EvSentBack:
		c.Proposal, c.Package, c.Notice = nil, nil, Notice{} // another scope is another notice
		c.setClock(Clock{Name: deadline.Objection})
	case EvExtracting:
		c.Fault = ""
	case EvExtractionFailed:
		c.Fault = e.Facts.Why
	case EvPackaged:
		c.Package = &Package{Document: e.Facts.Document, Hash: hash(e.Facts.Hash), Size: e.Facts.Size, Records: e.Facts.Records, Name: x.Text}
	case EvReleaseSigned:
		if c.Package != nil {
			p := *c.Package
			p.Signatures = append(slices.Clone(p.Signatures), sign(e, x))
			p.Expires = deref(e.Facts.Expires)
			c.Package = &p
		}
		if e.To == Delivered {
			c.Effect = e.At
			c.unpause(e.At)
		}
	case EvDownloaded:
		if c.Package != nil {
			p := *c.Package
			p.Downloaded, p.Downloads = e.At, p.Downloads+1
			c.Package = &p
		}
	case EvReissued:
		if c.Package != nil {
			p := *c.Package
			p.Downloaded, p.Expires = time.Time{}, deref(e.Facts.Expires)
			c.Package = &p
		}
	case EvWarnQueued:
		c.Notice.Queued = e.At
	case EvWarned:
		c.Notice.Warned, c.Notice.NotBefore = e.At, deref(e.Facts.Until)
	case EvUserObjected:
		c.Notice.Objected, c.Notice.Objection, c.Notice.Overruled = e.At, x.Text, false
	case EvOverruled:
		c.Notice.Overruled = true
	case EvNotified:
		c.Notice.Told = e.At
	}
}

func hash(s string) (h [32]byte) {
	b, err := hex.DecodeString(s)
	if err == nil && len(b) == len(h) {
		copy(h[:], b)
	}
	return h
}

// speak adds what was said between desk and requester, or among the staff.
func (c *Case) speak(e Event, x *Detail) {
	switch e.Kind {
	case EvReceived, EvUserObjected, EvScopeSigned, EvReleaseSigned, EvPackaged:
		return
	}
	if x.Text != "" || len(e.Facts.Reasons) > 0 {
		c.Talk = append(c.Talk, Message{At: e.At, By: e.By, Kind: e.Kind, Reasons: e.Facts.Reasons, Text: x.Text})
	}
}

// terms of the clocks that the desk itself sets.
func linkClock(at time.Time) Clock {
	return Clock{Name: deadline.Link, Start: at, Due: at.Add(deadline.LinkTerm), Rule: "10 days to fetch the package, once [" + deadline.Version + "]", Soft: true}
}
