package production

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"writ/tlog/verify"
)

// file is one file of a package.
type file struct {
	name string
	data []byte
}

func (f file) describe() verify.File {
	sum := sha256.Sum256(f.data)
	return verify.File{Name: f.name, Size: int64(len(f.data)), SHA256: hex.EncodeToString(sum[:])}
}

// pack writes a zip of the files in the order given. Every entry has the first date that the format knows, and neither owner,
// mode nor extra field, so that the bytes tell nothing of the machine.
func pack(files []file) ([]byte, error) {
	const firstDay = 1<<5 | 1 // 1 January 1980, MS-DOS
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range files {
		//lint:ignore SA1019 Modified would write an extra field with a time; these two bytes are the format's own date.
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate, ModifiedDate: firstDay}
		w, err := z.CreateHeader(h)
		if err == nil {
			_, err = w.Write(f.data)
		}
		if err != nil {
			return nil, fmt.Errorf("production: packing %s: %w", f.name, err)
		}
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("production: packing: %w", err)
	}
	return b.Bytes(), nil
}

// fileName makes a case's number safe as a part of a file name.
func fileName(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, s)
}
