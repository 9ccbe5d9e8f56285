package production

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"writ/schedule"
	"writ/tlog/verify"
)

// Collector takes what an extraction finds (it is a records.Sink) and writes the tables as the rows come, so that the rows
// themselves are never held. One collector makes one package and is used by one goroutine.
type Collector struct {
	cover    Cover
	tables   map[string]*table // by datum
	order    []string          // data in the order of the schedule
	searched []verify.Searched
	now      *table // between Begin and End
	account  string
	rows     int64
	open     bool
	err      error
}

// table is one datum's two files, all accounts together.
type table struct {
	datum      schedule.Datum
	csv, jsonl bytes.Buffer
	records    int64
	keys       []string // the JSON names with their quotes and colon
}

// NewCollector begins a package.
func NewCollector(c Cover) *Collector {
	return &Collector{cover: c, tables: map[string]*table{}}
}

// Begin starts a datum of an account.
func (c *Collector) Begin(ctx context.Context, account string, d schedule.Datum) error {
	if c.open {
		return c.fail(errors.New("production: a datum begins inside another"))
	}
	if d.Process == schedule.Never {
		return c.fail(fmt.Errorf("production: %s is never produced", d.Name))
	}
	t := c.tables[d.Name]
	if t == nil {
		t = newTable(d)
		c.tables[d.Name] = t
		c.order = append(c.order, d.Name)
	}
	c.now, c.account, c.rows, c.open = t, account, 0, true
	return nil
}

// Row takes one record.
func (c *Collector) Row(values []any) error {
	if !c.open {
		return c.fail(errors.New("production: a row outside of a datum"))
	}
	if len(values) != len(c.now.datum.Fields) {
		return c.fail(fmt.Errorf("production: %s has %d fields and a row of %d", c.now.datum.Name, len(c.now.datum.Fields), len(values)))
	}
	if err := c.now.row(c.account, values); err != nil {
		return c.fail(err)
	}
	c.rows++
	return nil
}

// End ends the datum. rows must be what was given.
func (c *Collector) End(rows int64) error {
	if !c.open || rows != c.rows {
		return c.fail(fmt.Errorf("production: %d rows came, %d were announced", c.rows, rows))
	}
	c.open = false
	c.now.records += rows
	c.searched = append(c.searched, verify.Searched{Account: c.account, Datum: c.now.datum.Name, Records: rows})
	return nil
}

func (c *Collector) fail(err error) error {
	c.err = errors.Join(c.err, err)
	return err
}

func newTable(d schedule.Datum) *table {
	t := &table{datum: d}
	t.csv.WriteString("account")
	for _, f := range d.Fields {
		t.csv.WriteByte(',')
		writeField(&t.csv, f.Name)
		name, _ := json.Marshal(f.Name) // a string always has a JSON form
		t.keys = append(t.keys, string(name)+":")
	}
	t.csv.WriteString("\r\n")
	return t
}

// row writes a record into both files.
func (t *table) row(account string, values []any) error {
	writeField(&t.csv, account)
	t.jsonl.WriteString(`{"account":`)
	writeJSON(&t.jsonl, account)
	for i, v := range values {
		t.csv.WriteByte(',')
		t.jsonl.WriteString("," + t.keys[i])
		switch v := v.(type) {
		case nil:
			t.jsonl.WriteString("null")
		case string:
			writeField(&t.csv, v)
			writeJSON(&t.jsonl, v)
		case int64:
			s := strconv.FormatInt(v, 10)
			t.csv.WriteString(s)
			t.jsonl.WriteString(s)
		case bool:
			s := strconv.FormatBool(v)
			t.csv.WriteString(s)
			t.jsonl.WriteString(s)
		case time.Time:
			s := v.UTC().Format(time.RFC3339Nano)
			t.csv.WriteString(s)
			t.jsonl.WriteString(`"` + s + `"`)
		default:
			return fmt.Errorf("production: %s.%s has a value of type %T", t.datum.Name, t.datum.Fields[i].Name, v)
		}
	}
	t.csv.WriteString("\r\n")
	t.jsonl.WriteString("}\n")
	return nil
}

// writeField writes a field of a CSV file (RFC 4180). The value stays byte for byte what it was: line ends inside it are kept,
// and an empty text ("") differs from no value. Nothing is put before a leading = or +: that would change evidence.
func writeField(b *bytes.Buffer, s string) {
	if s != "" && !strings.ContainsAny(s, ",\"\r\n") && strings.TrimSpace(s) == s {
		b.WriteString(s)
		return
	}
	b.WriteByte('"')
	b.WriteString(strings.ReplaceAll(s, `"`, `""`))
	b.WriteByte('"')
}

// writeJSON writes a JSON string without the escapes that only web pages need.
func writeJSON(b *bytes.Buffer, s string) {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err == nil { // it ends the line, which is taken back
		b.Truncate(b.Len() - 1)
	}
}

// base is the name of a table's files without the ending. Category and name are lower-case words (schedule.Datum.Check).
func (t *table) base() string { return "records/" + string(t.datum.Category) + "/" + t.datum.Name }

func (t *table) describe() verify.Table {
	d := verify.Table{Datum: t.datum.Name, Category: string(t.datum.Category), Fields: []verify.Field{{Name: "account", Meaning: "The account that the record belongs to."}}}
	if t.records > 0 {
		d.CSV, d.JSONL = t.base()+".csv", t.base()+".jsonl"
	}
	for _, f := range t.datum.Fields {
		d.Fields = append(d.Fields, verify.Field{Name: f.Name, Meaning: f.Meaning, Derived: f.Derived})
	}
	return d
}

// files are all files of the package but manifest and signature, by name.
func (c *Collector) files() ([]file, error) {
	var records []file
	for _, t := range c.tables {
		if t.records > 0 {
			records = append(records, file{t.base() + ".csv", t.csv.Bytes()}, file{t.base() + ".jsonl", t.jsonl.Bytes()})
		}
	}
	byName(records)
	letter, err := coverLetter(c)
	if err != nil {
		return nil, err
	}
	certificate, err := custodianCertificate(c, records)
	if err != nil {
		return nil, err
	}
	all := append(records, file{"cover-letter.pdf", letter}, file{"certificate.pdf", certificate})
	if len(c.cover.Receipt) > 0 {
		all = append(all, file{verify.ReceiptName, c.cover.Receipt})
	}
	byName(all)
	return all, nil
}

func byName(files []file) {
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
}
