package desk

import (
	"context"
	"errors"
	"time"
)

// Line is one case in a list.
type Line struct {
	ID           string
	State        State
	Service      string
	Jurisdiction string
	Instrument   string
	Agency       string
	Officer      string
	Received     time.Time
	Due          time.Time // the nearest running term, zero: none
	Emergency    bool
	Sealed       bool
	Frozen       bool
	Paused       bool
	Flagged      bool // staff only
	Accounts     int
}

// Filter chooses cases. Zero values choose all that the actor may see.
type Filter struct {
	States       []State
	OpenOnly     bool
	Service      string
	Jurisdiction string
	Instrument   string
	Agency       string
	Emergency    bool
	Overdue      bool
	After        string // cursor: Page.Next of the page before
	Limit        int    // 1 to 200; zero: 50
}

// Page is one page of a list.
type Page struct {
	Lines []Line
	Next  string // empty: the last page
}

// Offer is one action that is on offer.
type Offer struct {
	Command string
	Title   string
	Two     bool // a signature of two people
	Sign    bool // needs a passkey assertion over Hash
	Hash    [32]byte
	Blocked string // reason code when it is in the table but a rule bars it now; pages show it greyed, with the reason
}

// Queue is a page of the cases that the actor may see: emergencies first, then by what is due next.
func (d *Desk) Queue(ctx context.Context, by Actor, f Filter) (Page, error) {
	return Page{}, errors.New("desk: not open yet")
}

// Case is one case as the actor may see it: an officer sees no flags, notes or names of staff.
func (d *Desk) Case(ctx context.Context, by Actor, id string) (Case, error) {
	return Case{}, ErrNotFound
}

// Events is the file of a case as the actor may see it.
func (d *Desk) Events(ctx context.Context, by Actor, id string) ([]Event, error) {
	return nil, ErrNotFound
}

// Document is the plain body of one document of a case.
func (d *Desk) Document(ctx context.Context, by Actor, id, document string) ([]byte, error) {
	return nil, ErrNotFound
}

// Actions says what is on offer to the actor on this case, now. Pages and API show only these, and Do checks the same.
func (d *Desk) Actions(ctx context.Context, c Case, by Actor, now time.Time) []Offer { return nil }
