package jid

import (
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/text/secure/precis"
)

// names is IDNA2008 with the mappings of RFC 7622 §3.2.2 (width, case, NFC). The strict rules refuse underscores, empty
// labels and labels that are too long for the DNS.
var names = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.ValidateLabels(true), idna.CheckHyphens(true),
	idna.CheckJoiners(true), idna.StrictDomainName(true), idna.VerifyDNSLength(true), idna.Transitional(false))

// enforceLocal applies the UsernameCaseMapped profile and the exclusions of RFC 7622 §3.3.1.
func enforceLocal(s string) (string, error) {
	if s == "" || len(s) <= MaxPart && plainLocal(s) {
		return s, nil
	}
	if err := checkLength("localpart", s); err != nil {
		return "", err
	}
	e, err := stable(precis.UsernameCaseMapped, s)
	if err != nil {
		return "", malformed("the localpart: %v", err)
	}
	if i := strings.IndexFunc(e, excluded); i >= 0 {
		return "", malformed("the localpart has the character %q", e[i])
	}
	return e, checkLength("localpart", e)
}

// enforceResource applies the OpaqueString profile (RFC 7622 §3.4.1).
func enforceResource(s string) (string, error) {
	if s == "" || len(s) <= MaxPart && plainResource(s) {
		return s, nil
	}
	if err := checkLength("resourcepart", s); err != nil {
		return "", err
	}
	e, err := stable(precis.OpaqueString, s)
	if err != nil {
		return "", malformed("the resourcepart: %v", err)
	}
	return e, checkLength("resourcepart", e)
}

// stable applies a profile until nothing changes: RFC 8264 §7 leaves a few strings for which one pass is not enough, and
// a JID must be equal to the JID that its own text gives.
func stable(p *precis.Profile, s string) (string, error) {
	for range 4 {
		e, err := p.String(s)
		if err != nil || e == s {
			return e, err
		}
		s = e
	}
	return "", malformed("no stable form")
}

// enforceDomain gives the U-label form of a name, or the canonical text of an address literal (RFC 7622 §3.2).
func enforceDomain(s string) (string, error) {
	if plainDomain(s) {
		return s, nil
	}
	if err := checkLength("domainpart", s); err != nil {
		return "", err
	}
	if in, ok := strings.CutPrefix(s, "["); ok {
		a, err := netip.ParseAddr(strings.TrimSuffix(in, "]"))
		if err != nil || !strings.HasSuffix(in, "]") || !a.Is6() || a.Zone() != "" {
			return "", malformed("the domainpart is no IPv6 literal")
		}
		return "[" + a.String() + "]", nil
	}
	s = strings.TrimSuffix(s, ".") // RFC 7622 §3.2: a final dot is the DNS root and is taken off
	if s == "" {
		return "", malformed("the domainpart is empty")
	}
	a, err := names.ToASCII(s)
	if err != nil {
		return "", malformed("the domainpart: %v", err)
	}
	if strings.HasSuffix(a, ".") {
		return "", malformed("the domainpart ends in an empty label")
	}
	if last := a[strings.LastIndexByte(a, '.')+1:]; last[0] <= '9' && strings.Trim(last, "0123456789") == "" {
		if ip, err := netip.ParseAddr(a); err != nil || !ip.Is4() {
			return "", malformed("the domainpart ends in a number and is no IPv4 address")
		}
	}
	u, err := names.ToUnicode(a)
	if err != nil {
		return "", malformed("the domainpart: %v", err)
	}
	if back, err := names.ToASCII(u); err != nil || back != a {
		return "", malformed("the domainpart has no stable form")
	}
	return u, checkLength("domainpart", u)
}

func toASCII(domain string) string {
	if isASCII(domain) {
		return domain
	}
	a, err := names.ToASCII(domain)
	if err != nil { // cannot be: every domainpart went through it
		return domain
	}
	return a
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
