package sasl

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash"

	"github.com/xdg-go/stringprep"
)

// Hash is the name of a SCRAM hash as the mechanisms write it.
type Hash string

// The hashes of SCRAM that the server keeps verifiers of. SHA-1 stays because some clients have nothing else.
const (
	SHA1   Hash = "SHA-1"
	SHA256 Hash = "SHA-256"
	SHA512 Hash = "SHA-512"
)

// AnyHash asks a Source for the verifier that a password is best checked against, SHA-256 if there is one.
const AnyHash Hash = ""

// Hashes lists every supported hash, strongest first.
var Hashes = [...]Hash{SHA512, SHA256, SHA1}

const (
	// MinIterations is the floor of RFC 7677 §4.
	MinIterations = 4096
	// DefaultIterations is what new verifiers use. The client pays it at each login, the server only for PLAIN.
	DefaultIterations = 10000
	// MaxPassword is the longest accepted password in bytes, after preparation.
	MaxPassword = 1024

	saltLen = 16
)

func (h Hash) new() func() hash.Hash {
	switch h {
	case SHA1:
		return sha1.New
	case SHA256:
		return sha256.New
	case SHA512:
		return sha512.New
	}
	return nil
}

// Size is the output size in bytes; 0 for an unknown hash.
func (h Hash) Size() int {
	n := h.new()
	if n == nil {
		return 0
	}
	return n().Size()
}

// Verifier is what the server keeps in place of a password (RFC 5802 §3): enough to check a proof, not to make one.
type Verifier struct {
	Hash       Hash
	Salt       []byte
	Iterations int
	StoredKey  []byte
	ServerKey  []byte
}

// LogValue keeps verifiers out of logs.
func (v Verifier) String() string { return "sasl.Verifier(" + string(v.Hash) + ", masked)" }

// GoString masks the keys also for %#v.
func (v Verifier) GoString() string { return v.String() }

// ErrPassword is a password that cannot be used; the wrapping error says why.
var ErrPassword = errors.New("sasl: password not usable")

// Prepare applies SASLprep (RFC 4013), as SCRAM asks of both sides (RFC 5802 §2.2). A password with code points that Unicode 3.2
// did not have (such as emoji) is used as it is, because that is what clients send for them. An empty result, control
// characters and more than MaxPassword bytes are refused.
func Prepare(password string) (string, error) {
	for _, r := range password {
		if r < 0x20 || r == 0x7F || r == 0xFFFD {
			return "", fmt.Errorf("%w: it contains a control character or broken text", ErrPassword)
		}
	}
	p, err := stringprep.SASLprep.Prepare(password)
	if err != nil {
		p = password
	}
	switch {
	case p == "":
		return "", fmt.Errorf("%w: it is empty", ErrPassword)
	case len(p) > MaxPassword:
		return "", fmt.Errorf("%w: it is longer than %d bytes", ErrPassword, MaxPassword)
	}
	return p, nil
}

// Derive makes the verifier of a password that Prepare returned.
func Derive(h Hash, prepared string, salt []byte, iterations int) (Verifier, error) {
	if h.new() == nil {
		return Verifier{}, fmt.Errorf("sasl: unknown hash %q", h)
	}
	salted, err := pbkdf2.Key(h.new(), prepared, salt, iterations, h.Size())
	if err != nil {
		return Verifier{}, fmt.Errorf("sasl: deriving a verifier: %w", err)
	}
	return FromSalted(h, salted, salt, iterations)
}

// FromSalted makes the verifier of a SaltedPassword (RFC 5802 §3), as an upgrade task brings it (XEP-0480 §3).
func FromSalted(h Hash, salted, salt []byte, iterations int) (Verifier, error) {
	if h.new() == nil || len(salted) != h.Size() {
		return Verifier{}, fmt.Errorf("sasl: %d bytes are no salted password of %q", len(salted), h)
	}
	return Verifier{
		Hash: h, Salt: salt, Iterations: iterations,
		StoredKey: digest(h, mac(h, salted, "Client Key")),
		ServerKey: mac(h, salted, "Server Key"),
	}, nil
}

// NewSalt makes a fresh salt.
func NewSalt() []byte {
	salt := make([]byte, saltLen)
	rand.Read(salt)
	return salt
}

// DeriveAll prepares a password and makes a verifier for each hash, each with a fresh salt. iterations 0 means DefaultIterations.
func DeriveAll(password string, iterations int) ([]Verifier, error) {
	if iterations == 0 {
		iterations = DefaultIterations
	}
	if iterations < MinIterations {
		return nil, fmt.Errorf("sasl: %d iterations are too few, at least %d", iterations, MinIterations)
	}
	p, err := Prepare(password)
	if err != nil {
		return nil, err
	}
	var out []Verifier
	for _, h := range Hashes {
		v, err := Derive(h, p, NewSalt(), iterations)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// Matches reports whether the prepared password is the one behind v. It does the same work whatever the outcome.
func (v Verifier) Matches(prepared string) bool {
	w, err := Derive(v.Hash, prepared, v.Salt, v.Iterations)
	return err == nil && subtle.ConstantTimeCompare(w.StoredKey, v.StoredKey) == 1
}

// fake is the verifier of an account that does not exist: the same at every attempt, so that it cannot be told from a real
// one, and matched by no password.
func fake(h Hash, key []byte, account string, iterations int) Verifier {
	part := func(label string, n int) []byte {
		m := hmac.New(sha512.New, key)
		fmt.Fprintf(m, "%s\x00%s\x00%s", label, h, account)
		return m.Sum(nil)[:n]
	}
	return Verifier{Hash: h, Salt: part("salt", saltLen), Iterations: iterations,
		StoredKey: part("stored", h.Size()), ServerKey: part("server", h.Size())}
}

func mac(h Hash, key []byte, text string) []byte {
	m := hmac.New(h.new(), key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

func digest(h Hash, b []byte) []byte {
	d := h.new()()
	d.Write(b)
	return d.Sum(nil)
}
