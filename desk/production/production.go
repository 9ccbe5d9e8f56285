// Package production makes what leaves the house: a deterministic zip with manifest, tables, cover letter and
// records-custodian certificate, sealed at rest with its case's key and handed over once.
//
// Invariants:
//   - The same Input gives the same bytes, anywhere and at any time: fixed times and order, no field of the operating system.
//   - manifest.json names every other file with its SHA-256; the manifest is signed as a note by the house's key.
//   - A value is written as it was recorded; nothing is added to evidence (no watermark in a table).
//   - Never in a package: contents, credentials, keys, ciphertext. Only what records.Extract emitted reaches it.
package production

import (
	"time"
)

// Input is everything that a package is made from. Times are UTC.
type Input struct {
	Case         string // public number of the case
	House        string // name of the provider as it stands on the letter
	Custodian    string // name and office of the records custodian
	Agency       string
	Officer      string
	Instrument   string // its title, as in the policy table
	LegalBasis   string
	Reference    string // the agency's own reference
	Jurisdiction string
	Service      string
	Identifiers  []string // what the request names
	From, To     time.Time
	Schedule     string    // version of the record schedule
	Made         time.Time // when the extraction ran; the only time in the package
	Tables       []Table   // one for each datum that was searched, in any order
}

// Table is what one datum of one account gave. No rows means: searched, and nothing held.
type Table struct {
	Account  string // bare JID
	Name     string // datum's name, unique in the schedule
	Category string // datum's category
	Fields   []Field
	Rows     [][]any // string, bool, int64, float64, time.Time, []byte or nil; a row has one value for each field
}

// Field is a column.
type Field struct {
	Name    string
	Meaning string
	Derived bool // worked out, not recorded (location from an IP address)
}

// Package is what is delivered.
type Package struct {
	Zip      []byte
	Manifest []byte   // manifest.json as it stands in the zip
	Hash     [32]byte // SHA-256 of Manifest: what two people sign to release it
	Name     string   // file name for the download
}
