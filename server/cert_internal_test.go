package server

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"writ/clock"
)

func TestOwnCertificateIsMadeKeptAndRenewed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "tls", "cert.pem"), filepath.Join(dir, "tls", "key.pem")
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	made := func(domain string, at time.Time) *x509.Certificate {
		t.Helper()
		if err := ownCertificate(cert, key, domain, at); err != nil {
			t.Fatal(err)
		}
		c := &certificate{clock: clock.NewFake(at), cert: cert, key: key}
		if err := c.load(); err != nil {
			t.Fatal(err)
		}
		pair, _ := c.get(nil)
		leaf, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return leaf
	}
	first := made("writ.example", now)
	for _, name := range []string{"writ.example", "localhost", "127.0.0.1", "::1"} {
		if err := first.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if st, err := os.Stat(key); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v %v", st.Mode(), err)
	}
	if !made("writ.example", now.AddDate(0, 6, 0)).Equal(first) {
		t.Error("a certificate that lasts is kept")
	}
	if made("writ.example", now.AddDate(0, 11, 15)).Equal(first) {
		t.Error("one that ends soon is renewed")
	}
	if made("other.example", now).VerifyHostname("other.example") != nil {
		t.Error("another domain gets its own")
	}
}

// A server that runs longer than its own certificate lasts makes the next one while it runs.
func TestOwnCertificateIsRenewedWhileRunning(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fake := clock.NewFake(time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC))
	c := &certificate{clock: fake, cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"), own: "writ.example"}
	if err := ownCertificate(c.cert, c.key, c.own, fake.Now()); err != nil {
		t.Fatal(err)
	}
	if err := c.load(); err != nil {
		t.Fatal(err)
	}
	first, _ := c.get(nil)
	for day := range 800 {
		fake.Advance(24 * time.Hour)
		pair, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		if left := leaf.NotAfter.Sub(fake.Now()); left < 20*24*time.Hour || leaf.NotBefore.After(fake.Now()) {
			t.Fatalf("on day %d the certificate is good for %s", day, left)
		}
		if day < 300 && pair != first {
			t.Fatalf("renewed on day %d", day)
		}
	}
}

// The key may be written after its certificate: both files are looked at.
func TestAKeyThatIsWrittenLater(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fake := clock.NewFake(time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC))
	old, next := &certificate{clock: fake, cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem")}, filepath.Join(dir, "next")
	for _, at := range []string{dir, next} {
		if err := ownCertificate(filepath.Join(at, "cert.pem"), filepath.Join(at, "key.pem"), "writ.example", fake.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if err := old.load(); err != nil {
		t.Fatal(err)
	}
	first, _ := old.get(nil)
	for i, name := range []string{"cert.pem", "key.pem"} {
		if err := os.Rename(filepath.Join(next, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		later := time.Now().Add(time.Duration(i+1) * time.Hour)
		if err := os.Chtimes(filepath.Join(dir, name), later, later); err != nil {
			t.Fatal(err)
		}
		fake.Advance(lookEvery)
		if pair, _ := old.get(nil); (pair == first) != (i == 0) {
			t.Errorf("behind %s: the new one is served: %v", name, pair != first)
		}
	}
}

func TestARenewedCertificateNeedsNoRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	fake := clock.NewFake(time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC))
	if err := ownCertificate(cert, key, "writ.example", fake.Now()); err != nil {
		t.Fatal(err)
	}
	c := &certificate{clock: fake, cert: cert, key: key}
	if err := c.load(); err != nil {
		t.Fatal(err)
	}
	first, _ := c.get(nil)
	write := func(name string, b []byte) {
		t.Helper()
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		fake.Advance(lookEvery)
		later := time.Now().Add(time.Duration(fake.Now().Unix()%1000) * time.Hour)
		if err := os.Chtimes(name, later, later); err != nil {
			t.Fatal(err)
		}
	}
	write(cert, []byte("half written"))
	if now, _ := c.get(nil); now != first {
		t.Error("the old one serves on until both files fit")
	}
	if err := os.Remove(cert); err != nil {
		t.Fatal(err)
	}
	if err := ownCertificate(cert, key, "writ.example", fake.Now()); err != nil {
		t.Fatal(err)
	}
	fake.Advance(lookEvery)
	if now, _ := c.get(nil); now == first {
		t.Error("the new one is served")
	}
}
