package s2s

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"writ/xmpp/jid"
	"writ/xmpp/locate"
)

// The kinds of name that a certificate may hold for an XMPP server (RFC 6120 §13.7.1.2).
var (
	oidSAN      = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidXMPPAddr = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 5}
	oidSRVName  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 7}
)

// identities are the names of a certificate for a server, from its subject alternative names alone: the subject, its common name above all, is
// never looked at (RFC 6125 §6.4.4, RFC 9525).
type identities struct {
	dns  []string // DNS-ID
	srv  []string // SRV-ID: "_service.name"
	xmpp []string // XmppAddr
}

// identitiesOf reads the extension itself: crypto/x509 leaves out names of other forms.
func identitiesOf(c *x509.Certificate) (identities, error) {
	var ids identities
	for _, e := range c.Extensions {
		if !e.Id.Equal(oidSAN) {
			continue
		}
		in := cryptobyte.String(e.Value)
		var names cryptobyte.String
		if !in.ReadASN1(&names, cbasn1.SEQUENCE) || !in.Empty() {
			return identities{}, errors.New("s2s: the certificate's names cannot be read")
		}
		for !names.Empty() {
			var value cryptobyte.String
			var tag cbasn1.Tag
			if !names.ReadAnyASN1(&value, &tag) {
				return identities{}, errors.New("s2s: the certificate's names cannot be read")
			}
			switch tag {
			case cbasn1.Tag(2).ContextSpecific():
				ids.dns = append(ids.dns, string(value))
			case cbasn1.Tag(0).ContextSpecific().Constructed():
				ids.other(value)
			}
		}
	}
	return ids, nil
}

// other reads an otherName: its type, and a value in an explicit tag. One of another type or shape names nothing.
func (ids *identities) other(in cryptobyte.String) {
	var oid asn1.ObjectIdentifier
	var box, value cryptobyte.String
	if !in.ReadASN1ObjectIdentifier(&oid) || !in.ReadASN1(&box, cbasn1.Tag(0).ContextSpecific().Constructed()) || !in.Empty() {
		return
	}
	var tag cbasn1.Tag
	if !box.ReadAnyASN1(&value, &tag) || !box.Empty() {
		return
	}
	switch {
	case oid.Equal(oidXMPPAddr) && tag == cbasn1.UTF8String:
		ids.xmpp = append(ids.xmpp, string(value))
	case oid.Equal(oidSRVName) && tag == cbasn1.IA5String:
		ids.srv = append(ids.srv, string(value))
	}
}

// hold reports whether the names cover the domain.
func (ids identities) hold(domain jid.JID) bool {
	ascii := strings.ToLower(domain.ASCII())
	for _, n := range ids.dns {
		if sameHost(n, ascii) {
			return true
		}
	}
	for _, n := range ids.srv { // RFC 4985: "_service.name"; a wildcard is for DNS-ID alone
		service, name, _ := strings.Cut(strings.ToLower(n), ".")
		if (service == "_xmpp-server" || service == "_xmpps-server") && name == ascii {
			return true
		}
	}
	for _, n := range ids.xmpp {
		if j, err := jid.Parse(n); err == nil && j == domain {
			return true
		}
	}
	return false
}

// sameHost compares a DNS-ID with a host name. A wildcard is the whole leftmost label, and stands for one label (RFC 6125 §6.4.3, RFC 9525).
func sameHost(id, host string) bool {
	id = strings.ToLower(id)
	if id == host {
		return host != ""
	}
	rest, ok := strings.CutPrefix(id, "*.")
	if !ok || strings.Contains(rest, "*") || !strings.Contains(rest, ".") {
		return false
	}
	label, parent, ok := strings.Cut(host, ".")
	return ok && label != "" && parent == rest
}

// chain verifies that the first certificate leads to an authority. Any extended key usage of servers and clients will do: authorities give
// servers certificates for servers alone, and a server that connects is a client.
func chain(certs []*x509.Certificate, roots *x509.CertPool, now time.Time) error {
	if len(certs) == 0 {
		return errors.New("s2s: there is no certificate")
	}
	between := x509.NewCertPool()
	for _, c := range certs[1:] {
		between.AddCert(c)
	}
	_, err := certs[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}})
	if err != nil {
		return fmt.Errorf("s2s: the certificate: %w", err)
	}
	return nil
}

// proves reports, as nil, that the certificates prove the domain: they lead to an authority, and the first holds the name.
func proves(certs []*x509.Certificate, domain jid.JID, roots *x509.CertPool, now time.Time) error {
	if err := chain(certs, roots, now); err != nil {
		return err
	}
	ids, err := identitiesOf(certs[0])
	if err != nil {
		return err
	}
	if !ids.hold(domain) {
		return fmt.Errorf("s2s: the certificate does not hold the name %s", domain)
	}
	return nil
}

// The certificate usages of DANE that are for such connections (RFC 6698, RFC 7671): the records bind the server's key, or an authority of
// its own. Usages 0 and 1 ask for a public authority besides and are, as RFC 7671 allows, left aside.
const (
	daneTA = 2
	daneEE = 3
)

// dane judges the certificates by TLSA records. usable says that there is a record which decides: then err is the verdict, and no
// authority is asked.
func dane(keys []locate.Key, certs []*x509.Certificate, domain jid.JID, host string, now time.Time) (usable bool, err error) {
	if len(certs) == 0 {
		return false, errors.New("s2s: there is no certificate")
	}
	for _, k := range keys {
		if k.Usage != daneEE && k.Usage != daneTA || k.Selector > 1 || k.Matching > 2 || len(k.Data) == 0 {
			continue
		}
		usable = true
		if k.Usage == daneEE {
			if daneFits(k, certs[0]) {
				return true, nil // neither name nor time of the certificate matter (RFC 7671)
			}
			continue
		}
		for _, ta := range anchors(k, certs) {
			roots := x509.NewCertPool()
			roots.AddCert(ta)
			if chain(certs, roots, now) != nil {
				continue
			}
			ids, err := identitiesOf(certs[0])
			if err == nil && (ids.hold(domain) || ids.holdHost(host)) {
				return true, nil
			}
		}
	}
	if usable {
		return true, errors.New("s2s: the certificate is not the one that the TLSA records name")
	}
	return false, nil
}

// holdHost reports whether a DNS-ID is the host: with DNSSEC the target of the SRV record is as good as the domain (RFC 7673).
func (ids identities) holdHost(host string) bool {
	for _, n := range ids.dns {
		if sameHost(n, strings.ToLower(host)) {
			return true
		}
	}
	return false
}

// anchors are the certificates that a record of usage 2 names: of those presented, or the one in the record.
func anchors(k locate.Key, certs []*x509.Certificate) (out []*x509.Certificate) {
	for _, c := range certs[1:] {
		if daneFits(k, c) {
			out = append(out, c)
		}
	}
	if k.Selector == 0 && k.Matching == 0 {
		if c, err := x509.ParseCertificate(k.Data); err == nil {
			out = append(out, c)
		}
	}
	return out
}

func daneFits(k locate.Key, c *x509.Certificate) bool {
	of := c.Raw
	if k.Selector == 1 {
		of = c.RawSubjectPublicKeyInfo
	}
	switch k.Matching {
	case 0:
		return bytes.Equal(of, k.Data)
	case 1:
		h := sha256.Sum256(of)
		return bytes.Equal(h[:], k.Data)
	case 2:
		h := sha512.Sum512(of)
		return bytes.Equal(h[:], k.Data)
	}
	return false
}
