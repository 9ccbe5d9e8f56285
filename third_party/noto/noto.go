// Package noto carries the font of letters and certificates: Noto Sans HK, which has the characters of Hong Kong names,
// those beyond U+FFFF included.
package noto

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"sync"
)

//go:embed NotoSansHK-Regular.ttf.gz
var packed []byte

// Regular gives the TrueType font. The bytes are shared and must not be changed.
var Regular = sync.OnceValues(func() ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("noto: %w", err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		return nil, fmt.Errorf("noto: %w", err)
	}
	return b, nil
})
