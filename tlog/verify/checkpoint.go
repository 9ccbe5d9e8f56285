// Package verify checks, offline and with nothing but the standard library and golang.org/x/mod, what a Writ house signs:
// checkpoints of its log, receipts of officers, packages delivered to agencies, and transparency reports. It opens no
// socket and no database; give it the files and the house's public key (a "vkey" as printed on the public site).
//
// Formats:
//   - checkpoint: C2SP tlog-checkpoint (origin, size, root) as a signed note
//   - inclusion proof: C2SP tlog-proof
//   - tiles and entry bundles: C2SP tlog-tiles; Merkle hashes of RFC 6962
//   - promise, receipt, package manifest, report: this package's own, each documented at its type
//
// Invariants:
//   - Nothing is believed before its signature is checked with the key that the caller gave.
//   - A check never answers "fine" for what it could not check: such a point is named as not checked.
//   - Malformed input gives an error or a failed Result, never a panic.
package verify

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// maxNote bounds a signed note that is read (bytes). A checkpoint with many cosignatures stays far below it.
const maxNote = 1 << 20

// Checkpoint is a tree head: the root hash of the first Size leaves of the log Origin.
type Checkpoint struct {
	Origin string
	Size   int64
	Root   tlog.Hash
}

// Text gives the note text that is signed.
func (c Checkpoint) Text() string {
	return c.Origin + "\n" + strconv.FormatInt(c.Size, 10) + "\n" + base64.StdEncoding.EncodeToString(c.Root[:]) + "\n"
}

// ParseCheckpoint reads a note text without looking at signatures. Extension lines are accepted and ignored.
func ParseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 || lines[len(lines)-1] != "" {
		return Checkpoint{}, errors.New("verify: a checkpoint has at least three lines, each ended by a newline")
	}
	for _, l := range lines[:len(lines)-1] {
		if l == "" {
			return Checkpoint{}, errors.New("verify: a checkpoint has no empty line")
		}
	}
	size, err := parseDecimal(lines[1])
	if err != nil {
		return Checkpoint{}, fmt.Errorf("verify: checkpoint size %q: %w", lines[1], err)
	}
	root, err := parseHash(lines[2])
	if err != nil {
		return Checkpoint{}, fmt.Errorf("verify: checkpoint root: %w", err)
	}
	if size == 0 && root != EmptyRoot() {
		return Checkpoint{}, errors.New("verify: the root of an empty log must be the hash of nothing")
	}
	return Checkpoint{Origin: lines[0], Size: size, Root: root}, nil
}

// EmptyRoot is the root of a log without leaves (RFC 6962 §2.1).
func EmptyRoot() tlog.Hash { return sha256.Sum256(nil) }

// parseDecimal reads a non-negative decimal number without sign or leading zeros.
func parseDecimal(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != s {
		return 0, errors.New("not a plain decimal number")
	}
	return n, nil
}

// parseHash reads a hash in the one form that it is written in: the decoders of base64 pass over line ends and spare bits.
func parseHash(s string) (tlog.Hash, error) {
	b, err := decode64(s)
	if err != nil || len(b) != tlog.HashSize {
		return tlog.Hash{}, errors.New("not a SHA-256 hash in base64")
	}
	return tlog.Hash(b), nil
}

func decode64(s string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || base64.StdEncoding.EncodeToString(b) != s {
		return nil, errors.New("not base64 in its one form")
	}
	return b, nil
}

// Key reads a house's public key as published ("name+hash+data").
func Key(vkey string) (note.Verifier, error) {
	v, err := note.NewVerifier(strings.TrimSpace(vkey))
	if err != nil {
		return nil, fmt.Errorf("verify: this is not a public key of the form name+hash+data: %w", err)
	}
	return v, nil
}

// open checks the signature of key over a note and gives its text.
func open(signed []byte, key note.Verifier) (string, error) {
	if len(signed) > maxNote {
		return "", fmt.Errorf("verify: a signed note of %d bytes is over the limit of %d", len(signed), maxNote)
	}
	n, err := openNote(signed, note.VerifierList(key))
	var unsigned *note.UnverifiedNoteError
	switch {
	case errors.As(err, &unsigned):
		return "", fmt.Errorf("verify: no signature of %s on it", key.Name())
	case err != nil:
		return "", fmt.Errorf("verify: the signature is wrong: %w", err)
	}
	return n.Text, nil
}

// OpenCheckpoint checks the signature of key over a checkpoint. The log's origin must be the name of the key.
func OpenCheckpoint(signed []byte, key note.Verifier) (Checkpoint, error) {
	text, err := open(signed, key)
	if err != nil {
		return Checkpoint{}, err
	}
	c, err := ParseCheckpoint(text)
	if err != nil {
		return Checkpoint{}, err
	}
	if c.Origin != key.Name() {
		return Checkpoint{}, fmt.Errorf("verify: a checkpoint of the log %q, not of %q", c.Origin, key.Name())
	}
	return c, nil
}
