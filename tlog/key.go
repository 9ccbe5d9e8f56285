package tlog

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Key is the house's signing key (Ed25519). It signs checkpoints, promises and manifests; their first lines differ, so that
// none passes for another.
type Key struct {
	signer note.Signer
	vkey   string
}

// LoadKey reads the key of file, or makes it for the log origin if the file is not there. The file is readable by its owner
// alone (0600); one that others may read is refused.
func LoadKey(file, origin string) (*Key, error) {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return makeKey(file, origin)
	case err != nil:
		return nil, fmt.Errorf("tlog: the signing key: %w", err)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("tlog: the signing key %s may be read by others (%v): chmod 600 it, and ask whether it was", file, info.Mode().Perm())
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("tlog: the signing key: %w", err)
	}
	skey, vkey, ok := strings.Cut(strings.TrimSpace(string(data)), "\n")
	if !ok {
		return nil, fmt.Errorf("tlog: the signing key %s: want two lines, the private and the public key", file)
	}
	return newKey(file, skey, vkey)
}

func newKey(file, skey, vkey string) (*Key, error) {
	s, err := note.NewSigner(skey)
	if err != nil {
		return nil, fmt.Errorf("tlog: the signing key %s: malformed", file) // the error itself could quote the key
	}
	v, err := note.NewVerifier(vkey)
	if err != nil || v.Name() != s.Name() || v.KeyHash() != s.KeyHash() {
		return nil, fmt.Errorf("tlog: the signing key %s: its public key is not that of its private key", file)
	}
	return &Key{signer: s, vkey: vkey}, nil
}

// makeKey writes a new key so that a crash leaves either no file or the whole of it.
func makeKey(file, origin string) (*Key, error) {
	skey, vkey, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return nil, fmt.Errorf("tlog: making a signing key for %q: %w", origin, err)
	}
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("tlog: the folder of the signing key: %w", err)
	}
	f, err := os.CreateTemp(dir, ".log.key-*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("tlog: writing the signing key: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(skey + "\n" + vkey + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Link(f.Name(), file) // fails if another start was faster; then that key counts
	}
	if errors.Is(err, fs.ErrExist) {
		return LoadKey(file, origin)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("tlog: writing the signing key: %w", err)
	}
	return newKey(file, skey, vkey)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Name is the key's name: the origin of the log.
func (k *Key) Name() string { return k.signer.Name() }

// VKey is the public key as published: name+hash+data.
func (k *Key) VKey() string { return k.vkey }

// Sign signs a text, which must end in a newline, as a note. The same text gives the same bytes.
func (k *Key) Sign(text string) ([]byte, error) {
	return note.Sign(&note.Note{Text: text}, k.signer)
}

// String hides the private key from logs.
func (k *Key) String() string { return k.vkey }
