// Package jid is the address format of XMPP (RFC 7622).
//
// A JID is a small comparable value: two JIDs are == exactly if they are the same address, so it is used as a map key as it is.
// Only enforced forms exist: a JID that came from this package has passed PRECIS (RFC 7622 §3.3, §3.4) and IDNA2008
// (RFC 7622 §3.2), and parsing its String gives the same JID again. The domainpart is kept with U-labels, because
// RFC 7622 §3.2.1 forbids A-labels on the wire; ASCII gives the A-label form that the DNS and certificates need.
package jid

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxPart is the most bytes that each of the three parts may have (RFC 7622 §3.2, §3.3, §3.4).
const MaxPart = 1023

// ErrMalformed is what every error of this package wraps; a stream answers it with jid-malformed (RFC 6120 §8.3.3.8).
var ErrMalformed = errors.New("jid: malformed address")

// JID is an address: local@domain/resource. The zero value is no address.
type JID struct {
	s     string // the whole, enforced
	at    uint16 // length of the localpart
	slash uint16 // length of the bare JID
}

// Parse reads an address and enforces it. The input is split before anything is mapped (RFC 7622 §3.1), so that no
// code point which maps to '@' or '/' can move a separator.
func Parse(s string) (JID, error) {
	rest, resource := s, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		rest, resource = rest[:i], rest[i+1:]
		if resource == "" {
			return JID{}, malformed("the resourcepart is empty")
		}
	}
	local, domain := "", rest
	if i := strings.IndexByte(rest, '@'); i >= 0 {
		local, domain = rest[:i], rest[i+1:]
		if local == "" {
			return JID{}, malformed("the localpart is empty")
		}
	}
	if plain(local, domain, resource) {
		return join(s, len(local), len(rest)), nil
	}
	return New(local, domain, resource)
}

// Scan reads an address out of a column of a database; empty text is no address.
func (j *JID) Scan(column any) (err error) {
	s, ok := column.(string)
	if b, is := column.([]byte); is {
		s, ok = string(b), true
	}
	if !ok {
		return malformed("a column that is no text")
	}
	if *j = (JID{}); s != "" {
		*j, err = Parse(s)
	}
	return err
}

// MustParse is Parse for addresses that are written in the source; it panics on a malformed one.
func MustParse(s string) JID {
	j, err := Parse(s)
	if err != nil {
		panic(err)
	}
	return j
}

// New makes an address of its parts; local and resource may be empty, which means that there is none.
func New(local, domain, resource string) (JID, error) {
	var err error
	if local, err = enforceLocal(local); err != nil {
		return JID{}, err
	}
	if domain, err = enforceDomain(domain); err != nil {
		return JID{}, err
	}
	if resource, err = enforceResource(resource); err != nil {
		return JID{}, err
	}
	s, bare := domain, len(domain)
	if local != "" {
		s, bare = local+"@"+domain, len(local)+1+len(domain)
	}
	if resource != "" {
		s += "/" + resource
	}
	return join(s, len(local), bare), nil
}

func join(s string, local, bare int) JID {
	return JID{s: s, at: uint16(local), slash: uint16(bare)}
}

// String is the whole address; empty for the zero value.
func (j JID) String() string { return j.s }

// IsZero reports that there is no address.
func (j JID) IsZero() bool { return j.s == "" }

// IsBare reports that there is no resourcepart.
func (j JID) IsBare() bool { return int(j.slash) == len(j.s) }

// IsDomain reports that there is neither localpart nor resourcepart.
func (j JID) IsDomain() bool { return j.s != "" && j.at == 0 && j.IsBare() }

// Local is the localpart, or empty.
func (j JID) Local() string { return j.s[:j.at] }

// Domainpart is the domain with U-labels.
func (j JID) Domainpart() string {
	if j.at == 0 {
		return j.s[:j.slash]
	}
	return j.s[j.at+1 : j.slash]
}

// Resource is the resourcepart, or empty.
func (j JID) Resource() string {
	if j.IsBare() {
		return ""
	}
	return j.s[j.slash+1:]
}

// Bare is the address without its resource.
func (j JID) Bare() JID { return JID{s: j.s[:j.slash], at: j.at, slash: j.slash} }

// Domain is the address of the domain alone.
func (j JID) Domain() JID {
	d := j.Domainpart()
	return JID{s: d, slash: uint16(len(d))}
}

// WithResource is the bare address with another resource; empty gives the bare address.
func (j JID) WithResource(resource string) (JID, error) {
	if resource == "" {
		return j.Bare(), nil
	}
	if j.IsZero() {
		return JID{}, malformed("no address to add a resource to")
	}
	r, err := enforceResource(resource)
	if err != nil {
		return JID{}, err
	}
	return join(j.s[:j.slash]+"/"+r, int(j.at), int(j.slash)), nil
}

// ASCII is the domain in A-label form, for the DNS, TLS names and certificates.
func (j JID) ASCII() string { return toASCII(j.Domainpart()) }

// MarshalText writes the whole address.
func (j JID) MarshalText() ([]byte, error) { return []byte(j.s), nil }

// UnmarshalText parses an address; an empty text is the zero value.
func (j *JID) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*j = JID{}
		return nil
	}
	p, err := Parse(string(b))
	if err != nil {
		return err
	}
	*j = p
	return nil
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// plain reports that the three parts are already in enforced form by looking at ASCII alone; most addresses are.
func plain(local, domain, resource string) bool {
	return len(local) <= MaxPart && len(resource) <= MaxPart && plainLocal(local) && plainDomain(domain) && plainResource(resource)
}

func plainLocal(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= 0x7f || 'A' <= c && c <= 'Z' || excluded(rune(c)) {
			return false
		}
	}
	return true
}

func plainResource(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// plainDomain accepts lower-case NR-LDH labels. A name whose last label begins with a digit, or with "--" in third
// place, takes the long way.
func plainDomain(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for rest := s; ; {
		label, tail, more := strings.Cut(rest, ".")
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || len(label) > 3 && label[2:4] == "--" {
			return false
		}
		for i := 0; i < len(label); i++ {
			if c := label[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
		if !more {
			return label[0] > '9'
		}
		rest = tail
	}
}

// excluded are the ASCII characters that a localpart may not have (RFC 7622 §3.3.1).
func excluded(r rune) bool {
	switch r {
	case '"', '&', '\'', '/', ':', '<', '>', '@':
		return true
	}
	return false
}

func checkLength(part, s string) error {
	if len(s) > MaxPart {
		return malformed("the %s has %d bytes, %d are allowed", part, len(s), MaxPart)
	}
	if !utf8.ValidString(s) {
		return malformed("the %s is not UTF-8", part)
	}
	return nil
}
