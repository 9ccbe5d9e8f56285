package desk

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// caseKey is the key of one case. Everything of the case that is sealed, and the salts of its commitments, derive from it:
// erasing it erases them. The house's key, which is kept outside the database, wraps it.
type caseKey [32]byte

// errSealed is what does not open: the wrong key, or bytes that were changed.
var errSealed = errors.New("desk: the sealed bytes do not open")

func newCaseKey() (k caseKey) {
	rand.Read(k[:])
	return k
}

// derive gives 32 bytes for one purpose (RFC 5869).
func (k caseKey) derive(purpose string) [32]byte {
	b, err := hkdf.Key(sha256.New, k[:], nil, "writ desk "+purpose, 32)
	if err != nil {
		panic("desk: HKDF of 32 bytes: " + err.Error())
	}
	return [32]byte(b)
}

// salt is what hides the commitment of event seq; showing it opens that one leaf.
func (k caseKey) salt(seq int) [32]byte { return k.derive(fmt.Sprintf("salt %d", seq)) }

// tagSalt hides the link between the case and its fact in the report.
func (k caseKey) tagSalt() [32]byte { return k.derive("tag") }

func aead(key [32]byte) cipher.AEAD {
	a, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		panic("desk: XChaCha20-Poly1305 with a key of 32 bytes: " + err.Error())
	}
	return a
}

// seal encrypts plain for a place (which rows it stands in): moved elsewhere it does not open.
func seal(key [32]byte, place string, plain []byte) []byte {
	a := aead(key)
	out := make([]byte, a.NonceSize(), a.NonceSize()+len(plain)+a.Overhead())
	rand.Read(out)
	return a.Seal(out, out, plain, []byte(place))
}

func unseal(key [32]byte, place string, sealed []byte) ([]byte, error) {
	a := aead(key)
	if len(sealed) < a.NonceSize() {
		return nil, errSealed
	}
	plain, err := a.Open(nil, sealed[:a.NonceSize()], sealed[a.NonceSize():], []byte(place))
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}

func (k caseKey) sealPayload(caseID string, seq int, plain []byte) []byte {
	return seal(k.derive("payload"), fmt.Sprintf("payload %s %d", caseID, seq), plain)
}

func (k caseKey) openPayload(caseID string, seq int, sealed []byte) ([]byte, error) {
	return unseal(k.derive("payload"), fmt.Sprintf("payload %s %d", caseID, seq), sealed)
}

// wrap seals a case's key with the house's.
func (d *Desk) wrap(caseID string, k caseKey) []byte {
	return seal(d.d.HouseKey, "key "+caseID, k[:])
}

func (d *Desk) unwrap(caseID string, wrapped []byte) (k caseKey, err error) {
	b, err := unseal(d.d.HouseKey, "key "+caseID, wrapped)
	if err != nil || len(b) != len(k) {
		return k, fmt.Errorf("desk: the key of case %s: %w", caseID, errSealed)
	}
	copy(k[:], b)
	return k, nil
}

// mark is the keyed hash by which the same document shows in two cases.
func (d *Desk) mark(sum [32]byte) []byte {
	m := hmac.New(sha256.New, d.d.HouseKey[:])
	m.Write([]byte("writ desk document\n"))
	m.Write(sum[:])
	return m.Sum(nil)
}
