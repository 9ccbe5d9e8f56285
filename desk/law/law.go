// Package law holds the words that the rooms of the desk share: the instruments (legal process) and the
// jurisdictions. It decides nothing; package policy does.
//
// Invariants: an Instrument and a Jurisdiction that passed Known is written the same everywhere (events, tables,
// report); a value, once released, never changes its meaning.
package law

import "writ/schedule"

// Instrument is the legal process that compels, or the request that asks.
type Instrument string

// The instruments that a filing may name.
const (
	Subpoena       Instrument = "subpoena"        // 18 USC 2703(c)(2)
	CourtOrder     Instrument = "court_order"     // 18 USC 2703(d) and its like elsewhere
	SearchWarrant  Instrument = "search_warrant"  // 18 USC 2703(c)(1)(A)
	PenRegister    Instrument = "pen_register"    // 18 USC 3123, prospective
	SecurityLetter Instrument = "security_letter" // 18 USC 2709
	Emergency      Instrument = "emergency"       // 18 USC 2702(c)(4), voluntary
	Preservation   Instrument = "preservation"    // 18 USC 2703(f)
	TreatyRequest  Instrument = "mlat"            // mutual legal assistance, through the central authority
	ForeignOrder   Instrument = "foreign_order"   // an order or letter of a foreign authority, of no kind above
	EPOC           Instrument = "epoc"            // Regulation (EU) 2023/1543, production
	EPOCPR         Instrument = "epoc_pr"         // Regulation (EU) 2023/1543, preservation
	DSAOrder       Instrument = "dsa_order"       // Regulation (EU) 2022/2065, Article 10
)

// Instruments is every instrument with its name in plain English, in the order in which forms show them.
func Instruments() []Instrument {
	return []Instrument{Subpoena, CourtOrder, SearchWarrant, Emergency, Preservation, ForeignOrder, TreatyRequest,
		PenRegister, SecurityLetter, EPOC, EPOCPR, DSAOrder}
}

// Known reports whether i is one of Instruments.
func (i Instrument) Known() bool { return i.Title() != "" }

// Title is the instrument's name in plain English, empty when it is none.
func (i Instrument) Title() string {
	switch i {
	case Subpoena:
		return "Subpoena"
	case CourtOrder:
		return "Court order"
	case SearchWarrant:
		return "Search warrant"
	case PenRegister:
		return "Pen register or trap and trace order"
	case SecurityLetter:
		return "National security letter"
	case Emergency:
		return "Emergency disclosure request"
	case Preservation:
		return "Preservation request"
	case TreatyRequest:
		return "Request under a mutual legal assistance treaty"
	case ForeignOrder:
		return "Other order or request of a foreign authority"
	case EPOC:
		return "European Production Order"
	case EPOCPR:
		return "European Preservation Order"
	case DSAOrder:
		return "Order to provide information (DSA Article 10)"
	}
	return ""
}

// Preserves reports whether the instrument asks to keep and not to give.
func (i Instrument) Preserves() bool { return i == Preservation || i == EPOCPR }

// Secret reports whether the instrument belongs to a class that the law lets be counted in bands only (50 USC 1874).
func (i Instrument) Secret() bool { return i == SecurityLetter }

// Category is a data category of the record schedule, which holds its text.
type Category = schedule.Category
