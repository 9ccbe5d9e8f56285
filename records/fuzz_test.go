package records

import (
	"bytes"
	"testing"
	"time"

	"writ/schedule"
)

// FuzzGrant: a document is either refused or is the one canonical writing of its grant, so that no two documents of one hash, and no
// two hashes of one scope, can stand for different things.
func FuzzGrant(f *testing.F) {
	now := time.Date(2019, 7, 1, 9, 0, 0, 0, time.UTC)
	f.Add(Grant{Case: "1", Targets: []string{"a@b"}, Categories: []schedule.Category{schedule.SignIn}, From: now, To: now.Add(1), Expires: now}.Canonical())
	f.Add([]byte(`{"type":"writ extraction grant 1"}`))
	f.Add([]byte(`{"type":"writ extraction grant 2","case":"x"}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		g, err := parseGrant(doc)
		if err != nil {
			return
		}
		if !bytes.Equal(g.Canonical(), doc) {
			t.Errorf("%q is read and written as %q", doc, g.Canonical())
		}
	})
}
