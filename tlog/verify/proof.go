package verify

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const proofHead = "c2sp.org/tlog-proof@v1"

// maxPath bounds the hashes of a proof: a tree of 2^63 leaves has 63.
const maxPath = 63

// Proof shows that a leaf stands at Index in the tree of Checkpoint (C2SP tlog-proof). Extra is not authenticated.
type Proof struct {
	Extra      []byte
	Index      int64
	Path       tlog.RecordProof
	Checkpoint []byte // the signed note, verbatim
}

// Bytes writes the proof as a .tlog-proof file.
func (p Proof) Bytes() []byte {
	var b bytes.Buffer
	b.WriteString(proofHead + "\n")
	if len(p.Extra) > 0 {
		b.WriteString("extra " + base64.StdEncoding.EncodeToString(p.Extra) + "\n")
	}
	b.WriteString("index " + strconv.FormatInt(p.Index, 10) + "\n")
	for _, h := range p.Path {
		b.WriteString(base64.StdEncoding.EncodeToString(h[:]) + "\n")
	}
	b.WriteByte('\n')
	b.Write(p.Checkpoint)
	return b.Bytes()
}

// ParseProof reads a .tlog-proof file. It checks the form only; Check checks the content.
func ParseProof(data []byte) (Proof, error) {
	if len(data) > maxNote {
		return Proof{}, fmt.Errorf("verify: a proof of %d bytes is over the limit of %d", len(data), maxNote)
	}
	head, checkpoint, ok := bytes.Cut(data, []byte("\n\n"))
	if !ok {
		return Proof{}, errors.New("verify: the proof has no empty line before its checkpoint")
	}
	lines := strings.Split(string(head), "\n")
	if lines[0] != proofHead {
		return Proof{}, fmt.Errorf("verify: the first line of a proof is %q, not %q", proofHead, clip(lines[0]))
	}
	p := Proof{Checkpoint: checkpoint}
	lines = lines[1:]
	if len(lines) > 0 && strings.HasPrefix(lines[0], "extra ") {
		extra, err := decode64(lines[0][len("extra "):])
		if err == nil && len(extra) == 0 {
			err = errors.New("an empty line; it is left out without data")
		}
		if err != nil {
			return Proof{}, fmt.Errorf("verify: extra data of the proof: %w", err)
		}
		p.Extra, lines = extra, lines[1:]
	}
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "index ") {
		return Proof{}, errors.New("verify: the proof has no index line")
	}
	var err error
	if p.Index, err = parseDecimal(lines[0][len("index "):]); err != nil {
		return Proof{}, fmt.Errorf("verify: index of the proof: %w", err)
	}
	if len(lines)-1 > maxPath {
		return Proof{}, fmt.Errorf("verify: a proof of %d hashes; no tree needs more than %d", len(lines)-1, maxPath)
	}
	for _, l := range lines[1:] {
		h, err := parseHash(l)
		if err != nil {
			return Proof{}, fmt.Errorf("verify: hash %q of the proof: %w", clip(l), err)
		}
		p.Path = append(p.Path, h)
	}
	return p, nil
}

// Check verifies the checkpoint's signature with key, and that leaf (the entry's bytes, not their hash) is in its tree.
func (p Proof) Check(leaf []byte, key note.Verifier) (Checkpoint, error) {
	c, err := OpenCheckpoint(p.Checkpoint, key)
	if err != nil {
		return Checkpoint{}, err
	}
	return c, c.Includes(leaf, p.Index, p.Path)
}

// Includes checks that leaf stands at index in the tree of c (RFC 6962 §2.1.1).
func (c Checkpoint) Includes(leaf []byte, index int64, path tlog.RecordProof) error {
	if index < 0 || index >= c.Size {
		return fmt.Errorf("verify: leaf %d is outside of a log of %d leaves", index, c.Size)
	}
	if err := tlog.CheckRecord(path, c.Size, c.Root, index, tlog.RecordHash(leaf)); err != nil {
		return fmt.Errorf("verify: this leaf is not at place %d of the log: %w", index, err)
	}
	return nil
}

// CheckConsistency verifies that the tree of newer begins with the whole tree of older (RFC 6962 §2.1.2).
func CheckConsistency(older, newer Checkpoint, path tlog.TreeProof) error {
	switch {
	case older.Origin != newer.Origin:
		return fmt.Errorf("verify: checkpoints of two logs, %q and %q", older.Origin, newer.Origin)
	case older.Size > newer.Size:
		return fmt.Errorf("verify: the log shrank from %d leaves to %d: it was rolled back", older.Size, newer.Size)
	case older.Size == newer.Size:
		if older.Root != newer.Root {
			return fmt.Errorf("verify: two different logs of %d leaves: it was rewritten", older.Size)
		}
		return nil
	case older.Size == 0:
		return nil
	}
	if err := tlog.CheckTree(path, newer.Size, newer.Root, older.Size, older.Root); err != nil {
		return fmt.Errorf("verify: the log of %d leaves does not begin with the log of %d: it was rewritten: %w", newer.Size, older.Size, err)
	}
	return nil
}

// clip shortens foreign text for a message.
func clip(s string) string {
	const most = 160
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
