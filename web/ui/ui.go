// Package ui is the one look of all faces: the layout, the style sheet, the small pieces that pages share, and the headers
// that keep a page to itself.
//
// Invariants:
//   - No page loads anything from elsewhere; script and style come from files, never from the page (strict CSP).
//   - Every page reads and works without JavaScript, with the keyboard alone, on a phone, in light and in dark.
//   - Text enters a page through html/template only.
package ui

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed static templates
var files embed.FS

// Link is a place in the navigation.
type Link struct{ Href, Text string }

// Page is what a handler gives to be shown.
type Page struct {
	Title  string // of the document and its one first heading
	Lead   string // one sentence under the heading; may be empty
	Here   string // Href of the current place in the navigation
	Nav    []Link // instead of the face's, if that does not fit who reads
	User   string // who is signed in; empty: as Face.Who says
	Role   string // as what
	Done   string // what just happened; shown first and announced to screen readers
	Fault  string // what went wrong and what to do
	Data   any
	Status int // HTTP status; 0 means 200
}

// Face is a set of pages with a navigation of its own.
type Face struct {
	Name    string // shown beside the mark: "Staff desk"
	Home    string // where the mark leads
	Nav     []Link
	SignOut string   // where the sign-out form posts; empty if the face has no sign-in
	Scripts []string // static files that its pages load, deferred
	Back    string   // what leads home from a page that says what went wrong; empty: "Back to the start"
	// Who says who is signed in, and as what; nil: nobody is, on this face.
	Who func(r *http.Request) (name, role string)

	log   *slog.Logger
	pages map[string]*template.Template
}

// NewFace parses the pages in dir of fsys: each file NAME.html defines "main" and becomes the page NAME; files that begin
// with "_" are shared by the pages of the face. Template faults are found here, not when a page is asked for.
func NewFace(f Face, fsys fs.FS, dir string, funcs template.FuncMap, log *slog.Logger) (*Face, error) {
	f.log, f.pages = log, map[string]*template.Template{}
	base, err := template.New("base").Funcs(standard).Funcs(funcs).ParseFS(files, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("ui: parsing the layout: %w", err)
	}
	names, err := fs.Glob(fsys, path.Join(dir, "*.html"))
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("ui: no pages in %s: %w", dir, err)
	}
	for _, n := range names {
		if strings.HasPrefix(path.Base(n), "_") {
			if base, err = base.ParseFS(fsys, n); err != nil {
				return nil, fmt.Errorf("ui: parsing %s: %w", n, err)
			}
		}
	}
	for _, n := range names {
		name := strings.TrimSuffix(path.Base(n), ".html")
		if strings.HasPrefix(name, "_") {
			continue
		}
		t, err := template.Must(base.Clone()).ParseFS(fsys, n)
		if err != nil {
			return nil, fmt.Errorf("ui: parsing %s: %w", n, err)
		}
		f.pages[name] = t
	}
	if f.pages["problem"], err = template.Must(base.Clone()).Parse(problem); err != nil {
		return nil, fmt.Errorf("ui: parsing the problem page: %w", err)
	}
	return &f, nil
}

const problem = `{{define "main"}}<p class="actions"><a class="button" href="{{.Face.Home}}">{{with .Face.Back}}{{.}}{{else}}Back to the start{{end}}</a></p>{{end}}`

type view struct {
	Page
	Face *Face
}

// Show writes a page. A page that fails to render becomes a plain error, never half a page.
func (f *Face) Show(w http.ResponseWriter, r *http.Request, name string, p Page) {
	t := f.pages[name]
	if t == nil {
		f.log.Error("page missing", "page", name)
		http.Error(w, "This page is missing.", http.StatusInternalServerError)
		return
	}
	if p.User == "" && f.Who != nil {
		p.User, p.Role = f.Who(r)
	}
	if p.Nav == nil {
		p.Nav = f.Nav
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "base.html", view{p, f}); err != nil {
		f.log.Error("rendering a page", "page", name, "err", err)
		http.Error(w, "This page could not be shown. The fault is ours and was noted.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if p.Status != 0 {
		w.WriteHeader(p.Status)
	}
	if r.Method != http.MethodHead {
		w.Write(b.Bytes()) // the reader is gone if this fails
	}
}

var hashes = func() map[string]string {
	m := map[string]string{}
	fs.WalkDir(files, "static", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			b, _ := files.ReadFile(p) // embedded: it cannot fail
			sum := sha256.Sum256(b)
			m[strings.TrimPrefix(p, "static/")] = hex.EncodeToString(sum[:6])
		}
		return nil
	})
	return m
}()

// Asset is the address of a static file. It changes with the content, so browsers may keep it for good.
func Asset(name string) string {
	h, ok := hashes[name]
	if !ok {
		panic("ui: no static file " + name)
	}
	return "/static/" + h + "/" + name
}

// Static serves the files behind Asset; mount it at /static/.
func Static() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hash, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/static/"), "/")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.Error(w, "This address only serves files.", http.StatusMethodNotAllowed)
			return
		}
		if h, ok := hashes[name]; !ok || h != hash {
			http.NotFound(w, r)
			return
		}
		b, _ := files.ReadFile("static/" + name) // embedded: it cannot fail
		w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		if r.Method == http.MethodGet {
			w.Write(b)
		}
	})
}
