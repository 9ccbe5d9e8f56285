package production

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"golang.org/x/crypto/chacha20poly1305"
)

// Seal encrypts a package for storage with its case's key (XChaCha20-Poly1305, random nonce, bound to the case). Once the key is
// destroyed, what is stored says nothing.
func Seal(key [32]byte, caseID string, zip []byte) ([]byte, error) {
	a, err := sealer(key)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, a.NonceSize(), a.NonceSize()+len(zip)+a.Overhead())
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("production: sealing: %w", err)
	}
	return a.Seal(nonce, nonce, zip, sealData(caseID)), nil
}

// Open is the inverse of Seal. A wrong key, another case or a changed byte gives an error.
func Open(key [32]byte, caseID string, sealed []byte) ([]byte, error) {
	a, err := sealer(key)
	if err != nil {
		return nil, err
	}
	if len(sealed) < a.NonceSize() {
		return nil, errors.New("production: the sealed package is cut")
	}
	zip, err := a.Open(nil, sealed[:a.NonceSize()], sealed[a.NonceSize():], sealData(caseID))
	if err != nil {
		return nil, errors.New("production: the sealed package was changed, or belongs to another case or key")
	}
	return zip, nil
}

func sealer(key [32]byte) (cipher.AEAD, error) {
	a, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		return nil, fmt.Errorf("production: sealing: %w", err)
	}
	return a, nil
}

func sealData(caseID string) []byte { return []byte("writ package of case " + caseID) }

// CheckRecipient says whether text is an age public key that a package can be encrypted to: age1… (X25519) or age1pq1… (hybrid,
// post-quantum).
func CheckRecipient(text string) error {
	_, err := recipient(text)
	return err
}

func recipient(text string) (age.Recipient, error) {
	list, err := age.ParseRecipients(strings.NewReader(strings.TrimSpace(text) + "\n"))
	if err != nil || len(list) != 1 {
		return nil, errors.New("production: this is not one age public key (age1…, or age1pq1… for the hybrid kind)")
	}
	return list[0], nil
}

// Encrypt encrypts a package to an agency's age public key, for delivery.
func Encrypt(to string, zip []byte) ([]byte, error) {
	r, err := recipient(to)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w, err := age.Encrypt(&b, r)
	if err == nil {
		_, err = io.Copy(w, bytes.NewReader(zip))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("production: encrypting for the agency: %w", err)
	}
	return b.Bytes(), nil
}
