package ui

import "net/http"

// Problem shows an error page in the face's look: what happened and what to do next.
func (f *Face) Problem(w http.ResponseWriter, r *http.Request, status int, title, what string) {
	f.Show(w, r, "problem", Page{Title: title, Lead: what, Status: status})
}

// Missing says that there is nothing at this address. What is not for the reader is answered alike.
func (f *Face) Missing(w http.ResponseWriter, r *http.Request) {
	f.Problem(w, r, http.StatusNotFound, "There is no such page", "Nothing is here, or it is not for you.")
}

// Failed notes a fault of ours, and says that it was one.
func (f *Face) Failed(w http.ResponseWriter, r *http.Request, err error) {
	f.log.Error("a page failed", "path", r.Pattern, "err", err)
	f.Problem(w, r, http.StatusInternalServerError, "Something went wrong", "The fault is ours and was noted; nothing was changed. Try again.")
}

// Room makes the handler of a face's pages below path: m, which gains an answer for all other addresses there, with bodies of at most
// limit bytes. A body is bounded while it is read, before anything is made of it.
func (f *Face) Room(m *http.ServeMux, path string, limit func(*http.Request) int64) http.Handler {
	m.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			f.Problem(w, r, http.StatusMethodNotAllowed, "This cannot be done here", "The address takes no such request. Nothing was changed.")
			return
		}
		f.Missing(w, r)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, limit(r))
		m.ServeHTTP(w, r)
	})
}

// AtMost is a limit that is the same for all requests, in bytes.
func AtMost(n int64) func(*http.Request) int64 {
	return func(*http.Request) int64 { return n }
}
