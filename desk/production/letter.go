package production

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/signintech/gopdf"

	"writ/third_party/noto"
)

const (
	family   = "NotoSansHK"
	margin   = 62.0
	bodySize = 10.5
)

// fonts holds the parsed font; parsing seven megabytes for each letter would be most of its cost.
var fonts = sync.OnceValues(func() (*gopdf.FontContainer, error) {
	data, err := noto.Regular()
	if err != nil {
		return nil, err
	}
	c := &gopdf.FontContainer{}
	if err := c.AddTTFFontData(family, data); err != nil {
		return nil, err
	}
	return c, nil
})

// paper is a PDF being written from top to bottom on A4 pages. The first error stops it.
type paper struct {
	pdf  *gopdf.GoPdf
	y    float64
	size float64
	err  error
}

func newPaper() (*paper, error) {
	c, err := fonts()
	if err != nil {
		return nil, fmt.Errorf("production: the font: %w", err)
	}
	p := &paper{pdf: &gopdf.GoPdf{}}
	p.pdf.Start(gopdf.Config{PageSize: *gopdf.PageSizeA4})
	p.do(p.pdf.AddTTFFontFromFontContainer(family, c))
	p.page()
	p.font(bodySize)
	return p, p.err
}

func (p *paper) do(err error) {
	if p.err == nil && err != nil {
		p.err = fmt.Errorf("production: writing a PDF: %w", err)
	}
}

func (p *paper) page() {
	p.pdf.AddPage()
	p.y = margin
}

func (p *paper) font(size float64) {
	p.size = size
	p.do(p.pdf.SetFont(family, "", size))
}

// text writes a paragraph in lines that fit, then a gap. What the font cannot show stands as [U+1F600], so that nothing is lost.
func (p *paper) text(s string, gap float64) {
	for _, par := range strings.Split(s, "\n") {
		for _, line := range p.wrap(p.showable(par), gopdf.PageSizeA4.W-2*margin) {
			p.line(line)
		}
	}
	p.y += gap
}

func (p *paper) line(s string) {
	height := p.size * 1.5
	if p.y+height > gopdf.PageSizeA4.H-margin {
		p.page()
		p.font(p.size)
	}
	p.pdf.SetXY(margin, p.y)
	if s != "" && p.err == nil {
		p.do(p.pdf.Cell(nil, s))
	}
	p.y += height
}

func (p *paper) heading(s string) {
	p.font(15)
	p.text(s, 8)
	p.font(bodySize)
}

// fact writes a label and its value.
func (p *paper) fact(label, value string) {
	if value != "" {
		p.text(label+": "+value, 0)
	}
}

// showable replaces what the font lacks and what would move the pen.
func (p *paper) showable(s string) string {
	var b strings.Builder
	for _, r := range s {
		ok, err := p.pdf.IsCurrFontContainGlyph(r)
		switch {
		case r == '\t':
			b.WriteByte(' ')
		case err != nil || !ok || unicode.IsControl(r):
			fmt.Fprintf(&b, "[U+%04X]", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// wrap breaks a paragraph at spaces; a word that is wider than the line (a hash, Chinese text) is broken where it must be.
func (p *paper) wrap(s string, width float64) []string {
	var lines []string
	line := ""
	fits := func(s string) bool {
		w, err := p.pdf.MeasureTextWidth(s)
		p.do(err)
		return err != nil || w <= width
	}
	for _, word := range strings.Fields(s) {
		if line != "" && fits(line+" "+word) {
			line += " " + word
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		line = ""
		for _, r := range word {
			if line != "" && !fits(line+string(r)) {
				lines, line = append(lines, line), ""
			}
			line += string(r)
		}
	}
	return append(lines, line)
}

func (p *paper) bytes() ([]byte, error) {
	if p.err != nil {
		return nil, p.err
	}
	var b bytes.Buffer
	if _, err := p.pdf.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("production: writing a PDF: %w", err)
	}
	return b.Bytes(), nil
}

func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 January 2006")
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "no limit"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

func (c *Collector) head(p *paper, title string) {
	p.text(c.cover.House, 0)
	p.text(c.cover.Address, 14)
	p.text(day(c.cover.Made), 10)
	p.heading(title)
	p.fact("Case", c.cover.Case)
	p.fact("Your reference", c.cover.Reference)
	p.fact("Service", c.cover.Service)
}

// coverLetter answers the request: what was asked, what was searched, what is enclosed, what was not held, how to check it.
func coverLetter(c *Collector) ([]byte, error) {
	p, err := newPaper()
	if err != nil {
		return nil, err
	}
	c.head(p, "Production of records")
	p.fact("To", strings.TrimPrefix(c.cover.Agency+", "+c.cover.Officer, ", "))
	p.fact("Instrument", c.cover.Instrument)
	p.fact("Legal basis", c.cover.LegalBasis)
	p.fact("Jurisdiction", c.cover.Jurisdiction)
	p.fact("Received", day(c.cover.Received))
	p.fact("Identifiers named", strings.Join(c.cover.Identifiers, ", "))
	p.fact("Window", moment(c.cover.From)+" to "+moment(c.cover.To))
	p.y += 10
	p.text("In answer to your request we enclose the records that are held, that lie within the request and that the law and our published policy allow. All times are UTC.", 10)
	p.text("What was searched, and how many records were found:", 2)
	for _, s := range c.searched {
		found := fmt.Sprintf("%d records", s.Records)
		switch s.Records {
		case 0:
			found = "no records held"
		case 1:
			found = "1 record"
		}
		p.text("•  "+s.Account+", "+s.Datum+": "+found, 0)
	}
	p.y += 10
	p.text("Messages on this service are encrypted between the people who write them. We have no key, so there are no contents to give. Credentials, keys and ciphertext are never produced.", 8)
	p.text("A column that the manifest marks as derived was worked out by us (a place from an IP address) and was not recorded; it is a hint, not a measurement.", 8)
	p.text("The file manifest.json lists every file with its SHA-256 and is signed. To check the package without us: writ verify package FILE, with this public key:", 2)
	p.text(c.cover.VKey, 14)
	p.text(c.cover.Custodian, 0)
	p.text(c.cover.House, 0)
	return p.bytes()
}

// custodianCertificate is the statement of the custodian of records over the record files, by their hashes.
func custodianCertificate(c *Collector, records []file) ([]byte, error) {
	p, err := newPaper()
	if err != nil {
		return nil, err
	}
	c.head(p, "Certificate of the custodian of records")
	p.y += 10
	p.text("I am custodian of records of "+c.cover.House+", by the office of "+c.cover.Custodian+". I certify that each file listed below is a true copy of records that "+
		c.cover.House+" made at or near the time of what they record, by its systems in the course of its regular activity, as its regular practice, under version "+
		c.cover.Schedule+" of its record schedule; that they were extracted on "+moment(c.cover.Made)+" by an automatic process that yields an accurate result; and that each "+
		"file is identified by its SHA-256 (Federal Rules of Evidence 902(11), 902(13) and 902(14)).", 10)
	p.text("Columns marked as derived in the manifest were worked out from recorded values and are not themselves such records.", 10)
	for _, f := range records {
		d := f.describe()
		sum, err := hex.DecodeString(d.SHA256)
		if err != nil {
			return nil, fmt.Errorf("production: %w", err)
		}
		p.text(fmt.Sprintf("%s (%d bytes)", d.Name, d.Size), 0)
		p.font(8.5)
		p.text(fmt.Sprintf("SHA-256 %x", sum), 4)
		p.font(bodySize)
	}
	p.y += 10
	p.text("Two people of the office signed the manifest of this package to release it; the house's signature over the manifest is in manifest.sig.", 14)
	p.text(c.cover.Custodian+", "+c.cover.House+", "+day(c.cover.Made), 0)
	return p.bytes()
}
