package tlog

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// tilePath is what may be fetched, and nothing else of the folder (C2SP tlog-tiles: APIs).
var tilePath = regexp.MustCompile(`^tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/(x[0-9]{3}/)*[0-9]{3}(\.p/([1-9][0-9]{0,2}))?$`)

// Handler serves the published log, read only: /checkpoint, /tile/…, and /key with the public key. Mount it with
// http.StripPrefix at the path of the origin. A partial tile that is gone is answered 404; the client then fetches the full one.
func (l *Log) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "the log is read only", http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Access-Control-Allow-Origin", "*") // anyone's page may check the log
		path := strings.TrimPrefix(r.URL.Path, "/")
		switch {
		case path == "checkpoint":
			l.serveText(w, r, func() ([]byte, error) { return l.Checkpoint(r.Context()) })
		case path == "key":
			l.serveText(w, r, func() ([]byte, error) { return []byte(l.VKey() + "\n"), nil })
		case tileOK(path):
			l.serveTile(w, r, path)
		default:
			http.Error(w, "the log has /checkpoint, /key and /tile/", http.StatusNotFound)
		}
	})
}

func tileOK(path string) bool {
	m := tilePath.FindStringSubmatch(path)
	if m == nil {
		return false
	}
	if m[4] == "" {
		return true
	}
	n, err := strconv.Atoi(m[4])
	return err == nil && n < 256
}

func (l *Log) serveText(w http.ResponseWriter, r *http.Request, get func() ([]byte, error)) {
	b, err := get()
	switch {
	case errors.Is(err, ErrPending):
		http.Error(w, "nothing is published yet", http.StatusNotFound)
		return
	case err != nil:
		l.log.Error("serving the log", "path", r.URL.Path, "err", err)
		http.Error(w, "the log cannot be read now", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "max-age=5")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	if r.Method == http.MethodGet {
		w.Write(b)
	}
}

func (l *Log) serveTile(w http.ResponseWriter, r *http.Request, path string) {
	b, err := os.ReadFile(filepath.Join(l.cfg.Dir, filepath.FromSlash(path)))
	if errors.Is(err, fs.ErrNotExist) {
		http.Error(w, "no such tile", http.StatusNotFound)
		return
	}
	if err != nil {
		l.log.Error("serving the log", "path", r.URL.Path, "err", err)
		http.Error(w, "the tile cannot be read now", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	if r.Method == http.MethodGet {
		w.Write(b)
	}
}
