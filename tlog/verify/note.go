package verify

import (
	"encoding/base64"
	"errors"

	"golang.org/x/mod/sumdb/note"
)

// openNote is note.Open that takes each signature in its one form only. Base64 leaves bits unused at its end; were they free, a
// signed file could be changed without anyone finding it.
func openNote(signed []byte, known note.Verifiers) (*note.Note, error) {
	n, err := note.Open(signed, known)
	if err != nil {
		return nil, err
	}
	for _, list := range [][]note.Signature{n.Sigs, n.UnverifiedSigs} {
		for _, s := range list {
			if _, err := base64.StdEncoding.Strict().DecodeString(s.Base64); err != nil {
				return nil, errors.New("verify: a signature is not in its canonical form")
			}
		}
	}
	return n, nil
}
