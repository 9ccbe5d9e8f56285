package verify

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// ReportFiles are what CheckReport looks at; only JSON is needed.
type ReportFiles struct {
	JSON      []byte
	CSV       []byte // the published table
	Signature []byte // signature lines over JSON
	Receipt   []byte // a receipt whose case the reader looks for
}

// CheckReport recomputes a report with the house's key: every opened fact is a leaf of the signed log and counted once; every cell
// of every row follows from the facts; the CSV says the same. Bands are named as what cannot be opened. With a receipt it says
// whether, and as what, its case is counted.
func CheckReport(in ReportFiles, vkey string) (*Result, error) {
	key, err := Key(vkey)
	if err != nil {
		return nil, err
	}
	r, err := ReadReport(in.JSON)
	if err != nil {
		return nil, err
	}
	res := &Result{Title: fmt.Sprintf("Report %s, version %d, of %s", clip(r.Period), r.Version, clip(r.House))}
	res.signature(in, key)
	facts := res.facts(r, key)
	res.cells(r, Count(r.Period, r.Services, facts))
	res.bands(r.Bands)
	for _, w := range r.Withheld {
		res.add(Unknown, "withheld: %s", clip(w))
	}
	if len(in.CSV) > 0 {
		var err error
		if !bytes.Equal(in.CSV, r.CSV()) {
			err = errors.New("it differs")
		}
		res.check(err, "the CSV says the same as the report")
	}
	if len(in.Receipt) > 0 {
		res.ownCase(r, facts, in.Receipt, key)
	}
	if res.OK() {
		res.Answer = fmt.Sprintf("Every number follows from the opened facts (%d), and each of them is in the signed log.", len(facts))
	} else {
		res.Answer = "The report does NOT follow from its facts, or its facts are not in the log."
	}
	return res, nil
}

func (r *Result) signature(in ReportFiles, key note.Verifier) {
	if len(in.Signature) == 0 {
		r.add(Unknown, "the signature over the report: none was given")
		return
	}
	_, err := openNote(append(append(bytes.Clone(in.JSON), '\n'), in.Signature...), note.VerifierList(key))
	r.check(err, "the report is signed by %s", key.Name())
}

// facts checks each opened fact and gives those that hold.
func (r *Result) facts(rep Report, key note.Verifier) []Fact {
	c, err := OpenCheckpoint([]byte(rep.Checkpoint), key)
	if !r.check(err, "the log's head in the report is signed by %s", key.Name()) {
		return nil
	}
	var good []Fact
	tags, places := map[string]bool{}, map[int64]bool{}
	for i, o := range rep.Facts {
		f, err := o.check(c)
		switch {
		case err != nil:
		case f.Period != rep.Period && f.Disclosed != rep.Period:
			err = fmt.Errorf("verify: it is of the period %q", clip(f.Period))
		case f.Version > rep.Version || f.Version < 1:
			err = fmt.Errorf("verify: it is of version %d", f.Version)
		case places[o.Index] || tags[f.Tag]:
			err = errors.New("verify: it is counted twice")
		}
		if err != nil {
			r.check(err, "fact %d", i+1)
			continue
		}
		tags[f.Tag], places[o.Index] = true, true
		good = append(good, f)
	}
	if len(good) == len(rep.Facts) {
		r.add(Passed, "%d opened facts, each a leaf of the log of %d leaves, none twice", len(good), c.Size)
	}
	return good
}

func (o Opened) check(c Checkpoint) (Fact, error) {
	if len(o.Salt) != 32 {
		return Fact{}, errors.New("verify: its salt is not 32 bytes")
	}
	if len(o.Path) > maxPath {
		return Fact{}, errors.New("verify: its proof is too long")
	}
	var path tlog.RecordProof
	for _, s := range o.Path {
		h, err := parseHash(s)
		if err != nil {
			return Fact{}, fmt.Errorf("verify: its proof: %w", err)
		}
		path = append(path, h)
	}
	leaf := Commit([32]byte(o.Salt), []byte(o.Fact))
	if err := c.Includes(leaf[:], o.Index, path); err != nil {
		return Fact{}, err
	}
	f, err := ParseFact(o.Fact)
	if err != nil {
		return Fact{}, err
	}
	if b, err := hex.DecodeString(f.Tag); err != nil || len(b) != 32 {
		return Fact{}, errors.New("verify: its tag is not 32 bytes of hexadecimal")
	}
	return f, nil
}

// cells compares every cell of every row, in both directions.
func (r *Result) cells(rep Report, want []Row) {
	n := 0
	wrong := func(row Row, cell, published, counted string) {
		published, counted = cmp.Or(clip(published), "0"), cmp.Or(counted, "0") // flat leaves zeros out
		r.add(Failed, "%s, %s, %s: published %s, the facts give %s", clip(row.Service), clip(row.Jurisdiction), clip(cell), published, counted)
	}
	got := map[string]Row{}
	for _, row := range rep.Rows {
		k := row.Service + "\x00" + row.Jurisdiction
		if _, ok := got[k]; ok {
			r.add(Failed, "%s, %s: two rows", clip(row.Service), clip(row.Jurisdiction))
		}
		got[k] = row
	}
	for _, w := range want {
		k := w.Service + "\x00" + w.Jurisdiction
		g, ok := got[k]
		delete(got, k)
		if !ok {
			r.add(Failed, "%s, %s: the row is missing", clip(w.Service), clip(w.Jurisdiction))
			continue
		}
		gc, wc := flat(g), flat(w)
		for _, cell := range cellNames(gc, wc) {
			n++
			if gc[cell] != wc[cell] {
				wrong(w, cell, gc[cell], wc[cell])
			}
		}
	}
	for _, g := range got {
		r.add(Failed, "%s, %s: a row without a fact", clip(g.Service), clip(g.Jurisdiction))
	}
	r.add(Passed, "%d cells recomputed", n)
}

// flat gives a row's cells by name, the maps' entries as name:key. A cell that is not there is empty, as 0 is.
func flat(row Row) map[string]string {
	var tree map[string]any
	b, err := json.Marshal(row)
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		err = d.Decode(&tree)
	}
	cells := map[string]string{}
	if err != nil {
		return cells
	}
	put := func(name string, v any) {
		if s := fmt.Sprint(v); s != "0" && s != "" {
			cells[name] = s
		}
	}
	for name, v := range tree {
		if m, ok := v.(map[string]any); ok {
			for k, n := range m {
				put(name+":"+k, n)
			}
			continue
		}
		put(name, v)
	}
	// A row without requests has no percentage, one with requests and nothing produced has 0.0.
	cells["percent"] = row.Percent
	return cells
}

func cellNames(a, b map[string]string) []string {
	set := map[string]bool{}
	for k := range a {
		set[k] = true
	}
	for k := range b {
		set[k] = true
	}
	return names(set)
}

// bands checks that each is a legal range, all of one width: two widths together would narrow the number.
func (r *Result) bands(bands []Band) {
	width := 0
	for _, b := range bands {
		for _, s := range []string{b.Requests, b.Accounts} {
			w, err := bandWidth(s)
			if err == nil && width != 0 && w != width {
				err = errors.New("verify: bands of two widths narrow each other")
			}
			if err != nil {
				r.check(err, "band %s of %s", clip(s), clip(b.Class))
				continue
			}
			width = w
		}
		r.add(Unknown, "%s: %s requests, %s accounts: a legal band, it cannot be opened", clip(b.Title), clip(b.Requests), clip(b.Accounts))
	}
}

// BandWidths are the widths that 50 USC 1874(a)(1) and (a)(2) allow in a half-yearly report.
var BandWidths = []int{1000, 500}

// BandOf gives the legal range of n for a width.
func BandOf(n, width int) string {
	low := n / width * width
	return strconv.Itoa(low) + "-" + strconv.Itoa(low+width-1)
}

func bandWidth(s string) (int, error) {
	lo, hi, ok := strings.Cut(s, "-")
	a, err1 := strconv.Atoi(lo)
	b, err2 := strconv.Atoi(hi)
	w := b - a + 1
	if !ok || err1 != nil || err2 != nil || a < 0 || !slices.Contains(BandWidths, w) || BandOf(a, w) != s {
		return 0, errors.New("verify: it is no legal band")
	}
	return w, nil
}

// ownCase looks for the case of a receipt among the facts.
func (r *Result) ownCase(rep Report, facts []Fact, receipt []byte, key note.Verifier) {
	rc, err := ReadReceipt(receipt)
	var p Promise
	if err == nil {
		p, err = OpenPromise([]byte(rc.Promise), key)
	}
	if err == nil && rc.TagSalt == nil {
		err = errors.New("verify: it has no tag salt, so its case cannot be looked for")
	}
	if !r.check(err, "your receipt is genuine") {
		return
	}
	tag := Tag(p.Commitment, [32]byte(rc.TagSalt))
	for _, f := range facts {
		if f.Tag != hex.EncodeToString(tag[:]) {
			continue
		}
		r.add(Passed, "your case is counted: %s", Describe(f))
		return
	}
	if p.Received.Before(rep.From) || !p.Received.Before(rep.To) {
		r.add(Unknown, "your case was received %s, outside of this period", stamp(p.Received))
		return
	}
	r.add(Unknown, "your case is not among the opened facts: it is in a band, or it is not counted; ask the house, with your receipt")
}

// Describe is a fact in words.
func Describe(f Fact) string {
	parts := []string{f.Period, f.Service, f.Jurisdiction, f.Instrument, fmt.Sprintf("%d accounts", f.Accounts), f.Disposition}
	if f.Reason != "" {
		parts = append(parts, f.Reason)
	}
	if f.Emergency {
		parts = append(parts, "emergency")
	}
	if f.Preservation {
		parts = append(parts, "preservation")
	}
	if f.Paused {
		parts = append(parts, "paused")
	}
	if f.Disclosed != "" {
		parts = append(parts, "disclosed in "+f.Disclosed)
	}
	return strings.Join(parts, ", ")
}
