// Package production makes what leaves the house: a deterministic zip with manifest, tables, cover letter and
// records-custodian certificate, sealed at rest with its case's key and, if the agency registered one, encrypted to its key.
//
// Invariants:
//   - The same cover and the same records give the same bytes, anywhere and at any time: fixed times and order, no field of
//     the operating system, no random number. (Sealing and encryption are random, and come after.)
//   - manifest.json names every other file with its SHA-256; the manifest is signed as a note by the house's key.
//   - A value is written as it was recorded; nothing is added to evidence (no watermark in a table).
//   - Never in a package: contents, credentials, keys, ciphertext. Only what records.Gate.Extract emits reaches it.
package production

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"writ/tlog/verify"
)

// Cover is all that a package says besides the records. Times are UTC.
type Cover struct {
	Case         string // the case's number
	House        string // name of the provider as it stands on the letter
	Address      string // its postal address, lines separated by newlines
	Custodian    string // office of the custodian of records
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
	Received     time.Time // when the request came
	VKey         string    // the house's public key, for the letter
	Receipt      []byte    // the request's receipt (verify.Receipt as JSON), if there is one
}

// Signer signs a text as a note; tlog.Key is one.
type Signer interface {
	Sign(text string) ([]byte, error)
}

// Package is what is delivered.
type Package struct {
	Zip      []byte
	Manifest []byte           // manifest.json as it stands in the zip
	Hash     [32]byte         // SHA-256 of Manifest: what two people sign to release it
	Name     string           // file name for the download
	Records  map[string]int64 // records of each category
	Total    int64
}

// ErrNothing is the answer of Package when no record was found: "no records held" is an answer of its own, not an empty package.
var ErrNothing = errors.New("production: no records held")

// Package writes the package. ErrNothing if the collector got no record.
func (c *Collector) Package(by Signer) (*Package, error) {
	if c.err != nil {
		return nil, c.err
	}
	if c.open {
		return nil, errors.New("production: the extraction has not ended")
	}
	p := &Package{Records: map[string]int64{}, Name: "production-" + fileName(c.cover.Case) + ".zip"}
	for _, s := range c.searched {
		p.Records[string(c.tables[s.Datum].datum.Category)] += s.Records
		p.Total += s.Records
	}
	if p.Total == 0 {
		return nil, ErrNothing
	}
	files, err := c.files()
	if err != nil {
		return nil, err
	}
	m := c.manifest(files)
	text, err := m.Text()
	if err != nil {
		return nil, fmt.Errorf("production: %w", err)
	}
	signed, err := by.Sign(text)
	if err != nil {
		return nil, fmt.Errorf("production: signing the manifest: %w", err)
	}
	sig, err := verify.SignatureLines(text, signed)
	if err != nil {
		return nil, fmt.Errorf("production: %w", err)
	}
	p.Manifest, p.Hash = []byte(text), sha256.Sum256([]byte(text))
	all := append([]file{{verify.ManifestName, p.Manifest}, {verify.SignatureName, sig}}, files...)
	if p.Zip, err = pack(all); err != nil {
		return nil, err
	}
	return p, nil
}

func (c *Collector) manifest(files []file) verify.Manifest {
	m := verify.Manifest{
		Format: verify.ManifestFormat, Case: c.cover.Case, House: c.cover.House, Service: c.cover.Service, Agency: c.cover.Agency,
		Officer: c.cover.Officer, Instrument: c.cover.Instrument, LegalBasis: c.cover.LegalBasis, Reference: c.cover.Reference,
		Jurisdiction: c.cover.Jurisdiction, Identifiers: c.cover.Identifiers, From: c.cover.From.UTC(), To: c.cover.To.UTC(),
		Schedule: c.cover.Schedule, Made: c.cover.Made.UTC(), Searched: c.searched,
	}
	for _, name := range c.order {
		m.Tables = append(m.Tables, c.tables[name].describe())
	}
	for _, f := range files {
		m.Files = append(m.Files, f.describe())
	}
	return m
}
