package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// errOutside is what a statement of a Scoped handle gets that is none of SELECT, INSERT, UPDATE, DELETE, WITH.
var errOutside = errors.New("outside the scope of this handle: only SELECT, INSERT, UPDATE, DELETE and WITH")

// scope is a set of table prefixes. One value per set and engine, so that it can be compared by pointer.
type scope struct {
	prefixes []string
	key      string

	mu   sync.Mutex
	done bool // its role has its grants (PostgreSQL)
}

// holds reports whether a table belongs to the scope: it is named prefix, or prefix_something.
func (s *scope) holds(table string) bool {
	for _, p := range s.prefixes {
		if rest, ok := strings.CutPrefix(table, p); ok && (rest == "" || rest[0] == '_') {
			return true
		}
	}
	return false
}

// Scoped returns a handle on which a statement fails that touches a table of a room not named. Its writes join the same queue.
// Call it after Migrate. SQLite asks an authorizer when a statement is prepared; PostgreSQL runs it as a role that was granted these tables
// and nothing else. A prefix is a room's name: lower-case letters and digits.
func (db *DB) Scoped(prefixes ...string) *DB {
	ps := slices.Compact(slices.Sorted(slices.Values(prefixes)))
	for _, p := range ps {
		if !roomName(p) {
			panic(fmt.Sprintf("store: scope of %q: a prefix has lower-case letters and digits", p))
		}
	}
	key := strings.Join(ps, "_")
	e := db.e
	e.mu.Lock()
	defer e.mu.Unlock()
	if old, ok := e.scopes[key]; ok {
		return old
	}
	h := &DB{e: e, scope: &scope{prefixes: ps, key: key}}
	var err error
	if h.reads, err = e.backend.openReads(h.scope); err != nil {
		panic(fmt.Sprintf("store: scope %s: %v", key, err)) // opening a pool connects nothing: only a URL that Open has accepted can be wrong
	}
	e.onClose = append(e.onClose, h.reads.db.Close)
	e.scopes[key] = h
	return h
}

func (e *engine) openReads(s *scope) (*pool, error) {
	p, err := e.backend.openReads(s)
	if err == nil {
		e.onClose = append(e.onClose, p.db.Close)
	}
	return p, err
}

func roomName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// plain reports whether a text is of a kind that a scope can judge. It keeps out SET ROLE and its like.
func plain(text string) bool {
	word, _, _ := strings.Cut(strings.TrimLeft(text, " \t\n("), " ")
	word, _, _ = strings.Cut(word, "\n")
	switch strings.ToUpper(word) {
	case "SELECT", "INSERT", "UPDATE", "DELETE", "WITH":
		return true
	}
	return false
}
