// Package chat is the web chat: Converse.js as its authors released it (third_party/converse), with encryption switched on and
// tied to this domain. It speaks to the server by WebSocket alone and loads nothing from elsewhere.
//
// Invariants:
//   - The page's policy allows this origin only. It differs from the other faces' in two points that Converse.js needs:
//     WebAssembly for the encryption's curve, and style attributes.
//   - No sponsor's picture and no other party's file is loaded.
package chat

import (
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"strings"

	"writ/third_party/converse"
)

//go:embed static
var static embed.FS

// Policy is the chat's Content-Security-Policy.
const Policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; " +
	"font-src 'self' data:; media-src 'self' blob:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'"

var page = template.Must(template.ParseFS(static, "static/chat.html"))

// Handler serves the chat under /chat.
func Handler(domain string) (http.Handler, error) {
	dist, err := fs.Sub(converse.Dist, "dist")
	if err != nil {
		return nil, err
	}
	own, err := fs.Sub(static, "static")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /chat", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		page.Execute(w, map[string]string{"Domain": domain}) // the reader is gone if this fails
	})
	mux.Handle("GET /chat/dist/", http.StripPrefix("/chat/dist/", files(dist)))
	mux.Handle("GET /chat/own/", http.StripPrefix("/chat/own/", files(own)))
	return headers(mux), nil
}

// files serves files and no listings of folders.
func files(fsys fs.FS) http.Handler {
	serve := http.FileServerFS(fsys)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "" || strings.HasSuffix(r.URL.Path, "/") || strings.HasSuffix(r.URL.Path, ".html") {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "public, max-age=3600")
		serve.ServeHTTP(w, r)
	})
}

func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", Policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}
