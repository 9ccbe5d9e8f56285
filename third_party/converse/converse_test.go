package converse

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"strings"
	"testing"
)

func TestFilesAreThoseOfTheRelease(t *testing.T) {
	t.Parallel()
	f, err := os.Open("SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	pinned := map[string]string{}
	for s := bufio.NewScanner(f); s.Scan(); {
		sum, name, _ := strings.Cut(s.Text(), "  ")
		pinned[name] = sum
	}
	err = fs.WalkDir(Dist, "dist", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := Dist.ReadFile(path)
		if err != nil {
			return err
		}
		if sum := sha256.Sum256(data); pinned[path] != hex.EncodeToString(sum[:]) {
			t.Errorf("%s is not the file of the release", path)
		}
		delete(pinned, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range pinned {
		t.Errorf("%s is pinned and missing", name)
	}
}
