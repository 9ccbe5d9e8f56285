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
