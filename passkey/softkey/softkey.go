// Package softkey is an authenticator in software: ES256 credentials that answer WebAuthn options with the same JSON that a browser
// gives. It serves `writ dev`, where nobody has a security key at hand, and tests. The server verifies
// its answers on the same path as a browser's: nothing knows that they come from here.
//
// Whoever has the file can sign for everyone in it. It is never used outside development.
package softkey

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/fxamacker/cbor/v2"
)

// ErrNoCredential says that the key holds nothing that the options allow.
var ErrNoCredential = errors.New("softkey: no credential for these options")

// Key is a set of credentials. Safe for concurrent use.
type Key struct {
	mu    sync.Mutex
	path  string // "" keeps it in memory
	creds []*credential
}

type credential struct {
	ID         []byte `json:"id"`
	RPID       string `json:"rp_id"`
	UserHandle string `json:"user_handle"`
	PKCS8      []byte `json:"pkcs8"`
	Count      uint32 `json:"count"`

	key *ecdsa.PrivateKey
}

// New makes an empty key in memory.
func New() *Key { return &Key{} }

// Open reads a key from a file, which need not exist yet. Every change is written back before it is used.
func Open(path string) (*Key, error) {
	k := &Key{path: path}
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return k, nil
	}
	if err != nil {
		return nil, fmt.Errorf("softkey: reading the key: %w", err)
	}
	if err := json.Unmarshal(b, &k.creds); err != nil {
		return nil, fmt.Errorf("softkey: reading %s: %w", filepath.Base(path), err)
	}
	for _, c := range k.creds {
		p, err := x509.ParsePKCS8PrivateKey(c.PKCS8)
		if err != nil {
			return nil, fmt.Errorf("softkey: reading a private key: %w", err)
		}
		key, ok := p.(*ecdsa.PrivateKey)
		if !ok {
			return nil, fmt.Errorf("softkey: %T is not an ECDSA key", p)
		}
		c.key = key
	}
	return k, nil
}

// save writes the file in place of the old one. k.mu is held.
func (k *Key) save() error {
	if k.path == "" {
		return nil
	}
	b, err := json.MarshalIndent(k.creds, "", "\t")
	if err != nil {
		return fmt.Errorf("softkey: encoding the key: %w", err)
	}
	tmp := k.path + ".new"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return fmt.Errorf("softkey: writing the key: %w", err)
	}
	if err := os.Rename(tmp, k.path); err != nil {
		return fmt.Errorf("softkey: writing the key: %w", err)
	}
	return nil
}

// Has reports whether the key holds a credential of this user.
func (k *Key) Has(user string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.ContainsFunc(k.creds, func(c *credential) bool { return c.UserHandle == user })
}

// bytes64 is base64url without padding, as WebAuthn's JSON has it.
type bytes64 []byte

func (b bytes64) MarshalText() ([]byte, error) {
	return []byte(base64.RawURLEncoding.EncodeToString(b)), nil
}

func (b *bytes64) UnmarshalText(t []byte) (err error) {
	*b, err = base64.RawURLEncoding.DecodeString(string(t))
	return err
}

// options is what is read of the creation and of the request options.
type options struct {
	PublicKey struct {
		Challenge bytes64 `json:"challenge"`
		RPID      string  `json:"rpId"`
		RP        struct {
			ID string `json:"id"`
		} `json:"rp"`
		User struct {
			ID bytes64 `json:"id"`
		} `json:"user"`
		Exclude []descriptor `json:"excludeCredentials"`
		Allow   []descriptor `json:"allowCredentials"`
	} `json:"publicKey"`
}

type descriptor struct {
	ID bytes64 `json:"id"`
}

func holds(list []descriptor, id []byte) bool {
	return slices.ContainsFunc(list, func(d descriptor) bool { return slices.Equal(d.ID, id) })
}

type response struct {
	ID    string         `json:"id"`
	RawID bytes64        `json:"rawId"`
	Type  string         `json:"type"`
	Att   string         `json:"authenticatorAttachment"`
	Ext   struct{}       `json:"clientExtensionResults"`
	Reply map[string]any `json:"response"`
}

const (
	userPresent  = 0x01
	userVerified = 0x04
	attested     = 0x40
)

// Create answers creation options (JSON with "publicKey"), as navigator.credentials.create does for a page of this origin.
func (k *Key) Create(creation []byte, origin string) ([]byte, error) {
	var o options
	if err := json.Unmarshal(creation, &o); err != nil {
		return nil, fmt.Errorf("softkey: reading creation options: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range k.creds {
		if holds(o.PublicKey.Exclude, c.ID) {
			return nil, errors.New("softkey: this key is already registered")
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("softkey: making a key: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("softkey: encoding a key: %w", err)
	}
	c := &credential{ID: make([]byte, 32), RPID: o.PublicKey.RP.ID, UserHandle: string(o.PublicKey.User.ID), PKCS8: pkcs8, key: key}
	rand.Read(c.ID)
	k.creds = append(k.creds, c)
	if err := k.save(); err != nil {
		return nil, err
	}
	data := c.authData(userPresent | userVerified | attested)
	data = append(data, make([]byte, 16)...) // AAGUID: none
	data = binary.BigEndian.AppendUint16(data, uint16(len(c.ID)))
	data = append(data, c.ID...)
	cose, err := coseKey(key)
	if err != nil {
		return nil, err
	}
	object, err := cbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": append(data, cose...)})
	if err != nil {
		return nil, fmt.Errorf("softkey: encoding the attestation: %w", err)
	}
	return c.answer(map[string]any{
		"clientDataJSON":    bytes64(clientData("webauthn.create", o.PublicKey.Challenge, origin)),
		"attestationObject": bytes64(object),
		"transports":        []string{"internal"},
	})
}

// Get answers request options, as navigator.credentials.get does for a page of this origin. user picks one person's credential
// when the options leave it open; "" takes the newest that is allowed.
func (k *Key) Get(request []byte, origin, user string) ([]byte, error) {
	var o options
	if err := json.Unmarshal(request, &o); err != nil {
		return nil, fmt.Errorf("softkey: reading request options: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	var c *credential
	for _, have := range slices.Backward(k.creds) {
		if have.RPID == o.PublicKey.RPID && (user == "" || have.UserHandle == user) &&
			(len(o.PublicKey.Allow) == 0 || holds(o.PublicKey.Allow, have.ID)) {
			c = have
			break
		}
	}
	if c == nil {
		return nil, ErrNoCredential
	}
	c.Count++
	if err := k.save(); err != nil {
		return nil, err
	}
	data := c.authData(userPresent | userVerified)
	client := clientData("webauthn.get", o.PublicKey.Challenge, origin)
	hash := sha256.Sum256(client)
	digest := sha256.Sum256(append(slices.Clone(data), hash[:]...))
	sig, err := ecdsa.SignASN1(rand.Reader, c.key, digest[:])
	if err != nil {
		return nil, fmt.Errorf("softkey: signing: %w", err)
	}
	return c.answer(map[string]any{
		"clientDataJSON":    bytes64(client),
		"authenticatorData": bytes64(data),
		"signature":         bytes64(sig),
		"userHandle":        bytes64(c.UserHandle),
	})
}

// authData is the fixed head of authenticator data.
func (c *credential) authData(flags byte) []byte {
	rp := sha256.Sum256([]byte(c.RPID))
	return binary.BigEndian.AppendUint32(append(rp[:], flags), c.Count)
}

func (c *credential) answer(reply map[string]any) ([]byte, error) {
	b, err := json.Marshal(response{ID: base64.RawURLEncoding.EncodeToString(c.ID), RawID: c.ID, Type: "public-key", Att: "platform", Reply: reply})
	if err != nil {
		return nil, fmt.Errorf("softkey: encoding the answer: %w", err)
	}
	return b, nil
}

func clientData(kind string, challenge []byte, origin string) []byte {
	b, _ := json.Marshal(struct { // strings only: cannot fail
		Type        string  `json:"type"`
		Challenge   bytes64 `json:"challenge"`
		Origin      string  `json:"origin"`
		CrossOrigin bool    `json:"crossOrigin"`
	}{kind, challenge, origin, false})
	return b
}

// coseKey writes an ES256 public key as COSE has it.
func coseKey(key *ecdsa.PrivateKey) ([]byte, error) {
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("softkey: encoding the public key: %w", err)
	}
	em, err := cbor.CTAP2EncOptions().EncMode()
	if err != nil {
		return nil, fmt.Errorf("softkey: %w", err)
	}
	b, err := em.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]})
	if err != nil {
		return nil, fmt.Errorf("softkey: encoding the public key: %w", err)
	}
	return b, nil
}
