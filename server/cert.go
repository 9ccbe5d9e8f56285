package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"writ/clock"
	"writ/xmpp/jid"
)

// openData makes the data folder, for the server's user alone, and readies the certificate.
func (h *House) openData(context.Context) (err error) {
	if h.Domain, err = jid.Parse(h.Config.Domain); err != nil {
		return err
	}
	if err := os.MkdirAll(h.Config.Data, 0o700); err != nil {
		return err
	}
	if h.TLS != nil {
		return nil
	}
	c := &certificate{clock: h.Clock, log: h.Log, cert: h.Config.TLS.Certificate, key: h.Config.TLS.Key}
	if c.cert == "" {
		c.cert, c.key, c.own = h.Config.inData("tls", "cert.pem"), h.Config.inData("tls", "key.pem"), h.Domain.ASCII()
		if err := ownCertificate(c.cert, c.key, c.own, h.Clock.Now()); err != nil {
			return err
		}
	}
	if err := c.load(); err != nil {
		return err
	}
	h.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
	return nil
}

// certificate is a pair of files that is read again when it changes, so that a renewal needs no restart.
type certificate struct {
	clock     clock.Clock
	log       *slog.Logger
	cert, key string
	own       string // the domain, if the certificate is of our own making: then it is renewed here

	mu      sync.Mutex
	pair    *tls.Certificate
	changed [2]time.Time // of the files that pair came from
	looked  time.Time
	renewed time.Time // when a renewal was last tried
}

// lookEvery is how often a handshake looks at the files, and renewEvery how often a renewal of our own certificate is tried.
const (
	lookEvery  = time.Minute
	renewEvery = time.Hour
)

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.clock.Now(); now.Sub(c.looked) >= lookEvery {
		c.looked = now
		c.renew(now)
		if c.differ() {
			// A half-written pair is no reason to fail handshakes: the old one serves on until both files fit.
			_ = c.read()
		}
	}
	return c.pair, nil
}

// renew makes a new certificate of our own when the old one ends soon. A handshake asks for it, which is when it is needed. mu is held.
func (c *certificate) renew(now time.Time) {
	if c.own == "" || now.Sub(c.renewed) < renewEvery {
		return
	}
	c.renewed = now
	if err := ownCertificate(c.cert, c.key, c.own, now); err != nil && c.log != nil {
		c.log.Error("the server's own certificate was not renewed", "room", "server", "err", err)
	}
}

// differ reports that one of the files is not the one that was read: a key may be written after its certificate.
func (c *certificate) differ() bool {
	now, err := c.times()
	return err == nil && now != c.changed
}

func (c *certificate) times() (t [2]time.Time, err error) {
	for i, name := range []string{c.cert, c.key} {
		st, err := os.Stat(name)
		if err != nil {
			return t, fmt.Errorf("the certificate: %w", err)
		}
		t[i] = st.ModTime()
	}
	return t, nil
}

func (c *certificate) load() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looked = c.clock.Now()
	return c.read()
}

func (c *certificate) read() error {
	at, err := c.times()
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("the certificate %s with the key %s: %w", c.cert, c.key, err)
	}
	c.pair, c.changed = &pair, at
	return nil
}

// ownCertificate makes a self-signed certificate for the domain and this machine, unless it is there and lasts another month.
func ownCertificate(certFile, keyFile, domain string, now time.Time) error {
	if b, err := os.ReadFile(certFile); err == nil {
		if block, _ := pem.Decode(b); block != nil {
			if c, err := x509.ParseCertificate(block.Bytes); err == nil && c.VerifyHostname(domain) == nil && now.AddDate(0, 1, 0).Before(c.NotAfter) {
				return nil
			}
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	names := []string{domain}
	if domain != "localhost" {
		names = append(names, "*."+domain, "localhost") // the domain's services too
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: domain, Organization: []string{"Writ's own certificate"}},
		DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		writePEM(keyFile, "PRIVATE KEY", pkcs8, 0o600),
		writePEM(certFile, "CERTIFICATE", der, 0o644))
}

func writePEM(file, kind string, der []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}
