package sasl

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
)

// Channel binding types (RFC 9266, RFC 5929 §4).
const (
	TLSExporter       = "tls-exporter"
	TLSUnique         = "tls-unique"
	TLSServerEndPoint = "tls-server-end-point"
)

// Binding ties a login to one TLS connection: a proof made on another connection fails.
type Binding struct {
	Type string
	Data []byte
}

// Exporter gives the tls-exporter binding (RFC 9266). It fails on TLS 1.2 without the extended master secret, where the
// value would not be unique to the connection.
func Exporter(cs *tls.ConnectionState) (Binding, error) {
	b, err := cs.ExportKeyingMaterial("EXPORTER-Channel-Binding", []byte{}, 32)
	if err != nil {
		return Binding{}, fmt.Errorf("sasl: exporting keying material: %w", err)
	}
	return Binding{TLSExporter, b}, nil
}

// Unique gives the tls-unique binding (RFC 5929 §3). It is undefined in TLS 1.3 (RFC 9266), and without the extended master secret
// somebody in the middle can give two connections the same value.
func Unique(cs *tls.ConnectionState) (Binding, error) {
	if cs.Version != tls.VersionTLS12 || len(cs.TLSUnique) == 0 {
		return Binding{}, errors.New("sasl: this connection has no tls-unique")
	}
	if _, err := Exporter(cs); err != nil { // it fails without the extended master secret
		return Binding{}, err
	}
	return Binding{TLSUnique, cs.TLSUnique}, nil
}

// EndPoint gives the tls-server-end-point binding (RFC 5929 §4.1) of the certificate that the server presented. It is undefined for
// signature algorithms without a single hash (Ed25519).
func EndPoint(cert *x509.Certificate) (Binding, error) {
	var h crypto.Hash
	switch cert.SignatureAlgorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1,
		x509.SHA256WithRSA, x509.ECDSAWithSHA256, x509.SHA256WithRSAPSS:
		h = crypto.SHA256 // MD5 and SHA-1 are replaced by SHA-256
	case x509.SHA384WithRSA, x509.ECDSAWithSHA384, x509.SHA384WithRSAPSS:
		h = crypto.SHA384
	case x509.SHA512WithRSA, x509.ECDSAWithSHA512, x509.SHA512WithRSAPSS:
		h = crypto.SHA512
	default:
		return Binding{}, fmt.Errorf("sasl: no tls-server-end-point for a certificate signed with %v", cert.SignatureAlgorithm)
	}
	d := h.New()
	d.Write(cert.Raw)
	return Binding{TLSServerEndPoint, d.Sum(nil)}, nil
}

// Bindings gives every binding that the connection allows, strongest first. leaf is the certificate that the server presented; nil if
// unknown.
func Bindings(cs *tls.ConnectionState, leaf *x509.Certificate) []Binding {
	var out []Binding
	if b, err := Exporter(cs); err == nil {
		out = append(out, b)
	}
	if b, err := Unique(cs); err == nil {
		out = append(out, b)
	}
	if leaf != nil {
		if b, err := EndPoint(leaf); err == nil {
			out = append(out, b)
		}
	}
	return out
}
