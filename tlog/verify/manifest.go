package verify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// ManifestFormat is the first member of every manifest.
const ManifestFormat = "writ.package/v1"

// The names of the two files of a package that the manifest does not list.
const (
	ManifestName  = "manifest.json"
	SignatureName = "manifest.sig"
	ReceiptName   = "receipt.json" // the log's receipt of the request; the manifest lists it
)

// Manifest says what a package is and lists every file of it. Its JSON text, as Text writes it, is what people and house sign.
type Manifest struct {
	Format       string     `json:"format"`
	Case         string     `json:"case"`
	House        string     `json:"house"`
	Service      string     `json:"service"`
	Agency       string     `json:"agency"`
	Officer      string     `json:"officer"`
	Instrument   string     `json:"instrument"`
	LegalBasis   string     `json:"legal_basis"`
	Reference    string     `json:"reference"`
	Jurisdiction string     `json:"jurisdiction"`
	Identifiers  []string   `json:"identifiers"`
	From         time.Time  `json:"from"`
	To           time.Time  `json:"to"`
	Schedule     string     `json:"schedule"` // version of the record schedule
	Made         time.Time  `json:"made"`
	Tables       []Table    `json:"tables"`
	Searched     []Searched `json:"searched"`
	Files        []File     `json:"files"`
}

// Table is one kind of record and its columns. CSV and JSONL name its two files, empty if nothing was held.
type Table struct {
	Datum    string  `json:"datum"`
	Category string  `json:"category"`
	CSV      string  `json:"csv,omitempty"`
	JSONL    string  `json:"jsonl,omitempty"`
	Fields   []Field `json:"fields"`
}

// Field is one column.
type Field struct {
	Name    string `json:"name"`
	Meaning string `json:"meaning"`
	Derived bool   `json:"derived,omitempty"` // worked out by the house, not recorded
}

// Searched says how many records of a kind were found for an account. Zero: searched, and none held.
type Searched struct {
	Account string `json:"account"`
	Datum   string `json:"datum"`
	Records int64  `json:"records"`
}

// File is one file of the package.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // lower-case hexadecimal
}

// Text writes the manifest as it is signed and delivered.
func (m Manifest) Text() (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(m); err != nil {
		return "", fmt.Errorf("verify: writing a manifest: %w", err)
	}
	return b.String(), nil
}

// SignatureLines takes the signature lines off a signed manifest; they are the content of manifest.sig.
func SignatureLines(text string, signed []byte) ([]byte, error) {
	lines, ok := strings.CutPrefix(string(signed), text+"\n")
	if !ok {
		return nil, errors.New("verify: the signed note is not that of the text")
	}
	return []byte(lines), nil
}

// OpenManifest checks the signature of key over a manifest and reads it.
func OpenManifest(text, signature []byte, key note.Verifier) (Manifest, error) {
	signed := append(append(bytes.Clone(text), '\n'), signature...)
	const most = 64 << 20 // a manifest of a hundred thousand files; note.Open itself has no limit on the text
	if len(signed) > most {
		return Manifest{}, fmt.Errorf("verify: a manifest of %d bytes is over the limit of %d", len(signed), most)
	}
	n, err := openNote(signed, note.VerifierList(key))
	if err != nil {
		return Manifest{}, fmt.Errorf("verify: the manifest is not signed by %s: %w", key.Name(), err)
	}
	var m Manifest
	d := json.NewDecoder(strings.NewReader(n.Text))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return Manifest{}, fmt.Errorf("verify: reading the manifest: %w", err)
	}
	if m.Format != ManifestFormat {
		return Manifest{}, fmt.Errorf("verify: a manifest of the form %q; this program reads %q", clip(m.Format), ManifestFormat)
	}
	return m, nil
}
