package production_test

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"pgregory.net/rapid"

	"writ/desk/production"
	"writ/records"
	"writ/schedule"
	"writ/tlog"
	"writ/tlog/verify"
)

var _ records.Sink = (*production.Collector)(nil)

var made = time.Date(2020, 7, 1, 9, 30, 0, 0, time.UTC)

var signins = schedule.Datum{Name: "signins", Category: schedule.SignIn, Process: schedule.Subpoena, Fields: []schedule.Field{
	{Name: "at", Meaning: "When."}, {Name: "address", Meaning: "From where."}, {Name: "port", Meaning: "The port."}, {Name: "direct_tls", Meaning: "Whether."},
	{Name: "place", Meaning: "A guess.", Derived: true}}}

var profile = schedule.Datum{Name: "profile", Category: schedule.Profile, Process: schedule.Warrant, Fields: []schedule.Field{{Name: "name", Meaning: "The name given."}}}

func cover() production.Cover {
	return production.Cover{Case: "2020-0001", House: "香港 Writ", Address: "1 Example Road\nExampleton", Custodian: "Custodian of Records", Agency: "Example Police 𨋢",
		Officer: "陳大文 𠝹 😀", Instrument: "Court order", LegalBasis: "18 USC 2703(d)", Reference: "HK/1", Jurisdiction: "HK", Service: "chat",
		Identifiers: []string{"alice@example.org", "bob@example.org"}, From: made.AddDate(0, -3, 0), To: made, Schedule: "3f2a", Made: made, Received: made.AddDate(0, 0, -5)}
}

func key(t testing.TB) *tlog.Key {
	t.Helper()
	k, err := tlog.LoadKey(filepath.Join(t.TempDir(), "key"), "log.example/writ")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sample is two accounts, one with nothing held.
func sample(t testing.TB, c production.Cover) *production.Collector {
	t.Helper()
	p := production.NewCollector(c)
	ctx := t.Context()
	must(t, p.Begin(ctx, "alice@example.org", signins))
	must(t, p.Row([]any{made, "192.0.2.1", int64(50000), true, nil}))
	must(t, p.Row([]any{made.Add(time.Microsecond), "2001:db8::1", int64(1), false, "Kowloon, \"HK\"\r\nhint"}))
	must(t, p.End(2))
	must(t, p.Begin(ctx, "alice@example.org", profile))
	must(t, p.Row([]any{"=1+1 香港 𠝹 𨋢 <b>"}))
	must(t, p.End(1))
	for _, d := range []schedule.Datum{signins, profile} {
		must(t, p.Begin(ctx, "bob@example.org", d))
		must(t, p.End(0))
	}
	return p
}

func build(t testing.TB, c *production.Collector, k *tlog.Key) *production.Package {
	t.Helper()
	p, err := c.Package(k)
	must(t, err)
	return p
}

func check(t testing.TB, data []byte, k *tlog.Key) *verify.Result {
	t.Helper()
	r, err := verify.CheckPackage(bytes.NewReader(data), int64(len(data)), k.VKey(), made)
	must(t, err)
	return r
}

func unzip(t testing.TB, data []byte) map[string][]byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	must(t, err)
	files := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		must(t, err)
		b, err := io.ReadAll(r)
		must(t, err)
		files[f.Name] = b
	}
	return files
}

func TestMadeTwiceItIsTheSameBytes(t *testing.T) {
	t.Parallel()
	k := key(t)
	c := cover()
	c.VKey = k.VKey()
	a, b := build(t, sample(t, c), k), build(t, sample(t, c), k)
	if !bytes.Equal(a.Zip, b.Zip) || a.Hash != b.Hash {
		t.Error("the same records gave two packages")
	}
	if r := check(t, a.Zip, k); !r.OK() {
		t.Errorf("%+v", r)
	}
	if a.Total != 3 || a.Records["sign-in"] != 2 || a.Records["profile"] != 1 || a.Name != "production-2020-0001.zip" {
		t.Errorf("package %d %v %s", a.Total, a.Records, a.Name)
	}
	z, err := zip.NewReader(bytes.NewReader(a.Zip), int64(len(a.Zip)))
	must(t, err)
	for _, f := range z.File {
		if len(f.Extra) > 0 || f.CreatorVersion>>8 != 0 || f.ExternalAttrs != 0 || f.Modified.Year() != 1980 {
			t.Errorf("%s tells of the machine: %+v", f.Name, f.FileHeader)
		}
	}
}

func TestTablesAreWhatWasRecorded(t *testing.T) {
	t.Parallel()
	k := key(t)
	files := unzip(t, build(t, sample(t, cover()), k).Zip)
	want := "account,at,address,port,direct_tls,place\r\n" +
		"alice@example.org,2020-07-01T09:30:00Z,192.0.2.1,50000,true,\r\n" +
		"alice@example.org,2020-07-01T09:30:00.000001Z,2001:db8::1,1,false,\"Kowloon, \"\"HK\"\"\r\nhint\"\r\n"
	if got := string(files["records/sign-in/signins.csv"]); got != want {
		t.Errorf("CSV\n%q, want\n%q", got, want)
	}
	want = `{"account":"alice@example.org","name":"=1+1 香港 𠝹 𨋢 <b>"}` + "\n"
	if got := string(files["records/profile/profile.jsonl"]); got != want {
		t.Errorf("JSON Lines %q, want %q", got, want)
	}
	var m verify.Manifest
	must(t, json.Unmarshal(files["manifest.json"], &m))
	if len(m.Searched) != 4 || m.Searched[2] != (verify.Searched{Account: "bob@example.org", Datum: "signins"}) || m.Schedule != "3f2a" || !m.Tables[0].Fields[5].Derived {
		t.Errorf("manifest %+v", m)
	}
}

func TestLettersCanBeReadByMachines(t *testing.T) {
	t.Parallel()
	k := key(t)
	c := cover()
	c.VKey = k.VKey()
	files := unzip(t, build(t, sample(t, c), k).Zip)
	for name, want := range map[string][]string{
		"cover-letter.pdf": {"香港 Writ", "Example Police 𨋢", "陳大文 𠝹 [U+1F600]", "Court order", "alice@example.org, signins: 2 records", "bob@example.org, profile: no records held", "no contents to give", "2020-07-01 09:30:00 UTC"},
		"certificate.pdf":  {"Certificate of the custodian", "香港 Writ", "records/sign-in/signins.csv", "902(11)", "SHA-256"},
	} {
		file := filepath.Join(t.TempDir(), name)
		must(t, os.WriteFile(file, files[name], 0o600))
		out, err := exec.Command("pdftotext", "-layout", file, "-").Output()
		if err != nil {
			t.Fatalf("pdftotext (package poppler-utils): %v", err)
		}
		text := strings.Join(strings.Fields(string(out)), " ")
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s has no %q in:\n%s", name, w, text)
			}
		}
		if out, err := exec.Command("qpdf", "--check", file).CombinedOutput(); err != nil {
			t.Errorf("qpdf (package qpdf) finds %s wrong: %v\n%s", name, err, out)
		}
	}
}

// The receipt in a package is judged as of the day the package was made: an open promise is no fault, a broken one is.
func TestTheReceiptGoesAlong(t *testing.T) {
	t.Parallel()
	k := key(t)
	for name, hours := range map[string]int{"still open": 1, "broken": -1} {
		promise, err := k.Sign(verify.Promise{Origin: k.Name(), Received: made.Add(-48 * time.Hour), By: made.Add(time.Duration(hours) * time.Hour)}.Text())
		must(t, err)
		c := cover()
		c.Receipt, err = json.Marshal(verify.Receipt{Promise: string(promise)})
		must(t, err)
		p := build(t, sample(t, c), k)
		r, err := verify.CheckPackage(bytes.NewReader(p.Zip), int64(len(p.Zip)), k.VKey(), made.AddDate(1, 0, 0))
		if err != nil || r.OK() != (hours > 0) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

func TestNothingHeldIsAnAnswerOfItsOwn(t *testing.T) {
	t.Parallel()
	c := production.NewCollector(cover())
	must(t, c.Begin(t.Context(), "bob@example.org", signins))
	must(t, c.End(0))
	if _, err := c.Package(key(t)); !errors.Is(err, production.ErrNothing) {
		t.Errorf("got %v", err)
	}
}

func TestACollectorThatWasMisusedMakesNoPackage(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	never := signins
	never.Process, never.Category = schedule.Never, schedule.Ciphertext
	for name, misuse := range map[string]func(c *production.Collector) error{
		"never produced":    func(c *production.Collector) error { return c.Begin(ctx, "a", never) },
		"wrong width":       func(c *production.Collector) error { return c.Row([]any{"x"}) },
		"unknown type":      func(c *production.Collector) error { return c.Row([]any{made, "a", 1.5, true, nil}) },
		"wrong count":       func(c *production.Collector) error { return c.End(7) },
		"begin in a datum":  func(c *production.Collector) error { return c.Begin(ctx, "a", profile) },
		"row after the end": func(c *production.Collector) error { return errors.Join(c.End(1), c.Row(nil)) },
	} {
		c := production.NewCollector(cover())
		must(t, c.Begin(ctx, "alice@example.org", signins))
		must(t, c.Row([]any{made, "192.0.2.1", int64(1), true, nil}))
		if name == "never produced" {
			must(t, c.End(1))
		}
		if misuse(c) == nil {
			t.Errorf("%s: accepted", name)
		}
		if _, err := c.Package(key(t)); err == nil {
			t.Errorf("%s: a package was made", name)
		}
	}
}

// Every file of a package is changed, dropped, doubled, renamed, emptied, and the zip is cut: the check finds each.
func TestTamperingIsFound(t *testing.T) {
	t.Parallel()
	k := key(t)
	p := build(t, sample(t, cover()), k)
	files := unzip(t, p.Zip)
	names := []string{}
	for n := range files {
		names = append(names, n)
	}
	tried := 0
	try := func(what string, change map[string][]byte, twice string) {
		t.Helper()
		tried++
		data := rezip(t, names, change, twice)
		r, err := verify.CheckPackage(bytes.NewReader(data), int64(len(data)), k.VKey(), made)
		if err == nil && r.OK() {
			t.Errorf("%s: not found", what)
		}
	}
	with := func(name string, data []byte) map[string][]byte {
		c := map[string][]byte{}
		for n, b := range files {
			c[n] = b
		}
		if data == nil {
			delete(c, name)
		} else {
			c[name] = data
		}
		return c
	}
	for _, n := range names {
		for _, at := range []int{0, len(files[n]) / 2, len(files[n]) - 1} {
			b := bytes.Clone(files[n])
			b[at] ^= 1
			try(fmt.Sprintf("%s with another byte at %d", n, at), with(n, b), "")
		}
		try(n+" cut", with(n, files[n][:len(files[n])-1]), "")
		try(n+" empty", with(n, []byte{}), "")
		try(n+" dropped", with(n, nil), "")
		try(n+" twice", files, n)
	}
	c := with("extra.txt", []byte("x"))
	names = append(names, "extra.txt")
	try("a file added", c, "")
	for cut := range 20 {
		data := p.Zip[:len(p.Zip)*cut/20]
		if r, err := verify.CheckPackage(bytes.NewReader(data), int64(len(data)), k.VKey(), made); err == nil && r.OK() {
			t.Errorf("cut to %d bytes: not found", len(data))
		}
	}
	if r, err := verify.CheckPackage(bytes.NewReader(p.Zip), int64(len(p.Zip)), key(t).VKey(), made); err == nil && r.OK() {
		t.Error("another house's key: accepted")
	}
	t.Logf("%d of %d changes found", tried, tried)
}

func rezip(t *testing.T, names []string, files map[string][]byte, twice string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, n := range names {
		data, ok := files[n]
		if !ok {
			continue
		}
		for range map[bool]int{false: 1, true: 2}[n == twice] {
			w, err := z.Create(n)
			must(t, err)
			_, err = w.Write(data)
			must(t, err)
		}
	}
	must(t, z.Close())
	return b.Bytes()
}

// Whatever text is recorded, a reader of CSV and a reader of JSON Lines get it back.
func TestValuesSurvive(t *testing.T) {
	t.Parallel()
	k := key(t)
	rapid.Check(t, func(r *rapid.T) {
		values := rapid.SliceOfN(rapid.StringOf(rapid.OneOf(rapid.RuneFrom([]rune("\",;\r\n\t =+-@'\\/<>\u2028香𠝹")), rapid.Rune())), 1, 8).Draw(r, "values")
		c := production.NewCollector(cover())
		must(t, c.Begin(t.Context(), "alice@example.org", profile))
		for _, v := range values {
			must(t, c.Row([]any{v}))
		}
		must(t, c.End(int64(len(values))))
		files := unzip(t, build(t, c, k).Zip)
		lines := bytes.Split(bytes.TrimSuffix(files["records/profile/profile.jsonl"], []byte("\n")), []byte("\n"))
		for i, v := range values {
			var got struct{ Account, Name string }
			must(t, json.Unmarshal(lines[i], &got))
			if got.Name != v {
				r.Fatalf("JSON Lines: %q became %q", v, got.Name)
			}
		}
		rows, err := csv.NewReader(bytes.NewReader(files["records/profile/profile.csv"])).ReadAll()
		must(t, err)
		for i, v := range values {
			if want := strings.ReplaceAll(v, "\r\n", "\n"); rows[i+1][1] != want { // Go's reader makes \r\n in a field \n
				r.Fatalf("CSV: %q became %q", v, rows[i+1][1])
			}
		}
	})
}

func TestSealedAtRest(t *testing.T) {
	t.Parallel()
	var k, other [32]byte
	k[0], other[0] = 1, 2
	text := []byte("evidence")
	sealed, err := production.Seal(k, "2020-0001", text)
	must(t, err)
	if bytes.Contains(sealed, text) {
		t.Error("it can be read")
	}
	got, err := production.Open(k, "2020-0001", sealed)
	if err != nil || !bytes.Equal(got, text) {
		t.Errorf("%q, %v", got, err)
	}
	for name, f := range map[string]func() ([]byte, error){
		"another key":  func() ([]byte, error) { return production.Open(other, "2020-0001", sealed) },
		"another case": func() ([]byte, error) { return production.Open(k, "2020-0002", sealed) },
		"cut":          func() ([]byte, error) { return production.Open(k, "2020-0001", sealed[:10]) },
		"changed":      func() ([]byte, error) { sealed[len(sealed)-1] ^= 1; return production.Open(k, "2020-0001", sealed) },
	} {
		if _, err := f(); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

func TestEncryptedToTheAgency(t *testing.T) {
	t.Parallel()
	x, err := age.GenerateX25519Identity()
	must(t, err)
	h, err := age.GenerateHybridIdentity()
	must(t, err)
	for name, id := range map[string]struct {
		to string
		id age.Identity
	}{"x25519": {x.Recipient().String(), x}, "hybrid": {h.Recipient().String(), h}} {
		enc, err := production.Encrypt(id.to, []byte("package"))
		must(t, err)
		if _, err := verify.CheckPackage(bytes.NewReader(enc), int64(len(enc)), key(t).VKey(), made); err == nil || !strings.Contains(err.Error(), "decrypt it first") {
			t.Errorf("%s: the check says %v", name, err)
		}
		r, err := age.Decrypt(bytes.NewReader(enc), id.id)
		must(t, err)
		if got, err := io.ReadAll(r); err != nil || string(got) != "package" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, bad := range []string{"", "age1", "ssh-rsa AAAA", x.String(), x.Recipient().String() + "\n" + x.Recipient().String()} {
		if production.CheckRecipient(bad) == nil {
			t.Errorf("%q is accepted as a key", bad)
		}
	}
}

func BenchmarkRow(b *testing.B) {
	c := production.NewCollector(cover())
	must(b, c.Begin(b.Context(), "alice@example.org", signins))
	row := []any{made, "192.0.2.1", int64(50000), true, nil}
	for b.Loop() {
		if err := c.Row(row); err != nil {
			b.Fatal(err)
		}
	}
}
