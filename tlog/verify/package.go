package verify

import (
	"archive/zip"
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// Limits of a package that is looked at.
const (
	maxFiles    = 100_000
	maxFileSize = 1 << 40
)

const ageHead = "age-encryption.org/"

// CheckPackage checks a delivered package (a zip of size bytes) with the house's key: the manifest's signature, then the SHA-256
// of every file, that no file is missing or added, that the tables have as many records as the manifest says, and the receipt in
// it as of the day it was made. A package that is dated after now is wrong.
func CheckPackage(r io.ReaderAt, size int64, vkey string, now time.Time) (*Result, error) {
	key, err := Key(vkey)
	if err != nil {
		return nil, err
	}
	head := make([]byte, len(ageHead))
	if _, err := r.ReadAt(head, 0); err == nil && string(head) == ageHead {
		return nil, errors.New("verify: this file is encrypted with age: decrypt it first (age -d -i KEYFILE -o package.zip FILE)")
	}
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("verify: this is not a zip file, or it was cut: %w", err)
	}
	res := &Result{Title: "Package of " + key.Name()}
	res.checkPackage(z, key, vkey, now)
	switch {
	case res.OK():
		res.Answer = "The package is complete and is what the house signed."
	default:
		res.Answer = "The package is NOT what the house signed."
	}
	return res, nil
}

func (r *Result) checkPackage(z *zip.Reader, key note.Verifier, vkey string, now time.Time) {
	files, err := entries(z)
	if !r.check(err, "the zip holds %d files with plain, distinct names", len(z.File)) {
		return
	}
	m, err := manifestOf(files, key)
	if !r.check(err, "the manifest is signed by %s", key.Name()) {
		return
	}
	if m.Made.After(now) {
		err = fmt.Errorf("verify: that is in the future")
	}
	r.check(err, "case %s of %s, for %s, made %s", m.Case, m.House, m.Agency, stamp(m.Made))
	lines := map[string]int64{}
	listed := map[string]bool{ManifestName: true, SignatureName: true}
	for _, f := range m.Files {
		if listed[f.Name] {
			r.add(Failed, "%s stands twice in the manifest", clip(f.Name))
			continue
		}
		listed[f.Name] = true
		e, ok := files[f.Name]
		if !ok {
			r.add(Failed, "%s is missing", clip(f.Name))
			continue
		}
		n, err := checkFile(e, f)
		r.check(err, "%s, %d bytes", f.Name, f.Size)
		lines[f.Name] = n
	}
	for _, e := range z.File {
		if !listed[e.Name] {
			r.add(Failed, "%s is in the zip and not in the manifest", clip(e.Name))
		}
	}
	r.records(m, lines)
	if e, ok := files[ReceiptName]; ok {
		// As of the day it was made: that a proof came later does not make the package wrong.
		r.receipt(e, vkey, m.Made)
	}
}

// entries indexes the zip and refuses what could hide something: odd names, two files of one name, unusual methods, too much.
func entries(z *zip.Reader) (map[string]*zip.File, error) {
	if len(z.File) > maxFiles {
		return nil, fmt.Errorf("verify: %d files, the limit is %d", len(z.File), maxFiles)
	}
	files := map[string]*zip.File{}
	for _, f := range z.File {
		switch {
		case f.Name == "" || path.Clean(f.Name) != f.Name || path.IsAbs(f.Name) || strings.HasPrefix(f.Name, "../") || strings.ContainsAny(f.Name, "\\:\x00"):
			return nil, fmt.Errorf("verify: a file has the name %q", clip(f.Name))
		case files[f.Name] != nil:
			return nil, fmt.Errorf("verify: two files have the name %q", clip(f.Name))
		case f.Method != zip.Store && f.Method != zip.Deflate:
			return nil, fmt.Errorf("verify: %s is packed with the unusual method %d", clip(f.Name), f.Method)
		case f.UncompressedSize64 > maxFileSize:
			return nil, fmt.Errorf("verify: %s says it has %d bytes", clip(f.Name), f.UncompressedSize64)
		}
		files[f.Name] = f
	}
	return files, nil
}

func manifestOf(files map[string]*zip.File, key note.Verifier) (Manifest, error) {
	text, err := readEntry(files[ManifestName], ManifestName, 64<<20)
	if err != nil {
		return Manifest{}, err
	}
	sig, err := readEntry(files[SignatureName], SignatureName, maxNote)
	if err != nil {
		return Manifest{}, err
	}
	return OpenManifest(text, sig, key)
}

func readEntry(f *zip.File, name string, most int64) ([]byte, error) {
	if f == nil {
		return nil, fmt.Errorf("verify: %s is missing", name)
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("verify: %s: %w", name, err)
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, fmt.Errorf("verify: %s: %w", name, err)
	}
	if int64(len(b)) > most {
		return nil, fmt.Errorf("verify: %s has more than %d bytes", name, most)
	}
	return b, nil
}

// checkFile compares one file with its line of the manifest and counts its lines.
func checkFile(e *zip.File, want File) (lines int64, err error) {
	r, err := e.Open()
	if err != nil {
		return 0, fmt.Errorf("verify: cannot be read: %w", err)
	}
	defer r.Close()
	h := sha256.New()
	count := &lineCounter{}
	n, err := io.Copy(io.MultiWriter(h, count), bufio.NewReader(io.LimitReader(r, want.Size+1)))
	if err != nil {
		return 0, fmt.Errorf("verify: cannot be read: %w", err)
	}
	if n != want.Size {
		return 0, fmt.Errorf("verify: it has not %d bytes", want.Size)
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != want.SHA256 {
		return 0, fmt.Errorf("verify: its SHA-256 is %s, the manifest says %s", sum, clip(want.SHA256))
	}
	return count.n, nil
}

type lineCounter struct{ n int64 }

func (c *lineCounter) Write(p []byte) (int, error) {
	c.n += int64(bytes.Count(p, []byte("\n")))
	return len(p), nil
}

// records compares the number of records that the manifest says were found with the lines of the JSON Lines files.
func (r *Result) records(m Manifest, lines map[string]int64) {
	found := map[string]int64{}
	for _, s := range m.Searched {
		found[s.Datum] += s.Records
	}
	var none []string
	for _, t := range m.Tables {
		n := found[t.Datum]
		if n == 0 {
			none = append(none, t.Datum)
			continue
		}
		var err error
		if lines[t.JSONL] != n {
			err = fmt.Errorf("verify: its file has %d", lines[t.JSONL])
		}
		r.check(err, "%s: %d records", t.Datum, n)
	}
	if len(none) > 0 {
		r.add(Passed, "searched, and nothing held: %s", strings.Join(none, ", "))
	}
}

func (r *Result) receipt(e *zip.File, vkey string, now time.Time) {
	data, err := readEntry(e, ReceiptName, maxNote)
	if err != nil {
		r.check(err, "the receipt")
		return
	}
	sub, err := CheckReceipt(data, nil, vkey, now)
	if err != nil {
		r.check(err, "the receipt of the request")
		return
	}
	for _, p := range sub.Points {
		r.Points = append(r.Points, Point{p.State, "receipt: " + p.Text})
	}
}
