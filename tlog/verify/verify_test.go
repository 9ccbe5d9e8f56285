package verify_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"writ/tlog/verify"
)

const origin = "log.example/writ"

var now = time.Date(2020, 7, 1, 12, 0, 0, 0, time.UTC)

type house struct {
	note.Signer
	vkey string
}

func newHouse(t testing.TB) house {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return house{s, vkey}
}

func (h house) sign(t testing.TB, text string) []byte {
	t.Helper()
	b, err := note.Sign(&note.Note{Text: text}, h)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (h house) verifier(t testing.TB) note.Verifier {
	t.Helper()
	v, err := verify.Key(h.vkey)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// tree is a small log in memory.
type tree struct {
	leaves [][]byte
	hashes []tlog.Hash
}

func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var all []tlog.Hash
	for _, i := range indexes {
		all = append(all, t.hashes[i])
	}
	return all, nil
}

func newTree(t testing.TB, leaves ...[]byte) *tree {
	t.Helper()
	tr := &tree{leaves: leaves}
	for i, l := range leaves {
		h, err := tlog.StoredHashes(int64(i), l, tr)
		if err != nil {
			t.Fatal(err)
		}
		tr.hashes = append(tr.hashes, h...)
	}
	return tr
}

func (t *tree) head(tb testing.TB, size int) verify.Checkpoint {
	tb.Helper()
	root, err := tlog.TreeHash(int64(size), t)
	if err != nil {
		tb.Fatal(err)
	}
	if size == 0 {
		root = verify.EmptyRoot()
	}
	return verify.Checkpoint{Origin: origin, Size: int64(size), Root: root}
}

func (t *tree) proof(tb testing.TB, h house, i int) verify.Proof {
	tb.Helper()
	path, err := tlog.ProveRecord(int64(len(t.leaves)), int64(i), t)
	if err != nil {
		tb.Fatal(err)
	}
	return verify.Proof{Index: int64(i), Path: path, Checkpoint: h.sign(tb, t.head(tb, len(t.leaves)).Text())}
}

func leaves(n int) [][]byte {
	var all [][]byte
	for i := range n {
		c := verify.Commit([32]byte{byte(i)}, []byte("event"))
		all = append(all, c[:])
	}
	return all
}

// receipt is a receipt file as the portal gives it.
func receipt(t testing.TB, h house, change func(*verify.Receipt, *verify.Promise)) []byte {
	t.Helper()
	p := verify.Promise{Origin: origin, Commitment: verify.Commit([32]byte{3}, []byte("event")), Received: now.Add(-time.Hour), By: now.Add(time.Hour)}
	salt := [32]byte{3}
	r := verify.Receipt{Opening: &verify.Opening{Salt: salt[:], Event: "event"}, TagSalt: make([]byte, 32)}
	if change != nil {
		change(&r, &p)
	}
	if r.Promise == "" {
		r.Promise = string(h.sign(t, p.Text()))
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReceipt(t *testing.T) {
	t.Parallel()
	h, other := newHouse(t), newHouse(t)
	tr := newTree(t, leaves(11)...)
	good := string(tr.proof(t, h, 3).Bytes())
	for name, c := range map[string]struct {
		change func(*verify.Receipt, *verify.Promise)
		proof  string
		at     time.Time
		ok     bool
		says   string
	}{
		"still open":                    {nil, "", now, true, "genuine and still open"},
		"kept":                          {nil, good, now, true, "is in the log"},
		"kept, checked long afterwards": {nil, good, now.AddDate(5, 0, 0), true, "is in the log"},
		"broken: no proof in time":      {nil, "", now.Add(61 * time.Minute), false, "Broken promise"},
		"proof inside the receipt":      {func(r *verify.Receipt, p *verify.Promise) { r.Proof = good }, "", now.Add(3 * time.Hour), true, "is in the log"},
		"proof of another leaf":         {nil, string(tr.proof(t, h, 4).Bytes()), now, false, "does not show"},
		"that, and the time has passed": {nil, string(tr.proof(t, h, 4).Bytes()), now.AddDate(0, 0, 1), false, "Broken promise"},
		"proof of another house":        {nil, string(tr.proof(t, other, 3).Bytes()), now, false, "does not show"},
		"proof cut":                     {nil, good[:len(good)/2], now, false, "does not show"},
		"opening of another event":      {func(r *verify.Receipt, p *verify.Promise) { r.Opening.Event = "another" }, good, now, false, "wrong in another point"},
		"promise of another house":      {func(r *verify.Receipt, p *verify.Promise) { r.Promise = string(other.sign(t, p.Text())) }, good, now, false, "not a promise of that house"},
		"promise of another log":        {func(r *verify.Receipt, p *verify.Promise) { p.Origin = "else.example" }, good, now, false, "not a promise of that house"},
		"a checkpoint as a promise":     {func(r *verify.Receipt, p *verify.Promise) { r.Promise = string(h.sign(t, tr.head(t, 11).Text())) }, good, now, false, "not a promise of that house"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res, err := verify.CheckReceipt(receipt(t, h, c.change), []byte(c.proof), h.vkey, c.at)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			if _, err := res.WriteTo(&b); err != nil {
				t.Fatal(err)
			}
			if res.OK() != c.ok || !strings.Contains(res.Answer, c.says) {
				t.Errorf("ok %v:\n%s", res.OK(), b.String())
			}
		})
	}
	bare := h.sign(t, verify.Promise{Origin: origin, Received: now, By: now}.Text())
	if res, err := verify.CheckReceipt(bare, nil, h.vkey, now); err != nil || !res.OK() {
		t.Errorf("a bare promise: %+v, %v", res, err)
	}
	for _, bad := range []string{"", "x", "{}x", `{"promise":1}`, `{"promise":"","more":1}`, `{"promise":"","tag_salt":"AAAA"}`, `{"promise":"","opening":{"salt":"AAAA","event":""}}`} {
		if res, err := verify.CheckReceipt([]byte(bad), nil, h.vkey, now); err == nil && res.OK() {
			t.Errorf("receipt %q passes", bad)
		}
	}
	if _, err := verify.CheckReceipt(bare, nil, "log.example+1+x", now); err == nil {
		t.Error("a malformed key is accepted")
	}
}

func TestInclusionAndConsistencyForEverySize(t *testing.T) {
	t.Parallel()
	const most = 40
	tr := newTree(t, leaves(most)...)
	for size := 1; size <= most; size++ {
		head := tr.head(t, size)
		for i := range size {
			path, err := tlog.ProveRecord(int64(size), int64(i), tr)
			if err != nil {
				t.Fatal(err)
			}
			if err := head.Includes(tr.leaves[i], int64(i), path); err != nil {
				t.Errorf("leaf %d of %d: %v", i, size, err)
			}
			if head.Includes(tr.leaves[(i+1)%most], int64(i), path) == nil {
				t.Errorf("another leaf at %d of %d is accepted", i, size)
			}
		}
		for old := range size {
			var path tlog.TreeProof
			if old > 0 {
				var err error
				if path, err = tlog.ProveTree(int64(size), int64(old), tr); err != nil {
					t.Fatal(err)
				}
			}
			if err := verify.CheckConsistency(tr.head(t, old), head, path); err != nil {
				t.Errorf("%d in %d: %v", old, size, err)
			}
			if old > 0 {
				forged := tr.head(t, old)
				forged.Root[0] ^= 1
				if verify.CheckConsistency(forged, head, path) == nil {
					t.Errorf("another log of %d is accepted in %d", old, size)
				}
			}
			if verify.CheckConsistency(head, tr.head(t, old), path) == nil {
				t.Errorf("a roll-back from %d to %d is accepted", size, old)
			}
		}
	}
}

func TestCheckpointForm(t *testing.T) {
	t.Parallel()
	root := "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	for text, ok := range map[string]bool{
		"a\n0\n" + root + "\n":                                 true,
		"a\n5\n" + root + "\nextension\n":                      true,
		"a\n0\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n": false,
		"a\n05\n" + root + "\n":                                false,
		"a\n-1\n" + root + "\n":                                false,
		"a\n+1\n" + root + "\n":                                false,
		"a\n9223372036854775808\n" + root + "\n":               false,
		"a\n5\n" + root:                                        false,
		"a\n5\n\n" + root + "\n":                               false,
		"\n5\n" + root + "\n":                                  false,
		"a\n5\nAAAA\n":                                         false,
		"":                                                     false,
	} {
		if _, err := verify.ParseCheckpoint(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestProofForm(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := newTree(t, leaves(300)...).proof(t, h, 299)
	p.Extra = []byte("extra\x00data")
	got, err := verify.ParseProof(p.Bytes())
	if err != nil || !bytes.Equal(got.Bytes(), p.Bytes()) || string(got.Extra) != string(p.Extra) {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := got.Check(leaves(300)[299], h.verifier(t)); err != nil {
		t.Error(err)
	}
	text := string(p.Bytes())
	for what, bad := range map[string]string{
		"no empty line": strings.Replace(text, "\n\n", "\n", 1), "another head": strings.Replace(text, "@v1", "@v2", 1), "index 0299": strings.Replace(text, "index 299", "index 0299", 1),
		"no index": strings.Replace(text, "index 299\n", "", 1), "bad hash": strings.Replace(text, "index 299\n", "index 299\nAAAA\n", 1), "bad extra": strings.Replace(text, "extra ", "extra *", 1),
		"64 hashes": strings.Replace(text, "index 299\n", "index 299\n"+strings.Repeat("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n", 64), 1), "empty": "",
	} {
		if _, err := verify.ParseProof([]byte(bad)); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
}

func TestBands(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0-499", 1: "0-499", 499: "0-499", 500: "500-999", 13421: "13000-13499"} {
		if got := verify.BandOf(n, 500); got != want {
			t.Errorf("%d is in %s, want %s", n, got, want)
		}
	}
	if got := verify.BandOf(1000, 1000); got != "1000-1999" {
		t.Error(got)
	}
}

// What a stranger hands in never panics, and never passes without the house's signature.
func FuzzReceipt(f *testing.F) {
	h := newHouse(f)
	tr := newTree(f, leaves(11)...)
	f.Add(receipt(f, h, nil), tr.proof(f, h, 3).Bytes())
	f.Add(h.sign(f, verify.Promise{Origin: origin}.Text()), []byte("c2sp.org/tlog-proof@v1\nindex 0\n\n"))
	other := newHouse(f)
	f.Fuzz(func(t *testing.T, r, p []byte) {
		res, err := verify.CheckReceipt(r, p, other.vkey, now)
		if err == nil && res.OK() {
			t.Error("passes with a key that signed nothing")
		}
	})
}

func FuzzProof(f *testing.F) {
	h := newHouse(f)
	f.Add(newTree(f, leaves(11)...).proof(f, h, 3).Bytes())
	f.Add([]byte("c2sp.org/tlog-proof@v1\nextra AA==\nindex 0\n\na\n0\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := verify.ParseProof(b)
		if err == nil && !bytes.Equal(p.Bytes(), b) {
			t.Errorf("read %q, wrote %q", b, p.Bytes())
		}
	})
}

func FuzzPackage(f *testing.F) {
	h := newHouse(f)
	f.Add([]byte("PK\x05\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		res, err := verify.CheckPackage(bytes.NewReader(b), int64(len(b)), h.vkey, now)
		if err == nil && res.OK() {
			t.Error("an unsigned package passes")
		}
	})
}

func FuzzReport(f *testing.F) {
	h := newHouse(f)
	text, err := verify.Report{Format: verify.ReportFormat, Period: "2020-H1", Rows: verify.Count("2020-H1", []string{"a"}, nil)}.Text()
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(text))
	f.Fuzz(func(t *testing.T, b []byte) {
		res, err := verify.CheckReport(verify.ReportFiles{JSON: b}, h.vkey)
		if err == nil && res.OK() {
			t.Error("a report without a signed head passes")
		}
	})
}

func BenchmarkCount(b *testing.B) {
	facts := make([]verify.Fact, 100_000)
	for i := range facts {
		facts[i] = verify.Fact{Period: "2020-H1", Service: "chat", Jurisdiction: []string{"HK", "GB", "US"}[i%3], Instrument: "court-order", Accounts: 1, Disposition: "produced"}
	}
	for b.Loop() {
		verify.Count("2020-H1", []string{"chat"}, facts)
	}
}
