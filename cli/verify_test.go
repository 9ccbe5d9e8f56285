package cli_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"writ/clock"
	"writ/obs"
	"writ/report"
	"writ/store"
	"writ/store/storetest"
	"writ/tlog"
	"writ/tlog/verify"
)

// oneCase is a source with one request of 2020-H1.
type oneCase struct{ report.Case }

func (o oneCase) Received(_ context.Context, from, to, _ time.Time) ([]report.Case, error) {
	if o.Case.Received.Before(from) || !o.Case.Received.Before(to) {
		return nil, nil
	}
	return []report.Case{o.Case}, nil
}

func (oneCase) Unsealed(context.Context, time.Time, time.Time, time.Time) ([]report.Case, error) {
	return nil, nil
}

// published writes what a house gives out into a folder: key, receipt, proof, report, table, signature; the log in its own folder.
func published(t *testing.T) (dir string, l *tlog.Log) {
	t.Helper()
	dir = t.TempDir()
	db := storetest.SQLite(t)
	storetest.Migrate(t, db, tlog.Schema(), report.Schema())
	c := clock.NewFake(time.Date(2020, 3, 1, 0, 0, 0, 0, time.UTC))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	key, err := tlog.LoadKey(filepath.Join(dir, "private"), "example.org/log")
	must(err)
	l, err = tlog.New(db, c, tlog.Config{Origin: "example.org/log", Dir: filepath.Join(dir, "log")}, key, obs.Discard(), nil)
	must(err)
	salt := [32]byte{1}
	intake := verify.Commit(salt, []byte("request"))
	var e tlog.Entry
	must(db.Write(t.Context(), func(tx *store.Tx) (err error) {
		e, err = l.Append(t.Context(), tx, intake)
		return err
	}))
	promise, err := l.Promise(e)
	must(err)
	r, err := report.New(report.Deps{DB: db, Clock: c, Log: obs.Discard(), Tlog: l, Signer: key, House: "Example", Services: []string{"chat"},
		Source: oneCase{report.Case{ID: "1", Service: "chat", Jurisdiction: "HK", Instrument: "court-order", Received: c.Now(), Accounts: 1, Disposition: report.Produced, Intake: intake, TagSalt: salt}}})
	must(err)
	must(r.Turn(t.Context()))
	c.Set(time.Date(2020, 8, 1, 0, 0, 0, 0, time.UTC))
	must(r.Turn(t.Context()))
	must(l.Publisher().Turn(t.Context()))
	must(r.Turn(t.Context()))
	p, err := r.Latest(t.Context(), "2020-H1")
	must(err)
	proof, err := l.Proof(t.Context(), intake)
	must(err)
	receipt, err := json.Marshal(verify.Receipt{Promise: string(promise), TagSalt: salt[:]})
	must(err)
	for name, b := range map[string][]byte{"key": []byte(l.VKey() + "\n"), "receipt": receipt, "proof": proof.Bytes(), "report.json": p.JSON, "report.csv": p.CSV, "report.sig": p.Signature} {
		must(os.WriteFile(filepath.Join(dir, name), b, 0o600))
	}
	return dir, l
}

func TestVerify(t *testing.T) {
	t.Parallel()
	dir, l := published(t)
	s := httptest.NewServer(http.StripPrefix("/log", l.Handler()))
	defer s.Close()
	in := func(name string) string { return filepath.Join(dir, name) }
	forged, err := os.ReadFile(in("report.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(in("forged.json"), []byte(strings.Replace(string(forged), `"requests": 1`, `"requests": 0`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"report", in("report.json")}, 0, "Every number follows from the opened facts (1)"},
		{[]string{"report", in("report.sig"), in("report.csv"), in("report.json"), "--receipt", in("receipt")}, 0, "your case is counted: 2020-H1, chat, HK"},
		{[]string{"report", in("forged.json")}, 1, "published 0, the facts give 1"},
		{[]string{"report", in("report.csv")}, 1, "the report itself is missing"},
		{[]string{"report", in("report.json"), in("report.json")}, 1, "a second report"},
		{[]string{"log", in("log"), "--keep", in("head")}, 0, "is whole and is what its head says"},
		{[]string{"log", s.URL + "/log/", "--older", in("head"), "--batch", "256"}, 0, "begins with the 256 leaves"},
		{[]string{"log", s.URL + "/log/", "--batch", "100"}, 1, "no whole number of batches"},
		{[]string{"log", s.URL + "/elsewhere"}, 1, "404"},
		{[]string{"log", in("nowhere")}, 1, "no such file"},
		{[]string{"receipt", in("receipt"), "--proof", in("proof")}, 0, "The request is in the log."},
		{[]string{"receipt", in("receipt")}, 1, "Broken promise"},
		{[]string{"package", in("report.csv")}, 1, "not a zip file"},
	} {
		status, out, log := writ(t, "", append([]string{"verify"}, append(c.args, "--key", in("key"))...)...)
		if status != c.status || !strings.Contains(out+log, c.want) {
			t.Errorf("writ verify %s: %d, want %d with %q\n%s%s", strings.Join(c.args, " "), status, c.status, c.want, out, log)
		}
	}
}
